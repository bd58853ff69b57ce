//! `[X-Fleet]`: on which machines of a cluster a unit may run, in fleet's words.

use crate::draft::Draft;
use crate::spec::Placement;
use crate::systemd::setting::put;
use crate::systemd::{Directive, Place, row};

pub(super) const ROWS: &[Directive] = &[
    row(Place::Fleet, "MachineID", |d, s| {
        let id = s.text()?;
        put(&mut placement(d).machine_id, Ok(Some(id)))
    }),
    row(Place::Fleet, "MachineOf", |d, s| {
        let units = s.each(|unit| Ok(unit.into()))?;
        placement(d).machine_of.extend(units);
        Ok(())
    }),
    row(Place::Fleet, "MachineMetadata", |d, s| {
        let pairs = s.each(|pair| Ok(pair.into()))?;
        placement(d).metadata.extend(pairs);
        Ok(())
    }),
    row(Place::Fleet, "Conflicts", |d, s| {
        let globs = s.each(|glob| Ok(glob.into()))?;
        placement(d).conflicts.extend(globs);
        Ok(())
    }),
    row(Place::Fleet, "Replaces", |d, s| {
        let units = s.each(|unit| Ok(unit.into()))?;
        placement(d).replaces.extend(units);
        Ok(())
    }),
    row(Place::Fleet, "Global", |d, s| put(&mut placement(d).global, s.boolean())),
];

fn placement(d: &mut Draft) -> &mut Placement {
    d.spec.placement.get_or_insert_default()
}
