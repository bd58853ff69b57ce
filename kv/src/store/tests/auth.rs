//! Users, roles, and what they may do.

use super::script::*;
use crate::command::{Access, AuthChange, Change, Op, Permission, PutRequest, User};
use crate::error::Error;
use crate::read::WatchRequest;

fn root_and_reader() -> Script {
    let mut s = Script::new();
    let user = |name: &str| AuthChange::UserAdd { user: name.into(), hash: Some("h".into()) };
    let grant =
        |user: &str, role: &str| AuthChange::UserGrantRole { user: user.into(), role: role.into() };
    let permission = Permission { access: Access::Read, key: b"a".to_vec(), end: b"c".to_vec() };
    for change in [
        user("root"),
        grant("root", "root"),
        user("ann"),
        AuthChange::RoleAdd { role: "reader".into() },
        AuthChange::RoleGrantPermission { role: "reader".into(), permission },
        grant("ann", "reader"),
        AuthChange::Enable,
    ] {
        s.must(Change::Auth(change));
    }
    s
}

fn become_user(s: &mut Script, name: &str) {
    s.who = Some(s.store.auth().user(name));
}

#[test]
fn permissions_bind_everybody_but_root() {
    let mut s = root_and_reader();
    assert_eq!(s.fails(Change::Put(put("a", "1"))), Error::UserEmpty);
    become_user(&mut s, "root");
    s.put("a", "1");
    s.put("c", "1");
    become_user(&mut s, "ann");
    assert_eq!(s.fails(Change::Put(put("a", "2"))), Error::PermissionDenied);
    assert!(s.get("a").is_some());
    assert_eq!(s.read(&range("a", "d")), Err(Error::PermissionDenied));
    assert_eq!(s.read(&range("a", "\0")), Err(Error::PermissionDenied));
    let changes = AuthChange::UserDelete { user: "root".into() };
    assert_eq!(s.fails(Change::Auth(changes)), Error::PermissionDenied);
    become_user(&mut s, "nobody");
    assert_eq!(s.read(&range("a", "")), Err(Error::PermissionDenied));
    s.who = Some(User::node());
    s.put("a", "the machine itself");
}

#[test]
fn both_sides_of_a_transaction_must_be_allowed() {
    let mut s = root_and_reader();
    become_user(&mut s, "ann");
    let read = txn(vec![], vec![Op::Range(range("a", "b"))], vec![]);
    s.must(Change::Txn(read));
    let other = txn(vec![], vec![], vec![Op::Put(put("a", "1"))]);
    assert_eq!(s.fails(Change::Txn(other)), Error::PermissionDenied);
    let nested =
        txn(vec![], vec![Op::Txn(txn(vec![], vec![Op::Range(range("z", ""))], vec![]))], vec![]);
    assert_eq!(s.fails(Change::Txn(nested)), Error::PermissionDenied);
}

#[test]
fn a_watch_on_a_range_needs_the_whole_range() {
    let mut s = root_and_reader();
    become_user(&mut s, "ann");
    let mut watch = |key: &[u8], end: &[u8]| {
        let asked = WatchRequest { key: key.into(), end: end.into(), ..WatchRequest::default() };
        s.store.watch_create(s.who.as_ref(), &asked).map(drop)
    };
    assert_eq!(watch(b"a", b"c"), Ok(()));
    assert_eq!(watch(b"a", b"d"), Err(Error::PermissionDenied));
    assert_eq!(watch(b"a", b"\0"), Err(Error::PermissionDenied));
    assert_eq!(watch(b"", b"\0"), Err(Error::PermissionDenied));
}

#[test]
fn bug_14571_tokens_grow_old_when_users_change() {
    let mut s = root_and_reader();
    become_user(&mut s, "root");
    s.must(Change::Auth(AuthChange::RoleAdd { role: "new".into() }));
    assert_eq!(s.fails(Change::Put(put("a", "1"))), Error::AuthOldRevision);
    become_user(&mut s, "root");
    s.put("a", "1");
    let copied = super::snapshot::copy(&mut s);
    assert_eq!(copied.auth(), s.store.auth(), "whether permissions matter is replicated");
    s.must(Change::Auth(AuthChange::Disable));
    s.who = None;
    s.put("a", "2");
}

#[test]
fn a_lease_of_others_keys_is_not_ones_own() {
    let mut s = root_and_reader();
    become_user(&mut s, "root");
    s.must(Change::LeaseGrant { id: 7, ttl_s: 10 });
    s.must(Change::Put(PutRequest { lease: 7, ..put("a", "1") }));
    become_user(&mut s, "ann");
    assert_eq!(s.fails(Change::LeaseRevoke { id: 7 }), Error::PermissionDenied);
}

#[test]
fn what_cannot_be_changed() {
    let mut s = Script::new();
    let fails = |s: &mut Script, change| s.fails(Change::Auth(change));
    assert_eq!(fails(&mut s, AuthChange::Enable), Error::RootUserNotExist);
    let add = |user: &str| AuthChange::UserAdd { user: user.into(), hash: None };
    s.must(Change::Auth(add("root")));
    assert_eq!(fails(&mut s, AuthChange::Enable), Error::RootRoleNotExist);
    assert_eq!(fails(&mut s, add("root")), Error::UserExists);
    assert_eq!(fails(&mut s, add("")), Error::UserEmpty);
    assert_eq!(fails(&mut s, add("\0node")), Error::UserEmpty);
    let role = |role: &str| AuthChange::RoleAdd { role: role.into() };
    assert_eq!(fails(&mut s, role("")), Error::RoleEmpty);
    let grant = AuthChange::UserGrantRole { user: "root".into(), role: "none".into() };
    assert_eq!(fails(&mut s, grant), Error::RoleNotFound);
    let revoke = AuthChange::UserRevokeRole { user: "root".into(), role: "none".into() };
    assert_eq!(fails(&mut s, revoke), Error::RoleNotGranted);
    let mut s = root_and_reader();
    become_user(&mut s, "root");
    let gone = AuthChange::UserDelete { user: "root".into() };
    assert_eq!(fails(&mut s, gone), Error::InvalidAuthManagement);
}

#[test]
fn everyone_may_see_itself_and_its_roles() {
    let s = root_and_reader();
    let auth = s.store.auth();
    let (ann, root) = (auth.user("ann"), auth.user("root"));
    assert_eq!(auth.may_show_user(Some(&ann), "ann"), Ok(()));
    assert_eq!(auth.may_show_user(Some(&ann), "root"), Err(Error::PermissionDenied));
    assert_eq!(auth.may_show_user(Some(&root), "ann"), Ok(()));
    assert_eq!(auth.may_show_role(Some(&ann), "reader"), Ok(()));
    assert_eq!(auth.may_show_role(Some(&ann), "root"), Err(Error::PermissionDenied));
    assert_eq!(auth.may_show_role(None, "reader"), Err(Error::UserEmpty));
}
