//! The C interface called with anything at any time, from inside callbacks too, on real loops whose
//! connections talk to each other and to raw peers.
//!
//! | file | job |
//! | --- | --- |
//! | `world.rs`, `callbacks.rs` | what was promised, and the callbacks that check it |
//! | `values.rs`, `attach.rs` | what calls are given, and how their answers are looked at |
//! | `options.rs`, `connect.rs`, `conn.rs`, `server.rs`, `hub.rs`, `request.rs`, `looping.rs` | the calls |
//! | `batch.rs` | events in batches, kept messages, loops with a thread of their own |
//! | `peers.rs` | what others on the network do |
//! | `ending.rs` | what must be true in the end |
//! | `seeds.rs` | inputs to begin with |
//!
//! The first byte of an input says how it ends.

use super::Seed;

mod attach;
mod batch;
mod callbacks;
mod conn;
mod connect;
mod ending;
mod hub;
mod looping;
mod options;
mod peers;
mod request;
mod seeds;
mod server;
mod source;
mod values;
mod world;

use self::ending::End;
use self::world::*;

pub fn run(data: &[u8]) {
    let before = descriptors();
    reset(data);
    let how = [End::Polite, End::Abrupt, End::Aborted][below(3)];
    while world(|w| w.budget > 0) && draw(|input| !input.is_empty()) {
        call();
        ending::closed_is_stale();
        server::figures_add_up();
        looping::work_shows();
    }
    ending::end(how);
    reset(&[]);
    // A thread that looks a name up may outlive its loop for a moment.
    let closed = || {
        std::thread::sleep(std::time::Duration::from_millis(5));
        descriptors() <= before
    };
    assert!(descriptors() <= before || (0..200).any(|_| closed()), "a descriptor was left open");
}

/// Open sockets, and what loops wait with, but for what stays. Nobody else in this process has such.
fn descriptors() -> usize {
    let Ok(all) = std::fs::read_dir("/proc/self/fd") else { return 0 };
    let targets = all.flatten().filter_map(|fd| std::fs::read_link(fd.path()).ok());
    let ours = |target: &str| target.starts_with("socket:") || target.starts_with("anon_inode:");
    let open = targets.filter(|target| target.to_str().is_some_and(ours)).count();
    open - batch::bells()
}

/// In a callback: none to three calls.
fn act() {
    for _ in 0..below(4) {
        call();
    }
}

/// One call, or what a peer does.
fn call() {
    let left = world(|w| w.budget);
    if left == 0 {
        return;
    }
    world(|w| w.budget = left - 1);
    match draw(|input| input.byte()) {
        // One byte for what is done most: a row of zeros lets everything happen, callbacks with no calls too.
        n @ 0..=27 => looping::turn(looping::newest(), i32::from(n) / 12),
        28..=39 => looping::turn_any(),
        40..=53 => looping::make(),
        54..=63 => options::make(),
        64..=75 => server::make(),
        76..=95 => connect::make(),
        96..=149 => conn::any(),
        150..=179 => options::any(),
        180..=199 => request::any(),
        200..=209 => server::any(),
        210..=219 => looping::any(),
        220..=237 => peers::any(),
        238..=251 => hub::any(),
        252 => looping::constants(),
        _ => batch::any(),
    }
}

pub fn seeds() -> Vec<Seed> {
    seeds::all()
}
