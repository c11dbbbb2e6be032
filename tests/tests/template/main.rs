//! The deployable template, checked without a network: translated as a deployment translates it, linted before and after, and held
//! against the code, the contract, the documents and its own arithmetic. Faults made on purpose show that the checks see.

mod checks;
mod connections;
mod faults;
mod functions;
mod network;
mod permissions;
mod schedules;
mod template;
mod watching;

use checks::CHECKS;
use faults::FAULTS;
use template::{Case, text, translate};

#[test]
fn the_template_passes_every_check() {
    let cases = [Case {
        text: text(),
        lint: true,
    }];
    let [template] = translate(&cases).try_into().expect("one answer");
    let violations: Vec<String> = CHECKS
        .iter()
        .flat_map(|(name, check)| {
            let found = check(&template).into_iter();
            found.map(move |violation| format!("{name}: {violation}"))
        })
        .collect();
    assert!(violations.is_empty(), "{}", violations.join("\n"));
}

#[test]
fn every_fault_made_on_purpose_is_seen_by_its_check() {
    let text = text();
    let cases: Vec<Case> = FAULTS
        .iter()
        .map(|fault| Case {
            text: fault.make(&text),
            lint: fault.seen_by == "lint",
        })
        .collect();
    let mut unseen = Vec::new();
    for (fault, template) in FAULTS.iter().zip(translate(&cases)) {
        let (_, check) = CHECKS
            .iter()
            .find(|(name, _)| *name == fault.seen_by)
            .unwrap_or_else(|| panic!("there is no check {}", fault.seen_by));
        let violations = check(&template);
        println!(
            "{}\n    {}: {}",
            fault.what,
            fault.seen_by,
            violations.join("; ")
        );
        if violations.is_empty() {
            unseen.push(format!("{} does not see: {}", fault.seen_by, fault.what));
        }
    }
    assert!(unseen.is_empty(), "{}", unseen.join("\n"));
}
