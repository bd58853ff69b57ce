//! A filter of system calls as a program of the classic packet filter (seccomp(2), bpf(4)).
//!
//! Rules are collected call by call and become a binary search over ranges of numbers: some ten steps a
//! call instead of hundreds, for the container's whole life, and for the kernel when it installs the
//! filter, which tries every number there is.

use std::collections::BTreeMap;

use rustix::io::Errno;

use super::last_errno;

/// `AUDIT_ARCH_X86_64`.
const ARCH_X86_64: u32 = 0xc000_003e;
/// Set in the numbers of the x32 interface.
const X32_BIT: u32 = 0x4000_0000;

/// Offsets in `struct seccomp_data`.
const NUMBER: u32 = 0;
const ARCH: u32 = 4;
const ARGUMENTS: u32 = 16;

const LOAD: u16 = 0x20;
const JUMP: u16 = 0x05;
const EQUAL: u16 = 0x15;
const ANY_BIT: u16 = 0x45;
const AT_LEAST: u16 = 0x35;
const AND: u16 = 0x54;
const RETURN: u16 = 0x06;

const ALLOW: u32 = 0x7fff_0000;
const REFUSE: u32 = 0x0005_0000;
const KILL: u32 = 0x8000_0000;

/// What becomes of a system call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is made.
    Allow,
    /// It fails with this errno.
    Refuse(u16),
    /// The process is killed.
    Kill,
}

impl Verdict {
    fn word(self) -> u32 {
        match self {
            Verdict::Allow => ALLOW,
            Verdict::Refuse(errno) => REFUSE | u32::from(errno),
            Verdict::Kill => KILL,
        }
    }
}

/// A condition on the low half of an argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Test {
    /// The argument is this.
    Is(u32),
    /// The masked argument is this.
    Masked(u32, u32),
    /// One of these bits is set.
    Any(u32),
}

/// Of the rules for one call the first that fits counts.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Call {
    conditional: Vec<(u32, Test, Verdict)>,
    otherwise: Option<Verdict>,
}

/// A filter under construction.
#[derive(Debug)]
pub(super) struct Filter {
    foreign: Verdict,
    calls: BTreeMap<u32, Call>,
    above: Option<(u32, Verdict)>,
}

impl Filter {
    /// Begins a filter for x86-64 calls; those of other interfaces get `foreign`.
    pub(super) fn new(foreign: Verdict) -> Filter {
        Filter { foreign, calls: BTreeMap::new(), above: None }
    }

    /// These calls get this verdict, whatever their arguments.
    pub(super) fn rule(&mut self, calls: &[libc::c_long], verdict: Verdict) {
        for call in calls {
            let rules = self.rules(number(*call));
            rules.otherwise = rules.otherwise.or(Some(verdict));
        }
    }

    /// This call gets the verdict if an argument passes the test.
    pub(super) fn rule_if(
        &mut self,
        call: libc::c_long,
        argument: u32,
        test: Test,
        verdict: Verdict,
    ) {
        let rules = self.rules(number(call));
        if rules.otherwise.is_none() {
            rules.conditional.push((argument, test, verdict));
        }
    }

    /// This call gets the verdict if any of the bits of an argument is set.
    pub(super) fn rule_any(
        &mut self,
        call: libc::c_long,
        argument: u32,
        bits: u32,
        verdict: Verdict,
    ) {
        self.rule_if(call, argument, Test::Any(bits), verdict);
    }

    /// Calls with a number above get this verdict, unless a rule names them.
    pub(super) fn above(&mut self, last: libc::c_long, verdict: Verdict) {
        self.above = Some((number(last) + 1, verdict));
    }

    /// Whether there is no rule yet.
    pub(super) fn is_empty(&self) -> bool {
        self.calls.is_empty()
    }

    /// Ends the filter: everything else gets this verdict. Installs it for this process and its children.
    pub(super) fn install(self, otherwise: Verdict) -> Result<(), Errno> {
        let mut code = self.program(otherwise);
        let length = u16::try_from(code.len()).map_err(|_| Errno::TOOBIG)?;
        let program = libc::sock_fprog { len: length, filter: code.as_mut_ptr() };
        const SET_MODE_FILTER: libc::c_uint = 1;
        // SAFETY: the program and its instructions are live; the kernel copies them.
        let done =
            unsafe { libc::syscall(libc::SYS_seccomp, SET_MODE_FILTER, 0, &raw const program) };
        if done < 0 { Err(last_errno()) } else { Ok(()) }
    }

    fn rules(&mut self, number: u32) -> &mut Call {
        self.calls
            .entry(number)
            .or_insert_with(|| Call { conditional: Vec::new(), otherwise: None })
    }

    fn program(&self, otherwise: Verdict) -> Vec<libc::sock_filter> {
        let mut code = vec![
            step(LOAD, ARCH, 0, 0),
            step(EQUAL, ARCH_X86_64, 1, 0),
            step(RETURN, self.foreign.word(), 0, 0),
            step(LOAD, NUMBER, 0, 0),
            step(AT_LEAST, X32_BIT, 0, 1),
            step(RETURN, self.foreign.word(), 0, 0),
        ];
        code.extend(search(&self.ranges(otherwise)));
        code
    }

    /// Ranges of numbers with the same fate, each by its first number.
    fn ranges(&self, otherwise: Verdict) -> Vec<(u32, Vec<libc::sock_filter>)> {
        let fate = |number: u32| match self.above {
            Some((first, verdict)) if number >= first => verdict,
            Some(_) | None => otherwise,
        };
        let mut points: Vec<u32> =
            self.calls.keys().flat_map(|number| [*number, number + 1]).collect();
        points.push(0);
        points.extend(self.above.map(|(first, _)| first));
        points.sort_unstable();
        points.dedup();
        let mut ranges: Vec<(u32, Vec<libc::sock_filter>)> = Vec::new();
        for point in points {
            let leaf = match self.calls.get(&point) {
                Some(call) => leaf(call, fate(point)),
                None => vec![step(RETURN, fate(point).word(), 0, 0)],
            };
            if ranges.last().is_none_or(|(_, last)| !same(last, &leaf)) {
                ranges.push((point, leaf));
            }
        }
        ranges
    }
}

/// The rules of one call.
fn leaf(call: &Call, fate: Verdict) -> Vec<libc::sock_filter> {
    let mut code = Vec::new();
    for (argument, test, verdict) in &call.conditional {
        code.push(step(LOAD, ARGUMENTS + 8 * argument, 0, 0));
        match test {
            Test::Is(value) => code.push(step(EQUAL, *value, 0, 1)),
            Test::Masked(mask, value) => {
                code.push(step(AND, *mask, 0, 0));
                code.push(step(EQUAL, *value, 0, 1));
            }
            Test::Any(bits) => code.push(step(ANY_BIT, *bits, 0, 1)),
        }
        code.push(step(RETURN, verdict.word(), 0, 0));
    }
    code.push(step(RETURN, call.otherwise.unwrap_or(fate).word(), 0, 0));
    code
}

/// A binary search: the upper half, or on to the lower one.
fn search(ranges: &[(u32, Vec<libc::sock_filter>)]) -> Vec<libc::sock_filter> {
    if let [(_, leaf)] = ranges {
        return leaf.clone();
    }
    let (low, high) = ranges.split_at(ranges.len() / 2);
    let (low_code, high_code) = (search(low), search(high));
    let middle = high.first().map_or(0, |(first, _)| *first);
    let mut code = Vec::with_capacity(low_code.len() + high_code.len() + 2);
    match u8::try_from(low_code.len()) {
        Ok(length) => code.push(step(AT_LEAST, middle, length, 0)),
        Err(_) => {
            code.push(step(AT_LEAST, middle, 0, 1));
            code.push(step(JUMP, u32::try_from(low_code.len()).unwrap_or(u32::MAX), 0, 0));
        }
    }
    code.extend(low_code);
    code.extend(high_code);
    code
}

fn same(a: &[libc::sock_filter], b: &[libc::sock_filter]) -> bool {
    let plain = |s: &libc::sock_filter| (s.code, s.jt, s.jf, s.k);
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| plain(a) == plain(b))
}

fn step(code: u16, k: u32, jt: u8, jf: u8) -> libc::sock_filter {
    libc::sock_filter { code, jt, jf, k }
}

fn number(call: libc::c_long) -> u32 {
    u32::try_from(call).unwrap_or(u32::MAX - 1)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// What the filter says to a call, and in how many steps: the kernel's machine in small.
    pub(in super::super) fn judge(
        filter: &Filter,
        otherwise: Verdict,
        call: u32,
        arguments: [u32; 3],
    ) -> (u32, usize) {
        let code = filter.program(otherwise);
        let (mut at, mut accumulator, mut steps) = (0, 0, 0);
        loop {
            let now = &code[at];
            steps += 1;
            at += 1;
            let mut branch = |taken: bool| at += usize::from(if taken { now.jt } else { now.jf });
            match now.code {
                LOAD => {
                    accumulator = match now.k {
                        NUMBER => call,
                        ARCH => ARCH_X86_64,
                        offset => arguments[((offset - ARGUMENTS) / 8) as usize],
                    }
                }
                AND => accumulator &= now.k,
                JUMP => at += now.k as usize,
                EQUAL => branch(accumulator == now.k),
                AT_LEAST => branch(accumulator >= now.k),
                ANY_BIT => branch(accumulator & now.k != 0),
                RETURN => return (now.k, steps),
                other => panic!("unknown instruction {other}"),
            }
        }
    }

    #[test]
    fn first_rule_that_fits_counts() {
        let mut filter = Filter::new(Verdict::Kill);
        filter.rule_if(5, 0, Test::Is(7), Verdict::Allow);
        filter.rule_if(5, 1, Test::Masked(0xf0, 0x10), Verdict::Refuse(2));
        filter.rule(&[5], Verdict::Refuse(3));
        filter.rule(&[5, 6, 300], Verdict::Allow);
        filter.above(400, Verdict::Refuse(38));
        let say = |call, arguments| judge(&filter, Verdict::Refuse(1), call, arguments).0;
        assert_eq!(say(5, [7, 0, 0]), ALLOW);
        assert_eq!(say(5, [8, 0x1f, 0]), REFUSE | 2);
        assert_eq!(say(5, [8, 0x2f, 0]), REFUSE | 3);
        assert_eq!(say(6, [0; 3]), ALLOW);
        assert_eq!(say(7, [0; 3]), REFUSE | 1);
        assert_eq!(say(300, [0; 3]), ALLOW);
        assert_eq!(say(400, [0; 3]), REFUSE | 1);
        assert_eq!(say(401, [0; 3]), REFUSE | 38);
        assert_eq!(say(X32_BIT | 6, [0; 3]), KILL);
    }

    #[test]
    fn a_thousand_rules_take_few_steps() {
        let mut filter = Filter::new(Verdict::Kill);
        let even: Vec<libc::c_long> = (0..1000).map(|n| 2 * n).collect();
        filter.rule(&even, Verdict::Allow);
        for call in 0..2000 {
            let (word, steps) = judge(&filter, Verdict::Refuse(1), call, [0; 3]);
            assert_eq!(word, if call % 2 == 0 { ALLOW } else { REFUSE | 1 });
            assert!(steps < 32, "{steps}");
        }
    }
}
