//! Services: what systemd.service(5) says follows from what.

use std::time::Duration;

use super::{HearWhole, error, finish_execution, finish_stopping};
use crate::diagnostic::Code;
use crate::draft::{Draft, StartupWord};
use crate::limits::{BACKOFF_MAX, PHASE_TIMEOUT};
use crate::service::{
    Commands, NotifyAccess, OomPolicy, Restart, RestartPolicy, Service, Startup, Timeouts,
};

pub(super) fn finish(mut draft: Draft, hear: &mut HearWhole<'_>) -> Service {
    let word = draft.startup.unwrap_or_else(|| default_word(&draft));
    check_commands(&draft, word, hear);
    let execution = finish_execution(&mut draft);
    let stopping = finish_stopping(&draft);
    let timeouts = timeouts(&draft, word);
    let restart = restart(&draft);
    let notify_access = notify_access(&draft, word);
    let startup = startup(&mut draft, word);
    // Who rules a subtree of its own deals with kills in it as well.
    let oom_policy =
        if draft.resources.delegate { OomPolicy::Continue } else { OomPolicy::default() };
    let oom_policy = draft.oom_policy.unwrap_or(oom_policy);
    draft.resources.oom_group = oom_policy == OomPolicy::Kill;
    let mut service = draft.service;
    finish_commands(&mut service.commands, draft.permissions_start_only);
    service.sockets.shrink_to_fit();
    Service {
        startup,
        timeouts,
        restart,
        notify_access,
        stopping,
        execution: execution.into(),
        oom_policy,
        resources: draft.resources.into(),
        container: draft.container,
        ..service
    }
}

fn default_word(draft: &Draft) -> StartupWord {
    let runs = !draft.service.commands.start.is_empty() || draft.command_optional;
    if runs { StartupWord::Simple } else { StartupWord::Oneshot }
}

fn startup(draft: &mut Draft, word: StartupWord) -> Startup {
    match word {
        StartupWord::Simple => Startup::Simple,
        StartupWord::Exec => Startup::Exec,
        StartupWord::Forking => {
            Startup::Forking { pid_file: draft.pid_file.take(), guess: draft.guess_main_pid }
        }
        StartupWord::Oneshot => Startup::Oneshot,
        StartupWord::Notify => Startup::Notify,
        StartupWord::NotifyReload => Startup::NotifyReload { signal: draft.reload_signal },
        StartupWord::Idle => Startup::Idle,
    }
}

fn check_commands(draft: &Draft, word: StartupWord, hear: &mut HearWhole<'_>) {
    let commands = &draft.service.commands;
    let oneshot = word == StartupWord::Oneshot;
    if commands.start.is_empty() && !draft.command_optional {
        check_without_start(draft, oneshot, hear);
    }
    if commands.start.len() > 1 && !oneshot {
        let advice = "make it `Type=oneshot`, or put what comes first into `ExecStartPre=`; in a \
                      drop-in, empty the list first with `ExecStart=`";
        error(hear, Code::Contradiction, "more than one `ExecStart=`", advice);
    }
    let policy = draft.service.restart.policy;
    if oneshot && matches!(policy, RestartPolicy::Always | RestartPolicy::OnSuccess) {
        let message = "a one-shot service cannot be restarted after it ended well";
        error(hear, Code::Contradiction, message, "use `Restart=on-failure`, or a timer");
    }
}

fn check_without_start(draft: &Draft, oneshot: bool, hear: &mut HearWhole<'_>) {
    let no_stop = draft.service.commands.stop.is_empty();
    if no_stop && draft.spec.success_action == crate::spec::PowerAction::None {
        let advice = "say what is to run: `ExecStart=/path/to/program`";
        error(hear, Code::Missing, "the service has no `ExecStart=`", advice);
    } else if !oneshot {
        let advice = "only `Type=oneshot` can do without";
        error(hear, Code::Missing, "the service has no `ExecStart=`", advice);
    } else if !no_stop && !draft.service.remain_after_exit {
        let advice = "add `RemainAfterExit=yes`";
        error(hear, Code::Missing, "a service without `ExecStart=` is over at once", advice);
    }
}

fn timeouts(draft: &Draft, word: StartupWord) -> Timeouts {
    // What a one-shot service does is its start: by default nobody can say how long that takes.
    let unset = if word == StartupWord::Oneshot { None } else { Some(PHASE_TIMEOUT) };
    let stop = draft.service.timeouts.stop;
    Timeouts {
        start: draft.timeout_start.unwrap_or(unset),
        abort: draft.timeout_abort.unwrap_or(stop),
        ..draft.service.timeouts
    }
}

/// Without steps the wait does not grow; with steps and no longest wait, ours is the longest.
fn restart(draft: &Draft) -> Restart {
    let delay = draft.restart_delay;
    let restart = draft.service.restart.clone();
    let longest = match (restart.steps, draft.restart_delay_max) {
        (0, _) => delay,
        (_, Some(longest)) => longest.max(delay),
        (_, None) => Duration::max(BACKOFF_MAX, delay),
    };
    Restart { delay, delay_max: longest, ..restart }
}

/// Who is expected to speak may speak.
fn notify_access(draft: &Draft, word: StartupWord) -> NotifyAccess {
    let expected = matches!(word, StartupWord::Notify | StartupWord::NotifyReload)
        || draft.service.timeouts.watchdog.is_some()
        || draft.service.descriptors_max > 0;
    match (draft.notify_access, expected) {
        (None | Some(NotifyAccess::None), true) => NotifyAccess::Main,
        (access, _) => access.unwrap_or_default(),
    }
}

fn finish_commands(commands: &mut Commands, permissions_start_only: bool) {
    let others = [
        &mut commands.condition,
        &mut commands.start_pre,
        &mut commands.start_post,
        &mut commands.reload,
        &mut commands.stop,
        &mut commands.stop_post,
    ];
    for list in others {
        list.shrink_to_fit();
        for command in list.iter_mut() {
            command.arguments.shrink_to_fit();
            command.keep_user |= permissions_start_only;
        }
    }
    commands.start.shrink_to_fit();
    commands.start.iter_mut().for_each(|command| command.arguments.shrink_to_fit());
}
