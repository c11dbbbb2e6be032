//! `GET /api/lp/{lpId}/holdings`: the LP's share of what its funds hold today.

use std::sync::LazyLock;

use chrono::NaiveDate;
use serde::Serialize;
use tokio_postgres::Row;

use super::position::write_flags;
use super::views::{query_view, without_views};
use crate::access::{Scope, Scoped};
use crate::answer::Report;
use crate::cache::ReportName;
use crate::error::Error;
use crate::finance::allocation::pro_rata;
use crate::finance::flags::{Flag, Flags};
use crate::finance::multiples::Rounded;
use crate::http::cursor::{self, PairPosition};
use crate::http::{Parameters, Refused};
use crate::ids::{FundId, LpId};

const SQL: &str = include_str!("holdings.sql");
static LIVE_SQL: LazyLock<String> =
    LazyLock::new(|| without_views(SQL, &["lp_performance_latest"]));
/// What a share is reckoned by, as the answer says.
const BASIS: &str = "commitment in force";
const BEFORE_ALL: PairPosition = PairPosition {
    first: 0,
    second: 0,
};

/// The question.
#[derive(Debug, Clone)]
pub struct Holdings {
    /// Whose.
    pub lp_id: LpId,
    /// Only in this fund.
    pub fund_id: Option<FundId>,
    /// How many a page.
    pub limit: i64,
    /// Where the page before ended.
    pub after: Option<PairPosition>,
    /// Today.
    pub as_of: NaiveDate,
}

/// The answer.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Answer {
    lp_id: LpId,
    as_of: NaiveDate,
    basis: &'static str,
    items: Vec<Holding>,
    next_cursor: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Holding {
    investment_id: i64,
    fund_id: FundId,
    fund_name: String,
    company_id: i64,
    company_name: String,
    sector: String,
    stage: String,
    investment_date: NaiveDate,
    valuation_date: Option<NaiveDate>,
    currency: String,
    ownership_percent: Option<f64>,
    cost_basis_cents: Option<i64>,
    current_value_cents: Option<i64>,
    unrealized_gain_cents: Option<i64>,
    unrealized_multiple: Option<f64>,
    #[serde(serialize_with = "write_flags")]
    flags: Flags,
}

impl Holdings {
    /// The query parameters it takes.
    pub const PARAMETERS: &[&str] = &["fundId", "limit", "cursor"];

    /// Reads the question from a request.
    pub fn parse(parameters: &mut Parameters) -> Result<Self, Refused> {
        let (lp_id, fund_id, limit) =
            (parameters.lp_id(), parameters.fund_id(), parameters.limit());
        let (lp_id, fund_id) = (lp_id?, fund_id?);
        let after = parameters.cursor(&filter(lp_id, fund_id));
        Ok(Self {
            lp_id,
            fund_id,
            limit: limit?,
            after: after?,
            as_of: parameters.today(),
        })
    }
}

/// What a cursor is bound to.
fn filter(lp_id: LpId, fund_id: Option<FundId>) -> String {
    format!("holdings lp={lp_id} fund={fund_id:?}")
}

impl Report for Holdings {
    const NAME: &'static str = ReportName::Holdings.slug();
    type Answer = Answer;

    fn scope(&self) -> Scope {
        Scope::Lp(self.lp_id, self.fund_id.into())
    }

    fn cached_as(&self) -> Option<(ReportName, String)> {
        let Self {
            fund_id,
            limit,
            after,
            as_of,
            ..
        } = self;
        let fingerprint = format!("fund={fund_id:?} limit={limit} after={after:?} asOf={as_of}");
        Some((ReportName::Holdings, fingerprint))
    }

    async fn load(&self, db: &Scoped<'_>) -> Result<Option<Answer>, Error> {
        let after = self.after.unwrap_or(BEFORE_ALL);
        let fund_id = self.fund_id.map(FundId::get);
        // Funds before the cursor's have had their pages.
        let first = fund_id.unwrap_or(after.first).max(after.first);
        let last = fund_id.unwrap_or(i64::MAX);
        // One more than the page tells whether there is a next one.
        let most = self.limit + 1;
        let rows = query_view(
            db,
            SQL,
            &LIVE_SQL,
            &[
                &self.lp_id,
                &self.as_of,
                &first,
                &last,
                &after.first,
                &after.second,
                &most,
                &fund_id,
            ],
        )
        .await?;
        // An unknown LP has no row at all, nor has a fund that the LP has no commitment in.
        if rows.is_empty() {
            return Ok(None);
        }
        let items: Vec<Holding> = rows
            .iter()
            .filter_map(|row| {
                Some(Holding::from_row(
                    row,
                    row.get::<_, Option<i64>>("investment_id")?,
                ))
            })
            .collect::<Result<_, _>>()?;
        Ok(Some(self.page(items)))
    }

    fn next_cursor(answer: &Answer) -> Option<&str> {
        answer.next_cursor.as_deref()
    }
}

impl Holdings {
    fn page(&self, mut items: Vec<Holding>) -> Answer {
        let length = usize::try_from(self.limit).unwrap_or(usize::MAX);
        let has_next = items.len() > length;
        items.truncate(length);
        let last = items.last().filter(|_| has_next);
        let next_cursor = last.map(|last| {
            let position = PairPosition {
                first: last.fund_id.get(),
                second: last.investment_id,
            };
            cursor::encode(&filter(self.lp_id, self.fund_id), &position)
        });
        Answer {
            lp_id: self.lp_id,
            as_of: self.as_of,
            basis: BASIS,
            items,
            next_cursor,
        }
    }
}

impl Holding {
    /// The LP's share of the fund's position, each amount rounded by itself. The multiple is the position's own, so that
    /// rounding a small share cannot move it.
    fn from_row(row: &Row, investment_id: i64) -> Result<Self, Error> {
        let share = Share::from_row(row);
        let cost_cents: i64 = row.get("cost_cents");
        let fair_value_cents: Option<i64> = row.get("fair_value_cents");
        let value_cents = fair_value_cents.unwrap_or(cost_cents);
        let cost_basis_cents = share.of(cost_cents)?;
        let current_value_cents = share.of(value_cents)?;
        let flags = [
            (fair_value_cents.is_none(), Flag::ValuedAtCost),
            (cost_cents == 0, Flag::ZeroCost),
        ];
        Ok(Self {
            investment_id,
            fund_id: row.get("fund_id"),
            fund_name: row.get("fund_name"),
            company_id: row.get("company_id"),
            company_name: row.get("company_name"),
            sector: row.get("sector"),
            stage: row.get("stage"),
            investment_date: row.get("investment_date"),
            valuation_date: row.get("valuation_date"),
            currency: row.get("currency"),
            ownership_percent: share.percent(),
            cost_basis_cents,
            current_value_cents,
            unrealized_gain_cents: current_value_cents
                .zip(cost_basis_cents)
                .map(|(value, cost)| value - cost),
            unrealized_multiple: Rounded::from_ratio(value_cents.into(), cost_cents.into())
                .map(Rounded::to_f64),
            flags: those_that_hold(flags).union(share.flags()),
        })
    }
}

/// The LP's part of the commitments in force in a fund. Releases may take either of them to zero or below: legal, and flagged.
/// Of a whole that is not positive there is no share.
#[derive(Clone, Copy)]
struct Share {
    part_cents: i64,
    whole_cents: i64,
}

impl Share {
    fn from_row(row: &Row) -> Self {
        Self {
            part_cents: row.get("part_cents"),
            whole_cents: row.get("whole_cents"),
        }
    }

    fn exists(self) -> bool {
        self.whole_cents > 0
    }

    fn of(self, amount_cents: i64) -> Result<Option<i64>, Error> {
        let overflow = || Error::Inconsistent("a share does not fit into 64-bit cents".into());
        self.exists()
            .then(|| pro_rata(amount_cents, self.part_cents, self.whole_cents).ok_or_else(overflow))
            .transpose()
    }

    fn percent(self) -> Option<f64> {
        let percent =
            Rounded::from_ratio(100 * i128::from(self.part_cents), self.whole_cents.into());
        percent.filter(|_| self.exists()).map(Rounded::to_f64)
    }

    fn flags(self) -> Flags {
        those_that_hold([
            (!self.exists(), Flag::ZeroCommitment),
            (self.part_cents < 0, Flag::CommitmentNegative),
        ])
    }
}

fn those_that_hold(flags: [(bool, Flag); 2]) -> Flags {
    flags
        .into_iter()
        .filter_map(|(holds, flag)| holds.then_some(flag))
        .collect()
}
