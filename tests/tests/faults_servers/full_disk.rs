//! A database whose disk is full. The server may write no file beyond a size that one of its tables has reached, which needs
//! neither a small disk nor the right to mount one, and ends the way that a full disk does: some bytes of a page are written.

use std::time::Duration;

use tokio::time::sleep;
use tokio_postgres::Client;

use crate::database_server::Own;
use crate::site::Site;

/// Half a page beyond a segment of the log, so that the log itself goes on.
const LARGEST_FILE_BYTES: i64 = 16 * 1024 * 1024 + 4096;
const WHILE: Duration = Duration::from_secs(3);

/// Claims of other events. The ids ascend, so that the index stays smaller than the table.
const FILL: &str = "
    insert into received_events (source, event_id, payload_hash)
    select 'fill', lpad(($1::bigint * 10000 + i)::text, 140, '0'), sha256(i::text::bytea)
    from generate_series(1, 2000) i";
/// Far more than there is room for.
const MOST_FILLS: i64 = 100;
/// Of such a length that no claim with a source and an id of it fits where a filling one did not.
const LONGEST_NAME: usize = 200;

/// The disk of the tables: what does not fit is refused, and the server goes on.
pub async fn with_a_full_disk(site: &Site, own: &Own) {
    let client = site.connect().await;
    // Else the server may clean up after what was refused, and there is room again.
    let uncleaned = "alter table received_events set (autovacuum_enabled = off)";
    client.batch_execute(uncleaned).await.expect("it is set");
    let fault = async {
        site.until_right().await;
        limit_files(own, &client, &LARGEST_FILE_BYTES.to_string()).await;
        fill(&client).await;
        for _ in 0..3 {
            send_long(site).await;
        }
        sleep(WHILE).await;
        assert_ne!(
            site.watch.acknowledged(),
            site.watch.sent(),
            "there is no room"
        );
        limit_files(own, &client, "unlimited").await;
    };
    let ((), seen) = site.under_load(fault).await;
    assert_eq!(seen.unavailable, 0, "readers go on: {seen:?}");
    site.recover("the database's disk is full", seen).await;
}

/// The disk of the log: the server goes down, and cannot come up again before there is room.
pub async fn with_a_full_log(site: &Site, own: &Own) {
    let client = site.connect().await;
    let fault = async {
        site.until_right().await;
        limit_files(own, &client, "8192").await;
        // One that no earlier message has made room for.
        site.send().await;
        sleep(WHILE).await;
        assert_ne!(
            site.watch.acknowledged(),
            site.watch.sent(),
            "there is no room"
        );
        own.postgres.server.kill().await;
        own.postgres
            .server
            .start()
            .await
            .expect("there is room again");
    };
    let ((), seen) = site.under_load(fault).await;
    site.recover("the disk of the database's log is full", seen)
        .await;
}

/// Fills the table. The recorder's sessions may each know a page of it that has room, and are replaced.
async fn fill(client: &Client) {
    let mut fills = 0..MOST_FILLS;
    let refused = loop {
        let fill = fills.next().expect("there is no room");
        if let Err(error) = client.execute(FILL, &[&fill]).await {
            break error;
        }
    };
    println!("a full disk is told as {:?}", refused.code());
    let sessions =
        "select pg_terminate_backend(pid) from pg_stat_activity where usename = 'recorder'";
    client.batch_execute(sessions).await.expect("they end");
}

/// A call whose claim takes much room.
async fn send_long(site: &Site) {
    site.send_changed(|call| {
        let id = call["eventId"].as_str().expect("an id").to_owned();
        call["eventId"] = format!("{id:-<LONGEST_NAME$}").into();
        call["source"] = "s".repeat(LONGEST_NAME).into();
    })
    .await;
}

/// Limits the server, and with it whatever it starts from then on, and the processes of its connections.
async fn limit_files(own: &Own, client: &Client, bytes: &str) {
    let data = own.throwaway.home.path.join("postgres/postmaster.pid");
    let file = std::fs::read_to_string(data).expect("the server runs");
    limit(own, file.lines().next().expect("its id"), bytes).await;
    let sessions = client
        .query("select pid::text from pg_stat_activity", &[])
        .await;
    for session in sessions.expect("the server's processes") {
        limit(own, session.get(0), bytes).await;
    }
}

/// Limits a process. As its own user: that needs no privilege.
async fn limit(own: &Own, pid: &str, bytes: &str) {
    let mut command = own.throwaway.home.command("prlimit");
    // Only the soft limit, so that it can be lifted again.
    command.args(["--pid", pid, &format!("--fsize={bytes}:")]);
    // A session may have ended by now.
    let _ = command.status().await.expect("prlimit runs");
}
