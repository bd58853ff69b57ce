//! What a unit may use (systemd.resource-control(5)).

use crate::draft::Draft;
use crate::execution::{DevicePolicy, DeviceRule};
use crate::limits::PROCESSORS_MAX;
use crate::resources::{Amount, IoDevice};
use crate::systemd::setting::{Setting, fill, put};
use crate::systemd::{Directive, Place, Treatment, passive, row};
use crate::text::{BadValue, number, path, size, timespan};

type Set = fn(&mut Draft, &mut Setting<'_>) -> Result<(), BadValue>;

const fn resource(name: &'static str, set: Set) -> Directive {
    row(Place::Process, name, set)
}

const fn unmet(name: &'static str, treatment: Treatment) -> Directive {
    passive(Place::Process, name, treatment)
}

pub(super) const ROWS: &[Directive] = &[
    unmet("Slice", Treatment::Ignored("groups of units are flat: each unit has one of its own")),
    unmet("CPUAccounting", ALWAYS),
    resource("CPUWeight", |d, s| fill(&mut d.resources.cpu_weight, cpu_weight(s.value))),
    unmet("StartupCPUWeight", NO_STARTUP),
    resource("CPUShares", |d, s| {
        let shares: u64 = s.integer(2, 262_144)?;
        fill(&mut d.resources.cpu_weight, Ok(scaled_weight(shares, 1024)))
    })
    .translated("CPUWeight="),
    unmet("StartupCPUShares", NO_STARTUP),
    resource("CPUQuota", |d, s| fill(&mut d.resources.cpu_quota_us_per_s, cpu_quota(s.value))),
    resource("CPUQuotaPeriodSec", |d, s| {
        fill(&mut d.resources.cpu_period_us, timespan::parse_us(s.value, 1_000_000).map(period))
    }),
    resource("AllowedCPUs", |d, s| fill(&mut d.resources.cpus, range_text(s.value))),
    unmet("StartupAllowedCPUs", NO_STARTUP),
    resource("AllowedMemoryNodes", |d, s| fill(&mut d.resources.memory_nodes, range_text(s.value))),
    unmet("StartupAllowedMemoryNodes", NO_STARTUP),
    unmet("MemoryAccounting", ALWAYS),
    resource("MemoryMin", |d, s| fill(&mut d.resources.memory_min, size::parse_amount(s.value))),
    resource("MemoryLow", |d, s| fill(&mut d.resources.memory_low, size::parse_amount(s.value))),
    unmet("DefaultMemoryMin", NO_CHILDREN),
    unmet("DefaultMemoryLow", NO_CHILDREN),
    unmet("DefaultStartupMemoryLow", NO_CHILDREN),
    resource("MemoryHigh", |d, s| fill(&mut d.resources.memory_high, size::parse_amount(s.value))),
    resource("MemoryMax", |d, s| fill(&mut d.resources.memory_max, size::parse_amount(s.value))),
    resource("MemoryLimit", |d, s| fill(&mut d.resources.memory_max, size::parse_amount(s.value)))
        .translated("MemoryMax="),
    resource("MemorySwapMax", |d, s| {
        fill(&mut d.resources.memory_swap_max, size::parse_amount(s.value))
    }),
    resource("MemoryZSwapMax", |d, s| {
        fill(&mut d.resources.memory_zswap_max, size::parse_amount(s.value))
    }),
    unmet("MemoryZSwapWriteback", Treatment::NotHonoured("the kernel's default stays", "")),
    unmet("StartupMemoryLow", NO_STARTUP),
    unmet("StartupMemoryHigh", NO_STARTUP),
    unmet("StartupMemoryMax", NO_STARTUP),
    unmet("StartupMemorySwapMax", NO_STARTUP),
    unmet("StartupMemoryZSwapMax", NO_STARTUP),
    unmet("MemoryPressureWatch", NO_PRESSURE),
    unmet("MemoryPressureThresholdSec", NO_PRESSURE),
    unmet("TasksAccounting", ALWAYS),
    resource("TasksMax", |d, s| fill(&mut d.resources.tasks_max, tasks(s.value))),
    unmet("IOAccounting", ALWAYS),
    resource("IOWeight", |d, s| fill(&mut d.resources.io_weight, s.integer(1, 10_000))),
    unmet("StartupIOWeight", NO_STARTUP),
    resource("IODeviceWeight", |d, s| {
        let (path, value) = device_and_value(s)?;
        let weight = number::unsigned(&value, 10_000)?;
        fill(&mut device(d, path).weight, Ok(u32::try_from(weight.max(1)).unwrap_or(1)))
    }),
    resource("IOReadBandwidthMax", |d, s| rate(d, s, |io| &mut io.read_bytes_max)),
    resource("IOWriteBandwidthMax", |d, s| rate(d, s, |io| &mut io.write_bytes_max)),
    resource("IOReadIOPSMax", |d, s| rate(d, s, |io| &mut io.read_ops_max)),
    resource("IOWriteIOPSMax", |d, s| rate(d, s, |io| &mut io.write_ops_max)),
    unmet(
        "IODeviceLatencyTargetSec",
        Treatment::NotHonoured("latency targets are not set", "use IOWeight="),
    ),
    unmet("BlockIOAccounting", ALWAYS),
    resource("BlockIOWeight", |d, s| {
        let weight: u64 = s.integer(10, 1000)?;
        fill(&mut d.resources.io_weight, Ok(scaled_weight(weight, 500)))
    })
    .translated("IOWeight="),
    unmet("StartupBlockIOWeight", NO_STARTUP),
    resource("BlockIODeviceWeight", |d, s| {
        let (path, value) = device_and_value(s)?;
        let weight = number::unsigned(&value, 1000)?;
        fill(&mut device(d, path).weight, Ok(scaled_weight(weight, 500)))
    })
    .translated("IODeviceWeight="),
    resource("BlockIOReadBandwidth", |d, s| rate(d, s, |io| &mut io.read_bytes_max))
        .translated("IOReadBandwidthMax="),
    resource("BlockIOWriteBandwidth", |d, s| rate(d, s, |io| &mut io.write_bytes_max))
        .translated("IOWriteBandwidthMax="),
    unmet("IPAccounting", Treatment::Ignored("a unit's packets are not counted")),
    unmet("IPAddressAllow", NO_FILTER),
    unmet("IPAddressDeny", NO_FILTER),
    unmet("IPIngressFilterPath", NO_FILTER),
    unmet("IPEgressFilterPath", NO_FILTER),
    unmet("BPFProgram", NO_FILTER),
    unmet("SocketBindAllow", NO_FILTER),
    unmet("SocketBindDeny", NO_FILTER),
    unmet("RestrictNetworkInterfaces", NO_FILTER),
    unmet("NFTSet", NO_FILTER),
    resource("DeviceAllow", |d, s| {
        let words = s.each(|word| Ok(word.to_owned()))?;
        let rule = device_rule(&words)?;
        d.sandbox.devices.push(rule);
        Ok(())
    }),
    resource("DevicePolicy", |d, s| put(&mut d.sandbox.device_policy, s.one_of(DEVICE_POLICIES))),
    resource("Delegate", |d, s| {
        // Empty, or a list of controllers: all that the unit's own group has are passed on.
        put(&mut d.resources.delegate, Ok(s.boolean().unwrap_or(true)))
    })
    .empty_is_value(),
    unmet(
        "DelegateSubgroup",
        Treatment::NotHonoured("processes start in the unit's own group", ""),
    ),
    unmet("DisableControllers", NO_CHILDREN),
    unmet("ManagedOOMSwap", NO_PRESSURE),
    unmet("ManagedOOMMemoryPressure", NO_PRESSURE),
    unmet("ManagedOOMMemoryPressureLimit", NO_PRESSURE),
    unmet("ManagedOOMMemoryPressureDurationSec", NO_PRESSURE),
    unmet("ManagedOOMPreference", NO_PRESSURE),
    unmet("CoredumpReceive", Treatment::Ignored("cores are not handed on to containers")),
];

const ALWAYS: Treatment = Treatment::Ignored("everything is always accounted for");
const NO_STARTUP: Treatment =
    Treatment::Ignored("limits are the same during the boot and after it");
const NO_CHILDREN: Treatment = Treatment::Ignored("a unit's group has no groups of units in it");
const NO_PRESSURE: Treatment =
    Treatment::Ignored("nothing is killed for pressure; limits and the kernel decide");
const NO_FILTER: Treatment = Treatment::NotHonoured(
    "a unit's packets are not filtered",
    "use PrivateNetwork=, RestrictAddressFamilies=, or a container with a network of its own",
);
const DEVICE_POLICIES: &[(&str, DevicePolicy)] = &[
    ("auto", DevicePolicy::Auto),
    ("closed", DevicePolicy::Closed),
    ("strict", DevicePolicy::Strict),
];

fn cpu_weight(text: &str) -> Result<u32, BadValue> {
    if text == "idle" {
        return Ok(0);
    }
    let weight = number::integer(text, 1, 10_000)?;
    Ok(u32::try_from(weight).unwrap_or(1))
}

/// A weight whose usual value is `usual` on the scale whose usual value is 100.
fn scaled_weight(weight: u64, usual: u64) -> u32 {
    u32::try_from((weight * 100 / usual).clamp(1, 10_000)).unwrap_or(10_000)
}

/// `150%` is one and a half processors.
fn cpu_quota(text: &str) -> Result<u64, BadValue> {
    let share = size::parse_share(text, u32::MAX).filter(|share| *share > 0);
    share.map(|share| u64::from(share) * 100).ok_or_else(|| {
        BadValue::new(format!("`{text}` is no share of processor time"))
            .advise("write a percentage of one processor, such as `50%` or `200%`")
    })
}

/// The kernel takes 1 ms to 1 s.
fn period(us: u64) -> u64 {
    us.clamp(1_000, 1_000_000)
}

fn range_text(text: &str) -> Result<Box<str>, BadValue> {
    let numbers = number::ranges(text, PROCESSORS_MAX)?;
    let texts: Vec<String> = numbers.iter().map(u16::to_string).collect();
    Ok(texts.join(",").into())
}

fn tasks(text: &str) -> Result<Amount, BadValue> {
    if text == "infinity" {
        return Ok(Amount::Unlimited);
    }
    if let Some(share) = size::parse_share(text, 10_000) {
        return Ok(Amount::Share(share));
    }
    number::integer(text, 1, i64::MAX)
        .map(|count| Amount::Absolute(count.cast_unsigned()))
        .map_err(|bad| bad.advise("write a number from 1 on, a share such as `10%`, or `infinity`"))
}

/// `/dev/sda 10M`.
fn device_and_value(s: &mut Setting<'_>) -> Result<(Box<str>, String), BadValue> {
    let words = s.each(|word| Ok(word.to_owned()))?;
    match words.as_slice() {
        [device, value] => Ok((path::absolute(device)?, value.clone())),
        _ => Err(BadValue::new(format!("`{}` takes a device and a value", s.label))
            .advise("write both, such as `/dev/sda 10M`")),
    }
}

fn device(d: &mut Draft, path: Box<str>) -> &mut IoDevice {
    let devices = &mut d.resources.io_devices;
    let index = devices.iter().position(|io| io.path == path).unwrap_or_else(|| {
        devices.push(IoDevice { path, ..IoDevice::default() });
        devices.len() - 1
    });
    &mut devices[index]
}

fn rate(
    d: &mut Draft,
    s: &mut Setting<'_>,
    slot: fn(&mut IoDevice) -> &mut Option<u64>,
) -> Result<(), BadValue> {
    let (path, value) = device_and_value(s)?;
    let rate = if value == "infinity" { None } else { Some(size::parse_rate(&value)?) };
    *slot(device(d, path)) = rate;
    Ok(())
}

fn device_rule(words: &[String]) -> Result<DeviceRule, BadValue> {
    let (device, access) = match words {
        [device] => (device, "rwm"),
        [device, access] => (device, access.as_str()),
        _ => return Err(BadValue::new("`DeviceAllow=` takes a device and its access")),
    };
    let class = device.starts_with("char-") || device.starts_with("block-");
    if !class && !device.starts_with("/dev/") && !device.starts_with("/run/systemd/inaccessible/") {
        return Err(BadValue::new(format!("`{device}` is no device"))
            .advise("write a path below /dev/, or char-NAME or block-NAME of /proc/devices"));
    }
    if access.is_empty() || access.chars().any(|c| !"rwm".contains(c)) {
        return Err(BadValue::new(format!("`{access}` is no access to a device"))
            .advise("write some of `r` (read), `w` (write), `m` (make the node)"));
    }
    Ok(DeviceRule { device: device.as_str().into(), access: access.into() })
}
