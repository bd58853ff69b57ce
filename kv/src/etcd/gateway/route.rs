//! Which call a path of the gateway is, and how its messages look.

use super::shape::Shape;
use super::shapes as s;
use crate::etcd::method::Method;

use Method as M;

/// Paths of one call have these in front: the second is that of etcd 3.3.
const PREFIXES: &[&str] = &["/v3/", "/v3beta/"];

/// The call of a path.
pub fn find(path: &str) -> Option<Method> {
    let path = PREFIXES.iter().find_map(|prefix| path.strip_prefix(prefix))?;
    // These are under two names.
    let path = match path {
        "kv/lease/revoke" | "kv/lease/timetolive" | "kv/lease/leases" => &path[3..],
        path => path,
    };
    Method::ALL.into_iter().find(|method| row(*method).0 == path)
}

/// Its path, without what is in front.
#[cfg(test)]
pub(super) fn path(method: Method) -> &'static str {
    row(method).0
}

/// How its requests look.
pub fn request(method: Method) -> &'static Shape {
    row(method).1
}

/// How its answers look.
pub fn reply(method: Method) -> &'static Shape {
    row(method).2
}

fn row(method: Method) -> (&'static str, &'static Shape, &'static Shape) {
    match method {
        M::Range => ("kv/range", &s::RANGE, &s::RANGE_REPLY),
        M::Put => ("kv/put", &s::PUT, &s::PUT_REPLY),
        M::DeleteRange => ("kv/deleterange", &s::DELETE_RANGE, &s::DELETE_RANGE_REPLY),
        M::Txn => ("kv/txn", &s::TXN, &s::TXN_REPLY),
        M::Compact => ("kv/compaction", &s::COMPACT, &s::HEADER_REPLY),
        M::Watch => ("watch", &s::WATCH, &s::WATCH_REPLY),
        M::LeaseGrant => ("lease/grant", &s::LEASE_GRANT, &s::LEASE_GRANT_REPLY),
        M::LeaseRevoke => ("lease/revoke", &s::LEASE_ID, &s::HEADER_REPLY),
        M::LeaseKeepAlive => ("lease/keepalive", &s::LEASE_ID, &s::LEASE_KEEP_ALIVE_REPLY),
        M::LeaseTimeToLive => ("lease/timetolive", &s::LEASE_TIME, &s::LEASE_TIME_REPLY),
        M::LeaseLeases => ("lease/leases", &s::EMPTY, &s::LEASES_REPLY),
        M::MemberAdd => ("cluster/member/add", &s::MEMBER_ADD, &s::MEMBER_ADD_REPLY),
        M::MemberRemove => ("cluster/member/remove", &s::MEMBER_ID, &s::MEMBERS_REPLY),
        M::MemberUpdate => ("cluster/member/update", &s::MEMBER_UPDATE, &s::MEMBERS_REPLY),
        M::MemberList => ("cluster/member/list", &s::MEMBER_LIST, &s::MEMBERS_REPLY),
        M::MemberPromote => ("cluster/member/promote", &s::MEMBER_ID, &s::MEMBERS_REPLY),
        M::Alarm => ("maintenance/alarm", &s::ALARM_ASKED, &s::ALARM_REPLY),
        M::Status => ("maintenance/status", &s::EMPTY, &s::STATUS_REPLY),
        M::Defragment => ("maintenance/defragment", &s::EMPTY, &s::HEADER_REPLY),
        M::Hash => ("maintenance/hash", &s::EMPTY, &s::HASH_REPLY),
        M::HashKv => ("maintenance/hashkv", &s::HASH_KV, &s::HASH_KV_REPLY),
        M::Snapshot => ("maintenance/snapshot", &s::EMPTY, &s::SNAPSHOT_REPLY),
        M::MoveLeader => ("maintenance/transfer-leadership", &s::MOVE_LEADER, &s::HEADER_REPLY),
        M::Downgrade => ("maintenance/downgrade", &s::DOWNGRADE, &s::DOWNGRADE_REPLY),
        M::AuthEnable => ("auth/enable", &s::EMPTY, &s::HEADER_REPLY),
        M::AuthDisable => ("auth/disable", &s::EMPTY, &s::HEADER_REPLY),
        M::AuthStatus => ("auth/status", &s::EMPTY, &s::AUTH_STATUS_REPLY),
        M::Authenticate => ("auth/authenticate", &s::CREDENTIALS, &s::TOKEN_REPLY),
        M::UserAdd => ("auth/user/add", &s::USER_ADD, &s::HEADER_REPLY),
        M::UserGet => ("auth/user/get", &s::NAME, &s::ROLES_REPLY),
        M::UserList => ("auth/user/list", &s::EMPTY, &s::USERS_REPLY),
        M::UserDelete => ("auth/user/delete", &s::NAME, &s::HEADER_REPLY),
        M::UserChangePassword => ("auth/user/changepw", &s::USER_PASSWORD, &s::HEADER_REPLY),
        M::UserGrantRole => ("auth/user/grant", &s::USER_GRANT, &s::HEADER_REPLY),
        M::UserRevokeRole => ("auth/user/revoke", &s::USER_REVOKE, &s::HEADER_REPLY),
        M::RoleAdd => ("auth/role/add", &s::NAME, &s::HEADER_REPLY),
        M::RoleGet => ("auth/role/get", &s::ROLE, &s::ROLE_REPLY),
        M::RoleList => ("auth/role/list", &s::EMPTY, &s::ROLES_REPLY),
        M::RoleDelete => ("auth/role/delete", &s::ROLE, &s::HEADER_REPLY),
        M::RoleGrantPermission => ("auth/role/grant", &s::ROLE_GRANT, &s::HEADER_REPLY),
        M::RoleRevokePermission => ("auth/role/revoke", &s::ROLE_REVOKE, &s::HEADER_REPLY),
        M::Lock => ("lock/lock", &s::LOCK, &s::KEY_REPLY),
        M::Unlock => ("lock/unlock", &s::KEY, &s::HEADER_REPLY),
        M::Campaign => ("election/campaign", &s::CAMPAIGN, &s::CAMPAIGN_REPLY),
        M::Proclaim => ("election/proclaim", &s::PROCLAIM, &s::HEADER_REPLY),
        M::Leader => ("election/leader", &s::ELECTION, &s::LEADER_REPLY),
        M::Observe => ("election/observe", &s::ELECTION, &s::LEADER_REPLY),
        M::Resign => ("election/resign", &s::RESIGN, &s::HEADER_REPLY),
    }
}
