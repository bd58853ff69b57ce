//! Orders of faults, for tests: a pipe that is only there on a machine that was booted for it.

use std::io;
use std::os::fd::OwnedFd;

use rustix::fs::{CWD, FileType, Mode, OFlags, mknodat, open};
use rustix::io::Errno;

use crate::paths::FAULTS;
use crate::sys::run::Shore;
use crate::sys::sources::Source;
use crate::sys::survive::inject::Campaign;
use crate::sys::token::Token;

/// Opens the pipe, for root alone.
pub(crate) fn open_pipe() -> io::Result<OwnedFd> {
    match mknodat(CWD, FAULTS, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0) {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(errno) => return Err(errno.into()),
    }
    // Open for writing too, or whoever writes last would end it.
    Ok(open(FAULTS, OFlags::RDWR | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::empty())?)
}

impl Shore {
    pub(crate) fn take_faults(&mut self, token: Token) -> bool {
        let Some(Source::Faults(pipe)) = self.sources.get(token) else { return false };
        let mut bytes = [0; 256];
        let Ok(length @ 1..) = rustix::io::read(pipe, &mut bytes) else { return false };
        let text = String::from_utf8_lossy(&bytes[..length]);
        let front = self.keeper.front();
        match text.parse::<Campaign>() {
            Ok(campaign) => {
                if let Err(error) = self.keeper.injector().begin(front, campaign) {
                    self.complain("fail on purpose", &error);
                }
            }
            Err(error) => self.complain("fail on purpose", &error),
        }
        true
    }
}
