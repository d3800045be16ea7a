//! What is given to the library to keep: tables of handlers with user data, and descriptors.

use super::callbacks::table;
use super::world::*;
use std::ffi::c_void;
use std::fs::File;
use std::mem::offset_of;
use std::net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsRawFd, IntoRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::ptr;
use wsock::ffi::status::WSOCK_OK;
use wsock::ffi::types::*;

/// Calls `f` with a table of handlers and user data; says whether that tells of the end.
pub fn attach(f: impl FnOnce(*const wsock_handlers, *mut c_void) -> i32) -> (i32, bool) {
    let (kind, mask) = draw(|input| (input.byte(), input.byte()));
    let releasable = mask & 32 == 0;
    let full = table(mask, releasable);
    let known = size_of::<wsock_handlers>();
    let (size, null) = match kind {
        0 => (0, false),
        1 => (usize::MAX, false),
        2 => (known + 16, false),
        3 => (16, false),
        4 => (known, true),
        // Of an older header.
        5 => (offset_of!(wsock_handlers, on_retry), false),
        _ => (known, false),
    };
    let mut room = [0u64; 32];
    // SAFETY: plain data that is smaller than its room.
    unsafe { room.as_mut_ptr().cast::<wsock_handlers>().write(full) };
    room[0] = size as u64;
    let told = !null && (offset_of!(wsock_handlers, on_retry)..=known + 16).contains(&size);
    let user = new_user(User {
        told,
        told_of_retries: told && size >= known && full.on_retry.is_some(),
        releasable: told && releasable,
        ..User::default()
    });
    let table = if null { ptr::null() } else { room.as_ptr().cast() };
    let status = f(table, pointer(user));
    world(|w| w.users[user].attached = status >= 0);
    (status, told)
}

/// Offers a descriptor: on success it is the library's, after a refusal it is as it was.
pub fn offer(mine: Option<OwnedFd>, f: impl FnOnce(i32) -> i32) -> i32 {
    let status = f(mine.as_ref().map_or(-1, AsRawFd::as_raw_fd));
    if let Some(mine) = mine {
        match status {
            WSOCK_OK => drop(mine.into_raw_fd()),
            _ => assert!(mine.try_clone().is_ok(), "a refused descriptor is still open"),
        }
    }
    status
}

/// A connected stream most of the time. Its other end becomes a peer's.
pub fn stream() -> Option<OwnedFd> {
    match below(16) {
        0..=7 => {
            let (mine, theirs) = UnixStream::pair().ok()?;
            add_peer(mine.into());
            Some(theirs.into())
        }
        8..=10 => {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).ok()?;
            let mine = TcpStream::connect(listener.local_addr().ok()?).ok()?;
            add_peer(mine.into());
            Some(listener.accept().ok()?.0.into())
        }
        // The library at both ends.
        11 | 12 => world(|w| w.peers.pop()).map(OwnedFd::from),
        _ => odd(),
    }
}

/// A listening socket most of the time.
pub fn listener() -> Option<OwnedFd> {
    match below(4) {
        0..=2 => Some(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).ok()?.into()),
        _ => odd(),
    }
}

fn odd() -> Option<OwnedFd> {
    match below(4) {
        0 => None,
        1 => Some(File::open("/dev/null").ok()?.into()),
        2 => Some(UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).ok()?.into()),
        _ => Some(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).ok()?.into()),
    }
}

/// Somebody who does not wait.
pub fn add_peer(socket: OwnedFd) {
    let peer = TcpStream::from(socket);
    peer.set_nonblocking(true).expect("a socket");
    world(|w| w.peers.push(peer));
}
