//! The committed header is the generated one, whatever features are on.

const COMMITTED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/include/wsock.h");

#[test]
fn the_committed_header_is_the_generated_one() {
    let generated = std::fs::read_to_string(env!("WSOCK_GENERATED_HEADER")).unwrap();
    if std::env::var_os("WSOCK_UPDATE_HEADER").is_some() {
        std::fs::write(COMMITTED, &generated).unwrap();
    }
    let committed = std::fs::read_to_string(COMMITTED).unwrap_or_default();
    let first = generated.lines().zip(committed.lines()).position(|(g, c)| g != c);
    assert!(
        generated == committed,
        "include/wsock.h is not what src/ffi says (first difference: {:?}); run `make header` and commit it",
        first.map(|n| (n + 1, generated.lines().nth(n)))
    );
}

/// A header that defines other people's names breaks their programs.
#[test]
fn every_macro_begins_with_the_prefix() {
    let header = std::fs::read_to_string(COMMITTED).unwrap();
    let macros: Vec<_> = header.lines().filter_map(|line| line.strip_prefix("#define ")).collect();
    assert!(macros.len() > 60);
    for name in macros {
        assert!(name.starts_with("WSOCK_"), "{name}");
    }
}

/// Each function is there once, and its comment says who may call it and since when.
#[test]
fn every_function_is_there_once_and_names_its_thread_and_version() {
    let header = std::fs::read_to_string(COMMITTED).unwrap();
    let mut comment = String::new();
    let mut functions = std::collections::HashSet::new();
    for line in header.lines() {
        if line.starts_with("/**") {
            comment.clear();
        }
        comment.push_str(line);
        comment.push('\n');
        let is_function = line.contains(" wsock_") || line.contains(" *wsock_");
        if is_function && line.contains('(') && !line.starts_with([' ', '#', '/']) {
            let name = line.split('(').next().and_then(|before| before.rsplit([' ', '*']).next());
            assert!(functions.insert(name), "{line} is there twice");
            for word in ["Thread: ", "Since: "] {
                assert!(comment.contains(word), "no \"{word}\" in the comment of {line}");
            }
            comment.clear();
        }
    }
    let count = functions.len();
    assert!(count > 40, "found only {count} functions: has the header's style changed?");
}
