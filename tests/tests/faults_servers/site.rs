//! A part of the system at work: real functions on their queue, with proxies between them and their servers, and one LP.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use chrono::{Days, NaiveDate, Utc};
use local::host::Host;
use local::queue::SqsQueue;
use local::servers::postgres::Role;
use local::template::Template;
use serde_json::Value;
use tests::builders::{World, activity_message, grant, insert_commitment, insert_fund, insert_lp};
use tests::database::{connect, project};
use tests::oracle::Oracle;
use tests::oracle::compare::differences;
use tests::oracle::read::read_truth;
use tests::proxy::Proxy;
use tests::queue::Queues;
use tests::throwaway::Throwaway;
use tokio::task::JoinSet;
use tokio_postgres::Client;

use crate::functions::{Changed, RECORDER, Servers, Way, pollers, spec};
use crate::watch::{Told, Watch};

/// Who asks. It is granted the LP.
pub const SUBJECT: &str = "faults";
/// What is asked, each by its function.
pub const QUESTIONS: [&str; 2] = ["summary", "performance"];
/// Far beyond what any recovery takes, a message's longest pauses included; only a test that fails waits so long.
pub const LIMIT: Duration = Duration::from_secs(180);
/// How often a wait looks again.
pub const POLL: Duration = Duration::from_millis(10);
/// The most that a sum of the ledger may be: the LP has promised it.
const COMMITMENT_CENTS: i64 = 1_000_000_000_000_000;

/// Marks that a refresh is still to clear. A request whose message was lost together with the connection on which it was made leaves
/// its marks, and answers live, until whoever records a minute later sends it again.
const MARKS_TO_GO: &str = "
    select count(*) from touched_commitments
    where not exists (
        select from view_refreshes r
        where r.started_at is null and r.due_at < clock_timestamp() - interval '10 seconds')";

/// It has to be closed, since the end of its processes has to be waited for.
pub struct Site {
    /// The way of the functions that answer.
    pub readers: Way,
    /// The way of the function that records.
    pub recorder: Way,
    /// The test's own way to the database, which moves with it.
    pub administrator: Proxy,
    administrator_url: String,
    pub watch: Arc<Watch>,
    pub world: World,
    host: Arc<Host>,
    /// How many days were asked about that nobody had asked about before.
    days: AtomicU64,
    queue: SqsQueue,
    _pollers: JoinSet<()>,
    queues: Queues,
    throwaway: Throwaway,
}

impl Site {
    /// Starts the functions, some of their variables changed.
    pub async fn open(servers: Servers, changed: Changed<'_>) -> Self {
        let world = insert_world(&connect(&servers.database_url).await).await;
        let (readers, recorder) = (Way::to(&servers).await, Way::to(&servers).await);
        let (administrator, administrator_url) = Proxy::before_url(&servers.database_url).await;
        let queues = Queues::create().await;
        let throwaway = Throwaway::create();
        let template = Template::read(&project().join("infra/template.yaml"));
        let template = template.expect("the template is understood");
        let reading = QUESTIONS.map(|function| {
            let variables = readers.variables(&servers, Role::Reader, &queues);
            spec(&template, function, variables, changed.reading)
        });
        let mut variables = recorder.variables(&servers, Role::Recorder, &queues);
        // On a busy machine a refresh takes long, and the next would be put off for a multiple of that.
        variables.push(("REFRESH_DATABASE_SHARE_PERCENT", "100".to_owned()));
        let recording = spec(&template, RECORDER, variables, changed.recording);
        let specs = reading.into_iter().chain([recording]).collect();
        let host = Host::start(specs, &throwaway.processes).await;
        let host = host.expect("the functions start");
        let queue = queues.polled().await;
        let watch = Arc::new(Watch::over(Arc::clone(&host)));
        Self {
            _pollers: pollers(&template, &queue, &watch),
            readers,
            recorder,
            administrator,
            administrator_url,
            watch,
            world,
            host,
            days: AtomicU64::new(0),
            queue,
            queues,
            throwaway,
        }
    }

    /// All proxies before the database.
    pub fn database(&self) -> [&Proxy; 2] {
        [&self.readers.database, &self.recorder.database]
    }

    /// All proxies before Redis.
    pub fn redis(&self) -> [&Proxy; 2] {
        [&self.readers.redis, &self.recorder.redis]
    }

    /// Ends the functions.
    pub async fn close(self) {
        self.host.stop().await;
    }

    /// What an instance of a function has logged.
    pub fn log(&self, function: &str, instance: usize) -> String {
        let log = self
            .throwaway
            .processes
            .log(&format!("{function}-{instance}"));
        std::fs::read_to_string(log).expect("the log is there")
    }

    /// Puts another call on the queue.
    pub async fn send(&self) {
        self.send_changed(|_| {}).await;
    }

    /// As [`Site::send`], with something of the message changed.
    pub async fn send_changed(&self, change: impl FnOnce(&mut Value)) {
        let amount_cents = self.watch.next_amount();
        let commitment_id = self.world.commitment_id;
        let mut call = activity_message(commitment_id, "capital_call", amount_cents, "2021-03-01");
        change(&mut call);
        self.queues.send(&call).await;
    }

    /// The path by which a function is asked.
    pub fn path(&self, function: &str) -> String {
        format!("/api/lp/{}/{function}", self.world.lp_id)
    }

    /// Asks a function as the gateway would.
    pub async fn ask(&self, function: &'static str) -> Told {
        self.watch.ask(function, &self.path(function)).await
    }

    /// Asks something that is in no cache.
    pub async fn ask_anew(&self) -> Told {
        let days = self.days.fetch_add(1, Ordering::SeqCst);
        let day = NaiveDate::from_ymd_opt(2022, 1, 1).expect("a date") + Days::new(days);
        let path = format!("{}?asOf={day}", self.path("summary"));
        self.watch.ask("summary", &path).await
    }

    /// The database's URL for a role that no fault hits.
    pub fn url(&self, role: Role) -> String {
        self.administrator_url
            .replacen(Role::Administrator.name(), role.name(), 1)
    }

    /// A connection of the administrator.
    pub async fn connect(&self) -> Client {
        connect(&self.url(Role::Administrator)).await
    }

    /// Waits until everything that was sent so far is acknowledged.
    pub async fn acknowledged(&self) {
        let sent = self.watch.sent();
        let begun = Instant::now();
        while sent & !self.watch.acknowledged() != 0 {
            let left = (sent & !self.watch.acknowledged()).count_ones();
            assert!(
                begun.elapsed() < LIMIT,
                "{left} messages are not acknowledged"
            );
            tokio::time::sleep(POLL).await;
        }
    }

    /// Waits until a recorder's other messages are done as well, and no mark is left: notes of what is to be forgotten, and
    /// requests to refresh the views.
    pub async fn drained(&self) {
        let client = self.connect().await;
        let begun = Instant::now();
        loop {
            let depth = self.queue.depth().await.expect("the queue answers");
            let marks = number(&client, MARKS_TO_GO).await;
            if depth.all == 0 && marks == 0 {
                return;
            }
            assert!(begun.elapsed() < LIMIT, "{depth:?}, and {marks} marks");
            tokio::time::sleep(10 * POLL).await;
        }
    }

    /// Everything was recorded once and nothing is owed or buried; answers are the oracle's, by the database and by the cache.
    pub async fn assert_exact(&self, when: &str) {
        let client = self.connect().await;
        let entries = "select count(*) from capital_activities";
        let sum = "select coalesce(sum(amount_cents), 0)::bigint from capital_activities";
        let sent = self.watch.sent();
        assert_eq!(
            number(&client, entries).await,
            i64::from(sent.count_ones()),
            "{when}"
        );
        assert_eq!(number(&client, sum).await.unsigned_abs(), sent, "{when}");
        let owed = "select count(*) from pending_performance";
        assert_eq!(
            number(&client, owed).await,
            0,
            "{when}: performance is owed"
        );
        let letters = self
            .queues
            .take_all(&self.queues.dead_letter_queue_url)
            .await;
        assert!(letters.is_empty(), "{when}: {letters:?}");
        let today = Utc::now().date_naive();
        let oracle = Oracle::new(read_truth(&client).await.expect("the truth"), today);
        let lp_id = self.world.lp_id;
        for (function, expected) in [
            ("summary", oracle.summary(lp_id, today)),
            ("performance", oracle.performance(lp_id, today)),
        ] {
            let expected = expected.expect("the oracle knows the LP");
            for _ in 0..2 {
                let told = self.ask(function).await;
                assert_eq!(told.status, 200, "{when}, {function}: {told:?}");
                let differences = differences(&expected, &told.body);
                assert!(
                    differences.is_empty(),
                    "{when}, {function}: {differences:#?}"
                );
            }
        }
    }
}

/// The address of a server that has moved.
pub fn address(port: u16) -> SocketAddr {
    ([127, 0, 0, 1], port).into()
}

/// A number by its query.
pub async fn number(client: &Client, sql: &str) -> i64 {
    client.query_one(sql, &[]).await.expect("a number").get(0)
}

async fn insert_world(client: &Client) -> World {
    let lp_id = insert_lp(client, "Harbour Pension Fund").await;
    let fund_id = insert_fund(client, "Alder Growth I", "USD").await;
    let commitment = insert_commitment(client, lp_id, fund_id, COMMITMENT_CENTS, "2020-01-01");
    let commitment_id = commitment.await;
    grant(client, SUBJECT, lp_id).await;
    World {
        lp_id,
        fund_id,
        commitment_id,
    }
}
