//! Users, roles, and what they may do.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::span::{Span, Until};
use crate::command::{Access, AuthChange, Op, Permission, PutRequest, TxnRequest, User};
use crate::error::Error;
use crate::reply::{RoleShown, UserShown};

/// The user, and the role, that may do everything.
const ROOT: &str = "root";
/// What the machine's own use of the store calls itself: no client's user can have this name.
const NODE: &str = "\0node";

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
struct Account {
    hash: Option<String>,
    roles: BTreeSet<String>,
}

/// All that is known of users and roles.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Auth {
    enabled: bool,
    revision: u64,
    users: BTreeMap<String, Account>,
    roles: BTreeMap<String, Vec<Permission>>,
}

impl Default for Auth {
    fn default() -> Self {
        Self { enabled: false, revision: 1, users: BTreeMap::new(), roles: BTreeMap::new() }
    }
}

impl User {
    /// The machine itself, which no permission binds.
    pub fn node() -> Self {
        Self { name: NODE.into(), auth_revision: u64::MAX }
    }
}

impl Auth {
    /// Do permissions matter?
    pub fn is_enabled(&self) -> bool {
        self.enabled
    }

    /// Grows with each change.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// The hash to check a password against (slow: not on the loop). Nothing for users without password.
    ///
    /// # Errors
    ///
    /// Authentication is off, or there is no such user or no password.
    pub fn password_hash(&self, user: &str) -> Result<&str, Error> {
        if !self.enabled {
            return Err(Error::AuthNotEnabled);
        }
        let hash = self.users.get(user).and_then(|account| account.hash.as_deref());
        hash.ok_or(Error::AuthFailed)
    }

    /// The user that a checked token or certificate stands for, as of now.
    pub fn user(&self, name: &str) -> User {
        User { name: name.into(), auth_revision: self.revision }
    }

    /// Names of all users.
    pub fn users(&self) -> Vec<String> {
        self.users.keys().cloned().collect()
    }

    /// Names of all roles.
    pub fn roles(&self) -> Vec<String> {
        self.roles.keys().cloned().collect()
    }

    /// One user.
    ///
    /// # Errors
    ///
    /// There is none of that name.
    pub fn user_get(&self, user: &str) -> Result<UserShown, Error> {
        let account = self.users.get(user).ok_or(Error::UserNotFound)?;
        Ok(UserShown { roles: account.roles.iter().cloned().collect() })
    }

    /// One role. `root` has every right without being written down.
    ///
    /// # Errors
    ///
    /// There is none of that name.
    pub fn role_get(&self, role: &str) -> Result<RoleShown, Error> {
        let permissions = self.roles.get(role).ok_or(Error::RoleNotFound)?.clone();
        Ok(RoleShown { permissions })
    }

    /// Looks only at who it is.
    fn known(&self, who: Option<&User>) -> Result<Standing<'_>, Error> {
        if !self.enabled {
            return Ok(Standing::All);
        }
        let who = who.filter(|who| !who.name.is_empty()).ok_or(Error::UserEmpty)?;
        if who.name == NODE {
            return Ok(Standing::All);
        }
        if who.auth_revision < self.revision {
            return Err(Error::AuthOldRevision);
        }
        let account = self.users.get(&who.name).ok_or(Error::PermissionDenied)?;
        if account.roles.contains(ROOT) { Ok(Standing::All) } else { Ok(Standing::Some(account)) }
    }

    /// May it change users and roles, members, alarms?
    ///
    /// # Errors
    ///
    /// It may not, or nobody knows who it is.
    pub fn may_administer(&self, who: Option<&User>) -> Result<(), Error> {
        match self.known(who)? {
            Standing::All => Ok(()),
            Standing::Some(_) => Err(Error::PermissionDenied),
        }
    }

    /// May it see a user? Everyone may see itself.
    ///
    /// # Errors
    ///
    /// It may not, or nobody knows who it is.
    pub fn may_show_user(&self, who: Option<&User>, user: &str) -> Result<(), Error> {
        match self.known(who)? {
            Standing::Some(_) if who.is_none_or(|who| who.name != user) => {
                Err(Error::PermissionDenied)
            }
            Standing::Some(_) | Standing::All => Ok(()),
        }
    }

    /// May it see a role? Everyone may see those it has.
    ///
    /// # Errors
    ///
    /// It may not, or nobody knows who it is.
    pub fn may_show_role(&self, who: Option<&User>, role: &str) -> Result<(), Error> {
        match self.known(who)? {
            Standing::Some(account) if !account.roles.contains(role) => {
                Err(Error::PermissionDenied)
            }
            Standing::Some(_) | Standing::All => Ok(()),
        }
    }

    /// May it read, and watch, the whole range?
    ///
    /// # Errors
    ///
    /// It may not, or nobody knows who it is.
    pub fn may_read(&self, who: Option<&User>, key: &[u8], end: &[u8]) -> Result<(), Error> {
        self.may(who, Span::new(key, end), Access::Read)
    }

    /// May it write the whole range?
    ///
    /// # Errors
    ///
    /// It may not, or nobody knows who it is.
    pub fn may_write(&self, who: Option<&User>, key: &[u8], end: &[u8]) -> Result<(), Error> {
        self.may(who, Span::new(key, end), Access::Write)
    }

    pub(super) fn may_put(&self, who: Option<&User>, put: &PutRequest) -> Result<(), Error> {
        self.may_write(who, &put.key, &[])?;
        if put.prev_kv { self.may_read(who, &put.key, &[]) } else { Ok(()) }
    }

    /// Both sides must be allowed, and what is compared must be readable.
    pub(super) fn may_txn(&self, who: Option<&User>, txn: &TxnRequest) -> Result<(), Error> {
        for compare in &txn.compare {
            self.may_read(who, &compare.key, &compare.end)?;
        }
        for op in txn.success.iter().chain(&txn.failure) {
            match op {
                Op::Range(range) => self.may_read(who, &range.key, &range.end)?,
                Op::Put(put) => self.may_put(who, put)?,
                Op::DeleteRange(delete) => {
                    self.may_write(who, &delete.key, &delete.end)?;
                    if delete.prev_kv {
                        self.may_read(who, &delete.key, &delete.end)?;
                    }
                }
                Op::Txn(nested) => self.may_txn(who, nested)?,
            }
        }
        Ok(())
    }

    fn may(&self, who: Option<&User>, span: Span<'_>, access: Access) -> Result<(), Error> {
        let account = match self.known(who)? {
            Standing::All => return Ok(()),
            Standing::Some(account) => account,
        };
        let fits = |has: Access| has == access || has == Access::ReadWrite;
        let roles = account.roles.iter().filter_map(|role| self.roles.get(role));
        let mut granted: Vec<Span<'_>> = roles
            .flatten()
            .filter(|permission| fits(permission.access))
            .map(|permission| Span::new(&permission.key, &permission.end))
            .collect();
        granted.sort_by_key(|span| span.from);
        if covers(&granted, span) { Ok(()) } else { Err(Error::PermissionDenied) }
    }

    /// Performs a change that was permitted.
    pub(super) fn change(&mut self, change: &AuthChange) -> Result<(), Error> {
        match change {
            AuthChange::Enable => return self.enable(),
            AuthChange::Disable if !self.enabled => return Ok(()),
            AuthChange::Disable => self.enabled = false,
            AuthChange::UserAdd { user, hash } => self.user_add(user, hash.as_ref())?,
            AuthChange::UserDelete { user } => {
                self.not_root(user)?;
                self.users.remove(user).ok_or(Error::UserNotFound)?;
            }
            AuthChange::UserChangePassword { user, hash } => {
                self.account(user)?.hash.clone_from(hash);
            }
            AuthChange::UserGrantRole { user, role } => self.user_grant(user, role)?,
            AuthChange::UserRevokeRole { user, role } => {
                if role == ROOT {
                    self.not_root(user)?;
                }
                if !self.account(user)?.roles.remove(role) {
                    return Err(Error::RoleNotGranted);
                }
            }
            AuthChange::RoleAdd { role } => self.role_add(role)?,
            AuthChange::RoleDelete { role } => self.role_delete(role)?,
            AuthChange::RoleGrantPermission { role, permission } => self.grant(role, permission)?,
            AuthChange::RoleRevokePermission { role, key, end } => self.revoke(role, key, end)?,
        }
        self.revision += 1;
        Ok(())
    }

    fn enable(&mut self) -> Result<(), Error> {
        if self.enabled {
            return Ok(());
        }
        let root = self.users.get(ROOT).ok_or(Error::RootUserNotExist)?;
        if !root.roles.contains(ROOT) {
            return Err(Error::RootRoleNotExist);
        }
        self.enabled = true;
        // etcd counts from what it has, too: enabling alone makes no token old.
        Ok(())
    }

    fn account(&mut self, user: &str) -> Result<&mut Account, Error> {
        self.users.get_mut(user).ok_or(Error::UserNotFound)
    }

    /// The user `root` cannot go while permissions matter: nobody could turn them off.
    fn not_root(&self, name: &str) -> Result<(), Error> {
        if self.enabled && name == ROOT { Err(Error::InvalidAuthManagement) } else { Ok(()) }
    }

    fn user_add(&mut self, user: &str, hash: Option<&String>) -> Result<(), Error> {
        if user.is_empty() || user.starts_with('\0') {
            return Err(Error::UserEmpty);
        }
        if self.users.contains_key(user) {
            return Err(Error::UserExists);
        }
        let account = Account { hash: hash.cloned(), roles: BTreeSet::new() };
        self.users.insert(user.into(), account);
        Ok(())
    }

    /// The role `root` needs not to be made.
    fn user_grant(&mut self, user: &str, role: &str) -> Result<(), Error> {
        let exists = role == ROOT || self.roles.contains_key(role);
        let account = self.account(user)?;
        if !exists {
            return Err(Error::RoleNotFound);
        }
        account.roles.insert(role.into());
        Ok(())
    }

    fn role_add(&mut self, role: &str) -> Result<(), Error> {
        if role.is_empty() {
            return Err(Error::RoleEmpty);
        }
        if self.roles.contains_key(role) {
            return Err(Error::RoleExists);
        }
        self.roles.insert(role.into(), Vec::new());
        Ok(())
    }

    fn role_delete(&mut self, role: &str) -> Result<(), Error> {
        self.not_root(role)?;
        self.roles.remove(role).ok_or(Error::RoleNotFound)?;
        for account in self.users.values_mut() {
            account.roles.remove(role);
        }
        Ok(())
    }

    /// A second grant for the same range replaces the first.
    fn grant(&mut self, role: &str, permission: &Permission) -> Result<(), Error> {
        let permissions = self.roles.get_mut(role).ok_or(Error::RoleNotFound)?;
        let range = |held: &Permission| (held.key.clone(), held.end.clone());
        match permissions.binary_search_by_key(&range(permission), range) {
            Ok(at) => permissions[at] = permission.clone(),
            Err(at) => permissions.insert(at, permission.clone()),
        }
        Ok(())
    }

    fn revoke(&mut self, role: &str, key: &[u8], end: &[u8]) -> Result<(), Error> {
        let permissions = self.roles.get_mut(role).ok_or(Error::RoleNotFound)?;
        let held = permissions.len();
        permissions.retain(|permission| permission.key != key || permission.end != end);
        if permissions.len() == held { Err(Error::PermissionNotGranted) } else { Ok(()) }
    }
}

enum Standing<'a> {
    All,
    Some(&'a Account),
}

/// Do these spans, in order of their beginnings, together hold all of `span`?
fn covers(granted: &[Span<'_>], span: Span<'_>) -> bool {
    // Everything before this key is held.
    let mut held = span.from.to_vec();
    for grant in granted {
        if grant.from > held.as_slice() {
            break;
        }
        match grant.until {
            Until::End => return true,
            Until::Key(end) if end > held.as_slice() => held = end.to_vec(),
            Until::One if grant.from == held => held.push(0),
            Until::Key(_) | Until::One => {}
        }
    }
    match span.until {
        Until::One => held.as_slice() > span.from,
        Until::Key(end) => held.as_slice() >= end && held.as_slice() > span.from,
        Until::End => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grants_add_up() {
        let grants = [Span::new(b"a", b"c"), Span::new(b"b", b""), Span::new(b"c", b"e")];
        assert!(covers(&grants, Span::new(b"a", b"e")));
        assert!(covers(&grants, Span::new(b"b", b"")));
        assert!(!covers(&grants, Span::new(b"a", b"f")));
        assert!(!covers(&grants, Span::new(b"a", b"\0")));
        assert!(!covers(&grants, Span::new(b"e", b"")));
        assert!(covers(&[Span::new(b"a", b"\0")], Span::new(b"b", b"\0")));
    }

    #[test]
    fn one_key_is_not_what_follows_it() {
        let grants = [Span::new(b"a", b"")];
        assert!(covers(&grants, Span::new(b"a", b"")));
        assert!(!covers(&grants, Span::new(b"a", b"b")));
        assert!(!covers(&grants, Span::new(b"a", b"\0")));
    }
}
