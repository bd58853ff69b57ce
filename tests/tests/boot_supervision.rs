//! Supervision on a real machine: starts, ends, and what brings a unit back. One boot.

use tests::guest::{BUSYBOX, Guest, Scene};
use tests::observe::{add_scripts, run_script};

const AGENT: &str = env!("CARGO_BIN_EXE_agent");
const ACTOR: &str = env!("CARGO_BIN_EXE_actor");
const HOG: &str = env!("CARGO_BIN_EXE_hog");

/// Units that the test starts itself: no part of the boot.
const BY_HAND: &str = "enabled = false\n";

const SCRIPTS: &[(&str, &str)] = &[
    // Becomes ready only once all three have begun: if they were started in turn none ever would.
    (
        "meet",
        "echo >/run/meet-$1\n\
         for n in 1 2 3; do while [ ! -e /run/meet-$n ]; do bb usleep 50000; done; done\n\
         actor say READY=1\nexec /state/test/busybox sleep 100000\n",
    ),
    ("after", "bb ls /run/meet-1 /run/meet-2 /run/meet-3 >/run/after\n"),
    // Fails at once, but for its seventh run, which is well for longer than `reset-after`.
    (
        "crash",
        "echo >>/run/crash\nif [ $(bb wc -l </run/crash) -eq 7 ]; then bb sleep 18; fi\nexit 3\n",
    ),
    ("fail", "echo >>/run/$1\nexit 1\n"),
    ("note", "echo $1 >>/run/noted\n"),
    (
        "stubborn",
        "trap 'echo asked >>/run/asked' TERM\necho up >/run/asked\nwhile :; do bb sleep 1; done\n",
    ),
    // A child, and a grandchild in a session of its own which hears no signal that it could refuse.
    (
        "family",
        "bb setsid /state/test/busybox sh -c 'trap \"\" TERM HUP INT; echo $$ >/run/grandchild; while :; do /state/test/busybox sleep 1; done' &\n\
         bb sleep 100000 &\necho $! >/run/child\nwait\n",
    ),
    // Forty processes whose parent ends before they do.
    (
        "orphans",
        "n=0; while [ $n -lt 40 ]; do ( /state/test/busybox sh -c '/state/test/busybox sleep 1; echo >>/run/orphans' & ); n=$((n+1)); done\n\
         exec /state/test/busybox sleep 100000\n",
    ),
    // The hog is a child: that the kernel kills it need not be the end of the rest.
    (
        "greedy",
        "bb sleep 100000 &\necho $! >/run/$1-other\n/state/test/hog memory &\nwait $!\necho $? >/run/$1-hog\nexec /state/test/busybox sleep 100000\n",
    ),
    ("sleep", "exec /state/test/busybox sleep 100000\n"),
];

fn scene() -> Scene {
    let mut scene = Scene::new("supervision").agent(AGENT).disk(|disk| {
        let hog = std::fs::read(HOG).expect("Cargo built it");
        add_scripts(disk.file("test/hog", 0o755, &hog), ACTOR, SCRIPTS)
    });
    for number in ["1", "2", "3"] {
        let command = run_script("meet").replace("meet\"]", &format!("meet\", \"{number}\"]"));
        let text = format!("{command}type = \"notify\"\nnotify-access = \"all\"\n");
        scene = scene.unit(&format!("meet{number}.toml"), &text);
    }
    let greedy = |policy: &str| {
        let command =
            run_script("greedy").replace("greedy\"]", &format!("greedy\", \"{policy}\"]"));
        format!(
            "{command}{BY_HAND}oom = \"{policy}\"\nrestart = \"no\"\nlimits = {{ memory = \"24M\", swap = 0 }}\n"
        )
    };
    for policy in ["kill", "stop", "continue"] {
        scene = scene.unit(&format!("greedy-{policy}.toml"), &greedy(policy));
    }
    for (name, script, rest) in [
        (
            "after",
            "after",
            "needs = [\"meet1\", \"meet2\", \"meet3\"]\ntype = \"oneshot\"\n".to_owned(),
        ),
        (
            "crash",
            "crash",
            format!(
                "{BY_HAND}[restart]\ndelay = \"100ms\"\ndelay-max = \"800ms\"\nsteps = 3\nreset-after = \"15s\"\n"
            ),
        ),
        ("stubborn", "stubborn", format!("{BY_HAND}stop = \"2s\"\n")),
        ("family", "family", format!("{BY_HAND}stop = {{ timeout = \"1s\", mode = \"mixed\" }}\n")),
        ("orphans", "orphans", BY_HAND.to_owned()),
        ("base", "sleep", format!("{BY_HAND}restart = \"no\"\n")),
        ("middle", "sleep", format!("{BY_HAND}needs = [\"base\"]\n")),
        ("top", "sleep", format!("{BY_HAND}needs = [\"middle\"]\n")),
        ("bystander", "sleep", format!("{BY_HAND}after = [\"base\"]\n")),
    ] {
        scene = scene.unit(&format!("{name}.toml"), &format!("{}{rest}", run_script(script)));
    }
    let service =
        |script: &str| format!("[Service]\nExecStart={BUSYBOX} sh /state/test/{script}\n");
    scene
        .unit(
            "limited.service",
            &format!(
                "[Unit]\nStartLimitBurst=3\nStartLimitIntervalSec=600\nOnFailure=note@%n.service\n\
                 {}Restart=always\nRestartSec=0\n",
                service("fail limited")
            ),
        )
        .unit("note@.service", &format!("{}Type=oneshot\n", service("note %i")))
}

#[test]
fn units_are_started_kept_running_and_ended_as_they_say() {
    let mut guest = scene().boot();
    guest.wait_for_line("multi-user.target reached");
    // These take their time; the rest is looked at meanwhile.
    guest.keelctl(&["start", "--no-wait", "crash", "limited"]);
    check_parallel_start(&mut guest);
    check_whole_group(&mut guest);
    check_escalation(&mut guest);
    check_orphans(&mut guest);
    check_memory(&mut guest);
    check_dependents(&mut guest);
    check_start_limit(&mut guest);
    check_back_off(&mut guest);
    check_no_zombie(&mut guest);
    guest.end_by("poweroff");
}

fn check_parallel_start(guest: &mut Guest) {
    for unit in ["meet1", "meet2", "meet3"] {
        guest.wait_until(unit, "state", "up");
        assert_eq!(guest.told(unit, "run"), "1", "{unit}");
    }
    guest.eventually("who comes after all three", |guest| {
        (guest.read_if_there("/run/after").lines().count() == 3).then_some(())
    });
}

/// What a unit's processes leave behind is found by its group, not by their parents.
fn check_whole_group(guest: &mut Guest) {
    guest.keelctl(&["start", "family"]);
    let grandchild = guest.eventually("the grandchild", |guest| {
        let pid = guest.read_if_there("/run/grandchild").trim().to_owned();
        (!pid.is_empty()).then_some(pid)
    });
    let child = guest.read("/run/child").trim().to_owned();
    let main = guest.main_pid("family").to_string();
    let group = guest.told("family", "group");
    let members = guest.group_file("family", "cgroup.procs");
    for pid in [&grandchild, &child, &main] {
        assert!(members.lines().any(|line| line == *pid), "{pid}: {members}");
    }
    guest.keelctl(&["stop", "family"]);
    for pid in [&grandchild, &child, &main] {
        assert!(!guest.is_alive(pid), "{pid} is still there");
    }
    let left = guest.run(&[BUSYBOX, "test", "-d", &format!("/sys/fs/cgroup/{group}")]);
    assert_eq!(left.status, "exit 1", "the group is still there");
}

/// Asked first, killed at the deadline; the order waits for it and tells the truth.
fn check_escalation(guest: &mut Guest) {
    guest.keelctl(&["start", "stubborn"]);
    guest.eventually("the trap", |guest| {
        (guest.read_if_there("/run/asked") == "up\n").then_some(())
    });
    let pid = guest.main_pid("stubborn").to_string();
    let began = uptime_ms(guest);
    let stopped = guest.run(&["/bin/keelctl", "stop", "stubborn"]);
    assert!(uptime_ms(guest) - began >= 2000, "it had the time that it may take");
    assert_eq!(stopped.status, "exit 1", "{stopped:?}");
    assert!(stopped.stderr.contains("did not end in time"), "{stopped:?}");
    assert!(!guest.is_alive(&pid));
    assert_eq!(guest.read("/run/asked"), "up\nasked\n", "it was asked once, before");
    let story = guest.keelctl(&["events", "stubborn"]);
    assert!(story.contains("by SIGKILL"), "{story}");
}

fn uptime_ms(guest: &mut Guest) -> u128 {
    let text = guest.read("/proc/uptime");
    let seconds: f64 = text.split(' ').next().and_then(|word| word.parse().ok()).expect("a number");
    std::time::Duration::from_secs_f64(seconds).as_millis()
}

fn check_orphans(guest: &mut Guest) {
    guest.keelctl(&["start", "orphans"]);
    guest.eventually("forty orphans to have ended", |guest| {
        (guest.read_if_there("/run/orphans").lines().count() == 40).then_some(())
    });
    guest.eventually("nobody but the main process in the group", |guest| {
        (guest.group_file("orphans", "cgroup.procs").lines().count() == 1).then_some(())
    });
    guest.keelctl(&["stop", "orphans"]);
}

fn check_no_zombie(guest: &mut Guest) {
    let states = guest.shell(&format!(
        "for f in /proc/[0-9]*/status; do {BUSYBOX} grep -l 'State:.Z' $f 2>/dev/null; done; true"
    ));
    assert_eq!(states, "", "zombies");
}

fn check_memory(guest: &mut Guest) {
    for policy in ["kill", "stop", "continue"] {
        guest.keelctl(&["start", &format!("greedy-{policy}")]);
    }
    guest.wait_until("greedy-kill", "state", "failed");
    guest.wait_until("greedy-stop", "state", "failed");
    for policy in ["kill", "stop", "continue"] {
        let unit = format!("greedy-{policy}");
        let story = guest.eventually("the kernel's kill to be told", |guest| {
            let story = guest.keelctl(&["events", &unit]);
            story.contains("out of memory").then_some(story)
        });
        assert!(story.contains("the kernel killed"), "{story}");
        let other = guest.read(&format!("/run/{policy}-other")).trim().to_owned();
        assert_eq!(guest.is_alive(&other), policy == "continue", "{policy}: {story}");
    }
    for policy in ["kill", "stop"] {
        let fault = guest.told_of(&format!("greedy-{policy}"))["status"]["fault"].clone();
        assert_eq!(fault["text"], "killed for lack of memory", "{policy}: {fault}");
    }
    // Only with `kill` the kernel itself takes all: the main process learned nothing of its child.
    assert_eq!(guest.read_if_there("/run/kill-hog"), "");
    // With `continue` it did, and goes on.
    assert_eq!(guest.read("/run/continue-hog"), "137\n");
    guest.wait_until("greedy-continue", "state", "up");
    assert_eq!(guest.group_file("greedy-continue", "memory.oom.group"), "0");
    guest.keelctl(&["stop", "greedy-continue"]);
}

/// Whoever needs what went away goes with it, and comes back with it; whoever does not stays.
fn check_dependents(guest: &mut Guest) {
    guest.keelctl(&["start", "top", "bystander"]);
    let bystander = guest.main_pid("bystander");
    let before = guest.main_pid("top");
    guest.keelctl(&["stop", "base"]);
    for unit in ["middle", "top"] {
        guest.wait_until(unit, "state", "waiting");
    }
    assert_eq!(guest.told("middle", "waits-for"), "[\"base.service\"]");
    assert!(!guest.is_alive(&before.to_string()));
    guest.keelctl(&["start", "base"]);
    guest.wait_until("top", "state", "up");
    assert_ne!(guest.main_pid("top"), before);
    // The same when it is no person who ends it, but it fails.
    let before = guest.main_pid("top");
    guest.keelctl(&["kill", "-s", "KILL", "base"]);
    guest.wait_until("base", "state", "failed");
    guest.keelctl(&["start", "base"]);
    guest.eventually("the units above it, anew or still", |guest| {
        let up = ["middle", "top"].iter().all(|unit| guest.told(unit, "state") == "up");
        up.then_some(())
    });
    println!("   top was {before} and is {}", guest.main_pid("top"));
    assert_eq!(guest.main_pid("bystander"), bystander);
    guest.keelctl(&["stop", "base", "bystander"]);
}

fn check_start_limit(guest: &mut Guest) {
    guest.wait_until("limited", "state", "failed");
    assert_eq!(guest.read("/run/limited").lines().count(), 3, "it may start three times");
    let status = guest.run(&["/bin/keelctl", "status", "limited"]);
    assert_eq!(status.status, "exit 3");
    assert!(status.stdout.contains("started too often"), "{}", status.stdout);
    guest.eventually("who is told of the failure", |guest| {
        guest.read_if_there("/run/noted").contains("limited.service").then_some(())
    });
    let again = guest.run(&["/bin/keelctl", "start", "limited"]);
    assert_eq!(again.status, "exit 1", "{again:?}");
    assert!(again.stderr.contains("started too often"), "{again:?}");
    assert!(again.stderr.contains("reset-failed"), "it says what to do: {again:?}");
    assert_eq!(guest.read("/run/limited").lines().count(), 3);
    guest.keelctl(&["reset-failed", "limited"]);
    guest.run(&["/bin/keelctl", "start", "limited"]);
    guest.eventually("three more starts", |guest| {
        (guest.read("/run/limited").lines().count() == 6).then_some(())
    });
}

/// The waits are in the unit's story: no clock of this host decides.
fn check_back_off(guest: &mut Guest) {
    let waits = guest.eventually("nine ends of the unit", |guest| {
        let waits: Vec<u64> = guest.events("crash").iter().filter_map(wait_ms).collect();
        (waits.len() >= 9).then_some(waits)
    });
    // Each is shortened by at most an eighth.
    let expected = [100, 200, 400, 800, 800, 800, 100, 200, 400];
    for (number, (wait, expected)) in waits.iter().zip(expected).enumerate() {
        let range = expected - expected / 8..=expected;
        assert!(range.contains(wait), "wait {number} is {wait}, not {expected}: {waits:?}");
    }
    // What is said is what happens: no run begins before its time.
    let story = guest.events("crash");
    let at = |what: &str| -> Vec<f64> {
        let times = story.iter().filter(|event| event["event"]["what"] == what);
        times.map(|event| event["unix_us"].as_f64().expect("a time") / 1e6).collect()
    };
    for (number, (end, next)) in at("backoff").iter().zip(at("starting").iter().skip(1)).enumerate()
    {
        let waited = next - end;
        let told = waits.get(number).map_or(0.0, |wait| *wait as f64 / 1000.0);
        assert!(waited >= told - 0.002, "run {number} began after {waited}, not {told}");
    }
    let status = guest.run(&["/bin/keelctl", "status", "crash"]).stdout;
    assert!(status.contains("exited with code 3"), "{status}");
    guest.keelctl(&["stop", "crash"]);
    guest.wait_until("crash", "state", "down");
}

/// `…, next try in 87ms` in milliseconds.
fn wait_ms(event: &serde_json::Value) -> Option<u64> {
    let text = event.to_string();
    let wait = text.split_once("next try in ")?.1.split('"').next()?;
    let us = units::text::timespan::parse_us(wait.trim_end_matches('\\'), 1_000_000).ok()?;
    Some(us / 1000)
}
