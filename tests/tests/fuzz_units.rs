//! Hostile unit files: nothing of what a file says may make the parser panic or grow without end.

use tests::fuzz::{Random, run};
use tests::oracle::inputs;
use units::calendar::Calendar;
use units::text::{command, escape, lines, size, specifier, timespan, words};
use units::{Facts, LoadOptions, SourceFile, UnitName, check, load};

/// Enough to be worth it, few enough for every run.
const ITERATIONS: u64 = 800;

/// Where a run begins, and how many times longer it is: `FUZZ_SEED`, `FUZZ_FACTOR`.
fn from_environment(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

/// Runs `parse` on mutations of the seeds.
fn fuzz<S: AsRef<[u8]>>(seeds: &[S], iterations: u64, parse: impl FnMut(&[u8])) {
    let iterations = iterations * from_environment("FUZZ_FACTOR", 1);
    run(seeds, iterations, from_environment("FUZZ_SEED", 7), parse);
}

/// A file of a few hundred bytes must not become megabytes.
const OUTPUT_BYTES_PER_INPUT_BYTE: usize = 2_000;

const SYSTEMD: &[&str] = &[
    include_str!("../fuzz/service.txt"),
    include_str!("../fuzz/other.txt"),
    include_str!("../fuzz/sandbox.txt"),
];

fn load_one(path: &str, bytes: &[u8]) {
    let files = [
        SourceFile::regular(path, bytes),
        SourceFile::regular("/etc/systemd/system/other.service", b"[Service]\nExecStart=/o\n"),
        SourceFile::regular("/etc/systemd/system/t@.service", b"[Service]\nExecStart=/t %i\n"),
    ];
    let options = LoadOptions::default();
    let loaded = load(&files, &options);
    let said: usize = loaded.diagnostics.iter().map(|d| d.render(true).len()).sum();
    let specs = format!("{:?}", loaded.specs).len();
    let bound = 100_000 + OUTPUT_BYTES_PER_INPUT_BYTE * bytes.len();
    assert!(said + specs <= bound, "{} bytes became {said} and {specs}", bytes.len());
    assert_eq!(loaded, load(&files, &options), "the same files gave something else");
    let _ = check(&files, &options); // only that it returns
}

#[test]
fn systemd_files() {
    for (path, text) in [
        ("/etc/systemd/system/fuzz.service", 0),
        ("/etc/systemd/system/fuzz@x.service", 0),
        ("/etc/systemd/system/fuzz.socket", 1),
        ("/etc/systemd/system/fuzz.timer", 1),
        ("/etc/systemd/system/srv-x.mount", 1),
        ("/etc/systemd/system/other.service.d/fuzz.conf", 2),
    ] {
        let seeds = [SYSTEMD[text], SYSTEMD[2]];
        fuzz(&seeds, ITERATIONS / 4, |bytes| load_one(path, bytes));
    }
}

#[test]
fn our_own_files() {
    let examples: Vec<Vec<u8>> = examples().into_iter().map(|(_, bytes)| bytes).collect();
    for path in ["/etc/keelson/units/fuzz.toml", "/etc/keelson/units/fuzz@.toml"] {
        fuzz(&examples, ITERATIONS / 2, |bytes| load_one(path, bytes));
    }
}

/// The examples of the documentation are the best seeds.
fn examples() -> Vec<(String, Vec<u8>)> {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/../units/examples");
    let entries = std::fs::read_dir(directory).expect("the examples are part of the source");
    let mut examples: Vec<(String, Vec<u8>)> = entries
        .map(|entry| entry.expect("a readable directory").path())
        .map(|path| (path.display().to_string(), std::fs::read(&path).expect("a readable file")))
        .collect();
    examples.sort();
    examples
}

#[test]
fn names_and_links() {
    let seeds = [
        "a.service b.service",
        "/etc/systemd/system/a@.service ../b@.service",
        "/etc/systemd/system/x.target.wants/a.service /dev/null",
        "/etc/systemd/system/-.mount.d/a-.conf a-b-.service",
    ];
    fuzz(&seeds, ITERATIONS, |bytes| {
        let text = String::from_utf8_lossy(bytes);
        let mut files = Vec::new();
        for line in text.lines().take(64) {
            let (path, target) = line.split_once(' ').unwrap_or((line, ""));
            files.push(SourceFile::regular(path, b"[Service]\nExecStart=/a\n"));
            files.push(SourceFile::symlink(&format!("/etc/systemd/system/{path}"), target));
        }
        let _ = load(&files, &LoadOptions::default()); // only that it returns
        if let Ok(name) = UnitName::from_typed(&text) {
            assert_eq!(UnitName::new(name.as_str()).as_ref(), Ok(&name));
        }
        if let Some(plain) = escape::unescape(&text) {
            assert_eq!(escape::unescape(&escape::escape(&plain)).as_deref(), Some(plain.as_str()));
        }
    });
}

#[test]
fn calendar_expressions() {
    let seeds: Vec<&str> = inputs(include_str!("../oracles/calendar.txt")).collect();
    let mut random = Random::new(7);
    fuzz(&seeds, ITERATIONS * 4, |bytes| {
        let text = String::from_utf8_lossy(bytes);
        let Ok(calendar) = Calendar::parse(&text) else { return };
        let normal = calendar.to_string();
        assert_eq!(Calendar::parse(&normal).as_ref(), Ok(&calendar), "{text} → {normal}");
        let from = i64::try_from(random.below(4_000_000_000)).expect("small") * 1_000_000;
        let offset_s = i32::try_from(random.below(100_000)).expect("small") - 50_000;
        if let Some(next) = calendar.next_after(from, offset_s) {
            assert!(next > from, "{normal} after {from} is {next}");
        }
    });
}

#[test]
fn small_grammars() {
    let spans = inputs(include_str!("../oracles/timespan.txt"));
    let commands = [
        "-/bin/sh -c 'a \"b\" $C ${D}' ; +/x \\; y",
        "@/bin/a \"\\x41\\u00e4\\101\" %i %% $$",
        "!!:name 'x' \\\n\t\"y\"",
    ];
    let seeds: Vec<&str> = spans.chain(commands).chain(["1.5G 3M", "12.5%", "%n%i%f%J"]).collect();
    let unit = UnitName::new("a-b@c\\x2dd.service").expect("a good name");
    let facts = Facts::default();
    fuzz(&seeds, ITERATIONS * 4, |bytes| {
        let text = String::from_utf8_lossy(bytes);
        if let Ok(us) = timespan::parse_us(&text, 1_000_000) {
            let _ = timespan::format_us(us); // only that it returns
        }
        let _ = size::parse_amount(&text); // only that it returns
        let scope = specifier::Scope { unit: &unit, facts: &facts, file: "/x" };
        let _ = specifier::expand(&text, &scope, &mut Vec::new()); // only that it returns
        let _ = words::split(&text, words::Escapes::Decode); // only that it returns
        if let Ok(commands) = command::parse(&text, &mut |word| Ok(word.to_owned())) {
            assert!(commands.iter().all(|command| !command.arguments.is_empty()));
        }
        for entry in lines::scan(&text).entries {
            let spot = entry.spot(entry.value.len() / 2, 1);
            assert!(spot.line >= 1 && spot.column >= 1);
        }
    });
}
