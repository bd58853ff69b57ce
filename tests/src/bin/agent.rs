//! Runs in the guest as a unit of the test's own, and does what the test asks on its port.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};
use std::thread::sleep;
use std::time::Duration;

use tests::agent::{read_list, write_list};

const PORT: &str = "org.keelson.test";
const PORTS: &str = "/sys/class/virtio-ports";
const PAUSE: Duration = Duration::from_millis(50);

fn main() -> ExitCode {
    let path = wait_for_port();
    match OpenOptions::new().read(true).write(true).open(&path) {
        Ok(port) => serve(port),
        Err(error) => eprintln!("cannot open {}: {error}", path.display()),
    }
    ExitCode::FAILURE
}

/// The driver of the port may be loaded after us.
fn wait_for_port() -> PathBuf {
    loop {
        if let Some(path) = find_port() {
            return path;
        }
        sleep(PAUSE);
    }
}

fn find_port() -> Option<PathBuf> {
    for entry in fs::read_dir(PORTS).ok()?.flatten() {
        let name = fs::read_to_string(entry.path().join("name")).unwrap_or_default();
        let device = PathBuf::from("/dev").join(entry.file_name());
        if name.trim() == PORT && device.exists() {
            return Some(device);
        }
    }
    None
}

fn serve(mut port: File) {
    loop {
        let question = match read_list(&mut port) {
            Ok(question) => question,
            // Nobody is connected at the other end at the moment.
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => {
                sleep(PAUSE);
                continue;
            }
            Err(error) => return eprintln!("cannot read a question: {error}"),
        };
        let answer = answer(&question)
            .unwrap_or_else(|error| vec![b"error".to_vec(), error.to_string().into_bytes()]);
        let answer: Vec<&[u8]> = answer.iter().map(Vec::as_slice).collect();
        if let Err(error) = write_list(&mut port, &answer) {
            return eprintln!("cannot answer: {error}");
        }
    }
}

fn answer(question: &[Vec<u8>]) -> io::Result<Vec<Vec<u8>>> {
    let words: Vec<String> =
        question.iter().map(|word| String::from_utf8_lossy(word).into_owned()).collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["run", program, arguments @ ..] => run(program, arguments),
        ["read", path] => Ok(vec![b"ok".to_vec(), fs::read(path)?]),
        ["write", path, _] => {
            fs::write(path, &question[2])?;
            Ok(vec![b"ok".to_vec()])
        }
        _ => Err(io::Error::new(ErrorKind::InvalidInput, format!("no such question: {words:?}"))),
    }
}

fn run(program: &str, arguments: &[&str]) -> io::Result<Vec<Vec<u8>>> {
    let done = Command::new(program).args(arguments).stdin(Stdio::null()).output()?;
    let status = match (done.status.code(), done.status.signal()) {
        (Some(code), _) => format!("exit {code}"),
        (None, signal) => format!("signal {}", signal.unwrap_or_default()),
    };
    Ok(vec![status.into_bytes(), done.stdout, done.stderr])
}
