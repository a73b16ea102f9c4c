//! Which addresses are asked: what a stranger names must not lead into one's own network.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// How far a client reaches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reach {
    /// Addresses of the public network alone.
    #[default]
    Public,
    /// One's own machine and network too.
    Private,
    /// Besides the public network one address, for tests of what is allowed to no other.
    #[cfg(test)]
    Also(IpAddr),
}

impl Reach {
    /// Whether an address is connected to.
    pub(super) fn allows(self, address: IpAddr) -> bool {
        match (self, address) {
            (Self::Private, _) => true,
            #[cfg(test)]
            (Self::Also(one), address) if one == address => true,
            (_, IpAddr::V4(address)) => is_public(address),
            (_, IpAddr::V6(address)) => is_public_v6(address),
        }
    }
}

/// By the registry of special addresses (RFC 6890).
fn is_public(address: Ipv4Addr) -> bool {
    let special = address.is_loopback()
        || address.is_private()
        || address.is_link_local()
        || address.is_multicast()
        || address.is_documentation();
    !special
        && !matches!(
            address.octets(),
            [0, ..] | [100, 64..=127, ..] | [192, 0, 0, _] | [198, 18..=19, ..] | [240..=255, ..]
        )
}

/// Global unicast, without what stands for an IPv4 address in it (6to4, Teredo) and what is for documentation; and
/// IPv4 behind NAT64 (RFC 6052), without which a network of IPv6 alone reaches nobody.
fn is_public_v6(address: Ipv6Addr) -> bool {
    if let Some(mapped) = address.to_ipv4_mapped() {
        return is_public(mapped);
    }
    match address.segments() {
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => is_public(Ipv4Addr::from(u32::from(high) << 16 | u32::from(low))),
        [0x2001, 0..=0x1ff | 0xdb8, ..] | [0x2002, ..] | [0x3fff, 0..=0xfff, ..] => false,
        [first, ..] => first & 0xe000 == 0x2000,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::Reach;

    #[test]
    fn one_s_own_network_is_out_of_reach() {
        let own = "127.0.0.1 127.9.9.9 0.0.0.0 0.1.2.3 10.0.0.1 172.16.0.1 172.31.255.255 192.168.1.1 169.254.169.254 \
                   100.64.0.1 192.0.0.8 192.0.2.1 198.18.0.1 198.51.100.1 203.0.113.1 224.0.0.1 240.0.0.1 \
                   255.255.255.255 :: ::1 ::7f00:1 ::ffff:127.0.0.1 ::ffff:10.0.0.1 fe80::1 fec0::1 fc00::1 fd12::1 \
                   ff02::1 64:ff9b::7f00:1 64:ff9b::a00:1 64:ff9b:1::1 2002:7f00:1:: 2001::1 2001:db8::1 3fff::1 100::1";
        for address in own.split_whitespace().map(|text| text.parse().unwrap()) {
            assert!(!Reach::Public.allows(address), "{address}");
            assert!(Reach::Private.allows(address), "{address}");
        }
        let public = "1.1.1.1 172.32.0.1 100.128.0.1 192.0.1.1 198.20.0.1 223.255.255.255 ::ffff:1.1.1.1 \
                      2606:4700::1111 2a00::1 2001:4860::8888 64:ff9b::101:101";
        for address in public.split_whitespace().map(|text| text.parse().unwrap()) {
            assert!(Reach::Public.allows(address), "{address}");
        }
    }
}
