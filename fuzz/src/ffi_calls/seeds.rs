//! Inputs to begin with.

use super::super::Seed;

// Each begins with what `call` draws, then handles (0: the newest), then the rest; 9 0 is a usual table.
const LOOP: &[u8] = &[40, 0];
const OPTIONS: &[u8] = &[54, 3];
const RETRYING: &[u8] = &[54, 1, 3, 0, 1];
const CERTIFIED: &[u8] = &[54, 0, 0];
const SERVER: &[u8] = &[64, 0, 0, 0, 0, 9, 9, 9, 0];
const UNIX_SERVER: &[u8] = &[64, 0, 0, 0, 7, 0, 9, 9, 9, 0];
const FILE_SERVER: &[u8] = &[64, 0, 0, 0, 10, 0, 9, 9, 9, 0];
const SERVER_WITH: &[u8] = &[64, 0, 0, 1, 0, 0, 9, 9, 9, 0];
const CLIENT: &[u8] = &[76, 0, 0, 0, 0, 0, 9, 0];
const CLIENT_WITH: &[u8] = &[76, 0, 0, 0, 0, 1, 0, 9, 0];
const BEACON: &[u8] = &[210, 0, 2];
/// Turns whose callbacks make no calls.
const TURNS: &[u8] = &[0; 24];
const WAIT: &[u8] = &[12; 6];
const SEND: &[u8] = &[96, 0, 0, 2, 9, 50, 0, 0];
const SEND_PIPE: &[u8] = &[96, 0, 7, 0, 0, 0, 200, 0];
const SEND_FROM: &[u8] = &[96, 0, 7, 1, 0, 2, 100, 50, 1];
const PULL_AGAIN: &[u8] = &[96, 0, 7, 0, 0, 4];
const CLOSE: &[u8] = &[96, 0, 9, 0, 1, 2];
const PEER: &[u8] = &[220, 0, 0, 0];
const FRAME: &[u8] = &[220, 6, 0];
const HANG_UP: &[u8] = &[220, 3];
const FREE: &[u8] = &[40, 2, 0];
const CLOSE_SERVER: &[u8] = &[200, 0, 0, 100, 0, 0];
const CLOSE_SERVER_SLOWLY: &[u8] = &[200, 0, 0, 100, 0, 80];
const ADOPT: &[u8] = &[200, 0, 2, 0, 0];
const POST: &[u8] = &[210, 0, 6, 0];
const COOKIE: &[u8] = &[150, 0, 6, 2, 1, 2, 1];
const ON_STAGE: &[u8] = &[76, 0, 0, 0, 11, 1, 0, 9, 0];
const PROXY_PEER: &[u8] = &[220, 0, 0, 3, 220, 5, 2, 220, 5, 0];

/// An integer option: position in the list of keys, and a small value.
fn set(position: u8, value: u8) -> [u8; 5] {
    [150, 0, 0, position, value]
}

const HUB: &[u8] = &[238, 0, 0, 0];
const MESSAGE: &[u8] = &[238, 0, 1, 50, 0];
const SUBSCRIBE: &[u8] = &[238, 0, 2, 0, 4];
const SUBSCRIBE_EXACTLY: &[u8] = &[238, 0, 3, 1, 0];
const PUBLISH: &[u8] = &[238, 0, 7, 0, 50, 0, 2, 0, 1];
const BROADCAST: &[u8] = &[238, 0, 12, 0, 0, 0];
const FREE_HUB: &[u8] = &[238, 0, 16, 0];
const SEND_MESSAGE: &[u8] = &[238, 0, 15, 0, 0, 0, 1];
const USE_EVENTS: &[u8] = &[253, 0, 0, 0, 4];
const FETCH: &[u8] = &[253, 0, 2, 2, 3, 0];
const FLUSH: &[u8] = &[253, 0, 5];
const START: &[u8] = &[253, 0, 6];
const JOIN: &[u8] = &[253, 0, 7];

pub fn all() -> Vec<Seed> {
    let seed = |name, ends: u8, parts: &[&[u8]]| (name, [&[ends], LOOP, &parts.concat()].concat());
    vec![
        seed("talk", 0, &[BEACON, SERVER, CLIENT, TURNS, SEND, TURNS, CLOSE, TURNS]),
        seed("from_callbacks", 0, &[SERVER, CLIENT, &[0, 0, 3], SEND, CLOSE, SEND, TURNS]),
        seed("peer", 0, &[SERVER, PEER, TURNS, FRAME, TURNS, HANG_UP, TURNS]),
        seed(
            "source",
            0,
            &[SERVER, CLIENT, TURNS, SEND_PIPE, SEND_FROM, TURNS, PULL_AGAIN, TURNS, CLOSE, TURNS],
        ),
        seed("free_source", 1, &[SERVER, CLIENT, TURNS, SEND_FROM, TURNS, SEND_PIPE, FREE]),
        seed("free", 1, &[SERVER, CLIENT, TURNS, SEND, FREE]),
        seed(
            "hub",
            0,
            &[HUB, SERVER, CLIENT, TURNS, SUBSCRIBE, PUBLISH, SUBSCRIBE_EXACTLY, PUBLISH, TURNS],
        ),
        seed("free_hub", 1, &[HUB, PUBLISH, SERVER, CLIENT, TURNS, SUBSCRIBE, FREE_HUB, PUBLISH]),
        seed("broadcast", 0, &[MESSAGE, SERVER, CLIENT, CLIENT, TURNS, BROADCAST, TURNS]),
        seed("post", 0, &[POST, &[0, 2], LOOP, POST, TURNS]),
        seed(
            "options",
            0,
            &[OPTIONS, &set(16, 1), &set(31, 1), COOKIE, SERVER_WITH, CLIENT_WITH, TURNS, SEND],
        ),
        seed("odd", 0, &[&[40, 1, 28, 235, 1, 90, 250, 1, 2, 3, 4, 5, 6, 7, 8, 12, 250, 200]]),
        seed("connect_while_loop_is_freed", 1, &[CLIENT, CLIENT, FREE, &[1], CLIENT]),
        seed("reset_before_request", 0, &[SERVER, &[220, 0, 0, 3], HANG_UP, TURNS]),
        seed("tls", 0, &[CERTIFIED, SERVER_WITH, CLIENT_WITH, TURNS, TURNS, SEND, TURNS]),
        seed("unix", 2, &[UNIX_SERVER, FILE_SERVER, CLIENT, TURNS, SEND, TURNS, CLOSE]),
        seed(
            "retry",
            0,
            &[BEACON, SERVER, RETRYING, CLIENT_WITH, SEND, TURNS, CLOSE_SERVER, WAIT, WAIT],
        ),
        seed("redirect", 0, &[SERVER, OPTIONS, &set(40, 3), CLIENT_WITH, &[0, 0, 0, 160], TURNS]),
        seed("adopt", 0, &[SERVER, ADOPT, TURNS, FRAME, TURNS, CLOSE_SERVER, TURNS]),
        seed("drain", 0, &[SERVER, CLIENT, CLIENT, TURNS, CLOSE_SERVER_SLOWLY, WAIT, CLOSE_SERVER]),
        seed("proxy", 0, &[SERVER, OPTIONS, &[150, 0, 11, 0, 0, 0], CLIENT_WITH, TURNS, TURNS]),
        seed(
            "given_up_while_looking_up",
            0,
            &[SERVER, OPTIONS, &[150, 0, 11, 2, 0, 0], &[76, 0, 0, 0, 10, 0, 1, 0, 9, 0]],
        ),
        seed("stage", 0, &[&[220, 9], RETRYING, ON_STAGE, TURNS, &[220, 10, 1], WAIT, WAIT]),
        seed(
            "batches",
            0,
            &[
                USE_EVENTS, SERVER, CLIENT, FETCH, FETCH, FETCH, SEND, FLUSH, FETCH, FETCH, CLOSE,
                FETCH, FETCH,
            ],
        ),
        seed(
            "batches_and_callbacks",
            0,
            &[
                USE_EVENTS, SERVER, CLIENT, TURNS, SEND, FETCH, TURNS, USE_EVENTS, SEND, FETCH,
                FETCH,
            ],
        ),
        seed(
            "asked_in_batches",
            0,
            &[
                USE_EVENTS,
                OPTIONS,
                &set(49, 1),
                SERVER_WITH,
                CLIENT,
                FETCH,
                FETCH,
                FETCH,
                FETCH,
                SEND,
                FETCH,
            ],
        ),
        seed("thread", 0, &[START, SERVER, CLIENT, WAIT, SEND, WAIT, CLOSE, WAIT]),
        seed(
            "thread_and_batches",
            0,
            &[
                USE_EVENTS, START, SERVER, CLIENT, FETCH, FETCH, SEND, FETCH, FETCH, JOIN, FETCH,
                CLOSE,
            ],
        ),
        seed("thread_is_freed", 1, &[START, SERVER, CLIENT, WAIT, SEND, FREE]),
        seed("message", 0, &[MESSAGE, SERVER, CLIENT, TURNS, SEND_MESSAGE, TURNS, SEND_MESSAGE]),
        seed("balancer", 0, &[OPTIONS, &[150, 0, 12, 0, 0], SERVER_WITH, PROXY_PEER, TURNS]),
    ]
}
