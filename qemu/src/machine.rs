//! A running virtual machine.

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::Fault;
use crate::console::{Console, Line, Waited};
use crate::options::{Forward, Options, Sockets};
use crate::qmp::Qmp;

/// What the console of a machine says when it waits for a command.
pub const PROMPT: &str = "keelson# ";

const EXIT_POLL: Duration = Duration::from_millis(20);

/// A machine that runs until it is dropped.
#[derive(Debug)]
pub struct Machine {
    qemu: Child,
    keyboard: ChildStdin,
    console: Console,
    /// What QEMU itself complained about.
    complaints: Console,
    qmp: Option<Qmp>,
    folder: PathBuf,
    sockets: Sockets,
    forwards: Vec<Forward>,
}

impl Machine {
    /// Starts a machine; its console is read from now on.
    ///
    /// # Errors
    /// When QEMU is not installed or cannot be started.
    pub fn spawn(options: &Options) -> Result<Machine, Fault> {
        let folder = own_folder()?;
        let sockets = Sockets { qmp: folder.join("qmp"), agent: folder.join("agent") };
        let mut command = options.command(&sockets);
        command.args(["-serial", "stdio"]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut qemu = command.spawn().map_err(|error| Fault::qemu("start qemu", error))?;
        let keyboard = qemu.stdin.take().expect("its input was asked for as a pipe");
        let console = Console::read(qemu.stdout.take().expect("so was its output"));
        let complaints = Console::read(qemu.stderr.take().expect("and its complaints"));
        let forwards = options.forwards.clone();
        Ok(Machine { qemu, keyboard, console, complaints, qmp: None, folder, sockets, forwards })
    }

    /// Waits until a complete line of the console holds `pattern`, reading on from where the last
    /// wait ended.
    ///
    /// # Errors
    /// When it does not come within `timeout`, or the machine ends first.
    pub fn wait_for_line(&self, pattern: &str, timeout: Duration) -> Result<Line, Fault> {
        self.judge(self.console.wait_for_line(pattern, timeout), pattern, timeout)
    }

    /// As [`Machine::wait_for_line`], for text that ends no line, such as a prompt.
    ///
    /// # Errors
    /// When it does not come within `timeout`, or the machine ends first.
    pub fn wait_for(&self, pattern: &str, timeout: Duration) -> Result<Line, Fault> {
        self.judge(self.console.wait_for(pattern, timeout), pattern, timeout)
    }

    /// Types `line` at the console.
    ///
    /// # Errors
    /// When QEMU has gone.
    pub fn send_line(&mut self, line: &str) -> Result<(), Fault> {
        self.keyboard
            .write_all(format!("{line}\n").as_bytes())
            .and_then(|()| self.keyboard.flush())
            .map_err(|error| Fault::qemu("type at the console", error))
    }

    /// Types `command` at the console's prompt and returns the lines that came before the next one:
    /// the command's own echo, its output, and whatever else the machine had to say meanwhile.
    ///
    /// # Errors
    /// When the prompt does not come back within `timeout`, or the machine ends first.
    pub fn ask(&mut self, command: &str, timeout: Duration) -> Result<Vec<String>, Fault> {
        let before = self.console.skip();
        self.send_line(command)?;
        self.wait_for(PROMPT, timeout)?;
        let lines = self.transcript().into_iter().skip(before.saturating_sub(1));
        Ok(lines.map(|line| line.text).collect())
    }

    /// Every line of the console so far, with the time since the start.
    pub fn transcript(&self) -> Vec<Line> {
        self.console.transcript()
    }

    /// The end of the console, as failures show it.
    pub fn console_tail(&self) -> String {
        self.console.tail() + &self.complaints.tail()
    }

    /// How long the machine has existed.
    pub fn age(&self) -> Duration {
        self.console.started().elapsed()
    }

    /// The port of the host that leads to port `guest`.
    ///
    /// # Panics
    /// When no such way in was asked for at the start.
    pub fn host_port(&self, guest: u16) -> u16 {
        let forward = self.forwards.iter().find(|forward| forward.guest == guest);
        forward.expect("the test asked for this port when it started the machine").host
    }

    /// Where the port of the test's agent can be connected to.
    pub fn agent_socket(&self) -> &std::path::Path {
        &self.sockets.agent
    }

    /// QEMU's process.
    pub fn pid(&self) -> u32 {
        self.qemu.id()
    }

    /// The control socket.
    ///
    /// # Errors
    /// When QEMU does not answer there.
    pub fn qmp(&mut self) -> Result<&mut Qmp, Fault> {
        let qmp = match self.qmp.take() {
            Some(qmp) => qmp,
            None => Qmp::connect(&self.sockets.qmp)?,
        };
        Ok(self.qmp.insert(qmp))
    }

    /// Presses the power button.
    ///
    /// # Errors
    /// When QEMU does not take the order. So for the buttons below.
    pub fn press_power(&mut self) -> Result<(), Fault> {
        self.qmp()?.execute("system_powerdown", json!({})).map(drop)
    }

    /// Presses the reset button: the machine starts again without being asked.
    ///
    /// # Errors
    /// When QEMU does not take the order.
    pub fn press_reset(&mut self) -> Result<(), Fault> {
        self.qmp()?.execute("system_reset", json!({})).map(drop)
    }

    /// Presses ctrl, alt and delete.
    ///
    /// # Errors
    /// When QEMU does not take the order.
    pub fn press_ctrl_alt_delete(&mut self) -> Result<(), Fault> {
        let keys = ["ctrl", "alt", "delete"].map(|key| json!({ "type": "qcode", "data": key }));
        self.qmp()?.execute("send-key", json!({ "keys": keys })).map(drop)
    }

    /// Raises a non-maskable interrupt.
    ///
    /// # Errors
    /// When QEMU does not take the order.
    pub fn raise_nmi(&mut self) -> Result<(), Fault> {
        self.qmp()?.execute("inject-nmi", json!({})).map(drop)
    }

    /// Cuts the power: QEMU ends at once, and what the guest had not made durable is lost.
    ///
    /// # Errors
    /// When QEMU cannot be killed.
    pub fn cut_power(mut self) -> Result<(), Fault> {
        self.qemu.kill().map_err(|error| Fault::qemu("cut the power", error))
    }

    /// Waits until QEMU has ended: the guest powered off, or rebooted and was not to restart.
    ///
    /// # Errors
    /// When it still runs after `timeout`.
    pub fn exit_status(&mut self, timeout: Duration) -> Result<ExitStatus, Fault> {
        let until = Instant::now() + timeout;
        loop {
            let ended =
                self.qemu.try_wait().map_err(|error| Fault::qemu("wait for qemu", error))?;
            if let Some(status) = ended {
                self.console.wait_for_end(timeout);
                return Ok(status);
            }
            if Instant::now() > until {
                return Err(self.late("the machine to end", timeout));
            }
            std::thread::sleep(EXIT_POLL);
        }
    }

    fn judge(&self, waited: Waited, pattern: &str, timeout: Duration) -> Result<Line, Fault> {
        let waited_for = format!("`{pattern}`");
        match waited {
            Waited::Found(line) => Ok(line),
            Waited::Late => Err(self.late(&waited_for, timeout)),
            Waited::Ended => Err(Fault::Ended { waited_for, console: self.console_tail() }),
        }
    }

    fn late(&self, waited_for: &str, waited: Duration) -> Fault {
        let console = self.console_tail();
        Fault::Silent { waited_for: waited_for.to_owned(), waited, console }
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // Either may fail because QEMU has ended by itself, which is what they are for.
        let _ = self.qemu.kill();
        let _ = self.qemu.wait();
        // A left-over folder of two sockets harms nobody.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// A folder for the sockets of one machine: short, because a socket's path has at most 107 bytes.
fn own_folder() -> Result<PathBuf, Fault> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let name = format!("keelson-{}-{number}", std::process::id());
    let folder = std::env::temp_dir().join(name);
    fs::create_dir_all(&folder).map_err(boot::Fault::file("create", &folder))?;
    Ok(folder)
}
