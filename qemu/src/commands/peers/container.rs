//! A container in a virtual machine: from the order on the command line to the end of the program.

use std::collections::BTreeMap;

use super::machines::Ground;
use super::{Figure, longest_pause, setup};

const PEERS: &[&str] = &["crun", "runc", "systemd-run", "unshare"];

/// The closed default: name spaces, overlay, capabilities, filter, masks, a group with limits.
const BOX: &str = "\
root = \"/peers/box\"
command = \"/bin/true\"
type = \"oneshot\"
enabled = false
";

/// The figures of `cargo peers container` in a machine.
///
/// # Errors
/// When a machine does not come up or does not tell a time.
pub(super) fn measure(ground: &Ground) -> Result<Vec<Figure>, String> {
    let runs = setup::CONTAINERS;
    let lines = format!("times ours {runs} /bin/keelctl start box\nsay /bin/keelctl metrics\n");
    let units = [("box.toml", BOX.to_owned())];
    let found = ground.ours("container", &setup::steps(&lines), &units)?;
    println!("{}", found.text());
    let told = ground.peer("systemd", "container")?;
    println!("{}", told.text());
    let peers: BTreeMap<_, _> =
        PEERS.iter().map(|peer| Ok((*peer, told.number(peer)?))).collect::<Result<_, String>>()?;
    // A third of crun's time.
    let limit = peers.get("crun").map(|time| time / 3);
    let ours = found.number("ours")?;
    let figure = Figure { name: "start_to_exit_vm_us", unit: "us", ours, peers, limit };
    Ok(vec![figure, longest_pause(&found)?])
}
