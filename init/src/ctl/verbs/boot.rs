//! `boot-chart`: how the boot went.

use crate::ctl::chart;
use crate::ctl::failure::{Code, Failure};
use crate::ctl::parse::Parsed;
use crate::ctl::session::{Session, unexpected};
use crate::ctl::verb::{Completes, Flag, JSON, PLAIN, Verb, valued};
use crate::wire::{Request, Response};

pub(super) const VERBS: &[Verb] = &[Verb {
    name: "boot-chart",
    summary: "draw what ran when while the machine booted",
    details: "A picture (SVG) of the steps of early boot and of every unit: how long it waited, how long it took to \
              start. At a terminal, and without --output, a table instead.",
    flags: &[
        Flag {
            completes: Completes::Files,
            ..valued("output", Some('o'), "FILE", "write the picture there")
        },
        JSON,
    ],
    examples: &[("keelctl boot-chart -o boot.svg", "look at it with a browser")],
    run: boot_chart,
    ..PLAIN
}];

fn boot_chart(session: &mut Session, parsed: &Parsed) -> Result<(), Failure> {
    let boot = match session.ask(&Request::BootChart)? {
        Response::BootChart(chart) => *chart,
        other => return Err(unexpected(&other)),
    };
    if parsed.has("json") {
        return session.print_json(&boot);
    }
    let name = session.machine()?.name;
    match parsed.value("output") {
        Some(path) => {
            std::fs::write(path, chart::svg(&name, &boot)).map_err(|error| {
                Failure::new(Code::Failed, format!("cannot write {path}: {error}"))
            })?;
            session.print(&format!("{}\nthe picture is in {path}\n", chart::headline(&name, &boot)))
        }
        None if session.is_terminal() => {
            let paint = session.paint;
            let dim = |text: &str| paint.dim(text);
            session.print(&chart::text(&name, &boot, session.columns(), &dim))
        }
        None => session.print(&chart::svg(&name, &boot)),
    }
}
