//! What a virtual machine is made of, and the QEMU command line for it.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Fault;

/// The QEMU that boots x86-64 machines.
pub const QEMU: &str = "qemu-system-x86_64";

/// The name of the virtio-serial port on which a test's agent listens in the guest.
pub const AGENT_PORT: &str = "org.keelson.test";

/// The kernel's command line. A panic restarts the machine at once (a test then sees QEMU end, or the
/// machine boot again). The kernel's tests of its own cryptography take a tenth of the time to init
/// under emulation, and tell nothing about us.
const WORDS: [&str; 4] = ["console=ttyS0", "quiet", "panic=-1", "cryptomgr.notests"];

/// A port of the host that leads to one of the guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Forward {
    /// On the loopback address of the host.
    pub host: u16,
    /// In the guest.
    pub guest: u16,
}

/// A disk of the guest.
#[derive(Debug, Clone)]
pub struct Disk {
    /// The raw image.
    pub image: PathBuf,
    /// Whether what the guest writes stays in the image, or is forgotten when QEMU ends.
    pub keeps_writes: bool,
}

/// A machine to be started.
#[derive(Debug, Clone)]
pub struct Options {
    /// The kernel's image.
    pub kernel: PathBuf,
    /// The initial root.
    pub initramfs: PathBuf,
    /// Words for the kernel's command line, after the usual ones.
    pub append: Vec<String>,
    /// Its memory.
    pub memory_mib: u32,
    /// How many processors it sees.
    pub cpus: u32,
    /// Whether to ask for hardware virtualisation. Never by default: `/dev/kvm` can exist on a
    /// machine whose guests then do not run at all.
    pub kvm: bool,
    /// Its disks, in order.
    pub disks: Vec<Disk>,
    /// Ports of the host that lead into it.
    pub forwards: Vec<Forward>,
    /// Whether a reboot of the guest starts it again, or ends QEMU.
    pub restarts: bool,
    /// Further words for QEMU's command line.
    pub extra: Vec<String>,
}

/// The sockets through which a machine is driven, besides its console.
#[derive(Debug, Clone)]
pub struct Sockets {
    /// QEMU's control socket.
    pub qmp: PathBuf,
    /// The other end of the agent's port.
    pub agent: PathBuf,
}

impl Options {
    /// A machine with 512 MiB and one processor that boots `kernel` and `initramfs`.
    pub fn new(kernel: &Path, initramfs: &Path) -> Options {
        Options {
            kernel: kernel.to_path_buf(),
            initramfs: initramfs.to_path_buf(),
            append: Vec::new(),
            memory_mib: 512,
            cpus: 1,
            kvm: false,
            disks: Vec::new(),
            forwards: Vec::new(),
            restarts: true,
            extra: Vec::new(),
        }
    }

    /// Adds a disk whose image the guest cannot change.
    pub fn disk(mut self, image: &Path) -> Options {
        self.disks.push(Disk { image: image.to_path_buf(), keeps_writes: false });
        self
    }

    /// Adds a way in, from a free port of the host to `guest`.
    ///
    /// # Errors
    /// When the host has no free port.
    pub fn forward(mut self, guest: u16) -> Result<Options, Fault> {
        self.forwards.push(Forward { host: free_port(None)?, guest });
        Ok(self)
    }

    /// The command that starts this machine, without its console.
    pub fn command(&self, sockets: &Sockets) -> Command {
        let mut command = boot::tool::command(QEMU);
        command.args(["-nodefaults", "-no-user-config", "-display", "none"]);
        self.add_machine(&mut command);
        self.add_devices(&mut command);
        add_sockets(&mut command, sockets);
        if !self.restarts {
            command.arg("-no-reboot");
        }
        command.args(&self.extra);
        command
    }

    fn add_machine(&self, command: &mut Command) {
        let accelerator = if self.kvm { "kvm" } else { "tcg" };
        command.args(["-machine", "q35", "-accel", accelerator, "-cpu", "max"]);
        command.args(["-m", &self.memory_mib.to_string(), "-smp", &self.cpus.to_string()]);
        command.arg("-kernel").arg(&self.kernel).arg("-initrd").arg(&self.initramfs);
        let mut words = WORDS.to_vec();
        words.extend(self.append.iter().map(String::as_str));
        command.args(["-append", &words.join(" ")]);
    }

    fn add_devices(&self, command: &mut Command) {
        command.args(["-device", "virtio-rng-pci"]);
        let mut network = "user,id=net".to_owned();
        for Forward { host, guest } in &self.forwards {
            network += &format!(",hostfwd=tcp:127.0.0.1:{host}-:{guest}");
        }
        // No boot ROM: it would only cost time, nobody boots from this card.
        command.args(["-netdev", &network, "-device", "virtio-net-pci,netdev=net,romfile="]);
        for (index, disk) in self.disks.iter().enumerate() {
            let snapshot = if disk.keeps_writes { "off" } else { "on" };
            let image = disk.image.display().to_string().replace(',', ",,");
            command.arg("-drive").arg(format!(
                "if=none,id=disk{index},format=raw,discard=unmap,snapshot={snapshot},file={image}"
            ));
            command.arg("-device").arg(format!("virtio-blk-pci,drive=disk{index}"));
        }
    }
}

fn add_sockets(command: &mut Command, sockets: &Sockets) {
    let (qmp, agent) = (sockets.qmp.display(), sockets.agent.display());
    command.arg("-qmp").arg(format!("unix:{qmp},server=on,wait=off"));
    command.arg("-chardev").arg(format!("socket,id=agent,path={agent},server=on,wait=off"));
    command.args(["-device", "virtio-serial-pci", "-device"]);
    command.arg(format!("virtserialport,chardev=agent,name={AGENT_PORT}"));
}

/// `wanted` if it is free on the host's loopback address, else any other free port.
///
/// # Errors
/// When the host has no free port.
pub fn free_port(wanted: Option<u16>) -> Result<u16, Fault> {
    let candidates = wanted.into_iter().chain([0]);
    let mut refused = None;
    for port in candidates {
        match TcpListener::bind(("127.0.0.1", port)).and_then(|listener| listener.local_addr()) {
            Ok(address) => return Ok(address.port()),
            Err(error) => refused = Some(error),
        }
    }
    let why = refused.map(|error| error.to_string()).unwrap_or_default();
    Err(Fault::qemu("find a free port", why))
}
