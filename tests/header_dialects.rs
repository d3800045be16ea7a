//! `include/wsock.h` compiles alone, twice and in two files, in every dialect that the compiler at hand
//! knows, with warnings as errors; and so does the example in its introduction.

mod native;

use std::fs;
use std::path::Path;
use std::process::Command;

const STRICT: &[&str] = &["-Wall", "-Wextra", "-Wpedantic", "-Werror", "-Wundef", "-Wshadow"];
/// Warnings that only one of the languages has.
const STRICT_C: &[&str] = &["-Wstrict-prototypes", "-Wmissing-prototypes"];
const STRICT_CXX: &[&str] = &["-Wold-style-cast", "-Wzero-as-null-pointer-constant"];

/// Dialects every compiler of the last ten years has, and those it may be too old for.
const C: (&[&str], &[&str]) = (&["c99", "c11"], &["c17", "c2x"]);
const CXX: (&[&str], &[&str]) = (&["c++11", "c++17"], &["c++14", "c++20", "c++23"]);

/// Compiles both files in one dialect, links and runs them.
fn try_dialect(mut command: Command, language: &str, dialect: &str) {
    let program = native::scratch("header_dialects").join(dialect);
    command.arg(format!("-std={dialect}")).args(STRICT);
    command.args(if language == "c" { STRICT_C } else { &[] });
    command.arg("-I").arg(native::root().join("include")).args(["-x", language]);
    for file in ["first.c", "second.c"] {
        command.arg(native::root().join("tests/header").join(file));
    }
    command.arg("-o").arg(&program);
    native::compile(&mut command);
    assert!(Command::new(program).status().expect("a program").success(), "{dialect}");
}

fn knows(mut command: Command, language: &str, dialect: &str) -> bool {
    command.arg(format!("-std={dialect}")).args(["-x", language, "-fsyntax-only", "/dev/null"]);
    let known = native::output_of(&mut command, "gcc (and libc6-dev)").is_ok();
    if !known {
        native::skipped(&format!("the header as {dialect}"), "the compiler does not know that yet");
    }
    known
}

#[test]
fn the_header_is_c() {
    for dialect in C.0 {
        try_dialect(native::cc(), "c", dialect);
    }
    for dialect in C.1.iter().filter(|dialect| knows(native::cc(), "c", dialect)) {
        try_dialect(native::cc(), "c", dialect);
    }
}

#[test]
fn the_header_is_cpp() {
    let Some(_) = native::cxx("the header as C++") else { return };
    let cxx = || native::cxx("the header as C++").expect("it was there a moment ago");
    for dialect in CXX.0 {
        try_dialect(cxx(), "c++", dialect);
    }
    for dialect in CXX.1.iter().filter(|dialect| knows(cxx(), "c++", dialect)) {
        try_dialect(cxx(), "c++", dialect);
    }
    // C++ that is strict about casts and null pointers need not be lenient with this header.
    let mut command = cxx();
    command.args(["-std=c++17", "-fsyntax-only"]).args(STRICT).args(STRICT_CXX);
    command.args(["-x", "c++"]).arg(native::root().join("include/wsock.h"));
    native::compile(&mut command);
}

/// The example in the introduction is a program: what is indented there compiles as it stands.
#[test]
fn the_example_in_the_introduction_compiles() {
    let header = native::header();
    let (introduction, _) = header.split_once("*/").expect("the introduction");
    let code: Vec<&str> =
        introduction.lines().filter_map(|line| line.strip_prefix(" *     ")).collect();
    assert!(code.len() > 15, "the example has {} lines", code.len());
    let dir = native::scratch("header_dialects");
    let file = dir.join("example.c");
    fs::write(&file, code.join("\n")).expect("a file for the example");
    compiles_as_c99(&file);
}

fn compiles_as_c99(file: &Path) {
    let mut command = native::cc();
    command.args(["-std=c99", "-fsyntax-only", "-Wno-unused-parameter"]).args(STRICT);
    native::compile(command.arg("-I").arg(native::root().join("include")).arg(file));
}
