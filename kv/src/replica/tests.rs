//! One replica alone, its disk a list of orders.
#![allow(clippy::wildcard_enum_match_arm, reason = "a test looks at what concerns it")]

use std::time::Duration;

use super::members::{Member, Members};
use super::{Action, Config, Event, Files, Machine, Out, Outbox, Refusal, Replica, Start, Ticket};
use crate::wal::Segment;
use crate::wal::log::Order;

/// A machine that remembers what it was told.
#[derive(Default)]
struct Tape(Vec<u8>, usize);

impl Machine for Tape {
    type Reply = usize;
    type Happened = u64;

    fn apply(&mut self, index: u64, command: &[u8], happened: &mut Vec<u64>) -> usize {
        self.0.extend_from_slice(command);
        happened.push(index);
        self.0.len()
    }
    fn bytes(&self) -> u64 {
        self.0.len() as u64
    }
    fn snapshot_start(&mut self) {
        self.1 = self.0.len();
    }
    fn snapshot_slice(&mut self, _: usize) -> Option<Vec<u8>> {
        let end = std::mem::take(&mut self.1);
        (end > 0).then(|| self.0[..end].to_vec())
    }
    fn snapshot_stop(&mut self) {}
    fn restore_slice(&mut self, bytes: &[u8]) -> Result<(), String> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }
    fn restore_end(&mut self) -> Result<(), String> {
        Ok(())
    }
}

struct Bench {
    replica: Replica<Tape>,
    out: Out<Tape>,
    now: Duration,
    segments: std::collections::BTreeMap<u64, Vec<u8>>,
    snapshots: std::collections::BTreeMap<u64, Vec<u8>>,
}

fn alone() -> Start {
    let member = Member { id: 1, ..Member::default() };
    Start::New { log: 77, members: Members::of([member]) }
}

impl Bench {
    fn new(snapshot_log_bytes: u64) -> Self {
        let mut bench = Self {
            replica: started(&Files::default(), 1, &mut Outbox::default(), snapshot_log_bytes),
            out: Outbox::default(),
            now: Duration::ZERO,
            segments: Default::default(),
            snapshots: Default::default(),
        };
        bench.replica = started(&Files::default(), 1, &mut bench.out, snapshot_log_bytes);
        bench
    }

    fn step(&mut self, event: Event) {
        self.replica.step(event, self.now, &mut self.out);
    }

    /// Carries out the oldest orders for the disk; whether there were any.
    fn perform(&mut self) -> Vec<Action<usize>> {
        let actions = std::mem::take(&mut self.out.actions);
        let mut answers = Vec::new();
        for action in actions {
            match action {
                Action::Segment(Order::Open { segment, bytes }) => {
                    self.segments.insert(segment, vec![0; usize::try_from(bytes).unwrap()]);
                }
                Action::Segment(Order::Remove { segment, .. }) => {
                    self.segments.remove(&segment);
                }
                Action::Write { ticket, segment, offset, bytes } => {
                    let at = usize::try_from(offset).unwrap();
                    self.segments.get_mut(&segment).unwrap()[at..at + bytes.len()]
                        .copy_from_slice(&bytes);
                    self.step(Event::Done { ticket });
                }
                Action::SnapshotWrite { ticket, file, bytes, .. } => {
                    self.snapshots.entry(file).or_default().extend(bytes);
                    self.step(Event::Done { ticket });
                }
                Action::SnapshotRemove { file } => {
                    self.snapshots.remove(&file);
                }
                answer => answers.push(answer),
            }
        }
        answers
    }

    fn settle(&mut self) -> Vec<Action<usize>> {
        let mut answers = Vec::new();
        while !self.out.actions.is_empty() {
            answers.extend(self.perform());
        }
        answers
    }

    fn restart(&mut self) {
        let segments: Vec<Segment<'_>> = self
            .segments
            .iter()
            .map(|(number, bytes)| Segment { number: *number, bytes })
            .collect();
        let snapshots: Vec<(u64, &[u8])> =
            self.snapshots.iter().map(|(file, bytes)| (*file, bytes.as_slice())).collect();
        let files = Files { segments: &segments, snapshots: &snapshots };
        self.out = Outbox::default();
        self.replica = started(&files, 2, &mut self.out, u64::MAX);
    }
}

fn started(
    files: &Files<'_>,
    nonce: u64,
    out: &mut Out<Tape>,
    snapshot_log_bytes: u64,
) -> Replica<Tape> {
    let config = Config { snapshot_log_bytes, segment_bytes: 4096, ..Config::new(1, 5, nonce) };
    Replica::start(config, Tape::default, files, alone(), Duration::ZERO, out).unwrap()
}

fn asked(ticket: u64, text: &str) -> Event {
    Event::Asked { ticket: Ticket(ticket), command: text.as_bytes().to_vec() }
}

#[test]
fn nothing_is_acknowledged_before_the_disk_has_it() {
    let mut bench = Bench::new(u64::MAX);
    bench.settle();
    bench.step(asked(1, "a"));
    let written = |action: &Action<usize>| matches!(action, Action::Write { .. });
    let applied = |action: &Action<usize>| matches!(action, Action::Applied { .. });
    assert!(bench.out.actions.iter().any(written));
    assert!(!bench.out.actions.iter().any(applied));
    assert!(bench.settle().iter().any(applied));
    assert_eq!(bench.replica.machine().0, b"a");
    assert_eq!(bench.replica.deadline(), None, "a lone voter at rest needs no clock");
}

#[test]
fn what_waits_for_the_disk_is_written_together() {
    let mut bench = Bench::new(u64::MAX);
    bench.settle();
    for ticket in 0..50 {
        bench.step(asked(ticket, "x"));
    }
    let writes = |bench: &Bench| {
        let writes = bench.out.actions.iter();
        writes.filter(|action| matches!(action, Action::Write { .. })).count()
    };
    assert_eq!(writes(&bench), 1);
    bench.perform();
    assert_eq!(writes(&bench), 1);
    bench.settle();
    assert_eq!(bench.replica.machine().0.len(), 50);
}

#[test]
fn a_failed_write_is_never_tried_again() {
    let mut bench = Bench::new(u64::MAX);
    bench.settle();
    bench.step(asked(1, "a"));
    let ticket = bench.out.actions.drain(..).find_map(|action| match action {
        Action::Write { ticket, .. } => Some(ticket),
        _ => None,
    });
    bench.step(Event::Failed { ticket: ticket.unwrap(), why: "input/output error".into() });
    bench.step(asked(2, "b"));
    bench.step(Event::ReadAsked { ticket: Ticket(3) });
    let answers = bench.settle();
    for ticket in [1, 2, 3].map(Ticket) {
        assert!(answers.contains(&Action::Refused { ticket, why: Refusal::Stopped }), "{ticket:?}");
    }
    assert!(bench.segments.is_empty() || !bench.replica.leads());
}

#[test]
fn reads_are_allowed_once_the_term_has_an_entry() {
    let mut bench = Bench::new(u64::MAX);
    bench.step(Event::ReadAsked { ticket: Ticket(9) });
    assert!(!bench.out.actions.contains(&Action::ReadReady { ticket: Ticket(9) }));
    let mut answers = bench.settle();
    bench.now += Duration::from_secs(1);
    bench.step(Event::Tick);
    answers.extend(bench.settle());
    assert!(answers.contains(&Action::ReadReady { ticket: Ticket(9) }), "{answers:?}");
}

#[test]
fn everything_is_there_after_a_restart_with_and_without_a_snapshot() {
    for snapshot_log_bytes in [u64::MAX, 300] {
        let mut bench = Bench::new(snapshot_log_bytes);
        bench.settle();
        for ticket in 0..200 {
            bench.step(asked(ticket, "0123456789"));
            bench.settle();
        }
        assert_eq!(bench.snapshots.is_empty(), snapshot_log_bytes == u64::MAX);
        if snapshot_log_bytes == 300 {
            assert!(bench.segments.len() < 5, "{:?}", bench.segments.keys());
        }
        bench.restart();
        bench.settle();
        assert_eq!(bench.replica.machine().0.len(), 2000);
    }
}

#[test]
fn at_rest_nothing_is_written() {
    let mut bench = Bench::new(u64::MAX);
    bench.step(asked(1, "a"));
    bench.settle();
    for _ in 0..100 {
        bench.now += Duration::from_secs(1);
        bench.step(Event::Tick);
        assert!(bench.out.actions.is_empty(), "{:?}", bench.out.actions);
    }
}
