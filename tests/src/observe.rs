//! What a booted machine tells of its units, and scripts for the units of a test.

use boot::state::StateDisk;
use serde_json::Value;

use crate::guest::{BUSYBOX, Guest};

/// The command of a unit file in our format that runs a script added by [`add_scripts`].
#[must_use]
pub fn run_script(name: &str) -> String {
    format!("command = [\"{BUSYBOX}\", \"sh\", \"/state/test/{name}\"]\n")
}

/// Puts shell scripts onto the state disk, and the program that speaks to the supervisor for them.
/// In a script `bb` is busybox and `actor` that program.
///
/// # Panics
/// When the program, `env!("CARGO_BIN_EXE_actor")`, cannot be read.
#[must_use]
pub fn add_scripts(disk: StateDisk, actor: &str, scripts: &[(&str, &str)]) -> StateDisk {
    let program = std::fs::read(actor).expect("Cargo built it");
    let disk = disk.file("test/actor", 0o755, &program);
    scripts.iter().fold(disk, |disk, (name, text)| {
        let text = format!("PATH=/state/test\nbb() {{ {BUSYBOX} \"$@\"; }}\n{text}");
        disk.file(&format!("test/{name}"), 0o755, text.as_bytes())
    })
}

impl Guest {
    /// One word of what `keelctl status --json UNIT` tells.
    ///
    /// # Panics
    /// When it tells nothing of the unit.
    pub fn told(&mut self, unit: &str, field: &str) -> String {
        let value = &self.told_of(unit)["status"][field];
        value.as_str().map_or_else(|| value.to_string(), str::to_owned)
    }

    /// All that `keelctl status --json UNIT` tells.
    ///
    /// # Panics
    /// When it tells nothing of the unit.
    pub fn told_of(&mut self, unit: &str) -> Value {
        let ran = self.run(&["/bin/keelctl", "status", "--json", unit]);
        serde_json::from_str(&ran.stdout).unwrap_or_else(|_| panic!("{unit}: {ran:?}"))
    }

    /// Waits until a field has a value.
    ///
    /// # Panics
    /// When it never has.
    pub fn wait_until(&mut self, unit: &str, field: &str, value: &str) {
        let what = format!("{field} of {unit} to be {value}");
        self.eventually(&what, |guest| (guest.told(unit, field) == value).then_some(()));
    }

    /// The main process of a unit, which must have one.
    ///
    /// # Panics
    /// When it has none.
    pub fn main_pid(&mut self, unit: &str) -> u32 {
        let told = self.told(unit, "main-pid");
        told.parse().unwrap_or_else(|_| panic!("the main process of {unit} is {told}"))
    }

    /// A file of the control group of a unit's run.
    ///
    /// # Panics
    /// When there is none.
    pub fn group_file(&mut self, unit: &str, file: &str) -> String {
        let group = self.told(unit, "group");
        self.read(&format!("/sys/fs/cgroup/{group}/{file}")).trim().to_owned()
    }

    /// Whether a process is there, a zombie included.
    pub fn is_alive(&mut self, pid: &str) -> bool {
        self.run(&[BUSYBOX, "test", "-d", &format!("/proc/{pid}")]).status == "exit 0"
    }

    /// A file that may not be there yet: it is empty then.
    pub fn read_if_there(&mut self, path: &str) -> String {
        self.run(&[BUSYBOX, "cat", path]).stdout
    }

    /// The story of a unit, in its events' own fields.
    ///
    /// # Panics
    /// When a line of it is no event.
    pub fn events(&mut self, unit: &str) -> Vec<Value> {
        let text = self.keelctl(&["events", "-o", "json", unit]);
        let parse = |line: &str| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"));
        text.lines().map(parse).collect()
    }
}
