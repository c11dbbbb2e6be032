//! Recorders, readers and the night, all at once: whatever a reader is told is the ledger at one moment, none older than what was
//! acknowledged or seen before. What happened is written down and judged afterwards.

mod checker;
mod judge;
mod question;
mod traffic;
mod world;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use chrono::TimeDelta;
use shared::app::Clock;
use shared::config::ClockConfig;
use shared::ledger::OwedForgetting;
use shared::refresh::{Extent, verify};
use tests::desk::Desk;
use tests::oracle::pending::is_pending;
use tests::proxy::Proxy;
use tests::queue::Queues;
use tests::redis::Keyspace;
use tests::reporting::latest_noon;
use tokio::sync::Barrier;

use checker::{Asked, Fault, Span, check};
use judge::Judge;
use question::{Question, questions};
use traffic::{Delivered, Nights, Reply, Site};
use world::{SUBJECTS, World};

/// How many messages are recorded, unless `CONCURRENCY_MESSAGES` says otherwise: thousands take minutes.
const MESSAGES: usize = 240;
const RECORDERS: usize = 3;
/// How much later everything comes from a Redis that is far away.
const FAR: Duration = Duration::from_millis(8);
/// Nobody listens there, so that a reader given it does without its cache.
const NOWHERE: &str = "redis://127.0.0.1:1";
/// How many faults are shown.
const SHOWN: usize = 5;
/// Far beyond what the end of some connections takes.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// Everything that was seen.
struct Seen {
    batches: Vec<Delivered>,
    replies: Vec<(Span, Reply)>,
    nights: Nights,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn whatever_happens_at_once_every_answer_is_of_one_moment_and_none_goes_back() {
    let seed = number("CONCURRENCY_SEED").unwrap_or_else(rand::random);
    println!("CONCURRENCY_SEED={seed}");
    let messages = number("CONCURRENCY_MESSAGES").map_or(MESSAGES, |number| number as usize);
    let (far, far_redis_url) = Proxy::before_url(&Keyspace::default().url()).await;
    far.delay(FAR);
    let site = Arc::new(open(messages, seed, far_redis_url).await);
    let mut seen = run(&site, seed).await;
    nothing_is_unforgotten(&site).await;
    ask_at_the_end(&site, &mut seen).await;
    let judge = Judge::read(&site.desk, &site.plan, site.today).await;
    judge_answers(&site, &judge, seen);
    nothing_is_left(&site).await;
}

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{variable} is no number")),
    )
}

/// Midnight is far for everybody.
async fn open(messages: usize, seed: u64, far_redis_url: String) -> Site {
    let mut desk = Desk::empty().await;
    let (today, offset_seconds) = latest_noon();
    let offset = TimeDelta::seconds(offset_seconds);
    desk.night.clock = Clock::new(ClockConfig { offset });
    let world = World::insert(&desk).await;
    Site {
        plan: world.plan(messages, seed),
        questions: questions(&world, today),
        today,
        clock_offset: offset_seconds.to_string(),
        queues: Queues::create().await,
        world,
        desk,
        far_redis_url,
        start: Instant::now(),
        recorded: AtomicBool::new(false),
    }
}

/// Lets everybody loose until everything is recorded.
async fn run(site: &Arc<Site>, seed: u64) -> Seen {
    let everyone = Arc::new(Barrier::new(RECORDERS));
    let (near, far) = (site.desk.keyspace.url(), site.far_redis_url.clone());
    let recorders: Vec<_> = site
        .shares(RECORDERS, seed)
        .into_iter()
        .zip([&far, &near, &near])
        .map(|(share, url)| {
            let recording = Arc::clone(site).record(share, url.clone(), Arc::clone(&everyone));
            tokio::spawn(recording)
        })
        .collect();
    let redis_urls = [near, far, NOWHERE.to_owned()];
    let readers: Vec<_> = redis_urls
        .iter()
        .map(|url| site.reader(&[("REDIS_URL", url)]))
        .zip(0..)
        .map(|(app, position)| {
            tokio::spawn(Arc::clone(site).read(app, seed.wrapping_add(position)))
        })
        .collect();
    let nights = tokio::spawn(Arc::clone(site).work_nights());
    let mut batches = Vec::new();
    let mut failed = None;
    for recorder in recorders {
        match recorder.await {
            Ok(delivered) => batches.extend(delivered),
            Err(failure) => failed = Some(failure),
        }
    }
    site.recorded.store(true, Ordering::SeqCst);
    assert!(failed.is_none(), "{failed:?}");
    let mut replies = Vec::new();
    for reader in readers {
        replies.extend(reader.await.expect("a reader reads"));
    }
    let nights = nights.await.expect("the night works");
    Seen {
        batches,
        replies,
        nights,
    }
}

/// What Redis did not forget in time would be noted on the queue, which nobody serves here: answers could be old, and rightly so.
async fn nothing_is_unforgotten(site: &Site) {
    let sent = site.queues.take_all(&site.queues.queue_url).await;
    let is_note = |body: &&str| body.contains(OwedForgetting::SCHEMA);
    let note = sent
        .iter()
        .filter_map(|message| message.body())
        .find(is_note);
    assert_eq!(note, None, "a recorder waited for Redis in vain");
}

/// Everything is acknowledged, so nothing is owed, neither in what was loaded nor in what was planted.
async fn ask_at_the_end(site: &Site, seen: &mut Seen) {
    let app = site.reader(&[]);
    for question in 0..site.questions.len() {
        let (span, first) = site.ask(&app, question, SUBJECTS[0]).await;
        let (later, second) = site.ask(&app, question, SUBJECTS[0]).await;
        for reply in [&first, &second] {
            assert!(!is_pending(&reply.answer), "{}", reply.answer);
        }
        seen.replies.extend([(span, first), (later, second)]);
    }
}

fn judge_answers(site: &Site, judge: &Judge, seen: Seen) {
    let Seen {
        batches,
        replies,
        nights,
    } = seen;
    let count = |origin: &str| {
        replies
            .iter()
            .filter(|(_, reply)| reply.origin == origin)
            .count()
    };
    let (hits, misses, bypasses) = (count("hit"), count("miss"), count("bypass"));
    let pending = replies
        .iter()
        .filter(|(_, reply)| is_pending(&reply.answer))
        .count();
    let deliveries: usize = batches.iter().map(|batch| batch.messages.len()).sum();
    println!(
        "{} messages in {deliveries} deliveries of {} batches, {} tasks of the night; {} requests: {hits} hits, {misses} misses, \
         {bypasses} without the cache, {pending} of them with something pending; {:?}",
        site.plan.len(),
        batches.len(),
        nights.tasks,
        replies.len(),
        site.start.elapsed(),
    );
    assert!(hits > 0 && misses > 0 && bypasses > 0);
    assert_eq!(
        nights.drift_rows, 0,
        "rows of the views were not what they should be"
    );
    for batch in &batches {
        let failed = batch.failed.iter().map(|message| &site.plan[*message]);
        let others: Vec<_> = failed
            .filter(|message| message.reverses.is_none())
            .collect();
        assert!(
            others.is_empty(),
            "only what waits for its entry comes again: {others:?}"
        );
    }
    let mut asked: Vec<(i64, Asked<Reply>)> = Vec::new();
    for (span, reply) in replies {
        let lp_id = site.questions[reply.question].lp_id;
        asked.push((
            lp_id,
            Asked {
                span,
                answer: reply,
            },
        ));
    }
    let mut faults = Vec::new();
    for &lp_id in &site.world.lp_ids {
        let (of_lp, others) = asked.into_iter().partition(|(of, _)| *of == lp_id);
        asked = others;
        let of_lp: Vec<Asked<Reply>> = of_lp
            .into_iter()
            .map(|(_, asked): (i64, _)| asked)
            .collect();
        faults.extend(faults_of(site, judge, lp_id, &batches, &of_lp));
    }
    let shown = faults
        .iter()
        .take(SHOWN)
        .cloned()
        .collect::<Vec<_>>()
        .join("\n");
    assert!(
        faults.is_empty(),
        "{} answers cannot have been right:\n{shown}",
        faults.len()
    );
}

/// What was wrong with the answers about an LP.
fn faults_of(
    site: &Site,
    judge: &Judge,
    lp_id: i64,
    batches: &[Delivered],
    requests: &[Asked<Reply>],
) -> Vec<String> {
    let commits = judge.commits(lp_id, &site.plan, batches);
    let question = |reply: &Reply| -> Question { site.questions[reply.question] };
    let differ = |reply: &Reply, state| {
        judge.differences(reply.question, question(reply), state, &reply.answer)
    };
    let faults = check(&commits, requests, |reply, state| {
        differ(reply, state).is_empty()
    });
    println!(
        "LP {lp_id}: {} commits, {} requests",
        commits.len(),
        requests.len()
    );
    let told = |(position, fault): (usize, Fault)| {
        let Asked { span, answer } = &requests[position];
        let due = match fault {
            Fault::Backwards { seen, .. } => seen,
            Fault::Stale { acknowledged, .. } => acknowledged,
            Fault::Ahead { begun, .. } => begun,
            Fault::OfNoState => commits
                .iter()
                .filter(|c| c.acknowledged < span.begin)
                .count(),
        };
        let differences = differ(answer, due);
        format!(
            "{:?} {} {span:?}: {fault:?}; from state {due} it differs in {differences:?}",
            question(answer),
            answer.origin
        )
    };
    faults.into_iter().map(told).collect()
}

/// No deadlock, no dead letter, and everything derived is what a rebuild would make.
async fn nothing_is_left(site: &Site) {
    let letters = site
        .queues
        .take_all(&site.queues.dead_letter_queue_url)
        .await;
    assert!(letters.is_empty(), "{letters:?}");
    let desk = &site.desk;
    let until = Instant::now() + Duration::from_secs(60);
    let verified = verify(&desk.night.db, desk.night.clock, Extent::All, until).await;
    let verified = verified.expect("it verifies").expect("there is something");
    assert_eq!(verified.total_drift_rows, 0, "{verified:?}");
    assert_eq!(
        (verified.owed_lps, verified.owed_funds, verified.left_lps),
        (0, 0, 0)
    );
    // A server process reports what it has counted by its end at the latest.
    for app in [&desk.app, &desk.night, &desk.reader] {
        app.db.drop_idle_connections();
    }
    let others = "select count(*) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()";
    let waiting = Instant::now();
    while desk.number(others).await > 0 {
        assert!(waiting.elapsed() < LONGEST_WAIT, "a connection stays");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let deadlocks = "select deadlocks from pg_stat_database where datname = current_database()";
    assert_eq!(desk.number(deadlocks).await, 0, "deadlocks");
}
