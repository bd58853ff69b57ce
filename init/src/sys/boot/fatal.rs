//! The end of a boot that cannot go on.

use rustix::fs::{Mode, OFlags, open};
use std::time::Duration;

use super::Setting;
use crate::sys::files::read_text;
use crate::sys::kmsg::{Kmsg, Level};

/// Says why, on every way out that exists, and leaves as `panic=` wants it: at once (negative), after
/// so many seconds, or never (zero; ten seconds where the file cannot be read).
pub fn fatal(setting: Setting, why: &str) -> ! {
    say(&format!("keelson: the machine cannot start: {why}\n"));
    if setting == Setting::Container {
        std::process::exit(1);
    }
    let policy = read_text("/proc/sys/kernel/panic").ok().and_then(|text| text.parse().ok());
    let seconds: i64 = policy.unwrap_or(10);
    match u64::try_from(seconds) {
        Ok(0) => say("keelson: waiting for a person, because panic=0\n"),
        Ok(seconds) => {
            say(&format!("keelson: reboot in {seconds} s\n"));
            std::thread::sleep(Duration::from_secs(seconds));
        }
        Err(_) => {}
    }
    if seconds != 0 {
        // SAFETY: reboot(2) with this command takes no pointer.
        unsafe { libc::reboot(libc::RB_AUTOBOOT) };
    }
    loop {
        std::thread::sleep(Duration::from_secs(3600));
    }
}

fn say(text: &str) {
    if let Ok(kmsg) = Kmsg::open() {
        kmsg.log(Level::Alert, text);
        return;
    }
    let flags = OFlags::WRONLY | OFlags::NOCTTY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    match open("/dev/console", flags, Mode::empty()) {
        // Nothing is left to tell of a console that fails.
        Ok(console) => _ = rustix::io::write(&console, text.as_bytes()),
        Err(_) => _ = rustix::io::write(rustix::stdio::stderr(), text.as_bytes()),
    }
}
