//! What a spec takes in PID 1's memory: it must leave room within the 6 KB of a unit.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

use units::{LoadOptions, SourceFile, load};

/// Counts the bytes in use, each block rounded up as the C library does.
struct Counting;

static IN_USE: AtomicUsize = AtomicUsize::new(0);

fn block_bytes(layout: Layout) -> usize {
    (layout.size() + 8).next_multiple_of(16).max(32)
}

// SAFETY: passes everything on to the system's allocator and only counts.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        IN_USE.fetch_add(block_bytes(layout), Ordering::Relaxed);
        // SAFETY: the caller's promises are the system allocator's.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        IN_USE.fetch_sub(block_bytes(layout), Ordering::Relaxed);
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Most bytes of heap per spec that says much, all of it included: half of what a unit may take.
const SPEC_BYTES_MAX: usize = 3200;
/// The same for a unit that says hardly anything.
const PLAIN_BYTES_MAX: usize = 1536;
const UNITS: usize = 1000;

const SYSTEMD: &str = "[Unit]
Description=Number %n of many
Documentation=https://example.org/manual
After=network-online.target
Wants=network-online.target
[Service]
Type=notify
ExecStartPre=/usr/bin/test -e /etc/number
ExecStart=/usr/bin/number --config /etc/number/%n.conf --listen 8080
ExecReload=/bin/kill -HUP $MAINPID
Restart=on-failure
Environment=A=1 B=two
User=number
LimitNOFILE=65536
ProtectSystem=strict
PrivateTmp=yes
[Install]
WantedBy=multi-user.target
";

const PLAIN: &str = "command = \"/bin/sleep 1000\"
";

const OWN: &str = "description = \"A container\"
image = \"nginx:1.25\"
env = { A = \"1\", B = \"two\" }
mounts = [\"data:/var/lib/data\"]
limits = { memory = \"64M\", cpu = 0.5 }
[probes.readiness]
http = { path = \"/health\", port = 8080 }
";

fn bytes_per_spec(name: impl Fn(usize) -> String, text: &str) -> usize {
    let files: Vec<SourceFile> =
        (0..UNITS).map(|index| SourceFile::regular(&name(index), text.as_bytes())).collect();
    let before = IN_USE.load(Ordering::Relaxed);
    let loaded = load(&files, &LoadOptions::default());
    assert!(loaded.diagnostics.is_empty(), "{}", loaded.diagnostics[0]);
    let specs = loaded.specs;
    let services = specs.iter().filter(|spec| spec.service().is_some()).count();
    assert_eq!(services, UNITS);
    (IN_USE.load(Ordering::Relaxed) - before) / UNITS
}

#[test]
fn a_spec_is_small() {
    let systemd = bytes_per_spec(|n| format!("/etc/keelson/units/number-{n}.service"), SYSTEMD);
    let own = bytes_per_spec(|n| format!("/etc/keelson/units/number-{n}.toml"), OWN);
    let plain = bytes_per_spec(|n| format!("/etc/keelson/units/plain-{n}.toml"), PLAIN);
    println!(
        "bytes per spec: {systemd} in systemd's format, {own} a container, {plain} one command"
    );
    println!(
        "of which: Spec {}, Service {}, Execution {}, Container {}, Sandbox {}",
        size_of::<units::Spec>(),
        size_of::<units::service::Service>(),
        size_of::<units::execution::Execution>(),
        size_of::<units::container::Container>(),
        size_of::<units::execution::Sandbox>(),
    );
    assert!(systemd <= SPEC_BYTES_MAX && own <= SPEC_BYTES_MAX, "{systemd} and {own} bytes");
    assert!(plain <= PLAIN_BYTES_MAX, "{plain} bytes");
}
