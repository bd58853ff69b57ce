//! What of the machine's configuration PID 1 itself lives by.
//!
//! The machine's own file lies on the state partition, where PID 1 reads nothing: a worker reads it and
//! hands these plain values over.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{MachineConfig, Size, Span};

/// Plain values of a configuration. Written by position into the vault: add at the end only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// Bytes of all lines kept in memory.
    pub log_memory_bytes: u64,
    /// Bytes of all lines kept on the state partition.
    pub log_disk_bytes: u64,
    /// Bytes of one unit's lines kept on the state partition.
    pub log_unit_bytes: u64,
    /// How long the end of the machine may take.
    pub shutdown_timeout: Duration,
    /// The machine is reset after so much silence of PID 1; zero: no watchdog.
    pub watchdog_timeout: Duration,
    /// The watchdog's device.
    pub watchdog_device: Box<str>,
    /// The group whose members may look.
    pub readers: Option<u32>,
}

impl Settings {
    /// Of a configuration, whose group of readers has that number.
    #[must_use]
    pub fn of(config: &MachineConfig, readers: Option<u32>) -> Settings {
        Settings {
            log_memory_bytes: config.log.memory.0,
            log_disk_bytes: config.log.disk.0,
            log_unit_bytes: config.log.unit.0,
            shutdown_timeout: config.shutdown.timeout.0,
            watchdog_timeout: config.watchdog.timeout.0,
            watchdog_device: config.watchdog.device.clone(),
            readers,
        }
    }

    /// Lays them over a configuration.
    pub fn lay_over(&self, config: &mut MachineConfig) {
        config.log.memory = Size(self.log_memory_bytes);
        config.log.disk = Size(self.log_disk_bytes);
        config.log.unit = Size(self.log_unit_bytes);
        config.shutdown.timeout = Span(self.shutdown_timeout);
        config.watchdog.timeout = Span(self.watchdog_timeout);
        config.watchdog.device = self.watchdog_device.clone();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_from_a_configuration_comes_back() {
        let text =
            "[log]\nmemory = \"8M\"\n[shutdown]\ntimeout = \"7s\"\n[watchdog]\ntimeout = 0\n";
        let (config, _) = MachineConfig::read(&[("machine.toml", text)]);
        let mut other = MachineConfig::default();
        Settings::of(&config, Some(7)).lay_over(&mut other);
        assert_eq!(other, config);
        assert_ne!(other, MachineConfig::default());
    }
}
