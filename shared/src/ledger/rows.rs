//! Events as rows of the statements that insert them, and what each changes: pure.

use chrono::NaiveDate;
use serde_json::{Value, json};

use super::message::{Activity, Event, Fact};
use super::owners::Owner;

/// One row of entries.sql. A reversal negates the amount and its parts.
pub fn entry(
    event: &Event,
    activity: &Activity,
    owner: Owner,
    activity_id: Option<i64>,
    reverses: Option<i64>,
) -> Value {
    let sign = if reverses.is_some() { -1 } else { 1 };
    let components = activity.components.as_ref().map(|parts| {
        parts
            .iter()
            .map(|(name, cents)| (name.clone(), json!(sign * cents)))
            .collect::<serde_json::Map<_, _>>()
    });
    json!({
        "activity_id": activity_id, "lp_id": owner.lp_id, "fund_id": owner.fund_id,
        "commitment_id": activity.commitment_id, "activity_type": activity.activity_type,
        "amount_cents": sign * activity.amount_cents, "effective_date": activity.effective_date,
        "components": components, "description": activity.description,
        "reference_number": activity.reference_number, "metadata": event.metadata,
        "reverses_activity_id": reverses,
    })
}

/// One row of commitment_navs.sql, of an event that is such a report.
pub fn commitment_nav(position: usize, event: &Event) -> Option<Value> {
    match &event.fact {
        Fact::CommitmentNav {
            commitment_id,
            report,
            nav_cents,
        } => Some(json!({
            "position": position, "commitment_id": commitment_id, "as_of_date": report.as_of_date,
            "nav_cents": nav_cents, "reported_at": report.reported_at, "metadata": event.metadata,
        })),
        _ => None,
    }
}

/// One row of fund_navs.sql, of an event that is such a report.
pub fn fund_nav(position: usize, event: &Event) -> Option<Value> {
    match &event.fact {
        Fact::FundNav {
            fund_id,
            report,
            gross_nav_cents,
            net_nav_cents,
        } => Some(json!({
            "position": position, "fund_id": fund_id, "as_of_date": report.as_of_date,
            "gross_nav_cents": gross_nav_cents, "net_nav_cents": net_nav_cents,
            "reported_at": report.reported_at, "metadata": event.metadata,
        })),
        _ => None,
    }
}

/// The commitment whose account an event changes, and from which day on.
pub fn account_change(event: &Event) -> Option<(i64, NaiveDate)> {
    match &event.fact {
        Fact::Activity(activity) => Some((activity.commitment_id, activity.effective_date)),
        Fact::CommitmentNav {
            commitment_id,
            report,
            ..
        } => Some((*commitment_id, report.as_of_date)),
        Fact::FundNav { .. } => None,
    }
}
