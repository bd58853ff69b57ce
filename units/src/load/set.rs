//! The set of units that a load is about: from the files outwards, until nothing new is named.

use std::collections::{BTreeMap, BTreeSet};

use super::remarks::Remarks;
use super::tree::{Definition, Ranked, Tree, document_unit, instance};
use super::{builtin, imply};
use crate::diagnostic::{Code, Severity};
use crate::draft::{Draft, Link, Origin};
use crate::limits::UNITS_MAX;
use crate::name::{UnitKind, UnitName};
use crate::native::Document;
use crate::source::{LoadOptions, SourceFile, SourceKind};
use crate::spec::{Body, CONNECTION_INSTANCE, RelationKind, Spec};
use crate::systemd::{self, Fragment};
use crate::text::lines::{Lines, scan};

/// One unit of the set: its spec without relations, and what those are made from.
pub(super) struct Member {
    pub(super) spec: Spec,
    pub(super) links: Vec<Link>,
    pub(super) mounts_for: Vec<Box<str>>,
    pub(super) default_dependencies: bool,
}

/// All units read so far.
pub(super) struct Set<'a> {
    files: &'a [&'a SourceFile],
    options: &'a LoadOptions,
    pub(super) tree: Tree,
    pub(super) remarks: Remarks<'a>,
    lines: BTreeMap<usize, Lines>,
    documents: BTreeMap<usize, Document>,
    pub(super) members: BTreeMap<UnitName, Member>,
    pub(super) broken: BTreeSet<UnitName>,
    /// Names still to be read.
    queue: BTreeSet<UnitName>,
    /// Relations that a unit has because another's `[Install]` or a link says so.
    pub(super) foreign: Vec<(UnitName, Link)>,
}

impl<'a> Set<'a> {
    pub(super) fn new(
        files: &'a [&'a SourceFile],
        options: &'a LoadOptions,
        tree: Tree,
        remarks: Remarks<'a>,
    ) -> Set<'a> {
        Set {
            files,
            options,
            tree,
            remarks,
            lines: BTreeMap::new(),
            documents: BTreeMap::new(),
            members: BTreeMap::new(),
            broken: BTreeSet::new(),
            queue: BTreeSet::new(),
            foreign: Vec::new(),
        }
    }

    /// Reads everything.
    pub(super) fn fill(&mut self) {
        self.read_files();
        let names: Vec<UnitName> = self.tree.units.keys().cloned().collect();
        let (templates, units): (Vec<_>, Vec<_>) =
            names.into_iter().partition(UnitName::is_template);
        templates.iter().for_each(|template| self.try_template(template));
        let always = builtin::ALWAYS.iter().filter_map(|name| UnitName::new(name).ok());
        self.queue.extend(units.into_iter().chain(always));
        self.queue.extend(self.options.wanted.iter().cloned());
        self.add_links();
        while let Some(name) = self.queue.pop_first() {
            self.add(&name);
        }
    }

    /// Reads the text of all files; documents of our own format say which units they define.
    fn read_files(&mut self) {
        for (stem, ranked) in std::mem::take(&mut self.tree.documents) {
            self.read_document(&stem, ranked);
        }
        for file in self.tree.systemd_files() {
            if let Some(text) = self.text_of(file) {
                self.lines.insert(file, scan(&text));
            }
        }
    }

    fn read_document(&mut self, stem: &str, ranked: Ranked) {
        let Some(text) = self.text_of(ranked.file) else { return };
        let document = match Document::parse(&text) {
            Ok(document) => document,
            Err(faults) => {
                for (spot, bad) in faults {
                    let origin = Origin { file: ranked.file, spot };
                    self.remarks.say(origin, Severity::Error, Code::Syntax, &bad);
                }
                self.broken.extend(document_unit(stem, UnitKind::Service));
                return;
            }
        };
        for (kind, name) in document.units(stem) {
            match name {
                Ok(name) => self.define(name, ranked),
                Err(why) => {
                    let text = format!("the .{} unit has no good name: {why}", kind.suffix());
                    self.remarks.file(ranked.file, Severity::Error, Code::BadValue, &text, "");
                }
            }
        }
        self.documents.insert(ranked.file, document);
    }

    /// A document defines a unit unless a file of an earlier directory does.
    fn define(&mut self, name: UnitName, ranked: Ranked) {
        let old = self.tree.units.get(&name).map(|old| old.ranked());
        match old {
            Some(old) if old.rank < ranked.rank => {}
            Some(old) if old.rank == ranked.rank => {
                let text = format!("`{name}` is defined by {} too", self.files[old.file].path);
                let advice = "remove one of the two files";
                self.remarks.file(ranked.file, Severity::Warning, Code::Shadowed, &text, advice);
                self.tree.units.insert(name, Definition::Own(ranked));
            }
            _ => drop(self.tree.units.insert(name, Definition::Own(ranked))),
        }
    }

    /// The text of a file; what is no UTF-8 is a fault of the file.
    fn text_of(&mut self, file: usize) -> Option<String> {
        let bytes = self.bytes_of(file);
        match std::str::from_utf8(bytes) {
            Ok(text) if !text.contains('\0') => Some(text.to_owned()),
            Ok(_) => {
                self.remarks.file(
                    file,
                    Severity::Error,
                    Code::Syntax,
                    "the file has NULs in it",
                    "",
                );
                None
            }
            Err(error) => {
                let before = &bytes[..error.valid_up_to()];
                let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
                let text = format!("line {line} is no UTF-8");
                self.remarks.file(file, Severity::Error, Code::Syntax, &text, "write it in UTF-8");
                None
            }
        }
    }

    /// A link without contents of its own has those of the file that it leads to, if we have it.
    fn bytes_of(&self, file: usize) -> &'a [u8] {
        let source = self.files[file];
        let SourceKind::Symlink(target) = &source.kind else { return &source.bytes };
        if !source.bytes.is_empty() {
            return &source.bytes;
        }
        let (directory, _) = crate::text::path::split_name(&source.path);
        let target = crate::text::path::follow(directory, target);
        let found = self.files.binary_search_by(|other| (*other.path).cmp(target.as_str()));
        found.map_or(&[], |index| &self.files[index].bytes)
    }

    /// Links in `.wants/` and its kin.
    fn add_links(&mut self) {
        for (owner, kind, unit, file) in std::mem::take(&mut self.tree.linked) {
            if !owner.is_template() {
                self.add_foreign(&owner, kind, &unit, file);
            }
            self.tree.linked.push((owner, kind, unit, file));
        }
    }

    fn add_foreign(&mut self, owner: &UnitName, kind: RelationKind, unit: &UnitName, file: usize) {
        self.queue.extend([owner.clone(), unit.clone()]);
        let link = Link { kind, unit: unit.clone(), origin: Origin::whole(file) };
        self.foreign.push((owner.clone(), link));
    }

    /// The name under which a unit is known in the end.
    pub(super) fn resolve(&self, name: &UnitName) -> Option<UnitName> {
        let name = self.tree.resolve(name)?;
        let defined = self.tree.definition(&name).is_some() || self.tree.masked.contains(&name);
        if defined { Some(name) } else { Some(builtin::alias(&name).unwrap_or(name)) }
    }

    fn add(&mut self, name: &UnitName) {
        let Some(name) = self.resolve(name) else {
            let text = format!("the links from `{name}` go in a circle");
            self.remarks.general(Severity::Error, Code::BadLink, &text);
            return;
        };
        let known = self.members.contains_key(&name) || self.broken.contains(&name);
        if known || name.is_template() || self.tree.masked.contains(&name) {
            return;
        }
        if self.members.len() >= UNITS_MAX {
            let text = format!("more than {UNITS_MAX} units: `{name}` is left out");
            self.remarks.general(Severity::Error, Code::Limit, &text);
            return;
        }
        let Some((member, enables)) = self.read(&name) else { return };
        if enables {
            self.enable(&member.spec);
        }
        self.follow(&member);
        self.members.insert(name, member);
    }

    /// Reads one unit; `None` when nothing defines it or it is broken.
    fn read(&mut self, name: &UnitName) -> Option<(Member, bool)> {
        let definition = self.tree.definition(name);
        let mut draft = match definition {
            Some(_) => Draft::new(name),
            None => builtin::draft(name)?,
        };
        let good = match definition {
            None => self.apply_dropins(&mut draft, None),
            Some(Definition::Systemd(ranked)) => self.apply_dropins(&mut draft, Some(ranked.file)),
            Some(Definition::Own(ranked)) => {
                self.apply_document(&mut draft, ranked.file) & self.apply_dropins(&mut draft, None)
            }
        };
        let finished = good.then(|| self.finish(name, draft)).flatten();
        let Some(member) = finished else {
            self.broken.insert(name.clone());
            return None;
        };
        Some((member, definition.is_some_and(|definition| definition.ranked().enables)))
    }

    fn finish(&mut self, name: &UnitName, mut draft: Draft) -> Option<Member> {
        imply::imply(&mut draft);
        let links = std::mem::take(&mut draft.links);
        let mounts_for = std::mem::take(&mut draft.mounts_for);
        let default_dependencies = draft.default_dependencies;
        let mut good = true;
        let spec = crate::finish::finish(draft, &mut |severity, code, bad| {
            good &= severity != Severity::Error;
            let file = self.tree.definition(name).map_or(usize::MAX, |d| d.ranked().file);
            self.remarks.say(Origin::whole(file), severity, code, &bad);
        });
        good.then_some(Member { spec, links, mounts_for, default_dependencies })
    }

    fn apply_document(&mut self, draft: &mut Draft, file: usize) -> bool {
        let Some(document) = self.documents.get(&file) else { return false };
        draft.spec.sources.push(self.files[file].path.clone());
        let mut good = true;
        let remarks = &mut self.remarks;
        document.apply(draft, file, &self.options.facts, &mut |origin, severity, code, bad| {
            good &= severity != Severity::Error;
            remarks.say(origin, severity, code, &bad);
        });
        good
    }

    /// The main file of systemd's format, if it is one, and the drop-ins.
    fn apply_dropins(&mut self, draft: &mut Draft, main: Option<usize>) -> bool {
        let names = self.tree.names_of(&draft.spec.name);
        let dropins = self.tree.dropins(&names).into_iter().map(|ranked| ranked.file);
        let dropins = dropins.filter(|file| !self.hides(*file)).collect::<Vec<_>>();
        let all: Vec<usize> = main.into_iter().chain(dropins).collect();
        let mut fragments = Vec::new();
        for file in &all {
            let Some(lines) = self.lines.get(file) else { return false };
            fragments.push(Fragment { file: *file, lines });
            draft.spec.sources.push(self.files[*file].path.clone());
        }
        let main_path = main.map_or("", |file| &*self.files[file].path);
        let facts = &self.options.facts;
        let mut good = true;
        let remarks = &mut self.remarks;
        systemd::apply(draft, &fragments, facts, main_path, &mut |origin, severity, code, bad| {
            good &= severity != Severity::Error;
            remarks.say(origin, severity, code, &bad);
        });
        good
    }

    /// An empty drop-in, or a link to `/dev/null`, only hides those of the same name below it.
    fn hides(&self, file: usize) -> bool {
        self.bytes_of(file).is_empty()
    }

    /// A template is read once for its faults, and for the instance that it has by default.
    fn try_template(&mut self, template: &UnitName) {
        let Some(name) = instance(template, "instance") else { return };
        let Some((member, enables)) = self.read(&name) else {
            self.broken.remove(&name);
            self.broken.insert(template.clone());
            return;
        };
        if let Some(default) = member.spec.install.default_instance.clone().filter(|_| enables) {
            self.queue.extend(instance(template, &default));
        }
    }

    /// `[Install]` of a unit whose directory enables.
    fn enable(&mut self, spec: &Spec) {
        let install = &spec.install;
        let name = &spec.name;
        let file = self.tree.definition(name).map_or(usize::MAX, |d| d.ranked().file);
        let lists = [
            (&install.wanted_by, RelationKind::Wants),
            (&install.required_by, RelationKind::Requires),
            (&install.upheld_by, RelationKind::Upholds),
        ];
        for (owners, kind) in lists {
            for owner in owners {
                self.add_foreign(owner, kind, name, file);
            }
        }
        for alias in &install.alias {
            let free = !self.tree.units.contains_key(alias) && alias.kind() == name.kind();
            if free && alias != name {
                self.tree.aliases.entry(alias.clone()).or_insert(name.clone());
            }
        }
    }

    /// Everything that a unit names is read too.
    fn follow(&mut self, member: &Member) {
        let name = &member.spec.name;
        self.queue.extend(member.links.iter().map(|link| link.unit.clone()));
        match &member.spec.body {
            Body::Timer(timer) => drop(self.queue.insert(timer.unit.clone())),
            Body::Socket(socket) if socket.accept => {
                // Kept as a spec with a stand-in for the instance.
                self.queue.extend(instance(&socket.unit, CONNECTION_INSTANCE));
            }
            Body::Socket(socket) => drop(self.queue.insert(socket.unit.clone())),
            Body::Service(_) | Body::Target | Body::Mount(_) => {}
        }
        let template = name.template();
        let linked = self.tree.linked.iter().filter(|(owner, ..)| Some(owner) == template.as_ref());
        let linked: Vec<_> = linked.cloned().collect();
        for (_, kind, unit, file) in linked {
            self.add_propagated(name, kind, &unit, file);
        }
    }

    /// A template's link to another template passes the instance on.
    fn add_propagated(
        &mut self,
        name: &UnitName,
        kind: RelationKind,
        unit: &UnitName,
        file: usize,
    ) {
        let unit = if unit.is_template() {
            instance(unit, name.instance().unwrap_or(""))
        } else {
            Some(unit.clone())
        };
        if let Some(unit) = unit {
            self.add_foreign(name, kind, &unit, file);
        }
    }
}
