//! What a unit may use.

use crate::native::reader::{Fault, Key, Reader, count, expected, integer, key, one_of, table};
use crate::native::tree::{Item, Node, Value};
use crate::resources::{Amount, Resources};
use crate::service::OomPolicy;
use crate::systemd::add_limit;
use crate::text::{BadValue, rlimit, size};

pub(super) const LIMITS: &[Key] = &[
    key("memory", |r, v| memory(r, v, |res| &mut res.memory_max)),
    key("memory-high", |r, v| memory(r, v, |res| &mut res.memory_high)),
    key("memory-low", |r, v| memory(r, v, |res| &mut res.memory_low)),
    key("memory-min", |r, v| memory(r, v, |res| &mut res.memory_min)),
    key("swap", |r, v| memory(r, v, |res| &mut res.memory_swap_max)),
    key("zswap", |r, v| memory(r, v, |res| &mut res.memory_zswap_max)),
    key("cpu", |r, v| {
        r.draft.resources.cpu_quota_us_per_s = processors(&v.value)?;
        Ok(())
    }),
    key("cpu-weight", |r, v| r.set("Service", "CPUWeight", v)),
    key("cpus", |r, v| r.set("Service", "AllowedCPUs", v)),
    key("memory-nodes", |r, v| r.set("Service", "AllowedMemoryNodes", v)),
    key("io-weight", |r, v| r.set("Service", "IOWeight", v)),
    key("pids", |r, v| {
        r.draft.resources.tasks_max = Some(amount(r, &v.value)?);
        Ok(())
    }),
    key("devices", io_devices),
];

pub(super) fn limits(r: &mut Reader<'_>, item: &Item) -> Result<(), Fault> {
    r.descend(item, &[LIMITS])
}

fn memory(
    r: &mut Reader<'_>,
    item: &Item,
    slot: fn(&mut Resources) -> &mut Option<Amount>,
) -> Result<(), Fault> {
    let amount = amount(r, &item.value)?;
    *slot(&mut r.draft.resources) = Some(amount);
    Ok(())
}

/// Bytes (`"64M"`, Kubernetes' `"64Mi"`), a share (`"20%"`), a plain number, or `"infinity"`.
fn amount(r: &Reader<'_>, value: &Value) -> Result<Amount, Fault> {
    if let Node::Integer(_) = &value.node {
        return Ok(Amount::Absolute(integer(value, 0, i64::MAX)?.unsigned_abs()));
    }
    let text = r.text(value)?;
    let text = text.strip_suffix('i').unwrap_or(&text);
    size::parse_amount(text).map_err(|bad| (value.spot, bad))
}

/// `0.5`, `2`, Kubernetes' `"500m"`, or systemd's `"50%"`.
fn processors(value: &Value) -> Result<Option<u64>, Fault> {
    let bad = || {
        let bad = BadValue::new("this is no share of processor time");
        (value.spot, bad.advise("write processors such as 0.5, or `\"500m\"`, or `\"50%\"`"))
    };
    let us = match &value.node {
        Node::Integer(whole) => u64::try_from(*whole).ok().and_then(|n| n.checked_mul(1_000_000)),
        Node::Float(part) if (0.0..1e6).contains(part) => parse_decimal_us(&part.to_string()),
        Node::Text(text) if text == "infinity" => return Ok(None),
        Node::Text(text) => match text.strip_suffix('m') {
            Some(milli) => milli.parse::<u64>().ok().and_then(|n| n.checked_mul(1_000)),
            None => size::parse_share(text, u32::MAX).map(|share| u64::from(share) * 100),
        },
        other => return Err(expected(value, "a number of processors", other)),
    };
    us.filter(|us| *us > 0).map(Some).ok_or_else(bad)
}

/// `0.25` → 250,000: the decimal digits of a number as millionths.
fn parse_decimal_us(text: &str) -> Option<u64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = format!("{fraction:0<6}");
    let fraction: u64 = digits.get(..6)?.parse().ok()?;
    whole.parse::<u64>().ok()?.checked_mul(1_000_000)?.checked_add(fraction)
}

/// `devices = { "/dev/sda" = { read = "10M", write-ops = 100 } }`.
fn io_devices(r: &mut Reader<'_>, item: &Item) -> Result<(), Fault> {
    for device in table(item)? {
        for limit in table(device)? {
            let name = match &*limit.key {
                "read" => "IOReadBandwidthMax",
                "write" => "IOWriteBandwidthMax",
                "read-ops" => "IOReadIOPSMax",
                "write-ops" => "IOWriteIOPSMax",
                "weight" => "IODeviceWeight",
                other => {
                    let text = format!("`{other}` is no limit of a device");
                    let advice = "write one of read, write, read-ops, write-ops, weight";
                    return Err((limit.key_spot, BadValue::new(text).advise(advice)));
                }
            };
            let value = match &limit.value.node {
                Node::Integer(number) => number.to_string(),
                _ => r.text(&limit.value)?,
            };
            let text = format!("{} {value}", device.key);
            r.assign("Service", name, &text, &limit.key, limit.value.spot);
        }
    }
    Ok(())
}

/// `nofile = "1024:4096"`: the names of getrlimit(2) in small letters.
pub(super) fn rlimits(r: &mut Reader<'_>, item: &Item) -> Result<(), Fault> {
    for limit in table(item)? {
        let name = limit.key.to_ascii_uppercase();
        if !rlimit::names().any(|known| known == name) {
            let known: Vec<String> = rlimit::names().map(str::to_ascii_lowercase).collect();
            let text = format!("`{}` is no resource limit", limit.key);
            let advice = format!("write one of {}", known.join(", "));
            return Err((limit.key_spot, BadValue::new(text).advise(advice)));
        }
        let value = match &limit.value.node {
            Node::Integer(_) => integer(&limit.value, 0, i64::MAX)?.to_string(),
            _ => r.text(&limit.value)?,
        };
        add_limit(r.draft, &name, &value).map_err(|bad| (limit.value.spot, bad))?;
    }
    Ok(())
}

pub(super) fn oom(r: &mut Reader<'_>, item: &Item) -> Result<(), Fault> {
    let words =
        [("kill", OomPolicy::Kill), ("stop", OomPolicy::Stop), ("continue", OomPolicy::Continue)];
    r.draft.oom_policy = Some(one_of(&item.value, &words)?);
    r.notes.oom = true;
    Ok(())
}

/// A port number.
pub(super) fn port(value: &Value) -> Result<u16, Fault> {
    count(value, 1, i64::from(u16::MAX))
}
