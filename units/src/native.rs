//! Our own format.

use crate::diagnostic::{Code, Severity};
use crate::draft::{Draft, Origin};
use crate::name::{NameError, UnitKind, UnitName};
use crate::source::Facts;
use crate::text::BadValue;
use crate::text::lines::Spot;

/// One file.
#[derive(Debug)]
pub(crate) struct Document {}

impl Document {
    pub(crate) fn parse(_text: &str) -> Result<Document, (Spot, BadValue)> {
        Ok(Document {})
    }

    pub(crate) fn units(&self, stem: &str) -> Vec<(UnitKind, Result<UnitName, NameError>)> {
        vec![(UnitKind::Service, UnitName::new(&format!("{stem}.service")))]
    }

    pub(crate) fn apply(
        &self,
        _draft: &mut Draft,
        _file: usize,
        _facts: &Facts,
        _hear: &mut dyn FnMut(Origin, Severity, Code, BadValue),
    ) {
    }
}
