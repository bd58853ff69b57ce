//! Everything that must pass, in order: what is cheap and often wrong first.

/// How a step runs.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Run {
    /// `cargo` with these words.
    Cargo(&'static [&'static str]),
    /// What the harness itself does.
    Install,
}

/// One step of `cargo verify`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Step {
    /// What it makes sure of.
    pub(crate) heading: &'static str,
    /// How.
    pub(crate) run: Run,
}

const fn cargo(heading: &'static str, words: &'static [&'static str]) -> Step {
    Step { heading, run: Run::Cargo(words) }
}

/// The steps. To add one, add a line.
///
/// All tests share one build: the same packages and the same profile throughout, or Cargo would
/// build their dependencies again with other features.
pub(crate) const STEPS: &[Step] = &[
    Step { heading: "programs of the host", run: Run::Install },
    cargo("format", &["fmt", "--all", "--check"]),
    cargo("clippy", &["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]),
    cargo("build of the tests", &["test", "--workspace", "--no-run"]),
    cargo("unit tests", &["test", "--workspace", "--lib", "--bins"]),
    cargo("examples in the documentation", &["test", "--workspace", "--doc"]),
    cargo(
        "rules of the house, oracles, crash memory, hostile input",
        &[
            "test",
            "--workspace",
            "--test",
            "tidy",
            "--test",
            "oracles",
            "--test",
            "demo_units",
            "--test",
            "vault",
            "--test",
            "spec_size",
            "--test",
            "fuzz_units",
            "--test",
            "fuzz_surfaces",
            "--test",
            "cluster",
        ],
    ),
    cargo("containers, natively", &["test", "--package", "init", "--test", "container"]),
    cargo("faults of PID 1, natively", &["test", "--package", "init", "--test", "survive"]),
    cargo(
        "the store as a process: etcd's own client, and kills under load",
        &["test", "--package", "init", "--test", "etcd"],
    ),
    cargo(
        "faults of PID 1 and hogs on a real kernel, its replacement, limits",
        &[
            "test",
            "--package",
            "tests",
            "--test",
            "crash",
            "--test",
            "hogs",
            "--test",
            "reexec",
            "--test",
            "limits",
            "--",
            "--nocapture",
        ],
    ),
    cargo(
        "boots",
        &[
            "test",
            "-p",
            "tests",
            "--test",
            "boot_first",
            "--test",
            "boot_machine",
            "--test",
            "boot_units",
        ],
    ),
    // Built with optimisation, like the simulator: a debug build would take minutes.
    cargo("one machine, simulated: 500 seeds", &["sim", "--seeds", "500", "--long", "20000"]),
    cargo(
        "planted faults, and the checkers that find them",
        &["test", "--profile", "fast", "--package", "tests", "--test", "planted"],
    ),
    cargo("clusters of replicas: 200 seeds", &["sim", "--seeds", "200", "--nodes", "5"]),
    cargo("clusters of three", &["sim", "--seeds", "50", "--nodes", "3"]),
    cargo("a replica alone", &["sim", "--seeds", "50", "--nodes", "1"]),
    cargo("real unit files, a sample", &["corpus", "--sample", "20"]),
    cargo("the demo, without a person", &["boot", "--", "--smoke"]),
];
