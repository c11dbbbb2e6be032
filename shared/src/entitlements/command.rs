//! A command as an administrator gives it, parsed: what is missing, unknown or wrong is refused by name.

use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::ids::{FundId, LONGEST_SUBJECT, LpId};
use crate::ledger::{Fields, malformed};
use crate::refusal::{Reason, Refusal};

/// The roles whose grants name an LP.
const OF_AN_LP: [&str; 2] = ["lp_viewer", "auditor"];
/// The role whose grants name a fund and no LP.
const OF_A_FUND: &str = "gp";

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// `{"grant": …}`.
    Grant {
        /// What is granted.
        entitlement: Entitlement,
        /// From when; from now on unless given.
        valid_from: Option<DateTime<Utc>>,
        /// To when; for good unless given.
        valid_to: Option<DateTime<Utc>>,
        /// Who grants it.
        by: String,
    },
    /// `{"revoke": …}`.
    Revoke {
        /// What is taken back.
        entitlement: Entitlement,
        /// Who takes it back.
        by: String,
    },
}

/// Who may see what, as the same words grant and revoke it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entitlement {
    /// The `sub` of the subject's tokens.
    pub subject: String,
    /// As what.
    pub role: &'static str,
    /// The LP; none for a GP.
    pub lp_id: Option<LpId>,
    /// The GP's fund, or the one fund of the LP's that may be seen.
    pub fund_id: Option<FundId>,
}

impl Command {
    /// Reads a command that was given at `now`.
    pub fn parse(event: Value, now: DateTime<Utc>) -> Result<Self, Refusal> {
        let Value::Object(event) = event else {
            return Err(malformed("the command is not an object"));
        };
        let mut parts = event.into_iter();
        let (Some((verb, Value::Object(properties))), None) = (parts.next(), parts.next()) else {
            return Err(malformed("the command is neither one grant nor one revoke"));
        };
        let mut fields = Fields::of(properties);
        let command = match verb.as_str() {
            "grant" => grant(&mut fields, now)?,
            "revoke" => Self::Revoke {
                entitlement: Entitlement::take(&mut fields)?,
                by: fields.name("by", LONGEST_SUBJECT)?,
            },
            _ => return Err(malformed("the command is neither one grant nor one revoke")),
        };
        fields.finish()?;
        Ok(command)
    }
}

fn grant(fields: &mut Fields, now: DateTime<Utc>) -> Result<Command, Refusal> {
    let entitlement = Entitlement::take(fields)?;
    let valid_from = fields.optional_moment("validFrom")?;
    let valid_to = fields.optional_moment("validTo")?;
    if valid_to.is_some_and(|valid_to| valid_to <= valid_from.unwrap_or(now)) {
        let detail = "validTo is not after validFrom, which is now unless given";
        return Err(Refusal::new(Reason::InvalidDate, detail));
    }
    Ok(Command::Grant {
        entitlement,
        valid_from,
        valid_to,
        by: fields.name("by", LONGEST_SUBJECT)?,
    })
}

impl Entitlement {
    fn take(fields: &mut Fields) -> Result<Self, Refusal> {
        let subject = fields.name("subject", LONGEST_SUBJECT)?;
        let role = fields.name("role", LONGEST_SUBJECT)?;
        if role == OF_A_FUND {
            return Ok(Self {
                subject,
                role: OF_A_FUND,
                lp_id: None,
                fund_id: id(Some(fields.id("fundId")?)),
            });
        }
        let of_an_lp = OF_AN_LP.into_iter().find(|known| *known == role);
        let role = of_an_lp.ok_or_else(|| {
            malformed("role is none of lp_viewer, auditor (of an LP), gp (of a fund)")
        })?;
        Ok(Self {
            subject,
            role,
            lp_id: id(Some(fields.id("lpId")?)),
            fund_id: id(fields.optional_id("fundId")?),
        })
    }
}

/// Fields give positive numbers, and those are ids.
fn id<Id: TryFrom<i64>>(number: Option<i64>) -> Option<Id> {
    number.and_then(|number| number.try_into().ok())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn now() -> DateTime<Utc> {
        "2026-01-01T00:00:00Z".parse().unwrap()
    }

    fn parse(event: Value) -> Result<Command, Refusal> {
        Command::parse(event, now())
    }

    #[test]
    fn a_viewer_is_of_an_lp_or_of_one_of_its_funds_and_a_gp_of_a_fund() {
        for (role, lp_id, fund_id) in [
            ("lp_viewer", Some(42), None),
            ("auditor", Some(42), Some(7)),
            ("gp", None, Some(7)),
        ] {
            let mut words = json!({"subject": "ada", "role": role, "by": "grace"});
            for (name, id) in [("lpId", lp_id), ("fundId", fund_id)] {
                if let Some(id) = id {
                    words[name] = json!(id);
                }
            }
            let entitlement = Entitlement {
                subject: "ada".to_owned(),
                role,
                lp_id: id(lp_id),
                fund_id: id(fund_id),
            };
            let by = "grace".to_owned();
            assert_eq!(
                parse(json!({ "revoke": words })),
                Ok(Command::Revoke {
                    entitlement: entitlement.clone(),
                    by: by.clone()
                })
            );
            words["validTo"] = json!("2027-01-01T00:00:00+01:00");
            let granted = Command::Grant {
                entitlement,
                valid_from: None,
                valid_to: Some("2026-12-31T23:00:00Z".parse().unwrap()),
                by,
            };
            assert_eq!(parse(json!({ "grant": words })), Ok(granted));
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        let right = json!({"subject": "ada", "role": "lp_viewer", "lpId": 42, "by": "grace"});
        for (name, value, named) in [
            ("subject", json!(""), "subject"),
            ("subject", json!("a\u{0}"), "subject"),
            ("role", json!("owner"), "role"),
            ("role", json!(7), "role"),
            ("role", json!("gp"), "fundId"),
            ("lpId", json!(0), "lpId"),
            ("lpId", json!("42"), "lpId"),
            ("fundId", json!(-7), "fundId"),
            ("validFrom", json!("tomorrow"), "validFrom"),
            ("validTo", json!("2025-12-31T00:00:00Z"), "validTo"),
            ("by", json!(null), "by"),
            ("until", json!("2027-01-01"), "until"),
        ] {
            let mut words = right.clone();
            words[name] = value;
            let refused = parse(json!({ "grant": words })).expect_err(name);
            assert!(refused.detail.contains(named), "{name}: {refused}");
        }
        for missing in ["subject", "role", "lpId", "by"] {
            let mut words = right.clone();
            words.as_object_mut().unwrap().remove(missing);
            let refused = parse(json!({ "revoke": words })).expect_err(missing);
            assert!(refused.detail.contains(missing), "{refused}");
        }
        let of_gp = json!({"subject": "ada", "role": "gp", "fundId": 7, "lpId": 42, "by": "grace"});
        let refused = parse(json!({ "grant": of_gp })).expect_err("an LP");
        assert!(refused.detail.contains("lpId"), "{refused}");
        for event in [
            json!(null),
            json!({}),
            json!({"grant": 1}),
            json!({"give": right}),
            json!({"grant": right, "revoke": right}),
        ] {
            let refused = parse(event).expect_err("a command");
            assert!(refused.detail.contains("command"), "{refused}");
        }
    }

    #[test]
    fn the_sample_event_is_a_command() {
        let event = include_str!("../../../events/entitlements.json");
        let event = serde_json::from_str(event).unwrap();
        assert!(matches!(parse(event), Ok(Command::Grant { .. })));
    }
}
