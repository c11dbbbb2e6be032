//! Sums that leave 64 bits, out of amounts that may be recorded each: refused where a single account would leave them, not
//! answered where only a total does, and nobody else's matter.

use serde_json::{Value, json};
use tests::builders::{World, activity_message, insert_commitment, reversal_message};
use tests::desk::Desk;
use tests::office::Office;
use tests::oracle::Oracle;
use tests::oracle::questions::Question;
use tokio_postgres::types::ToSql;

use crate::asking::{
    ask, assert_rebuild_is_the_same, assert_right, everything, grant_all, oracle, refresh,
};

const LARGEST: i64 = 1_000_000_000_000_000;
/// So many of the largest amounts add up in 64 bits, and one more does not.
const MOST: i64 = 9_223;
const NONE: [usize; 0] = [];

/// Adds so many entries of the largest amount to the ledger, as a system does that writes to the database itself.
async fn insert_entries(desk: &Desk, world: World, kind: &str, entries: i64) {
    let sql = "insert into capital_activities (lp_id, fund_id, commitment_id, activity_type, amount_cents, effective_date,
            cash_effect_cents, paid_in_effect_cents, distributed_effect_cents, unfunded_effect_cents)
        select $1, $2, $3, t.activity_type, $6, date '2021-03-01', t.cash_sign * $6::bigint, t.paid_in_sign * $6, t.distributed_sign * $6, t.unfunded_sign * $6
        from activity_types t, generate_series(1, $5::bigint)
        where t.activity_type = $4";
    let World {
        lp_id,
        fund_id,
        commitment_id,
    } = world;
    let values: [&(dyn ToSql + Sync); 6] =
        [&lp_id, &fund_id, &commitment_id, &kind, &entries, &LARGEST];
    let inserted = desk.client.execute(sql, &values).await;
    inserted.expect("entries are inserted");
}

fn largest(world: World) -> Value {
    activity_message(world.commitment_id, "capital_call", LARGEST, "2021-03-01")
}

fn refresh_lp(world: World) -> String {
    json!({"schema": "lp-reporting/refresh/1", "lpId": world.lp_id}).to_string()
}

/// The office's world and another's, both seen, with a small call each.
async fn open() -> (Office, World) {
    let office = Office::open().await;
    let neighbour = World::insert(&office.desk.client).await;
    let calls = [office.world, neighbour].map(|world| {
        activity_message(world.commitment_id, "capital_call", 700, "2020-02-01").to_string()
    });
    assert_eq!(office.deliver(&calls, 1).await, NONE);
    let (lp_ids, fund_ids) = ids(&office, neighbour);
    grant_all(&office.desk, &lp_ids, &fund_ids).await;
    (office, neighbour)
}

fn ids(office: &Office, neighbour: World) -> ([i64; 2], [i64; 2]) {
    let worlds = [office.world, neighbour];
    (
        worlds.map(|world| world.lp_id),
        worlds.map(|world| world.fund_id),
    )
}

async fn assert_all_right(office: &Office, worlds: &[World]) -> usize {
    let lp_ids: Vec<i64> = worlds.iter().map(|world| world.lp_id).collect();
    let fund_ids: Vec<i64> = worlds.iter().map(|world| world.fund_id).collect();
    let oracle = oracle(&office.desk, &lp_ids, &fund_ids).await;
    let questions: Vec<Question> = lp_ids
        .iter()
        .flat_map(|lp_id| questions(&oracle, *lp_id))
        .collect();
    assert_right(&office.desk, &questions).await
}

fn questions(oracle: &Oracle, lp_id: i64) -> Vec<Question> {
    let before = "2020-12-31".parse().ok();
    everything(oracle, &oracle.truth().lps[&lp_id], &[before, None])
}

#[tokio::test]
async fn an_entry_that_would_take_its_account_out_of_64_bits_is_refused_and_the_batch_goes_on() {
    let (office, neighbour) = open().await;
    let desk = &office.desk;
    insert_entries(desk, office.world, "capital_call", MOST - 5).await;
    assert_eq!(office.deliver(&[refresh_lp(office.world)], 1).await, NONE);
    let mut bodies: Vec<String> = (0..20).map(|_| largest(office.world).to_string()).collect();
    bodies.insert(10, largest(neighbour).to_string());
    assert_eq!(office.deliver(&bodies, 1).await, NONE);
    let letters = office.dead_letters().await;
    assert_eq!(letters.len(), 15);
    assert!(
        letters
            .iter()
            .all(|(body, reason)| reason == "NOT_RECORDABLE" && bodies.contains(body))
    );
    let sum = format!(
        "select paid_in_cents from lp_capital_accounts where lp_id = {} order by account_date desc limit 1",
        office.world.lp_id
    );
    assert_eq!(desk.number(&sum).await, MOST * LARGEST + 700);
    let answers = assert_all_right(&office, &[office.world, neighbour]).await;
    refresh(desk).await;
    let answers = answers + assert_all_right(&office, &[office.world, neighbour]).await;
    let rows = assert_rebuild_is_the_same(desk).await;
    println!(
        "15 of 20 entries of 10^15 refused, {answers} answers are the oracle's, {rows} derived rows are a rebuild's"
    );
}

/// Each commitment's account fits, their total does not: what says the total fails, and says so until the ledger is mended.
#[tokio::test]
async fn a_total_out_of_64_bits_is_an_error_of_its_lp_alone_until_it_is_taken_back() {
    let (office, neighbour) = open().await;
    let (desk, world) = (&office.desk, office.world);
    insert_entries(desk, world, "capital_call", MOST).await;
    assert_eq!(office.deliver(&[refresh_lp(world)], 1).await, NONE);
    let second = World {
        commitment_id: insert_commitment(
            &desk.client,
            world.lp_id,
            neighbour.fund_id,
            1,
            "2020-01-01",
        )
        .await,
        fund_id: neighbour.fund_id,
        ..world
    };
    let call = largest(second);
    assert_eq!(office.deliver(&[call.to_string()], 1).await, NONE);
    assert_eq!(office.dead_letters().await, [], "it is in the ledger");
    let reader = &desk.reader;
    for report in ["summary", "performance"] {
        let (status, problem) = ask(reader, &format!("/api/lp/{}/{report}", world.lp_id)).await;
        assert_eq!(status, 500, "{report}: {problem}");
        assert_eq!(problem["type"], "urn:lp-reporting:problem:internal");
    }
    // What asks for no total of the two is answered, and so is everybody else.
    let (lp_ids, fund_ids) = ids(&office, neighbour);
    let known = oracle(desk, &lp_ids, &fund_ids).await;
    let lp = &known.truth().lps[&world.lp_id];
    let answered = known.lists(lp, 1000, None);
    let mut answers = assert_right(desk, &answered).await;
    answers += assert_right(desk, &questions_of_lp(&known, neighbour)).await;
    // The neighbour goes on meanwhile, although the views cannot be refreshed.
    let next = activity_message(neighbour.commitment_id, "distribution", 300, "2022-02-01");
    assert_eq!(office.deliver(&[next.to_string()], 1).await, NONE);
    let known = oracle(desk, &lp_ids, &fund_ids).await;
    answers += assert_right(desk, &questions_of_lp(&known, neighbour)).await;

    assert_eq!(
        office
            .deliver(&[reversal_message(&call).to_string()], 1)
            .await,
        NONE
    );
    answers += assert_all_right(&office, &[world, neighbour]).await;
    refresh(desk).await;
    answers += assert_all_right(&office, &[world, neighbour]).await;
    let rows = assert_rebuild_is_the_same(desk).await;
    println!("{answers} answers are the oracle's, {rows} derived rows are a rebuild's");
}

/// What the LP itself is asked, without its fund, which has another LP in it.
fn questions_of_lp(oracle: &Oracle, world: World) -> Vec<Question> {
    let lp = &oracle.truth().lps[&world.lp_id];
    let mut questions = oracle.positions(lp, &[None]);
    questions.extend(oracle.lists(lp, 1000, None));
    questions
}

/// Both balances fit, and so does every entry. The day's cash, which is their difference, does not.
#[tokio::test]
async fn a_days_cash_out_of_64_bits_leaves_its_lp_uncomputed_and_wraps_nowhere() {
    let (office, neighbour) = open().await;
    let desk = &office.desk;
    for kind in ["distribution", "return_of_unused_capital"] {
        insert_entries(desk, office.world, kind, 4_700).await;
    }
    let bodies = [
        refresh_lp(office.world),
        activity_message(neighbour.commitment_id, "distribution", 300, "2022-02-01").to_string(),
    ];
    assert_eq!(office.deliver(&bodies, 1).await, NONE);
    let letters = [(bodies[0].clone(), "NOT_RECORDABLE".to_owned())];
    assert_eq!(office.dead_letters().await, letters);
    let lp_id = office.world.lp_id;
    let wrapped = format!(
        "select count(*) from lp_pooled_performance where lp_id = {lp_id} and performance_date > '2020-02-01'"
    );
    assert_eq!(desk.number(&wrapped).await, 0);
    let owed = "select count(distinct lp_id) from pending_performance";
    assert_eq!(desk.number(owed).await, 1, "it stays owed");
    let answers = assert_all_right(&office, &[neighbour]).await;
    println!("{answers} answers to the neighbour are the oracle's");
}
