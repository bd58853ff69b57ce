//! `version`, `help`, `completions`.

use crate::ctl::failure::{Code, Failure};
use crate::ctl::parse::Parsed;
use crate::ctl::session::{Session, unexpected};
use crate::ctl::verb::{self, Completes, Family, JSON, PLAIN, Verb};
use crate::ctl::{completion, help};
use crate::wire::{Request, Response};

const ITSELF: Verb = Verb { family: Family::Itself, ..PLAIN };

pub(super) const VERBS: &[Verb] = &[
    Verb {
        name: "help",
        operands: "[VERB]",
        most: 2,
        summary: "list the verbs, or explain one",
        examples: &[("keelctl help logs", "everything that `logs` can do")],
        run: explain,
        ..ITSELF
    },
    Verb {
        name: "version",
        summary: "print the versions of keelctl and of the running keelson",
        flags: &[JSON],
        run: version,
        ..ITSELF
    },
    Verb {
        name: "completions",
        operands: "SHELL",
        least: 1,
        most: 1,
        completes: Completes::Words(completion::SHELLS),
        summary: "print the completions for bash, zsh or fish",
        examples: &[(
            "keelctl completions bash",
            "source this, or put it into /etc/bash_completion.d",
        )],
        run: completions,
        ..ITSELF
    },
];

fn explain(session: &mut Session, parsed: &Parsed) -> Result<(), Failure> {
    if parsed.operands.is_empty() {
        return session.print(&help::overview(&session.paint));
    }
    let name = parsed.operands.join(" ");
    match verb::find(&name) {
        Some(verb) => session.print(&help::explain(verb, &session.paint)),
        None => Err(Failure::usage(format!("`{name}` is no verb of keelctl"))
            .advise("`keelctl help` lists the verbs")),
    }
}

fn version(session: &mut Session, parsed: &Parsed) -> Result<(), Failure> {
    let own = env!("CARGO_PKG_VERSION");
    let running = match session.ask(&Request::Version) {
        Ok(Response::Version(version)) => Some(version),
        Ok(other) => return Err(unexpected(&other)),
        // On another machine there is nothing running, and that is no failure of this verb.
        Err(failure) if failure.code == Code::NotHere => None,
        Err(failure) => return Err(failure),
    };
    if parsed.has("json") {
        return session.print_json(&serde_json::json!({"keelctl": own, "running": running}));
    }
    let mut text = format!("keelctl {own}\n");
    if let Some(version) = running {
        text += &format!(
            "keelson {} ({}) on Linux {}\nreplaced {} times since boot, {} of them after a fault\n",
            version.keelson, version.build, version.kernel, version.reexecs, version.faults
        );
    }
    session.print(&text)
}

fn completions(session: &mut Session, parsed: &Parsed) -> Result<(), Failure> {
    let shell = &parsed.operands[0];
    match completion::script(shell) {
        Some(script) => session.print(&script),
        None => Err(Failure::usage(format!("there are no completions for {shell:?}"))
            .advise("there are for bash, zsh and fish")),
    }
}
