//! The shapes of etcd's messages, as in its `.proto` files (which ones, `message` says).

use super::shape::{Names, Shape, bytes, choice, flag, int, many, message, small, text, uint};

static ORDER: Names =
    Names { name: "etcdserverpb.RangeRequest_SortOrder", values: &["NONE", "ASCEND", "DESCEND"] };
static TARGET: Names = Names {
    name: "etcdserverpb.RangeRequest_SortTarget",
    values: &["KEY", "VERSION", "CREATE", "MOD", "VALUE"],
};
static RESULT: Names = Names {
    name: "etcdserverpb.Compare_CompareResult",
    values: &["EQUAL", "GREATER", "LESS", "NOT_EQUAL"],
};
static COMPARED: Names = Names {
    name: "etcdserverpb.Compare_CompareTarget",
    values: &["VERSION", "CREATE", "MOD", "VALUE", "LEASE"],
};
static EVENT_TYPE: Names = Names { name: "mvccpb.Event_EventType", values: &["PUT", "DELETE"] };
static FILTER: Names =
    Names { name: "etcdserverpb.WatchCreateRequest_FilterType", values: &["NOPUT", "NODELETE"] };
static ALARM: Names =
    Names { name: "etcdserverpb.AlarmType", values: &["NONE", "NOSPACE", "CORRUPT"] };
static ALARM_ACTION: Names = Names {
    name: "etcdserverpb.AlarmRequest_AlarmAction",
    values: &["GET", "ACTIVATE", "DEACTIVATE"],
};
static DOWNGRADE_ACTION: Names = Names {
    name: "etcdserverpb.DowngradeRequest_DowngradeAction",
    values: &["VALIDATE", "ENABLE", "CANCEL"],
};
static ACCESS: Names =
    Names { name: "authpb.Permission_Type", values: &["READ", "WRITE", "READWRITE"] };

pub(super) static EMPTY: Shape = Shape { fields: &[] };
pub(super) static HEADER: Shape = Shape {
    fields: &[
        uint(1, "cluster_id"),
        uint(2, "member_id"),
        int(3, "revision"),
        uint(4, "raft_term"),
    ],
};
pub(super) static HEADER_REPLY: Shape = Shape { fields: &[message(1, "header", &HEADER)] };
pub(super) static KEY_VALUE: Shape = Shape {
    fields: &[
        bytes(1, "key"),
        int(2, "create_revision"),
        int(3, "mod_revision"),
        int(4, "version"),
        bytes(5, "value"),
        int(6, "lease"),
    ],
};
pub(super) static RANGE: Shape = Shape {
    fields: &[
        bytes(1, "key"),
        bytes(2, "range_end"),
        int(3, "limit"),
        int(4, "revision"),
        choice(5, "sort_order", &ORDER),
        choice(6, "sort_target", &TARGET),
        flag(7, "serializable"),
        flag(8, "keys_only"),
        flag(9, "count_only"),
        int(10, "min_mod_revision"),
        int(11, "max_mod_revision"),
        int(12, "min_create_revision"),
        int(13, "max_create_revision"),
    ],
};
pub(super) static RANGE_REPLY: Shape = Shape {
    fields: &[
        message(1, "header", &HEADER),
        many(message(2, "kvs", &KEY_VALUE)),
        flag(3, "more"),
        int(4, "count"),
    ],
};
pub(super) static PUT: Shape = Shape {
    fields: &[
        bytes(1, "key"),
        bytes(2, "value"),
        int(3, "lease"),
        flag(4, "prev_kv"),
        flag(5, "ignore_value"),
        flag(6, "ignore_lease"),
    ],
};
pub(super) static PUT_REPLY: Shape =
    Shape { fields: &[message(1, "header", &HEADER), message(2, "prev_kv", &KEY_VALUE)] };
pub(super) static DELETE_RANGE: Shape =
    Shape { fields: &[bytes(1, "key"), bytes(2, "range_end"), flag(3, "prev_kv")] };
pub(super) static DELETE_RANGE_REPLY: Shape = Shape {
    fields: &[
        message(1, "header", &HEADER),
        int(2, "deleted"),
        many(message(3, "prev_kvs", &KEY_VALUE)),
    ],
};
pub(super) static COMPARE: Shape = Shape {
    fields: &[
        choice(1, "result", &RESULT),
        choice(2, "target", &COMPARED),
        bytes(3, "key"),
        int(4, "version"),
        int(5, "create_revision"),
        int(6, "mod_revision"),
        bytes(7, "value"),
        int(8, "lease"),
        bytes(64, "range_end"),
    ],
};
pub(super) static OP: Shape = Shape {
    fields: &[
        message(1, "request_range", &RANGE),
        message(2, "request_put", &PUT),
        message(3, "request_delete_range", &DELETE_RANGE),
        message(4, "request_txn", &TXN),
    ],
};
pub(super) static OP_REPLY: Shape = Shape {
    fields: &[
        message(1, "response_range", &RANGE_REPLY),
        message(2, "response_put", &PUT_REPLY),
        message(3, "response_delete_range", &DELETE_RANGE_REPLY),
        message(4, "response_txn", &TXN_REPLY),
    ],
};
pub(super) static TXN: Shape = Shape {
    fields: &[
        many(message(1, "compare", &COMPARE)),
        many(message(2, "success", &OP)),
        many(message(3, "failure", &OP)),
    ],
};
pub(super) static TXN_REPLY: Shape = Shape {
    fields: &[
        message(1, "header", &HEADER),
        flag(2, "succeeded"),
        many(message(3, "responses", &OP_REPLY)),
    ],
};
pub(super) static COMPACT: Shape = Shape { fields: &[int(1, "revision"), flag(2, "physical")] };
pub(super) static WATCH: Shape = Shape {
    fields: &[
        message(1, "create_request", &WATCH_CREATE),
        message(2, "cancel_request", &WATCH_CANCEL),
        message(3, "progress_request", &EMPTY),
    ],
};
pub(super) static WATCH_CREATE: Shape = Shape {
    fields: &[
        bytes(1, "key"),
        bytes(2, "range_end"),
        int(3, "start_revision"),
        flag(4, "progress_notify"),
        many(choice(5, "filters", &FILTER)),
        flag(6, "prev_kv"),
        int(7, "watch_id"),
        flag(8, "fragment"),
    ],
};
pub(super) static WATCH_CANCEL: Shape = Shape { fields: &[int(1, "watch_id")] };
pub(super) static WATCH_REPLY: Shape = Shape {
    fields: &[
        message(1, "header", &HEADER),
        int(2, "watch_id"),
        flag(3, "created"),
        flag(4, "canceled"),
        int(5, "compact_revision"),
        text(6, "cancel_reason"),
        flag(7, "fragment"),
        many(message(11, "events", &EVENT)),
    ],
};
pub(super) static EVENT: Shape = Shape {
    fields: &[
        choice(1, "type", &EVENT_TYPE),
        message(2, "kv", &KEY_VALUE),
        message(3, "prev_kv", &KEY_VALUE),
    ],
};
pub(super) static LEASE_GRANT: Shape = Shape { fields: &[int(1, "TTL"), int(2, "ID")] };
pub(super) static LEASE_GRANT_REPLY: Shape = Shape {
    fields: &[message(1, "header", &HEADER), int(2, "ID"), int(3, "TTL"), text(4, "error")],
};
pub(super) static LEASE_ID: Shape = Shape { fields: &[int(1, "ID")] };
pub(super) static LEASE_KEEP_ALIVE_REPLY: Shape =
    Shape { fields: &[message(1, "header", &HEADER), int(2, "ID"), int(3, "TTL")] };
pub(super) static LEASE_TIME: Shape = Shape { fields: &[int(1, "ID"), flag(2, "keys")] };
pub(super) static LEASE_TIME_REPLY: Shape = Shape {
    fields: &[
        message(1, "header", &HEADER),
        int(2, "ID"),
        int(3, "TTL"),
        int(4, "grantedTTL"),
        many(bytes(5, "keys")),
    ],
};
pub(super) static LEASES_REPLY: Shape =
    Shape { fields: &[message(1, "header", &HEADER), many(message(2, "leases", &LEASE_ID))] };
pub(super) static MEMBER: Shape = Shape {
    fields: &[
        uint(1, "ID"),
        text(2, "name"),
        many(text(3, "peerURLs")),
        many(text(4, "clientURLs")),
        flag(5, "isLearner"),
    ],
};
pub(super) static MEMBER_ADD: Shape =
    Shape { fields: &[many(text(1, "peerURLs")), flag(2, "isLearner")] };
pub(super) static MEMBER_ADD_REPLY: Shape = Shape {
    fields: &[
        message(1, "header", &HEADER),
        message(2, "member", &MEMBER),
        many(message(3, "members", &MEMBER)),
    ],
};
pub(super) static MEMBER_ID: Shape = Shape { fields: &[uint(1, "ID")] };
pub(super) static MEMBER_UPDATE: Shape =
    Shape { fields: &[uint(1, "ID"), many(text(2, "peerURLs"))] };
pub(super) static MEMBER_LIST: Shape = Shape { fields: &[flag(1, "linearizable")] };
pub(super) static MEMBERS_REPLY: Shape =
    Shape { fields: &[message(1, "header", &HEADER), many(message(2, "members", &MEMBER))] };
pub(super) static ALARM_ASKED: Shape = Shape {
    fields: &[choice(1, "action", &ALARM_ACTION), uint(2, "memberID"), choice(3, "alarm", &ALARM)],
};
pub(super) static ALARM_MEMBER: Shape =
    Shape { fields: &[uint(1, "memberID"), choice(2, "alarm", &ALARM)] };
pub(super) static ALARM_REPLY: Shape =
    Shape { fields: &[message(1, "header", &HEADER), many(message(2, "alarms", &ALARM_MEMBER))] };
pub(super) static STATUS_REPLY: Shape = Shape {
    fields: &[
        message(1, "header", &HEADER),
        text(2, "version"),
        int(3, "dbSize"),
        uint(4, "leader"),
        uint(5, "raftIndex"),
        uint(6, "raftTerm"),
        uint(7, "raftAppliedIndex"),
        many(text(8, "errors")),
        int(9, "dbSizeInUse"),
        flag(10, "isLearner"),
        text(11, "storageVersion"),
        int(12, "dbSizeQuota"),
    ],
};
pub(super) static HASH_REPLY: Shape =
    Shape { fields: &[message(1, "header", &HEADER), small(2, "hash")] };
pub(super) static HASH_KV: Shape = Shape { fields: &[int(1, "revision")] };
pub(super) static HASH_KV_REPLY: Shape = Shape {
    fields: &[
        message(1, "header", &HEADER),
        small(2, "hash"),
        int(3, "compact_revision"),
        int(4, "hash_revision"),
    ],
};
pub(super) static SNAPSHOT_REPLY: Shape = Shape {
    fields: &[
        message(1, "header", &HEADER),
        uint(2, "remaining_bytes"),
        bytes(3, "blob"),
        text(4, "version"),
    ],
};
pub(super) static MOVE_LEADER: Shape = Shape { fields: &[uint(1, "targetID")] };
pub(super) static DOWNGRADE: Shape =
    Shape { fields: &[choice(1, "action", &DOWNGRADE_ACTION), text(2, "version")] };
pub(super) static DOWNGRADE_REPLY: Shape =
    Shape { fields: &[message(1, "header", &HEADER), text(2, "version")] };
pub(super) static PERMISSION: Shape =
    Shape { fields: &[choice(1, "permType", &ACCESS), bytes(2, "key"), bytes(3, "range_end")] };
pub(super) static AUTH_STATUS_REPLY: Shape =
    Shape { fields: &[message(1, "header", &HEADER), flag(2, "enabled"), uint(3, "authRevision")] };
pub(super) static CREDENTIALS: Shape = Shape { fields: &[text(1, "name"), text(2, "password")] };
pub(super) static TOKEN_REPLY: Shape =
    Shape { fields: &[message(1, "header", &HEADER), text(2, "token")] };
pub(super) static USER_OPTIONS: Shape = Shape { fields: &[flag(1, "no_password")] };
pub(super) static USER_ADD: Shape = Shape {
    fields: &[
        text(1, "name"),
        text(2, "password"),
        message(3, "options", &USER_OPTIONS),
        text(4, "hashedPassword"),
    ],
};
pub(super) static NAME: Shape = Shape { fields: &[text(1, "name")] };
pub(super) static USER_PASSWORD: Shape =
    Shape { fields: &[text(1, "name"), text(2, "password"), text(3, "hashedPassword")] };
pub(super) static USER_GRANT: Shape = Shape { fields: &[text(1, "user"), text(2, "role")] };
pub(super) static USER_REVOKE: Shape = Shape { fields: &[text(1, "name"), text(2, "role")] };
pub(super) static ROLE: Shape = Shape { fields: &[text(1, "role")] };
pub(super) static ROLE_GRANT: Shape =
    Shape { fields: &[text(1, "name"), message(2, "perm", &PERMISSION)] };
pub(super) static ROLE_REVOKE: Shape =
    Shape { fields: &[text(1, "role"), bytes(2, "key"), bytes(3, "range_end")] };
pub(super) static ROLE_REPLY: Shape =
    Shape { fields: &[message(1, "header", &HEADER), many(message(2, "perm", &PERMISSION))] };
pub(super) static ROLES_REPLY: Shape =
    Shape { fields: &[message(1, "header", &HEADER), many(text(2, "roles"))] };
pub(super) static USERS_REPLY: Shape =
    Shape { fields: &[message(1, "header", &HEADER), many(text(2, "users"))] };
pub(super) static LOCK: Shape = Shape { fields: &[bytes(1, "name"), int(2, "lease")] };
pub(super) static KEY_REPLY: Shape =
    Shape { fields: &[message(1, "header", &HEADER), bytes(2, "key")] };
pub(super) static KEY: Shape = Shape { fields: &[bytes(1, "key")] };
pub(super) static CAMPAIGN: Shape =
    Shape { fields: &[bytes(1, "name"), int(2, "lease"), bytes(3, "value")] };
pub(super) static LEADER_KEY: Shape =
    Shape { fields: &[bytes(1, "name"), bytes(2, "key"), int(3, "rev"), int(4, "lease")] };
pub(super) static CAMPAIGN_REPLY: Shape =
    Shape { fields: &[message(1, "header", &HEADER), message(2, "leader", &LEADER_KEY)] };
pub(super) static ELECTION: Shape = Shape { fields: &[bytes(1, "name")] };
pub(super) static LEADER_REPLY: Shape =
    Shape { fields: &[message(1, "header", &HEADER), message(2, "kv", &KEY_VALUE)] };
pub(super) static RESIGN: Shape = Shape { fields: &[message(1, "leader", &LEADER_KEY)] };
pub(super) static PROCLAIM: Shape =
    Shape { fields: &[message(1, "leader", &LEADER_KEY), bytes(2, "value")] };
