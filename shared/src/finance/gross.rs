//! A fund's gross performance: what it put into companies, what came back and what it still holds, before fees and carry.
//!
//! A figure stands at each date on which a flow, a valuation or a NAV of the fund is dated. It depends on the history
//! alone, never on earlier figures, so computing only the later ones gives the same as computing all.

use chrono::NaiveDate;

use super::flags::{Flag, Flags};
use super::money::{Overflow, to_cents};
use super::multiples::{Rounded, compute_moic};
use super::performance::NavReport;
use super::pooling::{pool_dates, pool_flows};
use super::xirr::{DatedFlow, Irr, irr_at};

/// The cash between a fund and one company on one date; both amounts are positive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvestmentFlow {
    /// The date.
    pub date: NaiveDate,
    /// Paid into the company.
    pub invested_cents: i64,
    /// Received from it.
    pub proceeds_cents: i64,
}

impl InvestmentFlow {
    fn net_put_in(&self) -> i128 {
        i128::from(self.invested_cents) - i128::from(self.proceeds_cents)
    }
}

/// One investment. Both sequences are sorted by date, with one element a date.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Investment {
    /// The dates with cash.
    pub flows: Vec<InvestmentFlow>,
    /// The fair values of the fund's stake that count, each at the end of its date.
    pub valuations: Vec<NavReport>,
}

/// What happened to one fund.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FundHistory {
    /// Its investments, in any order.
    pub investments: Vec<Investment>,
    /// Its gross NAVs that count, sorted by date, one a date.
    pub navs: Vec<NavReport>,
}

/// Where a fund stood at the end of a date.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GrossSnapshot {
    /// The date.
    pub date: NaiveDate,
    /// What its investments cost so far.
    pub invested_cents: i64,
    /// What came back so far.
    pub proceeds_cents: i64,
    /// What is still held.
    pub residual_cents: i64,
    /// Proceeds and residual to cost, unless there was no cost.
    pub moic: Option<Rounded>,
    /// The gross rate of return.
    pub irr: Irr,
    /// Why a figure is absent, or how to read it, said of the gross figures.
    pub flags: Flags,
}

/// On which dates a fund has figures, ascending.
pub fn gross_dates(history: &FundHistory) -> Vec<NaiveDate> {
    let of_investments = history.investments.iter().flat_map(|investment| {
        let flows = investment.flows.iter().map(|flow| flow.date);
        flows.chain(investment.valuations.iter().map(|valuation| valuation.date))
    });
    pool_dates(of_investments.chain(history.navs.iter().map(|nav| nav.date)))
}

/// The figures that are not before `from`.
///
/// # Errors
/// [`Overflow`] when a total does not fit into 64-bit cents.
pub fn gross_snapshots(
    history: &FundHistory,
    from: NaiveDate,
) -> Result<Vec<GrossSnapshot>, Overflow> {
    let flows = history.investments.iter().flat_map(|each| &each.flows);
    let cash = pool_flows(flows.flat_map(|flow| {
        [-flow.invested_cents, flow.proceeds_cents].map(|amount_cents| DatedFlow {
            date: flow.date,
            amount_cents,
        })
    }))?;
    let mut fund = Fund::new(history);
    gross_dates(history)
        .into_iter()
        .filter(|&date| date >= from)
        .map(|date| fund.advance_to(date).snapshot(date, &cash))
        .collect()
}

/// A fund's history read forward, to a date that only moves on.
struct Fund<'a> {
    holdings: Vec<Holding<'a>>,
    navs: &'a [NavReport],
    navs_read: usize,
}

/// One investment read forward. Sums are wide and so never overflow.
struct Holding<'a> {
    investment: &'a Investment,
    flows_read: usize,
    valuations_read: usize,
    invested: i128,
    proceeds: i128,
    /// The last valuation, plus what was put in and minus what came back since; at cost before the first.
    held: i128,
    /// What was put in, less what came back, since the fund's last NAV.
    net_since_nav: i128,
}

impl<'a> Fund<'a> {
    fn new(history: &'a FundHistory) -> Fund<'a> {
        let holding = |investment| Holding {
            investment,
            flows_read: 0,
            valuations_read: 0,
            invested: 0,
            proceeds: 0,
            held: 0,
            net_since_nav: 0,
        };
        Fund {
            holdings: history.investments.iter().map(holding).collect(),
            navs: &history.navs,
            navs_read: 0,
        }
    }

    /// Reads on to the end of a date, stopping at each NAV of the fund, which contains the flows of its date.
    fn advance_to(&mut self, date: NaiveDate) -> &Self {
        while let Some(nav) = self.navs.get(self.navs_read).filter(|nav| nav.date <= date) {
            self.navs_read += 1;
            for holding in &mut self.holdings {
                holding.advance_to(nav.date);
                holding.net_since_nav = 0;
            }
        }
        for holding in &mut self.holdings {
            holding.advance_to(date);
        }
        self
    }

    /// The fund's own NAV counts while it is newer than every valuation; what it held counts otherwise. Nothing is worth
    /// less than zero.
    fn residual(&self) -> i128 {
        let last_valued = self.holdings.iter().filter_map(Holding::valued_on).max();
        let nav = self.navs[..self.navs_read].last();
        match nav.filter(|nav| Some(nav.date) > last_valued) {
            Some(nav) => {
                let since: i128 = self.holdings.iter().map(|each| each.net_since_nav).sum();
                (i128::from(nav.nav_cents) + since).max(0)
            }
            None => self.holdings.iter().map(|each| each.held.max(0)).sum(),
        }
    }

    fn snapshot(&self, date: NaiveDate, cash: &[DatedFlow]) -> Result<GrossSnapshot, Overflow> {
        let invested_cents = to_cents(self.holdings.iter().map(|each| each.invested).sum())?;
        let proceeds_cents = to_cents(self.holdings.iter().map(|each| each.proceeds).sum())?;
        let residual_cents = to_cents(self.residual())?;
        let moic = compute_moic(proceeds_cents, residual_cents, invested_cents);
        let irr = irr_at(cash, date, residual_cents);
        let reason: Option<Flag> = moic.err();
        Ok(GrossSnapshot {
            date,
            invested_cents,
            proceeds_cents,
            residual_cents,
            moic: moic.ok(),
            irr,
            flags: irr.flags.gross().union(reason.into_iter().collect()),
        })
    }
}

impl Holding<'_> {
    fn advance_to(&mut self, date: NaiveDate) {
        let valuations = &self.investment.valuations;
        while let Some(valuation) = valuations
            .get(self.valuations_read)
            .filter(|valuation| valuation.date <= date)
        {
            self.valuations_read += 1;
            self.read_flows(valuation.date);
            self.held = valuation.nav_cents.into();
        }
        self.read_flows(date);
    }

    fn read_flows(&mut self, date: NaiveDate) {
        let flows = &self.investment.flows;
        while let Some(flow) = flows.get(self.flows_read).filter(|flow| flow.date <= date) {
            self.flows_read += 1;
            self.invested += i128::from(flow.invested_cents);
            self.proceeds += i128::from(flow.proceeds_cents);
            self.held += flow.net_put_in();
            self.net_since_nav += flow.net_put_in();
        }
    }

    fn valued_on(&self) -> Option<NaiveDate> {
        let read = &self.investment.valuations[..self.valuations_read];
        read.last().map(|valuation| valuation.date)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn date(text: &str) -> NaiveDate {
        text.parse().expect("a date")
    }

    fn flow(day: &str, invested_cents: i64, proceeds_cents: i64) -> InvestmentFlow {
        InvestmentFlow {
            date: date(day),
            invested_cents,
            proceeds_cents,
        }
    }

    fn value(day: &str, nav_cents: i64) -> NavReport {
        NavReport {
            date: date(day),
            nav_cents,
        }
    }

    /// 500 into one company, valued at 600, 300 back; 100 into another that is never valued; a NAV of the fund in between.
    fn worked() -> FundHistory {
        FundHistory {
            investments: vec![
                Investment {
                    flows: vec![flow("2020-01-01", 500, 0), flow("2022-01-01", 0, 300)],
                    valuations: vec![value("2020-12-31", 600), value("2022-06-30", 450)],
                },
                Investment {
                    flows: vec![flow("2021-06-30", 100, 0)],
                    valuations: Vec::new(),
                },
            ],
            navs: vec![value("2021-03-31", 700)],
        }
    }

    fn snapshots(history: &FundHistory) -> Vec<GrossSnapshot> {
        gross_snapshots(history, NaiveDate::MIN).expect("small amounts")
    }

    #[test]
    fn the_residual_is_the_newest_of_valuations_and_fund_nav_with_what_flowed_since() {
        let residuals: Vec<_> = snapshots(&worked())
            .iter()
            .map(|at| (at.date.to_string(), at.residual_cents))
            .collect();
        let expected = [
            ("2020-01-01", 500), // at cost
            ("2020-12-31", 600),
            ("2021-03-31", 700), // the fund's NAV
            ("2021-06-30", 800), // and what was put in since
            ("2022-01-01", 500), // and what came back
            ("2022-06-30", 550), // valued again, the other company at cost
        ];
        assert_eq!(
            residuals,
            expected.map(|(day, cents)| (day.to_owned(), cents))
        );
    }

    #[test]
    fn moic_and_rate_follow() {
        let at = snapshots(&worked());
        assert_eq!(
            at[1].moic.map(|moic| moic.to_string()).as_deref(),
            Some("1.200000")
        );
        assert!((at[1].irr.rate.expect("a rate") - 0.2).abs() < 1e-12);
        let last = at[5];
        assert_eq!((last.invested_cents, last.proceeds_cents), (600, 300));
        assert_eq!(
            last.moic.map(|moic| moic.to_string()).as_deref(),
            Some("1.416667")
        );
    }

    #[test]
    fn what_is_absent_has_its_reason() {
        let only_nav = FundHistory {
            investments: Vec::new(),
            navs: vec![value("2020-01-01", 5)],
        };
        let at = snapshots(&only_nav)[0];
        assert_eq!((at.moic, at.irr.rate), (None, None));
        assert_eq!(at.flags.codes(), ["ZERO_COST", "GROSS_INSUFFICIENT_FLOWS"]);
    }

    #[test]
    fn what_would_be_worth_less_than_nothing_is_worth_nothing() {
        let history = FundHistory {
            investments: vec![Investment {
                flows: vec![flow("2020-01-01", 100, 0), flow("2021-01-01", 0, 250)],
                valuations: vec![value("2020-06-30", 200)],
            }],
            navs: Vec::new(),
        };
        assert_eq!(snapshots(&history)[2].residual_cents, 0);
    }

    #[test]
    fn computing_only_the_later_figures_gives_the_same() {
        let all = snapshots(&worked());
        for from in &all {
            let later: Vec<_> = all
                .iter()
                .filter(|at| at.date >= from.date)
                .copied()
                .collect();
            assert_eq!(gross_snapshots(&worked(), from.date), Ok(later));
        }
    }
}
