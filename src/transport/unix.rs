//! Unix domain sockets: their names, and the files that some of them are.

use std::fs::{self, Metadata, Permissions};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use mio::net::{UnixListener, UnixStream};
use socket2::{Domain, SockAddr, Socket, Type};

use super::listener::Listener;
use super::options::SocketOptions;
use crate::util::forks::Mark;

/// Names longer than this do not fit into an address (unix(7)).
const LONGEST: usize = 107;

/// The file of a listening socket. It goes with the listener, unless another has taken its place, and with
/// that of the process that made it: what a child of a fork closes is not the last.
#[derive(Debug)]
pub struct SocketFile {
    process: Mark,
    path: PathBuf,
    identity: (u64, u64),
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if !self.process.is_ours() {
            return;
        }
        if fs::symlink_metadata(&self.path).is_ok_and(|found| identity(&found) == self.identity) {
            // Whoever may not remove it has lost the right meanwhile: the file stays, and nobody listens.
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn identity(file: &Metadata) -> (u64, u64) {
    (file.dev(), file.ino())
}

/// Whether a name is that of a Unix socket: a path, or, after an `@`, a name without a file (Linux).
/// Otherwise what is wrong with it.
pub fn check(name: &str) -> Result<(), String> {
    let is_abstract = name.starts_with('@');
    if name.len() == is_abstract as usize {
        return Err("a Unix socket needs a path, or a name after the @".to_owned());
    }
    if name.contains('\0') {
        return Err("the path of a Unix socket must not contain a NUL".to_owned());
    }
    if name.len() > LONGEST + is_abstract as usize {
        return Err(format!(
            "the path of a Unix socket has at most {LONGEST} bytes, this one has {}",
            name.len()
        ));
    }
    if is_abstract && !cfg!(any(target_os = "android", target_os = "linux")) {
        return Err("only Linux has Unix sockets without a path".to_owned());
    }
    Ok(())
}

fn address(name: &str) -> io::Result<SockAddr> {
    check(name).map_err(|said| io::Error::new(io::ErrorKind::InvalidInput, said))?;
    match name.strip_prefix('@') {
        Some(rest) => SockAddr::unix(format!("\0{rest}")),
        None => SockAddr::unix(name),
    }
}

fn socket() -> io::Result<Socket> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    #[cfg(target_vendor = "apple")]
    socket.set_nosigpipe(true)?;
    Ok(socket)
}

/// Connects, at once or not at all.
pub fn connect(name: &str) -> io::Result<UnixStream> {
    let socket = socket()?;
    socket.connect(&address(name)?).map_err(|e| match e.kind() {
        io::ErrorKind::WouldBlock => io::Error::new(
            io::ErrorKind::ResourceBusy,
            "the server has more connections waiting than it takes",
        ),
        _ => e,
    })?;
    Ok(UnixStream::from_std(socket.into()))
}

/// Listens. A file that a server has left behind is replaced.
pub fn listen(name: &str, backlog: i32, options: &SocketOptions) -> io::Result<Listener> {
    let address = address(name)?;
    let socket = socket()?;
    let has_file = !name.starts_with('@');
    if has_file {
        remove_leftover(name, &address)?;
    }
    socket.bind(&address)?;
    let file = if has_file { Some(claim_file(name, options.unix_mode)?) } else { None };
    socket.listen(backlog)?;
    Ok(Listener::Unix(UnixListener::from_std(socket.into()), file))
}

/// Removes the socket of a server that is gone, and nothing else.
fn remove_leftover(path: &str, address: &SockAddr) -> io::Result<()> {
    let found = match fs::symlink_metadata(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        found => found?,
    };
    if !found.file_type().is_socket() {
        return Err(io::Error::new(
            io::ErrorKind::AlreadyExists,
            "a file that is not a socket has this path",
        ));
    }
    match socket()?.connect(address) {
        Err(e) if e.kind() == io::ErrorKind::ConnectionRefused => {}
        // A full queue has somebody behind it, too.
        Ok(()) => return Err(io::Error::from_raw_os_error(libc::EADDRINUSE)),
        Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
            return Err(io::Error::from_raw_os_error(libc::EADDRINUSE));
        }
        Err(e) => return Err(e),
    }
    // Another server that is starting may have been faster.
    match fs::symlink_metadata(path) {
        Ok(now) if identity(&now) == identity(&found) => fs::remove_file(path),
        _ => Ok(()),
    }
}

/// The file that binding has made. Its permissions are set before anybody can connect.
fn claim_file(path: &str, mode: u32) -> io::Result<SocketFile> {
    let made = fs::symlink_metadata(path)?;
    // The process may go to another directory.
    let path_from_anywhere = std::path::absolute(Path::new(path))?;
    let file =
        SocketFile { process: Mark::now(), path: path_from_anywhere, identity: identity(&made) };
    if mode != 0 {
        fs::set_permissions(path, Permissions::from_mode(mode))?;
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::Socket as Connected;
    use std::io::IoSlice;

    /// A directory of its own for each test.
    struct Scratch(PathBuf);

    impl Scratch {
        fn new(test: &str) -> Scratch {
            let path = std::env::temp_dir().join(format!("wsock-{test}-{}", std::process::id()));
            fs::create_dir_all(&path).unwrap();
            Scratch(path)
        }

        fn path(&self, name: &str) -> String {
            self.0.join(name).to_str().unwrap().to_owned()
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn listen(name: &str) -> io::Result<Listener> {
        super::listen(name, 16, &SocketOptions::default())
    }

    fn exchange(name: &str) {
        let listener = listen(name).unwrap();
        let mut client = Connected::connect_unix(name).unwrap();
        let (mut server, peer) = listener.accept().unwrap();
        assert!(client.connected().unwrap());
        client.write(&[IoSlice::new(b"hello")]).unwrap();
        let mut buffer = [0; 8];
        assert_eq!(server.read(&mut buffer).unwrap(), 5);
        assert_eq!(client.peer_address().to_string(), format!("unix:{name}"));
        assert_eq!(server.local_address(), client.peer_address());
        assert_eq!((&*peer.to_string(), server.peer_address()), ("unix:", peer));
    }

    #[test]
    fn paths_and_abstract_names_carry_connections() {
        let scratch = Scratch::new("exchange");
        exchange(&scratch.path("socket"));
        assert!(!Path::new(&scratch.path("socket")).exists(), "the file stayed behind");
        #[cfg(target_os = "linux")]
        exchange(&format!("@wsock-exchange-{}", std::process::id()));
    }

    #[test]
    fn names_that_are_none_are_told_apart() {
        for (name, word) in [("", "needs a path"), ("@", "needs a path"), ("a\0b", "NUL")] {
            assert!(check(name).unwrap_err().contains(word), "{name:?}");
        }
        let longest = "x".repeat(LONGEST);
        assert!(address(&longest).is_ok());
        assert!(check(&format!("{longest}x")).unwrap_err().contains("107 bytes"));
        #[cfg(target_os = "linux")]
        assert!(address(&format!("@{longest}")).is_ok() && check(&format!("@{longest}x")).is_err());
        assert_eq!(connect("").unwrap_err().kind(), io::ErrorKind::InvalidInput);
    }

    #[test]
    fn what_a_server_left_behind_is_replaced_and_nothing_else() {
        let scratch = Scratch::new("leftover");
        let path = scratch.path("socket");
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        assert_eq!(connect(&path).unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
        let living = listen(&path).unwrap();
        assert_eq!(listen(&path).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        drop(living);
        assert_eq!(connect(&path).unwrap_err().kind(), io::ErrorKind::NotFound);
        fs::write(&path, "precious").unwrap();
        assert_eq!(listen(&path).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
    }

    #[test]
    fn a_file_that_another_has_put_there_stays() {
        let scratch = Scratch::new("replaced");
        let path = scratch.path("socket");
        let listener = listen(&path).unwrap();
        fs::remove_file(&path).unwrap();
        fs::write(&path, "new").unwrap();
        drop(listener);
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
    }

    #[test]
    fn permissions_are_those_asked_for() {
        let scratch = Scratch::new("mode");
        let path = scratch.path("socket");
        let options = SocketOptions { unix_mode: 0o600, ..SocketOptions::default() };
        let _listener = super::listen(&path, 16, &options).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_full_queue_is_an_error_and_not_a_wait() {
        let scratch = Scratch::new("full");
        let path = scratch.path("socket");
        let _listener = super::listen(&path, 0, &SocketOptions::default()).unwrap();
        let mut waiting = Vec::new();
        let refused = (0..8).find_map(|_| connect(&path).map(|c| waiting.push(c)).err());
        assert_eq!(refused.expect("no end of room").kind(), io::ErrorKind::ResourceBusy);
        assert_eq!(listen(&path).unwrap_err().kind(), io::ErrorKind::AddrInUse);
    }
}
