//! What misbehaves in the guest, and what measures how others fare meanwhile.
//!
//! `fork`: forks without end. `memory`: takes all memory. `descriptors`: opens files without end.
//! `flood`: numbered lines as fast as they go until told to stop, then `end N`. `quiet`: the same, at the
//! pace of an ordinary program. `measure COUNT PROGRAM…`: runs a program so often and prints how long each run
//! took, in microseconds. `connect COUNT`: connects to PID 1 so often at once, and prints what it then
//! says to `keelctl`. `request BYTES`: announces a request of that size and prints the answer.

use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use init::paths::CONTROL_SOCKET;

const STOP: &str = "/hogs/stop";
const PACE: Duration = Duration::from_millis(50);

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        ["fork"] => fork(),
        ["memory"] => memory(),
        ["descriptors"] => descriptors(),
        ["flood"] => lines(Duration::ZERO),
        ["quiet"] => lines(PACE),
        ["measure", count, program @ ..] => measure(count, program),
        ["connect", count] => connect(count),
        ["request", bytes] => request(bytes),
        _ => Err(io::Error::other("say fork, memory, descriptors, flood, quiet or measure")),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Every process starts the next ones and lives on, as the shell's classic does.
fn fork() -> io::Result<()> {
    loop {
        // Refused is what is meant to happen: it tries again at once.
        let _ = Command::new("/proc/self/exe").arg("fork").spawn();
    }
}

fn memory() -> io::Result<()> {
    let mut taken: Vec<Vec<u8>> = Vec::new();
    loop {
        taken.push(vec![1; 1 << 20]);
    }
}

fn descriptors() -> io::Result<()> {
    let mut files = Vec::new();
    loop {
        match File::open("/dev/null") {
            Ok(file) => files.push(file),
            Err(_) => sleep(Duration::from_millis(1)),
        }
    }
}

fn lines(pace: Duration) -> io::Result<()> {
    let mut out = BufWriter::new(io::stdout());
    let mut number = 0_u64;
    while !number.is_multiple_of(64) || !Path::new(STOP).exists() {
        writeln!(out, "line {number}")?;
        if !pace.is_zero() {
            out.flush()?;
            sleep(pace);
        }
        number += 1;
    }
    writeln!(out, "end {number}")?;
    out.flush()?;
    sleep(Duration::from_secs(3600));
    Ok(())
}

fn measure(count: &str, program: &[&str]) -> io::Result<()> {
    let count: u32 = count.parse().map_err(io::Error::other)?;
    let [program, arguments @ ..] = program else { return Err(io::Error::other("no program")) };
    for _ in 0..count {
        let begun = Instant::now();
        let status = Command::new(program).args(arguments).stdout(Stdio::null()).status()?;
        let took = begun.elapsed();
        if !status.success() {
            return Err(io::Error::other(format!("{program} ended with {status}")));
        }
        println!("{}", took.as_micros());
        sleep(Duration::from_millis(20));
    }
    Ok(())
}

fn connect(count: &str) -> io::Result<()> {
    let count: u32 = count.parse().map_err(io::Error::other)?;
    let connected: io::Result<Vec<UnixStream>> =
        (0..count).map(|_| UnixStream::connect(CONTROL_SOCKET)).collect();
    let said = Command::new("/bin/keelctl").arg("status").output()?;
    println!("{}", String::from_utf8_lossy(&said.stderr));
    drop(connected?);
    Ok(())
}

fn request(bytes: &str) -> io::Result<()> {
    let bytes: u32 = bytes.parse().map_err(io::Error::other)?;
    let mut stream = UnixStream::connect(CONTROL_SOCKET)?;
    let [b0, b1, b2, b3] = bytes.to_le_bytes();
    // A header as in `init::wire::frame`: length, version, a request, no descriptors, its number.
    stream.write_all(&[b0, b1, b2, b3, 1, 1, 0, 0, 1, 0, 0, 0])?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    println!("{}", String::from_utf8_lossy(answer.get(12..).unwrap_or_default()));
    Ok(())
}
