//! The enumerations of the schema.

/// What an entry of the log carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum EntryType {
    /// A change of the state machine.
    EntryNormal = 0,
    /// A change of one member, in the old form.
    EntryConfChange = 1,
    /// A change of members.
    EntryConfChangeV2 = 2,
}

/// What a message wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum MessageType {
    /// Local: start an election.
    MsgHup = 0,
    /// Local: send heartbeats.
    MsgBeat = 1,
    /// Append to the log.
    MsgPropose = 2,
    /// Entries from the leader.
    MsgAppend = 3,
    /// The answer to entries.
    MsgAppendResponse = 4,
    /// A candidate asks for a vote.
    MsgRequestVote = 5,
    /// The vote.
    MsgRequestVoteResponse = 6,
    /// A snapshot from the leader.
    MsgSnapshot = 7,
    /// The leader lives.
    MsgHeartbeat = 8,
    /// The follower lives.
    MsgHeartbeatResponse = 9,
    /// Local: a peer cannot be reached.
    MsgUnreachable = 10,
    /// Local: how sending a snapshot went.
    MsgSnapStatus = 11,
    /// Local: does the quorum still answer.
    MsgCheckQuorum = 12,
    /// Hand leadership over.
    MsgTransferLeader = 13,
    /// Start an election at once.
    MsgTimeoutNow = 14,
    /// Ask for a read index.
    MsgReadIndex = 15,
    /// The read index.
    MsgReadIndexResp = 16,
    /// Would you vote for me.
    MsgRequestPreVote = 17,
    /// The answer to that.
    MsgRequestPreVoteResponse = 18,
}

/// How a change of several members is carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum ConfChangeTransition {
    /// Simple where possible, else implicit.
    Auto = 0,
    /// Joint, left automatically.
    Implicit = 1,
    /// Joint, left on request.
    Explicit = 2,
}

/// What happens to one member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum ConfChangeType {
    /// It becomes a voter.
    AddNode = 0,
    /// It leaves.
    RemoveNode = 1,
    /// It becomes a learner.
    AddLearnerNode = 2,
}
