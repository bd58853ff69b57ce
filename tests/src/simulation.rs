//! One seed from boot to poweroff: trouble, then healing, then everything must be well.

use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use units::action::{Action, Answer};
use units::event::{Event, KillTarget, Request};
use units::note::StateName;
use units::run::{Run, UnitId};
use units::service::Signal;
use units::spec::Spec;
use units::supervisor::Facts;
use units::view::UnitView;
use units::{UnitKind, UnitName};

use crate::agenda::Item;
use crate::check::order::is_held;
use crate::check::{self, Checker, Violation};
use crate::forge::forge;
use crate::node_brain::NodeBrain;
use crate::prng::Prng;
use crate::promise::{awaits_a_circle, is_simple};
use crate::swarm::{Options, SeedDirector};
use crate::transcript;
use crate::world::{Brain, Entry, World};

/// After healing, everything has settled by then.
const SETTLE_TIME: Duration = Duration::from_secs(15 * 60);
/// Nothing is between two states for so long on a healthy machine.
const STILL_TIME: Duration = Duration::from_secs(120);
/// A unit that is asked for is up, or down, by then.
const ANSWER_TIME: Duration = Duration::from_secs(5 * 60);
/// How many old facts are remembered for echoes.
const ECHOES_MAX: usize = 64;

/// What went wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// Something happened that must not.
    Safety(Violation),
    /// Something did not happen that must.
    Liveness(String),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Safety(Violation { checker, text }) => write!(f, "{checker}: {text}"),
            Failure::Liveness(text) => write!(f, "liveness: {text}"),
        }
    }
}

impl From<Violation> for Failure {
    fn from(violation: Violation) -> Failure {
        Failure::Safety(violation)
    }
}

/// What a seed did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Report {
    /// Virtual time.
    pub lived: Duration,
    /// Facts told.
    pub facts: u64,
    /// Deaths of PID 1.
    pub deaths: u32,
    /// Runs that were made.
    pub runs: u64,
}

/// The world of a seed.
pub type SeedWorld<B> = World<B, SeedDirector>;

/// Runs a seed with the whole node.
///
/// # Errors
/// What went wrong.
pub fn run(seed: u64, print: bool) -> Result<Report, Failure> {
    run_with(seed, print, check::all(), |facts| NodeBrain::new(&facts))
}

/// Runs a seed with another machine, and under these eyes only.
///
/// # Errors
/// What went wrong.
pub fn run_with<B: Brain>(
    seed: u64,
    print: bool,
    checkers: Vec<Box<dyn Checker>>,
    make: impl FnOnce(Facts) -> B,
) -> Result<Report, Failure> {
    let mut prng = Prng::new(seed);
    let options = Options::draw(&mut prng);
    let specs = forge(&mut prng, &options);
    if print {
        println!("{options:#?}");
        specs.iter().for_each(|spec| println!("{}", transcript::describe(spec)));
    }
    let facts =
        Facts { machine_seed: seed, boot_unix_us: 1_700_000_000_000_000, ..Facts::default() };
    let brain = make(facts.clone());
    let director = SeedDirector::new(prng, options, &specs);
    let mut world = World::new(brain, director, facts);
    world.checkers = checkers;
    let mut simulation = Simulation { world, told: VecDeque::new(), print, runs: 0 };
    let result = simulation.live(specs);
    simulation.flush();
    result
}

struct Simulation<B> {
    world: SeedWorld<B>,
    told: VecDeque<Event>,
    print: bool,
    runs: u64,
}

impl<B: Brain> Simulation<B> {
    fn live(&mut self, specs: Vec<Spec>) -> Result<Report, Failure> {
        self.world.define(specs)?;
        self.trouble()?;
        self.heal()?;
        self.demand()?;
        self.shut_down()?;
        Ok(Report {
            lived: self.world.now,
            facts: self.world.facts_told,
            deaths: self.world.deaths,
            runs: self.runs,
        })
    }

    /// Whims and faults for a while.
    fn trouble(&mut self) -> Result<(), Failure> {
        let end = self.world.director.options.troubled;
        self.world.agenda.plan(Duration::from_millis(1), Item::Whim);
        let (told, print, runs) = (&mut self.told, self.print, &mut self.runs);
        self.world.run_until(end, |world| {
            flush(world, print, runs);
            let pause_max = world.director.options.pause_max;
            let pause = world.director.prng.span(Duration::from_millis(1), pause_max);
            world.agenda.plan(world.now + pause, Item::Whim);
            whim(world, told)
        })?;
        Ok(())
    }

    fn pass(&mut self, time: Duration) -> Result<(), Failure> {
        let end = self.world.now + time;
        self.world.run_until(end, |_| Ok(()))?;
        self.flush();
        Ok(())
    }

    fn flush(&mut self) {
        flush(&mut self.world, self.print, &mut self.runs);
    }

    /// What starts from now on behaves; what runs is dealt with by its deadlines.
    fn heal(&mut self) -> Result<(), Failure> {
        self.world.director.healed = true;
        self.world.dies_after = None;
        self.pass(SETTLE_TIME)?;
        let now = self.world.now;
        let specs = &self.world.specs;
        // A timer may have started something just now.
        let is_stuck = |unit: &UnitView<'_>| {
            !is_settled(unit) && now - unit.since > STILL_TIME && !awaits_a_circle(specs, unit.name)
        };
        let unsettled = self.world.brain.supervisor().view().units().find(is_stuck);
        if let Some(unit) = unsettled {
            let text = format!("{} does not settle: it is {:?}", unit.name, unit.state);
            return Err(Failure::Liveness(text));
        }
        self.no_request_waits()
    }

    fn no_request_waits(&self) -> Result<(), Failure> {
        let specs = &self.world.specs;
        let mut waiting = self.world.unanswered();
        let forgotten = waiting.find(|(_, request)| {
            request.subject().is_none_or(|unit| !awaits_a_circle(specs, unit))
        });
        match forgotten {
            Some((ticket, _)) => {
                let units = self.world.brain.supervisor().view().units();
                let waiting = units.filter(|unit| unit.state == StateName::Waiting);
                let waiting: Vec<_> = waiting.map(|unit| (unit.name, unit.fault)).collect();
                let number = ticket.0 & u64::from(u32::MAX);
                let text = format!("request {number} is never answered; waiting are {waiting:?}");
                Err(Failure::Liveness(text))
            }
            None => Ok(()),
        }
    }

    /// On a healthy machine whatever is asked for comes up.
    fn demand(&mut self) -> Result<(), Failure> {
        self.world.ask(Request::ResetFailed(None))?;
        let names: Vec<UnitName> = self.world.specs.iter().map(|spec| spec.name.clone()).collect();
        for name in names {
            if !is_simple(&self.world.specs, &name) {
                continue;
            }
            let ticket = self.world.ask(Request::Start(name.clone()))?;
            self.pass(ANSWER_TIME)?;
            let answer = self.world.answers.get(&ticket);
            if !matches!(answer, Some(Answer::Ok | Answer::Already)) {
                let text = format!("{name} was asked for on a healthy machine: {answer:?}");
                return Err(Failure::Liveness(text));
            }
            self.world.ask(Request::ResetFailed(None))?;
        }
        self.no_request_waits()
    }

    fn shut_down(&mut self) -> Result<(), Failure> {
        let ticket = self.world.ask(Request::ShutDown)?;
        self.pass(ANSWER_TIME)?;
        if self.world.answers.get(&ticket) != Some(&Answer::Ok) {
            let view = self.world.brain.supervisor().view();
            let awake = view.units().find(|unit| !is_down(unit));
            let text = format!("the machine does not go down: {awake:?}");
            return Err(Failure::Liveness(text));
        }
        self.no_request_waits()
    }
}

/// Prints what was ordered since the last time.
fn flush<B: Brain>(world: &mut SeedWorld<B>, print: bool, runs: &mut u64) {
    for (at, entry) in std::mem::take(&mut world.transcript) {
        *runs += u64::from(matches!(entry, Entry::Order(Action::Release { .. })));
        let supervisor = world.brain.supervisor();
        if let Some(line) = transcript::line(supervisor, at, &entry)
            && print
        {
            println!("{line}");
        }
    }
}

fn is_down(unit: &UnitView<'_>) -> bool {
    matches!(unit.state, StateName::Down | StateName::Skipped | StateName::Failed)
}

fn is_settled(unit: &UnitView<'_>) -> bool {
    match unit.state {
        StateName::Down | StateName::Skipped | StateName::Failed | StateName::Up => true,
        StateName::Waiting => is_held(unit),
        StateName::Starting | StateName::Reloading | StateName::Stopping | StateName::Backoff => {
            false
        }
    }
}

/// One thing that nobody expects.
fn whim<B: Brain>(world: &mut SeedWorld<B>, told: &mut VecDeque<Event>) -> Result<(), Violation> {
    let options = world.director.options.clone();
    let chance = |world: &mut SeedWorld<B>, percent| world.director.prng.chance(percent);
    if chance(world, options.deaths) {
        let after = world.director.prng.below(6);
        world.dies_after = Some(u32::try_from(after).expect("small"));
    }
    if chance(world, options.echoes) {
        echo(world, told)?;
    }
    if chance(world, options.clock_steps) {
        step_clock(world)?;
    }
    if chance(world, 20) {
        visit(world, told);
    }
    request(world).map(|_| ())
}

fn any_unit<B: Brain>(world: &mut SeedWorld<B>) -> (UnitId, UnitName) {
    let place = world.director.prng.below(world.specs.len());
    let name = world.specs[place].name.clone();
    (world.brain.supervisor().id(&name).expect("it is defined"), name)
}

fn request<B: Brain>(world: &mut SeedWorld<B>) -> Result<(), Violation> {
    let (_, unit) = any_unit(world);
    let request = match world.director.prng.below(100) {
        0..40 => Request::Start(unit),
        40..60 => Request::Stop(unit),
        60..70 => Request::Restart(unit),
        70..75 => Request::TryRestart(unit),
        75..80 => Request::Reload(unit),
        80..84 => Request::ReloadOrRestart(unit),
        84..89 => Request::ResetFailed(Some(unit)),
        89..91 => Request::ResetFailed(None),
        91..93 => Request::Isolate(unit),
        _ => {
            let signals = [Signal::TERM, Signal::KILL, Signal::HUP, Signal(10)];
            let signal = *world.director.prng.pick(&signals);
            let whom = *world.director.prng.pick(&[KillTarget::Main, KillTarget::All]);
            Request::Kill { unit, whom, signal }
        }
    };
    world.ask(request).map(|_| ())
}

/// Somebody calls a socket; the facts about a unit are remembered for later.
fn visit<B: Brain>(world: &mut SeedWorld<B>, told: &mut VecDeque<Event>) {
    let (id, name) = any_unit(world);
    if name.kind() == UnitKind::Socket {
        world.hang_up(id);
        world.call(id);
    }
    let run = world.brain.supervisor().view().unit(id).map_or(0, |unit| unit.run);
    let run = Run { unit: id, number: run };
    use units::run::{ExitStatus, Role};
    told.push_back(Event::Exited { run, role: Role::Main, status: ExitStatus::Code(0) });
    told.push_back(Event::Emptied { run });
    told.push_back(Event::OutOfMemory { run, kills: 1 });
    while told.len() > ECHOES_MAX {
        told.pop_front();
    }
}

/// A fact about a run that is over comes late, or again.
fn echo<B: Brain>(world: &mut SeedWorld<B>, told: &VecDeque<Event>) -> Result<(), Violation> {
    if told.is_empty() {
        return Ok(());
    }
    let event = told[world.director.prng.below(told.len())].clone();
    let (Event::Exited { run, .. } | Event::Emptied { run } | Event::OutOfMemory { run, .. }) =
        event
    else {
        return Ok(());
    };
    let current = world.brain.supervisor().view().unit(run.unit).map_or(0, |unit| unit.run);
    if run.number >= current { Ok(()) } else { world.tell(event) }
}

fn step_clock<B: Brain>(world: &mut SeedWorld<B>) -> Result<(), Violation> {
    let prng = &mut world.director.prng;
    let step = prng.span(Duration::from_secs(1), Duration::from_secs(40_000)).as_micros();
    let step = i64::try_from(step).expect("small");
    let step = if prng.chance(50) { step } else { -step };
    world.facts.boot_unix_us += step;
    let (boot_unix_us, utc_offset_s) = (world.facts.boot_unix_us, world.facts.utc_offset_s);
    world.tell(Event::ClockStepped { boot_unix_us, utc_offset_s })
}
