//! The program behind `cargo boot`, `cargo verify` and `cargo peers`.

use std::process::ExitCode;

mod commands;

const USAGE: &str = "\
usage: cargo boot [OPTIONS]      build Keelson and boot it in QEMU
       cargo verify [WORD…]      run everything that must pass, or the steps with such a heading
       cargo peers SUBJECT       what we cost beside others in the same virtual machine:
                                 footprint, boot, restart, or container (natively as well)

options of `cargo boot` (they may follow a `--`):
  --smoke            no person: wait until every unit is up, ask nginx and redis something,
                     print a summary, power off; exit 0 only when all of it went well
  --memory MIB       memory of the machine (default 512)
  --cpus N           processors of the machine (default 2)
  --kvm              use hardware virtualisation (never tried without being asked)
  --append WORDS     more words for the kernel's command line
  --profile NAME     Cargo's profile for keelson: release (default), fast, dev
  --metal            boot the distribution's kernel for real machines
  --timeout SECONDS  how long --smoke waits for anything (default 180)
";

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let command = arguments.next();
    let asks_for_help = |word: &String| ["--help", "-h"].contains(&word.as_str());
    if std::env::args().skip(2).any(|word| asks_for_help(&word)) {
        print!("{USAGE}");
        return ExitCode::SUCCESS;
    }
    let result = match command.as_deref() {
        Some("boot") => commands::boot::run(arguments),
        Some("peers") => {
            return match commands::peers::run(arguments) {
                Ok(()) => ExitCode::SUCCESS,
                Err(why) => {
                    eprintln!("error: {why}");
                    ExitCode::FAILURE
                }
            };
        }
        Some("verify") => {
            let only: Vec<String> = arguments.filter(|word| word != "--").collect();
            // It has said everything, and its last line is to stay the last.
            return if commands::verify::run(&only) {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            };
        }
        Some("help" | "--help" | "-h") | None => {
            print!("{USAGE}");
            Ok(())
        }
        Some(other) => Err(format!("there is no command `{other}`\n{USAGE}")),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("error: {why}");
            ExitCode::FAILURE
        }
    }
}
