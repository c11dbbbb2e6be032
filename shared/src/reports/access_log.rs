//! `GET /api/lp/{lpId}/access-log`: who looked at the LP, newest first, in pages. Every look is recorded after it was answered, so
//! that the one which asks is not among them yet.

use chrono::{DateTime, Utc};
use serde::Serialize;
use tokio_postgres::Row;

use crate::access::{Scope, Scoped};
use crate::answer::Report;
use crate::cache::ReportName;
use crate::error::Error;
use crate::grant::Funds;
use crate::http::cursor::{self, TimePosition};
use crate::http::{Parameters, Refused};
use crate::ids::LpId;

const SQL: &str = include_str!("access_log.sql");
/// After every look.
const AFTER_ALL: TimePosition = TimePosition {
    time: DateTime::<Utc>::MAX_UTC,
    id: i64::MAX,
};

/// The question.
#[derive(Debug, Clone)]
pub struct AccessLog {
    /// Whose.
    pub lp_id: LpId,
    /// How many a page.
    pub limit: i64,
    /// Where the page before ended.
    pub after: Option<TimePosition>,
}

/// The answer.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Answer {
    lp_id: LpId,
    items: Vec<Look>,
    next_cursor: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Look {
    #[serde(skip)]
    access_id: i64,
    occurred_at: DateTime<Utc>,
    subject: Option<String>,
    route: String,
    outcome: String,
    request_id: String,
}

impl AccessLog {
    /// The query parameters it takes.
    pub const PARAMETERS: &[&str] = &["limit", "cursor"];

    /// Reads the question from a request.
    pub fn parse(parameters: &mut Parameters) -> Result<Self, Refused> {
        let (lp_id, limit) = (parameters.lp_id(), parameters.limit());
        let lp_id = lp_id?;
        let after = parameters.cursor(&list(lp_id));
        Ok(Self {
            lp_id,
            limit: limit?,
            after: after?,
        })
    }

    fn page(&self, mut items: Vec<Look>) -> Answer {
        let length = usize::try_from(self.limit).unwrap_or(usize::MAX);
        let has_next = items.len() > length;
        items.truncate(length);
        let last = items.last().filter(|_| has_next);
        let next_cursor = last.map(|last| {
            let position = TimePosition {
                time: last.occurred_at,
                id: last.access_id,
            };
            cursor::encode(&list(self.lp_id), &position)
        });
        Answer {
            lp_id: self.lp_id,
            items,
            next_cursor,
        }
    }
}

/// What a cursor is bound to.
fn list(lp_id: LpId) -> String {
    format!("access-log lp={lp_id}")
}

impl Report for AccessLog {
    const NAME: &'static str = "access-log";
    type Answer = Answer;

    fn scope(&self) -> Scope {
        Scope::Lp(self.lp_id, Funds::All)
    }

    /// Every look changes it, the one that shows it included.
    fn cached_as(&self) -> Option<(ReportName, String)> {
        None
    }

    /// An LP that was granted is there, and nobody may have looked at it.
    async fn load(&self, db: &Scoped<'_>) -> Result<Option<Answer>, Error> {
        let TimePosition { time, id } = self.after.unwrap_or(AFTER_ALL);
        // One more than the page tells whether there is a next one.
        let most = self.limit + 1;
        let rows = db.query(SQL, &[&self.lp_id, &time, &id, &most]).await?;
        Ok(Some(self.page(rows.iter().map(Look::from_row).collect())))
    }

    fn next_cursor(answer: &Answer) -> Option<&str> {
        answer.next_cursor.as_deref()
    }
}

impl Look {
    fn from_row(row: &Row) -> Self {
        Self {
            access_id: row.get("access_id"),
            occurred_at: row.get("occurred_at"),
            subject: row.get("subject"),
            route: row.get("route"),
            outcome: row.get("outcome"),
            request_id: row.get("request_id"),
        }
    }
}
