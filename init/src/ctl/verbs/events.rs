//! `events`: what happens to units, as it happens.

use crate::ctl::failure::Failure;
use crate::ctl::parse::Parsed;
use crate::ctl::session::Session;
use crate::ctl::verb::{Completes, Flag, PLAIN, Verb, switch, valued};

pub(super) const VERBS: &[Verb] = &[Verb {
    name: "events",
    operands: "[UNIT…]",
    most: usize::MAX,
    completes: Completes::Units,
    summary: "print what happened to units, or follow it",
    details: "Each change of a unit's state with its cause, ends of processes, lack of memory, probes that change \
              their mind. Events are part of keelson's own log: they outlive a replacement of PID 1 and, with a \
              state partition, a reboot.",
    flags: &[
        switch("follow", Some('f'), "go on with what happens from now on"),
        valued("lines", Some('n'), "N", "only the last N events (10 with --follow)"),
        valued("since", Some('s'), "TIME", "from then on: 10min, 04:05, yesterday"),
        valued("until", Some('u'), "TIME", "up to then"),
        valued(
            "boot",
            Some('b'),
            "BOOT",
            "of an earlier boot: -1 is the one before this, or an id; all",
        ),
        Flag {
            completes: Completes::Words(&["text", "json"]),
            ..valued("output", Some('o'), "FORM", "text, or json (one object per line)")
        },
    ],
    examples: &[
        ("keelctl events -f", "watch the machine"),
        ("keelctl events web", "the story of one unit"),
    ],
    run: events,
    ..PLAIN
}];

fn events(session: &mut Session, parsed: &Parsed) -> Result<(), Failure> {
    super::logs::events(session, parsed)
}
