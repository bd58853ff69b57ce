//! From the kill of a plain program to its next run, measured by the program and its killer.

use std::collections::BTreeMap;

use super::machines::Ground;
use super::{Figure, longest_pause, setup};

const PEERS: &[&str] = &["s6", "runit", "busybox", "systemd"];

/// As systemd's `RestartSec=0`: at once, and after a good second everything is forgotten.
const PLAIN: &str = "\
command = \"/peers/gauge serve\"
restart = { policy = \"always\", delay = 0, reset-after = 1 }
";

/// The figures of `cargo peers restart`.
///
/// # Errors
/// When a machine does not come up or does not tell a time.
pub(super) fn measure(ground: &Ground) -> Result<Vec<Figure>, String> {
    let lines = format!("restarts restart {}\nsay /bin/keelctl metrics\n", setup::RESTARTS);
    let units = [("plain.toml", PLAIN.to_owned())];
    let found = ground.ours("restart", &setup::steps(&lines), &units)?;
    let ours = found.number("restart")?;
    println!("{}", found.text());
    let mut peers = BTreeMap::new();
    for peer in PEERS {
        let found = ground.peer(peer, "restart")?;
        println!("{peer}: {}", found.text().replace('\n', ", "));
        peers.insert(*peer, found.number("restart")?);
    }
    let limit = limit(&peers);
    let figure = Figure { name: "restart_us", unit: "us", ours, peers, limit };
    Ok(vec![figure, longest_pause(&found)?])
}

/// At most the time of s6, and a tenth of systemd's.
fn limit(peers: &BTreeMap<&str, u64>) -> Option<u64> {
    let of_systemd = peers.get("systemd").map(|time| time / 10);
    peers.get("s6").copied().into_iter().chain(of_systemd).min()
}
