//! The machines of a comparison: one kernel, one initial root, one QEMU; only the disk and who
//! becomes PID 1 differ.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use boot::cache::Cache;
use boot::cpio::Archive;
use boot::tool;
use qemu::artefacts::{Artefacts, Recipe};
use qemu::{Fault, Machine, Options};

use super::disk;

const GAUGE_SOURCE: &str = include_str!("gauge.c");
const PRELUDE: &str = include_str!("prelude.sh");

/// What busybox's init runs first where the program lies on the state disk, as ours does.
const RC: &str = "\
#!/peers/busybox sh
b=/peers/busybox
$b mount -t proc proc /proc
$b mount -t sysfs sysfs /sys
$b mount -t devtmpfs dev /dev
$b modprobe virtio_pci
$b modprobe virtio_blk
$b modprobe ext4
$b mount -t ext4 /dev/vda /state
";

/// The same where the program lies in the initial root.
const RC_BARE: &str = "\
#!/peers/busybox sh
b=/peers/busybox
$b mount -t proc proc /proc
$b mount -t sysfs sysfs /sys
$b mount -t devtmpfs dev /dev
";

/// systemd with everything needs two minutes under emulation on a loaded host.
const PATIENCE: Duration = Duration::from_secs(600);

/// What stands before everything that a machine tells about itself.
const MARK: &str = "gauge: ";

/// The same for all: docker and etcd would not fit into less.
const MEMORY_MIB: u32 = 1024;

/// What all machines are made of.
pub(super) struct Ground {
    pub(super) artefacts: Artefacts,
    initramfs: PathBuf,
    /// The same, where busybox's init has no disk to look for.
    bare: PathBuf,
    peers: PathBuf,
    gauge: PathBuf,
}

/// The guests' clock counts instructions, two nanoseconds each, and the host's time only while nothing
/// runs: what else the host does would otherwise be measured too, and more than what is compared.
const PACE: [&str; 2] = ["-icount", "shift=1"];

/// The machine whose initial root holds the program.
pub(super) const BARE: &str = "busybox-no-disk";

/// What a machine told.
pub(super) struct Findings {
    who: String,
    lines: Vec<String>,
}

impl Ground {
    /// Makes everything that has not been made yet.
    ///
    /// # Errors
    /// When something cannot be built or fetched.
    pub(super) fn make() -> Result<Ground, String> {
        let mut say = |what: &str| eprintln!("   {what}");
        qemu::install::programs(&mut say).map_err(|fault| fault.to_string())?;
        // What is measured is what is released.
        let profile = std::env::var("KEELSON_PROFILE").unwrap_or_else(|_| "release".to_owned());
        let recipe = Recipe { profile, ..Recipe::default() };
        let artefacts = recipe.make(&mut say).map_err(|fault| fault.to_string())?;
        say("making the peers' disk from packages");
        Ground::complete(artefacts).map_err(|fault| fault.to_string())
    }

    fn complete(artefacts: Artefacts) -> Result<Ground, Fault> {
        let cache = Cache::open()?;
        let gauge = compile(&cache)?;
        let busybox = boot::demo::busybox_program(&cache)?;
        let peers = disk::make(&cache, &gauge, &busybox)?;
        let initramfs = cache.path("initramfs-peers")?;
        let bare = cache.path("initramfs-peers-bare")?;
        for (to, busybox_does) in
            [(&initramfs, (RC, "/state/peers/box/bin/gauge")), (&bare, (RC_BARE, "/peers/gauge"))]
        {
            let bytes = initial_root(&gauge, &busybox, &artefacts.initramfs, busybox_does)?;
            boot::cache::replace_file(to, &bytes)?;
        }
        Ok(Ground { artefacts, initramfs, bare, peers, gauge })
    }

    /// Boots `peer` from the peers' disk and hears it out.
    ///
    /// # Errors
    /// When it does not tell that it is done.
    pub(super) fn peer(&self, peer: &str, subject: &str) -> Result<Findings, String> {
        hear(&self.peer_options(peer, subject), peer, "done")
    }

    /// Boots ours with these units and hears it out.
    ///
    /// # Errors
    /// When the disk cannot be made, or it does not tell that it is done.
    pub(super) fn ours(
        &self,
        subject: &str,
        steps: &str,
        units: &[(&str, String)],
    ) -> Result<Findings, String> {
        let path = format!("peers/{subject}.steps");
        let mut disk = self.artefacts.state_disk().file(&path, 0o755, steps.as_bytes());
        for (name, unit) in units {
            disk = disk.unit(name, unit);
        }
        let measure = format!("command = \"/peers/gauge run /state/{path}\"\n");
        let disk = disk.unit("measure.toml", &measure);
        let name = format!("peers-{subject}");
        let disk = self.artefacts.write_disk(&disk, &name).map_err(|fault| fault.to_string())?;
        hear(&self.options(&disk), "ours", "done")
    }

    /// A state disk with the program of the boot and a unit for it.
    ///
    /// # Errors
    /// When it cannot be made.
    pub(super) fn boot_disk(&self, unit: &str) -> Result<PathBuf, String> {
        let gauge = read(&self.gauge).map_err(|fault| fault.to_string())?;
        let mut disk = self.artefacts.state_disk().unit("plain.toml", unit);
        disk = disk.file("peers/box/bin/gauge", 0o755, &gauge);
        for folder in ["dev", "etc", "proc", "sys"] {
            disk = disk.file(&format!("peers/box/{folder}/.keep"), 0o644, b"");
        }
        self.artefacts.write_disk(&disk, "peers-boot").map_err(|fault| fault.to_string())
    }

    /// Boots `init`, a program and its words, and hears when it began and when the program did.
    ///
    /// # Errors
    /// When the program does not say hello.
    pub(super) fn boot(&self, disk: &Path, who: &str, init: &str) -> Result<Findings, String> {
        let mut options = self.options(disk);
        if who == BARE {
            options.initramfs.clone_from(&self.bare);
        }
        options.append.push("rdinit=/peers/gauge".to_owned());
        // The last words: what follows the dashes are the words of the init.
        options.append.push(format!("-- exec {init}"));
        hear(&options, who, "hello")
    }

    /// As [`Ground::boot`], from the peers' disk, which a prelude has mounted before that.
    ///
    /// # Errors
    /// When the program does not say hello.
    pub(super) fn boot_peer(&self, peer: &str) -> Result<Findings, String> {
        hear(&self.peer_options(peer, "boot"), peer, "hello")
    }

    fn peer_options(&self, peer: &str, subject: &str) -> Options {
        let mut options = self.options(&self.peers);
        options.append.push("rdinit=/peers/prelude".to_owned());
        options.append.push(format!("peer={peer} subject={subject}"));
        options.append.push(format!("systemd.unit={subject}.target"));
        options
    }

    fn options(&self, disk: &Path) -> Options {
        let mut options = Options::new(&self.artefacts.kernel.fast, &self.initramfs).disk(disk);
        options.memory_mib = MEMORY_MIB;
        options.restarts = false;
        options.extra = PACE.map(str::to_owned).to_vec();
        // The kernel would leave out most of what is told at once.
        options.append.push("printk.devkmsg=on".to_owned());
        options
    }
}

fn hear(options: &Options, who: &str, last: &str) -> Result<Findings, String> {
    eprintln!("   booting {who}");
    let machine = Machine::spawn(options).map_err(|fault| fault.to_string())?;
    machine
        .wait_for_line(&format!("{MARK}{last}"), PATIENCE)
        .map_err(|fault| format!("{who}: {fault}"))?;
    let told = machine.transcript().into_iter();
    let lines = told.filter_map(|line| Some(line.text.split_once(MARK)?.1.to_owned())).collect();
    Ok(Findings { who: who.to_owned(), lines })
}

impl Findings {
    /// The number that was told under `name`.
    ///
    /// # Errors
    /// When none was.
    pub(super) fn number(&self, name: &str) -> Result<u64, String> {
        let found = self.lines.iter().find_map(|line| {
            let mut words = line.split_whitespace();
            words.next().filter(|word| *word == name)?;
            words.next()?.parse().ok()
        });
        found.ok_or_else(|| format!("{} told no {name}, but:\n{}", self.who, self.text()))
    }

    /// Everything that was told.
    pub(super) fn text(&self) -> String {
        self.lines.join("\n")
    }
}

fn compile(cache: &Cache) -> Result<PathBuf, Fault> {
    let source = cache.path("gauge.c")?;
    boot::cache::replace_file(&source, GAUGE_SOURCE.as_bytes())?;
    let program = cache.path("gauge")?;
    let mut command = Command::new("cc");
    command.args(["-O2", "-static", "-s", "-o"]).arg(&program).arg(&source);
    tool::output(&mut command)?;
    Ok(program)
}

/// Ours, behind an archive with what the peers need: the kernel unpacks both, one after the other.
fn initial_root(
    gauge: &Path,
    busybox: &Path,
    ours: &Path,
    busybox_does: (&str, &str),
) -> Result<Vec<u8>, Fault> {
    let mut archive = Archive::default();
    for folder in ["etc", "mnt", "peers", "peers/box"] {
        archive.directory(folder, 0o755);
    }
    for folder in ["bin", "dev", "etc", "proc", "sys"] {
        archive.directory(&format!("peers/box/{folder}"), 0o755);
    }
    archive.symlink("peers/init", "busybox");
    for (path, from) in [
        ("peers/gauge", gauge),
        ("peers/box/bin/gauge", gauge),
        ("peers/busybox", busybox),
        ("peers/box/bin/true", busybox),
    ] {
        archive.file(path, 0o755, &read(from)?);
    }
    archive.file("peers/prelude", 0o755, PRELUDE.as_bytes());
    archive.file("peers/rc", 0o755, busybox_does.0.as_bytes());
    let table = format!("::sysinit:/peers/rc\n::respawn:{} hello\n", busybox_does.1);
    archive.file("etc/inittab", 0o644, table.as_bytes());
    let mut bytes = archive.finish();
    bytes.extend(read(ours)?);
    Ok(bytes)
}

fn read(path: &Path) -> Result<Vec<u8>, Fault> {
    let bytes = fs::read(path).map_err(boot::Fault::file("read", path))?;
    Ok(bytes)
}
