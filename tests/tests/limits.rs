//! Limits that are reached: each says what it is and how much it allows, and the rest goes on.
//!
//! Definitions natively; connections and requests on a machine.

#![allow(clippy::unwrap_used, reason = "a test may fail anywhere")]

use init::limits::{CLIENTS_MAX, LOG_LINE_BYTES_MAX, REQUEST_BYTES_MAX};
use tests::guest::{BUSYBOX, Guest, Scene};
use tests::observe::{add_scripts, run_script};
use units::limits::{
    ASKS_MAX, COMMAND_WORDS_MAX, DESCRIPTORS_MAX, UNIT_ENTRIES_MAX, UNIT_FILE_BYTES_MAX, UNITS_MAX,
};
use units::source::SourceFile;
use units::{LoadOptions, Loaded, load};

const AGENT: &str = env!("CARGO_BIN_EXE_agent");
const ACTOR: &str = env!("CARGO_BIN_EXE_actor");
const HOG: &str = env!("CARGO_BIN_EXE_hog");

fn unit(name: &str, text: &str) -> SourceFile {
    SourceFile::regular(&format!("/etc/keelson/units/{name}"), text.as_bytes())
}

fn has(loaded: &Loaded, name: &str) -> bool {
    loaded.specs.iter().any(|spec| spec.name.as_str() == name)
}

/// What is said when a good unit and these are loaded. The good one is there, whatever the others are.
fn said(files: &[SourceFile]) -> String {
    let mut all = vec![unit("good.service", "[Service]\nExecStart=/bin/true\n")];
    all.extend_from_slice(files);
    let loaded = load(&all, &LoadOptions::default());
    assert!(has(&loaded, "good.service"));
    let texts: Vec<String> = loaded.diagnostics.iter().map(|one| format!("{one}")).collect();
    texts.join("\n")
}

fn assert_names(said: &str, limit: usize) {
    assert!(said.contains(&limit.to_string()), "{limit} is not named: {said}");
}

#[test]
fn a_file_that_is_too_long() {
    let text = format!("command = \"/bin/true\"\n#{}", "x".repeat(UNIT_FILE_BYTES_MAX));
    assert_names(&said(&[unit("long.toml", &text)]), UNIT_FILE_BYTES_MAX);
}

#[test]
fn a_file_with_too_many_directives() {
    let text = format!("[Service]\nExecStart=/bin/true\n{}", "Nice=1\n".repeat(UNIT_ENTRIES_MAX));
    assert_names(&said(&[unit("many.service", &text)]), UNIT_ENTRIES_MAX);
}

#[test]
fn a_command_with_too_many_words() {
    let text = format!("[Service]\nExecStart=/bin/true {}\n", "x ".repeat(COMMAND_WORDS_MAX));
    assert_names(&said(&[unit("words.service", &text)]), COMMAND_WORDS_MAX);
}

#[test]
fn more_units_than_there_may_be() {
    let one = |number| unit(&format!("unit{number}.toml"), "command = \"/bin/true\"\n");
    let files: Vec<SourceFile> = (0..=UNITS_MAX).map(one).collect();
    assert_names(&said(&files), UNITS_MAX);
}

#[test]
fn more_descriptors_than_may_be_kept() {
    let wanted = DESCRIPTORS_MAX + 1;
    let text = format!("[Service]\nExecStart=/bin/true\nFileDescriptorStoreMax={wanted}\n");
    assert_names(&said(&[unit("keeper.service", &text)]), DESCRIPTORS_MAX as usize);
}

const SCRIPTS: &[(&str, &str)] = &[
    (
        "hoard",
        "echo ${LISTEN_FDS:-0} >>/run/hoard\necho x >/run/x\n\
         for n in 1 2 3 4 5; do actor store n$n /run/x; done\nactor say READY=1\n\
         exec /state/test/busybox sleep 100000\n",
    ),
    ("serve", "exec /state/test/busybox sleep 100000\n"),
    ("slow", "bb sleep 30\nactor say READY=1\nexec /state/test/busybox sleep 100000\n"),
    ("long", "bb head -c 20000 /dev/zero | bb tr '\\0' x\necho\necho end\n"),
];

/// What units keep with us, how often one may run at once, who waits for one, what one writes.
#[test]
fn runs_descriptors_and_log_lines() {
    let service =
        |script: &str| format!("[Service]\nExecStart={BUSYBOX} sh /state/test/{script}\n");
    let notify = "Type=notify\nNotifyAccess=all\n";
    let mut guest = Scene::new("limits-of-units")
        .agent(AGENT)
        .disk(|disk| add_scripts(disk, ACTOR, SCRIPTS))
        .unit("hoard.service", &format!("{}{notify}FileDescriptorStoreMax=3\nRestart=always\n", service("hoard")))
        .unit("many@.service", &format!("{}StandardInput=socket\n", service("serve")))
        .unit("many.socket", "[Socket]\nListenStream=127.0.0.1:7777\nAccept=yes\nMaxConnections=2\n[Install]\nWantedBy=sockets.target\n")
        .unit("slow.service", &format!("{}{notify}", service("slow")))
        .unit("long.toml", &format!("type = \"oneshot\"\n{}", run_script("long")))
        .boot();
    guest.wait_for_line("multi-user.target reached");
    check_descriptors(&mut guest);
    check_runs(&mut guest);
    check_asks(&mut guest);
    check_lines(&mut guest);
    guest.end_by("poweroff");
}

fn check_descriptors(guest: &mut Guest) {
    guest.keelctl(&["start", "hoard"]);
    let story = guest.keelctl(&["events", "hoard"]);
    assert_eq!(story.matches("3 descriptors are kept").count(), 1, "said once: {story}");
    guest.keelctl(&["kill", "-s", "KILL", "hoard"]);
    guest.eventually("the next run, with three", |guest| {
        (guest.read("/run/hoard") == "0\n3\n").then_some(())
    });
}

fn check_runs(guest: &mut Guest) {
    let instances = |guest: &mut Guest| {
        let names = guest.shell(&format!("{BUSYBOX} ls /sys/fs/cgroup/units"));
        names.lines().filter(|name| name.starts_with("many@")).count()
    };
    for number in 1..=2 {
        guest.shell(&format!(
            "({BUSYBOX} sleep 1000 | {BUSYBOX} nc 127.0.0.1 7777) >/dev/null 2>&1 &"
        ));
        guest.eventually("another instance", |guest| (instances(guest) == number).then_some(()));
    }
    // The third is taken and hung up on; those that are served stay.
    guest.shell(&format!("{BUSYBOX} nc 127.0.0.1 7777 </dev/null"));
    guest.shell(&format!("{BUSYBOX} nc 127.0.0.1 7777 </dev/null"));
    assert_eq!(instances(guest), 2);
    let story = guest.keelctl(&["events", "many.socket"]);
    assert_eq!(story.matches("2 connections are served already").count(), 1, "{story}");
}

fn check_asks(guest: &mut Guest) {
    let mut command = vec!["/bin/keelctl", "start"];
    command.resize(command.len() + ASKS_MAX + 1, "slow");
    let ran = guest.run(&command);
    assert_eq!(ran.status, "exit 7", "{ran:?}");
    assert_names(&ran.stderr, ASKS_MAX);
    assert_eq!(
        ran.stdout.matches("slow up").count(),
        ASKS_MAX,
        "the others waited for it: {ran:?}"
    );
}

fn check_lines(guest: &mut Guest) {
    let text = guest.eventually("the end of a long line", |guest| {
        let text = guest.keelctl(&["logs", "-o", "raw", "--no-events", "long"]);
        text.contains("end").then_some(text)
    });
    assert!(text.lines().all(|line| line.len() <= LOG_LINE_BYTES_MAX), "{}", text.len());
    assert_eq!(text.matches('x').count(), 20_000, "cut, not lost");
    let parts = guest.keelctl(&["logs", "-o", "json", "--no-events", "long"]);
    assert_eq!(parts.matches("\"partial\":true").count(), 2, "cuts are marked: {parts}");
}

#[test]
fn connections_and_requests() {
    let program = std::fs::read(HOG).unwrap();
    let scene = Scene::new("limits").agent(AGENT);
    let mut guest = scene.disk(|disk| disk.file("test/hog", 0o755, &program)).boot();
    guest.wait_for_line("multi-user.target reached");
    let told = hog(&mut guest, &["connect", &(CLIENTS_MAX + 8).to_string()]);
    let places = format!("{CLIENTS_MAX} connections are open already");
    assert!(told.contains(&places), "{told}");
    // The hog is gone, and so are its connections.
    guest.keelctl(&["status"]);
    let told = hog(&mut guest, &["request", &(REQUEST_BYTES_MAX + 1).to_string()]);
    assert!(told.contains(&REQUEST_BYTES_MAX.to_string()), "{told}");
    guest.keelctl(&["status"]);
}

fn hog(guest: &mut Guest, words: &[&str]) -> String {
    let mut command = vec!["/state/test/hog"];
    command.extend(words);
    let ran = guest.run(&command);
    assert_eq!(ran.status, "exit 0", "{ran:?}");
    println!("   {}: {}", words.join(" "), ran.stdout.trim());
    ran.stdout
}
