//! Files in, specs and remarks out.

mod builtin;
mod cycles;
mod imply;
mod relate;
mod remarks;
mod set;
mod tree;

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

use crate::diagnostic::Diagnostic;
use crate::draft::Link;
use crate::name::{SharedNames, UnitName};
use crate::source::{LoadOptions, SourceFile};
use crate::spec::{CONNECTION_INSTANCE, Spec};
use remarks::Remarks;
use set::Set;
use tree::Tree;

/// What a set of files says.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Loaded {
    /// One spec per unit that can run, sorted by name. Templates themselves are not among them,
    /// except those that an `Accept=yes` socket starts: see [`Spec::for_connection`].
    pub specs: Vec<Spec>,
    /// Units that may not be started, sorted.
    pub masked: Vec<UnitName>,
    /// Units whose files have errors, sorted; nothing of them is in `specs`.
    pub broken: Vec<UnitName>,
    /// All remarks, by file, line and column.
    pub diagnostics: Vec<Diagnostic>,
}

/// Makes all equal unit names share one text. What comes out of [`load`] shares already; what was
/// read from bytes does not, and takes some hundred bytes more per unit.
pub fn share_names(specs: &mut [Spec]) {
    let mut names = SharedNames::default();
    for spec in specs {
        names.share(&mut spec.name);
        spec.relations.iter_mut().for_each(|relation| names.share(&mut relation.unit));
        spec.relations.shrink_to_fit();
    }
}

/// Loads a whole set of unit files: every unit that is no template, every instance that one of
/// them or `options.wanted` names, and the standard targets that they refer to.
///
/// A broken file yields diagnostics and spares the rest. The same input gives the same output,
/// whatever the order of `files`.
#[must_use]
pub fn load(files: &[SourceFile], options: &LoadOptions) -> Loaded {
    let mut sorted: Vec<&SourceFile> = files.iter().collect();
    sorted.sort_by(|a, b| a.path.cmp(&b.path));
    sorted.dedup_by(|a, b| a.path == b.path);
    let mut remarks = Remarks::new(&sorted);
    let tree = Tree::new(&sorted, options, &mut remarks);
    let mut set = Set::new(&sorted, options, tree, remarks);
    set.fill();
    let links = relate::relate(&mut set);
    cycles::remark(&links, &mut set.remarks);
    let mut specs = finish(&mut set, links);
    share_names(&mut specs);
    Loaded {
        specs,
        masked: set.tree.masked.into_iter().collect(),
        broken: set.broken.into_iter().collect(),
        diagnostics: set.remarks.finish(),
    }
}

/// Members become specs.
fn finish(set: &mut Set<'_>, mut links: BTreeMap<UnitName, Vec<Link>>) -> Vec<Spec> {
    let mut specs = Vec::new();
    for (name, member) in std::mem::take(&mut set.members) {
        let mut spec = member.spec;
        spec.relations = relate::relations(&links.remove(&name).unwrap_or_default());
        spec.aliases = set.tree.names_of(&name).split_off(1).into();
        if name.instance() == Some(CONNECTION_INSTANCE) {
            spec.name = name.template().unwrap_or(name);
        }
        spec.sources.shrink_to_fit();
        specs.push(spec);
    }
    specs.sort_by(|a, b| a.name.cmp(&b.name));
    specs
}

#[cfg(test)]
mod tests;
