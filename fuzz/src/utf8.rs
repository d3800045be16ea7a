//! Text in pieces: the standard library is the judge.

use super::Seed;
use super::input::{Input, pieces};
use wsock::proto::utf8::{Validator, is_valid};

pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let sizes = input.bytes(4);
    let text = input.rest();
    assert_eq!(is_valid(text), std::str::from_utf8(text).is_ok());
    in_pieces(&pieces(sizes, text), text);
    in_pieces(&text.chunks(1).collect::<Vec<_>>(), text);
}

fn in_pieces(pieces: &[&[u8]], text: &[u8]) {
    let (mut validator, mut end) = (Validator::default(), 0);
    for piece in pieces {
        end += piece.len();
        let impossible =
            std::str::from_utf8(&text[..end]).is_err_and(|error| error.error_len().is_some());
        assert_eq!(validator.push(piece).is_err(), impossible, "after {end} bytes");
        if impossible {
            return;
        }
    }
    assert_eq!(validator.finish().is_ok(), std::str::from_utf8(text).is_ok());
}

pub fn seeds() -> Vec<Seed> {
    let text = "κόσμε – Straße, 日本語, \u{10FFFF}\u{D7FF}\u{E000}🙂".as_bytes();
    vec![
        ("by_bytes", [&[1, 1, 1, 1], text].concat()),
        ("by_threes", [&[3, 2, 3, 5], text].concat()),
        ("long", [&[70, 64, 63, 0], text.repeat(4).as_slice()].concat()),
        ("surrogate", b"\x02\x02\x02\x02ok \xed\xa0\x80".to_vec()),
        ("overlong", b"\x01\x02\x03\x04\xc0\x80 \xe0\x9f\xbf \xf0\x8f\xbf\xbf".to_vec()),
        ("cut", b"\x04\x04\x04\x04abc\xf0\x9f\x99".to_vec()),
    ]
}
