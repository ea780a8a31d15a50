//! The peer that proxyherd is measured against: IAMAT, and nothing else of the protocol, on a current-thread tokio
//! runtime with one task for each connection.
//!
//!     tokio_iamat ADDRESS [--log FILE]
//!
//! It is written to be hard to beat: buffers are reused, the replies to one read go out in one write, the clock is read
//! once for each read, and a thread of its own writes the log (off without `--log`) in large pieces.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Write};
use std::process;
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, SystemTime};

use memchr::{memchr, memchr_iter, memrchr};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const NAME: &[u8] = b"Powell";
const MAX_LINE: usize = 64 * 1024;
const BUFFER: usize = 16 * 1024;
const SECOND: u64 = 1_000_000_000;
const DAY: i128 = 86_400 * SECOND as i128;

fn main() -> io::Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let (address, log) = match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [address] => (address, None),
        [address, "--log", file] => (address, Some(Log::start(File::create(file)?))),
        _ => return Err(io::Error::other("usage: tokio_iamat ADDRESS [--log FILE]")),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    runtime.block_on(serve(address, log))
}

async fn serve(address: &str, log: Option<Arc<Log>>) -> io::Result<()> {
    let listener = TcpListener::bind(address).await?;
    let clients = Arc::new(Mutex::new(Clients::default()));
    loop {
        let (stream, from) = listener.accept().await?;
        let (clients, log) = (clients.clone(), log.clone());
        tokio::spawn(async move {
            if let Err(error) = converse(stream, &clients, log.as_deref()).await {
                eprintln!("{from}: {error}");
            }
        });
    }
}

/// Answers the requests of one connection until it ends.
async fn converse(mut stream: TcpStream, clients: &Mutex<Clients>, log: Option<&Log>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let from = stream.peer_addr()?.to_string();
    let mut input = Vec::with_capacity(BUFFER);
    let mut output = Vec::with_capacity(BUFFER);
    let mut notes = Vec::new();
    loop {
        let old = input.len();
        let ended = stream.read_buf(&mut input).await? == 0;
        if ended && !input.is_empty() {
            input.push(b'\n');
        }
        let whole = memrchr(b'\n', &input[old..]).map_or(0, |at| old + at + 1);
        let mut too_long = input.len() - whole > MAX_LINE;
        if whole > 0 {
            let now = clock();
            let mut clients = clients.lock().expect("no task panics");
            let mut start = 0;
            for end in memchr_iter(b'\n', &input[..whole]) {
                let line = &input[start..end];
                start = end + 1;
                if line.len() > MAX_LINE {
                    too_long = true;
                    break;
                }
                let reply = output.len();
                clients.answer(line, now, &mut output);
                if log.is_some() {
                    note(&mut notes, now, &from, b" < ", line);
                    if let Some(sent) = output[reply..].strip_suffix(b"\n") {
                        note(&mut notes, now, &from, b" > ", sent);
                    }
                }
            }
        }
        if too_long {
            output.extend_from_slice(b"? line too long\n");
        }
        if let Some(log) = log.filter(|_| !notes.is_empty()) {
            log.append(&notes);
            notes.clear();
        }
        if !output.is_empty() {
            stream.write_all(&output).await?;
            output.clear();
        }
        if ended || too_long {
            return Ok(());
        }
        input.drain(..whole);
    }
}

/// Nanoseconds since 1970.
fn clock() -> i128 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_nanos() as i128)
}

/// For each client its newest AT line, and the time in that.
#[derive(Default)]
struct Clients(HashMap<Vec<u8>, (i128, Vec<u8>)>);

impl Clients {
    /// Appends the reply to one line to `output`.
    fn answer(&mut self, line: &[u8], now: i128, output: &mut Vec<u8>) {
        let start = output.len();
        match Iamat::parse(line).filter(|iamat| iamat.nanos <= now + DAY) {
            Some(iamat) => {
                iamat.reply(now, output);
                self.learn(&iamat, &output[start..]);
            }
            None if line.iter().all(is_space) => return,
            None => {
                output.extend_from_slice(b"? ");
                output.extend_from_slice(line);
            }
        }
        output.push(b'\n');
    }

    fn learn(&mut self, iamat: &Iamat, at: &[u8]) {
        match self.0.get_mut(iamat.id) {
            Some((nanos, line)) => {
                if (iamat.nanos, at) > (*nanos, line) {
                    *nanos = iamat.nanos;
                    line.clear();
                    line.extend_from_slice(at);
                }
            }
            None => {
                self.0.insert(iamat.id.to_vec(), (iamat.nanos, at.to_vec()));
            }
        }
    }
}

/// A valid IAMAT: its fields as the client sent them, and its time.
struct Iamat<'a> {
    id: &'a [u8],
    location: &'a [u8],
    time: &'a [u8],
    nanos: i128,
}

impl<'a> Iamat<'a> {
    fn parse(line: &'a [u8]) -> Option<Self> {
        let mut fields = line.split(is_space).filter(|field| !field.is_empty());
        if fields.next()? != b"IAMAT" {
            return None;
        }
        let (id, location, time) = (fields.next()?, fields.next()?, fields.next()?);
        if fields.next().is_some() || !is_location(location) {
            return None;
        }
        let nanos = parse_time(time)?;
        Some(Self { id, location, time, nanos })
    }

    fn reply(&self, now: i128, output: &mut Vec<u8>) {
        output.extend_from_slice(b"AT ");
        output.extend_from_slice(NAME);
        output.push(b' ');
        let difference = now - self.nanos;
        output.push(if difference < 0 { b'-' } else { b'+' });
        push_seconds(output, difference.unsigned_abs(), 9);
        for field in [self.id, self.location, self.time] {
            output.push(b' ');
            output.extend_from_slice(field);
        }
    }
}

fn is_space(byte: &u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | 0x0b | 0x0c)
}

/// ISO 6709 decimal degrees: signed latitude, signed longitude.
fn is_location(text: &[u8]) -> bool {
    let longitude = text.iter().skip(1).position(|byte| matches!(byte, b'+' | b'-'));
    longitude.is_some_and(|at| is_degrees(&text[..=at], 90) && is_degrees(&text[at + 1..], 180))
}

fn is_degrees(text: &[u8], max: u32) -> bool {
    let Some((b'+' | b'-', number)) = text.split_first() else {
        return false;
    };
    let (mut whole, mut any_digit, mut point, mut fraction) = (0, false, false, false);
    for byte in number {
        match byte {
            b'.' if !point => point = true,
            b'0'..=b'9' => {
                any_digit = true;
                if point {
                    fraction |= *byte != b'0';
                } else {
                    whole = (whole * 10 + u32::from(byte - b'0')).min(1000);
                }
            }
            _ => return false,
        }
    }
    any_digit && (whole < max || (whole == max && !fraction))
}

/// POSIX seconds as exact nanoseconds.
fn parse_time(text: &[u8]) -> Option<i128> {
    let (negative, number) = match text.split_first()? {
        (b'-', rest) => (true, rest),
        (b'+', rest) => (false, rest),
        _ => (false, text),
    };
    let point = memchr(b'.', number).unwrap_or(number.len());
    let (whole, fraction) = (&number[..point], number.get(point + 1..).unwrap_or_default());
    if whole.len() > 12 || fraction.len() > 9 || (whole.is_empty() && fraction.is_empty()) {
        return None;
    }
    let part = parse_digits(fraction)? * 10_u64.pow(9 - fraction.len() as u32);
    let nanos = i128::from(parse_digits(whole)?) * i128::from(SECOND) + i128::from(part);
    Some(if negative { -nanos } else { nanos })
}

fn parse_digits(text: &[u8]) -> Option<u64> {
    text.iter().try_fold(0, |value, byte| byte.is_ascii_digit().then(|| value * 10 + u64::from(byte - b'0')))
}

/// Appends nanoseconds as seconds with `digits` digits after the point.
fn push_seconds(output: &mut Vec<u8>, nanos: u128, digits: usize) {
    let (whole, part) = match u64::try_from(nanos) {
        Ok(nanos) => (nanos / SECOND, nanos % SECOND),
        Err(_) => ((nanos / u128::from(SECOND)) as u64, (nanos % u128::from(SECOND)) as u64),
    };
    push_digits(output, whole, 1);
    output.push(b'.');
    let start = output.len();
    push_digits(output, part, 9);
    output.truncate(start + digits);
}

fn push_digits(output: &mut Vec<u8>, mut value: u64, width: usize) {
    let mut text = [b'0'; 20];
    let mut at = text.len();
    while value > 0 {
        at -= 1;
        text[at] = b'0' + (value % 10) as u8;
        value /= 10;
    }
    output.extend_from_slice(&text[at.min(text.len() - width)..]);
}

/// Appends one line of the log: the time to the microsecond, the connection, the direction, the line.
fn note(notes: &mut Vec<u8>, now: i128, from: &str, direction: &[u8], line: &[u8]) {
    push_seconds(notes, now.unsigned_abs(), 6);
    notes.push(b' ');
    notes.extend_from_slice(from.as_bytes());
    notes.extend_from_slice(direction);
    notes.extend_from_slice(line);
    notes.push(b'\n');
}

/// A log that a thread of its own writes: ten times a second, or as soon as `BATCH` bytes wait.
#[derive(Default)]
struct Log {
    waiting: Mutex<Vec<u8>>,
    /// Wakes the writer: a batch waits.
    batch_is_full: Condvar,
    /// Wakes the server, if it waits for room.
    batch_was_taken: Condvar,
}

impl Log {
    const BATCH: usize = 256 * 1024;
    const MAX_WAITING: usize = 16 * 1024 * 1024;

    fn start(mut file: File) -> Arc<Self> {
        let log = Arc::new(Self::default());
        let writer = log.clone();
        thread::spawn(move || {
            let mut batch = Vec::new();
            loop {
                writer.take(&mut batch);
                if let Err(error) = file.write_all(&batch) {
                    eprintln!("log: {error}");
                    process::exit(1);
                }
                batch.clear();
            }
        });
        log
    }

    fn take(&self, batch: &mut Vec<u8>) {
        let waiting = self.waiting.lock().expect("no holder panics");
        let little = |waiting: &mut Vec<u8>| waiting.len() < Self::BATCH;
        let until = self.batch_is_full.wait_timeout_while(waiting, Duration::from_millis(100), little);
        std::mem::swap(&mut *until.expect("no holder panics").0, batch);
        self.batch_was_taken.notify_all();
    }

    /// Adds notes to the bytes that wait to be written. Blocks while more than `MAX_WAITING` bytes wait.
    fn append(&self, notes: &[u8]) {
        let waiting = self.waiting.lock().expect("no holder panics");
        let full = |waiting: &mut Vec<u8>| waiting.len() > Self::MAX_WAITING;
        let mut waiting = self.batch_was_taken.wait_while(waiting, full).expect("no holder panics");
        let before = waiting.len();
        waiting.extend_from_slice(notes);
        if before < Self::BATCH && waiting.len() >= Self::BATCH {
            self.batch_is_full.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn good_locations_are_told_from_bad_ones() {
        for good in ["+34.068930-118.445127", "+90-180.000", "-.5+0", "+000090.+5.", "+0-0"] {
            assert!(is_location(good.as_bytes()), "{good}");
        }
        for bad in
            ["", "+", "+34.1", "34.1-118", "+90.0001+0", "+0-181", "+.+.", "+1..2+3", "+1+2+3", "+1e1+0", "+1+2/"]
        {
            assert!(!is_location(bad.as_bytes()), "{bad}");
        }
    }

    #[test]
    fn times_are_read_exactly_and_bad_ones_refused() {
        assert_eq!(parse_time(b"1400794645.392014450"), Some(1_400_794_645_392_014_450));
        assert_eq!(parse_time(b"-0.5"), Some(-500_000_000));
        assert_eq!(parse_time(b"+999999999999"), Some(999_999_999_999 * i128::from(SECOND)));
        for bad in ["", "-", ".", "1e9", "nan", "1.0000000000", "1000000000000", "1.2.3", "--1", "0x1"] {
            assert_eq!(parse_time(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn replies_are_those_of_proxyherd() {
        let mut clients = Clients::default();
        let now = 1_400_794_645_655_887_836;
        let mut answer = |line: &[u8]| {
            let mut output = Vec::new();
            clients.answer(line, now, &mut output);
            String::from_utf8_lossy(&output).into_owned()
        };
        let line = b" IAMAT\tkiwi +34.068930-118.445127  1400794645.392014450\r";
        assert_eq!(answer(line), "AT Powell +0.263873386 kiwi +34.068930-118.445127 1400794645.392014450\n");
        assert_eq!(answer(b"IAMAT kiwi +1-2 1400794646"), "AT Powell -0.344112164 kiwi +1-2 1400794646\n");
        assert_eq!(answer(b"IAMAT kiwi +1-2 1"), "AT Powell +1400794644.655887836 kiwi +1-2 1\n");
        assert_eq!(
            answer(b"IAMAT kiwi +1-2 -999999999999"),
            "AT Powell +1001400794644.655887836 kiwi +1-2 -999999999999\n"
        );
        assert_eq!(answer(b"IAMAT  kiwi +1-2 1400881046"), "? IAMAT  kiwi +1-2 1400881046\n");
        assert_eq!(answer(b"IAMAT kiwi +1-2"), "? IAMAT kiwi +1-2\n");
        assert_eq!(answer(b""), "");
        assert_eq!(
            clients.0[&b"kiwi"[..]],
            (1_400_794_646 * i128::from(SECOND), b"AT Powell -0.344112164 kiwi +1-2 1400794646".to_vec())
        );
    }
}
