//! Free loopback ports for servers that must be told theirs.

use std::net::{Ipv4Addr, TcpListener};

use anyhow::{Result, bail};
use rand::Rng;

/// Below the range from which systems pick ports of outgoing connections, so that a port found free here is not taken
/// by a passing connection before its server binds it. A Redis cluster node also needs the port 10,000 above its own.
const RANGE: std::ops::Range<u16> = 11_000..22_000;
const CLUSTER_BUS_OFFSET: u16 = 10_000;
const ATTEMPTS: usize = 200;

/// A port that is free, as is its cluster bus port. Picked at random: several stacks may start at the same moment.
pub fn free_port() -> Result<u16> {
    let mut random = rand::rng();
    for _ in 0..ATTEMPTS {
        let port = random.random_range(RANGE);
        if is_free(port) && is_free(port + CLUSTER_BUS_OFFSET) {
            return Ok(port);
        }
    }
    bail!("no free port between {} and {}", RANGE.start, RANGE.end)
}

fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}
