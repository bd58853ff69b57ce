//! Who the process runs as: names looked up in the root that it sees.

use units::plan::Plan;
use units::run::StageStep;

use std::io::Read;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use super::{Done, fault};

/// A user and its groups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct User {
    /// Number.
    pub(super) uid: u32,
    /// Primary group.
    pub(super) gid: u32,
    /// Supplementary groups.
    pub(super) groups: Vec<u32>,
    /// Name, if it has one.
    pub(super) name: String,
    /// Home directory.
    pub(super) home: String,
    /// Login shell.
    pub(super) shell: String,
    /// Whether the plan asks for a change at all.
    pub(super) changes: bool,
}

/// Finds the plan's user in the root's own tables.
pub(super) fn find(plan: &Plan) -> Done<User> {
    let identity = &plan.identity;
    if identity.user.is_none()
        && identity.group.is_none()
        && super::is_on_machine(plan)
        && !plan.enters
    {
        return Ok(nobody());
    }
    let passwd = table("/etc/passwd");
    let group_table = table("/etc/group");
    let wanted = identity.user.as_deref().unwrap_or("0");
    let mut user = match (identity.dynamic, record(&passwd, wanted)) {
        (Some(id), _) => User { uid: id, gid: id, name: wanted.to_owned(), ..nobody() },
        (None, Some(user)) => user,
        // As Docker does: a number that no table knows has root's group.
        (None, None) => match number(wanted) {
            Some(uid) => User { uid, ..nobody() },
            None => return Err(fault(StageStep::User, Errno::SRCH)),
        },
    };
    // In a root of its own even root starts from what the tables say.
    user.changes = !super::is_on_machine(plan)
        || plan.enters
        || identity.user.is_some()
        || identity.group.is_some();
    if let Some(group) = &identity.group {
        user.gid = group_number(&group_table, group)?;
    }
    user.groups = memberships(&group_table, &user.name);
    for group in &identity.groups {
        user.groups.push(group_number(&group_table, group)?);
    }
    user.groups.sort_unstable();
    user.groups.dedup();
    Ok(user)
}

/// An id. The largest numbers are none: to the kernel they mean "as before", which is root
/// (CVE-2024-40635 and its kin).
fn number(text: &str) -> Option<u32> {
    const ID_MAX: u32 = i32::MAX.unsigned_abs();
    text.bytes()
        .all(|byte| byte.is_ascii_digit())
        .then(|| text.parse().ok())
        .flatten()
        .filter(|id| *id <= ID_MAX)
}

fn nobody() -> User {
    User {
        uid: 0,
        gid: 0,
        groups: Vec::new(),
        name: String::new(),
        home: "/".to_owned(),
        shell: "/bin/sh".to_owned(),
        changes: false,
    }
}

/// A table of the root, which may be anything: a pipe that never ends, a gigabyte.
fn table(path: &str) -> String {
    const TABLE_BYTES_MAX: u64 = 4 << 20;
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let Ok(file) = rustix::fs::open(path, flags, Mode::empty()) else { return String::new() };
    let mut text = String::new();
    // What cannot be read names nobody.
    let _ = std::fs::File::from(file).take(TABLE_BYTES_MAX).read_to_string(&mut text);
    text
}

/// A line of passwd(5), by name or number.
fn record(passwd: &str, wanted: &str) -> Option<User> {
    passwd.lines().find_map(|line| {
        let fields: Vec<&str> = line.split(':').collect();
        let [name, _, uid, gid, _, home, shell] = fields.as_slice() else { return None };
        (*name == wanted || *uid == wanted).then_some(())?;
        Some(User {
            uid: number(uid)?,
            gid: number(gid)?,
            name: (*name).to_owned(),
            home: (*home).to_owned(),
            shell: (*shell).to_owned(),
            ..nobody()
        })
    })
}

fn group_number(table: &str, wanted: &str) -> Done<u32> {
    if let Some(number) = number(wanted) {
        return Ok(number);
    }
    let found = table.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next() == Some(wanted)).then(|| number(fields.nth(1)?)).flatten()
    });
    found.ok_or_else(|| fault(StageStep::User, Errno::SRCH))
}

fn memberships(table: &str, name: &str) -> Vec<u32> {
    let member = |line: &str| {
        let fields: Vec<&str> = line.split(':').collect();
        let [_, _, gid, members] = fields.as_slice() else { return None };
        members.split(',').any(|member| !name.is_empty() && member == name).then_some(())?;
        number(gid)
    };
    table.lines().filter_map(member).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables() {
        let passwd = "root:x:0:0:root:/root:/bin/sh\nredis:x:101:102::/var/lib/redis:/bin/false\n";
        let redis = record(passwd, "redis").unwrap();
        assert_eq!((redis.uid, redis.gid, &*redis.home), (101, 102, "/var/lib/redis"));
        assert_eq!(record(passwd, "101").unwrap().name, "redis");
        assert!(record(passwd, "nobody").is_none());
        assert_eq!(memberships("a:x:5:redis,x\nb:x:6:\n", "redis"), [5]);
    }
}
