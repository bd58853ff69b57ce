//! The line to PID 1: requests out, responses in, in whatever order they come.

use std::collections::{BTreeMap, VecDeque};
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};

use super::failure::{Code, Failure};
use crate::limits::{FRAME_DESCRIPTORS_MAX, RESPONSE_BYTES_MAX};
use crate::wire::frame::{FrameDecoder, FrameKind, decode, encode};
use crate::wire::{Request, Response};

/// An answer that takes longer than this means that something is wrong; those that wait for units are
/// exempt.
const PATIENCE: Duration = Duration::from_secs(20);

/// One response, with the descriptor that came along.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) response: Response,
    pub(crate) descriptor: Option<OwnedFd>,
}

/// A connection.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: UnixStream,
    decoder: FrameDecoder,
    descriptors: VecDeque<OwnedFd>,
    answers: BTreeMap<u32, Answer>,
    last_id: u32,
}

impl Connection {
    /// Connects to the keelson behind a socket.
    pub(crate) fn open(path: &Path) -> Result<Connection, Failure> {
        let stream = UnixStream::connect(path).map_err(|error| unreachable_at(path, &error))?;
        Ok(Connection {
            stream,
            decoder: FrameDecoder::new(RESPONSE_BYTES_MAX),
            descriptors: VecDeque::new(),
            answers: BTreeMap::new(),
            last_id: 0,
        })
    }

    /// Sends a request; gives its number.
    pub(crate) fn send(
        &mut self,
        request: &Request,
        descriptors: &[BorrowedFd<'_>],
    ) -> Result<u32, Failure> {
        self.last_id += 1;
        let count = u8::try_from(descriptors.len()).unwrap_or(u8::MAX);
        let bytes = encode(FrameKind::Request, self.last_id, count, request)
            .map_err(|error| Failure::new(Code::NotApplicable, error.to_string()))?;
        match self.send_all(&bytes, descriptors) {
            // Whoever was turned away was told why: that is still to be read.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
            sent => sent.map_err(|error| lost(&error))?,
        }
        Ok(self.last_id)
    }

    fn send_all(&self, mut bytes: &[u8], mut passed: &[BorrowedFd<'_>]) -> io::Result<()> {
        while !bytes.is_empty() {
            let mut space =
                [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(FRAME_DESCRIPTORS_MAX))];
            let mut ancillary = SendAncillaryBuffer::new(&mut space);
            if !passed.is_empty() {
                ancillary.push(SendAncillaryMessage::ScmRights(passed));
            }
            let slices = [IoSlice::new(bytes)];
            match sendmsg(&self.stream, &slices, &mut ancillary, SendFlags::NOSIGNAL) {
                Ok(count) => bytes = &bytes[count..],
                Err(Errno::INTR) => continue,
                Err(errno) => return Err(errno.into()),
            }
            passed = &[];
        }
        Ok(())
    }

    /// Waits for the response to a request. `patiently`: as long as it takes.
    pub(crate) fn wait(&mut self, id: u32, patiently: bool) -> Result<Answer, Failure> {
        let patience = (!patiently).then_some(PATIENCE);
        self.stream.set_read_timeout(patience).map_err(|error| lost(&error))?;
        loop {
            if let Some(answer) = self.answers.remove(&id) {
                return Ok(answer);
            }
            self.receive(RecvFlags::empty())?;
        }
    }

    /// The response to a request if it came, without waiting; for those who poll [`AsFd`].
    pub(crate) fn take(&mut self, id: u32) -> Result<Option<Answer>, Failure> {
        self.receive(RecvFlags::DONTWAIT)?;
        Ok(self.answers.remove(&id))
    }

    /// Asks and waits.
    pub(crate) fn ask(&mut self, request: &Request) -> Result<Answer, Failure> {
        let id = self.send(request, &[])?;
        self.wait(id, false)
    }

    fn receive(&mut self, flags: RecvFlags) -> Result<(), Failure> {
        let mut buffer = vec![0; 64 * 1024];
        let mut space =
            [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(FRAME_DESCRIPTORS_MAX))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let mut slices = [IoSliceMut::new(&mut buffer)];
        let flags = flags | RecvFlags::CMSG_CLOEXEC;
        let received = match recvmsg(&self.stream, &mut slices, &mut ancillary, flags) {
            Ok(message) if message.bytes == 0 => {
                return Err(lost(&io::ErrorKind::ConnectionReset.into()));
            }
            Ok(message) => message.bytes,
            Err(Errno::INTR) => return Ok(()),
            Err(Errno::AGAIN) if flags.contains(RecvFlags::DONTWAIT) => return Ok(()),
            Err(errno) => return Err(lost(&errno.into())),
        };
        for message in ancillary.drain() {
            if let RecvAncillaryMessage::ScmRights(rights) = message {
                self.descriptors.extend(rights);
            }
        }
        self.decoder.push(&buffer[..received]);
        self.take_frames()
    }

    fn take_frames(&mut self) -> Result<(), Failure> {
        let misunderstood = |text: String| {
            Failure::new(Code::NotHere, format!("the answer is not understood: {text}"))
                .advise("keelctl and the running keelson differ; use the keelctl of this machine")
        };
        loop {
            let frame = self.decoder.take().map_err(|error| misunderstood(error.to_string()))?;
            let Some(frame) = frame else { return Ok(()) };
            let response: Response =
                decode(&frame).map_err(|error| misunderstood(error.to_string()))?;
            let count = usize::from(frame.descriptors).min(self.descriptors.len());
            let descriptor = self.descriptors.drain(..count).next();
            // A refusal of the connection itself bears no number of ours: it answers the last request.
            let id = if frame.id == 0 { self.last_id } else { frame.id };
            self.answers.insert(id, Answer { response, descriptor });
        }
    }
}

impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

fn unreachable_at(path: &Path, error: &io::Error) -> Failure {
    let path = path.display();
    match error.kind() {
        io::ErrorKind::NotFound => {
            Failure::new(Code::NotHere, format!("keelson is not running here: no socket at {path}"))
                .advise(
                    "this verb speaks to the keelson that runs this machine as PID 1; \
                     `keelctl check FILE…` works anywhere",
                )
        }
        io::ErrorKind::ConnectionRefused => {
            Failure::new(Code::NotHere, format!("nobody answers at {path}"))
                .advise("keelson is starting, or not running any more; look at the console")
        }
        io::ErrorKind::PermissionDenied => {
            Failure::new(Code::Forbidden, format!("may not connect to {path}"))
                .advise("try it as root")
        }
        _ => Failure::new(Code::NotHere, format!("cannot connect to {path}: {error}")),
    }
}

fn lost(error: &io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
            let text = format!("PID 1 has not answered for {} seconds", PATIENCE.as_secs());
            Failure::new(Code::NotHere, text)
                .advise("it still supervises if the watchdog is quiet; look at the console")
        }
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => {
            Failure::new(Code::NotHere, "PID 1 closed the connection before it answered")
                .advise("it was replaced just now, or refused us as one client too many; try again")
        }
        _ => Failure::new(Code::NotHere, format!("the connection to PID 1 broke: {error}")),
    }
}
