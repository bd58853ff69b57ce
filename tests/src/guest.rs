//! A machine under test: what is on its state disk, and what it is asked while it runs.
//!
//! A boot test boots once and asserts many things. It waits for facts, each with a deadline so
//! generous that a slow host never decides a test.

use std::io;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use boot::state::StateDisk;
use qemu::artefacts::Artefacts;
use qemu::{Machine, Options};

use crate::agent::{read_list, write_list};

/// How long a test waits for anything, the boot included. Under emulation on a loaded host a boot
/// that usually takes three seconds has been seen to take thirty.
pub const PATIENCE: Duration = Duration::from_secs(180);

/// Where the agent and a busybox for it are in the guest. The product itself has no shell.
pub const AGENT: &str = "/state/test/agent";
/// A static busybox for what a test wants to look at.
pub const BUSYBOX: &str = "/state/test/busybox";

const POLL: Duration = Duration::from_millis(100);

const AGENT_UNIT: &str = "\
[Unit]
Description=Does in the machine what the test asks for

[Service]
ExecStart=/state/test/agent
Restart=always
RestartSec=1
# It stands for a person at the console, who has this weight too.
CPUWeight=10000

[Install]
WantedBy=multi-user.target
";

/// A machine to be booted for one test.
#[derive(Debug)]
pub struct Scene {
    name: String,
    disk: StateDisk,
    options: Options,
    agent: bool,
}

/// A machine that a test has booted.
#[derive(Debug)]
pub struct Guest {
    /// Its console, its buttons, its power.
    pub machine: Machine,
    agent: Option<UnixStream>,
}

/// How a program in the guest came out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ran {
    /// `exit 0`, `exit 3`, `signal 9`.
    pub status: String,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

/// What every machine boots, made once for all tests of a program.
///
/// # Panics
/// When it cannot be made: without it no test can pass.
pub fn artefacts() -> &'static Artefacts {
    static MADE: OnceLock<Artefacts> = OnceLock::new();
    MADE.get_or_init(|| {
        let mut say = |what: &str| eprintln!("   {what}");
        qemu::install::programs(&mut say).unwrap_or_else(|fault| panic!("{fault}"));
        Artefacts::make(&mut say).unwrap_or_else(|fault| panic!("{fault}"))
    })
}

impl Scene {
    /// A machine with all images, no unit of the administrator's, and no agent.
    pub fn new(name: &str) -> Scene {
        let made = artefacts();
        let mut options = Options::new(&made.kernel.fast, &made.initramfs);
        options.restarts = false;
        Scene { name: name.to_owned(), disk: made.state_disk(), options, agent: false }
    }

    /// Adds the agent, the program of that name that Cargo built: `env!("CARGO_BIN_EXE_agent")`.
    pub fn agent(mut self, program: &str) -> Scene {
        self.disk = self.disk.file("test/agent", 0o755, &read(Path::new(program)));
        self.disk = self.disk.unit("test-agent.service", AGENT_UNIT);
        self.disk = self.disk.file("test/busybox", 0o755, &busybox());
        self.agent = true;
        self
    }

    /// Adds a unit file of the administrator's.
    pub fn unit(mut self, name: &str, text: &str) -> Scene {
        self.disk = self.disk.unit(name, text);
        self
    }

    /// Sets the machine's configuration.
    pub fn machine(mut self, text: &str) -> Scene {
        self.disk = self.disk.machine(text);
        self
    }

    /// Changes the state disk in any other way.
    pub fn disk(mut self, change: impl FnOnce(StateDisk) -> StateDisk) -> Scene {
        self.disk = change(self.disk);
        self
    }

    /// Changes the virtual hardware or the kernel's command line.
    pub fn options(mut self, change: impl FnOnce(&mut Options)) -> Scene {
        change(&mut self.options);
        self
    }

    /// Leads a free port of the host to `port` of the guest.
    pub fn forward(mut self, port: u16) -> Scene {
        self.options = self.options.forward(port).unwrap_or_else(|fault| panic!("{fault}"));
        self
    }

    /// Starts the machine.
    ///
    /// # Panics
    /// When it cannot be started: the test has failed.
    pub fn boot(self) -> Guest {
        let disk = artefacts().write_disk(&self.disk, &format!("test-{}", self.name));
        let disk = disk.unwrap_or_else(|fault| panic!("{fault}"));
        let options = self.options.disk(&disk);
        let machine = Machine::spawn(&options).unwrap_or_else(|fault| panic!("{fault}"));
        let agent = self.agent.then(|| connect(machine.agent_socket()));
        Guest { machine, agent }
    }
}

impl Guest {
    /// Waits for a line of the console and returns it.
    ///
    /// # Panics
    /// When it does not come; shows the end of the console.
    pub fn wait_for_line(&self, pattern: &str) -> String {
        let line = self.machine.wait_for_line(pattern, PATIENCE);
        line.unwrap_or_else(|fault| panic!("{fault}")).text
    }

    /// Waits until the machine has powered off, or rebooted.
    ///
    /// # Panics
    /// When it does not, or QEMU itself failed.
    pub fn wait_for_end(&mut self) {
        let status = self.machine.exit_status(PATIENCE).unwrap_or_else(|fault| panic!("{fault}"));
        assert!(status.success(), "qemu ended with {status}\n{}", self.machine.console_tail());
    }

    /// Runs a program in the guest, as root and outside of any container.
    ///
    /// # Panics
    /// When the agent does not answer or there is no such program.
    pub fn run(&mut self, command: &[&str]) -> Ran {
        let mut question = vec!["run"];
        question.extend(command);
        let mut answer = self.ask(&question).into_iter();
        let mut next = || String::from_utf8_lossy(&answer.next().unwrap_or_default()).into_owned();
        Ran { status: next(), stdout: next(), stderr: next() }
    }

    /// Tells the machine to end with this `keelctl` verb, and waits until it has. The agent goes down
    /// with everything else: whether its answer still comes is a matter of luck.
    ///
    /// # Panics
    /// When the machine does not end.
    pub fn end_by(&mut self, verb: &str) {
        let _ = self.exchange(&[b"run", b"/bin/keelctl", verb.as_bytes()]);
        self.wait_for_end();
    }

    /// Runs a shell line with busybox in the guest and returns its output.
    ///
    /// # Panics
    /// When it fails.
    pub fn shell(&mut self, line: &str) -> String {
        let ran = self.run(&[BUSYBOX, "sh", "-c", line]);
        assert_eq!(ran.status, "exit 0", "`{line}`: {}", ran.stderr);
        ran.stdout
    }

    /// Runs `keelctl` with these words and returns its output.
    ///
    /// # Panics
    /// When it fails.
    pub fn keelctl(&mut self, words: &[&str]) -> String {
        let mut command = vec!["/bin/keelctl"];
        command.extend(words);
        let ran = self.run(&command);
        assert_eq!(ran.status, "exit 0", "keelctl {words:?}: {}{}", ran.stdout, ran.stderr);
        ran.stdout
    }

    /// Reads a file of the guest.
    ///
    /// # Panics
    /// When it cannot be read.
    pub fn read(&mut self, path: &str) -> String {
        let mut answer = self.ask(&["read", path]);
        String::from_utf8_lossy(&answer.pop().unwrap_or_default()).into_owned()
    }

    /// Writes a file of the guest.
    ///
    /// # Panics
    /// When it cannot be written.
    pub fn write(&mut self, path: &str, content: &str) {
        self.ask(&["write", path, content]);
    }

    /// Looks again and again until `look` sees something, and returns it.
    ///
    /// # Panics
    /// When it has seen nothing for long enough; says what was waited for and shows the console.
    pub fn eventually<T>(
        &mut self,
        what: &str,
        mut look: impl FnMut(&mut Guest) -> Option<T>,
    ) -> T {
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some(seen) = look(self) {
                return seen;
            }
            let tail = || self.machine.console_tail();
            assert!(Instant::now() < until, "waited in vain for {what}\n{}", tail());
            std::thread::sleep(POLL);
        }
    }

    fn ask(&mut self, question: &[&str]) -> Vec<Vec<u8>> {
        let words: Vec<&[u8]> = question.iter().map(|word| word.as_bytes()).collect();
        let answer = self.exchange(&words);
        let answer = answer.unwrap_or_else(|error| {
            panic!(
                "the agent did not answer {question:?}: {error}\n{}",
                self.machine.console_tail()
            )
        });
        if answer.first().is_some_and(|word| word == b"error") {
            panic!("{question:?}: {}", String::from_utf8_lossy(&answer.concat()));
        }
        answer
    }

    fn exchange(&mut self, question: &[&[u8]]) -> io::Result<Vec<Vec<u8>>> {
        let agent = self.agent.as_mut().ok_or(io::ErrorKind::NotConnected)?;
        write_list(agent, question)?;
        read_list(agent)
    }
}

/// QEMU opens the socket soon after it starts; the agent in the guest answers much later.
fn connect(socket: &Path) -> UnixStream {
    let until = Instant::now() + PATIENCE;
    loop {
        match UnixStream::connect(socket) {
            Ok(stream) => {
                let set = stream.set_read_timeout(Some(PATIENCE));
                set.expect("the timeout is not zero");
                return stream;
            }
            Err(error) => {
                assert!(Instant::now() < until, "cannot connect to the agent's port: {error}");
                std::thread::sleep(POLL);
            }
        }
    }
}

fn busybox() -> Vec<u8> {
    let cache = boot::cache::Cache::open().unwrap_or_else(|fault| panic!("{fault}"));
    let program = boot::demo::busybox_program(&cache).unwrap_or_else(|fault| panic!("{fault}"));
    read(&program)
}

fn read(path: &Path) -> Vec<u8> {
    std::fs::read(path).unwrap_or_else(|error| panic!("cannot read {}: {error}", path.display()))
}
