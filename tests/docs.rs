//! What docs/ says can be checked, so it is: names exist, tables are complete, links lead somewhere, code
//! compiles.

mod native;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

fn document(name: &str) -> String {
    native::read(&format!("docs/{name}.md"))
}

/// Every document: its name without `.md`, and its text.
fn documents() -> Vec<(String, String)> {
    let entries = fs::read_dir(native::root().join("docs")).expect("docs");
    let names = entries.filter_map(|entry| {
        let name = entry.expect("an entry of docs").file_name();
        name.to_string_lossy().strip_suffix(".md").map(str::to_owned)
    });
    let documents: Vec<_> = names.map(|name| (name.clone(), document(&name))).collect();
    assert!(documents.len() >= 5, "found only {} documents", documents.len());
    documents
}

/// The cells of the table rows in a text, without head and rule.
fn rows(text: &str) -> Vec<Vec<String>> {
    let cells = |line: &str| -> Vec<String> {
        line.trim().trim_matches('|').split(" | ").map(|cell| cell.trim().to_owned()).collect()
    };
    let lines: Vec<&str> = text.lines().collect();
    let is_row = |n: &usize| {
        let head = lines.get(n + 1).is_some_and(|next| next.starts_with("|---"));
        lines[*n].starts_with('|') && !lines[*n].starts_with("|---") && !head
    };
    (0..lines.len()).filter(is_row).map(|n| cells(lines[n])).collect()
}

fn unquoted(cell: &str) -> &str {
    cell.trim_matches('`')
}

/// What stands between the odd and the even marks of a kind.
fn between(text: &str, mark: char) -> Vec<String> {
    text.split(mark).skip(1).step_by(2).map(str::to_owned).collect()
}

/// Each row of docs/whatwg.md names tests that exist, and each section of whatwg.c has its row.
#[test]
fn the_browsers_interface_is_pinned_row_by_row() {
    let text = document("whatwg");
    let mut named = BTreeSet::new();
    let rows = rows(&text);
    assert!(rows.len() > 25, "found only {} rows", rows.len());
    for row in rows {
        assert_eq!(row.len(), 3, "{row:?}");
        let file = between(&row[2], '`').concat();
        let program = native::read(&format!("tests/c/{file}"));
        let sections = between(&row[2], '"');
        assert!(!sections.is_empty(), "no test pins {row:?}");
        for section in sections {
            let call = format!("section(\"{section}\")");
            assert!(program.contains(&call), "tests/c/{file} has no section \"{section}\"");
            named.insert((file.clone(), section));
        }
    }
    for rest in native::read("tests/c/whatwg.c").split("section(\"").skip(1) {
        let section = rest.split("\")").next().expect("a name").to_owned();
        let pair = ("whatwg.c".to_owned(), section);
        assert!(named.contains(&pair), "docs/whatwg.md has no row for {pair:?}");
    }
}

/// docs/errors.md has every status of src/ffi/status.rs with its number, in its order, and no other.
#[test]
fn every_status_is_explained() {
    let source = native::read("src/ffi/status.rs");
    let codes: Vec<(String, String)> = source
        .lines()
        .filter_map(|line| line.strip_prefix("pub const "))
        .filter_map(|rest| rest.strip_suffix(';')?.split_once(": i32 = "))
        .map(|(name, number)| (name.to_owned(), number.to_owned()))
        .collect();
    assert!(codes.len() > 25, "found only {} codes", codes.len());
    let rows = rows(&document("errors"));
    let explained: Vec<(String, String)> =
        rows.iter().map(|row| (unquoted(&row[0]).to_owned(), row[1].clone())).collect();
    assert_eq!(codes, explained, "src/ffi/status.rs (left) and docs/errors.md (right) differ");
    assert!(rows.iter().all(|row| row[2].len() > 4), "something is not explained");
}

/// Every `wsock_` and `WSOCK_` name in the documents is in the header.
#[test]
fn names_are_those_of_the_header() {
    let words = |text: &str| -> BTreeSet<String> {
        text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
            .filter(|word| word.starts_with("wsock_") || word.starts_with("WSOCK_"))
            .map(str::to_owned)
            .collect()
    };
    let mut known = words(&native::without_comments(&native::header()));
    known.extend(figures());
    let mut seen = 0;
    for (name, text) in documents() {
        for word in words(&text) {
            seen += 1;
            assert!(known.contains(&word) || word == "wsock_", "docs/{name}.md: {word}");
        }
    }
    // And those in the comments of the header itself, where a group may be meant: WSOCK_ERR_*.
    for word in words(&native::header()) {
        let group = word.ends_with('_') && known.iter().any(|name| name.starts_with(&word));
        assert!(
            known.contains(&word) || group,
            "the header mentions {word}, which it does not have"
        );
    }
    assert!(seen > 80, "saw only {seen} names");
}

/// What `wsock_loop_metrics` tells: the literals in its source that are a name and nothing else.
fn figures() -> BTreeSet<String> {
    let source = native::read("src/driver/metrics.rs");
    let is_name = |text: &String| {
        text.starts_with("wsock_") && text.chars().all(|c| c.is_ascii_lowercase() || c == '_')
    };
    between(&source, '"').into_iter().filter(is_name).collect()
}

/// docs/monitoring.md has a row for each figure that Prometheus is told, and for no other.
#[test]
fn every_figure_is_explained() {
    let text = document("monitoring");
    let (_, table) = text.split_once("| figure |").expect("the table of figures");
    let (table, _) = table.split_once("\n\n").expect("the end of the table");
    let explained: BTreeSet<String> =
        rows(table).iter().map(|row| unquoted(&row[0]).to_owned()).collect();
    assert!(explained.len() > 30, "found only {} figures", explained.len());
    assert_eq!(figures(), explained, "src/driver/metrics.rs (left) and the document differ");
}

/// A class's overview in the header names each of its functions.
#[test]
fn overviews_are_complete() {
    let header = native::header();
    for class in ["loop", "options", "conn", "server", "request", "message", "hub"] {
        let end = format!("typedef struct wsock_{class} wsock_{class};");
        let (before, _) = header.split_once(&end).expect("the class");
        let (_, overview) = before.rsplit_once("/**").expect("its overview");
        for function in native::declared_functions(&header) {
            if function.starts_with(&format!("wsock_{class}_")) {
                let named = overview.split([' ', ',', '.', ';', '\n']).any(|word| word == function);
                assert!(named, "the overview of wsock_{class} does not name {function}");
            }
        }
    }
}

/// docs/security.md says of each threat which tests prove what is said: a file, and the names of tests or of sections
/// in it. All of them are there.
#[test]
fn what_is_defended_is_proved() {
    let mut proofs = 0;
    for table in document("security").split("| Proved by |").skip(1) {
        let table = table.split("\n\n").next().expect("rows");
        for row in table.lines().filter(|line| line.starts_with("| ")) {
            let proof = row.trim_end_matches('|').rsplit(" | ").next().expect("a cell");
            let mut text = String::new();
            // Names are in backquotes, sections in quotes: every other piece.
            for (mark, word) in words_in(proof, ['`', '"']) {
                let found = match (mark, word.contains('/')) {
                    ('`', true) => {
                        text = native::read(&word);
                        true
                    }
                    ('`', false) => {
                        text.contains(&format!("fn {word}("))
                            || text.contains(&format!("def {word}("))
                    }
                    _ => text.contains(&format!("section(\"{word}\")")),
                };
                assert!(found, "docs/security.md: there is no {word:?} where {row} says");
                proofs += 1;
            }
        }
    }
    assert!(proofs > 80, "found only {proofs} proofs");
}

/// What stands between pairs of these marks, in order, with the mark.
fn words_in(text: &str, marks: [char; 2]) -> Vec<(char, String)> {
    let mut words = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find(marks) {
        let mark = rest[at..].chars().next().expect("a mark");
        let (word, after) = rest[at + 1..].split_once(mark).expect("its end");
        words.push((mark, word.to_owned()));
        rest = after;
    }
    words
}

/// Its defaults are those of the header, which are those of the library; no limit is missing.
#[test]
fn the_defaults_are_those_of_the_header() {
    let header = native::header();
    let text = document("security");
    let (_, table) = text.split_once("| Option | Default | Why |").expect("the table of defaults");
    let listed: BTreeMap<String, String> = rows(table.split("\n\n").next().expect("rows"))
        .into_iter()
        .map(|row| (unquoted(&row[0]).to_owned(), row[1].clone()))
        .collect();
    let mut seen = 0;
    for item in header.split("/**").skip(1) {
        let Some((comment, code)) = item.split_once("*/") else { continue };
        let Some(name) = code.trim_start().strip_prefix("#define ") else { continue };
        let name = name.split_whitespace().next().expect("a name");
        let comment = comment.split_whitespace().filter(|word| *word != "*").collect::<Vec<_>>();
        let comment = comment.join(" ");
        let Some((_, default)) = comment.split_once("Default ") else { continue };
        let default = default.split(['.', ',', ':']).next().expect("a value");
        let bounds = ["_MAX_", "_TIMEOUT_", "_RATE", "_DANGER_", "_TLS_MIN", "_POLICY", "_MODE"];
        let matters = bounds.iter().any(|part| name.contains(part)) && !name.ends_with("_MAX_MS");
        match listed.get(name) {
            Some(value) => assert_eq!(value, default, "docs/security.md: {name}"),
            None => assert!(!matters, "docs/security.md does not say the default of {name}"),
        }
        seen += listed.contains_key(name) as usize;
    }
    assert!(seen == listed.len() && seen > 25, "{seen} of {} are in the header", listed.len());
}

#[test]
fn links_lead_somewhere() {
    let mut links = 0;
    for (name, text) in documents() {
        let prose: String = text.split("\n```").step_by(2).collect(); // a lambda of C++ is no link
        for rest in prose.split("](").skip(1) {
            let target = rest.split(')').next().expect("a link");
            if !target.starts_with("https://") {
                links += 1;
                let path = native::root().join("docs").join(target);
                assert!(path.exists(), "docs/{name}.md links to {target}");
            }
        }
    }
    assert!(links > 5, "found only {links} links");
}

#[test]
fn code_compiles() {
    let dir = native::scratch("docs");
    let mut blocks = 0;
    for (name, text) in documents() {
        for rest in text.split("\n```c\n").skip(1) {
            let code = rest.split("\n```").next().expect("a block");
            blocks += 1;
            let file = dir.join(format!("{name}-{blocks}.c"));
            fs::write(&file, format!("{code}\n")).expect("a file for the code");
            let mut command = native::cc();
            command.args([
                "-std=c99",
                "-Wall",
                "-Wextra",
                "-Wpedantic",
                "-Werror",
                "-fsyntax-only",
            ]);
            native::compile(command.arg("-I").arg(native::root().join("include")).arg(&file));
        }
    }
    assert!(blocks > 0);
}
