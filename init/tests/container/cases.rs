//! The cases.

use std::fs;
use std::fs::Permissions;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::process::ExitCode;

use rustix::fs::{CWD, FileType, Mode, makedev, mknodat};
use rustix::process::{Signal, pidfd_send_signal};
use units::run::StageStep;

use crate::ground::{Ground, finish};

type Case = (&'static str, fn(&mut Ground));

const CASES: [Case; 15] = [
    ("a_container_is_closed_by_default", closed),
    ("nothing_leaks_into_a_container", leaks),
    ("system_calls_are_filtered", filtered),
    ("user_and_directory_are_found_inside", user_inside),
    ("a_read_only_root_is", read_only),
    ("mounts_of_the_unit", own_mounts),
    ("what_is_kept_and_what_is_not", persistence),
    ("images_cannot_lead_outside", led_astray),
    ("a_fault_names_its_step", faults),
    ("only_known_devices_open", devices),
    ("a_guest_enters", guest),
    ("ids_of_its_own", user_namespace),
    ("the_machines_own_root", on_machine),
    ("a_sandbox_on_the_machines_root", sandbox),
    ("many_at_once_leave_nothing", many),
];

const BOX: &str = "image = \"box\"\n";

pub(crate) fn run(words: &[String]) -> ExitCode {
    let filter = words.iter().find(|word| !word.starts_with('-'));
    let mut passed = 0;
    let mut ground = Ground::new();
    for (name, case) in CASES {
        if filter.is_none_or(|filter| name.contains(filter.as_str())) {
            case(&mut ground);
            println!("test {name} ... ok");
            passed += 1;
        }
    }
    println!("\ntest result: ok. {passed} passed; 0 failed");
    ExitCode::SUCCESS
}

fn closed(ground: &mut Ground) {
    let told = ground.run(BOX);
    assert_eq!(told.code, 0, "{:?}", told.fault);
    assert_eq!(told.fact("pid"), "1");
    assert_eq!(told.fact("CapEff"), "00000000a80425fb");
    assert_eq!(told.fact("CapBnd"), "00000000a80425fb");
    assert_eq!(told.fact("CapInh"), "0000000000000000");
    assert_eq!(told.fact("CapAmb"), "0000000000000000");
    assert_eq!(told.fact("NoNewPrivs"), "1");
    assert_eq!(told.fact("Seccomp"), "2");
    assert_eq!(told.fact("SigBlk"), "0000000000000000");
    // SIGPIPE: the language's own start-up of the teller.
    assert_eq!(told.fact("SigIgn"), "0000000000001000");
    assert_eq!(told.fact("hostname"), "box");
    assert_eq!(told.fact("env.FROM_IMAGE"), "yes");
    assert_eq!(told.fact("env.EXTRA"), "1");
    assert_eq!(told.fact("env.HOME"), "/root");
    for kind in ["mnt", "uts", "ipc", "net", "pid", "cgroup"] {
        let ours = fs::read_link(format!("/proc/self/ns/{kind}")).unwrap();
        assert_ne!(told.fact(&format!("ns.{kind}")), ours.display().to_string());
    }
    for (path, number) in [("null", 3), ("zero", 5), ("full", 7), ("random", 8), ("urandom", 9)] {
        let expected = format!("Some((true, {}))", libc::makedev(1, number));
        assert_eq!(told.fact(&format!("device./dev/{path}")), expected);
    }
    for path in ["/proc/sys", "/proc/irq", "/sys"] {
        let options = told.fact(&format!("mount.{path}"));
        assert!(options.starts_with("ro"), "{path}: {options}");
    }
    assert_ne!(told.fact("masked./proc/kcore"), "Some(false)");
    assert_ne!(told.fact("masked./proc/keys"), "Some(false)");
    assert!(["Some(0)", "None"].contains(&told.fact("masked./sys/firmware")));
    assert_eq!(told.fact("loopback"), "ok");
    assert_eq!(told.fact("file./etc/hostname"), "Some(\"box\\n\")");
    assert_ne!(told.fact("try.write_sysctl"), "ok");
    assert_eq!(told.fact("try.write_root"), "ok");
    assert!(!ground.layer.join("written").exists());
    assert!(!told.text.contains("/run/layer"), "the machine's paths are to be seen: {}", told.text);
}

fn leaks(ground: &mut Ground) {
    // As PID 1's own state: open, and not marked.
    let leak = rustix::io::dup(rustix::stdio::stdin()).unwrap();
    let told = ground.run(BOX);
    drop(leak);
    assert_eq!(told.fact("descriptors"), "[0, 1, 2]");
    assert_eq!(told.fact("Groups"), "");
}

fn filtered(ground: &mut Ground) {
    let told = ground.run(BOX);
    let expected = [
        ("unshare_user", 1),
        ("clone_user", 1),
        ("clone3", 38),
        ("keyctl", 1),
        ("bpf", 1),
        ("mount", 1),
        ("kexec_load", 1),
        ("unknown", 38),
        ("vsock", 1),
        ("x32", 38),
    ];
    for (name, errno) in expected {
        assert_eq!(told.fact(&format!("call.{name}")), errno.to_string(), "{name}");
    }
    let told = ground.run(&format!("{BOX}seccomp = \"unconfined\"\n"));
    assert_eq!(told.fact("Seccomp"), "0");
}

fn user_inside(ground: &mut Ground) {
    let told = ground.run(&format!("user = \"web\"\nworkdir = \"/srv\"\n{BOX}"));
    assert_eq!(told.fact("Uid"), "33\t33\t33\t33");
    assert_eq!(told.fact("Gid"), "34\t34\t34\t34");
    assert_eq!(told.fact("Groups"), "77");
    assert_eq!(told.fact("cwd"), "/srv");
    assert_eq!(told.fact("env.HOME"), "/srv");
    assert_eq!(told.fact("CapEff"), "0000000000000000");
    let told = ground.run(&format!("user = \"4294967295\"\n{BOX}"));
    assert_eq!(told.fault.unwrap().step, StageStep::User);
    let told = ground.run(&format!("user = \"1234\"\n{BOX}"));
    assert_eq!(told.fact("Uid"), "1234\t1234\t1234\t1234");
    assert_eq!(told.fact("Gid"), "0\t0\t0\t0");
}

fn read_only(ground: &mut Ground) {
    let told = ground.run(&format!("{BOX}read-only = true\n"));
    assert_eq!(told.fact("try.write_root"), "errno 30");
}

fn own_mounts(ground: &mut Ground) {
    fs::create_dir_all("/run/outside").unwrap();
    fs::write("/run/outside/file", "hello").unwrap();
    let text = format!(
        "{BOX}mounts = [\"/run/outside:/data/deep:ro\", \"keep:/var/keep\", \"tmpfs:/scratch\"]\n"
    );
    let told = ground.run(&text);
    assert!(told.fact("mount./data/deep").starts_with("ro,nosuid,nodev"));
    assert!(told.fact("mount./var/keep").starts_with("rw"));
    assert!(told.fact("mount./scratch").starts_with("rw"));
    assert!(fs::metadata("/run/state/volumes/keep").unwrap().is_dir());
    // A new volume is as what it covers, an old one stays as it is.
    let home = ground.layer.join("srv/home");
    fs::create_dir_all(&home).unwrap();
    chown(&home, Some(1000), Some(100)).unwrap();
    fs::set_permissions(&home, Permissions::from_mode(0o750)).unwrap();
    let text = format!("{BOX}mounts = [\"home:/srv/home\", \"keep:/srv/home/keep\"]\n");
    assert_eq!(ground.run(&text).code, 0);
    let volume = |name| fs::metadata(format!("/run/state/volumes/{name}")).unwrap();
    let owner = |name| (volume(name).uid(), volume(name).gid(), volume(name).mode() & 0o7777);
    assert_eq!(owner("home"), (1000, 100, 0o750));
    assert_eq!(owner("keep"), (0, 0, 0o755));
    fs::remove_dir(&home).unwrap();
}

fn persistence(ground: &mut Ground) {
    let text =
        format!("{BOX}writable = \"persistent\"\nargs = [\"tell\", \"write\", \"/srv/w\"]\n");
    assert_eq!(ground.run(&text).fact("write"), "ok");
    let text = text.replace("write\",", "read\",");
    assert_eq!(ground.run(&text).fact("read"), "ok");
    let text = text.replace("persistent", "ephemeral");
    assert_eq!(ground.run(&text).fact("read"), "errno 2");
}

/// CVE-2026-41579 and its kin: an image that makes `/dev` a link to the machine's files.
fn led_astray(ground: &mut Ground) {
    for (path, step) in
        [("dev", StageStep::Device), ("proc", StageStep::Mount), ("sys", StageStep::Mount)]
    {
        symlink("/srv", ground.layer.join(path)).unwrap();
        let told = ground.run(BOX);
        let fault = told.fault.unwrap_or_else(|| panic!("/{path} as a link was taken"));
        assert_eq!((fault.step, fault.errno), (step, 40), "{path}");
        fs::remove_file(ground.layer.join(path)).unwrap();
    }
    // A target below a link stays inside.
    fs::create_dir_all("/run/outside").unwrap();
    symlink("/../../../../run/outside", ground.layer.join("out")).unwrap();
    let told = ground.run(&format!("{BOX}mounts = [\"tmpfs:/out/made\"]\n"));
    assert!(!fs::exists("/run/outside/made").unwrap(), "{:?}", told.fault);
    fs::remove_file(ground.layer.join("out")).unwrap();
    // A dangling link where a file of names goes.
    symlink("/nowhere/at/all", ground.layer.join("etc/hostname")).unwrap();
    let told = ground.run(BOX);
    assert_eq!(told.fact("file./etc/hostname"), "Some(\"box\\n\")");
    fs::remove_file(ground.layer.join("etc/hostname")).unwrap();
    // CVE-2024-21626: a working directory outside of the root.
    let told = ground.run(&format!("workdir = \"/proc/self/fd/3\"\n{BOX}"));
    assert_eq!(told.fault.unwrap().step, StageStep::WorkingDirectory);
}

fn faults(ground: &mut Ground) {
    let fault = |text: &str| {
        let told = ground.run(text);
        let fault = told.fault.unwrap_or_else(|| panic!("no fault of:\n{text}\n{}", told.text));
        (fault.step, fault.errno, fault.item)
    };
    assert_eq!(fault(&format!("command = \"/nothing\"\n{BOX}")), (StageStep::Exec, 2, 0));
    assert_eq!(fault(&format!("user = \"ghost\"\n{BOX}")), (StageStep::User, 3, 0));
    let text = "root = \"/run/lacks\"\ncommand = \"/x\"\n";
    assert_eq!(fault(text).0, StageStep::Image);
    let text = format!("workdir = \"/lacks\"\n{BOX}");
    assert_eq!(fault(&text), (StageStep::WorkingDirectory, 2, 0));
}

fn devices(ground: &mut Ground) {
    let text = format!("{BOX}args = [\"tell\", \"devices\"]\n");
    let told = ground.run_with_devices(&text);
    // Made, but never opened: the disks of the machine, its memory, its kernel's log.
    for name in ["disk", "mem", "kmsg"] {
        assert_eq!(told.fact(&format!("make.{name}")), "ok");
        assert_eq!(told.fact(&format!("open.{name}")), "errno 1");
    }
    assert_eq!(told.fact("open.zero"), "ok");
    // Who names one of the machine's gets that one, and no other: what opening it says then is what it
    // says on this machine, which need not have it.
    let named = "/run/named-device";
    let mode = Mode::from_raw_mode(0o600);
    mknodat(CWD, named, FileType::CharacterDevice, mode, makedev(10, 229)).unwrap();
    let here = fs::File::open(named).err().and_then(|error| error.raw_os_error());
    let text = format!("{text}devices = [\"{named}:/dev/named:r\"]\n");
    let named_told = ground.run_with_devices(&text);
    fs::remove_file(named).unwrap();
    let expected = here.map_or("ok".to_owned(), |errno| format!("errno {errno}"));
    assert_eq!(told.fact("open.fuse"), "errno 1");
    assert_eq!(named_told.fact("open.fuse"), expected);
    for name in ["disk", "mem", "kmsg"] {
        assert_eq!(named_told.fact(&format!("open.{name}")), "errno 1");
    }
}

fn guest(ground: &mut Ground) {
    let text = format!("{BOX}args = [\"tell\", \"wait\"]\n");
    let (main, output) = ground.start(&ground.plan(&text), None);
    let mut line = [0; 16];
    rustix::io::read(&output, &mut line).unwrap();
    let plan = ground.guest(&text, &["/bin/teller", "tell", "all"]);
    let (guest, said) = ground.start(&plan, Some(&main.pidfd));
    let told = finish(guest, said);
    assert_eq!(told.code, 0, "{:?}", told.fault);
    assert_ne!(told.fact("pid"), "1");
    assert_eq!(told.fact("descriptors"), "[0, 1, 2]");
    assert_eq!(told.fact("hostname"), "box");
    assert_eq!(told.fact("CapEff"), "00000000a80425fb");
    assert_eq!(told.fact("Seccomp"), "2");
    assert_eq!(told.fact("NoNewPrivs"), "1");
    assert_eq!(told.fact("call.unshare_user"), "1");
    assert_eq!(told.fact("env.FROM_IMAGE"), "yes");
    let plan = ground.guest(&text, &["/bin/teller", "tell", "code", "7"]);
    let (guest, said) = ground.start(&plan, Some(&main.pidfd));
    assert_eq!(finish(guest, said).code, 7);
    pidfd_send_signal(&main.pidfd, Signal::KILL).unwrap();
    finish(main, output);
}

fn user_namespace(ground: &mut Ground) {
    let told = ground.run(&format!("{BOX}user-namespace = {{ base = 100000 }}\n"));
    assert_eq!(told.code, 0, "{:?}\n{}", told.fault, told.text);
    let map: Vec<&str> = told.fact("uid_map").split_whitespace().collect();
    assert_eq!(map, ["0", "100000", "65536"]);
    assert_eq!(told.fact("Uid"), "0\t0\t0\t0");
    assert_eq!(told.fact("root.owner"), "Some((0, 0))");
    assert_eq!(told.fact("try.write_root"), "ok");
    assert_eq!(told.fact("loopback"), "ok");
    assert_eq!(told.fact("call.unshare_user"), "1");
}

fn on_machine(ground: &mut Ground) {
    fs::write("/run/variables", "FILE=from file\nB=2\n").unwrap();
    fs::copy("/proc/self/exe", "/run/teller").unwrap();
    let text = "command = \"/run/teller tell all\"\nenv-file = \"/run/variables\"\n";
    let told = ground.run(text);
    assert_eq!(told.code, 0, "{:?}", told.fault);
    assert_eq!(told.fact("env.FILE"), "from file");
    assert_eq!(told.fact("descriptors"), "[0, 1, 2]");
    assert_eq!(told.fact("cwd"), "/");
    assert_eq!(told.fact("SigIgn"), "0000000000001000");
    assert_eq!(told.fact("Seccomp"), "0");
}

fn sandbox(ground: &mut Ground) {
    fs::copy("/proc/self/exe", "/run/teller").unwrap();
    fs::create_dir_all("/run/open").unwrap();
    fs::create_dir_all("/run/secret").unwrap();
    fs::write("/run/secret/key", "x").unwrap();
    let sandboxed = |directives: &str, words: &str| {
        let head = format!("[Service]\nType=oneshot\nExecStart=/run/teller tell {words}\n");
        ground.run_service(&format!("{head}{directives}"))
    };
    let strict = "ProtectSystem=strict\nReadWritePaths=/run/open\nPrivateTmp=yes\n";
    assert_eq!(sandboxed(strict, "write /run/closed").fact("write"), "errno 30");
    assert_eq!(sandboxed(strict, "write /run/open/file").fact("write"), "ok");
    assert!(fs::exists("/run/open/file").unwrap());
    assert_eq!(sandboxed(strict, "write /tmp/keelson-private").fact("write"), "ok");
    assert!(!fs::exists("/tmp/keelson-private").unwrap());
    let hidden = "InaccessiblePaths=/run/secret\n";
    // The test's own user may read everything; but there is nothing.
    assert_eq!(sandboxed(hidden, "read /run/secret/key").fact("read"), "errno 2");
    let rules = "PrivateDevices=yes\nProtectKernelModules=yes\nProtectKernelTunables=yes\n\
        ProtectControlGroups=yes\nPrivateNetwork=yes\nProtectHostname=yes\n\
        RestrictNamespaces=yes\nRestrictAddressFamilies=AF_UNIX AF_INET\nLockPersonality=yes\n\
        NoNewPrivileges=yes\nSystemCallFilter=~@keyring bpf\nSystemCallErrorNumber=EPERM\n";
    let told = sandboxed(rules, "all");
    assert_eq!(told.code, 0, "{:?}", told.fault);
    assert!(told.fact("mount./proc/sys").starts_with("ro"));
    assert!(told.fact("mount./sys").starts_with("ro"));
    assert_eq!(told.fact("loopback"), "ok");
    assert_eq!(told.fact("NoNewPrivs"), "1");
    assert_eq!(told.fact("call.unshare_user"), "1");
    assert_eq!(told.fact("call.keyctl"), "1");
    assert_eq!(told.fact("call.bpf"), "1");
    assert_eq!(told.fact("call.vsock"), "97");
    let bounding = u64::from_str_radix(told.fact("CapBnd"), 16).unwrap();
    assert_eq!(bounding & (1 << 16 | 1 << 17 | 1 << 27), 0, "module, rawio, mknod");
    // Filters without "no new privileges", for a user without capabilities.
    let told =
        sandboxed("User=daemon\nSystemCallFilter=~keyctl\nSystemCallErrorNumber=EPERM\n", "all");
    assert_eq!(told.fact("call.keyctl"), "1");
    assert_eq!(told.fact("NoNewPrivs"), "0");
    assert_eq!(told.fact("CapEff"), "0000000000000000");
    assert_eq!(told.fact("CapPrm"), "0000000000000000");
}

/// A hundred, twenty at a time: no mount, no process and no descriptor is left.
fn many(ground: &mut Ground) {
    let before = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let open = fs::read_dir("/proc/self/fd").unwrap().count();
    for _ in 0..5 {
        let text = format!("{BOX}args = [\"tell\", \"code\", \"0\"]\n");
        let plan = ground.plan(&text);
        let started: Vec<_> = (0..20).map(|_| ground.start(&plan, None)).collect();
        for (spawned, output) in started {
            let told = finish(spawned, output);
            assert_eq!(told.code, 0, "{:?}", told.fault);
        }
    }
    assert_eq!(fs::read_to_string("/proc/self/mountinfo").unwrap(), before);
    assert_eq!(fs::read_dir("/proc/self/fd").unwrap().count(), open);
    assert_eq!(fs::read_dir("/run/keelson/stage").unwrap().count(), 0);
}
