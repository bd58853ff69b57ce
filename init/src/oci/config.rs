//! Image configurations.

use serde::Deserialize;
use std::collections::BTreeMap;

use units::plan::ImageFacts;

use super::{BadImage, Digest, LAYERS_MAX, bad};

/// What an image says about how it is run, and which layers it has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageConfig {
    /// Digests of the layers without compression, lowest first.
    pub diff_ids: Vec<Digest>,
    /// How it is run; its layers are still to be named.
    pub facts: ImageFacts,
}

#[derive(Deserialize)]
struct RawImage {
    #[serde(default)]
    config: RawConfig,
    rootfs: RawRootfs,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct RawConfig {
    user: String,
    env: Option<Vec<String>>,
    entrypoint: Option<Vec<String>>,
    cmd: Option<Vec<String>>,
    working_dir: String,
    exposed_ports: Option<BTreeMap<String, serde_json::Value>>,
    stop_signal: Option<String>,
}

#[derive(Deserialize)]
struct RawRootfs {
    diff_ids: Vec<String>,
}

impl ImageConfig {
    /// Reads a configuration.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(bytes: &[u8]) -> Result<ImageConfig, BadImage> {
        let raw: RawImage =
            serde_json::from_slice(bytes).map_err(|e| bad("image configuration", e))?;
        if raw.rootfs.diff_ids.len() > LAYERS_MAX {
            return Err(bad("image configuration", format!("more than {LAYERS_MAX} layers")));
        }
        let diff_ids = raw.rootfs.diff_ids.iter().map(|text| Digest::parse(text));
        Ok(ImageConfig {
            diff_ids: diff_ids.collect::<Result<_, BadImage>>()?,
            facts: facts(raw.config),
        })
    }
}

fn facts(raw: RawConfig) -> ImageFacts {
    let boxed = |list: Option<Vec<String>>| -> Vec<Box<str>> {
        list.unwrap_or_default().into_iter().map(Into::into).collect()
    };
    let pairs = raw.env.unwrap_or_default();
    let pairs = pairs.iter().filter_map(|text| text.split_once('='));
    let ports = raw.exposed_ports.unwrap_or_default();
    ImageFacts {
        layers: Vec::new(),
        environment: pairs.map(|(name, value)| (name.into(), value.into())).collect(),
        entrypoint: boxed(raw.entrypoint),
        command: boxed(raw.cmd),
        user: raw.user.into(),
        working_directory: raw.working_dir.into(),
        stop_signal: raw.stop_signal.as_deref().and_then(signal),
        ports: ports.keys().filter_map(|text| port(text)).collect(),
    }
}

/// `80/tcp`, `53/udp`, `80`: the number, and whether it is UDP.
fn port(text: &str) -> Option<(u16, bool)> {
    let (number, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    Some((number.parse().ok()?, protocol == "udp"))
}

/// `SIGQUIT`, `QUIT` or `3`.
fn signal(text: &str) -> Option<u8> {
    if let Ok(number) = text.parse() {
        return (1..=64).contains(&number).then_some(number);
    }
    let names = [
        ("HUP", 1),
        ("INT", 2),
        ("QUIT", 3),
        ("ABRT", 6),
        ("KILL", 9),
        ("USR1", 10),
        ("USR2", 12),
        ("TERM", 15),
        ("WINCH", 28),
        ("PWR", 30),
    ];
    let name = text.strip_prefix("SIG").unwrap_or(text);
    if let Some(offset) = name.strip_prefix("RTMIN+") {
        return offset.parse::<u8>().ok().map(|offset| 34 + offset).filter(|n| *n <= 64);
    }
    names.iter().find(|(known, _)| *known == name).map(|(_, number)| *number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_image_says() {
        let digest = format!("sha256:{}", "11".repeat(32));
        let text = format!(
            r#"{{"config":{{"Env":["A=b"],"Cmd":["x"],"ExposedPorts":{{"80/tcp":{{}}}},"StopSignal":"SIGQUIT"}},
               "rootfs":{{"type":"layers","diff_ids":["{digest}"]}}}}"#
        );
        let config = ImageConfig::parse(text.as_bytes()).unwrap();
        assert_eq!(config.diff_ids.len(), 1);
        assert_eq!(config.facts.stop_signal, Some(3));
        assert_eq!(config.facts.ports, [(80, false)]);
        assert!(ImageConfig::parse(b"{}").is_err());
    }
}
