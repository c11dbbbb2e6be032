//! Recording, on a real database: what becomes of each event, and of the accounts that follow from it.

use std::time::Duration;

use chrono::Utc;
use shared::cache::{Finding, ReportName};
use shared::grant::Funds;
use shared::ids::LpId;
use shared::ledger::{Event, Outcome, parse_message, record};
use tests::builders::{
    World, activity_message, insert_commitment, insert_lp, kept_grant, nav_message,
    reversal_message,
};
use tests::desk::{Desk, event};

const ACCOUNT: &str = "select account_date, paid_in_cents, distributed_cents, unfunded_effect_cents, commitment_effect_cents,
    nav_cents, reported_nav_cents, nav_as_of_date, irr_date from lp_capital_accounts order by account_date";

#[tokio::test]
async fn a_call_moves_cash_paid_in_and_unfunded() {
    let desk = Desk::empty().await;
    let world = World::insert(&desk.client).await;
    let call = activity_message(world.commitment_id, "capital_call", 25_000_00, "2021-03-01");
    let recorded = desk.record(&[&call]).await;
    assert_eq!(recorded.outcomes, [Outcome::Recorded]);
    let effects = "select amount_cents, cash_effect_cents, paid_in_effect_cents, distributed_effect_cents, unfunded_effect_cents from capital_activities";
    assert_eq!(
        desk.rows(effects).await,
        ["(2500000,-2500000,2500000,0,-2500000)"]
    );
    assert_eq!(
        desk.rows(ACCOUNT).await,
        ["(2021-03-01,2500000,0,-2500000,0,,,,2021-03-01)"]
    );
    assert_eq!(
        desk.number("select count(*) from touched_commitments where latest_date = '2021-03-01'")
            .await,
        1
    );
    assert_eq!(
        desk.number("select count(*) from pending_performance where from_date = '2021-03-01'")
            .await,
        1
    );
}

#[tokio::test]
async fn accounts_follow_the_worked_example_of_every_type() {
    let desk = Desk::empty().await;
    let World { commitment_id, .. } = World::insert(&desk.client).await;
    let entry = |kind, cents, date| activity_message(commitment_id, kind, cents, date);
    let batch = [
        entry("capital_call", 1000, "2021-01-10"),
        entry("capital_call_outside", 50, "2021-01-10"),
        entry("return_of_unused_capital", 100, "2021-02-10"),
        nav_message(commitment_id, 1200, "2021-03-31", "2021-05-01"),
        entry("distribution", 300, "2021-04-10"),
        entry("recallable_distribution", 200, "2021-04-10"),
        entry("commitment_increase", 5000, "2021-05-10"),
        entry("commitment_release", 700, "2021-05-11"),
        entry("capital_call", 400, "2021-06-01"),
    ];
    let batch: Vec<_> = batch.iter().collect();
    assert!(
        desk.record(&batch)
            .await
            .outcomes
            .iter()
            .all(|outcome| *outcome == Outcome::Recorded)
    );
    let expected = [
        "(2021-01-10,1050,0,-1000,0,,,,2021-01-10)",
        "(2021-02-10,950,0,-900,0,,,,2021-02-10)",
        "(2021-03-31,950,0,-900,0,1200,1200,2021-03-31,2021-03-31)",
        "(2021-04-10,950,500,-700,0,700,1200,2021-03-31,2021-04-10)",
        "(2021-05-10,950,500,4300,5000,700,1200,2021-03-31,2021-04-10)",
        "(2021-05-11,950,500,3600,4300,700,1200,2021-03-31,2021-04-10)",
        "(2021-06-01,1350,500,3200,4300,1100,1200,2021-03-31,2021-06-01)",
    ];
    assert_eq!(desk.rows(ACCOUNT).await, expected);
    assert_eq!(
        desk.number("select commitments_in_force_cents from funds")
            .await,
        100_000_000 + 4300
    );
}

#[tokio::test]
async fn a_back_dated_entry_moves_every_later_row_but_the_nav_only_up_to_the_next_report() {
    let desk = Desk::empty().await;
    let World { commitment_id, .. } = World::insert(&desk.client).await;
    let entry = |kind, cents, date| activity_message(commitment_id, kind, cents, date);
    let first = nav_message(commitment_id, 900, "2021-03-31", "2021-05-01");
    let second = nav_message(commitment_id, 2000, "2021-06-30", "2021-08-01");
    desk.record(&[
        &entry("capital_call", 1000, "2021-01-10"),
        &first,
        &entry("capital_call", 500, "2021-05-01"),
        &second,
    ])
    .await;
    desk.record(&[&entry("distribution", 70, "2021-04-15")])
        .await;
    let navs = "select account_date, distributed_cents, nav_cents from lp_capital_accounts order by account_date";
    let expected = [
        "(2021-01-10,0,)",
        "(2021-03-31,0,900)",
        "(2021-04-15,70,830)",
        "(2021-05-01,70,1330)",
        "(2021-06-30,70,2000)",
    ];
    assert_eq!(desk.rows(navs).await, expected);
}

#[tokio::test]
async fn of_two_reports_for_a_date_the_later_reported_counts_whichever_came_first() {
    for reversed in [false, true] {
        let desk = Desk::empty().await;
        let World { commitment_id, .. } = World::insert(&desk.client).await;
        let early = nav_message(commitment_id, 900, "2021-03-31", "2021-05-01");
        let late = nav_message(commitment_id, 950, "2021-03-31", "2021-06-01");
        let (first, second) = if reversed {
            (&late, &early)
        } else {
            (&early, &late)
        };
        desk.record(&[first]).await;
        desk.record(&[second]).await;
        assert_eq!(
            desk.number("select nav_cents from lp_capital_accounts")
                .await,
            950
        );
    }
}

#[tokio::test]
async fn a_duplicate_records_nothing_and_still_owes_what_follows() {
    let desk = Desk::empty().await;
    let world = World::insert(&desk.client).await;
    let call = activity_message(world.commitment_id, "capital_call", 1000, "2021-03-01");
    let batch = desk.record(&[&call, &call]).await;
    assert_eq!(batch.outcomes, [Outcome::Recorded, Outcome::Duplicate]);
    let again = desk.record(&[&call]).await;
    assert_eq!(again.outcomes, [Outcome::Duplicate]);
    assert!(
        again.lp_ids.contains(&world.lp_id),
        "the duplicate still settles"
    );
    assert_eq!(
        desk.number("select count(*) from capital_activities").await,
        1
    );
}

#[tokio::test]
async fn order_and_spacing_of_the_json_do_not_make_another_content() {
    let one = r#"{"schema":"lp-reporting/refresh/1","lpId":1}"#;
    assert!(parse_message(one).is_ok());
    let compact = activity_message(7, "capital_call", 5, "2021-03-01");
    let mut reordered = serde_json::Map::new();
    for (name, value) in compact.as_object().expect("an object").iter().rev() {
        reordered.insert(name.clone(), value.clone());
    }
    let spaced = serde_json::to_string_pretty(&reordered).expect("it is JSON");
    let shared::ledger::Message::Event(spaced) = parse_message(&spaced).expect("it parses") else {
        panic!("not an event");
    };
    assert_eq!(spaced.payload_hash, event(&compact).payload_hash);
}

#[tokio::test]
async fn the_number_of_statements_does_not_grow_with_the_batch() {
    let desk = Desk::empty().await;
    let world = World::insert(&desk.client).await;
    let batch = |size: i64| -> Vec<_> {
        let call =
            |cents| activity_message(world.commitment_id, "capital_call", cents, "2021-03-01");
        (1..=size)
            .map(call)
            .flat_map(|call| [reversal_message(&call), call])
            .collect()
    };
    // The pool hands out its one connection each time, and Postgres counts how often each prepared statement ran on it.
    let statements = async || {
        let connection = desk.app.db.connection().await.expect("a connection");
        let sql = "select sum(generic_plans + custom_plans)::bigint from pg_prepared_statements";
        connection
            .query_one(sql, &[])
            .await
            .expect("the counters")
            .get::<_, i64>(0)
    };
    let mut counts = Vec::new();
    for size in [2, 40] {
        let messages = batch(size);
        let before = if counts.is_empty() {
            0
        } else {
            statements().await
        };
        desk.record(&messages.iter().collect::<Vec<_>>()).await;
        counts.push(statements().await - before);
    }
    assert_eq!(
        desk.number("select count(*) from capital_activities").await,
        84
    );
    assert!(
        counts[0] > 5 && counts[1] <= counts[0] + 1,
        "{counts:?}: one is the counting itself"
    );
}

/// One recorder is held inside its transaction by a lock that the test keeps; the other must wait for it, and then see it.
#[tokio::test]
async fn two_recorders_on_one_commitment_take_turns_and_lose_nothing() {
    let desk = Desk::empty().await;
    let world = World::insert(&desk.client).await;
    let keeper = desk.database.connect().await;
    let sql = format!(
        "begin; select 1 from limited_partners where lp_id = {} for no key update",
        world.lp_id
    );
    keeper
        .batch_execute(&sql)
        .await
        .expect("the keeper holds the LP");
    let record_call = async |cents: i64, date: &str| {
        let event = event(&activity_message(
            world.commitment_id,
            "capital_call",
            cents,
            date,
        ));
        let events: [&Event; 1] = [&event];
        let mut connection = desk.app.db.connection().await.expect("a connection");
        record(&mut connection, &desk.app.cache, &events)
            .await
            .expect("it is recorded");
    };
    let release = async {
        // Both recorders wait for the LP.
        desk.until_waiting(2).await;
        keeper
            .batch_execute("commit")
            .await
            .expect("the keeper lets go");
    };
    futures_util::join!(
        record_call(100, "2021-03-01"),
        record_call(10, "2021-02-01"),
        release
    );
    let balances =
        "select account_date, paid_in_cents from lp_capital_accounts order by account_date";
    assert_eq!(
        desk.rows(balances).await,
        ["(2021-02-01,10)", "(2021-03-01,110)"]
    );
}

#[tokio::test]
async fn a_change_of_a_commitment_concerns_every_lp_of_the_fund() {
    let desk = Desk::empty().await;
    let world = World::insert(&desk.client).await;
    let neighbour = insert_lp(&desk.client, "Neighbour").await;
    insert_commitment(&desk.client, neighbour, world.fund_id, 500, "2020-01-01").await;
    let increase = activity_message(
        world.commitment_id,
        "commitment_increase",
        1000,
        "2021-03-01",
    );
    let cache = &desk.app.cache;
    let neighbour = LpId::try_from(neighbour).expect("an id");
    let holdings = cache.place(ReportName::Holdings, neighbour, "", "ada", Utc::now());
    let grant = kept_grant(Duration::from_secs(60));
    cache.keep_grant(&holdings, &grant).await;
    let find = || cache.find(&holdings, &Funds::All, Some);
    let Finding::Absent { turn } = find().await else {
        panic!("nothing was planted");
    };
    cache.settle(&holdings, turn, Some(b"old")).await;
    assert!(matches!(find().await, Finding::Answer { .. }), "planted");
    let recorded = desk.record(&[&increase]).await;
    assert_eq!(
        recorded.lp_ids.into_iter().collect::<Vec<_>>(),
        [world.lp_id]
    );
    assert_eq!(
        desk.number("select commitments_in_force_cents from funds")
            .await,
        100_001_500
    );
    let found = find().await;
    assert!(matches!(found, Finding::Absent { .. }), "its share changed");
}
