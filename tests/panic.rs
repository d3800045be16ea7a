//! A panic inside the library stops at its boundary: `tests/c/panic.c` against a library that can be made
//! to panic. `cargo test --features test-panic --test panic` builds and runs both.

mod native;

use std::process::Command;
use std::time::Duration;

#[test]
fn a_panic_ends_one_connection_or_one_loop_and_nothing_else() {
    let dir = native::library_dir("panic");
    let program = native::compile_c_program("panic", &dir);
    native::must_succeed(Command::new(program), &dir.join("panic.out"), Duration::from_secs(90));
}
