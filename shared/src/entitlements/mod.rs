//! Granting and revoking: commands become rows of `lp_access`, where they stay, and what the cache keeps of a grant that was taken
//! back is closed. What a grant lets its subject see is `access`'s concern.

mod command;

pub use command::{Command, Entitlement};
use serde::Serialize;

use crate::app::App;
use crate::db::{self, Values};
use crate::error::Error;
use crate::refusal::{Reason, Refusal};

const GRANT: &str = include_str!("grant.sql");
const REVOKE: &str = include_str!("revoke.sql");

/// What became of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Done {
    /// Whether anything was recorded; what stood already, or no longer, is not recorded again.
    pub changed: bool,
    /// Of a revocation: whether it is in force at once. If not, Redis was away, and what it keeps of the grant is believed to its
    /// end, `ACCESS_TTL_SECONDS` at most, unless the command is given again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub forgotten: Option<bool>,
}

/// Why a command was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// Something in it is wrong, or what it names is not there.
    #[error("{0}")]
    Refused(Refusal),
    /// A part is away, or wrong itself; the command may be given again.
    #[error("{}", .0.chain())]
    Failed(Error),
}

/// Carries out a command. Given twice, it records nothing the second time.
pub async fn carry_out(app: &App, command: &Command) -> Result<Done, Failure> {
    match command {
        Command::Grant {
            entitlement,
            valid_from,
            valid_to,
            by,
        } => {
            let changed = record(app, GRANT, entitlement, &[by, valid_from, valid_to]).await?;
            // What is kept of narrower grants covers nothing that it did not cover before: readers ask the database.
            Ok(Done {
                changed,
                forgotten: None,
            })
        }
        Command::Revoke { entitlement, by } => {
            let changed = record(app, REVOKE, entitlement, &[by]).await?;
            Ok(Done {
                changed,
                forgotten: Some(forget(app, entitlement).await),
            })
        }
    }
}

/// Whether a row was written. Both statements begin with the same four parameters.
async fn record(
    app: &App,
    sql: &str,
    entitlement: &Entitlement,
    rest: Values<'_>,
) -> Result<bool, Failure> {
    let Entitlement {
        subject,
        role,
        lp_id,
        fund_id,
    } = entitlement;
    let first: Values<'_> = &[subject, role, lp_id, fund_id];
    let connection = app.db.connection().await.map_err(Failure::Failed)?;
    let written = db::execute(&connection, sql, &[first, rest].concat()).await;
    written.map(|rows| rows > 0).map_err(failure)
}

/// A key that leads nowhere is the command's fault, and the constraint tells which.
fn failure(error: Error) -> Failure {
    let constraint = match &error {
        Error::Database(error) => error.as_db_error().and_then(|error| error.constraint()),
        _ => None,
    };
    let (reason, detail) = match constraint {
        Some("lp_access_lp_id_fkey") => (Reason::LpNotFound, "there is no LP with this lpId"),
        Some("lp_access_fund_id_fkey") => {
            (Reason::FundNotFound, "there is no fund with this fundId")
        }
        _ => return Failure::Failed(error),
    };
    Failure::Refused(Refusal::new(reason, detail))
}

/// After the commit, so that a reader that looked before it comes too late to keep what it saw. Nothing is kept of a GP's grant.
async fn forget(app: &App, entitlement: &Entitlement) -> bool {
    let Some(lp_id) = entitlement.lp_id else {
        return true;
    };
    let closed = app.cache.forget_grant(lp_id, &entitlement.subject).await;
    if let Err(error) = &closed {
        tracing::warn!(error = %error.chain(), "a grant that was taken back is believed to the end of its time");
    }
    closed.is_ok()
}
