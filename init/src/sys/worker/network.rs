//! Configures the network and keeps it so: links, addresses by DHCP or fixed, routes, resolvers.
//!
//! One process for all interfaces, asleep but for news from the kernel, answers that it waits for, and
//! leases that have to be renewed. Version 6 addresses come from routers through the kernel itself.

mod managed;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::AsFd;
use rustix::io::Errno;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::process::ExitCode;
use std::time::Duration;

use crate::cmdline::{CommandLine, Options};
use crate::limits::INTERFACES_MAX;
use crate::machine::{Interface, Network};
use crate::sys::boot::since_boot;
use crate::sys::configuration;
use crate::sys::files::{create, read_small, replace};
use crate::sys::net::{Link, MONITOR_GROUPS, Netlink, News};
use crate::sys::resident::forget_code;
use managed::Managed;

/// Where resolvers are written; `/etc/resolv.conf` leads here.
pub const RESOLVERS_FILE: &str = "/run/keelson/resolv.conf";
/// Time servers that the network named.
pub const TIME_SERVERS_FILE: &str = "/run/keelson/time-servers";
/// Exists while some interface has an address that others can reach.
pub const ONLINE_FILE: &str = "/run/keelson/online";

/// The worker.
#[must_use]
pub fn main() -> ExitCode {
    let (config, problems) = configuration::read();
    problems.iter().for_each(|problem| eprintln!("{problem}"));
    let line = CommandLine::parse(&read_small("/proc/cmdline").unwrap_or_default());
    let mut network = config.network;
    for problem in network.take_command_line(&Options::read(&line).ip) {
        eprintln!("{problem}; this word is not used");
    }
    match Networking::open(network).and_then(Networking::run) {
        Ok(never) => match never {},
        Err(errno) => super::fail(&format!("the kernel's network cannot be reached: {errno}")),
    }
}

/// All interfaces, and the sockets to the kernel.
struct Networking {
    config: Network,
    requests: Netlink,
    monitor: Netlink,
    managed: BTreeMap<u32, Managed>,
    /// Resolvers that routers named, by interface, each with its end.
    advertised: BTreeMap<u32, Vec<(Ipv6Addr, Duration)>>,
    written: String,
    is_online: bool,
}

/// There is no such value: the loop does not end.
enum Never {}

impl Networking {
    fn open(config: Network) -> Result<Networking, Errno> {
        Ok(Networking {
            config,
            requests: Netlink::open(0)?,
            monitor: Netlink::open(MONITOR_GROUPS)?,
            managed: BTreeMap::new(),
            advertised: BTreeMap::new(),
            written: String::new(),
            is_online: false,
        })
    }

    fn run(mut self) -> Result<Never, Errno> {
        self.look_at_all()?;
        self.publish();
        super::notify("READY=1");
        loop {
            // It sleeps for hours, and needs little of the program to go on.
            forget_code();
            self.wait()?;
            self.take_news()?;
            let now = since_boot();
            for managed in self.managed.values_mut() {
                managed.turn(now, &mut self.requests);
            }
            self.publish();
        }
    }

    /// Sleeps until there is something to do.
    fn wait(&self) -> Result<(), Errno> {
        let now = since_boot();
        let ends = self.advertised.values().flatten().map(|(_, end)| *end);
        let next = self.managed.values().filter_map(Managed::deadline).chain(ends).min();
        let timeout = next.map(|next| next.saturating_sub(now) + Duration::from_millis(1));
        let timeout = timeout.and_then(|timeout| Timespec::try_from(timeout).ok());
        let mut watched = vec![PollFd::new(&self.monitor, PollFlags::IN)];
        for socket in self.managed.values().filter_map(Managed::socket) {
            watched.push(PollFd::from_borrowed_fd(socket, PollFlags::IN));
        }
        match poll(&mut watched, timeout.as_ref()) {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(errno) => Err(errno),
        }
    }

    fn take_news(&mut self) -> Result<(), Errno> {
        let mut news = Vec::new();
        match self.monitor.hear(&mut |part| news.extend(News::parse(part))) {
            Ok(()) => {}
            Err(Errno::NOBUFS) => return self.look_at_all(),
            Err(errno) => return Err(errno),
        }
        for one in news {
            match one {
                News::Link(link) => self.take_link(link),
                News::NoLink(index) => {
                    self.managed.remove(&index);
                    self.advertised.remove(&index);
                }
                // What they come to is looked at when it is published.
                News::Addresses => {}
                News::Resolvers { index, resolvers, lifetime } => {
                    self.take_resolvers(index, &resolvers, lifetime);
                }
            }
        }
        Ok(())
    }

    fn look_at_all(&mut self) -> Result<(), Errno> {
        let links = self.requests.links()?;
        self.managed.retain(|index, _| links.iter().any(|link| link.index == *index));
        links.into_iter().for_each(|link| self.take_link(link));
        Ok(())
    }

    /// An interface is new, or has changed.
    fn take_link(&mut self, link: Link) {
        let now = since_boot();
        if let Some(managed) = self.managed.get_mut(&link.index) {
            return managed.take_link(link, now, &mut self.requests);
        }
        let Some(config) = self.wanted(&link) else { return };
        if self.managed.len() >= INTERFACES_MAX {
            eprintln!("{}: more than {INTERFACES_MAX} interfaces; it is left alone", link.name);
            return;
        }
        let index = link.index;
        let mut managed = Managed::new(link, config, now);
        managed.begin(now, &mut self.requests);
        self.managed.insert(index, managed);
    }

    /// What an interface shall be given. One that nobody configured is ours if it is hardware (or
    /// looks so): containers' own come and go without us.
    fn wanted(&self, link: &Link) -> Option<Interface> {
        let hardware = link.hardware.map(hardware_text).unwrap_or_default();
        if let Some(config) = self.config.for_interface(&link.name, &hardware) {
            // A star means "whatever there is", and that is hardware again.
            let is_meant = &*config.matches != "*" || is_device(&link.name);
            return (is_meant && !config.unmanaged && &*link.name != "lo").then(|| config.clone());
        }
        (link.hardware.is_some() && is_device(&link.name)).then(Interface::default)
    }

    fn take_resolvers(&mut self, index: u32, resolvers: &[Ipv6Addr], lifetime: Duration) {
        if !self.managed.contains_key(&index) {
            return;
        }
        let end = since_boot() + lifetime;
        let known = self.advertised.entry(index).or_default();
        known.retain(|(resolver, _)| !resolvers.contains(resolver));
        if !lifetime.is_zero() {
            known.extend(resolvers.iter().map(|resolver| (*resolver, end)));
            known.truncate(INTERFACES_MAX);
        }
    }

    /// Tells the rest of the machine what has changed.
    fn publish(&mut self) {
        let now = since_boot();
        for known in self.advertised.values_mut() {
            known.retain(|(_, end)| *end > now);
        }
        let text = self.resolvers_text();
        if text != self.written {
            match replace(RESOLVERS_FILE, text.as_bytes(), 0o644) {
                Ok(()) => self.written = text,
                Err(errno) => eprintln!("{RESOLVERS_FILE}: {errno}; names may not be found"),
            }
            self.publish_time_servers();
        }
        self.publish_online();
    }

    fn resolvers_text(&self) -> String {
        let leases = || self.managed.values().filter_map(|managed| managed.lease.as_ref());
        let leased = leases().flat_map(|lease| lease.resolvers.iter().copied().map(IpAddr::V4));
        let advertised = self.advertised.values().flatten().map(|(one, _)| IpAddr::V6(*one));
        let mut resolvers: Vec<IpAddr> = self.config.resolvers.clone();
        for resolver in leased.chain(advertised) {
            if !resolvers.contains(&resolver) {
                resolvers.push(resolver);
            }
        }
        let mut search: Vec<&str> = self.config.search.iter().map(|domain| &**domain).collect();
        search.extend(leases().filter_map(|lease| lease.domain.as_deref()));
        search.dedup();
        let mut text = String::from("# written by keelson worker network\n");
        resolvers.iter().for_each(|resolver| text.push_str(&format!("nameserver {resolver}\n")));
        if !search.is_empty() {
            text.push_str(&format!("search {}\n", search.join(" ")));
        }
        text
    }

    fn publish_time_servers(&self) {
        let leases = self.managed.values().filter_map(|managed| managed.lease.as_ref());
        let servers = leases.flat_map(|lease| &lease.time_servers);
        let text: String = servers.map(|server| format!("{server}\n")).collect();
        if let Err(errno) = create(TIME_SERVERS_FILE, text.as_bytes(), 0o644) {
            eprintln!("{TIME_SERVERS_FILE}: {errno}");
        }
    }

    fn publish_online(&mut self) {
        let addresses = self.requests.addresses().unwrap_or_default();
        let is_online = addresses.iter().any(|address| {
            let managed = self.managed.get(&address.index);
            address.is_global && managed.is_some_and(Managed::has_carrier)
        });
        if is_online == self.is_online {
            return;
        }
        let done = if is_online {
            create(ONLINE_FILE, b"", 0o644)
        } else {
            rustix::fs::unlink(ONLINE_FILE)
        };
        match done {
            Ok(()) => self.is_online = is_online,
            Err(errno) => eprintln!("{ONLINE_FILE}: {errno}; who waits for the network waits on"),
        }
    }
}

/// Whether there is a device behind the interface: hardware, or what a hypervisor shows as such.
fn is_device(name: &str) -> bool {
    rustix::fs::stat(format!("/sys/class/net/{name}/device")).is_ok()
}

fn hardware_text(address: [u8; 6]) -> String {
    let [a, b, c, d, e, f] = address;
    format!("{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{f:02x}")
}

/// The socket of a managed interface that is listened to now.
fn borrowed<T: AsFd>(socket: Option<&T>) -> Option<rustix::fd::BorrowedFd<'_>> {
    socket.map(AsFd::as_fd)
}
