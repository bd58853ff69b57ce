//! Units on a real machine: one boot, in which unmodified means speak systemd's protocols.

use tests::guest::{BUSYBOX, Guest, Scene};

const AGENT: &str = env!("CARGO_BIN_EXE_agent");
const ACTOR: &str = env!("CARGO_BIN_EXE_actor");

/// The lines of a unit file whose service runs a shell script that lies in `/state/test`.
fn service(script: &str, rest: &str) -> String {
    format!("[Service]\nExecStart={BUSYBOX} sh /state/test/{script}\n{rest}")
}

/// Every unit of this machine, and the scripts they run.
fn scene() -> Scene {
    let mut scene = Scene::new("units").agent(AGENT);
    scene = scene.disk(|disk| {
        let disk = disk.file("test/actor", 0o755, &std::fs::read(ACTOR).expect("Cargo built it"));
        SCRIPTS.iter().fold(disk, |disk, (name, text)| {
            let text = format!("PATH=/state/test\nalias bb={BUSYBOX}\n{text}");
            disk.file(&format!("test/{name}"), 0o755, text.as_bytes())
        })
    });
    let wanted = "[Install]\nWantedBy=multi-user.target\n";
    let notify = "Type=notify\nNotifyAccess=all\n";
    for (name, text) in [
        ("ready.service", service("ready", notify)),
        (
            "dog.service",
            service("dog", &format!("{notify}WatchdogSec=2\nRestart=always\nRestartSec=0\n")),
        ),
        ("slow.service", service("slow", &format!("{notify}TimeoutStartSec=6\n"))),
        (
            "keeper.service",
            service("keeper", &format!("{notify}FileDescriptorStoreMax=4\nRestart=always\n")),
        ),
        ("echo.service", service("serve", "")),
        ("forker.service", service("forker", "Type=forking\nPIDFile=/run/forker.pid\n")),
        ("once.service", service("once", "Type=oneshot\nRemainAfterExit=yes\n")),
        (
            "again.service",
            service("again", "Type=notify-reload\nNotifyAccess=all\nReloadSignal=SIGUSR1\n"),
        ),
        ("named@.service", service("named %i %n %I", "Type=oneshot\nRemainAfterExit=yes\n")),
        ("soon.service", service("once", "Type=oneshot\n")),
        ("often.service", service("often", "Type=oneshot\n[Unit]\nStartLimitIntervalSec=0\n")),
    ] {
        scene = scene.unit(name, &text);
    }
    scene
        .unit("named@a\\x2db.service.d/more.conf", "[Service]\nEnvironment=MORE=from-a-drop-in\n")
        .unit(
            "wanted.service",
            &format!("[Unit]\nConditionPathExists=/state\n{}{wanted}", service("once", "Type=oneshot\nRemainAfterExit=yes\n")),
        )
        .unit(
            "unmet.service",
            &format!("[Unit]\nConditionPathExists=/nowhere\n{}{wanted}", service("once", "")),
        )
        .unit("echo.socket", "[Socket]\nListenStream=127.0.0.1:7777\nFileDescriptorName=door\n[Install]\nWantedBy=sockets.target\n")
        .unit("soon.timer", "[Timer]\nOnActiveSec=1\n[Install]\nWantedBy=timers.target\n")
        .unit("often.timer", "[Timer]\nOnCalendar=*:*:*\nAccuracySec=1ms\n[Install]\nWantedBy=timers.target\n")
        .unit("run-board.mount", "[Mount]\nWhat=tmpfs\nWhere=/run/board\nType=tmpfs\nOptions=size=1M,mode=700\n")
        .unit("team.target", "[Unit]\nRequires=once.service run-board.mount\nAfter=once.service run-board.mount\n")
        .unit("ring-a.service", &format!("[Unit]\nRequires=ring-b.service\nAfter=ring-b.service\n{}{wanted}", service("ready", "")))
        .unit("ring-b.service", &format!("[Unit]\nRequires=ring-a.service\nAfter=ring-a.service\n{}", service("ready", "")))
        .unit("broken.service", &format!("[Service]\nExecStart=relative path\nRestart=perhaps\n{wanted}"))
}

const SCRIPTS: &[(&str, &str)] = &[
    (
        "ready",
        "actor say 'STATUS=warming up'\nbb sleep 1\nactor say READY=1 'STATUS=serving 7 guests'\nwhile :; do bb sleep 100; done\n",
    ),
    (
        "dog",
        "actor say READY=1\nn=0; while [ $n -lt 3 ]; do bb sleep 1; actor say WATCHDOG=1; n=$((n+1)); done\nwhile :; do bb sleep 100; done\n",
    ),
    (
        "slow",
        "for n in 1 2 3; do actor say EXTEND_TIMEOUT_USEC=10000000; bb sleep 4; done\nactor say READY=1\nwhile :; do bb sleep 100; done\n",
    ),
    (
        "keeper",
        "if [ \"$LISTEN_FDNAMES\" = kept ]; then bb cat <&3 >/run/kept; else echo treasure >/run/treasure; actor store kept /run/treasure; bb rm /run/treasure; fi\nactor say READY=1\nwhile :; do bb sleep 100; done\n",
    ),
    ("serve", "exec /state/test/actor serve 0<&3\n"),
    ("forker", "bb setsid bb sleep 1000 </dev/null >/dev/null 2>&1 &\necho $! >/run/forker.pid\n"),
    ("once", "echo done\n"),
    (
        "again",
        "trap 'bb usleep 300000; actor say RELOADING=1 MONOTONIC_USEC=$(bb awk \"{printf \\\"%d\\\", \\$1*1000000}\" /proc/uptime); echo reloaded >>/run/again; actor say READY=1' USR1\nactor say READY=1\nwhile :; do bb sleep 1; done\n",
    ),
    ("named", "echo \"$1|$2|$3|$MORE\" >/run/named\n"),
    ("often", "echo tick >>/run/often\n"),
];

/// One word of what `keelctl show` or `status --json` tells of a unit.
fn told(guest: &mut Guest, unit: &str, field: &str) -> String {
    let text = guest.run(&["/bin/keelctl", "status", "--json", unit]).stdout;
    let json: serde_json::Value = serde_json::from_str(&text).unwrap_or_else(|_| panic!("{text}"));
    let value = &json["status"][field];
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn is(guest: &mut Guest, unit: &str, field: &str, value: &str) {
    let text = told(guest, unit, field);
    assert_eq!(text, value, "{field} of {unit}");
}

#[test]
fn units_of_systemd_s_format_do_on_a_real_machine_what_they_say() {
    let mut guest = scene().boot();
    guest.wait_for_line("multi-user.target reached");
    check_the_load(&mut guest);
    // Both take their time, so they start before the rest is looked at.
    for unit in ["dog", "slow"] {
        guest.shell(&format!("/bin/keelctl start {unit} >/run/start-{unit} 2>&1 </dev/null &"));
    }
    check_notifications(&mut guest);
    check_types(&mut guest);
    check_templates(&mut guest);
    check_activation(&mut guest);
    check_targets(&mut guest);
    check_watchdog(&mut guest);
    guest.end_by("poweroff");
}

/// What is wrong is reported with its place, and everything else is there.
fn check_the_load(guest: &mut Guest) {
    let said = guest.keelctl(&["logs", "keelson"]);
    assert!(said.contains("broken.service"), "{said}");
    let checked = guest.run(&["/bin/keelctl", "check", "/state/units/broken.service"]);
    assert_eq!(checked.status, "exit 1");
    let checked = checked.stdout + &checked.stderr;
    assert!(checked.contains("broken.service:3:9"), "{checked}");
    for name in ["ring-a.service", "ring-b.service"] {
        assert!(said.contains(name), "the cycle is named with its path: {said}");
    }
    guest.eventually("the unit that [Install] makes wanted", |guest| {
        (told(guest, "wanted.service", "state") == "up").then_some(())
    });
    is(guest, "unmet.service", "state", "skipped");
}

fn check_notifications(guest: &mut Guest) {
    guest.shell("/bin/keelctl start ready >/dev/null 2>&1 </dev/null &");
    guest.eventually("the first status", |guest| {
        guest.keelctl(&["status", "--json"]).contains("warming up").then_some(())
    });
    is(guest, "ready.service", "state", "starting");
    guest.eventually("readiness", |guest| {
        (told(guest, "ready.service", "state") == "up").then_some(())
    });
    guest.eventually("the second status", |guest| {
        guest.keelctl(&["status", "--json"]).contains("serving 7 guests").then_some(())
    });
    guest.keelctl(&["start", "keeper"]);
    guest.keelctl(&["kill", "-s", "KILL", "keeper"]);
    guest.eventually("the stored descriptor in the next run", |guest| {
        (guest.shell("cat /run/kept 2>/dev/null || true") == "treasure\n").then_some(())
    });
    guest.keelctl(&["start", "again"]);
    guest.keelctl(&["reload", "again"]);
    assert_eq!(guest.read("/run/again"), "reloaded\n", "reload waits for the end of the reload");
    is(guest, "again.service", "state", "up");
}

fn check_types(guest: &mut Guest) {
    guest.keelctl(&["start", "forker"]);
    let pid = guest.read("/run/forker.pid").trim().to_owned();
    is(guest, "forker.service", "main-pid", &pid);
    guest.keelctl(&["stop", "forker"]);
    assert_eq!(guest.shell(&format!("test -d /proc/{pid} || echo gone")), "gone\n");
    guest.keelctl(&["start", "once"]);
    is(guest, "once.service", "state", "up");
    is(guest, "once.service", "main-pid", "null");
}

fn check_templates(guest: &mut Guest) {
    guest.keelctl(&["start", "named@a\\x2db.service"]);
    let seen = guest.read("/run/named");
    assert_eq!(seen, "a\\x2db|named@a\\x2db.service|a-b|from-a-drop-in\n");
}

fn check_activation(guest: &mut Guest) {
    is(guest, "echo.service", "state", "down");
    let ask = "/state/test/busybox nc 127.0.0.1 7777 </dev/null";
    assert_eq!(guest.shell(ask), "ours=true count=1 names=door\n");
    is(guest, "echo.service", "state", "up");
    guest.eventually("the timer's one run", |guest| {
        guest.keelctl(&["logs", "-o", "raw", "--no-events", "soon"]).contains("done").then_some(())
    });
    guest.eventually("three runs by the calendar", |guest| {
        (guest.shell("cat /run/often 2>/dev/null || true").lines().count() >= 3).then_some(())
    });
}

fn check_targets(guest: &mut Guest) {
    guest.keelctl(&["start", "team.target"]);
    let mounts = guest.read("/proc/mounts");
    let line = mounts.lines().find(|line| line.contains(" /run/board "));
    assert!(line.is_some_and(|line| line.contains("size=1024k,mode=700")), "{mounts}");
    guest.keelctl(&["stop", "run-board.mount"]);
    assert!(!guest.read("/proc/mounts").contains("/run/board"));
    // Its need is gone by somebody's wish, and it comes back with it.
    is(guest, "team.target", "state", "waiting");
    guest.keelctl(&["start", "run-board.mount"]);
    guest.eventually("the target to be back", |guest| {
        (told(guest, "team.target", "state") == "up").then_some(())
    });
}

/// The dog barks for three seconds and then falls asleep; the slow one asks three times for more.
fn check_watchdog(guest: &mut Guest) {
    guest.eventually("a missed watchdog", |guest| {
        guest.keelctl(&["events", "dog"]).contains("watchdog").then_some(())
    });
    guest.eventually("the restart after it", |guest| {
        told(guest, "dog.service", "run").parse::<u32>().is_ok_and(|run| run > 1).then_some(())
    });
    guest.eventually("the slow one, past its timeout", |guest| {
        let state = told(guest, "slow.service", "state");
        assert_ne!(state, "failed", "{}", guest.keelctl(&["events", "slow"]));
        (state == "up").then_some(())
    });
    is(guest, "slow.service", "run", "1");
}
