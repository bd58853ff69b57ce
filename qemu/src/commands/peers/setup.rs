//! How each peer is told what to run: the same programs, each in its own way.

/// How many units a machine at rest has, the one that measures among them.
const UNITS: usize = 10;

/// How many restarts a figure is the median of.
pub(super) const RESTARTS: usize = 25;

/// How memory is measured: half a minute after the last of them was started.
pub(super) const REST: &str = "pss 30\n";

/// How many containers a figure is the median of.
pub(super) const CONTAINERS: usize = 20;

/// Bundles with what each runtime takes for its own default, without a terminal.
const BUNDLE: &str = "\
for name in crun runc; do
    mkdir -p /run/bundle-$name
    cd /run/bundle-$name
    $name spec
    sed -i -e 's/\"terminal\": true/\"terminal\": false/' -e 's,\"sh\",\"/bin/true\",' \
        -e 's,\"rootfs\",\"/peers/box\",' config.json
done
";

/// The services of the machine that does what we do, besides those that systemd always starts.
const SERVICES: &[(&str, &str)] = &[
    ("sysinit", "systemd-timesyncd.service"),
    ("multi-user", "systemd-networkd.service"),
    ("multi-user", "systemd-resolved.service"),
    ("multi-user", "containerd.service"),
    ("multi-user", "docker.service"),
    ("multi-user", "etcd.service"),
];

/// Nobody logs in, and what waits for a network would never see one with a name server.
const MASKED: &[&str] = &[
    "getty@.service",
    "serial-getty@.service",
    "systemd-networkd-wait-online.service",
    "systemd-firstboot.service",
    "systemd-update-utmp.service",
];

const PASSWD: &str = "\
root:x:0:0:root:/root:/bin/sh
messagebus:x:100:100::/nonexistent:/bin/false
systemd-network:x:101:101::/run/systemd:/bin/false
systemd-resolve:x:102:102::/run/systemd:/bin/false
systemd-timesync:x:103:103::/run/systemd:/bin/false
etcd:x:104:104::/var/lib/etcd:/bin/false
nobody:x:65534:65534::/nonexistent:/bin/false
";

const GROUP: &str = "\
root:x:0:
tty:x:5:
disk:x:6:
lp:x:7:
kmem:x:15:
dialout:x:20:
cdrom:x:24:
tape:x:26:
audio:x:29:
video:x:44:
utmp:x:43:
shadow:x:42:
input:x:996:
sgx:x:995:
kvm:x:994:
render:x:993:
systemd-journal:x:992:
docker:x:991:
messagebus:x:100:
systemd-network:x:101:
systemd-resolve:x:102:
systemd-timesync:x:103:
etcd:x:104:
nogroup:x:65534:
";

const NETWORK: &str = "[Match]\nType=ether\n[Network]\nDHCP=yes\n";

/// What one machine does, and its units: a name and the words for the gauge.
struct Subject {
    name: &'static str,
    steps: String,
    units: Vec<(String, &'static str)>,
}

/// The names of the units of a machine at rest that do nothing.
pub(super) fn sleepers() -> impl Iterator<Item = String> {
    (1..UNITS).map(|number| format!("idle{number}"))
}

fn subjects() -> Vec<Subject> {
    let idle = sleepers().map(|name| (name, "sleep"));
    vec![
        Subject {
            name: "restart",
            steps: format!("restarts restart {RESTARTS}\n"),
            units: vec![("plain".into(), "serve")],
        },
        Subject { name: "footprint", steps: REST.into(), units: idle.collect() },
        Subject { name: "container", steps: container_steps(), units: Vec::new() },
        Subject { name: "boot", steps: String::new(), units: vec![("plain".into(), "hello")] },
    ]
}

/// Everything that starts a container from the command line, one after the other.
fn container_steps() -> String {
    let run = "run --bundle /run/bundle";
    format!(
        "say /bin/sh /peers/bundle.sh\n\
         times crun {CONTAINERS} /usr/bin/crun {run}-crun peer\n\
         times runc {CONTAINERS} /usr/sbin/runc {run}-runc peer\n\
         times systemd-run {CONTAINERS} /usr/bin/systemd-run --quiet --wait /peers/box/bin/true\n\
         times unshare {CONTAINERS} /usr/bin/unshare -m -u -i -n -p -C -f --mount-proc \
         /peers/box/bin/true\n"
    )
}

/// Files of the peers' disk: path, mode, content.
pub(super) fn files() -> Vec<(String, u32, String)> {
    let mut files = vec![
        text("etc/passwd", PASSWD),
        text("etc/group", GROUP),
        text("etc/shadow", "root:*:1::::::\n"),
        text("etc/fstab", ""),
        text("etc/hostname", "peer\n"),
        text("etc/machine-id", "6b65656c736f6e2d7065657273206f6b\n"),
        text("etc/systemd/network/any.network", NETWORK),
        text("peers/bundle.sh", BUNDLE),
        script("etc/runit/1", "#!/bin/sh\n"),
        script("etc/runit/2", "#!/bin/sh\nexec /usr/bin/runsvdir -P /peers/runit/current\n"),
        script("etc/runit/3", "#!/bin/sh\n"),
    ];
    for subject in subjects() {
        subject.add_steps(&mut files);
        subject.add_directories(&mut files);
        subject.add_inittab(&mut files);
        subject.add_units(&mut files);
    }
    files
}

/// Symbolic links of the peers' disk: path and target.
pub(super) fn links() -> Vec<(String, String)> {
    let mut links = vec![("peers/init".to_owned(), "busybox".to_owned())];
    let system = "etc/systemd/system";
    for (target, service) in SERVICES {
        let path = format!("{system}/{target}.target.wants/{service}");
        links.push((path, format!("/usr/lib/systemd/system/{service}")));
    }
    links.extend(MASKED.iter().map(|unit| (format!("{system}/{unit}"), "/dev/null".to_owned())));
    links
}

/// What the unit that measures does, one step a line. It runs for ever like the others.
pub(super) fn steps(lines: &str) -> String {
    format!("#!/peers/gauge run\n{lines}done\nsleep\n")
}

impl Subject {
    fn steps(&self) -> String {
        steps(&self.steps)
    }

    fn add_steps(&self, files: &mut Vec<(String, u32, String)>) {
        files.push(script(&format!("peers/{}.steps", self.name), &self.steps()));
    }

    /// s6 and runit: a directory a service, with a program `run`. No shell stands between.
    fn add_directories(&self, files: &mut Vec<(String, u32, String)>) {
        for supervisor in ["s6", "runit"] {
            let base = format!("peers/{supervisor}/{}", self.name);
            for (unit, verb) in &self.units {
                // s6 waits a second before it starts again what has never told that it was ready.
                let notifies = (supervisor, *verb) == ("s6", "serve");
                let suffix = if notifies { "-notify" } else { "" };
                let path = format!("{base}/{unit}/run");
                files.push(script(&path, &format!("#!/peers/gauge {verb}{suffix}\n")));
                if notifies {
                    files.push(text(&format!("{base}/{unit}/notification-fd"), "3\n"));
                }
            }
            files.push(script(&format!("{base}/measure/run"), &self.steps()));
        }
    }

    fn add_inittab(&self, files: &mut Vec<(String, u32, String)>) {
        let mut table = String::new();
        for (_, verb) in &self.units {
            table += &format!("::respawn:/peers/gauge {verb}\n");
        }
        table += &format!("::respawn:/peers/gauge run /peers/{}.steps\n", self.name);
        files.push(text(&format!("peers/busybox-{}.inittab", self.name), &table));
    }

    /// systemd: a target of its own, so that one disk serves all machines.
    fn add_units(&self, files: &mut Vec<(String, u32, String)>) {
        let name = self.name;
        let base = if name == "footprint" { "multi-user.target" } else { "basic.target" };
        let mut wants = format!("Wants={name}-measure.service");
        for (unit, verb) in &self.units {
            wants += &format!(" {name}-{unit}.service");
            let service = service(&format!("/peers/gauge {verb}"), "");
            files.push(text(&format!("etc/systemd/system/{name}-{unit}.service"), &service));
        }
        let measure = format!("/peers/gauge run /peers/{name}.steps");
        let service = service(&measure, &format!("After={base}\n"));
        files.push(text(&format!("etc/systemd/system/{name}-measure.service"), &service));
        let target = format!("[Unit]\nRequires={base}\nAfter={base}\n{wants}\n");
        files.push(text(&format!("etc/systemd/system/{name}.target"), &target));
    }
}

fn service(command: &str, order: &str) -> String {
    format!(
        "[Unit]\nStartLimitIntervalSec=0\n{order}\n[Service]\nExecStart={command}\n\
         Restart=always\nRestartSec=0\nStandardOutput=tty\nTTYPath=/dev/console\n"
    )
}

fn text(path: &str, content: &str) -> (String, u32, String) {
    (path.to_owned(), 0o644, content.to_owned())
}

fn script(path: &str, content: &str) -> (String, u32, String) {
    (path.to_owned(), 0o755, content.to_owned())
}
