//! A member under test: a process of its own, in a directory of its own.

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::wire::Client;

/// How long anything may take on a machine that is busy with other things.
const PATIENCE: Duration = Duration::from_secs(60);

/// A directory that goes with the test.
pub(crate) struct Scratch(pub(crate) PathBuf);

impl Scratch {
    pub(crate) fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("keelson-{name}-{}", std::process::id()));
        drop(std::fs::remove_dir_all(&path));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

/// Addresses that were free a moment ago.
pub(crate) fn free_addresses(count: usize) -> Vec<SocketAddr> {
    let listeners: Vec<TcpListener> =
        (0..count).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
    listeners.iter().map(|listener| listener.local_addr().unwrap()).collect()
}

/// What a member is started with.
#[derive(Clone)]
pub(crate) struct Plan {
    pub(crate) name: String,
    pub(crate) directory: PathBuf,
    pub(crate) clients: SocketAddr,
    pub(crate) peers: SocketAddr,
    /// All first members.
    pub(crate) cluster: String,
}

impl Plan {
    /// Members of a new cluster.
    pub(crate) fn cluster(within: &Path, count: usize) -> Vec<Self> {
        let addresses = free_addresses(count * 2);
        let name = |number: usize| format!("m{number}");
        let parts: Vec<String> =
            (0..count).map(|n| format!("{}=http://{}", name(n), addresses[n * 2])).collect();
        let plan = |number: usize| Self {
            name: name(number),
            directory: within.join(name(number)),
            peers: addresses[number * 2],
            clients: addresses[number * 2 + 1],
            cluster: parts.join(","),
        };
        (0..count).map(plan).collect()
    }

    pub(crate) fn start(&self) -> Member {
        let (clients, peers) =
            (format!("http://{}", self.clients), format!("http://{}", self.peers));
        let process = Command::new(env!("CARGO_BIN_EXE_keelson"))
            .args(["etcd", "--name", &self.name, "--initial-cluster", &self.cluster])
            .arg("--data-dir")
            .arg(&self.directory)
            .args(["--listen-client-urls", &clients, "--advertise-client-urls", &clients])
            .args(["--listen-peer-urls", &peers, "--initial-advertise-peer-urls", &peers])
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Member { process, address: self.clients }
    }
}

/// A member that runs. It is killed at the end.
pub(crate) struct Member {
    process: Child,
    pub(crate) address: SocketAddr,
}

impl Member {
    /// A connection, as soon as there is one.
    pub(crate) fn connect(&mut self) -> Client {
        eventually("a connection", || {
            assert_eq!(self.process.try_wait().unwrap(), None, "the member has ended");
            Client::connect(self.address).ok()
        })
    }

    pub(crate) fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// Tries until something is there.
pub(crate) fn eventually<T>(what: &str, mut attempt: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = attempt() {
            return found;
        }
        assert!(start.elapsed() < PATIENCE, "{what} did not come");
        std::thread::sleep(Duration::from_millis(20));
    }
}
