//! The thread that hashes passwords: slow on purpose, so neither the loop nor the disk does it.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, SyncSender, TrySendError, channel, sync_channel};
use std::thread;

use mio::Waker;

use crate::etcd::{Call, Fact};
use crate::limits::PASSWORDS_WAITING_MAX;

/// What is to be done.
#[derive(Debug)]
pub(super) enum Job {
    Hash { call: Call, password: String, cost: u32 },
    Check { call: Call, password: String, hash: String },
}

impl Job {
    /// What is told if it cannot be done.
    fn refused(&self) -> Fact {
        match self {
            Self::Hash { call, .. } => Fact::Hashed { call: *call, hash: None },
            Self::Check { call, .. } => Fact::Checked { call: *call, fits: false },
        }
    }

    fn done(self) -> Fact {
        match self {
            Self::Hash { call, password, cost } => {
                let hash = salt().and_then(|salt| kv::password::hash(&password, cost, salt).ok());
                Fact::Hashed { call, hash }
            }
            Self::Check { call, password, hash } => {
                Fact::Checked { call, fits: kv::password::fits(&password, &hash) }
            }
        }
    }
}

fn salt() -> Option<[u8; 16]> {
    let mut salt = [0; 16];
    let filled = rustix::rand::getrandom(&mut salt, rustix::rand::GetRandomFlags::empty());
    (filled == Ok(salt.len())).then_some(salt)
}

/// The loop's end of the thread, which is started when it is first needed.
#[derive(Debug)]
pub(super) struct Passwords {
    waker: Arc<Waker>,
    jobs: Option<SyncSender<Job>>,
    done: Sender<Fact>,
    facts: Receiver<Fact>,
}

impl Passwords {
    pub(super) fn new(waker: Arc<Waker>) -> Self {
        let (done, facts) = channel();
        Self { waker, jobs: None, done, facts }
    }

    /// Gives a job, or takes it as refused if too many wait.
    pub(super) fn order(&mut self, job: Job) -> Option<Fact> {
        if self.jobs.is_none() {
            self.jobs = self.start().ok();
        }
        let Some(jobs) = &self.jobs else { return Some(job.refused()) };
        match jobs.try_send(job) {
            Ok(()) => None,
            Err(TrySendError::Full(job) | TrySendError::Disconnected(job)) => Some(job.refused()),
        }
    }

    fn start(&self) -> io::Result<SyncSender<Job>> {
        let (jobs, taken) = sync_channel::<Job>(PASSWORDS_WAITING_MAX);
        let (done, waker) = (self.done.clone(), Arc::clone(&self.waker));
        thread::Builder::new().name("passwords".into()).spawn(move || {
            for job in taken {
                drop(done.send(job.done()));
                drop(waker.wake());
            }
        })?;
        Ok(jobs)
    }

    pub(super) fn take(&self) -> impl Iterator<Item = Fact> + '_ {
        self.facts.try_iter()
    }
}
