//! What `keelctl status --json` says, as far as the harness needs it.

use serde_json::Value;

/// The machine at one moment.
#[derive(Debug, Clone, Default)]
pub struct Status {
    /// Every unit.
    pub units: Vec<UnitStatus>,
    /// The whole document, for figures.
    pub document: Value,
}

/// One unit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UnitStatus {
    /// Its full name.
    pub name: String,
    /// Where it is meant to be: `up`, `down`, `again`.
    pub goal: String,
    /// Where it is: `up`, `starting`, `failed` …
    pub state: String,
    /// Why it is not up, if it says so.
    pub fault: String,
}

/// States from which a unit does not come up by itself.
const FINAL: [&str; 1] = ["failed"];

impl Status {
    /// Finds the document among the lines of a console, where other lines may stand around it.
    pub fn find(lines: &[String]) -> Option<Status> {
        let start = lines.iter().position(|line| line.trim_start().starts_with('{'))?;
        let text = lines[start..].join("\n");
        let mut documents = serde_json::Deserializer::from_str(&text).into_iter::<Value>();
        let document = documents.next()?.ok()?;
        let units = document.get("units")?.as_array()?.iter().map(UnitStatus::read).collect();
        Some(Status { units, document })
    }

    /// The unit of that name; the suffix `.service` may be left out.
    pub fn unit(&self, name: &str) -> Option<&UnitStatus> {
        let full = format!("{name}.service");
        self.units.iter().find(|unit| unit.name == name || unit.name == full)
    }

    /// The units that are meant to be up and are not yet.
    pub fn not_yet_up(&self) -> Vec<&UnitStatus> {
        let settled = ["up", "skipped"];
        let late = |unit: &&UnitStatus| unit.goal != "down" && !settled.contains(&&*unit.state);
        self.units.iter().filter(late).collect()
    }

    /// A unit that will not come up by itself any more.
    pub fn failed(&self) -> Option<&UnitStatus> {
        self.units.iter().find(|unit| FINAL.contains(&&*unit.state))
    }

    /// A number of the document, by its JSON pointer.
    pub fn number(&self, pointer: &str) -> Option<u64> {
        self.document.pointer(pointer)?.as_u64()
    }
}

impl UnitStatus {
    fn read(value: &Value) -> UnitStatus {
        let text = |key| value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        UnitStatus {
            name: text("name"),
            goal: text("goal"),
            state: text("state"),
            fault: text("fault"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<String> {
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn the_document_is_found_among_other_lines() {
        let status = Status::find(&lines(
            "keelctl status --json\n{\"units\":[\n {\"name\":\"web.service\",\"goal\":\"up\",\
             \"state\":\"starting\"},{\"name\":\"old.timer\",\"goal\":\"down\",\"state\":\"down\"}],\
             \"pid1\":{\"pss_kb\":7}}\nt=3.1 unit web up\nkeelson# ",
        ))
        .unwrap();
        assert_eq!(status.unit("web").unwrap().state, "starting");
        assert_eq!(status.not_yet_up().len(), 1);
        assert!(status.failed().is_none());
        assert_eq!(status.number("/pid1/pss_kb"), Some(7));
        assert!(Status::find(&lines("keelctl status --json\n{\"units\":[\nt=3.1 cut")).is_none());
    }
}
