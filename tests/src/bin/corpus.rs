//! `cargo corpus`: loads the unit files of real packages and says what is honoured.
//!
//! `--sample N` stops at N unit files. Writes `target/corpus/report.md` and `report.json`; exits
//! with 1 when there are too few files or the share of fully honoured ones is below the aim.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use tests::corpus::{collect, report};
use tests::oracle::inputs;

/// Without `--sample`: at least so many distinct unit files.
const FILES_MIN: usize = 300;
/// The share of files that are fully honoured, in percent; not asked of a small sample.
const SHARE_AIM: f64 = 90.0;
const PACKAGES: &str = include_str!("../../corpus/packages.txt");

fn main() -> ExitCode {
    let wanted = match sample(std::env::args().skip(1)) {
        Ok(sample) => sample.unwrap_or(FILES_MIN),
        Err(fault) => {
            eprintln!("corpus: {fault}");
            return ExitCode::from(2);
        }
    };
    match run(wanted, &output_directory()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("corpus: {error}");
            ExitCode::FAILURE
        }
    }
}

fn sample(mut arguments: impl Iterator<Item = String>) -> Result<Option<usize>, String> {
    match (arguments.next().as_deref(), arguments.next(), arguments.next()) {
        (None, ..) => Ok(None),
        (Some("--sample"), Some(count), None) => {
            count.parse().map(Some).map_err(|_| format!("`{count}` is no number of files"))
        }
        _ => Err("usage: cargo corpus [--sample FILES]".into()),
    }
}

/// Below the build's own directory, wherever that is.
fn output_directory() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    let of_workspace = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../target");
    target.unwrap_or_else(of_workspace).join("corpus")
}

fn run(wanted: usize, output: &Path) -> std::io::Result<bool> {
    let names: Vec<&str> = inputs(PACKAGES).collect();
    let packages = collect(&names, wanted, output, |line| eprintln!("corpus: {line}"))?;
    let report = report(&packages);
    std::fs::write(output.join("report.md"), report.to_markdown())?;
    std::fs::write(output.join("report.json"), format!("{:#}\n", report.to_json()))?;
    println!("{} unit files of {} packages", report.files, report.packages);
    for (verdict, count) in &report.verdicts {
        println!("{count:6} {verdict}");
    }
    println!(
        "{:.1} % fully honoured; see {}",
        report.share_percent(),
        output.join("report.md").display()
    );
    let enough = report.files >= wanted;
    let good = wanted < FILES_MIN || report.share_percent() >= SHARE_AIM;
    if !enough || !good {
        eprintln!("corpus: wanted {wanted} files and {SHARE_AIM} % of them fully honoured");
    }
    Ok(enough && good)
}
