//! Who a process runs as.

use crate::execution::{DirectoryPlace, Execution};
use crate::name::UnitName;
use crate::plan::{Identity, ImageFacts};

/// First number of `DynamicUser=` (systemd's range 61184 to 65519).
const DYNAMIC_FIRST: u32 = 61_184;
/// How many there are.
const DYNAMIC_COUNT: u32 = 65_520 - DYNAMIC_FIRST;

/// The user of a unit on the machine's root.
pub(super) fn of(execution: &Execution, root: bool, name: &UnitName) -> Identity {
    if root {
        return Identity::default();
    }
    Identity {
        user: user(execution, name),
        group: execution.group.clone(),
        groups: execution.groups.to_vec(),
        dynamic: execution.dynamic_user.then(|| dynamic_id(name)),
    }
}

/// The user of a container: the unit's word, else the image's.
pub(super) fn in_image(
    execution: &Execution,
    image: Option<&ImageFacts>,
    name: &UnitName,
) -> Identity {
    let own = of(execution, false, name);
    let Some(image) = image.filter(|image| own.user.is_none() && !image.user.is_empty()) else {
        return own;
    };
    let (user, group) = match image.user.split_once(':') {
        Some((user, group)) => (user, Some(group)),
        None => (&*image.user, None),
    };
    Identity {
        user: Some(user.into()),
        group: own.group.or(group.filter(|group| !group.is_empty()).map(Into::into)),
        ..own
    }
}

/// The user of `DynamicUser=`: always the same for the same unit.
#[must_use]
pub fn dynamic_id(name: &UnitName) -> u32 {
    let spread = hash(name.as_str().as_bytes()) % u64::from(DYNAMIC_COUNT);
    DYNAMIC_FIRST + u32::try_from(spread).expect("a remainder of a u32")
}

/// FNV-1a, 64 bits: spreads names over numbers; nothing secret hangs on it.
pub(super) fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// The root below which own directories of a place live.
pub(super) fn directory_place(place: DirectoryPlace) -> &'static str {
    match place {
        DirectoryPlace::Runtime => "/run",
        DirectoryPlace::State => "/var/lib",
        DirectoryPlace::Cache => "/var/cache",
        DirectoryPlace::Logs => "/var/log",
        DirectoryPlace::Configuration => "/etc",
    }
}

fn user(execution: &Execution, name: &UnitName) -> Option<Box<str>> {
    match (&execution.user, execution.dynamic_user) {
        (Some(user), _) => Some(user.clone()),
        (None, true) => Some(name.prefix().trim_end_matches('@').into()),
        (None, false) => None,
    }
}
