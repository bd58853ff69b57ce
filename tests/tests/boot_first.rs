//! The first boot: the kernel starts our one binary, it says who it is, and it ends when told to.

use tests::guest::Scene;

/// Ctrl, alt and delete on the machine's keyboard reboot it, and nothing else does.
#[test]
fn it_starts_and_reboots_by_ctrl_alt_delete() {
    let mut guest = Scene::new("ctrl-alt-delete").boot();
    let version = guest.wait_for_line("keelson ");
    assert!(version.contains(env!("CARGO_PKG_VERSION")), "{version}");
    guest.machine.wait_for(qemu::PROMPT, tests::guest::PATIENCE).unwrap();
    guest.machine.press_ctrl_alt_delete().unwrap();
    guest.wait_for_end();
}

/// `poweroff` typed at the console ends the machine.
#[test]
fn it_powers_off_when_told_at_the_console() {
    let mut guest = Scene::new("poweroff").boot();
    guest.machine.wait_for(qemu::PROMPT, tests::guest::PATIENCE).unwrap();
    guest.machine.send_line("poweroff").unwrap();
    guest.wait_for_end();
}
