//! Probes on a real machine: of each kind, and what follows from each opinion. One boot.

use tests::guest::{BUSYBOX, Guest, Scene};
use tests::observe::{add_scripts, run_script};

const AGENT: &str = env!("CARGO_BIN_EXE_agent");
const ACTOR: &str = env!("CARGO_BIN_EXE_actor");

/// A probe's kind, what its unit runs, and its two probes: whether `/run/KIND/ready` is there, and
/// whether `/run/KIND/alive` is.
const KINDS: [(&str, &str, &str, &str); 4] = [
    ("file", "sleep", "file = \"/run/file/ready\"", "file = \"/run/file/alive\""),
    (
        "exec",
        "sleep",
        "exec = [\"/state/test/busybox\", \"test\", \"-e\", \"/run/exec/ready\"]",
        "exec = [\"/state/test/busybox\", \"test\", \"-e\", \"/run/exec/alive\"]",
    ),
    (
        "http",
        "http",
        "http = { port = 8101, path = \"/ready\" }",
        "http = \"http://127.0.0.1:8101/alive\"",
    ),
    ("tcp", "tcp", "tcp = 8102", "tcp = \"127.0.0.1:8103\""),
];

const SCRIPTS: &[(&str, &str)] = &[
    ("sleep", "exec /state/test/busybox sleep 100000\n"),
    ("http", "exec /state/test/actor answer 8101 /run/http\n"),
    ("tcp", "exec /state/test/actor listen 8102 /run/tcp/ready 8103 /run/tcp/alive\n"),
    // Every run begins alive; readiness stays as the test has left it.
    ("alive", "bb mkdir -p /run/$1\necho >/run/$1/alive\n"),
    ("behind", "echo >>/run/behind\nexec /state/test/busybox sleep 100000\n"),
    // Says by itself that it is well, until it is told to be silent.
    (
        "dog",
        "actor say READY=1\nwhile [ ! -e /run/silence ]; do actor say WATCHDOG=1; bb sleep 1; done\n\
         bb rm /run/silence\nexec /state/test/busybox sleep 100000\n",
    ),
];

fn scene() -> Scene {
    let mut scene =
        Scene::new("probes").agent(AGENT).disk(|disk| add_scripts(disk, ACTOR, SCRIPTS));
    for (kind, script, ready, alive) in KINDS {
        let text = format!(
            "{}enabled = false\nrestart = {{ delay = \"200ms\", delay-max = \"200ms\" }}\n\
             [hooks]\npre-start = \"{BUSYBOX} sh /state/test/alive {kind}\"\n\
             [probes.readiness]\n{ready}\nperiod = \"500ms\"\ntimeout = \"20s\"\nfailure-threshold = 2\n\
             [probes.liveness]\n{alive}\nperiod = \"500ms\"\ntimeout = \"20s\"\ninitial-delay = \"2s\"\n",
            run_script(script)
        );
        scene = scene.unit(&format!("{kind}.toml"), &text);
    }
    let notify = "type = \"notify\"\nnotify-access = \"all\"\nwatchdog = \"5s\"\nenabled = false\n";
    scene
        .unit(
            "behind.toml",
            &format!("{}enabled = false\nneeds = [\"http\"]\n", run_script("behind")),
        )
        .unit("dog.toml", &format!("{}{notify}", run_script("dog")))
        .unit(
            "never.toml",
            &format!(
                "{}enabled = false\nrestart = \"no\"\n[probes.startup]\nfile = \"/run/never\"\n\
                 period = \"200ms\"\nfailure-threshold = 3\n",
                run_script("sleep")
            ),
        )
}

#[test]
fn probes_decide_who_is_up_who_is_ready_and_who_starts_anew() {
    let mut guest = scene().boot();
    guest.wait_for_line("multi-user.target reached");
    guest.keelctl(&["start", "--no-wait", "behind", "file", "exec", "tcp", "dog", "never"]);
    for (kind, ..) in KINDS {
        check_start(&mut guest, kind);
    }
    check_who_waits(&mut guest);
    for (kind, ..) in KINDS {
        check_readiness(&mut guest, kind);
    }
    for (kind, ..) in KINDS {
        check_liveness(&mut guest, kind);
    }
    check_silence(&mut guest);
    check_startup(&mut guest);
    guest.end_by("poweroff");
}

/// It runs, but it is not up before its probe says so.
fn check_start(guest: &mut Guest, kind: &str) {
    guest.eventually("the program to run", |guest| {
        guest.told(kind, "main-pid").parse::<u32>().is_ok().then_some(())
    });
    assert_eq!(guest.told(kind, "state"), "starting", "{kind}");
    if kind == "http" {
        assert_eq!(guest.told("behind", "state"), "waiting");
        assert_eq!(guest.read_if_there("/run/behind"), "", "it waits for the probe");
    }
    guest.write(&format!("/run/{kind}/ready"), "");
    guest.wait_until(kind, "state", "up");
    assert_eq!(guest.told(kind, "ready"), "true", "{kind}");
}

fn check_who_waits(guest: &mut Guest) {
    guest.wait_until("behind", "state", "up");
    guest.eventually("who waited for http", |guest| {
        (guest.read_if_there("/run/behind").lines().count() == 1).then_some(())
    });
}

/// Not ready is no reason to end it.
fn check_readiness(guest: &mut Guest, kind: &str) {
    let pid = guest.main_pid(kind);
    guest.shell(&format!("{BUSYBOX} rm /run/{kind}/ready"));
    guest.wait_until(kind, "ready", "false");
    assert_eq!(guest.told(kind, "state"), "up", "{kind}");
    let health = guest.run(&["/bin/keelctl", "health"]);
    assert_eq!(health.status, "exit 3", "{health:?}");
    assert!(health.stdout.contains(kind), "{health:?}");
    let status = guest.keelctl(&["status", kind]);
    assert!(status.contains("not ready"), "{status}");
    guest.write(&format!("/run/{kind}/ready"), "");
    guest.wait_until(kind, "ready", "true");
    assert_eq!(guest.main_pid(kind), pid, "{kind} is the same process");
}

/// Not alive is: it is started anew, and the story says why.
fn check_liveness(guest: &mut Guest, kind: &str) {
    let pid = guest.main_pid(kind);
    guest.shell(&format!("{BUSYBOX} rm /run/{kind}/alive"));
    guest.wait_until(kind, "run", "2");
    guest.wait_until(kind, "state", "up");
    assert!(!guest.is_alive(&pid.to_string()), "{kind}");
    assert_ne!(guest.main_pid(kind), pid, "{kind}");
    let story = guest.keelctl(&["events", kind]);
    assert!(story.contains("says its liveness probe"), "{story}");
    assert!(story.contains("liveness probe failed, next try in"), "{story}");
}

/// The readiness and the liveness of programs that tell by themselves.
fn check_silence(guest: &mut Guest) {
    guest.wait_until("dog", "state", "up");
    let (pid, run) = (guest.main_pid("dog"), guest.told("dog", "run"));
    guest.write("/run/silence", "");
    guest.eventually("another run", |guest| (guest.told("dog", "run") != run).then_some(()));
    guest.wait_until("dog", "state", "up");
    assert_ne!(guest.main_pid("dog"), pid);
    let story = guest.keelctl(&["events", "dog"]);
    assert!(story.contains("did not feed its watchdog"), "{story}");
}

fn check_startup(guest: &mut Guest) {
    guest.wait_until("never", "state", "failed");
    let fault = guest.told_of("never")["status"]["fault"]["text"].clone();
    assert_eq!(fault, "startup probe failed");
    let started = guest.run(&["/bin/keelctl", "start", "never"]);
    assert_eq!(started.status, "exit 1");
    assert!(started.stderr.contains("startup probe failed"), "{started:?}");
}
