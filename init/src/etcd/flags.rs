//! etcd's command line and environment: `--name x`, `--name=x`, `ETCD_NAME=x`.

use std::collections::BTreeMap;

use kv::store::Retention;

use super::url::Url;

/// What becomes of a flag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Use {
    /// It has a value, and it matters.
    Value,
    /// It is yes or no, and it matters.
    Switch,
    /// It has a value, and whatever it says is so already, or nothing to this program.
    IgnoredValue,
    /// It is yes or no, and whatever it says is so already, or nothing to this program.
    IgnoredSwitch,
    /// What it asks for is not there: better not to start than to start without it.
    Refused,
}

const FLAGS: &[(Use, &[&str])] = &[
    (
        Use::Value,
        &[
            "name",
            "data-dir",
            "listen-client-urls",
            "advertise-client-urls",
            "listen-peer-urls",
            "initial-advertise-peer-urls",
            "initial-cluster",
            "initial-cluster-state",
            "initial-cluster-token",
            "quota-backend-bytes",
            "auto-compaction-mode",
            "auto-compaction-retention",
            "heartbeat-interval",
            "election-timeout",
            "max-request-bytes",
            "log-level",
            "auth-token",
            "bcrypt-cost",
        ],
    ),
    (Use::Switch, &["version", "help", "h"]),
    (
        Use::IgnoredValue,
        &[
            "wal-dir",
            "snapshot-count",
            "max-snapshots",
            "max-wals",
            "cors",
            "proxy",
            "logger",
            "log-outputs",
            "log-output",
            "max-txn-ops",
            "backend-batch-limit",
            "backend-batch-interval",
            "grpc-keepalive-min-time",
            "grpc-keepalive-interval",
            "grpc-keepalive-timeout",
            "max-concurrent-streams",
            "metrics",
            "log-package-levels",
            "host-whitelist",
            "auth-token-ttl",
            "experimental-compaction-batch-limit",
            "experimental-corrupt-check-time",
            "experimental-backend-bbolt-freelist-type",
            "experimental-watch-progress-notify-interval",
            "log-rotation-config-json",
            "experimental-peer-skip-client-san-verification",
            "log-format",
            "experimental-warning-apply-duration",
            "discovery-fallback",
            "proxy-failure-wait",
            "proxy-refresh-interval",
            "proxy-dial-timeout",
            "proxy-write-timeout",
            "proxy-read-timeout",
        ],
    ),
    (
        Use::IgnoredSwitch,
        &[
            "strict-reconfig-check",
            "pre-vote",
            "enable-v2",
            "enable-pprof",
            "debug",
            "enable-log-rotation",
            "enable-grpc-gateway",
            "unsafe-no-fsync",
            "initial-election-tick-advance",
            "experimental-initial-corrupt-check",
            "experimental-enable-lease-checkpoint",
            "experimental-enable-v2v3",
        ],
    ),
    (
        Use::Refused,
        &[
            "cert-file",
            "key-file",
            "client-cert-auth",
            "trusted-ca-file",
            "auto-tls",
            "ca-file",
            "client-crl-file",
            "client-cert-allowed-hostname",
            "peer-cert-file",
            "peer-key-file",
            "peer-client-cert-auth",
            "peer-trusted-ca-file",
            "peer-auto-tls",
            "peer-ca-file",
            "peer-crl-file",
            "peer-cert-allowed-cn",
            "peer-cert-allowed-hostname",
            "cipher-suites",
            "config-file",
            "discovery",
            "discovery-proxy",
            "discovery-srv",
            "discovery-srv-name",
            "force-new-cluster",
            "listen-metrics-urls",
            "self-signed-cert-validity",
        ],
    ),
];

/// What the command line asks for.
#[derive(Debug, Clone, PartialEq)]
pub enum Asked {
    /// To serve.
    Serve(Box<Flags>),
    /// To tell the version.
    Version,
    /// To tell what can be asked for.
    Help,
}

/// How a member is to be run.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "the names are those of etcd's flags")]
pub struct Flags {
    pub name: String,
    pub data_dir: String,
    pub listen_client_urls: Vec<Url>,
    pub advertise_client_urls: Vec<Url>,
    pub listen_peer_urls: Vec<Url>,
    pub advertise_peer_urls: Vec<Url>,
    pub initial_cluster: BTreeMap<String, Vec<Url>>,
    /// The cluster exists already.
    pub joins: bool,
    pub token: String,
    pub quota_bytes: u64,
    pub retention: Retention,
    pub heartbeat_ms: u64,
    pub election_ms: u64,
    pub request_bytes_max: usize,
    pub bcrypt_cost: u32,
    /// What was given and means nothing here.
    pub ignored: Vec<String>,
}

/// Reads the command line (without the program) and the environment.
///
/// # Errors
///
/// What is wrong, in words.
pub fn parse(words: &[String], environment: &BTreeMap<String, String>) -> Result<Asked, String> {
    let mut given = Given::default();
    for (_, names) in FLAGS {
        for name in *names {
            let variable = format!("ETCD_{}", name.to_uppercase().replace('-', "_"));
            if let Some(value) = environment.get(&variable).filter(|value| !value.is_empty()) {
                given.put(name, value, &variable)?;
            }
        }
    }
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let bare = word.strip_prefix("--").or_else(|| word.strip_prefix('-'));
        let bare = bare.ok_or_else(|| format!("{word:?} is not a flag: see --help"))?;
        let (name, value) = match bare.split_once('=') {
            Some((name, value)) => (name, value.to_owned()),
            None if is_switch(bare) => (bare, "true".to_owned()),
            None => (bare, words.next().cloned().ok_or(format!("flag {word} has no value"))?),
        };
        given.put(name, &value, word)?;
    }
    given.asked()
}

fn use_of(name: &str) -> Option<Use> {
    FLAGS.iter().find(|(_, names)| names.contains(&name)).map(|(known, _)| *known)
}

/// A flag that may stand alone. Of those that are refused it does not matter.
fn is_switch(name: &str) -> bool {
    !matches!(use_of(name), Some(Use::Value | Use::IgnoredValue))
}

#[derive(Debug, Default)]
struct Given {
    values: BTreeMap<String, String>,
    ignored: Vec<String>,
}

impl Given {
    fn put(&mut self, name: &str, value: &str, shown: &str) -> Result<(), String> {
        match use_of(name) {
            Some(Use::Value | Use::Switch) => {
                self.values.insert(name.to_owned(), value.to_owned());
            }
            Some(Use::IgnoredValue | Use::IgnoredSwitch) => self.ignored.push(name.to_owned()),
            // Asking for what is not there is harmless only if the answer is no.
            Some(Use::Refused) if matches!(value, "false" | "") => {}
            Some(Use::Refused) => {
                return Err(format!("{shown} is not supported: start without it"));
            }
            None => return Err(format!("{shown} is not a flag of etcd: see --help")),
        }
        Ok(())
    }

    fn asked(self) -> Result<Asked, String> {
        let is_on = |name: &str| self.values.get(name).is_some_and(|value| value != "false");
        if is_on("version") {
            return Ok(Asked::Version);
        }
        if is_on("help") || is_on("h") {
            return Ok(Asked::Help);
        }
        self.flags().map(|flags| Asked::Serve(Box::new(flags)))
    }

    fn text<'a>(&'a self, name: &str, otherwise: &'a str) -> &'a str {
        self.values.get(name).map_or(otherwise, String::as_str)
    }

    fn number<N: std::str::FromStr>(&self, name: &str, otherwise: N) -> Result<N, String> {
        match self.values.get(name) {
            Some(text) => {
                text.parse().map_err(|_| format!("--{name} {text:?} is not a number in its range"))
            }
            None => Ok(otherwise),
        }
    }

    fn urls(&self, name: &str, otherwise: &str) -> Result<Vec<Url>, String> {
        let urls =
            Url::parse_all(self.text(name, otherwise)).map_err(|why| format!("--{name}: {why}"))?;
        match urls.iter().find(|url| url.secure) {
            Some(url) => Err(format!("--{name} {url}: https is not supported: use http")),
            None => Ok(urls),
        }
    }

    fn flags(self) -> Result<Flags, String> {
        let name = self.text("name", "default").to_owned();
        let data_dir = self.text("data-dir", &format!("{name}.etcd")).to_owned();
        let advertise_peer_urls =
            self.urls("initial-advertise-peer-urls", "http://localhost:2380")?;
        let alone = format!("{name}={}", list(&advertise_peer_urls));
        let flags = Flags {
            listen_client_urls: self.urls("listen-client-urls", "http://localhost:2379")?,
            advertise_client_urls: self.urls("advertise-client-urls", "http://localhost:2379")?,
            listen_peer_urls: self.urls("listen-peer-urls", "http://localhost:2380")?,
            initial_cluster: cluster(self.text("initial-cluster", &alone))?,
            advertise_peer_urls,
            joins: joins(self.text("initial-cluster-state", "new"))?,
            token: self.text("initial-cluster-token", "etcd-cluster").to_owned(),
            quota_bytes: quota(self.number("quota-backend-bytes", 0_i64)?),
            retention: self.retention()?,
            heartbeat_ms: self.number("heartbeat-interval", 100)?,
            election_ms: self.number("election-timeout", 1000)?,
            request_bytes_max: self.number("max-request-bytes", 1536 * 1024)?,
            bcrypt_cost: self.number("bcrypt-cost", kv::password::COST)?,
            ignored: self.ignored.clone(),
            name,
            data_dir,
        };
        self.check(flags)
    }

    fn check(&self, flags: Flags) -> Result<Flags, String> {
        let token = self.text("auth-token", "simple");
        if token != "simple" {
            return Err(format!("--auth-token {token:?} is not supported: only \"simple\" is"));
        }
        if flags.heartbeat_ms == 0 || flags.election_ms < 5 * flags.heartbeat_ms {
            return Err("--election-timeout must be at least 5 times --heartbeat-interval".into());
        }
        if flags.election_ms > 50_000 {
            return Err("--election-timeout must be at most 50000 ms".into());
        }
        let given = self.values.contains_key("initial-cluster");
        if given && !flags.initial_cluster.contains_key(&flags.name) {
            return Err(format!("--initial-cluster has no member named {:?}", flags.name));
        }
        Ok(flags)
    }

    /// By default history is kept in bounds, other than in etcd: it would fill the quota.
    fn retention(&self) -> Result<Retention, String> {
        let text = self.text("auto-compaction-retention", "");
        let wrong =
            || format!("--auto-compaction-retention {text:?} is none, as in 1000, 8 or 30m");
        if text.is_empty() {
            return Ok(Retention::Revisions(20_000));
        }
        if matches!(text, "0" | "0s" | "0h") {
            return Ok(Retention::Asked);
        }
        match self.text("auto-compaction-mode", "periodic") {
            "revision" => text.parse().map(Retention::Revisions).map_err(|_| wrong()),
            "periodic" => period_ms(text).map(Retention::Ms).ok_or_else(wrong),
            mode => Err(format!("--auto-compaction-mode {mode:?}: use periodic or revision")),
        }
    }
}

/// A number of hours, or numbers with units as Go writes them.
fn period_ms(text: &str) -> Option<u64> {
    if let Ok(hours) = text.parse::<u64>() {
        return hours.checked_mul(3_600_000);
    }
    let mut total = 0_u64;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let (number, after) = rest.split_at(digits);
        let units = after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len());
        let unit_ms = match &after[..units] {
            "h" => 3_600_000,
            "m" => 60_000,
            "s" => 1000,
            "ms" => 1,
            _ => return None,
        };
        total = total.checked_add(number.parse::<u64>().ok()?.checked_mul(unit_ms)?)?;
        rest = &after[units..];
    }
    Some(total)
}

/// Zero is etcd's default, less than zero is no limit.
fn quota(bytes: i64) -> u64 {
    const DEFAULT_BYTES: u64 = 2 << 30;
    match bytes {
        0 => DEFAULT_BYTES,
        bytes => u64::try_from(bytes).unwrap_or(u64::MAX / 2),
    }
}

fn joins(state: &str) -> Result<bool, String> {
    match state {
        "new" => Ok(false),
        "existing" => Ok(true),
        other => Err(format!("--initial-cluster-state {other:?}: use new or existing")),
    }
}

/// `name=url,name=url`; a name that comes twice has two addresses.
fn cluster(text: &str) -> Result<BTreeMap<String, Vec<Url>>, String> {
    let mut members: BTreeMap<String, Vec<Url>> = BTreeMap::new();
    for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        let (name, url) = part
            .split_once('=')
            .ok_or_else(|| format!("--initial-cluster {part:?}: write NAME=URL"))?;
        members.entry(name.to_owned()).or_default().push(Url::parse(url)?);
    }
    Ok(members)
}

fn list(urls: &[Url]) -> String {
    urls.iter().map(Url::to_string).collect::<Vec<_>>().join(",")
}

/// The text of `--help`.
pub fn help() -> String {
    let mut text = String::from("usage: etcd [FLAG...], or each flag as ETCD_FLAG\n");
    let headings = [
        (Use::Value, "flags"),
        (Use::IgnoredValue, "accepted, and without effect"),
        (Use::IgnoredSwitch, "accepted, and without effect, yes or no"),
        (Use::Refused, "refused"),
    ];
    for (wanted, heading) in headings {
        text.push_str(&format!("\n{heading}:\n"));
        let names =
            FLAGS.iter().filter(|(known, _)| *known == wanted).flat_map(|(_, names)| *names);
        for name in names {
            text.push_str(&format!("  --{name}\n"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(words: &[&str], environment: &[(&str, &str)]) -> Result<Flags, String> {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        let environment =
            environment.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        match parse(&words, &environment)? {
            Asked::Serve(flags) => Ok(*flags),
            Asked::Version | Asked::Help => Err("no serving".into()),
        }
    }

    #[test]
    fn flags_win_over_the_environment() {
        let flags = read(
            &[
                "--name",
                "a",
                "-data-dir=/d",
                "--enable-v2",
                "--listen-client-urls",
                "http://1.2.3.4:5",
            ],
            &[("ETCD_NAME", "b"), ("ETCD_INITIAL_CLUSTER_TOKEN", "t"), ("ETCD_UNKNOWN", "x")],
        )
        .unwrap();
        assert_eq!((flags.name.as_str(), flags.data_dir.as_str()), ("a", "/d"));
        assert_eq!(flags.token, "t");
        assert_eq!(flags.listen_client_urls[0].port, 5);
        assert_eq!(flags.ignored, ["enable-v2"]);
        assert_eq!(flags.initial_cluster.len(), 1);
        assert_eq!(read(&[], &[]).unwrap().data_dir, "default.etcd");
    }

    #[test]
    fn what_is_not_there_is_refused() {
        for words in [
            &["--cert-file", "x"][..],
            &["--auto-tls"],
            &["--nonsense"],
            &["stray"],
            &["--name"],
            &["--listen-client-urls", "https://h:1"],
            &["--initial-cluster", "b=http://h:1"],
            &["--auto-compaction-retention", "soon"],
            &["--election-timeout", "200"],
        ] {
            assert!(read(words, &[]).is_err(), "{words:?}");
        }
        assert!(read(&["--auto-tls=false"], &[]).is_ok());
        assert!(read(&[], &[("ETCD_CERT_FILE", "x")]).is_err());
    }

    #[test]
    fn retention_is_etcds() {
        let of = |words: &[&str]| read(words, &[]).unwrap().retention;
        assert_eq!(of(&[]), Retention::Revisions(20_000));
        assert_eq!(of(&["--auto-compaction-retention=0"]), Retention::Asked);
        assert_eq!(of(&["--auto-compaction-retention=2"]), Retention::Ms(7_200_000));
        assert_eq!(of(&["--auto-compaction-retention=1h30m"]), Retention::Ms(5_400_000));
        let revisions = &["--auto-compaction-mode=revision", "--auto-compaction-retention=9"];
        assert_eq!(of(revisions), Retention::Revisions(9));
    }
}
