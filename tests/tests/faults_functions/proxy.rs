//! The proxy before a server that sends back what it gets.

use std::net::SocketAddr;
use std::time::Duration;

use tests::proxy::{Proxy, When};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, timeout};

/// Far beyond what loopback takes; only a test that fails waits so long for what must arrive.
const LIMIT: Duration = Duration::from_secs(30);
/// How long it is waited for what must not arrive.
const MOMENT: Duration = Duration::from_millis(100);

/// A server that puts a mark before what it sends back.
async fn echo(mark: u8) -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await;
    let listener = listener.expect("a free port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut chunk = [0; 1024];
                while let Ok(length @ 1..) = stream.read(&mut chunk).await {
                    let mut answer = vec![mark];
                    answer.extend_from_slice(&chunk[..length]);
                    let _ = stream.write_all(&answer).await;
                }
            });
        }
    });
    address
}

async fn connect(proxy: &Proxy) -> TcpStream {
    let stream = TcpStream::connect(proxy.address()).await;
    stream.expect("it accepts")
}

async fn send(stream: &mut TcpStream, text: &str) {
    let sent = stream.write_all(text.as_bytes()).await;
    sent.expect("it is sent");
}

/// What comes back; empty when the connection ends.
async fn hear(stream: &mut TcpStream) -> String {
    let mut chunk = [0; 1024];
    let length = timeout(LIMIT, stream.read(&mut chunk)).await;
    let length = length.expect("something comes back");
    let heard = &chunk[..length.unwrap_or(0)];
    String::from_utf8_lossy(heard).into_owned()
}

/// Nothing comes back, not even the connection's end.
async fn assert_silent(stream: &mut TcpStream) {
    let heard = timeout(MOMENT, stream.read_u8()).await;
    assert!(heard.is_err(), "{heard:?}");
}

async fn asks(stream: &mut TcpStream, text: &str) -> String {
    send(stream, text).await;
    hear(stream).await
}

async fn asks_in_vain(stream: &mut TcpStream, text: &str) {
    send(stream, text).await;
    assert_silent(stream).await;
}

#[tokio::test]
async fn what_is_open_is_cut_off_or_silent_and_what_is_new_passes() {
    let proxy = Proxy::before(echo(b'a').await).await;
    let mut first = connect(&proxy).await;
    assert_eq!(asks(&mut first, "1").await, "a1");
    proxy.cut();
    assert_eq!(hear(&mut first).await, "");
    let mut second = connect(&proxy).await;
    assert_eq!(asks(&mut second, "2").await, "a2");
    proxy.strand();
    asks_in_vain(&mut second, "3").await;
    let mut third = connect(&proxy).await;
    assert_eq!(asks(&mut third, "4").await, "a4");
    proxy.pass();
    // For good.
    assert_silent(&mut second).await;
}

#[tokio::test]
async fn what_is_refused_ends_and_what_is_swallowed_arrives_in_the_end() {
    let proxy = Proxy::before(echo(b'a').await).await;
    proxy.refuse();
    assert_eq!(hear(&mut connect(&proxy).await).await, "");
    proxy.blackhole();
    let mut stream = connect(&proxy).await;
    asks_in_vain(&mut stream, "1").await;
    proxy.pass();
    assert_eq!(hear(&mut stream).await, "a1");
    proxy.delay(MOMENT);
    let begun = Instant::now();
    send(&mut stream, "2").await;
    assert_eq!(stream.read_u8().await.expect("an answer"), b'a');
    assert!(begun.elapsed() >= 2 * MOMENT);
}

#[tokio::test]
async fn a_url_leads_through_it_and_it_leads_elsewhere() {
    let proxy = Proxy::before(echo(b'a').await).await;
    let address = proxy.address();
    for (before, after) in [
        ("redis://127.0.0.1:1/", format!("redis://{address}/")),
        (
            "postgres://reader@127.0.0.1:5432/db?sslmode=disable",
            format!("postgres://reader@{address}/db?sslmode=disable"),
        ),
        ("http://127.0.0.1:9324", format!("http://{address}")),
    ] {
        assert_eq!(proxy.url(before), after);
    }
    proxy.retarget(echo(b'b').await);
    let mut stream = connect(&proxy).await;
    assert_eq!(asks(&mut stream, "1").await, "b1");
}

#[tokio::test]
async fn a_client_is_held_before_the_server_has_its_step() {
    let proxy = Proxy::before(echo(b'a').await).await;
    let mut stream = connect(&proxy).await;
    let held = proxy.hold(b"STOP", 2, When::Before);
    assert_eq!(asks(&mut stream, "STOP").await, "aSTOP");
    // The pattern comes in two parts, with something before it and after it.
    assert_eq!(asks(&mut stream, "xST").await, "axST");
    asks_in_vain(&mut stream, "OPy").await;
    held.reached().await;
    assert_eq!(asks(&mut connect(&proxy).await, "other").await, "aother");
    held.release();
    assert_eq!(hear(&mut stream).await, "aOPy");
    assert_eq!(asks(&mut stream, "STOP").await, "aSTOP");
}

#[tokio::test]
async fn a_client_is_held_after_the_server_has_answered_and_may_be_cut_off_there() {
    let proxy = Proxy::before(echo(b'a').await).await;
    let mut stream = connect(&proxy).await;
    let held = proxy.hold(b"STOP", 1, When::After);
    assert!(!held.is_reached());
    asks_in_vain(&mut stream, "STOP").await;
    held.reached().await;
    held.release();
    assert_eq!(hear(&mut stream).await, "aSTOP");
    let held = proxy.hold(b"STOP", 1, When::After);
    asks_in_vain(&mut stream, "STOP").await;
    held.reached().await;
    proxy.cut();
    assert_eq!(hear(&mut stream).await, "");
    assert!(held.is_reached());
}
