//! `[Mount]` (systemd.mount(5)).

use crate::systemd::setting::put;
use crate::systemd::{Directive, Place, Treatment, passive, row};

pub(super) const ROWS: &[Directive] = &[
    row(Place::Mount, "What", |d, s| put(&mut d.mount.what, s.text())),
    row(Place::Mount, "Where", |d, s| put(&mut d.mount.place, s.path())),
    row(Place::Mount, "Type", |d, s| put(&mut d.mount.fs_type, s.text())),
    row(Place::Mount, "Options", |d, s| put(&mut d.mount.options, s.text())),
    row(Place::Mount, "DirectoryMode", |d, s| put(&mut d.mount.directory_mode, s.mode())),
    row(Place::Mount, "TimeoutSec", |d, s| put(&mut d.mount.timeout, s.span())),
    row(Place::Mount, "LazyUnmount", |d, s| put(&mut d.mount.lazy_unmount, s.boolean())),
    row(Place::Mount, "ForceUnmount", |d, s| put(&mut d.mount.force_unmount, s.boolean())),
    row(Place::Mount, "ReadWriteOnly", |d, s| put(&mut d.mount.read_write_only, s.boolean())),
    passive(
        Place::Mount,
        "SloppyOptions",
        Treatment::NotHonoured(
            "options go to the kernel as they are",
            "take out those that the file system does not know",
        ),
    ),
];
