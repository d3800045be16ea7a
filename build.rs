//! Names the shared library and generates its header.
//!
//! The header goes to OUT_DIR, never into the source tree: builds run side by side and from read-only
//! sources. `tests/header_sync.rs` compares it with the committed `include/wsock.h`.

use std::path::PathBuf;

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
    // In the order in which a reader needs them.
    for file in [
        "status",
        "types",
        "version",
        "last_error",
        "looping",
        "options",
        "client",
        "conn",
        "server",
        "request",
    ] {
        builder = builder.with_src(root.join(format!("src/ffi/{file}.rs")));
    }
    builder.generate().expect("cbindgen could not read src/ffi").write_to_file(&out);
    println!("cargo:rustc-env=WSOCK_GENERATED_HEADER={}", out.display());
}
