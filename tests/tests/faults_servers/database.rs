//! The way to the database is cut, refused, swallowed or slow: for all, and for a recorder at its commit.

use std::time::Duration;

use local::servers::postgres::Role;
use tests::database::Database;
use tests::proxy::{Proxy, When};
use tests::redis::Keyspace;
use tokio::time::sleep;

use crate::functions::{Changed, Servers};
use crate::site::Site;

/// How long a fault lasts: longer than a reader waits for the database.
const WHILE: Duration = Duration::from_secs(3);

/// Runs a test of functions that reach the servers of all tests, each in a corner of its own.
pub async fn on_shared_servers(recording: &[(&str, &str)], test: impl AsyncFnOnce(&Site)) {
    let (database, keyspace) = (Database::empty().await, Keyspace::default());
    let servers = Servers {
        database_url: database.url(Role::Administrator),
        redis_url: keyspace.url(),
        redis_prefix: keyspace.prefix().to_owned(),
    };
    let changed = Changed {
        recording,
        ..Changed::default()
    };
    let site = Site::open(servers, changed).await;
    test(&site).await;
    site.drained().await;
    site.close().await;
}

/// All ways to the database fail for a while, in the middle of everything.
async fn for_a_while(what: &str, fail: fn(&Proxy)) {
    on_shared_servers(&[], async |site| {
        let fault = async {
            site.until_right().await;
            site.database().into_iter().for_each(fail);
            sleep(WHILE).await;
            site.database().into_iter().for_each(Proxy::pass);
        };
        let ((), seen) = site.under_load(fault).await;
        site.recover(what, seen).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_refuses_connections() {
    for_a_while("Postgres refuses", Proxy::refuse).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_swallows_everything() {
    for_a_while("Postgres is silent", Proxy::blackhole).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_is_half_a_second_away() {
    let delay = |proxy: &Proxy| proxy.delay(Duration::from_millis(250));
    for_a_while("Postgres is half a second away", delay).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_drops_connections_again_and_again() {
    on_shared_servers(&[], async |site| {
        let fault = async {
            for _ in 0..15 {
                site.database().into_iter().for_each(Proxy::cut);
                sleep(WHILE / 15).await;
            }
        };
        let ((), seen) = site.under_load(fault).await;
        assert!(seen.answers > 0, "a connection is replaced: {seen:?}");
        site.recover("connections to Postgres are dropped", seen)
            .await;
    })
    .await;
}

/// What a recorder waits for at most is a multiple of its statement timeout, which is shorter here than in a deployment.
pub const SHORT: [(&str, &str); 1] = [("DATABASE_STATEMENT_TIMEOUT_MS", "1500")];

/// What happens, when, and how.
type Step = (&'static str, When, fn(&Proxy));

/// With connections that are silent for good, the server does not know that it has lost a recorder with its locks, and the
/// recorder does not know that it has lost the server.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_recorder_that_loses_the_database_at_its_commit() {
    on_shared_servers(&SHORT, async |site| {
        site.send().await;
        site.acknowledged().await;
        let steps: [Step; 4] = [
            ("cut off before the commit", When::Before, Proxy::cut),
            ("cut off after the commit", When::After, Proxy::cut),
            ("silence before the commit", When::Before, Proxy::strand),
            ("silence after the commit", When::After, Proxy::strand),
        ];
        for (name, when, lose) in steps {
            // A refresh of the views commits, too.
            site.drained().await;
            let held = site.recorder.database.hold(b"COMMIT", 1, when);
            let fault = async {
                held.reached().await;
                lose(&site.recorder.database);
                sleep(WHILE / 3).await;
            };
            let ((), seen) = site.under_load(fault).await;
            drop(held);
            site.recover(name, seen).await;
        }
    })
    .await;
}
