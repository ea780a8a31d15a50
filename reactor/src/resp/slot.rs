//! [`slot_of`]: in which of the 16,384 slots of a cluster a key is. Pure.
//!
//! Next: `command.rs`, what is sent.

/// Number of slots in a cluster.
pub const SLOTS: u16 = 16_384;

/// The slot of a key: CRC16 of the key, or of its hash tag. The tag is what stands between the first `{` and the next
/// `}`, unless that is nothing. Keys with the same tag are in one slot, so one command may name all of them.
///
/// ```
/// use reactor::resp::slot_of;
///
/// assert_eq!(slot_of(b"{client:7}.place"), slot_of(b"{client:7}.seen"));
/// assert_eq!(slot_of(b"123456789"), 0x31C3 % 16_384);
/// ```
pub fn slot_of(key: &[u8]) -> u16 {
    crc16(tag(key).unwrap_or(key)) % SLOTS
}

fn tag(key: &[u8]) -> Option<&[u8]> {
    let after = &key[memchr::memchr(b'{', key)? + 1..];
    let tag = &after[..memchr::memchr(b'}', after)?];
    (!tag.is_empty()).then_some(tag)
}

/// CRC-16/XMODEM: polynomial 0x1021, beginning with 0, nothing reflected.
fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, byte| (crc << 8) ^ TABLE[usize::from((crc >> 8) as u8 ^ byte)])
}

/// What each byte does to the remainder.
const TABLE: [u16; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = (byte as u16) << 8;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ 0x1021 };
            bit += 1;
        }
        table[byte] = crc;
        byte += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_those_of_the_cluster_specification() {
        // The check value of CRC-16/XMODEM, and what `CLUSTER KEYSLOT` of Redis 7 answers.
        assert_eq!(crc16(b"123456789"), 0x31C3);
        for (key, slot) in [("", 0), ("foo", 12182), ("bar", 5061), ("hello", 866), ("somekey", 11058)] {
            assert_eq!(slot_of(key.as_bytes()), slot, "{key}");
        }
    }

    #[test]
    fn a_tag_is_the_first_one_and_never_empty() {
        let tags = [
            ("{user1000}.following", Some("user1000")),
            ("foo{}{bar}", None),
            ("foo{{bar}}zap", Some("{bar")),
            ("foo{bar}{zap}", Some("bar")),
            ("foo{bar", None),
            ("foo}bar{zap}", Some("zap")),
        ];
        for (key, expected) in tags {
            assert_eq!(tag(key.as_bytes()), expected.map(str::as_bytes), "{key}");
        }
    }
}
