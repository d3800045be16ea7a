//! The library on a system where every call fails now and then: the programs of `tests/faults` stand between
//! it and the C library. `make faults PLANS=100000` runs more plans, from `SEED=` on.

mod certificates;
mod native;

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// Plans that every run of the tests goes through.
const PLANS: u64 = 2000;
const SEED: u64 = 1;

fn setting(name: &str, default: u64) -> u64 {
    let text = std::env::var(name).ok().filter(|text| !text.is_empty());
    text.map_or(default, |text| {
        text.parse().unwrap_or_else(|_| panic!("{name}={text} is no number"))
    })
}

fn program(dir: &Path) -> PathBuf {
    let program = dir.join("faults");
    let mut command = native::cc();
    command.args(["-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-g", "-O1"]);
    // The layer defines what the C library's headers otherwise may replace.
    command.args(["-U_FORTIFY_SOURCE", "-D_GNU_SOURCE", "-pthread", "-I"]);
    command.arg(native::root().join("include")).arg("-o").arg(&program);
    let files = fs::read_dir(native::root().join("tests/faults")).expect("tests/faults");
    let files = files.map(|file| file.expect("a file").path());
    command.args(files.filter(|file| file.extension().is_some_and(|it| it == "c")));
    native::link(&mut command, dir);
    native::compile(&mut command);
    program
}

#[test]
fn every_message_arrives_once_in_order_or_its_loss_is_told() {
    let dir = native::library_dir("faults");
    let certificates = dir.join("certificates");
    certificates::write_to(&certificates);
    let mut command = Command::new(program(&dir));
    let plans = setting("PLANS", PLANS);
    command.arg(setting("SEED", SEED).to_string()).arg(plans.to_string());
    command.env("WSOCK_TEST_CERTS", certificates);
    let output = dir.join("faults.out");
    native::must_succeed(command, &output, Duration::from_secs(120 + plans / 20));
    // Past the test harness, which shows nothing of tests that pass.
    let printed = fs::read_to_string(output).expect("what it printed");
    let _ = io::stderr().write_all(printed.as_bytes());
}

/// Names in the table of dynamic symbols: those that are wanted from elsewhere, or those that are here.
fn symbols(of: &Path, wanted: bool) -> BTreeSet<String> {
    let mut command = Command::new("readelf");
    command.env("LC_ALL", "C").args(["--wide", "--dyn-syms"]).arg(of);
    let table = native::output_of(&mut command, "binutils").unwrap_or_else(|said| panic!("{said}"));
    // Num: Value Size Type Bind Vis Ndx Name
    let rows = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let rows = rows.filter(|row| row.len() >= 8 && row[6] != "Ndx" && row[3] != "OBJECT");
    let rows = rows.filter(|row| (row[6] == "UND") == wanted);
    rows.map(|row| row[7].split('@').next().unwrap_or_default().to_owned()).collect()
}

#[test]
fn nothing_that_the_library_calls_is_forgotten() {
    let dir = native::library_dir("faults_calls");
    let layer = symbols(&program(&dir), false);
    let spared = native::read("tests/faults/spared.txt");
    let lines = spared.lines().filter(|line| !line.starts_with('#'));
    let spared: BTreeSet<&str> = lines.flat_map(str::split_whitespace).collect();
    let wanted = symbols(&native::library(), true);
    assert!(wanted.len() > 100 && layer.contains("recv"), "readelf shows too little");
    let met = |name: &&String| layer.contains(*name) || spared.contains(name.as_str());
    let forgotten: Vec<_> = wanted.iter().filter(|name| !met(name)).collect();
    assert!(
        forgotten.is_empty(),
        "neither in the layer nor in tests/faults/spared.txt: {forgotten:?}"
    );
    let twice: Vec<_> = spared.iter().filter(|name| layer.contains(**name)).collect();
    assert!(twice.is_empty(), "in the layer, and so not spared: {twice:?}");
}
