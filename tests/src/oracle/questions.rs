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

impl Oracle {
    /// An LP's positions as of some dates, where none stands for today: summary, performance, and performance in each fund.
    #[must_use]
    pub fn positions(&self, lp: &Lp, dates: &[Option<NaiveDate>]) -> Vec<Question> {
        let lp_id = lp.lp_id;
        let mut questions = Vec::new();
        for date in dates {
            let query = as_of(*date);
            let as_of = date.unwrap_or(self.today);
            let mut ask = |path: String, answer| {
                let path = format!("{path}{query}");
                questions.push(Question { path, answer });
            };
            ask(
                format!("/api/lp/{lp_id}/summary"),
                self.summary(lp_id, as_of),
            );
            ask(
                format!("/api/lp/{lp_id}/performance"),
                self.performance(lp_id, as_of),
            );
            for fund_id in fund_ids(lp) {
                let path = format!("/api/lp/{lp_id}/fund/{fund_id}/performance");
                ask(path, self.fund_performance(lp_id, fund_id, as_of));
            }
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
        let lp_id = lp.lp_id;
        let activity = format!("/api/lp/{lp_id}/capital-activity?limit={limit}");
        let mut questions = vec![
            Question {
                path: format!("/api/lp/{lp_id}/holdings?limit={limit}"),
                answer: self.holdings(lp_id),
            },
            Question {
                path: activity.clone(),
                answer: self.capital_activity(lp_id, None, None),
            },
        ];
        questions.extend(until.into_iter().map(|date| Question {
            path: format!("{activity}&endDate={date}"),
            answer: self.capital_activity(lp_id, None, Some(date)),
        }));
        questions
    }

    /// The history of a scope, by each granularity within its range.
    #[must_use]
    pub fn histories(&self, lp_id: i64, scope: Scope, asked: &[(&str, Range)]) -> Vec<Question> {
        let series = self.series(lp_id, scope);
        let question = |(granularity, range): &(&str, Range)| {
            let mut path = format!("/api/lp/{lp_id}/performance/history?granularity={granularity}");
            match scope {
                Scope::Lp => {}
                Scope::Fund(fund_id) => path += &format!("&fundId={fund_id}"),
                Scope::Commitment(commitment_id) => {
                    path += &format!("&commitmentId={commitment_id}");
                }
            }
            for (name, date) in [("startDate", range.0), ("endDate", range.1)] {
                path += &date.map_or_else(String::new, |date| format!("&{name}={date}"));
            }
            let answer = series
                .as_ref()
                .map(|series| history((lp_id, scope, self.today), series, granularity, *range));
            Question { path, answer }
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
