//! A unit while its files are still being read.
//!
//! Both formats write into the same draft, so that defaults, implied settings and implied
//! dependencies are decided in one place ([`crate::finish`]) for both.

use std::time::Duration;

use crate::container::Container;
use crate::execution::{Execution, Output, Sandbox};
use crate::limits::RESTART_DELAY;
use crate::name::{UnitKind, UnitName};
use crate::resources::Resources;
use crate::service::{NotifyAccess, Service, Signal, Stopping};
use crate::spec::{Body, RelationKind, Spec};
use crate::text::lines::Spot;
use crate::triggers::{Mount, Socket, Timer};

/// What was read so far.
#[derive(Debug, Clone)]
pub(crate) struct Draft {
    /// The part that all kinds have; its body and relations are filled in last.
    pub(crate) spec: Spec,
    /// Relations with the places that ask for them.
    pub(crate) links: Vec<Link>,
    /// `DefaultDependencies=`.
    pub(crate) default_dependencies: bool,
    /// `RequiresMountsFor=` and everything that implies it.
    pub(crate) mounts_for: Vec<Box<str>>,
    /// `Type=` as written.
    pub(crate) startup: Option<StartupWord>,
    /// `PIDFile=`.
    pub(crate) pid_file: Option<Box<str>>,
    /// `GuessMainPID=`.
    pub(crate) guess_main_pid: bool,
    /// `ReloadSignal=`.
    pub(crate) reload_signal: Signal,
    /// `NotifyAccess=` as written.
    pub(crate) notify_access: Option<NotifyAccess>,
    /// `OOMPolicy=` as written.
    pub(crate) oom_policy: Option<crate::service::OomPolicy>,
    /// `RestartKillSignal=` as written.
    pub(crate) restart_signal: Option<Signal>,
    /// `RestartSec=`.
    pub(crate) restart_delay: Duration,
    /// `RestartMaxDelaySec=` as written.
    pub(crate) restart_delay_max: Option<Duration>,
    /// `TimeoutStartSec=` as written; `Some(None)` is for ever.
    pub(crate) timeout_start: Option<Option<Duration>>,
    /// `TimeoutAbortSec=` as written.
    pub(crate) timeout_abort: Option<Option<Duration>>,
    /// `PermissionsStartOnly=`.
    pub(crate) permissions_start_only: bool,
    /// `SystemCallErrorNumber=`; 0: kill.
    pub(crate) system_call_errno: Option<u16>,
    /// `StandardInput=` was written.
    pub(crate) stdin_given: bool,
    /// `StandardInputText=` and `StandardInputData=`.
    pub(crate) input: Option<String>,
    /// Modes of own directories: runtime, state, cache, logs, configuration.
    pub(crate) directory_modes: [u32; 5],
    /// `MaxConnectionsPerSource=` as written.
    pub(crate) connections_per_source_max: Option<u32>,
    /// `TriggerLimitBurst=` as written.
    pub(crate) trigger_burst: Option<u32>,
    /// `Unit=` of a timer or `Service=` of a socket as written.
    pub(crate) triggers: Option<UnitName>,
    /// The parts by kind; only those of the unit's own kind matter.
    pub(crate) service: Service,
    pub(crate) execution: Execution,
    pub(crate) sandbox: Sandbox,
    pub(crate) stopping: Stopping,
    pub(crate) resources: Resources,
    pub(crate) container: Option<Box<Container>>,
    pub(crate) timer: Timer,
    pub(crate) socket: Socket,
    pub(crate) mount: Mount,
    /// Our own format: containers bring their program with them.
    pub(crate) command_optional: bool,
}

/// One relation with its origin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Link {
    pub(crate) kind: RelationKind,
    pub(crate) unit: UnitName,
    pub(crate) origin: Origin,
}

/// Where something was said: an index into the files of the load, and the place in that file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Origin {
    pub(crate) file: usize,
    pub(crate) spot: Spot,
}

impl Origin {
    /// A file as a whole.
    pub(crate) fn whole(file: usize) -> Origin {
        Origin { file, spot: Spot::default() }
    }

    /// No file: a rule of ours says so.
    pub(crate) const RULE: Origin =
        Origin { file: usize::MAX, spot: Spot { line: 0, column: 0, width: 0 } };
}

/// `Type=` as written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StartupWord {
    Simple,
    Exec,
    Forking,
    Oneshot,
    Notify,
    NotifyReload,
    Idle,
}

impl Draft {
    pub(crate) fn new(name: &UnitName) -> Draft {
        let place = match name.kind() {
            UnitKind::Mount => crate::text::escape::unescape_path(name.stem()),
            UnitKind::Service | UnitKind::Timer | UnitKind::Socket | UnitKind::Target => None,
        };
        Draft {
            spec: Spec::new(name.clone(), Body::Target),
            links: Vec::new(),
            default_dependencies: true,
            mounts_for: Vec::new(),
            startup: None,
            pid_file: None,
            guess_main_pid: true,
            reload_signal: Signal::HUP,
            notify_access: None,
            oom_policy: None,
            restart_signal: None,
            restart_delay: RESTART_DELAY,
            restart_delay_max: None,
            timeout_start: None,
            timeout_abort: None,
            permissions_start_only: false,
            system_call_errno: None,
            stdin_given: false,
            input: None,
            directory_modes: [0o755; 5],
            connections_per_source_max: None,
            trigger_burst: None,
            triggers: None,
            service: Service::default(),
            execution: Execution { stderr: Output::Inherit, ..Execution::default() },
            sandbox: Sandbox::default(),
            stopping: Stopping::default(),
            resources: Resources::default(),
            container: None,
            timer: Timer::new(name.with_kind(UnitKind::Service)),
            socket: Socket::new(name.with_kind(UnitKind::Service)),
            mount: Mount::new(place.as_deref().unwrap_or("")),
            command_optional: false,
        }
    }

    pub(crate) fn link(&mut self, kind: RelationKind, unit: UnitName, origin: Origin) {
        self.links.push(Link { kind, unit, origin });
    }

    /// Whether the author or a rule already asked for this relation.
    pub(crate) fn has_link(&self, kind: RelationKind, unit: &UnitName) -> bool {
        self.links.iter().any(|link| link.kind == kind && link.unit == *unit)
    }
}
