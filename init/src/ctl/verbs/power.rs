//! The machine as a whole: `reboot`, `poweroff`, `halt`, `kexec`, `reexec`.

use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::ctl::failure::{Code, Failure};
use crate::ctl::human;
use crate::ctl::parse::Parsed;
use crate::ctl::session::{Session, admitted, unexpected};
use crate::ctl::verb::{Completes, Family, Flag, PLAIN, Verb, switch, valued};
use crate::sys::survive::reexec::seal;
use crate::wire::{PowerKind, Request, Response, Version};

/// A PID 1 that replaces itself is back within this time, or something is wrong.
const BACK_WITHIN: Duration = Duration::from_secs(15);

const FORCE: Flag =
    switch("force", Some('f'), "do not stop units in order: kill everything, sync, go");

const DETAILS: &str = "Units are stopped in reverse order, then everything is killed, disks are synced and unmounted. All of it is \
                       bounded in time (shutdown.timeout in machine.toml, 30 s), whatever a unit or a disk does.";

const POWER: Verb = Verb { family: Family::Machine, details: DETAILS, flags: &[FORCE], ..PLAIN };

pub(super) const VERBS: &[Verb] = &[
    Verb {
        name: "reboot",
        summary: "shut the machine down and start it again",
        run: reboot,
        ..POWER
    },
    Verb {
        name: "poweroff",
        summary: "shut the machine down and switch it off",
        run: poweroff,
        ..POWER
    },
    Verb {
        name: "halt",
        summary: "shut the machine down and leave the power on",
        run: halt,
        ..POWER
    },
    Verb {
        name: "kexec",
        summary: "shut down and start a kernel without going through the firmware",
        operands: "[IMAGE]",
        most: 1,
        completes: Completes::Files,
        details: "Loads the image with kexec_file_load(2) and shuts down into it; without an image, into the one that \
                  was loaded before. Units are stopped in reverse order, and disks are unmounted, as for a reboot.",
        flags: &[
            FORCE,
            Flag {
                completes: Completes::Files,
                ..valued("initrd", None, "FILE", "the initial root of the new kernel")
            },
            valued(
                "cmdline",
                None,
                "TEXT",
                "its command line; that of the present one if not given",
            ),
        ],
        examples: &[("keelctl kexec /boot/vmlinuz --initrd /boot/initrd.img", "a quick restart")],
        run: kexec,
        ..POWER
    },
    Verb {
        name: "reexec",
        family: Family::Machine,
        summary: "replace the running keelson without stopping a unit",
        details: "PID 1 executes itself, or the given binary, again and goes on where it was. Units keep running, \
                  their exit statuses and log lines are not lost. Waits until the new one answers.",
        flags: &[Flag {
            completes: Completes::Files,
            ..valued("binary", Some('b'), "FILE", "the new binary; the same again if not given")
        }],
        examples: &[("keelctl reexec --binary ./keelson", "put a new build into service")],
        run: reexec,
        ..PLAIN
    },
];

fn reboot(session: &mut Session, parsed: &Parsed) -> Result<(), Failure> {
    power(session, parsed, PowerKind::Reboot, "going down for a reboot")
}

fn poweroff(session: &mut Session, parsed: &Parsed) -> Result<(), Failure> {
    power(session, parsed, PowerKind::Poweroff, "going down, then off")
}

fn halt(session: &mut Session, parsed: &Parsed) -> Result<(), Failure> {
    power(session, parsed, PowerKind::Halt, "going down, power stays on")
}

fn kexec(session: &mut Session, parsed: &Parsed) -> Result<(), Failure> {
    match parsed.operands.first() {
        Some(image) => load_kernel(image, parsed)?,
        None if is_kernel_loaded() => {}
        None => {
            let text = "no kernel is loaded: name its image, `keelctl kexec IMAGE`";
            return Err(Failure::new(Code::NotApplicable, text.to_owned()));
        }
    }
    power(session, parsed, PowerKind::Kexec, "going down, then into the loaded kernel")
}

/// Whether there is one to start; a kernel that cannot do it has no such file.
fn is_kernel_loaded() -> bool {
    std::fs::read_to_string("/sys/kernel/kexec_loaded").is_ok_and(|text| text.trim() == "1")
}

fn load_kernel(image: &str, parsed: &Parsed) -> Result<(), Failure> {
    let mut command = Command::new("/proc/self/exe");
    command.arg0("keelson").args(["worker", "kexec", image]);
    for option in ["initrd", "cmdline"] {
        if let Some(value) = parsed.value(option) {
            command.args([&format!("--{option}"), value]);
        }
    }
    let broken = |why: &str| Failure::new(Code::Failed, why.trim().to_owned());
    let output = command.output().map_err(|error| broken(&format!("kexec: {error}")))?;
    if output.status.success() {
        return Ok(());
    }
    Err(broken(&String::from_utf8_lossy(&output.stderr)))
}

fn power(
    session: &mut Session,
    parsed: &Parsed,
    kind: PowerKind,
    said: &str,
) -> Result<(), Failure> {
    match session.ask(&Request::Power { kind, force: parsed.has("force") })? {
        Response::Done(_) => session.print(&format!("{said}\n")),
        other => Err(unexpected(&other)),
    }
}

fn reexec(session: &mut Session, parsed: &Parsed) -> Result<(), Failure> {
    let binary =
        match parsed.value("binary") {
            // PID 1 executes only what nobody can change any more.
            Some(path) => Some(seal(path).map_err(|error| {
                Failure::new(Code::Failed, format!("cannot read {path}: {error}"))
            })?),
            None => None,
        };
    let before = version(session)?;
    let begun = Instant::now();
    let descriptors: Vec<_> = binary.iter().map(AsFd::as_fd).collect();
    let id = session.send(&Request::Reexec, &descriptors)?;
    let waited = session.connection()?.wait(id, false).and_then(admitted);
    if let Err(failure) = waited
        && failure.code != Code::NotHere
    {
        return Err(failure);
    }
    let after = wait_for_new(session, &before)?;
    let took = human::exact_span(u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX));
    let count = after.reexecs;
    let text = format!(
        "keelson {} ({}) is in service after {took}; replaced {count} times since boot\n",
        after.keelson, after.build
    );
    session.print(&text)
}

fn version(session: &mut Session) -> Result<Version, Failure> {
    match session.ask(&Request::Version)? {
        Response::Version(version) => Ok(version),
        other => Err(unexpected(&other)),
    }
}

fn wait_for_new(session: &mut Session, before: &Version) -> Result<Version, Failure> {
    let begun = Instant::now();
    while begun.elapsed() < BACK_WITHIN {
        session.hang_up();
        if let Ok(now) = version(session)
            && now.reexecs > before.reexecs
        {
            return Ok(now);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Err(Failure::new(Code::Failed, "the old keelson is still in service")
        .advise("`keelctl logs keelson -n 20` says why it did not replace itself"))
}
