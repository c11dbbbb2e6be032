//! The public allocation cases: largest remainder, the first of equals first.

use serde::Deserialize;
use shared::finance::allocation::allocate;

#[derive(Deserialize)]
struct Case {
    name: String,
    total: i64,
    weights: Vec<i64>,
    expected: Vec<i64>,
}

#[test]
fn every_case_is_allocated_as_published() {
    let cases: Vec<Case> =
        serde_json::from_str(include_str!("../fixtures/allocation.json")).expect("a list of cases");
    assert_eq!(cases.len(), 8);
    for case in cases {
        assert_eq!(
            allocate(case.total, &case.weights),
            Some(case.expected),
            "{}",
            case.name
        );
    }
}
