//! Name look-up on helper threads, because the system's resolver may take seconds.
//!
//! The threads are few, take no signals, never call the application and end when nothing is to be
//! looked up.

use std::collections::VecDeque;
use std::net::{SocketAddr, ToSocketAddrs};

use once_cell::sync::Lazy;

use crate::error::{Code, Error, Result};
use crate::util::forks::{self, Lock, Locked, Mark};
use crate::util::signals;

const MAX_THREADS: usize = 8;
/// glibc resolves within 100 KiB; plug-ins of the name service switch may want more.
const STACK: usize = 512 * 1024;

/// Gets the result, on a helper thread.
pub type Reply = Box<dyn FnOnce(Result<Vec<SocketAddr>>) + Send>;

struct Job {
    host: String,
    port: u16,
    reply: Reply,
}

struct Pool {
    /// Where its threads are.
    process: Mark,
    jobs: VecDeque<Job>,
    threads: usize,
}

impl Pool {
    fn new() -> Pool {
        Pool { process: Mark::now(), jobs: VecDeque::new(), threads: 0 }
    }

    /// In a child of a fork the threads have stayed with the parent, and what they look up is for its loops.
    fn settle_in(&mut self) {
        if !self.process.is_ours() {
            *self = Pool::new();
        }
    }
}

static POOL: Lazy<Lock<Pool>> = Lazy::new(|| Lock::new(Pool::new()));

fn pool() -> Locked<'static, Pool> {
    let mut pool = POOL.lock();
    pool.settle_in();
    pool
}

/// Looks up `host` and tells `reply`, from another thread and possibly before this returns.
pub fn resolve(host: &str, port: u16, reply: Reply) {
    let mut pool = pool();
    pool.jobs.push_back(Job { host: host.to_owned(), port, reply });
    if pool.threads < MAX_THREADS {
        let spawned = signals::blocked(|| {
            std::thread::Builder::new().name("wsock-resolve".into()).stack_size(STACK).spawn(work)
        });
        match spawned {
            Ok(_) => pool.threads += 1,
            // Another thread will come to it; without any this one cannot wait.
            Err(_) if pool.threads > 0 => {}
            Err(e) => {
                let job = pool.jobs.pop_back().expect("pushed above");
                drop(pool);
                (job.reply)(Err(Error::os(Code::Resolve, "cannot start a look-up thread", &e)));
            }
        }
    }
}

fn work() {
    loop {
        let job = {
            let mut pool = pool();
            match pool.jobs.pop_front() {
                Some(job) => job,
                None => {
                    pool.threads -= 1;
                    return;
                }
            }
        };
        let result = look_up(&job.host, job.port);
        // The answer goes through the inbox of a loop, which a child of a fork must not find locked.
        forks::undivided(|| (job.reply)(result));
    }
}

fn look_up(host: &str, port: u16) -> Result<Vec<SocketAddr>> {
    let doing = format!("cannot look up the host name \"{host}\"");
    match (host, port).to_socket_addrs() {
        Ok(addresses) => {
            let mut addresses: Vec<_> = addresses.collect();
            let mut seen = std::collections::HashSet::new();
            addresses.retain(|address| seen.insert(*address));
            if addresses.is_empty() {
                return Err(Error::new(Code::Resolve, format!("{doing}: it has no address")));
            }
            Ok(addresses)
        }
        Err(e) => Err(Error::os(Code::Resolve, doing, &e)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[test]
    fn many_look_ups_all_get_an_answer() {
        let (sender, receiver) = mpsc::channel();
        for _ in 0..3 * MAX_THREADS {
            let sender = sender.clone();
            resolve("localhost", 80, Box::new(move |r| sender.send(r).unwrap()));
        }
        for _ in 0..3 * MAX_THREADS {
            let addresses = receiver.recv().unwrap().unwrap();
            assert!(addresses.iter().all(|a| a.ip().is_loopback() && a.port() == 80));
        }
    }

    #[test]
    fn a_child_does_not_wait_for_threads_of_its_parent() {
        let mut pool = Pool { threads: MAX_THREADS, ..Pool::new() };
        assert!(forks::in_child(|| {
            pool.settle_in();
            pool.threads == 0
        }));
        pool.settle_in();
        assert_eq!(pool.threads, MAX_THREADS);
    }

    #[test]
    fn unknown_names_are_told_by_name() {
        let (sender, receiver) = mpsc::channel();
        resolve("no-such-host.invalid", 80, Box::new(move |r| sender.send(r).unwrap()));
        let error = receiver.recv().unwrap().unwrap_err();
        assert_eq!(error.code, Code::Resolve);
        assert!(error.message.contains("no-such-host.invalid"), "{error}");
    }
}
