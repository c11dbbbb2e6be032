//! What five of an LP's six endpoints have to answer; the sixth, the history, stands in its own file, and so does that of a fund.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;
use serde_json::{Map, Value, json};

use super::Oracle;
use super::arithmetic::{half_even, ratio};
use super::gross::{Gross, last_valuation};
use super::position::{Flags, Position, Unreported, exists, in_force_cents, position};
use super::truth::{Commitment, Entry, Fund, Investment, Lp};

impl Oracle {
    /// `GET /api/lp/{lpId}/summary`.
    #[must_use]
    pub fn summary(&self, lp_id: i64, as_of: NaiveDate) -> Option<Value> {
        let lp = self.truth.lps.get(&lp_id)?;
        let totals = by_currency(lp)
            .into_iter()
            .filter_map(|(currency, commitments)| {
                let mut total = total_fields(currency, &commitments, as_of, None)?;
                total.insert(
                    "fundCount".to_owned(),
                    json!(active_funds(&commitments, as_of)),
                );
                Some(total)
            });
        Some(
            json!({"lpId": lp_id, "name": lp.name, "asOf": as_of, "totals": totals.collect::<Vec<_>>()}),
        )
    }

    /// `GET /api/lp/{lpId}/performance`.
    #[must_use]
    pub fn performance(&self, lp_id: i64, as_of: NaiveDate) -> Option<Value> {
        let lp = self.truth.lps.get(&lp_id)?;
        let totals = by_currency(lp);
        let totals = totals.into_iter().filter_map(|(currency, commitments)| {
            let gross = Gross::not_poolable();
            total_fields(currency, &commitments, as_of, Some(&gross))
        });
        let funds = by_fund(lp)
            .into_keys()
            .filter_map(|fund_id| self.fund_fields(lp, fund_id, as_of));
        Some(json!({
            "lpId": lp_id,
            "asOf": as_of,
            "totals": totals.collect::<Vec<_>>(),
            "funds": funds.collect::<Vec<_>>(),
        }))
    }

    /// `GET /api/lp/{lpId}/fund/{fundId}/performance`.
    #[must_use]
    pub fn fund_performance(&self, lp_id: i64, fund_id: i64, as_of: NaiveDate) -> Option<Value> {
        let mut fields = self.fund_fields(self.truth.lps.get(&lp_id)?, fund_id, as_of)?;
        fields.insert("lpId".to_owned(), json!(lp_id));
        fields.insert("asOf".to_owned(), json!(as_of));
        Some(Value::Object(fields))
    }

    /// `GET /api/lp/{lpId}/capital-activity` between two dates, on a single page.
    #[must_use]
    pub fn capital_activity(
        &self,
        lp_id: i64,
        start: Option<NaiveDate>,
        end: Option<NaiveDate>,
    ) -> Option<Value> {
        let lp = self.truth.lps.get(&lp_id)?;
        let mut entries: Vec<(&Commitment, &Entry)> = lp
            .commitments
            .iter()
            .flat_map(|commitment| {
                commitment
                    .entries
                    .iter()
                    .map(move |entry| (commitment, entry))
            })
            .filter(|(_, entry)| {
                start.is_none_or(|start| start <= entry.date)
                    && end.is_none_or(|end| entry.date <= end)
            })
            .collect();
        entries.sort_by_key(|(_, entry)| std::cmp::Reverse((entry.date, entry.activity_id)));
        let items: Vec<Value> = entries
            .into_iter()
            .map(|(commitment, entry)| self.activity_item(commitment, entry))
            .collect();
        Some(json!({"lpId": lp_id, "asOf": self.today, "items": items, "nextCursor": null}))
    }

    /// `GET /api/lp/{lpId}/holdings`, on a single page.
    #[must_use]
    pub fn holdings(&self, lp_id: i64) -> Option<Value> {
        let lp = self.truth.lps.get(&lp_id)?;
        let mut items = Vec::new();
        for (fund_id, commitments) in by_fund(lp) {
            let share: i128 = commitments
                .iter()
                .map(|commitment| in_force_cents(commitment, self.today))
                .sum();
            let fund = &self.truth.funds[&fund_id];
            let held = fund
                .investments
                .iter()
                .filter(|investment| is_held(investment, self.today));
            if share != 0 {
                let whole = self.in_force_cents_of_fund(fund_id);
                items.extend(
                    held.map(|investment| holding_item(fund, investment, share, whole, self.today)),
                );
            }
        }
        Some(
            json!({"lpId": lp_id, "asOf": self.today, "basis": "commitment in force", "items": items, "nextCursor": null}),
        )
    }

    /// A fund's position of an LP: a single commitment by itself, several as a total.
    fn fund_fields(&self, lp: &Lp, fund_id: i64, as_of: NaiveDate) -> Option<Map<String, Value>> {
        let fund = self.truth.funds.get(&fund_id)?;
        let commitments: Vec<&Commitment> = lp
            .commitments
            .iter()
            .filter(|commitment| commitment.fund_id == fund_id && exists(commitment, as_of))
            .collect();
        let unreported = if commitments.len() == 1 {
            Unreported::Unknown
        } else {
            Unreported::AtCost
        };
        let position = position(&commitments, as_of, unreported)?;
        let mut fields =
            position_fields(&position, &fund.currency, Some(&self.gross(fund_id, as_of)));
        fields.insert("fundId".to_owned(), json!(fund_id));
        fields.insert("fundName".to_owned(), json!(fund.name));
        fields.insert("vintageYear".to_owned(), json!(fund.vintage_year));
        Some(fields)
    }

    fn activity_item(&self, commitment: &Commitment, entry: &Entry) -> Value {
        json!({
            "activityId": entry.activity_id,
            "commitmentId": commitment.commitment_id,
            "fundId": commitment.fund_id,
            "fundName": self.truth.funds[&commitment.fund_id].name,
            "currency": commitment.currency,
            "type": entry.kind,
            "amountCents": entry.amount_cents,
            "effectiveDate": entry.date,
            "recordedAt": entry.recorded_at,
            "description": entry.description,
            "referenceNumber": entry.reference_number,
            "components": entry.components,
            "reversesActivityId": entry.reverses_activity_id,
            "metadata": entry.metadata,
        })
    }

    fn in_force_cents_of_fund(&self, fund_id: i64) -> i128 {
        let commitments = self.truth.lps.values().flat_map(|lp| &lp.commitments);
        let of_fund = commitments.filter(|commitment| commitment.fund_id == fund_id);
        of_fund
            .map(|commitment| in_force_cents(commitment, self.today))
            .sum()
    }
}

/// An LP's commitments by currency, in the order of the currencies' codes.
pub(super) fn by_currency(lp: &Lp) -> BTreeMap<&str, Vec<&Commitment>> {
    let mut groups: BTreeMap<&str, Vec<&Commitment>> = BTreeMap::new();
    for commitment in &lp.commitments {
        groups
            .entry(&commitment.currency)
            .or_default()
            .push(commitment);
    }
    groups
}

fn by_fund(lp: &Lp) -> BTreeMap<i64, Vec<&Commitment>> {
    let mut groups: BTreeMap<i64, Vec<&Commitment>> = BTreeMap::new();
    for commitment in &lp.commitments {
        groups
            .entry(commitment.fund_id)
            .or_default()
            .push(commitment);
    }
    groups
}

fn active_funds(commitments: &[&Commitment], as_of: NaiveDate) -> usize {
    let active = commitments
        .iter()
        .filter(|commitment| commitment.active && commitment.date <= as_of);
    active
        .map(|commitment| commitment.fund_id)
        .collect::<BTreeSet<_>>()
        .len()
}

/// A total's fields: even one commitment by itself enters at cost while nothing is reported for it.
fn total_fields(
    currency: &str,
    commitments: &[&Commitment],
    as_of: NaiveDate,
    gross: Option<&Gross>,
) -> Option<Map<String, Value>> {
    let position = position(commitments, as_of, Unreported::AtCost)?;
    let mut fields = position_fields(&position, currency, gross);
    let count = commitments
        .iter()
        .filter(|commitment| exists(commitment, as_of))
        .count();
    fields.insert("commitmentCount".to_owned(), json!(count));
    Some(fields)
}

fn position_fields(
    position: &Position,
    currency: &str,
    gross: Option<&Gross>,
) -> Map<String, Value> {
    let mut fields = position.fields();
    fields.insert("currency".to_owned(), json!(currency));
    let mut flags: Flags = position.flags.clone();
    if let Some(gross) = gross {
        fields.insert("grossIrr".to_owned(), gross.irr.clone());
        fields.insert("moic".to_owned(), gross.moic.clone());
        flags.extend(gross.flags.iter().cloned());
    }
    fields.insert("flags".to_owned(), json!(flags));
    fields
}

fn is_held(investment: &Investment, today: NaiveDate) -> bool {
    investment.date <= today
        && investment
            .exit_date
            .is_none_or(|exit_date| exit_date > today)
}

fn holding_item(
    fund: &Fund,
    investment: &Investment,
    share: i128,
    whole: i128,
    today: NaiveDate,
) -> Value {
    let invested = investment
        .flows
        .iter()
        .filter(|(date, cents)| *date <= today && *cents < 0);
    let cost: i128 = invested.map(|(_, cents)| -i128::from(*cents)).sum();
    let valuation = last_valuation(investment, today);
    let value = valuation.map_or(cost, |(_, cents)| i128::from(cents));
    // Releases may leave a fund without commitments in force: then nobody has a share.
    let shared = |cents: i128| (whole > 0).then(|| half_even(cents * share, whole));
    let (cost_basis, current_value) = (shared(cost), shared(value));
    let flags = [
        (valuation.is_none(), "VALUED_AT_COST"),
        (cost == 0, "ZERO_COST"),
        (whole <= 0, "ZERO_COMMITMENT"),
        (share < 0, "COMMITMENT_NEGATIVE"),
    ];
    json!({
        "fundId": fund.fund_id,
        "fundName": fund.name,
        "currency": fund.currency,
        "investmentId": investment.investment_id,
        "companyId": investment.company_id,
        "companyName": investment.company_name,
        "sector": investment.sector,
        "stage": investment.stage,
        "investmentDate": investment.date,
        "valuationDate": valuation.map(|(date, _)| date),
        "ownershipPercent": if whole > 0 { ratio(100 * share, whole) } else { Value::Null },
        "costBasisCents": cost_basis,
        "currentValueCents": current_value,
        "unrealizedGainCents": current_value.zip(cost_basis).map(|(value, cost)| value - cost),
        "unrealizedMultiple": ratio(value, cost),
        "flags": flags.into_iter().filter(|(holds, _)| *holds).map(|(_, flag)| flag).collect::<BTreeSet<_>>(),
    })
}
