//! An LP with commitments in four hundred funds, some several in a fund, in four currencies.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use shared::refresh::{Scope, rebuild};
use tests::asking::get;
use tests::builders::{activity_message, fund_nav_message, insert_lp, nav_message};
use tests::derived::derived;
use tests::desk::Desk;
use tests::oracle::history::Scope as Of;
use tests::oracle::questions::Question;
use tests::oracle::read::Extent;
use tests::plan::Plan;
use tests::queue;
use tests::reporting::today;

use crate::asking::{SUBJECT, assert_right, grant_all, oracle, refresh};

const FUNDS: usize = 400;
/// What Lambda takes of a function's response, with room for its headers.
const LARGEST_RESPONSE: usize = 6_000_000;
/// Every tenth fund has a second commitment, and every fund three investments.
const INSERT: &str = "
    with fund as (
        insert into funds (name, vintage_year, currency)
        select repeat('Fund ' || n || ' ', 12), 2000 + n % 25, (array['USD', 'EUR', 'GBP', 'JPY'])[1 + n % 4]
        from generate_series(1, 400) n
        returning fund_id),
    numbered as (select fund_id, row_number() over (order by fund_id) as n from fund),
    company as (
        insert into portfolio_companies (name, sector, stage) select 'Company ' || i, 'Energy', 'Growth' from generate_series(1, 3) i
        returning company_id),
    investment as (
        insert into fund_investments (fund_id, company_id, investment_date)
        select f.fund_id, c.company_id, date '2020-03-01' + f.n::integer from numbered f cross join company c
        returning investment_id),
    flow as (
        insert into fund_cash_flows (investment_id, flow_date, amount_cents)
        select investment_id, date '2021-06-01', -1000003 from investment)
    insert into lp_fund_commitments (lp_id, fund_id, commitment_amount_cents, commitment_date)
    select $1, f.fund_id, 100000000 + f.n, date '2020-01-01' + f.n::integer
    from numbered f cross join generate_series(1, 2) k
    where k = 1 or f.n % 10 = 0
    returning fund_id, commitment_id";

/// The commitments, each with its fund and the fund's currency.
async fn insert(desk: &Desk, lp_id: i64) -> Vec<(i64, i64, String)> {
    let inserted = desk.client.execute(INSERT, &[&lp_id]).await;
    inserted.expect("the funds are inserted");
    let sql = "select fund_id, commitment_id, currency from lp_fund_commitments join funds using (fund_id)
        where lp_id = $1 order by commitment_id";
    let rows = desk
        .client
        .query(sql, &[&lp_id])
        .await
        .expect("commitments");
    rows.iter()
        .map(|row| (row.get(0), row.get(1), row.get(2)))
        .collect()
}

fn messages(commitments: &[(i64, i64, String)]) -> Vec<Value> {
    let mut messages = Vec::new();
    for (n, (fund_id, commitment_id, currency)) in (0_i64..).zip(commitments) {
        let entry = |kind, cents, date| activity_message(*commitment_id, kind, cents, date);
        let mut of_one = vec![
            entry("capital_call", 5_000_000 + n, "2021-05-01"),
            entry(
                "capital_call",
                3_000_000,
                if n % 2 == 0 {
                    "2022-05-01"
                } else {
                    "2022-11-11"
                },
            ),
            entry("distribution", 1_000_000 + 3 * n, "2024-01-31"),
            fund_nav_message(*fund_id, 4_000_000 + n, "2024-12-31", "2025-02-01"),
        ];
        if n % 5 > 0 {
            of_one.push(nav_message(
                *commitment_id,
                9_000_000 - n,
                "2023-12-31",
                "2024-02-01",
            ));
        }
        for mut message in of_one {
            message["currency"] = json!(currency);
            messages.push(message);
        }
    }
    messages
}

#[tokio::test]
async fn an_lp_in_four_hundred_funds_gets_every_answer_right_within_what_a_function_may_answer() {
    let desk = Desk::sample().await;
    let lp_id = insert_lp(&desk.client, "Fund of Funds").await;
    let commitments = insert(&desk, lp_id).await;
    let begun = Instant::now();
    let messages = messages(&commitments);
    for batch in messages.chunks(500) {
        desk.record(&batch.iter().collect::<Vec<_>>()).await;
    }
    println!(
        "{} messages recorded: {:?}",
        messages.len(),
        begun.elapsed()
    );
    let begun = Instant::now();
    desk.settle_owed().await;
    println!(
        "performance of {} commitments: {:?}",
        commitments.len(),
        begun.elapsed()
    );
    let fund_ids: BTreeSet<i64> = commitments.iter().map(|(fund_id, ..)| *fund_id).collect();
    let fund_ids: Vec<i64> = fund_ids.into_iter().collect();
    assert_eq!(fund_ids.len(), FUNDS);
    grant_all(&desk, &[lp_id], &fund_ids[..3]).await;
    let (of_view, others) = questions(&desk, lp_id, &fund_ids).await;
    let live = assert_right(&desk, &others).await + assert_right(&desk, &of_view).await;
    desk.run("analyze").await;
    refresh(&desk).await;
    let from_views = assert_right(&desk, &of_view).await;
    println!("{} answers are the oracle's", live + from_views);
    assert_answers_fit(&desk, lp_id, &fund_ids).await;
    assert_plans_are_narrow(&desk, lp_id).await;
    assert_rebuild_of_lp_is_the_same(&desk, lp_id).await;
}

/// The questions that a view has the answer to, and the others.
async fn questions(desk: &Desk, lp_id: i64, fund_ids: &[i64]) -> (Vec<Question>, Vec<Question>) {
    let oracle = oracle(desk, &[lp_id], fund_ids).await;
    let lp = &oracle.truth().lps[&lp_id];
    let past = "2023-05-17".parse().ok();
    let mut of_view = oracle.positions(lp, &[None]);
    // All twelve hundred holdings, and more than a thousand entries, in long pages and in short ones.
    of_view.extend(oracle.lists(lp, 1_000, past));
    let mut others = oracle.positions(lp, &[past]);
    others.extend(oracle.lists(lp, 71, None));
    for scope in [Of::Lp, Of::Fund(fund_ids[9]), Of::Fund(fund_ids[10])] {
        others.extend(oracle.histories(lp_id, scope, &[("monthly", (None, None))]));
    }
    for fund_id in &fund_ids[..3] {
        others.extend(oracle.fund_summaries(*fund_id, &[past, None]));
    }
    (of_view, others)
}

async fn assert_answers_fit(desk: &Desk, lp_id: i64, fund_ids: &[i64]) {
    let every: Vec<String> = fund_ids.iter().map(ToString::to_string).collect();
    for report in [
        "summary".to_owned(),
        "performance".to_owned(),
        "performance?asOf=2023-05-17".to_owned(),
        "holdings?limit=1000".to_owned(),
        "performance/history?granularity=monthly".to_owned(),
        format!("capital-activity?limit=1000&fundIds={}", every.join(",")),
    ] {
        let path = format!("/api/lp/{lp_id}/{report}");
        let begun = Instant::now();
        let response = get(&desk.reader, SUBJECT, &path).await;
        let took = begun.elapsed();
        assert_eq!(response.status(), 200, "{path}");
        let body = String::from_utf8(response.body().to_vec()).expect("text");
        let bytes = json!(body).to_string().len();
        println!("{:.60}: {bytes} bytes, {took:?}", report);
        assert!(bytes <= LARGEST_RESPONSE, "{path}: {bytes} bytes");
    }
}

/// The tables that grow with the ledger are reached through indexes, by the plan for any LP as well.
async fn assert_plans_are_narrow(desk: &Desk, lp_id: i64) {
    const LARGE: [&str; 5] = [
        "capital_activities",
        "lp_capital_accounts",
        "lp_performance_snapshots",
        "lp_pooled_performance",
        "fund_performance",
    ];
    let scoped = desk.database.connect_in_scope(lp_id).await;
    let parameters = [Some(lp_id.to_string()), Some(today().to_string())];
    let past = [Some(lp_id.to_string()), Some("2023-05-17".to_owned())];
    let generic = scoped
        .batch_execute("set plan_cache_mode = force_generic_plan")
        .await;
    generic.expect("the mode is set");
    for (name, sql) in [
        (
            "summary",
            include_str!("../../../shared/src/reports/summary.sql"),
        ),
        (
            "performance",
            include_str!("../../../shared/src/reports/performance.sql"),
        ),
    ] {
        for parameters in [&parameters, &past] {
            let begun = Instant::now();
            let plan = Plan::of(&scoped, sql, parameters).await;
            println!("{name} as of {:?}: {:?}", parameters[1], begun.elapsed());
            plan.assert_no_full_scan_of(&LARGE);
        }
    }
}

async fn assert_rebuild_of_lp_is_the_same(desk: &Desk, lp_id: i64) {
    let of_lp = Extent {
        lp_ids: Some(&[lp_id]),
        fund_ids: Some(&[]),
    };
    let before = derived(&desk.client, of_lp).await;
    let until = Instant::now() + Duration::from_secs(60);
    let (db, cache, queue) = (&desk.night.db, &desk.night.cache, queue::nowhere().await);
    let rebuilt = rebuild(db, cache, &queue, Scope::Lp(lp_id), until).await;
    rebuilt.expect("it is rebuilt").expect("the LP is there");
    let after = derived(&desk.client, of_lp).await;
    assert!(before == after, "a rebuild makes something else");
    println!("{} derived rows are a rebuild's", after.len());
}
