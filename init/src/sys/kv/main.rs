//! `keelson etcd …`, also under the name `etcd`: one member of the store, on any Linux host.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;

use kv::replica::members::Members;
use kv::replica::{Config, Files, Start};
use kv::wal::Segment;

use super::files::{Directory, Found};
use super::peers::ask_who;
use super::server::{Server, moment};
use crate::ctl::human::date_time;
use crate::etcd::flags::{self, Asked, Flags};
use crate::etcd::identity::{Identity, first_members, member_number};
use crate::etcd::node::Settings;
use crate::etcd::url::Url;
use crate::etcd::{Fact, Node};

/// The version that clients are told: what they find in it is what they expect of this one.
pub const VERSION: &str = "3.4.23";

/// Tells an administrator something, as etcd would.
pub(super) fn note(text: &str) {
    let unix_us = crate::sys::clock::unix_us();
    let micros = unix_us.rem_euclid(1_000_000);
    eprintln!("{}.{micros:06} I | etcd: {text}", date_time(unix_us, 0));
}

/// Runs a member with these words of the command line.
pub fn main(words: &[String]) -> ExitCode {
    let environment: BTreeMap<String, String> = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    let flags = match flags::parse(words, &environment) {
        Ok(Asked::Serve(flags)) => flags,
        Ok(Asked::Version) => {
            println!("etcd Version: {VERSION}\nKeelson Version: {}", env!("CARGO_PKG_VERSION"));
            return ExitCode::SUCCESS;
        }
        Ok(Asked::Help) => {
            print!("{}", flags::help());
            return ExitCode::SUCCESS;
        }
        Err(why) => return fail(&why),
    };
    match serve(&flags) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => fail(&why),
    }
}

fn fail(why: &str) -> ExitCode {
    eprintln!("etcd: {why}");
    ExitCode::FAILURE
}

/// As many descriptors as there may be: each client is one.
fn raise_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    // Fewer clients are still some.
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).unwrap_or_default();
}

fn serve(flags: &Flags) -> Result<(), String> {
    raise_limit();
    let directory = Directory::open(Path::new(&flags.data_dir))?;
    let found = directory.read()?;
    let nonce = drawn()?;
    let (identity, start) = begin(flags, &found)?;
    if found.identity.is_none() {
        directory.keep(identity).map_err(|why| format!("{}: {why}", flags.data_dir))?;
    }
    let listen = addresses(&flags.listen_client_urls)?;
    let peers = addresses(&flags.listen_peer_urls)?;
    let path = directory.path.clone();
    let mut server = Server::new(identity, &listen, &peers, path, flags.request_bytes_max)?;
    let mut orders = Vec::new();
    let settings = settings(flags, identity, nonce);
    let mut node = start_node(settings, found, start, &mut orders)?;
    if node.replica().members().present.is_empty() {
        server.know(&join(flags)?.1);
    }
    server.carry_out(&mut orders);
    for name in &flags.ignored {
        note(&format!("--{name} has no effect here"));
    }
    say_ready(flags, identity);
    server.run(&mut node)
}

fn start_node(
    settings: Settings,
    found: Found,
    start: Start,
    orders: &mut Vec<crate::etcd::Order>,
) -> Result<Node, String> {
    let segments: Vec<Segment<'_>> =
        found.segments.iter().map(|(number, bytes)| Segment { number: *number, bytes }).collect();
    let snapshots: Vec<(u64, &[u8])> =
        found.snapshots.iter().map(|(file, bytes)| (*file, bytes.as_slice())).collect();
    let files = Files { segments: &segments, snapshots: &snapshots };
    let now = moment();
    let mut node =
        Node::start(settings, &files, start, now, orders).map_err(|bad| bad.to_string())?;
    node.step(Fact::Replica(kv::replica::Event::Tick), now, orders);
    Ok(node)
}

/// Who this member is, and how it begins if the disk has nothing.
fn begin(flags: &Flags, found: &Found) -> Result<(Identity, Start), String> {
    let log = drawn()?;
    let (cluster, members) = first_members(&flags.initial_cluster, &flags.token);
    if let Some(identity) = found.identity {
        return Ok((identity, Start::New { log, members }));
    }
    if flags.joins {
        return Ok((join(flags)?.0, Start::Join { log }));
    }
    let member = member_number(&own_peer_urls(flags)?, &flags.token, None);
    Ok((Identity { member, cluster }, Start::New { log, members }))
}

fn own_peer_urls(flags: &Flags) -> Result<Vec<String>, String> {
    match flags.initial_cluster.get(&flags.name) {
        Some(urls) => Ok(urls.iter().map(Url::to_string).collect()),
        None => Err(format!("--initial-cluster has no member named {:?}", flags.name)),
    }
}

/// Asks the cluster which of its members this one is to be.
fn join(flags: &Flags) -> Result<(Identity, Members), String> {
    let peer_urls = own_peer_urls(flags)?;
    let others = flags.initial_cluster.iter().filter(|(name, _)| **name != flags.name);
    let urls: Vec<Url> = others.flat_map(|(_, urls)| urls.clone()).collect();
    ask_who(&urls, &peer_urls).ok_or_else(|| {
        format!("no member of --initial-cluster knows of a member at {peer_urls:?}: add it first")
    })
}

fn settings(flags: &Flags, identity: Identity, nonce: u64) -> Settings {
    let tick = std::time::Duration::from_millis(flags.heartbeat_ms);
    let election_ticks = usize::try_from(flags.election_ms / flags.heartbeat_ms).unwrap_or(10);
    let replica = Config {
        tick,
        election_ticks,
        entry_bytes_max: flags.request_bytes_max,
        ..Config::new(identity.member, identity.cluster, nonce)
    };
    Settings {
        replica,
        name: flags.name.clone(),
        cluster_token: flags.token.clone(),
        bcrypt_cost: flags.bcrypt_cost,
        version: VERSION,
        client_urls: flags.advertise_client_urls.iter().map(Url::to_string).collect(),
        quota_bytes: flags.quota_bytes,
        retention: flags.retention,
    }
}

/// Addresses to listen on.
fn addresses(urls: &[Url]) -> Result<Vec<SocketAddr>, String> {
    let address = |url: &Url| {
        url.address().ok_or_else(|| format!("{url}: to listen, give an address and no name"))
    };
    urls.iter().map(address).collect()
}

/// A number that nobody can guess.
fn drawn() -> Result<u64, String> {
    let mut bytes = [0; 8];
    let filled = rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty());
    match filled {
        Ok(8) => Ok(u64::from_le_bytes(bytes)),
        Ok(_) => Err("random numbers: too few".into()),
        Err(why) => Err(format!("random numbers: {why}")),
    }
}

fn say_ready(flags: &Flags, identity: Identity) {
    let Identity { member, cluster } = identity;
    note(&format!("starting member {member:x} in cluster {cluster:x}"));
    note("ready to serve client requests");
    for url in &flags.listen_client_urls {
        let place = format!("{}:{}", url.host, url.port);
        note(&format!(
            "serving insecure client requests on {place}, this is strongly discouraged!"
        ));
    }
}
