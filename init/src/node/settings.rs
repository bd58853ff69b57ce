//! The machine's own configuration comes in, once the state partition is there.

use crate::logs::{LogMemory, layout::Layout};
use crate::machine::Settings;
use crate::node::Node;
use crate::node::action::{Action, Outbox};

impl Node {
    /// Lives by these values from now on.
    pub(super) fn on_settings(&mut self, settings: Settings, out: &mut Outbox) {
        if settings == self.settings() {
            return;
        }
        let watchdog_before = self.facts.machine.watchdog.clone();
        self.recall_settings(&settings);
        if Layout::for_capacity(settings.log_memory_bytes) != self.log_layout() {
            out.push(Action::MoveLogs { bytes: settings.log_memory_bytes });
        }
        if self.facts.machine.watchdog != watchdog_before {
            self.arm_watchdog(out);
        }
    }

    /// What the last life lived by.
    pub(super) fn recall_settings(&mut self, settings: &Settings) {
        settings.lay_over(&mut self.facts.machine);
        self.facts.readers = settings.readers;
    }

    pub(super) fn settings(&self) -> Settings {
        Settings::of(&self.facts.machine, self.facts.readers)
    }

    /// The log store lies in other memory from now on; gives back where it lay.
    pub(crate) fn move_logs(&mut self, memory: LogMemory, layout: Layout) -> LogMemory {
        self.log_store_mut().move_to(memory, layout)
    }
}
