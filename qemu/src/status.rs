//! What `keelctl status --json` says, as far as the harness needs it.

use serde_json::Value;

/// The machine at one moment.
#[derive(Debug, Clone, Default)]
pub struct Status {
    /// Every unit.
    pub units: Vec<UnitStatus>,
    /// The whole document.
    pub document: Value,
}

/// One unit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UnitStatus {
    /// Its full name.
    pub name: String,
    /// Whether it is meant to be up.
    pub wanted: bool,
    /// Where it is: `up`, `starting`, `failed` …
    pub state: String,
    /// Since when it is there, in microseconds since boot.
    pub since_us: u64,
    /// It is up, and its readiness probe agrees.
    pub ready: bool,
    /// Why its last run failed, if it did.
    pub fault: String,
}

/// States from which a unit does not come up by itself.
const FINAL: [&str; 1] = ["failed"];

impl Status {
    /// Finds the status among the lines of a console, where other lines may stand around it.
    pub fn find(lines: &[String]) -> Option<Status> {
        let document = find_document(lines)?;
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
        self.units.iter().filter(|unit| unit.wanted && !unit.is_settled()).collect()
    }

    /// A unit that will not come up by itself any more.
    pub fn failed(&self) -> Option<&UnitStatus> {
        self.units.iter().find(|unit| FINAL.contains(&&*unit.state))
    }

    /// When the last of the units that are meant to be up came up, in microseconds since boot.
    pub fn last_up_us(&self) -> Option<u64> {
        let wanted = self.units.iter().filter(|unit| unit.wanted && unit.state == "up");
        wanted.map(|unit| unit.since_us).max()
    }
}

/// Finds a JSON document among the lines of a console.
pub fn find_document(lines: &[String]) -> Option<Value> {
    let text = lines.join("\n");
    // A line of PID 1 has no such mark; a prompt may stand before it on its line.
    let text = &text[text.find("{\"")?..];
    serde_json::Deserializer::from_str(text).into_iter::<Value>().next()?.ok()
}

impl UnitStatus {
    /// Where it is meant to be, or where a condition of its own leaves it.
    fn is_settled(&self) -> bool {
        match self.state.as_str() {
            "up" => self.ready,
            "skipped" => true,
            _ => false,
        }
    }

    fn read(value: &Value) -> UnitStatus {
        let text = |pointer| value.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        let flag = |pointer| value.pointer(pointer).and_then(Value::as_bool).unwrap_or_default();
        UnitStatus {
            name: text("/name").to_owned(),
            wanted: flag("/wanted"),
            state: text("/state").to_owned(),
            since_us: value.pointer("/since-us").and_then(Value::as_u64).unwrap_or_default(),
            ready: flag("/ready"),
            fault: text("/fault/text").to_owned(),
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
            "keelctl status --json\n{\"units\":[\n {\"name\":\"web.service\",\"wanted\":true,\
             \"state\":\"up\",\"since-us\":7,\"ready\":false},{\"name\":\"old.timer\",\"wanted\":false,\
             \"state\":\"down\",\"ready\":false}],\"clock\":{\"now-us\":7}}\nt=3.1 unit web up\n",
        ))
        .unwrap();
        assert_eq!(status.unit("web").unwrap().state, "up");
        assert_eq!(status.not_yet_up().len(), 1, "it is not ready");
        assert!(status.failed().is_none());
        assert_eq!(status.last_up_us(), Some(7));
        assert!(Status::find(&lines("keelctl status --json\n{\"units\":[\nt=3.1 cut")).is_none());
    }
}
