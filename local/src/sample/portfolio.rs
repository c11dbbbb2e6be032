//! What a fund owns: its investments with their flows and valuations, and the fund NAVs that follow from them.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use chrono::NaiveDate;

use super::calendar::{
    LAST_QUARTER_END, LEDGER_END, business_day, next_quarter_end, plus_days, quarter_end,
};
use super::commitment::last_report;
use super::fund::Fund;
use super::growth::growth;
use super::random::{Random, Subject};

/// Investments of a fund have numbers from a range of this length, which it doesn't use up.
const INVESTMENT_IDS_PER_FUND: i64 = 20;
/// Of the commitments; the rest pays for fees.
const INVESTED_SHARE: f64 = 0.82;

/// A fund's stake in a company.
#[derive(Debug)]
pub struct Investment {
    /// Its number.
    pub investment_id: i64,
    /// The company.
    pub company_id: i64,
    /// The day of the first purchase.
    pub date: NaiveDate,
    /// The day of the sale or the write-off.
    pub exit_date: Option<NaiveDate>,
    /// Cash from the fund's side, by date.
    pub flows: Vec<(NaiveDate, i64)>,
    /// Fair values at quarter ends.
    pub valuations: Vec<(NaiveDate, i64)>,
    /// What the fund's books carry it at, at the quarter ends while it is held: fair value, before that cost.
    carried: Vec<(NaiveDate, i64)>,
}

/// A fund's NAV at a quarter end.
#[derive(Debug, Clone, Copy)]
pub struct FundNav {
    /// The end of the quarter.
    pub as_of_date: NaiveDate,
    /// All investments together.
    pub gross_nav_cents: i64,
    /// After fees and carry.
    pub net_nav_cents: i64,
    /// How long after the quarter it is reported.
    pub reported_after_days: i64,
}

/// A fund's investments.
#[derive(Debug)]
pub struct Portfolio {
    /// By number.
    pub investments: Vec<Investment>,
    /// By date; of several for one date the one reported last counts.
    pub navs: Vec<FundNav>,
}

/// What a fund of that many cents of commitments owns.
pub fn portfolio(fund: &Fund, commitments_cents: i64) -> Portfolio {
    let mut random = Random::of(Subject::Portfolio, fund.fund_id);
    let companies = companies_invested_in(fund, &mut random);
    let typical_cents = commitments_cents as f64 * INVESTED_SHARE / companies.len() as f64;
    let investments: Vec<Investment> = (1..)
        .zip(companies)
        .filter_map(|(number, company_id)| {
            invest(fund, number, company_id, typical_cents, &mut random)
        })
        .collect();
    let navs = fund_navs(fund, &investments);
    Portfolio { investments, navs }
}

/// The companies that a fund is the first to invest in.
pub fn companies_of(fund_id: i64) -> RangeInclusive<i64> {
    /// With those shared below, a fund has 15 to 19 investments once it is fully invested.
    const COMPANIES_PER_FUND: i64 = 16;
    let last = fund_id * COMPANIES_PER_FUND;
    last - COMPANIES_PER_FUND + 1..=last
}

/// The fund's own companies, and up to three of the fund before it.
fn companies_invested_in(fund: &Fund, random: &mut Random) -> Vec<i64> {
    let own = companies_of(fund.fund_id);
    let shared = if fund.fund_id > 1 {
        random.whole(0, 3)
    } else {
        0
    };
    (own.start() - shared..=*own.end()).collect()
}

/// Buys a stake within the fund's first five years, and lets its deals happen; none if the fund is too young for it yet.
fn invest(
    fund: &Fund,
    number: i64,
    company_id: i64,
    typical_cents: f64,
    random: &mut Random,
) -> Option<Investment> {
    let date = business_day(plus_days(
        fund.closings[0],
        40 + number * 95 + random.whole(0, 50),
    ));
    let cost_cents = typical_cents * random.between(0.6, 1.4);
    let mut holding = Holding {
        annual_rate: annual_rate(random),
        value_cents: 0.0,
        value_date: date,
        next_valuation: Some(quarter_end(date)),
        never_valued: random.chance(0.03),
        last_valuation: last_valuation(fund),
        investment: Investment {
            investment_id: (fund.fund_id - 1) * INVESTMENT_IDS_PER_FUND + number,
            company_id,
            date,
            exit_date: None,
            flows: Vec::new(),
            valuations: Vec::new(),
            carried: Vec::new(),
        },
    };
    for (date, deal) in deals(fund, date, cost_cents, random) {
        holding.value_before(Some(date));
        holding.close(date, deal);
    }
    holding.value_before(None);
    Some(holding.investment).filter(|investment| !investment.flows.is_empty())
}

/// What a fund and a company agree on.
#[derive(Debug, Clone, Copy)]
enum Deal {
    /// The fund pays in so many cents.
    PayIn(f64),
    /// The company pays out a share of the stake's value.
    PayOut(f64),
    /// The stake is sold at its value.
    Sell,
    /// The stake turns out to be worth nothing.
    WriteOff,
}

/// The deals of one stake up to the end of the ledger, by date; the sale is the last.
fn deals(
    fund: &Fund,
    bought_on: NaiveDate,
    cost_cents: f64,
    random: &mut Random,
) -> Vec<(NaiveDate, Deal)> {
    let mut later = |low, high| business_day(plus_days(bought_on, random.whole(low, high)));
    let (follow_on, dividend, planned_exit) =
        (later(300, 700), later(750, 1_000), later(1_100, 3_900));
    // What is left towards the end is sold over the last two years and a half.
    let exit = planned_exit.min(business_day(plus_days(
        fund.sold_out_by,
        -random.whole(0, 900),
    )));
    let mut deals = vec![(bought_on, Deal::PayIn(cost_cents))];
    if random.chance(0.4) {
        deals.push((follow_on, Deal::PayIn(0.2 * cost_cents)));
    }
    if random.chance(0.25) {
        deals.push((dividend, Deal::PayOut(0.15)));
    }
    deals.push((
        exit,
        if random.chance(0.1) {
            Deal::WriteOff
        } else {
            Deal::Sell
        },
    ));
    deals.retain(|&(date, _)| date <= exit.min(LEDGER_END));
    deals.sort_by_key(|&(date, _)| date);
    deals
}

/// Most stakes grow, a few quickly, and one in six shrinks.
fn annual_rate(random: &mut Random) -> f64 {
    match random.whole(0, 5) {
        0 => random.between(-0.3, -0.02),
        1 => random.between(0.2, 0.35),
        _ => random.between(0.04, 0.18),
    }
}

/// Every seventh fund's appraiser is late: its NAV of the last quarter is there, the valuations behind it are not.
fn last_valuation(fund: &Fund) -> NaiveDate {
    if fund.fund_id % 7 == 0 {
        plus_days(LAST_QUARTER_END, -1)
    } else {
        LAST_QUARTER_END
    }
}

/// A stake on its way through its deals.
struct Holding {
    annual_rate: f64,
    value_cents: f64,
    value_date: NaiveDate,
    next_valuation: Option<NaiveDate>,
    never_valued: bool,
    last_valuation: NaiveDate,
    investment: Investment,
}

impl Holding {
    fn roll_to(&mut self, date: NaiveDate) {
        self.value_cents *= growth(self.annual_rate, (date - self.value_date).num_days());
        self.value_date = date;
    }

    /// Values the stake at the quarter ends before a date, or at all that are left.
    fn value_before(&mut self, date: Option<NaiveDate>) {
        let due = |quarter: &NaiveDate| {
            *quarter <= LAST_QUARTER_END && date.is_none_or(|date| *quarter < date)
        };
        while let Some(quarter) = self.next_valuation.filter(due) {
            self.roll_to(quarter);
            self.value(quarter);
            self.next_valuation = Some(next_quarter_end(quarter));
        }
    }

    /// A stake just bought is carried at cost, and some always are.
    fn value(&mut self, quarter: NaiveDate) {
        const FIRST_VALUED_AFTER_DAYS: i64 = 45;
        let investment = &mut self.investment;
        let fair_value_cents = self.value_cents.round() as i64;
        if self.never_valued || (quarter - investment.date).num_days() < FIRST_VALUED_AFTER_DAYS {
            let cost_cents: i64 = investment.flows.iter().map(|&(_, cents)| -cents).sum();
            investment.carried.push((quarter, cost_cents.max(0)));
            return;
        }
        investment.carried.push((quarter, fair_value_cents));
        if quarter <= self.last_valuation {
            investment.valuations.push((quarter, fair_value_cents));
        }
    }

    /// Moves cash and value alike; after a sale or a write-off there is nothing left to value.
    fn close(&mut self, date: NaiveDate, deal: Deal) {
        self.roll_to(date);
        let received_cents = match deal {
            Deal::PayIn(cents) => -cents,
            Deal::PayOut(share) => self.value_cents * share,
            Deal::Sell => self.value_cents,
            Deal::WriteOff => 0.0,
        }
        .round();
        self.value_cents -= received_cents;
        if received_cents != 0.0 {
            self.investment.flows.push((date, received_cents as i64));
        }
        if matches!(deal, Deal::Sell | Deal::WriteOff) {
            self.investment.exit_date = Some(date);
            self.next_valuation = None;
        }
    }
}

/// The sum of what is carried at each quarter end; of a liquidated fund, zeros at the end.
fn fund_navs(fund: &Fund, investments: &[Investment]) -> Vec<FundNav> {
    let mut gross_by_quarter = BTreeMap::new();
    for &(quarter, cents) in investments
        .iter()
        .flat_map(|investment| &investment.carried)
    {
        *gross_by_quarter.entry(quarter).or_insert(0) += cents;
    }
    let first = gross_by_quarter.keys().next().copied();
    let quarters = std::iter::successors(first, |&quarter| Some(next_quarter_end(quarter)));
    let mut navs: Vec<FundNav> = quarters
        .take_while(|&quarter| quarter <= last_report(fund))
        .map(|quarter| {
            fund_nav(
                quarter,
                gross_by_quarter.get(&quarter).copied().unwrap_or(0),
                45,
            )
        })
        .collect();
    // Where it has to stand for valuations, it has been restated.
    if let Some(last) = navs
        .last()
        .copied()
        .filter(|last| last.as_of_date > last_valuation(fund))
    {
        navs.push(fund_nav(
            last.as_of_date,
            last.gross_nav_cents / 100 * 97,
            40,
        ));
    }
    navs
}

fn fund_nav(as_of_date: NaiveDate, gross_nav_cents: i64, reported_after_days: i64) -> FundNav {
    /// Fees owed and carry accrued.
    const NET_OF_GROSS: f64 = 0.94;
    let net_nav_cents = (gross_nav_cents as f64 * NET_OF_GROSS).round() as i64;
    FundNav {
        as_of_date,
        gross_nav_cents,
        net_nav_cents,
        reported_after_days,
    }
}

#[cfg(test)]
mod tests {
    use super::portfolio;
    use crate::sample::Size;

    #[test]
    fn a_fund_carries_what_its_stakes_are_worth() {
        let fund = Size::S.shape().fund(4);
        let portfolio = portfolio(&fund, 100_000_000_000);
        assert!((15..=19).contains(&portfolio.investments.len()));
        for nav in portfolio.navs.iter().filter(|nav| nav.gross_nav_cents > 0) {
            let valued: i64 = portfolio
                .investments
                .iter()
                .flat_map(|investment| &investment.valuations)
                .filter(|(date, _)| *date == nav.as_of_date)
                .map(|(_, cents)| cents)
                .sum();
            assert!(valued <= nav.gross_nav_cents && nav.net_nav_cents < nav.gross_nav_cents);
        }
    }

    #[test]
    fn nothing_is_valued_on_or_after_its_exit() {
        for fund in (1..=20).map(|fund_id| Size::S.shape().fund(fund_id)) {
            for investment in portfolio(&fund, 100_000_000_000).investments {
                let Some(exit_date) = investment.exit_date else {
                    continue;
                };
                assert!(
                    investment
                        .valuations
                        .iter()
                        .all(|&(date, _)| date < exit_date)
                );
                assert!(investment.flows.iter().all(|&(date, _)| date <= exit_date));
            }
        }
    }
}
