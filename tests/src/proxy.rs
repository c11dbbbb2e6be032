//! A TCP proxy before a server: it drops, delays and swallows what passes, and stops a client at an exact step, which it knows by
//! the bytes that the client sends there. So the code under test needs no hook for it.

mod gate;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use gate::{Gate, Link, Step};
pub use gate::{Held, When};

/// What becomes of what passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Pass,
    Delay(Duration),
    Refuse,
    Blackhole,
}

/// What the connections go by. Those of an earlier epoch than `cut` are dropped, and those of an earlier one than `stranded` are silent
/// for good.
#[derive(Debug, Clone, Copy)]
struct Rules {
    target: SocketAddr,
    mode: Mode,
    epoch: u64,
    cut: u64,
    stranded: u64,
}

type Gates = Arc<Mutex<Vec<Arc<Gate>>>>;

/// A proxy on loopback. Dropping the value ends it and every connection through it.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    rules: watch::Sender<Rules>,
    gates: Gates,
    accepting: JoinHandle<()>,
}

impl Proxy {
    /// Listens on a free port and lets everything pass to the target.
    pub async fn before(target: SocketAddr) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await;
        let listener = listener.expect("a free port");
        let (rules, rules_seen) = watch::channel(Rules {
            target,
            mode: Mode::Pass,
            epoch: 0,
            cut: 0,
            stranded: 0,
        });
        let gates = Gates::default();
        Self {
            address: listener.local_addr().expect("an address"),
            rules,
            accepting: tokio::spawn(accept(listener, rules_seen, Arc::clone(&gates))),
            gates,
        }
    }

    /// As [`Proxy::before`], for the server of a URL such as `redis://127.0.0.1:6379/`, and the URL through the proxy.
    pub async fn before_url(url: &str) -> (Self, String) {
        let target = url[authority(url)].parse().expect("an address and a port");
        let proxy = Self::before(target).await;
        let url = proxy.url(url);
        (proxy, url)
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// A URL of the server, with the proxy in its place.
    #[must_use]
    pub fn url(&self, original: &str) -> String {
        let mut url = original.to_owned();
        url.replace_range(authority(original), &self.address.to_string());
        url
    }

    /// Lets everything pass again, also what was swallowed and not dropped meanwhile.
    pub fn pass(&self) {
        self.change(|rules| rules.mode = Mode::Pass);
    }

    /// Everything arrives so much later, either way.
    pub fn delay(&self, by: Duration) {
        self.change(|rules| rules.mode = Mode::Delay(by));
    }

    /// Drops what is open, and closes at once what is new.
    pub fn refuse(&self) {
        self.change(|rules| {
            rules.mode = Mode::Refuse;
            rules.cut_off();
        });
    }

    /// Accepts, keeps everything open, and forwards nothing either way.
    pub fn blackhole(&self) {
        self.change(|rules| rules.mode = Mode::Blackhole);
    }

    /// Drops what is open. What comes after passes.
    pub fn cut(&self) {
        self.change(Rules::cut_off);
    }

    /// What is open stays so and is silent for good, and neither side is told. What comes after passes.
    pub fn strand(&self) {
        self.change(|rules| {
            rules.epoch += 1;
            rules.stranded = rules.epoch;
        });
    }

    /// From now on connections go to another server.
    pub fn retarget(&self, target: SocketAddr) {
        self.change(|rules| rules.target = target);
    }

    /// Stops the client that sends the pattern for the n-th time from now, counted from 1 over all connections, until what is returned
    /// is dropped: what it sends from there on is held, or the server's answer to it is.
    pub fn hold(&self, pattern: &'static [u8], occurrence: usize, when: When) -> Held {
        let gate = Arc::new(Gate::new(pattern, occurrence, when));
        let mut gates = self.gates.lock().unwrap_or_else(PoisonError::into_inner);
        gates.push(Arc::clone(&gate));
        Held::of(gate)
    }

    fn change(&self, change: impl FnOnce(&mut Rules)) {
        self.rules.send_modify(change);
    }
}

impl Rules {
    fn cut_off(&mut self) {
        self.epoch += 1;
        self.cut = self.epoch;
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Where the address stands in a URL.
fn authority(url: &str) -> std::ops::Range<usize> {
    let rest = url.find("://").expect("a URL") + 3;
    let end = url[rest..]
        .find(['/', '?'])
        .map_or(url.len(), |at| rest + at);
    let start = url[rest..end].rfind('@').map_or(rest, |at| rest + at + 1);
    start..end
}

/// Serves each connection until it ends. They end with this task.
async fn accept(listener: TcpListener, rules: watch::Receiver<Rules>, gates: Gates) {
    let mut connections = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        let now = *rules.borrow();
        if now.mode == Mode::Refuse {
            continue;
        }
        connections.spawn(serve(client, now.epoch, rules.clone(), Arc::clone(&gates)));
        while connections.try_join_next().is_some() {}
    }
}

/// One connection, made in an epoch.
async fn serve(client: TcpStream, epoch: u64, rules: watch::Receiver<Rules>, gates: Gates) {
    let mut ending = rules.clone();
    let cut = ending.wait_for(|rules| rules.cut > epoch);
    tokio::select! {
        _ = cut => {}
        () = connect_and_relay(client, epoch, rules, gates) => {}
    }
}

async fn connect_and_relay(
    client: TcpStream,
    epoch: u64,
    mut rules: watch::Receiver<Rules>,
    gates: Gates,
) {
    until_not_silent(&mut rules, epoch).await;
    let target = rules.borrow().target;
    let Ok(server) = TcpStream::connect(target).await else {
        return;
    };
    for stream in [&client, &server] {
        // Two small writes must not wait for each other's acknowledgement.
        let _ = stream.set_nodelay(true);
    }
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let link = Arc::new(Link::new(gates));
    let flow = |link| Flow {
        epoch,
        rules: rules.clone(),
        link,
    };
    let requests = flow(Arc::clone(&link)).relay(from_client, to_server, true);
    let answers = flow(link).relay(from_server, to_client, false);
    tokio::join!(requests, answers);
}

/// Waits while nothing is forwarded on connections of this epoch.
async fn until_not_silent(rules: &mut watch::Receiver<Rules>, epoch: u64) {
    let passes = |rules: &Rules| rules.mode != Mode::Blackhole && rules.stranded <= epoch;
    let rules_gone = rules.wait_for(passes).await.is_err();
    if rules_gone {
        std::future::pending::<()>().await;
    }
}

/// One direction of a connection.
struct Flow {
    epoch: u64,
    rules: watch::Receiver<Rules>,
    link: Arc<Link>,
}

impl Flow {
    /// Forwards until either side has closed, and closes the other then.
    async fn relay(mut self, mut from: OwnedReadHalf, mut to: OwnedWriteHalf, is_request: bool) {
        let mut chunk = vec![0; 64 * 1024];
        while let Ok(length @ 1..) = from.read(&mut chunk).await {
            let bytes = &chunk[..length];
            let forwarded = if is_request {
                self.forward_request(bytes, &mut to).await
            } else {
                self.link.answer_arrived().await;
                self.forward(bytes, &mut to).await
            };
            if forwarded.is_err() {
                break;
            }
        }
        until_not_silent(&mut self.rules, self.epoch).await;
        let _ = to.shutdown().await;
    }

    /// Forwards up to each step at which the client is to be stopped, and the rest when it may go on.
    async fn forward_request(
        &mut self,
        bytes: &[u8],
        to: &mut OwnedWriteHalf,
    ) -> std::io::Result<()> {
        let mut forwarded = 0;
        for Step { at, gate } in self.link.steps(bytes) {
            self.forward(&bytes[forwarded..at], to).await?;
            forwarded = at;
            self.link.stop_at(gate).await;
        }
        self.forward(&bytes[forwarded..], to).await
    }

    async fn forward(&mut self, bytes: &[u8], to: &mut OwnedWriteHalf) -> std::io::Result<()> {
        let mode = self.rules.borrow().mode;
        if let Mode::Delay(by) = mode {
            tokio::time::sleep(by).await;
        }
        until_not_silent(&mut self.rules, self.epoch).await;
        to.write_all(bytes).await
    }
}
