//! The sample keeps what it promises: its counts, its rates, and the same content every time.

use std::collections::BTreeMap;

use chrono::NaiveDate;

use super::account::{Life, live};
use super::generator::{Generator, Told};
use super::rows::{self, Rows};
use super::size::Size;

/// The commitments of size S and what became of them, the awkward ones last.
fn everything() -> Vec<Told> {
    let mut generator = Generator::new(Size::S.shape());
    let mut told: Vec<Told> = generator
        .by_ref()
        .flat_map(|chapter| chapter.told)
        .collect();
    told.extend(generator.awkward());
    told
}

/// Some of size L whose lives have been short so far: of each vintage, as its funds take turns.
fn young() -> Vec<Told> {
    let shape = Size::L.shape();
    (21..=27)
        .map(|fund_id| shape.fund(fund_id))
        .flat_map(|fund| shape.commitments_of(&fund).take(60).collect::<Vec<_>>())
        .map(|commitment| Told {
            life: live(&commitment),
            commitment,
            first_activity_id: 1,
        })
        .collect()
}

/// How many entries and how many NAVs.
fn counts(told: &[Told]) -> (usize, usize) {
    let entries = told.iter().map(|told| told.life.entries.len());
    let navs = told.iter().map(|told| told.life.navs.len());
    (entries.sum(), navs.sum())
}

#[test]
fn counts_are_within_three_percent_of_the_size() {
    let (activities, navs) = counts(&everything());
    assert!(
        (72_750..=77_250).contains(&activities),
        "{activities} activities"
    );
    assert!((58_200..=61_800).contains(&navs), "{navs} NAVs");
}

#[test]
fn a_young_commitment_has_some_ten_entries_and_ten_navs() {
    let young = young();
    let (activities, navs) = counts(&young);
    let each = |count: usize| count as f64 / young.len() as f64;
    assert!((9.0..13.0).contains(&each(activities)), "{activities}");
    assert!((8.0..12.0).contains(&each(navs)), "{navs}");
}

/// FNV-1a of all cells: enough to notice a change, and itself the same everywhere.
struct Content(u64);

impl Content {
    fn add<const COLUMNS: usize>(&mut self, rows: Rows<'_, COLUMNS>) {
        for row in rows.rows {
            for byte in format!("{row:?}").bytes() {
                self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
            }
        }
    }

    fn add_told(&mut self, told: &[Told]) {
        self.add(rows::commitments(told));
        self.add(rows::activities(told));
        self.add(rows::navs(told));
    }
}

#[test]
fn the_content_is_the_same_on_every_machine() {
    let mut content = Content(0xcbf2_9ce4_8422_2325);
    let mut generator = Generator::new(Size::S.shape());
    for chapter in generator.by_ref() {
        let (fund_id, portfolio) = (chapter.fund.fund_id, &chapter.portfolio);
        content.add(rows::investments(fund_id, &portfolio.investments));
        content.add(rows::cash_flows(&portfolio.investments));
        content.add(rows::valuations(&portfolio.investments));
        content.add(rows::fund_navs(fund_id, &portfolio.navs));
        content.add_told(&chapter.told);
        content.add(rows::funds(std::iter::once(chapter.fund)));
    }
    content.add_told(&generator.awkward());
    assert_eq!(
        content.0, 18_200_420_598_939_136_181,
        "if the sample was changed on purpose, write the new hash here"
    );
}

#[test]
fn the_irr_at_every_nav_after_a_year_is_the_commitments_rate() {
    for Told {
        commitment, life, ..
    } in everything().into_iter().chain(young())
    {
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
    for Told { life, .. } in everything() {
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
    for Told {
        commitment, life, ..
    } in everything()
        .into_iter()
        .filter(|told| told.commitment.case.is_none())
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
