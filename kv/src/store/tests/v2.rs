//! The keys of version 2.

use super::script::Script;
use crate::command::Change;
use crate::reply::Answer;
use crate::v2::{V2Change, V2Expected, V2Node, V2Put, V2Reply};

fn put(path: &str, value: &str) -> V2Put {
    V2Put { path: path.into(), value: value.into(), ..V2Put::default() }
}

fn expected(value: &str, index: u64) -> V2Expected {
    V2Expected { value: value.into(), index }
}

impl Script {
    fn v2(&mut self, change: V2Change) -> V2Reply {
        match self.must(Change::V2(change)) {
            Answer::V2(reply) => reply,
            answer => panic!("{answer:?}"),
        }
    }

    /// `set /a=1 @3 was 0`, or the number of the error and its cause.
    fn say(&mut self, change: V2Change) -> String {
        match self.v2(change) {
            Ok(event) => {
                let was = event.prev_node.as_ref().map_or(String::new(), |was| {
                    format!(" was {}", was.value.as_deref().unwrap_or("dir"))
                });
                format!("{} {} @{}{was}", event.action.name(), node(&event.node), event.index)
            }
            Err(error) => format!("{} {}", error.code, error.cause),
        }
    }

    fn set(&mut self, path: &str, value: &str) -> String {
        self.say(V2Change::Set(put(path, value)))
    }

    fn shows(&self, path: &str, recursive: bool) -> String {
        match self.store.v2().get(path, recursive, self.now_unix_ms) {
            Ok(event) => node(&event.node),
            Err(error) => format!("{} {}", error.code, error.cause),
        }
    }

    fn hears(&self, path: &str, recursive: bool, since: u64) -> String {
        match self.store.v2().next_event(path, recursive, since) {
            Ok(Some(event)) => format!("{} {}", event.action.name(), node(&event.node)),
            Ok(None) => "nothing".into(),
            Err(error) => error.code.to_string(),
        }
    }
}

fn node(node: &V2Node) -> String {
    let value = node.value.as_ref().map_or(String::new(), |value| format!("={value}"));
    let inside: Vec<String> = node.nodes.iter().map(self::node).collect();
    let inside = if inside.is_empty() { String::new() } else { format!("[{}]", inside.join(" ")) };
    format!("{}{value}{inside}", node.key)
}

fn delete(path: &str, dir: bool, recursive: bool) -> V2Change {
    V2Change::Delete { path: path.into(), dir, recursive }
}

#[test]
fn values_and_directories() {
    let mut s = Script::new();
    assert_eq!(s.set("/a/b", "1"), "set /a/b=1 @1");
    assert_eq!(s.set("a//b/", "2"), "set /a/b=2 @2 was 1");
    assert_eq!(s.set("/a", "x"), "102 /a");
    assert_eq!(s.set("/a/b/c", "x"), "104 /a/b");
    assert_eq!(s.set("/", "x"), "107 /");
    assert_eq!(s.say(V2Change::Create(put("/a/b", "3"))), "105 /a/b");
    assert_eq!(s.say(V2Change::Update(put("/none/x", "3"))), "100 /none");
    assert_eq!(s.say(V2Change::Update(put("/a/b", "3"))), "update /a/b=3 @3 was 2");
    assert_eq!(s.set("/a/_hidden", "h"), "set /a/_hidden=h @4");
    assert_eq!(s.set("/z/y/x", "deep"), "set /z/y/x=deep @5");
    assert_eq!(s.shows("/", false), "/[/a /z]");
    assert_eq!(s.shows("/", true), "/[/a[/a/b=3] /z[/z/y[/z/y/x=deep]]]");
    assert_eq!(s.shows("/a/_hidden", false), "/a/_hidden=h");
    assert_eq!(s.say(delete("/z", false, false)), "102 /z");
    assert_eq!(s.say(delete("/z", true, false)), "108 /z");
    assert_eq!(s.say(delete("/z", false, true)), "delete /z @6 was dir");
    assert_eq!(s.shows("/z", false), "100 /z");
    assert_eq!(s.say(delete("/a/b", false, false)), "delete /a/b @7 was 3");
}

#[test]
fn compare_and_swap_and_delete() {
    let mut s = Script::new();
    s.set("/a", "1");
    let swap = |value, by: V2Expected| V2Change::CompareAndSwap(put("/a", value), by);
    assert_eq!(s.say(swap("2", expected("9", 0))), "101 [9 != 1]");
    assert_eq!(s.say(swap("2", expected("9", 7))), "101 [9 != 1] [7 != 1]");
    assert_eq!(s.say(swap("2", expected("", 1))), "compareAndSwap /a=2 @2 was 1");
    let remove = |by| V2Change::CompareAndDelete { path: "/a".into(), expected: by };
    assert_eq!(s.say(remove(expected("", 1))), "101 [1 != 2]");
    assert_eq!(s.say(remove(expected("2", 2))), "compareAndDelete /a @3 was 2");
}

#[test]
fn keys_in_order() {
    let mut s = Script::new();
    let first = s.say(V2Change::CreateInOrder(put("/queue", "job")));
    assert_eq!(first, "create /queue/00000000000000000001=job @1");
    s.say(V2Change::CreateInOrder(put("/queue", "next")));
    assert_eq!(s.shows("/queue", false).matches("=").count(), 2);
}

#[test]
fn time_to_live() {
    let mut s = Script::new();
    let start = s.now_unix_ms;
    let until = |seconds: u64| Some(start + seconds * 1000);
    s.say(V2Change::Set(V2Put { expires_unix_ms: until(10), ..put("/a", "1") }));
    let dir = V2Put { dir: true, expires_unix_ms: until(5), ..put("/d", "") };
    s.say(V2Change::Set(dir));
    s.set("/d/x", "1");
    assert_eq!(s.store.v2().next_expiry_unix_ms(), until(5));
    s.now_unix_ms += 4_500;
    let shown = s.store.v2().get("/a", false, s.now_unix_ms).unwrap().node;
    assert_eq!(shown.ttl_s, 6);
    let refresh = V2Put { refresh: true, expires_unix_ms: until(20), ..put("/a", "") };
    assert_eq!(s.say(V2Change::Update(refresh)), "update /a=1 @4 was 1");
    assert_eq!(s.hears("/a", false, 2), "nothing", "renewing wakes nobody");
    s.now_unix_ms += 1_000;
    assert_eq!(s.say(V2Change::Expire), "expire /d @5 was dir");
    assert_eq!(s.hears("/d/x", false, 4), "expire /d");
    assert_eq!(s.say(V2Change::Expire), "100 ");
    assert_eq!(s.shows("/d/x", false), "100 /d");
    // The clock of a new leader may be behind: time does not go back.
    s.now_unix_ms = start;
    s.say(V2Change::Set(V2Put { expires_unix_ms: until(5), ..put("/b", "1") }));
    assert_eq!(s.say(V2Change::Expire), "expire /b @7 was 1");
}

#[test]
fn those_who_wait() {
    let mut s = Script::new();
    assert_eq!(s.hears("/a", false, 0), "nothing");
    s.set("/a/b", "1");
    s.set("/a/c", "2");
    s.set("/a/_h/x", "3");
    assert_eq!(s.hears("/a", true, 1), "set /a/b=1");
    assert_eq!(s.hears("/a", true, 2), "set /a/c=2");
    assert_eq!(s.hears("/a", true, 3), "nothing");
    assert_eq!(s.hears("/a/_h", true, 1), "set /a/_h/x=3");
    assert_eq!(s.hears("/a", false, 1), "nothing");
    assert_eq!(s.hears("/", true, 1), "set /a/b=1");
    for n in 0..1000 {
        s.set("/n", &n.to_string());
    }
    assert_eq!(s.hears("/n", false, 4), "set /n=0");
    assert_eq!(s.hears("/n", false, 3), "401");
}

#[test]
fn all_of_it_is_in_a_snapshot() {
    let mut s = Script::new();
    s.set("/a/b", "1");
    s.say(V2Change::Set(V2Put { expires_unix_ms: Some(s.now_unix_ms + 9), ..put("/t", "1") }));
    assert_eq!(super::snapshot::copy(&mut s).v2(), s.store.v2());
}

#[test]
fn a_path_is_not_endless() {
    let mut s = Script::new();
    assert_eq!(s.set(&"/x".repeat(64), "1").split(' ').next(), Some("set"));
    assert_eq!(s.set(&"/x".repeat(65), "1"), "209 the path is too deep");
}
