//! From the exec of an init to the first unit's own program.

use std::collections::BTreeMap;

use super::Figure;
use super::machines::{BARE, Ground};

/// How many boots a figure is the median of: the machines take turns.
const ROUNDS: usize = 5;

/// With everything that is closed by default, and on the state disk, as an image would be.
const PLAIN: &str = "\
root = \"/state/peers/box\"
command = \"/bin/gauge hello\"
stdout = \"journal+console\"
";

/// busybox twice: once doing what must be done to find a program on a disk, once with the program in
/// the initial root and nothing to do.
const BUSYBOXES: &[&str] = &["busybox", BARE];

/// The figures of `cargo peers boot`.
///
/// # Errors
/// When a machine does not come up or does not tell a time.
pub(super) fn measure(ground: &Ground) -> Result<Vec<Figure>, String> {
    let disk = ground.boot_disk(PLAIN)?;
    let mut times: BTreeMap<&'static str, Vec<u64>> = BTreeMap::new();
    for round in 1..=ROUNDS {
        let mut told = vec![("ours", ground.boot(&disk, "ours", "/init")?)];
        for name in BUSYBOXES {
            told.push((name, ground.boot(&disk, name, "/peers/init")?));
        }
        for name in ["systemd", "s6", "runit"] {
            told.push((name, ground.boot_peer(name)?));
        }
        for (name, findings) in told {
            let time = findings.number("hello")?.saturating_sub(findings.number("init")?);
            println!("round {round}: {name} {time} us");
            times.entry(name).or_default().push(time);
        }
    }
    let mut peers: BTreeMap<_, _> =
        times.into_iter().map(|(name, times)| (name, median(times))).collect();
    let ours = peers.remove("ours").unwrap_or_default();
    let limit = peers.get("busybox").map(|time| time * 3 / 2);
    let name = "init_to_first_container_us";
    Ok(vec![Figure { name, unit: "us", ours, peers, limit }])
}

fn median(mut times: Vec<u64>) -> u64 {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}
