//! What a machine is when it is up, and how it ends: asserted on real boots.

use std::path::PathBuf;

use tests::guest::{Guest, PATIENCE, Scene, artefacts};

const AGENT: &str = env!("CARGO_BIN_EXE_agent");

/// The lines of `/proc/mounts` as (source, target, type, options).
fn mounts(guest: &mut Guest) -> Vec<(String, String, String, Vec<String>)> {
    let text = guest.read("/proc/mounts");
    let line = |line: &str| {
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        let options = words[3].split(',').map(str::to_owned).collect();
        (words[0].clone(), words[1].clone(), words[2].clone(), options)
    };
    text.lines().map(line).collect()
}

fn assert_mounted(guest: &mut Guest, target: &str, kind: &str, options: &[&str]) {
    let mounts = mounts(guest);
    let found = mounts.iter().rev().find(|mount| mount.1 == target);
    let found = found.unwrap_or_else(|| panic!("nothing is mounted on {target}: {mounts:#?}"));
    assert_eq!(found.2, kind, "{target}");
    for option in options {
        assert!(found.3.iter().any(|has| has == option), "{target} lacks {option}: {:?}", found.3);
    }
}

/// Waits until the first goal is reached.
fn wait_until_up(guest: &mut Guest) {
    guest.wait_for_line("multi-user.target reached");
}

fn setting(guest: &mut Guest, name: &str) -> String {
    guest.read(&format!("/proc/sys/{name}")).trim().to_owned()
}

/// One boot, everything that early boot and its workers do; then another one of the same machine.
#[test]
fn it_comes_up_whole_and_is_the_same_machine_after_a_reboot() {
    let scene = Scene::new("whole").agent(AGENT).machine(
        "hostname = \"node7\"\n[kernel]\nsysctl = { \"net.ipv4.ip_forward\" = 1 }\nmodules = [\"dummy\"]\n",
    );
    let mut guest = scene.options(|options| options.restarts = true).boot();
    wait_until_up(&mut guest);
    check_mounts(&mut guest);
    check_kernel(&mut guest);
    check_network(&mut guest);
    let id = guest.read("/state/machine-id");
    assert_eq!(id.trim().len(), 32);
    assert_eq!(guest.read("/etc/machine-id"), id);
    assert_eq!(setting(&mut guest, "kernel/hostname"), "node7");
    let failed = guest.keelctl(&["status"]);
    assert!(!failed.contains("failed"), "{failed}");
    let seed = guest.shell("/state/test/busybox md5sum /state/random-seed");

    guest.machine.press_ctrl_alt_delete().unwrap();
    wait_until_up(&mut guest);
    assert_eq!(guest.read("/etc/machine-id"), id, "the identity is the partition's");
    let new_seed = guest.shell("/state/test/busybox md5sum /state/random-seed");
    assert_ne!(new_seed, seed, "no two boots get the same randomness");
    let log = guest.shell("/state/test/busybox dmesg");
    assert!(!log.contains("recovery complete"), "the disk was left clean:\n{log}");
    guest.end_by("poweroff");
}

fn check_mounts(guest: &mut Guest) {
    const NONE: &[&str] = &["nosuid", "nodev", "noexec"];
    assert_mounted(guest, "/", "rootfs", &["ro", "nosuid", "nodev"]);
    assert_mounted(guest, "/proc", "proc", NONE);
    assert_mounted(guest, "/sys", "sysfs", NONE);
    assert_mounted(guest, "/dev", "devtmpfs", &["nosuid", "mode=755"]);
    assert_mounted(guest, "/dev/shm", "tmpfs", &["nosuid", "nodev"]);
    assert_mounted(guest, "/dev/pts", "devpts", &["gid=5", "mode=620", "nosuid", "noexec"]);
    assert_mounted(guest, "/run", "tmpfs", &["nosuid", "nodev", "mode=755"]);
    let groups = ["nsdelegate", "memory_recursiveprot", "nosuid", "nodev", "noexec"];
    assert_mounted(guest, "/sys/fs/cgroup", "cgroup2", &groups);
    assert_mounted(guest, "/sys/fs/pstore", "pstore", NONE);
    assert_mounted(guest, "/sys/fs/bpf", "bpf", &["mode=700"]);
    assert_mounted(guest, "/state", "ext4", &["rw", "nosuid", "nodev"]);
    assert_mounted(guest, "/var", "ext4", &["rw", "nosuid", "nodev"]);
    let modes = "/state/test/busybox stat -c '%a' /dev/shm /tmp /var/tmp /root /run /state/logs";
    assert_eq!(
        guest.shell(modes).split_whitespace().collect::<Vec<_>>(),
        ["1777", "1777", "1777", "700", "755", "750"]
    );
    // The file system itself is read-only: no name space of anybody's makes it writable.
    let tried = guest.run(&[
        "/state/test/busybox",
        "unshare",
        "-m",
        "/state/test/busybox",
        "sh",
        "-c",
        "/state/test/busybox mount -o remount,bind,rw / && echo x > /x",
    ]);
    assert_ne!(tried.status, "exit 0", "{tried:?}");
    assert!(tried.stderr.contains("Read-only"), "{tried:?}");
    assert_eq!(guest.shell("readlink /dev/fd; readlink /dev/stdin").split_whitespace().count(), 2);
}

fn check_kernel(guest: &mut Guest) {
    assert_eq!(setting(guest, "net/unix/max_dgram_qlen"), "512");
    assert_eq!(setting(guest, "kernel/core_pattern"), "|/bin/false");
    assert_eq!(setting(guest, "kernel/panic"), "-1", "the command line's, not our own ten seconds");
    assert_eq!(setting(guest, "kernel/printk_devkmsg"), "on");
    assert_eq!(setting(guest, "net/ipv4/ip_forward"), "1", "machine.toml's setting");
    guest.eventually("the end of the haste", |guest| {
        (guest.read("/sys/kernel/rcu_expedited").trim() == "0").then_some(())
    });
    let modules = guest.read("/proc/modules");
    for module in ["virtio_blk", "virtio_net", "overlay", "dummy"] {
        assert!(modules.contains(&format!("{module} ")), "{module} is not loaded:\n{modules}");
    }
    let offered = guest.read("/sys/fs/cgroup/cgroup.controllers");
    let enabled = guest.read("/sys/fs/cgroup/cgroup.subtree_control");
    for controller in offered.split_whitespace() {
        assert!(enabled.contains(controller), "{controller} is not handed on: {enabled}");
    }
    assert_eq!(guest.read("/proc/1/cgroup").trim(), "0::/init");
    let status = guest.read("/proc/1/status");
    assert!(status.contains("Umask:\t0022"), "{status}");
    // What the kernel itself misses it gets: nobody asked for this module by name.
    guest.shell("/state/test/busybox mkdir -p /run/s && /state/test/busybox mount -t squashfs /dev/null /run/s || true");
    assert!(guest.read("/proc/modules").contains("squashfs "));
}

fn check_network(guest: &mut Guest) {
    guest.eventually("an address by DHCP", |guest| {
        guest.shell("/state/test/busybox ip -4 addr").contains("10.0.2.15/24").then_some(())
    });
    let routes = guest.shell("/state/test/busybox ip route");
    assert!(routes.contains("default via 10.0.2.2"), "{routes}");
    assert!(guest.read("/etc/resolv.conf").contains("nameserver 10.0.2.3"));
    let loopback = guest.shell("/state/test/busybox ip addr show lo");
    assert!(loopback.contains("127.0.0.1/8") && loopback.contains("LOWER_UP"), "{loopback}");
    let addresses = guest.shell("/state/test/busybox ip addr show");
    assert!(addresses.contains("dynamic"), "the lease's time is the address's:\n{addresses}");
}

/// Fixed addresses of both families, a route, a resolver; and no DHCP besides.
#[test]
fn fixed_addresses_are_given() {
    let mut guest = Scene::new("fixed")
        .agent(AGENT)
        .machine(
            "[network]\nresolvers = [\"192.0.2.53\"]\nsearch = [\"example.org\"]\n\
             [[network.interface]]\nmatch = \"e*\"\naddresses = [\"10.0.2.77/24\", \"2001:db8::7/64\"]\n\
             gateway = \"10.0.2.2\"\nroutes = [{ to = \"198.51.100.0/24\", via = \"10.0.2.9\" }]\n",
        )
        .boot();
    wait_until_up(&mut guest);
    let routes = guest.shell("/state/test/busybox ip route");
    for route in ["default via 10.0.2.2", "198.51.100.0/24 via 10.0.2.9"] {
        assert!(routes.contains(route), "{routes}");
    }
    let addresses = guest.shell("/state/test/busybox ip addr");
    for address in ["10.0.2.77/24", "2001:db8::7/64"] {
        assert!(addresses.contains(address), "{addresses}");
    }
    assert!(!addresses.contains("10.0.2.15"), "{addresses}");
    let resolvers = guest.read("/etc/resolv.conf");
    assert!(resolvers.contains("nameserver 192.0.2.53\n"), "{resolvers}");
    assert!(resolvers.contains("search example.org\n"), "{resolvers}");
}

/// A file with an error is reported with its place, and the machine runs with its defaults.
#[test]
fn a_broken_configuration_is_reported_and_left_out() {
    let mut guest = Scene::new("broken-configuration")
        .agent(AGENT)
        .machine("hostname = \"node8\"\n[watchdog]\ntimeot = \"1s\"\n")
        .options(|options| options.append.push("keelson.wachdog=off".to_owned()))
        .boot();
    wait_until_up(&mut guest);
    let logs = guest.keelctl(&["logs", "state.service"]);
    assert!(logs.contains("machine.toml: line 3, column 1: unknown field `timeot`"), "{logs}");
    assert_eq!(setting(&mut guest, "kernel/hostname"), "keelson");
    assert!(guest.keelctl(&["status", "state.service"]).contains("up"), "the partition is in use");
    let kernel = guest.shell("/state/test/busybox dmesg");
    assert!(kernel.contains("keelson.wachdog is not a key of ours"), "{kernel}");
}

/// A disk that carries the label, but nothing that could be mounted.
fn broken_disk(name: &str) -> PathBuf {
    let mut image = vec![0_u8; 4 << 20];
    image[1024 + 56..1024 + 58].copy_from_slice(&[0x53, 0xef]);
    image[1024 + 120..1024 + 126].copy_from_slice(b"broken");
    let path = artefacts().initramfs.with_file_name(format!("test-{name}.img"));
    std::fs::write(&path, image).expect("the folder of the artefacts can be written");
    path
}

/// Without its state the machine says so and runs all the same.
#[test]
fn a_broken_state_disk_is_said_and_the_machine_comes_up_without() {
    let broken = broken_disk("broken-state");
    let mut guest = Scene::new("broken-state")
        .options(|options| {
            options.append.push("keelson.state=LABEL=broken".to_owned());
            *options = options.clone().disk(&broken);
        })
        .boot();
    guest.wait_for_line("cannot be mounted");
    wait_until_up(&mut guest);
    let status = guest.machine.ask("status state.service", PATIENCE).unwrap().join("\n");
    assert!(status.contains("failed"), "{status}");
    guest.machine.send_line("poweroff").unwrap();
    guest.wait_for_end();
}

/// A machine that has a disk, but not the one that is wanted, does not wait for ever.
#[test]
fn a_missing_state_disk_is_waited_for_and_then_done_without() {
    let mut guest = Scene::new("missing-state")
        .options(|options| {
            options.append.push("keelson.state=LABEL=elsewhere keelson.state_wait=2".to_owned());
        })
        .boot();
    guest.wait_for_line("was not found within");
    wait_until_up(&mut guest);
    guest.machine.send_line("poweroff").unwrap();
    guest.wait_for_end();
}

/// Neither a process that ignores everything, nor one that hangs in the kernel on a disk that does
/// not answer, keeps the machine from powering off.
#[test]
fn it_powers_off_whatever_hangs() {
    let stubborn = "[Service]\nExecStart=/state/test/busybox sh -c \"trap '' TERM HUP INT; while :; do /state/test/busybox sleep 1; done\"\n\
                    TimeoutStopSec=2\n[Install]\nWantedBy=multi-user.target\n";
    let mut guest = Scene::new("hang").agent(AGENT).unit("stubborn.service", stubborn).boot();
    wait_until_up(&mut guest);
    // From here on every write to the state disk hangs, and whoever writes cannot be killed.
    guest.shell(
        "/state/test/busybox fsfreeze --freeze /state; \
         (/state/test/busybox setsid /state/test/busybox sh -c 'echo x > /state/y' >/dev/null 2>&1 </dev/null &)",
    );
    guest.eventually("a process that hangs in the kernel", |guest| {
        guest.shell("/state/test/busybox grep -l 'State:.D' /proc/[0-9]*/status || true");
        let states = guest.shell("/state/test/busybox cat /proc/[0-9]*/status 2>/dev/null || true");
        states.contains("State:\tD").then_some(())
    });
    guest.machine.send_line("poweroff").unwrap();
    guest.wait_for_end();
}
