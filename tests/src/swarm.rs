//! Options, definitions and tempers drawn from a seed.
//!
//! Each seed draws which kinds of trouble there are at all (swarm testing): a world in which everything goes
//! wrong at once never gets deep into anything.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use units::event::{Errand, Notification, Outcome, Refusal};
use units::run::{ExitStatus, Phase, Run, StageFault, StageStep};
use units::service::{Service, Signal, Startup};
use units::spec::{ConditionTest, Spec};
use units::{Body, UnitName};

use crate::prng::Prng;
use crate::temper::{Act, Reaction, Temper};
use crate::world::Director;

/// What a seed's world is like. Percentages where not said otherwise.
#[derive(Debug, Clone)]
pub struct Options {
    /// How many units.
    pub units: usize,
    /// How long the troubled phase lasts.
    pub troubled: Duration,
    /// The longest pause between two whims.
    pub pause_max: Duration,
    /// Processes that end by themselves.
    pub crashes: u32,
    /// Processes that take no stop signal.
    pub deaf: u32,
    /// Processes that cannot be killed for a while.
    pub stuck: u32,
    /// Processes that leave children behind.
    pub forks: u32,
    /// Processes that eat all memory.
    pub hungry: u32,
    /// Stages that fail, and processes that cannot be made.
    pub refusals: u32,
    /// Commands that fail or hang.
    pub bad_commands: u32,
    /// Conditions that do not hold, images that are not there, mounts that fail.
    pub bad_places: u32,
    /// Whims that are deaths of PID 1.
    pub deaths: u32,
    /// Whims that repeat an old fact.
    pub echoes: u32,
    /// Whims that set the clock.
    pub clock_steps: u32,
    /// Ordering edges that may close a cycle.
    pub cycles: u32,
}

impl Options {
    /// The options of a seed.
    pub fn draw(prng: &mut Prng) -> Options {
        let mut some = |percent: u32, most: usize| {
            let there = prng.chance(percent);
            let amount = u32::try_from(1 + prng.below(most)).expect("small");
            if there { amount } else { 0 }
        };
        Options {
            crashes: some(70, 60),
            deaf: some(40, 40),
            stuck: some(15, 20),
            forks: some(40, 40),
            hungry: some(25, 20),
            refusals: some(30, 20),
            bad_commands: some(40, 30),
            bad_places: some(30, 30),
            deaths: some(50, 15),
            echoes: some(60, 20),
            clock_steps: some(20, 10),
            cycles: some(20, 30),
            units: 2 + prng.below(11),
            troubled: prng.span(Duration::from_secs(20), Duration::from_secs(300)),
            pause_max: prng.span(Duration::from_millis(100), Duration::from_secs(10)),
        }
    }
}

/// Decides by a seed what the model leaves open.
#[derive(Debug)]
pub struct SeedDirector {
    /// The stream.
    pub prng: Prng,
    /// The options.
    pub options: Options,
    /// The trouble is over: what starts from now on behaves.
    pub healed: bool,
    services: BTreeMap<UnitName, Service>,
}

impl SeedDirector {
    /// A director for these definitions.
    #[must_use]
    pub fn new(prng: Prng, options: Options, specs: &[Spec]) -> SeedDirector {
        let services = specs
            .iter()
            .filter_map(|spec| spec.service().map(|service| (spec.name.clone(), service.clone())));
        SeedDirector { prng, options, healed: false, services: services.collect() }
    }

    fn trouble(&mut self, percent: u32) -> bool {
        !self.healed && self.prng.chance(percent)
    }

    fn soon(&mut self) -> Duration {
        self.prng.span(Duration::from_millis(1), Duration::from_millis(300))
    }

    fn later(&mut self) -> Duration {
        self.prng.span(Duration::from_millis(10), Duration::from_secs(60))
    }

    fn command(&mut self, phase: Phase) -> Temper {
        let after = self.soon();
        if self.trouble(self.options.bad_commands) {
            return match self.prng.below(3) {
                0 => Temper::stay(),
                1 => Temper::exit(after, 255),
                _ => Temper::exit(after, 1),
            };
        }
        // A healed machine is one whose conditions hold.
        let code = u8::from(phase == Phase::Condition && self.trouble(self.options.bad_places));
        Temper::exit(after, code)
    }

    fn main(&mut self, service: &Service) -> Temper {
        let after = self.soon();
        let mut temper = match &service.startup {
            Startup::Oneshot => return self.oneshot(after),
            Startup::Forking { .. } => {
                let daemon = Rc::new(self.body(service));
                if self.trouble(self.options.bad_commands) {
                    return Temper::exit(after, 1);
                }
                return Temper::stay().act(after, Act::Daemonise(daemon));
            }
            Startup::Notify | Startup::NotifyReload { .. } => {
                let silent = self.trouble(self.options.bad_commands);
                let body = self.body(service);
                if silent { body } else { body.act(after, Act::Say(Notification::Ready)) }
            }
            Startup::Simple | Startup::Exec | Startup::Idle => self.body(service),
        };
        if let Startup::NotifyReload { signal } = service.startup {
            temper = temper.on(signal, Reaction::Reload(after));
        }
        temper
    }

    fn oneshot(&mut self, after: Duration) -> Temper {
        let fails = self.trouble(self.options.bad_commands);
        let mut temper = Temper::exit(after, u8::from(fails));
        if self.trouble(self.options.forks) {
            let child = Rc::new(Temper::stay());
            temper = temper.act(Duration::ZERO, Act::Fork(child));
        }
        temper
    }

    /// A program that runs, more or less.
    fn body(&mut self, service: &Service) -> Temper {
        let mut temper = Temper::stay();
        let after = self.later();
        if self.trouble(self.options.crashes) {
            temper = temper.act(after, Act::End(self.end()));
        }
        if self.trouble(self.options.hungry) {
            temper = temper.act(after, Act::EatMemory);
        }
        if self.trouble(self.options.forks) {
            let child = match self.prng.chance(50) {
                true => Temper::stay(),
                false => Temper::stay().on(Signal::TERM, Reaction::Ignore),
            };
            temper = temper.act(self.soon(), Act::Fork(Rc::new(child)));
        }
        temper = self.manners(temper);
        if let Some(every) = service.timeouts.watchdog {
            let until = self.trouble(30).then(|| self.later());
            temper.feeds = Some((every / 2, until));
        }
        if self.trouble(40) {
            temper.health =
                vec![(Duration::ZERO, true), (after, false), (after + self.later(), true)];
        }
        temper.pid_file = self.soon();
        temper
    }

    fn manners(&mut self, mut temper: Temper) -> Temper {
        if self.trouble(self.options.deaf) {
            temper = temper.on(Signal::TERM, Reaction::Ignore);
        } else if self.prng.chance(50) {
            let after = self.soon();
            temper = temper.on(Signal::TERM, Reaction::End(after, ExitStatus::Code(0)));
        }
        if self.trouble(self.options.stuck) {
            temper.stuck_until = Some(self.later());
        }
        if self.trouble(5) {
            temper = temper.act(self.later(), Act::Say(Notification::Stopping));
        }
        temper
    }

    fn end(&mut self) -> ExitStatus {
        match self.prng.below(4) {
            0 => ExitStatus::Code(0),
            1 => ExitStatus::Signal { signal: Signal(11), core: true },
            2 => ExitStatus::Signal { signal: Signal::KILL, core: false },
            _ => ExitStatus::Code(3),
        }
    }
}

impl Director for SeedDirector {
    fn temper(&mut self, unit: &UnitName, _run: Run, errand: Errand) -> Temper {
        let service = self.services.get(unit).cloned().unwrap_or_default();
        let mut temper = match errand.phase {
            Phase::Start => self.main(&service),
            Phase::Condition
            | Phase::StartPre
            | Phase::StartPost
            | Phase::Reload
            | Phase::Stop
            | Phase::StopPost => self.command(errand.phase),
        };
        if self.trouble(self.options.refusals) {
            let step = *self.prng.pick(&[StageStep::Mount, StageStep::Exec, StageStep::User]);
            temper.stage = Some(StageFault { step, errno: 2, item: 0 });
        }
        temper
    }

    fn refuses(&mut self, _unit: &UnitName, _errand: Errand) -> Option<Refusal> {
        let refused = self.trouble(self.options.refusals);
        refused.then(|| Refusal { stage: None, errno: 11, text: "".into() })
    }

    fn prepare(&mut self, spec: &Spec, conditions: bool, _image: bool) -> (Duration, Outcome) {
        let after = self.soon();
        if !self.trouble(self.options.bad_places) {
            return (after, Outcome::Ok);
        }
        let slow = after + self.later();
        match self.prng.below(3) {
            0 if conditions && !spec.conditions.is_empty() => {
                let index = self.prng.below(spec.conditions.len());
                let index = u16::try_from(index).expect("few");
                (after, Outcome::Unmet { index, test: ConditionTest::PathExists })
            }
            1 => (slow, Outcome::Ok),
            _ => (slow, refused()),
        }
    }

    fn open(&mut self, spec: &Spec, closing: bool) -> (Duration, Outcome) {
        let after = self.soon();
        let slow = matches!(spec.body, Body::Mount(_)) && self.trouble(self.options.bad_places);
        match (slow, closing, self.prng.chance(50)) {
            (false, _, _) => (after, Outcome::Ok),
            (true, _, true) => (after, refused()),
            (true, _, false) => (after + self.later(), Outcome::Ok),
        }
    }

    fn probe(&mut self) -> Duration {
        self.soon()
    }

    fn instance(&mut self, _name: &UnitName) -> Option<Spec> {
        None
    }
}

fn refused() -> Outcome {
    Outcome::Refused(Refusal { stage: None, errno: 5, text: "".into() })
}
