//! The payloads of the tasks, as JSON says them: what is unknown, missing or out of bounds is refused.

use std::collections::HashMap;

use serde::Deserialize;
use serde_json::{Map, Value};
use shared::ids::{FundId, LpId};
use shared::ledger::LpRange;
use shared::operations::{Asked, Wanted, Which};
use shared::refresh::{Extent, Scope};

use crate::task::Task;

/// Rows of a list, unless asked otherwise, and at most.
const USUAL_ROWS: u16 = 20;
const MOST_ROWS: u16 = 200;
/// The longest that a part of a rebuild or of verifying may be asked to go on.
const LONGEST_PART_SECONDS: u64 = 12 * 60;
/// LPs and funds of a sample, at most.
const LARGEST_SAMPLE: u16 = 10_000;
/// Above this an index is rebuilt, unless asked otherwise. One that grows in random places settles at about 25 per cent.
const USUAL_BLOAT_PERCENT: f64 = 30.0;
/// A century of months.
const MOST_MONTHS: u16 = 1200;

/// `{"task": …}`, with what stands in the variants.
#[derive(Debug, Deserialize)]
#[serde(tag = "task", rename_all = "camelCase")]
pub enum Payload {
    Refresh(Nothing),
    Rebuild(Rebuild),
    Measure(Nothing),
    Verify(Verify),
    Analyze(Nothing),
    Reindex(Reindex),
    Bloat(Nothing),
    SlowQueries(List),
    Forget(Forget),
    Upkeep(Upkeep),
    Find(Find),
    Explain(Explain),
    RefreshHistory(List),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Nothing {}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Rebuild {
    funds: Option<bool>,
    lp_id: Option<LpId>,
    fund_id: Option<FundId>,
    from_lp_id: Option<LpId>,
    to_lp_id: Option<LpId>,
    for_seconds: Option<u64>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Verify {
    lp_id: Option<LpId>,
    sample: Option<u16>,
    from_lp_id: Option<LpId>,
    for_seconds: Option<u64>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Reindex {
    index: Option<String>,
    above_bloat_percent: Option<f64>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct List {
    most: Option<u16>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Forget {
    lp_id: LpId,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Upkeep {
    keep_months: Option<u16>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Find {
    name: Option<String>,
    metadata: Option<Map<String, Value>>,
    most: Option<u16>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Explain {
    report: String,
    lp_id: Option<LpId>,
    fund_id: Option<FundId>,
    #[serde(default)]
    query: HashMap<String, String>,
}

impl Payload {
    /// The task, or why it is none.
    pub fn check(self) -> Result<Task, String> {
        Ok(match self {
            Self::Refresh(_) => Task::Refresh,
            Self::Rebuild(payload) => payload.check()?,
            Self::Measure(_) => Task::Measure,
            Self::Verify(payload) => payload.check()?,
            Self::Analyze(_) => Task::Analyze,
            Self::Reindex(payload) => payload.check()?,
            Self::Bloat(_) => Task::Bloat,
            Self::SlowQueries(payload) => Task::SlowQueries(rows(payload.most)?),
            Self::Forget(payload) => Task::Forget(payload.lp_id),
            Self::Upkeep(payload) => payload.check()?,
            Self::Find(payload) => payload.check()?,
            Self::Explain(payload) => payload.check(),
            Self::RefreshHistory(payload) => Task::RefreshHistory(rows(payload.most)?),
        })
    }
}

impl Rebuild {
    fn check(self) -> Result<Task, String> {
        let seconds = part_seconds(self.for_seconds)?;
        let scope = match (self.lp_id, self.fund_id, self.from_lp_id, self.to_lp_id) {
            (None, None, None, None) => None,
            (Some(lp_id), None, None, None) => Some(Scope::Lp(lp_id.get())),
            (None, Some(fund_id), None, None) => Some(Scope::Fund(fund_id.get())),
            (None, None, Some(from), Some(to)) => Some(Scope::Lps(LpRange {
                from_lp_id: from.get(),
                to_lp_id: to.get(),
                fund_id: None,
            })),
            _ => return Err(not_a_rebuild()),
        };
        match (self.funds, scope, seconds) {
            (None, None, None) => Ok(Task::Rebuild),
            (Some(true), None, None) => Ok(Task::RebuildFunds),
            (None, Some(scope), seconds) => Ok(Task::RebuildPart(scope, seconds)),
            _ => Err(not_a_rebuild()),
        }
    }
}

fn not_a_rebuild() -> String {
    "a rebuild is of everything, of funds (true), of an lpId, of a fundId, or of fromLpId to toLpId, \
     and only the last three take forSeconds"
        .to_owned()
}

impl Verify {
    fn check(self) -> Result<Task, String> {
        let extent = match (self.lp_id, self.sample, self.from_lp_id) {
            (None, None, None) => Extent::All,
            (Some(lp_id), None, None) => Extent::Lp(lp_id.get()),
            (None, Some(size @ 1..=LARGEST_SAMPLE), None) => Extent::Sample(size.into()),
            (None, None, Some(from)) => Extent::From(from.get()),
            _ => {
                return Err(format!(
                    "verified is everything, an lpId, a sample of 1 to {LARGEST_SAMPLE}, or what follows from fromLpId on"
                ));
            }
        };
        Ok(Task::Verify(extent, part_seconds(self.for_seconds)?))
    }
}

impl Reindex {
    fn check(self) -> Result<Task, String> {
        match (self.index, self.above_bloat_percent) {
            (Some(name), None) => Ok(Task::Reindex(Which::Named(name))),
            (None, percent) => {
                let percent = percent.unwrap_or(USUAL_BLOAT_PERCENT);
                let is_share = (0.0..100.0).contains(&percent);
                is_share
                    .then_some(Task::Reindex(Which::AboveBloat(percent)))
                    .ok_or_else(|| "aboveBloatPercent is not from 0 to below 100".to_owned())
            }
            (Some(_), Some(_)) => Err("index and aboveBloatPercent exclude each other".to_owned()),
        }
    }
}

impl Upkeep {
    fn check(self) -> Result<Task, String> {
        match self.keep_months {
            Some(months) if !(1..=MOST_MONTHS).contains(&months) => {
                Err(format!("keepMonths is not from 1 to {MOST_MONTHS}"))
            }
            months => Ok(Task::Upkeep(months)),
        }
    }
}

impl Find {
    fn check(self) -> Result<Task, String> {
        if self.name.is_none() && self.metadata.is_none() {
            return Err("neither name nor metadata says what to find".to_owned());
        }
        Ok(Task::Find(Wanted {
            name: self.name,
            metadata: self.metadata,
            most: rows(self.most)?.into(),
        }))
    }
}

impl Explain {
    fn check(self) -> Task {
        Task::Explain(Asked {
            report: self.report,
            lp_id: self.lp_id.map(|id| id.to_string()),
            fund_id: self.fund_id.map(|id| id.to_string()),
            query: self.query,
        })
    }
}

fn rows(most: Option<u16>) -> Result<u16, String> {
    match most.unwrap_or(USUAL_ROWS) {
        most @ 1..=MOST_ROWS => Ok(most),
        _ => Err(format!("most is not from 1 to {MOST_ROWS}")),
    }
}

fn part_seconds(seconds: Option<u64>) -> Result<Option<u64>, String> {
    match seconds {
        Some(seconds) if !(1..=LONGEST_PART_SECONDS).contains(&seconds) => Err(format!(
            "forSeconds is not from 1 to {LONGEST_PART_SECONDS}"
        )),
        seconds => Ok(seconds),
    }
}
