//! The program in the container: says what it sees, one `key=value` a line.
#![allow(unsafe_code, reason = "it tries what a container must not be able to do")]

use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::process::ExitCode;

pub(crate) fn tell(words: &[String]) -> ExitCode {
    match words.first().map(String::as_str) {
        Some("all") => {
            descriptors();
            status();
            places();
            attempts();
        }
        Some("wait") => {
            println!("ready=yes");
            loop {
                std::thread::sleep(std::time::Duration::from_secs(1));
            }
        }
        Some("write") => println!("write={}", outcome(fs::write(&words[1], "x"))),
        Some("read") => println!("read={}", outcome(fs::read(&words[1]).map(drop))),
        Some("devices") => devices(),
        Some("code") => return ExitCode::from(words[1].parse::<u8>().unwrap()),
        _ => {}
    }
    ExitCode::SUCCESS
}

fn devices() {
    use rustix::fs::{CWD, FileType, Mode, makedev, mknodat};
    let nodes = [
        ("disk", FileType::BlockDevice, makedev(254, 0)),
        ("mem", FileType::CharacterDevice, makedev(1, 1)),
        ("kmsg", FileType::CharacterDevice, makedev(1, 11)),
        ("zero", FileType::CharacterDevice, makedev(1, 5)),
        ("fuse", FileType::CharacterDevice, makedev(10, 229)),
    ];
    for (name, kind, number) in nodes {
        let path = format!("/dev/own-{name}");
        let made = mknodat(CWD, &*path, kind, Mode::from_raw_mode(0o600), number);
        println!("make.{name}={}", outcome(made.map_err(Into::into)));
        println!("open.{name}={}", outcome(fs::File::open(&path)));
    }
}

fn outcome<T>(result: std::io::Result<T>) -> String {
    match result {
        Ok(_) => "ok".to_owned(),
        Err(error) => format!("errno {}", error.raw_os_error().unwrap_or(0)),
    }
}

fn descriptors() {
    let mut open: Vec<i32> = (0..4096)
        // SAFETY: asks about a number.
        .filter(|number| unsafe { libc::fcntl(*number, libc::F_GETFD) } >= 0)
        .collect();
    open.sort_unstable();
    println!("descriptors={open:?}");
}

fn status() {
    let text = fs::read_to_string("/proc/self/status").unwrap_or_default();
    for line in text.lines() {
        if let Some((key, value)) = line.split_once(':') {
            println!("{key}={}", value.trim());
        }
    }
    println!("pid={}", std::process::id());
    println!("hostname={}", rustix::system::uname().nodename().to_string_lossy());
    println!("cwd={}", std::env::current_dir().unwrap().display());
    for (key, value) in std::env::vars() {
        println!("env.{key}={value}");
    }
    println!("arguments={:?}", std::env::args().collect::<Vec<_>>());
    let text = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    for line in text.lines() {
        let fields: Vec<&str> = line.split(' ').collect();
        println!("mount.{}={}", fields[4], fields[5]);
    }
    for kind in ["mnt", "uts", "ipc", "net", "pid", "cgroup", "user"] {
        let link = fs::read_link(format!("/proc/self/ns/{kind}"));
        println!("ns.{kind}={}", link.map(|l| l.display().to_string()).unwrap_or_default());
    }
    println!("group={}", fs::read_to_string("/proc/self/cgroup").unwrap_or_default().trim());
    println!("uid_map={}", fs::read_to_string("/proc/self/uid_map").unwrap_or_default().trim());
}

fn places() {
    for path in ["/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty"] {
        let device = fs::metadata(path).map(|m| (m.file_type().is_char_device(), m.rdev()));
        println!("device.{path}={:?}", device.ok());
    }
    for path in ["/proc/kcore", "/proc/keys", "/proc/timer_list"] {
        let hidden = fs::metadata(path).map(|m| m.rdev() == libc::makedev(1, 3));
        println!("masked.{path}={:?}", hidden.ok());
    }
    let entries = fs::read_dir("/sys/firmware").map(Iterator::count);
    println!("masked./sys/firmware={:?}", entries.ok());
    println!("root.owner={:?}", fs::metadata("/").map(|m| (m.uid(), m.gid())).ok());
    let tell = |path: &str| println!("file.{path}={:?}", fs::read_to_string(path).ok());
    tell("/etc/hostname");
    tell("/etc/hosts");
    println!("loopback={}", outcome(loopback()));
}

fn loopback() -> std::io::Result<()> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    std::net::TcpStream::connect(listener.local_addr()?).map(drop)
}

/// What is refused, by errno.
fn attempts() {
    println!("try.write_root={}", outcome(fs::write("/written", "x")));
    println!("try.write_sysctl={}", outcome(fs::write("/proc/sys/kernel/domainname", "x")));
    println!("try.write_group={}", outcome(fs::write("/sys/fs/cgroup/cgroup.procs", "1")));
    let calls: [(&str, libc::c_long, [libc::c_ulong; 3]); 10] = [
        ("unshare_user", libc::SYS_unshare, [0x1000_0000, 0, 0]),
        ("clone_user", libc::SYS_clone, [0x1000_0000 | 0x2000_0000, 0, 0]),
        ("clone3", libc::SYS_clone3, [0, 0, 0]),
        ("keyctl", libc::SYS_keyctl, [0, 0, 0]),
        ("bpf", libc::SYS_bpf, [0, 0, 0]),
        ("mount", libc::SYS_mount, [0, 0, 0]),
        ("kexec_load", libc::SYS_kexec_load, [0, 0, 0]),
        ("unknown", 9999, [0, 0, 0]),
        ("x32", 0x4000_0000 | 39, [0, 0, 0]),
        ("vsock", libc::SYS_socket, [40, 1, 0]),
    ];
    for (name, number, [a, b, c]) in calls {
        // SAFETY: none of these calls does anything with these arguments, allowed or not.
        let result = unsafe { libc::syscall(number, a, b, c, 0, 0) };
        let errno = std::io::Error::last_os_error().raw_os_error().unwrap_or(0);
        println!("call.{name}={}", if result < 0 { errno } else { 0 });
    }
    println!("call.getpid={}", u8::from(std::process::id() == 0));
}
