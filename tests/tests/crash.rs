//! Faults of PID 1 on a real kernel.

use tests::guest::Scene;

const AGENT: &str = env!("CARGO_BIN_EXE_agent");

#[test]
fn smoke() {
    let mut guest = Scene::new("crash-smoke").agent(AGENT).boot();
    guest.wait_for_line("unit test-agent up");
    let b = "/state/test/busybox ";
    for signal in ["ABRT", "SEGV"] {
        println!("{}", guest.shell(&format!("kill -{signal} 1; {b}sleep 1")));
    }
    println!("{}", guest.shell(&format!("{b}ls -l /proc/1/fd; {b}ps; {b}dmesg | {b}grep keelson | {b}tail -20; {b}ls /sys/fs/cgroup/units; {b}head -80 /proc/1/status; {b}cat /proc/1/wchan; {b}cat /proc/1/stack")));
    println!("{}", guest.machine.console_tail());
}
