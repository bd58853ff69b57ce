//! Debian packages, fetched through the host's own apt and unpacked without installing them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::cache::{Cache, part_of, replace_file};
use crate::{Fault, tool};

/// The host's apt, asked to fetch and never to install.
#[derive(Debug)]
pub struct Apt<'a> {
    cache: &'a Cache,
    /// Whether the host's own package lists were of no use, so that ours are in force.
    own_lists: bool,
}

/// What a package says about itself.
#[derive(Debug, Clone)]
pub struct Package {
    /// Its name.
    pub name: String,
    /// The packages it cannot do without; of alternatives, the first.
    pub depends: Vec<String>,
}

impl<'a> Apt<'a> {
    /// Fetches into `cache`.
    pub fn new(cache: &'a Cache) -> Apt<'a> {
        Apt { cache, own_lists: false }
    }

    /// The `.deb` files of `packages`, downloaded when they are not there yet.
    ///
    /// What `key` stood for last time is remembered, so that a second call asks nobody.
    ///
    /// # Errors
    /// When apt is missing, knows no such package or cannot fetch it.
    pub fn fetch(
        &mut self,
        key: &str,
        resolve: impl FnOnce(&mut Self) -> Result<Vec<String>, Fault>,
    ) -> Result<Vec<PathBuf>, Fault> {
        let folder = self.cache.folder("packages")?;
        let memo = folder.join(format!("{key}.list"));
        if let Some(files) = remembered(&memo, &folder) {
            return Ok(files);
        }
        let names = resolve(self)?;
        let files = self.download(&names, &folder)?;
        let text: String = files.iter().map(|file| file_name(file) + "\n").collect();
        replace_file(&memo, text.as_bytes())?;
        Ok(files)
    }

    /// What apt knows about `names`; those that it does not know are left out.
    ///
    /// All at once, because each call of apt reads all its lists, which takes half a second.
    ///
    /// # Errors
    /// When apt is missing or its lists cannot be brought up to date.
    pub fn show(&mut self, names: &[&str]) -> Result<Vec<Package>, Fault> {
        let packages = self.try_show(names)?;
        if !packages.is_empty() || self.own_lists {
            return Ok(packages);
        }
        self.update()?;
        self.try_show(names)
    }

    fn try_show(&self, names: &[&str]) -> Result<Vec<Package>, Fault> {
        let mut command = self.command("apt-cache")?;
        command.args(["show", "--no-all-versions"]).args(names);
        match tool::output(&mut command) {
            Ok(text) => Ok(parse(&String::from_utf8_lossy(&text))),
            Err(Fault::Failed { .. }) => Ok(Vec::new()),
            Err(other) => Err(other),
        }
    }

    /// Downloads each of `names` into `folder` and says which files they became.
    fn download(&mut self, names: &[String], folder: &Path) -> Result<Vec<PathBuf>, Fault> {
        match self.try_download(names, folder) {
            // The lists may be older than the archive: look again with fresh ones.
            Err(Fault::Failed { .. }) if !self.own_lists => {
                self.update()?;
                self.try_download(names, folder)
            }
            other => other,
        }
    }

    fn try_download(&self, names: &[String], folder: &Path) -> Result<Vec<PathBuf>, Fault> {
        let own = part_of(&folder.join("download"));
        fs::create_dir_all(&own).map_err(Fault::file("create", &own))?;
        let mut command = self.command("apt-get")?;
        command.arg("--quiet=2").arg("download").args(names).current_dir(&own);
        tool::output(&mut command)?;
        let mut files = Vec::new();
        for entry in fs::read_dir(&own).map_err(Fault::file("list", &own))? {
            let from = entry.map_err(Fault::file("list", &own))?.path();
            let to = folder.join(file_name(&from));
            fs::rename(&from, &to).map_err(Fault::file("put in place", &to))?;
            files.push(to);
        }
        files.sort();
        fs::remove_dir(&own).map_err(Fault::file("remove", &own))?;
        Ok(files)
    }

    /// Fetches package lists of our own, from the host's sources. Needs no root and leaves the
    /// host's lists as they are.
    fn update(&mut self) -> Result<(), Fault> {
        self.own_lists = true;
        let mut command = self.command("apt-get")?;
        command.args(["--quiet=2", "update"]);
        tool::output(&mut command).map(drop)
    }

    fn command(&self, program: &str) -> Result<Command, Fault> {
        let mut command = tool::command(program);
        // The sandbox user cannot write below a home folder, and nothing here runs package scripts.
        command.args(["-o", "APT::Sandbox::User=root"]);
        if self.own_lists {
            let state = self.cache.folder("apt")?;
            for part in ["lists/partial", "archives/partial"] {
                crate::cache::make_folder(&state.join(part))?;
            }
            let state = state.display();
            command.arg("-o").arg(format!("Dir::State::Lists={state}/lists"));
            command.arg("-o").arg(format!("Dir::Cache={state}"));
            command.args(["-o", "Debug::NoLocking=true"]);
        }
        Ok(command)
    }
}

fn remembered(memo: &Path, folder: &Path) -> Option<Vec<PathBuf>> {
    let text = fs::read_to_string(memo).ok()?;
    let files: Vec<PathBuf> = text.lines().map(|name| folder.join(name)).collect();
    files.iter().all(|file| file.is_file()).then_some(files)
}

fn parse(text: &str) -> Vec<Package> {
    text.split("\n\n").filter_map(parse_stanza).collect()
}

fn parse_stanza(stanza: &str) -> Option<Package> {
    let field =
        |name: &str| stanza.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    let mut depends = Vec::new();
    for list in [field("Pre-Depends"), field("Depends")].into_iter().flatten() {
        depends.extend(list.split(',').filter_map(first_alternative));
    }
    Some(Package { name: field("Package")?.to_owned(), depends })
}

/// `default-mta (>= 1) | mail-transport-agent` means `default-mta` to us.
fn first_alternative(clause: &str) -> Option<String> {
    let first = clause.split('|').next()?;
    let name = first.split_whitespace().next()?;
    Some(name.split(':').next().unwrap_or(name).to_owned())
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stanzas_give_names_and_first_alternatives() {
        let text = "Package: web\nVersion: 1\nPre-Depends: base (>= 2)\n\
                    Depends: libc6 (>= 2.34), mta | mail, perl:any\n\nPackage: base\nVersion: 0\n";
        let packages = parse(text);
        assert_eq!(packages[0].name, "web");
        assert_eq!(packages[0].depends, ["base", "libc6", "mta", "perl"]);
        assert_eq!(packages[1].name, "base");
        assert!(packages[1].depends.is_empty());
    }

    #[test]
    fn an_empty_answer_is_no_package() {
        assert!(parse("").is_empty());
    }
}
