//! How long a container takes, from the order to the reaped process, beside others.

use std::fs;
use std::os::fd::AsFd;
use std::process::{Command, ExitCode, Stdio as ProcessStdio};
use std::time::{Duration, Instant};

use init::sys::spawn::Birth;
use rustix::mount::UnmountFlags;
use rustix::process::{WaitId, WaitIdOptions, waitid};
use units::plan::Plan;

use crate::ground::Ground;

/// Runs per figure: `container floor [RUNS] [PROGRAM]`; the program is copied into the image.
pub(crate) fn measure(words: &[String]) -> ExitCode {
    let runs = words.first().and_then(|word| word.parse().ok()).unwrap_or(200);
    let ground = Ground::new();
    let program = words.get(1).map_or("/bin/busybox", String::as_str);
    fs::copy(program, ground.layer.join("bin/true")).unwrap();
    for directory in ["proc", "sys", "dev", "etc"] {
        fs::create_dir_all(ground.layer.join(directory)).unwrap();
    }
    fs::write(ground.layer.join("etc/hostname"), "").unwrap();
    fs::write(ground.layer.join("etc/hosts"), "").unwrap();
    let base = "image = \"box\"\ncommand = [\"/bin/true\"]\n";
    let whole = ground.plan(base);
    let open = ground.plan(&format!("{base}network = \"host\"\n"));
    let mut unfiltered = whole.clone();
    unfiltered.seccomp = units::plan::Seccomp::default();
    let machine = ground.plan(&format!("command = [\"{program}\", \"true\"]\n"));
    for (name, birth, plan) in [
        ("whole", Birth::Shared, &whole),
        ("whole, clone copies", Birth::Copied, &whole),
        ("without a network of its own", Birth::Shared, &open),
        ("without a filter", Birth::Shared, &unfiltered),
        ("no isolation", Birth::Shared, &machine),
        ("no isolation, clone copies", Birth::Copied, &machine),
    ] {
        once(&ground, birth, plan);
        let mut pauses = Vec::new();
        let wholes = times(runs, || pauses.push(once(&ground, birth, plan)));
        println!(
            "{name}: {} us, of which the spawner stood still {} us",
            median(wholes),
            median(pauses)
        );
    }
    outside(runs, "fork and exec alone", Command::new(program).arg("true"));
    runtime(&ground, runs, "crun");
    runtime(&ground, runs.min(50), "runc");
    ExitCode::SUCCESS
}

/// One container; how long the spawner stood still.
fn once(ground: &Ground, birth: Birth, plan: &Plan) -> Duration {
    let start = Instant::now();
    let spawned = ground.spawn_quiet(birth, plan);
    let pause = start.elapsed();
    let status = waitid(WaitId::PidFd(spawned.pidfd.as_fd()), WaitIdOptions::EXITED);
    assert_eq!(status.unwrap().unwrap().exit_status(), Some(0));
    pause
}

fn times(runs: usize, mut run: impl FnMut()) -> Vec<Duration> {
    (0..runs)
        .map(|_| {
            let start = Instant::now();
            run();
            start.elapsed()
        })
        .collect()
}

fn median(mut times: Vec<Duration>) -> u128 {
    times.sort_unstable();
    times[times.len() / 2].as_micros()
}

fn outside(runs: usize, name: &str, command: &mut Command) {
    command.stdin(ProcessStdio::null()).stdout(ProcessStdio::null());
    let times = times(runs, || assert!(command.status().unwrap().success()));
    println!("{name}: {} us", median(times));
}

/// The same root under another runtime, with its own default configuration.
fn runtime(ground: &Ground, runs: usize, program: &str) {
    let bundle = format!("/run/bundle-{program}");
    fs::create_dir_all(format!("{bundle}/rootfs")).unwrap();
    let copied = Command::new("cp")
        .arg("-a")
        .arg(ground.layer.join("."))
        .arg(format!("{bundle}/rootfs"))
        .status();
    let made = Command::new(program).arg("spec").current_dir(&bundle).status();
    if !copied.is_ok_and(|s| s.success()) || !made.is_ok_and(|s| s.success()) {
        println!("{program}: not here");
        return;
    }
    let config = format!("{bundle}/config.json");
    let mut document: serde_json::Value =
        serde_json::from_slice(&fs::read(&config).unwrap()).unwrap();
    document["process"]["args"] = serde_json::json!(["/bin/true"]);
    document["process"]["terminal"] = false.into();
    document["linux"].as_object_mut().unwrap().remove("resources");
    fs::write(&config, document.to_string()).unwrap();
    let mut command = Command::new(program);
    if program == "crun" {
        command.arg("--cgroup-manager=disabled");
        // It refuses machines whose groups are half version 1. These mounts are ours alone, and where
        // there is no such half nothing is unmounted.
        let _ = rustix::mount::unmount("/sys/fs/cgroup/unified", UnmountFlags::empty());
    }
    command.args(["run", "--bundle", &bundle, "keelson-floor"]);
    if command.output().is_ok_and(|output| output.status.success()) {
        outside(runs, &format!("{program} run"), &mut command);
    } else {
        println!("{program} run: refuses to work here");
    }
}
