//! Whatever changed is in the memory that outlives PID 1 when the step is over, and run numbers go on.

use std::collections::BTreeMap;

use units::run::UnitId;

use super::{Checker, Seen, Violation};

/// The runs at the last death.
#[derive(Debug, Default)]
pub struct Records {
    before: BTreeMap<UnitId, u32>,
}

impl Checker for Records {
    fn on_settled(&mut self, seen: &Seen<'_>) -> Result<(), Violation> {
        for id in seen.supervisor.ids() {
            let record = seen.supervisor.record(id);
            if record.as_ref() != seen.records.get(&id) {
                let text =
                    format!("{record:?} is not what would survive: {:?}", seen.records.get(&id));
                return Err(Violation { checker: "records", text });
            }
            let (run, before) = (record.map_or(0, |record| record.run), self.before.remove(&id));
            if before.is_some_and(|before| before != run) {
                let text = format!("{id:?} had run {before:?} before the death and has {run}");
                return Err(Violation { checker: "records", text });
            }
        }
        self.before.clear();
        Ok(())
    }

    fn on_death(&mut self, seen: &Seen<'_>) -> Result<(), Violation> {
        let runs = seen.records.iter().filter(|(id, record)| {
            let run = units::run::Run { unit: **id, number: record.run };
            seen.kernel.main(run).is_some()
        });
        self.before = runs.map(|(id, record)| (*id, record.run)).collect();
        Ok(())
    }
}
