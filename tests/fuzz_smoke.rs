//! Every fuzz target, without a fuzzer: over its seeds and over mutations of them that are the same
//! each time. `make fuzz` goes on from there.

#[allow(dead_code)] // what other tests use of what they share
#[path = "../fuzz/src/lib.rs"]
mod fuzz;

use std::path::PathBuf;

fn directory(target: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds").join(target)
}

/// The files beside each other, by name.
fn seeds(target: &str) -> Vec<Vec<u8>> {
    let entries = std::fs::read_dir(directory(target)).expect("a directory of seeds");
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("readable").path()).collect();
    files.sort();
    files.iter().map(|file| std::fs::read(file).expect("readable")).collect()
}

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

    /// A seed with a few bytes changed, inserted, removed, or with a part of another in it.
    fn mutation(&mut self, seeds: &[Vec<u8>]) -> Vec<u8> {
        let mut data = seeds[self.below(seeds.len())].clone();
        for _ in 0..=self.below(4) {
            let at = self.below(data.len() + 1);
            match self.below(5) {
                0 if at < data.len() => data[at] = self.below(256) as u8,
                1 if at < data.len() => data[at] ^= 1 << self.below(8),
                2 => data.insert(at, self.below(256) as u8),
                3 => drop(data.drain(at..(at + self.below(9)).min(data.len()))),
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

fn smoke(name: &str, mutations: usize) {
    let target = fuzz::TARGETS.iter().find(|target| target.name == name).expect("a target");
    let seeds = seeds(name);
    assert!(seeds.len() > 1, "a corpus to begin with");
    let mut dice = Dice(name.len() as u64);
    let mutated: Vec<_> = (0..mutations).map(|_| dice.mutation(&seeds)).collect();
    for data in seeds.iter().chain(&mutated) {
        let run = std::panic::catch_unwind(|| (target.run)(data));
        assert!(run.is_ok(), "the input was b\"{}\"", data.escape_ascii());
    }
}

macro_rules! smoke {
    ($($(#[$attribute:meta])* $name:ident: $mutations:literal),* $(,)?) => {
        $($(#[$attribute])* #[test] fn $name() { smoke(stringify!($name), $mutations); })*

        #[test]
        fn every_target_is_here_and_can_be_fuzzed() {
            let here = [$($(#[$attribute])* stringify!($name)),*];
            let names: Vec<_> = fuzz::TARGETS.iter().map(|target| target.name).collect();
            assert_eq!(names, here);
            let manifest = include_str!("../fuzz/Cargo.toml");
            for name in names {
                assert!(manifest.contains(&format!("path = \"fuzz_targets/{name}.rs\"")), "{name}");
            }
        }
    };
}

smoke! {
    frame: 4000,
    mask: 4000,
    utf8: 4000,
    url: 4000,
    negotiate: 4000,
    handshake_request: 4000,
    handshake_response: 4000,
    auth: 4000,
    #[cfg(feature = "deflate")]
    deflate: 2000,
    conn_client: 3000,
    conn_server: 3000,
    pair: 2000,
    ffi_calls: 1000,
    proxy_protocol: 4000,
    proxy_replies: 4000,
    proxy_rules: 4000,
    cidr: 4000,
    redirect: 4000,
    http_values: 4000,
    runs: 3000,
    sending: 1000,
    arena: 1000,
    table: 2000,
    topics: 2000,
    timers: 2000,
    exposition: 2000,
    #[cfg(feature = "tls")]
    tls_pem: 300,
}

/// Writes the seeds anew: `cargo test --test fuzz_smoke write_seeds -- --ignored`.
#[test]
#[ignore = "writes files"]
fn write_seeds() {
    for target in fuzz::TARGETS {
        let directory = directory(target.name);
        std::fs::create_dir_all(&directory).expect("a directory");
        for (name, data) in (target.seeds)() {
            std::fs::write(directory.join(name), data).expect("writable");
        }
    }
}
