//! The files of Debian packages as one tree in memory, and what a program in it needs.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::PathBuf;

use crate::apt::Apt;
use crate::elf::Elf;
use crate::{Fault, tool};

/// The dynamic loader that every dynamic program names; no library lists it as needed.
const LOADER: &str = "usr/lib64/ld-linux-x86-64.so.2";

/// Where the loader looks, in its order.
const LIBRARY_FOLDERS: [&str; 3] = ["usr/lib/x86_64-linux-gnu", "usr/lib64", "usr/lib"];

/// Folders of the root that are links into `/usr` on a merged system. Packages of Debian 12 still
/// name both forms; we use only one.
const MERGED: [&str; 4] = ["bin", "sbin", "lib", "lib64"];

/// How many symbolic links may follow each other.
const LINKS_MAX: usize = 8;

/// One thing in a file tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// A directory with its mode.
    Directory(u32),
    /// A regular file: mode and content.
    File(u32, Vec<u8>),
    /// A symbolic link's target.
    Symlink(String),
}

/// Files by path, without a leading slash and below `usr/` where the system is merged.
#[derive(Debug, Default)]
pub struct Tree {
    entries: BTreeMap<String, Entry>,
}

/// The packages that `seeds` need to run: themselves and every library package below them.
///
/// Maintainer scripts, and with them `debconf`, `adduser` or `init-system-helpers`, have no place in
/// an image whose files are put there once; so only libraries and what a seed names itself come.
///
/// # Errors
/// When apt knows no such package.
pub fn closure(apt: &mut Apt<'_>, seeds: &[&str]) -> Result<Vec<String>, Fault> {
    let mut names = BTreeSet::new();
    let mut round: BTreeSet<String> = seeds.iter().map(|seed| (*seed).to_owned()).collect();
    while !round.is_empty() {
        let asked: Vec<&str> = round.iter().map(String::as_str).collect();
        // What apt does not know is a name that several packages provide; what it stands for shows
        // as a missing library.
        let packages = apt.show(&asked)?;
        names.extend(packages.iter().map(|package| package.name.clone()));
        let depends = packages.into_iter().flat_map(|package| package.depends);
        round = depends.filter(|name| is_library(name) && !names.contains(name)).collect();
    }
    match seeds.iter().find(|seed| !names.contains(**seed)) {
        Some(unknown) => Err(Fault::malformed("apt", format!("knows no `{unknown}`"))),
        None => Ok(names.into_iter().collect()),
    }
}

fn is_library(name: &str) -> bool {
    (name.starts_with("lib") || name.starts_with("zlib")) && !name.ends_with("-perl")
}

impl Tree {
    /// The files of all `packages` together.
    ///
    /// # Errors
    /// When a package cannot be read.
    pub fn read(packages: &[PathBuf]) -> Result<Tree, Fault> {
        let mut tree = Tree::default();
        for package in packages {
            let mut command = tool::command("dpkg-deb");
            command.arg("--fsys-tarfile").arg(package);
            tool::read_from(&mut command, |from| {
                tree.add_archive(from).map_err(Fault::file("unpack", package))
            })?;
        }
        Ok(tree)
    }

    fn add_archive(&mut self, from: &mut dyn Read) -> std::io::Result<()> {
        let mut archive = tar::Archive::new(from);
        for entry in archive.entries()? {
            let mut entry = entry?;
            let path = one_spelling(&entry.path()?.to_string_lossy());
            let mode = entry.header().mode()?;
            let kind = entry.header().entry_type();
            let target = entry.link_name()?.map(|name| name.to_string_lossy().into_owned());
            let content = match (kind.is_dir(), kind.is_symlink(), kind.is_hard_link()) {
                (true, _, _) => Entry::Directory(mode),
                (_, true, _) => Entry::Symlink(target.unwrap_or_default()),
                (_, _, true) => match self.get(&one_spelling(&target.unwrap_or_default())) {
                    Some(other) => other.clone(),
                    None => continue,
                },
                _ => {
                    let mut bytes = Vec::new();
                    entry.read_to_end(&mut bytes)?;
                    Entry::File(mode, bytes)
                }
            };
            self.entries.insert(path, content);
        }
        Ok(())
    }

    /// What lies at `path`.
    pub fn get(&self, path: &str) -> Option<&Entry> {
        self.entries.get(path)
    }

    /// Every path of `wanted`, what its links lead to, and the libraries that its programs need.
    ///
    /// # Errors
    /// When something wanted or needed is in none of the packages.
    pub fn select(&self, wanted: &[&str]) -> Result<BTreeMap<String, Entry>, Fault> {
        let mut chosen = BTreeMap::new();
        let mut queue: Vec<String> = wanted.iter().map(|path| (*path).to_owned()).collect();
        while let Some(path) = queue.pop() {
            if chosen.contains_key(&path) {
                continue;
            }
            let entry = self.get(&path).ok_or_else(|| {
                Fault::malformed(&path, "is in none of the packages that the image is made of")
            })?;
            match entry {
                Entry::Symlink(target) => queue.push(resolve(&path, target)),
                Entry::File(_, bytes) => queue.extend(self.needs(&path, bytes)?),
                Entry::Directory(_) => {}
            }
            chosen.insert(path, entry.clone());
        }
        Ok(chosen)
    }

    fn needs(&self, path: &str, bytes: &[u8]) -> Result<Vec<String>, Fault> {
        let Some(elf) = Elf::parse(bytes) else { return Ok(Vec::new()) };
        let needed = elf.needed();
        let mut paths = Vec::new();
        if !needed.is_empty() {
            paths.push(LOADER.to_owned());
        }
        for soname in needed {
            let places = LIBRARY_FOLDERS.map(|folder| format!("{folder}/{soname}"));
            let place = places.into_iter().find(|place| self.follow(place).is_some());
            paths.push(place.ok_or_else(|| {
                Fault::malformed(path, format!("needs {soname}, which is in no package"))
            })?);
        }
        Ok(paths)
    }

    /// What `path` leads to in the end.
    fn follow(&self, path: &str) -> Option<&Entry> {
        let mut path = path.to_owned();
        for _ in 0..LINKS_MAX {
            match self.get(&path)? {
                Entry::Symlink(target) => path = resolve(&path, target),
                entry @ (Entry::File(..) | Entry::Directory(_)) => return Some(entry),
            }
        }
        None
    }
}

/// `./lib/x/` → `usr/lib/x`.
fn one_spelling(path: &str) -> String {
    let path = path.trim_start_matches("./").trim_matches('/');
    let first = path.split('/').next().unwrap_or(path);
    if MERGED.contains(&first) { format!("usr/{path}") } else { path.to_owned() }
}

/// Where the link at `path` leads, as a path of the tree.
fn resolve(path: &str, target: &str) -> String {
    let mut parts: Vec<&str> = path.split('/').collect();
    parts.pop();
    if target.starts_with('/') {
        parts.clear();
    }
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    one_spelling(&parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_have_one_spelling() {
        assert_eq!(
            one_spelling("./lib/x86_64-linux-gnu/libc.so.6"),
            "usr/lib/x86_64-linux-gnu/libc.so.6"
        );
        assert_eq!(one_spelling("./etc/nginx/"), "etc/nginx");
        assert_eq!(one_spelling("./library/x"), "library/x");
        assert_eq!(one_spelling("./"), "");
    }

    #[test]
    fn links_lead_to_paths_of_the_tree() {
        assert_eq!(resolve("usr/bin/redis-server", "redis-check-rdb"), "usr/bin/redis-check-rdb");
        assert_eq!(resolve("usr/lib/a/b.so", "../c.so"), "usr/lib/c.so");
        assert_eq!(resolve("usr/lib64/ld.so", "/lib/x/ld.so"), "usr/lib/x/ld.so");
    }

    #[test]
    fn a_selection_takes_what_its_links_lead_to_and_refuses_what_is_missing() {
        let mut tree = Tree::default();
        tree.entries.insert("a".to_owned(), Entry::Symlink("b".to_owned()));
        tree.entries.insert("b".to_owned(), Entry::File(0o644, b"text".to_vec()));
        tree.entries.insert("c".to_owned(), Entry::File(0o644, Vec::new()));
        let chosen = tree.select(&["a"]).unwrap();
        assert_eq!(chosen.keys().collect::<Vec<_>>(), ["a", "b"]);
        assert!(tree.select(&["d"]).is_err());
    }
}
