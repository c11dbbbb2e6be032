//! The logs of a stack, read on from where they were read last.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// So much is read at once, and a longer line is passed over.
const CHUNK_BYTES: usize = 256 * 1024;

/// A folder of logs, and how far each was read.
#[derive(Debug)]
pub struct Logs {
    folder: PathBuf,
    read_to: BTreeMap<PathBuf, u64>,
}

impl Logs {
    /// The logs of a folder, but for what they hold already.
    pub fn from_now_on(folder: &Path) -> Result<Self> {
        let mut logs = Self {
            folder: folder.to_owned(),
            read_to: BTreeMap::new(),
        };
        for path in logs.files()? {
            let end = fs::metadata(&path)?.len();
            logs.read_to.insert(path, end);
        }
        Ok(logs)
    }

    /// Hands over each line that was finished since the last time, without its end.
    pub fn read_on(&mut self, mut each: impl FnMut(&[u8])) -> Result<()> {
        for path in self.files()? {
            let read_to = self.read_to.entry(path.clone()).or_default();
            *read_to = read_file(&path, *read_to, &mut each)
                .with_context(|| format!("cannot read {}", path.display()))?;
        }
        Ok(())
    }

    fn files(&self) -> Result<Vec<PathBuf>> {
        let entries = fs::read_dir(&self.folder)
            .with_context(|| format!("cannot read {}", self.folder.display()))?;
        let paths = entries.map(|entry| Ok(entry?.path()));
        let mut paths = paths.collect::<Result<Vec<PathBuf>>>()?;
        paths.sort();
        Ok(paths)
    }
}

/// Reads from an offset to the end of the last whole line, and returns that end.
fn read_file(path: &Path, from: u64, each: &mut impl FnMut(&[u8])) -> std::io::Result<u64> {
    let mut file = match File::open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(from),
        opened => opened?,
    };
    let mut read_to = from;
    let mut chunk = Vec::new();
    loop {
        file.seek(SeekFrom::Start(read_to))?;
        chunk.clear();
        (&mut file)
            .take(CHUNK_BYTES as u64)
            .read_to_end(&mut chunk)?;
        let end = match chunk.iter().rposition(|b| *b == b'\n') {
            Some(last) => last + 1,
            // What is left of so long a line does not begin like one that tells anything.
            None if chunk.len() == CHUNK_BYTES => CHUNK_BYTES,
            None => return Ok(read_to),
        };
        chunk[..end].split(|b| *b == b'\n').for_each(&mut *each);
        read_to += end as u64;
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn seen(logs: &mut Logs) -> Vec<String> {
        let mut lines = Vec::new();
        let each = |line: &[u8]| lines.push(String::from_utf8(line.to_vec()).unwrap());
        logs.read_on(each).unwrap();
        lines.retain(|line| !line.is_empty() && line.len() < 100);
        lines
    }

    #[test]
    fn each_line_is_seen_once_when_it_is_finished_and_none_of_an_earlier_stack() {
        let name = format!("lp-reporting-logs-{}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        fs::create_dir_all(&folder).unwrap();
        let append = |name: &str, text: &str| {
            let mut options = File::options();
            let file = options.create(true).append(true).open(folder.join(name));
            file.unwrap().write_all(text.as_bytes()).unwrap();
        };
        append("a.log", "earlier\n");
        let mut logs = Logs::from_now_on(&folder).unwrap();
        assert_eq!(seen(&mut logs), [""; 0]);
        append("a.log", "one\ntwo\nthr");
        append("b.log", "new\n");
        assert_eq!(seen(&mut logs), ["one", "two", "new"]);
        append("a.log", "ee\n");
        assert_eq!(seen(&mut logs), ["three"]);
        append("a.log", &"x".repeat(3 * CHUNK_BYTES));
        append("a.log", "\nafter\n");
        assert_eq!(seen(&mut logs), ["after"]);
        assert_eq!(seen(&mut logs), [""; 0]);
        fs::remove_dir_all(&folder).unwrap();
    }
}
