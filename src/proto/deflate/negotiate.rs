//! The parameters of permessage-deflate, offered, answered and checked (RFC 7692 section 7.1).

use super::{Config, Params};
use crate::proto::extension::Extension;

/// The name of the extension.
pub const NAME: &str = "permessage-deflate";

const SERVER_NO_TAKEOVER: &str = "server_no_context_takeover";
const CLIENT_NO_TAKEOVER: &str = "client_no_context_takeover";
const SERVER_BITS: &str = "server_max_window_bits";
const CLIENT_BITS: &str = "client_max_window_bits";

/// The smallest window that zlib compresses with.
const MIN_BITS: u8 = 9;
const MAX_BITS: u8 = 15;

/// What one side wrote. Outer `None`: the parameter is absent.
#[derive(Default)]
struct Written {
    server_no_takeover: bool,
    client_no_takeover: bool,
    server_bits: Option<u8>,
    /// Inner `None`: without a value, which only an offer may do.
    client_bits: Option<Option<u8>>,
}

/// The value of a client's `Sec-WebSocket-Extensions`.
pub fn offer(config: &Config) -> String {
    let limit = |bits: u8| (bits < MAX_BITS).then(|| bits.to_string());
    let mut offer = Extension::new(NAME);
    if !config.server_takeover {
        offer = offer.with(SERVER_NO_TAKEOVER, None);
    }
    if !config.client_takeover {
        offer = offer.with(CLIENT_NO_TAKEOVER, None);
    }
    if let Some(bits) = limit(config.server_window_bits) {
        offer = offer.with(SERVER_BITS, Some(bits));
    }
    // Always there: without it the server must not ask for less.
    offer.with(CLIENT_BITS, limit(config.client_window_bits)).to_string()
}

/// A client's look at the answer to [`offer`]. Answers that do not follow from the offer are errors.
pub fn confirm(config: &Config, response: &Extension) -> Result<Params, String> {
    let answer = read(response)?;
    if !config.server_takeover && !answer.server_no_takeover {
        return Err(format!("{SERVER_NO_TAKEOVER} was requested and is missing"));
    }
    let server_bits = match answer.server_bits {
        Some(bits) if bits > config.server_window_bits => {
            return Err(format!("{SERVER_BITS}={bits} is more than was requested"));
        }
        Some(bits) => bits,
        None if config.server_window_bits < MAX_BITS => {
            return Err(format!("{SERVER_BITS} was requested and is missing"));
        }
        None => MAX_BITS,
    };
    let client_bits = match answer.client_bits {
        None => config.client_window_bits,
        Some(None) => return Err(format!("{CLIENT_BITS} has no value")),
        Some(Some(bits)) if bits > config.client_window_bits => {
            return Err(format!("{CLIENT_BITS}={bits} is more than was offered"));
        }
        Some(Some(bits)) => bits,
    };
    Ok(Params {
        server_no_takeover: answer.server_no_takeover,
        // What the server lets us keep we may still drop.
        client_no_takeover: answer.client_no_takeover || !config.client_takeover,
        // We only inflate with it, and a larger window reads what a smaller one wrote.
        server_bits: server_bits.max(MIN_BITS),
        client_bits,
    })
}

/// A server's choice: the first offer that it can fulfil, and the answer to it. All others are declined.
pub fn accept(config: &Config, offers: &[Extension]) -> Option<(Params, String)> {
    offers.iter().filter(|offer| offer.name == NAME).find_map(|offer| answer(config, offer))
}

fn answer(config: &Config, offer: &Extension) -> Option<(Params, String)> {
    let offered = read(offer).ok()?;
    let mut response = Extension::new(NAME);
    if offered.server_no_takeover {
        response = response.with(SERVER_NO_TAKEOVER, None);
    }
    let client_no_takeover = offered.client_no_takeover || !config.client_takeover;
    if client_no_takeover {
        response = response.with(CLIENT_NO_TAKEOVER, None);
    }
    let mut server_bits = config.server_window_bits;
    if let Some(bits) = offered.server_bits {
        if bits < MIN_BITS {
            return None;
        }
        server_bits = server_bits.min(bits);
        response = response.with(SERVER_BITS, Some(server_bits.to_string()));
    }
    let mut client_bits = MAX_BITS;
    if let Some(bits) = offered.client_bits {
        client_bits = config.client_window_bits.min(bits.unwrap_or(MAX_BITS));
        if client_bits < MAX_BITS {
            response = response.with(CLIENT_BITS, Some(client_bits.to_string()));
        }
    }
    let params = Params {
        // What the client lets us keep we may still drop, without a word.
        server_no_takeover: offered.server_no_takeover || !config.server_takeover,
        client_no_takeover,
        server_bits,
        client_bits,
    };
    Some((params, response.to_string()))
}

/// The parameters of an offer or an answer; unknown, repeated and malformed ones are errors.
fn read(extension: &Extension) -> Result<Written, String> {
    let mut written = Written::default();
    for (name, value) in &extension.params {
        let value = value.as_deref();
        let repeated = match name.as_str() {
            SERVER_NO_TAKEOVER if value.is_none() => {
                std::mem::replace(&mut written.server_no_takeover, true)
            }
            CLIENT_NO_TAKEOVER if value.is_none() => {
                std::mem::replace(&mut written.client_no_takeover, true)
            }
            SERVER_NO_TAKEOVER | CLIENT_NO_TAKEOVER => return Err(format!("{name} has a value")),
            SERVER_BITS => {
                let value = value.ok_or_else(|| format!("{SERVER_BITS} has no value"))?;
                written.server_bits.replace(bits(name, value)?).is_some()
            }
            CLIENT_BITS => {
                let value = value.map(|value| bits(name, value)).transpose()?;
                written.client_bits.replace(value).is_some()
            }
            _ => return Err(format!("the parameter {name:?} is unknown")),
        };
        if repeated {
            return Err(format!("{name} is there twice"));
        }
    }
    Ok(written)
}

/// 8 to 15 without a leading zero (RFC 7692 section 7.1.2).
fn bits(name: &str, value: &str) -> Result<u8, String> {
    match value {
        "8" => Ok(8),
        "9" => Ok(9),
        "10" => Ok(10),
        "11" => Ok(11),
        "12" => Ok(12),
        "13" => Ok(13),
        "14" => Ok(14),
        "15" => Ok(15),
        _ => Err(format!("{name}={value} is not a number from 8 to 15")),
    }
}

#[cfg(test)]
mod tests;
