//! The sample keeps what it promises: its counts, its rates, and the same content every time.

use std::collections::BTreeMap;

use chrono::NaiveDate;

use super::account::{Life, live};
use super::commitment::Commitment;
use super::fund::Fund;
use super::portfolio::portfolio;
use super::{Size, awkward, rows};

/// The commitments of size S and what became of them, the awkward ones last.
fn everything() -> Vec<(Commitment, Life)> {
    let shape = Size::S.shape();
    let ordinary = (1..=shape.funds).flat_map(|fund_id| {
        shape
            .commitments_of(&Fund::new(fund_id))
            .collect::<Vec<_>>()
    });
    let awkward = awkward::partners(shape)
        .into_iter()
        .flat_map(|partner| partner.commitments);
    ordinary
        .chain(awkward)
        .map(|commitment| {
            let life = live(&commitment);
            (commitment, life)
        })
        .collect()
}

#[test]
fn counts_are_within_three_percent_of_the_size() {
    let everything = everything();
    let activities: usize = everything.iter().map(|(_, life)| life.entries.len()).sum();
    let navs: usize = everything.iter().map(|(_, life)| life.navs.len()).sum();
    assert!(
        (72_750..=77_250).contains(&activities),
        "{activities} activities"
    );
    assert!((58_200..=61_800).contains(&navs), "{navs} NAVs");
}

#[test]
fn the_content_is_the_same_on_every_machine() {
    let (commitments, lives): (Vec<_>, Vec<_>) = everything().into_iter().unzip();
    let mut texts = vec![
        rows::commitments(&commitments),
        rows::activities(&commitments, &lives, 1),
        rows::navs(&commitments, &lives),
    ];
    for fund in (1..=Size::S.shape().funds).map(Fund::new) {
        let owned = portfolio(&fund, 100_000_000_000);
        texts.push(rows::cash_flows(&owned.investments));
        texts.push(rows::valuations(&owned.investments));
        texts.push(rows::fund_navs(&fund, &owned.navs));
    }
    // FNV-1a: enough to notice a change, and itself the same everywhere.
    let hash = texts
        .iter()
        .flat_map(|rows| rows.text.bytes())
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
    assert_eq!(
        hash, 12_422_479_713_545_995_100,
        "if the sample was changed on purpose, write the new hash here"
    );
}

#[test]
fn the_irr_at_every_nav_after_a_year_is_the_commitments_rate() {
    for (commitment, life) in everything() {
        let Some(rate) = commitment.known_rate() else {
            continue;
        };
        let flows = flows(&life);
        let first = *flows
            .keys()
            .next()
            .expect("a rate is only known of a commitment with flows");
        for (date, nav_cents) in counting_navs(&life) {
            assert!(nav_cents >= 0, "{commitment:?}");
            if (date - first).num_days() < 365 {
                continue;
            }
            let irr = irr(&flows, first, date, nav_cents);
            assert!(
                (irr - rate.fraction()).abs() < 1e-6,
                "{irr} at {date}: {commitment:?}"
            );
        }
    }
}

#[test]
fn reversals_mirror_an_earlier_entry() {
    let mut reversals = 0;
    for (_, life) in everything() {
        for (place, entry) in life.entries.iter().enumerate() {
            assert_eq!(entry.amount_cents < 0, entry.reverses.is_some());
            let Some(reversed) = entry.reverses else {
                continue;
            };
            let original = &life.entries[reversed];
            assert!(reversed < place);
            assert_eq!(
                (
                    original.kind,
                    original.effective_date,
                    original.amount_cents
                ),
                (entry.kind, entry.effective_date, -entry.amount_cents)
            );
            reversals += 1;
        }
    }
    assert!((150..=300).contains(&reversals), "{reversals} reversals");
}

#[test]
fn nothing_ordinary_is_learned_before_it_is_effective() {
    for (commitment, life) in everything()
        .into_iter()
        .filter(|(commitment, _)| commitment.case.is_none())
    {
        for entry in &life.entries {
            assert!(
                entry.recorded_at.date() >= entry.effective_date,
                "{entry:?} of {commitment:?}"
            );
            assert_eq!(
                entry
                    .components
                    .iter()
                    .map(|&(_, cents)| cents)
                    .sum::<i64>()
                    % entry.amount_cents,
                0
            );
        }
    }
}

/// Cash by date.
fn flows(life: &Life) -> BTreeMap<NaiveDate, i64> {
    let mut flows = BTreeMap::new();
    for entry in &life.entries {
        *flows.entry(entry.effective_date).or_insert(0) +=
            i64::from(entry.kind.signs().cash) * entry.amount_cents;
    }
    flows.retain(|_, cents| *cents != 0);
    flows
}

/// For each date the NAV that was reported last.
fn counting_navs(life: &Life) -> BTreeMap<NaiveDate, i64> {
    let mut navs = life.navs.clone();
    navs.sort_by_key(|nav| nav.reported_at);
    navs.into_iter()
        .map(|nav| (nav.as_of_date, nav.nav_cents))
        .collect()
}

/// The rate at which the flows up to a date and the NAV on it are worth nothing together, by bisection on ln(1 + rate).
fn irr(flows: &BTreeMap<NaiveDate, i64>, first: NaiveDate, date: NaiveDate, nav_cents: i64) -> f64 {
    let years = |on: NaiveDate| (on - first).num_days() as f64 / 365.0;
    let value_at = |x: f64| {
        flows
            .range(..=date)
            .map(|(&on, &cents)| (on, cents))
            .chain([(date, nav_cents)])
            .map(|(on, cents)| cents as f64 * (-x * years(on)).exp())
            .sum::<f64>()
    };
    let (mut low, mut high) = (-2.0, 2.0);
    for _ in 0..45 {
        let middle = (low + high) / 2.0;
        if value_at(middle) > 0.0 {
            low = middle
        } else {
            high = middle
        }
    }
    low.exp_m1()
}
