//! What the load says, and what it takes for a right reply.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, SystemTime};

/// The name of every measured server of the herd.
pub const NAME: &str = "Powell";

/// Each connection sends the IAMATs of this many clients in turn.
const CLIENTS: usize = 20;
/// How far the clock in a reply may lie outside the time from the request to the reply, in nanoseconds.
const SLACK: i128 = 100_000_000;
const SECOND: i128 = 1_000_000_000;
/// What every good answer of a Places service contains once.
const OK: &[u8] = b"\"status\" : \"OK\"";
/// What a GET of the small page asks, and the page.
const GET: &[u8] = b"GET /hello HTTP/1.1\r\nHost: localhost\r\nUser-Agent: herd-bench\r\nAccept: */*\r\n\r\n";
pub const PAGE: &[u8] = b"\r\n\r\nhello, world\n";
const FOUND: &[u8] = b"HTTP/1.1 200 OK\r\n";

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Talk {
    /// The same lines as for IAMAT, which come back as they are.
    Echo,
    /// IAMATs, each newer than all earlier ones of its client: so each one changes what the server knows.
    Iamat,
    /// WHATSATs of the clients that IAMATs on as many connections have told of. Each reply has this number of lines.
    Whatsat { lines: usize },
    /// GETs of a small page. Each response has this number of lines.
    Page { lines: usize },
}

impl Talk {
    /// Appends the request with this number on a connection. `time` is in nanoseconds since 1970.
    pub fn request(self, to: &mut Vec<u8>, connection: usize, count: usize, time: i128) {
        let (client, seconds, nanos) = (count % CLIENTS, time / SECOND, time % SECOND);
        // Each client is at a place of its own: equal questions would be asked once.
        match self {
            Self::Page { .. } => to.write_all(GET),
            Self::Whatsat { .. } => writeln!(to, "WHATSAT client{client:02}.host{connection:05}.example 10 20"),
            Self::Echo | Self::Iamat => writeln!(
                to,
                "IAMAT client{client:02}.host{connection:05}.example +34.{connection:05}{client:02}-118.445 {seconds}.{nanos:09}"
            ),
        }
        .expect("memory takes all");
    }

    /// The number of lines of a reply.
    pub fn lines(self) -> usize {
        match self {
            Self::Whatsat { lines } | Self::Page { lines } => lines,
            Self::Echo | Self::Iamat => 1,
        }
    }

    /// Checks the replies to a batch that was sent when the clock showed `sent_at`.
    pub fn check(self, requests: &[u8], replies: &[u8], sent_at: i128) -> io::Result<()> {
        match self {
            Self::Echo => return if requests == replies { Ok(()) } else { Err(wrong(requests, replies)) },
            Self::Whatsat { .. } => {
                let good = replies.windows(OK.len()).filter(|part| part == &OK).count();
                let asked = requests.iter().filter(|byte| **byte == b'\n').count();
                return if good == asked { Ok(()) } else { Err(wrong(requests, replies)) };
            }
            Self::Page { .. } => {
                let asked = requests.len() / GET.len();
                let good = [FOUND, PAGE].map(|part| memchr::memmem::find_iter(replies, part).count());
                return if good == [asked; 2] { Ok(()) } else { Err(wrong(requests, replies)) };
            }
            Self::Iamat => {}
        }
        let window = sent_at - SLACK..=clock() + SLACK;
        let mut replies = replies.split_inclusive(newline);
        for request in requests.split_inclusive(newline) {
            let reply = replies.next().unwrap_or_default();
            if server_clock(request, reply).is_none_or(|clock| !window.contains(&clock)) {
                return Err(wrong(request, reply));
            }
        }
        replies.next().map_or(Ok(()), |more| Err(wrong(b"", more)))
    }
}

fn wrong(request: &[u8], reply: &[u8]) -> io::Error {
    let [request, reply] = [request, reply].map(|line| String::from_utf8_lossy(line));
    io::Error::other(format!("wrong reply {reply:?} to {request:?}"))
}

fn newline(byte: &u8) -> bool {
    *byte == b'\n'
}

/// The server's clock when it answered this IAMAT with this AT, in nanoseconds. `None` if the AT is wrong.
fn server_clock(request: &[u8], reply: &[u8]) -> Option<i128> {
    let fields = request.strip_prefix(b"IAMAT ")?;
    let rest = reply.strip_prefix(b"AT ")?.strip_prefix(NAME.as_bytes())?.strip_prefix(b" ")?;
    let difference = rest.strip_suffix(fields)?.strip_suffix(b" ")?;
    let time = fields.trim_ascii_end().rsplit(|byte| *byte == b' ').next()?;
    if !difference.starts_with(b"+") && !difference.starts_with(b"-") {
        return None;
    }
    Some(nanos(difference)? + nanos(time)?)
}

/// A decimal number of seconds with nine digits after the point, in nanoseconds.
fn nanos(text: &[u8]) -> Option<i128> {
    let text = str::from_utf8(text).ok()?;
    let (whole, fraction) = text.split_once('.')?;
    if fraction.len() != 9 || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let part: i128 = fraction.parse().ok()?;
    let whole: i128 = whole.parse::<i128>().ok()? * SECOND;
    Some(if text.starts_with('-') { whole - part } else { whole + part })
}

/// Nanoseconds since 1970.
pub fn clock() -> i128 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_nanos() as i128)
}

/// Checks that a server tells good IAMATs from bad ones: the benchmark must compare equal work.
pub fn try_out(address: SocketAddr) -> io::Result<()> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    let tomorrow = clock() / SECOND + 90_000;
    let good = ["+34.068930-118.445127 1400794645.392014450", "+90-180 1400794645.000000000", "-0.5+.25 -1.500000000"];
    for fields in good {
        let request = format!("IAMAT check {fields}\n");
        let sent_at = clock();
        stream.write_all(request.as_bytes())?;
        let mut reply = Vec::new();
        while !reply.ends_with(b"\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte)?;
            reply.push(byte[0]);
        }
        Talk::Iamat.check(request.as_bytes(), &reply, sent_at)?;
    }
    let bad = [
        "+90.000001+0 1.0",
        "+0-180.1 1.0",
        "34+118 1.0",
        "+1..2+3 1.0",
        "+1+2 1e9",
        "+1+2 1.0000000000",
        "+1+2",
        "+1+2 nan",
    ];
    for fields in bad.map(String::from).into_iter().chain([format!("+1+2 {tomorrow}")]) {
        let line = format!("IAMAT check {fields}\n");
        stream.write_all(line.as_bytes())?;
        let mut reply = vec![0; line.len() + 2];
        stream.read_exact(&mut reply)?;
        if reply != format!("? {line}").as_bytes() {
            return Err(wrong(line.as_bytes(), &reply));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_in_a_reply_is_read_and_wrong_replies_are_refused() {
        let request = b"IAMAT a +1-2 100.000000001\n";
        assert_eq!(server_clock(request, b"AT Powell +0.500000000 a +1-2 100.000000001\n"), Some(100_500_000_001));
        assert_eq!(server_clock(request, b"AT Powell -0.500000000 a +1-2 100.000000001\n"), Some(99_500_000_001));
        for wrong in
            ["0.500000000 a +1-2 100.000000001", "+0.5 a +1-2 100.000000001", "+0.500000000 a +1-2 100.00000001"]
        {
            assert_eq!(server_clock(request, format!("AT Powell {wrong}\n").as_bytes()), None, "{wrong}");
        }
    }

    #[test]
    fn a_batch_needs_one_right_reply_for_each_request() {
        let mut requests = Vec::new();
        let now = clock();
        (0..2).for_each(|count| Talk::Iamat.request(&mut requests, 0, count, now));
        let replies = String::from_utf8(requests.clone()).unwrap().replace("IAMAT", "AT Powell +0.000000001");
        let first = replies.split_inclusive('\n').next().unwrap();
        assert!(Talk::Iamat.check(&requests, replies.as_bytes(), now).is_ok());
        for bad in [first, &format!("{replies}{first}"), &replies.replace("client01", "client02")] {
            assert!(Talk::Iamat.check(&requests, bad.as_bytes(), now).is_err(), "{bad}");
        }
        assert!(Talk::Echo.check(&requests, &requests, now).is_ok());
        assert!(Talk::Echo.check(&requests, replies.as_bytes(), now).is_err());
        let whatsat = Talk::Whatsat { lines: 4 };
        assert!(whatsat.check(b"WHATSAT a 1 1\n", b"AT\n{\"status\" : \"OK\"}\n\n", now).is_ok());
        assert!(whatsat.check(b"WHATSAT a 1 1\n", b"AT\n{\"status\" : \"OVER_QUERY_LIMIT\"}\n\n", now).is_err());
    }
}
