//! What `raft` asks of changes of members.

use std::borrow::Cow;
use std::collections::BTreeSet;

use crate::enums::{ConfChangeTransition, ConfChangeType};
use crate::messages::{ConfChange, ConfChangeSingle, ConfChangeV2, ConfState};

/// One step of a change.
#[must_use]
pub fn new_conf_change_single(node_id: u64, kind: ConfChangeType) -> ConfChangeSingle {
    ConfChangeSingle { change_type: kind as i32, node_id }
}

/// Both forms of a change, as one.
pub trait ConfChangeI {
    /// The change in the newer form.
    fn into_v2(self) -> ConfChangeV2;
    /// The change in the newer form, borrowed where it has it.
    fn as_v2(&self) -> Cow<'_, ConfChangeV2>;
    /// The change in the old form, if it has it.
    fn as_v1(&self) -> Option<&ConfChange>;
}

impl ConfChangeI for ConfChange {
    fn into_v2(self) -> ConfChangeV2 {
        let single = new_conf_change_single(self.node_id, self.get_change_type());
        ConfChangeV2 { changes: vec![single], context: self.context, ..ConfChangeV2::default() }
    }

    fn as_v2(&self) -> Cow<'_, ConfChangeV2> {
        Cow::Owned(self.clone().into_v2())
    }

    fn as_v1(&self) -> Option<&ConfChange> {
        Some(self)
    }
}

impl ConfChangeI for ConfChangeV2 {
    fn into_v2(self) -> ConfChangeV2 {
        self
    }

    fn as_v2(&self) -> Cow<'_, ConfChangeV2> {
        Cow::Borrowed(self)
    }

    fn as_v1(&self) -> Option<&ConfChange> {
        None
    }
}

impl ConfChangeV2 {
    /// Whether the change needs the joint configuration, and if so, whether that is left by itself.
    #[must_use]
    pub fn enter_joint(&self) -> Option<bool> {
        match self.get_transition() {
            ConfChangeTransition::Auto if self.changes.len() <= 1 => None,
            ConfChangeTransition::Auto | ConfChangeTransition::Implicit => Some(true),
            ConfChangeTransition::Explicit => Some(false),
        }
    }

    /// Whether the change leaves the joint configuration.
    #[must_use]
    pub fn leave_joint(&self) -> bool {
        self.get_transition() == ConfChangeTransition::Auto && self.changes.is_empty()
    }
}

/// Whether both name the same members, in whatever order.
#[must_use]
pub fn conf_state_eq(left: &ConfState, right: &ConfState) -> bool {
    let same = |left: &[u64], right: &[u64]| {
        left.iter().collect::<BTreeSet<_>>() == right.iter().collect::<BTreeSet<_>>()
    };
    same(&left.voters, &right.voters)
        && same(&left.learners, &right.learners)
        && same(&left.voters_outgoing, &right.voters_outgoing)
        && same(&left.learners_next, &right.learners_next)
        && left.auto_leave == right.auto_leave
}
