//! What units say of themselves (sd_notify(3)).

use std::time::Duration;

use super::Supervisor;
use crate::action::Action;
use crate::event::{Notification, Sender};
use crate::evidence::{Process, Watchdog};
use crate::limits::STATUS_BYTES_MAX;
use crate::next::Cause;
use crate::note::NoteKind;
use crate::run::{Run, UnitId};
use crate::service::{NotifyAccess, Startup};
use crate::state::State;
use crate::unit::Kept;

impl Supervisor {
    pub(super) fn on_notified(&mut self, run: Run, sender: Sender, notification: Notification) {
        let Some(id) = self.current(run) else { return };
        if !self.may_notify(id, sender) && !is_our_own(&notification) {
            if let Notification::StoreDescriptor { number, .. } = notification {
                self.order(Action::Drop { unit: id, number });
            }
            return;
        }
        match notification {
            Notification::Ready => self.on_ready(id),
            Notification::Reloading { monotonic_us } => self.on_reloading(id, monotonic_us),
            Notification::Stopping => self.apply(id, Cause::Stopping),
            Notification::Status(text) => self.on_status(id, &text),
            Notification::MainPid(pid) => self.on_main_pid(id, pid),
            Notification::Watchdog => self.feed_watchdog(id),
            Notification::WatchdogTrigger => self.apply(id, Cause::Lapsed),
            Notification::WatchdogUs(us) => self.on_watchdog_us(id, us),
            Notification::ExtendTimeoutUs(us) => {
                let later = self.now.saturating_add(Duration::from_micros(us));
                let unit = self.change(id);
                unit.state = unit.state.extended(later);
            }
            Notification::NotifyAccess(access) => self.change(id).evidence().access = Some(access),
            Notification::StoreDescriptor { number, name, poll } => {
                self.keep(id, number, name, poll);
            }
            Notification::RemoveDescriptor { name } => self.drop_kept(id, |kept| kept.name == name),
            Notification::DescriptorGone { number } => {
                self.drop_kept(id, |kept| kept.number == number);
            }
            // For whoever reads the messages of a whole machine; a supervisor learns nothing from them.
            Notification::Errno(_) | Notification::ExitStatus(_) => {}
        }
    }

    /// `NotifyAccess=`; a type that lives by notifications listens to its main process in any case.
    fn may_notify(&self, id: UnitId, sender: Sender) -> bool {
        let unit = self.unit(id);
        let Some(service) = unit.service() else { return false };
        let told = unit.now.as_ref().and_then(|now| now.access);
        let mut access = told.unwrap_or(service.notify_access);
        let lives_by_it = matches!(service.startup, Startup::Notify | Startup::NotifyReload { .. });
        if access == NotifyAccess::None && (lives_by_it || service.timeouts.watchdog.is_some()) {
            access = NotifyAccess::Main;
        }
        match access {
            NotifyAccess::None => false,
            NotifyAccess::Main => sender == Sender::Main,
            NotifyAccess::Exec => sender != Sender::Other,
            NotifyAccess::All => true,
        }
    }

    fn on_ready(&mut self, id: UnitId) {
        let unit = self.unit(id);
        let by_notice = unit.service().is_some_and(|service| {
            matches!(service.startup, Startup::Notify | Startup::NotifyReload { .. })
        });
        let starts = by_notice && matches!(unit.state, State::Launching { .. });
        self.apply(id, if starts { Cause::Started } else { Cause::Ready });
    }

    /// An answer to an older signal than the last one is none.
    fn on_reloading(&mut self, id: UnitId, monotonic_us: Option<u64>) {
        let sent = self.unit(id).now.as_ref().map(|now| now.reload_sent).unwrap_or_default();
        let old = monotonic_us.is_some_and(|us| u128::from(us) < sent.as_micros());
        if !old {
            self.apply(id, Cause::Reloading);
        }
    }

    fn on_status(&mut self, id: UnitId, text: &str) {
        let mut end = text.len().min(STATUS_BYTES_MAX);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        let text: Box<str> = text[..end].into();
        let evidence = self.change(id).evidence();
        if evidence.status.as_deref() != Some(&*text) {
            evidence.status = Some(text.clone());
            self.note(id, NoteKind::Status(text));
        }
    }

    fn on_main_pid(&mut self, id: UnitId, pid: u32) {
        let unit = self.change(id);
        let run = unit.run_of(id);
        let evidence = unit.evidence();
        if evidence.main.pid() == Some(pid) {
            return;
        }
        // While our own spawn is under way its answer would be taken for the new process.
        if matches!(evidence.main, Process::Ordered { .. }) {
            return;
        }
        evidence.main = Process::Alive { pid, errand: None };
        evidence.populated = true;
        unit.order = None;
        self.order(Action::AdoptMain { run, pid });
        self.apply(id, Cause::Found);
    }

    fn feed_watchdog(&mut self, id: UnitId) {
        let now = self.now;
        if let Some(watchdog) = &mut self.change(id).evidence().watchdog {
            watchdog.until = now.saturating_add(watchdog.every);
        }
    }

    fn on_watchdog_us(&mut self, id: UnitId, us: u64) {
        let every = Duration::from_micros(us);
        let until = self.now.saturating_add(every);
        let unit = self.change(id);
        let running = unit.state.is_starting() || unit.state.is_up();
        if running && us > 0 {
            unit.evidence().watchdog = Some(Watchdog { every, until });
        }
    }

    fn keep(&mut self, unit: UnitId, number: u32, name: Box<str>, poll: bool) {
        let limit = self.unit(unit).service().map_or(0, |service| service.descriptors_max);
        let keeper = self.change(unit);
        if keeper.kept.len() >= usize::try_from(limit).unwrap_or(usize::MAX) {
            // Without a store none was meant to be kept.
            if limit > 0 && !std::mem::replace(&mut keeper.kept_full_told, true) {
                self.warn(unit, format!("{limit} descriptors are kept; others are closed"));
            }
            return self.order(Action::Drop { unit, number });
        }
        keeper.kept.push(Kept { number, name: name.clone() });
        self.order(Action::Keep { unit, number, name, poll });
    }

    fn drop_kept(&mut self, id: UnitId, unwanted: impl Fn(&Kept) -> bool) {
        let kept = &mut self.change(id).kept;
        let dropped: Vec<u32> =
            kept.iter().filter(|kept| unwanted(kept)).map(|kept| kept.number).collect();
        kept.retain(|kept| !unwanted(kept));
        if !dropped.is_empty() {
            self.change(id).kept_full_told = false;
        }
        for number in dropped {
            self.order(Action::Drop { unit: id, number });
        }
    }
}

/// The shore itself tells that a descriptor's other end is gone; no sender is behind it.
fn is_our_own(notification: &Notification) -> bool {
    matches!(notification, Notification::DescriptorGone { .. })
}
