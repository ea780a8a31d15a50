//! Reading DER, the bytes of which certificates are made: elements one after another, each with its tag and length.
//!
//! One pass, no recursion, and every length is checked against the bytes that are there.
//!
//! Next: `../http/mod.rs`, a protocol on top of all this.

pub(super) const BOOLEAN: u8 = 0x01;
pub(super) const INTEGER: u8 = 0x02;
pub(super) const BIT_STRING: u8 = 0x03;
pub(super) const OCTET_STRING: u8 = 0x04;
pub(super) const OBJECT_IDENTIFIER: u8 = 0x06;
pub(super) const UTC_TIME: u8 = 0x17;
pub(super) const GENERALIZED_TIME: u8 = 0x18;
pub(super) const BMP_STRING: u8 = 0x1e;
pub(super) const SEQUENCE: u8 = 0x30;
pub(super) const SET: u8 = 0x31;

/// Takes the next element off `input` if it has this tag, and returns its content.
pub(super) fn expect<'a>(tag: u8, input: &mut &'a [u8]) -> Option<&'a [u8]> {
    let mut rest = *input;
    let (found, content) = element(&mut rest)?;
    if found != tag {
        return None;
    }
    *input = rest;
    Some(content)
}

/// Takes the next element off `input`, and returns its tag, of one byte, and its content.
pub(super) fn element<'a>(input: &mut &'a [u8]) -> Option<(u8, &'a [u8])> {
    let (&tag, rest) = input.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        // A long length: the low bits say how many bytes it has. No certificate needs more than four.
        0x81..=0x84 => {
            let (digits, rest) = rest.split_at_checked(usize::from(first - 0x80))?;
            (digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit)), rest)
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    *input = rest;
    Some((tag, content))
}

/// Takes a moment off `input`, in seconds since 1970. Moments before that count as 1970 (RFC 5280, section 4.1.2.5:
/// always in UTC, always with seconds).
pub(super) fn time(input: &mut &[u8]) -> Option<u64> {
    let (tag, text) = element(input)?;
    let text = text.strip_suffix(b"Z")?;
    let mut digits = text;
    let year = match tag {
        // Two digits: 1950 to 2049.
        UTC_TIME => match number(&mut digits, 2)? {
            year @ 50.. => 1900 + year,
            year => 2000 + year,
        },
        GENERALIZED_TIME => number(&mut digits, 4)?,
        _ => return None,
    };
    let [month, day, hour, minute, second] = [(); 5].map(|()| number(&mut digits, 2));
    let (month, day, hour, minute, second) = (month?, day?, hour?, minute?, second?);
    if !digits.is_empty() || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    // A year that begins in March has its odd day last. `Date` in `error.rs` is the way back.
    let year = if month <= 2 { year.checked_sub(1)? } else { year };
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    Some((days.saturating_sub(719_468) * 24 + hour) * 3600 + minute * 60 + second)
}

/// Takes a number of this many decimal digits off `input`.
fn number(input: &mut &[u8], digits: usize) -> Option<u64> {
    let (text, rest) = input.split_at_checked(digits)?;
    *input = rest;
    text.iter().try_fold(0, |number, digit| digit.is_ascii_digit().then(|| number * 10 + u64::from(digit - b'0')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_read_in_both_forms() {
        let read = |tag: u8, text: &str| {
            let der = [&[tag, text.len() as u8], text.as_bytes()].concat();
            time(&mut &der[..])
        };
        for (tag, text, seconds) in [
            (UTC_TIME, "700101000000Z", Some(0)),
            (UTC_TIME, "000229235959Z", Some(951_868_799)),
            (UTC_TIME, "491231235959Z", Some(2_524_607_999)),
            (UTC_TIME, "500101000000Z", Some(0)),
            (GENERALIZED_TIME, "20240229000000Z", Some(1_709_164_800)),
            (GENERALIZED_TIME, "21000301000000Z", Some(4_107_542_400)),
            (GENERALIZED_TIME, "99991231235959Z", Some(253_402_300_799)),
            (GENERALIZED_TIME, "00000101000000Z", None),
            (UTC_TIME, "7001010000Z", None),
            (UTC_TIME, "700101000000", None),
            (UTC_TIME, "701301000000Z", None),
            (UTC_TIME, "70010100000xZ", None),
            (INTEGER, "700101000000Z", None),
        ] {
            assert_eq!(read(tag, text), seconds, "{text}");
        }
    }

    #[test]
    fn an_element_ends_within_its_input() {
        assert_eq!(element(&mut &[2, 1, 7][..]), Some((2, &[7][..])));
        assert_eq!(element(&mut &[2, 0x81, 1, 7][..]), Some((2, &[7][..])));
        for cut in [
            &[][..],
            &[2],
            &[2, 1],
            &[2, 0x81],
            &[2, 0x80, 0],
            &[2, 0x85, 0, 0, 0, 0, 0],
            &[2, 0x84, 255, 255, 255, 255],
        ] {
            assert_eq!(element(&mut &cut[..]), None);
        }
    }
}
