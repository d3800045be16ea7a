//! Builds the C programs of `tests/c` against the header and the shared library of this very build,
//! and runs them: the library as a C programmer meets it. With `WSOCK_VALGRIND=1` in the environment
//! they run below valgrind.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::symlink;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// One test per program, so that a failure has its name.
macro_rules! programs {
    ($($name:ident)*) => {
        const PROGRAMS: &[&str] = &[$(stringify!($name)),*];
        $(#[test] fn $name() { run_program(stringify!($name)); })*
    };
}

programs! {
    backpressure badinput close dlopen echo embed emfile fork handles handshake idle reentrancy
    signal sigpipe threads timeouts whatwg wire
}

/// Programs that need a library built in another way, and so have a test of their own.
const ELSEWHERE: &[&str] = &["panic"];

/// Every C program has a test above.
#[test]
fn no_program_is_forgotten() {
    let found: BTreeSet<String> = fs::read_dir(source_dir())
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
    let header = fs::read_to_string(root().join("include/wsock.h")).expect("include/wsock.h");
    let table = fs::read_to_string(source_dir().join("handles.c")).expect("tests/c/handles.c");
    let declared = declared_functions(&header);
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

/// Names of the functions a header declares: identifiers of ours right before a parenthesis.
fn declared_functions(header: &str) -> BTreeSet<String> {
    let mut code = String::new();
    let mut rest = header;
    while let Some((before, comment)) = rest.split_once("/*") {
        code.push_str(before);
        rest = comment.split_once("*/").map_or("", |(_, after)| after);
    }
    code.push_str(rest);
    code.lines()
        .filter(|line| !line.trim_start().starts_with('#'))
        .flat_map(|line| line.split('(').rev().skip(1).collect::<Vec<_>>())
        .filter_map(|before| before.rsplit(|c: char| !c.is_ascii_alphanumeric() && c != '_').next())
        .filter(|word| word.starts_with("wsock_"))
        .map(str::to_owned)
        .collect()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn source_dir() -> PathBuf {
    root().join("tests/c")
}

/// A directory of this build with `libwsock.so`, and `libwsock.so.0` for the run-time linker.
fn library_dir() -> &'static Path {
    static DIR: OnceLock<PathBuf> = OnceLock::new();
    DIR.get_or_init(|| {
        // cargo leaves what this test was linked with beside it; the copy one directory up may be older
        let test = std::env::current_exe().expect("the path of this test");
        let deps = test.parent().expect("target/<profile>/deps");
        let library = deps.join("libwsock.so");
        assert!(library.is_file(), "{} is missing", library.display());
        let name = deps.parent().and_then(Path::file_name).expect("a profile name");
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("c_suite").join(name);
        fs::create_dir_all(&dir).expect("a directory for the programs");
        for link in ["libwsock.so", "libwsock.so.0"] {
            let link = dir.join(link);
            let _ = fs::remove_file(&link); // of an earlier run
            symlink(&library, &link).expect("a link to the library");
        }
        dir
    })
}

fn run_program(name: &str) {
    let dir = library_dir();
    let program = dir.join(name);
    compile(name, &program);

    let valgrind = std::env::var("WSOCK_VALGRIND").is_ok_and(|value| value == "1");
    let mut command = if valgrind {
        let mut command = Command::new("valgrind");
        command.args(["-q", "--error-exitcode=99", "--leak-check=full"]);
        command.args(["--show-leak-kinds=definite", "--errors-for-leak-kinds=definite"]);
        command.arg(&program);
        command
    } else {
        Command::new(&program)
    };
    let limit = Duration::from_secs(if valgrind { 600 } else { 90 });
    let output = dir.join(format!("{name}.out"));
    let file = File::create(&output).expect("a file for the output");
    command.stdin(Stdio::null()).stdout(file.try_clone().expect("the file twice")).stderr(file);

    let end = match run(&mut command, limit) {
        Ok(Some(status)) if status.success() => return,
        Ok(Some(status)) => describe(status),
        Ok(None) => format!("was stopped after {} s", limit.as_secs()),
        Err(error) if error.kind() == io::ErrorKind::NotFound && valgrind => {
            panic!("valgrind is missing: install the Debian package valgrind")
        }
        Err(error) => panic!("{command:?}: {error}"),
    };
    let text = fs::read(&output).expect("the output");
    panic!("{name}.c {end}\n{}", String::from_utf8_lossy(&text));
}

fn compile(name: &str, program: &Path) {
    let compiler = std::env::var_os("CC").unwrap_or_else(|| OsString::from("cc"));
    let library_dir = program.parent().expect("a directory");
    let mut command = Command::new(&compiler);
    command.args([
        "-std=c99",
        "-Wall",
        "-Wextra",
        "-Wpedantic",
        "-Werror",
        "-g",
        "-O1",
        "-pthread",
    ]);
    command.arg("-I").arg(root().join("include")).arg("-I").arg(source_dir());
    command.arg("-o").arg(program).arg(source_dir().join(format!("{name}.c")));
    // as-needed: dlopen.c must not be linked against what it loads and unloads
    command.arg("-L").arg(library_dir).args(["-Wl,--as-needed", "-lwsock", "-ldl"]);
    command.arg(format!("-Wl,-rpath,{}", library_dir.display()));
    match command.output() {
        Ok(result) => assert!(
            result.status.success(),
            "{name}.c does not compile:\n{}",
            String::from_utf8_lossy(&result.stderr)
        ),
        Err(error) if error.kind() == io::ErrorKind::NotFound => panic!(
            "no C compiler ({}): install the Debian packages gcc and libc6-dev",
            compiler.to_string_lossy()
        ),
        Err(error) => panic!("{compiler:?}: {error}"),
    }
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
