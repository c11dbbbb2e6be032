//! What must not change an IRR, and what an IRR is not.

use chrono::{Days, NaiveDate};
use proptest::prelude::*;
use shared::finance::flags::{Flag, Flags};
use shared::finance::pooling::pool_flows;
use shared::finance::xirr::{DatedFlow, compute_irr};

fn day(number: u64) -> NaiveDate {
    NaiveDate::from_ymd_opt(2010, 1, 1).expect("a date") + Days::new(number)
}

fn flow(number: u64, amount_cents: i64) -> DatedFlow {
    DatedFlow {
        date: day(number),
        amount_cents,
    }
}

/// Any flows at all, most of them with several roots or none.
fn any_flows() -> impl Strategy<Value = Vec<DatedFlow>> {
    prop::collection::vec((0..5_000_u64, -1_000_000_000..1_000_000_000_i64), 2..60).prop_map(
        |flows| {
            flows
                .into_iter()
                .map(|(number, amount)| flow(number, amount))
                .collect()
        },
    )
}

/// Capital is called over five years and comes back over the next eight, as in a fund.
fn fund_flows() -> impl Strategy<Value = Vec<DatedFlow>> {
    let calls = prop::collection::vec((0..1_825_u64, -50_000_000..-1_000_000_i64), 2..25);
    let distributions = prop::collection::vec((1_826..4_745_u64, 1_000_000..90_000_000_i64), 2..25);
    (calls, distributions).prop_map(|(calls, distributions)| {
        calls
            .into_iter()
            .chain(distributions)
            .map(|(number, amount)| flow(number, amount))
            .collect()
    })
}

fn scaled(flows: &[DatedFlow], factor: i64) -> Vec<DatedFlow> {
    flows
        .iter()
        .map(|flow| DatedFlow {
            amount_cents: flow.amount_cents * factor,
            ..*flow
        })
        .collect()
}

proptest! {
    #[test]
    fn doubling_every_amount_changes_nothing_at_all(flows in any_flows(), doublings in 1..12_u32) {
        prop_assert_eq!(compute_irr(&scaled(&flows, 1 << doublings)), compute_irr(&flows));
    }

    #[test]
    fn scaling_every_amount_leaves_a_funds_irr(flows in fund_flows(), factor in 2..100_000_i64) {
        let (irr, larger) = (compute_irr(&flows), compute_irr(&scaled(&flows, factor)));
        prop_assert_eq!(irr.flags, Flags::NONE);
        prop_assert_eq!(larger.flags, Flags::NONE);
        let (rate, larger) = (irr.rate.expect("a rate"), larger.rate.expect("a rate"));
        prop_assert!((rate - larger).abs() <= 1e-12 * rate.abs().max(1.0), "{} {}", rate, larger);
    }

    #[test]
    fn the_order_of_flows_does_not_matter(
        (flows, shuffled) in any_flows().prop_flat_map(|flows| (Just(flows.clone()), Just(flows).prop_shuffle())),
    ) {
        prop_assert_eq!(compute_irr(&shuffled), compute_irr(&flows));
    }

    #[test]
    fn splitting_a_flow_does_not_matter(flows in any_flows(), index in any::<prop::sample::Index>(), part in any::<i32>()) {
        let mut split = flows.clone();
        let chosen = index.get(&flows);
        split.push(DatedFlow { amount_cents: i64::from(part), ..*chosen });
        split.push(DatedFlow { amount_cents: chosen.amount_cents - i64::from(part), ..*chosen });
        split.remove(index.index(flows.len()));
        prop_assert_eq!(compute_irr(&split), compute_irr(&flows));
    }

    #[test]
    fn a_wash_pair_on_any_date_does_not_matter(flows in fund_flows(), number in 0..6_000_u64, amount in any::<i32>()) {
        let mut washed = flows.clone();
        washed.extend([flow(number, amount.into()), flow(number, -i64::from(amount))]);
        prop_assert_eq!(compute_irr(&washed), compute_irr(&flows));
    }

    #[test]
    fn a_wrong_entry_reversed_and_replaced_does_not_matter(
        flows in any_flows(),
        index in any::<prop::sample::Index>(),
        wrong_amount in any::<i32>(),
    ) {
        let right = *index.get(&flows);
        let wrong = DatedFlow { amount_cents: wrong_amount.into(), ..right };
        let reversal = DatedFlow { amount_cents: -i64::from(wrong_amount), ..right };
        let mut corrected = flows.clone();
        corrected.insert(0, wrong);
        corrected.push(reversal);
        prop_assert_eq!(compute_irr(&corrected), compute_irr(&flows));
    }

    #[test]
    fn a_rate_solves_its_equation_and_a_null_has_a_reason(flows in any_flows()) {
        let irr = compute_irr(&flows);
        let Some(rate) = irr.rate else {
            prop_assert!(!irr.flags.is_empty());
            return Ok(());
        };
        prop_assert!((-1.0..=1_000_000.0).contains(&rate));
        // Near −1 the rate itself has too few digits left to show that it solves the equation.
        prop_assume!(irr.annualised && rate > -0.9);
        let value = |flow: &DatedFlow| {
            let years = (flow.date - day(0)).num_days() as f64 / 365.0;
            flow.amount_cents as f64 * (1.0 + rate).powf(-years)
        };
        let net: f64 = flows.iter().map(value).sum();
        let gross: f64 = flows.iter().map(|flow| value(flow).abs()).sum();
        prop_assert!(net.abs() <= 1e-9 * gross, "{} of {}", net, gross);
    }
}

/// Two funds of equal size, one quick and one slow: 49 % in a year, and 8 % a year for twelve years. Their rates average
/// 28.5 %, by number and by commitment; an investor in both earned 11.7 %.
#[test]
fn averaging_is_not_pooling() {
    let quick = [flow(0, -10_000), flow(365, 14_900)];
    let slow = [flow(0, -10_000), flow(4_380, 25_182)];
    let rate = |flows: &[DatedFlow]| compute_irr(flows).rate.expect("a rate");
    let average = (rate(&quick) + rate(&slow)) / 2.0;
    assert_eq!(format!("{average:.3}"), "0.285");

    let pooled = pool_flows(quick.into_iter().chain(slow)).expect("small amounts");
    assert_eq!(pooled.len(), 3);
    assert_eq!(format!("{:.3}", rate(&pooled)), "0.117");
}

#[test]
fn a_double_root_is_one_root() {
    let irr = compute_irr(&[flow(0, -10_000), flow(365, 22_000), flow(730, -12_100)]);
    assert_eq!(irr.flags, Flags::NONE);
    assert!((irr.rate.expect("a rate") - 0.1).abs() < 1e-6, "{irr:?}");
    let miss = compute_irr(&[flow(0, -10_000), flow(365, 22_000), flow(730, -12_101)]);
    assert_eq!((miss.rate, miss.flags), (None, Flag::NoRoot.into()));
    let near = compute_irr(&[flow(0, -10_000), flow(365, 22_000), flow(730, -12_099)]);
    assert_eq!(near.flags, Flag::MultipleRoots.into());
}
