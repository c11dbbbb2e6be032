//! A database server is killed, paused, moved to another port, full, and short of connections.

use std::time::Duration;

use local::servers::postgres::{Postgres, Purpose, Role};
use tests::database::apply_migrations;
use tests::proxy::{Proxy, When};
use tests::redis::Keyspace;
use tests::throwaway::Throwaway;
use tokio::time::sleep;

use crate::crowd::with_few_connections;
use crate::database::SHORT;
use crate::full_disk::{with_a_full_disk, with_a_full_log};
use crate::functions::{AMPLE, Changed, Servers};
use crate::site::{Site, address};

const WHILE: Duration = Duration::from_secs(3);

/// A server of the test's own. Its commits are flushed: a killed one has lost nothing.
pub struct Own {
    pub postgres: Postgres,
    pub throwaway: Throwaway,
}

impl Own {
    async fn start() -> Self {
        let throwaway = Throwaway::create();
        Self {
            postgres: start(&throwaway).await,
            throwaway,
        }
    }
}

async fn start(throwaway: &Throwaway) -> Postgres {
    let (home, processes) = (&throwaway.home, &throwaway.processes);
    let postgres = Postgres::start(home, processes, Purpose::Development).await;
    postgres.expect("Postgres starts")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_becomes_of_the_database_server() {
    let changed = Changed {
        recording: &SHORT,
        ..Changed::default()
    };
    with_a_server(changed, async |site, own| {
        killed(site, &own.postgres).await;
        killed_at_a_commit(site, &own.postgres).await;
        paused(site, &own.postgres).await;
        moved(site, own).await;
    })
    .await;
}

/// It says so at once: nobody has to wait for it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_the_database_server_is_short_of() {
    let changed = Changed {
        reading: &[AMPLE],
        ..Changed::default()
    };
    with_a_server(changed, async |site, own| {
        with_a_full_disk(site, own).await;
        with_few_connections(site).await;
        with_a_full_log(site, own).await;
    })
    .await;
}

/// Runs a test of functions that have the database's server for themselves.
async fn with_a_server(changed: Changed<'_>, test: impl AsyncFnOnce(&Site, &mut Own)) {
    let mut own = Own::start().await;
    let database = local::stack::Database::create(&own.postgres).await;
    let database = database.expect("a database is made");
    apply_migrations(&database.url(Role::Migrator)).await;
    let keyspace = Keyspace::default();
    let servers = Servers {
        database_url: database.url(Role::Administrator),
        redis_url: keyspace.url(),
        redis_prefix: keyspace.prefix().to_owned(),
    };
    let site = Site::open(servers, changed).await;
    test(&site, &mut own).await;
    site.drained().await;
    site.close().await;
}

async fn killed(site: &Site, postgres: &Postgres) {
    let fault = async {
        site.until_right().await;
        postgres.server.kill().await;
        sleep(WHILE / 3).await;
        postgres.server.start().await.expect("it starts again");
    };
    let ((), seen) = site.under_load(fault).await;
    site.recover("Postgres is killed", seen).await;
}

async fn killed_at_a_commit(site: &Site, postgres: &Postgres) {
    for (name, when) in [
        ("Postgres is killed before a commit", When::Before),
        ("Postgres is killed after a commit", When::After),
    ] {
        site.drained().await;
        let held = site.recorder.database.hold(b"COMMIT", 1, when);
        let fault = async {
            held.reached().await;
            postgres.server.kill().await;
            drop(held);
            postgres.server.start().await.expect("it starts again");
        };
        let ((), seen) = site.under_load(fault).await;
        site.recover(name, seen).await;
    }
}

async fn paused(site: &Site, postgres: &Postgres) {
    let fault = async {
        site.until_right().await;
        postgres.server.pause().await;
        // Longer than a reader waits, and one that began before may have been answered from the cache.
        sleep(2 * WHILE).await;
        postgres.server.resume().await;
    };
    let ((), seen) = site.under_load(fault).await;
    assert!(
        seen.unavailable > 0,
        "readers do not wait for ever: {seen:?}"
    );
    site.recover("Postgres is paused", seen).await;
}

/// To another port, while nobody is told: the old connections are silent, and the name leads to the new server.
async fn moved(site: &Site, own: &mut Own) {
    let fault = async {
        site.until_right().await;
        site.database().into_iter().for_each(Proxy::strand);
        own.postgres.server.stop().await;
        own.postgres = start(&own.throwaway).await;
        let port = own.postgres.port;
        for proxy in site.database().into_iter().chain([&site.administrator]) {
            proxy.retarget(address(port));
        }
    };
    let ((), seen) = site.under_load(fault).await;
    site.recover("Postgres has moved", seen).await;
}
