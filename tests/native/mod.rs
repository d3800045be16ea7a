//! What the tests share that use the library as C and C++ programs do: its header, its compilers, the
//! shared library of this very build, and programs that must end in time.
#![allow(dead_code)] // each test uses its part

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::symlink;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// The top of the project.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The text of a file of the project.
pub fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The text of `include/wsock.h`.
pub fn header() -> String {
    read("include/wsock.h")
}

/// C text with its comments taken out.
pub fn without_comments(text: &str) -> String {
    let mut code = String::new();
    let mut rest = text;
    while let Some((before, comment)) = rest.split_once("/*") {
        code.push_str(before);
        rest = comment.split_once("*/").map_or("", |(_, after)| after);
    }
    code + rest
}

/// Names of the functions a header declares: identifiers of ours right before a parenthesis.
pub fn declared_functions(header: &str) -> BTreeSet<String> {
    without_comments(header)
        .lines()
        .filter(|line| !line.trim_start().starts_with('#'))
        .flat_map(|line| line.split('(').rev().skip(1).collect::<Vec<_>>())
        .filter_map(|before| before.rsplit(|c: char| !c.is_ascii_alphanumeric() && c != '_').next())
        .filter(|word| word.starts_with("wsock_"))
        .map(str::to_owned)
        .collect()
}

/// `libwsock.so` of this build: cargo leaves what a test was linked with beside it; the copy one
/// directory up may be older. Or the one that WSOCK_TEST_LIBRARY names: the one that will be shipped.
pub fn library() -> PathBuf {
    if let Some(library) = std::env::var_os("WSOCK_TEST_LIBRARY") {
        return PathBuf::from(library);
    }
    let test = std::env::current_exe().expect("the path of this test");
    let library = test.with_file_name("libwsock.so");
    assert!(library.is_file(), "{} is missing: cargo build makes it", library.display());
    library
}

/// A place for what a test builds, one for each profile.
pub fn scratch(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("the path of this test");
    let deps = test.parent().expect("target/<profile>/deps");
    let profile = deps.parent().and_then(Path::file_name).expect("a profile name");
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name).join(profile);
    fs::create_dir_all(&dir).expect("a directory for what is built");
    dir
}

/// Such a place with the library in it, as `libwsock.so` and, for the run-time linker, `libwsock.so.0`.
pub fn library_dir(name: &str) -> PathBuf {
    let dir = scratch(name);
    for link in ["libwsock.so", "libwsock.so.0"] {
        let link = dir.join(link);
        let _ = fs::remove_file(&link); // of an earlier run
        symlink(library(), &link).expect("a link to the library");
    }
    dir
}

fn named_or(variable: &str, otherwise: &str) -> OsString {
    std::env::var_os(variable).unwrap_or_else(|| OsString::from(otherwise))
}

/// The C compiler.
pub fn cc() -> Command {
    Command::new(named_or("CC", "cc"))
}

/// The C++ compiler; without one a line says what is skipped.
pub fn cxx(what: &str) -> Option<Command> {
    let compiler = named_or("CXX", "c++");
    if Command::new(&compiler).arg("--version").output().is_ok_and(|output| output.status.success())
    {
        return Some(Command::new(compiler));
    }
    skipped(what, "there is no C++ compiler here (Debian: apt-get install g++)");
    None
}

/// Says that something was not tested, past the test harness, which shows nothing of tests that pass.
pub fn skipped(what: &str, why: &str) {
    let _ = writeln!(io::stderr(), "skipped: {what}: {why}");
}

/// Runs a tool to its end and gives what it printed; `package` has it.
pub fn output_of(command: &mut Command, package: &str) -> Result<String, String> {
    match command.output() {
        Ok(output) if output.status.success() => {
            Ok(String::from_utf8_lossy(&output.stdout).into_owned())
        }
        Ok(output) => {
            Err(format!("{command:?}:\n{}", String::from_utf8_lossy(&output.stderr).trim_end()))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => panic!(
            "{} is missing: install the Debian package {package}",
            command.get_program().to_string_lossy()
        ),
        Err(error) => panic!("{command:?}: {error}"),
    }
}

/// Compiles; what does not compile fails the test.
pub fn compile(command: &mut Command) {
    if let Err(said) = output_of(command, "gcc (and libc6-dev)") {
        panic!("does not compile: {said}");
    }
}

/// Links what `command` compiles with the library in `dir`, where the program will look for it.
pub fn link(command: &mut Command, dir: &Path) {
    // as-needed: dlopen.c must not be linked against what it loads and unloads
    command.arg("-L").arg(dir).args(["-Wl,--as-needed", "-lwsock", "-ldl"]);
    command.arg(format!("-Wl,-rpath,{}", dir.display()));
}

/// Builds a program of `tests/c` into `dir`, which has the library.
pub fn compile_c_program(name: &str, dir: &Path) -> PathBuf {
    let program = dir.join(name);
    let mut command = cc();
    command.args(["-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-g", "-O1"]);
    command.arg("-pthread").arg("-I").arg(root().join("include"));
    command.arg("-I").arg(root().join("tests/c"));
    command.arg("-o").arg(&program).arg(root().join(format!("tests/c/{name}.c")));
    link(&mut command, dir);
    compile(&mut command);
    program
}

/// Runs a program to its end, at most for `limit`, and fails with its output unless it succeeds.
pub fn must_succeed(mut command: Command, output: &Path, limit: Duration) {
    let file = File::create(output).expect("a file for the output");
    // cargo sets LD_LIBRARY_PATH to the directory above first, where an older library may lie.
    command.env_remove("LD_LIBRARY_PATH");
    command.stdin(Stdio::null()).stdout(file.try_clone().expect("the file twice")).stderr(file);
    let end = match run(&mut command, limit) {
        Ok(Some(status)) if status.success() => return,
        Ok(Some(status)) => describe(status),
        Ok(None) => format!("was stopped after {} s", limit.as_secs()),
        Err(error) => panic!("{command:?}: {error}"),
    };
    let text = fs::read(output).expect("the output");
    panic!("{command:?} {end}\n{}", String::from_utf8_lossy(&text));
}

/// Waits for the end, at most `limit`; `None` when it had to be killed.
fn run(command: &mut Command, limit: Duration) -> io::Result<Option<ExitStatus>> {
    let mut child = command.spawn()?;
    let end = Instant::now() + limit;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if Instant::now() > end {
            child.kill()?;
            child.wait()?;
            return Ok(None);
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn describe(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(99), _) => "failed: valgrind found errors".to_owned(),
        (Some(code), _) => format!("failed with exit status {code}"),
        (None, signal) => format!("was killed by signal {}", signal.unwrap_or(0)),
    }
}
