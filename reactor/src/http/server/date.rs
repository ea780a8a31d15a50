//! [`DateLine`]: the header `Date`, made once a second. Pure.
//!
//! Next: `writer.rs`, a body that is written piece by piece.

use std::time::{SystemTime, UNIX_EPOCH};

const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// The header line of a second. RFC 9110, section 6.6.1: a server with a clock sends one with each response.
#[derive(Debug, Default)]
pub(super) struct DateLine {
    second: u64,
    line: String,
}

impl DateLine {
    /// `Date: Sun, 06 Nov 1994 08:49:37 GMT` with its CR LF.
    pub(super) fn at(&mut self, now: SystemTime) -> &str {
        let second = now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        if self.line.is_empty() || second != self.second {
            self.second = second;
            self.line = format!("Date: {}\r\n", imf_date(second));
        }
        &self.line
    }
}

/// RFC 9110, section 5.6.7.
fn imf_date(second: u64) -> String {
    let (days, time) = (second / 86_400, second % 86_400);
    let (year, month, day) = civil(days);
    let (name, month) = (DAYS[(days % 7) as usize], MONTHS[month]);
    format!("{name}, {day:02} {month} {year:04} {:02}:{:02}:{:02} GMT", time / 3600, time / 60 % 60, time % 60)
}

/// Year, month from 0, and day from 1, of a number of days since 1970. The year begins in March here, so that the day
/// of a leap year comes last.
fn civil(days: u64) -> (u64, usize, u64) {
    let days = days + 719_468; // Since 1 March of the year 0.
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let year = era * 400 + year_of_era + u64::from(month >= 10);
    (year, ((month + 2) % 12) as usize, day)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_date_is_that_of_the_rfc() {
        for (second, date) in [
            (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
            (784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT"),
            (951_782_400, "Tue, 29 Feb 2000 00:00:00 GMT"),
            (951_868_799, "Tue, 29 Feb 2000 23:59:59 GMT"),
            (951_868_800, "Wed, 01 Mar 2000 00:00:00 GMT"),
            (1_735_689_599, "Tue, 31 Dec 2024 23:59:59 GMT"),
            (4_107_542_400, "Mon, 01 Mar 2100 00:00:00 GMT"),
        ] {
            assert_eq!(imf_date(second), date);
        }
    }

    #[test]
    fn a_line_is_kept_for_its_second() {
        let mut line = DateLine::default();
        let at = |millis| UNIX_EPOCH + Duration::from_millis(millis);
        let first = line.at(at(1000)).to_owned();
        assert_eq!(line.at(at(1999)), first);
        assert_ne!(line.at(at(2000)), first);
        assert!(first.ends_with("GMT\r\n"));
    }
}
