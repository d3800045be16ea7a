//! What programs get to see of the shared library: its symbols, its name, what it needs, the layout of its
//! structs, and that the numbers in the header's comments are those the code works with.

mod native;

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;
use std::time::Duration;

/// What `libwsock.so` is made for: nothing else may become a requirement unnoticed.
const NEEDED: &[&str] = &["libc.so.6", "libgcc_s.so.1"];
/// And the run-time linker, whose name depends on the machine.
const LINKER: &str = "ld-linux";

/// `readelf` on the library. A C compiler for Linux brings it along.
fn readelf(options: &[&str]) -> String {
    let mut command = Command::new("readelf");
    command.env("LC_ALL", "C").args(options).arg(native::library());
    native::output_of(&mut command, "binutils").unwrap_or_else(|said| panic!("{said}"))
}

/// The entries of the dynamic section: tag and text.
fn dynamic_section() -> Vec<(String, String)> {
    let text = readelf(&["--wide", "--dynamic"]);
    let entries: Vec<_> = text
        .lines()
        .filter_map(|line| {
            let (_, rest) = line.split_once('(')?;
            let (tag, value) = rest.split_once(')')?;
            Some((tag.to_owned(), value.trim().to_owned()))
        })
        .collect();
    assert!(entries.len() > 10, "readelf said:\n{text}");
    entries
}

/// The names in brackets of all entries with this tag.
fn names(tag: &str) -> Vec<String> {
    let in_brackets = |text: &str| text.split(['[', ']']).nth(1).map(str::to_owned);
    let entries = dynamic_section();
    entries.iter().filter(|(have, _)| have == tag).filter_map(|(_, v)| in_brackets(v)).collect()
}

#[test]
fn exactly_the_functions_of_the_header_are_exported() {
    let table = readelf(&["--wide", "--dyn-syms"]);
    // Num: Value Size Type Bind Vis Ndx Name
    let exported: BTreeSet<String> = table
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>())
        .filter(|columns| columns.len() >= 8 && columns[6] != "UND" && columns[6] != "Ndx")
        .map(|columns| columns[7].to_owned())
        .collect();
    let listed = native::read("tests/abi/symbols.txt");
    let sorted: Vec<&str> = listed.lines().collect();
    assert!(sorted.is_sorted(), "tests/abi/symbols.txt is not sorted");
    let listed: BTreeSet<String> = sorted.into_iter().map(str::to_owned).collect();
    assert_eq!(exported, listed, "the library (left) and tests/abi/symbols.txt (right) differ");
    let declared = native::declared_functions(&native::header());
    assert_eq!(declared, listed, "include/wsock.h (left) and tests/abi/symbols.txt (right) differ");
}

#[test]
fn it_has_its_name_and_stays_where_it_is() {
    assert_eq!(names("SONAME"), ["libwsock.so.0"]);
    let entries = dynamic_section();
    let flags: String = entries
        .iter()
        .filter(|(tag, _)| tag.starts_with("FLAGS"))
        .map(|(_, value)| format!("{value} "))
        .collect();
    assert!(flags.contains("NODELETE"), "dlclose would unload it: {flags}");
    // Text relocations would make every process have a copy of the code of its own.
    assert!(!flags.contains("TEXTREL") && !entries.iter().any(|(tag, _)| tag == "TEXTREL"));
    assert!(flags.contains("NOW"), "symbols are to be bound when it is loaded: {flags}");
    let segments = readelf(&["--wide", "--segments"]);
    let stack = segments.lines().find(|line| line.contains("GNU_STACK")).expect("GNU_STACK");
    assert!(!stack.contains("RWE"), "it asks for an executable stack: {stack}");
    assert!(segments.contains("GNU_RELRO"), "its tables can be overwritten");
}

#[test]
fn it_needs_libc_and_libgcc_and_nothing_else() {
    for needed in names("NEEDED") {
        let known = NEEDED.contains(&needed.as_str()) || needed.starts_with(LINKER);
        assert!(known, "it has begun to need {needed}");
    }
}

/// The newest version of glibc that a symbol asks for is the one that docs/embedding.md promises, or older.
#[test]
fn it_runs_with_the_glibc_that_is_promised() {
    let version = |text: &str| -> Option<(u32, u32)> {
        let digits = text.split(|c: char| !c.is_ascii_digit() && c != '.').next()?;
        let (major, minor) = digits.trim_end_matches('.').split_once('.')?;
        Some((major.parse().ok()?, minor.split('.').next()?.parse().ok()?))
    };
    let document = native::read("docs/embedding.md");
    let promised = document.split("glibc ").skip(1).find_map(version).expect("\"glibc N.N\"");
    let needs = readelf(&["--wide", "--version-info"]);
    let newest = needs.split("GLIBC_").skip(1).filter_map(version).max().expect("versions");
    assert!(newest <= promised, "it needs glibc {newest:?}, docs/embedding.md says {promised:?}");
}

/// Sizes and offsets of every public struct, checked by the compilers; none is forgotten.
#[test]
fn structs_are_laid_out_as_ever() {
    let layout = native::root().join("tests/abi/layout.c");
    let mut command = native::cc();
    command.args(["-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-fsyntax-only"]);
    native::compile(command.arg("-I").arg(native::root().join("include")).arg(&layout));
    if let Some(mut command) = native::cxx("the layout of the structs in C++") {
        command.args(["-std=c++11", "-Wall", "-Wextra", "-Werror", "-fsyntax-only", "-x", "c++"]);
        native::compile(command.arg("-I").arg(native::root().join("include")).arg(&layout));
    }
    let checked = native::read("tests/abi/layout.c");
    let code = native::without_comments(&native::header());
    let mut structs = 0;
    for rest in code.split("typedef struct {").skip(1) {
        let (body, rest) = rest.split_once("\n}").expect("the end of a struct");
        let name = rest.split(';').next().expect("the name of a struct").trim();
        assert!(checked.contains(&format!("SIZE({name}, ")), "no size of {name} in layout.c");
        for field in fields(body) {
            let line = format!("AT({name}, {field}, ");
            assert!(checked.contains(&line), "no {field} of {name} in layout.c");
        }
        structs += 1;
    }
    assert!(structs >= 5, "found only {structs} structs: has the header's style changed?");
}

/// Names of the fields in a struct's body: the last word, or the one in `(*...)`.
fn fields(body: &str) -> Vec<String> {
    let name = |declaration: &str| {
        let text = match declaration.split_once("(*") {
            Some((_, rest)) => rest.split(')').next()?,
            None => declaration.split('[').next()?,
        };
        let word = text.trim().rsplit(|c: char| !c.is_ascii_alphanumeric() && c != '_').next()?;
        (!word.is_empty()).then(|| word.to_owned())
    };
    body.split(';').filter_map(name).collect()
}

/// "Default 16 MiB." in a comment and the number the library works with are the same; so are the version
/// in the header, in the library and in its name, and the size of a struct on both sides.
#[test]
fn the_header_says_what_the_library_does() {
    let header = native::header();
    let mut rows = String::new();
    let mut options = 0;
    for item in header.split("/**").skip(1) {
        let Some((comment, code)) = item.split_once("*/") else { continue };
        let Some(name) = code.trim_start().strip_prefix("#define WSOCK_OPT_") else { continue };
        let name = name.split_whitespace().next().expect("a name");
        let (_, default) = comment.split_once("Default ").unwrap_or_else(|| panic!("{name}"));
        options += 1;
        if default.starts_with("none") {
            continue; // a text
        }
        let words: Vec<&str> = default.split_whitespace().take(2).collect();
        let number = words[0].trim_end_matches(['.', ':', ',']);
        let unit = match words.get(1).map(|word| word.trim_end_matches('.')) {
            Some("MiB") => " * 1024 * 1024",
            Some("KiB") => " * 1024",
            _ => "",
        };
        rows += &format!("  {{WSOCK_OPT_{name}, \"{name}\", {number}{unit}}},\n");
    }
    assert!(options > 20, "found only {options} options: has the header's style changed?");
    let dir = native::library_dir("artefact");
    fs::write(dir.join("defaults.h"), rows).expect("a file for the defaults");
    let program = dir.join("constants");
    let mut command = native::cc();
    command.args(["-std=c99", "-Wall", "-Wextra", "-Werror"]);
    command.arg("-I").arg(native::root().join("include")).arg("-I").arg(&dir);
    command.arg("-o").arg(&program).arg(native::root().join("tests/abi/constants.c"));
    native::link(&mut command, &dir);
    native::compile(&mut command);
    let output = dir.join("constants.out");
    native::must_succeed(Command::new(program), &output, Duration::from_secs(30));
}
