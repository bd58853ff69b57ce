//! What etcd 3.4.23 was asked with curl, and answered: the same questions to a store of ours.

use super::*;
use crate::command::{Change, Command};
use crate::reply::Answer as Done;
use crate::store::Store;
use crate::v2::V2Error;

const PLACE: Place = Place { cluster_id: 0xd1cf_af99_9eb9_7a2a, raft_index: 41, raft_term: 2 };
/// 2026-11-21T11:35:37Z.
const NOW_UNIX_MS: u64 = 1_795_260_937_000;

#[derive(Default)]
struct Member {
    store: Store,
    index: u64,
}

impl Member {
    /// One whose index is at 3, as etcd's is after its start.
    fn new() -> Self {
        let mut member = Self::default();
        member.curl("PUT", "/x", "value=1");
        member.curl("PUT", "/x", "value=1");
        member.curl("DELETE", "/x", "");
        member
    }

    fn apply(&mut self, change: Change) -> Result<crate::v2::V2Event, V2Error> {
        self.index += 1;
        let command = Command { who: None, now_unix_ms: NOW_UNIX_MS, change };
        let result = self.store.apply(self.index, &command, &mut Vec::new()).result;
        let Ok(Done::V2(reply)) = result else { panic!("{result:?}") };
        reply
    }

    fn answer(&mut self, method: &str, target: &str, body: &str) -> Answer {
        let target = format!("{PREFIX}{target}");
        let body = body.as_bytes();
        let asked = keys(Request { method, target: &target, is_form: true, body }, NOW_UNIX_MS);
        let (reply, no_value) = match asked {
            Err(why) => (Err(why), false),
            Ok(Asked::NotAllowed) => return not_allowed(METHODS),
            Ok(Asked::Get { path, recursive, .. }) => {
                (self.store.v2().get(&path, recursive, NOW_UNIX_MS), false)
            }
            Ok(Asked::Wait { path, recursive, since, .. }) => {
                let next = self.store.v2().next_event(&path, recursive, since);
                (next.map(|event| event.unwrap()), false)
            }
            Ok(Asked::Change { change, no_value }) => (self.apply(Change::V2(change)), no_value),
        };
        match reply {
            Ok(done) => event(&done, no_value, PLACE),
            Err(why) => error(&why, PLACE.cluster_id),
        }
    }

    /// Status, index and body in a line.
    fn curl(&mut self, method: &str, target: &str, body: &str) -> String {
        let answer = self.answer(method, target, body);
        let index = answer.headers.iter().find(|(name, _)| *name == "X-Etcd-Index");
        let index = index.map_or("", |(_, index)| index);
        assert!(answer.body.ends_with('\n'));
        format!("{} {index} {}", answer.status, answer.body.trim_end())
    }
}

/// Questions, each with its answer on the next line: status, index, body.
fn play(member: &mut Member, script: &str) {
    let lines: Vec<&str> = script.lines().collect();
    for pair in lines.chunks(2) {
        let [question, answer] = pair else { panic!("{pair:?}") };
        let mut words = question.splitn(3, ' ');
        let mut word = || words.next().unwrap_or_default();
        assert_eq!(member.curl(word(), word(), word()), *answer, "{question}");
    }
}

const SETS: &str = r#"GET /
200 3 {"action":"get","node":{"dir":true}}
PUT /a value=1
201 4 {"action":"set","node":{"key":"/a","value":"1","modifiedIndex":4,"createdIndex":4}}
PUT /a value=2
200 5 {"action":"set","node":{"key":"/a","value":"2","modifiedIndex":5,"createdIndex":5},"prevNode":{"key":"/a","value":"1","modifiedIndex":4,"createdIndex":4}}
GET /a
200 5 {"action":"get","node":{"key":"/a","value":"2","modifiedIndex":5,"createdIndex":5}}
GET /a?quorum=true
200 5 {"action":"get","node":{"key":"/a","value":"2","modifiedIndex":5,"createdIndex":5}}
GET /nosuch
404 5 {"errorCode":100,"message":"Key not found","cause":"/nosuch","index":5}
PUT /a?prevExist=false value=3
412 5 {"errorCode":105,"message":"Key already exists","cause":"/a","index":5}
PUT /a?prevValue=2 value=3
200 6 {"action":"compareAndSwap","node":{"key":"/a","value":"3","modifiedIndex":6,"createdIndex":5},"prevNode":{"key":"/a","value":"2","modifiedIndex":5,"createdIndex":5}}
PUT /a?prevValue=9 value=3
412 6 {"errorCode":101,"message":"Compare failed","cause":"[9 != 3]","index":6}
PUT /a?prevIndex=999 value=3
412 6 {"errorCode":101,"message":"Compare failed","cause":"[999 != 6]","index":6}
PUT /a?noValueOnSuccess=true value=5
200 7 {"action":"set"}
DELETE /a?prevValue=zz
412 7 {"errorCode":101,"message":"Compare failed","cause":"[zz != 5]","index":7}
DELETE /a?prevIndex=0
200 8 {"action":"delete","node":{"key":"/a","modifiedIndex":8,"createdIndex":7},"prevNode":{"key":"/a","value":"5","modifiedIndex":7,"createdIndex":7}}
PUT /a%20b value=x+y%26z
201 9 {"action":"set","node":{"key":"/a b","value":"x y\u0026z","modifiedIndex":9,"createdIndex":9}}
PUT /nv?value=inquery
201 10 {"action":"set","node":{"key":"/nv","value":"inquery","modifiedIndex":10,"createdIndex":10}}
PUT /noval
201 11 {"action":"set","node":{"key":"/noval","value":"","modifiedIndex":11,"createdIndex":11}}
DELETE /
400 11 {"errorCode":107,"message":"Root is read only","cause":"/","index":11}
GET /?wait=true&recursive=true&waitIndex=5
200 11 {"action":"set","node":{"key":"/a","value":"2","modifiedIndex":5,"createdIndex":5},"prevNode":{"key":"/a","value":"1","modifiedIndex":4,"createdIndex":4}}
"#;

#[test]
fn sets_and_gets_are_answered_as_etcd_answered() {
    play(&mut Member::new(), SETS);
}

const DIRECTORIES: &str = r#"PUT /dir dir=true
201 4 {"action":"set","node":{"key":"/dir","dir":true,"modifiedIndex":4,"createdIndex":4}}
PUT /dir/b value=bb
201 5 {"action":"set","node":{"key":"/dir/b","value":"bb","modifiedIndex":5,"createdIndex":5}}
PUT /dir/_hid value=bb
201 6 {"action":"set","node":{"key":"/dir/_hid","value":"bb","modifiedIndex":6,"createdIndex":6}}
POST /q value=first
201 7 {"action":"create","node":{"key":"/q/00000000000000000007","value":"first","modifiedIndex":7,"createdIndex":7}}
POST /q value=second
201 8 {"action":"create","node":{"key":"/q/00000000000000000008","value":"second","modifiedIndex":8,"createdIndex":8}}
GET /?recursive=true&sorted=true
200 8 {"action":"get","node":{"dir":true,"nodes":[{"key":"/dir","dir":true,"nodes":[{"key":"/dir/b","value":"bb","modifiedIndex":5,"createdIndex":5}],"modifiedIndex":4,"createdIndex":4},{"key":"/q","dir":true,"nodes":[{"key":"/q/00000000000000000007","value":"first","modifiedIndex":7,"createdIndex":7},{"key":"/q/00000000000000000008","value":"second","modifiedIndex":8,"createdIndex":8}],"modifiedIndex":7,"createdIndex":7}]}}
GET /dir/_hid
200 8 {"action":"get","node":{"key":"/dir/_hid","value":"bb","modifiedIndex":6,"createdIndex":6}}
PUT /dir value=1
403 8 {"errorCode":102,"message":"Not a file","cause":"/dir","index":8}
DELETE /dir
403 8 {"errorCode":102,"message":"Not a file","cause":"/dir","index":8}
DELETE /dir?dir=true
403 8 {"errorCode":108,"message":"Directory not empty","cause":"/dir","index":8}
DELETE /dir?recursive=true
200 9 {"action":"delete","node":{"key":"/dir","dir":true,"modifiedIndex":9,"createdIndex":4},"prevNode":{"key":"/dir","dir":true,"modifiedIndex":4,"createdIndex":4}}
"#;

#[test]
fn directories_are_answered_as_etcd_answered() {
    play(&mut Member::new(), DIRECTORIES);
}

#[test]
fn times_to_live_are_answered_as_etcd_answered() {
    let mut m = Member::new();
    let ttl = r#""expiration":"2026-11-21T11:37:17Z","ttl":100"#;
    let one = |index: u64, action: &str, node: String, prev: String| {
        format!(r#"200 {index} {{"action":"{action}","node":{node},"prevNode":{prev}}}"#)
    };
    let node = |ttl: &str, modified: u64, created: u64| {
        let ttl = if ttl.is_empty() { String::new() } else { format!(",{ttl}") };
        format!(
            r#"{{"key":"/a","value":"3"{ttl},"modifiedIndex":{modified},"createdIndex":{created}}}"#
        )
    };
    m.curl("PUT", "/a", "value=3");
    let answer = m.curl("PUT", "/a", "value=3&ttl=100");
    assert_eq!(answer, one(5, "set", node(ttl, 5, 5), node("", 4, 4)));
    let answer = m.curl("PUT", "/a?prevExist=true", "ttl=100&refresh=true");
    assert_eq!(answer, one(6, "update", node(ttl, 6, 5), node(ttl, 5, 5)));
    let answer = m.curl("PUT", "/a", "ttl=100&refresh=true");
    assert_eq!(answer, one(7, "set", node(ttl, 7, 7), node(ttl, 6, 5)));
    let answer = m.curl("PUT", "/a", "value=3&ttl=");
    assert_eq!(answer, one(8, "set", node("", 8, 8), node(ttl, 7, 7)));
}

const NONSENSE: &str = r#"GET /a?quorum=x
400 0 {"errorCode":209,"message":"Invalid field","cause":"invalid value for \"quorum\"","index":0}
GET /q?sorted=x
400 0 {"errorCode":209,"message":"Invalid field","cause":"invalid value for \"sorted\"","index":0}
GET /a?wait=x
400 0 {"errorCode":209,"message":"Invalid field","cause":"invalid value for \"wait\"","index":0}
PUT /a?wait=true
400 0 {"errorCode":209,"message":"Invalid field","cause":"\"wait\" can only be used with GET requests","index":0}
PUT /a?prevIndex=x
400 0 {"errorCode":203,"message":"The given index in POST form is not a number","cause":"invalid value for \"prevIndex\"","index":0}
GET /a?wait=true&waitIndex=x
400 0 {"errorCode":203,"message":"The given index in POST form is not a number","cause":"invalid value for \"waitIndex\"","index":0}
PUT /a?prevValue= value=3
400 0 {"errorCode":201,"message":"PrevValue is Required in POST form","cause":"\"prevValue\" cannot be empty","index":0}
PUT /a?prevExist=x value=3
400 0 {"errorCode":209,"message":"Invalid field","cause":"invalid value for prevExist","index":0}
PUT /a value=3&ttl=x
400 0 {"errorCode":202,"message":"The given TTL in POST form is not a number","cause":"invalid value for \"ttl\"","index":0}
PUT /a value=3&ttl=-1
400 0 {"errorCode":202,"message":"The given TTL in POST form is not a number","cause":"invalid value for \"ttl\"","index":0}
PUT /a refresh=true
400 0 {"errorCode":212,"message":"A TTL must be provided on refresh","cause":"No TTL value set","index":0}
PUT /a value=x&ttl=9&refresh=true
400 0 {"errorCode":211,"message":"Value provided on refresh","cause":"A value was provided on a refresh","index":0}
PUT /a value=%zz
400 0 {"errorCode":210,"message":"Invalid POST form","cause":"invalid URL escape \"%zz\"","index":0}
DELETE /a?prevValue=
400 0 {"errorCode":201,"message":"PrevValue is Required in POST form","cause":"\"prevValue\" cannot be empty","index":0}
"#;

#[test]
fn nonsense_is_refused_as_etcd_refused_it() {
    let mut m = Member::new();
    play(&mut m, NONSENSE);
    assert_eq!(m.curl("PATCH", "/a", ""), "405  Method Not Allowed");
    let elsewhere = Request { method: "GET", target: "/v2/keysx", is_form: false, body: b"" };
    assert_eq!(keys(elsewhere, 0).unwrap_err().code, 210);
}

#[test]
fn heads_tell_where_a_member_is() {
    let mut m = Member::new();
    let headers = m.answer("HEAD", "/", "").headers;
    let told: Vec<String> = headers.iter().map(|(name, text)| format!("{name}: {text}")).collect();
    assert_eq!(
        told,
        [
            "Content-Type: application/json",
            "X-Etcd-Cluster-Id: d1cfaf999eb97a2a",
            "X-Etcd-Index: 3",
            "X-Raft-Index: 41",
            "X-Raft-Term: 2",
        ]
    );
    let headers = m.answer("GET", "/nosuch", "").headers;
    assert_eq!(headers.len(), 3, "a refusal tells nothing of the log");
    assert_eq!(m.answer("PATCH", "/", "").headers[0].1, "HEAD,GET,PUT,POST,DELETE");
}

#[test]
fn what_is_waited_for_is_understood() {
    let of = |method, query: &str| {
        let target = format!("/v2/keys/a{query}");
        keys(Request { method, target: &target, is_form: true, body: b"value=x" }, 0).unwrap()
    };
    let path = "/a".to_owned();
    let (recursive, since, stream) = (true, 7, true);
    let wait = of("GET", "?wait=true&waitIndex=7&recursive=1&stream=t");
    assert_eq!(wait, Asked::Wait { path: path.clone(), recursive, since, stream });
    let get = Asked::Get { path, recursive: false, quorum: true };
    assert_eq!(of("GET", "?wait=true&quorum=true"), get, "as in etcd");
    let changes = [
        ("PUT", "?prevExist=true"),
        ("PUT", "?prevExist=true&prevIndex=3"),
        ("DELETE", "?prevIndex=3"),
    ];
    let names = changes.map(|(method, query)| format!("{:?}", of(method, query)));
    assert!(names[0].contains("Update("), "{}", names[0]);
    assert!(names[1].contains("CompareAndSwap("), "{}", names[1]);
    assert!(names[2].contains("CompareAndDelete {"), "{}", names[2]);
}
