//! What may reach raft. Raft treats some messages as impossible and panics on them; here they are
//! dropped, or recognised as what they are: the proof that this replica lost what it had promised.

use prost::Message as _;
use raft::eraftpb::{ConfChangeV2, Entry, EntryType, Message, MessageType};
use raft::{RawNode, StateRole};

use super::storage::Memory;

/// What to do with a message.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Raft may have it.
    Pass,
    /// It is worth nothing.
    Drop,
    /// It proves that our log lost something.
    Lost(String),
}

/// Judges a message that `from` sent to us.
#[must_use]
pub(super) fn judge(raft: &RawNode<Memory>, from: u64, message: &Message) -> Verdict {
    if message.from != from || message.to != raft.raft.id || message.from == raft.raft.id {
        return Verdict::Drop;
    }
    match message.get_msg_type() {
        MessageType::MsgPropose => pass_if(is_proposal(message)),
        MessageType::MsgReadIndex => {
            pass_if(message.entries.len() == 1 && !message.entries[0].data.is_empty())
        }
        _ if message.term == 0 => Verdict::Drop,
        MessageType::MsgAppend => append(raft, message),
        MessageType::MsgHeartbeat => heartbeat(raft, message),
        MessageType::MsgAppendResponse => {
            let beyond = message.index > raft.raft.raft_log.last_index();
            pass_if(message.reject || !beyond || message.term > raft.raft.term)
        }
        MessageType::MsgReadIndexResp => pass_if(message.entries.len() == 1),
        MessageType::MsgHeartbeatResponse
        | MessageType::MsgRequestVote
        | MessageType::MsgRequestVoteResponse
        | MessageType::MsgRequestPreVote
        | MessageType::MsgRequestPreVoteResponse
        | MessageType::MsgTransferLeader
        | MessageType::MsgTimeoutNow => Verdict::Pass,
        // Snapshots come in chunks; the others never leave a replica.
        MessageType::MsgSnapshot
        | MessageType::MsgHup
        | MessageType::MsgBeat
        | MessageType::MsgUnreachable
        | MessageType::MsgSnapStatus
        | MessageType::MsgCheckQuorum => Verdict::Drop,
    }
}

fn pass_if(good: bool) -> Verdict {
    if good { Verdict::Pass } else { Verdict::Drop }
}

/// Something is proposed, and a change of members is one.
fn is_proposal(message: &Message) -> bool {
    let sound = |entry: &Entry| match entry.get_entry_type() {
        EntryType::EntryNormal => true,
        EntryType::EntryConfChange => false,
        EntryType::EntryConfChangeV2 => ConfChangeV2::decode(entry.data.clone()).is_ok(),
    };
    !message.entries.is_empty() && message.entries.iter().all(sound)
}

fn append(raft: &RawNode<Memory>, message: &Message) -> Verdict {
    let follows = |(position, entry): (usize, &Entry)| {
        entry.index == message.index.saturating_add(position as u64 + 1) && entry.term > 0
    };
    let leads = raft.raft.state == StateRole::Leader && raft.raft.term == message.term;
    // What lies before our commit index raft answers without looking at the entries.
    pass_if(!leads && message.entries.iter().enumerate().all(follows))
}

fn heartbeat(raft: &RawNode<Memory>, message: &Message) -> Verdict {
    if raft.raft.state == StateRole::Leader && raft.raft.term == message.term {
        return Verdict::Drop;
    }
    let last = raft.raft.raft_log.last_index();
    if message.term >= raft.raft.term && message.commit > last {
        return Verdict::Lost(format!(
            "the leader knows of entry {} here, but the log ends at {last}: this member lost what it \
             had acknowledged; remove it and add it again with an empty directory",
            message.commit
        ));
    }
    Verdict::Pass
}
