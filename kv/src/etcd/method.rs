//! The calls that etcd's clients make, by the path that names them.

/// Every call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the names are etcd's")]
pub enum Method {
    Range,
    Put,
    DeleteRange,
    Txn,
    Compact,
    Watch,
    LeaseGrant,
    LeaseRevoke,
    LeaseKeepAlive,
    LeaseTimeToLive,
    LeaseLeases,
    MemberAdd,
    MemberRemove,
    MemberUpdate,
    MemberList,
    MemberPromote,
    Alarm,
    Status,
    Defragment,
    Hash,
    HashKv,
    Snapshot,
    MoveLeader,
    Downgrade,
    AuthEnable,
    AuthDisable,
    AuthStatus,
    Authenticate,
    UserAdd,
    UserGet,
    UserList,
    UserDelete,
    UserChangePassword,
    UserGrantRole,
    UserRevokeRole,
    RoleAdd,
    RoleGet,
    RoleList,
    RoleDelete,
    RoleGrantPermission,
    RoleRevokePermission,
    Lock,
    Unlock,
    Campaign,
    Proclaim,
    Leader,
    Observe,
    Resign,
}

/// How many messages each side sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Streams {
    /// One each.
    Neither,
    /// One request, any number of answers.
    Answers,
    /// Any number of both.
    Both,
}

use Method as M;

impl Method {
    /// All of them; the most frequent first, because they are looked for in this order.
    pub const ALL: [Method; 48] = [
        M::Range,
        M::Put,
        M::DeleteRange,
        M::Txn,
        M::Compact,
        M::Watch,
        M::LeaseGrant,
        M::LeaseRevoke,
        M::LeaseKeepAlive,
        M::LeaseTimeToLive,
        M::LeaseLeases,
        M::MemberAdd,
        M::MemberRemove,
        M::MemberUpdate,
        M::MemberList,
        M::MemberPromote,
        M::Alarm,
        M::Status,
        M::Defragment,
        M::Hash,
        M::HashKv,
        M::Snapshot,
        M::MoveLeader,
        M::Downgrade,
        M::AuthEnable,
        M::AuthDisable,
        M::AuthStatus,
        M::Authenticate,
        M::UserAdd,
        M::UserGet,
        M::UserList,
        M::UserDelete,
        M::UserChangePassword,
        M::UserGrantRole,
        M::UserRevokeRole,
        M::RoleAdd,
        M::RoleGet,
        M::RoleList,
        M::RoleDelete,
        M::RoleGrantPermission,
        M::RoleRevokePermission,
        M::Lock,
        M::Unlock,
        M::Campaign,
        M::Proclaim,
        M::Leader,
        M::Observe,
        M::Resign,
    ];

    /// The call that a path names.
    pub fn of_path(path: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|method| method.path() == path)
    }

    /// `:path` of its requests.
    pub const fn path(self) -> &'static str {
        match self {
            M::Range => "/etcdserverpb.KV/Range",
            M::Put => "/etcdserverpb.KV/Put",
            M::DeleteRange => "/etcdserverpb.KV/DeleteRange",
            M::Txn => "/etcdserverpb.KV/Txn",
            M::Compact => "/etcdserverpb.KV/Compact",
            M::Watch => "/etcdserverpb.Watch/Watch",
            M::LeaseGrant => "/etcdserverpb.Lease/LeaseGrant",
            M::LeaseRevoke => "/etcdserverpb.Lease/LeaseRevoke",
            M::LeaseKeepAlive => "/etcdserverpb.Lease/LeaseKeepAlive",
            M::LeaseTimeToLive => "/etcdserverpb.Lease/LeaseTimeToLive",
            M::LeaseLeases => "/etcdserverpb.Lease/LeaseLeases",
            M::MemberAdd => "/etcdserverpb.Cluster/MemberAdd",
            M::MemberRemove => "/etcdserverpb.Cluster/MemberRemove",
            M::MemberUpdate => "/etcdserverpb.Cluster/MemberUpdate",
            M::MemberList => "/etcdserverpb.Cluster/MemberList",
            M::MemberPromote => "/etcdserverpb.Cluster/MemberPromote",
            M::Alarm => "/etcdserverpb.Maintenance/Alarm",
            M::Status => "/etcdserverpb.Maintenance/Status",
            M::Defragment => "/etcdserverpb.Maintenance/Defragment",
            M::Hash => "/etcdserverpb.Maintenance/Hash",
            M::HashKv => "/etcdserverpb.Maintenance/HashKV",
            M::Snapshot => "/etcdserverpb.Maintenance/Snapshot",
            M::MoveLeader => "/etcdserverpb.Maintenance/MoveLeader",
            M::Downgrade => "/etcdserverpb.Maintenance/Downgrade",
            M::AuthEnable => "/etcdserverpb.Auth/AuthEnable",
            M::AuthDisable => "/etcdserverpb.Auth/AuthDisable",
            M::AuthStatus => "/etcdserverpb.Auth/AuthStatus",
            M::Authenticate => "/etcdserverpb.Auth/Authenticate",
            M::UserAdd => "/etcdserverpb.Auth/UserAdd",
            M::UserGet => "/etcdserverpb.Auth/UserGet",
            M::UserList => "/etcdserverpb.Auth/UserList",
            M::UserDelete => "/etcdserverpb.Auth/UserDelete",
            M::UserChangePassword => "/etcdserverpb.Auth/UserChangePassword",
            M::UserGrantRole => "/etcdserverpb.Auth/UserGrantRole",
            M::UserRevokeRole => "/etcdserverpb.Auth/UserRevokeRole",
            M::RoleAdd => "/etcdserverpb.Auth/RoleAdd",
            M::RoleGet => "/etcdserverpb.Auth/RoleGet",
            M::RoleList => "/etcdserverpb.Auth/RoleList",
            M::RoleDelete => "/etcdserverpb.Auth/RoleDelete",
            M::RoleGrantPermission => "/etcdserverpb.Auth/RoleGrantPermission",
            M::RoleRevokePermission => "/etcdserverpb.Auth/RoleRevokePermission",
            M::Lock => "/v3lockpb.Lock/Lock",
            M::Unlock => "/v3lockpb.Lock/Unlock",
            M::Campaign => "/v3electionpb.Election/Campaign",
            M::Proclaim => "/v3electionpb.Election/Proclaim",
            M::Leader => "/v3electionpb.Election/Leader",
            M::Observe => "/v3electionpb.Election/Observe",
            M::Resign => "/v3electionpb.Election/Resign",
        }
    }

    /// How many messages each side sends.
    pub const fn streams(self) -> Streams {
        if matches!(self, M::Watch | M::LeaseKeepAlive) {
            Streams::Both
        } else if matches!(self, M::Snapshot | M::Observe) {
            Streams::Answers
        } else {
            Streams::Neither
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_whole_and_paths_name_one_call() {
        for (place, method) in Method::ALL.into_iter().enumerate() {
            assert_eq!(method as usize, place);
            assert_eq!(Method::of_path(method.path()), Some(method));
        }
        assert_eq!(Method::ALL.len(), Method::Resign as usize + 1);
        assert_eq!(Method::of_path("/etcdserverpb.KV/Nothing"), None);
        assert_eq!(Method::Watch.streams(), Streams::Both);
        assert_eq!(Method::Snapshot.streams(), Streams::Answers);
        assert_eq!(Method::Put.streams(), Streams::Neither);
        assert_eq!(Method::of_path("/grpc.health.v1.Health/Check"), None);
    }
}
