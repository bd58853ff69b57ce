//! PID 1 from its first instruction to its last.

use std::io;
use std::process::ExitCode;
use std::time::Duration;

use mio::Interest;

use crate::node::action::Power;
use crate::node::{Facts, Node};
use crate::sys::boot::{self, Early, Setting};
use crate::sys::run::Shore;
use crate::sys::sources::Source;
use crate::sys::shutdown::{self, Ending};
use crate::sys::{client, clock, kmsg, notify};

/// Brings the machine up, runs it, and brings it down.
pub fn main(_words: &[String]) -> ExitCode {
    let early = boot::early();
    let setting = early.setting;
    let facts = facts(&early);
    let (power, budget) = match run(Node::new(facts)) {
        Ok(end) => end,
        Err(error) => boot::fatal(setting, &format!("the event loop failed: {error}")),
    };
    shutdown::finish(Ending { power, setting, budget, watchdog: None, kmsg: early.kmsg })
}

fn run(node: Node) -> io::Result<(Power, Duration)> {
    let mut shore = Shore::new(node)?;
    open(&mut shore);
    let power = shore.run()?;
    Ok((power, shore.node.ending_budget(clock::since_boot())))
}

/// Opens what the world reaches us by. One that fails is said, and the rest works.
fn open(shore: &mut Shore) {
    let readable = Some(Interest::READABLE);
    let opened = [
        ("notification socket", notify::open(crate::paths::NOTIFY_SOCKET).map(Source::Notify)),
        ("control socket", client::open(crate::paths::CONTROL_SOCKET).map(Source::Control)),
        ("clock watch", clock::open_watch().map(Source::Clock)),
    ];
    for (name, source) in opened {
        if let Err(error) = source.and_then(|source| shore.sources.add(source, readable)) {
            kmsg::complain(&format!("cannot open the {name}: {error}"));
        }
    }
}

fn facts(early: &Early) -> Facts {
    Facts {
        units: units::source::Facts {
            machine_id: early.machine_id.to_string().into(),
            boot_id: early.boot_id.replace('-', "").into(),
            hostname: early.hostname.clone(),
            kernel_release: rustix::system::uname().release().to_string_lossy().into(),
            ..units::source::Facts::default()
        },
        options: early.options.clone(),
        is_machine: early.setting == Setting::Machine,
        boot_unix_us: clock::boot_unix_us(),
        machine: crate::machine::MachineConfig::default(),
    }
}
