//! More than usual, and much of it wrong: a thousand records a second with duplicates, reversals before their entries and poison, while
//! first-time readers ask. Every entry is in the ledger once and to the cent, and every piece of poison among the dead letters
//! once and with its reason.

mod poison;
mod readers;
mod site;
mod stream;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use shared::refresh::{Extent, verify};
use tests::desk::Desk;
use tokio::time::sleep;

use site::Site;
use stream::{Entry, SOURCE, Stream};

/// How long the stream lasts, unless `OVERLOAD_SECONDS` says otherwise.
const SECONDS: u64 = 5;
const RECORDS_A_SECOND: u64 = 1_000;
/// How many of them the real queue carries for each second of the stream, 1,000 in a minute: the local one takes some 30 a second.
const OVER_THE_QUEUE: f64 = 1_000.0 / 60.0;
const TICK: Duration = Duration::from_millis(50);
/// How often a long run says how far it is.
const TOLD_EVERY: Duration = Duration::from_secs(10);
/// How long it may take to work off what the stream has left, for each second that it lasted. Only a failing test waits so long.
const DRAIN_LIMIT: u32 = 40;
/// LPs and funds of which everything derived is computed again at the end.
const VERIFIED: i64 = 10;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_with_poison_in_it_is_recorded_exactly_once_and_the_poison_is_buried_with_reasons()
{
    let seconds =
        std::env::var("OVERLOAD_SECONDS").map_or(SECONDS, |text| text.parse().expect("seconds"));
    let time = Duration::from_secs(seconds);
    let site = Site::open().await;
    let before = entries(&site.desk).await;
    let mut stream = Stream::open(&site.desk.client, rand::random()).await;
    for body in stream.prelude() {
        site.memory.send(body);
    }
    until(&site, &stream, time).await;
    let lp_ids = lp_ids(&site.desk).await;
    let readers = tokio::spawn(readers::read(Arc::clone(&site.host), lp_ids, time));
    let start = Instant::now();
    feed(&site, &mut stream, time).await;
    let backlog = site.memory.len();
    let fed = start.elapsed();
    until(&site, &stream, time).await;
    let drained = start.elapsed() - fed;
    println!(
        "{} messages in {fed:.1?}, of which {backlog} were left then; drained {drained:.1?} later",
        stream.sent
    );
    judge_readers(&readers.await.expect("the readers read"));
    site.stop().await;
    judge_ledger(&site.desk, &stream, before).await;
    judge_letters(&site, &stream).await;
    judge_derived(&site.desk).await;
}

/// Sends what is due every few milliseconds, and the first part of it over the real queue.
async fn feed(site: &Site, stream: &mut Stream, time: Duration) {
    stream.with_late = true;
    let mut over_the_queue = stream.take((time.as_secs_f64() * OVER_THE_QUEUE).ceil() as u64);
    over_the_queue.extend(stream.rest());
    stream.with_late = false;
    let start = Instant::now();
    let slice = site.send(&over_the_queue);
    let rest = async {
        let mut sent = over_the_queue.len() as u64;
        while start.elapsed() < time {
            let due = (start.elapsed().as_secs_f64() * RECORDS_A_SECOND as f64) as u64;
            let bodies = stream.take(due.saturating_sub(sent));
            sent += bodies.len() as u64;
            bodies.into_iter().for_each(|body| site.memory.send(body));
            sleep(TICK).await;
        }
        stream
            .rest()
            .into_iter()
            .for_each(|body| site.memory.send(body));
    };
    tokio::join!(slice, rest);
}

/// Waits until everything is recorded or buried, and acknowledged so far as the queue in memory knows.
async fn until(site: &Site, stream: &Stream, time: Duration) {
    let (start, limit) = (Instant::now(), time * DRAIN_LIMIT);
    let mut told = Instant::now();
    loop {
        let (recorded, buried) = (recorded(&site.desk).await, site.buried().await);
        let is_done = recorded >= stream.entries.len() && buried >= stream.poison.len();
        if is_done && site.memory.is_empty() {
            return;
        }
        assert!(
            start.elapsed() < limit,
            "after {limit:?} {} messages are left; {recorded} of {} are recorded and {buried} of {} buried",
            site.memory.len(),
            stream.entries.len(),
            stream.poison.len()
        );
        if told.elapsed() >= TOLD_EVERY {
            told = Instant::now();
            println!("{recorded} are recorded, {} are left", site.memory.len());
        }
        sleep(TICK).await;
    }
}

fn judge_readers(readers: &readers::Readers) {
    println!(
        "{} first requests meanwhile: median {:.1?}, p99 {:.1?}, longest {:.1?}, {} errors",
        readers.waits.len(),
        readers.percentile(50),
        readers.percentile(99),
        readers.percentile(100),
        readers.errors.len(),
    );
    assert!(readers.errors.is_empty(), "{:?}", readers.errors.first());
    assert_eq!(readers.hits, 0, "somebody found what another had asked");
}

/// Every entry is there once and as it was sent, and there is no other.
async fn judge_ledger(desk: &Desk, stream: &Stream, before: usize) {
    let sql = "select r.event_id, a.commitment_id, a.activity_type, a.amount_cents, a.effective_date
               from received_events r join capital_activities a on a.activity_id = r.activity_id where r.source = $1";
    let rows = desk
        .client
        .query(sql, &[&SOURCE])
        .await
        .expect("the ledger");
    let found: BTreeMap<String, Entry> = rows
        .iter()
        .map(|row| {
            let entry = Entry {
                commitment_id: row.get(1),
                kind: row.get(2),
                amount_cents: row.get(3),
                date: row.get(4),
            };
            (row.get(0), entry)
        })
        .collect();
    let lost = stream
        .entries
        .keys()
        .filter(|id| !found.contains_key(*id))
        .count();
    let wrong = found
        .iter()
        .filter(|(id, entry)| stream.entries.get(*id).is_some_and(|sent| sent != *entry))
        .count();
    let doubled = entries(desk).await - before - found.len();
    println!(
        "sent {}, recorded {}, duplicates {}, before their entry {}, lost {lost}, doubled {doubled}, wrong {wrong}",
        stream.sent,
        found.len(),
        stream.duplicates,
        stream.reordered
    );
    assert_eq!((lost, doubled, wrong), (0, 0, 0));
    assert_eq!(
        found, stream.entries,
        "nothing is recorded that should not be"
    );
}

/// Every piece of poison lies there once, as it was sent, with its reason, and nothing else does.
async fn judge_letters(site: &Site, stream: &Stream) {
    let (letters, mut poison) = (site.letters().await, stream.poison.clone());
    poison.sort();
    let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
    for (_, reason) in &letters {
        *reasons.entry(reason).or_default() += 1;
    }
    println!("buried {} of {}: {reasons:?}", letters.len(), poison.len());
    let missing = poison.iter().find(|letter| !letters.contains(letter));
    let strange = letters.iter().find(|letter| !poison.contains(letter));
    assert_eq!((missing, strange), (None, None));
    assert_eq!(letters.len(), poison.len(), "some are there twice");
}

/// What followed from it all is what a rebuild would make.
async fn judge_derived(desk: &Desk) {
    let until = Instant::now() + Duration::from_secs(60);
    let verified = verify(
        &desk.night.db,
        desk.night.clock,
        Extent::Sample(VERIFIED),
        until,
    )
    .await;
    let verified = verified.expect("it verifies").expect("there are LPs");
    assert_eq!(
        (
            verified.total_drift_rows,
            verified.owed_lps,
            verified.failures
        ),
        (0, 0, 0),
        "{verified:?}"
    );
}

async fn entries(desk: &Desk) -> usize {
    count(desk, "select count(*) from capital_activities").await
}

async fn recorded(desk: &Desk) -> usize {
    count(
        desk,
        "select count(*) from received_events where source = 'overload'",
    )
    .await
}

async fn count(desk: &Desk, sql: &str) -> usize {
    usize::try_from(desk.number(sql).await).expect("a count")
}

async fn lp_ids(desk: &Desk) -> Vec<i64> {
    let rows = desk
        .client
        .query("select lp_id from limited_partners order by lp_id", &[])
        .await;
    rows.expect("the LPs")
        .iter()
        .map(|row| row.get(0))
        .collect()
}
