//! Calendar expressions (systemd.time(7)): the times of a clock on the wall.

use serde::{Deserialize, Serialize};

/// A parsed `OnCalendar=` expression.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Calendar {
    /// The normalised text, as `systemd-analyze calendar` prints it.
    pub text: Box<str>,
}
