//! Limits changed while a unit runs (`keelctl set`), until its files are read again.

use units::UnitName;
use units::action::Answer;
use units::run::Run;

use crate::node::Node;
use crate::node::action::{Action, Outbox};
use crate::node::api::{Question, reply};
use crate::wire::response::RefusalKind;
use crate::wire::{Limits, Response};
use units::resources::Resources;

impl Node {
    pub(super) fn on_set_limits(
        &mut self,
        question: Question,
        name: &UnitName,
        limits: &Limits,
        out: &mut Outbox,
    ) {
        let id = self.supervisor.id(name);
        let unit = id.and_then(|id| self.supervisor.view().unit(id));
        let Some(unit) = unit else { return reply(question, self.unknown(name), out) };
        let Some(service) = unit.spec.service().filter(|_| unit.main_pid.is_some()) else {
            let text = format!("unit {} has no running processes to limit", name.short());
            return reply(question, Response::refused(RefusalKind::NotApplicable, text), out);
        };
        let mut resources = Resources::clone(&service.resources);
        change(&mut resources, limits);
        let run = Run { unit: unit.id, number: unit.run };
        out.push(Action::SetLimits { run, resources: Box::new(resources) });
        reply(question, Response::Done(Answer::Ok), out);
    }
}

fn change(resources: &mut Resources, limits: &Limits) {
    let Limits {
        memory_min,
        memory_low,
        memory_high,
        memory_max,
        memory_swap_max,
        cpu_quota_us_per_s,
        cpu_weight,
        io_weight,
        tasks_max,
    } = limits;
    let set = |to: &mut Option<_>, from: &Option<_>| *to = from.or(*to);
    set(&mut resources.memory_min, memory_min);
    set(&mut resources.memory_low, memory_low);
    set(&mut resources.memory_high, memory_high);
    set(&mut resources.memory_max, memory_max);
    set(&mut resources.memory_swap_max, memory_swap_max);
    set(&mut resources.tasks_max, tasks_max);
    resources.cpu_quota_us_per_s = match cpu_quota_us_per_s {
        Some(0) => None,
        other => other.or(resources.cpu_quota_us_per_s),
    };
    resources.cpu_weight = cpu_weight.or(resources.cpu_weight);
    resources.io_weight = io_weight.or(resources.io_weight);
}
