//! An LP that is looked at by functions, and what was recorded of that.

use std::time::{Duration, Instant};

use chrono::NaiveDate;
use serde_json::{Value, json};
use tests::builders::{grant, insert_lp};
use tests::database::Database;
use tests::http::event;
use tests::platform::Process;
use tests::redis::{Keyspace, PATIENT};
use tokio_postgres::Client;

/// Far beyond what any wait takes; only a test that fails waits so long.
const LIMIT: Duration = Duration::from_secs(60);

/// A database and a corner of Redis, with one LP that `ada` may see and one that she may not.
pub struct World {
    pub database: Database,
    keyspace: Keyspace,
    pub owner: Client,
    pub hers: i64,
    pub anothers: i64,
}

impl World {
    pub async fn new() -> Self {
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

    pub async fn start(&self, function: &str, database_url: &str) -> Process {
        let variables = [
            ("DATABASE_URL", database_url),
            ("DATABASE_MAX_CONNECTIONS", "1"),
            ("REDIS_URL", &self.keyspace.url()),
            ("REDIS_PREFIX", self.keyspace.prefix()),
            PATIENT,
        ];
        Process::start(function, &variables).await
    }

    /// A function that answers one LP's summary to `ada`.
    pub async fn start_summary(&self) -> Process {
        self.start("summary", &self.database.reader_url()).await
    }

    pub fn summary(&self, headers: &[(&'static str, &str)]) -> Value {
        let path = format!("/api/lp/{}/summary", self.hers);
        event(&path, Some("ada"), headers)
    }

    pub fn summary_of(&self, day: NaiveDate, headers: &[(&'static str, &str)]) -> Value {
        let path = format!("/api/lp/{}/summary?asOf={day}", self.hers);
        event(&path, Some("ada"), headers)
    }

    /// That look as it has to be recorded.
    pub fn look(&self, request_id: &str) -> Value {
        json!({"subject": "ada", "lp_id": self.hers, "fund_id": null, "route": "summary", "outcome": "allowed",
               "request_id": request_id})
    }

    pub async fn looks(&self) -> Vec<Value> {
        let sql =
            "select to_jsonb(l) - 'access_id' - 'occurred_at' from access_log l order by access_id";
        let rows = self.owner.query(sql, &[]).await.expect("the log");
        rows.iter().map(|row| row.get(0)).collect()
    }

    /// Asks, and returns the answer and what was recorded after it had arrived. Before that, nothing is.
    pub async fn ask(
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

    /// Asks until nothing of it is in the function's log: on a busy machine the database may not take a look in time, and then it is
    /// there, once. Returns the id and the answer of the last request, and what was recorded of it.
    pub async fn ask_in_time(
        &self,
        function: &mut Process,
        name: &str,
        mut event: impl FnMut() -> Value,
    ) -> (String, Value, Vec<Value>) {
        let begun = Instant::now();
        for number in 0.. {
            let request_id = format!("{name}-{number}");
            let logged_before = logged_looks(function).len();
            let (answer, looks) = self.ask(function, &request_id, &event()).await;
            let logged = logged_looks(function).split_off(logged_before);
            let [late] = logged.as_slice() else {
                assert!(logged.is_empty(), "{logged:?}");
                return (request_id, answer, looks);
            };
            assert_eq!(late["request_id"], request_id);
            assert!(begun.elapsed() < LIMIT, "nothing is recorded any more");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        unreachable!("numbers do not end")
    }
}

/// What the function's log says of looks, each as a row would.
pub fn logged_looks(function: &Process) -> Vec<Value> {
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
