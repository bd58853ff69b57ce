//! A filter of system calls as a program of the classic packet filter (seccomp(2), bpf(4)).

use rustix::io::Errno;

use super::last_errno;

/// `AUDIT_ARCH_X86_64`.
const ARCH_X86_64: u32 = 0xc000_003e;
/// Set in the numbers of the x32 interface.
const X32_BIT: u32 = 0x4000_0000;

/// Offsets in `struct seccomp_data`.
const NUMBER: u32 = 0;
const ARCH: u32 = 4;

const LOAD: u16 = 0x20;
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
}

/// A program under construction.
#[derive(Debug, Default)]
pub(super) struct Filter {
    code: Vec<libc::sock_filter>,
}

impl Filter {
    /// Begins a filter for x86-64 calls; those of other interfaces get `foreign`.
    pub(super) fn new(foreign: Verdict) -> Filter {
        let mut filter = Filter::default();
        filter.load(ARCH);
        filter.jump(EQUAL, ARCH_X86_64, 1, 0);
        filter.give(foreign);
        filter.load(NUMBER);
        filter.jump(AT_LEAST, X32_BIT, 0, 1);
        filter.give(foreign);
        filter
    }

    /// These calls get this verdict, whatever their arguments.
    pub(super) fn rule(&mut self, calls: &[libc::c_long], verdict: Verdict) {
        for call in calls {
            self.jump(EQUAL, number(*call), 0, 1);
            self.give(verdict);
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
        let steps = if matches!(test, Test::Masked(_, _)) { 5 } else { 4 };
        self.jump(EQUAL, number(call), 0, steps);
        self.load(16 + 8 * argument);
        match test {
            Test::Is(value) => self.jump(EQUAL, value, 0, 1),
            Test::Masked(mask, value) => {
                self.push(AND, mask, 0, 0);
                self.jump(EQUAL, value, 0, 1);
            }
        }
        self.give(verdict);
        self.load(NUMBER);
    }

    /// This call gets the verdict if any of the bits of an argument is set.
    pub(super) fn rule_any(
        &mut self,
        call: libc::c_long,
        argument: u32,
        bits: u32,
        verdict: Verdict,
    ) {
        self.jump(EQUAL, number(call), 0, 4);
        self.load(16 + 8 * argument);
        self.jump(ANY_BIT, bits, 0, 1);
        self.give(verdict);
        self.load(NUMBER);
    }

    /// Calls with a number above get this verdict.
    pub(super) fn above(&mut self, last: libc::c_long, verdict: Verdict) {
        self.jump(AT_LEAST, number(last) + 1, 0, 1);
        self.give(verdict);
    }

    /// Ends the filter: everything else gets this verdict. Installs it for this process and its children.
    pub(super) fn install(mut self, otherwise: Verdict) -> Result<(), Errno> {
        self.give(otherwise);
        let length = u16::try_from(self.code.len()).map_err(|_| Errno::TOOBIG)?;
        let program = libc::sock_fprog { len: length, filter: self.code.as_mut_ptr() };
        const SET_MODE_FILTER: libc::c_uint = 1;
        // SAFETY: the program and its instructions are live; the kernel copies them.
        let done =
            unsafe { libc::syscall(libc::SYS_seccomp, SET_MODE_FILTER, 0, &raw const program) };
        if done < 0 { Err(last_errno()) } else { Ok(()) }
    }

    fn load(&mut self, offset: u32) {
        self.push(LOAD, offset, 0, 0);
    }

    fn jump(&mut self, code: u16, value: u32, if_true: u8, if_false: u8) {
        self.push(code, value, if_true, if_false);
    }

    fn give(&mut self, verdict: Verdict) {
        self.push(RETURN, verdict.word(), 0, 0);
    }

    fn push(&mut self, code: u16, k: u32, jt: u8, jf: u8) {
        self.code.push(libc::sock_filter { code, jt, jf, k });
    }
}

fn number(call: libc::c_long) -> u32 {
    u32::try_from(call).unwrap_or(u32::MAX)
}
