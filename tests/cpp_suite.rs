//! A C++ program includes the header, links the library and is called back.

mod native;

use std::process::Command;
use std::time::Duration;

#[test]
fn echo() {
    let Some(mut command) = native::cxx("tests/cpp/echo.cpp") else { return };
    let dir = native::library_dir("cpp_suite");
    let program = dir.join("echo");
    command.args(["-std=c++11", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-g", "-O1"]);
    command.arg("-I").arg(native::root().join("include"));
    command.arg("-o").arg(&program).arg(native::root().join("tests/cpp/echo.cpp"));
    native::link(&mut command, &dir);
    native::compile(&mut command);
    native::must_succeed(Command::new(program), &dir.join("echo.out"), Duration::from_secs(60));
}
