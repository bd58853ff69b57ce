//! Definitions drawn from a seed: small graphs with every kind of relation and every type of service.

use std::time::Duration;

use units::compact::List;
use units::probe::{Probe, ProbeAction, Probes};
use units::service::{
    Command, KillMode, OomPolicy, Restart, RestartPolicy, Service, Signal, Startup, TimeoutMode,
    Timeouts,
};
use units::spec::{
    Condition, ConditionTest, Elapse, Mount, Relation, RelationKind, Socket, Spec, StartLimit,
    Timer,
};
use units::{Body, UnitKind, UnitName};

use crate::prng::Prng;
use crate::swarm::Options;

/// A set of definitions.
pub fn forge(prng: &mut Prng, options: &Options) -> Vec<Spec> {
    let kinds: Vec<UnitKind> = (0..options.units).map(|place| kind(prng, place)).collect();
    let names: Vec<UnitName> = kinds.iter().enumerate().map(|(n, kind)| name(n, *kind)).collect();
    let services: Vec<UnitName> =
        names.iter().filter(|name| name.kind() == UnitKind::Service).cloned().collect();
    let mut specs = Vec::new();
    for (place, kind) in kinds.into_iter().enumerate() {
        let body = body(prng, kind, &services);
        let mut spec = Spec::new(names[place].clone(), body);
        relate(prng, options, &names, place, &mut spec);
        if prng.chance(20) {
            spec.conditions.push(condition(prng));
        }
        if prng.chance(30) {
            spec.start_limit = StartLimit { interval: Duration::ZERO, ..StartLimit::default() };
        }
        spec.stop_when_unneeded = prng.chance(5);
        spec.allow_isolate = prng.chance(20);
        specs.push(spec);
    }
    specs
}

fn name(place: usize, kind: UnitKind) -> UnitName {
    let letter = char::from(b'a' + u8::try_from(place % 26).expect("letters"));
    UnitName::new(&format!("{letter}.{}", kind.suffix())).expect("a good name")
}

fn kind(prng: &mut Prng, place: usize) -> UnitKind {
    match prng.below(100) {
        _ if place == 0 => UnitKind::Service,
        0..10 => UnitKind::Target,
        10..18 => UnitKind::Timer,
        18..26 => UnitKind::Socket,
        26..33 => UnitKind::Mount,
        _ => UnitKind::Service,
    }
}

fn body(prng: &mut Prng, kind: UnitKind, services: &[UnitName]) -> Body {
    let triggered = prng.pick(services).clone();
    match kind {
        UnitKind::Service => Body::Service(Box::new(service(prng))),
        UnitKind::Target => Body::Target,
        UnitKind::Timer => Body::Timer(Box::new(timer(prng, triggered))),
        UnitKind::Socket => Body::Socket(Box::new(Socket::new(triggered))),
        UnitKind::Mount => {
            let mut mount = Mount::new("/mnt");
            mount.timeout = seconds(prng, 1, 10);
            Body::Mount(Box::new(mount))
        }
    }
}

fn timer(prng: &mut Prng, unit: UnitName) -> Timer {
    let mut timer = Timer::new(unit);
    timer.accuracy = seconds(prng, 0, 10);
    timer.elapses.push(Elapse::Active(seconds(prng, 1, 20)));
    match prng.below(3) {
        0 => timer.elapses.push(Elapse::UnitActive(seconds(prng, 5, 60))),
        1 => timer.elapses.push(Elapse::UnitInactive(seconds(prng, 5, 60))),
        _ => timer.elapses.push(Elapse::Boot(seconds(prng, 5, 60))),
    }
    timer.randomized_delay = seconds(prng, 0, 3);
    timer.persistent = prng.chance(30);
    timer.on_clock_change = prng.chance(20);
    timer
}

/// Relations to earlier units mostly; where the seed allows it, ordering the other way as well.
fn relate(prng: &mut Prng, options: &Options, names: &[UnitName], place: usize, spec: &mut Spec) {
    for (other, unit) in names.iter().enumerate().filter(|(other, _)| *other != place) {
        let back = other < place;
        let mut add = |kind| spec.relations.push(Relation { kind, unit: unit.clone() });
        if back && prng.chance(35) {
            match prng.below(8) {
                0 | 1 => add(RelationKind::Wants),
                2 | 3 => add(RelationKind::Requires),
                4 | 5 => add(RelationKind::BindsTo),
                6 => add(RelationKind::PartOf),
                _ => add(RelationKind::Requisite),
            }
            if prng.chance(75) {
                add(RelationKind::After);
            }
        }
        if !back && prng.chance(options.cycles / 5) {
            add(RelationKind::After);
        }
        if prng.chance(4) {
            let rare = [
                RelationKind::Conflicts,
                RelationKind::Upholds,
                RelationKind::OnFailure,
                RelationKind::OnSuccess,
                RelationKind::PropagatesStopTo,
                RelationKind::StopPropagatedFrom,
                RelationKind::PropagatesReloadTo,
                RelationKind::PartOf,
            ];
            add(*prng.pick(&rare));
        }
    }
}

fn condition(prng: &mut Prng) -> Condition {
    Condition {
        test: ConditionTest::PathExists,
        argument: "/there".into(),
        negated: false,
        triggering: false,
        assertion: prng.chance(30),
    }
}

fn service(prng: &mut Prng) -> Service {
    let startup = startup(prng);
    let oneshot = startup == Startup::Oneshot;
    let mut service = Service { startup, ..Service::default() };
    service.commands.start = commands(prng, 1, if oneshot { 3 } else { 1 });
    service.commands.condition = commands(prng, 0, 1);
    service.commands.start_pre = commands(prng, 0, 2);
    service.commands.start_post = commands(prng, 0, 1);
    service.commands.reload = commands(prng, 0, 2);
    service.commands.stop = commands(prng, 0, 2);
    service.commands.stop_post = commands(prng, 0, 2);
    service.remain_after_exit = prng.chance(if oneshot { 50 } else { 5 });
    service.lives_with_group = !oneshot && prng.chance(5);
    service.restart = restart(prng, oneshot);
    service.timeouts = timeouts(prng, oneshot);
    service.stopping.mode = match prng.below(20) {
        0 => KillMode::Process,
        1 => KillMode::None,
        2..5 => KillMode::Mixed,
        _ => KillMode::Group,
    };
    service.stopping.send_hup = prng.chance(10);
    service.stopping.send_kill = !prng.chance(3);
    service.oom_policy =
        *prng.pick(&[OomPolicy::Stop, OomPolicy::Stop, OomPolicy::Continue, OomPolicy::Kill]);
    if !oneshot {
        service.probes = probes(prng);
    }
    if service.probes.startup.is_some() || service.probes.readiness.is_some() {
        // Their first tries alone take some seconds.
        service.timeouts.start = Some(seconds(prng, 10, 15));
    }
    service
}

fn startup(prng: &mut Prng) -> Startup {
    match prng.below(10) {
        0..3 => Startup::Simple,
        3 => Startup::Exec,
        4 => {
            let pid_file = prng.chance(60).then(|| "/run/pid".into());
            Startup::Forking { pid_file, guess: prng.chance(80) }
        }
        5 | 6 => Startup::Oneshot,
        7 => Startup::Notify,
        8 => Startup::NotifyReload { signal: Signal::HUP },
        _ => Startup::Idle,
    }
}

fn commands(prng: &mut Prng, least: usize, most: usize) -> List<Command> {
    let count = if prng.chance(30) { most } else { least };
    let command = |ignore_failure| Command {
        program: "/bin/program".into(),
        arguments: Vec::new(),
        ignore_failure,
        full_privileges: false,
        keep_user: false,
    };
    (0..count).map(|_| command(prng.chance(15))).collect()
}

fn restart(prng: &mut Prng, oneshot: bool) -> Restart {
    let policies = [
        RestartPolicy::No,
        RestartPolicy::Always,
        RestartPolicy::Always,
        RestartPolicy::OnFailure,
        RestartPolicy::OnAbnormal,
        RestartPolicy::OnAbort,
        RestartPolicy::OnSuccess,
        RestartPolicy::OnWatchdog,
    ];
    let mut restart = Restart { policy: *prng.pick(&policies), ..Restart::default() };
    if oneshot && matches!(restart.policy, RestartPolicy::Always | RestartPolicy::OnSuccess) {
        // It would be started again for ever, and nothing would ever settle.
        restart.policy = RestartPolicy::OnFailure;
    }
    restart.delay = Duration::from_millis(100 * u64::try_from(prng.below(10)).expect("small"));
    restart.delay_max = restart.delay + seconds(prng, 0, 8);
    restart.steps = u32::try_from(prng.below(6)).expect("small");
    restart.reset_after = seconds(prng, 1, 20);
    restart.direct = prng.chance(15);
    restart
}

fn timeouts(prng: &mut Prng, oneshot: bool) -> Timeouts {
    let mode = |prng: &mut Prng| {
        *prng.pick(&[
            TimeoutMode::Terminate,
            TimeoutMode::Terminate,
            TimeoutMode::Abort,
            TimeoutMode::Kill,
        ])
    };
    Timeouts {
        start: Some(seconds(prng, 1, 10)),
        stop: Some(seconds(prng, 1, 5)),
        abort: Some(seconds(prng, 1, 5)),
        runtime: (!oneshot && prng.chance(5)).then(|| seconds(prng, 20, 200)),
        watchdog: (!oneshot && prng.chance(15)).then(|| seconds(prng, 1, 5)),
        start_failure: mode(prng),
        stop_failure: mode(prng),
    }
}

fn probes(prng: &mut Prng) -> Probes {
    let mut some = |percent| {
        prng.chance(percent).then(|| {
            Box::new(Probe {
                action: ProbeAction::File { path: "/there".into() },
                initial_delay: seconds(prng, 0, 2),
                period: seconds(prng, 1, 4),
                timeout: Duration::from_secs(1),
                success_threshold: 1,
                failure_threshold: u32::try_from(1 + prng.below(3)).expect("small"),
            })
        })
    };
    Probes { readiness: some(12), liveness: some(12), startup: some(8) }
}

fn seconds(prng: &mut Prng, least: usize, most: usize) -> Duration {
    let tenths = least * 10 + prng.below((most - least) * 10 + 1);
    Duration::from_millis(100 * u64::try_from(tenths).expect("small"))
}
