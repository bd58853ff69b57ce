//! A connection as `h2` wants it: a stream that answers at once, or says that it would have to wait.

use std::cell::Cell;
use std::io::{self, IoSlice, Read, Write};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use mio::net::TcpStream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What the poll said of a connection.
#[derive(Debug, Default)]
pub(super) struct Readiness {
    /// There may be something to read.
    pub(super) readable: Cell<bool>,
    /// The other side has closed: the end is to be read.
    pub(super) closing: Cell<bool>,
}

/// A stream without blocking.
#[derive(Debug)]
pub(super) struct Wire {
    stream: TcpStream,
    readiness: Rc<Readiness>,
}

impl Wire {
    pub(super) fn new(stream: TcpStream, readiness: Rc<Readiness>) -> Self {
        Self { stream, readiness }
    }
}

/// Waiting is not an error, and neither is a signal.
fn poll(done: io::Result<usize>) -> Poll<io::Result<usize>> {
    match done {
        Err(why) if why.kind() == io::ErrorKind::WouldBlock => Poll::Pending,
        done => Poll::Ready(done),
    }
}

fn again(mut act: impl FnMut() -> io::Result<usize>) -> Poll<io::Result<usize>> {
    loop {
        match act() {
            Err(why) if why.kind() == io::ErrorKind::Interrupted => {}
            done => return poll(done),
        }
    }
}

impl AsyncRead for Wire {
    /// A read that does not fill its buffer has emptied the socket: the next edge will tell of more. So a
    /// request costs one read, not two.
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let wire = self.get_mut();
        if !wire.readiness.readable.get() {
            return Poll::Pending;
        }
        let room = buffer.initialize_unfilled();
        let size = room.len();
        match again(|| wire.stream.read(room)) {
            Poll::Pending => {
                wire.readiness.readable.set(false);
                Poll::Pending
            }
            Poll::Ready(Ok(read)) => {
                buffer.advance(read);
                wire.readiness.readable.set(read == size || wire.readiness.closing.get());
                Poll::Ready(Ok(()))
            }
            Poll::Ready(Err(why)) => Poll::Ready(Err(why)),
        }
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let wire = self.get_mut();
        again(|| wire.stream.write(bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let wire = self.get_mut();
        again(|| wire.stream.write_vectored(slices))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let wire = self.get_mut();
        drop(wire.stream.shutdown(std::net::Shutdown::Write));
        Poll::Ready(Ok(()))
    }
}
