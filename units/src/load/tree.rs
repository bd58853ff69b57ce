//! The directories as one tree: which file defines a unit, which drop-ins apply, what is linked.

use std::collections::{BTreeMap, BTreeSet};

use super::remarks::Remarks;
use crate::diagnostic::{Code, Severity};
use crate::limits::{ALIAS_DEPTH_MAX, UNIT_FILE_BYTES_MAX};
use crate::name::{UnitKind, UnitName};
use crate::source::{DIRECTORIES, LoadOptions, SourceFile, SourceKind};
use crate::spec::RelationKind;
use crate::systemd::foreign_kind;
use crate::text::path;

/// Everything that the files say before any of them is read.
#[derive(Debug, Default)]
pub(super) struct Tree {
    /// The file that defines each unit or template.
    pub(super) units: BTreeMap<UnitName, Definition>,
    /// Files of our own format, one per name before `.toml`, first directory wins.
    pub(super) documents: BTreeMap<Box<str>, Ranked>,
    /// Drop-ins by the name before `.d` and then by their own.
    dropins: BTreeMap<Box<str>, BTreeMap<Box<str>, Ranked>>,
    /// `.wants/`, `.requires/` and `.upholds/`: owner, meaning, unit, file.
    pub(super) linked: Vec<(UnitName, RelationKind, UnitName, usize)>,
    /// Other names, as written; follow with [`Tree::resolve`].
    pub(super) aliases: BTreeMap<UnitName, UnitName>,
    /// Units that may not be started.
    pub(super) masked: BTreeSet<UnitName>,
}

/// A file and its directory's place in the order of precedence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Ranked {
    pub(super) rank: usize,
    pub(super) file: usize,
    /// Its directory enables by `[Install]`.
    pub(super) enables: bool,
}

/// The file that defines a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Definition {
    /// systemd's format.
    Systemd(Ranked),
    /// Ours; the document's name is that of the unit.
    Own(Ranked),
}

impl Definition {
    pub(super) fn ranked(self) -> Ranked {
        match self {
            Definition::Systemd(ranked) | Definition::Own(ranked) => ranked,
        }
    }
}

/// What a file is by its place.
enum Role<'a> {
    Unit(&'a str),
    Dropin { owner: &'a str, name: &'a str },
    Link { owner: &'a str, kind: RelationKind, name: &'a str },
}

impl Tree {
    /// Sorts all files. `files` must be sorted by path already.
    pub(super) fn new(
        files: &[&SourceFile],
        options: &LoadOptions,
        remarks: &mut Remarks<'_>,
    ) -> Tree {
        let directories = Directories::new(options);
        let mut tree = Tree::default();
        let mut seen: BTreeMap<Box<str>, usize> = BTreeMap::new();
        let mut placed: Vec<(Ranked, Role<'_>)> = files
            .iter()
            .enumerate()
            .map(|(file, source)| directories.place(file, &source.path))
            .collect();
        placed.sort_by_key(|(ranked, _)| *ranked);
        for (ranked, role) in placed {
            let source = files[ranked.file];
            if source.bytes.len() > UNIT_FILE_BYTES_MAX {
                let text = format!("the file is longer than {UNIT_FILE_BYTES_MAX} bytes");
                remarks.file(ranked.file, Severity::Error, Code::Limit, &text, "");
                continue;
            }
            match role {
                Role::Unit(name) => tree.add_unit(name, ranked, source, &mut seen, remarks),
                Role::Dropin { owner, name } => tree.add_dropin(owner, name, ranked),
                Role::Link { owner, kind, name } => {
                    tree.add_link(owner, kind, name, ranked, remarks)
                }
            }
        }
        tree
    }

    fn add_unit(
        &mut self,
        name: &str,
        ranked: Ranked,
        source: &SourceFile,
        seen: &mut BTreeMap<Box<str>, usize>,
        remarks: &mut Remarks<'_>,
    ) {
        if seen.contains_key(name) {
            return;
        }
        if let Some(stem) = name.strip_suffix(".toml") {
            seen.insert(name.into(), ranked.file);
            let stem = stem.strip_suffix(".service").unwrap_or(stem);
            self.documents.entry(stem.into()).or_insert(ranked);
            return;
        }
        let unit = match UnitName::new(name) {
            Ok(unit) => unit,
            Err(error) => {
                remark_no_unit(name, &error.to_string(), ranked.file, remarks);
                return;
            }
        };
        seen.insert(name.into(), ranked.file);
        match role_of_link(&unit, source) {
            LinkRole::Mask => drop(self.masked.insert(unit)),
            LinkRole::Alias(target) => drop(self.aliases.insert(unit, target)),
            LinkRole::Instance => {}
            LinkRole::Contents => {
                self.units.entry(unit).or_insert(Definition::Systemd(ranked));
            }
            LinkRole::Bad(target) => {
                let text = format!("`{unit}` cannot be another name of `{target}`");
                let advice = "both must be of one kind, and both templates or neither";
                remarks.file(ranked.file, Severity::Error, Code::BadLink, &text, advice);
            }
        }
    }

    /// The files of systemd's format, drop-ins included.
    pub(super) fn systemd_files(&self) -> Vec<usize> {
        let units = self.units.values().filter_map(|definition| match definition {
            Definition::Systemd(ranked) => Some(ranked.file),
            Definition::Own(_) => None,
        });
        units.chain(self.dropins.values().flatten().map(|(_, ranked)| ranked.file)).collect()
    }

    fn add_dropin(&mut self, owner: &str, name: &str, ranked: Ranked) {
        let of_owner = self.dropins.entry(owner.into()).or_default();
        of_owner.entry(name.into()).or_insert(ranked);
    }

    fn add_link(
        &mut self,
        owner: &str,
        kind: RelationKind,
        name: &str,
        ranked: Ranked,
        remarks: &mut Remarks<'_>,
    ) {
        match (UnitName::new(owner), UnitName::new(name)) {
            (Ok(owner), Ok(unit)) => {
                let same = |(o, k, u, _): &&(UnitName, RelationKind, UnitName, usize)| {
                    (o, k, u) == (&owner, &kind, &unit)
                };
                if self.linked.iter().find(same).is_none() {
                    self.linked.push((owner, kind, unit, ranked.file));
                }
            }
            (Err(_), _) if foreign_kind(owner).is_some() => {}
            (_, Err(_)) if foreign_kind(name).is_some() => {}
            (Err(error), _) | (_, Err(error)) => {
                remark_no_unit(name, &error.to_string(), ranked.file, remarks);
            }
        }
    }

    /// The name under which a unit is defined, all aliases followed; `None`: they go in a circle.
    pub(super) fn resolve(&self, name: &UnitName) -> Option<UnitName> {
        let mut name = name.clone();
        for _ in 0..ALIAS_DEPTH_MAX {
            match self.next_name(&name) {
                Some(next) => name = next,
                None => return Some(name),
            }
        }
        None
    }

    fn next_name(&self, name: &UnitName) -> Option<UnitName> {
        if self.masked.contains(name) || self.units.contains_key(name) {
            return None;
        }
        if let Some(next) = self.aliases.get(name) {
            let to_template = next.is_template() && !name.is_template();
            return if to_template { instance(next, name.instance()?) } else { Some(next.clone()) };
        }
        let next = self.aliases.get(&name.template()?)?;
        instance(next, name.instance()?)
    }

    /// What defines a unit: its own file, or that of its template.
    pub(super) fn definition(&self, name: &UnitName) -> Option<Definition> {
        let own = self.units.get(name);
        own.or_else(|| self.units.get(&name.template()?)).copied()
    }

    /// All names of a unit, its own first.
    pub(super) fn names_of(&self, name: &UnitName) -> Vec<UnitName> {
        let mut names = vec![name.clone()];
        let aliases = self.aliases.keys().filter(|alias| !alias.is_template());
        names.extend(aliases.filter(|alias| self.resolve(alias).as_ref() == Some(name)).cloned());
        names
    }

    /// The drop-ins of a unit in the order in which they apply: by their own names.
    ///
    /// Of those with one name, the one for the unit's own name wins over the one for all units of
    /// the kind; among the former that of the first directory, then the most specific.
    pub(super) fn dropins(&self, names: &[UnitName]) -> Vec<Ranked> {
        let mut best: BTreeMap<&str, (usize, Ranked, usize)> = BTreeMap::new();
        for (of_name, name) in names.iter().enumerate() {
            let owners = owners_of_dropins(name);
            let last = owners.len() - 1;
            for (specific, owner) in owners.iter().enumerate() {
                let general = if specific == last { usize::MAX } else { of_name };
                let Some(found) = self.dropins.get(owner.as_str()) else { continue };
                for (file_name, ranked) in found {
                    let candidate = (general, *ranked, specific);
                    let old = best.entry(file_name).or_insert(candidate);
                    let key = |c: &(usize, Ranked, usize)| (c.0, c.1.rank, c.2);
                    if key(&candidate) < key(old) {
                        *old = candidate;
                    }
                }
            }
        }
        best.into_values().map(|(_, ranked, _)| ranked).collect()
    }
}

/// `a-b@x.service`, `a-b@.service`, `a-.service`, `service`: from the most specific on.
fn owners_of_dropins(name: &UnitName) -> Vec<String> {
    let kind = name.kind().suffix();
    let mut owners = vec![name.as_str().to_owned()];
    owners.extend(name.template().map(|template| template.as_str().to_owned()));
    let prefix = name.prefix();
    for (at, _) in prefix.char_indices().rev().filter(|(_, c)| *c == '-') {
        let shorter = &prefix[..=at];
        if shorter.len() < prefix.len() && shorter != "-" {
            owners.push(format!("{shorter}.{kind}"));
        }
    }
    owners.push(kind.to_owned());
    owners
}

/// The instance of a template; `None` when it is none, or the name gets too long.
pub(super) fn instance(template: &UnitName, instance: &str) -> Option<UnitName> {
    if !template.is_template() {
        return None;
    }
    let name = format!("{}@{instance}.{}", template.prefix(), template.kind().suffix());
    UnitName::new(&name).ok()
}

fn remark_no_unit(name: &str, why: &str, file: usize, remarks: &mut Remarks<'_>) {
    let quadlet = [".container", ".volume", ".network", ".pod", ".kube", ".build", ".image"];
    if let Some(kind) = foreign_kind(name) {
        let text = format!("there are no .{kind} units here; the file is not read");
        remarks.file(file, Severity::Warning, Code::UnknownKind, &text, kind_advice(kind));
    } else if quadlet.iter().any(|suffix| name.ends_with(suffix)) {
        let advice = "write it as `NAME.toml`; docs/units.md has each key's counterpart";
        let text = "Quadlet files are not read";
        remarks.file(file, Severity::Warning, Code::UnknownKind, text, advice);
    } else if name.contains('.') {
        let text = format!("the file is not read: {why}");
        let advice = "unit files end in .service, .timer, .socket, .target, .mount or .toml";
        remarks.file(file, Severity::Warning, Code::UnknownKind, &text, advice);
    }
}

fn kind_advice(kind: &str) -> &'static str {
    match kind {
        "path" => "use a socket, a timer, or a service that watches the path itself",
        "automount" => "mount it at the start with a .mount unit",
        "slice" => "set the limits on the units themselves",
        "swap" => "switch swap on from a one-shot service",
        _ => "",
    }
}

/// What a symbolic link makes of a unit.
enum LinkRole {
    Mask,
    Alias(UnitName),
    /// A template's instance, linked by hand: the template defines it.
    Instance,
    Contents,
    Bad(UnitName),
}

fn role_of_link(unit: &UnitName, source: &SourceFile) -> LinkRole {
    let target = match &source.kind {
        SourceKind::Regular if source.bytes.is_empty() => return LinkRole::Mask,
        SourceKind::Regular => return LinkRole::Contents,
        SourceKind::Symlink(target) => target,
    };
    let (directory, _) = path::split_name(&source.path);
    if path::follow(directory, target) == "/dev/null" {
        return LinkRole::Mask;
    }
    let (_, name) = path::split_name(target);
    let Ok(target) = UnitName::new(name) else { return LinkRole::Contents };
    if target == *unit {
        return LinkRole::Contents;
    }
    if unit.template().as_ref() == Some(&target) {
        return LinkRole::Instance;
    }
    let same_kind = unit.kind() == target.kind();
    let fits = match (unit.instance(), target.instance()) {
        (None, None) | (Some(""), Some("")) => true,
        (Some(own), Some(other)) => !own.is_empty() && (own == other || other.is_empty()),
        (Some(_), None) | (None, Some(_)) => false,
    };
    if same_kind && fits { LinkRole::Alias(target) } else { LinkRole::Bad(target) }
}

/// The directories in their order.
struct Directories<'a> {
    list: Vec<(&'a str, bool)>,
}

impl<'a> Directories<'a> {
    fn new(options: &'a LoadOptions) -> Directories<'a> {
        if options.directories.is_empty() {
            return Directories { list: DIRECTORIES.to_vec() };
        }
        let list = options.directories.iter().map(|d| (&*d.path, d.enables)).collect();
        Directories { list }
    }

    /// A file below none of the directories wins over all and is enabled by itself.
    fn place<'p>(&self, file: usize, path: &'p str) -> (Ranked, Role<'p>) {
        let (parent, name) = path::split_name(path);
        let (_, parent_name) = path::split_name(parent);
        let role = role_of(parent_name, name);
        let below = |directory: &str| {
            let rest = parent.strip_prefix(directory)?;
            (rest.is_empty() || rest.starts_with('/')).then_some(())
        };
        let found = self.list.iter().position(|(directory, _)| below(directory).is_some());
        let ranked = match found {
            Some(index) => Ranked { rank: index + 1, file, enables: self.list[index].1 },
            None => Ranked { rank: 0, file, enables: true },
        };
        (ranked, role)
    }
}

fn role_of<'p>(parent: &'p str, name: &'p str) -> Role<'p> {
    if let Some(owner) = parent.strip_suffix(".d")
        && name.ends_with(".conf")
    {
        return Role::Dropin { owner, name };
    }
    let kinds = [
        (".wants", RelationKind::Wants),
        (".requires", RelationKind::Requires),
        (".upholds", RelationKind::Upholds),
    ];
    for (suffix, kind) in kinds {
        if let Some(owner) = parent.strip_suffix(suffix) {
            return Role::Link { owner, kind, name };
        }
    }
    Role::Unit(name)
}

/// The units that a document of our own format may define, by their tables.
pub(super) fn document_unit(stem: &str, kind: UnitKind) -> Option<UnitName> {
    UnitName::new(&format!("{stem}.{}", kind.suffix())).ok()
}
