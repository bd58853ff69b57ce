//! One assignment as a setter sees it: its value in every type that values have.

use std::time::Duration;

use crate::diagnostic::{Code, Severity};
use crate::draft::{Draft, Origin};
use crate::limits::VALUE_BYTES_MAX;
use crate::name::{UnitKind, UnitName};
use crate::service::Command;
use crate::spec::RelationKind;
use crate::text::specifier::{self, Scope};
use crate::text::words::{self, Escapes, Word};
use crate::text::{BadValue, command, number, path, size, timespan};

/// One assignment.
pub(crate) struct Setting<'a> {
    /// The right-hand side as written.
    pub(crate) value: &'a str,
    /// The name of the directive.
    pub(crate) name: &'static str,
    /// How the author called it, for messages.
    pub(crate) label: &'a str,
    /// What specifiers stand for.
    pub(crate) scope: Scope<'a>,
    /// Where the value stands.
    pub(crate) origin: Origin,
    /// Remarks that do not keep the value from being used.
    pub(crate) remarks: Vec<(Severity, Code, BadValue)>,
}

/// Puts a value where it belongs.
pub(crate) fn put<T>(slot: &mut T, value: Result<T, BadValue>) -> Result<(), BadValue> {
    *slot = value?;
    Ok(())
}

/// Puts a value where there may be none.
pub(crate) fn fill<T>(slot: &mut Option<T>, value: Result<T, BadValue>) -> Result<(), BadValue> {
    *slot = Some(value?);
    Ok(())
}

impl Setting<'_> {
    pub(crate) fn remark(&mut self, severity: Severity, code: Code, bad: BadValue) {
        self.remarks.push((severity, code, bad));
    }

    /// The value, or a part of it, with specifiers replaced.
    pub(crate) fn expand(&mut self, text: &str) -> Result<String, BadValue> {
        let mut unknown = Vec::new();
        let expanded = specifier::expand(text, &self.scope, &mut unknown)?;
        for letter in unknown {
            let message = format!("the specifier `%{letter}` is not known and stays as it is");
            let bad = BadValue::new(message).advise("write `%%` for a percent sign");
            self.remark(Severity::Warning, Code::BadValue, bad);
        }
        if expanded.len() > VALUE_BYTES_MAX {
            return Err(BadValue::new(format!("the value is longer than {VALUE_BYTES_MAX} bytes")));
        }
        Ok(expanded)
    }

    /// The whole value with specifiers replaced.
    pub(crate) fn text(&mut self) -> Result<Box<str>, BadValue> {
        self.expand(self.value).map(String::into_boxed_str)
    }

    pub(crate) fn boolean(&self) -> Result<bool, BadValue> {
        number::boolean(self.value)
    }

    pub(crate) fn mode(&self) -> Result<u32, BadValue> {
        number::mode(self.value)
    }

    pub(crate) fn integer<T: TryFrom<i64>>(&self, from: i64, to: i64) -> Result<T, BadValue> {
        let value = number::integer(self.value, from, to)?;
        T::try_from(value).map_err(|_| BadValue::new(format!("`{}` is too large", self.value)))
    }

    pub(crate) fn bytes(&self) -> Result<u64, BadValue> {
        size::parse_bytes(self.value)
    }

    /// A span of time that ends.
    pub(crate) fn span(&self) -> Result<Duration, BadValue> {
        self.span_or_never()?.ok_or_else(|| {
            BadValue::new(format!("`{}` cannot be infinite", self.label))
                .advise("write a span such as `30s`")
        })
    }

    /// A span of time; `None`: `infinity`.
    pub(crate) fn span_or_never(&self) -> Result<Option<Duration>, BadValue> {
        timespan::parse(self.value)
    }

    /// A limit of time; `None`: `infinity`, also written `0`.
    pub(crate) fn limit(&self) -> Result<Option<Duration>, BadValue> {
        Ok(self.span_or_never()?.filter(|span| !span.is_zero()))
    }

    pub(crate) fn path(&mut self) -> Result<Box<str>, BadValue> {
        let text = self.text()?;
        path::absolute(&text)
    }

    /// Words with quotes removed and escapes decoded, specifiers replaced.
    pub(crate) fn words(&mut self) -> Result<Vec<Word>, BadValue> {
        let words = words::split(self.value, Escapes::Decode)?;
        words.into_iter().map(|word| self.expand_word(word)).collect()
    }

    fn expand_word(&mut self, word: Word) -> Result<Word, BadValue> {
        let text = self.expand(&word.text).map_err(|bad| bad.at(word.offset, word.length))?;
        Ok(Word { text, ..word })
    }

    /// Each word through `read`; faults get the place of their word.
    pub(crate) fn each<T>(
        &mut self,
        mut read: impl FnMut(&str) -> Result<T, BadValue>,
    ) -> Result<Vec<T>, BadValue> {
        let words = self.words()?;
        words.iter().map(|word| read(&word.text).map_err(|bad| at_word(bad, word))).collect()
    }

    /// Command lines, specifiers replaced.
    pub(crate) fn commands(&mut self) -> Result<Vec<Command>, BadValue> {
        let value = self.value;
        command::parse(value, &mut |word| self.expand(word))
    }

    /// Unit names, specifiers replaced. Units of kinds that we do not have are left out with a
    /// remark.
    pub(crate) fn units(&mut self) -> Result<Vec<UnitName>, BadValue> {
        let mut units = Vec::new();
        for word in words::split(self.value, Escapes::Keep)? {
            let word = self.expand_word(word)?;
            match UnitName::new(&word.text) {
                Ok(unit) => units.push(unit),
                Err(_) if foreign_kind(&word.text).is_some() => self.remark_foreign(&word),
                Err(error) => return Err(at_word(bad_name(&word.text, &error.to_string()), &word)),
            }
        }
        Ok(units)
    }

    fn remark_foreign(&mut self, word: &Word) {
        let kind = foreign_kind(&word.text).unwrap_or_default();
        let (severity, why, advice) = match (kind, self.name) {
            ("device", "Requires" | "BindsTo" | "BindTo" | "Requisite" | "RequiredBy") => (
                Severity::Warning,
                "there are no device units: the unit does not wait for the device",
                "guard it with `ConditionPathExists=/dev/…`, or let it restart until the device is there",
            ),
            ("device" | "slice" | "scope" | "swap", _)
            | (_, "After" | "Before" | "Conflicts" | "PartOf" | "Also") => {
                (Severity::Note, "there are no units of this kind here, and no need of them", "")
            }
            _ => (
                Severity::Warning,
                "there are no units of this kind here",
                "use a socket, a timer, or a service that waits by itself",
            ),
        };
        let text = format!("`{}` is left out: {why}", word.text);
        let bad = BadValue::new(text).advise(advice).at(word.offset, word.length);
        self.remark(severity, Code::UnknownKind, bad);
    }

    /// Relations of one kind to all units that are named.
    pub(crate) fn link(&mut self, draft: &mut Draft, kind: RelationKind) -> Result<(), BadValue> {
        let units = self.units()?;
        units.into_iter().for_each(|unit| draft.link(kind, unit, self.origin));
        Ok(())
    }

    /// One unit of a kind.
    pub(crate) fn unit(&mut self, kinds: &[UnitKind]) -> Result<UnitName, BadValue> {
        let text = self.text()?;
        let unit = UnitName::new(&text).map_err(|error| bad_name(&text, &error.to_string()))?;
        if !kinds.contains(&unit.kind()) {
            return Err(BadValue::new(format!("`{unit}` is of a kind that cannot stand here")));
        }
        Ok(unit)
    }

    /// One of several words.
    pub(crate) fn one_of<T: Copy>(&self, words: &[(&str, T)]) -> Result<T, BadValue> {
        let found = words.iter().find(|(word, _)| *word == self.value);
        found.map(|(_, value)| *value).ok_or_else(|| {
            let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            BadValue::new(format!("`{}` cannot be `{}`", self.label, self.value))
                .advise(format!("write one of {}", known.join(", ")))
        })
    }
}

pub(crate) fn at_word(bad: BadValue, word: &Word) -> BadValue {
    bad.at(word.offset, word.length)
}

fn bad_name(text: &str, why: &str) -> BadValue {
    BadValue::new(format!("`{text}` is no unit name: {why}"))
        .advise("write the whole name with its suffix, such as `web.service`")
}

/// The suffix of a unit name of a kind that systemd has and we have not.
pub(crate) fn foreign_kind(name: &str) -> Option<&'static str> {
    let (stem, suffix) = name.rsplit_once('.')?;
    let kinds = ["device", "path", "swap", "automount", "slice", "scope", "busname", "snapshot"];
    kinds.into_iter().find(|kind| *kind == suffix && !stem.is_empty())
}
