//! Timers: a time comes, and a unit is started.

use std::time::Duration;

use super::Supervisor;
use crate::action::Action;
use crate::name::UnitName;
use crate::run::UnitId;
use crate::spec::{Body, Timer};
use crate::state::State;
use crate::timer::{Surroundings, TimerNow, unix};
use crate::unit::{Part, Unit};

impl Supervisor {
    /// A timer came up: from now on calendar times count, or, if it is persistent, since it last elapsed.
    pub(super) fn begin_timer(&mut self, id: UnitId) {
        let spec = self.unit(id).spec.clone();
        let Some(timer) = timer_of(&spec.body) else { return };
        let (now, now_unix_us) = (self.now, unix(self.facts.boot_unix_us, self.now));
        let stamp = self.stamps.get(&spec.name).copied().filter(|_| timer.persistent);
        if let Some(memory) = self.timer_mut(id) {
            memory.began(now);
            memory.base_unix_us = stamp.unwrap_or(now_unix_us).min(now_unix_us);
        }
        if timer.persistent && stamp.is_none() {
            self.stamp(id, now_unix_us);
        }
        self.plan_timer(id);
    }

    /// Looks when a timer elapses next. While the unit that it starts is at work it does not.
    pub(super) fn plan_timer(&mut self, id: UnitId) {
        let spec = self.unit(id).spec.clone();
        let Some(timer) = timer_of(&spec.body) else { return };
        let other = self.triggered(id).and_then(|other| self.get(other));
        let at_work = other.is_some_and(|other| !other.state.at_rest());
        let up = matches!(self.unit(id).state, State::Up { .. });
        let around = self.around(id, &spec.name);
        let Some(memory) = self.timer_mut(id) else { return };
        memory.next = (up && !at_work).then(|| memory.plan(timer, around)).flatten();
        let over = !timer.remain_after_elapse && memory.count > 0 && memory.next.is_none();
        if up && over && !at_work {
            self.lower(id);
        }
    }

    pub(super) fn timer_due(&self, unit: &Unit) -> Option<Duration> {
        match &unit.part {
            Part::Timer(memory) if matches!(unit.state, State::Up { .. }) => memory.next,
            Part::Timer(_) | Part::Plain | Part::Socket(_) | Part::Instance(_) => None,
        }
    }

    pub(super) fn on_timer_due(&mut self, id: UnitId) {
        let due = self.get(id).and_then(|unit| self.timer_due(unit));
        if due.is_some_and(|due| due <= self.now) {
            self.elapse(id);
        }
    }

    fn elapse(&mut self, id: UnitId) {
        let spec = self.unit(id).spec.clone();
        let Some(timer) = timer_of(&spec.body) else { return };
        let around = self.around(id, &spec.name);
        if let Some(memory) = self.timer_mut(id) {
            memory.elapsed(timer, around);
        }
        if timer.persistent {
            self.stamp(id, unix(self.facts.boot_unix_us, self.now));
        }
        self.trigger(id);
        self.enqueue(id);
    }

    fn stamp(&mut self, id: UnitId, unix_us: i64) {
        let name = self.unit(id).spec.name.clone();
        self.stamps.insert(name, unix_us);
        self.order(Action::Stamp { unit: id, unix_us });
    }

    pub(super) fn on_stamped(&mut self, stamps: Vec<(UnitName, i64)>) {
        for (name, unix_us) in stamps {
            let known = self.stamps.get(&name).copied().unwrap_or(i64::MIN);
            if unix_us <= known {
                continue;
            }
            // A timer that came up before the disk could be read may have something to catch up with.
            if let Some(id) = self.names.get(&name).copied() {
                let persistent =
                    timer_of(&self.unit(id).spec.body).is_some_and(|timer| timer.persistent);
                if let Some(memory) = self.timer_mut(id)
                    && persistent
                    && memory.count == 0
                {
                    memory.base_unix_us = memory.base_unix_us.min(unix_us);
                }
                self.enqueue(id);
            }
            self.stamps.insert(name, unix_us);
        }
    }

    pub(super) fn on_clock_stepped(&mut self, boot_unix_us: i64, utc_offset_s: i32) {
        let step_us = boot_unix_us.saturating_sub(self.facts.boot_unix_us);
        let zone_changed = utc_offset_s != self.facts.utc_offset_s;
        self.facts.boot_unix_us = boot_unix_us;
        self.facts.utc_offset_s = utc_offset_s;
        let now_unix_us = unix(boot_unix_us, self.now);
        for id in self.ids() {
            let Some(unit) = self.get(id) else { continue };
            let spec = unit.spec.clone();
            let Some(timer) = timer_of(&spec.body) else { continue };
            let up = matches!(unit.state, State::Up { .. });
            if let Some(memory) = self.timer_mut(id) {
                memory.clock_stepped(step_us, now_unix_us, timer.persistent);
            }
            let called = (timer.on_clock_change && step_us != 0)
                || (timer.on_timezone_change && zone_changed);
            if up && called {
                self.elapse(id);
            }
            self.enqueue(id);
        }
    }

    fn around<'a>(&self, id: UnitId, name: &'a UnitName) -> Surroundings<'a> {
        let other = self.triggered(id).and_then(|other| self.get(other));
        Surroundings {
            now: self.now,
            boot_unix_us: self.facts.boot_unix_us,
            utc_offset_s: self.facts.utc_offset_s,
            seed: self.facts.machine_seed,
            name: name.as_str(),
            woke: other.and_then(|other| other.history.woke),
            rested: other.and_then(|other| other.history.rested),
        }
    }

    fn timer_mut(&mut self, id: UnitId) -> Option<&mut TimerNow> {
        match &mut self.change(id).part {
            Part::Timer(memory) => Some(memory),
            Part::Plain | Part::Socket(_) | Part::Instance(_) => None,
        }
    }
}

fn timer_of(body: &Body) -> Option<&Timer> {
    match body {
        Body::Timer(timer) => Some(timer),
        Body::Service(_) | Body::Socket(_) | Body::Target | Body::Mount(_) => None,
    }
}
