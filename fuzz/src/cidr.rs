//! Networks: a text says one or is refused, and an address is in it when the bits say so.

use super::Seed;
use super::input::Input;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use wsock::error::Code;
use wsock::proto::cidr::Cidr;

pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let (address, other) = (address(&mut input), address(&mut input));
    let prefix = u32::from(input.byte());
    written(address, prefix, other);
    let Ok(text) = std::str::from_utf8(input.rest()) else { return };
    match Cidr::parse(text) {
        Ok(cidr) => assert_eq!(Cidr::parse(&cidr.to_string()), Ok(cidr)),
        Err(error) => {
            assert_eq!(error.code, Code::InvalidArgument);
            assert!(!error.message.chars().any(char::is_control), "{error}");
        }
    }
}

/// IPv4, IPv6, or IPv4 in IPv6; often one whose bits end early.
fn address(input: &mut Input) -> IpAddr {
    let (kind, kept) = (input.byte(), u32::from(input.byte()));
    let bytes = input.bytes(16);
    let mut all = [0; 16];
    all[..bytes.len()].copy_from_slice(bytes);
    let v6 = u128::from_be_bytes(all) & u128::MAX.checked_shl(128 - kept % 129).unwrap_or(0);
    let v4 = Ipv4Addr::from((v6 >> 96) as u32);
    match kind % 3 {
        0 => v4.into(),
        1 => Ipv6Addr::from(v6).into(),
        _ => v4.to_ipv6_mapped().into(),
    }
}

/// Whether `a` and `b` agree in so many bits; IPv4 and IPv6 never do.
fn agree(a: IpAddr, b: IpAddr, bits: u32) -> bool {
    match (a.to_canonical(), b.to_canonical()) {
        (IpAddr::V4(a), IpAddr::V4(b)) => {
            (0..bits).all(|n| (a.to_bits() ^ b.to_bits()) << n < 1 << 31)
        }
        (IpAddr::V6(a), IpAddr::V6(b)) => {
            (0..bits).all(|n| (a.to_bits() ^ b.to_bits()) << n < 1 << 127)
        }
        _ => false,
    }
}

fn written(network: IpAddr, prefix: u32, address: IpAddr) {
    let text = format!("{network}/{prefix}");
    let (bits, width) = match network {
        IpAddr::V4(v4) => (u128::from(v4.to_bits()) << 96, 32),
        IpAddr::V6(v6) => (v6.to_bits(), 128),
    };
    let cleared = prefix <= width && (prefix..width).all(|n| bits << n < 1 << 127);
    let parsed = Cidr::parse(&text);
    assert_eq!(parsed.is_ok(), cleared, "{text}");
    let Ok(cidr) = parsed else { return };
    // A network of mapped addresses is that of IPv4; a wider one has IPv6 addresses alone.
    let mapped = network.to_canonical() != network;
    let expected = match mapped {
        true if prefix >= 96 => agree(network, address, prefix - 96),
        true => false,
        false => agree(network, address, prefix),
    };
    assert_eq!(cidr.contains(address), expected, "{text} {address}");
    assert!(cidr.contains(network) || mapped && prefix < 96);
}

pub fn seeds() -> Vec<Seed> {
    let v4 = |kept, bytes: [u8; 4]| [&[0, kept], &bytes[..], &[0; 12]].concat();
    let v6 =
        |kind, kept, byte: u8| [&[kind, kept], &[0x20, 0x01, 0x0d, 0xb8][..], &[byte; 12]].concat();
    [
        ("v4", v4(8, [10, 0, 0, 0]), v4(128, [10, 1, 2, 3]), 8, "10.0.0.0/8"),
        ("v4_outside", v4(22, [192, 168, 4, 0]), v4(128, [192, 168, 8, 0]), 22, "1.2.3.4"),
        ("v6", v6(1, 32, 0), v6(1, 128, 9), 32, "fd00::/8"),
        ("mapped", v6(2, 16, 0), v4(128, [0x20, 1, 7, 7]), 112, "::ffff:10.0.0.0/104"),
        ("all", v4(0, [0; 4]), v4(128, [255; 4]), 0, "0.0.0.0/0"),
        ("bits_behind", v4(128, [10, 0, 0, 1]), v6(1, 128, 1), 8, "2001:db8:8000::/32"),
        ("bad_prefix", v6(1, 64, 3), v6(2, 128, 1), 129, "fd00::/+8"),
    ]
    .map(|(name, network, address, prefix, text)| {
        (name, [&network[..], &address, &[prefix], text.as_bytes()].concat())
    })
    .to_vec()
}
