//! What the tests stand on: mounts of their own, a control group, images made of this program.
#![allow(unsafe_code, reason = "a mount name space for the tests alone")]

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use init::sys::spawn::{Birth, Cradle, Spawned, Stdio, spawn, spawn_as};
use rustix::fs::{Mode, OFlags, open};
use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_change};
use rustix::process::{WaitIdOptions, waitid};
use rustix::thread::{UnshareFlags, unshare_unsafe};
use units::event::Errand;
use units::plan::{Entry, ImageFacts, Plan, PlanFacts, join, plan};
use units::run::{Phase, Run, StageFault, UnitId};
use units::source::{LoadOptions, SourceFile};
use units::spec::Spec;

/// Nothing here takes that long on any machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// The place of a test.
pub(crate) struct Ground {
    group: OwnedFd,
    pub(crate) image: ImageFacts,
    pub(crate) layer: PathBuf,
}

/// What a process said, and how it ended.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) facts: BTreeMap<String, String>,
    pub(crate) text: String,
    pub(crate) fault: Option<StageFault>,
    pub(crate) code: i32,
}

impl Told {
    pub(crate) fn fact(&self, key: &str) -> &str {
        self.facts.get(key).map_or_else(
            || panic!("nothing told about {key}: {:?}\n{}", self.fault, self.text),
            String::as_str,
        )
    }
}

impl Ground {
    /// Mounts of our own, so that nothing of this is seen or left outside.
    pub(crate) fn new() -> Ground {
        // SAFETY: one thread; only mounts are ours from here on.
        unsafe { unshare_unsafe(UnshareFlags::NEWNS) }.unwrap();
        mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC).unwrap();
        mount("tmpfs", "/run", "tmpfs", MountFlags::empty(), c"mode=0755").unwrap();
        for directory in ["/run/keelson/stage", "/run/layer/bin", "/run/group", "/run/state"] {
            fs::create_dir_all(directory).unwrap();
        }
        fs::write("/run/keelson/notify", "").unwrap();
        mount("none", "/run/group", "cgroup2", MountFlags::empty(), None).unwrap();
        let group = format!("/run/group/keelson-test-{}", std::process::id());
        fs::create_dir_all(&group).unwrap();
        let layer = PathBuf::from("/run/layer");
        fs::copy("/proc/self/exe", layer.join("bin/teller")).unwrap();
        fs::create_dir_all(layer.join("etc")).unwrap();
        fs::create_dir_all(layer.join("srv")).unwrap();
        fs::write(
            layer.join("etc/passwd"),
            "root:x:0:0::/root:/bin/sh\nweb:x:33:34::/srv:/bin/sh\n",
        )
        .unwrap();
        fs::write(layer.join("etc/group"), "root:x:0:\nweb:x:34:\nextra:x:77:web\n").unwrap();
        let image = ImageFacts {
            layers: vec!["/run/layer".into()],
            environment: vec![("FROM_IMAGE".into(), "yes".into())],
            entrypoint: vec!["/bin/teller".into()],
            command: vec!["tell".into(), "all".into()],
            ..ImageFacts::default()
        };
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let group = open(&*group, flags, Mode::empty()).unwrap();
        Ground { group, image, layer }
    }

    /// Runs a unit in systemd's format to its end.
    pub(crate) fn run_service(&self, text: &str) -> Told {
        let spec = spec_of("/etc/systemd/system/box.service", text);
        let plan = plan(&spec, RUN, ERRAND, &[], &self.facts()).unwrap();
        let (spawned, output) = self.start(&plan, None);
        finish(spawned, output)
    }

    pub(crate) fn spec(&self, text: &str) -> Spec {
        spec_of("/etc/keelson/units/box.toml", text)
    }

    pub(crate) fn plan(&self, text: &str) -> Plan {
        let spec = self.spec(text);
        plan(&spec, RUN, ERRAND, &[("EXTRA".into(), "1".into())], &self.facts()).unwrap()
    }

    pub(crate) fn guest(&self, text: &str, words: &[&str]) -> Plan {
        let entry = Entry {
            arguments: words.iter().map(|word| (*word).into()).collect(),
            environment: Vec::new(),
            directory: None,
            user: None,
            terminal: false,
        };
        join(&self.spec(text), &entry, &self.facts()).unwrap()
    }

    fn facts(&self) -> PlanFacts<'_> {
        PlanFacts {
            environment: &[],
            image: Some(&self.image),
            state: "/run/state",
            notify_socket: "/run/keelson/notify",
        }
    }

    /// Starts a process; its output comes by the pipe.
    pub(crate) fn start(&self, plan: &Plan, target: Option<&OwnedFd>) -> (Spawned, OwnedFd) {
        let (reader, writer) = rustix::pipe::pipe().unwrap();
        let stdio =
            Stdio { stdin: None, stdout: Some(writer.as_fd()), stderr: Some(writer.as_fd()) };
        let target = target.map(AsFd::as_fd);
        let (mut pid, mut pidfd) = (0, -1);
        let cradle = Cradle { pid: &raw mut pid, pidfd: &raw mut pidfd };
        let spawned = spawn(plan, self.group.as_fd(), stdio, &[], target, cradle).unwrap();
        assert_eq!(pid, spawned.pid.as_raw_nonzero().get());
        assert_eq!(pidfd, spawned.pidfd.as_raw_fd());
        (spawned, reader)
    }

    /// Starts a process whose output is nobody's.
    pub(crate) fn spawn_quiet(&self, birth: Birth, plan: &Plan) -> Spawned {
        let stdio = Stdio { stdin: None, stdout: None, stderr: None };
        let (mut pid, mut pidfd) = (0, -1);
        let cradle = Cradle { pid: &raw mut pid, pidfd: &raw mut pidfd };
        spawn_as(birth, plan, self.group.as_fd(), stdio, &[], None, cradle).unwrap()
    }

    /// Runs unit text to its end, with its devices.
    pub(crate) fn run_with_devices(&self, text: &str) -> Told {
        let plan = self.plan(text);
        let rules = init::sys::devices::rules(&plan).unwrap();
        let group = format!("/run/group/keelson-test-{}", std::process::id());
        let inner = format!("{group}/devices");
        fs::create_dir_all(&inner).unwrap();
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let inner_fd = open(&*inner, flags, Mode::empty()).unwrap();
        init::sys::devices::allow_only(inner_fd.as_fd(), &rules).unwrap();
        let (reader, writer) = rustix::pipe::pipe().unwrap();
        let stdio = Stdio { stdin: None, stdout: Some(writer.as_fd()), stderr: None };
        let (mut pid, mut pidfd) = (0, -1);
        let cradle = Cradle { pid: &raw mut pid, pidfd: &raw mut pidfd };
        let spawned = spawn(&plan, inner_fd.as_fd(), stdio, &[], None, cradle).unwrap();
        drop(writer);
        let told = finish(spawned, reader);
        let until = Instant::now() + PATIENCE;
        while fs::remove_dir(&inner).is_err() && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(5));
        }
        told
    }

    /// Runs unit text to its end.
    pub(crate) fn run(&self, text: &str) -> Told {
        let (spawned, output) = self.start(&self.plan(text), None);
        finish(spawned, output)
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        let path = format!("/run/group/keelson-test-{}", std::process::id());
        let until = Instant::now() + PATIENCE;
        while fs::remove_dir(&path).is_err() && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

fn spec_of(path: &str, text: &str) -> Spec {
    let file = SourceFile::regular(path, text.as_bytes());
    let loaded = units::load(&[file], &LoadOptions::default());
    let said: Vec<String> = loaded.diagnostics.iter().map(ToString::to_string).collect();
    let found = loaded.specs.into_iter().find(|spec| spec.name.as_str() == "box.service");
    found.unwrap_or_else(|| panic!("no unit in:\n{text}\n{said:?}"))
}

const RUN: Run = Run { unit: UnitId(0), number: 1 };
const ERRAND: Errand = Errand { phase: Phase::Start, index: 0 };

/// Reads a process's output to its end, and its end.
pub(crate) fn finish(spawned: Spawned, output: OwnedFd) -> Told {
    let mut text = String::new();
    fs::File::from(output).read_to_string(&mut text).unwrap();
    let status =
        waitid(rustix::process::WaitId::PidFd(spawned.pidfd.as_fd()), WaitIdOptions::EXITED)
            .unwrap()
            .unwrap();
    let mut report = Vec::new();
    rustix::io::ioctl_fionbio(&spawned.report, false).unwrap();
    fs::File::from(spawned.report).read_to_end(&mut report).unwrap();
    let fault = (!report.is_empty()).then(|| init::work::decode(&report).unwrap());
    let pairs = text.lines().filter_map(|line| line.split_once('='));
    let facts = pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
    std::io::stdout().flush().unwrap();
    Told { facts, text, fault, code: status.exit_status().unwrap_or(-1) }
}
