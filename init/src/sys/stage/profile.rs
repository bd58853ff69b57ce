//! A filter from a file: the `seccomp` object of an OCI runtime configuration, or Docker's own form.

use rustix::io::Errno;
use serde::Deserialize;
use units::plan::{Plan, Profile, capability_number};
use units::run::StageStep;

use super::filter::{Filter, Test, Verdict};
use super::{Done, calls, fault, limits};

/// Largest profile file in bytes; Docker's own is a tenth of that.
const PROFILE_BYTES_MAX: u64 = 256 * 1024;
/// What a refused call says where the profile does not: EPERM.
const ERRNO_DEFAULT: u16 = 1;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    default_action: String,
    #[serde(default)]
    default_errno_ret: Option<u16>,
    #[serde(default)]
    syscalls: Vec<Rule>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Rule {
    names: Vec<String>,
    action: String,
    #[serde(default)]
    errno_ret: Option<u16>,
    #[serde(default)]
    args: Option<Vec<Comparison>>,
    #[serde(default)]
    includes: Choice,
    #[serde(default)]
    excludes: Choice,
}

/// When Docker's form applies a rule.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Choice {
    caps: Vec<String>,
    arches: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Comparison {
    index: u32,
    value: u64,
    #[serde(default)]
    value_two: u64,
    op: String,
}

/// Reads the plan's profile, if it is a file.
pub(super) fn read(plan: &Plan) -> Done<Option<(Filter, Verdict)>> {
    let Profile::File(path) = &plan.seccomp.profile else { return Ok(None) };
    let said = |errno| fault(StageStep::Seccomp, errno);
    let size = std::fs::metadata(&**path).map_err(|error| said(limits::raw(&error)))?.len();
    if size > PROFILE_BYTES_MAX {
        return Err(said(Errno::FBIG));
    }
    let text = std::fs::read(&**path).map_err(|error| said(limits::raw(&error)))?;
    parse(&text, plan.privileges.bounding).map(Some).ok_or_else(|| said(Errno::INVAL))
}

fn parse(text: &[u8], capabilities: u64) -> Option<(Filter, Verdict)> {
    let document: Document = serde_json::from_slice(text).ok()?;
    let otherwise = verdict(&document.default_action, document.default_errno_ret)?;
    let mut filter = Filter::new(otherwise);
    for rule in document.syscalls.iter().filter(|rule| applies(rule, capabilities)) {
        let verdict = verdict(&rule.action, rule.errno_ret)?;
        let arguments = rule.args.as_deref().unwrap_or_default();
        for call in rule.names.iter().filter_map(|name| calls::number(name)) {
            match arguments {
                [] => filter.rule(&[call.into()], verdict),
                // Several comparisons of one rule must all hold, which a refusing filter cannot
                // get wrong by asking less only if there is one.
                [one] => filter.rule_if(call.into(), one.index, test(one)?, verdict),
                [_, _, ..] => return None,
            }
        }
    }
    Some((filter, otherwise))
}

fn applies(rule: &Rule, capabilities: u64) -> bool {
    let has = |name: &String| capability_number(name).is_some_and(|n| capabilities & 1 << n != 0);
    let here = |arch: &String| arch == "amd64" || arch == "x86_64";
    let arches = &rule.includes.arches;
    rule.includes.caps.iter().all(has)
        && !rule.excludes.caps.iter().any(has)
        && (arches.is_empty() || arches.iter().any(here))
        && !rule.excludes.arches.iter().any(here)
}

fn verdict(action: &str, errno: Option<u16>) -> Option<Verdict> {
    match action {
        "SCMP_ACT_ALLOW" | "SCMP_ACT_LOG" => Some(Verdict::Allow),
        "SCMP_ACT_ERRNO" => Some(Verdict::Refuse(errno.unwrap_or(ERRNO_DEFAULT))),
        "SCMP_ACT_KILL" | "SCMP_ACT_KILL_PROCESS" | "SCMP_ACT_KILL_THREAD" => Some(Verdict::Kill),
        _ => None,
    }
}

fn test(comparison: &Comparison) -> Option<Test> {
    let low = |value: u64| u32::try_from(value).ok();
    match &*comparison.op {
        "SCMP_CMP_EQ" => Some(Test::Is(low(comparison.value)?)),
        "SCMP_CMP_MASKED_EQ" => {
            Some(Test::Masked(low(comparison.value)?, low(comparison.value_two)?))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::filter::tests::judge;
    use super::*;

    #[test]
    fn dockers_form() {
        let text = br#"{"defaultAction":"SCMP_ACT_ERRNO","syscalls":[
            {"names":["read","no_such_call"],"action":"SCMP_ACT_ALLOW"},
            {"names":["bpf"],"action":"SCMP_ACT_ALLOW","includes":{"caps":["CAP_BPF"]}},
            {"names":["clone"],"action":"SCMP_ACT_ALLOW","excludes":{"caps":["CAP_SYS_ADMIN"]},
             "args":[{"index":0,"value":2114060288,"valueTwo":0,"op":"SCMP_CMP_MASKED_EQ"}]},
            {"names":["clone3"],"action":"SCMP_ACT_ERRNO","errnoRet":38}]}"#;
        let (filter, otherwise) = parse(text, 0).unwrap();
        let say = |call, arguments| judge(&filter, otherwise, call, arguments).0;
        assert_eq!(say(0, [0; 3]), 0x7fff_0000);
        assert_eq!(say(321, [0; 3]), 0x0005_0001);
        assert_eq!(say(56, [0; 3]), 0x7fff_0000);
        assert_eq!(say(56, [0x1000_0000, 0, 0]), 0x0005_0001);
        assert_eq!(say(435, [0; 3]), 0x0005_0000 | 38);
        let (filter, otherwise) = parse(text, 1 << 39).unwrap();
        assert_eq!(judge(&filter, otherwise, 321, [0; 3]).0, 0x7fff_0000);
        assert!(parse(b"{}", 0).is_none());
    }
}
