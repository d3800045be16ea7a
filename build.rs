//! Names the shared library and generates its header.
//!
//! The header goes to OUT_DIR, never into the source tree: builds run side by side and from read-only
//! sources. `tests/header_sync.rs` compares it with the committed `include/wsock.h`.
//!
//! cbindgen writes constants, then types, then functions. A reader wants everything about one class in
//! one place, so what it wrote is put in the order of `SECTIONS`.

use std::path::PathBuf;

/// The header's chapters: title, and how the names begin that belong there. The longest beginning wins.
const SECTIONS: &[(&str, &[&str])] = &[
    (CLASSES, &[]),
    (
        "Status and errors",
        &[
            "WSOCK_OK",
            "WSOCK_BUFFERED",
            "WSOCK_DROPPED",
            "WSOCK_ERR_",
            "wsock_status",
            "wsock_strerror",
            "wsock_error_",
            "wsock_last_error",
        ],
    ),
    ("Loops", &["wsock_loop_", "wsock_event", "WSOCK_EVENT_"]),
    ("Options", &["WSOCK_OPT_", "WSOCK_ORIGIN_", "WSOCK_CLIENT_CERT_", "wsock_option"]),
    (
        "Callbacks",
        &[
            "wsock_handlers",
            "wsock_close_info",
            "wsock_retry_info",
            "WSOCK_BY_",
            "WSOCK_LAYER_",
            "WSOCK_TEXT",
            "WSOCK_BINARY",
            "WSOCK_PART_",
        ],
    ),
    ("Clients", &["wsock_connect"]),
    (
        "Connections",
        &[
            "WSOCK_CONNECTING",
            "WSOCK_OPEN",
            "WSOCK_CLOSING",
            "WSOCK_CLOSED",
            "WSOCK_SEND_",
            "WSOCK_PULL_",
            "WSOCK_OVERFLOW_",
            "wsock_send_options",
            "WSOCK_CONN_",
            "wsock_conn_",
        ],
    ),
    ("Servers", &["wsock_listen", "wsock_server_"]),
    ("Messages", &["wsock_message_"]),
    ("Hubs", &["wsock_hub_", "wsock_publish_options", "WSOCK_PUBLISH_"]),
    ("Requests to a server", &["WSOCK_REQUEST_", "wsock_request_"]),
    (
        "Looking inside",
        &[
            "wsock_loop_stats",
            "wsock_loop_get_stats",
            "wsock_loop_metrics",
            "wsock_loop_measure",
            "wsock_loop_set_log",
            "wsock_conn_trace",
            "WSOCK_HISTOGRAM_",
            "WSOCK_LOG_",
        ],
    ),
    (
        "Versions",
        &["WSOCK_VERSION_", "WSOCK_FEATURE_", "wsock_version", "wsock_abi_", "wsock_features"],
    ),
];
const CLASSES: &str = "Classes";
const CLASS_ORDER: [&str; 7] = [
    "wsock_loop",
    "wsock_options",
    "wsock_conn",
    "wsock_server",
    "wsock_request",
    "wsock_message",
    "wsock_hub",
];
const WIDTH: usize = 100;

fn main() {
    for watched in ["src/ffi", "cbindgen.toml", "build.rs"] {
        println!("cargo:rerun-if-changed={watched}");
    }
    name_the_library();
    generate_header();
}

/// cargo sets no SONAME. `nodelete` makes dlclose a no-op: the standard library keeps per-thread
/// state whose destructors would run after the code is gone.
fn name_the_library() {
    let system = std::env::var("CARGO_CFG_TARGET_OS").unwrap_or_default();
    if ["linux", "android", "freebsd", "netbsd", "openbsd", "dragonfly"].contains(&system.as_str())
    {
        println!("cargo:rustc-cdylib-link-arg=-Wl,-soname,libwsock.so.0");
        println!("cargo:rustc-cdylib-link-arg=-Wl,-z,nodelete");
    }
}

fn generate_header() {
    let root = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").expect("set by cargo"));
    let out = PathBuf::from(std::env::var_os("OUT_DIR").expect("set by cargo")).join("wsock.h");
    let config = cbindgen::Config::from_file(root.join("cbindgen.toml")).expect("cbindgen.toml");
    let mut builder = cbindgen::Builder::new().with_config(config);
    for file in [
        "status",
        "types",
        "last_error",
        "looping",
        "events",
        "options/general",
        "options/client",
        "options/limits",
        "options/deflate",
        "options/sockets",
        "options/mod",
        "client",
        "send",
        "conn",
        "source",
        "server",
        "adopt",
        "request",
        "message",
        "hub",
        "metrics",
        "log",
        "version",
    ] {
        builder = builder.with_src(root.join(format!("src/ffi/{file}.rs")));
    }
    let mut generated = Vec::new();
    builder.generate().expect("cbindgen could not read src/ffi").write(&mut generated);
    let generated = String::from_utf8(generated).expect("the header is text");
    std::fs::write(&out, arranged(&generated)).expect("OUT_DIR can be written to");
    println!("cargo:rustc-env=WSOCK_GENERATED_HEADER={}", out.display());
}

/// What cbindgen wrote, in the order of [`SECTIONS`].
fn arranged(generated: &str) -> String {
    let (before, rest) = generated.split_once("\n/**\n").expect("a first item");
    let (items, after) = rest.rsplit_once("\n#endif").expect("the end of the include guard");
    let items = format!("/**\n{items}");
    let items: Vec<String> =
        items.split("\n\n").map(compact).filter(|item| !item.is_empty()).collect();
    let mut header = before.trim_end().replace("\n\n\n", "\n\n");
    header += "\n\n#ifdef __cplusplus\nextern \"C\" {\n#endif\n";
    for (title, _) in SECTIONS {
        let mut chapter: Vec<&String> =
            items.iter().filter(|item| section_of(item) == *title).collect();
        assert!(!chapter.is_empty(), "nothing in the section {title}");
        chapter.sort_by_key(|item| CLASS_ORDER.iter().position(|class| name_of(item) == *class));
        let line = "-".repeat(WIDTH - title.len() - 12);
        header += &format!("\n/* ---- {title} {line} */\n");
        let mut last = "";
        for item in chapter {
            let group = constant_group(item);
            header += if group.is_empty() || group != last { "\n" } else { "" };
            header += &format!("{item}\n");
            last = group;
        }
    }
    header + "\n#ifdef __cplusplus\n}\n#endif\n\n#endif" + after
}

/// Comments of one line take one line; negative numbers stand in parentheses, as macros should.
fn compact(item: &str) -> String {
    let mut lines: Vec<String> = Vec::new();
    for line in item.trim().lines() {
        let opened = lines.len() >= 2 && lines[lines.len() - 2].trim() == "/**";
        if line.trim() == "*/" && opened {
            let text = lines.pop().expect("two lines");
            let indent = lines.pop().expect("two lines").replace("/**", "");
            lines.push(format!("{indent}/** {} */", text.trim().trim_start_matches("* ")));
        } else if let Some((name, number)) =
            line.split_once(" -").filter(|_| line.starts_with("#define"))
        {
            lines.push(format!("{name} (-{number})"));
        } else {
            lines.push(line.to_owned());
        }
    }
    lines.join("\n")
}

/// What an item declares.
fn name_of(item: &str) -> &str {
    let (_, code) = item.split_once("*/\n").expect("every item has a comment");
    let before = match code.strip_prefix("typedef ") {
        Some(_) => code.trim_end_matches(';'),
        None => code.strip_prefix("#define ").map_or_else(
            || code.split('(').next().unwrap_or_default(),
            |rest| rest.split(' ').next().unwrap_or_default(),
        ),
    };
    before.rsplit([' ', '*']).next().unwrap_or_default()
}

fn section_of(item: &str) -> &'static str {
    let name = name_of(item);
    if CLASS_ORDER.contains(&name) {
        return CLASSES;
    }
    let fitting = SECTIONS.iter().flat_map(|(title, beginnings)| {
        let fits = beginnings.iter().filter(|beginning| name.starts_with(**beginning));
        fits.map(|beginning| (beginning.len(), *title))
    });
    fitting
        .max()
        .unwrap_or_else(|| panic!("no section of the header is for {name}: see build.rs"))
        .1
}

/// Constants of one group stand together without empty lines: `WSOCK_ERR` and the like.
fn constant_group(item: &str) -> &str {
    if !item.contains("\n#define ") {
        return "";
    }
    let name = name_of(item);
    name.match_indices('_').nth(1).map_or("WSOCK", |(end, _)| &name[..end])
}
