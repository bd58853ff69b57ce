//! The memory of a machine at rest: every process by its proportional set size, except those that it
//! was asked to run.

use std::collections::BTreeMap;

use super::machines::{Findings, Ground};
use super::{Figure, longest_pause, setup};

/// systemd with the services that together do what we do, then those that do less.
const PEERS: &[(&str, &str)] =
    &[("systemd+docker+etcd", "systemd"), ("s6", "s6"), ("runit", "runit"), ("busybox", "busybox")];

const USERLAND_KB_MAX: u64 = 2048;

/// The figures of `cargo peers footprint`.
///
/// # Errors
/// When a machine does not come up or does not tell its memory.
pub(super) fn measure(ground: &Ground) -> Result<Vec<Figure>, String> {
    let lines = format!("{}say /bin/keelctl metrics\n", setup::REST);
    let idle: Vec<(String, String)> = setup::sleepers()
        .map(|name| (format!("{name}.toml"), "command = \"/peers/gauge sleep\"\n".to_owned()))
        .collect();
    let units: Vec<(&str, String)> =
        idle.iter().map(|(name, text)| (name.as_str(), text.clone())).collect();
    let ours = ground.ours("footprint", &setup::steps(&lines), &units)?;
    println!("{}", ours.text());
    let mut found = Vec::new();
    for (name, peer) in PEERS {
        let told = ground.peer(peer, "footprint")?;
        println!("{name}:\n{}", told.text());
        found.push((*name, told));
    }
    let figure = |name, told: &str, limit| -> Result<Figure, String> {
        Ok(Figure {
            name,
            unit: "kb",
            ours: ours.number(told)?,
            peers: peers(&found, told)?,
            limit,
        })
    };
    Ok(vec![
        figure("userland_pss_kb", "userland", Some(USERLAND_KB_MAX))?,
        figure("pid1_pss_kb", "pid1", None)?,
        binary(ground)?,
        longest_pause(&ours)?,
    ])
}

fn peers(
    found: &[(&'static str, Findings)],
    told: &str,
) -> Result<BTreeMap<&'static str, u64>, String> {
    found.iter().map(|(name, findings)| Ok((*name, findings.number(told)?))).collect()
}

/// The initial root is memory too: what lies in it is there whether it is mapped or not. The peers'
/// programs lie on a disk.
fn binary(ground: &Ground) -> Result<Figure, String> {
    let path = &ground.artefacts.binary;
    let metadata = std::fs::metadata(path).map_err(|why| format!("{}: {why}", path.display()))?;
    let ours = metadata.len() / 1024;
    Ok(Figure { name: "binary_in_root_kb", unit: "kb", ours, peers: BTreeMap::new(), limit: None })
}
