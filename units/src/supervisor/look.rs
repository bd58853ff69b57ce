//! What others get to see: status, explanations, the variables of commands.

use super::Supervisor;
use super::climb::Pulse;
use crate::evidence::Evidence;
use crate::limits::EXPLAIN_DEPTH_MAX;
use crate::note::StateName;
use crate::run::{ExitStatus, Phase, UnitId};
use crate::state::State;
use crate::text::signal;
use crate::unit::{Part, Unit};
use crate::view::UnitView;

impl Supervisor {
    pub(crate) fn look(&self, id: UnitId) -> Option<UnitView<'_>> {
        let unit = self.get(id)?;
        let evidence = unit.now.as_ref();
        let troubled = unit.held.is_some() || unit.history.fault.is_some();
        let waits = matches!(unit.state, State::Backoff { .. });
        let next_elapse = if waits { unit.state.until() } else { self.timer_due(unit) };
        Some(UnitView {
            id,
            name: &unit.spec.name,
            spec: &unit.spec,
            goal: unit.goal,
            state: unit.state.name(),
            since: unit.since,
            ready: unit.ready(),
            run: unit.run,
            main_pid: evidence.and_then(|now| now.main.pid()),
            restarts: unit.history.restarts,
            fault: troubled.then(|| self.explain(id)),
            status: evidence.and_then(|now| now.status.as_deref()),
            next_elapse,
            held_by: unit.held.and_then(|need| self.get(need)).map(|need| &need.spec.name),
            changed: unit.changed.is_some(),
        })
    }

    /// Why a unit is not up, with the path of needs that leads to the one at fault.
    pub(super) fn explain(&self, id: UnitId) -> Box<str> {
        let mut text = String::new();
        let mut at = id;
        for _ in 0..EXPLAIN_DEPTH_MAX {
            let Some(unit) = self.get(at) else { break };
            let Some(need) = unit.held else {
                if at == id {
                    text.push_str(&own_trouble(unit));
                } else {
                    text.push_str(&trouble(unit));
                }
                return text.into();
            };
            text.push_str("needs ");
            text.push_str(&self.name_of(at, need));
            text.push_str(", which ");
            if self.get(need).is_none() {
                text.push_str("is not defined");
                return text.into();
            }
            at = need;
        }
        text.push('…');
        text.into()
    }

    /// Why a unit goes down.
    pub(super) fn why(&self, id: UnitId) -> String {
        use crate::goal::Goal;
        let unit = self.unit(id);
        if let Some(fault) = unit.now.as_ref().and_then(|now| now.fault) {
            return fault.to_string();
        }
        if self.pulse(id) == Pulse::Finished {
            return "finished".into();
        }
        match (unit.goal, unit.held) {
            (_, Some(_)) => self.explain(id).into(),
            (Goal::Down, None) => "not wanted".into(),
            (Goal::Again, None) => "restart".into(),
            (Goal::Up, None) => "finished".into(),
        }
    }

    /// Variables of a process besides the unit's own (systemd.exec(5)).
    pub(super) fn variables(&self, id: UnitId, phase: Phase) -> Vec<(Box<str>, Box<str>)> {
        let unit = self.unit(id);
        let Some(evidence) = unit.now.as_ref() else { return Vec::new() };
        let mut variables = Vec::new();
        let mut set = |name: &str, value: String| variables.push((name.into(), value.into()));
        if phase == Phase::Start {
            let watchdog = unit.service().and_then(|service| service.timeouts.watchdog);
            if let Some(watchdog) = watchdog.filter(|watchdog| !watchdog.is_zero()) {
                set("WATCHDOG_USEC", watchdog.as_micros().to_string());
            }
        }
        if let Some(pid) = evidence.main.pid() {
            set("MAINPID", pid.to_string());
        }
        if let Part::Instance(serving) = &unit.part
            && !serving.peer.is_empty()
        {
            set("REMOTE_ADDR", serving.peer.to_string());
        }
        if matches!(phase, Phase::Stop | Phase::StopPost) {
            result_variables(evidence, set);
        }
        variables
    }
}

fn result_variables(evidence: &Evidence, mut set: impl FnMut(&str, String)) {
    let result = match evidence.fault {
        Some(fault) => fault.service_result(),
        None if evidence.declined => "exec-condition",
        None => "success",
    };
    set("SERVICE_RESULT", result.to_owned());
    let Some(status) = evidence.main.status() else { return };
    let (code, status) = match status {
        ExitStatus::Code(code) => ("exited", code.to_string()),
        ExitStatus::Signal { signal, core } => {
            let name = signal::name(signal);
            let name = name.strip_prefix("SIG").unwrap_or(&name).to_owned();
            (if core { "dumped" } else { "killed" }, name)
        }
        ExitStatus::Stage(fault) => ("exited", fault.step.exit_code().to_string()),
        ExitStatus::Lost => return,
    };
    set("EXIT_CODE", code.to_owned());
    set("EXIT_STATUS", status);
}

fn own_trouble(unit: &Unit) -> String {
    match unit.history.fault {
        Some(fault) => fault.to_string(),
        None => trouble(unit),
    }
}

/// What is the matter with a unit, as the end of a sentence about it.
fn trouble(unit: &Unit) -> String {
    let fault = unit.history.fault.map(|fault| format!("failed: {fault}"));
    match unit.state.name() {
        StateName::Failed | StateName::Backoff => fault.unwrap_or_else(|| "failed".into()),
        StateName::Down if unit.pinned => "was stopped".into(),
        StateName::Down | StateName::Skipped => fault.unwrap_or_else(|| "is not up".into()),
        StateName::Waiting => "waits".into(),
        StateName::Starting => "is not up yet".into(),
        StateName::Stopping => "is going down".into(),
        StateName::Up | StateName::Reloading => "is not ready".into(),
    }
}
