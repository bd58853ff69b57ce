//! The record of what early boot did: each step with its start, its duration and its outcome.

use rustix::io::Errno;
use rustix::time::{ClockId, clock_gettime};
use std::fmt;
use std::time::Duration;

/// One step of the boot, as it went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// What it is called in logs and in the boot chart.
    pub name: &'static str,
    /// When it began, since the kernel started (`CLOCK_BOOTTIME`).
    pub started: Duration,
    /// How long it took.
    pub took: Duration,
    /// How it ended.
    pub outcome: Outcome,
}

/// How a step ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Everything it does was done.
    Done,
    /// It does not apply here; the text says why.
    Skipped(&'static str),
    /// Parts of it could not be done; the boot went on.
    Failed(Vec<Fault>),
}

/// One thing that could not be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// What was tried.
    pub what: Box<str>,
    /// What the kernel answered; none where the fault is not a system call's.
    pub errno: Option<Errno>,
    /// What this means for the machine.
    pub then: &'static str,
}

impl Step {
    /// Whether nothing failed.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        match self.outcome {
            Outcome::Done | Outcome::Skipped(_) => true,
            Outcome::Failed(_) => false,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.what)?;
        if let Some(errno) = self.errno {
            write!(f, ": {errno}")?;
        }
        write!(f, "; {}", self.then)
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let micros = self.took.as_micros();
        write!(f, "boot step {} took={}.{:03}ms ", self.name, micros / 1000, micros % 1000)?;
        match &self.outcome {
            Outcome::Done => write!(f, "ok"),
            Outcome::Skipped(why) => write!(f, "skipped: {why}"),
            Outcome::Failed(faults) => {
                write!(f, "failed")?;
                faults.iter().try_for_each(|fault| write!(f, ": {fault}"))
            }
        }
    }
}

/// Collects what goes wrong within one step.
#[derive(Debug, Default)]
pub struct Faults {
    faults: Vec<Fault>,
    skipped: Option<&'static str>,
}

impl Faults {
    /// Notes a failed system call; says whether it went well.
    pub fn check<T>(
        &mut self,
        result: rustix::io::Result<T>,
        what: impl fmt::Display,
        then: &'static str,
    ) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(errno) => {
                self.faults.push(Fault { what: text(what), errno: Some(errno), then });
                None
            }
        }
    }

    /// Notes a fault that no system call reported.
    pub fn note(&mut self, what: impl fmt::Display, then: &'static str) {
        self.faults.push(Fault { what: text(what), errno: None, then });
    }

    /// The step as a whole does not apply.
    pub fn skip(&mut self, why: &'static str) {
        self.skipped = Some(why);
    }

    fn outcome(self) -> Outcome {
        match (self.faults.is_empty(), self.skipped) {
            (false, _) => Outcome::Failed(self.faults),
            (true, Some(why)) => Outcome::Skipped(why),
            (true, None) => Outcome::Done,
        }
    }
}

/// Runs steps and keeps their record.
#[derive(Debug, Default)]
pub struct Recorder {
    /// The steps so far.
    pub steps: Vec<Step>,
}

impl Recorder {
    /// Runs one step.
    pub fn step<T>(&mut self, name: &'static str, body: impl FnOnce(&mut Faults) -> T) -> T {
        let started = since_boot();
        let mut faults = Faults::default();
        let value = body(&mut faults);
        let took = since_boot().saturating_sub(started);
        self.steps.push(Step { name, started, took, outcome: faults.outcome() });
        value
    }
}

/// The time since the kernel started, sleep included.
#[must_use]
pub fn since_boot() -> Duration {
    let now = clock_gettime(ClockId::Boottime);
    Duration::new(
        now.tv_sec.try_into().unwrap_or_default(),
        now.tv_nsec.try_into().unwrap_or_default(),
    )
}

fn text(what: impl fmt::Display) -> Box<str> {
    what.to_string().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_one_line_with_its_fault_and_what_follows() {
        let mut recorder = Recorder::default();
        recorder.step("mounts", |_| ());
        recorder.step("root", |faults| faults.skip("in a container"));
        recorder.step("cgroups", |faults| {
            faults.check(Err::<(), _>(Errno::PERM), "mount cgroup2", "no limits");
        });
        let texts: Vec<String> = recorder.steps.iter().map(Step::to_string).collect();
        assert!(texts[0].starts_with("boot step mounts took=") && texts[0].ends_with("ms ok"));
        assert!(texts[1].ends_with("skipped: in a container"), "{}", texts[1]);
        assert!(
            texts[2].contains("failed: mount cgroup2: Operation not permitted"),
            "{}",
            texts[2]
        );
        assert!(texts[2].ends_with("; no limits"));
    }
}
