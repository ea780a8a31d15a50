//! Reads the head of a response again and again, for `count_instructions`: with httparse alone, or as the HTTP client
//! does. README.md explains the result.

use std::env;
use std::hint::black_box;
use std::mem::MaybeUninit;
use std::process::exit;

use reactor::http::{Limits, ResponseEvent, ResponseParser};

const USAGE: &str = "usage: head_bench httparse|bare|ours N";

/// The head of a Places service's response: twelve headers.
const HEAD: &[u8] = b"HTTP/1.1 200 OK\r\n\
    Content-Type: application/json; charset=UTF-8\r\n\
    Date: Sun, 22 Nov 2026 10:20:30 GMT\r\n\
    Expires: Sun, 22 Nov 2026 10:25:30 GMT\r\n\
    Cache-Control: public, max-age=300\r\n\
    Vary: Accept-Language\r\n\
    Access-Control-Allow-Origin: *\r\n\
    Server: scaffolding on HTTPServer2\r\n\
    Content-Length: 31415\r\n\
    X-XSS-Protection: 0\r\n\
    X-Frame-Options: SAMEORIGIN\r\n\
    Server-Timing: gfet4t7; dur=123\r\n\
    Alt-Svc: h3=\":443\"; ma=2592000,h3-29=\":443\"; ma=2592000\r\n\
    \r\n";

fn main() {
    let args: Vec<String> = env::args().skip(1).collect();
    let (Some(which), Some(count)) = (args.first(), args.get(1).and_then(|count| count.parse::<u64>().ok())) else {
        eprintln!("{USAGE}");
        exit(2);
    };
    let read: fn() = match which.as_str() {
        "httparse" => httparse_alone,
        "bare" => httparse_uninitialized,
        "ours" => ours,
        _ => {
            eprintln!("{USAGE}");
            exit(2);
        }
    };
    (0..count).for_each(|_| read());
}

/// httparse as its documentation shows it, with room for as many headers as ours takes.
fn httparse_alone() {
    let mut headers = [httparse::EMPTY_HEADER; 100];
    let mut response = httparse::Response::new(&mut headers);
    let status = response.parse(black_box(HEAD));
    assert!(status.is_ok_and(|status| status.is_complete()));
    assert_eq!(black_box(&response).headers.len(), 12);
}

/// httparse on uninitialized memory.
fn httparse_uninitialized() {
    let mut headers = [const { MaybeUninit::uninit() }; 100];
    let mut response = httparse::Response::new(&mut []);
    let config = httparse::ParserConfig::default();
    let status = config.parse_response_with_uninit_headers(&mut response, black_box(HEAD), &mut headers);
    assert!(status.is_ok_and(|status| status.is_complete()));
    assert_eq!(black_box(&response).headers.len(), 12);
}

/// A new parser reads the head, and decides what it means for the body.
fn ours() {
    let mut parser = ResponseParser::new(Limits::default());
    let mut input = black_box(HEAD);
    let event = parser.next(&mut input);
    assert!(matches!(black_box(&event), Ok(ResponseEvent::Head(head)) if head.status == 200));
    assert!(!black_box(&parser).is_complete());
}
