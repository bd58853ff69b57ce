//! What PID 1 keeps outside of itself for its next life. (First slice.)

use std::os::fd::OwnedFd;

use crate::node::event::{ClientId, Event};
use crate::sys::run::Shore;

impl Shore {
    pub(crate) fn record(&mut self, _slot: u16, _bytes: &[u8]) -> Option<Event<'static>> {
        None
    }
    pub(crate) fn record_definitions(&mut self, _bytes: &[u8]) -> Option<Event<'static>> {
        None
    }
    pub(crate) fn reexec(
        &mut self,
        _binary: Option<u32>,
        _client: Option<(ClientId, u32)>,
    ) -> Option<Event<'static>> {
        None
    }
    pub(crate) fn log_arena(&self) -> Option<OwnedFd> {
        None
    }
}
