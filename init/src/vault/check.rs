//! Whether a program can take over from a vault: asked of the new program before it is executed.

use std::fmt;

use units::Spec;
use units::record::Record;

use super::definitions::{Definition, Encoding};
use super::layout::Section;
use super::record::HeldRecord;
use super::store::Vault;

/// What a program finds in a vault.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Report {
    /// Definitions that it can read.
    pub specs: usize,
    /// Units' records that it can read.
    pub records: usize,
    /// Descriptors that it knows.
    pub descriptors: usize,
    /// Definitions, records and descriptors that it cannot read.
    pub unreadable: usize,
}

impl Report {
    /// Whether nothing would be lost.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.unreadable == 0
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Report { specs, records, descriptors, unreadable } = self;
        write!(
            f,
            "specs={specs} records={records} descriptors={descriptors} unreadable={unreadable}"
        )
    }
}

/// Reads everything that a new image would.
#[must_use]
pub fn check(vault: &mut Vault<'_>) -> Report {
    let mut report = Report::default();
    for number in 0..vault.used(Section::Descriptors) {
        match vault.descriptor(number) {
            Ok(None) => {}
            Ok(Some(_)) => report.descriptors += 1,
            Err(_) => report.unreadable += 1,
        }
    }
    let units = read_units(vault);
    report.specs = units.specs.len();
    report.records = units.records.len();
    report.unreadable += units.lost.len() + usize::from(units.damaged);
    report
}

/// The units of a vault: what each is, and where it stands.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Units {
    /// Definitions by unit number.
    pub specs: Vec<(u16, Spec)>,
    /// What is known of units' images, as the node wrote it.
    pub images: Vec<(u16, Vec<u8>)>,
    /// Records, of units with a definition or without.
    pub records: Vec<Record>,
    /// Units of which the definition or the record cannot be read.
    pub lost: Vec<u16>,
    /// A definition is lost of which not even the unit is known.
    pub damaged: bool,
}

/// Reads the units of a vault. What cannot be read is told, and costs nothing else.
#[must_use]
pub fn read_units(vault: &mut Vault<'_>) -> Units {
    let mut units = Units::default();
    // Another build wrote the cells: their bytes may mean something else to us than to it.
    let foreign = vault.front().is_for_others();
    let definitions = vault.definitions();
    let found = definitions.read();
    units.lost.extend(&found.lost);
    units.damaged = found.damaged;
    let mut told = Vec::new();
    for definition in &found.definitions {
        match spec_of(definition) {
            Some(spec) => units.specs.push((definition.unit, spec)),
            None => units.lost.push(definition.unit),
        }
        units.images.extend(definition.image.map(|image| (definition.unit, image.to_vec())));
        if !foreign {
            continue;
        }
        if let Some(record) = definition.state.and_then(|state| serde_json::from_slice(state).ok())
        {
            told.push(definition.unit);
            units.records.push(record);
        }
    }
    for number in 0..vault.used(Section::Units) {
        let unit = u16::try_from(number).unwrap_or(u16::MAX);
        match vault.record(number) {
            HeldRecord::Lost => units.lost.push(unit),
            HeldRecord::Whole(payload) if !told.contains(&unit) => {
                match postcard::take_from_bytes(&payload) {
                    Ok((record, _)) => units.records.push(record),
                    Err(_) => units.lost.push(unit),
                }
            }
            HeldRecord::Nothing | HeldRecord::Whole(_) => {}
        }
    }
    units
}

fn spec_of(definition: &Definition<'_>) -> Option<Spec> {
    match definition.encoding {
        Encoding::Postcard => postcard::take_from_bytes(definition.spec).ok().map(|(spec, _)| spec),
        Encoding::Json => serde_json::from_slice(definition.spec).ok(),
    }
}
