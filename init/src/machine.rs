//! The machine's configuration: `/etc/keelson/machine.toml` of the image, and over it
//! `/state/machine.toml` of this machine. Text in, values out; `docs/machine.md` describes each key.
//!
//! Strict: a key that is not known is an error with its line and column. A file with an error does not
//! count at all, so that no half of it holds; the machine then runs with what is left.

mod kernel_ip;
mod network;
mod settings;
mod values;

pub use kernel_ip::KernelIp;
pub use network::{Dhcp, Interface, Network, Route, SlaacMode};
pub use settings::Settings;
pub use values::{Prefix, Size, Span};

use serde::Deserialize;
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use crate::identity::is_hostname;
use crate::limits::MACHINE_FILE_BYTES_MAX;

/// Everything that can be configured, with its defaults.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct MachineConfig {
    /// The host name.
    pub hostname: Option<Box<str>>,
    /// Where the state partition is.
    pub state: State,
    /// Interfaces, addresses, resolvers.
    pub network: Network,
    /// The kernel's settings and modules.
    pub kernel: Kernel,
    /// The watchdog.
    pub watchdog: WatchdogConfig,
    /// How the machine ends.
    pub shutdown: Shutdown,
    /// How much is logged.
    pub log: Log,
    /// Who may ask.
    pub access: Access,
    /// The shell on the console.
    pub console: Console,
}

/// `[state]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct State {
    /// `LABEL=`, `PARTLABEL=`, `UUID=`, a path, or `none`.
    pub source: Box<str>,
    /// How long to wait for it; absent: 30 s where a source was named, else 3 s where there is a disk.
    pub wait: Option<Span>,
}

impl Default for State {
    fn default() -> State {
        State { source: "LABEL=keelson-state".into(), wait: None }
    }
}

/// `[kernel]`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Kernel {
    /// Modules to load at the start, by name.
    pub modules: Vec<Box<str>>,
    /// Settings of `/proc/sys`, by name with dots or slashes.
    pub sysctl: BTreeMap<Box<str>, Setting>,
}

/// The value of a kernel setting.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum Setting {
    /// A number.
    Number(i64),
    /// Text.
    Text(Box<str>),
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Setting::Number(number) => write!(f, "{number}"),
            Setting::Text(text) => write!(f, "{text}"),
        }
    }
}

/// `[watchdog]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct WatchdogConfig {
    /// The machine is reset after so much silence of PID 1; zero: no watchdog.
    pub timeout: Span,
    /// The device.
    pub device: Box<str>,
}

impl Default for WatchdogConfig {
    fn default() -> WatchdogConfig {
        let timeout = Span(Duration::from_secs(30));
        WatchdogConfig { timeout, device: "/dev/watchdog0".into() }
    }
}

/// `[shutdown]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Shutdown {
    /// How long everything together may take, units included.
    pub timeout: Span,
}

impl Default for Shutdown {
    fn default() -> Shutdown {
        Shutdown { timeout: Span(Duration::from_secs(30)) }
    }
}

/// `[log]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Log {
    /// Bytes of all lines kept in memory.
    pub memory: Size,
    /// Bytes of all lines kept on the state partition.
    pub disk: Size,
    /// Bytes of one unit's lines kept on the state partition.
    pub unit: Size,
}

impl Default for Log {
    fn default() -> Log {
        Log { memory: Size(1 << 20), disk: Size(256 << 20), unit: Size(32 << 20) }
    }
}

/// `[access]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Access {
    /// The group whose members may look but not change: a name of `/etc/group`, or a number.
    pub readers: Box<str>,
}

impl Default for Access {
    fn default() -> Access {
        Access { readers: "keelson-readers".into() }
    }
}

/// `[console]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Console {
    /// Offer `keelctl` there.
    pub shell: bool,
    /// The terminals; empty: the kernel's own console.
    pub terminals: Vec<Box<str>>,
}

impl Default for Console {
    fn default() -> Console {
        Console { shell: true, terminals: Vec::new() }
    }
}

/// Why a configuration does not count, in the words of the parser, with line and column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadConfig {
    /// The file.
    pub path: Box<str>,
    /// What is wrong with it.
    pub what: Box<str>,
}

impl fmt::Display for BadConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}; this file is not used", self.path, self.what)
    }
}

impl MachineConfig {
    /// Puts files over each other, the later ones over the earlier: tables are joined key by key,
    /// everything else is replaced. A bad file is left out and reported.
    #[must_use]
    pub fn read(files: &[(&str, &str)]) -> (MachineConfig, Vec<BadConfig>) {
        let mut problems = Vec::new();
        let mut all = toml::Table::new();
        for (path, text) in files {
            match check(text) {
                Ok(table) => join(&mut all, table),
                Err(what) => problems.push(BadConfig { path: (*path).into(), what }),
            }
        }
        match all.try_into::<MachineConfig>() {
            Ok(config) => (config, problems),
            // Two good files can only be bad together if their types differ, which the strict check
            // of each excludes; should it happen all the same, the defaults hold.
            Err(error) => {
                let what = error.message().into();
                problems.push(BadConfig { path: "all files together".into(), what });
                (MachineConfig::default(), problems)
            }
        }
    }
}

/// Parses one file on its own, strictly.
fn check(text: &str) -> Result<toml::Table, Box<str>> {
    if text.len() > MACHINE_FILE_BYTES_MAX {
        return Err(format!("larger than {MACHINE_FILE_BYTES_MAX} bytes").into());
    }
    let config: MachineConfig = toml::from_str(text).map_err(|error| place(&error, text))?;
    if let Some(name) = config.hostname.as_deref().filter(|name| !is_hostname(name)) {
        return Err(format!("hostname {name:?} cannot be a host name").into());
    }
    config.network.check()?;
    toml::from_str(text).map_err(|error| place(&error, text))
}

/// `line 3, column 5: unknown field …`.
fn place(error: &toml::de::Error, text: &str) -> Box<str> {
    let message = error.message().replace('\n', ", ");
    let Some(span) = error.span() else { return message.into() };
    let before = &text[..text.floor_char_boundary(span.start.min(text.len()))];
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
    format!("line {line}, column {column}: {message}").into()
}

fn join(into: &mut toml::Table, from: toml::Table) {
    for (key, value) in from {
        match (into.get_mut(&key), value) {
            (Some(toml::Value::Table(old)), toml::Value::Table(new)) => join(old, new),
            (_, value) => {
                into.insert(key, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(text: &str) -> (MachineConfig, Vec<BadConfig>) {
        MachineConfig::read(&[("machine.toml", text)])
    }

    #[test]
    fn an_empty_file_gives_the_defaults() {
        let (config, problems) = one("");
        assert!(problems.is_empty());
        assert_eq!(config, MachineConfig::default());
        assert_eq!(config.shutdown.timeout.0, Duration::from_secs(30));
    }

    #[test]
    fn a_whole_file_is_understood() {
        let (config, problems) = one(r#"
            hostname = "a.example"
            [state]
            source = "PARTLABEL=data"
            wait = "5s"
            [kernel]
            modules = ["br_netfilter"]
            sysctl = { "net.ipv4.ip_forward" = 1, "kernel/domainname" = "x" }
            [watchdog]
            timeout = "1min"
            [log]
            disk = "1G"
            [network]
            resolvers = ["1.1.1.1", "2606:4700::1111"]
            search = ["example.org"]
            [[network.interface]]
            match = "en*"
            dhcp = "no"
            addresses = ["10.0.0.2/24", "fd00::2/64"]
            gateway = "10.0.0.1"
            routes = [{ to = "10.9.0.0/16", via = "10.0.0.9", metric = 5 }]
        "#);
        assert_eq!(problems, []);
        assert_eq!(config.state.wait, Some(Span(Duration::from_secs(5))));
        assert_eq!(config.log.disk, Size(1 << 30));
        assert_eq!(config.network.interface[0].addresses[1].to_string(), "fd00::2/64");
        assert_eq!(config.kernel.sysctl["net.ipv4.ip_forward"], Setting::Number(1));
    }

    #[test]
    fn an_error_names_its_place_and_the_file_does_not_count() {
        let (config, problems) = one("hostname = \"a\"\n[watchdog]\ntimeot = \"1s\"\n");
        assert_eq!(config, MachineConfig::default());
        let text = problems[0].to_string();
        assert!(
            text.starts_with("machine.toml: line 3, column 1: unknown field `timeot`"),
            "{text}"
        );
        for bad in
            ["hostname = \"-\"", "[log]\ndisk = \"much\"", "[network]\nresolvers = [\"x\"]", "["]
        {
            assert_eq!(one(bad).1.len(), 1, "{bad}");
        }
    }

    #[test]
    fn the_machines_own_file_goes_over_the_images() {
        let (config, problems) = MachineConfig::read(&[
            (
                "image",
                "hostname = \"a\"\n[watchdog]\ntimeout = \"9s\"\ndevice = \"/dev/watchdog1\"\n",
            ),
            ("machine", "hostname = \"b\"\n[watchdog]\ntimeout = \"0\"\n"),
            ("broken", "hostname = 1"),
        ]);
        assert_eq!(config.hostname.as_deref(), Some("b"));
        assert!(config.watchdog.timeout.0.is_zero());
        assert_eq!(&*config.watchdog.device, "/dev/watchdog1");
        assert_eq!(problems.len(), 1);
    }
}
