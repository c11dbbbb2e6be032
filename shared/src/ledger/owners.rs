//! Whose an event is, as far as the database knows, and whether its currency, type and components are those of its fund.

use deadpool_postgres::Transaction;
use serde_json::{Value, json};
use tokio_postgres::types::Json;

use super::message::{Activity, Event, Fact};
use crate::db;
use crate::error::Error;
use crate::refusal::{Reason, Refusal};

/// Where an event belongs.
#[derive(Debug, Clone, Copy)]
pub struct Owner {
    pub lp_id: Option<i64>,
    pub fund_id: i64,
    /// Whether the event concerns every LP of the fund: its NAV does, and so does a change of a commitment (an entry of a
    /// type that moves no cash), because it moves every share.
    pub concerns_fund: bool,
}

/// The owner of each event, or why it cannot be recorded; one statement however many they are.
pub async fn resolve(
    transaction: &Transaction<'_>,
    events: &[&Event],
) -> Result<Vec<Result<Owner, Refusal>>, Error> {
    let wanted: Vec<Value> = events
            .iter()
            .enumerate()
            .map(|(position, event)| {
                let (commitment_id, fund_id, activity_type) = match &event.fact {
                    Fact::Activity(activity) => (
                        Some(activity.commitment_id),
                        None,
                        Some(activity.activity_type.as_str()),
                    ),
                    Fact::CommitmentNav { commitment_id, .. } => (Some(*commitment_id), None, None),
                    Fact::FundNav { fund_id, .. } => (None, Some(*fund_id), None),
                };
                json!({"position": position, "commitment_id": commitment_id, "fund_id": fund_id, "activity_type": activity_type})
            })
            .collect();
    let rows = db::query(transaction, include_str!("resolve.sql"), &[&Json(wanted)]).await?;
    Ok(events
        .iter()
        .zip(&rows)
        .map(|(event, row)| {
            let known = Known {
                lp_id: row.get("lp_id"),
                fund_id: row.get("fund_id"),
                currency: row.get("currency"),
                components: row.get("components"),
                cash_sign: row.get("cash_sign"),
            };
            known.check(event)
        })
        .collect())
}

/// What the database knows about an event's owner and type.
struct Known<'r> {
    lp_id: Option<i64>,
    fund_id: Option<i64>,
    currency: Option<&'r str>,
    components: Option<Vec<&'r str>>,
    cash_sign: Option<i16>,
}

impl Known<'_> {
    fn check(&self, event: &Event) -> Result<Owner, Refusal> {
        if let Fact::Activity(activity) = &event.fact {
            self.check_type(activity)?;
        }
        let (Some(fund_id), Some(currency)) = (self.fund_id, self.currency) else {
            return Err(match event.fact {
                Fact::FundNav { .. } => {
                    Refusal::new(Reason::FundNotFound, "there is no fund with this fundId")
                }
                _ => Refusal::new(
                    Reason::CommitmentNotFound,
                    "there is no commitment with this commitmentId",
                ),
            });
        };
        if currency != event.currency {
            let detail = format!("the fund's currency is {currency}");
            return Err(Refusal::new(Reason::CurrencyMismatch, detail));
        }
        Ok(Owner {
            lp_id: self.lp_id,
            fund_id,
            concerns_fund: matches!(event.fact, Fact::FundNav { .. }) || self.cash_sign == Some(0),
        })
    }

    fn check_type(&self, activity: &Activity) -> Result<(), Refusal> {
        let Some(names) = &self.components else {
            return Err(Refusal::new(
                Reason::UnknownType,
                "type is none of the activity types",
            ));
        };
        let mut parts = activity.components.iter().flat_map(|parts| parts.keys());
        if parts.all(|name| names.contains(&name.as_str())) {
            Ok(())
        } else {
            Err(Refusal::new(
                Reason::ComponentsDoNotSum,
                "the type has no component of that name",
            ))
        }
    }
}
