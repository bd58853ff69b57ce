//! `[Socket]` (systemd.socket(5)).

use crate::draft::Draft;
use crate::limits::LISTENS_MAX;
use crate::name::UnitKind;
use crate::systemd::setting::{Setting, fill, put};
use crate::systemd::{Directive, Place, Treatment, passive, row};
use crate::text::{BadValue, address, path};
use crate::triggers::{Address, Listen};

type Set = fn(&mut Draft, &mut Setting<'_>) -> Result<(), BadValue>;

const fn socket(name: &'static str, set: Set) -> Directive {
    row(Place::Socket, name, set)
}

/// An empty address of any kind takes back all addresses.
const fn listen(name: &'static str, set: Set) -> Directive {
    socket(name, set).group("Listen")
}

const fn unmet(name: &'static str, treatment: Treatment) -> Directive {
    passive(Place::Socket, name, treatment)
}

pub(super) const ROWS: &[Directive] = &[
    listen("ListenStream", |d, s| add_address(d, s, Listen::Stream)),
    listen("ListenDatagram", |d, s| add_address(d, s, Listen::Datagram)),
    listen("ListenSequentialPacket", |d, s| add_address(d, s, Listen::SequentialPacket)),
    listen("ListenFIFO", |d, s| {
        let path = s.path()?;
        add(d, Listen::Fifo(path))
    }),
    listen("ListenSpecial", |d, s| {
        let path = s.path()?;
        add(d, Listen::Special(path))
    }),
    listen("ListenNetlink", |d, s| {
        let text = s.text()?;
        add(d, address::netlink(&text)?)
    }),
    listen("ListenMessageQueue", |d, s| {
        let path = s.path()?;
        add(d, Listen::MessageQueue(path))
    }),
    unmet(
        "ListenUSBFunction",
        Treatment::Refused("there are no USB gadget units", "let the program open it"),
    ),
    unmet(
        "SocketProtocol",
        Treatment::Refused(
            "only TCP and UDP are listened on",
            "let the program open the socket itself",
        ),
    ),
    socket("BindIPv6Only", |d, s| put(&mut d.socket.options.bind_ipv6_only, ipv6_only(s))),
    socket("Backlog", |d, s| put(&mut d.socket.backlog, s.integer(0, MOST))),
    socket("BindToDevice", |d, s| fill(&mut d.socket.options.bind_to_device, s.text())),
    socket("SocketUser", |d, s| fill(&mut d.socket.user, account(s))),
    socket("SocketGroup", |d, s| fill(&mut d.socket.group, account(s))),
    socket("SocketMode", |d, s| put(&mut d.socket.mode, s.mode())),
    socket("DirectoryMode", |d, s| put(&mut d.socket.directory_mode, s.mode())),
    socket("Accept", |d, s| put(&mut d.socket.accept, s.boolean())),
    unmet(
        "Writable",
        Treatment::NotHonoured("special files are opened for reading", "let the program open it"),
    ),
    unmet("FlushPending", Treatment::NotHonoured("what waits in the socket stays there", "")),
    socket("MaxConnections", |d, s| put(&mut d.socket.connections_max, s.integer(1, MOST))),
    socket("MaxConnectionsPerSource", |d, s| {
        fill(&mut d.connections_per_source_max, s.integer(0, MOST))
    }),
    socket("KeepAlive", |d, s| put(&mut d.socket.options.keep_alive, s.boolean())),
    socket("KeepAliveTimeSec", |d, s| fill(&mut d.socket.options.keep_alive_time, s.span())),
    socket("KeepAliveIntervalSec", |d, s| {
        fill(&mut d.socket.options.keep_alive_interval, s.span())
    }),
    socket("KeepAliveProbes", |d, s| {
        fill(&mut d.socket.options.keep_alive_probes, s.integer(0, MOST))
    }),
    socket("NoDelay", |d, s| put(&mut d.socket.options.no_delay, s.boolean())),
    socket("Priority", |d, s| {
        fill(&mut d.socket.options.priority, s.integer(0, i64::from(i32::MAX)))
    }),
    socket("DeferAcceptSec", |d, s| fill(&mut d.socket.options.defer_accept, s.span())),
    socket("ReceiveBuffer", |d, s| fill(&mut d.socket.options.receive_buffer_bytes, s.bytes())),
    socket("SendBuffer", |d, s| fill(&mut d.socket.options.send_buffer_bytes, s.bytes())),
    socket("IPTOS", |d, s| fill(&mut d.socket.options.ip_tos, type_of_service(s))),
    socket("IPTTL", |d, s| fill(&mut d.socket.options.ip_ttl, s.integer(0, 255))),
    socket("Mark", |d, s| fill(&mut d.socket.options.mark, s.integer(0, MOST))),
    socket("ReusePort", |d, s| put(&mut d.socket.options.reuse_port, s.boolean())),
    unmet("SmackLabel", NO_MODULE),
    unmet("SmackLabelIPIn", NO_MODULE),
    unmet("SmackLabelIPOut", NO_MODULE),
    unmet("SELinuxContextFromNet", NO_MODULE),
    socket("PipeSize", |d, s| fill(&mut d.socket.options.pipe_bytes, s.bytes())),
    socket("MessageQueueMaxMessages", |d, s| {
        fill(&mut d.socket.options.message_queue_max_messages, s.integer(1, i64::MAX))
    }),
    socket("MessageQueueMessageSize", |d, s| {
        fill(&mut d.socket.options.message_queue_message_bytes, s.integer(1, i64::MAX))
    }),
    socket("FreeBind", |d, s| put(&mut d.socket.options.free_bind, s.boolean())),
    socket("Transparent", |d, s| put(&mut d.socket.options.transparent, s.boolean())),
    socket("Broadcast", |d, s| put(&mut d.socket.options.broadcast, s.boolean())),
    socket("PassCredentials", |d, s| put(&mut d.socket.options.pass_credentials, s.boolean())),
    socket("PassSecurity", |d, s| put(&mut d.socket.options.pass_security, s.boolean())),
    socket("PassPacketInfo", |d, s| put(&mut d.socket.options.pass_packet_info, s.boolean())),
    unmet("PassFileDescriptorsToExec", NO_COMMANDS),
    unmet(
        "Timestamping",
        Treatment::NotHonoured("packets are not stamped", "let the program set SO_TIMESTAMP"),
    ),
    unmet(
        "TCPCongestion",
        Treatment::NotHonoured("the machine's choice stays", "let the program set TCP_CONGESTION"),
    ),
    unmet("ExecStartPre", NO_COMMANDS),
    unmet("ExecStartPost", NO_COMMANDS),
    unmet("ExecStopPre", NO_COMMANDS),
    unmet("ExecStopPost", NO_COMMANDS),
    unmet("TimeoutSec", Treatment::Ignored("a socket is opened at once or not at all")),
    socket("Service", |d, s| fill(&mut d.triggers, s.unit(&[UnitKind::Service]))),
    socket("RemoveOnStop", |d, s| put(&mut d.socket.remove_on_stop, s.boolean())),
    socket("Symlinks", |d, s| s.each(path::absolute).map(|links| d.socket.links.extend(links))),
    socket("FileDescriptorName", |d, s| fill(&mut d.socket.descriptor_name, descriptor_name(s))),
    socket("TriggerLimitIntervalSec", |d, s| put(&mut d.socket.trigger_interval, s.span())),
    socket("TriggerLimitBurst", |d, s| fill(&mut d.trigger_burst, s.integer(0, MOST))),
    unmet("PollLimitIntervalSec", Treatment::Ignored("the trigger limit holds here too")),
    unmet("PollLimitBurst", Treatment::Ignored("the trigger limit holds here too")),
];

const MOST: i64 = u32::MAX as i64;
const NO_MODULE: Treatment =
    Treatment::NotHonoured("labels of this security module are not set", "");
const NO_COMMANDS: Treatment = Treatment::Refused(
    "a socket unit runs no commands",
    "put them into a Type=oneshot service that is ordered Before= the socket",
);

fn add(d: &mut Draft, listen: Listen) -> Result<(), BadValue> {
    if d.socket.listens.len() == LISTENS_MAX {
        return Err(BadValue::new(format!("more than {LISTENS_MAX} addresses in one socket unit")));
    }
    d.socket.listens.push(listen);
    Ok(())
}

fn add_address(
    d: &mut Draft,
    s: &mut Setting<'_>,
    kind: fn(Address) -> Listen,
) -> Result<(), BadValue> {
    let text = s.text()?;
    add(d, kind(address::parse(&text)?))
}

/// `None`: as the machine has it (`net.ipv6.bindv6only`).
fn ipv6_only(s: &Setting<'_>) -> Result<Option<bool>, BadValue> {
    match s.value {
        "default" => Ok(None),
        "both" => Ok(Some(false)),
        "ipv6-only" => Ok(Some(true)),
        _ => s.boolean().map(Some).map_err(|bad| bad.advise("write default, both or ipv6-only")),
    }
}

fn account(s: &mut Setting<'_>) -> Result<Box<str>, BadValue> {
    let text = s.text()?;
    super::exec::account_name(&text)
}

/// Linux's `IPTOS_…` values.
fn type_of_service(s: &Setting<'_>) -> Result<i32, BadValue> {
    let words = [("low-delay", 16), ("throughput", 8), ("reliability", 4), ("low-cost", 2)];
    let found = words.iter().find(|(word, _)| *word == s.value);
    found.map_or_else(|| s.integer(0, 255), |(_, value)| Ok(*value))
}

/// A name for `LISTEN_FDNAMES`.
fn descriptor_name(s: &mut Setting<'_>) -> Result<Box<str>, BadValue> {
    let text = s.text()?;
    let good = text.bytes().all(|b| b.is_ascii_graphic() && b != b':') && text.len() <= 255;
    if text.is_empty() || !good {
        return Err(BadValue::new(format!("`{text}` is no name of a descriptor"))
            .advise("use up to 255 letters, digits and signs, no colon"));
    }
    Ok(text)
}
