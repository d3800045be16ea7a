//! Extension lists, and permessage-deflate negotiated between any two sides.

use super::Seed;
use super::input::Input;
use wsock::proto::deflate::Config;
use wsock::proto::deflate::negotiate::{NAME, accept, confirm, offer};
use wsock::proto::extension::{Extension, parse};

const CLIENT_BITS: &str = "client_max_window_bits";
const SERVER_BITS: &str = "server_max_window_bits";
const SERVER_NO_TAKEOVER: &str = "server_no_context_takeover";

pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let (client, server) = (config(&mut input), config(&mut input));
    let Ok(text) = std::str::from_utf8(input.rest()) else { return };
    both_sides(&client, &server);
    let Ok(extensions) = parse(text.split('\n')) else { return };
    for extension in &extensions {
        let again = parse([extension.to_string().as_str()].into_iter());
        assert_eq!(again.as_deref(), Ok(&[extension.clone()][..]));
    }
    answered(&server, &extensions);
    for extension in extensions.iter().filter(|extension| extension.name == NAME) {
        confirmed(&client, extension);
    }
}

fn config(input: &mut Input) -> Config {
    let (flags, bits) = (input.byte(), input.byte());
    Config {
        server_takeover: flags & 1 != 0,
        client_takeover: flags & 2 != 0,
        server_window_bits: 9 + bits % 7,
        client_window_bits: 9 + bits / 7 % 7,
        ..Config::default()
    }
}

/// A client and a server of ours always agree, and mean the same.
fn both_sides(client: &Config, server: &Config) {
    let offers = parse([offer(client).as_str()].into_iter()).expect("a valid offer");
    let (theirs, text) = accept(server, &offers).expect("an offer that can be fulfilled");
    let answer = parse([text.as_str()].into_iter()).expect("a valid answer");
    assert_eq!(answer.len(), 1);
    let ours = confirm(client, &answer[0]).expect("an answer to this offer");
    assert_eq!(ours.client_bits.min(client.client_window_bits), ours.client_bits);
    // Each inflates with at least what the other compresses with, and forgets only when the other does.
    assert!(theirs.server_bits <= ours.server_bits && ours.client_bits <= theirs.client_bits);
    assert!(theirs.server_no_takeover || !ours.server_no_takeover);
    assert!(ours.client_no_takeover || !theirs.client_no_takeover);
}

/// Nothing is answered that was not offered.
fn answered(config: &Config, offers: &[Extension]) {
    let Some((params, text)) = accept(config, offers) else { return };
    let answer = parse([text.as_str()].into_iter()).expect("a valid answer").remove(0);
    let value = |name: &str| {
        answer.params.iter().find(|param| param.0 == name).map(|param| {
            param.1.as_deref().map(|bits| bits.parse::<u8>().expect("a number of bits"))
        })
    };
    let offered = |name: &str| {
        let mine = offers.iter().filter(|offer| offer.name == NAME);
        mine.flat_map(|offer| &offer.params).any(|param| param.0 == name)
    };
    assert!((9..=15).contains(&params.server_bits) && (8..=15).contains(&params.client_bits));
    assert!(params.server_bits <= config.server_window_bits);
    for (name, bits) in [(SERVER_BITS, params.server_bits), (CLIENT_BITS, params.client_bits)] {
        match value(name) {
            Some(answered) => assert!(offered(name) && answered == Some(bits)),
            None => assert!(name == SERVER_BITS || bits == 15),
        }
    }
    assert!(params.server_no_takeover || config.server_takeover);
    assert!(params.client_no_takeover || config.client_takeover);
    assert!(value(SERVER_NO_TAKEOVER).is_none() || offered(SERVER_NO_TAKEOVER));
}

/// What a client lets a server answer is within what it offered.
fn confirmed(config: &Config, answer: &Extension) {
    let Ok(params) = confirm(config, answer) else { return };
    assert!((9..=15).contains(&params.server_bits) && (8..=15).contains(&params.client_bits));
    assert!(params.server_bits <= config.server_window_bits);
    assert!(params.client_bits <= config.client_window_bits);
    assert!(params.server_no_takeover || config.server_takeover);
    assert!(params.client_no_takeover || config.client_takeover);
}

pub fn seeds() -> Vec<Seed> {
    let all = "permessage-deflate; server_no_context_takeover; client_no_context_takeover; \
        server_max_window_bits=10; client_max_window_bits=\"12\"";
    [
        ("browser", [3, 6, 2, 6], "permessage-deflate; client_max_window_bits"),
        ("all", [0, 20, 1, 12], all),
        (
            "list",
            [3, 0, 3, 48],
            "x; a=\"b\\c\", permessage-deflate; server_max_window_bits=8\n , permessage-deflate",
        ),
        (
            "twice",
            [3, 48, 3, 48],
            "permessage-deflate; client_max_window_bits; client_max_window_bits=9",
        ),
    ]
    .map(|(name, settings, text)| (name, [&settings, text.as_bytes()].concat()))
    .to_vec()
}
