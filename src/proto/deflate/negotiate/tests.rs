//! RFC 7692 section 7.1, parameter by parameter and side by side.

use super::*;
use crate::proto::extension::parse;

/// As generous as it gets.
fn generous() -> Config {
    Config { server_takeover: true, client_takeover: true, ..Config::default() }
}

/// As tight as it gets.
fn tight() -> Config {
    Config {
        server_takeover: false,
        client_takeover: false,
        server_window_bits: 9,
        client_window_bits: 10,
        ..Config::default()
    }
}

fn params(
    server_no_takeover: bool,
    client_no_takeover: bool,
    server_bits: u8,
    client_bits: u8,
) -> Params {
    Params { server_no_takeover, client_no_takeover, server_bits, client_bits }
}

fn accepted(config: &Config, offers: &str) -> Option<(Params, String)> {
    accept(config, &parse([offers].into_iter()).unwrap())
}

fn confirmed(config: &Config, answer: &str) -> Result<Params, String> {
    let answer = parse([answer].into_iter()).unwrap();
    assert_eq!(answer.len(), 1);
    confirm(config, &answer[0])
}

#[test]
fn an_offer_says_what_is_configured() {
    assert_eq!(offer(&generous()), "permessage-deflate; client_max_window_bits");
    assert_eq!(
        offer(&Config::default()),
        "permessage-deflate; server_no_context_takeover; client_no_context_takeover; \
         client_max_window_bits"
    );
    assert_eq!(
        offer(&tight()),
        "permessage-deflate; server_no_context_takeover; client_no_context_takeover; \
         server_max_window_bits=9; client_max_window_bits=10"
    );
}

#[test]
fn a_plain_offer_gets_a_plain_answer() {
    let (agreed, text) = accepted(&generous(), "permessage-deflate").unwrap();
    assert_eq!((agreed, text.as_str()), (params(false, false, 15, 15), "permessage-deflate"));
}

#[test]
fn nothing_is_answered_that_was_not_offered() {
    // A smaller window of our own and no takeover need no words. The client's window stays what it is.
    let config = Config { client_takeover: true, ..tight() };
    let (agreed, text) = accepted(&config, "permessage-deflate").unwrap();
    assert_eq!((agreed, text.as_str()), (params(true, false, 9, 15), "permessage-deflate"));
    // The one exception: the client may be told to drop its window unasked.
    let (agreed, text) = accepted(&tight(), "permessage-deflate").unwrap();
    assert_eq!(agreed, params(true, true, 9, 15));
    assert_eq!(text, "permessage-deflate; client_no_context_takeover");
}

#[test]
fn each_parameter_of_an_offer_is_honoured() {
    for (offer, expected, answer) in [
        ("server_no_context_takeover", params(true, false, 15, 15), "; server_no_context_takeover"),
        ("client_no_context_takeover", params(false, true, 15, 15), "; client_no_context_takeover"),
        ("server_max_window_bits=9", params(false, false, 9, 15), "; server_max_window_bits=9"),
        ("server_max_window_bits=15", params(false, false, 15, 15), "; server_max_window_bits=15"),
        (
            "server_max_window_bits=\"12\"",
            params(false, false, 12, 15),
            "; server_max_window_bits=12",
        ),
        ("client_max_window_bits", params(false, false, 15, 15), ""),
        ("client_max_window_bits=15", params(false, false, 15, 15), ""),
        ("client_max_window_bits=11", params(false, false, 15, 11), "; client_max_window_bits=11"),
        ("client_max_window_bits=8", params(false, false, 15, 8), "; client_max_window_bits=8"),
    ] {
        let (agreed, text) =
            accepted(&generous(), &format!("permessage-deflate; {offer}")).expect(offer);
        assert_eq!((agreed, text), (expected, format!("permessage-deflate{answer}")), "{offer}");
    }
}

#[test]
fn the_smaller_window_wins() {
    let offer = "permessage-deflate; server_max_window_bits=12; client_max_window_bits=12";
    let (agreed, text) = accepted(&tight(), offer).unwrap();
    assert_eq!(agreed, params(true, true, 9, 10));
    assert!(text.ends_with("; server_max_window_bits=9; client_max_window_bits=10"), "{text}");
    let (agreed, text) = accepted(&tight(), "permessage-deflate; client_max_window_bits").unwrap();
    assert_eq!(agreed.client_bits, 10);
    assert!(text.ends_with("; client_max_window_bits=10"), "{text}");
}

#[test]
fn offers_that_cannot_be_met_are_declined() {
    for bad in [
        "server_max_window_bits=8",
        "server_max_window_bits=7",
        "server_max_window_bits=16",
        "server_max_window_bits=010",
        "server_max_window_bits=+10",
        "server_max_window_bits=x",
        "server_max_window_bits",
        "client_max_window_bits=7",
        "client_max_window_bits=16",
        "client_max_window_bits=08",
        "server_no_context_takeover=1",
        "client_no_context_takeover=true",
        "unknown",
        "unknown=1",
        "server_no_context_takeover; server_no_context_takeover",
        "client_no_context_takeover; client_no_context_takeover",
        "server_max_window_bits=10; server_max_window_bits=10",
        "client_max_window_bits; client_max_window_bits=10",
    ] {
        assert_eq!(accepted(&generous(), &format!("permessage-deflate; {bad}")), None, "{bad}");
    }
    assert_eq!(accepted(&generous(), "x-webkit-deflate-frame"), None);
    assert_eq!(accept(&generous(), &[]), None);
}

#[test]
fn the_first_good_offer_is_taken() {
    let offers = "other, permessage-deflate; unknown, permessage-deflate; server_max_window_bits=8, \
                  permessage-deflate; server_max_window_bits=10, permessage-deflate";
    let (agreed, text) = accepted(&generous(), offers).unwrap();
    assert_eq!(agreed.server_bits, 10);
    assert_eq!(text, "permessage-deflate; server_max_window_bits=10");
}

#[test]
fn a_client_takes_what_follows_from_its_offer() {
    assert_eq!(confirmed(&generous(), "permessage-deflate"), Ok(params(false, false, 15, 15)));
    // A server may impose these unasked: RFC 7692 sections 7.1.1.1, 7.1.1.2 and 7.1.2.1.
    let answer = "permessage-deflate; server_no_context_takeover; client_no_context_takeover; \
                  server_max_window_bits=10; client_max_window_bits=\"11\"";
    assert_eq!(confirmed(&generous(), answer), Ok(params(true, true, 10, 11)));
    // What the server does not forbid the client still keeps to.
    let answer = "permessage-deflate; server_no_context_takeover; server_max_window_bits=9";
    assert_eq!(confirmed(&tight(), answer), Ok(params(true, true, 9, 10)));
}

#[test]
fn a_window_of_8_bits_is_fine_in_an_answer() {
    let answer = "permessage-deflate; server_max_window_bits=8; client_max_window_bits=8";
    assert_eq!(confirmed(&generous(), answer), Ok(params(false, false, 9, 8)));
}

#[test]
fn answers_that_do_not_follow_from_the_offer_are_errors() {
    for (answer, word) in [
        ("server_max_window_bits=9", "server_no_context_takeover was requested"),
        ("server_no_context_takeover", "server_max_window_bits was requested"),
        ("server_no_context_takeover; server_max_window_bits=10", "more than was requested"),
        (
            "server_no_context_takeover; server_max_window_bits=9; client_max_window_bits=11",
            "more than was offered",
        ),
    ] {
        let message =
            confirmed(&tight(), &format!("permessage-deflate; {answer}")).expect_err(answer);
        assert!(message.contains(word), "{answer}: {message}");
    }
    for (answer, word) in [
        ("client_max_window_bits", "has no value"),
        ("server_max_window_bits", "has no value"),
        ("server_max_window_bits=16", "not a number from 8 to 15"),
        ("server_max_window_bits=09", "not a number from 8 to 15"),
        ("client_max_window_bits=7", "not a number from 8 to 15"),
        ("server_no_context_takeover=1", "has a value"),
        ("client_no_context_takeover; client_no_context_takeover", "there twice"),
        ("level=9", "is unknown"),
    ] {
        let message =
            confirmed(&generous(), &format!("permessage-deflate; {answer}")).expect_err(answer);
        assert!(message.contains(word), "{answer}: {message}");
    }
}

/// Whatever the two sides are configured to, they agree, and on the same parameters.
#[test]
fn our_client_and_our_server_always_agree() {
    let configs: Vec<Config> = (0..64)
        .map(|n| Config {
            server_takeover: n & 1 != 0,
            client_takeover: n & 2 != 0,
            server_window_bits: [9, 10, 14, 15][n >> 2 & 3],
            client_window_bits: [9, 10, 14, 15][n >> 4 & 3],
            ..Config::default()
        })
        .collect();
    for client in &configs {
        for server in &configs {
            let (theirs, text) = accepted(server, &offer(client)).expect("an acceptable offer");
            let ours = confirmed(client, &text).expect("an acceptable answer");
            assert!(!ours.server_no_takeover || theirs.server_no_takeover);
            assert!(!theirs.client_no_takeover || ours.client_no_takeover);
            assert!(
                theirs.server_bits <= ours.server_bits,
                "the client can read what the server writes"
            );
            assert!(
                ours.client_bits <= theirs.client_bits,
                "the server can read what the client writes"
            );
            assert!(
                theirs.server_bits <= client.server_window_bits
                    && theirs.server_bits <= server.server_window_bits
            );
            assert!(
                ours.client_bits <= client.client_window_bits
                    && ours.client_bits <= server.client_window_bits
            );
        }
    }
}
