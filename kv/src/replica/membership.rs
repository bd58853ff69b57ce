//! Who belongs to the cluster: wishes, checks, and changes in force.

use std::time::Duration;

use prost::Message as _;
use raft::eraftpb::{ConfChangeSingle, ConfChangeType, ConfChangeV2, Entry};

use super::asks::{Kind, Origin};
use super::members::{Member, Members};
use super::{Action, Machine, Out, Refusal, Replica, Step, Ticket};
use crate::limits::LEARNER_READY_PERCENT;

impl<M: Machine> Replica<M> {
    pub(super) fn on_change_asked(
        &mut self,
        ticket: Ticket,
        steps: Vec<Step>,
        now: Duration,
        out: &mut Out<M>,
    ) {
        match self.propose_change(ticket, steps) {
            Ok(()) => self.asks.open(ticket, now + self.config.patience),
            Err(why) => out.actions.push(Action::Refused { ticket, why }),
        }
    }

    fn propose_change(&mut self, ticket: Ticket, steps: Vec<Step>) -> Result<(), Refusal> {
        if let Some(why) = self.cannot_ask() {
            return Err(why);
        }
        if let [Step::Update(member)] = steps.as_slice() {
            return self.propose_update(ticket, member);
        }
        self.members.after(&steps, self.config.learners_max)?;
        self.are_ready(&steps)?;
        if self.leads() && self.raft.raft.has_pending_conf() {
            return Err(Refusal::ChangeRefused);
        }
        let context = postcard::to_allocvec(&steps).map_err(|_| Refusal::ChangeRefused)?;
        let changes = steps.iter().filter_map(single).collect();
        let change = ConfChangeV2 { changes, context: context.into(), ..ConfChangeV2::default() };
        let origin = self.origin(Kind::Change, ticket).encode();
        self.raft.propose_conf_change(origin, change).map_err(|_| self.dropped())
    }

    fn propose_update(&mut self, ticket: Ticket, member: &Member) -> Result<(), Refusal> {
        if !self.members.present.contains_key(&member.id) {
            return Err(Refusal::MemberUnknown);
        }
        let command = postcard::to_allocvec(member).map_err(|_| Refusal::ChangeRefused)?;
        let origin = self.origin(Kind::Update, ticket).encode();
        self.raft.propose(origin, command).map_err(|_| self.dropped())
    }

    /// A learner that lags would, as a voter, only make the quorum larger.
    fn are_ready(&self, steps: &[Step]) -> Result<(), Refusal> {
        for step in steps {
            let Step::Promote(id) = step else { continue };
            if !self.leads() {
                return Err(Refusal::NotLeader);
            }
            let matched = self.raft.raft.prs().get(*id).map_or(0, |progress| progress.matched);
            let last = self.raft.raft.raft_log.last_index();
            if matched * 100 < last * LEARNER_READY_PERCENT {
                return Err(Refusal::LearnerBehind);
            }
        }
        Ok(())
    }

    pub(super) fn apply_update(&mut self, entry: &Entry, origin: Option<Origin>, out: &mut Out<M>) {
        if let Ok(member) = postcard::from_bytes::<Member>(&entry.data)
            && let Some(present) = self.members.present.get_mut(&member.id)
        {
            let learner = present.learner;
            *present = Member { learner, ..member };
            out.actions.push(Action::Members(self.members.clone()));
        }
        if let Some(ticket) = self.answered(origin) {
            out.actions.push(Action::Changed { ticket });
        }
    }

    pub(super) fn apply_change(&mut self, entry: &Entry, origin: Option<Origin>, out: &mut Out<M>) {
        let result = self.change(entry);
        if let Some(ticket) = self.answered(origin) {
            out.actions.push(match result {
                Ok(()) => Action::Changed { ticket },
                Err(why) => Action::Refused { ticket, why },
            });
        }
        out.actions.push(Action::Members(self.members.clone()));
        let id = self.config.id;
        if self.members.removed.contains(&id) && self.raft.raft.prs().get(id).is_none() {
            // At once: a leader that is no member is what raft panics on. Those who stay were told of
            // the commit before, or will elect one who knows of the entry.
            self.break_down("this member was removed from the cluster".to_owned(), out);
        }
    }

    /// Everything here depends on the log alone, so all replicas decide alike.
    fn change(&mut self, entry: &Entry) -> Result<(), Refusal> {
        let refused = Refusal::ChangeRefused;
        let change = ConfChangeV2::decode(entry.data.clone()).map_err(|_| refused)?;
        let steps: Vec<Step> = if change.leave_joint() {
            Vec::new()
        } else {
            postcard::from_bytes(&change.context).map_err(|_| refused)?
        };
        let singles: Vec<ConfChangeSingle> = steps.iter().filter_map(single).collect();
        if singles != change.changes {
            return Err(refused);
        }
        let members = self.members.after(&steps, usize::MAX)?;
        let voters = self.raft.apply_conf_change(&change).map_err(|_| refused)?;
        self.raft.mut_store().voters = voters;
        self.members = members;
        Ok(())
    }

    pub(super) fn members_on_tick(&mut self) {
        // Raft leaves the joint configuration by itself, unless the leader changes at the wrong moment.
        let joint = self.raft.store().voters.auto_leave;
        if joint && self.leads() && !self.raft.raft.has_pending_conf() {
            drop(self.raft.propose_conf_change(Vec::new(), ConfChangeV2::default()));
        }
    }
}

fn single(step: &Step) -> Option<ConfChangeSingle> {
    let (kind, node_id) = match step {
        Step::Add(member) if member.learner => (ConfChangeType::AddLearnerNode, member.id),
        Step::Add(member) => (ConfChangeType::AddNode, member.id),
        Step::Promote(id) => (ConfChangeType::AddNode, *id),
        Step::Remove(id) => (ConfChangeType::RemoveNode, *id),
        Step::Update(_) => return None,
    };
    Some(ConfChangeSingle { change_type: kind as i32, node_id })
}

impl Members {
    /// The members after these steps.
    ///
    /// # Errors
    /// When a step is not possible.
    pub fn after(&self, steps: &[Step], learners_max: usize) -> Result<Self, Refusal> {
        let mut members = self.clone();
        for step in steps {
            members.take(step)?;
        }
        let adds = steps.iter().any(|step| matches!(step, Step::Add(member) if member.learner));
        if adds && members.learners().len() > learners_max {
            return Err(Refusal::TooManyLearners);
        }
        if members.voters().is_empty() {
            return Err(Refusal::ChangeRefused);
        }
        Ok(members)
    }

    fn take(&mut self, step: &Step) -> Result<(), Refusal> {
        match step {
            Step::Add(member) => {
                let known = self.present.contains_key(&member.id);
                if known || self.removed.contains(&member.id) || member.id == 0 {
                    return Err(Refusal::MemberExists);
                }
                self.present.insert(member.id, member.clone());
            }
            Step::Promote(id) => {
                let member = self.present.get_mut(id).ok_or(Refusal::MemberUnknown)?;
                if !std::mem::replace(&mut member.learner, false) {
                    return Err(Refusal::NotLearner);
                }
            }
            Step::Remove(id) => {
                self.present.remove(id).ok_or(Refusal::MemberUnknown)?;
                self.removed.insert(*id);
            }
            Step::Update(_) => return Err(Refusal::ChangeRefused),
        }
        Ok(())
    }
}
