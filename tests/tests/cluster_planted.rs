//! Each checker of the cluster's simulator finds the fault that it is there for. Only with
//! `--features planted`: the faults are in the replica itself.

#![cfg(feature = "planted")]

use kv::replica::Plant;
use tests::cluster::{Plan, run};

/// Seeds after which a planted fault must have been found.
const SEEDS: u64 = 300;

/// The first failure that this fault causes.
fn found(plant: Plant, nodes: u64) -> String {
    for seed in 0..SEEDS {
        if let Err(failure) = run(Plan { plant: Some(plant), ..Plan::new(seed, nodes) }) {
            let failure = failure.to_string();
            println!("{plant:?}: seed {seed}: {failure}");
            return failure;
        }
    }
    panic!("{plant:?} was not found in {SEEDS} seeds");
}

#[test]
fn an_acknowledgement_before_the_disk_has_it() {
    // What was lost shows where the log goes on without it, or at the end.
    let failure = found(Plant::AckEarly, 1);
    let checkers = ["durability", "log agreement", "state"];
    assert!(checkers.iter().any(|checker| failure.starts_with(checker)), "{failure}");
}

#[test]
fn reads_without_asking_whether_this_is_still_the_leader() {
    assert!(found(Plant::StaleReads, 5).starts_with("linearizability"));
}

#[test]
fn votes_that_are_forgotten() {
    found(Plant::ForgetVotes, 5);
}

#[test]
fn a_damaged_log_that_is_cut_at_the_damage() {
    found(Plant::CutDamage, 3);
}

#[test]
fn a_question_for_a_read_index_that_is_asked_twice() {
    assert!(found(Plant::SameQuestion, 5).starts_with("linearizability"));
}
