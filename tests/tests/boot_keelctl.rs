//! `keelctl` on a real machine: every verb, what it prints, how it ends, and who may use it. One boot.

use serde_json::Value;
use tests::guest::{BUSYBOX, Guest, Ran, Scene};
use tests::observe::{add_scripts, run_script};

const AGENT: &str = env!("CARGO_BIN_EXE_agent");
const ACTOR: &str = env!("CARGO_BIN_EXE_actor");
const KEELCTL: &str = "/bin/keelctl";
/// The group that may look (`access.readers`), and one that may not.
const READERS: &str = "4711";
const STRANGERS: &str = "4712";

const SCRIPTS: &[(&str, &str)] = &[
    (
        "web",
        "echo 'first words'\necho 'a complaint' >&2\ntrap 'echo \"read again\"' HUP\n\
         trap 'echo asked USR1' USR1\nwhile :; do bb sleep 1; done\n",
    ),
    ("fail", "echo 'this is why'\nexit 7\n"),
    ("once", "echo 'did it'\n"),
    ("sleep", "exec /state/test/busybox sleep 100000\n"),
];

fn scene() -> Scene {
    let machine = format!("hostname = \"bench\"\n[access]\nreaders = \"{READERS}\"\n");
    let hooks = format!("hooks = {{ reload = \"{BUSYBOX} sh -c 'kill -HUP $MAINPID'\" }}\n");
    let by_hand = "enabled = false\nrestart = \"no\"\n";
    Scene::new("keelctl")
        .agent(AGENT)
        .machine(&machine)
        .disk(|disk| add_scripts(disk, ACTOR, SCRIPTS))
        .unit("web.toml", &format!("description = \"A web server\"\nneeds = [\"db\"]\n{}{hooks}", run_script("web")))
        .unit("web.service.d/more.conf", "[Service]\nEnvironment=MORE=from-a-drop-in\n")
        .unit("db.toml", &format!("enabled = false\n{}", run_script("sleep")))
        .unit("once.toml", &format!("type = \"oneshot\"\n{}", run_script("once")))
        .unit("fail.toml", &format!("{by_hand}type = \"oneshot\"\n{}", run_script("fail")))
        .unit(
            "box.toml",
            &format!("{by_hand}image = \"busybox\"\ncommand = [\"sleep\", \"100000\"]\nhostname = \"inside\"\nenv = {{ COLOUR = \"blue\" }}\n"),
        )
}

#[test]
fn every_verb_does_what_its_page_says() {
    let mut guest = scene().boot();
    guest.wait_for_line("multi-user.target reached");
    guest.keelctl(&["health", "--wait", "120s"]);
    check_status(&mut guest);
    check_definitions(&mut guest);
    check_up_and_down(&mut guest);
    check_signals(&mut guest);
    check_logs(&mut guest);
    check_events(&mut guest);
    check_exec(&mut guest);
    check_terminal(&mut guest);
    check_top(&mut guest);
    check_reports(&mut guest);
    check_words(&mut guest);
    check_codes(&mut guest);
    check_access(&mut guest);
    guest.end_by("poweroff");
}

/// How `keelctl` with these words came out; the words in one text.
fn ran(guest: &mut Guest, words: &str) -> Ran {
    let mut command = vec![KEELCTL];
    command.extend(words.split_whitespace());
    guest.run(&command)
}

fn assert_code(guest: &mut Guest, words: &str, code: u8) -> Ran {
    let ran = ran(guest, words);
    assert_eq!(ran.status, format!("exit {code}"), "{words}: {ran:?}");
    ran
}

fn said(guest: &mut Guest, words: &str) -> String {
    assert_code(guest, words, 0).stdout
}

/// Output and errors have all of these.
fn assert_says(ran: &Ran, words: &[&str]) {
    let all = format!("{}{}", ran.stdout, ran.stderr);
    for word in words {
        assert!(all.contains(word), "{word:?} is not in:\n{all}");
    }
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

fn check_status(guest: &mut Guest) {
    let tree = said(guest, "status");
    assert!(tree.starts_with("● bench"), "the machine comes first:\n{tree}");
    let column = |name: &str| tree.lines().find_map(|line| line.find(name)).expect(name);
    assert!(column("db") > column("web"), "what web needs stands below it, indented:\n{tree}");
    assert!(!tree.contains("\x1b["), "no colours but at a terminal");
    assert!(said(guest, "status --color always").contains("\x1b["));
    assert!(!tree.contains("box"), "down and not wanted:\n{tree}");
    assert!(said(guest, "status --all").contains("box"));
    assert!(said(guest, "status --list").lines().count() > 3);
    let names = said(guest, "status --names");
    assert!(names.lines().any(|line| line == "web.service"), "{names}");

    let machine = json(&said(guest, "status --json"));
    let units = machine["units"].as_array().expect("a list");
    let web = units.iter().find(|unit| unit["name"] == "web.service").expect("web");
    assert_eq!((&web["state"], &web["description"]), (&"up".into(), &"A web server".into()));
    let pid = web["main-pid"].as_u64().expect("a number");
    assert!(guest.read(&format!("/proc/{pid}/cmdline")).contains("/state/test/web"));

    let one = said(guest, "status web");
    let pid = pid.to_string();
    for word in ["A web server", "up", &pid, "first words", "/state/units/web.toml"] {
        assert!(one.contains(word), "{word}:\n{one}");
    }
    assert_says(&assert_code(guest, "status fail", 3), &["down"]);
    assert_says(&assert_code(guest, "status wbe", 4), &["wbe", "keelctl status"]);
}

fn check_definitions(guest: &mut Guest) {
    let cat = said(guest, "cat web");
    for word in ["/state/units/web.toml", "A web server", "web.service.d/more.conf", "MORE="] {
        assert!(cat.contains(word), "{word}:\n{cat}");
    }
    assert_eq!(said(guest, "unit cat web"), cat);
    let show = said(guest, "show web");
    assert!(show.contains("A web server") && show.contains("MORE=from-a-drop-in"), "{show}");
    assert_eq!(said(guest, "unit show web"), show);
    assert!(said(guest, "show --all web").lines().count() > show.lines().count());
    assert!(json(&said(guest, "show --json web")).is_object());
    assert_says(&assert_code(guest, "cat nothing", 4), &["nothing"]);

    guest.write("/run/bad.toml", "comand = \"/bin/true\"\n");
    assert_says(&assert_code(guest, "check /run/bad.toml", 1), &["bad.toml:1:1", "`command`"]);
    assert_code(guest, "check /state/units/web.toml", 0);
    assert_says(&assert_code(guest, "check /run/none.toml", 1), &["/run/none.toml"]);
    let dry = said(guest, "apply --dry-run /state/units/web.toml");
    assert!(dry.contains("nothing to change"), "{dry}");
}

fn check_up_and_down(guest: &mut Guest) {
    let before = guest.main_pid("web");
    assert!(said(guest, "restart web").contains("web up"));
    let after = guest.main_pid("web");
    assert_ne!(after, before);
    assert!(said(guest, "start web").contains("already"));
    assert!(said(guest, "stop db").contains("db down"));
    assert_eq!(guest.told("web", "state"), "waiting", "it needs what was stopped");
    assert!(!guest.is_alive(&after.to_string()));
    assert!(said(guest, "stop db").contains("already"));
    said(guest, "try-restart db");
    assert_eq!(guest.told("db", "state"), "down", "try-restart leaves it down");
    said(guest, "start web");
    assert_eq!(guest.told("db", "state"), "up", "with all that it needs");
    assert!(said(guest, "restart --no-wait web").contains("the order is taken"));
    guest.wait_until("web", "state", "up");

    let failed = assert_code(guest, "start fail", 1);
    assert_says(&failed, &["exited with code 7", "this is why", "keelctl logs fail"]);
    assert_eq!(guest.told("fail", "state"), "failed");
    assert!(said(guest, "status").contains("fail"), "what failed is shown");
    assert_code(guest, "health", 3);
    said(guest, "reset-failed fail");
    assert_eq!(guest.told("fail", "state"), "down");
    assert_says(&assert_code(guest, "start nobody web", 4), &["no unit nobody"]);
    assert!(said(guest, "start once").contains("once"));
}

fn check_signals(guest: &mut Guest) {
    let pid = guest.main_pid("web");
    wait_for_log(guest, "web", "first words");
    said(guest, "reload web");
    wait_for_log(guest, "web", "read again");
    said(guest, "kill --signal USR1 --whom main web");
    wait_for_log(guest, "web", "asked USR1");
    assert_eq!(guest.main_pid("web"), pid, "neither ended it");
    assert_says(&assert_code(guest, "reload db", 7), &["db"]);
    said(guest, "reload --or-restart db");
    guest.wait_until("web", "state", "up");
    said(guest, "kill -s KILL db");
    guest.eventually("the next run", |guest| {
        (guest.told("db", "state") == "up" && guest.told("db", "restarts") != "0").then_some(())
    });
    assert_says(&assert_code(guest, "kill -s NOPE db", 2), &["NOPE", "TERM"]);
}

fn wait_for_log(guest: &mut Guest, unit: &str, text: &str) {
    guest.eventually(&format!("{text:?} in the log of {unit}"), |guest| {
        said(guest, &format!("logs -o raw {unit}")).contains(text).then_some(())
    });
}

fn check_logs(guest: &mut Guest) {
    let all = said(guest, "logs web");
    for word in ["first words", "a complaint", "read again", "up"] {
        assert!(all.contains(word), "{word}:\n{all}");
    }
    let raw = said(guest, "logs -o raw --no-events --grep complaint web");
    assert!(!raw.is_empty() && raw.lines().all(|line| line == "a complaint"), "{raw}");
    assert_eq!(said(guest, "logs -n 1 -o raw --no-events once"), "did it\n");
    assert_eq!(said(guest, "logs --until 1h --since 2h -o raw --no-events web"), "");
    for line in said(guest, "logs -o json web").lines() {
        assert_eq!(json(line)["source"], "web", "{line}");
    }
    assert!(said(guest, "logs kernel").contains("Linux version"));
    assert!(said(guest, "logs --kernel").contains("Linux version"));
    assert!(said(guest, "logs --boots").lines().count() >= 1);
    // Followed: what is written later comes, and the follower can be ended.
    guest.shell(&format!(
        "{KEELCTL} logs -f -n 0 -o raw web >/run/followed 2>&1 </dev/null & echo $! >/run/follower"
    ));
    guest.shell(&format!("{BUSYBOX} sleep 2; {KEELCTL} kill -s USR1 --whom main web"));
    guest.eventually("the followed line", |guest| {
        guest.read("/run/followed").contains("asked USR1").then_some(())
    });
    assert!(!guest.read("/run/followed").contains("first words"));
    guest.shell("kill $(cat /run/follower)");
    assert_says(&assert_code(guest, "logs nobody", 4), &["nobody"]);
}

fn check_events(guest: &mut Guest) {
    guest.shell(&format!(
        "{KEELCTL} events -f -n 0 >/run/events 2>&1 </dev/null & echo $! >/run/watcher"
    ));
    guest.shell(&format!("{BUSYBOX} sleep 2; {KEELCTL} start fail; true"));
    let seen = guest.eventually("the failure among the events", |guest| {
        let seen = guest.read("/run/events");
        seen.contains("exited with code 7").then_some(seen)
    });
    assert!(seen.lines().any(|line| line.contains("fail") && line.contains("starting")), "{seen}");
    guest.shell("kill $(cat /run/watcher)");
    said(guest, "reset-failed");
    let told = guest.events("fail");
    let whats: Vec<&str> =
        told.iter().filter_map(|event| event["event"]["what"].as_str()).collect();
    assert!(whats.contains(&"exited") && whats.contains(&"failed"), "{whats:?}");
}

fn check_exec(guest: &mut Guest) {
    said(guest, "start box");
    assert_eq!(said(guest, "exec box hostname"), "inside\n");
    assert_eq!(said(guest, "exec box printenv COLOUR"), "blue\n");
    assert_eq!(said(guest, "exec -e COLOUR=red -w /tmp box sh -c pwd"), "/tmp\n");
    assert_eq!(said(guest, "exec -e COLOUR=red box printenv COLOUR"), "red\n");
    assert_eq!(said(guest, "exec -u 1234:77 box id -u"), "1234\n");
    let groups = said(guest, "exec box cat /proc/self/cgroup");
    assert!(groups.contains("0::/"), "{groups}");
    let pids = said(guest, "exec box ps");
    assert!(pids.contains("sleep 100000") && !pids.contains("keelson"), "{pids}");
    // Pipes are passed through, codes and signals come back.
    let piped = guest.shell(&format!("echo through | {KEELCTL} exec -i box tr a-z A-Z"));
    assert_eq!(piped, "THROUGH\n");
    let command = [KEELCTL, "exec", "box", "sh", "-c", "echo to-errors >&2; exit 42"];
    let both = guest.run(&command);
    assert_eq!((both.status.as_str(), both.stderr.as_str()), ("exit 42", "to-errors\n"));
    let killed = guest.run(&[KEELCTL, "exec", "box", "sh", "-c", "kill -9 $$"]);
    assert_eq!(killed.status, "exit 137");
    assert_says(&assert_code(guest, "exec box no-such-program", 125), &["no-such-program"]);
    assert_says(&assert_code(guest, "exec fail ls", 7), &["fail"]);
    assert_code(guest, "exec nobody ls", 4);
    assert_says(&assert_code(guest, "exec box", 2), &["program to run is missing"]);
}

/// A person at a terminal of some size, which changes.
fn check_terminal(guest: &mut Guest) {
    let at = |guest: &mut Guest, sizes: &str, words: &[&str]| {
        let mut command = vec!["/state/test/actor", "terminal", sizes, KEELCTL];
        command.extend(words);
        guest.run(&command)
    };
    let seen = at(guest, "31x97", &["exec", "-it", "box", "--", "stty", "size"]);
    assert_eq!((seen.status.as_str(), seen.stdout.as_str()), ("exit 0", "31 97\r\n"), "{seen:?}");
    let script =
        "trap 'echo changed' WINCH; tty; stty size; echo next; read line; stty size; exit 9";
    let seen = at(guest, "31x97,43x111", &["exec", "box", "sh", "-c", script]);
    assert_eq!(seen.status, "exit 9", "{seen:?}");
    for word in ["31 97\r\n", "43 111\r\n", "/dev/"] {
        assert!(seen.stdout.contains(word), "{word:?}: {seen:?}");
    }
    // At a terminal there are colours, and lines no longer than it is wide.
    let seen = at(guest, "24x60", &["status"]);
    assert!(seen.stdout.contains("\x1b["), "{seen:?}");
    let chart = at(guest, "24x80", &["boot-chart"]);
    assert!(chart.stdout.contains("bench booted in"), "a table, not a picture: {chart:?}");
}

fn check_top(guest: &mut Guest) {
    let top = said(guest, "top --once --sort memory");
    assert!(top.contains("web") && top.contains("db"), "{top}");
    let list = json(&said(guest, "top --json"));
    let list = list.as_array().expect("a list");
    assert!(list.iter().any(|one| one.to_string().contains("web.service")), "{list:?}");
    assert_says(&assert_code(guest, "top --sort size", 2), &["memory"]);
    assert_says(&assert_code(guest, "top --interval soon", 2), &["soon"]);
}

fn check_reports(guest: &mut Guest) {
    let svg = said(guest, "boot-chart");
    assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"), "{svg}");
    for name in ["kernel", "web", "db", "once", "multi-user.target"] {
        assert!(svg.contains(&format!(">{name}<")), "{name}");
    }
    assert!(!svg.contains("not up yet"), "the boot is done:\n{svg}");
    assert!(said(guest, "boot-chart -o /run/boot.svg").contains("/run/boot.svg"));
    assert_eq!(guest.read("/run/boot.svg"), svg);
    assert!(json(&said(guest, "boot-chart --json"))["transitions"].is_array());

    said(guest, "dump -o /run/report.txt");
    let report = guest.read("/run/report.txt");
    for word in ["bench", "web.service", "first words", "Linux version", "MemTotal", "/state"] {
        assert!(report.contains(word), "{word} is not in the dump");
    }
    assert!(said(guest, "metrics").lines().all(|line| line.split_whitespace().count() == 2));
    assert!(json(&said(guest, "metrics --json")).is_object());
    assert_says(&assert_code(guest, "version", 0), &["keelctl 0.", "keelson 0.", "Linux"]);
    assert!(json(&said(guest, "version --json"))["running"].is_object());
    assert!(json(&said(guest, "health --json")).is_object());
    assert!(said(guest, "confirm").contains("nothing waits"));
    said(guest, "reexec");
    assert!(said(guest, "version").contains("replaced 1 times"));
}

/// Help and completions: of all verbs, and without PID 1.
fn check_words(guest: &mut Guest) {
    let help = said(guest, "--help");
    assert_eq!(said(guest, "help"), help);
    assert_eq!(ran(guest, "").stdout, help);
    let verbs = "status show cat health metrics logs events top boot-chart dump start stop restart \
                 try-restart reload kill reset-failed isolate set exec check apply confirm revert \
                 reboot poweroff halt kexec reexec help version completions";
    for verb in verbs.split_whitespace() {
        assert!(help.contains(verb), "{verb} is not in the overview");
        let page = said(guest, &format!("help {verb}"));
        assert!(page.contains("usage:") && page.contains(verb), "{page}");
        assert_eq!(said(guest, &format!("{verb} --help")), page);
    }
    for shell in ["bash", "zsh", "fish"] {
        let script = said(guest, &format!("completions {shell}"));
        for verb in verbs.split_whitespace() {
            assert!(script.contains(verb), "{verb} cannot be completed in {shell}");
        }
    }
    assert_says(&assert_code(guest, "completions tcsh", 2), &["bash, zsh and fish"]);
}

/// What the page says of the codes is true, and each error says what to do.
fn check_codes(guest: &mut Guest) {
    assert_says(&assert_code(guest, "strat web", 2), &["`strat`", "did you mean `start`?"]);
    assert_says(&assert_code(guest, "frobnicate", 2), &["keelctl help"]);
    assert_says(&assert_code(guest, "start", 2), &["UNIT… is missing", "usage:"]);
    assert_says(&assert_code(guest, "logs --folow web", 2), &["did you mean --follow?"]);
    assert_says(&assert_code(guest, "unit", 2), &["unit cat", "unit show"]);
    assert_says(&assert_code(guest, "start a/b", 2), &["without its path"]);
    assert_says(&assert_code(guest, "stop wbe", 4), &["no unit wbe", "keelctl status"]);
    assert_says(&assert_code(guest, "--socket /run/none status", 6), &["/run/none"]);
    assert_says(&assert_code(guest, "start broken-name@", 2), &["broken-name@"]);
    let kexec = assert_code(guest, "kexec", 1);
    assert_says(&kexec, &["kernel"]);
}

/// Root does everything, the group looks, others are sent away.
fn check_access(guest: &mut Guest) {
    let by = |guest: &mut Guest, group: &str, words: &str| {
        let mut command = vec!["/state/test/actor", "as", "4000", group, KEELCTL];
        command.extend(words.split_whitespace());
        guest.run(&command)
    };
    let pid = guest.main_pid("web");
    for words in [
        "status",
        "status web",
        "logs -n 1 web",
        "show web",
        "cat web",
        "events -n 1",
        "health",
        "metrics",
        "boot-chart",
        "top --once",
        "version",
    ] {
        let looked = by(guest, READERS, words);
        assert_eq!(looked.status, "exit 0", "{words}: {looked:?}");
        let refused = by(guest, STRANGERS, words);
        let code = if words == "version" { "exit 0" } else { "exit 5" };
        assert!(refused.status == "exit 5" || refused.status == code, "{words}: {refused:?}");
        if refused.status == "exit 5" {
            assert_says(&refused, &["root"]);
        }
    }
    for words in [
        "stop web",
        "restart web",
        "kill web",
        "set web memory=1M",
        "exec web true",
        "apply /state/units/web.toml",
        "reset-failed",
        "confirm",
        "reexec",
        "poweroff",
    ] {
        for group in [READERS, STRANGERS] {
            let refused = by(guest, group, words);
            assert_eq!(refused.status, "exit 5", "{words} by {group}: {refused:?}");
            assert_says(&refused, &["root"]);
        }
    }
    assert_eq!(guest.main_pid("web"), pid, "nothing of it was done");
    let allowed = by(guest, STRANGERS, "check /state/units/web.toml");
    assert_ne!(allowed.status, "exit 5", "no keelson is needed for this: {allowed:?}");
}
