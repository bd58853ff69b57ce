//! Limits that are reached: each says what it is and how much it allows, and the rest goes on.
//!
//! Definitions natively; connections and requests on a machine.

#![allow(clippy::unwrap_used, reason = "a test may fail anywhere")]

use init::limits::{CLIENTS_MAX, REQUEST_BYTES_MAX};
use tests::guest::{Guest, Scene};
use units::limits::{COMMAND_WORDS_MAX, UNIT_ENTRIES_MAX, UNIT_FILE_BYTES_MAX, UNITS_MAX};
use units::source::SourceFile;
use units::{LoadOptions, Loaded, load};

const AGENT: &str = env!("CARGO_BIN_EXE_agent");
const HOG: &str = env!("CARGO_BIN_EXE_hog");

fn unit(name: &str, text: &str) -> SourceFile {
    SourceFile::regular(&format!("/etc/keelson/units/{name}"), text.as_bytes())
}

fn has(loaded: &Loaded, name: &str) -> bool {
    loaded.specs.iter().any(|spec| spec.name.as_str() == name)
}

/// What is said when a good unit and these are loaded. The good one is there, whatever the others are.
fn said(files: &[SourceFile]) -> String {
    let mut all = vec![unit("good.service", "[Service]\nExecStart=/bin/true\n")];
    all.extend_from_slice(files);
    let loaded = load(&all, &LoadOptions::default());
    assert!(has(&loaded, "good.service"));
    let texts: Vec<String> = loaded.diagnostics.iter().map(|one| format!("{one}")).collect();
    texts.join("\n")
}

fn assert_names(said: &str, limit: usize) {
    assert!(said.contains(&limit.to_string()), "{limit} is not named: {said}");
}

#[test]
fn a_file_that_is_too_long() {
    let text = format!("command = \"/bin/true\"\n#{}", "x".repeat(UNIT_FILE_BYTES_MAX));
    assert_names(&said(&[unit("long.toml", &text)]), UNIT_FILE_BYTES_MAX);
}

#[test]
fn a_file_with_too_many_directives() {
    let text = format!("[Service]\nExecStart=/bin/true\n{}", "Nice=1\n".repeat(UNIT_ENTRIES_MAX));
    assert_names(&said(&[unit("many.service", &text)]), UNIT_ENTRIES_MAX);
}

#[test]
fn a_command_with_too_many_words() {
    let text = format!("[Service]\nExecStart=/bin/true {}\n", "x ".repeat(COMMAND_WORDS_MAX));
    assert_names(&said(&[unit("words.service", &text)]), COMMAND_WORDS_MAX);
}

#[test]
fn more_units_than_there_may_be() {
    let one = |number| unit(&format!("unit{number}.toml"), "command = \"/bin/true\"\n");
    let files: Vec<SourceFile> = (0..=UNITS_MAX).map(one).collect();
    assert_names(&said(&files), UNITS_MAX);
}

#[test]
fn connections_and_requests() {
    let program = std::fs::read(HOG).unwrap();
    let scene = Scene::new("limits").agent(AGENT);
    let mut guest = scene.disk(|disk| disk.file("test/hog", 0o755, &program)).boot();
    guest.wait_for_line("multi-user.target reached");
    let told = hog(&mut guest, &["connect", &(CLIENTS_MAX + 8).to_string()]);
    let places = format!("{CLIENTS_MAX} connections are open already");
    assert!(told.contains(&places), "{told}");
    // The hog is gone, and so are its connections.
    guest.keelctl(&["status"]);
    let told = hog(&mut guest, &["request", &(REQUEST_BYTES_MAX + 1).to_string()]);
    assert!(told.contains(&REQUEST_BYTES_MAX.to_string()), "{told}");
    guest.keelctl(&["status"]);
}

fn hog(guest: &mut Guest, words: &[&str]) -> String {
    let mut command = vec!["/state/test/hog"];
    command.extend(words);
    let ran = guest.run(&command);
    assert_eq!(ran.status, "exit 0", "{ran:?}");
    println!("   {}: {}", words.join(" "), ran.stdout.trim());
    ran.stdout
}
