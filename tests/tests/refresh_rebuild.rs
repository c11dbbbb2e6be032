//! Rebuilding: to the same bytes, whole or in parts, and what is left when the time is up.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};
use shared::ledger::{LpRange, Message, parse_message};
use shared::refresh::{Rebuilt, Scope, hand_on, rebuild};
use tests::builders::{
    World, activity_message, insert_commitment, insert_fund, insert_lp, nav_message,
    reversal_message,
};
use tests::desk::Desk;
use tests::oracle::read::Extent;
use tests::queue::Queues;

/// Rows that nothing in the truth leads to, one or more in each derived table, and derived figures that are wrong. LP 1 has a
/// commitment in the first fund that is asked for, and none in the second.
const SPOIL: &str = "
    insert into lp_capital_accounts select (jsonb_populate_record(a, '{\"account_date\": \"1999-01-01\"}')).*
        from (select a from lp_capital_accounts a where a.lp_id = 1 limit 1) one (a);
    insert into lp_performance_snapshots select (jsonb_populate_record(s, '{\"snapshot_date\": \"1999-01-01\"}')).*
        from (select s from lp_performance_snapshots s where s.lp_id = 1 limit 1) one (s);
    insert into lp_pooled_performance select (jsonb_populate_record(p, jsonb_build_object('currency', c.currency, 'fund_id', c.fund_id, 'performance_date', '1999-01-01'))).*
        from (select p from lp_pooled_performance p where p.lp_id = 1 limit 1) one (p)
        cross join (select currency, null::bigint as fund_id from funds where fund_id = 1
                    union all select 'XXX', null
                    union all select currency, fund_id from funds) c;
    insert into fund_performance select (jsonb_populate_record(p, '{\"performance_date\": \"1999-01-01\"}')).*
        from (select p from fund_performance p where p.fund_id = 4 limit 1) one (p);
    update lp_performance_snapshots set net_irr = 1 where lp_id = 1;
    delete from lp_capital_accounts where lp_id = 2;
    update funds set commitments_in_force_cents = 0 where fund_id = 3;
    update fund_performance set moic = 9 where fund_id = 4";

async fn derived(desk: &Desk) -> BTreeSet<String> {
    tests::derived::derived(&desk.client, Extent::default()).await
}

/// Fails, showing a few of the rows that only one of both has.
fn assert_same(rebuilt: &BTreeSet<String>, before: &BTreeSet<String>) {
    let differing: Vec<_> = rebuilt.symmetric_difference(before).take(5).collect();
    assert!(differing.is_empty(), "{differing:#?}");
}

/// Rebuilds until `until` has come; nothing that it does needs the queue.
async fn rebuild_until(desk: &Desk, scope: Scope, until: Instant) -> Option<Rebuilt> {
    let queues = Queues::create().await;
    let queue = queues.sender().await;
    rebuild(&desk.app.db, &desk.app.cache, &queue, scope, until)
        .await
        .expect("it is rebuilt")
}

async fn rebuild_all_of(desk: &Desk, scope: Scope) -> Option<Rebuilt> {
    rebuild_until(desk, scope, Instant::now() + Duration::from_secs(600)).await
}

#[tokio::test]
async fn rebuilding_the_sample_changes_no_byte_and_removes_what_nothing_leads_to() {
    let desk = Desk::sample().await;
    let before = derived(&desk).await;
    desk.run(SPOIL).await;
    assert_ne!(derived(&desk).await, before);
    for scope in [Scope::Lp(1), Scope::Lp(2), Scope::Fund(3), Scope::Fund(4)] {
        let rebuilt = rebuild_all_of(&desk, scope).await.expect("it is there");
        assert_eq!(rebuilt.rest, None);
    }
    assert_same(&derived(&desk).await, &before);
    for nobody in [Scope::Lp(1_000_000), Scope::Fund(1_000_000)] {
        assert_eq!(rebuild_all_of(&desk, nobody).await, None);
    }
}

#[tokio::test]
async fn a_rebuild_whose_time_is_up_names_what_is_left_and_goes_on_from_there() {
    let desk = Desk::sample().await;
    let before = derived(&desk).await;
    desk.run(SPOIL).await;
    let nothing = rebuild_until(&desk, Scope::All, Instant::now()).await;
    let rest = nothing.expect("there is everyone").rest;
    assert_eq!(rest, Some(LpRange::ALL), "funds only");
    let mut left = LpRange::ALL;
    let (mut steps, mut tries) = (0, 0);
    loop {
        // Time for one step, or for none on a busy machine, which is given more the next time.
        tries += 1;
        let soon = Instant::now() + Duration::from_millis(5) * (tries - steps);
        let rebuilt = rebuild_until(&desk, Scope::Lps(left), soon).await;
        let rebuilt = rebuilt.expect("there are LPs");
        assert!(rebuilt.settled.lps <= 20);
        steps += u32::from(rebuilt.settled.lps > 0);
        let Some(rest) = rebuilt.rest else { break };
        left = rest;
    }
    let lps = desk.number("select count(*) from limited_partners").await;
    assert_eq!(i64::from(steps), (lps + 19) / 20, "twenty at a time");
    assert_same(&derived(&desk).await, &before);
}

#[tokio::test]
async fn the_rest_of_a_rebuild_is_handed_on_in_messages_that_name_every_lp_once() {
    let (desk, queues) = (Desk::sample().await, Queues::create().await);
    desk.run("insert into limited_partners (lp_id, name) select 1000 + n, 'Further' from generate_series(1, 150) n").await;
    let rest = LpRange {
        from_lp_id: 21,
        ..LpRange::ALL
    };
    let queue = queues.sender().await;
    let sent = hand_on(&desk.app.db, &queue, rest).await;
    assert_eq!(sent.expect("it is sent"), 3);
    let messages = queues.take_all(&queues.queue_url).await;
    let mut ranges: Vec<(i64, i64)> = messages
        .iter()
        .map(|message| {
            let parsed = parse_message(message.body().expect("a body"));
            match parsed.expect("the message parses") {
                Message::Rebuild(range) => (range.from_lp_id, range.to_lp_id),
                other => panic!("not a range: {other:?}"),
            }
        })
        .collect();
    ranges.sort_unstable();
    assert_eq!((ranges[0].0, ranges[2].1), (21, 1150));
    assert!(ranges.windows(2).all(|pair| pair[0].1 < pair[1].0));
    for (from, to) in &ranges[..2] {
        let lps =
            format!("select count(*) from limited_partners where lp_id between {from} and {to}");
        assert_eq!(desk.number(&lps).await, 100);
    }
    let of_fund = LpRange {
        fund_id: Some(7),
        ..rest
    };
    let parsed = parse_message(&of_fund.to_message());
    assert_eq!(parsed.ok(), Some(Message::Rebuild(of_fund)));
}

#[tokio::test]
async fn of_a_fund_only_its_own_commitments_and_their_pools_are_rebuilt() {
    let desk = Desk::empty().await;
    let world = World::insert(&desk.client).await;
    let other_fund = insert_fund(&desk.client, "Birch Buyout II", "USD").await;
    let other = insert_commitment(&desk.client, world.lp_id, other_fund, 5_000, "2020-01-01").await;
    for commitment_id in [world.commitment_id, other] {
        desk.record(&[&activity_message(
            commitment_id,
            "capital_call",
            1_000,
            "2020-02-01",
        )])
        .await;
    }
    desk.settle_owed().await;
    desk.run("update lp_performance_snapshots set paid_in_cents = 7; update lp_pooled_performance set paid_in_cents = 7",
    )
    .await;
    rebuild_all_of(&desk, Scope::Fund(world.fund_id)).await;
    let paid_in = "select paid_in_cents from lp_performance_snapshots order by fund_id";
    assert_eq!(desk.rows(paid_in).await, ["(1000)", "(7)"]);
    let pooled = "select paid_in_cents from lp_pooled_performance";
    assert_eq!(desk.rows(pooled).await, ["(2000)"]);
}

#[tokio::test]
async fn an_lp_whose_last_commitment_is_gone_is_rebuilt_with_its_fund() {
    let desk = Desk::empty().await;
    let world = World::insert(&desk.client).await;
    let lp_id = insert_lp(&desk.client, "Lakeside Endowment").await;
    let gone = insert_commitment(&desk.client, lp_id, world.fund_id, 5_000, "2020-01-01").await;
    let delete = format!("delete from lp_fund_commitments where commitment_id = {gone}");
    desk.run(&delete).await;
    plant_tag(&desk, lp_id).await;
    let rebuilt = rebuild_all_of(&desk, Scope::Fund(world.fund_id)).await;
    assert_eq!(rebuilt.expect("it is there").settled.lps, 2);
    let owed = "select count(*) from pending_performance";
    assert_eq!(desk.number(owed).await, 0);
    assert_ne!(tag(&desk, lp_id).await.as_deref(), Some(PLANTED));
}

#[tokio::test]
async fn a_change_to_one_lps_commitments_forgets_the_holdings_of_all_in_its_funds() {
    shares_are_forgotten(false).await;
}

/// What is owed tells which funds the LP has left, and settling it takes it off the list.
#[tokio::test]
async fn so_it_does_when_what_is_owed_is_settled_before_the_rebuild() {
    shares_are_forgotten(true).await;
}

async fn shares_are_forgotten(settled_before: bool) {
    let desk = Desk::empty().await;
    let world = World::insert(&desk.client).await;
    let former = World::insert(&desk.client).await;
    let gone = insert_commitment(
        &desk.client,
        world.lp_id,
        former.fund_id,
        5_000,
        "2020-01-01",
    )
    .await;
    let delete = format!("delete from lp_fund_commitments where commitment_id = {gone}");
    desk.run(&delete).await;
    let neighbour = insert_lp(&desk.client, "Lakeside Endowment").await;
    insert_commitment(&desk.client, neighbour, world.fund_id, 5_000, "2020-01-01").await;
    let stranger = World::insert(&desk.client).await;
    let lps = [neighbour, former.lp_id, stranger.lp_id];
    for lp_id in lps {
        plant_tag(&desk, lp_id).await;
    }
    if settled_before {
        desk.settle(world.lp_id).await;
    }
    rebuild_all_of(&desk, Scope::Lp(world.lp_id)).await;
    assert_ne!(tag(&desk, neighbour).await.as_deref(), Some(PLANTED));
    assert_ne!(tag(&desk, former.lp_id).await.as_deref(), Some(PLANTED));
    let untouched = tag(&desk, stranger.lp_id).await;
    assert_eq!(untouched.as_deref(), Some(PLANTED));
}

/// A token that no recorder makes.
const PLANTED: &str = "planted";

/// Puts it where the LP's holdings are tagged: an answer cached under it is served while it stands.
async fn plant_tag(desk: &Desk, lp_id: i64) {
    let mut set = redis::cmd("SET");
    set.arg(tag_key(desk, lp_id)).arg(PLANTED);
    ask_redis::<()>(desk, &set).await;
}

async fn tag(desk: &Desk, lp_id: i64) -> Option<String> {
    let mut get = redis::cmd("GET");
    get.arg(tag_key(desk, lp_id));
    ask_redis(desk, &get).await
}

fn tag_key(desk: &Desk, lp_id: i64) -> String {
    format!("{}lp:{{{lp_id}}}:tag:holdings", desk.keyspace.prefix())
}

async fn ask_redis<T: redis::FromRedisValue>(desk: &Desk, command: &redis::Cmd) -> T {
    let client = redis::Client::open(desk.keyspace.url()).expect("a URL");
    let connection = client.get_multiplexed_async_connection().await;
    let mut connection = connection.expect("Redis is up");
    let answer = command.query_async(&mut connection).await;
    answer.expect("Redis answers")
}

/// A random message about one of the commitments, between 2019 and two years ahead.
fn random_message(random: &mut StdRng, commitments: &[i64], recorded: &[Value]) -> Value {
    let commitment_id = commitments[random.random_range(0..commitments.len())];
    let amount_cents = random.random_range(1..500_000);
    let date = format!(
        "{}-{:02}-{:02}",
        random.random_range(2019..=2028),
        random.random_range(1..=12),
        random.random_range(1..=28)
    );
    match random.random_range(0..10) {
        0..=2 => nav_message(commitment_id, amount_cents, &date, &date),
        3 if !recorded.is_empty() => {
            let of = &recorded[random.random_range(0..recorded.len())];
            let is_entry = of["type"] != json!(null) && of["reversesEventId"] == json!(null);
            if is_entry {
                reversal_message(of)
            } else {
                of.clone()
            }
        }
        4 => activity_message(commitment_id, "commitment_increase", amount_cents, &date),
        5 | 6 => activity_message(
            commitment_id,
            "recallable_distribution",
            amount_cents,
            &date,
        ),
        _ => activity_message(commitment_id, "capital_call", amount_cents, &date),
    }
}

#[tokio::test]
async fn random_histories_settled_bit_by_bit_are_what_a_rebuild_makes_of_them() {
    for seed in 0..6 {
        let mut random = StdRng::seed_from_u64(seed);
        let desk = Desk::empty().await;
        let client = &desk.client;
        let lps = [
            insert_lp(client, "One").await,
            insert_lp(client, "Other").await,
        ];
        let funds = [
            insert_fund(client, "A", "USD").await,
            insert_fund(client, "B", "USD").await,
        ];
        let mut commitments = Vec::new();
        for (lp, fund) in [(0, 0), (0, 1), (1, 1)] {
            commitments.push(
                insert_commitment(client, lps[lp], funds[fund], 9_000_000, "2020-03-01").await,
            );
        }
        let mut recorded: Vec<Value> = Vec::new();
        for step in 0..12 {
            if step == 6 {
                commitments.push(
                    insert_commitment(client, lps[0], funds[0], 1_000_000, "2021-06-01").await,
                );
            }
            let size = random.random_range(1..4);
            let batch: Vec<Value> = (0..size)
                .map(|_| random_message(&mut random, &commitments, &recorded))
                .collect();
            desk.record(&batch.iter().collect::<Vec<_>>()).await;
            recorded.extend(batch);
            if random.random_bool(0.6) {
                desk.settle_owed().await;
            }
        }
        desk.settle_owed().await;
        let before = derived(&desk).await;
        rebuild_all_of(&desk, Scope::All).await;
        assert_eq!(derived(&desk).await, before, "seed {seed}");
    }
}
