//! The rules of the house that a compiler does not keep (`ARCHITECTURE.md`, "Rules").

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::fs;
use std::path::{Path, PathBuf};

/// The longest function, in lines.
const FUNCTION_LINES_MAX: usize = 70;
/// The longest file, in lines before its tests.
const FILE_LINES_MAX: usize = 600;
/// The longest line, in characters. Tables and addresses in comments may be longer.
const COLUMNS_MAX: usize = 100;

/// Rooms and what they must not name: the direction of imports.
const DIRECTIONS: &[(&str, &[&str])] = &[
    ("units/src", &["init::", "kv::", "updater::", "std::fs", "std::net::Tcp", "std::process"]),
    ("kv/src", &["init::", "units::", "updater::", "std::fs", "std::process"]),
    ("updater/src", &["init::", "units::", "kv::", "std::fs", "std::process"]),
    ("init/src/node", &["crate::sys", "crate::ctl", "rustix", "libc::", "std::fs", "std::process"]),
    ("init/src/etcd", &["crate::sys", "crate::ctl", "rustix", "libc::", "std::fs", "std::process"]),
    ("init/src/wire", &["crate::sys", "crate::node", "crate::ctl", "rustix", "std::fs"]),
    ("init/src/logs", &["crate::sys", "crate::node", "rustix", "libc::", "std::fs"]),
    ("init/src/vault", &["crate::sys", "crate::node", "rustix", "libc::", "std::fs"]),
    ("init/src/oci", &["crate::sys", "crate::node", "rustix", "libc::", "std::fs"]),
    ("init/src/ctl", &["crate::node"]),
    ("qemu/src", &["init::", "units::"]),
];

/// Files in which every pair of state and cause is written out.
const TOTAL: &[&str] = &["units/src/next.rs"];

/// Functions that are longer, and why that is right.
const LONG_FUNCTIONS: &[(&str, &str)] = &[
    ("on_asked", "one total match over the vocabulary of requests"),
    ("translate", "one total match over the supervisor's orders"),
    ("perform", "one total match over the node's orders"),
];

/// Files that are longer, and why that is right.
const LONG_FILES: &[(&str, &str)] = &[];

struct Source {
    path: String,
    text: String,
}

impl Source {
    /// The lines before the tests at the end of the file.
    fn product(&self) -> impl Iterator<Item = (usize, &str)> {
        let lines = self.text.lines().enumerate();
        lines.take_while(|(_, line)| line.trim() != "#[cfg(test)]").map(|(n, line)| (n + 1, line))
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn sources() -> Vec<Source> {
    let mut found = Vec::new();
    for room in ["units", "kv", "updater", "init", "boot", "qemu", "tests"] {
        collect(&root().join(room), &mut found);
    }
    assert!(found.len() > 50, "the tree was not found");
    found
}

fn collect(directory: &Path, found: &mut Vec<Source>) {
    let mut entries: Vec<PathBuf> =
        fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            collect(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let name = path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
            // A file of golden bytes is a test as a whole.
            if !name.ends_with("golden.rs") {
                found.push(Source { path: name, text: fs::read_to_string(&path).unwrap() });
            }
        }
    }
}

fn demand(problems: &[String]) {
    assert!(problems.is_empty(), "\n{}\n", problems.join("\n"));
}

#[test]
fn imports_keep_their_direction() {
    let mut problems = Vec::new();
    for source in sources() {
        for (room, forbidden) in DIRECTIONS {
            if !source.path.starts_with(&format!("{room}/")) {
                continue;
            }
            for (number, line) in source.product() {
                let code = line.split("//").next().unwrap_or("");
                for name in forbidden.iter().filter(|name| code.contains(**name)) {
                    problems.push(format!("{}:{number}: {room} must not name {name}", source.path));
                }
            }
        }
    }
    demand(&problems);
}

#[test]
fn unsafe_stays_on_the_shore() {
    let mut problems = Vec::new();
    for source in sources().iter().filter(|source| source.path.starts_with("init/src/")) {
        let on_the_shore = source.path.starts_with("init/src/sys/");
        for (number, line) in source.product() {
            let code = line.split("//").next().unwrap_or("");
            let block = code.contains("unsafe {") || code.contains("unsafe fn");
            if block && !on_the_shore {
                problems.push(format!("{}:{number}: unsafe outside init/src/sys", source.path));
            }
        }
    }
    demand(&problems);
}

#[test]
fn transitions_have_no_wildcard() {
    let mut problems = Vec::new();
    for source in sources().iter().filter(|source| TOTAL.contains(&source.path.as_str())) {
        for (number, line) in source.product() {
            let line = line.trim_start();
            let wild = line.starts_with("_ =>")
                || line.starts_with("(_, ")
                || line.contains(", _) =>") && line.starts_with("(State::");
            if wild {
                problems
                    .push(format!("{}:{number}: a wildcard hides forgotten pairs", source.path));
            }
        }
    }
    demand(&problems);
}

#[test]
fn every_limit_is_used_outside_of_its_file() {
    let sources = sources();
    let mut problems = Vec::new();
    for file in sources.iter().filter(|source| source.path.ends_with("limits.rs")) {
        for (number, line) in file.product() {
            let Some(rest) = line.strip_prefix("pub const ") else { continue };
            let name = rest.split(':').next().unwrap_or_default();
            let used =
                sources.iter().any(|source| source.path != file.path && source.text.contains(name));
            let used_here = file.text.matches(name).count() > 2;
            if !used && !used_here {
                problems.push(format!("{}:{number}: {name} limits nothing", file.path));
            }
        }
    }
    demand(&problems);
}

#[test]
fn functions_and_files_are_small() {
    let mut problems = Vec::new();
    for source in sources() {
        let lines = source.product().count();
        let excused = LONG_FILES.iter().any(|(path, _)| *path == source.path);
        if lines > FILE_LINES_MAX && !excused {
            problems.push(format!("{}: {lines} lines, at most {FILE_LINES_MAX}", source.path));
        }
        for (name, number, length) in functions(&source) {
            let excused = LONG_FUNCTIONS.iter().any(|(wanted, _)| *wanted == name);
            if length > FUNCTION_LINES_MAX && !excused {
                let path = &source.path;
                problems.push(format!("{path}:{number}: fn {name} has {length} lines"));
            }
        }
    }
    demand(&problems);
}

/// Functions with their first line and length: from `fn` to the closing brace at its indentation.
fn functions(source: &Source) -> Vec<(String, usize, usize)> {
    let lines: Vec<(usize, &str)> = source.product().collect();
    let mut found = Vec::new();
    for (index, (number, line)) in lines.iter().enumerate() {
        let indent = line.len() - line.trim_start().len();
        let Some(name) = function_name(line) else { continue };
        let end = format!("{}}}", " ".repeat(indent));
        let length = lines[index..].iter().position(|(_, line)| *line == end);
        found.push((name, *number, length.map_or(1, |length| length + 1)));
    }
    found
}

fn function_name(line: &str) -> Option<String> {
    let line = line.trim_start();
    let (before, rest) = line.split_once("fn ")?;
    let plain = before.split_whitespace().all(|word| {
        matches!(word, "async" | "const" | "unsafe" | "extern")
            || word.starts_with("pub")
            || word.starts_with('"')
    });
    let ends_here = line.ends_with('}') || line.ends_with(';');
    let name = rest.split(['(', '<']).next()?.trim();
    (plain && !ends_here && !name.is_empty()).then(|| name.to_owned())
}

#[test]
fn lines_fit_the_page() {
    let mut problems = Vec::new();
    // The help of `keelctl` is text as a person reads it.
    let told = |source: &&Source| {
        !source.path.starts_with("init/src/ctl/verbs/") && !TOTAL.contains(&source.path.as_str())
    };
    for source in sources().iter().filter(told) {
        for (number, line) in source.product() {
            let comment = line.trim_start().starts_with("//");
            // Text within quotes, and what a test compares with, is as long as it is.
            let text = line.contains('"') || line.starts_with("==>");
            if line.chars().count() > COLUMNS_MAX && !comment && !text {
                problems.push(format!("{}:{number}: longer than a line", source.path));
            }
        }
    }
    demand(&problems);
}

#[test]
fn nothing_is_left_for_later() {
    // Put together here, so that this file does not find itself.
    let banned = ["FIX", "TO", "XX"].map(|half| match half {
        "FIX" => format!("{half}ME"),
        "TO" => format!("{half}DO"),
        _ => format!("{half}X"),
    });
    let mut problems = Vec::new();
    for source in sources() {
        for (number, line) in source.text.lines().enumerate() {
            for word in banned.iter().filter(|word| has_word(line, word)) {
                problems.push(format!("{}:{}: {word}", source.path, number + 1));
            }
        }
    }
    demand(&problems);
}

fn has_word(line: &str, word: &str) -> bool {
    line.split(|c: char| !c.is_ascii_alphanumeric()).any(|part| part == word)
}

#[test]
fn names_say_something() {
    let banned = ["manager", "helper", "helpers", "util", "utils", "misc", "common"];
    let mut problems = Vec::new();
    for source in sources() {
        let path = Path::new(&source.path);
        let mut parts = path.iter().filter_map(|part| part.to_str());
        if parts.any(|part| banned.contains(&part.trim_end_matches(".rs"))) {
            problems.push(format!("{}: the name says nothing", source.path));
        }
    }
    demand(&problems);
}

#[test]
fn the_map_names_every_room() {
    let map = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let mut rooms: Vec<String> = Vec::new();
    for source in sources() {
        let Some((folder, _)) = source.path.rsplit_once('/') else { continue };
        let is_test = folder.contains("/tests") || folder.contains("/bin");
        if !rooms.contains(&folder.to_owned()) && !is_test {
            rooms.push(folder.to_owned());
        }
    }
    let missing = rooms.iter().filter(|room| !map.contains(&format!("`{room}/")));
    demand(
        &missing.map(|room| format!("ARCHITECTURE.md does not name `{room}/`")).collect::<Vec<_>>(),
    );
}

#[test]
fn dependencies_have_their_reason() {
    let mut problems = Vec::new();
    for room in ["units", "kv", "updater", "init", "boot", "qemu", "tests"] {
        let path = root().join(room).join("Cargo.toml");
        let text = fs::read_to_string(&path).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        let mut in_dependencies = false;
        for (index, line) in lines.iter().enumerate() {
            if line.starts_with('[') {
                in_dependencies = line.contains("dependencies");
                continue;
            }
            let ours = line.contains("workspace = true");
            if !in_dependencies || !line.contains('=') || line.starts_with('#') || ours {
                continue;
            }
            // A reason may stand above a small group of lines.
            let above = lines[..index].iter().rev().take_while(|line| !line.is_empty());
            if !above.take(3).any(|line| line.starts_with('#')) {
                problems.push(format!("{room}/Cargo.toml:{}: no reason: {line}", index + 1));
            }
        }
    }
    demand(&problems);
}

#[test]
fn files_in_the_tree_are_small() {
    let output = std::process::Command::new("git")
        .args(["ls-files", "-z"])
        .current_dir(root())
        .output()
        .unwrap();
    let names = String::from_utf8(output.stdout).unwrap();
    let large = names
        .split('\0')
        .filter(|name| !name.is_empty())
        .filter(|name| fs::metadata(root().join(name)).is_ok_and(|file| file.len() > 256 * 1024));
    demand(&large.map(|name| format!("{name} is larger than 256 KiB")).collect::<Vec<_>>());
}
