//! A worked history, its edge cases, and random histories against plain sums over the raw entries.

use chrono::Days;
use proptest::prelude::*;

use super::*;

fn date(text: &str) -> NaiveDate {
    text.parse().expect("a date")
}

fn call(day: &str, amount_cents: i64) -> FlowDay {
    FlowDay {
        date: date(day),
        cash_cents: -amount_cents,
        paid_in_cents: amount_cents,
        distributed_cents: 0,
    }
}

fn distribution(day: &str, amount_cents: i64) -> FlowDay {
    FlowDay {
        date: date(day),
        cash_cents: amount_cents,
        paid_in_cents: 0,
        distributed_cents: amount_cents,
    }
}

fn nav(day: &str, nav_cents: i64) -> NavReport {
    NavReport {
        date: date(day),
        nav_cents,
    }
}

/// 1,000 promised, 600 called, 650 reported a year later, then a call, a distribution, and one dated ahead.
fn worked() -> History {
    History {
        commitment_date: date("2020-01-01"),
        commitment_cents: 1_000,
        changes: vec![(date("2021-06-01"), 200)],
        flows: vec![
            call("2020-01-01", 600),
            call("2021-03-01", 100),
            distribution("2021-07-01", 50),
            distribution("2030-01-01", 10),
        ],
        navs: vec![nav("2020-12-31", 650)],
    }
}

fn snapshots(history: &History) -> Vec<Snapshot> {
    commitment_snapshots(history, NaiveDate::MIN).expect("small amounts")
}

fn pooled(histories: &[&History]) -> Vec<Snapshot> {
    pooled_snapshots(histories, NaiveDate::MIN).expect("small amounts")
}

#[test]
fn snapshots_stand_at_reports_and_at_later_flows() {
    let dates: Vec<String> = snapshots(&worked())
        .iter()
        .map(|at| at.date.to_string())
        .collect();
    assert_eq!(
        dates,
        ["2020-12-31", "2021-03-01", "2021-07-01", "2030-01-01"]
    );
}

#[test]
fn between_reports_the_nav_is_adjusted_and_the_commitment_is_the_one_in_force() {
    let balances: Vec<_> = snapshots(&worked())
        .iter()
        .map(|at| {
            (
                at.commitment_cents,
                at.paid_in_cents,
                at.distributed_cents,
                at.nav_cents,
            )
        })
        .collect();
    let expected = [
        (1_000, 600, 0, Some(650)),
        (1_000, 700, 0, Some(750)),
        (1_200, 700, 50, Some(700)),
        (1_200, 700, 60, Some(690)),
    ];
    assert_eq!(balances, expected);
}

#[test]
fn a_rate_counts_the_flows_so_far_and_the_adjusted_nav() {
    let first = snapshots(&worked())[0];
    assert!(first.irr.annualised);
    assert!((first.irr.rate.expect("a rate") - (650.0 / 600.0 - 1.0)).abs() < 1e-12);
    assert_eq!(
        first.multiples.tvpi.map(|tvpi| tvpi.to_string()).as_deref(),
        Some("1.083333")
    );
}

#[test]
fn a_nav_is_end_of_day_and_so_contains_the_flows_of_its_date() {
    let mut history = worked();
    history.navs.push(nav("2021-03-01", 800));
    let at_report = snapshots(&history)[1];
    assert_eq!(
        (at_report.paid_in_cents, at_report.nav_cents),
        (700, Some(800))
    );
}

#[test]
fn without_a_report_nav_and_irr_are_unknown() {
    let history = History {
        navs: Vec::new(),
        ..worked()
    };
    let all = snapshots(&history);
    assert_eq!(all.len(), 4);
    for at in all {
        assert_eq!(
            (at.nav_cents, at.irr.rate, at.multiples.tvpi),
            (None, None, None)
        );
        assert_eq!(
            (at.irr.flags, at.multiples.flags),
            (Flag::NoNav.into(), Flag::NoNav.into())
        );
        assert!(at.multiples.dpi.is_some() && !at.nav_at_cost);
    }
}

#[test]
fn in_a_pool_what_was_never_reported_is_carried_at_cost_and_flagged() {
    let silent = History {
        navs: Vec::new(),
        changes: Vec::new(),
        ..worked()
    };
    let reported = worked();
    let at = pooled(&[&silent, &reported])
        .into_iter()
        .find(|at| at.date == date("2021-07-01"));
    let at = at.expect("a member has a snapshot then");
    assert_eq!((at.nav_cents, at.nav_at_cost), (Some(650 + 700), true));
    assert_eq!((at.paid_in_cents, at.commitment_cents), (1_400, 2_200));
    assert!(at.irr.rate.is_some() && at.irr.flags.contains(Flag::NavAtCost));
}

#[test]
fn a_commitment_counts_from_its_date_and_is_at_cost_until_its_first_report() {
    let uncalled = History {
        commitment_date: date("2021-05-01"),
        commitment_cents: 500,
        changes: Vec::new(),
        flows: Vec::new(),
        navs: Vec::new(),
    };
    let all = pooled(&[&worked(), &uncalled]);
    let commitments: Vec<i64> = all.iter().map(|at| at.commitment_cents).collect();
    assert_eq!(commitments, [1_000, 1_000, 1_700, 1_700]);
    let at_cost: Vec<bool> = all.iter().map(|at| at.nav_at_cost).collect();
    assert_eq!(at_cost, [false, false, true, true]);
}

#[test]
fn zero_after_liquidation_is_a_real_zero() {
    let history = History {
        flows: vec![call("2020-01-01", 600), distribution("2022-01-01", 900)],
        navs: vec![nav("2022-06-30", 0)],
        changes: Vec::new(),
        ..worked()
    };
    let last = snapshots(&history)[0];
    assert_eq!(last.nav_cents, Some(0));
    assert!((last.irr.rate.expect("a rate") - 1.5_f64.powf(365.0 / 731.0) + 1.0).abs() < 1e-12);
    let lost = History {
        flows: vec![call("2020-01-01", 600)],
        ..history
    };
    assert_eq!(snapshots(&lost)[0].irr.flags, Flag::TotalLoss.into());
}

#[test]
fn sums_beyond_64_bits_are_an_error() {
    let huge = History {
        flows: vec![call("2020-01-01", i64::MAX)],
        ..worked()
    };
    assert!(commitment_snapshots(&huge, NaiveDate::MIN).is_ok());
    assert_eq!(
        pooled_snapshots(&[&huge, &huge], NaiveDate::MIN),
        Err(Overflow)
    );
}

#[test]
fn a_pool_without_members_has_no_snapshots() {
    assert_eq!(pooled(&[]), []);
}

/// Random histories on a few dates, so that flows, reports and changes often share one.
fn any_history() -> impl Strategy<Value = History> {
    let day = |number: u64| date("2020-01-01") + Days::new(number * 40);
    let amounts = |least: i64| prop::collection::btree_map(0..40_u64, least..1_000_000, 0..15);
    let flows = prop::collection::btree_map(0..40_u64, (0..1_000_000_i64, 0..1_000_000_i64), 0..15);
    (0..10_u64, amounts(-1_000), flows, amounts(0)).prop_map(
        move |(promised, changes, flows, navs)| History {
            commitment_date: day(promised),
            commitment_cents: 5_000_000,
            changes: changes
                .into_iter()
                .map(|(number, amount)| (day(number), amount))
                .collect(),
            flows: flows
                .into_iter()
                .map(|(number, (paid_in_cents, distributed_cents))| FlowDay {
                    date: day(number),
                    cash_cents: distributed_cents - paid_in_cents,
                    paid_in_cents,
                    distributed_cents,
                })
                .collect(),
            navs: navs
                .into_iter()
                .map(|(number, nav_cents)| NavReport {
                    date: day(number),
                    nav_cents,
                })
                .collect(),
        },
    )
}

/// Sums over the raw entries: commitment, paid-in, distributed, and NAV as it enters a pool.
fn plain_sums(history: &History, at: NaiveDate) -> (i64, i64, i64, i64) {
    let flows = || history.flows.iter().filter(|flow| flow.date <= at);
    let gain = |flow: &FlowDay| flow.paid_in_cents - flow.distributed_cents;
    let report = history.navs.iter().rfind(|nav| nav.date <= at);
    let since = report.map_or(NaiveDate::MIN, |nav| nav.date);
    let adjustment: i64 = flows().filter(|flow| flow.date > since).map(gain).sum();
    let original = if history.commitment_date <= at {
        history.commitment_cents
    } else {
        0
    };
    let changes: i64 = history
        .changes
        .iter()
        .filter(|change| change.0 <= at)
        .map(|change| change.1)
        .sum();
    (
        original + changes,
        flows().map(|flow| flow.paid_in_cents).sum(),
        flows().map(|flow| flow.distributed_cents).sum(),
        report.map_or(0, |nav| nav.nav_cents) + adjustment,
    )
}

proptest! {
    #[test]
    fn pooled_balances_are_plain_sums_over_the_members(histories in prop::collection::vec(any_history(), 1..5)) {
        let members: Vec<&History> = histories.iter().collect();
        for at in pooled(&members) {
            let sums = members.iter().map(|member| plain_sums(member, at.date));
            let total = sums.fold((0, 0, 0, 0), |a, b| (a.0 + b.0, a.1 + b.1, a.2 + b.2, a.3 + b.3));
            let got = (at.commitment_cents, at.paid_in_cents, at.distributed_cents, at.nav_cents.expect("a NAV"));
            prop_assert_eq!(got, total, "{}", at.date);
        }
    }

    #[test]
    fn a_pool_of_one_is_that_commitment_wherever_a_nav_is_known(history in any_history()) {
        for (single, pool) in snapshots(&history).into_iter().zip(pooled(&[&history])) {
            prop_assert_eq!(single.date, pool.date);
            if single.nav_cents.is_some() {
                prop_assert_eq!(single, pool);
            }
        }
    }

    #[test]
    fn computing_only_the_later_snapshots_gives_the_same(
        histories in prop::collection::vec(any_history(), 1..4),
        skipped in 0..1_600_u64,
    ) {
        let from = date("2020-01-01") + Days::new(skipped);
        let members: Vec<&History> = histories.iter().collect();
        let later: Vec<Snapshot> = pooled(&members).into_iter().filter(|at| at.date >= from).collect();
        prop_assert_eq!(pooled_snapshots(&members, from), Ok(later));
        let own: Vec<Snapshot> = snapshots(&histories[0]).into_iter().filter(|at| at.date >= from).collect();
        prop_assert_eq!(commitment_snapshots(&histories[0], from), Ok(own));
    }
}
