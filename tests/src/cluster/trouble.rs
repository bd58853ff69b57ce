//! What goes wrong: everything that machines, wires, disks and administrators do to a cluster.

use std::time::Duration;

use kv::replica::members::Member;
use kv::replica::{Event, Step};

use super::world::World;

impl World {
    /// Something happens; how long until the next.
    pub(super) fn trouble(&mut self) -> Duration {
        if self.healed {
            return Duration::from_secs(1000);
        }
        let ids: Vec<u64> = self.nodes.keys().copied().collect();
        let id = *self.prng.pick(&ids);
        let length = Duration::from_millis(200 + self.prng.draw() % 4000);
        match self.prng.below(12) {
            0 | 1 => self.power_cut(id, length),
            2 => self.power_cut_everywhere(&ids, length),
            3 => self.part(&ids),
            4 => {
                self.wires.cut.clear();
                self.wires.loss_percent = 0;
            }
            5 => self.bad_wires(),
            6 => self.slow_disk(id, length),
            7 => self.failing_disk(id),
            8 => self.pause(id, length),
            9 => self.hand_over(id),
            _ => self.change_members(),
        }
        // Some seeds are one long storm, in most there is time to work in between.
        Duration::from_millis(100 + self.prng.draw() % 1500) * self.calm
    }

    /// Nothing goes wrong any more.
    pub fn heal(&mut self) {
        self.tell(|| "all is well from here on".to_owned());
        self.healed = true;
        self.wires.cut.clear();
        (self.wires.loss_percent, self.wires.echo_percent, self.wires.slowest_ms) = (0, 0, 5);
        for node in self.nodes.values_mut() {
            (node.slow_until, node.paused_until) = (Duration::ZERO, Duration::ZERO);
            node.fails = false;
        }
        self.boot_all();
    }

    fn power_cut(&mut self, id: u64, length: Duration) {
        self.tell(|| format!("power cut at node {id}"));
        self.cut(id, length);
        let rots = self.prng.chance(8) && self.may_lose(id);
        let Some(node) = self.nodes.get_mut(&id) else { return };
        if rots && node.replica.is_none() && node.disk.rot(&mut self.prng) {
            node.rotten = true;
            self.tell(|| format!("a bit changed on the disk of node {id}"));
        }
    }

    fn power_cut_everywhere(&mut self, ids: &[u64], length: Duration) {
        self.tell(|| "power cut everywhere".to_owned());
        for id in ids {
            let more = Duration::from_millis(self.prng.draw() % 1000);
            self.cut(*id, length / 4 + more);
        }
    }

    /// Whether the cluster survives without this node for ever, and without those that are lost already.
    fn may_lose(&self, id: u64) -> bool {
        let voters = self.members.voters();
        let lost = |voter: &&u64| **voter == id || self.is_lost(**voter);
        let lost = voters.iter().filter(lost).count();
        lost * 2 < voters.len()
    }

    fn is_lost(&self, id: u64) -> bool {
        // What was hit by a changed bit may not know it yet.
        self.nodes.get(&id).is_some_and(|node| node.damaged || node.rotten)
    }

    fn part(&mut self, ids: &[u64]) {
        self.wires.cut.clear();
        let one_way = self.prng.chance(25);
        let side: Vec<u64> = ids.iter().copied().filter(|_| self.prng.chance(40)).collect();
        self.tell(|| format!("nodes {side:?} are cut off, one way: {one_way}"));
        for inside in ids.iter().filter(|id| side.contains(id)) {
            for outside in ids.iter().filter(|id| !side.contains(id)) {
                self.wires.cut.insert((*inside, *outside));
                if !one_way {
                    self.wires.cut.insert((*outside, *inside));
                }
            }
        }
    }

    fn bad_wires(&mut self) {
        let draw = |world: &mut Self, end: usize| u32::try_from(world.prng.below(end)).unwrap_or(0);
        self.wires.loss_percent = draw(self, 30);
        self.wires.echo_percent = draw(self, 20);
        self.wires.slowest_ms = 5 + self.prng.draw() % 200;
        self.tell(|| format!("wires: {} % lost", self.wires.loss_percent));
    }

    fn slow_disk(&mut self, id: u64, length: Duration) {
        let until = self.now() + length;
        self.tell(|| format!("the disk of node {id} is slow"));
        if let Some(node) = self.nodes.get_mut(&id) {
            node.slow_until = until;
        }
    }

    fn failing_disk(&mut self, id: u64) {
        self.tell(|| format!("the disk of node {id} fails once"));
        if let Some(node) = self.nodes.get_mut(&id) {
            node.fails = true;
        }
    }

    fn pause(&mut self, id: u64, length: Duration) {
        let until = self.now() + length;
        self.tell(|| format!("node {id} stands still"));
        if let Some(node) = self.nodes.get_mut(&id) {
            node.paused_until = until;
        }
    }

    fn leader(&self) -> Option<u64> {
        let leads = |id: &u64| {
            let node = self.nodes.get(id)?;
            node.serving().filter(|replica| replica.leads()).map(|_| *id)
        };
        self.nodes.keys().find_map(leads)
    }

    fn hand_over(&mut self, to: u64) {
        if let Some(leader) = self.leader() {
            self.tell(|| format!("leadership to {to}"));
            self.do_step(leader, Event::TransferAsked { to });
        }
    }

    /// An administrator adds, promotes, removes, replaces: never so that too few are left.
    fn change_members(&mut self) {
        let Some(leader) = self.leader() else { return };
        let voters = self.members.voters();
        let learner = self.members.learners().first().copied();
        let lost = voters.iter().copied().find(|id| self.is_lost(*id));
        let highest = self.nodes.keys().max().copied().unwrap_or(0);
        let newcomer = Member { id: highest + 1, learner: true, ..Member::default() };
        let steps = match (learner, lost) {
            (Some(learner), Some(lost)) if self.prng.chance(50) => {
                vec![Step::Remove(lost), Step::Promote(learner)]
            }
            (Some(learner), _) if self.is_lost(learner) => vec![Step::Remove(learner)],
            (Some(learner), _) => vec![Step::Promote(learner)],
            (None, Some(lost)) if voters.len() > 3 => vec![Step::Remove(lost)],
            (None, _) if voters.len() > 5 || (voters.len() > 3 && self.prng.chance(40)) => {
                let one = *self.prng.pick(&voters);
                if !self.may_go(one) {
                    return;
                }
                vec![Step::Remove(one)]
            }
            (None, _) => vec![Step::Add(newcomer)],
        };
        self.tell(|| format!("members: {steps:?}"));
        let ticket = self.loose_ticket();
        self.do_step(leader, Event::ChangeAsked { ticket, steps });
    }

    /// Whether those who are left still have a quorum that is not lost.
    fn may_go(&self, id: u64) -> bool {
        let left: Vec<u64> =
            self.members.voters().into_iter().filter(|voter| *voter != id).collect();
        let lost = left.iter().filter(|voter| self.is_lost(**voter)).count();
        left.len() > 2 && lost * 2 < left.len()
    }

    fn do_step(&mut self, id: u64, event: Event) {
        if let Err(violation) = self.step(id, event) {
            self.found.get_or_insert(violation);
        }
    }
}
