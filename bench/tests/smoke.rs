//! The bench runs from end to end on a little of everything; its figures are of no interest here.

use std::process::Command;

#[test]
fn every_part_of_the_bench_runs_and_every_table_has_its_rows() {
    let folder = std::env::temp_dir().join(format!("lp-reporting-bench-{}", std::process::id()));
    let output = Command::new(env!("CARGO_BIN_EXE_bench"))
        .args(["run", "--smoke", "--dir"])
        .arg(&folder)
        .output()
        .expect("the bench starts");
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}\n{errors}");
    let results = std::fs::read(folder.join("latest.json")).expect("results are written");
    let results: serde_json::Value = serde_json::from_slice(&results).expect("results are JSON");
    std::fs::remove_dir_all(&folder).expect("the folder is removed");

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
