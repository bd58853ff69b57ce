//! Which kernel modules a device wants, and in which order they are loaded.
//!
//! Reads the index files that `depmod` writes (modules.alias, modules.dep; depmod(8)); text in, names
//! out. `-` and `_` are the same letter in a module's name.

use std::collections::BTreeMap;

use crate::limits::{MODULE_ALIASES_MAX, MODULE_CHAIN_MAX};

/// The index of one kernel's modules.
#[derive(Debug, Default)]
pub struct Index {
    /// By what stands before the first `:` (`pci`, `virtio`, …).
    aliases: BTreeMap<Box<str>, Vec<Alias>>,
    /// By normal name.
    files: BTreeMap<Box<str>, File>,
    /// By normal name: the modules that must, or should, come first.
    softdeps: BTreeMap<Box<str>, Vec<Box<str>>>,
}

/// A pattern, and the module that it means.
#[derive(Debug)]
struct Alias {
    pattern: Box<str>,
    module: Box<str>,
}

/// A module's file.
#[derive(Debug)]
struct File {
    path: Box<str>,
    /// The files that must be loaded before it, the first one last.
    needs: Vec<Box<str>>,
}

impl Index {
    /// Parses the index files; lines that are none of the format are left out.
    #[must_use]
    pub fn parse(alias: &str, dep: &str, softdep: &str) -> Index {
        let mut index = Index::default();
        for line in alias.lines().take(MODULE_ALIASES_MAX) {
            index.add_alias(line);
        }
        dep.lines().take(MODULE_ALIASES_MAX).for_each(|line| index.add_file(line));
        softdep.lines().take(MODULE_ALIASES_MAX).for_each(|line| index.add_softdep(line));
        index
    }

    /// Whether there is nothing to load from.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// The files to load for an alias of the kernel's (`pci:v0000…`) or a module's own name, what is
    /// needed first coming first; empty when no module is meant.
    #[must_use]
    pub fn resolve(&self, wanted: &str) -> Vec<&str> {
        let mut chain = Vec::new();
        for module in self.modules_for(wanted) {
            self.append(&module, &mut chain, 0);
        }
        chain
    }

    /// The normal names of the modules that an alias or a name means.
    fn modules_for(&self, wanted: &str) -> Vec<Box<str>> {
        let name = normal(wanted);
        if self.files.contains_key(&name) {
            return vec![name];
        }
        let group = self.aliases.get(group(wanted)).into_iter().flatten();
        let odd = self.aliases.get("").into_iter().flatten();
        let matching = group.chain(odd).filter(|alias| matches(&alias.pattern, wanted));
        let mut found: Vec<Box<str>> = matching.map(|alias| alias.module.clone()).collect();
        found.sort_unstable();
        found.dedup();
        found
    }

    fn append<'a>(&'a self, module: &str, chain: &mut Vec<&'a str>, depth: usize) {
        let Some(File { path, needs }) = self.files.get(module) else { return };
        if depth > MODULE_CHAIN_MAX || chain.contains(&&**path) {
            return;
        }
        for soft in self.softdeps.get(module).into_iter().flatten() {
            for module in self.modules_for(soft) {
                self.append(&module, chain, depth + 1);
            }
        }
        for need in needs.iter().rev() {
            // The soft needs of a need count too.
            self.append(&name_of(need), chain, depth + 1);
        }
        if !chain.contains(&&**path) {
            chain.push(path);
        }
    }

    /// `alias PATTERN MODULE`.
    fn add_alias(&mut self, line: &str) {
        let mut words = line.split_ascii_whitespace();
        let (Some("alias"), Some(pattern), Some(module)) =
            (words.next(), words.next(), words.next())
        else {
            return;
        };
        let entry = Alias { pattern: pattern.into(), module: normal(module) };
        self.aliases.entry(group(pattern).into()).or_default().push(entry);
    }

    /// `FILE: NEED NEED …`.
    fn add_file(&mut self, line: &str) {
        let Some((file, needs)) = line.split_once(':') else { return };
        let needs = needs.split_ascii_whitespace().map(Box::from).collect();
        self.files.insert(name_of(file), File { path: file.into(), needs });
    }

    /// `softdep MODULE pre: NAME NAME post: NAME …`.
    fn add_softdep(&mut self, line: &str) {
        let mut words = line.split_ascii_whitespace();
        let (Some("softdep"), Some(module)) = (words.next(), words.next()) else { return };
        let pre = words.skip_while(|word| *word != "pre:").skip(1);
        let pre = pre.take_while(|word| *word != "post:").map(Box::from).collect();
        self.softdeps.insert(normal(module), pre);
    }
}

/// The name in the kernel's own spelling (`/proc/modules`, `/sys/module`).
#[must_use]
pub fn normal(name: &str) -> Box<str> {
    name.replace('-', "_").into()
}

/// The module in a file: its name up to the first dot.
#[must_use]
pub fn name_of(file: &str) -> Box<str> {
    let base = file.rsplit('/').next().unwrap_or(file);
    normal(base.split('.').next().unwrap_or(base))
}

/// What an alias is filed under; empty where a wildcard comes before the first `:`.
fn group(alias: &str) -> &str {
    match alias.split_once(':') {
        Some((group, _)) if !group.contains(['*', '?', '[']) => group,
        Some(_) => "",
        // Without a bus (`fs-ext4`, `net-pf-10`): all in one.
        None => "-",
    }
}

/// Shell patterns with `*`, `?` and `[…]`, as fnmatch(3) without flags.
fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    loop {
        let step = match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, t));
                p += 1;
                continue;
            }
            None if t == text.len() => return true,
            None => None,
            Some(_) => match_one(&pattern[p..], text.get(t).copied()),
        };
        match (step, star) {
            (Some(width), _) => (p, t) = (p + width, t + 1),
            (None, Some((at, from))) if from < text.len() => {
                star = Some((at, from + 1));
                (p, t) = (at + 1, from + 1);
            }
            (None, _) => return false,
        }
    }
}

/// Matches one byte against the first element of a pattern; the element's width if it fits.
fn match_one(pattern: &[u8], byte: Option<u8>) -> Option<usize> {
    let byte = byte?;
    match *pattern.first()? {
        b'?' => Some(1),
        b'[' => {
            let end = pattern.iter().skip(2).position(|c| *c == b']')? + 2;
            set_contains(&pattern[1..end], byte).then_some(end + 1)
        }
        literal => (literal == byte).then_some(1),
    }
}

fn set_contains(set: &[u8], byte: u8) -> bool {
    let (set, negated) = match set.split_first() {
        Some((b'!' | b'^', rest)) => (rest, true),
        _ => (set, false),
    };
    let mut rest = set;
    let mut found = false;
    while let Some((&low, tail)) = rest.split_first() {
        if let [b'-', high, ..] = tail {
            found |= (low..=*high).contains(&byte);
            rest = &tail[2..];
        } else {
            found |= low == byte;
            rest = tail;
        }
    }
    found != negated
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALIAS: &str = "# Aliases extracted from modules themselves.\n\
        alias virtio:d00000002v* virtio_blk\n\
        alias pci:v00001AF4d*sv*sd*bc*sc*i* virtio_pci\n\
        alias pci:v00008086d0000100[EF]sv*sd*bc*sc*i* e1000\n\
        alias fs-overlay overlay\n";
    const DEP: &str = "kernel/drivers/block/virtio_blk.ko: kernel/a/virtio.ko kernel/a/virtio_ring.ko\n\
        kernel/a/virtio.ko: kernel/a/virtio_ring.ko\n\
        kernel/a/virtio_ring.ko:\n\
        kernel/a/virtio_pci.ko: kernel/a/virtio.ko kernel/a/virtio_ring.ko\n\
        kernel/fs/overlayfs/overlay.ko:\n\
        kernel/net/e1000.ko.xz:\n\
        kernel/crypto/crc32c-intel.ko:\n";

    #[test]
    fn a_device_gets_its_module_and_what_it_needs_first() {
        let index = Index::parse(ALIAS, DEP, "softdep virtio_blk pre: crc32c_intel\n");
        assert_eq!(
            index.resolve("virtio:d00000002v00001AF4"),
            [
                "kernel/crypto/crc32c-intel.ko",
                "kernel/a/virtio_ring.ko",
                "kernel/a/virtio.ko",
                "kernel/drivers/block/virtio_blk.ko"
            ]
        );
        assert_eq!(index.resolve("virtio:d00000099v00001AF4"), [""; 0]);
        assert_eq!(index.resolve("fs-overlay"), ["kernel/fs/overlayfs/overlay.ko"]);
        assert_eq!(index.resolve("crc32c-intel"), ["kernel/crypto/crc32c-intel.ko"]);
    }

    #[test]
    fn patterns_match_as_fnmatch_does() {
        let index = Index::parse(ALIAS, DEP, "");
        let device = "pci:v00008086d0000100Esv00001AF4sd00001100bc02sc00i00";
        assert_eq!(index.resolve(device), ["kernel/net/e1000.ko.xz"]);
        assert!(matches("a*b*c", "axxbyyc") && !matches("a*b*c", "axxbyy"));
        assert!(matches("[!a-c]?", "dx") && !matches("[!a-c]?", "bx"));
        assert!(matches("*", "") && matches("", "") && !matches("?", ""));
        assert!(!matches("[a", "a"), "an open bracket matches nothing");
    }

    #[test]
    fn circles_end() {
        let index =
            Index::parse("", "a.ko: b.ko\nb.ko: a.ko\n", "softdep a pre: b\nsoftdep b pre: a\n");
        assert!(!index.resolve("a").is_empty());
    }
}
