//! What the bytes of TLS are, as far as anybody can tell who has no key: the kinds of its records.
//!
//! Next: `wire.rs`, the bytes.

/// How the words begin.
pub(crate) const TLS: &str = "TLS: ";

/// Length of a record's head: its kind, the version, and the length of what follows.
const HEAD: usize = 5;

/// The kinds of the records that begin in these bytes, the first of `count`. Empty if it is not TLS.
pub(crate) fn records(bytes: &[u8], count: u64) -> String {
    let mut rest = bytes;
    let mut at = 0;
    let mut kinds: Vec<&str> = Vec::new();
    while let [kind @ 20..=23, 3, 0..=4, high, low, body @ ..] = rest {
        let name = match (kind, body.first()) {
            (20, _) => "ChangeCipherSpec",
            (21, _) => "alert",
            (22, Some(1)) => "ClientHello",
            (22, Some(2)) => "ServerHello",
            (22, Some(11)) => "Certificate",
            (22, _) => "handshake",
            _ => "encrypted",
        };
        if kinds.last() != Some(&name) {
            kinds.push(name);
        }
        let end = HEAD + usize::from(u16::from_be_bytes([*high, *low]));
        at += end as u64;
        match rest.get(end..) {
            Some(next) => rest = next,
            // What follows lies beyond the bytes that the trace has. Behind an encrypted record there are only more.
            None if at < count && name != "encrypted" => {
                kinds.push("…");
                break;
            }
            None => break,
        }
    }
    if kinds.is_empty() { String::new() } else { format!("{TLS}{}", kinds.join(", ")) }
}

#[cfg(test)]
mod tests {
    use super::records;

    #[test]
    fn records_have_the_names_of_the_standard() {
        assert_eq!(records(&[22, 3, 1, 0, 4, 1, 0, 0, 0], 9), "TLS: ClientHello");
        assert_eq!(records(&[22, 3, 1, 0, 9, 1, 0, 0, 0], 14), "TLS: ClientHello");
        assert_eq!(records(&[20, 3, 3, 0, 1, 1, 23, 3, 3, 0, 9, 7], 20), "TLS: ChangeCipherSpec, encrypted");
        assert_eq!(records(&[23, 3, 3, 1, 0, 7, 7], 4000), "TLS: encrypted");
        assert_eq!(records(&[22, 3, 3, 0, 9, 2], 500), "TLS: ServerHello, …");
        for other in [&b"GET / HTTP/1.1"[..], &[], &[22], &[22, 4, 0, 0, 1, 1], &[22, 3, 3, 0]] {
            assert_eq!(records(other, 99), "", "{other:?}");
        }
    }
}
