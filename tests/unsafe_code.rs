//! Where the compiler is told to trust us: only in the files of `tests/unsafe.txt`, as often as that says,
//! each time with the reason beside it. `WSOCK_UPDATE_UNSAFE=1` writes the figures anew; why a file needs it is
//! for a person to write.

mod native;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

const TABLE: &str = "tests/unsafe.txt";
/// Above the rows.
const HEAD: &str = "\
# Every file of src that has unsafe code: blocks, functions, impls and traits, names exported to C, and why.
# WSOCK_UPDATE_UNSAFE=1 cargo test --test unsafe_code writes the figures anew.
";

/// What is counted, in the order of the table's columns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counts {
    blocks: usize,
    functions: usize,
    impls: usize,
    exports: usize,
}

/// One `unsafe` of a file, by its line from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found {
    Block(usize),
    Function(usize),
    Impl(usize),
    Export,
}

fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder of src") {
        let path = entry.expect("readable").path();
        if path.is_dir() {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// Every file of src, by its name from the top of the project, with its text.
fn sources() -> Vec<(String, String)> {
    let mut files = Vec::new();
    rust_files(&native::root().join("src"), &mut files);
    files.sort();
    let named = |file: PathBuf| {
        let text = std::fs::read_to_string(&file).expect("readable");
        let name = file.strip_prefix(native::root()).expect("below the top").to_owned();
        (name.to_string_lossy().into_owned(), text)
    };
    files.into_iter().map(named).collect()
}

/// A line without its comment and without what stands in quotes.
fn code_of(line: &str) -> String {
    let mut code = String::new();
    let (mut quoted, mut escaped, mut last) = (false, false, ' ');
    for c in line.chars() {
        match (quoted, c) {
            (true, _) if escaped => escaped = false,
            (true, '\\') => escaped = true,
            (_, '"') if last != '\'' => quoted = !quoted,
            (true, _) => {}
            (false, '/') if last == '/' => return code,
            (false, _) => code.push(c),
        }
        last = c;
    }
    code
}

/// Every `unsafe` of a text. What it stands before may be on the next line; a type of functions is no code.
fn look(text: &str) -> Vec<Found> {
    let lines: Vec<String> = text.lines().map(code_of).collect();
    let mut found = Vec::new();
    for (number, line) in lines.iter().enumerate() {
        for (at, _) in line.match_indices("unsafe") {
            let (before, after) = (&line[..at], &line[at + "unsafe".len()..]);
            let is_word = |c: Option<char>| !c.is_some_and(|c| c.is_alphanumeric() || c == '_');
            if !is_word(before.chars().next_back()) || !is_word(after.chars().next()) {
                continue; // forbid(unsafe_code)
            }
            let next = lines.get(number + 1).map_or("", |line| line.trim_start());
            let rest = format!("{} {next}", after.trim_start());
            let rest = rest.trim_start();
            if before.ends_with("#[") {
                found.push(Found::Export);
            } else if rest.starts_with('{') {
                found.push(Found::Block(number));
            } else if rest.starts_with("impl") || rest.starts_with("trait ") {
                found.push(Found::Impl(number));
            } else {
                let named = rest.split_once("fn").map(|(_, name)| name);
                let named = named.unwrap_or_else(|| panic!("line {}: {line}", number + 1));
                if !named.starts_with('(') {
                    found.push(Found::Function(number));
                }
            }
        }
    }
    found
}

fn count(found: &[Found]) -> Counts {
    let mut counts = Counts::default();
    for each in found {
        *match each {
            Found::Block(_) => &mut counts.blocks,
            Found::Function(_) => &mut counts.functions,
            Found::Impl(_) => &mut counts.impls,
            Found::Export => &mut counts.exports,
        } += 1;
    }
    counts
}

/// The table: what it says of each file, and why the file needs it.
fn table(text: &str) -> BTreeMap<String, (Counts, String)> {
    let rows = text.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty());
    let row = |line: &str| {
        let mut columns = line.split_whitespace();
        let name = columns.next().expect("a name").to_owned();
        let mut number = || columns.next().and_then(|n| n.parse().ok()).unwrap_or(usize::MAX);
        let counts =
            Counts { blocks: number(), functions: number(), impls: number(), exports: number() };
        (name, (counts, columns.collect::<Vec<_>>().join(" ")))
    };
    rows.map(row).collect()
}

fn written(rows: &BTreeMap<String, (Counts, String)>) -> String {
    let mut text = HEAD.to_owned();
    for (name, (counts, why)) in rows {
        let Counts { blocks, functions, impls, exports } = counts;
        let row = format!("{name:<28} {blocks:>3} {functions:>3} {impls:>3} {exports:>3}  {why}");
        text += row.trim_end();
        text.push('\n');
    }
    text
}

/// It is nowhere else, and a new one does not come in unnoticed.
#[test]
fn unsafe_code_is_where_the_table_says_and_as_often() {
    let committed = std::fs::read_to_string(native::root().join(TABLE)).unwrap_or_default();
    let listed = table(&committed);
    let mut now = BTreeMap::new();
    for (name, text) in sources() {
        let counts = count(&look(&text));
        if counts != Counts::default() {
            let why = listed.get(&name).map_or(String::new(), |(_, why)| why.clone());
            now.insert(name, (counts, why));
        }
    }
    assert!(now.len() > 20, "found only {} files: has the code's style changed?", now.len());
    let now = written(&now);
    if std::env::var_os("WSOCK_UPDATE_UNSAFE").is_some() {
        std::fs::write(native::root().join(TABLE), &now).expect("the table can be written");
    }
    let committed = std::fs::read_to_string(native::root().join(TABLE)).unwrap_or_default();
    let differs = now.lines().zip(committed.lines()).find(|(now, listed)| now != listed);
    assert!(
        now == committed,
        "{TABLE} is not what src has (now and listed: {differs:?}); if it has to be, run \
         WSOCK_UPDATE_UNSAFE=1 cargo test --test unsafe_code, and write into the row why"
    );
    for (name, (_, why)) in table(&committed) {
        assert!(why.len() > 10, "{TABLE} does not say why {name} needs it");
        let layer = name.split('/').nth(1);
        assert!(matches!(layer, Some("util" | "ffi")), "{name}: unsafe is for util and ffi");
    }
}

/// Clippy asks for the reasons, too, but only where nothing allows otherwise, and not of functions.
#[test]
fn each_has_its_reason_beside_it() {
    let mut seen = 0;
    for (name, text) in sources() {
        let lines: Vec<&str> = text.lines().collect();
        for found in look(&text) {
            let number = match found {
                // What these ask of their caller is in the header's introduction.
                Found::Function(number) if is_of_the_header(&lines, number) => continue,
                Found::Block(number) | Found::Impl(number) | Found::Function(number) => number,
                Found::Export => continue,
            };
            seen += 1;
            let line = lines[number].trim();
            assert!(has_reason(&lines, number), "{name}:{}: no reason above {line}", number + 1);
        }
    }
    assert!(seen > 100, "saw only {seen}: has the code's style changed?");
}

fn is_of_the_header(lines: &[&str], number: usize) -> bool {
    let mut above = lines[..number].iter().rev();
    above.next().is_some_and(|line| line.trim() == "#[unsafe(no_mangle)]")
}

/// Whether a comment gives the reason, within the statement or right before it.
fn has_reason(lines: &[&str], number: usize) -> bool {
    let mut in_statement = true;
    for line in lines[..number].iter().rev().map(|line| line.trim()) {
        if line.contains("SAFETY: ") || line == "/// # Safety" {
            return true;
        }
        let above = line.starts_with("//") || line.starts_with("#[");
        in_statement &= !above;
        if !above && (!in_statement || line.is_empty() || line.ends_with([';', '}'])) {
            return false;
        }
    }
    false
}

#[test]
fn what_is_counted_is_what_is_there() {
    let text = "\
        // unsafe { in a comment }\n\
        let a = \"unsafe { in a text }\"; let b = '\"'; unsafe { b() };\n\
        #![forbid(unsafe_code)]\n\
        #[unsafe(no_mangle)]\n\
        pub unsafe extern \"C\" fn named() {}\n\
        type Pointer = Option<unsafe extern \"C\" fn(i32)>;\n\
        type Long =\n    unsafe\n    extern \"C\" fn(i32);\n\
        unsafe impl Send for It {}\n\
        unsafe trait Of {}\n\
        match unsafe\n{ 1 } {}\n";
    assert_eq!(
        look(text),
        [
            Found::Block(1),
            Found::Export,
            Found::Function(4),
            Found::Impl(9),
            Found::Impl(10),
            Found::Block(11)
        ]
    );
    assert_eq!(count(&look(text)), Counts { blocks: 2, functions: 1, impls: 2, exports: 1 });
    let lines =
        ["let a = 1;", "// SAFETY: so it is.", "let b =", "unsafe { b() };", "unsafe { c() };"];
    assert!(has_reason(&lines, 3) && !has_reason(&lines, 4) && !has_reason(&lines, 1));
}
