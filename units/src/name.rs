//! The name of a unit: checked once, at the door.

use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use crate::limits::UNIT_NAME_BYTES_MAX;

/// What a unit is, told by the suffix of its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum UnitKind {
    /// Something that runs: processes in a group of their own.
    Service,
    /// Starts another unit at a time.
    Timer,
    /// Holds sockets and starts another unit when somebody calls.
    Socket,
    /// A name for a set of units, and a point in the order of starting.
    Target,
    /// A mounted file system.
    Mount,
}

impl UnitKind {
    /// Every kind, in the order in which a person would list them.
    pub const ALL: [UnitKind; 5] =
        [UnitKind::Service, UnitKind::Timer, UnitKind::Socket, UnitKind::Target, UnitKind::Mount];

    /// The suffix of a name of this kind, without the dot.
    #[must_use]
    pub fn suffix(self) -> &'static str {
        match self {
            UnitKind::Service => "service",
            UnitKind::Timer => "timer",
            UnitKind::Socket => "socket",
            UnitKind::Target => "target",
            UnitKind::Mount => "mount",
        }
    }

    /// The kind that a suffix (without the dot) tells, if it is one of ours.
    #[must_use]
    pub fn from_suffix(suffix: &str) -> Option<UnitKind> {
        UnitKind::ALL.into_iter().find(|kind| kind.suffix() == suffix)
    }
}

/// A checked unit name with its suffix, such as `web.service` or `getty@tty1.service`.
///
/// Clones share one text: units name each other all the time. At most [`UNIT_NAME_BYTES_MAX`] bytes of ASCII letters, digits and `:-_.\@`, as systemd.unit(5) has it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct UnitName(Arc<str>);

/// Why a text is not a unit name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NameError {
    /// Nothing before the suffix.
    Empty,
    /// Longer than [`UNIT_NAME_BYTES_MAX`].
    TooLong,
    /// A character that a name may not have.
    BadCharacter(char),
    /// No suffix, or one that is no kind of ours.
    BadSuffix,
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NameError::Empty => f.write_str("unit name is empty"),
            NameError::TooLong => {
                write!(f, "unit name is longer than {UNIT_NAME_BYTES_MAX} bytes")
            }
            NameError::BadCharacter(c) => {
                write!(f, "unit name has {c:?}; allowed are letters, digits and :-_.\\@")
            }
            NameError::BadSuffix => {
                f.write_str("unit name must end in .service, .timer, .socket, .target or .mount")
            }
        }
    }
}

impl UnitName {
    /// Checks a full name, suffix included.
    ///
    /// # Errors
    /// When the text is empty, too long, or has a character or suffix that is not allowed.
    pub fn new(text: &str) -> Result<UnitName, NameError> {
        if text.len() > UNIT_NAME_BYTES_MAX {
            return Err(NameError::TooLong);
        }
        if let Some(bad) = text.chars().find(|c| !allowed(*c)) {
            return Err(NameError::BadCharacter(bad));
        }
        let (stem, suffix) = text.rsplit_once('.').ok_or(NameError::BadSuffix)?;
        UnitKind::from_suffix(suffix).ok_or(NameError::BadSuffix)?;
        if stem.is_empty() || stem.starts_with('@') {
            return Err(NameError::Empty);
        }
        Ok(UnitName(text.into()))
    }

    /// What a person typed: `web` means `web.service`.
    ///
    /// # Errors
    /// As [`UnitName::new`].
    pub fn from_typed(text: &str) -> Result<UnitName, NameError> {
        match UnitName::new(text) {
            Err(NameError::BadSuffix) => UnitName::new(&format!("{text}.service")),
            other => other,
        }
    }

    /// The whole name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The kind that the suffix tells.
    #[must_use]
    pub fn kind(&self) -> UnitKind {
        let suffix = self.0.rsplit_once('.').map_or("", |(_, suffix)| suffix);
        UnitKind::from_suffix(suffix).expect("the suffix was checked at the door")
    }

    /// The name without its suffix.
    #[must_use]
    pub fn stem(&self) -> &str {
        self.0.rsplit_once('.').map_or(&*self.0, |(stem, _)| stem)
    }

    /// The part before `@` of a template or an instance, or the whole stem (`%p`).
    #[must_use]
    pub fn prefix(&self) -> &str {
        self.stem().split_once('@').map_or(self.stem(), |(prefix, _)| prefix)
    }

    /// The instance (`%i`): the text between `@` and the suffix; empty for a template itself.
    #[must_use]
    pub fn instance(&self) -> Option<&str> {
        self.stem().split_once('@').map(|(_, instance)| instance)
    }

    /// Whether this is a template (`name@.service`), which cannot run itself.
    #[must_use]
    pub fn is_template(&self) -> bool {
        self.instance() == Some("")
    }

    /// The template that an instance is made from.
    #[must_use]
    pub fn template(&self) -> Option<UnitName> {
        match self.instance() {
            None | Some("") => None,
            Some(_) => {
                let name = format!("{}@.{}", self.prefix(), self.kind().suffix());
                UnitName::new(&name).ok()
            }
        }
    }

    /// The same stem with another kind: the `.service` that a `.timer` starts by default.
    #[must_use]
    pub fn with_kind(&self, kind: UnitKind) -> UnitName {
        UnitName(format!("{}.{}", self.stem(), kind.suffix()).into())
    }

    /// What a person reads: without `.service`, which is what nearly all are.
    #[must_use]
    pub fn short(&self) -> &str {
        self.0.strip_suffix(".service").unwrap_or(&self.0)
    }
}

/// Makes equal names share one text, which a specification read from bytes does not.
#[derive(Debug, Default)]
pub struct SharedNames(BTreeSet<UnitName>);

impl SharedNames {
    /// Replaces a name by the first equal one that was seen.
    pub fn share(&mut self, name: &mut UnitName) {
        match self.0.get(name) {
            Some(known) => *name = known.clone(),
            None => drop(self.0.insert(name.clone())),
        }
    }
}

fn allowed(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, ':' | '-' | '_' | '.' | '\\' | '@')
}

impl fmt::Debug for UnitName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for UnitName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for UnitName {
    type Error = String;
    fn try_from(text: String) -> Result<UnitName, String> {
        UnitName::new(&text).map_err(|e| e.to_string())
    }
}

impl From<UnitName> for String {
    fn from(name: UnitName) -> String {
        (*name.0).to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_a_name() {
        let name = UnitName::new("getty@tty1.service").unwrap();
        assert_eq!(name.prefix(), "getty");
        assert_eq!(name.instance(), Some("tty1"));
        assert_eq!(name.template().unwrap().as_str(), "getty@.service");
        assert_eq!(UnitName::from_typed("web").unwrap().as_str(), "web.service");
        assert!(UnitName::new("@.service").is_err());
        assert!(UnitName::new("a/b.service").is_err());
        assert_eq!(
            UnitName::new("a.timer").unwrap().with_kind(UnitKind::Service).as_str(),
            "a.service"
        );
    }
}
