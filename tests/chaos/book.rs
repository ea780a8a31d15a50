//! [`Book`]: what the herd has promised, and whether it has kept it. It decides by code of its own what is newer.
//!
//! * *Never backwards*: one process never says something older about a client than it has said or acknowledged before.
//! * *Converged*: when all is mended, all five say the same about each client.
//! * *Nothing lost*: what they say is not older than anything that a process acknowledged, unless that process has died
//!   since. It answers before its neighbors have the location, so its death may take the location with it
//!   (`docs/operating.md`). What all five had in an earlier round is never lost: no round kills them all.

use std::collections::BTreeMap;

/// A version of a client's location: time in nanoseconds, server, line. Of two the greater one wins.
pub(crate) type Version = (i128, String, String);

/// One run of one server.
pub(crate) type Life = u64;

/// What the herd has said so far.
#[derive(Debug, Default)]
pub(crate) struct Book {
    /// The newest that each life has said or acknowledged.
    said: BTreeMap<(Life, String), Version>,
    /// What was acknowledged since the last time that all five agreed.
    acknowledged: Vec<(Life, String, Version)>,
    /// What all five agreed on last.
    agreed: BTreeMap<String, Version>,
    pub(crate) violations: Vec<String>,
    /// Whether a server may know less than it has said: it has a store, and may have lost that.
    pub(crate) may_know_less: bool,
    pub(crate) counts: Counts,
}

/// What was counted.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Counts {
    pub(crate) acknowledged: u64,
    pub(crate) answers: u64,
    /// Acknowledged locations that died with the process that had acknowledged them.
    pub(crate) lost_with_server: u64,
}

/// Reads an AT line.
pub(crate) fn version(line: &str) -> Option<Version> {
    let fields: Vec<&str> = line.split(' ').collect();
    let [word, server, _, _, _, time] = fields[..] else { return None };
    let (whole, fraction) = time.split_once('.')?;
    let nanoseconds = format!("{whole}{fraction:0<9}").parse().ok()?;
    (word == "AT").then(|| (nanoseconds, server.to_owned(), line.to_owned()))
}

/// The client in an AT line.
pub(crate) fn client(line: &str) -> Option<&str> {
    line.split(' ').nth(3)
}

impl Book {
    pub(crate) fn fail(&mut self, what: String) {
        println!("VIOLATION: {what}");
        self.violations.push(what);
    }

    /// The newest that a life has said about a client so far: whatever it is asked from now on must not be older.
    pub(crate) fn said(&self, life: Life, client: &str) -> Option<Version> {
        if self.may_know_less {
            return None;
        }
        self.said.get(&(life, client.to_owned())).cloned()
    }

    fn note(&mut self, life: Life, client: &str, version: &Version) {
        let said = self.said.entry((life, client.to_owned())).or_insert_with(|| version.clone());
        if *said < *version {
            *said = version.clone();
        }
    }

    /// A server has answered an IAMAT: `expected` is the command's client, location and time.
    pub(crate) fn acknowledged(&mut self, life: Life, server: &str, expected: [&str; 3], line: &str) {
        let fields: Vec<&str> = line.split(' ').collect();
        let good = fields.len() == 6 && fields[0] == "AT" && fields[1] == server && fields[3..] == expected;
        let Some(version) = version(line).filter(|_| good) else {
            return self.fail(format!("{server} answered the IAMAT {expected:?} with {line:?}"));
        };
        self.counts.acknowledged += 1;
        self.note(life, expected[0], &version);
        self.acknowledged.push((life, expected[0].to_owned(), version));
    }

    /// A server has answered a WHATSAT that was sent when it had said `before`.
    pub(crate) fn answered(&mut self, life: Life, server: &str, name: &str, before: Option<&Version>, line: &str) {
        self.counts.answers += 1;
        if line.starts_with("? WHATSAT ") {
            if let Some((_, _, before)) = before {
                self.fail(format!("{server} had said {before:?}, and now knows nothing of {name}"));
            }
            return;
        }
        let Some(version) = version(line).filter(|_| client(line) == Some(name)) else {
            return self.fail(format!("{server} answered a WHATSAT about {name} with {line:?}"));
        };
        if let Some(before) = before.filter(|before| **before > version) {
            self.fail(format!("{server} had said {:?}, and now says {line:?}", before.2));
        }
        self.note(life, name, &version);
    }

    /// All is mended, and all five say the same: `lines` has the line of each client that they know. `is_alive` says
    /// whether a life has lasted until now.
    pub(crate) fn agree(&mut self, lines: &BTreeMap<String, String>, is_alive: impl Fn(Life) -> bool) {
        let now: BTreeMap<String, Version> =
            lines.iter().filter_map(|(client, line)| Some((client.clone(), version(line)?))).collect();
        for (client, before) in std::mem::take(&mut self.agreed) {
            if now.get(&client).is_none_or(|now| *now < before) {
                self.fail(format!("all five knew {:?}, and now know {:?}", before.2, now.get(&client)));
            }
        }
        for (life, client, version) in std::mem::take(&mut self.acknowledged) {
            if now.get(&client).is_some_and(|now| *now >= version) {
                continue;
            }
            match is_alive(life) {
                true => {
                    self.fail(format!("{:?} was acknowledged, but all five know {:?}", version.2, now.get(&client)))
                }
                false => self.counts.lost_with_server += 1,
            }
        }
        self.said.retain(|(life, _), _| is_alive(*life));
        self.agreed = now;
    }
}
