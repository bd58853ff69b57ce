//! The tests: each makes a PID 1 in a name space of its own, and judges the story that it tells.
#![allow(unsafe_code, reason = "a name space is made before the program is executed")]

use std::os::unix::fs::FileExt;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use init::sys::survive::VAULT_DESCRIPTOR;

use crate::pid1::{READY, Story};

/// Nothing here takes that long on any machine.
const PATIENCE: Duration = Duration::from_secs(120);

type Test = (&'static str, fn());

const TESTS: [Test; 8] = [
    ("every_kind_of_fault_is_survived", every_kind),
    ("many_faults_at_many_places", many_faults),
    ("signals_from_outside_are_survived", from_outside),
    ("the_same_program_replaces_itself", replaced_by_same),
    ("another_file_replaces_it", replaced_by_file),
    ("a_program_that_cannot_read_the_vault_is_refused", refused),
    ("what_is_no_program_is_refused", no_program),
    ("too_many_faults_degrade", degraded),
];

pub(crate) fn run(words: &[String]) -> ExitCode {
    let filter = words.iter().find(|word| !word.starts_with('-'));
    if words.iter().any(|word| word == "--list") {
        TESTS.iter().for_each(|(name, _)| println!("{name}: test"));
        return ExitCode::SUCCESS;
    }
    if !rustix::process::geteuid().is_root() {
        println!("skipped: name spaces need root");
        return ExitCode::SUCCESS;
    }
    for (name, test) in TESTS {
        if filter.is_none_or(|filter| name.contains(filter.as_str())) {
            let start = Instant::now();
            test();
            println!("test {name} ... ok ({:.1} s)", start.elapsed().as_secs_f64());
        }
    }
    ExitCode::SUCCESS
}

/// Starts a PID 1 with that story to live.
fn start(story: &Story) -> Child {
    let program = std::env::current_exe().unwrap();
    let mut command = Command::new("unshare");
    command.args(["--pid", "--mount", "--fork", "--mount-proc", "--kill-child=SIGKILL", "--"]);
    command.arg(program).arg("pid1");
    command.env("KEELSON_TEST_STORY", serde_json::to_string(story).unwrap());
    command.env_remove("RUST_BACKTRACE").stdin(Stdio::null());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    // SAFETY: one call that is safe between fork and exec: no core files of what is meant to fail.
    unsafe {
        command.pre_exec(|| {
            let none = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
            libc::setrlimit(libc::RLIMIT_CORE, &raw const none);
            Ok(())
        });
    }
    command.spawn().unwrap()
}

/// The story of a PID 1 that came to its end.
fn told(child: Child) -> Story {
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let line = text.lines().find_map(|line| line.strip_prefix("story "));
    let line = line.unwrap_or_else(|| panic!("no story: {output:?}"));
    let story: Story = serde_json::from_str(line).unwrap();
    assert_eq!(story.complaints, Vec::<String>::new(), "{story:?}");
    assert!(story.exits > 20 && story.lines > 100, "nothing happened: {story:?}");
    let gaps = &story.gaps_us;
    let worst = gaps.iter().max().copied().unwrap_or(0);
    let median = {
        let mut sorted = gaps.clone();
        sorted.sort_unstable();
        sorted.get(sorted.len() / 2).copied().unwrap_or(0)
    };
    println!(
        "  survived={} replaced={} exits={} lines={} gap-median-us={median} gap-max-us={worst}",
        story.survived, story.replaced, story.exits, story.lines
    );
    story
}

fn every_kind() {
    for kind in init::sys::survive::inject::Kind::ALL {
        let story = Story { faults: 3, kind: kind.name().into(), ..Story::default() };
        assert_eq!(told(start(&story)).survived, 3, "{}", kind.name());
    }
}

fn many_faults() {
    let story = Story { faults: 200, ..Story::default() };
    assert_eq!(told(start(&story)).survived, 200);
}

/// Sends each signal when the last one is survived.
fn from_outside() {
    const ROUNDS: u32 = 60;
    let story = Story { faults: ROUNDS, outside: true, ..Story::default() };
    let child = start(&story);
    let pid1 = only_child(child.id());
    wait_until(|| std::fs::read_to_string(format!("/proc/{pid1}/comm")).unwrap().trim() == READY);
    let mut sent = 0;
    while sent < ROUNDS {
        let before = generation(pid1);
        let signals = [libc::SIGABRT, libc::SIGSEGV, libc::SIGBUS, libc::SIGILL, libc::SIGFPE];
        // SAFETY: sends a signal to our own grandchild.
        unsafe { libc::kill(pid1 as i32, signals[sent as usize % signals.len()]) };
        sent += 1;
        wait_until(|| generation(pid1) != before);
    }
    assert_eq!(told(child).survived, ROUNDS);
}

/// Which image of the program runs, once its handlers are installed: a word of the vault, read through
/// the program's own descriptor of it.
fn generation(pid: u32) -> Option<u64> {
    let vault = std::fs::File::open(format!("/proc/{pid}/fd/{VAULT_DESCRIPTOR}")).ok()?;
    let mut words = [0; 8 * 80];
    vault.read_exact_at(&mut words, 0).ok()?;
    let word = |nth: usize| u64::from_le_bytes(words[8 * nth..8 * nth + 8].try_into().unwrap());
    (word(0) == init::vault::layout::MAGIC).then(|| word(68))
}

fn only_child(parent: u32) -> u32 {
    let path = format!("/proc/{parent}/task/{parent}/children");
    let mut pid = 0;
    wait_until(|| {
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        pid = text.split_whitespace().next().and_then(|p| p.parse().ok()).unwrap_or(0);
        pid != 0 && generation(pid).is_some()
    });
    pid
}

fn wait_until(mut fact: impl FnMut() -> bool) {
    let start = Instant::now();
    while !fact() {
        assert!(start.elapsed() < PATIENCE, "waited for too long");
        std::thread::sleep(Duration::from_micros(300));
    }
}

fn replaced_by_same() {
    let story = Story { faults: 2, replace: "same".into(), ..Story::default() };
    let story = told(start(&story));
    assert_eq!((story.replaced, story.survived, story.refused.as_str()), (1, 2, ""));
}

fn replaced_by_file() {
    let program = std::env::current_exe().unwrap().to_string_lossy().into_owned();
    let story = Story { faults: 2, replace: program, ..Story::default() };
    let story = told(start(&story));
    assert_eq!((story.replaced, story.refused.as_str()), (1, ""));
}

fn refused() {
    let story = Story { faults: 1, replace: "/bin/false".into(), ..Story::default() };
    let story = told(start(&story));
    assert_eq!(story.replaced, 0);
    assert!(story.refused.contains("cannot take over"), "{}", story.refused);
}

fn no_program() {
    let story = Story { faults: 1, replace: "/etc/passwd".into(), ..Story::default() };
    let story = told(start(&story));
    assert!(story.refused.contains("no x86-64 ELF program"), "{}", story.refused);
}

fn degraded() {
    let story = Story { faults: 9, kind: "degrade".into(), ..Story::default() };
    let child = start(&story);
    let pid1 = only_child(child.id());
    let start = Instant::now();
    // Three faults in, it holds; an order to end makes it end before its minute is over.
    std::thread::sleep(Duration::from_secs(1));
    // SAFETY: sends a signal to our own grandchild.
    unsafe { libc::kill(pid1 as i32, libc::SIGTERM) };
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(77), "{output:?}");
    assert!(start.elapsed() < PATIENCE / 4);
}
