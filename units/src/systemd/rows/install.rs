//! `[Install]` (systemd.unit(5)).

use crate::limits::UNIT_NAME_BYTES_MAX;
use crate::systemd::{Directive, Place, row};
use crate::text::BadValue;

pub(super) const ROWS: &[Directive] = &[
    row(Place::Install, "Alias", |d, s| s.units().map(|u| d.spec.install.alias.extend(u))),
    row(Place::Install, "WantedBy", |d, s| s.units().map(|u| d.spec.install.wanted_by.extend(u))),
    row(Place::Install, "RequiredBy", |d, s| {
        s.units().map(|u| d.spec.install.required_by.extend(u))
    }),
    row(Place::Install, "UpheldBy", |d, s| s.units().map(|u| d.spec.install.upheld_by.extend(u))),
    row(Place::Install, "Also", |d, s| s.units().map(|u| d.spec.install.also.extend(u))),
    row(Place::Install, "DefaultInstance", |d, s| {
        let instance = s.text()?;
        if instance.is_empty() || instance.len() > UNIT_NAME_BYTES_MAX || instance.contains('/') {
            return Err(BadValue::new(format!("`{instance}` is no instance"))
                .advise("escape it as `systemd-escape` does"));
        }
        d.spec.install.default_instance = Some(instance);
        Ok(())
    }),
];
