//! What operators have done, each on a database of its own: what is found, what is changed, and what is refused.

use std::time::{Duration, Instant};

use local::servers::postgres::Role;
use serde_json::json;
use shared::config::{DatabaseConfig, Environment};
use shared::db::Database;
use shared::operations::{
    Asked, Reindexed, Wanted, Which, analyze, explain, find, measure_bloat, reindex,
    slow_statements,
};
use shared::refresh::{Extent, Scope, Verified, rebuild, verify};
use tests::builders::World;
use tests::desk::Desk;
use tests::queue;
use tests::reporting::today;

/// Far beyond what any wait takes; only a test that fails waits so long.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// Longer than anything here takes.
fn at_leisure() -> Instant {
    Instant::now() + Duration::from_secs(300)
}

async fn verified(desk: &Desk, extent: Extent) -> Verified {
    let night = &desk.night;
    let verified = verify(&night.db, night.clock, extent, at_leisure()).await;
    verified
        .expect("it is verified")
        .expect("there is such an LP")
}

/// The database as another role reaches it.
fn as_role(desk: &Desk, role: Role) -> Database {
    let environment = Environment::of(&[("DATABASE_URL", &desk.database.url(role))]);
    let config = DatabaseConfig::read(&environment).expect("the environment is usable");
    Database::new(&config).expect("a pool")
}

/// Derived rows that are wrong, none of which a view shows: one each of an account, of performance, of a pool, of a fund's performance,
/// and of commitments in force.
const SPOIL: &str = "
    update lp_capital_accounts a set unfunded_effect_cents = a.unfunded_effect_cents + 1
        where (a.commitment_id, a.account_date) = (select b.commitment_id, b.account_date from lp_capital_accounts b
                                                   where b.lp_id = 2 order by b.account_date, b.commitment_id limit 1);
    update lp_performance_snapshots s set net_irr = 1
        where (s.commitment_id, s.snapshot_date) = (select b.commitment_id, b.snapshot_date from lp_performance_snapshots b
                                                    where b.lp_id = 1 order by b.snapshot_date, b.commitment_id limit 1);
    insert into lp_pooled_performance select (jsonb_populate_record(p, '{\"performance_date\": \"1999-01-01\"}')).*
        from (select p from lp_pooled_performance p where p.lp_id = 1 limit 1) one (p);
    delete from fund_performance where fund_id = 4
        and performance_date = (select min(performance_date) from fund_performance where fund_id = 4);
    update funds set commitments_in_force_cents = 0 where fund_id = 3";

#[tokio::test]
async fn verifying_finds_every_wrong_row_and_nothing_in_what_is_right() {
    let desk = Desk::sample().await;
    let lps = desk.number("select count(*) from limited_partners").await;
    let right = verified(&desk, Extent::All).await;
    assert_eq!(
        (right.lps as i64, right.funds, right.total_drift_rows),
        (lps, 20, 0)
    );
    assert_eq!(
        right.drift_rows.len(),
        8,
        "three views and five tables: {right:?}"
    );
    desk.run(SPOIL).await;
    let wrong = verified(&desk, Extent::All).await;
    for (table, rows) in &wrong.drift_rows {
        let is_view = [
            "lp_dashboard_summary",
            "fund_lp_summary",
            "lp_performance_latest",
        ]
        .contains(table);
        assert_eq!(*rows, if is_view { 0 } else { 1 }, "{table}: {wrong:?}");
    }
    assert_eq!(wrong.total_drift_rows, 5);
    assert_eq!(wrong.differing_lp_ids, [1, 2].into());
    assert_eq!(wrong.differing_fund_ids, [3, 4].into());
    let of_one = verified(&desk, Extent::Lp(1)).await;
    assert_eq!(
        (of_one.lps, of_one.funds, of_one.total_drift_rows),
        (1, 0, 2)
    );
    let (db, cache) = (&desk.night.db, &desk.night.cache);
    let queue = queue::nowhere().await;
    for scope in [Scope::Lp(1), Scope::Lp(2), Scope::Fund(3), Scope::Fund(4)] {
        let rebuilt = rebuild(db, cache, &queue, scope, at_leisure()).await;
        rebuilt.expect("it is rebuilt");
    }
    assert_eq!(verified(&desk, Extent::All).await.total_drift_rows, 0);
}

#[tokio::test]
async fn a_view_that_drifted_is_found_for_the_lp_and_in_a_sample_of_all() {
    let desk = Desk::sample().await;
    // The definition shows it, the view does not, and no mark says so.
    desk.run("update lp_performance_snapshots s set annualised = not annualised
              where lp_id = 7 and snapshot_date = (select max(b.snapshot_date) from lp_performance_snapshots b
                                                   where b.commitment_id = s.commitment_id and b.snapshot_date <= current_date)
                and annualised is not null")
        .await;
    let found = verified(&desk, Extent::Lp(7)).await;
    let of_view = found.drift_rows["lp_performance_latest"];
    assert!(
        of_view > 0 && of_view % 2 == 0,
        "each row as it is, and as it should be: {found:?}"
    );
    assert_eq!(verified(&desk, Extent::Lp(8)).await.total_drift_rows, 0);
    let lps = desk.number("select count(*) from limited_partners").await;
    let sample = verified(&desk, Extent::Sample(lps)).await;
    assert_eq!(sample.total_drift_rows, found.total_drift_rows);
    let small = verified(&desk, Extent::Sample(3)).await;
    assert_eq!((small.lps, small.funds), (3, 3));
}

#[tokio::test]
async fn what_is_owed_is_late_and_not_wrong_and_what_time_is_too_short_for_is_named() {
    let desk = Desk::sample().await;
    let commitment = "select min(commitment_id) from lp_fund_commitments where lp_id = 1";
    let world = World {
        lp_id: 1,
        fund_id: 1,
        commitment_id: desk.number(commitment).await,
    };
    desk.call(&world, 1_000, "2020-01-01").await;
    let found = verified(&desk, Extent::Lp(1)).await;
    assert_eq!(
        (found.owed_lps, found.total_drift_rows),
        (1, 0),
        "{found:?}"
    );
    let night = &desk.night;
    let hurried = verify(&night.db, night.clock, Extent::All, Instant::now()).await;
    let hurried = hurried.expect("it is verified").expect("there is everyone");
    let lps = desk.number("select count(*) from limited_partners").await;
    assert_eq!(
        (hurried.lps, hurried.funds, hurried.rest_from_lp_id),
        (0, 20, Some(1))
    );
    assert_eq!(hurried.left_lps as i64, lps);
    let rest = verified(&desk, Extent::From(lps - 4)).await;
    assert_eq!((rest.lps, rest.funds, rest.rest_from_lp_id), (5, 0, None));
    let nobody = verify(&night.db, night.clock, Extent::Lp(1_000_000), at_leisure()).await;
    assert_eq!(nobody.expect("it is looked for"), None);
}

/// An index most of whose entries are gone.
const BLOATED: &str = "touched_commitments_lp_idx";

/// Nobody else may look at the table meanwhile: the vacuum takes out only what no snapshot sees any more.
async fn bloat_an_index(desk: &Desk) {
    desk.run(
        "alter table touched_commitments set (autovacuum_enabled = off);
         insert into touched_commitments (commitment_id, lp_id, fund_id, latest_date)
            select n, n, 1, '2020-01-01' from generate_series(1, 200000) n;
         delete from touched_commitments where lp_id % 10 <> 0",
    )
    .await;
    desk.run("vacuum touched_commitments").await;
}

async fn reindexed(desk: &Desk, which: Which, until: Instant) -> Reindexed {
    let owner = as_role(desk, Role::Migrator);
    let done = reindex(&desk.night.db, &owner, which, until).await;
    done.expect("it is reindexed")
}

#[tokio::test]
async fn a_bloated_index_is_measured_and_rebuilt_and_others_are_left_alone() {
    let desk = Desk::empty().await;
    bloat_an_index(&desk).await;
    let percent = async || {
        let bloat = measure_bloat(&desk.night.db, at_leisure()).await;
        let bloat = bloat.expect("it is measured");
        let index = bloat
            .indexes
            .into_iter()
            .find(|index| index.name == BLOATED);
        index.map(|index| index.bloat_percent)
    };
    let before = percent().await.expect("it is large");
    assert!((80.0..=95.0).contains(&before), "{before}");
    let sizes = measure_bloat(&desk.night.db, at_leisure())
        .await
        .expect("it is measured");
    let table = sizes
        .tables
        .iter()
        .find(|table| table.name == "touched_commitments");
    assert!(
        table.is_some_and(|table| table.index_bytes > 2 << 20),
        "{sizes:?}"
    );
    let done = reindexed(&desk, Which::AboveBloat(30.0), at_leisure()).await;
    let rebuilt = done.rebuilt.iter().find(|index| index.name == BLOATED);
    let rebuilt = rebuilt.expect("it is rebuilt");
    assert!(
        rebuilt.bytes_after < rebuilt.bytes_before / 3,
        "{rebuilt:?}"
    );
    assert!(done.left.is_empty() && done.dropped.is_empty(), "{done:?}");
    assert_eq!(percent().await, None, "what is small is not measured");
    let again = reindexed(&desk, Which::AboveBloat(30.0), at_leisure()).await;
    assert_eq!(again, Reindexed::default());
    let named = reindexed(&desk, Which::Named("funds_pkey".into()), at_leisure()).await;
    assert_eq!(named.rebuilt[0].name, "funds_pkey");
    let owner = as_role(&desk, Role::Migrator);
    let unknown = Which::Named("no_such_index".into());
    let refused = reindex(&desk.night.db, &owner, unknown, at_leisure()).await;
    assert_eq!(
        refused.expect_err("there is none").to_string(),
        "there is no index no_such_index"
    );
}

/// `reindex concurrently` waits for whoever writes to the table, and leaves the new index behind when it is broken off.
#[tokio::test]
async fn an_index_that_time_is_too_short_for_is_left_and_its_remains_are_dropped_the_next_time() {
    let desk = Desk::empty().await;
    let blocker = desk.database.connect().await;
    let hold = "begin; lock table touched_commitments in row exclusive mode";
    blocker.batch_execute(hold).await.expect("it is held");
    let broken = "select count(*) from pg_index where not indisvalid";
    let mut time = Duration::from_secs(1);
    // It is enough once the new index has been begun.
    while desk.number(broken).await == 0 {
        assert!(time < LONGEST_WAIT, "no index is begun");
        let soon = Instant::now() + time;
        let done = reindexed(&desk, Which::Named(BLOATED.into()), soon).await;
        assert_eq!(
            (done.rebuilt.len(), &done.left),
            (0, &vec![BLOATED.to_owned()]),
            "{done:?}"
        );
        time *= 2;
    }
    assert_eq!(desk.number(broken).await, 1);
    blocker.batch_execute("commit").await.expect("it is let go");
    let done = reindexed(&desk, Which::Named(BLOATED.into()), at_leisure()).await;
    assert_eq!(done.dropped, [format!("{BLOATED}_ccnew")]);
    assert_eq!(done.rebuilt[0].name, BLOATED);
    assert_eq!(desk.number(broken).await, 0);
}

#[tokio::test]
async fn what_an_administrator_has_not_created_is_named_with_where_to_read_on() {
    let desk = Desk::empty().await;
    desk.run("drop extension pgstattuple; drop extension pg_stat_statements")
        .await;
    let bloat = desk.night.db.connection().await.expect("a connection");
    let bloat =
        shared::db::query_one(&bloat, "select index_bloat_percent('funds_pkey')", &[]).await;
    let slow = slow_statements(&desk.night.db, 1).await.map(drop);
    for (failure, extension) in [
        (bloat.map(drop), "pgstattuple"),
        (slow, "pg_stat_statements"),
    ] {
        let told = failure.expect_err("it is missing").chain().to_string();
        let expected = format!(
            "this database lacks the extension {extension}, which an administrator has to create: docs/deploying.md"
        );
        assert!(told.contains(&expected), "{told}");
    }
}

#[tokio::test]
async fn statements_are_told_by_their_time_without_a_value() {
    let desk = Desk::empty().await;
    desk.run("select name from funds where name = 'a secret' and 'another' <> name")
        .await;
    desk.run("set application_name = 'a secret setting'").await;
    let slow = slow_statements(&desk.night.db, 200)
        .await
        .expect("they are told");
    assert!(
        slow.statements
            .windows(2)
            .all(|pair| pair[0].total_ms >= pair[1].total_ms)
    );
    let ours = slow
        .statements
        .iter()
        .find(|slow| slow.statement.starts_with("select name from funds"));
    let ours = ours.expect("it was counted");
    assert_eq!((ours.role.as_str(), ours.calls), ("administrator", 1));
    assert_eq!(
        ours.statement,
        "select name from funds where name = $1 and $2 <> name"
    );
    let told = serde_json::to_string(&slow).expect("JSON");
    assert!(!told.contains("secret"), "{told}");
    let slowest = slow_statements(&desk.night.db, 1).await;
    assert_eq!(slowest.expect("it is told").statements.len(), 1);
}

#[tokio::test]
async fn every_table_and_view_has_new_statistics() {
    let desk = Desk::empty().await;
    let without = "select count(*) from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'p', 'm') and reltuples < 0";
    assert!(desk.number(without).await > 20);
    let hurried = analyze(&desk.night.db, Instant::now())
        .await
        .expect("nothing fails");
    assert!(hurried.analyzed.is_empty() && hurried.left.len() > 20);
    let done = analyze(&desk.night.db, at_leisure())
        .await
        .expect("they are analyzed");
    assert_eq!((done.analyzed, done.left.len()), (hurried.left, 0));
    assert_eq!(desk.number(without).await, 0);
}

#[tokio::test]
async fn lps_and_funds_are_found_by_a_part_of_their_name_and_by_their_metadata() {
    let desk = Desk::empty().await;
    desk.run(
        "insert into limited_partners (lp_id, name, metadata) values
            (1, 'Harbour Pension Fund', '{\"crm\": \"77\"}'), (2, 'HARBOUR 100% Trust', '{}'), (3, 'Lakeside', '{\"crm\": \"78\", \"tier\": 1}');
         insert into funds (fund_id, name, vintage_year, currency, metadata) values (4, 'Harbour Growth I', 2020, 'USD', '{\"tier\": 1}')",
    )
    .await;
    let ids = async |name: Option<&str>, metadata: serde_json::Value, most: i64| {
        let wanted = Wanted {
            name: name.map(str::to_owned),
            metadata: metadata.as_object().cloned(),
            most,
        };
        let found = find(&desk.night.db, &wanted)
            .await
            .expect("it is looked for");
        let lps: Vec<i64> = found.lps.iter().map(|lp| lp.lp_id).collect();
        let funds: Vec<i64> = found.funds.iter().map(|fund| fund.fund_id).collect();
        (lps, funds, found.is_truncated)
    };
    let none = || json!(null);
    assert_eq!(
        ids(Some("harbour"), none(), 20).await,
        (vec![1, 2], vec![4], false)
    );
    assert_eq!(
        ids(Some("harbour"), none(), 1).await,
        (vec![1], vec![4], true)
    );
    assert_eq!(
        ids(Some("100%"), none(), 20).await,
        (vec![2], vec![], false)
    );
    assert_eq!(
        ids(Some("h_r"), none(), 20).await,
        (vec![], vec![], false),
        "no pattern"
    );
    assert_eq!(
        ids(None, json!({"tier": 1}), 20).await,
        (vec![3], vec![4], false)
    );
    assert_eq!(
        ids(Some("lake"), json!({"crm": "77"}), 20).await,
        (vec![], vec![], false)
    );
}

fn asked(report: &str, query: &[(&str, &str)]) -> Asked {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    Asked {
        report: report.to_owned(),
        lp_id: Some("1".to_owned()),
        fund_id: None,
        query: query.iter().map(owned).collect(),
    }
}

/// As readers run it: by the plan that serves for all values, of which only the branch for this question runs.
#[tokio::test]
async fn a_report_is_explained_as_its_function_asks_it() {
    let desk = Desk::sample().await;
    desk.run("delete from touched_commitments").await;
    let reader = as_role(&desk, Role::Reader);
    let mut in_fund = asked("fund-performance", &[]);
    let fund = "select min(fund_id) from lp_fund_commitments where lp_id = 1";
    in_fund.fund_id = Some(desk.number(fund).await.to_string());
    let mut of_fund = asked("fund-summary", &[]);
    of_fund.fund_id.clone_from(&in_fund.fund_id);
    for (asked, index) in [
        (asked("summary", &[]), "lp_dashboard_summary"),
        (
            asked("summary", &[("asOf", "2023-05-17")]),
            "lp_capital_accounts_latest_idx",
        ),
        (
            asked("capital-activity", &[("types", "capital_call")]),
            "capital_activities_type_timeline_idx",
        ),
        (
            asked("capital-activity", &[("metadata", "wire:w7")]),
            "capital_activities_",
        ),
        (
            asked("holdings", &[("limit", "3")]),
            "fund_investments_fund_idx",
        ),
        (asked("performance", &[]), "lp_performance_latest_key"),
        (
            asked("performance-history", &[("granularity", "yearly")]),
            "lp_pooled_performance_date_idx",
        ),
        (asked("access-log", &[]), "access_log_2"),
        (in_fund, "lp_performance_latest_key"),
        (of_fund, "fund_lp_summary"),
    ] {
        let explained = explain(&reader, today(), &asked).await;
        let explained = explained.unwrap_or_else(|error| panic!("{asked:?}: {}", error.chain()));
        let [plan] = explained.plans.as_slice() else {
            panic!("{asked:?}: {explained:?}");
        };
        let ran = plan.iter().filter(|line| !line.contains("never executed"));
        let text: Vec<&str> = ran.map(String::as_str).collect();
        let text = text.join("\n");
        assert!(text.contains(index), "{asked:?}\n{text}");
        assert!(text.contains("$1") && text.contains("Buffers:"), "{text}");
        assert!(text.contains("Execution Time"), "{text}");
    }
}

#[tokio::test]
async fn a_question_that_cannot_be_asked_is_not_explained_and_a_missing_view_is() {
    let desk = Desk::sample().await;
    let reader = as_role(&desk, Role::Reader);
    let nobody = Asked {
        lp_id: None,
        ..asked("summary", &[])
    };
    for (asked, told) in [
        (asked("audit", &[]), "there is no report audit"),
        (nobody, "lpId is not a whole number"),
        (
            asked("summary", &[("asOf", "soon"), ("x", "1")]),
            "asOf is not a date",
        ),
    ] {
        let refused = explain(&reader, today(), &asked).await.expect_err(told);
        assert!(refused.to_string().contains(told), "{refused}");
    }
    desk.run("drop materialized view lp_dashboard_summary cascade")
        .await;
    let explained = explain(&reader, today(), &asked("summary", &[])).await;
    let plans = explained.expect("its definition answers").plans;
    let text = plans.concat().join("\n");
    assert!(text.contains("lp_capital_accounts_latest_idx"), "{text}");
}
