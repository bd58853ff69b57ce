//! Which blocks are free, and how many each source holds.

/// The blocks of an arena.
#[derive(Debug)]
pub(super) struct Pool {
    /// One bit per block: set if it is free.
    free: Vec<u64>,
    free_count: u32,
    /// No block below this one is free.
    lowest: u32,
    /// Blocks held, by slot.
    held: Vec<u32>,
}

impl Pool {
    /// All blocks are free.
    pub(super) fn new(blocks: u32, slots: u32) -> Pool {
        let mut free = vec![u64::MAX; blocks.div_ceil(64) as usize];
        if let (Some(last), 1..) = (free.last_mut(), blocks % 64) {
            *last = (1 << (blocks % 64)) - 1;
        }
        Pool { free, free_count: blocks, lowest: 0, held: vec![0; slots as usize] }
    }

    /// Takes the lowest free block, so that memory that was never touched stays untouched.
    pub(super) fn take(&mut self, slot: u16) -> Option<u32> {
        let start = self.lowest / 64;
        let word = (start as usize..self.free.len()).find(|&word| self.free[word] != 0)?;
        let block = u32::try_from(word).ok()? * 64 + self.free[word].trailing_zeros();
        self.claim(block, slot);
        self.lowest = block + 1;
        Some(block)
    }

    /// Takes a certain block; for recovery.
    pub(super) fn claim(&mut self, block: u32, slot: u16) {
        let bit = 1 << (block % 64);
        let word = &mut self.free[(block / 64) as usize];
        assert!(*word & bit != 0, "a block is taken once");
        *word &= !bit;
        self.free_count -= 1;
        self.held[usize::from(slot)] += 1;
    }

    /// Gives a block back.
    pub(super) fn put(&mut self, block: u32, slot: u16) {
        self.free[(block / 64) as usize] |= 1 << (block % 64);
        self.free_count += 1;
        self.lowest = self.lowest.min(block);
        self.held[usize::from(slot)] -= 1;
    }

    /// The slot that holds the most blocks.
    pub(super) fn heaviest(&self) -> Option<u16> {
        let most = self.held.iter().copied().max().filter(|&most| most > 0)?;
        let slot = self.held.iter().position(|&held| held == most)?;
        u16::try_from(slot).ok()
    }

    /// Blocks that a slot holds.
    pub(super) fn held(&self, slot: u16) -> u32 {
        self.held[usize::from(slot)]
    }

    /// Blocks that nobody holds.
    pub(super) fn free_count(&self) -> u32 {
        self.free_count
    }

    /// Whether nobody holds the block.
    pub(super) fn is_free(&self, block: u32) -> bool {
        self.free[(block / 64) as usize] & 1 << (block % 64) != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lowest_first_and_the_heaviest_is_known() {
        let mut pool = Pool::new(70, 4);
        for expected in 0..70 {
            assert_eq!(pool.take(u16::from(expected >= 60)), Some(expected));
        }
        assert_eq!(pool.take(2), None);
        assert_eq!(pool.heaviest(), Some(0));
        pool.put(65, 1);
        pool.put(3, 0);
        assert_eq!((pool.take(2), pool.take(2), pool.take(2)), (Some(3), Some(65), None));
        assert_eq!((pool.held(0), pool.held(1), pool.held(2)), (59, 9, 2));
    }
}
