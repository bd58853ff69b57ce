//! The maintenance service: alarms, state, checksums.

use super::message as etcd;
use super::tell::Header;
use crate::command::{Alarm, AlarmChange};
use crate::error::Error;

/// What is asked about alarms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AlarmAsked {
    /// Which there are: all, or of one kind.
    Get(Option<Alarm>),
    /// To raise one, or to clear some.
    Change(AlarmChange),
}

/// A request about alarms. An action or an alarm that does not exist asks for nothing: it gets the list.
pub fn alarm(asked: &etcd::AlarmRequest) -> AlarmAsked {
    let (alarm, member) = (of_number(asked.alarm), asked.member_id);
    match (asked.action, alarm) {
        (1, Some(alarm)) => AlarmAsked::Change(AlarmChange::Raise { member, alarm }),
        (2, alarm) => AlarmAsked::Change(AlarmChange::Clear { member, alarm }),
        (_, alarm) => AlarmAsked::Get(alarm),
    }
}

fn of_number(number: i32) -> Option<Alarm> {
    match number {
        1 => Some(Alarm::NoSpace),
        2 => Some(Alarm::Corrupt),
        _ => None,
    }
}

fn number(alarm: Alarm) -> i32 {
    match alarm {
        Alarm::NoSpace => 1,
        Alarm::Corrupt => 2,
    }
}

/// Alarms that are, were raised, or were cleared.
pub fn alarms(
    alarms: &[(u64, Alarm)],
    only: Option<Alarm>,
    header: Option<Header>,
) -> etcd::AlarmResponse {
    let meant = alarms.iter().filter(|(_, alarm)| only.is_none_or(|only| only == *alarm));
    let shown = |&(member_id, alarm): &(u64, Alarm)| {
        let alarm = number(alarm);
        etcd::AlarmMember { member_id, alarm }
    };
    etcd::AlarmResponse { header, alarms: meant.map(shown).collect() }
}

/// What is wrong, as a member's status tells it.
pub fn problems(leader: u64, alarms: &[(u64, Alarm)]) -> Vec<String> {
    let no_leader = (leader == 0).then(|| Error::NoLeader.text().to_owned());
    let shown = |&(member, alarm): &(u64, Alarm)| {
        let name = match alarm {
            Alarm::NoSpace => "NOSPACE",
            Alarm::Corrupt => "CORRUPT",
        };
        // With a space behind, as etcd has it.
        format!("memberID:{member} alarm:{name} ")
    };
    no_leader.into_iter().chain(alarms.iter().map(shown)).collect()
}

/// There is nothing older to go back to.
pub fn downgrade(asked: &etcd::DowngradeRequest) -> Error {
    let is_version = asked.version.split('.').all(|part| part.parse::<u32>().is_ok());
    match asked.action {
        2 => Error::NoDowngrade,
        _ if is_version => Error::InvalidDowngradeTarget,
        _ => Error::WrongDowngradeFormat,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alarms_are_asked_for_raised_and_cleared() {
        let asked = |action, alarm| alarm_of(action, alarm);
        fn alarm_of(action: i32, number: i32) -> AlarmAsked {
            alarm(&etcd::AlarmRequest { action, member_id: 5, alarm: number })
        }
        let (member, alarm) = (5, Alarm::NoSpace);
        assert_eq!(asked(0, 0), AlarmAsked::Get(None));
        assert_eq!(asked(0, 2), AlarmAsked::Get(Some(Alarm::Corrupt)));
        assert_eq!(asked(1, 1), AlarmAsked::Change(AlarmChange::Raise { member, alarm }));
        let all = AlarmChange::Clear { member, alarm: None };
        assert_eq!(asked(2, 0), AlarmAsked::Change(all));
        assert_eq!(asked(7, 9), AlarmAsked::Get(None));
        assert_eq!(asked(1, 0), AlarmAsked::Get(None));
        let both = [(1, Alarm::NoSpace), (2, Alarm::Corrupt)];
        assert_eq!(alarms(&both, Some(Alarm::Corrupt), None).alarms[0].member_id, 2);
        let told = ["etcdserver: no leader", "memberID:1 alarm:NOSPACE "];
        assert_eq!(problems(0, &both[..1]), told);
    }

    #[test]
    fn there_is_no_way_back() {
        let of = |action, version: &str| {
            downgrade(&etcd::DowngradeRequest { action, version: version.into() })
        };
        assert_eq!(of(0, "3.4.0"), Error::InvalidDowngradeTarget);
        assert_eq!(of(1, "x"), Error::WrongDowngradeFormat);
        assert_eq!(of(2, ""), Error::NoDowngrade);
    }
}
