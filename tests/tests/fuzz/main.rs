//! What nobody can be trusted to have written right (cursors, parameters, messages, tokens), made up by the thousand: nearly
//! right and not at all. None of it may panic, everything is read or refused by name within bounds, and what was read comes
//! back as it was written.
//!
//! `PROPTEST_CASES` says how many of each are tried; `make fuzz` tries many, and prints how many.

mod cursors;
mod messages;
mod parameters;
mod tokens;

use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{Config, TestCaseError, TestRunner};

/// Tries a property on as many cases as are asked for.
fn try_on<S: Strategy>(
    what: &str,
    cases: S,
    property: impl Fn(S::Value) -> Result<(), TestCaseError>,
) {
    let config = Config {
        failure_persistence: None,
        ..Config::default()
    };
    let tried = config.cases;
    let outcome = TestRunner::new(config).run(&cases, property);
    outcome.unwrap_or_else(|finding| panic!("{what}: {finding}"));
    println!("{what}: {tried} cases, 0 findings");
}

/// A slip of the pen, or of somebody who tries.
#[derive(Debug, Clone)]
enum Slip {
    Replace(Index, char),
    Insert(Index, char),
    Remove(Index),
    CutAfter(Index),
    Repeat(Index, Index),
}

/// Mostly one slip, sometimes a few.
fn slips() -> impl Strategy<Value = Vec<Slip>> {
    let character = || prop_oneof![any::<char>(), prop::char::range(' ', '~')];
    let slip = prop_oneof![
        (any::<Index>(), character()).prop_map(|(place, c)| Slip::Replace(place, c)),
        (any::<Index>(), character()).prop_map(|(place, c)| Slip::Insert(place, c)),
        any::<Index>().prop_map(Slip::Remove),
        any::<Index>().prop_map(Slip::CutAfter),
        any::<(Index, Index)>().prop_map(|(from, to)| Slip::Repeat(from, to)),
    ];
    prop::collection::vec(slip, 1..4)
}

/// The text with the slips in it.
fn slipped(text: &str, slips: &[Slip]) -> String {
    let mut characters: Vec<char> = text.chars().collect();
    for slip in slips {
        let length = characters.len();
        if length == 0 {
            break;
        }
        match slip {
            Slip::Replace(place, c) => characters[place.index(length)] = *c,
            Slip::Insert(place, c) => characters.insert(place.index(length), *c),
            Slip::Remove(place) => drop(characters.remove(place.index(length))),
            Slip::CutAfter(place) => characters.truncate(place.index(length)),
            Slip::Repeat(from, to) => {
                let (from, to) = (from.index(length), to.index(length));
                let part = characters[from.min(to)..from.max(to)].to_vec();
                characters.extend(part);
            }
        }
    }
    characters.into_iter().collect()
}
