//! Instances whose clocks differ, by minutes and by a day, on one database and one cache.

use std::time::Instant;

use chrono::{NaiveDate, TimeDelta, Utc};
use local::servers::postgres::Role;
use serde_json::{Value, json};
use shared::app::App;
use shared::config::Environment;
use shared::refresh::{Cause, refresh_views, work_the_night};
use tests::builders::activity_message;
use tests::office::Office;
use tests::redis::PATIENT;
use tests::reporting::today;

use crate::instance::{Instance, ms_since};
use crate::world::{SUBJECT, World, handle};

const DAY_SECONDS: i64 = 24 * 3600;
/// An address at which nobody listens.
pub const NOWHERE: &str = "redis://127.0.0.1:1";
/// How far the instances' clocks are ahead.
const OFFSETS_SECONDS: [i64; 5] = [0, -DAY_SECONDS, DAY_SECONDS, -300, 300];
/// How long a grant lasts at the first try to ask with everybody while it does; on a slow machine that takes longer.
const GRANT_SECONDS: [i64; 4] = [1, 3, 6, 12];

/// An app whose clock is ahead, or behind.
pub fn app(world: &World, role: Role, offset_seconds: i64) -> App {
    let redis_url = world.reporting.desk.keyspace.url();
    app_with(world, role, offset_seconds, &redis_url)
}

/// As before, with a cache of its own or none.
pub fn app_with(world: &World, role: Role, offset_seconds: i64, redis_url: &str) -> App {
    let desk = &world.reporting.desk;
    let environment = Environment::of(&[
        ("DATABASE_URL", &desk.database.url(role)),
        ("REDIS_URL", redis_url),
        ("REDIS_PREFIX", desk.keyspace.prefix()),
        PATIENT,
        ("CLOCK_OFFSET_SECONDS", &offset_seconds.to_string()),
    ]);
    App::from_environment(&environment).expect("the environment is usable")
}

/// What day it is by an app's clock.
pub fn today_of(app: &App) -> NaiveDate {
    app.clock.now().date_naive()
}

/// Readers of every clock, with the cache that all share and without.
struct Readers(Vec<App>);

impl Readers {
    fn of(world: &World) -> Self {
        let warm = |offset| app(world, Role::Reader, offset);
        let cold = |offset| app_with(world, Role::Reader, offset, NOWHERE);
        let warm = OFFSETS_SECONDS.into_iter().map(warm);
        Self(warm.chain(OFFSETS_SECONDS.into_iter().map(cold)).collect())
    }

    /// Each is right for its own day, whatever another has left in the cache.
    async fn are_right(&self, world: &World) {
        for reader in &self.0 {
            world.assert_right_for(reader).await;
        }
    }
}

/// Refreshes the views, as of the day of whoever does it, and returns the day for which they stand then.
pub async fn refresh(night: &App) -> NaiveDate {
    let refreshed = refresh_views(&night.db, night.clock, Cause::Nightly, None).await;
    let refreshed = refreshed.expect("the views are refreshed");
    refreshed.expect("nobody else is at it").as_of
}

/// A call of that day.
pub fn call(commitment_id: i64, amount_cents: i64, date: NaiveDate) -> Value {
    activity_message(
        commitment_id,
        "capital_call",
        amount_cents,
        &date.to_string(),
    )
}

/// Calls dated yesterday and today, and for the LP that has entries dated ahead anyway, tomorrow.
async fn record_around_today(world: &World, amount_cents: i64) -> [Value; 3] {
    let (plain, rich) = (world.plain.commitment_id, world.reporting.commitment_id);
    let today = today();
    let calls = [
        call(plain, amount_cents + 1, today - TimeDelta::days(1)),
        call(plain, amount_cents + 2, today),
        call(rich, amount_cents + 4, today + TimeDelta::days(1)),
    ];
    world.reporting.desk.record(&calls.each_ref()).await;
    world.reporting.settle().await;
    calls
}

/// Whichever order the refreshes come in: a refresh has counted what a later one of a slower clock has not.
#[tokio::test]
async fn each_is_right_for_its_own_day_whoever_refreshes_the_views() {
    const D: i64 = DAY_SECONDS;
    let world = World::settled().await;
    let readers = Readers::of(&world);
    let mut sent = Vec::new();
    for (turn, order) in [[0, -D, D], [-D, 0, D], [0, D, -D]].into_iter().enumerate() {
        // Views that stood for a later day are no more, as after a rebuild.
        world.reporting.desk.run("delete from view_refreshes").await;
        let amount_cents = 1_000 * (i64::try_from(turn).expect("few") + 1);
        sent.extend(record_around_today(&world, amount_cents).await);
        readers.are_right(&world).await;
        for offset_seconds in order {
            refresh(&app(&world, Role::Refresher, offset_seconds)).await;
            let refreshed = Instant::now();
            readers.are_right(&world).await;
            let right = ms_since(refreshed);
            println!(
                "refreshed by a clock {offset_seconds} s ahead: all of ten clocks right {right} later"
            );
        }
    }
    ends_exact(&world, &sent).await;
}

/// What was sent is there once, settled, and right by the clock of the servers.
async fn ends_exact(world: &World, sent: &[Value]) {
    world.assert_recorded_once(sent).await;
    world.assert_settled().await;
    world.assert_no_deadlock().await;
}

/// A clock that was set back, as by a failover to a server whose clock is behind: what the views have counted, they count still.
#[tokio::test]
async fn views_never_go_back_to_an_earlier_day() {
    let world = World::settled().await;
    let sent = record_around_today(&world, 1_000).await;
    let day = refresh(&app(&world, Role::Refresher, 0)).await;
    let totals = "select r from lp_dashboard_summary r order by r.lp_id, r.currency";
    let before = world.reporting.desk.rows(totals).await;
    let slow = app(&world, Role::Refresher, -DAY_SECONDS);
    let queue = world.queues.sender().await;
    let begun = Instant::now();
    let night = work_the_night(&slow.db, &slow.cache, &queue, slow.clock).await;
    let night = night.expect("the night is worked");
    assert_eq!((night.drift_rows, night.refreshed.as_of), (0, day));
    assert_eq!(world.reporting.desk.rows(totals).await, before);
    Readers::of(&world).are_right(&world).await;
    let right = ms_since(begun);
    println!("a night's clock set back by a day: all right {right} after it began");
    ends_exact(&world, &sent).await;
}

#[tokio::test]
async fn each_is_right_whoever_records_and_asks_for_a_refresh() {
    let world = World::settled().await;
    let readers = Readers::of(&world);
    let (plain, rich) = (world.plain.commitment_id, world.reporting.commitment_id);
    let mut sent = Vec::new();
    for (offset_seconds, amount_cents) in OFFSETS_SECONDS.into_iter().zip(1_000..) {
        let offset = offset_seconds.to_string();
        let mut recorder =
            Instance::recorder_with(&world, &[("CLOCK_OFFSET_SECONDS", &offset)]).await;
        for (commitment_id, days) in [(plain, -1), (plain, 0), (rich, 1)] {
            let date = today() + TimeDelta::days(days);
            let call = call(commitment_id, amount_cents, date);
            assert_eq!(recorder.work(&[&call], 1).await, [0_usize; 0]);
            sent.push(call);
        }
        let acknowledged = Instant::now();
        readers.are_right(&world).await;
        let right = ms_since(acknowledged);
        println!(
            "recorded by a clock {offset_seconds} s ahead: all of ten clocks right {right} later"
        );
        let views = json!({"schema": "lp-reporting/views/1"});
        world
            .reporting
            .desk
            .run("update view_refreshes set due_at = now() where started_at is null")
            .await;
        assert_eq!(recorder.work(&[&views], 1).await, [0_usize; 0]);
        readers.are_right(&world).await;
    }
    ends_exact(&world, &sent).await;
}

/// Grants for a while, and asks with everybody: a longer while, until it is not over before all have asked.
async fn everybody_is_granted(world: &World, readers: &Readers, path: &str) {
    for seconds in GRANT_SECONDS {
        let granted =
            format!("update lp_access set valid_to = now() + interval '{seconds} seconds'");
        world.reporting.desk.run(&granted).await;
        let mut statuses = Vec::new();
        for reader in &readers.0 {
            statuses.push(handle(reader, path).await.status());
        }
        let ended = "select count(*) from lp_access where valid_to <= clock_timestamp()";
        if world.number(ended).await == 0 {
            assert_eq!(statuses, [200; 10], "{path}");
            return;
        }
    }
    panic!("nothing that was granted lasted until all had asked");
}

/// A grant is dated by the database and kept by Redis, so no instance's clock makes it last.
#[tokio::test]
async fn a_grant_ends_in_time_for_everybody() {
    let world = World::settled().await;
    let readers = Readers::of(&world);
    let path = format!("/api/lp/{}/summary", world.reporting.lp_id);
    // All connect, and the grant that is kept from now on is another.
    let other = format!("/api/lp/{}/summary", world.plain.lp_id);
    for reader in &readers.0 {
        assert_eq!(handle(reader, &other).await.status(), 200);
    }
    everybody_is_granted(&world, &readers, &path).await;
    world
        .until_zero("select count(*) from lp_access where valid_to > clock_timestamp()")
        .await;
    for reader in &readers.0 {
        assert_eq!(handle(reader, &path).await.status(), 404, "{path}");
    }
}

/// A note of what is still to be forgotten bears the time of the instance that wrote it.
#[tokio::test]
async fn what_an_instance_whose_clock_is_behind_could_not_forget_is_forgotten() {
    let office = Office::open().await;
    let (desk, lp_id) = (&office.desk, office.world.lp_id);
    tests::builders::grant(&desk.client, SUBJECT, lp_id).await;
    let path = format!("/api/lp/{lp_id}/summary");
    let name = async || {
        let response = handle(&desk.reader, &path).await;
        tests::http::json_of(&response)["name"].clone()
    };
    let before = name().await;
    desk.run("update limited_partners set name = 'Renamed'")
        .await;
    assert_eq!(name().await, before, "nobody has forgotten it yet");
    let since = (Utc::now() - TimeDelta::days(1)).to_rfc3339();
    let note: Value =
        json!({"schema": "lp-reporting/forget/1", "owedSince": since, "lpIds": [lp_id]});
    let noted = Instant::now();
    assert_eq!(office.deliver(&[note.to_string()], 1).await, [0_usize; 0]);
    assert_eq!(name().await, "Renamed");
    println!(
        "a note by a clock a day behind: forgotten {} later",
        ms_since(noted)
    );
}
