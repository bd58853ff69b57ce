//! Signals as events: what PID 1 listens to is its interface, since the kernel passes it no signal that
//! it has no handler for.

use std::io;

use mio::{Interest, Registry};
use signal_hook_mio::v1_0::Signals as Pipe;
use units::service::Signal;

use crate::sys::token::Token;

/// The first real-time signal that the C library leaves to programs.
const SIGRTMIN: i32 = 34;

/// The signals that we hear besides SIGCHLD: classic ones, and those that container managers send
/// (halt, poweroff, reboot, kexec; the same at once), after systemd(1).
const HEARD: [i32; 18] = [
    libc::SIGCHLD,
    libc::SIGHUP,
    libc::SIGINT,
    libc::SIGTERM,
    libc::SIGUSR1,
    libc::SIGUSR2,
    libc::SIGPWR,
    libc::SIGWINCH,
    libc::SIGPIPE,
    SIGRTMIN + 3,
    SIGRTMIN + 4,
    SIGRTMIN + 5,
    SIGRTMIN + 6,
    SIGRTMIN + 13,
    SIGRTMIN + 14,
    SIGRTMIN + 15,
    SIGRTMIN + 16,
    SIGRTMIN + 25,
];

/// The signal pipe.
pub(crate) struct Signals {
    inner: Pipe,
}

impl std::fmt::Debug for Signals {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Signals")
    }
}

impl Signals {
    /// Installs the handlers, lets the signals through and registers the pipe.
    pub(crate) fn new(registry: &Registry, token: Token) -> io::Result<Signals> {
        let mut inner = Pipe::new(HEARD)?;
        registry.register(&mut inner, token.to_mio(), Interest::READABLE)?;
        crate::sys::unblock_signals()?;
        Ok(Signals { inner })
    }

    /// What came since the last look.
    pub(crate) fn pending(&mut self) -> Vec<Signal> {
        self.inner.pending().filter_map(|number| u8::try_from(number).ok().map(Signal)).collect()
    }
}
