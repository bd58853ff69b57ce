//! The store as the machine that a replica replicates.

use super::Store;
use crate::command::Command;
use crate::error::Error;
use crate::replica::Machine;
use crate::reply::{Happened, Reply};

impl Machine for Store {
    type Reply = Reply;
    type Happened = Happened;

    /// What cannot be decoded changes nothing, on no replica of this release.
    fn apply(&mut self, index: u64, command: &[u8], happened: &mut Vec<Happened>) -> Reply {
        match Command::decode(command) {
            Ok(command) => Store::apply(self, index, &command, happened),
            Err(_) => Reply { revision: self.revision(), result: Err(Error::NotCapable) },
        }
    }

    fn bytes(&self) -> u64 {
        Store::bytes(self)
    }

    fn snapshot_start(&mut self) {
        self.snapshot_stop();
        self.taken = Some(self.snapshot_begin());
    }

    fn snapshot_slice(&mut self, bytes: usize) -> Option<Vec<u8>> {
        let mut snapshot = self.taken.take()?;
        let slice = self.snapshot_next(&mut snapshot, bytes);
        self.taken = Some(snapshot);
        if slice.is_none() {
            self.snapshot_stop();
        }
        slice
    }

    fn snapshot_stop(&mut self) {
        if let Some(snapshot) = self.taken.take() {
            self.snapshot_end(snapshot);
        }
    }

    fn restore_slice(&mut self, bytes: &[u8]) -> Result<(), String> {
        let restoring = self.restoring.get_or_insert_default();
        restoring.take(bytes).map_err(|bad| bad.to_string())
    }

    fn restore_end(&mut self) -> Result<(), String> {
        let restoring = self.restoring.take().unwrap_or_default();
        *self = restoring.finish().map_err(|bad| bad.to_string())?;
        Ok(())
    }

    fn take_over(&mut self, former: &mut Self, happened: &mut Vec<Happened>) {
        self.take_watches(former, happened);
    }
}
