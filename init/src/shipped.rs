//! The units that are part of the release.

/// Path and text of each unit file.
pub const SHIPPED: &[(&str, &str)] = &[];
/// The unit that brings the state partition.
pub const STATE_UNIT: &str = "state.service";
