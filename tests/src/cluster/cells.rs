//! The machine that simulated replicas replicate: cells with numbers, and a digest of all commands.

use std::collections::BTreeMap;

use kv::replica::Machine;

/// A command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Command {
    /// Its own number, so that a repetition is seen.
    pub id: u64,
    /// The cell.
    pub cell: u64,
    /// Its new number.
    pub value: u64,
    /// Only if the cell has this number.
    pub only_if: Option<u64>,
    /// Bytes that mean nothing, to fill logs.
    pub filler: usize,
}

impl Command {
    /// Its bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let (guarded, wanted) = (u64::from(self.only_if.is_some()), self.only_if.unwrap_or(0));
        let numbers = [self.id, self.cell, self.value, guarded, wanted];
        let mut bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
        bytes.resize(40 + self.filler, 0x5a);
        bytes
    }

    /// The command that these bytes are.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Self {
        let number = |place: usize| {
            let bytes = bytes[place * 8..place * 8 + 8].try_into().expect("eight bytes");
            u64::from_le_bytes(bytes)
        };
        Self {
            id: number(0),
            cell: number(1),
            value: number(2),
            only_if: (number(3) == 1).then(|| number(4)),
            filler: bytes.len() - 40,
        }
    }
}

/// What a command answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reply {
    /// Whether it changed the cell.
    pub changed: bool,
    /// The cell's number before.
    pub before: u64,
}

/// The cells.
#[derive(Debug, Clone, Default)]
pub struct Cells {
    /// By name.
    pub cells: BTreeMap<u64, u64>,
    /// A digest of all commands in their order.
    pub digest: u64,
    frozen: Option<Vec<u8>>,
    restoring: Vec<u8>,
}

impl Cells {
    /// A cell's number; a cell without one has zero.
    #[must_use]
    pub fn get(&self, cell: u64) -> u64 {
        self.cells.get(&cell).copied().unwrap_or(0)
    }

    /// Carries out a command.
    pub fn perform(&mut self, index: u64, command: &Command) -> Reply {
        let mixed = (self.digest ^ command.id).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ index;
        self.digest = mixed.rotate_left(23);
        let before = self.get(command.cell);
        let changed = command.only_if.is_none_or(|wanted| wanted == before);
        if changed {
            self.cells.insert(command.cell, command.value);
        }
        Reply { changed, before }
    }

    fn encode(&self) -> Vec<u8> {
        let mut bytes = self.digest.to_le_bytes().to_vec();
        bytes.extend_from_slice(&(self.cells.len() as u64).to_le_bytes());
        for (cell, value) in &self.cells {
            bytes.extend_from_slice(&cell.to_le_bytes());
            bytes.extend_from_slice(&value.to_le_bytes());
        }
        bytes
    }
}

impl Machine for Cells {
    type Reply = Reply;
    type Happened = (u64, Command);

    fn apply(&mut self, index: u64, command: &[u8], happened: &mut Vec<(u64, Command)>) -> Reply {
        let command = Command::decode(command);
        happened.push((index, command));
        self.perform(index, &command)
    }

    fn bytes(&self) -> u64 {
        self.cells.len() as u64 * 16
    }

    fn snapshot_start(&mut self) {
        self.frozen = Some(self.encode());
    }

    fn snapshot_slice(&mut self, bytes: usize) -> Option<Vec<u8>> {
        let frozen = self.frozen.as_mut()?;
        if frozen.is_empty() {
            self.frozen = None;
            return None;
        }
        let rest = frozen.split_off(bytes.min(frozen.len()));
        Some(std::mem::replace(frozen, rest))
    }

    fn snapshot_stop(&mut self) {
        self.frozen = None;
    }

    fn restore_slice(&mut self, bytes: &[u8]) -> Result<(), String> {
        self.restoring.extend_from_slice(bytes);
        Ok(())
    }

    fn restore_end(&mut self) -> Result<(), String> {
        let bytes = std::mem::take(&mut self.restoring);
        let numbers: Vec<u64> = bytes
            .chunks_exact(8)
            .map(|part| u64::from_le_bytes(part.try_into().expect("eight bytes")))
            .collect();
        let [digest, count, pairs @ ..] = numbers.as_slice() else { return Err("short".into()) };
        if pairs.len() as u64 != count * 2 {
            return Err("cells are missing".into());
        }
        self.digest = *digest;
        self.cells = pairs.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect();
        Ok(())
    }
}
