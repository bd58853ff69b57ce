//! Loads the kernel that `Power::Kexec` starts: `kexec IMAGE [--initrd FILE] [--cmdline TEXT]`, or
//! `kexec --unload`. The kernel itself reads, and where it is locked down verifies, the image.

use rustix::fd::OwnedFd;
use rustix::fs::{Mode, OFlags, open};
use rustix::io::{Errno, Result};
use std::ffi::CString;
use std::os::fd::AsRawFd;
use std::process::ExitCode;

use crate::sys::files::read_text;

/// `KEXEC_FILE_UNLOAD` and `KEXEC_FILE_NO_INITRAMFS` (linux/kexec.h).
const UNLOAD: libc::c_ulong = 1;
const NO_INITRAMFS: libc::c_ulong = 4;

/// What to load.
#[derive(Debug, Default, PartialEq, Eq)]
struct Wanted {
    image: String,
    initrd: Option<String>,
    /// Absent: the present one again.
    cmdline: Option<String>,
}

/// The worker.
#[must_use]
pub fn main(arguments: &[String]) -> ExitCode {
    if let [word] = arguments
        && word == "--unload"
    {
        return done(load(None, None, "", UNLOAD | NO_INITRAMFS), "unloading");
    }
    match Wanted::parse(arguments) {
        Ok(wanted) => done(wanted.load(), &wanted.image),
        Err(why) => super::fail(&why),
    }
}

fn done(result: Result<()>, what: &str) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(errno) => {
            super::fail(&format!("kexec: {what}: {errno}; a restart goes through the firmware"))
        }
    }
}

impl Wanted {
    fn parse(arguments: &[String]) -> std::result::Result<Wanted, String> {
        let mut wanted = Wanted::default();
        let mut words = arguments.iter();
        while let Some(word) = words.next() {
            let mut value = || words.next().cloned().ok_or(format!("kexec: {word} needs a value"));
            match word.as_str() {
                "--initrd" => wanted.initrd = Some(value()?),
                "--cmdline" => wanted.cmdline = Some(value()?),
                image if wanted.image.is_empty() && !image.starts_with('-') => {
                    wanted.image = image.to_owned();
                }
                other => return Err(format!("kexec: {other:?} is one word too many")),
            }
        }
        match wanted.image.is_empty() {
            true => Err("usage: kexec IMAGE [--initrd FILE] [--cmdline TEXT] | --unload".into()),
            false => Ok(wanted),
        }
    }

    fn load(&self) -> Result<()> {
        let open = |path: &String| open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty());
        let image = open(&self.image)?;
        let initrd = self.initrd.as_ref().map(open).transpose()?;
        let cmdline = match &self.cmdline {
            Some(cmdline) => cmdline.clone(),
            None => read_text("/proc/cmdline")?,
        };
        let flags = if initrd.is_none() { NO_INITRAMFS } else { 0 };
        load(Some(&image), initrd.as_ref(), &cmdline, flags)
    }
}

/// kexec_file_load(2).
fn load(
    image: Option<&OwnedFd>,
    initrd: Option<&OwnedFd>,
    cmdline: &str,
    flags: libc::c_ulong,
) -> Result<()> {
    let number = |file: Option<&OwnedFd>| file.map_or(-1, AsRawFd::as_raw_fd);
    let cmdline = CString::new(cmdline).map_err(|_| Errno::INVAL)?;
    let text = cmdline.as_bytes_with_nul();
    // SAFETY: the command line is terminated and valid for its length, which counts the end.
    let result = unsafe {
        libc::syscall(
            libc::SYS_kexec_file_load,
            number(image),
            number(initrd),
            text.len(),
            text.as_ptr(),
            flags,
        )
    };
    match result {
        -1 => Err(Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::IO)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read() {
        let parse = |line: &str| {
            Wanted::parse(&line.split(' ').map(str::to_owned).collect::<Vec<String>>())
        };
        let wanted = parse("/a --cmdline quiet --initrd /b").unwrap();
        assert_eq!((&*wanted.image, wanted.initrd.as_deref()), ("/a", Some("/b")));
        assert_eq!(wanted.cmdline.as_deref(), Some("quiet"));
        for bad in ["", "/a /b", "--initrd", "/a --x"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
