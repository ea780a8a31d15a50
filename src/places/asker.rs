//! [`Asker`]: the address that a question comes from. Whatever is shared out among clients is shared out among these.
//!
//! Next: `limiter.rs`, which shares the service out.

use std::net::{IpAddr, Ipv6Addr};

/// The address of a client, as far as it counts: of an IPv6 address the first 64 bits, because a machine that has one
/// address of such a network usually has all of them. An IPv4 address counts whole, also in its IPv6 form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Asker(Option<IpAddr>);

impl Asker {
    /// The person who runs the server.
    pub const OPERATOR: Asker = Asker(None);
}

impl From<IpAddr> for Asker {
    fn from(address: IpAddr) -> Asker {
        Asker(Some(match address.to_canonical() {
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
            }
            address => address,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_one_network_are_one_asker() {
        let asker = |text: &str| Asker::from(text.parse::<IpAddr>().unwrap());
        assert_eq!(asker("2001:db8:1:2::1"), asker("2001:db8:1:2:ffff::2"));
        assert_ne!(asker("2001:db8:1:2::1"), asker("2001:db8:1:3::1"));
        assert_eq!(asker("192.0.2.1"), asker("::ffff:192.0.2.1"));
        assert_ne!(asker("192.0.2.1"), asker("192.0.2.2"));
        assert_ne!(asker("::ffff:192.0.2.1"), asker("::ffff:192.0.2.2"));
    }
}
