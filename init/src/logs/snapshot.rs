//! The arena as another process reads it, while PID 1 goes on writing.
//!
//! Nothing is locked. A block that changes while it is copied fails its checksum and is copied again; a
//! block that changed hands meanwhile says so in its head.

use std::collections::BTreeMap;
use std::io;

use super::block::BlockView;
use super::layout::{self, BLOCK_BYTES, HEAD_BYTES, Layout, SLOT_BYTES};
use super::slot::{self, Counters};

/// How often a block is copied again.
const COPIES_MAX: usize = 4;
/// Blocks that are copied at a time.
const BLOCKS_AT_A_TIME: usize = 64;

/// Reads bytes of the arena from an offset on, all of them.
pub type ReadAt<'a> = dyn Fn(u64, &mut [u8]) -> io::Result<()> + 'a;

/// What a reader found.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// 32 hexadecimal digits.
    pub boot_id: [u8; 32],
    /// How many records had ever been appended before the blocks were read: what to wait beyond.
    pub appended: u64,
    /// By name.
    pub sources: BTreeMap<String, SnapshotSource>,
}

/// A source in a snapshot.
#[derive(Debug, Clone, Default)]
pub struct SnapshotSource {
    /// What was counted when its slot was read.
    pub counters: Counters,
    /// Whole blocks, oldest first.
    pub blocks: Vec<Vec<u8>>,
}

impl SnapshotSource {
    /// The blocks, looked at.
    pub fn views(&self) -> impl Iterator<Item = BlockView<'_>> {
        self.blocks.iter().filter_map(|bytes| BlockView::parse(bytes))
    }
}

impl Snapshot {
    /// Reads the blocks that `wanted` (given a source's name and the number after a block's last record)
    /// asks for.
    ///
    /// # Errors
    /// When the arena cannot be read, or is none.
    pub fn take(read_at: &ReadAt<'_>, wanted: impl Fn(&str, u64) -> bool) -> io::Result<Snapshot> {
        let mut head = vec![0; HEAD_BYTES];
        read_at(0, &mut head)?;
        let layout = Layout::read(&head)
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "not a log memory"))?;
        let (slots, blocks) = layout::used(&head, layout);
        let names = read_slots(read_at, layout, slots)?;
        let found = read_blocks(read_at, layout, blocks, &names, &wanted)?;
        let mut snapshot = Snapshot {
            boot_id: layout::boot_id(&head),
            appended: layout::appended(&head),
            sources: BTreeMap::new(),
        };
        // Slots that changed hands meanwhile: their blocks are of unknown owners.
        let after = read_slots(read_at, layout, slots)?;
        let same = names
            .into_iter()
            .filter(|(slot, (name, _))| after.get(slot).is_some_and(|(now, _)| now == name));
        for (slot, (name, counters)) in same {
            let mut blocks = found.get(&slot).cloned().unwrap_or_default();
            blocks.sort_by_key(|(first_record, _)| *first_record);
            let blocks = blocks.into_iter().map(|(_, bytes)| bytes).collect();
            snapshot.sources.insert(name, SnapshotSource { counters, blocks });
        }
        Ok(snapshot)
    }
}

type Names = BTreeMap<u16, (String, Counters)>;
type Blocks = BTreeMap<u16, Vec<(u64, Vec<u8>)>>;

fn read_slots(read_at: &ReadAt<'_>, layout: Layout, used: u32) -> io::Result<Names> {
    let mut bytes = vec![0; used as usize * SLOT_BYTES];
    read_at(layout.slot_at(0) as u64, &mut bytes)?;
    let slots = (0_u16..).zip(bytes.chunks_exact(SLOT_BYTES));
    let named = slots.filter_map(|(number, slot)| {
        let name = slot::name(slot)?.to_owned();
        Some((number, (name, slot::counters(slot))))
    });
    Ok(named.collect())
}

fn read_blocks(
    read_at: &ReadAt<'_>,
    layout: Layout,
    used: u32,
    names: &Names,
    wanted: &impl Fn(&str, u64) -> bool,
) -> io::Result<Blocks> {
    let mut found = Blocks::new();
    let mut bytes = vec![0; BLOCKS_AT_A_TIME * BLOCK_BYTES];
    for first in (0..used).step_by(BLOCKS_AT_A_TIME) {
        let count = BLOCKS_AT_A_TIME.min((used - first) as usize);
        let bytes = &mut bytes[..count * BLOCK_BYTES];
        read_at(layout.block_at(first) as u64, bytes)?;
        for (number, block) in (first..).zip(bytes.chunks_exact_mut(BLOCK_BYTES)) {
            settle(read_at, layout, number, block)?;
            let Some(view) = BlockView::parse(block) else { continue };
            let Some((name, _)) = names.get(&view.head.slot) else { continue };
            if wanted(name, view.end_record()) {
                let kept = (view.head.first_record, block[..view.bytes()].to_vec());
                found.entry(view.head.slot).or_default().push(kept);
            }
        }
    }
    Ok(found)
}

/// Copies a block again while it is being written to.
fn settle(read_at: &ReadAt<'_>, layout: Layout, number: u32, block: &mut [u8]) -> io::Result<()> {
    for _ in 0..COPIES_MAX {
        let free = block[..4] == [0; 4];
        if free || BlockView::parse(block).is_some() {
            break;
        }
        read_at(layout.block_at(number) as u64, block)?;
    }
    Ok(())
}

/// Reads from memory of one's own, as [`Snapshot::take`] wants it.
///
/// # Errors
/// When the range is not there.
pub fn read_slice(arena: &[u8], at: u64, into: &mut [u8]) -> io::Result<()> {
    let start = usize::try_from(at).map_err(io::Error::other)?;
    let bytes = arena.get(start..start.saturating_add(into.len()));
    into.copy_from_slice(bytes.ok_or(io::ErrorKind::UnexpectedEof)?);
    Ok(())
}
