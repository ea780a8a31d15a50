use super::*;
use crate::testing::for_every_chunking;

/// What a whole run gave: status and body, or the error; and how many bytes were left over.
type Outcome = (Result<(u16, Vec<u8>), HttpError>, usize);

fn run(parser: &mut ResponseParser, chunks: &[&[u8]], closed: bool) -> Outcome {
    let (mut status, mut body) = (0, Vec::new());
    for (index, chunk) in chunks.iter().enumerate() {
        let mut input = *chunk;
        loop {
            match parser.next(&mut input) {
                Ok(ResponseEvent::Head(head)) => status = head.status,
                Ok(ResponseEvent::Data(data)) => body.extend_from_slice(data),
                Ok(ResponseEvent::End) => {
                    let rest: usize = chunks[index + 1..].iter().map(|chunk| chunk.len()).sum();
                    return (Ok((status, body)), input.len() + rest);
                }
                Ok(ResponseEvent::NeedMore) => break,
                Err(error) => return (Err(error), 0),
            }
        }
    }
    match closed {
        true => (parser.finish().map(|()| (status, body)), 0),
        false => (Err(HttpError::Incomplete), 0),
    }
}

#[track_caller]
fn check(response: &str, expected: Result<(u16, &str), HttpError>, left: usize) {
    let expected = expected.map(|(status, body)| (status, body.as_bytes().to_vec()));
    for_every_chunking(response.as_bytes(), |chunks| {
        let mut parser = ResponseParser::new(Limits { head: 300, headers: 4, body: 40, interim: 2 });
        assert_eq!(run(&mut parser, chunks, true), (expected.clone(), left), "{response:?} as {chunks:?}");
    });
}

#[track_caller]
fn refuse(response: &str, error: HttpError) {
    check(response, Err(error), 0);
}

#[test]
fn a_length_ends_the_body_and_leaves_the_rest() {
    check("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", Ok((200, "hello")), 0);
    check("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhelloHTTP", Ok((200, "hello")), 4);
    check("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", Ok((404, "")), 0);
}

#[test]
fn without_a_length_the_close_ends_the_body() {
    check("HTTP/1.0 200 OK\r\n\r\nuntil the end", Ok((200, "until the end")), 0);
}

#[test]
fn chunks_are_joined() {
    let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    check(&format!("{head}5\r\nhello\r\n6;x=y\r\n world\r\n0\r\n\r\n"), Ok((200, "hello world")), 0);
    check(&format!("{head}0\r\nTrailer: x\r\n\r\nrest"), Ok((200, "")), 4);
    check(&format!("{head}00A\r\n0123456789\r\n0\r\n\r\n"), Ok((200, "0123456789")), 0);
}

#[test]
fn interim_responses_are_passed_over_but_not_for_ever() {
    let interim = "HTTP/1.1 100 Continue\r\n\r\n";
    let end = "HTTP/1.1 204 No Content\r\n\r\n";
    check(&format!("{interim}{interim}{end}"), Ok((204, "")), 0);
    refuse(&format!("{interim}{interim}{interim}{end}"), HttpError::TooManyInterim);
    refuse("HTTP/1.1 101 Switching Protocols\r\n\r\n", HttpError::UnexpectedUpgrade);
}

#[test]
fn lengths_that_can_be_read_in_two_ways_are_refused() {
    let with = |headers: &str| format!("HTTP/1.1 200 OK\r\n{headers}\r\n\r\nhello");
    refuse(&with("Content-Length: 5\r\nContent-Length: 5"), HttpError::BadContentLength);
    refuse(&with("Content-Length: 5, 5"), HttpError::BadContentLength);
    for bad in ["+5", "-5", "5 5", "0x5", "", "5.0", "99999999999999999999999"] {
        refuse(&with(&format!("Content-Length: {bad}")), HttpError::BadContentLength);
    }
    refuse(&with("Content-Length: 5\r\nTransfer-Encoding: chunked"), HttpError::ConflictingLength);
    refuse(&with("Transfer-Encoding: gzip, chunked"), HttpError::UnknownTransferCoding);
    refuse(&with("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"), HttpError::UnknownTransferCoding);
    refuse(&with("Transfer-Encoding: chunked, identity"), HttpError::UnknownTransferCoding);
    refuse(&with("Content-Encoding: gzip"), HttpError::UnknownContentCoding("gzip".to_owned()));
}

#[test]
fn broken_chunks_are_refused() {
    let with = |chunks: &str| format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}");
    for bad in ["x\r\n", "\r\n", "-1\r\n", "+5\r\nhello", "5\nhello", "5\r\nhelloX\r\n", "0\r\nno colon\r\n\r\n"] {
        refuse(&with(bad), HttpError::BadChunk);
    }
    refuse(&with("11111111111111111\r\n"), HttpError::BadChunk);
    refuse(&with("ffffffffffffffff\r\n"), HttpError::BodyTooLarge);
    refuse(&with("5;a=\rb\r\nhello"), HttpError::BadChunk);
}

#[test]
fn limits_hold() {
    refuse(&format!("HTTP/1.1 200 OK\r\nX: {}", "x".repeat(400)), HttpError::HeadTooLarge);
    refuse("HTTP/1.1 200 OK\r\nA: 1\r\nB: 2\r\nC: 3\r\nD: 4\r\nE: 5\r\n\r\n", HttpError::TooManyHeaders);
    refuse("HTTP/1.1 200 OK\r\nContent-Length: 41\r\n\r\n", HttpError::BodyTooLarge);
    refuse(&format!("HTTP/1.1 200 OK\r\n\r\n{}", "x".repeat(41)), HttpError::BodyTooLarge);
}

#[test]
fn what_is_cut_off_is_incomplete() {
    for cut in [
        "",
        "HTTP/1.1 200 OK\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n",
    ] {
        refuse(cut, HttpError::Incomplete);
    }
}

#[test]
fn what_is_not_http_is_told_at_its_first_bytes() {
    let mut parser = ResponseParser::new(Limits::default());
    let mut input: &[u8] = b"SSH-2.0-OpenSSH";
    assert!(matches!(parser.next(&mut input), Err(HttpError::BadHead(_))));
    let mut parser = ResponseParser::new(Limits::default());
    let mut input: &[u8] = b"HTTP/1.1 200 OK\r\nbad header\r\n\r\n";
    assert!(matches!(parser.next(&mut input), Err(HttpError::BadHead(_))));
}
