//! The authentication service: users, roles, permissions.

use super::message as etcd;
use super::tell::Header;
use crate::command::{Access, AuthChange, Permission};
use crate::error::Error;
use crate::reply::RoleShown;

/// The role that may do everything, whatever is written down of it.
const ROOT: &str = "root";

/// A change, with the password that is to be hashed for it: hashing is slow, and not for the loop.
#[derive(Clone, PartialEq, Eq)]
pub struct AccountAsked {
    /// The password to hash, if there is one.
    pub password: Option<String>,
    user: String,
    is_new: bool,
}

impl std::fmt::Debug for AccountAsked {
    /// A password is never shown.
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        to.debug_struct("AccountAsked").field("user", &self.user).finish_non_exhaustive()
    }
}

impl AccountAsked {
    /// The change, with what came out of hashing.
    pub fn with_hash(self, hash: Option<String>) -> AuthChange {
        let user = self.user;
        match self.is_new {
            true => AuthChange::UserAdd { user, hash },
            false => AuthChange::UserChangePassword { user, hash },
        }
    }
}

/// A new user. A hash that a client made is not taken, as in etcd.
///
/// # Errors
///
/// It has no name.
pub fn user_add(asked: etcd::AuthUserAddRequest) -> Result<AccountAsked, Error> {
    if asked.name.is_empty() {
        return Err(Error::UserEmpty);
    }
    let without = asked.options.is_some_and(|options| options.no_password);
    let password = (!without).then_some(asked.password);
    Ok(AccountAsked { password, user: asked.name, is_new: true })
}

/// A new password.
pub fn change_password(asked: etcd::AuthUserChangePasswordRequest) -> AccountAsked {
    AccountAsked { password: Some(asked.password), user: asked.name, is_new: false }
}

/// A user goes.
pub fn user_delete(asked: etcd::AuthNameRequest) -> AuthChange {
    AuthChange::UserDelete { user: asked.name }
}

/// A user gets a role.
pub fn user_grant(asked: etcd::AuthUserRoleRequest) -> AuthChange {
    AuthChange::UserGrantRole { user: asked.user, role: asked.role }
}

/// A user loses a role.
pub fn user_revoke(asked: etcd::AuthUserRoleRequest) -> AuthChange {
    AuthChange::UserRevokeRole { user: asked.user, role: asked.role }
}

/// A new role.
pub fn role_add(asked: etcd::AuthNameRequest) -> AuthChange {
    AuthChange::RoleAdd { role: asked.name }
}

/// A role goes.
pub fn role_delete(asked: etcd::AuthNameRequest) -> AuthChange {
    AuthChange::RoleDelete { role: asked.name }
}

/// A role gets a right.
///
/// # Errors
///
/// The right is missing, or none that exists.
pub fn role_grant(asked: etcd::AuthRoleGrantPermissionRequest) -> Result<AuthChange, Error> {
    let given = asked.perm.ok_or(Error::PermissionNotGiven)?;
    let access = match given.perm_type {
        0 => Access::Read,
        1 => Access::Write,
        2 => Access::ReadWrite,
        _ => return Err(Error::InvalidAuthManagement),
    };
    let has_end = !given.range_end.is_empty() && given.range_end != [0];
    if has_end && given.range_end <= given.key {
        return Err(Error::InvalidAuthManagement);
    }
    let permission = Permission { access, key: given.key, end: given.range_end };
    Ok(AuthChange::RoleGrantPermission { role: asked.name, permission })
}

/// A role loses a right.
pub fn role_revoke(asked: etcd::AuthRoleRevokePermissionRequest) -> AuthChange {
    AuthChange::RoleRevokePermission { role: asked.role, key: asked.key, end: asked.range_end }
}

/// Whether authentication is on.
pub fn status(enabled: bool, revision: u64, header: Option<Header>) -> etcd::AuthStatusResponse {
    etcd::AuthStatusResponse { header, enabled, auth_revision: revision }
}

/// Who has proved to be someone calls itself this from now on.
pub fn token(token: String, header: Option<Header>) -> etcd::AuthenticateResponse {
    etcd::AuthenticateResponse { header, token }
}

/// Names of users or of roles.
pub fn names(names: Vec<String>, header: Option<Header>) -> etcd::AuthNamesResponse {
    etcd::AuthNamesResponse { header, names }
}

/// A role with its rights. That of `root` are all, as etcd shows them.
pub fn role(name: &str, role: RoleShown, header: Option<Header>) -> etcd::AuthRoleGetResponse {
    let everything = Permission { access: Access::ReadWrite, key: Vec::new(), end: vec![0] };
    let permissions = if name == ROOT { vec![everything] } else { role.permissions };
    etcd::AuthRoleGetResponse { header, perm: permissions.into_iter().map(permission).collect() }
}

fn permission(held: Permission) -> etcd::Permission {
    let perm_type = match held.access {
        Access::Read => 0,
        Access::Write => 1,
        Access::ReadWrite => 2,
    };
    etcd::Permission { perm_type, key: held.key, range_end: held.end }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn added(no_password: bool) -> AccountAsked {
        let options = Some(etcd::UserAddOptions { no_password });
        let (name, password) = ("u".into(), "secret".into());
        let hashed_password = "mine".into();
        user_add(etcd::AuthUserAddRequest { name, password, options, hashed_password }).unwrap()
    }

    #[test]
    fn passwords_are_hashed_here_and_shown_nowhere() {
        let asked = added(false);
        assert!(!format!("{asked:?}").contains("secret"));
        assert_eq!(asked.password.as_deref(), Some("secret"));
        let hash = Some("h".to_owned());
        let change = AuthChange::UserAdd { user: "u".into(), hash: hash.clone() };
        assert_eq!(asked.with_hash(hash), change);
        let bare = added(true);
        assert_eq!(bare.password, None);
        assert_eq!(bare.with_hash(None), AuthChange::UserAdd { user: "u".into(), hash: None });
        assert_eq!(user_add(etcd::AuthUserAddRequest::default()), Err(Error::UserEmpty));
    }

    #[test]
    fn rights_are_checked() {
        let grant = |perm_type, key: &str, end: &str| {
            let perm = etcd::Permission { perm_type, key: key.into(), range_end: end.into() };
            let perm = Some(perm);
            role_grant(etcd::AuthRoleGrantPermissionRequest { name: "r".into(), perm })
        };
        assert!(grant(2, "a", "b").is_ok());
        assert!(grant(0, "a", "").is_ok());
        assert!(grant(1, "a", "\0").is_ok());
        assert_eq!(grant(3, "a", ""), Err(Error::InvalidAuthManagement));
        assert_eq!(grant(1, "b", "a"), Err(Error::InvalidAuthManagement));
        let none = etcd::AuthRoleGrantPermissionRequest { name: "r".into(), perm: None };
        assert_eq!(role_grant(none), Err(Error::PermissionNotGiven));
    }

    #[test]
    fn root_may_everything() {
        let none = RoleShown { permissions: Vec::new() };
        let shown = role("root", none.clone(), None).perm;
        assert_eq!(shown[0], etcd::Permission { perm_type: 2, key: vec![], range_end: vec![0] });
        assert!(role("r", none, None).perm.is_empty());
    }
}
