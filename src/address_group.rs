//! [`AddressGroup`]: the addresses that count as one client. Whatever is shared out among clients (connections, the
//! log, questions to the Places service) is shared out among these: one machine can open any number of connections.
//!
//! Next: [`config.rs`](mod@crate::config), the configuration itself.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

/// The address of a client, as far as it counts: of an IPv6 address the first 64 bits, because a machine that has one
/// address of such a network usually has all of them. An IPv4 address counts whole, also in its IPv6 form.
/// [`Display`](fmt::Display) shows it as `192.0.2.7` or `2001:db8:1:2::/64`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AddressGroup(Option<IpAddr>);

impl AddressGroup {
    /// The person who runs the server.
    pub const OPERATOR: AddressGroup = AddressGroup(None);
}

impl From<IpAddr> for AddressGroup {
    fn from(address: IpAddr) -> AddressGroup {
        AddressGroup(Some(match address.to_canonical() {
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
            }
            address => address,
        }))
    }
}

impl From<Option<IpAddr>> for AddressGroup {
    /// A peer without an address is on this machine.
    fn from(address: Option<IpAddr>) -> AddressGroup {
        address.map_or(AddressGroup::OPERATOR, AddressGroup::from)
    }
}

impl fmt::Display for AddressGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(IpAddr::V6(network)) => write!(f, "{network}/64"),
            Some(address) => write!(f, "{address}"),
            None => f.write_str("this machine"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_one_network_are_one_group() {
        let group = |text: &str| AddressGroup::from(text.parse::<IpAddr>().unwrap());
        assert_eq!(group("2001:db8:1:2::1"), group("2001:db8:1:2:ffff::2"));
        assert_ne!(group("2001:db8:1:2::1"), group("2001:db8:1:3::1"));
        assert_eq!(group("192.0.2.1"), group("::ffff:192.0.2.1"));
        assert_ne!(group("192.0.2.1"), group("192.0.2.2"));
        assert_ne!(group("::ffff:192.0.2.1"), group("::ffff:192.0.2.2"));
    }
    #[test]
    fn a_group_is_shown_as_its_addresses() {
        let shown = |text: &str| AddressGroup::from(text.parse::<IpAddr>().unwrap()).to_string();
        assert_eq!(shown("::ffff:192.0.2.1"), "192.0.2.1");
        assert_eq!(shown("2001:db8:1:2::1"), "2001:db8:1:2::/64");
    }
}
