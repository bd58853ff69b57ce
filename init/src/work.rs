//! What PID 1 and its workers say to each other: requests on standard input, results on standard
//! output, both in postcard's encoding. A worker is of the same binary, so there are no versions.

use serde::{Deserialize, Serialize};
use std::time::Duration;

use units::event::Outcome;
use units::load::Loaded;
use units::plan::{ImageFacts, Plan};
use units::probe::ProbeAction;
use units::source::LoadOptions;
use units::spec::Condition;

/// To the worker `load`: read all unit files.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct LoadRequest {
    /// How to read them; the directories are also those that the worker reads.
    pub options: LoadOptions,
}

/// From the worker `load`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct LoadReply {
    /// Specs and remarks.
    pub loaded: Loaded,
    /// When persistent timers last elapsed: name, unix time in microseconds.
    pub stamps: Vec<(Box<str>, i64)>,
    /// The machine's configuration as it is now.
    pub settings: crate::machine::Settings,
    /// The host's name as it is, which the machine's configuration may have changed.
    pub hostname: Box<str>,
}

/// To the stage: a plan, and the names of the descriptors that the program gets from 3 on.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct StageInput {
    /// What to do.
    pub plan: Plan,
    /// In the order of the descriptors.
    pub names: Vec<String>,
}

/// To the worker `apply`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ApplyOrder {
    /// What to do.
    pub wish: ApplyWish,
    /// How definitions are read.
    pub options: LoadOptions,
}

/// What to do with the machine's unit files.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum ApplyWish {
    /// Change them.
    Apply {
        /// The wire's request, in the wire's own encoding (JSON).
        request: String,
        /// What they were before an earlier, unconfirmed change stays what is gone back to.
        keep_before: bool,
    },
    /// Go back.
    Revert,
    /// Forget how they were before.
    Confirm,
}

/// To the worker `prepare`: look at the world before a run.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PrepareRequest {
    /// Conditions in order; the reply names the first that does not hold by its place here.
    pub conditions: Vec<Condition>,
    /// The image to make ready: as `RootSource::Image` has it.
    pub image: Option<Box<str>>,
    /// Where `images/` and `layers/` are.
    pub state: Box<str>,
    /// PID 1 of a machine, not of somebody's container.
    pub is_machine: bool,
}

/// From the worker `prepare`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PrepareReply {
    /// `Ok`, `Unmet` or `Refused`.
    pub outcome: Outcome,
    /// What the image says and where its layers are, if one was asked for.
    pub image: Option<ImageFacts>,
}

/// To the worker `probe`, which has the unit's main process as descriptor 3; it answers with an `Outcome`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ProbeRequest {
    /// What to try.
    pub action: ProbeAction,
    /// For how long.
    pub timeout: Duration,
    /// The unit's own variables, for `exec`.
    pub environment: Vec<(Box<str>, Box<str>)>,
    /// Connect from the machine's network rather than from the unit's.
    pub host_network: bool,
}

/// To the worker `flush`, which has the log memory as descriptor 3: write to the disk what is only there.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct FlushRequest {
    /// Sources with the number of the first record that is not on the disk.
    pub sources: Vec<(Box<str>, u64)>,
    /// What one source may take of the disk, in bytes.
    pub unit_bytes_max: u64,
    /// What all may take.
    pub all_bytes_max: u64,
    /// Answer when a power cut cannot take it back.
    pub durable: bool,
}

/// From the worker `flush`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct FlushReply {
    /// There is a state partition to write to.
    pub has_disk: bool,
    /// Sources with the number after the last record on the disk.
    pub flushed: Vec<(Box<str>, u64)>,
    /// Segments that gave way.
    pub dropped_segments: u32,
    /// Why not all of it is written.
    pub complaint: Option<Box<str>>,
}

/// Encodes a request or a result.
#[must_use]
pub fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    postcard::to_allocvec(value).expect("plain values without a length limit can be encoded")
}

/// Decodes a request or a result.
///
/// # Errors
/// When the bytes are not such a value.
pub fn decode<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, postcard::Error> {
    postcard::from_bytes(bytes)
}
