//! Which devices the processes of a group may use: a small program at the group that the kernel asks at
//! each `open` and `mknod` of a device (`BPF_PROG_TYPE_CGROUP_DEVICE`, bpf(2)).

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use rustix::fs::{FileType, major, minor, stat};
use units::plan::{DeviceAccess, DeviceKind, DeviceNode, MountWhat, Plan};

const PROG_LOAD: libc::c_long = 5;
const PROG_ATTACH: libc::c_long = 8;
const PROG_TYPE_CGROUP_DEVICE: u32 = 15;
const ATTACH_CGROUP_DEVICE: u32 = 6;
/// Groups below may have programs of their own; all of them must agree.
const ALLOW_MULTI: u32 = 2;

/// `bpf_attr` for loading, as far as we need it.
#[repr(C)]
#[derive(Default)]
struct Load {
    prog_type: u32,
    instruction_count: u32,
    instructions: u64,
    license: u64,
    log_level: u32,
    log_size: u32,
    log_buffer: u64,
    kernel_version: u32,
    flags: u32,
}

/// `bpf_attr` for attaching.
#[repr(C)]
#[derive(Default)]
struct Attach {
    target: u32,
    program: u32,
    kind: u32,
    flags: u32,
}

/// The devices that a plan lets its group use, those of the machine by their numbers; `None`: all.
#[must_use]
pub fn rules(plan: &Plan) -> Option<Vec<DeviceAccess>> {
    let mut rules = plan.device_access.clone()?;
    for mount in &plan.mounts {
        if let MountWhat::Devices { nodes } = &mount.what {
            // One that is not there is named by the stage, which cannot lay it out.
            rules.extend(nodes.iter().filter_map(resolve));
        }
    }
    Some(rules)
}

fn resolve(node: &DeviceNode) -> Option<DeviceAccess> {
    let found = stat(&*node.source).ok()?;
    let kind = match FileType::from_raw_mode(found.st_mode) {
        FileType::CharacterDevice => DeviceKind::Character,
        FileType::BlockDevice => DeviceKind::Block,
        FileType::RegularFile
        | FileType::Directory
        | FileType::Symlink
        | FileType::Fifo
        | FileType::Socket
        | FileType::Unknown => return None,
    };
    let (major, minor) = (Some(major(found.st_rdev)), Some(minor(found.st_rdev)));
    Some(DeviceAccess { kind, major, minor, access: node.access })
}

/// Lets the group use these devices and no others.
///
/// # Errors
/// When the kernel has no such programs, or refuses this one.
pub fn allow_only(group: BorrowedFd<'_>, rules: &[DeviceAccess]) -> io::Result<()> {
    let code = program(rules);
    let load = Load {
        prog_type: PROG_TYPE_CGROUP_DEVICE,
        instruction_count: u32::try_from(code.len()).unwrap_or(u32::MAX),
        instructions: code.as_ptr() as u64,
        license: c"Apache-2.0".as_ptr() as u64,
        ..Load::default()
    };
    let number = call(PROG_LOAD, &load)?;
    // SAFETY: the kernel just made this descriptor for us.
    let program = unsafe { OwnedFd::from_raw_fd(number) };
    let attach = Attach {
        target: group.as_raw_fd().unsigned_abs(),
        program: program.as_raw_fd().unsigned_abs(),
        kind: ATTACH_CGROUP_DEVICE,
        flags: ALLOW_MULTI,
    };
    call(PROG_ATTACH, &attach).map(drop)
}

fn call<T>(command: libc::c_long, attributes: &T) -> io::Result<i32> {
    // SAFETY: the attributes are a live struct of the given size, laid out as bpf(2) says; what they point
    // to outlives the call.
    let done =
        unsafe { libc::syscall(libc::SYS_bpf, command, &raw const *attributes, size_of::<T>()) };
    match i32::try_from(done) {
        Ok(number) if number >= 0 => Ok(number),
        Ok(_) | Err(_) => Err(io::Error::last_os_error()),
    }
}

const LOAD_WORD: u8 = 0x61;
const MOVE: u8 = 0xb7;
const MOVE_REGISTER: u8 = 0xbf;
const AND: u8 = 0x57;
const SHIFT_RIGHT: u8 = 0x77;
const UNLESS_EQUAL: u8 = 0x55;
const EXIT: u8 = 0x95;

/// The context's `access_type` is the access in its upper half and the kind in its lower one.
fn program(rules: &[DeviceAccess]) -> Vec<u64> {
    let mut code = vec![
        instruction(LOAD_WORD, 2, 1, 0, 0),
        instruction(MOVE_REGISTER, 3, 2, 0, 0),
        instruction(AND, 2, 0, 0, 0xffff),
        instruction(SHIFT_RIGHT, 3, 0, 0, 16),
        instruction(LOAD_WORD, 4, 1, 4, 0),
        instruction(LOAD_WORD, 5, 1, 8, 0),
    ];
    for rule in rules {
        code.extend(one(rule));
    }
    code.extend([instruction(MOVE, 0, 0, 0, 0), instruction(EXIT, 0, 0, 0, 0)]);
    code
}

/// One rule: each test that fails goes on to the next rule.
fn one(rule: &DeviceAccess) -> Vec<u64> {
    let kind = match rule.kind {
        DeviceKind::Block => 1,
        DeviceKind::Character => 2,
    };
    let mut tests = vec![(2, kind)];
    let not_granted = !i32::from(rule.access) & 7;
    tests.extend(rule.major.map(|major| (4, major.cast_signed())));
    tests.extend(rule.minor.map(|minor| (5, minor.cast_signed())));
    // Behind the tests: move and exit; before those, with a mask, three more.
    let mut left = tests.len() + 2 + if not_granted == 0 { 0 } else { 3 };
    let mut code = Vec::new();
    for (register, value) in tests {
        left -= 1;
        code.push(instruction(UNLESS_EQUAL, register, 0, left, value));
    }
    if not_granted != 0 {
        code.push(instruction(MOVE_REGISTER, 1, 3, 0, 0));
        code.push(instruction(AND, 1, 0, 0, not_granted));
        code.push(instruction(UNLESS_EQUAL, 1, 0, 2, 0));
    }
    code.extend([instruction(MOVE, 0, 0, 0, 1), instruction(EXIT, 0, 0, 0, 0)]);
    code
}

fn instruction(code: u8, to: u8, from: u8, offset: usize, value: i32) -> u64 {
    let offset = u16::try_from(offset).unwrap_or(0);
    u64::from(code)
        | u64::from(to | from << 4) << 8
        | u64::from(offset) << 16
        | u64::from(value.cast_unsigned()) << 32
}
