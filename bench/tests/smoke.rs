//! The bench runs from end to end on a little of everything; its figures are of no interest here.

use std::path::PathBuf;
use std::process::Command;

/// What the bench writes to; removed at the end, however that comes.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        // A test that failed may have left nothing.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn every_part_of_the_bench_runs_and_every_table_has_its_rows() {
    let folder = std::env::temp_dir().join(format!("lp-reporting-bench-{}", std::process::id()));
    let folder = Folder(folder);
    let output = Command::new(env!("CARGO_BIN_EXE_bench"))
        .args(["run", "--smoke", "--dir"])
        .arg(&folder.0)
        .output()
        .expect("the bench starts");
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}\n{errors}");
    let results = std::fs::read(folder.0.join("latest.json")).expect("results are written");
    let results: serde_json::Value = serde_json::from_slice(&results).expect("results are JSON");

    assert_eq!(results["size"], "S");
    let answers = results["found"]["answers"].as_array().expect("answers");
    assert_eq!(answers.len(), 6);
    for rate in results["ingest"]["batches"].as_array().expect("batches") {
        assert_eq!(rate["lost_or_doubled"], 0, "{rate}");
    }
    for goal in [
        "cached summary",
        "hit rate under the mix",
        "index bytes a row",
    ] {
        assert!(text.contains(goal), "{goal} is missing:\n{text}");
    }
}
