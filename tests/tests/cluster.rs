//! Clusters of replicas from seeds: see `cargo sim SEED --nodes N`.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use tests::cluster::{Plan, run};

/// Seeds of this test, which is not optimised; `cargo sim --seeds 10000 --nodes 5` runs more.
const SEEDS: u64 = 20;

fn all_are_well(seeds: std::ops::Range<u64>, nodes: u64) {
    for seed in seeds {
        if let Err(failure) = run(Plan::new(seed, nodes)) {
            panic!("cargo sim {seed} --nodes {nodes}: {failure}");
        }
    }
}

#[test]
fn five_replicas() {
    all_are_well(0..SEEDS, 5);
}

#[test]
fn three_replicas() {
    all_are_well(0..SEEDS / 4, 3);
}

#[test]
fn one_replica() {
    all_are_well(0..SEEDS / 4, 1);
}

#[test]
fn a_seed_is_the_same_run_each_time() {
    for seed in [3, 11, 42] {
        assert_eq!(run(Plan::new(seed, 5)).unwrap(), run(Plan::new(seed, 5)).unwrap());
    }
}
