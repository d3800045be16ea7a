//! Inputs: the seeds of the fuzz targets, and mutations of them that are the same each time.

use std::path::PathBuf;

/// Something to judge: for a client's or a server's connection (c, s), a request or a response (q, p).
#[derive(Clone)]
pub struct Case {
    pub what: u8,
    pub bytes: Vec<u8>,
}

/// Where seeds are, and how many bytes of settings each begins with.
const SEEDS: [(u8, &str, usize); 4] = [
    (b'c', "conn_client", 10),
    (b's', "conn_server", 10),
    (b'q', "handshake_request", 5),
    (b'p', "handshake_response", 6),
];

/// SplitMix64.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) % n as u64) as usize
    }

    fn mutation(&mut self, seeds: &[Vec<u8>]) -> Vec<u8> {
        let mut data = seeds[self.below(seeds.len())].clone();
        for _ in 0..=self.below(3) {
            let at = self.below(data.len() + 1);
            match self.below(6) {
                0 if at < data.len() => data[at] = self.below(256) as u8,
                1 if at < data.len() => data[at] ^= 1 << self.below(8),
                2 => data.insert(at, self.below(256) as u8),
                3 => drop(data.drain(at..(at + self.below(9)).min(data.len()))),
                4 => data.truncate(at),
                _ => {
                    let other = &seeds[self.below(seeds.len())];
                    let from = self.below(other.len() + 1);
                    let part = &other[from..(from + self.below(33)).min(other.len())];
                    data.splice(at..at, part.iter().copied());
                }
            }
        }
        data
    }
}

/// All seeds, and so many mutations for each kind of input.
pub fn all(mutations: usize) -> Vec<Case> {
    let mut cases = Vec::new();
    for (what, target, settings) in SEEDS {
        let mut seeds = seeds(target, settings);
        seeds.extend(lines(what));
        let mut dice = Dice(u64::from(what));
        let mutated: Vec<_> = (0..mutations).map(|_| dice.mutation(&seeds)).collect();
        cases.extend(seeds.into_iter().chain(mutated).map(|bytes| Case { what, bytes }));
    }
    cases
}

fn seeds(target: &str, settings: usize) -> Vec<Vec<u8>> {
    let directory = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../seeds").join(target);
    let entries = std::fs::read_dir(directory).expect("a directory of seeds");
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("readable").path()).collect();
    files.sort();
    let read = |file: &PathBuf| std::fs::read(file).expect("readable");
    files.iter().map(read).filter_map(|data| Some(data.get(settings..)?.to_vec())).collect()
}

/// Handshakes that are right, each with one line that may not be.
fn lines(what: u8) -> Vec<Vec<u8>> {
    const LINES: [&str; 22] = [
        "X: y",
        "X:y\t ",
        "X: \u{e9}",
        "Host: h",
        "Host:",
        "Upgrade: websocket",
        "upgrade: WebSocket, h2c",
        "Connection: close",
        "Connection: keep-alive, Upgrade",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Version: 8",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
        "Sec-WebSocket-Protocol: a",
        "Sec-WebSocket-Protocol: a, b",
        "Sec-WebSocket-Protocol: c",
        "Sec-WebSocket-Extensions: permessage-deflate",
        "Sec-WebSocket-Extensions: a;;",
        "Content-Length: 0",
        "Content-Length: 3",
        "Transfer-Encoding: chunked",
        "X : y",
    ];
    let (first, rest) = match what {
        b'q' => (
            "GET /x?y HTTP/1.1\r\nHost: h:80\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
            "Sec-WebSocket-Version: 13\r\n",
        ),
        b'p' => (
            "HTTP/1.1 101 Switching Protocols\r\n",
            "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n",
        ),
        _ => return Vec::new(),
    };
    let with = |line: &str| {
        let line = if line.is_empty() { String::new() } else { format!("{line}\r\n") };
        format!("{first}Upgrade: websocket\r\nConnection: Upgrade\r\n{rest}{line}\r\n").into_bytes()
    };
    std::iter::once("").chain(LINES).map(with).collect()
}
