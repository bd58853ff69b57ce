//! The boot as a picture (SVG) and as text: what ran when, and what the machine waited for.

use std::collections::BTreeMap;
use std::fmt::Write;

use units::UnitName;
use units::note::StateName;

use super::human::exact_span;
use super::table::Table;
use crate::wire::{BootChart, Transition};

/// Widths and heights, in the picture's own pixels.
const LABEL_WIDTH: u64 = 190;
const BARS_WIDTH: u64 = 760;
const ROW: u64 = 20;
const BAR: u64 = 13;
const TOP: u64 = 92;
const MARGIN: u64 = 20;

/// One stretch of a bar.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Stretch {
    from_us: u64,
    to_us: u64,
    phase: Phase,
}

/// What a stretch of a bar means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Step,
    Waiting,
    Starting,
    Up,
    Stopping,
    Failed,
}

impl Phase {
    const LEGEND: [(Phase, &'static str); 5] = [
        (Phase::Step, "early boot"),
        (Phase::Waiting, "waiting"),
        (Phase::Starting, "starting"),
        (Phase::Up, "up"),
        (Phase::Failed, "failed"),
    ];

    fn of(state: StateName) -> Option<Phase> {
        match state {
            StateName::Waiting => Some(Phase::Waiting),
            StateName::Starting | StateName::Reloading => Some(Phase::Starting),
            StateName::Up => Some(Phase::Up),
            StateName::Stopping => Some(Phase::Stopping),
            StateName::Failed | StateName::Backoff => Some(Phase::Failed),
            StateName::Down | StateName::Skipped => None,
        }
    }

    fn colour(self) -> &'static str {
        match self {
            Phase::Step => "#5b7fb5",
            Phase::Waiting => "#dfe3e8",
            Phase::Starting => "#f0a63a",
            Phase::Up => "#58a868",
            Phase::Stopping => "#a08fc0",
            Phase::Failed => "#d1495b",
        }
    }
}

/// One line of the chart.
#[derive(Debug)]
struct Bar {
    label: String,
    stretches: Vec<Stretch>,
    /// How long it took, and what came of it.
    note: String,
}

/// Where the chart ends: when the boot was done, or with the last change.
fn end_us(chart: &BootChart) -> u64 {
    let steps = chart.steps.iter().map(|step| step.start_us + step.took_us).max();
    let changes = chart.transitions.iter().map(|change| change.at_us).max();
    chart.done_us.or(changes).or(steps).unwrap_or(0).max(1)
}

fn step_bars(chart: &BootChart) -> Vec<Bar> {
    let kernel = Bar {
        label: "kernel".to_owned(),
        stretches: vec![Stretch { from_us: 0, to_us: chart.init_us, phase: Phase::Step }],
        note: exact_span(chart.init_us),
    };
    let steps = chart.steps.iter().map(|step| {
        let phase = if step.fault.is_empty() { Phase::Step } else { Phase::Failed };
        let to_us = step.start_us + step.took_us;
        let note = match step.fault.as_str() {
            "" => exact_span(step.took_us),
            fault => format!("{}: {fault}", exact_span(step.took_us)),
        };
        Bar {
            label: step.name.clone(),
            stretches: vec![Stretch { from_us: step.start_us, to_us, phase }],
            note,
        }
    });
    std::iter::once(kernel).chain(steps).collect()
}

fn unit_bars(chart: &BootChart) -> Vec<Bar> {
    let end = end_us(chart);
    let mut by_unit: BTreeMap<&UnitName, Vec<&Transition>> = BTreeMap::new();
    for change in chart.transitions.iter().filter(|change| change.at_us <= end) {
        by_unit.entry(&change.unit).or_default().push(change);
    }
    let mut bars: Vec<Bar> =
        by_unit.into_iter().filter_map(|(unit, changes)| unit_bar(unit, &changes, end)).collect();
    bars.sort_by_key(|bar| {
        let up = bar.stretches.iter().find(|stretch| stretch.phase == Phase::Up);
        (bar.stretches.first().map(|s| s.from_us), up.map(|s| s.from_us), bar.label.clone())
    });
    bars
}

fn unit_bar(unit: &UnitName, changes: &[&Transition], end_us: u64) -> Option<Bar> {
    let mut stretches = Vec::new();
    for (index, change) in changes.iter().enumerate() {
        let to_us = changes.get(index + 1).map_or(end_us, |next| next.at_us);
        if let Some(phase) = Phase::of(change.to) {
            stretches.push(Stretch { from_us: change.at_us, to_us, phase });
        }
    }
    let began = stretches.iter().find(|s| s.phase == Phase::Starting).or(stretches.first())?;
    let up = stretches.iter().find(|stretch| stretch.phase == Phase::Up);
    let took = |to_us: u64| exact_span(to_us.saturating_sub(began.from_us));
    let last = changes.last()?;
    let note = match (up, last.to) {
        (_, StateName::Failed | StateName::Backoff) => "failed".to_owned(),
        (Some(up), _) => took(up.from_us),
        // A one-shot that did its work is not up after it.
        (None, StateName::Down) => took(last.at_us),
        (None, StateName::Skipped) => "skipped".to_owned(),
        (None, _) => "not up yet".to_owned(),
    };
    Some(Bar { label: unit.short().to_owned(), stretches, note })
}

/// The boot in one sentence.
pub(crate) fn headline(host: &str, chart: &BootChart) -> String {
    let kernel = exact_span(chart.init_us);
    match chart.done_us {
        Some(done_us) => {
            let units = exact_span(done_us.saturating_sub(chart.init_us));
            format!(
                "{host} booted in {}: kernel {kernel}, keelson and units {units}",
                exact_span(done_us)
            )
        }
        None => format!("{host} is still booting: kernel {kernel}"),
    }
}

/// The chart as text.
pub(crate) fn text(
    host: &str,
    chart: &BootChart,
    columns: usize,
    dim: &dyn Fn(&str) -> String,
) -> String {
    let mut table = Table::new(&[">AT", "WHAT", ">TOOK"]);
    for bar in step_bars(chart).into_iter().chain(unit_bars(chart)) {
        let at = bar.stretches.first().map_or(0, |stretch| stretch.from_us);
        table.row(vec![exact_span(at), bar.label, bar.note]);
    }
    format!("{}\n\n{}", headline(host, chart), table.render(columns, dim))
}

/// The chart as a picture.
pub(crate) fn svg(host: &str, chart: &BootChart) -> String {
    let (steps, units) = (step_bars(chart), unit_bars(chart));
    let rows = (steps.len() + units.len()) as u64 + 1;
    let height = TOP + rows * ROW + MARGIN;
    let width = LABEL_WIDTH + BARS_WIDTH + 2 * MARGIN;
    let scale = Scale::new(end_us(chart));
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
         viewBox=\"0 0 {width} {height}\" font-family=\"system-ui, sans-serif\" font-size=\"12\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n"
    );
    let title = escape(&headline(host, chart));
    let _ = writeln!(
        svg,
        "<text x=\"{MARGIN}\" y=\"30\" font-size=\"16\" font-weight=\"600\" fill=\"#1d2530\">{title}</text>"
    );
    legend(&mut svg);
    axis(&scale, TOP + rows * ROW, &mut svg);
    let mut y = TOP;
    for bar in &steps {
        draw(bar, y, &scale, &mut svg);
        y += ROW;
    }
    y += ROW;
    for bar in &units {
        draw(bar, y, &scale, &mut svg);
        y += ROW;
    }
    svg += "</svg>\n";
    svg
}

/// From microseconds to pixels.
struct Scale {
    end_us: u64,
    tick_us: u64,
}

impl Scale {
    fn new(end_us: u64) -> Scale {
        // The round number that gives five to twelve marks.
        let mut tick_us = 1;
        while end_us / tick_us > 12 {
            let leading = tick_us.to_string().starts_with('2');
            tick_us = if leading { tick_us / 2 * 5 } else { tick_us * 2 };
        }
        Scale { end_us, tick_us }
    }

    /// In hundredths of a pixel, so that short stretches do not vanish.
    fn hundredths(&self, at_us: u64) -> u64 {
        let bars = u128::from(BARS_WIDTH) * 100;
        let offset = u128::from(at_us.min(self.end_us)) * bars / u128::from(self.end_us);
        (LABEL_WIDTH + MARGIN) * 100 + u64::try_from(offset).unwrap_or(0)
    }

    fn x(&self, at_us: u64) -> String {
        pixels(self.hundredths(at_us))
    }
}

fn pixels(hundredths: u64) -> String {
    format!("{}.{:02}", hundredths / 100, hundredths % 100)
}

fn legend(svg: &mut String) {
    let mut x = MARGIN;
    for (phase, word) in Phase::LEGEND {
        let _ = writeln!(
            svg,
            "<rect x=\"{x}\" y=\"42\" width=\"12\" height=\"12\" rx=\"2\" fill=\"{}\"/>\
             <text x=\"{}\" y=\"52\" fill=\"#5a6472\">{word}</text>",
            phase.colour(),
            x + 17
        );
        x += 32 + 7 * word.len() as u64;
    }
}

fn axis(scale: &Scale, bottom: u64, svg: &mut String) {
    for at_us in (0..=scale.end_us).step_by(usize::try_from(scale.tick_us).unwrap_or(usize::MAX)) {
        let x = scale.x(at_us);
        let _ = writeln!(
            svg,
            "<line x1=\"{x}\" y1=\"{}\" x2=\"{x}\" y2=\"{bottom}\" stroke=\"#eceff3\"/>\
             <text x=\"{x}\" y=\"{}\" fill=\"#8a94a3\" text-anchor=\"middle\">{}</text>",
            TOP - 6,
            TOP - 12,
            tick_label(at_us)
        );
    }
}

/// `0`, `50 ms`, `1.5 s`.
fn tick_label(at_us: u64) -> String {
    match at_us {
        0 => "0".to_owned(),
        1..1_000 => format!("{at_us} µs"),
        1_000..1_000_000 => format!("{} ms", at_us / 1_000),
        _ if at_us.is_multiple_of(1_000_000) => format!("{} s", at_us / 1_000_000),
        _ => format!("{}.{} s", at_us / 1_000_000, at_us % 1_000_000 / 100_000),
    }
}

fn draw(bar: &Bar, y: u64, scale: &Scale, svg: &mut String) {
    let _ = writeln!(
        svg,
        "<text x=\"{}\" y=\"{}\" fill=\"#1d2530\" text-anchor=\"end\">{}</text>",
        LABEL_WIDTH + MARGIN - 8,
        y + BAR - 2,
        escape(&super::paint::shorten(&bar.label, 28))
    );
    // The shortest stretch that can be seen.
    const HUNDREDTHS_MIN: u64 = 150;
    let mut first = None;
    let mut last = 0;
    for stretch in &bar.stretches {
        let (from, to) = (scale.hundredths(stretch.from_us), scale.hundredths(stretch.to_us));
        let width = (to - from).max(HUNDREDTHS_MIN);
        let _ = writeln!(
            svg,
            "<rect x=\"{}\" y=\"{y}\" width=\"{}\" height=\"{BAR}\" rx=\"2\" fill=\"{}\"/>",
            pixels(from),
            pixels(width),
            stretch.phase.colour()
        );
        first.get_or_insert(from);
        last = last.max(from + width);
    }
    note(&bar.note, first.unwrap_or(0), last, y, svg);
}

/// The note stands behind the bar, or before it where there is no room behind.
fn note(text: &str, first: u64, last: u64, y: u64, svg: &mut String) {
    let room = (LABEL_WIDTH + BARS_WIDTH + 2 * MARGIN) * 100;
    let needed = 700 * text.chars().count() as u64;
    let behind = last + 600 + needed < room;
    let before = first > (LABEL_WIDTH + MARGIN) * 100 + needed + 600;
    let (x, anchor, colour) = match (behind, before) {
        (true, _) => (last + 600, "start", "#5a6472"),
        (false, true) => (first - 600, "end", "#5a6472"),
        (false, false) => (last - 600, "end", "#ffffff"),
    };
    let _ = writeln!(
        svg,
        "<text x=\"{}\" y=\"{}\" font-size=\"11\" fill=\"{colour}\" text-anchor=\"{anchor}\">{}</text>",
        pixels(x),
        y + BAR - 2,
        escape(text)
    );
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::BootStep;

    pub(crate) fn sample() -> BootChart {
        let step = |name: &str, start_us, took_us, fault: &str| BootStep {
            name: name.into(),
            start_us,
            took_us,
            fault: fault.into(),
        };
        let mut transitions = Vec::new();
        let mut unit = |name: &str, changes: &[(u64, StateName)]| {
            for &(at_us, to) in changes {
                let unit = UnitName::from_typed(name).unwrap();
                transitions.push(Transition { unit, at_us, to });
            }
        };
        use StateName::*;
        unit("coldplug", &[(640_000, Starting), (810_000, Up)]);
        unit("state", &[(640_000, Starting), (905_000, Up)]);
        unit("network", &[(641_000, Waiting), (830_000, Starting), (1_240_000, Up)]);
        unit("cache", &[(642_000, Waiting), (910_000, Starting), (1_020_000, Up)]);
        unit("web", &[(642_000, Waiting), (1_022_000, Starting), (1_190_000, Up)]);
        unit("broken", &[(642_000, Waiting), (912_000, Starting), (950_000, Failed)]);
        unit(
            "seed",
            &[(642_000, Waiting), (700_000, Starting), (799_000, Stopping), (800_000, Down)],
        );
        unit("unmet", &[(642_000, Waiting), (700_000, Starting), (701_000, Skipped)]);
        unit("late", &[(642_000, Waiting), (1_100_000, Starting)]);
        unit("multi-user.target", &[(642_000, Waiting), (1_242_000, Up)]);
        transitions.sort_by_key(|change| change.at_us);
        BootChart {
            init_us: 612_000,
            steps: vec![
                step("mounts", 612_400, 3_100, ""),
                step("root", 615_600, 8_200, ""),
                step("clock", 623_900, 600, "no clock device; time is from the build"),
            ],
            transitions,
            done_us: Some(1_242_000),
        }
    }

    #[test]
    fn the_chart_as_text() {
        let text = text("demo", &sample(), 100, &str::to_owned);
        assert!(
            text.starts_with(
                "demo booted in 1.242 s: kernel 612.0 ms, keelson and units 630.0 ms\n"
            )
        );
        assert!(text.contains("network            410.0 ms\n"), "{text}");
        let of = |name: &str| text.lines().find(|line| line.contains(name)).unwrap_or_default();
        for (name, note) in [
            ("broken", "failed"),
            ("unmet", "skipped"),
            ("late", "not up yet"),
            ("seed", "100.0 ms"),
        ] {
            assert!(of(name).ends_with(note), "{text}");
        }
    }

    #[test]
    fn the_picture_is_whole() {
        let svg = svg("a<b", &sample());
        assert_eq!(svg.matches("<svg").count(), svg.matches("</svg>").count());
        assert!(svg.contains("a&lt;b booted"));
        assert_eq!(svg.matches('<').count(), svg.matches('>').count());
        if let Some(path) = std::env::var_os("CHART") {
            std::fs::write(path, super::svg("demo", &sample())).unwrap();
        }
    }
}
