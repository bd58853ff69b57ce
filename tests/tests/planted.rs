//! Each checker of the one-machine simulator finds the fault that it is there for. It looks alone, so that
//! it is this one that finds it.

use tests::check::{
    Checker, answers, backoff, deadlines, goals, healthy, order, orphans, records, runs, stops,
};
use tests::faulty::{Fault, Faulty};
use tests::simulation::run_with;

/// Seeds after which a planted fault must have been found.
const SEEDS: u64 = 60;

/// Under these eyes, and with this fault, some seed fails, and says that it is by this checker.
fn found(name: &str, fault: Fault, eyes: impl Fn() -> Vec<Box<dyn Checker>>) {
    for seed in 0..SEEDS {
        let result = run_with(seed, false, eyes(), |facts| Faulty::new(facts, fault));
        if let Err(failure) = result.map_err(|failure| failure.to_string())
            && failure.starts_with(name)
        {
            return println!("{fault:?}: seed {seed}: {failure}");
        }
    }
    panic!("{fault:?} was not found by {name} in {SEEDS} seeds");
}

/// This checker, alone, finds this fault.
fn finds<C: Checker + Default + 'static>(name: &str, fault: Fault) {
    found(name, fault, || vec![Box::<C>::default()]);
}

#[test]
fn a_request_that_is_answered_twice() {
    finds::<answers::Answers>("answers", Fault::AnswersTwice);
}

#[test]
fn a_request_that_is_never_answered() {
    found("liveness", Fault::NeverAnswers, Vec::new);
}

#[test]
fn a_restart_that_comes_too_early() {
    finds::<backoff::Backoff>("backoff", Fault::HurriesBack);
}

#[test]
fn a_deadline_that_is_slept_through() {
    finds::<deadlines::Deadlines>("deadlines", Fault::IgnoresTicks);
}

#[test]
fn a_start_while_the_machine_goes_down() {
    finds::<goals::Goals>("goals", Fault::MissesTheShutdown);
}

#[test]
fn a_signal_out_of_the_blue() {
    finds::<healthy::Healthy>("healthy", Fault::Signals);
}

#[test]
fn a_start_before_what_is_needed() {
    finds::<order::Order>("order", Fault::ForgetsTheOrder);
}

#[test]
fn processes_that_are_left_behind() {
    finds::<orphans::Orphans>("orphans", Fault::SparesGroups);
}

#[test]
fn a_record_that_is_not_written() {
    finds::<records::Records>("records", Fault::WritesOneRecord);
}

#[test]
fn a_second_main_process() {
    finds::<runs::Runs>("runs", Fault::StartsTwice);
}

#[test]
fn a_stop_that_takes_too_long() {
    finds::<stops::Stops>("stops", Fault::DozesOff);
}
