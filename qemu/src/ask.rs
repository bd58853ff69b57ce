//! Asking a program in the guest something over the network, as its own clients do.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::Fault;

/// How long one answer may take. QEMU accepts a connection before the guest does, so a guest that
/// does not listen yet shows as a connection that is closed or silent.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// The most that is read of one answer.
const ANSWER_BYTES_MAX: u64 = 1 << 20;

/// What a web server answered.
#[derive(Debug, Clone)]
pub struct Page {
    /// The status code.
    pub status: u16,
    /// The body.
    pub body: String,
}

/// Asks for `path` by HTTP/1.0 on a port of the host.
///
/// # Errors
/// When nobody answers, or not in HTTP.
pub fn http_get(port: u16, path: &str) -> Result<Page, Fault> {
    let asked = format!("GET {path} on port {port}");
    let fault = |error: std::io::Error| Fault::qemu(&asked, error);
    let mut stream = connect(port).map_err(fault)?;
    let request = format!("GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n");
    stream.write_all(request.as_bytes()).map_err(fault)?;
    let mut bytes = Vec::new();
    stream.take(ANSWER_BYTES_MAX).read_to_end(&mut bytes).map_err(fault)?;
    let text = String::from_utf8_lossy(&bytes);
    parse_page(&text).ok_or_else(|| Fault::wrong(asked.clone(), format!("{:.200}", text.trim())))
}

fn parse_page(text: &str) -> Option<Page> {
    let (head, body) = text.split_once("\r\n\r\n")?;
    let mut words = head.split_whitespace();
    words.next().filter(|version| version.starts_with("HTTP/1."))?;
    Some(Page { status: words.next()?.parse().ok()?, body: body.to_owned() })
}

/// Gives one command to a redis on a port of the host and returns the first part of its answer:
/// `PONG`, `OK`, or the value of a key.
///
/// Source of the protocol: the RESP specification of the redis documentation.
///
/// # Errors
/// When nobody answers, or with an error.
pub fn redis(port: u16, command: &[&str]) -> Result<String, Fault> {
    let asked = format!("redis {} on port {port}", command.join(" "));
    let fault = |error: std::io::Error| Fault::qemu(&asked, error);
    let mut stream = connect(port).map_err(fault)?;
    let mut request = format!("*{}\r\n", command.len());
    for word in command {
        request += &format!("${}\r\n{word}\r\n", word.len());
    }
    stream.write_all(request.as_bytes()).map_err(fault)?;
    let mut answer = BufReader::new(stream.take(ANSWER_BYTES_MAX));
    let first = line(&mut answer).map_err(fault)?;
    match first.split_at_checked(1) {
        Some(("+" | ":", rest)) => Ok(rest.to_owned()),
        Some(("$", "-1")) => Ok(String::new()),
        Some(("$", _)) => line(&mut answer).map_err(fault),
        _ => Err(Fault::wrong(asked, format!("`{first}`"))),
    }
}

fn line(from: &mut impl BufRead) -> std::io::Result<String> {
    let mut text = String::new();
    from.read_line(&mut text)?;
    Ok(text.trim_end().to_owned())
}

fn connect(port: u16) -> std::io::Result<TcpStream> {
    let stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(ANSWER_TIMEOUT))?;
    stream.set_write_timeout(Some(ANSWER_TIMEOUT))?;
    Ok(stream)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    /// A server that answers one connection with `answer`, whatever it is asked.
    fn server(answer: &'static str) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 512];
            let _asked = stream.read(&mut request).unwrap();
            stream.write_all(answer.as_bytes()).unwrap();
        });
        port
    }

    #[test]
    fn a_page_has_a_status_and_a_body() {
        let page = http_get(server("HTTP/1.1 404 Not Found\r\nA: b\r\n\r\ngone\n"), "/").unwrap();
        assert_eq!((page.status, page.body.as_str()), (404, "gone\n"));
        assert!(http_get(server("SSH-2.0-x\r\n"), "/").is_err());
        assert!(http_get(server(""), "/").is_err());
    }

    #[test]
    fn redis_answers_in_its_three_forms() {
        assert_eq!(redis(server("+PONG\r\n"), &["PING"]).unwrap(), "PONG");
        assert_eq!(redis(server("$5\r\nvalue\r\n"), &["GET", "key"]).unwrap(), "value");
        assert_eq!(redis(server("$-1\r\n"), &["GET", "none"]).unwrap(), "");
        assert!(redis(server("-ERR unknown\r\n"), &["X"]).is_err());
        assert!(redis(server(""), &["PING"]).is_err());
    }
}
