//! `GET /api/lp/{lpId}/performance/history`: how performance developed, of a commitment, of a fund, or of all an LP has.

use chrono::NaiveDate;
use serde::{Serialize, Serializer};
use tokio_postgres::Row;

use super::FIRST_DAY;
use super::gross::Gross;
use super::position::{read_flags, shown_rate, write_flags};
use crate::access::{self, Scoped};
use crate::answer::Report;
use crate::cache::ReportName;
use crate::error::Error;
use crate::finance::flags::{Flag, Flags};
use crate::finance::multiples::{Position, Rounded, compute_multiples};
use crate::finance::periods::{Granularity, last_of_each};
use crate::grant::Funds;
use crate::http::{Parameters, Refused};
use crate::ids::{CommitmentId, FundId, LpId};

const SQL: &str = include_str!("performance_history.sql");
/// A series has at most a point a day: these are more than fifty years, and no fund lives so long.
const MOST_POINTS: i64 = 20_000;
const GRANULARITIES: [(&str, Granularity); 3] = [
    ("monthly", Granularity::Monthly),
    ("quarterly", Granularity::Quarterly),
    ("yearly", Granularity::Yearly),
];

/// The question.
#[derive(Debug, Clone)]
pub struct PerformanceHistory {
    /// Whose.
    pub lp_id: LpId,
    /// Of what.
    pub scope: Scope,
    /// The first day.
    pub start: Option<NaiveDate>,
    /// The last day; nothing after today is shown.
    pub end: Option<NaiveDate>,
    /// How long a period is of which the last point is shown.
    pub granularity: Granularity,
    /// Today.
    pub as_of: NaiveDate,
}

/// What a history is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(into = "WrittenScope")]
pub enum Scope {
    /// All that the LP has, pooled in each currency.
    Lp,
    /// What it has in a fund.
    Fund(FundId),
    /// One commitment.
    Commitment(CommitmentId),
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WrittenScope {
    kind: &'static str,
    fund_id: Option<FundId>,
    commitment_id: Option<CommitmentId>,
}

/// The answer.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Answer {
    lp_id: LpId,
    as_of: NaiveDate,
    scope: Scope,
    #[serde(serialize_with = "write_granularity")]
    granularity: Granularity,
    series: Vec<Series>,
}

#[derive(Debug, Serialize)]
struct Series {
    currency: String,
    points: Vec<Point>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Point {
    date: NaiveDate,
    net_irr: Option<f64>,
    annualised: Option<bool>,
    #[serde(flatten)]
    gross: Gross,
    dpi: Option<f64>,
    rvpi: Option<f64>,
    tvpi: Option<f64>,
    nav_cents: Option<i64>,
    paid_in_cents: i64,
    distributed_cents: i64,
    #[serde(serialize_with = "write_flags")]
    flags: Flags,
}

impl PerformanceHistory {
    /// The query parameters it takes.
    pub const PARAMETERS: &[&str] = &[
        "commitmentId",
        "fundId",
        "startDate",
        "endDate",
        "granularity",
    ];

    /// Reads the question from a request.
    pub fn parse(parameters: &mut Parameters) -> Result<Self, Refused> {
        let lp_id = parameters.lp_id();
        let (fund_id, commitment_id) = (parameters.fund_id(), parameters.commitment_id());
        let range = parameters.date_range();
        let granularity = parameters.one_of("granularity", &GRANULARITIES);
        let scope = match (fund_id?, commitment_id?) {
            (Some(_), Some(_)) => {
                return Err(
                    parameters.refuse("commitmentId", "cannot be given together with fundId")
                );
            }
            (Some(fund_id), None) => Scope::Fund(fund_id),
            (None, Some(commitment_id)) => Scope::Commitment(commitment_id),
            (None, None) => Scope::Lp,
        };
        let (start, end) = range?;
        Ok(Self {
            lp_id: lp_id?,
            scope,
            start,
            end,
            granularity: granularity?.unwrap_or(Granularity::Quarterly),
            as_of: parameters.today(),
        })
    }
}

impl Report for PerformanceHistory {
    const NAME: &'static str = ReportName::PerformanceHistory.slug();
    type Answer = Answer;

    fn scope(&self) -> access::Scope {
        let funds = match self.scope {
            Scope::Fund(fund_id) => Funds::Only(vec![fund_id]),
            // Whose fund a commitment is in is known only once it is read.
            Scope::Lp | Scope::Commitment(_) => Funds::All,
        };
        access::Scope::Lp(self.lp_id, funds)
    }

    fn cached_as(&self) -> Option<(ReportName, String)> {
        let Self {
            scope,
            start,
            end,
            granularity,
            as_of,
            ..
        } = self;
        let fingerprint = format!("{scope:?} {start:?} {end:?} {granularity:?} asOf={as_of}");
        Some((ReportName::PerformanceHistory, fingerprint))
    }

    async fn load(&self, db: &Scoped<'_>) -> Result<Option<Answer>, Error> {
        let WrittenScope {
            fund_id,
            commitment_id,
            ..
        } = self.scope.into();
        let start = self.start.unwrap_or(FIRST_DAY);
        let end = self.end.map_or(self.as_of, |end| end.min(self.as_of));
        let rows = db
            .query(
                SQL,
                &[
                    &self.lp_id,
                    &fund_id,
                    &commitment_id,
                    &start,
                    &end,
                    &MOST_POINTS,
                ],
            )
            .await?;
        let series = self.series(&rows);
        // An unknown LP has no row at all, and a fund or commitment that is not the LP's no series.
        let is_found = !rows.is_empty() && (self.scope == Scope::Lp || !series.is_empty());
        Ok(is_found.then_some(Answer {
            lp_id: self.lp_id,
            as_of: self.as_of,
            scope: self.scope,
            granularity: self.granularity,
            series,
        }))
    }
}

impl PerformanceHistory {
    /// One series for each currency among the rows, which are sorted by it and then by date.
    fn series(&self, rows: &[Row]) -> Vec<Series> {
        let currency_of = |row: &Row| row.get::<_, Option<String>>("currency");
        rows.chunk_by(|a, b| currency_of(a) == currency_of(b))
            .filter_map(|rows| {
                let points = rows.iter().filter_map(|row| self.point(row)).collect();
                Some(Series {
                    currency: currency_of(&rows[0])?,
                    points: last_of_each(points, self.granularity, |point| point.date),
                })
            })
            .collect()
    }

    /// The point of a row; the row of a series without points has no date.
    fn point(&self, row: &Row) -> Option<Point> {
        let date = row.get::<_, Option<NaiveDate>>("point_date")?;
        let position = Position {
            commitment_cents: row.get("commitment_cents"),
            paid_in_cents: row.get("paid_in_cents"),
            distributed_cents: row.get("distributed_cents"),
            nav_cents: row.get("nav_cents"),
        };
        let multiples = compute_multiples(position);
        let (gross, gross_flags) = match self.scope {
            Scope::Lp => Gross::not_poolable(),
            Scope::Fund(_) | Scope::Commitment(_) => Gross::from_row(row),
        };
        let net_irr: Option<f64> = row.get("net_irr");
        let mut flags =
            said_of_a_point(read_flags(row, "irr_flags").union(multiples.flags)).union(gross_flags);
        if row.get("irr_is_pending") {
            flags.insert(Flag::IrrPending);
        }
        Some(Point {
            date,
            net_irr: net_irr.map(shown_rate),
            annualised: net_irr.and_then(|_| row.get("annualised")),
            gross,
            dpi: multiples.dpi.map(Rounded::to_f64),
            rvpi: multiples.rvpi.map(Rounded::to_f64),
            tvpi: multiples.tvpi.map(Rounded::to_f64),
            nav_cents: position.nav_cents,
            paid_in_cents: position.paid_in_cents,
            distributed_cents: position.distributed_cents,
            flags,
        })
    }
}

/// A point shows neither the commitment nor what is unfunded, so flags about them would explain nothing.
fn said_of_a_point(flags: Flags) -> Flags {
    let capital = [
        Flag::ZeroCommitment,
        Flag::UnfundedNegative,
        Flag::PaidInExceedsCommitment,
    ];
    flags
        .iter()
        .filter(|flag| !capital.contains(flag))
        .collect()
}

impl From<Scope> for WrittenScope {
    fn from(scope: Scope) -> Self {
        let (kind, fund_id, commitment_id) = match scope {
            Scope::Lp => ("lp", None, None),
            Scope::Fund(fund_id) => ("fund", Some(fund_id), None),
            Scope::Commitment(commitment_id) => ("commitment", None, Some(commitment_id)),
        };
        Self {
            kind,
            fund_id,
            commitment_id,
        }
    }
}

fn write_granularity<S: Serializer>(
    granularity: &Granularity,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let word = GRANULARITIES
        .iter()
        .find(|(_, value)| value == granularity)
        .map(|(word, _)| *word);
    serializer.serialize_str(word.unwrap_or_default())
}
