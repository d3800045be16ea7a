//! A server connection and a client that sends anything.

use super::{Seed, solo};
use wsock::proto::config::Role;

pub fn run(data: &[u8]) {
    solo::run(Role::Server, data);
}

pub fn seeds() -> Vec<Seed> {
    solo::seeds(Role::Server)
}
