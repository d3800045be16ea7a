//! A client connection and a server that sends anything.

use super::{Seed, solo};
use wsock::proto::config::Role;

pub fn run(data: &[u8]) {
    solo::run(Role::Client, data);
}

pub fn seeds() -> Vec<Seed> {
    solo::seeds(Role::Client)
}
