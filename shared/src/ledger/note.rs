//! What the system sends to itself: notes of work that is still to be done, on the queue that brings everybody else's messages.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::fields::{Fields, malformed};
use crate::refusal::Refusal;

/// The schema of a request to refresh the views.
pub const VIEWS_SCHEMA: &str = "lp-reporting/views/1";

pub(super) fn views(mut fields: Fields) -> Result<(), Refusal> {
    fields.take("schema");
    fields.finish()
}

/// Cached answers that are still to be forgotten.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OwedForgetting {
    /// Always [`OwedForgetting::SCHEMA`].
    pub schema: String,
    /// Since when: after the longest time that an answer is kept, nothing is owed any more.
    pub owed_since: DateTime<Utc>,
    /// Whose answers.
    pub lp_ids: Vec<i64>,
}

impl OwedForgetting {
    /// The schema of these messages.
    pub const SCHEMA: &'static str = "lp-reporting/forget/1";

    pub(super) fn read(object: Map<String, Value>) -> Result<Self, Refusal> {
        serde_json::from_value(Value::Object(object))
            .map_err(|_| malformed("the forgetting that is owed cannot be read"))
    }
}

/// LPs by their ids, with all that they have or with what they have in one fund. As a message, those that are still to be
/// rebuilt: a rebuild goes on in steps, each a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LpRange {
    /// The first.
    pub from_lp_id: i64,
    /// The last, itself included.
    pub to_lp_id: i64,
    /// Only what they have in this fund.
    pub fund_id: Option<i64>,
}

impl LpRange {
    /// The schema of these messages.
    pub const SCHEMA: &'static str = "lp-reporting/rebuild/1";
    /// Everyone, with everything.
    pub const ALL: Self = Self {
        from_lp_id: 1,
        to_lp_id: i64::MAX,
        fund_id: None,
    };

    pub(super) fn read(mut fields: Fields) -> Result<Self, Refusal> {
        fields.take("schema");
        let range = Self {
            from_lp_id: fields.id("fromLpId")?,
            to_lp_id: fields.id("toLpId")?,
            fund_id: fields.optional_id("fundId")?,
        };
        fields.finish()?;
        Ok(range)
    }

    /// The message that asks for the range.
    #[must_use]
    pub fn to_message(self) -> String {
        let mut message = json!({
            "schema": Self::SCHEMA, "fromLpId": self.from_lp_id, "toLpId": self.to_lp_id,
        });
        if let Some(fund_id) = self.fund_id {
            message["fundId"] = fund_id.into();
        }
        message.to_string()
    }
}
