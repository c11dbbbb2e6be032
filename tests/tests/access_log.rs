//! Who looked: every look is recorded once, after its answer and before the next event, in the database or in the function's log.
//! What is recorded stays, and an LP is shown its own.

use std::time::{Duration, Instant};

use lambda_http::http::StatusCode;
use local::servers::postgres::Role;
use serde_json::{Value, json};
use shared::operations::{Kept, keep_up};
use tests::builders::{grant, insert_lp};
use tests::database::{Database, enter};
use tests::desk::Desk;
use tests::http::{event, header, json_of, request};
use tests::plan::Plan;
use tests::platform::Process;
use tests::redis::Keyspace;
use tokio_postgres::Client;
use tokio_postgres::error::SqlState;

/// A port at which nobody listens.
const NOWHERE: &str = "postgres://reader@127.0.0.1:1/none";
/// Far beyond what any wait takes; only a test that fails waits so long.
const LIMIT: Duration = Duration::from_secs(30);

/// A database and a corner of Redis, with one LP that `ada` may see and one that she may not.
struct World {
    database: Database,
    keyspace: Keyspace,
    owner: Client,
    hers: i64,
    anothers: i64,
}

impl World {
    async fn new() -> Self {
        let database = Database::empty().await;
        let owner = database.connect().await;
        let hers = insert_lp(&owner, "Hers").await;
        let anothers = insert_lp(&owner, "Another's").await;
        grant(&owner, "ada", hers).await;
        Self {
            keyspace: Keyspace::default(),
            database,
            owner,
            hers,
            anothers,
        }
    }

    async fn start(&self, function: &str, database_url: &str) -> Process {
        let variables = [
            ("DATABASE_URL", database_url),
            ("DATABASE_MAX_CONNECTIONS", "1"),
            ("REDIS_URL", &self.keyspace.url()),
            ("REDIS_PREFIX", self.keyspace.prefix()),
        ];
        Process::start(function, &variables).await
    }

    /// A function that answers one LP's summary to `ada`.
    async fn start_summary(&self) -> Process {
        self.start("summary", &self.database.reader_url()).await
    }

    fn summary(&self, headers: &[(&'static str, &str)]) -> Value {
        let path = format!("/api/lp/{}/summary", self.hers);
        event(&path, Some("ada"), headers)
    }

    /// That look as it has to be recorded.
    fn look(&self, request_id: &str) -> Value {
        json!({"subject": "ada", "lp_id": self.hers, "fund_id": null, "route": "summary", "outcome": "allowed",
               "request_id": request_id})
    }

    async fn looks(&self) -> Vec<Value> {
        let sql =
            "select to_jsonb(l) - 'access_id' - 'occurred_at' from access_log l order by access_id";
        let rows = self.owner.query(sql, &[]).await.expect("the log");
        rows.iter().map(|row| row.get(0)).collect()
    }

    /// Asks, and returns the answer and what was recorded after it had arrived. Before that, nothing is.
    async fn ask(
        &self,
        function: &mut Process,
        request_id: &str,
        event: &Value,
    ) -> (Value, Vec<Value>) {
        let before = self.looks().await;
        let answer = function.answer(request_id, event).await;
        assert_eq!(self.looks().await, before, "the answer has not arrived yet");
        function.goes_on().await;
        (answer, self.looks().await.split_off(before.len()))
    }
}

/// What the function's log says of looks, each as a row would.
fn logged_looks(function: &Process) -> Vec<Value> {
    let look = |line: &Value| {
        let fields = [
            "subject",
            "lp_id",
            "fund_id",
            "route",
            "outcome",
            "request_id",
        ];
        fields
            .iter()
            .map(|field| ((*field).to_owned(), line[field].clone()))
            .collect()
    };
    function.logged("access_log").iter().map(look).collect()
}

async fn refusal(client: &Client, sql: &str) -> SqlState {
    let error = client.batch_execute(sql).await.expect_err(sql);
    error.code().expect("the server refuses").clone()
}

#[tokio::test]
async fn every_look_is_recorded_once_after_its_answer_and_before_the_next_event() {
    let world = World::new().await;
    let World { hers, anothers, .. } = world;
    let url = world.database.reader_url();
    let mut function = world.start("fund-performance", &url).await;
    for (number, (lp, query, subject, status, recorded)) in [
        (hers.to_string(), "", Some("ada"), 404, Some("not_found")),
        (anothers.to_string(), "", Some("ada"), 404, Some("denied")),
        ("987654".to_owned(), "", Some("ada"), 404, Some("denied")),
        (hers.to_string(), "", None, 401, Some("denied")),
        ("x".to_owned(), "", None, 401, Some("denied")),
        (hers.to_string(), "?x=1", Some("ada"), 400, None),
        ("x".to_owned(), "", Some("ada"), 400, None),
    ]
    .into_iter()
    .enumerate()
    {
        let path = format!("/api/lp/{lp}/fund/7/performance{query}");
        let request_id = format!("request-{number}");
        let event = event(&path, subject, &[]);
        let (answer, looks) = world.ask(&mut function, &request_id, &event).await;
        assert_eq!(answer["statusCode"], status, "{path}");
        let look = |outcome| {
            json!({"subject": subject, "lp_id": lp.parse::<i64>().ok(), "fund_id": 7, "route": "fund-performance",
                   "outcome": outcome, "request_id": request_id})
        };
        assert_eq!(looks, Vec::from_iter(recorded.map(look)), "{path}");
    }
    assert_eq!(logged_looks(&function), [Value::Null; 0]);
}

#[tokio::test]
async fn a_look_into_the_cache_and_at_what_the_client_has_already_is_recorded_like_any_other() {
    let world = World::new().await;
    let mut function = world.start_summary().await;
    let mut etag = String::new();
    for (request_id, status, x_cache) in [
        ("first", 200, "miss"),
        ("second", 200, "hit"),
        ("third", 304, "hit"),
    ] {
        let has_already = [("if-none-match", etag.as_str())];
        let headers = if status == 304 { &has_already[..] } else { &[] };
        let event = world.summary(headers);
        let (answer, looks) = world.ask(&mut function, request_id, &event).await;
        assert_eq!(answer["statusCode"], status);
        assert_eq!(answer["headers"]["x-cache"], x_cache);
        assert_eq!(looks, [world.look(request_id)]);
        answer["headers"]["etag"]
            .as_str()
            .expect("an ETag")
            .clone_into(&mut etag);
    }
}

/// The log's table is locked, so that recording can only wait: the answer does not, the next event does, and not for ever.
#[tokio::test]
async fn what_the_database_does_not_take_in_time_is_in_the_functions_log_and_nowhere_else() {
    let world = World::new().await;
    let mut function = world.start_summary().await;
    let locked = "begin; lock table access_log in access exclusive mode";
    let busy = world.database.connect().await;
    busy.batch_execute(locked).await.expect("it is locked");
    let answer = function.answer("waits", &world.summary(&[])).await;
    assert_eq!(answer["statusCode"], 200);
    function.goes_on().await;
    assert_eq!(logged_looks(&function), [world.look("waits")]);
    busy.batch_execute("commit").await.expect("it is unlocked");
    // What waited for the lock has given up before this gets it.
    let locked = format!("{locked}; commit");
    busy.batch_execute(&locked).await.expect("nobody has it");
    assert_eq!(world.looks().await, [Value::Null; 0]);
    // On a busy machine it was silent for so long that it is left alone for some seconds.
    let mut logged = vec![world.look("waits")];
    let begun = Instant::now();
    loop {
        let request_id = format!("again-{}", logged.len());
        let (_, looks) = world
            .ask(&mut function, &request_id, &world.summary(&[]))
            .await;
        if !looks.is_empty() {
            assert_eq!(looks, [world.look(&request_id)]);
            break;
        }
        logged.push(world.look(&request_id));
        assert!(begun.elapsed() < LIMIT, "nothing is recorded any more");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(logged_looks(&function), logged);
}

#[tokio::test]
async fn what_the_database_refuses_is_in_the_functions_log_and_the_answer_is_as_ever() {
    let world = World::new().await;
    let mut function = world.start_summary().await;
    for (request_id, refused) in [
        ("revoked", "revoke insert on access_log from reader"),
        ("dropped", "drop table access_log cascade"),
    ] {
        world.owner.batch_execute(refused).await.expect("it is run");
        let answer = function.answer(request_id, &world.summary(&[])).await;
        assert_eq!(answer["statusCode"], 200);
        function.goes_on().await;
        assert_eq!(
            logged_looks(&function).last(),
            Some(&world.look(request_id)),
            "{refused}"
        );
    }
}

#[tokio::test]
async fn without_the_database_a_look_into_the_cache_is_in_the_functions_log() {
    let world = World::new().await;
    let mut function = world.start_summary().await;
    let (planted, _) = world
        .ask(&mut function, "planted", &world.summary(&[]))
        .await;
    let mut alone = world.start("summary", NOWHERE).await;
    let answer = alone.answer("cached", &world.summary(&[])).await;
    assert_eq!(answer["body"], planted["body"]);
    alone.goes_on().await;
    assert_eq!(logged_looks(&alone), [world.look("cached")]);
}

#[tokio::test]
async fn readers_add_to_the_log_and_nobody_changes_it_not_even_in_its_partitions() {
    let world = World::new().await;
    let add = "insert into access_log (subject, lp_id, route, outcome, request_id) values ('ada', 1, 'summary', 'allowed', 'r')";
    let reader = world.database.connect_as_reader().await;
    reader.batch_execute(add).await.expect("a reader adds");
    let sql = "select c.oid::regclass::text from pg_class c
        where c.oid = 'access_log'::regclass or c.oid in (select inhrelid from pg_inherits where inhparent = 'access_log'::regclass)";
    let tables = world.owner.query(sql, &[]).await.expect("the catalogue");
    assert_eq!(tables.len(), 5, "the log, this month, and three more");
    for table in &tables {
        let table: &str = table.get(0);
        for sql in [
            format!("update {table} set subject = 'eve'"),
            format!("delete from {table}"),
            format!("truncate {table}"),
        ] {
            let refused = refusal(&world.owner, &sql).await;
            assert_eq!(refused, SqlState::RESTRICT_VIOLATION, "{sql}");
            let refused = refusal(&reader, &sql).await;
            assert_eq!(refused, SqlState::INSUFFICIENT_PRIVILEGE, "{sql}");
        }
    }
    for sql in [
        "insert into access_log (occurred_at, subject, route, outcome, request_id) values (now(), 'ada', 'summary', 'allowed', 'r')",
        "select create_access_log_partitions()",
    ] {
        let refused = refusal(&reader, sql).await;
        assert_eq!(refused, SqlState::INSUFFICIENT_PRIVILEGE, "{sql}");
    }
    let seen = async |lp_id: &str| {
        enter(&reader, lp_id).await;
        let rows = reader.query("select from access_log", &[]).await;
        rows.expect("it is read").len()
    };
    assert_eq!(
        [seen("1").await, seen("2").await, seen("").await],
        [1, 0, 0]
    );
}

#[tokio::test]
async fn upkeep_makes_the_months_that_are_to_come() {
    let desk = Desk::empty().await;
    let months = "select count(*) from pg_inherits where inhparent = 'access_log'::regclass";
    desk.run(
        "do $$
         declare latest text := (select max(inhrelid::regclass::text) from pg_inherits where inhparent = 'access_log'::regclass);
         begin execute 'drop table ' || latest; end $$",
    )
    .await;
    assert_eq!(desk.number(months).await, 3);
    let kept = keep_up(&desk.night.db, None).await.expect("it is kept up");
    assert_eq!(kept.partitions_made, 1);
    assert_eq!(desk.number(months).await, 4);
}

/// The three months before this one, with a look each.
const PAST: &str = "
    do $$
    declare month timestamp;
    begin
        for month in select date_trunc('month', now() at time zone 'UTC') - make_interval(months => n) from generate_series(1, 3) n loop
            execute format('create table %I partition of access_log for values from (%L) to (%L)',
                           'access_log_' || to_char(month, 'YYYY_MM'), month at time zone 'UTC', (month + interval '1 month') at time zone 'UTC');
            execute format('alter table %I enable row level security, force row level security', 'access_log_' || to_char(month, 'YYYY_MM'));
            execute format('alter table %I owner to migrator', 'access_log_' || to_char(month, 'YYYY_MM'));
            execute format('create policy owner_dumps on %I for select to migrator using (true)', 'access_log_' || to_char(month, 'YYYY_MM'));
            insert into access_log (occurred_at, subject, lp_id, route, outcome, request_id)
                values (month at time zone 'UTC' + interval '1 day', 'ada', 1, 'summary', 'allowed', to_char(month, 'YYYY_MM'));
        end loop;
    end $$";

#[tokio::test]
async fn upkeep_takes_old_months_out_of_the_log_and_leaves_them_to_their_owner() {
    let desk = Desk::empty().await;
    desk.run(PAST).await;
    let name = "select 'access_log_' || to_char(date_trunc('month', now() at time zone 'UTC') - interval '3 months', 'YYYY_MM') as name";
    let row = desk.client.query_one(name, &[]).await;
    let oldest: String = row.expect("a name").get(0);
    // A reader in the log keeps it from being changed, and is not kept from reading.
    let reading = desk.database.connect().await;
    let read = "begin; select from access_log";
    reading.batch_execute(read).await.expect("it reads");
    let kept = keep_up(&desk.night.db, Some(2))
        .await
        .expect("it is kept up");
    assert!(kept.is_log_busy && kept.detached.is_empty(), "{kept:?}");
    reading.batch_execute("commit").await.expect("it has read");
    let kept = keep_up(&desk.night.db, Some(2))
        .await
        .expect("it is kept up");
    let expected = Kept {
        detached: vec![oldest.clone()],
        ..Kept::default()
    };
    assert_eq!(kept, expected);
    let left = "select count(*) from access_log";
    assert_eq!(
        desk.number(left).await,
        2,
        "the months within the retention"
    );
    let owner = desk.database.connect_as(Role::Migrator).await;
    let its_own = format!("select subject from {oldest}");
    let rows = owner.query(&its_own, &[]).await.expect("its owner reads");
    assert_eq!(rows.len(), 1, "nothing is lost");
    let reader = desk.database.connect_as_reader().await;
    let refused = refusal(&reader, &its_own).await;
    assert_eq!(refused, SqlState::INSUFFICIENT_PRIVILEGE);
    let again = keep_up(&desk.night.db, None).await.expect("it is kept up");
    assert_eq!(
        again,
        Kept::default(),
        "two years are kept unless asked otherwise"
    );
}

/// Looks of five months, the last of which is yet to come: at every LP ten a month, two at the same time. There are so many LPs that
/// reading a month from end to end is not the quickest.
const MONTHS: &str = "
    insert into limited_partners (name) select 'LP ' || n from generate_series(1, 300) n;
    do $$
    declare month timestamp := date_trunc('month', now() at time zone 'UTC') - interval '3 months';
    begin
        for ahead in 0..2 loop
            execute format('create table %I partition of access_log for values from (%L) to (%L)', 'earlier_' || ahead,
                           (month + make_interval(months => ahead)) at time zone 'UTC',
                           (month + make_interval(months => ahead + 1)) at time zone 'UTC');
        end loop;
    end $$;
    insert into access_log (occurred_at, subject, lp_id, route, outcome, request_id)
        select (date_trunc('month', now() at time zone 'UTC') - make_interval(months => back)) at time zone 'UTC'
                   + make_interval(secs => n / 2), 'ada', lp_id, 'summary', 'allowed', concat_ws(' ', back, n)
        from generate_series(-1, 3) as back, generate_series(1, 10) as n, limited_partners;
    analyze access_log";

/// An LP that `ada` may see and others, all looked at for months.
async fn looked_at() -> (Desk, i64) {
    let desk = Desk::empty().await;
    let hers = insert_lp(&desk.client, "Hers").await;
    grant(&desk.client, "ada", hers).await;
    desk.run(MONTHS).await;
    (desk, hers)
}

#[tokio::test]
async fn an_lp_is_shown_who_looked_newest_first_in_pages_that_stay_as_they_are() {
    let (desk, hers) = looked_at().await;
    let page = async |query: &str| {
        let path = format!("/api/lp/{hers}/access-log?limit=7{query}");
        let response = access_log::handle(&desk.reader, request(&path, Some("ada"), &[])).await;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(header(&response, "x-cache"), "bypass");
        json_of(&response)
    };
    let mut shown = Vec::new();
    let mut next = String::new();
    loop {
        let answer = page(&next).await;
        let items = answer["items"].as_array().expect("items");
        shown.extend(items.iter().map(|item| item["requestId"].clone()));
        match answer["nextCursor"].as_str() {
            Some(cursor) => next = format!("&cursor={cursor}"),
            None => break,
        }
        // Somebody looks meanwhile.
        desk.run(&format!(
            "insert into access_log (subject, lp_id, route, outcome, request_id) values ('bob', {hers}, 'summary', 'denied', 'new')"
        ))
        .await;
    }
    let sql = "select request_id from access_log where lp_id = $1 and request_id <> 'new' and occurred_at <= now()
        order by occurred_at desc, access_id desc";
    let expected = desk.client.query(sql, &[&hers]).await.expect("the log");
    let expected: Vec<&str> = expected.iter().map(|row| row.get(0)).collect();
    assert_eq!(expected.len(), 40);
    assert_eq!(shown, expected);
    let newest = &page("").await["items"][0];
    assert_eq!(
        (&newest["subject"], &newest["outcome"], &newest["route"]),
        (&json!("bob"), &json!("denied"), &json!("summary"))
    );
}

#[tokio::test]
async fn a_page_reads_one_month_after_the_other_and_no_further_than_it_reaches() {
    let (desk, hers) = looked_at().await;
    let reader = desk.database.connect_in_scope(hers).await;
    let sql = include_str!("../../shared/src/reports/access_log.sql");
    let now = "9999-12-31";
    let last_month = "(date_trunc('month', now() at time zone 'UTC') - interval '1 month') at time zone 'UTC' + interval '1 hour'";
    let row = desk
        .client
        .query_one(&format!("select ({last_month})::text"), &[])
        .await;
    let last_month: String = row.expect("a time").get(0);
    for (before, most, months) in [(now, 5, 1), (now, 15, 2), (last_month.as_str(), 5, 1)] {
        let parameters = [
            hers.to_string(),
            before.to_owned(),
            "0".to_owned(),
            most.to_string(),
        ];
        let plan = Plan::of(&reader, sql, &parameters.map(Some)).await;
        let read = plan.count_of_indexes("_lp_id_occurred_at_access_id_idx");
        assert_eq!(read, months, "{before} {most}: {plan:#?}");
        assert_eq!(plan.rows_fetched(), f64::from(most), "{plan:#?}");
    }
}
