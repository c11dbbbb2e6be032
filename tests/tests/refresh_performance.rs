//! Performance that is owed: for exactly what changed, whoever settles it and in whatever steps, and the same as rebuilt.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};
use shared::refresh::{
    Scope, Settled, rebuild, settle_fund_performance, settle_owed, settle_performance,
};
use tests::builders::{
    World, activity_message, fund_nav_message, insert_commitment, insert_fund, insert_lp,
    nav_message, reversal_message,
};
use tests::desk::Desk;

/// Every derived table, in an order that does not depend on how it was written.
const DERIVED: [&str; 5] = [
    "select a from lp_capital_accounts a order by a.lp_id, a.commitment_id, a.account_date",
    "select s from lp_performance_snapshots s order by s.lp_id, s.commitment_id, s.snapshot_date",
    "select p from lp_pooled_performance p order by p.lp_id, p.currency, p.fund_id, p.performance_date",
    "select p from fund_performance p order by p.fund_id, p.performance_date",
    "select f.fund_id, f.commitments_in_force_cents from funds f order by f.fund_id",
];

async fn derived(desk: &Desk) -> Vec<String> {
    let mut rows = Vec::new();
    for table in DERIVED {
        rows.extend(desk.rows(table).await);
    }
    rows
}

async fn settle(desk: &Desk, lp_id: i64) -> Settled {
    settle_performance(&desk.app.db, &desk.app.cache, &[lp_id])
        .await
        .expect("performance is settled")
}

/// Waits until so many sessions of this database wait for a lock.
async fn until_waiting(desk: &Desk, sessions: i64) {
    let sql =
        "select count(distinct l.pid) from pg_locks l join pg_stat_activity a on a.pid = l.pid
               where not l.granted and a.datname = current_database()";
    while desk.number(sql).await < sessions {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_commitment_and_its_pool_have_performance_at_reports_and_at_later_flows() {
    let desk = Desk::empty().await;
    let world = World::insert(&desk.client).await;
    let call = activity_message(world.commitment_id, "capital_call", 60_000, "2020-01-01");
    let nav = nav_message(world.commitment_id, 66_000, "2020-12-31", "2021-02-01");
    let paid = activity_message(world.commitment_id, "distribution", 6_000, "2021-06-30");
    desk.record(&[&call, &nav, &paid]).await;
    assert_eq!(settle(&desk, world.lp_id).await.lps, 1);
    let rows = desk
        .rows("select snapshot_date, paid_in_cents, distributed_cents, nav_cents, dpi, tvpi, pic, round(net_irr::numeric, 9)::float8, annualised, flags
               from lp_performance_snapshots order by snapshot_date")
        .await;
    assert_eq!(
        rows[0],
        "(2020-12-31,60000,0,66000,0.000000,1.100000,0.000600,0.1,t,{})"
    );
    assert!(
        rows[1].starts_with("(2021-06-30,60000,6000,60000,0.100000,1.100000,0.000600,"),
        "{rows:?}"
    );
    assert_eq!(rows.len(), 2);
    let pooled = "select performance_date, nav_cents, net_irr from lp_pooled_performance order by performance_date";
    let single = "select snapshot_date, nav_cents, net_irr from lp_performance_snapshots order by snapshot_date";
    assert_eq!(desk.rows(pooled).await, desk.rows(single).await);
    assert_eq!(
        desk.number("select count(*) from pending_performance")
            .await,
        0
    );
}

#[tokio::test]
async fn a_new_report_takes_the_flow_dates_before_it_out_of_the_series() {
    let desk = Desk::empty().await;
    let world = World::insert(&desk.client).await;
    desk.record(&[&activity_message(
        world.commitment_id,
        "capital_call",
        60_000,
        "2020-01-01",
    )])
    .await;
    settle(&desk, world.lp_id).await;
    let dates = "select snapshot_date from lp_performance_snapshots order by snapshot_date";
    assert_eq!(desk.rows(dates).await, ["(2020-01-01)"]);
    desk.record(&[&nav_message(
        world.commitment_id,
        66_000,
        "2020-12-31",
        "2021-02-01",
    )])
    .await;
    settle(&desk, world.lp_id).await;
    assert_eq!(desk.rows(dates).await, ["(2020-12-31)"]);
}

#[tokio::test]
async fn what_comes_while_a_settling_is_under_way_stays_owed() {
    let desk = Desk::empty().await;
    let world = World::insert(&desk.client).await;
    desk.record(&[&activity_message(
        world.commitment_id,
        "capital_call",
        60_000,
        "2020-01-01",
    )])
    .await;
    let blocker = desk.database.connect().await;
    blocker
        .batch_execute("begin; lock table lp_performance_snapshots in share mode")
        .await
        .expect("the table is locked");
    let late = async {
        until_waiting(&desk, 1).await;
        let sql = "insert into pending_performance (lp_id, fund_id, commitment_id, from_date) values ($1, $2, $3, '2020-01-01')";
        desk.client
            .execute(sql, &[&world.lp_id, &world.fund_id, &world.commitment_id])
            .await
            .expect("more is owed");
        blocker
            .batch_execute("commit")
            .await
            .expect("the lock goes");
    };
    let (settled, ()) = tokio::join!(settle(&desk, world.lp_id), late);
    assert_eq!(settled.lps, 1);
    assert_eq!(
        desk.number("select count(*) from pending_performance")
            .await,
        1
    );
    assert_eq!(
        desk.number("select count(*) from lp_performance_snapshots")
            .await,
        1
    );
}

#[tokio::test]
async fn of_two_settlings_of_one_lp_the_second_finds_nothing_owed() {
    let desk = Desk::empty().await;
    let world = World::insert(&desk.client).await;
    desk.record(&[&activity_message(
        world.commitment_id,
        "capital_call",
        60_000,
        "2020-01-01",
    )])
    .await;
    let blocker = desk.database.connect().await;
    let lock = format!(
        "begin; select from limited_partners where lp_id = {} for no key update",
        world.lp_id
    );
    blocker
        .batch_execute(&lock)
        .await
        .expect("the LP is locked");
    let release = async {
        until_waiting(&desk, 2).await;
        blocker
            .batch_execute("commit")
            .await
            .expect("the lock goes");
    };
    let (one, other, ()) = tokio::join!(
        settle(&desk, world.lp_id),
        settle(&desk, world.lp_id),
        release
    );
    assert_eq!(one.lps + other.lps, 1);
    assert_eq!(
        desk.number("select count(*) from lp_performance_snapshots")
            .await,
        1
    );
}

#[tokio::test]
async fn a_second_commitment_makes_a_pool_of_the_fund_from_its_beginning_and_its_removal_ends_it() {
    let desk = Desk::empty().await;
    let world = World::insert(&desk.client).await;
    let call = activity_message(world.commitment_id, "capital_call", 60_000, "2020-01-01");
    let nav = nav_message(world.commitment_id, 66_000, "2020-12-31", "2021-02-01");
    desk.record(&[&call, &nav]).await;
    settle(&desk, world.lp_id).await;
    let second = insert_commitment(
        &desk.client,
        world.lp_id,
        world.fund_id,
        50_000,
        "2022-01-01",
    )
    .await;
    settle(&desk, world.lp_id).await;
    let of_fund = "select performance_date, commitment_cents, nav_cents from lp_pooled_performance where fund_id is not null";
    assert_eq!(desk.rows(of_fund).await, ["(2020-12-31,100000000,66000)"]);
    let delete = format!("delete from lp_fund_commitments where commitment_id = {second}");
    desk.client
        .batch_execute(&delete)
        .await
        .expect("it has no entries");
    settle(&desk, world.lp_id).await;
    assert_eq!(desk.rows(of_fund).await, Vec::<String>::new());
}

#[tokio::test]
async fn settling_again_writes_nothing_again() {
    let desk = Desk::sample().await;
    desk.client
        .batch_execute("insert into pending_performance (lp_id, fund_id, commitment_id, from_date)
                        select lp_id, fund_id, commitment_id, '0001-01-01' from lp_fund_commitments where lp_id <= 5;
                        insert into pending_performance (fund_id, from_date) select fund_id, '0001-01-01' from funds")
        .await
        .expect("all is owed");
    let written = "select p.ctid, p.xmin::text from lp_pooled_performance p order by 1";
    let written_too = "select p.ctid, p.xmin::text from fund_performance p order by 1";
    let before = (desk.rows(written).await, desk.rows(written_too).await);
    let settled = settle_owed(&desk.app.db, &desk.app.cache)
        .await
        .expect("all is settled");
    assert_eq!((settled.lps, settled.funds), (5, 20));
    assert_eq!(
        (desk.rows(written).await, desk.rows(written_too).await),
        before
    );
}

#[tokio::test]
async fn a_funds_gross_performance_follows_its_flows_valuations_and_navs() {
    let desk = Desk::empty().await;
    let world = World::insert(&desk.client).await;
    desk.client
        .batch_execute(&format!(
            "insert into portfolio_companies (company_id, name, sector, stage) values (1, 'A company', 'Health', 'Growth');
             insert into fund_investments (investment_id, fund_id, company_id, investment_date) values (1, {0}, 1, '2020-01-01');
             insert into fund_cash_flows (investment_id, flow_date, amount_cents) values (1, '2020-01-01', -500), (1, '2021-01-01', 100);
             insert into investment_valuations (investment_id, valuation_date, fair_value_cents) values (1, '2020-12-31', 1), (1, '2020-12-31', 550)",
            world.fund_id
        ))
        .await
        .expect("the fund has a company");
    desk.record(&[&fund_nav_message(
        world.fund_id,
        600,
        "2021-06-30",
        "2021-08-01",
    )])
    .await;
    let settled = settle_fund_performance(&desk.app.db, &desk.app.cache, &[world.fund_id])
        .await
        .expect("it is settled");
    assert_eq!(settled.funds, 1);
    let rows = desk
        .rows("select performance_date, invested_cents, proceeds_cents, residual_cents, moic from fund_performance order by 1")
        .await;
    let expected = [
        "(2020-01-01,500,0,500,1.000000)",
        "(2020-12-31,500,0,550,1.100000)",
        "(2021-01-01,500,100,450,1.100000)",
        "(2021-06-30,500,100,600,1.400000)",
    ];
    assert_eq!(rows, expected);
    assert_eq!(
        desk.number("select count(*) from pending_performance where lp_id is null")
            .await,
        0
    );
}

#[tokio::test]
async fn rebuilding_the_sample_changes_no_byte() {
    let desk = Desk::sample().await;
    let before = derived(&desk).await;
    desk.client
        .batch_execute(
            "update lp_performance_snapshots set net_irr = 1 where lp_id = 1;
                        delete from lp_capital_accounts where lp_id = 2;
                        update funds set commitments_in_force_cents = 0 where fund_id = 3;
                        update fund_performance set moic = 9 where fund_id = 4",
        )
        .await
        .expect("derived rows may be spoiled");
    assert_ne!(derived(&desk).await, before);
    for scope in [Scope::Lp(1), Scope::Lp(2), Scope::Fund(3), Scope::Fund(4)] {
        let rebuilt = rebuild(&desk.app.db, &desk.app.cache, scope)
            .await
            .expect("it is rebuilt");
        assert!(rebuilt.is_some());
    }
    assert!(derived(&desk).await == before, "the rebuilt rows differ");
    let nobody = rebuild(&desk.app.db, &desk.app.cache, Scope::Lp(1_000_000)).await;
    assert_eq!(nobody.expect("it ends"), None);
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
                settle_owed(&desk.app.db, &desk.app.cache)
                    .await
                    .expect("it is settled");
            }
        }
        settle_owed(&desk.app.db, &desk.app.cache)
            .await
            .expect("it is settled");
        let before = derived(&desk).await;
        rebuild(&desk.app.db, &desk.app.cache, Scope::All)
            .await
            .expect("it is rebuilt");
        assert_eq!(derived(&desk).await, before, "seed {seed}");
    }
}
