//! What recording refuses and why, event by event, and the reversals that it accepts.

use serde_json::json;
use shared::ledger::Outcome;
use shared::refusal::Reason;
use tests::builders::{World, activity_message, fund_nav_message, reversal_message};
use tests::desk::{Desk, reasons};

const ACCOUNT: &str = "select account_date, paid_in_cents, distributed_cents, unfunded_effect_cents, commitment_effect_cents,
    nav_cents, reported_nav_cents, nav_as_of_date, irr_date from lp_capital_accounts order by account_date";

#[tokio::test]
async fn a_reversal_mirrors_its_entry_even_when_both_come_in_one_batch_the_wrong_way_round() {
    let desk = Desk::empty().await;
    let world = World::insert(&desk.client).await;
    let mut call = activity_message(world.commitment_id, "capital_call", 1000, "2021-03-01");
    call["components"] = json!({"investments": 900, "management_fee": 100});
    let reversal = reversal_message(&call);
    let recorded = desk.record(&[&reversal, &call]).await;
    assert_eq!(recorded.outcomes, [Outcome::Recorded, Outcome::Recorded]);
    let reversed = "select r.amount_cents, r.cash_effect_cents, r.components->>'investments', o.amount_cents
        from capital_activities r join capital_activities o on o.activity_id = r.reverses_activity_id";
    assert_eq!(desk.rows(reversed).await, ["(-1000,1000,-900,1000)"]);
    assert_eq!(
        desk.rows(ACCOUNT).await,
        ["(2021-03-01,0,0,0,0,,,,2021-03-01)"]
    );
}

#[tokio::test]
async fn a_reversal_is_refused_for_each_way_of_being_wrong() {
    let desk = Desk::empty().await;
    let world = World::insert(&desk.client).await;
    let call = activity_message(world.commitment_id, "capital_call", 1000, "2021-03-01");
    let reversal = reversal_message(&call);
    assert_eq!(
        reasons(&desk.record(&[&reversal]).await),
        [Some(Reason::ReversedEventNotFound)]
    );
    assert_eq!(
        desk.number("select count(*) from received_events").await,
        0,
        "the claim is given back"
    );
    desk.record(&[&call]).await;
    for (field, value) in [
        ("amountCents", json!(999)),
        ("type", json!("distribution")),
        ("effectiveDate", json!("2021-03-02")),
    ] {
        let mut wrong = reversal_message(&call);
        wrong[field] = value;
        assert_eq!(
            reasons(&desk.record(&[&wrong]).await),
            [Some(Reason::ReversalMismatch)],
            "{field}"
        );
    }
    let second = reversal_message(&call);
    assert_eq!(
        reasons(&desk.record(&[&reversal, &second]).await),
        [None, Some(Reason::AlreadyReversed)]
    );
    assert_eq!(
        reasons(&desk.record(&[&second]).await),
        [Some(Reason::AlreadyReversed)]
    );
    let back = reversal_message(&reversal);
    assert_eq!(
        reasons(&desk.record(&[&back]).await),
        [Some(Reason::ReversesAReversal)]
    );
}

#[tokio::test]
async fn bad_events_fail_alone() {
    let desk = Desk::empty().await;
    let world = World::insert(&desk.client).await;
    let good = activity_message(world.commitment_id, "capital_call", 1000, "2021-03-01");
    let unknown = activity_message(world.commitment_id + 1, "capital_call", 1000, "2021-03-01");
    let kind = activity_message(world.commitment_id, "gift", 1000, "2021-03-01");
    let mut currency = activity_message(world.commitment_id, "capital_call", 1000, "2021-03-01");
    currency["currency"] = json!("EUR");
    let mut part = activity_message(world.commitment_id, "capital_call", 1000, "2021-03-01");
    part["components"] = json!({"income": 1000});
    let fund = fund_nav_message(world.fund_id + 1, 1000, "2021-03-31", "2021-04-30");
    let recorded = desk
        .record(&[&unknown, &kind, &good, &currency, &part, &fund])
        .await;
    let expected = [
        Some(Reason::CommitmentNotFound),
        Some(Reason::UnknownType),
        None,
        Some(Reason::CurrencyMismatch),
        Some(Reason::ComponentsDoNotSum),
        Some(Reason::FundNotFound),
    ];
    assert_eq!(reasons(&recorded), expected);
    assert_eq!(
        desk.number("select count(*) from capital_activities").await,
        1
    );
}

#[tokio::test]
async fn the_same_id_with_other_content_is_refused_in_one_batch_and_across_batches() {
    let desk = Desk::empty().await;
    let world = World::insert(&desk.client).await;
    let call = activity_message(world.commitment_id, "capital_call", 1000, "2021-03-01");
    let mut other = call.clone();
    other["amountCents"] = json!(1001);
    let batch = desk.record(&[&call, &other]).await;
    assert_eq!(reasons(&batch), [None, Some(Reason::EventIdReused)]);
    assert_eq!(
        reasons(&desk.record(&[&other]).await),
        [Some(Reason::EventIdReused)]
    );
    assert_eq!(
        desk.number("select sum(amount_cents)::bigint from capital_activities")
            .await,
        1000
    );
}
