//! QEMU's control socket: buttons and power, from outside the guest.
//!
//! Source of the protocol: QEMU's `docs/interop/qmp-spec.txt`.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::Fault;

const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(20);
const CONNECT_PAUSE: Duration = Duration::from_millis(10);

/// A connection that has been greeted.
#[derive(Debug)]
pub struct Qmp {
    to: UnixStream,
    from: BufReader<UnixStream>,
}

impl Qmp {
    /// Connects to a QEMU that may still be opening its socket.
    ///
    /// # Errors
    /// When nobody answers there, or not in this protocol.
    pub fn connect(path: &Path) -> Result<Qmp, Fault> {
        let to = connect(path)?;
        let fault = |error| Fault::qemu("prepare the control socket", error);
        to.set_read_timeout(Some(ANSWER_TIMEOUT)).map_err(fault)?;
        let from = BufReader::new(to.try_clone().map_err(fault)?);
        let mut qmp = Qmp { to, from };
        qmp.line()?; // the greeting, which names the version
        qmp.execute("qmp_capabilities", json!({}))?;
        Ok(qmp)
    }

    /// Gives one order and waits for its answer; events that come in between are dropped.
    ///
    /// # Errors
    /// When QEMU refuses the order or has gone.
    pub fn execute(&mut self, order: &str, arguments: Value) -> Result<Value, Fault> {
        let request = json!({ "execute": order, "arguments": arguments }).to_string();
        let doing = format!("tell qemu `{order}`");
        self.to
            .write_all(format!("{request}\n").as_bytes())
            .map_err(|error| Fault::qemu(&doing, error))?;
        loop {
            let mut answer = self.line()?;
            if let Some(error) = answer.get("error") {
                return Err(Fault::qemu(&doing, error));
            }
            if let Some(value) = answer.get_mut("return") {
                return Ok(value.take());
            }
        }
    }

    fn line(&mut self) -> Result<Value, Fault> {
        let mut text = String::new();
        let doing = "read from qemu's control socket";
        self.from.read_line(&mut text).map_err(|error| Fault::qemu(doing, error))?;
        serde_json::from_str(&text).map_err(|error| Fault::qemu(doing, error))
    }
}

fn connect(path: &Path) -> Result<UnixStream, Fault> {
    let until = Instant::now() + CONNECT_TIMEOUT;
    loop {
        match UnixStream::connect(path) {
            Ok(stream) => return Ok(stream),
            Err(error) if Instant::now() > until => {
                return Err(Fault::qemu("connect to qemu's control socket", error));
            }
            Err(_) => std::thread::sleep(CONNECT_PAUSE),
        }
    }
}
