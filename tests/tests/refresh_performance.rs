//! Performance that is owed: for exactly what changed, whoever settles it and in whatever steps.

use serde_json::Value;
use shared::finance::periods::Granularity;
use shared::ids::{FundId, LpId};
use shared::refresh::settle_fund_performance;
use shared::reports::{PerformanceHistory, Scope};
use tests::builders::{World, activity_message, fund_nav_message, insert_commitment, nav_message};
use tests::desk::Desk;
use tests::reporting::{ask, today};

#[tokio::test]
async fn a_commitment_and_its_pool_have_performance_at_reports_and_at_later_flows() {
    let desk = Desk::empty().await;
    let world = World::insert(&desk.client).await;
    let call = activity_message(world.commitment_id, "capital_call", 60_000, "2020-01-01");
    let nav = nav_message(world.commitment_id, 66_000, "2020-12-31", "2021-02-01");
    let paid = activity_message(world.commitment_id, "distribution", 6_000, "2021-06-30");
    desk.record(&[&call, &nav, &paid]).await;
    assert_eq!(desk.settle(world.lp_id).await.lps, 1);
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
    desk.call(&world, 60_000, "2020-01-01").await;
    desk.settle(world.lp_id).await;
    let dates = "select snapshot_date from lp_performance_snapshots order by snapshot_date";
    assert_eq!(desk.rows(dates).await, ["(2020-01-01)"]);
    desk.record(&[&nav_message(
        world.commitment_id,
        66_000,
        "2020-12-31",
        "2021-02-01",
    )])
    .await;
    desk.settle(world.lp_id).await;
    assert_eq!(desk.rows(dates).await, ["(2020-12-31)"]);
}

#[tokio::test]
async fn what_comes_while_a_settling_is_under_way_stays_owed() {
    let desk = Desk::empty().await;
    let world = World::insert(&desk.client).await;
    desk.call(&world, 60_000, "2020-01-01").await;
    let blocker = desk.database.connect().await;
    blocker
        .batch_execute("begin; lock table lp_performance_snapshots in share mode")
        .await
        .expect("the table is locked");
    let late = async {
        desk.until_waiting(1).await;
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
    let (settled, ()) = tokio::join!(desk.settle(world.lp_id), late);
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
    desk.call(&world, 60_000, "2020-01-01").await;
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
        desk.until_waiting(2).await;
        blocker
            .batch_execute("commit")
            .await
            .expect("the lock goes");
    };
    let (one, other, ()) =
        tokio::join!(desk.settle(world.lp_id), desk.settle(world.lp_id), release);
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
    desk.settle(world.lp_id).await;
    let second = insert_commitment(
        &desk.client,
        world.lp_id,
        world.fund_id,
        50_000,
        "2022-01-01",
    )
    .await;
    desk.settle(world.lp_id).await;
    let of_fund = "select performance_date, commitment_cents, nav_cents from lp_pooled_performance where fund_id is not null";
    assert_eq!(desk.rows(of_fund).await, ["(2020-12-31,100000000,66000)"]);
    let delete = format!("delete from lp_fund_commitments where commitment_id = {second}");
    desk.client
        .batch_execute(&delete)
        .await
        .expect("it has no entries");
    desk.settle(world.lp_id).await;
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
    let settled = desk.settle_owed().await;
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

/// The points of the history of what the LP has in the fund.
async fn fund_history(desk: &Desk, world: &World) -> Vec<Value> {
    let question = PerformanceHistory {
        lp_id: LpId::try_from(world.lp_id).expect("an id"),
        scope: Scope::Fund(FundId::try_from(world.fund_id).expect("an id")),
        start: None,
        end: None,
        granularity: Granularity::Quarterly,
        as_of: today(),
    };
    let answer = ask(desk, &question).await;
    answer["series"][0]["points"]
        .as_array()
        .expect("points")
        .clone()
}

#[tokio::test]
async fn until_the_pool_of_a_fund_is_settled_its_first_commitment_stands_in_and_says_so() {
    let desk = Desk::empty().await;
    let world = World::insert(&desk.client).await;
    let call = activity_message(world.commitment_id, "capital_call", 60_000, "2020-01-01");
    let nav = nav_message(world.commitment_id, 66_000, "2020-12-31", "2021-02-01");
    desk.record(&[&call, &nav]).await;
    desk.settle(world.lp_id).await;
    let (lp_id, fund_id) = (world.lp_id, world.fund_id);
    insert_commitment(&desk.client, lp_id, fund_id, 50_000, "2022-01-01").await;
    let pending = fund_history(&desk, &world).await;
    let shown = |point: &Value| (point["date"].clone(), point["navCents"].clone());
    assert_eq!(pending.len(), 1);
    let flagged = |point: &Value| point["flags"].to_string().contains("IRR_PENDING");
    assert!(flagged(&pending[0]));
    desk.settle(lp_id).await;
    let settled = fund_history(&desk, &world).await;
    assert_eq!(shown(&settled[0]), shown(&pending[0]));
    assert!(!flagged(&settled[0]));
}
