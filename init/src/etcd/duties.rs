//! What a member does without being asked: it tells its name, and while it leads it counts the time of leases
//! and cares for space.

use std::time::Duration;

use kv::command::Change;
use kv::reply::{Answer, Happened, Reply};
use kv::store::LeaseClock;

use super::identity::Identity;
use super::node::{Node, Waiting};
use super::{Moment, Order};
use crate::limits::{TIDY_CHANGES_MAX, TIDY_PERIOD, WATCH_PROGRESS_PERIOD};

/// What is to be done when.
#[derive(Debug, Default)]
pub(super) struct Duties {
    /// To look after space again. Nothing while nothing changes.
    look: Option<Duration>,
    /// The last index when it was looked at.
    seen: u64,
    /// The store has garbage.
    garbage: bool,
    /// The name was told, and is on its way.
    published: bool,
    /// Members may have gone whose names are still known.
    leftovers: bool,
    /// Watches that hear from time to time how far they are: when next.
    progress: Option<Duration>,
}

impl Duties {
    pub(super) fn applied(&mut self, now: Duration) {
        self.look.get_or_insert(now + TIDY_PERIOD);
    }

    pub(super) fn members_changed(&mut self) {
        self.leftovers = true;
    }

    /// One of our own changes was refused. What is not proposed again by itself is to be told again.
    pub(super) fn refused(&mut self) {
        (self.published, self.leftovers) = (false, true);
    }

    pub(super) fn deadline(&self, clock: &LeaseClock) -> Option<Duration> {
        let lease = clock.next_ms().map(Duration::from_millis);
        let garbage = self.garbage.then_some(Duration::ZERO);
        [self.look, lease, garbage, self.progress].into_iter().flatten().min()
    }
}

/// The clock of leases, in its own unit.
pub(super) fn clock_ms(moment: Moment) -> u64 {
    u64::try_from(moment.now.as_millis()).unwrap_or(u64::MAX)
}

impl Node {
    /// To be called once in each turn, after its facts.
    pub fn do_duties(&mut self, moment: Moment, out: &mut Vec<Order>) {
        if self.duties.seen != self.replica.applied() {
            self.duties.seen = self.replica.applied();
            self.duties.applied(moment.now);
        }
        self.talk_of_progress(moment);
        self.talk(moment, out);
        self.look_at_moves(moment, out);
        self.expire_forwarded(moment, out);
        self.duties.garbage = self.replica.machine_mut().tidy(TIDY_CHANGES_MAX);
        self.publish(moment, out);
        if !self.replica.leads() {
            self.duties.look = None;
            return;
        }
        if self.clock.next_ms().is_some_and(|at| at <= clock_ms(moment)) {
            for change in self.clock.due(clock_ms(moment)) {
                self.submit(None, change, Waiting::Own, moment, out);
            }
        }
        self.clear_leftovers(moment, out);
        if self.duties.look.is_some_and(|at| at <= moment.now) {
            self.look_after_space(moment, out);
        }
    }

    fn look_after_space(&mut self, moment: Moment, out: &mut Vec<Order>) {
        let due = self.chores.due(self.replica.machine(), moment.unix_ms);
        // Time alone makes something due only if history is forgotten by age.
        let by_age = matches!(self.settings.retention, kv::store::Retention::Ms(_));
        self.duties.look = (by_age || !due.is_empty()).then_some(moment.now + TIDY_PERIOD);
        for change in due {
            self.submit(None, change, Waiting::Own, moment, out);
        }
    }

    /// Tells the others this member's name, if they know another one.
    fn publish(&mut self, moment: Moment, out: &mut Vec<Order>) {
        let member = self.settings.replica.id;
        let belongs = self.replica.members().present.contains_key(&member);
        if self.duties.published || self.replica.leader() == 0 || !belongs {
            return;
        }
        self.duties.published = true;
        let known = self.replica.machine().published().get(&member);
        let (name, client_urls) = (&self.settings.name, &self.settings.client_urls);
        if known.is_some_and(|known| known.name == *name && known.client_urls == *client_urls) {
            return;
        }
        let (name, client_urls) = (name.clone(), client_urls.clone());
        let change = Change::Publish { member, name, client_urls };
        self.submit(None, change, Waiting::Own, moment, out);
    }

    /// One of our own changes was applied.
    pub(super) fn on_own(&mut self, reply: &Reply, moment: Moment) {
        if let Ok(Answer::LeaseEra(era)) = reply.result
            && self.replica.leads()
        {
            // Holders may not have found the new leader yet; a lone one was never another.
            let alone = self.replica.members().present.len() <= 1;
            let extra = if alone { Duration::ZERO } else { self.settings.replica.election() };
            let extra_ms = u64::try_from(extra.as_millis()).unwrap_or(u64::MAX);
            self.clock.begin(self.replica.machine(), era, clock_ms(moment), extra_ms);
        }
    }

    /// Who the member with these addresses is, if it was added.
    pub fn invited(&self, peer_urls: &[String]) -> Option<Identity> {
        let mut present = self.replica.members().present.values();
        let found =
            present.find(|member| member.peer_urls.iter().any(|url| peer_urls.contains(url)))?;
        Some(Identity { member: found.id, cluster: self.settings.replica.cluster })
    }

    /// What removed members told of themselves goes, too.
    fn clear_leftovers(&mut self, moment: Moment, out: &mut Vec<Order>) {
        if !std::mem::take(&mut self.duties.leftovers) {
            return;
        }
        let present = &self.replica.members().present;
        let told = self.replica.machine().published().keys().copied();
        let gone: Vec<u64> = told.filter(|member| !present.contains_key(member)).collect();
        for member in gone {
            self.submit(None, Change::Unpublish { member }, Waiting::Own, moment, out);
        }
    }

    /// Now and then, watches that want it hear that nothing happened.
    fn talk_of_progress(&mut self, moment: Moment) {
        if self.watching.is_empty() {
            self.duties.progress = None;
            return;
        }
        let due = *self.duties.progress.get_or_insert(moment.now + WATCH_PROGRESS_PERIOD);
        if due <= moment.now {
            self.duties.progress = Some(moment.now + WATCH_PROGRESS_PERIOD);
            let header = self.header();
            self.watching.on_progress_due(self.replica.machine(), &header);
        }
    }

    pub(super) fn on_leader(&mut self, _leader: u64, moment: Moment, out: &mut Vec<Order>) {
        self.clock.stop();
        self.duties.published = false;
        self.duties.members_changed();
        if self.replica.leads() {
            self.duties.applied(moment.now);
            self.submit(None, Change::LeaseEra, Waiting::Own, moment, out);
        }
    }

    pub(super) fn on_happened(&mut self, happened: &Happened, moment: Moment) {
        self.clock.on_happened(happened, clock_ms(moment));
        if let Happened::WatchReady(id) = happened {
            self.watching.on_ready(*id);
        }
    }
}
