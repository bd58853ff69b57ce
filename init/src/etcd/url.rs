//! Addresses as etcd writes them: `http://host:port`.

use std::net::{IpAddr, SocketAddr};

/// One address.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Url {
    /// Whether TLS is wanted.
    pub secure: bool,
    /// A name or an address, without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
}

impl Url {
    /// Reads one.
    ///
    /// # Errors
    ///
    /// What is wrong, and what would be right.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = |why: &str| format!("address {text:?}: {why}, write http://HOST:PORT");
        let (scheme, rest) = text.split_once("://").ok_or_else(|| wrong("it has no scheme"))?;
        let secure = match scheme {
            "http" => false,
            "https" => true,
            _ => return Err(wrong("only http and https are known")),
        };
        let place = rest.strip_suffix('/').unwrap_or(rest);
        if place.contains('/') {
            return Err(wrong("it has a path"));
        }
        let (host, port) = place.rsplit_once(':').ok_or_else(|| wrong("it has no port"))?;
        let port = port.parse().map_err(|_| wrong("the port is no number up to 65535"))?;
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let host = bare.unwrap_or(host).to_owned();
        Ok(Self { secure, host, port })
    }

    /// Reads several, with commas between.
    ///
    /// # Errors
    ///
    /// One of them is none.
    pub fn parse_all(text: &str) -> Result<Vec<Self>, String> {
        text.split(',').map(str::trim).filter(|url| !url.is_empty()).map(Self::parse).collect()
    }

    /// The address, if the host is one and no name.
    pub fn address(&self) -> Option<SocketAddr> {
        let host = match self.host.as_str() {
            "localhost" => "127.0.0.1",
            "" => "0.0.0.0",
            host => host,
        };
        Some(SocketAddr::new(host.parse::<IpAddr>().ok()?, self.port))
    }
}

impl std::fmt::Display for Url {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let scheme = if self.secure { "https" } else { "http" };
        match self.host.contains(':') {
            true => write!(to, "{scheme}://[{}]:{}", self.host, self.port),
            false => write!(to, "{scheme}://{}:{}", self.host, self.port),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_written() {
        for text in ["http://127.0.0.1:2379", "https://[::1]:1", "http://a.b:65535"] {
            assert_eq!(Url::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(Url::parse("http://h:1/").unwrap().host, "h");
        for text in ["", "h:1", "ftp://h:1", "http://h", "http://h:70000", "http://h:1/path"] {
            assert!(Url::parse(text).is_err(), "{text}");
        }
        assert_eq!(Url::parse_all("http://a:1, http://b:2").unwrap().len(), 2);
        let local = Url::parse("http://localhost:5").unwrap().address();
        assert_eq!(local, Some("127.0.0.1:5".parse().unwrap()));
    }
}
