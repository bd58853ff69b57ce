//! Which kernel modules go along, and the index files that resolve them without any program.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use crate::elf::Elf;
use crate::kernel::Kernel;
use crate::{Fault, tool};

/// The list of what goes along.
pub(crate) const WANTED: &str = include_str!("../modules.list");

/// The chosen modules of one kernel and what the kernel's tools would know about them.
#[derive(Debug, Default)]
pub struct Modules {
    /// By path below `lib/modules/VERSION`, without the suffix of a compression.
    files: BTreeMap<String, Module>,
    builtin: String,
}

#[derive(Debug, Default)]
struct Module {
    bytes: Vec<u8>,
    name: String,
    depends: Vec<String>,
    aliases: Vec<String>,
    softdeps: Vec<String>,
}

impl Modules {
    /// Chooses from `kernel` what `modules.list` names, with everything it depends on.
    ///
    /// # Errors
    /// When a module cannot be read, or needs one that the kernel does not have.
    pub fn choose(kernel: &Kernel) -> Result<Modules, Fault> {
        let all = find_all(&kernel.modules)?;
        let patterns: Vec<String> = WANTED.lines().filter_map(pattern).collect();
        let wanted = all.keys().filter(|name| patterns.iter().any(|one| matches(one, name)));
        let mut queue: Vec<String> = wanted.cloned().collect();
        let mut chosen = Modules::default();
        let mut seen = BTreeSet::new();
        while let Some(name) = queue.pop() {
            // What is not a file is built in: depends= lists only what is modular in this build.
            let Some(path) = all.get(&name).filter(|_| seen.insert(name.clone())) else { continue };
            let module = Module::read(&kernel.modules, path, &name)?;
            queue.extend(module.depends.iter().cloned());
            queue.extend(module.softdeps.iter().cloned());
            chosen.files.insert(plain(path).to_owned(), module);
        }
        let builtin = kernel.modules.join("modules.builtin");
        chosen.builtin = fs::read_to_string(&builtin).map_err(Fault::file("read", &builtin))?;
        Ok(chosen)
    }

    /// The files to put below `lib/modules/VERSION`: the modules and their index.
    pub fn files(&self) -> Vec<(String, Vec<u8>)> {
        let mut files: Vec<(String, Vec<u8>)> =
            self.files.iter().map(|(path, module)| (path.clone(), module.bytes.clone())).collect();
        files.push(("modules.dep".to_owned(), self.dependencies().into_bytes()));
        files.push(("modules.alias".to_owned(), self.aliases().into_bytes()));
        files.push(("modules.softdep".to_owned(), self.soft_dependencies().into_bytes()));
        files.push(("modules.builtin".to_owned(), self.builtin.clone().into_bytes()));
        files
    }

    /// How many modules there are.
    pub fn count(&self) -> usize {
        self.files.len()
    }

    /// `modules.dep`, as depmod(8) writes it: every module after the colon has to be loaded first,
    /// the last one first of all.
    fn dependencies(&self) -> String {
        let mut text = String::new();
        for (path, module) in &self.files {
            let mut order = Vec::new();
            self.collect(module, &mut order);
            text += path;
            text.push(':');
            for needed in order {
                text.push(' ');
                text += needed;
            }
            text.push('\n');
        }
        text
    }

    /// The closure of what `module` depends on, what is depended on after what depends on it.
    fn collect<'a>(&'a self, module: &'a Module, order: &mut Vec<&'a str>) {
        for name in &module.depends {
            let Some((path, needed)) = self.files.iter().find(|(_, one)| one.name == *name) else {
                continue;
            };
            order.retain(|earlier| earlier != path);
            order.push(path);
            self.collect(needed, order);
        }
    }

    fn aliases(&self) -> String {
        let mut text = String::new();
        for module in self.files.values() {
            for alias in &module.aliases {
                writeln!(text, "alias {alias} {}", module.name).expect("a string takes all");
            }
        }
        text
    }

    fn soft_dependencies(&self) -> String {
        let mut text = String::new();
        for module in self.files.values().filter(|one| !one.softdeps.is_empty()) {
            let first = module.softdeps.join(" ");
            writeln!(text, "softdep {} pre: {first}", module.name).expect("a string takes all");
        }
        text
    }
}

impl Module {
    fn read(folder: &Path, path: &str, name: &str) -> Result<Module, Fault> {
        let file = folder.join(path);
        let bytes = fs::read(&file).map_err(Fault::file("read", &file))?;
        let bytes = uncompress(path, bytes)?;
        let text = Elf::parse(&bytes)
            .and_then(|elf| elf.section(".modinfo"))
            .ok_or_else(|| Fault::malformed(path, "is no kernel module"))?;
        let mut module = Module { name: name.to_owned(), ..Module::default() };
        for entry in text.split(|byte| *byte == 0) {
            module.describe(&String::from_utf8_lossy(entry));
        }
        module.bytes = bytes;
        Ok(module)
    }

    /// Takes one `key=value` of the module's own description.
    fn describe(&mut self, entry: &str) {
        let (key, value) = entry.split_once('=').unwrap_or_default();
        match key {
            "depends" => {
                let names = value.split(',').filter(|name| !name.is_empty());
                self.depends = names.map(one_spelling).collect();
            }
            "alias" => self.aliases.push(value.to_owned()),
            "softdep" => self.softdeps.extend(softdep_pre(value)),
            _ => {}
        }
    }
}

/// `pre: a b post: c` → `a`, `b`.
fn softdep_pre(value: &str) -> Vec<String> {
    let words = value.split_whitespace().skip_while(|word| *word != "pre:").skip(1);
    words.take_while(|word| !word.ends_with(':')).map(one_spelling).collect()
}

/// Modules of the tree by name.
fn find_all(folder: &Path) -> Result<BTreeMap<String, String>, Fault> {
    let order = folder.join("modules.order");
    let text = fs::read_to_string(&order).map_err(Fault::file("read", &order))?;
    let mut all = BTreeMap::new();
    for line in text.lines() {
        let file = line.rsplit('/').next().unwrap_or(line);
        let name = one_spelling(file.split('.').next().unwrap_or(file));
        let there = ["", ".xz", ".zst", ".gz"].map(|suffix| format!("{line}{suffix}"));
        // Ubuntu ships some of what its list names in a package of its own.
        if let Some(path) = there.into_iter().find(|path| folder.join(path).is_file()) {
            all.insert(name, path);
        }
    }
    Ok(all)
}

fn pattern(line: &str) -> Option<String> {
    let line = line.trim();
    (!line.is_empty() && !line.starts_with('#')).then(|| one_spelling(line))
}

fn matches(pattern: &str, name: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(prefix) => name.starts_with(prefix),
        None => name == pattern,
    }
}

/// The kernel takes `-` and `_` in module names for the same.
fn one_spelling(name: &str) -> String {
    name.replace('-', "_")
}

fn plain(path: &str) -> &str {
    [".xz", ".zst", ".gz"].iter().find_map(|suffix| path.strip_suffix(suffix)).unwrap_or(path)
}

/// Modules travel uncompressed: the initramfs is compressed as a whole, which is smaller, and
/// loading them then needs no decompressor of our own.
fn uncompress(path: &str, bytes: Vec<u8>) -> Result<Vec<u8>, Fault> {
    let program = match path.rsplit('.').next() {
        Some("xz") => "xz",
        Some("zst") => "zstd",
        Some("gz") => "gzip",
        _ => return Ok(bytes),
    };
    tool::filter(tool::command(program).args(["-q", "-d", "-c"]), &bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn module(name: &str, depends: &[&str]) -> (String, Module) {
        let depends = depends.iter().map(|one| (*one).to_owned()).collect();
        let module = Module { name: name.to_owned(), depends, ..Module::default() };
        (format!("kernel/{name}.ko"), module)
    }

    #[test]
    fn dependencies_come_after_what_needs_them() {
        let files = [module("a", &["b", "c"]), module("b", &["c"]), module("c", &["d"])];
        let mut modules = Modules { files: files.into(), builtin: String::new() };
        modules.files.extend([module("d", &[])]);
        let text = modules.dependencies();
        assert_eq!(text.lines().next(), Some("kernel/a.ko: kernel/b.ko kernel/c.ko kernel/d.ko"));
        assert_eq!(text.lines().last(), Some("kernel/d.ko:"));
    }

    #[test]
    fn the_list_matches_names_and_prefixes_in_one_spelling() {
        assert!(matches(&pattern("xhci-pci").unwrap(), "xhci_pci"));
        assert!(matches(&pattern("virtio*").unwrap(), "virtio_net"));
        assert!(!matches(&pattern("loop").unwrap(), "loopback"));
        assert_eq!(pattern("# a comment"), None);
    }

    #[test]
    fn soft_dependencies_before_are_kept() {
        assert_eq!(softdep_pre("pre: crc32c sha-1 post: x"), ["crc32c", "sha_1"]);
        assert!(softdep_pre("post: x").is_empty());
    }
}
