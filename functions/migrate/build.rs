//! Lists the migrations, in the order of their numbers, for the function to carry within itself.

use std::env;
use std::error::Error;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

fn main() -> Result<(), Box<dyn Error>> {
    // Where it is now: the script may have been compiled before the checkout was moved.
    let folder = Path::new(&env::var("CARGO_MANIFEST_DIR")?)
        .join("../../migrations")
        .canonicalize()?;
    println!("cargo::rerun-if-changed={}", folder.display());
    let mut files: Vec<PathBuf> = fs::read_dir(&folder)?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<_, std::io::Error>>()?;
    files.retain(|file| file.extension().is_some_and(|extension| extension == "sql"));
    files.sort();
    let mut list = String::from("[\n");
    for file in &files {
        let name = file
            .file_stem()
            .and_then(|name| name.to_str())
            .ok_or("a file name is not UTF-8")?;
        writeln!(
            list,
            "    ({name:?}, include_str!({:?})),",
            file.display().to_string()
        )?;
    }
    list.push_str("]\n");
    let output = Path::new(&env::var("OUT_DIR")?).join("migrations.rs");
    Ok(fs::write(output, list)?)
}
