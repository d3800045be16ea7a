//! For tests: what a machine makes of bytes must not depend on the pieces in which they come.

use std::fmt::Debug;

/// What comes of the bytes, and how many are taken: whole, in two pieces cut anywhere, one by one.
pub fn at_every_cut<M, T: Debug + PartialEq>(
    bytes: &[u8],
    new: impl Fn() -> M,
    recv: impl Fn(&mut M, &[u8]) -> (usize, Option<T>),
) -> (usize, Option<T>) {
    let feed = |pieces: &[&[u8]]| {
        let (mut machine, mut total) = (new(), 0);
        for piece in pieces {
            let (used, outcome) = recv(&mut machine, piece);
            total += used;
            if outcome.is_some() {
                assert_eq!(
                    recv(&mut machine, b"more"),
                    (0, None),
                    "after the end nothing is taken"
                );
                return (total, outcome);
            }
            assert_eq!(used, piece.len(), "without an outcome everything is taken");
        }
        (total, None)
    };
    let whole = feed(&[bytes]);
    for cut in 0..=bytes.len() {
        assert_eq!(feed(&[&bytes[..cut], &bytes[cut..]]), whole, "cut at {cut}");
    }
    assert_eq!(feed(&bytes.chunks(1).collect::<Vec<_>>()), whole, "byte by byte");
    whole
}
