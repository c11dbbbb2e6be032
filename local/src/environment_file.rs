//! The file that tells shells, tests and the other subcommands where a running stack is: `KEY='value'` lines.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::{Context, Result};

/// Writes the file in one step, so that whoever sees it sees all of it. It holds a token: nobody else may read it.
pub fn write(path: &Path, values: &[(&str, String)]) -> Result<()> {
    let partial = path.with_extension("partial");
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&partial)?;
    for (name, value) in values {
        writeln!(file, "{name}={}", quoted(value))?;
    }
    Ok(fs::rename(&partial, path)?)
}

/// Reads a file that [`write`] wrote.
pub fn read(path: &Path) -> Result<BTreeMap<String, String>> {
    let text = fs::read_to_string(path)
        .with_context(|| format!("no stack is running: there is no {}", path.display()))?;
    text.lines()
        .map(|line| {
            entry(line).with_context(|| format!("not understood in {}: {line}", path.display()))
        })
        .collect()
}

fn entry(line: &str) -> Option<(String, String)> {
    let (name, value) = line.split_once('=')?;
    let inner = value.strip_prefix('\'')?.strip_suffix('\'')?;
    Some((name.to_owned(), inner.replace(r"'\''", "'")))
}

fn quoted(value: &str) -> String {
    format!("'{}'", value.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_and_this_module_read_the_same_values() {
        let path = std::env::temp_dir().join(format!("environment-file-{}", std::process::id()));
        let tricky = "it's \"$HOME\" `id` \\ &;".to_owned();
        write(
            &path,
            &[("TRICKY", tricky.clone()), ("EMPTY", String::new())],
        )
        .unwrap();
        assert_eq!(
            read(&path).unwrap(),
            BTreeMap::from([
                ("TRICKY".to_owned(), tricky.clone()),
                ("EMPTY".to_owned(), String::new())
            ])
        );
        let script = format!(". {} && printf %s \"$TRICKY\"", path.display());
        let shell = std::process::Command::new("sh")
            .args(["-c", &script])
            .output()
            .unwrap();
        fs::remove_file(&path).unwrap();
        assert_eq!(String::from_utf8(shell.stdout).unwrap(), tricky);
    }
}
