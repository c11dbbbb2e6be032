//! `GET /api/lp/{lpId}/capital-activity`: the LP's ledger, newest first, in pages that stay stable while entries are added.

use chrono::{DateTime, NaiveDate, Utc};
use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use tokio_postgres::Row;
use tokio_postgres::types::Json;

use super::{FIRST_DAY, LAST_DAY};
use crate::access::{Scope, Scoped};
use crate::answer::Report;
use crate::cache::ReportName;
use crate::error::Error;
use crate::http::cursor::{self, DatePosition};
use crate::http::{Parameters, Refused};
use crate::ids::{ActivityId, CommitmentId, FundId, LpId};

const SQL: &str = include_str!("capital_activity.sql");
/// The types of the ledger as a client may name them; what each does is data of the database.
const TYPES: [&str; 7] = [
    "capital_call",
    "capital_call_outside",
    "return_of_unused_capital",
    "distribution",
    "recallable_distribution",
    "commitment_increase",
    "commitment_release",
];
/// A page ends before its items take more bytes as JSON. Lambda passes on 6 MB, and the body in them as text in JSON, where a quote
/// takes two bytes. A thousand entries with all the text that they may have would take ten.
const MOST_PAGE_BYTES: usize = 3_000_000;
/// What an item takes beside its texts.
const ITEM_BYTES: usize = 400;
/// After every date that the ledger takes.
const AFTER_ALL: DatePosition = DatePosition {
    date: LAST_DAY,
    id: i64::MAX,
};

/// The question.
#[derive(Debug, Clone)]
pub struct CapitalActivity {
    /// Whose.
    pub lp_id: LpId,
    /// Which entries.
    pub filter: Filter,
    /// How many a page.
    pub limit: i64,
    /// Where the page before ended.
    pub after: Option<DatePosition>,
    /// Today.
    pub as_of: NaiveDate,
}

/// Which entries are asked for; all of it has to hold.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Only of these funds, unless empty.
    pub fund_ids: Vec<FundId>,
    /// Only of these types, unless empty.
    pub types: Vec<&'static str>,
    /// Only with this text under this key.
    pub metadata: Option<(String, String)>,
    /// The first effective date.
    pub start: Option<NaiveDate>,
    /// The last effective date.
    pub end: Option<NaiveDate>,
}

/// The answer.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Answer {
    lp_id: LpId,
    as_of: NaiveDate,
    items: Vec<Activity>,
    next_cursor: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Activity {
    activity_id: ActivityId,
    commitment_id: CommitmentId,
    fund_id: FundId,
    fund_name: String,
    currency: String,
    #[serde(rename = "type")]
    activity_type: String,
    amount_cents: i64,
    effective_date: NaiveDate,
    recorded_at: DateTime<Utc>,
    description: Option<String>,
    reference_number: Option<String>,
    /// As the database wrote it, like the metadata.
    components: Option<Box<RawValue>>,
    reverses_activity_id: Option<ActivityId>,
    metadata: Box<RawValue>,
}

impl CapitalActivity {
    /// The query parameters it takes.
    pub const PARAMETERS: &[&str] = &[
        "fundIds",
        "startDate",
        "endDate",
        "types",
        "metadata",
        "limit",
        "cursor",
    ];

    /// Reads the question from a request.
    pub fn parse(parameters: &mut Parameters) -> Result<Self, Refused> {
        let (lp_id, limit) = (parameters.lp_id(), parameters.limit());
        let filter = Filter::parse(parameters);
        let (lp_id, filter) = (lp_id?, filter?);
        let after = parameters.cursor(&filter.fingerprint(lp_id));
        Ok(Self {
            lp_id,
            filter,
            limit: limit?,
            after: after?,
            as_of: parameters.today(),
        })
    }
}

impl Filter {
    fn parse(parameters: &mut Parameters) -> Result<Self, Refused> {
        let fund_ids = parameters.fund_ids();
        let types = parameters.some_of("types", &TYPES.map(|word| (word, word)));
        let metadata = parameters.metadata();
        let (start, end) = parameters.date_range()?;
        Ok(Self {
            fund_ids: fund_ids?,
            types: types?,
            metadata: metadata?,
            start,
            end,
        })
    }

    /// What a cursor is bound to.
    fn fingerprint(&self, lp_id: LpId) -> String {
        format!("capital-activity lp={lp_id} {self:?}")
    }

    /// Every entry on or before the last day stands before this.
    fn bound(&self) -> DatePosition {
        self.end
            .map_or(AFTER_ALL, |date| DatePosition { date, id: i64::MAX })
    }

    /// The metadata that an entry has to contain.
    fn contained(&self) -> Option<Value> {
        let (key, value) = self.metadata.as_ref()?;
        Some(Value::Object(Map::from_iter([(key.clone(), json!(value))])))
    }
}

impl Report for CapitalActivity {
    const NAME: &'static str = ReportName::CapitalActivity.slug();
    type Answer = Answer;

    fn scope(&self) -> Scope {
        Scope::Lp(self.lp_id, self.filter.fund_ids.clone().into())
    }

    fn cached_as(&self) -> Option<(ReportName, String)> {
        let Self {
            filter,
            limit,
            after,
            as_of,
            ..
        } = self;
        let fingerprint = format!("{filter:?} limit={limit} after={after:?} asOf={as_of}");
        Some((ReportName::CapitalActivity, fingerprint))
    }

    async fn load(&self, db: &Scoped<'_>) -> Result<Option<Answer>, Error> {
        let bound = self.after.unwrap_or_else(|| self.filter.bound());
        let start = self.filter.start.unwrap_or(FIRST_DAY);
        // One more than the page tells whether there is a next one.
        let most = self.limit + 1;
        let rows = db
            .query(
                SQL,
                &[
                    &self.lp_id,
                    &bound.date,
                    &bound.id,
                    &start,
                    &most,
                    &self.filter.fund_ids,
                    &self.filter.types,
                    &self.filter.contained(),
                ],
            )
            .await?;
        // An unknown LP has no row at all; one row without an entry stands for an LP without any.
        Ok((!rows.is_empty())
            .then(|| self.page(rows.iter().filter_map(Activity::from_row).collect())))
    }

    fn next_cursor(answer: &Answer) -> Option<&str> {
        answer.next_cursor.as_deref()
    }
}

impl CapitalActivity {
    fn page(&self, mut items: Vec<Activity>) -> Answer {
        let limit = usize::try_from(self.limit).unwrap_or(usize::MAX);
        let length = limit.min(fitting(&items));
        let has_next = items.len() > length;
        items.truncate(length);
        let last = items.last().filter(|_| has_next);
        let next_cursor = last.map(|last| {
            let position = DatePosition {
                date: last.effective_date,
                id: last.activity_id.get(),
            };
            cursor::encode(&self.filter.fingerprint(self.lp_id), &position)
        });
        Answer {
            lp_id: self.lp_id,
            as_of: self.as_of,
            items,
            next_cursor,
        }
    }
}

/// How many of the items fit a page, at least one.
fn fitting(items: &[Activity]) -> usize {
    let mut bytes = 0;
    let fitting = items.iter().take_while(|item| {
        bytes += item.most_bytes();
        bytes <= MOST_PAGE_BYTES
    });
    fitting.count().max(1)
}

/// The bytes of a text as JSON: control characters become six, and quotes and backslashes two.
fn written_bytes(text: &str) -> usize {
    let written = |byte| match byte {
        0..0x20 => 6,
        b'"' | b'\\' => 2,
        _ => 1,
    };
    text.bytes().map(written).sum()
}

impl Activity {
    /// No less than it takes as JSON.
    fn most_bytes(&self) -> usize {
        let texts = [&self.description, &self.reference_number];
        let texts = texts.into_iter().flatten().chain([&self.fund_name]);
        let written: usize = texts.map(|text| written_bytes(text)).sum();
        let components = self.components.as_ref().map_or(0, |raw| raw.get().len());
        ITEM_BYTES + written + components + self.metadata.get().len()
    }

    /// By position: a page has a thousand, and finding a column by its name takes longer than reading it.
    fn from_row(row: &Row) -> Option<Self> {
        let raw = |Json(value): Json<Box<RawValue>>| value;
        Some(Self {
            activity_id: row.get::<_, Option<ActivityId>>(0)?,
            commitment_id: row.get(1),
            fund_id: row.get(2),
            fund_name: row.get(3),
            currency: row.get(4),
            activity_type: row.get(5),
            amount_cents: row.get(6),
            effective_date: row.get(7),
            recorded_at: row.get(8),
            description: row.get(9),
            reference_number: row.get(10),
            components: row.get::<_, Option<_>>(11).map(raw),
            reverses_activity_id: row.get(12),
            metadata: raw(row.get(13)),
        })
    }
}
