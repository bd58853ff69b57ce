//! `cargo sim`: worlds from seeds.
//!
//! `cargo sim 42 --nodes 5` is a cluster of replicas instead of one machine.
//! `cargo sim 42` replays one seed and prints each order; `cargo sim --seeds 2000 [--from N]` runs many and names
//! each that fails; with `--long 20000` it is so many where `KEELSON_LONG=1`. Exit code 0: all is well; 127: the
//! supervisor panicked; 128: something never happened that must; 129: something happened that must not. The seed is
//! printed in each case.

use std::process::exit;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use tests::cluster::{self, Plan};
use tests::simulation::{Failure, Report, run};

const USAGE: &str = "usage: sim SEED | sim --seeds COUNT [--from SEED | --long COUNT] (each with --nodes N for a cluster)";

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let number = |text: &str| text.parse::<u64>().unwrap_or_else(|_| usage());
    if let Some(place) = words.iter().position(|word| *word == "--nodes") {
        let nodes = number(words.get(place + 1).copied().unwrap_or(""));
        return cluster(&[&words[..place], &words[place + 2..]].concat(), nodes);
    }
    match words.as_slice() {
        [seed] if *seed != "--help" => one(number(seed)),
        ["--seeds", count] => many(0, number(count)),
        ["--seeds", count, "--from", first] => many(number(first), number(count)),
        ["--seeds", count, "--long", long] => many(0, number(if is_long() { long } else { count })),
        _ => usage(),
    }
}

fn is_long() -> bool {
    std::env::var_os("KEELSON_LONG").is_some()
}

fn cluster(words: &[&str], nodes: u64) {
    let number = |text: &str| text.parse::<u64>().unwrap_or_else(|_| usage());
    let (first, count) = match words {
        [seed] if *seed != "--help" => (number(seed), 1),
        ["--seeds", count] => (0, number(count)),
        ["--seeds", count, "--from", first] => (number(first), number(count)),
        _ => usage(),
    };
    let began = Instant::now();
    let next = AtomicU64::new(first);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| work_cluster(&next, first + count, nodes, count == 1));
        }
    });
    println!("{count} seeds of {nodes} nodes are well, in {:.1} s", began.elapsed().as_secs_f64());
}

fn work_cluster(next: &AtomicU64, end: u64, nodes: u64, told: bool) {
    loop {
        let seed = next.fetch_add(1, Ordering::Relaxed);
        if seed >= end {
            return;
        }
        name_the_seed_on_panic(seed);
        match cluster::run(Plan { told, ..Plan::new(seed, nodes) }) {
            Ok(report) if told => println!("seed {seed}: {report:?}"),
            Ok(_) => {}
            Err(failure) => {
                eprintln!("with --nodes {nodes}:");
                fail(seed, &failure);
            }
        }
    }
}

fn usage() -> ! {
    eprintln!("{USAGE}");
    exit(2);
}

fn one(seed: u64) {
    name_the_seed_on_panic(seed);
    match run(seed, true) {
        Ok(report) => println!("seed {seed}: {report:?}"),
        Err(failure) => fail(seed, &failure),
    }
}

fn many(first: u64, count: u64) {
    let began = Instant::now();
    let next = AtomicU64::new(first);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let results: Vec<Results> = std::thread::scope(|scope| {
        let workers: Vec<_> =
            (0..threads).map(|_| scope.spawn(|| work(&next, first + count))).collect();
        workers.into_iter().map(|worker| worker.join().expect("a panic ends the program")).collect()
    });
    if let Some((_, failure)) = results.iter().flat_map(|of| &of.failures).min_by_key(|f| f.0) {
        let failed: usize = results.iter().map(|of| of.failures.len()).sum();
        eprintln!("{failed} of {count} seeds fail, in {:.1} s", began.elapsed().as_secs_f64());
        exit(code(failure));
    }
    let all = || results.iter().flat_map(|of| &of.reports);
    let hours = all().map(|report| report.lived.as_secs()).sum::<u64>() / 3600;
    let facts: u64 = all().map(|report| report.facts).sum();
    let deaths: u64 = all().map(|report| u64::from(report.deaths)).sum();
    let runs: u64 = all().map(|report| report.runs).sum();
    println!(
        "{count} seeds are well: {hours} hours of virtual time, {facts} facts, {runs} runs, {deaths} deaths of \
         PID 1, in {:.1} s",
        began.elapsed().as_secs_f64()
    );
}

/// What a thread's seeds did.
#[derive(Default)]
struct Results {
    reports: Vec<Report>,
    failures: Vec<(u64, Failure)>,
}

fn work(next: &AtomicU64, end: u64) -> Results {
    let mut results = Results::default();
    loop {
        let seed = next.fetch_add(1, Ordering::Relaxed);
        if seed >= end {
            return results;
        }
        name_the_seed_on_panic(seed);
        match run(seed, false) {
            Ok(report) => results.reports.push(report),
            Err(failure) => {
                eprintln!("seed {seed}: {failure}");
                results.failures.push((seed, failure));
            }
        }
    }
}

fn fail(seed: u64, failure: &Failure) -> ! {
    eprintln!("seed {seed}: {failure}");
    eprintln!("replay: cargo sim {seed}");
    exit(code(failure));
}

fn code(failure: &Failure) -> i32 {
    match failure {
        Failure::Liveness(_) => 128,
        Failure::Safety(_) => 129,
    }
}

thread_local! {
    static SEED: std::cell::Cell<u64> = const { std::cell::Cell::new(0) };
}

fn name_the_seed_on_panic(seed: u64) {
    SEED.set(seed);
    std::panic::set_hook(Box::new(|what| {
        let seed = SEED.get();
        eprintln!("seed {seed}: {what}");
        eprintln!("replay: cargo sim {seed}");
        exit(127);
    }));
}
