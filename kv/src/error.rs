//! Why a request was refused: etcd's own causes, with its exact texts and gRPC codes. Its clients tell
//! errors apart by text, so not a letter may differ.

use serde::{Deserialize, Serialize};

/// The gRPC codes that etcd uses, with their numbers on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Code {
    /// The caller gave up, or the server did on its behalf.
    Canceled = 1,
    /// The request makes no sense whatever the state is.
    InvalidArgument = 3,
    /// The deadline passed.
    DeadlineExceeded = 4,
    /// What was named does not exist.
    NotFound = 5,
    /// The caller may not do this.
    PermissionDenied = 7,
    /// A quota or a rate is used up.
    ResourceExhausted = 8,
    /// The state does not allow it now.
    FailedPrecondition = 9,
    /// A revision out of the known window, a value out of its range.
    OutOfRange = 11,
    /// No such call.
    Unimplemented = 12,
    /// It may work on another try.
    Unavailable = 14,
    /// Replicas disagree.
    DataLoss = 15,
    /// The token is not valid.
    Unauthenticated = 16,
}

macro_rules! errors {
    ($($name:ident = $code:ident $text:literal),* $(,)?) => {
        /// Every cause of refusal. The text of each is its documentation.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
        pub enum Error {
            $(#[doc = $text] $name),*
        }

        impl Error {
            /// All of them, for tests and tables.
            pub const ALL: &'static [Error] = &[$(Error::$name),*];

            /// The gRPC code.
            pub fn code(self) -> Code {
                match self { $(Error::$name => Code::$code),* }
            }

            /// The text that clients compare with.
            pub fn text(self) -> &'static str {
                match self { $(Error::$name => $text),* }
            }
        }
    };
}

errors! {
    EmptyKey = InvalidArgument "etcdserver: key is not provided",
    KeyNotFound = InvalidArgument "etcdserver: key not found",
    ValueProvided = InvalidArgument "etcdserver: value is provided",
    LeaseProvided = InvalidArgument "etcdserver: lease is provided",
    TooManyOps = InvalidArgument "etcdserver: too many operations in txn request",
    DuplicateKey = InvalidArgument "etcdserver: duplicate key given in txn request",
    InvalidSortOption = InvalidArgument "etcdserver: invalid sort option",
    InvalidClientApiVersion = InvalidArgument "etcdserver: invalid client api version",
    Compacted = OutOfRange "etcdserver: mvcc: required revision has been compacted",
    FutureRevision = OutOfRange "etcdserver: mvcc: required revision is a future revision",
    NoSpace = ResourceExhausted "etcdserver: mvcc: database space exceeded",
    LeaseNotFound = NotFound "etcdserver: requested lease not found",
    LeaseExists = FailedPrecondition "etcdserver: lease already exists",
    LeaseTtlTooLarge = OutOfRange "etcdserver: too large lease TTL",
    WatchCanceled = Canceled "etcdserver: watch canceled",
    MemberExists = FailedPrecondition "etcdserver: member ID already exist",
    PeerUrlExists = FailedPrecondition "etcdserver: Peer URLs already exists",
    MemberNotEnoughStarted = FailedPrecondition
        "etcdserver: re-configuration failed due to not enough started members",
    MemberBadUrls = InvalidArgument "etcdserver: given member URLs are invalid",
    MemberNotFound = NotFound "etcdserver: member not found",
    MemberNotLearner = FailedPrecondition "etcdserver: can only promote a learner member",
    LearnerNotReady = FailedPrecondition
        "etcdserver: can only promote a learner member which is in sync with leader",
    TooManyLearners = FailedPrecondition "etcdserver: too many learner members in cluster",
    RequestTooLarge = InvalidArgument "etcdserver: request is too large",
    TooManyRequests = ResourceExhausted "etcdserver: too many requests",
    RootUserNotExist = FailedPrecondition "etcdserver: root user does not exist",
    RootRoleNotExist = FailedPrecondition "etcdserver: root user does not have root role",
    UserExists = FailedPrecondition "etcdserver: user name already exists",
    UserEmpty = InvalidArgument "etcdserver: user name is empty",
    UserNotFound = FailedPrecondition "etcdserver: user name not found",
    RoleExists = FailedPrecondition "etcdserver: role name already exists",
    RoleNotFound = FailedPrecondition "etcdserver: role name not found",
    RoleEmpty = InvalidArgument "etcdserver: role name is empty",
    AuthFailed = InvalidArgument
        "etcdserver: authentication failed, invalid user ID or password",
    PermissionNotGiven = InvalidArgument "etcdserver: permission not given",
    PermissionDenied = PermissionDenied "etcdserver: permission denied",
    RoleNotGranted = FailedPrecondition "etcdserver: role is not granted to the user",
    PermissionNotGranted = FailedPrecondition "etcdserver: permission is not granted to the role",
    AuthNotEnabled = FailedPrecondition "etcdserver: authentication is not enabled",
    InvalidAuthToken = Unauthenticated "etcdserver: invalid auth token",
    InvalidAuthManagement = InvalidArgument "etcdserver: invalid auth management",
    AuthOldRevision = InvalidArgument "etcdserver: revision of auth store is old",
    NoLeader = Unavailable "etcdserver: no leader",
    NotLeader = FailedPrecondition "etcdserver: not leader",
    LeaderChanged = Unavailable "etcdserver: leader changed",
    NotCapable = Unavailable "etcdserver: not capable",
    Stopped = Unavailable "etcdserver: server stopped",
    Timeout = Unavailable "etcdserver: request timed out",
    TimeoutLeaderFail = Unavailable
        "etcdserver: request timed out, possibly due to previous leader failure",
    TimeoutConnectionLost = Unavailable
        "etcdserver: request timed out, possibly due to connection lost",
    TimeoutApply = Unavailable
        "etcdserver: request timed out, waiting for the applied index took too long",
    Unhealthy = Unavailable "etcdserver: unhealthy cluster",
    Corrupt = DataLoss "etcdserver: corrupt cluster",
    NotSupportedForLearner = Unavailable "etcdserver: rpc not supported for learner",
    BadLeaderTransferee = FailedPrecondition "etcdserver: bad leader transferee",
    InvalidDowngradeTarget = InvalidArgument "etcdserver: invalid downgrade target version",
    WrongDowngradeFormat = InvalidArgument "etcdserver: wrong downgrade target version format",
    NoDowngrade = FailedPrecondition "etcdserver: no inflight downgrade job",
}

impl std::fmt::Display for Error {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        to.write_str(self.text())
    }
}

impl std::error::Error for Error {}
