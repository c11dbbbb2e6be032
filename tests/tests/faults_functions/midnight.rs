//! Midnight comes while everybody asks and the views are refreshed again and again.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use chrono::{DateTime, NaiveDate, NaiveTime, TimeDelta, Utc};
use futures_util::future::join_all;
use local::servers::postgres::Role;
use serde_json::Value;
use shared::app::App;
use shared::refresh::work_the_night;
use tests::http::{header, json_of};
use tests::oracle::compare::differences;
use tests::reporting::today;
use tokio::time::sleep;

use crate::clocks::{NOWHERE, app, app_with, call, refresh, today_of};
use crate::world::{World, handle};

/// Midnight is so far ahead at least when asking begins.
const AHEAD: TimeDelta = TimeDelta::seconds(2);
/// So many times everything is asked for after midnight.
const ROUNDS_AFTER: usize = 5;
/// Between two rounds, and between two refreshes, so that other tests have the machine as well.
const PAUSE: Duration = Duration::from_millis(20);
/// Far beyond what asking takes; only a test that fails asks so long.
const LIMIT: Duration = Duration::from_secs(300);

/// What must be answered to a question on the day before midnight and on the day after it.
struct Answers {
    paths: Vec<String>,
    of_days: HashMap<(String, NaiveDate), Value>,
}

/// What somebody was told: how many answers, and how many of them from the cache, before midnight and after it; and how long after
/// midnight the first one came.
#[derive(Debug, Default)]
struct Told {
    answers: [usize; 2],
    hits: [usize; 2],
    first_after: Option<TimeDelta>,
}

impl Answers {
    /// Each LP's totals differ from day to day, so that a wrong day shows.
    async fn of(world: &World, days: [NaiveDate; 2]) -> Self {
        let mut answers = Self {
            paths: Vec::new(),
            of_days: HashMap::new(),
        };
        for day in days {
            let oracle = world.oracle(day).await;
            for question in world.questions(&oracle) {
                let answer = question.answer.expect("the LP is there");
                if day == days[0] {
                    answers.paths.push(question.path.clone());
                }
                answers.of_days.insert((question.path, day), answer);
            }
        }
        for lp_id in [world.reporting.lp_id.get(), world.plain.lp_id] {
            let path = format!("/api/lp/{lp_id}/summary");
            let [before, after] = days.map(|day| &answers.of_days[&(path.clone(), day)]["totals"]);
            assert_ne!(before, after, "{path}");
        }
        answers
    }

    /// Asks everything once. Each answer is right for the day that it names, and it was that day for whoever answered.
    async fn ask_all(&self, reader: &App, midnight: DateTime<Utc>, told: &mut Told) {
        for path in &self.paths {
            let begun = today_of(reader);
            let response = handle(reader, path).await;
            let ended = reader.clock.now();
            let (body, cache) = (json_of(&response), header(&response, "x-cache"));
            assert_eq!(response.status(), 200, "{path}: {body}");
            let day = body["asOf"].as_str().and_then(|day| day.parse().ok());
            let day: NaiveDate = day.expect("a date");
            assert!(
                (begun..=ended.date_naive()).contains(&day),
                "{path} ({cache}), asked on {begun}, answered at {ended}: {body}"
            );
            let found = differences(&self.of_days[&(path.clone(), day)], &body);
            assert_eq!(found, Vec::<String>::new(), "{path} ({cache}): {body}");
            let after = usize::from(day == midnight.date_naive());
            told.answers[after] += 1;
            told.hits[after] += usize::from(cache == "hit");
            if after == 1 {
                told.first_after.get_or_insert(ended - midnight);
            }
        }
    }

    /// Asks until everything has been asked for several times after midnight.
    async fn ask_across(&self, reader: &App, midnight: DateTime<Utc>) -> Told {
        let (mut told, mut rounds_after) = (Told::default(), 0);
        let begun = Instant::now();
        while rounds_after < ROUNDS_AFTER {
            assert!(begun.elapsed() < LIMIT, "midnight does not pass");
            rounds_after += usize::from(reader.clock.now() >= midnight);
            self.ask_all(reader, midnight, &mut told).await;
            sleep(PAUSE).await;
        }
        told
    }
}

/// Calls dated on both days, for the LP whose answers come from views and for the other.
async fn record_around_midnight(world: &World, [before, after]: [NaiveDate; 2]) -> Vec<Value> {
    let commitment_ids = [world.plain.commitment_id, world.reporting.commitment_id];
    let calls: Vec<Value> = commitment_ids
        .into_iter()
        .flat_map(|id| [call(id, 1_000, before), call(id, 2_000, after)])
        .collect();
    world
        .reporting
        .desk
        .record(&calls.iter().collect::<Vec<_>>())
        .await;
    world.reporting.settle().await;
    calls
}

/// How far the clocks have to be ahead for midnight to come only after everything has been asked for a few times, however slow the
/// machine is.
async fn offset_seconds(world: &World, answers: &Answers, midnight: DateTime<Utc>) -> i64 {
    let cold = app_with(world, Role::Reader, 0, NOWHERE);
    let begun = Utc::now();
    answers.ask_all(&cold, midnight, &mut Told::default()).await;
    let asked = Utc::now();
    let ahead = AHEAD + (asked - begun) * 12;
    (midnight - ahead - asked).num_seconds()
}

async fn refresh_until(over: &AtomicBool, night: &App) {
    while !over.load(Ordering::SeqCst) {
        refresh(night).await;
        sleep(PAUSE).await;
    }
}

/// The clock of one of those who ask, with the cache that all share, is a second behind.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_answer_is_for_its_day_while_midnight_passes() {
    let world = World::settled().await;
    let today = today();
    let days = [today, today + TimeDelta::days(1)];
    let sent = record_around_midnight(&world, days).await;
    refresh(&app(&world, Role::Refresher, 0)).await;
    let midnight = days[1].and_time(NaiveTime::MIN).and_utc();
    let answers = Answers::of(&world, days).await;
    let offset = offset_seconds(&world, &answers, midnight).await;
    let night = app(&world, Role::Refresher, offset);
    let readers = [offset, offset, offset - 1].map(|offset| app(&world, Role::Reader, offset));
    let over = AtomicBool::new(false);
    let asking = async {
        let asking = readers
            .each_ref()
            .map(|reader| answers.ask_across(reader, midnight));
        let told = join_all(asking).await;
        over.store(true, Ordering::SeqCst);
        told
    };
    let (told, ()) = tokio::join!(asking, refresh_until(&over, &night));
    for told in told {
        assert!(told.hits.iter().all(|hits| *hits > 0), "{told:?}");
        let first_ms = told.first_after.expect("an answer").num_milliseconds();
        println!(
            "midnight: {:?} answers before and after it, {:?} of them from the cache, the first of the new day {first_ms} ms after it",
            told.answers, told.hits
        );
    }
    settles_for_the_new_day(&world, &night, days[1]).await;
    for reader in &readers {
        world.assert_settled_for(reader).await;
    }
    world.assert_recorded_once(&sent).await;
    world.assert_no_deadlock().await;
}

/// The views are what their definitions make of the new day, and stand in for the LP's answers again.
async fn settles_for_the_new_day(world: &World, night: &App, day: NaiveDate) {
    refresh(night).await;
    let queue = world.queues.sender().await;
    let worked = work_the_night(&night.db, &night.cache, &queue, night.clock).await;
    let worked = worked.expect("the night is worked");
    assert_eq!((worked.drift_rows, worked.refreshed.as_of), (0, day));
    let marks = format!("select count(*) from touched_commitments where latest_date <= '{day}'");
    assert_eq!(world.number(&marks).await, 0);
}
