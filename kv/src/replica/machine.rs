//! What the replica replicates: anything that is changed by commands, one after another.

/// A state machine. It must give the same replies on each replica, so it reads no clock and draws
/// nothing; it is total, so that no command can stop a replica.
pub trait Machine {
    /// What a command answers.
    type Reply;
    /// What watchers hear.
    type Happened;

    /// Carries out a command. `index` grows with each and is the same on each replica.
    fn apply(
        &mut self,
        index: u64,
        command: &[u8],
        happened: &mut Vec<Self::Happened>,
    ) -> Self::Reply;

    /// Roughly how large a snapshot would be.
    fn bytes(&self) -> u64;

    /// Begins a snapshot of the state as it is now. Commands go on being applied while it is taken.
    fn snapshot_start(&mut self);

    /// The next piece of the snapshot, about `bytes` large; `None` when it is complete.
    fn snapshot_slice(&mut self, bytes: usize) -> Option<Vec<u8>>;

    /// Forgets a snapshot that was begun.
    fn snapshot_stop(&mut self);

    /// Adds a piece of a snapshot to an empty machine, in order. Pieces may be cut anywhere, not only
    /// where `snapshot_slice` cut.
    ///
    /// # Errors
    /// When this is no piece of a snapshot, in words for the log.
    fn restore_slice(&mut self, bytes: &[u8]) -> Result<(), String>;

    /// The snapshot is complete.
    ///
    /// # Errors
    /// When something is missing, in words for the log.
    fn restore_end(&mut self) -> Result<(), String>;

    /// A leader's snapshot takes the place of `former`: what is not replicated (watches) goes on here.
    fn take_over(&mut self, former: &mut Self, happened: &mut Vec<Self::Happened>)
    where
        Self: Sized,
    {
        let _ = (former, happened);
    }
}
