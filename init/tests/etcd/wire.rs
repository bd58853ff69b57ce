//! A client of gRPC in a few lines: no window, no priorities, and of headers only that they came. Whoever is
//! answered with a message was answered well.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use prost::Message;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RESET: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GO_AWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const END: u8 = 1;
const END_HEADERS: u8 = 4;

/// A connection.
pub(crate) struct Client {
    stream: TcpStream,
    next: u32,
    arrived: Vec<u8>,
    /// Messages of calls that have not ended.
    open: Vec<(u32, Vec<u8>)>,
}

fn put_frame(kind: u8, flags: u8, stream: u32, body: &[u8], out: &mut Vec<u8>) {
    let size = u32::try_from(body.len()).unwrap().to_be_bytes();
    out.extend_from_slice(&size[1..]);
    out.extend_from_slice(&[kind, flags]);
    out.extend_from_slice(&stream.to_be_bytes());
    out.extend_from_slice(body);
}

fn put_text(text: &str, out: &mut Vec<u8>) {
    assert!(text.len() < 127);
    out.push(u8::try_from(text.len()).unwrap());
    out.extend_from_slice(text.as_bytes());
}

impl Client {
    pub(crate) fn connect(address: SocketAddr) -> io::Result<Self> {
        let mut stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(20)))?;
        let mut first = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
        // The largest window for each call, and nearly that for all of them together.
        put_frame(SETTINGS, 0, 0, &[0, 4, 0x7f, 0xff, 0xff, 0xff], &mut first);
        put_frame(WINDOW_UPDATE, 0, 0, &0x7000_0000_u32.to_be_bytes(), &mut first);
        stream.write_all(&first)?;
        Ok(Self { stream, next: 1, arrived: Vec::new(), open: Vec::new() })
    }

    /// Begins a call with one message, and gives its number.
    pub(crate) fn send(&mut self, path: &str, message: &impl Message) -> io::Result<u32> {
        let id = self.next;
        self.next += 2;
        // POST, http, and what is written out: path, authority, content-type, te.
        let mut head = vec![0x83, 0x86, 0x04];
        put_text(path, &mut head);
        head.push(0x01);
        put_text("localhost", &mut head);
        head.extend_from_slice(&[0x0f, 0x10]);
        put_text("application/grpc", &mut head);
        head.push(0);
        put_text("te", &mut head);
        put_text("trailers", &mut head);
        let mut out = Vec::new();
        put_frame(HEADERS, END_HEADERS, id, &head, &mut out);
        put_frame(DATA, END, id, &kv::etcd::frame::wrap(message), &mut out);
        self.open.push((id, Vec::new()));
        self.stream.write_all(&out)?;
        Ok(id)
    }

    /// Waits until some call has ended: which, and the message that it ended with, if it went well.
    pub(crate) fn receive(&mut self) -> io::Result<(u32, Option<Vec<u8>>)> {
        loop {
            if let Some(ended) = self.take_frame()? {
                return Ok(ended);
            }
            let mut buffer = [0; 16 * 1024];
            let read = self.stream.read(&mut buffer)?;
            if read == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            self.arrived.extend_from_slice(&buffer[..read]);
        }
    }

    fn take_frame(&mut self) -> io::Result<Option<(u32, Option<Vec<u8>>)>> {
        while self.arrived.len() >= 9 {
            let head: [u8; 9] = self.arrived[..9].try_into().unwrap();
            let size =
                usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
            if self.arrived.len() < 9 + size {
                break;
            }
            let (kind, flags) = (head[3], head[4]);
            let id = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
            let body: Vec<u8> = self.arrived.drain(..9 + size).skip(9).collect();
            match kind {
                DATA => {
                    if let Some((_, bytes)) = self.open.iter_mut().find(|(open, _)| *open == id) {
                        bytes.extend_from_slice(&body);
                    }
                }
                SETTINGS | PING if flags & 1 == 0 => {
                    let mut ack = Vec::new();
                    let body = if kind == PING { body.as_slice() } else { &[] };
                    put_frame(kind, 1, 0, body, &mut ack);
                    self.stream.write_all(&ack)?;
                }
                GO_AWAY => return Err(io::Error::other("the server goes away")),
                _ => {}
            }
            let ends = matches!(kind, DATA | HEADERS) && flags & END != 0 || kind == RESET;
            if let (true, Some(place)) = (ends, self.open.iter().position(|(open, _)| *open == id))
            {
                let (_, bytes) = self.open.swap_remove(place);
                let whole = kv::etcd::frame::look(&bytes, 1 << 30).ok().flatten();
                return Ok(Some((id, whole.map(|size| bytes[5..5 + size].to_vec()))));
            }
        }
        Ok(None)
    }

    /// One call, and its answer.
    pub(crate) fn ask<M: Message + Default>(
        &mut self,
        path: &str,
        message: &impl Message,
    ) -> io::Result<Option<M>> {
        let id = self.send(path, message)?;
        let (ended, answer) = self.receive()?;
        assert_eq!(ended, id);
        Ok(answer.map(|bytes| M::decode(&bytes[..]).unwrap()))
    }
}
