//! Questions about an LP or a fund, each with the answer that it must get.

use std::collections::BTreeSet;

use chrono::NaiveDate;
use serde_json::Value;

use super::Oracle;
use super::history::{Scope, history};
use super::truth::Lp;

/// A request, and what it must be answered; nothing stands for 404.
#[derive(Debug, Clone)]
pub struct Question {
    /// The path with its query.
    pub path: String,
    /// The body; lists are whole, however many pages they come in.
    pub answer: Option<Value>,
}

/// From and to which day a history is asked for.
pub type Range = (Option<NaiveDate>, Option<NaiveDate>);

/// By what a history is divided when its question does not say.
const DEFAULT_GRANULARITY: &str = "quarterly";

/// What is asked about an LP. A position is as of a date, where none stands for today; a list comes in pages of so many items.
#[derive(Debug, Clone, Copy)]
pub enum What {
    /// Its totals.
    Summary(Option<NaiveDate>),
    /// Its totals, and each fund beside them.
    Performance(Option<NaiveDate>),
    /// Its position in a fund.
    FundPerformance(i64, Option<NaiveDate>),
    /// Its share of every company.
    Holdings(u32),
    /// Its part of the ledger, up to a date or all of it.
    CapitalActivity(u32, Option<NaiveDate>),
    /// The history of a scope, by a granularity or as it comes without one, within a range.
    History(Scope, Option<&'static str>, Range),
}

impl What {
    /// The path with its query.
    #[must_use]
    pub fn path(self, lp_id: i64) -> String {
        let of_lp = match self {
            Self::Summary(date) => format!("summary{}", as_of(date)),
            Self::Performance(date) => format!("performance{}", as_of(date)),
            Self::FundPerformance(fund_id, date) => {
                format!("fund/{fund_id}/performance{}", as_of(date))
            }
            Self::Holdings(limit) => format!("holdings?limit={limit}"),
            Self::CapitalActivity(limit, until) => {
                let until = until.map_or_else(String::new, |date| format!("&endDate={date}"));
                format!("capital-activity?limit={limit}{until}")
            }
            Self::History(scope, granularity, range) => {
                let query = history_query(scope, granularity, range);
                format!("performance/history{query}")
            }
        };
        format!("/api/lp/{lp_id}/{of_lp}")
    }
}

impl Oracle {
    /// What must be answered to a question about an LP; nothing stands for 404.
    #[must_use]
    pub fn answer(&self, lp_id: i64, what: What) -> Option<Value> {
        let day = |date: Option<NaiveDate>| date.unwrap_or(self.today);
        match what {
            What::Summary(date) => self.summary(lp_id, day(date)),
            What::Performance(date) => self.performance(lp_id, day(date)),
            What::FundPerformance(fund_id, date) => {
                self.fund_performance(lp_id, fund_id, day(date))
            }
            What::Holdings(_) => self.holdings(lp_id),
            What::CapitalActivity(_, until) => self.capital_activity(lp_id, None, until),
            What::History(scope, granularity, range) => {
                let granularity = granularity.unwrap_or(DEFAULT_GRANULARITY);
                let series = self.series(lp_id, scope)?;
                let of = (lp_id, scope, self.today);
                Some(history(of, &series, granularity, range))
            }
        }
    }

    fn question(&self, lp_id: i64, what: What) -> Question {
        Question {
            path: what.path(lp_id),
            answer: self.answer(lp_id, what),
        }
    }

    /// An LP's positions as of some dates, where none stands for today: summary, performance, and performance in each fund.
    #[must_use]
    pub fn positions(&self, lp: &Lp, dates: &[Option<NaiveDate>]) -> Vec<Question> {
        let fund_ids = fund_ids(lp);
        let mut questions = Vec::new();
        for &date in dates {
            let of_lp = [What::Summary(date), What::Performance(date)];
            let of_funds = fund_ids.iter().map(|id| What::FundPerformance(*id, date));
            let asked = of_lp.into_iter().chain(of_funds);
            questions.extend(asked.map(|what| self.question(lp.lp_id, what)));
        }
        questions
    }

    /// An LP's lists, in pages of so many items: holdings, all activity, and activity up to some dates.
    #[must_use]
    pub fn lists(
        &self,
        lp: &Lp,
        limit: u32,
        until: impl IntoIterator<Item = NaiveDate>,
    ) -> Vec<Question> {
        let until = [None].into_iter().chain(until.into_iter().map(Some));
        let activity = until.map(|date| What::CapitalActivity(limit, date));
        let asked = [What::Holdings(limit)].into_iter().chain(activity);
        asked.map(|what| self.question(lp.lp_id, what)).collect()
    }

    /// The history of a scope, by each granularity within its range. The series is worked out once for all of them.
    #[must_use]
    pub fn histories(
        &self,
        lp_id: i64,
        scope: Scope,
        asked: &[(&'static str, Range)],
    ) -> Vec<Question> {
        let series = self.series(lp_id, scope);
        let question = |&(granularity, range): &(&'static str, Range)| Question {
            path: What::History(scope, Some(granularity), range).path(lp_id),
            answer: series
                .as_ref()
                .map(|series| history((lp_id, scope, self.today), series, granularity, range)),
        };
        asked.iter().map(question).collect()
    }

    /// A fund's summary as of some dates, where none stands for today.
    #[must_use]
    pub fn fund_summaries(&self, fund_id: i64, dates: &[Option<NaiveDate>]) -> Vec<Question> {
        let question = |date: &Option<NaiveDate>| Question {
            path: format!("/api/fund/{fund_id}/summary{}", as_of(*date)),
            answer: self.fund_summary(fund_id, date.unwrap_or(self.today)),
        };
        dates.iter().map(question).collect()
    }
}

/// What an LP's history may be asked for: all of it, each fund and each commitment.
#[must_use]
pub fn scopes(lp: &Lp) -> Vec<Scope> {
    let funds = fund_ids(lp).into_iter().map(Scope::Fund);
    let commitments = lp.commitments.iter();
    let commitments = commitments.map(|held| Scope::Commitment(held.commitment_id));
    [Scope::Lp]
        .into_iter()
        .chain(funds)
        .chain(commitments)
        .collect()
}

fn fund_ids(lp: &Lp) -> BTreeSet<i64> {
    let commitments = lp.commitments.iter();
    commitments.map(|commitment| commitment.fund_id).collect()
}

fn as_of(date: Option<NaiveDate>) -> String {
    date.map_or_else(String::new, |date| format!("?asOf={date}"))
}

/// What of a history's question is not left to its defaults.
fn history_query(scope: Scope, granularity: Option<&str>, (start, end): Range) -> String {
    let (fund_id, commitment_id) = match scope {
        Scope::Lp => (None, None),
        Scope::Fund(fund_id) => (Some(fund_id), None),
        Scope::Commitment(commitment_id) => (None, Some(commitment_id)),
    };
    let parameters = [
        ("granularity", granularity.map(str::to_owned)),
        ("fundId", fund_id.map(|id| id.to_string())),
        ("commitmentId", commitment_id.map(|id| id.to_string())),
        ("startDate", start.map(|date| date.to_string())),
        ("endDate", end.map(|date| date.to_string())),
    ];
    let given = parameters
        .into_iter()
        .filter_map(|(name, value)| Some(format!("{name}={}", value?)));
    let given: Vec<String> = given.collect();
    if given.is_empty() {
        String::new()
    } else {
        format!("?{}", given.join("&"))
    }
}
