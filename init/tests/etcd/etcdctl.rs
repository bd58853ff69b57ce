//! Debian's `etcdctl` 3.4, unchanged, against one member and against three.

use std::process::{Command, Output, Stdio};

use crate::member::{Member, Plan, Scratch, eventually};

/// The client of the host. `cargo verify` installs it; without it there is nothing to test.
fn etcdctl(members: &[&Member]) -> Option<Command> {
    let endpoints: Vec<String> = members.iter().map(|member| member.address.to_string()).collect();
    let mut command = Command::new("etcdctl");
    command.env("ETCDCTL_API", "3").arg("--endpoints").arg(endpoints.join(","));
    let found = Command::new("etcdctl").stdout(Stdio::null()).stderr(Stdio::null()).status();
    if found.is_err() {
        eprintln!("not tested, etcdctl is not installed: apt-get install etcd-client");
    }
    found.is_ok().then_some(command)
}

struct Ctl<'a>(Vec<&'a Member>);

impl Ctl<'_> {
    fn output(&self, words: &str) -> Output {
        let mut command = etcdctl(&self.0).unwrap();
        command.args(words.split_whitespace()).output().unwrap()
    }

    /// What it prints, when it succeeds.
    fn ok(&self, words: &str) -> String {
        let output = self.output(words);
        let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "etcdctl {words}: {complaint}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// The last line of its complaint, when it fails.
    fn fails(&self, words: &str) -> String {
        let output = self.output(words);
        assert!(!output.status.success(), "etcdctl {words} should have failed");
        String::from_utf8_lossy(&output.stderr).lines().last().unwrap_or_default().to_owned()
    }

    fn ready(&self) {
        eventually("a member that answers", || {
            self.output("endpoint health").status.success().then_some(())
        });
    }
}

fn is_there() -> bool {
    etcdctl(&[]).is_some()
}

#[test]
fn keys_leases_watches_and_space() {
    if !is_there() {
        return;
    }
    let scratch = Scratch::new("etcdctl");
    let plan = Plan::cluster(&scratch.0, 1).remove(0);
    let mut member = plan.start();
    drop(member.connect());
    let ctl = Ctl(vec![&member]);
    ctl.ready();
    assert_eq!(ctl.ok("put a 1"), "OK\n");
    assert_eq!(ctl.ok("put a 2 --prev-kv"), "OK\na\n1\n");
    assert_eq!(ctl.ok("get a"), "a\n2\n");
    assert_eq!(ctl.ok("get a --rev=2 --print-value-only"), "1\n");
    ctl.ok("put b 3");
    assert_eq!(ctl.ok("get --prefix --keys-only --order=DESCEND a"), "a\n\n");
    assert!(ctl.ok("get a z --write-out=fields").contains("\"Count\" : 2"));
    assert_eq!(ctl.ok("del a z"), "2\n");
    assert!(ctl.fails("get a --rev=99").contains("required revision is a future revision"));
    let lease = ctl.ok("lease grant 300");
    let lease = lease.split_whitespace().nth(1).unwrap();
    ctl.ok(&format!("put leased x --lease={lease}"));
    assert!(ctl.ok(&format!("lease keep-alive --once {lease}")).contains("TTL(300)"));
    assert!(ctl.ok(&format!("lease timetolive {lease} --keys")).contains("leased"));
    ctl.ok(&format!("lease revoke {lease}"));
    assert_eq!(ctl.ok("get leased"), "");
    assert!(ctl.ok("member list").contains("started, m0"));
    assert!(ctl.ok("endpoint status").contains("true, false"));
    assert!(ctl.ok("defrag").contains("Finished"));
    ctl.ok("compaction 3");
    assert!(ctl.fails("get a --rev=2").contains("required revision has been compacted"));
    let file = scratch.0.join("saved");
    ctl.ok(&format!("snapshot save {}", file.display()));
    assert_eq!(std::fs::metadata(file).unwrap().len() % 512, 32);
}

#[test]
fn users_and_roles() {
    if !is_there() {
        return;
    }
    let scratch = Scratch::new("users");
    let plan = Plan::cluster(&scratch.0, 1).remove(0);
    let mut member = plan.start();
    drop(member.connect());
    let ctl = Ctl(vec![&member]);
    ctl.ready();
    for words in [
        "user add root:pw",
        "role add root",
        "user grant-role root root",
        "user add u:up",
        "role add r",
        "role grant-permission r readwrite foo zoo",
        "user grant-role u r",
        "auth enable",
    ] {
        ctl.ok(words);
    }
    assert_eq!(ctl.fails("put foo 1"), "Error: etcdserver: user name is empty");
    assert_eq!(ctl.ok("--user u:up put foo 1"), "OK\n");
    assert_eq!(ctl.fails("--user u:up put a 1"), "Error: etcdserver: permission denied");
    assert_eq!(
        ctl.fails("--user u:no get foo"),
        "Error: etcdserver: authentication failed, invalid user ID or password"
    );
    ctl.ok("--user root:pw auth disable");
    assert_eq!(ctl.ok("get foo"), "foo\n1\n");
}

#[test]
fn three_members_lose_one_and_get_another() {
    if !is_there() {
        return;
    }
    let scratch = Scratch::new("three");
    let plans = Plan::cluster(&scratch.0, 3);
    let mut members: Vec<Member> = plans.iter().map(Plan::start).collect();
    for member in &mut members {
        drop(member.connect());
    }
    let all = Ctl(members.iter().collect());
    all.ready();
    all.ok("put a 1");
    for member in &members {
        let one = Ctl(vec![member]);
        assert_eq!(one.ok("get a"), "a\n1\n");
        let lease = one.ok("lease grant 300");
        let lease = lease.split_whitespace().nth(1).unwrap();
        assert!(one.ok(&format!("lease keep-alive --once {lease}")).contains("TTL(300)"));
    }
    members[0].kill();
    let rest = Ctl(vec![&members[1], &members[2]]);
    eventually("a leader of the rest", || rest.output("put b 2").status.success().then_some(()));
    members[0] = plans[0].start();
    drop(members[0].connect());
    let back = Ctl(vec![&members[0]]);
    back.ready();
    assert_eq!(back.ok("get b"), "b\n2\n");
    assert_eq!(back.ok("member list").lines().count(), 3);
}
