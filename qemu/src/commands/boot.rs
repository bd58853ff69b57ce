//! `cargo boot`: builds everything and boots it in this terminal.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use ::boot::kernel::Flavour;
use lexopt::Arg::{Long, Short, Value};
use lexopt::ValueExt;
use qemu::artefacts::{Artefacts, Recipe, demo_units};
use qemu::{Forward, Options, Sockets, free_port};

use super::smoke;

/// What the command line asked for.
#[derive(Debug)]
struct Wish {
    memory_mib: u32,
    cpus: u32,
    kvm: bool,
    append: Vec<String>,
    recipe: Recipe,
    smoke: bool,
    timeout: Duration,
}

/// The demo's ports: the host's by preference, and the guest's.
const PORTS: [(u16, u16); 2] = [(8080, 80), (6379, 6379)];

/// How long `--smoke` waits for any one thing.
const TIMEOUT_DEFAULT: Duration = Duration::from_secs(180);

/// Runs `cargo boot` with its arguments.
///
/// # Errors
/// Says what could not be built or booted.
pub(crate) fn run(arguments: impl Iterator<Item = String>) -> Result<(), String> {
    let wish = parse(arguments).map_err(|error| format!("{error}; see `cargo boot -- --help`"))?;
    let options = prepare(&wish).map_err(|fault| fault.to_string())?;
    if !wish.smoke {
        return boot_in_terminal(&options);
    }
    let units = demo_units().iter().map(|path| unit_name(path)).collect::<Vec<_>>();
    smoke::run(&options, &units, wish.timeout).map_err(|fault| fault.to_string())
}

fn prepare(wish: &Wish) -> Result<Options, qemu::Fault> {
    qemu::install::programs(&mut say)?;
    let artefacts = wish.recipe.make(&mut say)?;
    say(&describe(&artefacts));
    machine(wish, &artefacts)
}

fn unit_name(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.trim_end_matches(".toml").to_owned()
}

/// Cargo passes the `--` of `cargo boot -- --smoke` on to us: it means nothing here.
fn parse(arguments: impl Iterator<Item = String>) -> Result<Wish, lexopt::Error> {
    let arguments = arguments.filter(|word| word != "--");
    let recipe = Recipe { profile: "release".to_owned(), flavour: Flavour::Cloud };
    let mut wish = Wish {
        memory_mib: 512,
        cpus: 2,
        kvm: false,
        append: Vec::new(),
        recipe,
        smoke: false,
        timeout: TIMEOUT_DEFAULT,
    };
    let mut parser = lexopt::Parser::from_args(arguments);
    while let Some(argument) = parser.next()? {
        match argument {
            Long("memory") => wish.memory_mib = parser.value()?.parse()?,
            Long("cpus") => wish.cpus = parser.value()?.parse()?,
            Long("kvm") => wish.kvm = true,
            Long("append") => wish.append.push(parser.value()?.string()?),
            Long("profile") => wish.recipe.profile = parser.value()?.string()?,
            Long("smoke") => wish.smoke = true,
            Long("timeout") => wish.timeout = Duration::from_secs(parser.value()?.parse()?),
            Long("metal") => wish.recipe.flavour = Flavour::Metal,
            other @ (Long(_) | Short(_) | Value(_)) => return Err(other.unexpected()),
        }
    }
    Ok(wish)
}

fn machine(wish: &Wish, artefacts: &Artefacts) -> Result<Options, qemu::Fault> {
    let disk = artefacts.demo_disk()?;
    let mut options = Options::new(&artefacts.kernel.fast, &artefacts.initramfs).disk(&disk);
    options.memory_mib = wish.memory_mib;
    options.cpus = wish.cpus;
    options.kvm = wish.kvm;
    options.append.clone_from(&wish.append);
    for (host, guest) in PORTS {
        options.forwards.push(Forward { host: free_port(Some(host))?, guest });
    }
    Ok(options)
}

fn boot_in_terminal(options: &Options) -> Result<(), String> {
    let folder = std::env::temp_dir().join(format!("keelson-{}", std::process::id()));
    std::fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
    let sockets = Sockets { qmp: folder.join("qmp"), agent: folder.join("agent") };
    let mut command = options.command(&sockets);
    command.args(["-serial", "mon:stdio"]);
    for Forward { host, guest } in &options.forwards {
        say(&format!("port {guest} of the machine is at localhost:{host}"));
    }
    say("booting; ctrl-a x ends the machine at once");
    let status = command.stdin(Stdio::inherit()).status();
    // Two dead sockets in a temporary folder harm nobody.
    let _ = std::fs::remove_dir_all(&folder);
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("qemu ended with {status}")),
        Err(error) => Err(format!("cannot start qemu: {error}")),
    }
}

fn describe(artefacts: &Artefacts) -> String {
    let size = artefacts.size;
    format!(
        "kernel {}, initial root {} KiB ({} KiB unpacked, {} modules)",
        artefacts.kernel.version,
        size.packed / 1024,
        size.unpacked / 1024,
        size.modules
    )
}

fn say(what: &str) {
    eprintln!("== {what}");
}
