//! The demo's units say what our formats mean to say, without a remark.

use std::fs;

use units::source::{LoadOptions, SourceFile};

#[test]
fn the_demo_s_units_load_without_a_remark() {
    let files: Vec<SourceFile> = qemu::artefacts::demo_units()
        .iter()
        .map(|path| {
            let name = path.file_name().unwrap().to_string_lossy();
            SourceFile::regular(&format!("/state/units/{name}"), &fs::read(path).unwrap())
        })
        .collect();
    let checked = units::check::check(&files, &LoadOptions::default());
    let said: Vec<String> = checked
        .diagnostics
        .iter()
        .filter(|one| one.severity > units::Severity::Note)
        .map(|one| format!("{one:?}"))
        .collect();
    assert!(said.is_empty(), "{said:#?}");
    for name in ["nginx.service", "redis.service", "pulse.timer", "pulse.service", "census.service"]
    {
        assert!(checked.specs.iter().any(|spec| spec.name.as_str() == name), "{name} is missing");
    }
}
