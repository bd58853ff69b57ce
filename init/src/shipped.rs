//! The units that are part of the release.

/// Path and text of one of them.
macro_rules! shipped {
    ($name:literal) => {
        (concat!("/usr/lib/keelson/units/", $name), include_str!(concat!("../units/", $name)))
    };
}

/// Path and text of each unit file.
pub const SHIPPED: &[(&str, &str)] = &[
    shipped!("basic.target"),
    shipped!("coldplug.service"),
    shipped!("console.service"),
    shipped!("cryptsetup.target"),
    shipped!("ctrl-alt-del.target"),
    shipped!("emergency.target"),
    shipped!("final.target"),
    shipped!("getty.target"),
    shipped!("graphical.target"),
    shipped!("halt.target"),
    shipped!("kexec.target"),
    shipped!("local-fs-pre.target"),
    shipped!("local-fs.target"),
    shipped!("multi-user.target"),
    shipped!("network-online.service"),
    shipped!("network-online.target"),
    shipped!("network-pre.target"),
    shipped!("network.service"),
    shipped!("network.target"),
    shipped!("nss-lookup.target"),
    shipped!("nss-user-lookup.target"),
    shipped!("paths.target"),
    shipped!("poweroff.target"),
    shipped!("reboot.target"),
    shipped!("remote-fs-pre.target"),
    shipped!("remote-fs.target"),
    shipped!("rescue.target"),
    shipped!("restore.service"),
    shipped!("setup.service"),
    shipped!("shutdown.target"),
    shipped!("sigpwr.target"),
    shipped!("sockets.target"),
    shipped!("state.service"),
    shipped!("swap.target"),
    shipped!("sysinit.target"),
    shipped!("time-set.target"),
    shipped!("time-sync.target"),
    shipped!("timers.target"),
    shipped!("umount.target"),
];

/// The unit that brings the state partition.
pub const STATE_UNIT: &str = "state.service";

#[cfg(test)]
mod tests {
    use super::*;
    use units::source::{LoadOptions, SourceFile};

    #[test]
    fn every_shipped_unit_loads_without_a_remark_and_leads_to_the_usual_goal() {
        let file = |(path, text): &(&str, &str)| SourceFile::regular(path, text.as_bytes());
        let files: Vec<SourceFile> = SHIPPED.iter().map(file).collect();
        let loaded = units::load::load(&files, &LoadOptions::default());
        assert!(loaded.diagnostics.is_empty(), "{:#?}", loaded.diagnostics);
        assert_eq!(loaded.specs.len(), SHIPPED.len());
        let is_called = |name: &str| {
            let aliases = || loaded.specs.iter().flat_map(|spec| &spec.aliases);
            loaded.specs.iter().any(|spec| spec.name.as_str() == name)
                || aliases().any(|alias| alias.as_str() == name)
        };
        for name in ["default.target", "multi-user.target", STATE_UNIT] {
            assert!(is_called(name), "{name}");
        }
    }
}
