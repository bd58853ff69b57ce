//! One line of a unit file, and what stands in the spec for it.

use super::{Place, Treatment, directives};
use crate::load::{Loaded, load};
use crate::source::{LoadOptions, SourceFile};
use std::collections::BTreeSet;

fn read(kind: &str, text: &str) -> Loaded {
    let file = SourceFile::regular(&format!("/etc/systemd/system/x.{kind}"), text.as_bytes());
    load(&[file], &LoadOptions::default())
}

/// The spec of a service with these lines, as text.
fn service(lines: &str) -> String {
    spec("service", &format!("[Service]\nExecStart=/x\n{lines}\n"))
}

fn spec(kind: &str, text: &str) -> String {
    let loaded = read(kind, text);
    let name = format!("x.{kind}");
    let found = loaded.specs.iter().find(|spec| spec.name.as_str() == name);
    let found = found.unwrap_or_else(|| panic!("{text}: {}", loaded.diagnostics[0]));
    format!("{found:?}")
}

fn check(lines: &str, expected: &str) {
    let spec = service(lines);
    assert!(spec.contains(expected), "{lines}: no {expected} in {spec}");
}

/// What is said about a service with these lines.
fn said(lines: &str) -> String {
    let loaded = read("service", &format!("[Service]\nExecStart=/x\n{lines}\n"));
    loaded.diagnostics.iter().map(ToString::to_string).collect()
}

#[test]
fn life() {
    check("Type=forking\nPIDFile=x.pid", "Forking { pid_file: Some(\"/run/x.pid\"), guess: true }");
    check("Type=notify-reload\nReloadSignal=USR1", "NotifyReload { signal: Signal(10) }");
    check("Type=notify", "notify_access: Main");
    check("WatchdogSec=30", "watchdog: Some(30s)");
    check("WatchdogSec=30", "notify_access: Main");
    check("Type=oneshot", "start: None");
    check("TimeoutStartSec=0", "start: None");
    check("TimeoutSec=5", "stop: Some(5s), abort: Some(5s)");
    check("TimeoutStopSec=5\nTimeoutAbortSec=7", "abort: Some(7s)");
    check("Restart=on-failure\nRestartSec=1min", "policy: OnFailure, delay: 60s, delay_max: 60s");
    check("RestartSteps=4\nRestartSec=1", "delay_max: 60s, steps: 4");
    check("RestartSteps=4\nRestartMaxDelaySec=5min", "delay_max: 300s");
    check("KillSignal=QUIT", "restart_signal: Signal(3)");
    check("KillMode=mixed\nSendSIGHUP=yes", "mode: Mixed");
    check(
        "SuccessExitStatus=7 SIGUSR1\nSuccessExitStatus=8",
        "codes: [7, 8], signals: [Signal(10)]",
    );
    check("SuccessExitStatus=7\nSuccessExitStatus=", "success: ExitSet { codes: []");
    check("OOMPolicy=kill", "oom_policy: Kill");
    check("Delegate=yes", "oom_policy: Continue");
    check("Delegate=", "delegate: true");
    check("FileDescriptorStoreMax=5", "notify_access: Main, descriptors_max: 5");
    check("PermissionsStartOnly=yes\nExecStartPre=/y", "keep_user: true");
    check("StartLimitInterval=1min\nStartLimitBurst=2", "interval: 60s, burst: 2");
}

#[test]
fn surroundings() {
    check("Environment=A=1 \"B=2 3\"\nEnvironment=A=4", "[(\"A\", \"4\"), (\"B\", \"2 3\")]");
    check("EnvironmentFile=-/e", "EnvironmentFile { path: \"/e\", optional: true }");
    check(
        "WorkingDirectory=-~",
        "working_directory: Some(\"~\"), working_directory_optional: true",
    );
    check("UMask=0027", "umask: Some(23)");
    check("LimitNOFILE=1:infinity", "Rlimit { resource: 7, soft: 1, hard: 18446744073709551615 }");
    check("CPUAffinity=1-2\nCPUAffinity=0", "cpu_affinity: [0, 1, 2]");
    check("IOSchedulingClass=idle\nIOSchedulingPriority=7", "io_priority: Some((3, 7))");
    check("CPUSchedulingPolicy=rr\nCPUSchedulingPriority=5", "policy: 2, priority: 5");
    check("CapabilityBoundingSet=", "capabilities_bounding: Some(0)");
    check("CapabilityBoundingSet=CAP_KILL\nCapabilityBoundingSet=CAP_CHOWN", "Some(33)");
    check("AmbientCapabilities=CAP_KILL", "capabilities_ambient: 32");
    check("SecureBits=noroot-locked", "secure_bits: 2");
    check(
        "RuntimeDirectory=a:b\nRuntimeDirectoryMode=0700",
        "place: Runtime, path: \"a\", links: [\"b\"], mode: 448",
    );
    check("StandardInputText=hi", "stdin: Bytes(\"hi\\n\")");
    check("StandardInputData=aGk=", "stdin: Bytes(\"hi\")");
    check("StandardInput=data\nStandardInputText=hi", "stdin: Bytes(\"hi\\n\")");
    check("StandardOutput=file:/o", "stdout: File(\"/o\"), stderr: Inherit");
    check("StandardError=journal+console", "stderr: LogAndConsole");
    check("LoadCredential=a:/b\nSetCredential=c:d\\x41", "Literal { name: \"c\", value: \"dA\" }");
    check("IgnoreSIGPIPE=no", "ignore_sigpipe: Some(false)");
}

#[test]
fn sandboxes() {
    check("ProtectSystem=strict\nProtectHome=tmpfs", "protect_system: Strict, protect_home: Tmpfs");
    check("PrivateDevices=yes", "device_policy: Closed");
    check("PrivateDevices=yes", "capabilities_bounding: Some(2198888906751)");
    check("DynamicUser=yes", "user: Some(\"x\"), group: Some(\"x\")");
    check("DynamicUser=yes", "protect_system: Strict, protect_home: ReadOnly, private_tmp: true");
    check(
        "ReadWritePaths=-/a +/b",
        "path: \"/b\", access: ReadWrite, optional: false, in_root: true",
    );
    check(
        "BindPaths=/a:/b:norbind",
        "source: \"/a\", target: \"/b\", read_only: false, recursive: false",
    );
    check("TemporaryFileSystem=/v:ro", "temporary: [(\"/v\", \"ro\")]");
    check("RestrictAddressFamilies=AF_UNIX AF_INET", "allow: true, families: [1, 2]");
    check("RestrictAddressFamilies=~AF_UNIX", "allow: false, families: [1]");
    check("RestrictAddressFamilies=none", "allow: true, families: []");
    check("RestrictNamespaces=yes", "namespaces_allowed: Some(0)");
    check("RestrictNamespaces=net", "namespaces_allowed: Some(1073741824)");
    check(
        "SystemCallFilter=@system-service\nSystemCallFilter=~@mount read:EPERM",
        "[\"@system-service\", \"~@mount\", \"~read:EPERM\"]",
    );
    check(
        "SystemCallFilter=~@mount\nSystemCallErrorNumber=EPERM",
        "allow: false, entries: [\"@mount\"], errno: Some(1)",
    );
    check("SystemCallArchitectures=native", "native_calls_only: true");
    check("DeviceAllow=/dev/null r", "DeviceRule { device: \"/dev/null\", access: \"r\" }");
    check("ProtectProc=invisible", "protect_proc: 2");
    check("MountFlags=slave", "private_mounts: true");
}

#[test]
fn resources() {
    check("MemoryMax=1G", "memory_max: Some(Absolute(1073741824))");
    check("MemoryHigh=20%", "memory_high: Some(Share(2000))");
    check("MemoryLimit=infinity", "memory_max: Some(Unlimited)");
    check("CPUQuota=150%", "cpu_quota_us_per_s: Some(1500000)");
    check("CPUWeight=idle", "cpu_weight: Some(0)");
    check("CPUShares=1024", "cpu_weight: Some(100)");
    check("AllowedCPUs=0-2 5", "cpus: Some(\"0,1,2,5\")");
    check("TasksMax=10", "tasks_max: Some(Absolute(10))");
    check("IOReadBandwidthMax=/dev/sda 5M", "read_bytes_max: Some(5000000)");
    check("BlockIOWeight=500", "io_weight: Some(100)");
}

#[test]
fn sockets_timers_and_mounts() {
    let socket = spec(
        "socket",
        "[Socket]\nListenStream=1\nListenStream=\nListenDatagram=/d\nListenNetlink=route 1\nIPTOS=low-delay\n",
    );
    for part in [
        "[Datagram(Path(\"/d\")), Netlink",
        "ip_tos: Some(16)",
        "trigger_burst: 20",
        "backlog: 4096",
    ] {
        assert!(socket.contains(part), "{part}: {socket}");
    }
    let timer =
        spec("timer", "[Timer]\nOnBootSec=5\nOnCalendar=\nOnUnitActiveSec=1h\nUnit=y.target\n");
    for part in [
        "elapses: [UnitActive(3600s)]",
        "unit: y.target",
        "accuracy: 60s",
        "remain_after_elapse: true",
    ] {
        assert!(timer.contains(part), "{part}: {timer}");
    }
    let mount = spec("mount", "[Mount]\nWhat=a\nWhere=/x\nType=nfs\n");
    for part in
        ["what: \"a\", place: \"/x\", fs_type: \"nfs\"", "After, unit: network-online.target"]
    {
        assert!(mount.contains(part), "{part}: {mount}");
    }
    let wrong = read("mount", "[Mount]\nWhat=a\nWhere=/y\n");
    assert!(wrong.diagnostics[0].to_string().contains("must be called `y.mount`"));
}

#[test]
fn what_the_unit_section_says() {
    let text = "[Unit]\nConditionPathExists=|!/a\nConditionPathExists=\nConditionHost=h\nAssertUser=root\n\
        JobTimeoutSec=1min\nOnFailure=y.service\nDefaultDependencies=no\n[Service]\nExecStart=/x\n\
        [X-Fleet]\nMachineMetadata=a=b\nGlobal=yes\n[X-Mine]\nA=b\n";
    let loaded = read("service", text);
    let spec = format!("{:?}", loaded.specs.iter().find(|spec| spec.name.as_str() == "x.service"));
    for part in [
        "conditions: [Condition { test: Host",
        "test: User, argument: \"root\", negated: false, triggering: false, assertion: true",
        "job_timeout: Some(60s)",
        "relations: []",
        "metadata: [\"a=b\"]",
        "global: true",
    ] {
        assert!(spec.contains(part), "{part}: {spec}");
    }
}

#[test]
fn complaints() {
    for (lines, expected) in [
        ("Type=dbus", "there is no message bus here"),
        ("Type=sometimes", "`Type=` cannot be `sometimes`"),
        ("ExecStart=/y", "more than one `ExecStart=`"),
        ("Type=oneshot\nRestart=always", "cannot be restarted after it ended well"),
        ("User=a b", "no name of a user"),
        ("Environment=A", "`A` is no assignment"),
        ("Environment=1A=b", "no name of an environment variable"),
        ("LimitNOFILE=5:1", "above the hard limit"),
        ("MemoryMax=lots", "`lots` is no size"),
        ("Nice=50", "from -20 to 19"),
        ("ExecStartPre=a/b", "no absolute path"),
        ("ExecStartPre=/b 'c", "the quote is not closed"),
        ("CapabilityBoundingSet=CAP_NOPE", "`CAP_NOPE` is no capability"),
        ("SystemCallFilter=@nope", "is not known and left out"),
        ("RootImage=/x.raw", "make it a container"),
        ("IPAddressDeny=any", "`IPAddressDeny=` is not honoured"),
        ("Slice=a.slice", "groups of units are flat"),
        ("Restrat=always", "did you mean `Restart`?"),
        ("After=y.service", "it belongs into [Unit]"),
        ("WorkingDirectory=%z", "the specifier `%z` is not known"),
        ("RuntimeMaxSec=1 fortnight", "is no span of time"),
        ("OpenFile=/x", "`OpenFile=` is refused"),
        ("nothing", "neither a section header nor an assignment"),
    ] {
        let said = said(lines);
        assert!(said.contains(expected), "{lines}: no {expected:?} in {said}");
    }
}

#[test]
fn the_table_is_sound() {
    let mut seen = BTreeSet::new();
    for row in directives() {
        assert!(seen.insert((row.place, row.name)), "{} stands twice", row.name);
        let texts = match row.treatment {
            Treatment::Honoured => vec![],
            Treatment::Translated(how) => vec![how],
            Treatment::Ignored(why) => vec![why],
            Treatment::NotHonoured(why, advice) => vec![why, advice],
            Treatment::Refused(why, advice) => vec![why, advice],
        };
        assert!(texts.iter().all(|text| !text.ends_with('.')), "{}", row.name);
        let reasoned = texts.first().is_none_or(|why| !why.is_empty());
        assert!(reasoned, "{} has no reason", row.name);
        if let Treatment::Refused(_, advice) = row.treatment {
            assert!(!advice.is_empty(), "{} is refused without advice", row.name);
        }
    }
    let of = |place| directives().filter(|row| row.place == place).count();
    assert!(of(Place::Unit) > 100 && of(Place::Process) > 200 && of(Place::Socket) > 50);
}
