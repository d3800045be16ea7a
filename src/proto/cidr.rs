//! Networks in CIDR notation (RFC 4632, RFC 4291 section 2.3), and which addresses are in them.

use crate::error::{Code, Error, Result};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// All addresses that begin with the same bits. IPv4-mapped IPv6 addresses count as IPv4.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cidr {
    network: IpAddr,
    prefix: u32,
}

impl Cidr {
    /// Parses `10.0.0.0/8`, or an address, which stands for itself alone.
    pub fn parse(text: &str) -> Result<Cidr> {
        let refuse = |what: String| Err(Error::new(Code::InvalidArgument, what));
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let Ok(written) = address.parse::<IpAddr>() else {
            return refuse(format!(
                "{text:?} is no IP address or network, like 10.0.0.0/8 or fd00::/8"
            ));
        };
        let (_, width) = bits(written);
        let digits = |text: &&str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        let prefix = match prefix.map(|text| Some(text).filter(digits)?.parse().ok()) {
            None => width,
            Some(Some(prefix)) if prefix <= width => prefix,
            Some(_) => {
                return refuse(format!(
                    "{text:?} has no prefix from 0 to {width} behind its slash"
                ));
            }
        };
        let cidr = canonical(written, prefix);
        let network = cidr.first();
        if network != cidr.network {
            return refuse(format!(
                "{text:?} has bits set behind the prefix: write {}",
                Cidr { network, ..cidr }
            ));
        }
        Ok(cidr)
    }

    /// Whether the address is in the network.
    pub fn contains(&self, address: IpAddr) -> bool {
        let (network, width) = bits(self.network);
        let (address, its_width) = bits(address.to_canonical());
        width == its_width && beginning(network ^ address, width, self.prefix) == 0
    }

    /// The address with all bits behind the prefix cleared.
    fn first(&self) -> IpAddr {
        let (network, width) = bits(self.network);
        let first = beginning(network, width, self.prefix);
        match self.network {
            IpAddr::V4(_) => Ipv4Addr::from(first as u32).into(),
            IpAddr::V6(_) => Ipv6Addr::from(first).into(),
        }
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.network, self.prefix)
    }
}

/// A network of IPv4-mapped addresses as the IPv4 network that it is.
fn canonical(network: IpAddr, prefix: u32) -> Cidr {
    const MAPPED: u32 = 96;
    match network.to_canonical() {
        mapped if mapped != network && prefix >= MAPPED => {
            Cidr { network: mapped, prefix: prefix - MAPPED }
        }
        _ => Cidr { network, prefix },
    }
}

/// An address as a number, and how many bits that has.
fn bits(address: IpAddr) -> (u128, u32) {
    match address {
        IpAddr::V4(address) => (u128::from(address.to_bits()), Ipv4Addr::BITS),
        IpAddr::V6(address) => (address.to_bits(), Ipv6Addr::BITS),
    }
}

/// The first `prefix` of the `width` bits; zeros in place of the others.
fn beginning(bits: u128, width: u32, prefix: u32) -> u128 {
    let mask = u128::MAX.checked_shl(width - prefix).unwrap_or(0);
    bits & mask
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cidr(text: &str) -> Cidr {
        Cidr::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    fn refusal(text: &str) -> String {
        let error = Cidr::parse(text).expect_err(text);
        assert_eq!(error.code, Code::InvalidArgument);
        error.message.to_string()
    }

    #[test]
    fn a_network_has_its_addresses_and_no_others() {
        for (network, inside, outside) in [
            ("10.0.0.0/8", ["10.0.0.0", "10.255.255.255"], ["9.255.255.255", "11.0.0.0"]),
            ("192.168.4.0/22", ["192.168.4.0", "192.168.7.255"], ["192.168.3.255", "192.168.8.0"]),
            ("1.2.3.4/31", ["1.2.3.4", "1.2.3.5"], ["1.2.3.3", "1.2.3.6"]),
            ("1.2.3.4", ["1.2.3.4", "::ffff:1.2.3.4"], ["1.2.3.5", "::1.2.3.4"]),
            ("0.0.0.0/0", ["0.0.0.0", "255.255.255.255"], ["::", "::1"]),
            ("128.0.0.0/1", ["128.0.0.0", "255.0.0.1"], ["127.255.255.255", "8000::"]),
            ("::1", ["::1", "0:0::1"], ["::2", "0.0.0.1"]),
            ("fd00::/8", ["fd00::", "fdff:ffff::1"], ["fc00::", "fe00::"]),
            ("2001:db8::/33", ["2001:db8::", "2001:db8:7fff::"], ["2001:db8:8000::", "2001:db9::"]),
            ("::/0", ["::", "ffff::"], ["0.0.0.0", "::ffff:1.2.3.4"]),
            ("2001:db8::/128", ["2001:db8::", "2001:db8:0::0"], ["2001:db8::1", "32.1.13.184"]),
        ] {
            for address in inside {
                assert!(cidr(network).contains(address.parse().unwrap()), "{network} {address}");
            }
            for address in outside {
                assert!(!cidr(network).contains(address.parse().unwrap()), "{network} {address}");
            }
        }
    }

    #[test]
    fn mapped_addresses_are_ipv4() {
        assert_eq!(cidr("::ffff:10.0.0.0/104"), cidr("10.0.0.0/8"));
        assert_eq!(cidr("::ffff:0:0/96"), cidr("0.0.0.0/0"));
        assert_eq!(cidr("::ffff:a00:1"), cidr("10.0.0.1"));
        assert!(cidr("10.0.0.0/8").contains("::ffff:10.1.2.3".parse().unwrap()));
        assert!(cidr("::ffff:10.0.0.0/104").contains("10.1.2.3".parse().unwrap()));
    }

    #[test]
    fn it_is_shown_as_it_is_written() {
        for text in ["10.0.0.0/8", "1.2.3.4/32", "fd00::/8", "::/0"] {
            assert_eq!(cidr(text).to_string(), text);
        }
        assert_eq!(cidr("::1").to_string(), "::1/128");
    }

    #[test]
    fn every_bit_behind_the_prefix_is_told_with_what_was_meant() {
        for (text, meant) in [
            ("10.0.0.1/8", "write 10.0.0.0/8"),
            ("1.2.3.4/0", "write 0.0.0.0/0"),
            ("1.2.3.5/31", "write 1.2.3.4/31"),
            ("fd00::1/8", "write fd00::/8"),
            ("2001:db8:8000::/32", "write 2001:db8::/32"),
            ("::1/0", "write ::/0"),
            ("::ffff:10.0.0.1/104", "write 10.0.0.0/8"),
            ("::ffff:0:0/90", "write ::ffc0:0:0/90"),
        ] {
            let message = refusal(text);
            assert!(message.contains("bits set behind the prefix"), "{message}");
            assert!(message.ends_with(meant), "{message}");
        }
    }

    #[test]
    fn bad_prefixes() {
        for prefix in ["", "33", "-1", "+8", "8 ", "x", "8/8", "255.0.0.0", "4294967304"] {
            let message = refusal(&format!("10.0.0.0/{prefix}"));
            assert!(message.contains("no prefix from 0 to 32"), "{message}");
        }
        assert!(refusal("fd00::/129").contains("from 0 to 128"));
    }

    #[test]
    fn what_is_no_address() {
        for text in [
            "",
            "/",
            "/8",
            " 10.0.0.0/8",
            "10/8",
            "10.0.0/24",
            "010.0.0.0/8",
            "256.0.0.0/8",
            "h",
            "[::1]",
            "fe80::1%eth0",
            ":::/8",
            "1.2.3.4:80",
        ] {
            assert!(refusal(text).contains("is no IP address or network"), "{text}");
        }
    }
}
