//! Builds the C programs of `tests/c` against the header and the shared library of this very build,
//! and runs them: the library as a C programmer meets it. With `WSOCK_VALGRIND=1` in the environment
//! they run below valgrind. tests/asan.sh runs them with a compiler and a library of its own.

mod certificates;
mod native;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

/// One test per program, so that a failure has its name.
macro_rules! programs {
    ($($name:ident)*) => {
        const PROGRAMS: &[&str] = &[$(stringify!($name)),*];
        $(#[test] fn $name() { run_program(stringify!($name)); })*
    };
}

programs! {
    adopt ask backpressure badinput cloexec close dlopen door drain echo embed emfile events fork
    handles handshake_client handshake_server hub hub_threads idle inherited injection keys limits
    log many metrics network overflow owned parts parts_send prefork proxy proxy_protocol races
    reconnect reconnect_close reconnect_queue redirect reentrancy report retain retarget runs
    secrets server signal sigpipe socket_options source started started_meanwhile started_waits
    stream stress stress_started threads timeouts tls trace unix_sockets whatwg wire
}

/// Programs that need a library built in another way, and so have a test of their own.
const ELSEWHERE: &[&str] = &["panic"];

/// Programs that want certificates.
const SPEAK_TLS: &[&str] = &["cloexec", "fork", "tls"];

/// Every C program has a test above.
#[test]
fn no_program_is_forgotten() {
    let found: BTreeSet<String> = fs::read_dir(native::root().join("tests/c"))
        .expect("tests/c")
        .map(|entry| entry.expect("an entry of tests/c").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "c"))
        .map(|path| path.file_stem().expect("a stem").to_string_lossy().into_owned())
        .filter(|name| !ELSEWHERE.contains(&name.as_str()))
        .collect();
    let listed: BTreeSet<String> = PROGRAMS.iter().map(|name| name.to_string()).collect();
    assert_eq!(found, listed, "tests/c (left) and the list in this file (right) differ");
}

/// The table of `handles.c` names every function of the header, and nothing else.
#[test]
fn handle_table_is_complete() {
    let table = native::read("tests/c/handles.c");
    let declared = native::declared_functions(&native::header());
    assert!(declared.len() > 40, "only {} functions found in the header", declared.len());
    let in_table: BTreeSet<String> = ["ROW(", "ROW_NULL_IS_FINE("]
        .iter()
        .flat_map(|row| table.split(row).skip(1))
        .filter_map(|rest| rest.split(',').next())
        .filter(|name| name.starts_with("wsock_"))
        .map(str::to_owned)
        .collect();
    assert_eq!(declared, in_table, "include/wsock.h (left) and tests/c/handles.c (right) differ");
}

fn run_program(name: &str) {
    static DIR: OnceLock<PathBuf> = OnceLock::new();
    let dir: &Path = DIR.get_or_init(|| native::library_dir("c_suite"));
    let program = native::compile_c_program(name, dir);
    let valgrind = std::env::var("WSOCK_VALGRIND").is_ok_and(|value| value == "1");
    let sanitized = std::env::var_os("ASAN_RUNTIME").is_some();
    let limit = if valgrind || sanitized { 600 } else { 90 };
    let mut command = match valgrind {
        true => below_valgrind(&program),
        false => Command::new(&program),
    };
    if SPEAK_TLS.contains(&name) {
        static CERTIFICATES: OnceLock<PathBuf> = OnceLock::new();
        let certificates = CERTIFICATES.get_or_init(|| {
            let certificates = dir.join("certificates");
            certificates::write_to(&certificates);
            certificates
        });
        command.env("WSOCK_TEST_CERTS", certificates);
    }
    native::must_succeed(command, &dir.join(format!("{name}.out")), Duration::from_secs(limit));
}

fn below_valgrind(program: &Path) -> Command {
    let found = native::output_of(Command::new("valgrind").arg("--version"), "valgrind");
    found.expect("valgrind tells its version");
    let mut command = Command::new("valgrind");
    // Valgrind runs one thread at a time. Unless told to be fair it may let a busy one go on for minutes.
    command.args(["-q", "--fair-sched=try", "--error-exitcode=99", "--leak-check=full"]);
    command.args(["--show-leak-kinds=definite", "--errors-for-leak-kinds=definite"]);
    command.arg(program);
    command
}
