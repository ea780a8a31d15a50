//! Responses to be compared with other parsers: the framings of this suite, and mutations of them.

/// Status lines, right and wrong.
const STATUS_LINES: [&str; 22] = [
    "HTTP/1.1 200 OK",
    "HTTP/1.0 200 OK",
    "HTTP/1.1 200",
    "HTTP/1.1 200 ",
    "HTTP/1.1 404 Not Found",
    "HTTP/1.1 600 Odd",
    "HTTP/1.1 204 None",
    "HTTP/1.1 304 Not Modified",
    "HTTP/1.1 205 Reset",
    "HTTP/1.1 20 OK",
    "HTTP/1.1 2000 OK",
    "HTTP/1.1 099 OK",
    "HTTP/1.1  200 OK",
    "HTTP/1.1\t200 OK",
    "HTTP/1.2 200 OK",
    "HTTP/0.9 200 OK",
    "HTTP/2 200 OK",
    "http/1.1 200 OK",
    "\r\nHTTP/1.1 200 OK",
    " HTTP/1.1 200 OK",
    "HTTP/1.1 101 Switching",
    "ICY 200 OK",
];

/// Headers, and the bytes after the empty line.
const REST: [(&str, &str); 62] = [
    ("", "until the end"),
    ("", ""),
    ("Content-Length: 5", "hello"),
    ("Content-Length: 0", ""),
    ("Content-Length: 5", "hell"),
    ("Content-Length: 5", "hello HTTP/1.1"),
    ("Content-Length: +5", "hello"),
    ("Content-Length: -5", "hello"),
    ("Content-Length: 0x5", "hello"),
    ("Content-Length: 5 5", "hello"),
    ("Content-Length: 5, 5", "hello"),
    ("Content-Length: 5, 6", "hello"),
    ("Content-Length:", "hello"),
    ("Content-Length: 99999999999999999999", "hello"),
    ("Content-Length: 5\r\nContent-Length: 5", "hello"),
    ("Content-Length: 5\r\nContent-Length: 6", "hello!"),
    ("Content-Length : 5", "hello"),
    ("Content-Length\t: 5", "hello"),
    (" Content-Length: 5", "hello"),
    ("Content-Length: 5\r\n 6", "hello"),
    ("A: b\r\n c\r\nContent-Length: 5", "hello"),
    ("A: b\rContent-Length: 5", "hello"),
    ("A: b\nContent-Length: 5", "hello"),
    ("A: b\0\r\nContent-Length: 5", "hello"),
    ("A: \x01\x7f\r\nContent-Length: 5", "hello"),
    ("A: \u{e9}\r\nContent-Length: 5", "hello"),
    ("A\u{e9}: b\r\nContent-Length: 5", "hello"),
    ("A b: c\r\nContent-Length: 5", "hello"),
    ("no colon\r\nContent-Length: 5", "hello"),
    (": no name\r\nContent-Length: 5", "hello"),
    ("Connection: close\r\nContent-Length: 5", "hello"),
    ("Content-Length: 5\r\nTransfer-Encoding: chunked", "5\r\nhello\r\n0\r\n\r\n"),
    ("Transfer-Encoding: chunked\r\nContent-Length: 5", "5\r\nhello\r\n0\r\n\r\n"),
    ("Transfer-Encoding: chunked", "5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n"),
    ("Transfer-Encoding: chunked", "0\r\n\r\nmore"),
    ("Transfer-Encoding: chunked", "5\r\nhello\r\n0\r\n"),
    ("Transfer-Encoding: chunked", "5\r\nhello\r\n"),
    ("Transfer-Encoding: CHUNKED", "005\r\nhello\r\n000\r\n\r\n"),
    ("Transfer-Encoding: chunked", "5 \r\nhello\r\n0\r\n\r\n"),
    ("Transfer-Encoding: chunked", "5;a=b\r\nhello\r\n0;c\r\n\r\n"),
    ("Transfer-Encoding: chunked", "5;a=\"b;c\"\r\nhello\r\n0\r\n\r\n"),
    ("Transfer-Encoding: chunked", "5;\r\nhello\r\n0\r\n\r\n"),
    ("Transfer-Encoding: chunked", "5 x\r\nhello\r\n0\r\n\r\n"),
    ("Transfer-Encoding: chunked", "+5\r\nhello\r\n0\r\n\r\n"),
    ("Transfer-Encoding: chunked", "0x5\r\nhello\r\n0\r\n\r\n"),
    ("Transfer-Encoding: chunked", "10000000000000005\r\nhello\r\n0\r\n\r\n"),
    ("Transfer-Encoding: chunked", "ffffffffffffffff\r\nhello\r\n0\r\n\r\n"),
    ("Transfer-Encoding: chunked", "5\nhello\n0\n\n"),
    ("Transfer-Encoding: chunked", "5\r\nhelloXX0\r\n\r\n"),
    ("Transfer-Encoding: chunked", "5\r\nhello\r\n0\r\nA: b\r\n\r\n"),
    ("Transfer-Encoding: chunked", "5\r\nhello\r\n0\r\nno colon\r\n\r\n"),
    ("Transfer-Encoding: chunked", "5\r\nhello\r\n0\r\nContent-Length: 7\r\n\r\n"),
    ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", "5\r\nhello\r\n0\r\n\r\n"),
    ("Transfer-Encoding: chunked, chunked", "5\r\nhello\r\n0\r\n\r\n"),
    ("Transfer-Encoding: gzip, chunked", "5\r\nhello\r\n0\r\n\r\n"),
    ("Transfer-Encoding: chunked, gzip", "5\r\nhello\r\n0\r\n\r\n"),
    ("Transfer-Encoding: gzip", "hello"),
    ("Transfer-Encoding: identity", "hello"),
    ("Transfer-Encoding: xchunked", "hello"),
    ("Transfer-Encoding:", "hello"),
    ("Transfer-Encoding : chunked", "5\r\nhello\r\n0\r\n\r\n"),
    ("Content-Encoding: gzip\r\nContent-Length: 5", "hello"),
];

/// Bytes that are not a response, or more than one.
const ODD: [&str; 9] = [
    "",
    "<html>hello</html>",
    "SSH-2.0-OpenSSH_9.2\r\n",
    "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "HTTP/1.1 200 OK\n\nhello",
    "HTTP/1.1 200 OK\r\nA: b",
    "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 204 None\r\n\r\n",
    "HTTP/1.1 100 Continue\r\nContent-Length: 2\r\n\r\nhiHTTP/1.1 200 OK\r\n\r\nhello",
];

fn answer(line: &str, headers: &str, body: &str) -> Vec<u8> {
    let headers = if headers.is_empty() { String::new() } else { format!("{headers}\r\n") };
    format!("{line}\r\n{headers}\r\n{body}").into_bytes()
}

pub(crate) fn by_hand() -> Vec<Vec<u8>> {
    let framings = |line: &'static str| REST.iter().map(move |(headers, body)| answer(line, headers, body));
    let lines = STATUS_LINES.iter().map(|line| answer(line, "Content-Length: 5", "hello"));
    let odd = ODD.iter().map(|text| text.as_bytes().to_vec());
    lines.chain(framings("HTTP/1.1 200 OK")).chain(framings("HTTP/1.0 200 OK")).chain(odd).collect()
}

/// Responses with one or two small changes each; half of them were sound before. The same in each run.
pub(crate) fn mutated(count: usize, is_sound: impl Fn(&[u8]) -> bool) -> Vec<Vec<u8>> {
    let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
    let all = by_hand();
    let sound: Vec<Vec<u8>> = all.iter().filter(|answer| is_sound(answer)).cloned().collect();
    (0..count)
        .map(|number| {
            let bases = if number % 2 == 0 { &sound } else { &all };
            let mut answer = bases[numbers.below(bases.len())].clone();
            for _ in 0..=numbers.below(2) {
                mutate(&mut answer, &mut numbers);
            }
            answer
        })
        .collect()
}

fn mutate(answer: &mut Vec<u8>, numbers: &mut Numbers) {
    const BYTES: &[u8] = b"\r\n\r\n \t:;,0159afxX+-\"\\\0\x7f\x80\xe9HC";
    let byte = BYTES[numbers.below(BYTES.len())];
    let place = numbers.below(answer.len() + 1);
    let end = (place + 1 + numbers.below(8)).min(answer.len());
    match numbers.below(5) {
        0 => answer.insert(place, byte),
        1 if place < answer.len() => answer[place] = byte,
        2 if place < answer.len() => drop(answer.remove(place)),
        3 => drop(answer.drain(place..end)),
        _ => {
            let again = answer[place..end].to_vec();
            answer.splice(place..place, again);
        }
    }
}

/// Numbers that look like chance (xorshift).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 32) as usize % limit.max(1)
    }
}
