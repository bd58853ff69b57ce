//! A cluster of replicas on a virtual clock, with disks, a network, clients, and trouble from a seed.

pub mod cells;
pub mod disk;
pub mod node;
pub mod trouble;
pub mod truth;
pub mod world;

use std::time::Duration;

use self::world::World;
use crate::simulation::Failure;

/// How long trouble lasts.
const TROUBLE_TIME: Duration = Duration::from_secs(30);
/// When all is well again, everybody agrees by then.
const SETTLE_TIME: Duration = Duration::from_secs(90);

/// What a run was about.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Virtual time.
    pub lived: Duration,
    /// Commands in the log.
    pub commands: usize,
    /// Of those, acknowledged and checked.
    pub acknowledged: usize,
    /// Reads checked.
    pub reads: u64,
    /// Power cuts.
    pub cuts: u64,
    /// Logs found damaged.
    pub damaged: u64,
    /// Elections won.
    pub elections: u64,
    /// Snapshots begun to be received or taken.
    pub snapshots: u64,
    /// Changes of members in force.
    pub changes: u64,
    /// A digest of everything that happened: the same seed has the same.
    pub digest: u64,
}

/// What a run is to be like.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Decides everything else.
    pub seed: u64,
    /// First members.
    pub nodes: u64,
    /// Print what happens.
    pub told: bool,
    /// The fault that each replica has.
    #[cfg(feature = "planted")]
    pub plant: Option<kv::replica::Plant>,
}

impl Plan {
    /// A run of replicas without planted faults.
    #[must_use]
    pub fn new(seed: u64, nodes: u64) -> Self {
        Self {
            seed,
            nodes,
            told: false,
            #[cfg(feature = "planted")]
            plant: None,
        }
    }
}

/// Runs one seed.
///
/// # Errors
/// What went wrong.
pub fn run(plan: Plan) -> Result<Report, Failure> {
    let mut world = World::new(plan);
    world.run_until(TROUBLE_TIME)?;
    world.heal();
    let end = TROUBLE_TIME + SETTLE_TIME;
    while !world.is_settled() {
        if world.now() > end {
            return Err(Failure::Liveness(world.complaint()));
        }
        world.run_until(world.now() + Duration::from_millis(500))?;
    }
    world.at_end()?;
    Ok(world.report())
}
