//! The authentication service, and who makes a call.
//!
//! A token is a name with an end and a seal. The key of the seal is made of the hashes of all passwords, which
//! members have and clients do not: so each member knows the tokens that any other gave out, none of them
//! keeps one, and a changed password makes all tokens worthless.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "the node gives this room its own methods only"
)]

use kv::command::{Access, AuthChange, Change, Permission, User};
use kv::error::Error;
use kv::etcd::message as etcd;
use kv::etcd::method::Method;
use kv::etcd::status::Status;
use kv::store::Auth;
use sha2::{Digest, Sha256};

use super::keys::decode;
use super::node::Node;
use super::{Call, Moment, Order};
use crate::limits::{TOKEN_LIFE, USER_NAME_BYTES_MAX};

/// The key of the seals, as of a revision of users and roles, and what waits for a password.
#[derive(Debug, Default)]
pub(super) struct Tokens {
    key: Option<(u64, [u8; 32])>,
    /// What a call wants to do with the hash that is being made.
    hashing: std::collections::BTreeMap<Call, AuthChange>,
    /// Whose password is being checked, as of which revision.
    checking: std::collections::BTreeMap<Call, (String, u64)>,
}

impl Tokens {
    fn key(&mut self, cluster: u64, auth: &Auth) -> [u8; 32] {
        if let Some((revision, key)) = self.key
            && revision == auth.revision()
        {
            return key;
        }
        let mut hash = Sha256::new();
        hash.update(b"keelson token key");
        hash.update(cluster.to_le_bytes());
        for user in auth.users() {
            for part in [user.as_str(), auth.password_hash(&user).unwrap_or_default()] {
                hash.update((part.len() as u64).to_le_bytes());
                hash.update(part);
            }
        }
        let key: [u8; 32] = hash.finalize().into();
        self.key = Some((auth.revision(), key));
        key
    }
}

/// HMAC with SHA-256 (RFC 2104), as hexadecimal digits.
fn seal(key: &[u8; 32], text: &str) -> String {
    let mut inner = [0x36_u8; 64];
    let mut outer = [0x5c_u8; 64];
    for (place, byte) in key.iter().enumerate() {
        inner[place] ^= byte;
        outer[place] ^= byte;
    }
    let first = Sha256::new().chain_update(inner).chain_update(text).finalize();
    let sealed = Sha256::new().chain_update(outer).chain_update(first).finalize();
    sealed.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Without telling by its time where the difference is.
fn equal(one: &str, other: &str) -> bool {
    let differs = one.bytes().zip(other.bytes()).fold(0, |sum, (a, b)| sum | (a ^ b));
    one.len() == other.len() && differs == 0
}

/// A name may have any character, a header not.
fn encode_name(name: &str) -> String {
    name.bytes().map(|byte| format!("{byte:02x}")).collect()
}

fn decode_name(hex: &str) -> Option<String> {
    let digits: Vec<u8> = hex
        .as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
        .collect::<Option<_>>()?;
    String::from_utf8(digits).ok()
}

impl Node {
    /// Who makes a call: nobody, if that does not matter.
    pub(super) fn who(&mut self, call: Call, moment: Moment) -> Result<Option<User>, Error> {
        let auth = self.replica.machine().auth();
        if !auth.is_enabled() {
            return Ok(None);
        }
        let Some(token) = self.calls.get(&call).and_then(|open| open.token.as_deref()) else {
            return Ok(None);
        };
        let key = self.tokens.key(self.settings.replica.cluster, auth);
        let mut parts = token.splitn(3, '.');
        let (name, end, sealed) = (parts.next(), parts.next(), parts.next());
        let name = name.and_then(decode_name).ok_or(Error::InvalidAuthToken)?;
        let end: u64 = end.and_then(|end| end.parse().ok()).ok_or(Error::InvalidAuthToken)?;
        let text = token.rsplit_once('.').map_or("", |(text, _)| text);
        if !equal(sealed.unwrap_or_default(), &seal(&key, text)) || end <= moment.unix_ms {
            return Err(Error::InvalidAuthToken);
        }
        Ok(Some(auth.user(&name)))
    }

    fn token(&mut self, name: &str, moment: Moment) -> String {
        let auth = self.replica.machine().auth();
        let key = self.tokens.key(self.settings.replica.cluster, auth);
        let life_ms = u64::try_from(TOKEN_LIFE.as_millis()).unwrap_or(0);
        let text = format!("{}.{}", encode_name(name), moment.unix_ms + life_ms);
        format!("{text}.{}", seal(&key, &text))
    }

    /// May the caller change what belongs to all?
    pub(super) fn administer(&mut self, call: Call, moment: Moment) -> Result<(), Error> {
        let who = self.who(call, moment)?;
        self.replica.machine().auth().may_administer(who.as_ref())
    }

    pub(super) fn on_auth(
        &mut self,
        method: Method,
        call: Call,
        message: &[u8],
        moment: Moment,
        out: &mut Vec<Order>,
    ) -> Result<(), Status> {
        match method {
            Method::Authenticate => self.on_authenticate(call, decode(message)?, out),
            Method::UserAdd => {
                let asked: etcd::AuthUserAddRequest = decode(message)?;
                let plain = asked.options.is_some_and(|options| options.no_password);
                let change = AuthChange::UserAdd { user: asked.name, hash: None };
                self.administer(call, moment)?;
                self.hash(call, change, (!plain).then_some(asked.password), moment, out)
            }
            Method::UserChangePassword => {
                let asked: etcd::AuthUserChangePasswordRequest = decode(message)?;
                let change = AuthChange::UserChangePassword { user: asked.name, hash: None };
                self.administer(call, moment)?;
                self.hash(call, change, Some(asked.password), moment, out)
            }
            Method::AuthStatus
            | Method::UserGet
            | Method::UserList
            | Method::RoleGet
            | Method::RoleList => self.show(method, call, message, moment, out),
            _ => {
                let change = Change::Auth(auth_change(method, message)?);
                self.propose(call, change, moment, out)
            }
        }
    }

    fn on_authenticate(
        &mut self,
        call: Call,
        asked: etcd::AuthenticateRequest,
        out: &mut Vec<Order>,
    ) -> Result<(), Status> {
        let auth = self.replica.machine().auth();
        let hash = auth.password_hash(&asked.name)?.to_owned();
        self.tokens.checking.insert(call, (asked.name, auth.revision()));
        out.push(Order::CheckPassword { call, password: asked.password, hash });
        Ok(())
    }

    /// A password was compared with its hash.
    pub(super) fn on_checked(
        &mut self,
        call: Call,
        fits: bool,
        moment: Moment,
        out: &mut Vec<Order>,
    ) {
        let Some((name, revision)) = self.tokens.checking.remove(&call) else { return };
        let auth = self.replica.machine().auth();
        if !fits || !auth.is_enabled() {
            return self.end(call, Some(Error::AuthFailed.into()), out);
        }
        // The password may have been changed while it was being looked at.
        if auth.revision() != revision {
            return self.end(call, Some(Error::AuthOldRevision.into()), out);
        }
        let token = self.token(&name, moment);
        let header = self.header_now();
        self.reply(call, &etcd::AuthenticateResponse { header, token }, out);
    }

    fn hash(
        &mut self,
        call: Call,
        change: AuthChange,
        password: Option<String>,
        moment: Moment,
        out: &mut Vec<Order>,
    ) -> Result<(), Status> {
        let (AuthChange::UserAdd { user, .. } | AuthChange::UserChangePassword { user, .. }) =
            &change
        else {
            return Ok(());
        };
        if user.is_empty() || user.len() > USER_NAME_BYTES_MAX {
            return Err(Error::UserEmpty.into());
        }
        let Some(password) = password.filter(|password| !password.is_empty()) else {
            return self.propose(call, Change::Auth(change), moment, out);
        };
        self.tokens.hashing.insert(call, change);
        let cost = self.settings.bcrypt_cost;
        out.push(Order::HashPassword { call, password, cost });
        Ok(())
    }

    /// The hash of a password is there, or cannot be made.
    pub(super) fn on_hashed(
        &mut self,
        call: Call,
        hash: Option<String>,
        moment: Moment,
        out: &mut Vec<Order>,
    ) {
        let Some(mut change) = self.tokens.hashing.remove(&call) else { return };
        if hash.is_none() {
            return self.end(call, Some(Error::InvalidAuthManagement.into()), out);
        }
        if let AuthChange::UserAdd { hash: place, .. }
        | AuthChange::UserChangePassword { hash: place, .. } = &mut change
        {
            *place = hash;
        }
        if let Err(status) = self.propose(call, Change::Auth(change), moment, out) {
            self.end(call, Some(status), out);
        }
    }

    fn show(
        &mut self,
        method: Method,
        call: Call,
        message: &[u8],
        moment: Moment,
        out: &mut Vec<Order>,
    ) -> Result<(), Status> {
        let who = self.who(call, moment)?;
        let header = self.header_now();
        let auth = self.replica.machine().auth();
        let names = |names| etcd::AuthNamesResponse { header, names };
        match method {
            Method::AuthStatus => {
                auth.may_administer(who.as_ref())?;
                let (enabled, auth_revision) = (auth.is_enabled(), auth.revision());
                let told = etcd::AuthStatusResponse { header, enabled, auth_revision };
                self.reply(call, &told, out);
            }
            Method::UserGet => {
                let asked: etcd::AuthNameRequest = decode(message)?;
                let is_self = who.as_ref().is_some_and(|who| who.name == asked.name);
                if !is_self {
                    auth.may_administer(who.as_ref())?;
                }
                let told = names(auth.user_get(&asked.name)?.roles);
                self.reply(call, &told, out);
            }
            Method::RoleGet => {
                let asked: etcd::AuthNameRequest = decode(message)?;
                let mine = who.as_ref().and_then(|who| auth.user_get(&who.name).ok());
                if !mine.is_some_and(|user| user.roles.contains(&asked.name)) {
                    auth.may_administer(who.as_ref())?;
                }
                let perm = auth.role_get(&asked.name)?.permissions;
                let perm = perm.into_iter().map(told_permission).collect();
                self.reply(call, &etcd::AuthRoleGetResponse { header, perm }, out);
            }
            _ => {
                auth.may_administer(who.as_ref())?;
                let is_users = method == Method::UserList;
                let told = names(if is_users { auth.users() } else { auth.roles() });
                self.reply(call, &told, out);
            }
        }
        Ok(())
    }
}

/// Changes that need no password.
fn auth_change(method: Method, message: &[u8]) -> Result<AuthChange, Status> {
    let name = || decode::<etcd::AuthNameRequest>(message).map(|asked| asked.name);
    Ok(match method {
        Method::AuthEnable => AuthChange::Enable,
        Method::AuthDisable => AuthChange::Disable,
        Method::UserDelete => AuthChange::UserDelete { user: name()? },
        Method::RoleAdd => AuthChange::RoleAdd { role: name()? },
        Method::RoleDelete => AuthChange::RoleDelete { role: name()? },
        Method::UserGrantRole | Method::UserRevokeRole => {
            let etcd::AuthUserRoleRequest { user, role } = decode(message)?;
            match method {
                Method::UserGrantRole => AuthChange::UserGrantRole { user, role },
                _ => AuthChange::UserRevokeRole { user, role },
            }
        }
        Method::RoleGrantPermission => {
            let asked: etcd::AuthRoleGrantPermissionRequest = decode(message)?;
            let given = asked.perm.ok_or(Error::PermissionNotGiven)?;
            AuthChange::RoleGrantPermission { role: asked.name, permission: permission(given)? }
        }
        _ => {
            let asked: etcd::AuthRoleRevokePermissionRequest = decode(message)?;
            let (key, end) = (asked.key, asked.range_end);
            AuthChange::RoleRevokePermission { role: asked.role, key, end }
        }
    })
}

fn permission(given: etcd::Permission) -> Result<Permission, Error> {
    let access = match given.perm_type {
        0 => Access::Read,
        1 => Access::Write,
        2 => Access::ReadWrite,
        _ => return Err(Error::PermissionNotGiven),
    };
    Ok(Permission { access, key: given.key, end: given.range_end })
}

fn told_permission(permission: Permission) -> etcd::Permission {
    let perm_type = match permission.access {
        Access::Read => 0,
        Access::Write => 1,
        Access::ReadWrite => 2,
    };
    etcd::Permission { perm_type, key: permission.key, range_end: permission.end }
}
