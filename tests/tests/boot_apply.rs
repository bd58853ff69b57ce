//! What runs is made what the files say, and only that is touched which differs. One boot.

use tests::guest::{BUSYBOX, Guest, Ran, Scene};

const AGENT: &str = env!("CARGO_BIN_EXE_agent");
const FILES: &str = "/run/files";
const UNITS: &str = "/state/units";

/// A unit that sleeps for so long, which its command line shows.
fn sleeper(seconds: u32, rest: &str) -> String {
    format!("command = [\"{BUSYBOX}\", \"sleep\", \"{seconds}\"]\n{rest}")
}

#[test]
fn files_are_applied_changed_limited_and_taken_back() {
    let mut guest = Scene::new("apply").agent(AGENT).boot();
    guest.wait_for_line("multi-user.target reached");
    guest.shell(&format!("{BUSYBOX} mkdir -p {FILES}"));
    check_new(&mut guest);
    check_difference(&mut guest);
    check_errors(&mut guest);
    check_limits(&mut guest);
    check_limits_refused(&mut guest);
    check_taken_back(&mut guest);
    check_confirmed(&mut guest);
    check_prune(&mut guest);
    guest.end_by("poweroff");
}

fn put(guest: &mut Guest, name: &str, text: &str) {
    guest.write(&format!("{FILES}/{name}.toml"), text);
}

fn apply(guest: &mut Guest, words: &[&str]) -> Ran {
    let mut command = vec!["/bin/keelctl", "apply"];
    command.extend(words);
    command.push(FILES);
    guest.run(&command)
}

fn applied(guest: &mut Guest, words: &[&str]) -> String {
    let ran = apply(guest, words);
    assert_eq!(ran.status, "exit 0", "{ran:?}");
    ran.stdout
}

fn pids<const N: usize>(guest: &mut Guest, units: [&str; N]) -> [u32; N] {
    units.map(|unit| guest.main_pid(unit))
}

fn check_new(guest: &mut Guest) {
    for name in ["alpha", "beta", "gamma"] {
        put(guest, name, &sleeper(1000, ""));
    }
    let said = applied(guest, &["--dry-run"]);
    assert!(
        said.contains("+ alpha  new, starts") && said.contains("3 units would change"),
        "{said}"
    );
    assert_eq!(guest.run(&["/bin/keelctl", "status", "alpha"]).status, "exit 4");
    let said = applied(guest, &[]);
    assert!(said.contains("3 units changed"), "{said}");
    for name in ["alpha", "beta", "gamma"] {
        guest.wait_until(name, "state", "up");
    }
    let said = applied(guest, &[]);
    assert!(said.contains("nothing to change"), "{said}");
}

/// One restarted, one given other limits, one left alone, one new; and the dry run changes nothing.
fn check_difference(guest: &mut Guest) {
    let before = pids(guest, ["alpha", "beta", "gamma", "test-agent"]);
    put(guest, "alpha", &sleeper(1001, ""));
    put(guest, "beta", &sleeper(1000, "limits = { memory = \"64M\", cpu = 0.5, pids = 77 }\n"));
    put(guest, "delta", &sleeper(1000, ""));
    let said = applied(guest, &["--dry-run"]);
    for line in ["~ alpha  restarted", "~ beta  new limits, keeps running", "+ delta  new, starts"]
    {
        assert!(said.contains(line), "{line}: {said}");
    }
    assert!(said.contains("1000") && said.contains("1001"), "both values are shown: {said}");
    assert!(said.contains("memory-max: 64 M"), "{said}");
    assert!(!said.contains("gamma"), "{said}");
    assert_eq!(pids(guest, ["alpha", "beta", "gamma", "test-agent"]), before);
    assert_eq!(guest.group_file("beta", "memory.max"), "max");

    let said = applied(guest, &[]);
    assert!(said.contains("3 units changed"), "{said}");
    guest.wait_until("delta", "state", "up");
    guest.eventually("alpha with its new command", |guest| {
        let pid = guest.told("alpha", "main-pid");
        guest.read_if_there(&format!("/proc/{pid}/cmdline")).contains("1001").then_some(())
    });
    assert_eq!(pids(guest, ["beta", "gamma", "test-agent"]), before[1..]);
    guest.eventually("the limits in the running group", |guest| {
        (guest.group_file("beta", "memory.max") == "67108864").then_some(())
    });
    assert_eq!(guest.group_file("beta", "cpu.max"), "50000 100000");
    assert_eq!(guest.group_file("beta", "pids.max"), "77");
}

fn check_errors(guest: &mut Guest) {
    let before = pids(guest, ["alpha", "beta", "gamma", "delta"]);
    put(guest, "gamma", &sleeper(1002, ""));
    put(guest, "broken", "comand = \"/bin/true\"\n");
    let ran = apply(guest, &[]);
    assert_eq!(ran.status, "exit 1", "{ran:?}");
    let said = ran.stdout + &ran.stderr;
    assert!(said.contains("broken.toml:1:1") && said.contains("`command`"), "{said}");
    assert!(said.contains("nothing was changed"), "{said}");
    guest.shell(&format!("{BUSYBOX} rm {FILES}/broken.toml"));
    put(guest, "gamma", &sleeper(1000, ""));
    assert_eq!(pids(guest, ["alpha", "beta", "gamma", "delta"]), before);
}

/// Limits of a running group: by files, by hand, and gone again.
fn check_limits(guest: &mut Guest) {
    let pid = guest.main_pid("beta");
    let files = guest.shell(&format!("{BUSYBOX} find {UNITS} -type f | {BUSYBOX} sort"));
    for memory in [32, 40, 48] {
        guest.keelctl(&["set", "beta", &format!("memory={memory}M")]);
        assert_eq!(guest.group_file("beta", "memory.max"), (memory << 20).to_string());
    }
    guest.keelctl(&["set", "beta", "cpu=25%", "tasks=infinity"]);
    assert_eq!(guest.group_file("beta", "cpu.max"), "25000 100000");
    assert_eq!(guest.group_file("beta", "pids.max"), "max");
    assert_eq!(guest.group_file("beta", "memory.max"), "50331648", "what was set before stays");
    guest.keelctl(&["set", "beta", "cpu=infinity", "cpu-weight=300"]);
    assert_eq!(guest.group_file("beta", "cpu.max"), "max 100000");
    assert_eq!(guest.group_file("beta", "cpu.weight"), "300");
    // Nothing of it is written down anywhere.
    let after = guest.shell(&format!("{BUSYBOX} find {UNITS} -type f | {BUSYBOX} sort"));
    assert_eq!(after, files);
    // The files say otherwise: what they limited is not limited any more, nor is what was set.
    put(guest, "beta", &sleeper(1000, "limits = { cpu-weight = 200 }\n"));
    let said = applied(guest, &[]);
    assert!(said.contains("- limits.memory") || said.contains("- resources.memory-max"), "{said}");
    guest.eventually("the limit to be gone", |guest| {
        (guest.group_file("beta", "memory.max") == "max").then_some(())
    });
    assert_eq!(guest.group_file("beta", "cpu.max"), "max 100000");
    assert_eq!(guest.group_file("beta", "cpu.weight"), "200");
    assert_eq!(guest.main_pid("beta"), pid);
    assert_eq!(guest.told("beta", "run"), "1");
}

fn check_limits_refused(guest: &mut Guest) {
    for (words, code, said) in [
        (["set", "beta", "memory=many"], 2, "memory=many"),
        (["set", "beta", "speed=9"], 2, "cpu-weight"),
        (["set", "nobody", "memory=1M"], 4, "no unit nobody"),
        (["set", "test-idle.target", "memory=1M"], 4, "no unit"),
        (["set", "multi-user.target", "memory=1M"], 7, "no running processes"),
    ] {
        let ran = guest.run(&["/bin/keelctl", words[0], words[1], words[2]]);
        assert_eq!(ran.status, format!("exit {code}"), "{words:?}: {ran:?}");
        assert!(ran.stderr.contains(said), "{words:?}: {ran:?}");
    }
}

/// Nobody confirms: everything is as before, by itself.
fn check_taken_back(guest: &mut Guest) {
    let before = pids(guest, ["alpha", "beta", "delta"]);
    put(guest, "gamma", &sleeper(1003, ""));
    put(guest, "extra", &sleeper(1000, ""));
    let said = applied(guest, &["--confirm-within", "8s"]);
    assert!(said.contains("unconfirmed") && said.contains("keelctl confirm"), "{said}");
    guest.wait_until("extra", "state", "up");
    let extra = guest.main_pid("extra").to_string();
    sleeps(guest, "gamma", "1003");
    guest.eventually("the unit to be gone again", |guest| {
        (guest.run(&["/bin/keelctl", "status", "extra"]).status == "exit 4").then_some(())
    });
    assert!(!guest.is_alive(&extra));
    sleeps(guest, "gamma", "1000");
    assert_eq!(pids(guest, ["alpha", "beta", "delta"]), before);
    let told = guest.keelctl(&["logs", "keelson"]);
    assert!(told.contains("nobody confirmed"), "{told}");
    let left = guest.read(&format!("{UNITS}/gamma.toml"));
    assert_eq!(left, sleeper(1000, ""));
}

fn sleeps(guest: &mut Guest, unit: &str, seconds: &str) {
    guest.eventually("its command", |guest| {
        let pid = guest.told(unit, "main-pid");
        guest.read_if_there(&format!("/proc/{pid}/cmdline")).contains(seconds).then_some(())
    });
}

/// Somebody confirms: it stays, for good.
fn check_confirmed(guest: &mut Guest) {
    let said = applied(guest, &["--confirm-within", "8s"]);
    assert!(said.contains("unconfirmed"), "{said}");
    assert!(guest.keelctl(&["confirm"]).contains("the change stays"));
    guest.wait_until("extra", "state", "up");
    let kept = pids(guest, ["extra", "alpha", "beta", "delta"]);
    guest.shell(&format!("{BUSYBOX} sleep 10"));
    assert_eq!(pids(guest, ["extra", "alpha", "beta", "delta"]), kept);
    sleeps(guest, "gamma", "1003");
    assert!(guest.keelctl(&["confirm"]).contains("nothing waits"));
    let ran = guest.run(&["/bin/keelctl", "revert"]);
    assert_eq!(ran.status, "exit 1", "{ran:?}");
    assert!(ran.stderr.contains("nothing to go back to"), "{ran:?}");
    // Unconfirmed, it can be undone at once.
    put(guest, "gamma", &sleeper(1004, ""));
    applied(guest, &["--confirm-within", "10min"]);
    sleeps(guest, "gamma", "1004");
    guest.keelctl(&["revert"]);
    sleeps(guest, "gamma", "1003");
    put(guest, "gamma", &sleeper(1003, ""));
}

/// The files are all there is.
fn check_prune(guest: &mut Guest) {
    let kept = pids(guest, ["alpha", "beta", "gamma", "test-agent"]);
    let gone = guest.main_pid("delta").to_string();
    guest.shell(&format!(
        "{BUSYBOX} rm {FILES}/delta.toml; {BUSYBOX} cp {UNITS}/test-agent.service {FILES}/"
    ));
    let said = applied(guest, &[]);
    assert!(said.contains("nothing to change"), "without --prune it stays: {said}");
    let said = applied(guest, &["--prune"]);
    assert!(said.contains("- delta  stopped and removed"), "{said}");
    guest.eventually("the unit to be gone", |guest| {
        (guest.run(&["/bin/keelctl", "status", "delta"]).status == "exit 4").then_some(())
    });
    assert!(!guest.is_alive(&gone));
    assert_eq!(pids(guest, ["alpha", "beta", "gamma", "test-agent"]), kept);
}
