//! What the one endpoint of a fund has to answer: its commitments, whosever they are, added up.

use std::collections::BTreeSet;

use chrono::NaiveDate;
use serde_json::{Value, json};

use super::Oracle;
use super::position::{Unreported, exists, position};
use super::truth::Commitment;

/// The figures of a position that a fund's answer has, too.
const FIGURES: [&str; 6] = [
    "commitmentCents",
    "paidInCents",
    "distributedCents",
    "navCents",
    "dpi",
    "tvpi",
];
/// What may be said of them.
const FLAGS: [&str; 3] = ["NAV_AT_COST", "PAID_IN_EXCEEDS_COMMITMENT", "ZERO_PAID_IN"];

impl Oracle {
    /// `GET /api/fund/{fundId}/summary`.
    #[must_use]
    pub fn fund_summary(&self, fund_id: i64, as_of: NaiveDate) -> Option<Value> {
        let fund = self.truth.funds.get(&fund_id)?;
        let everybodys = self.truth.lps.values().flat_map(|lp| &lp.commitments);
        let commitments: Vec<&Commitment> = everybodys
            .filter(|commitment| commitment.fund_id == fund_id && exists(commitment, as_of))
            .collect();
        let lps: BTreeSet<i64> = commitments.iter().map(|held| held.lp_id).collect();
        let mut answer = json!({
            "fundId": fund_id,
            "fundName": fund.name,
            "vintageYear": fund.vintage_year,
            "currency": fund.currency,
            "asOf": as_of,
            "lpCount": lps.len(),
            "commitmentCents": 0,
            "paidInCents": 0,
            "distributedCents": 0,
            "navCents": 0,
            "dpi": null,
            "tvpi": null,
            "flags": ["ZERO_PAID_IN"],
        });
        if let Some(position) = position(&commitments, as_of, Unreported::AtCost) {
            let fields = position.fields();
            for name in FIGURES {
                answer[name] = fields[name].clone();
            }
            let said = position.flags.iter();
            let said: Vec<_> = said.filter(|flag| FLAGS.contains(&flag.as_str())).collect();
            answer["flags"] = json!(said);
        }
        Some(answer)
    }
}
