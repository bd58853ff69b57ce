//! What PID 1 says and keeps outside of itself: console, kernel log, crash memory. (First slice.)

use std::os::fd::OwnedFd;

use crate::node::action::Action;
use crate::node::event::{ClientId, Event};
use crate::sys::kmsg::{Kmsg, Level};
use crate::sys::run::Shore;
use crate::sys::token::Token;

impl Shore {
    pub(crate) fn say(&mut self, line: &str, level: u8) {
        let level = match level {
            0..=3 => Level::Error,
            4 => Level::Warning,
            5 => Level::Notice,
            _ => Level::Info,
        };
        if let Ok(kmsg) = Kmsg::open() {
            kmsg.log(level, line);
        }
    }
    pub(crate) fn record(&mut self, _slot: u16, _bytes: &[u8]) -> Option<Event<'static>> {
        None
    }
    pub(crate) fn record_definitions(&mut self, _bytes: &[u8]) -> Option<Event<'static>> {
        None
    }
    pub(crate) fn reexec(&mut self, _binary: Option<u32>, _client: Option<(ClientId, u32)>) -> Option<Event<'static>> {
        None
    }
    pub(crate) fn log_arena(&self) -> Option<OwnedFd> {
        None
    }
    pub(crate) fn take_uevent(&mut self, _token: Token) -> bool {
        false
    }
    pub(crate) fn take_console(&mut self, _token: Token) -> bool {
        false
    }
}
