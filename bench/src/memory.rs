//! How much memory a process ever held, as Linux tells it.

use std::sync::Arc;

use local::host::Host;

/// The most that any instance of the function held.
pub fn peak_mib(hosts: &[&Arc<Host>], function: &str) -> f64 {
    let pids = hosts
        .iter()
        .flat_map(|host| host.instances())
        .filter(|instance| instance.function == function)
        .filter_map(|instance| instance.pid);
    pids.filter_map(peak_of).fold(0.0, f64::max)
}

/// `VmHWM` of a process: its resident set at its largest.
fn peak_of(pid: i32) -> Option<f64> {
    const KIB_PER_MIB: f64 = 1024.0;
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kib: f64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib / KIB_PER_MIB)
}
