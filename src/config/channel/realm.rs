//! Which addresses lie where. Pure.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Where an address lies, for one who must not be led astray by a name server or a pasted URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Realm {
    /// On the internet.
    Public,
    /// On this machine, or in a network that only some can reach.
    Private,
    /// Where no server for people is: link-local addresses, with the metadata services of clouds among them, multicast,
    /// what is reserved, and IPv4 in the guise of IPv6.
    Nowhere,
}

/// Where that address lies, by the IANA registries of special-purpose addresses.
pub fn realm(ip: IpAddr) -> Realm {
    match ip {
        IpAddr::V4(ip) => v4(ip),
        IpAddr::V6(ip) => v6(ip),
    }
}

fn v4(ip: Ipv4Addr) -> Realm {
    match ip.octets() {
        [0 | 224..=255, ..] | [169, 254, ..] => Realm::Nowhere,
        [10 | 127, ..]
        | [100, 64..=127, ..]
        | [172, 16..=31, ..]
        | [192, 168, ..]
        | [192, 0, 0 | 2, _]
        | [192, 88, 99, _]
        | [198, 18 | 19, ..]
        | [198, 51, 100, _]
        | [203, 0, 113, _] => Realm::Private,
        _ => Realm::Public,
    }
}

fn v6(ip: Ipv6Addr) -> Realm {
    let inner = |high: u16, low: u16| {
        let [a, b] = high.to_be_bytes();
        let [c, d] = low.to_be_bytes();
        v4(Ipv4Addr::new(a, b, c, d))
    };
    match ip.segments() {
        // The metadata service of Amazon's machines.
        [0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254] => Realm::Nowhere,
        // Translated to IPv4 on the way, by NAT64 and 6to4.
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0x2002, high, low, ..] => inner(high, low),
        // This machine, networks of one's own, documentation, and what protocols keep for themselves.
        [0, 0, 0, 0, 0, 0, 0, 1]
        | [0xfc00..=0xfdff, ..]
        | [0x2001, 0xdb8 | 0..=0x1ff, ..]
        | [0x3fff, 0..=0xfff, ..] => Realm::Private,
        [0x2000..=0x3fff, ..] => Realm::Public,
        _ => Realm::Nowhere,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_address_has_its_place() {
        for (place, addresses) in [
            (
                Realm::Public,
                "1.1.1.1 8.8.8.8 100.63.255.255 100.128.0.0 172.15.0.1 172.32.0.1 192.1.0.0 223.255.255.255 \
                 2606:4700::1111 64:ff9b::808:808 2002:808:808::1",
            ),
            (
                Realm::Private,
                "10.0.0.1 127.0.0.1 127.255.255.255 100.64.0.0 100.127.255.255 172.16.0.0 172.31.255.255 192.168.1.1 \
                 192.0.0.1 192.0.2.1 198.18.0.1 198.19.255.255 203.0.113.9 ::1 fc00::1 fdff::1 2001:db8::1 2001::1 \
                 64:ff9b::a00:1 2002:a00:1::1",
            ),
            (
                Realm::Nowhere,
                "0.0.0.0 0.1.2.3 169.254.169.254 224.0.0.1 255.255.255.255 :: ::ffff:1.1.1.1 ::ffff:10.0.0.1 \
                 ::1.1.1.1 fe80::1 febf::1 fec0::1 ff02::1 fd00:ec2::254 100::1 64:ff9b:1::1 64:ff9b::a9fe:a9fe \
                 4000::1",
            ),
        ] {
            for address in addresses.split_whitespace() {
                let ip: IpAddr = address.parse().unwrap();
                assert_eq!(realm(ip), place, "{address}");
            }
        }
    }
}
