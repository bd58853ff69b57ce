//! What PID 1 says to the outside: its consoles, the kernel's log, the watchdog.

use std::os::fd::AsFd;

use mio::Interest;

use crate::limits::{RECORDS_PER_TURN_MAX, TURN_MAX};
use crate::node::Event;
use crate::sys::clock;
use crate::sys::console::Console;
use crate::sys::kmsg::{Kmsg, Level};
use crate::sys::run::Shore;
use crate::sys::sources::Source;
use crate::sys::token::Token;
use crate::sys::uevent::Heard;
use crate::sys::watchdog::Watchdog;
use crate::vault::Role;
use crate::watchdog::Feeding;

/// Where lines go.
#[derive(Debug, Default)]
pub(crate) struct Voices {
    consoles: Vec<Token>,
    kmsg: Option<Kmsg>,
    watchdog: Option<(Watchdog, Feeding)>,
}

impl Voices {
    /// The kernel's log, if there is one.
    pub(crate) fn new(kmsg: Option<Kmsg>) -> Voices {
        Voices { consoles: Vec::new(), kmsg, watchdog: None }
    }

    /// Hands over what the end of the machine needs.
    pub(crate) fn take(&mut self) -> (Option<Kmsg>, Option<Watchdog>) {
        (self.kmsg.take(), self.watchdog.take().map(|(watchdog, _)| watchdog))
    }
}

impl Shore {
    /// Adds a console, or says why not.
    pub(crate) fn add_console(&mut self, path: &str) {
        let added = Console::open(path)
            .map_err(std::io::Error::from)
            .and_then(|console| self.sources.add(Source::Console(console), None));
        match added {
            Ok(token) => self.voices.consoles.push(token),
            Err(error) => self.complain(&format!("open console {path}"), &error),
        }
    }

    /// Writes a line to every console; to the kernel's log where there is none.
    pub(crate) fn say(&mut self, line: &str, level: u8) {
        let consoles = self.voices.consoles.clone();
        for token in &consoles {
            let Some(Source::Console(console)) = self.sources.get_mut(*token) else { continue };
            let owed = console.is_owing();
            console.say(line);
            if !owed {
                self.flush_console(*token);
            }
        }
        let in_log = consoles.is_empty() || level <= Level::Warning as u8;
        if let (true, Some(kmsg)) = (in_log, &self.voices.kmsg) {
            // Consoles show it already: the kernel shall not show it to them again.
            let shown = if consoles.is_empty() { kernel_level(level) } else { Level::Debug };
            kmsg.log(shown, line);
        }
    }

    pub(crate) fn take_console(&mut self, token: Token) -> bool {
        self.sources.silence(token);
        self.flush_console(token);
        false
    }

    fn flush_console(&mut self, token: Token) {
        let Some(Source::Console(console)) = self.sources.get_mut(token) else { return };
        if !console.flush()
            && let Err(error) = self.sources.wake(token, Interest::WRITABLE)
        {
            self.complain("watch a console", &error);
        }
    }

    pub(crate) fn take_uevent(&mut self, token: Token) -> bool {
        for _ in 0..RECORDS_PER_TURN_MAX {
            let Some(Source::Uevent(socket)) = self.sources.get(token) else { return false };
            match socket.next() {
                Heard::Device(uevent) => self.step(Event::Device(uevent)),
                Heard::Lost => self.step(Event::DevicesLost),
                Heard::Nothing => return false,
            }
        }
        true
    }

    /// Feeds the watchdog if it is time, or if we are awake anyway and it is not too early.
    pub(crate) fn feed_watchdog(&mut self) {
        let Some((watchdog, feeding)) = &mut self.voices.watchdog else { return };
        let now = clock::since_boot();
        // A turn that never ends is what the watchdog is for.
        if now.saturating_sub(self.now) < TURN_MAX
            && feeding.feed(now)
            && let Err(errno) = watchdog.ping()
        {
            self.complain("feed the watchdog", &errno);
        }
    }

    /// When the watchdog must be fed.
    pub(crate) fn watchdog_deadline(&self) -> Option<std::time::Duration> {
        self.voices.watchdog.as_ref().map(|(_, feeding)| feeding.deadline())
    }

    /// Takes charge of an armed watchdog.
    pub(crate) fn take_watchdog(&mut self, watchdog: Watchdog) {
        crate::sys::survive::watch(watchdog.as_fd());
        self.enter(watchdog.as_fd(), Role::Watchdog);
        let feeding = Feeding::new(watchdog.timeout(), self.now);
        self.voices.watchdog = Some((watchdog, feeding));
    }

    /// Arms the watchdog, or disarms it if the timeout is zero. `false`: the device is not there.
    pub(crate) fn arm_watchdog(&mut self, path: &str, timeout: std::time::Duration) -> bool {
        if let Some((watchdog, _)) = self.voices.watchdog.take() {
            return self.change_watchdog(watchdog, timeout);
        }
        if timeout.is_zero() {
            return false;
        }
        match Watchdog::open(path, timeout) {
            Ok(watchdog) => {
                self.take_watchdog(watchdog);
                true
            }
            Err(rustix::io::Errno::NOENT) => false,
            Err(errno) => {
                self.complain(&format!("arm the watchdog {path}"), &errno);
                false
            }
        }
    }
}

impl Shore {
    fn change_watchdog(&mut self, mut watchdog: Watchdog, timeout: std::time::Duration) -> bool {
        let is_off = timeout.is_zero();
        let changed = if is_off {
            self.keeper.strike(watchdog.as_fd());
            self.keeper.commit();
            crate::sys::survive::watch_nothing();
            watchdog.disarm()
        } else {
            let changed = watchdog.set_timeout(timeout);
            self.take_watchdog(watchdog);
            changed
        };
        if let Err(errno) = changed {
            self.complain("change the watchdog's timeout", &errno);
        }
        !is_off
    }
}

fn kernel_level(level: u8) -> Level {
    match level {
        0..=3 => Level::Error,
        4 => Level::Warning,
        5 => Level::Notice,
        _ => Level::Info,
    }
}
