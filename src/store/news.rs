//! [`News`]: what the log has said about the store, and what it lacks. Pure.
//!
//! ```text
//!            trouble, for a moment                    worse trouble, at once; any other, once a minute
//!   well ---------------------------> said: lost --.---------------------------------> said once more
//!     ^                                            |
//!     '----- no trouble for STEADY_FOR ------------'
//! ```
//!
//! So the last word of the log is true, also if a store comes and goes: while it does, it is lost. Only the number of
//! lost buckets may be up to twice too large or too small.
//!
//! Next: `losing.rs`, what loses a bucket.

use std::time::{Duration, Instant};

/// Trouble is told after this time: the first attempt to connect again has then failed, and its failure says more than
/// the end of the last connection.
const AFTER: Duration = Duration::from_millis(500);

/// The store is said to be back if it has been well for this long.
const STEADY_FOR: Duration = Duration::from_secs(10);

/// While the store is lost, the log says a new reason at most this often.
const QUIET_FOR: Duration = Duration::from_secs(60);

/// What the log shall say.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// The store must not be used, and why.
    Unusable(String),
    /// It does not take everything, and why.
    Lost(String),
    /// It is well again, after this time.
    Back(Duration),
}

#[derive(Debug, Default)]
pub(super) struct News {
    /// How many buckets are lost, or were when the trouble was over, and how many there are.
    pub(super) lost: (usize, usize),
    /// When the trouble began that the log has told, or that it will tell.
    first: Option<Instant>,
    /// When the last trouble ended, and what it was.
    over: Option<(Instant, String)>,
    said: Option<Said>,
}

/// The log's last word, if that is a bad one.
#[derive(Debug)]
struct Said {
    at: Instant,
    is_unusable: bool,
    /// How many buckets were lost.
    lost: usize,
    why: String,
}

impl News {
    pub(super) fn began(&mut self, now: Instant) {
        self.first.get_or_insert(now);
        self.over = None;
    }

    pub(super) fn ended(&mut self, why: String, now: Instant) {
        self.over = Some((now, why));
    }

    /// The next line. The trouble of now is: since when, whether the store must not be used, and why.
    pub(super) fn next(&mut self, trouble: Option<(Instant, bool, String)>, now: Instant) -> Option<Line> {
        let passed = |since: Instant| now.saturating_duration_since(since);
        let (is_unusable, why) = match (trouble, &self.over) {
            (Some((since, is_unusable, why)), _) if is_unusable || self.said.is_some() || passed(since) >= AFTER => {
                (is_unusable, why)
            }
            // It is over before it was told.
            (None, Some((_, why))) if self.said.is_none() => (false, why.clone()),
            (None, Some((ended, _))) if passed(*ended) >= STEADY_FOR => {
                let lasted = ended.saturating_duration_since(self.first.take()?);
                (self.over, self.said) = (None, None);
                return Some(Line::Back(lasted));
            }
            _ => return None,
        };
        let (lost, all) = self.lost;
        let is_news = self.said.as_ref().is_none_or(|said| {
            let is_more = lost > said.lost && (lost == all || lost >= 2 * said.lost);
            let is_worse = is_unusable && !said.is_unusable || is_more;
            let is_other = said.why != why || said.is_unusable != is_unusable || 2 * lost <= said.lost;
            is_worse || is_other && passed(said.at) >= QUIET_FOR
        });
        if !is_news {
            return None;
        }
        let line = match is_unusable {
            true => Line::Unusable(why.clone()),
            false => Line::Lost(format!("{lost} of {all} buckets lost: {why}")),
        };
        self.said = Some(Said { at: now, is_unusable, lost, why });
        Some(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is said in each second, if the store is lost in those for which there is a reason.
    fn said(seconds: &[&str]) -> Vec<(usize, Line)> {
        let (start, mut news) = (Instant::now(), News { lost: (3, 4), ..News::default() });
        let mut since = None;
        let mut lines = Vec::new();
        for (second, why) in seconds.iter().enumerate() {
            let now = start + Duration::from_secs(second as u64);
            match (since, why.is_empty()) {
                (None, false) => {
                    since = Some(now);
                    news.began(now);
                }
                (Some(_), true) => {
                    since = None;
                    news.ended(seconds[second - 1].to_owned(), now);
                }
                _ => {}
            }
            let trouble = since.map(|since| (since, *why == "barred", why.to_string()));
            lines.extend(news.next(trouble, now + AFTER).map(|line| (second, line)));
        }
        lines
    }

    fn lost(why: &str) -> Line {
        Line::Lost(format!("3 of 4 buckets lost: {why}"))
    }

    #[test]
    fn a_store_that_goes_and_stays_away_is_lost_to_the_end() {
        let mut seconds = vec!["gone"; 3];
        seconds.extend([""; 4]);
        seconds.extend(["gone"; 100]);
        assert_eq!(said(&seconds), [(0, lost("gone"))], "it was not well for long enough");
        seconds[3..7].fill("");
        seconds.splice(3..3, [""; 8]);
        assert_eq!(said(&seconds), [(0, lost("gone")), (13, Line::Back(Duration::from_secs(3))), (15, lost("gone"))]);
    }

    #[test]
    fn a_store_that_comes_and_goes_gets_one_line() {
        let seconds = ["gone", ""].repeat(100);
        assert_eq!(said(&seconds), [(0, lost("gone"))]);
        assert_eq!(said(&["", "slow", ""]), [(1, lost("slow"))], "short trouble is told, too");
    }

    #[test]
    fn another_reason_is_told_once_a_minute() {
        let seconds = ["full", "slow", "gone"].repeat(40);
        let lines = said(&seconds);
        assert_eq!(lines, [(0, lost("full")), (61, lost("slow"))]);
        let mut seconds = vec!["gone"; 5];
        seconds.extend(["barred"; 5]);
        assert_eq!(said(&seconds), [(0, lost("gone")), (5, Line::Unusable("barred".to_owned()))], "that is worse");
        let (start, mut news) = (Instant::now(), News::default());
        news.began(start);
        let mut lines = Vec::new();
        for second in 1..10 {
            news.lost = (if second < 5 { 1 } else { 4 }, 4);
            let now = start + Duration::from_secs(second);
            lines.extend(news.next(Some((start, false, "gone".to_owned())), now).map(|line| (second, line)));
        }
        let lost = |count: usize| Line::Lost(format!("{count} of 4 buckets lost: gone"));
        assert_eq!(lines, [(1, lost(1)), (5, lost(4))], "so is the loss of all");
    }

    #[test]
    fn a_loss_that_grows_is_told_with_each_doubling() {
        let (start, mut news) = (Instant::now(), News::default());
        news.began(start);
        let mut told = Vec::new();
        for lost in [1, 1, 2, 3, 5, 90, 100, 179, 180, 150, 190, 255, 256, 256] {
            news.lost = (lost, 256);
            let line = news.next(Some((start, false, "full".to_owned())), start + Duration::from_secs(2));
            if let Some(line) = line {
                assert_eq!(line, Line::Lost(format!("{lost} of 256 buckets lost: full")));
                told.push(lost);
            }
        }
        assert_eq!(told, [1, 2, 5, 90, 180, 256]);
    }

    #[test]
    fn a_loss_that_has_become_half_is_told_within_a_minute() {
        let (start, mut news) = (Instant::now(), News::default());
        news.began(start);
        let mut told = Vec::new();
        for second in 1..200 {
            let lost = if second < 10 { 256 } else { 93 };
            news.lost = (lost, 256);
            let now = start + Duration::from_secs(second);
            if news.next(Some((start, false, "gone".to_owned())), now).is_some() {
                told.push((second, lost));
            }
        }
        assert_eq!(told, [(1, 256), (61, 93)]);
    }
}
