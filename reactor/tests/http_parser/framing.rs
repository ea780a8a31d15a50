//! Where a body ends, and all the ways in which a head or body may be malformed.

use crate::reading::{bad_head, read_every_way, refuses, refuses_bytes, small_limits, takes};
use reactor::http::{HttpError, ResponseParser, Version};

fn with(headers: &str) -> String {
    format!("HTTP/1.1 200 OK\r\n{headers}\r\n\r\nhello")
}

fn chunked(chunks: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}")
}

#[test]
fn a_head_gives_its_parts() {
    let response = b"HTTP/1.0 404 Not  Found\r\nA:1\r\na: \t two words \t\r\nB:\r\nSet-Cookie: \xff\r\n\r\n";
    let head = read_every_way(response, || ResponseParser::new(small_limits())).head.expect("a head");
    assert_eq!((head.status, head.version, head.reason()), (404, Version::Http10, "Not  Found"));
    let headers: Vec<(&str, &[u8])> = head.headers().collect();
    assert_eq!(headers, [("A", &b"1"[..]), ("a", b"two words"), ("B", b""), ("Set-Cookie", b"\xff")]);
    assert_eq!(head.header("A").collect::<Vec<_>>(), [&b"1"[..], b"two words"]);
    assert_eq!(head.header("set-COOKIE").collect::<Vec<_>>(), [b"\xff"]);
    assert_eq!(head.header("set").count(), 0);
    let shown = format!("{head:?}");
    assert!(shown.contains("404") && shown.contains("two words"), "{shown}");
}

#[test]
fn any_reason_phrase_is_taken() {
    for (line, reason) in [
        ("HTTP/1.1 204", ""),
        ("HTTP/1.1 204 ", ""),
        ("HTTP/1.1 204 No", "No"),
        ("HTTP/1.1 204  No: \t way ", " No: \t way "),
        ("HTTP/1.1 204 \u{e9}", "\u{e9}"),
    ] {
        let head = read_every_way(format!("{line}\r\n\r\n").as_bytes(), || ResponseParser::new(small_limits())).head;
        assert_eq!(head.expect(line).reason(), reason);
    }
    let latin = read_every_way(b"HTTP/1.1 204 \xe9\r\n\r\n", || ResponseParser::new(small_limits()));
    assert_eq!(latin.head.expect("a head").reason(), "", "text that is not UTF-8 is left out");
}

#[test]
fn a_length_ends_the_body_and_leaves_the_rest() {
    takes(&with("Content-Length: 5"), 200, "hello", 0);
    takes(&with("content-length:5"), 200, "hello", 0);
    takes(&with("CONTENT-LENGTH: \t 5 \t"), 200, "hello", 0);
    takes(&with("Content-Length: 0000000000000000000000005"), 200, "hello", 0);
    takes(&format!("{}HTTP/1.1", with("Content-Length: 5")), 200, "hello", 8);
    takes(&with("Content-Length: 0"), 200, "", 5);
}

#[test]
fn without_a_length_the_close_ends_the_body() {
    takes("HTTP/1.1 200 OK\r\n\r\nuntil the end", 200, "until the end", 0);
    takes("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n\r\nuntil the end", 200, "until the end", 0);
    takes("HTTP/1.1 200 OK\r\n\r\n", 200, "", 0);
}

#[test]
fn a_length_that_is_not_one_plain_number_is_refused() {
    for bad in [
        "+5",
        "-5",
        "5 5",
        "5,5",
        "5, 5",
        "0x5",
        "5h",
        "",
        " ",
        "5.0",
        "5e0",
        "\"5\"",
        ",5",
        "\u{0665}",
        "five",
        "18446744073709551616",
        "99999999999999999999999",
    ] {
        refuses(&with(&format!("Content-Length: {bad}")), &HttpError::BadContentLength);
        // It is refused even where there is no body.
        let none = format!("HTTP/1.1 304 Not Modified\r\nContent-Length: {bad}\r\n\r\n");
        refuses(&none, &HttpError::BadContentLength);
    }
}

#[test]
fn a_length_given_twice_is_refused() {
    for second in ["5", "6", "05", "", "x"] {
        let both = with(&format!("Content-Length: 5\r\nContent-Length: {second}"));
        refuses(&both, &HttpError::BadContentLength);
        let apart = with(&format!("Content-Length: {second}\r\nA: b\r\ncontent-length: 5"));
        refuses(&apart, &HttpError::BadContentLength);
    }
}

#[test]
fn a_length_beside_a_transfer_coding_is_refused_in_either_order() {
    for coding in ["chunked", "identity", "gzip, chunked", ""] {
        for headers in [
            format!("Content-Length: 5\r\nTransfer-Encoding: {coding}"),
            format!("Transfer-Encoding: {coding}\r\nContent-Length: 5"),
            format!("Transfer-Encoding: {coding}\r\nA: b\r\nContent-Length: 0"),
        ] {
            refuses(&with(&headers), &HttpError::ConflictingLength);
        }
    }
    let nothing = "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n";
    refuses(nothing, &HttpError::ConflictingLength);
}

#[test]
fn the_only_transfer_coding_is_chunked_once() {
    for bad in [
        "gzip",
        "gzip, chunked",
        "chunked, gzip",
        "chunked, chunked",
        "chunked,",
        ",chunked",
        "chunked;q=1",
        "identity",
        "xchunked",
        "chunkedchunked",
        "chun ked",
        "\"chunked\"",
        "",
        "chunked\u{b}",
        "chunke\u{212a}",
    ] {
        let error = if bad.contains('\u{b}') { bad_head() } else { HttpError::UnknownTransferCoding };
        refuses(&with(&format!("Transfer-Encoding: {bad}")), &error);
    }
    for second in ["chunked", "identity", "gzip"] {
        let twice = with(&format!("Transfer-Encoding: chunked\r\nTransfer-Encoding: {second}"));
        refuses(&twice, &HttpError::UnknownTransferCoding);
        let twice = with(&format!("Transfer-Encoding: {second}\r\nTransfer-Encoding: chunked"));
        refuses(&twice, &HttpError::UnknownTransferCoding);
    }
    takes("HTTP/1.1 200 OK\r\ntransfer-encoding:\t CHUNKED \r\n\r\n0\r\n\r\n", 200, "", 0);
}

#[test]
fn http_1_0_has_no_transfer_coding() {
    for coding in ["chunked", "gzip"] {
        let response = format!("HTTP/1.0 200 OK\r\nTransfer-Encoding: {coding}\r\n\r\n0\r\n\r\n");
        refuses(&response, &HttpError::UnexpectedTransferCoding);
    }
}

#[test]
fn chunks_are_joined() {
    takes(&chunked("5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n"), 200, "hello world", 0);
    takes(&chunked("00A\r\n0123456789\r\n0\r\n\r\nrest"), 200, "0123456789", 4);
    takes(&chunked("000000000000000a\r\n0123456789\r\n0000\r\n\r\n"), 200, "0123456789", 0);
    takes(&chunked("1\r\n\r\r\n1\r\n\n\r\n0\r\n\r\n"), 200, "\r\n", 0);
}

#[test]
fn malformed_chunk_sizes_are_refused() {
    for bad in [
        "\r\n",
        "x\r\n",
        "-1\r\n",
        "+5\r\nhello\r\n",
        "0x5\r\nhello\r\n",
        " 5\r\nhello\r\n",
        "5 \r\nhello\r\n",
        "5\t\r\nhello\r\n",
        "5\nhello\r\n",
        "5\r\r\nhello\r\n",
        "5,\r\nhello\r\n",
        "5 x\r\nhello\r\n",
        "g\r\n",
        "11111111111111111\r\n",
        "00000000000000005\r\nhello\r\n",
        "5\u{0}\r\nhello\r\n",
        "\u{0665}\r\nhello\r\n",
        "5\r\nhello\r\n\r\n",
        "5_0\r\n",
    ] {
        refuses(&chunked(bad), &HttpError::BadChunk);
    }
}

#[test]
fn a_chunk_ends_where_it_says() {
    for bad in ["5\r\nhelloX\r\n", "5\r\nhello\n0\r\n\r\n", "5\r\nhello\r0\r\n\r\n", "5\r\nhello\rx", "5\r\nhello0\r\n"]
    {
        refuses(&chunked(bad), &HttpError::BadChunk);
    }
}

#[test]
fn well_formed_chunk_extensions_are_skipped() {
    for sound in [";a", ";a=b", " ;a", "\t; a = b ;c", ";a=\"b c;\\\"\r\"", ";a=\"\u{e9}\t\\x\"", ";a=b;a=b;a"] {
        let response = chunked(&format!("5{sound}\r\nhello\r\n0{sound}\r\n\r\n"));
        match sound.contains('\r') {
            true => refuses(&response, &HttpError::BadChunk),
            false => takes(&response, 200, "hello", 0),
        }
    }
    for bad in
        [";", ";;a", ";a;", ";=b", ";a=", ";a=\"b", ";a=\"b\\\"", ";a=\"b\"c", ";a b", ";a=b ", ";\u{e9}", ";a\r"]
    {
        refuses(&chunked(&format!("5{bad}\r\nhello\r\n0\r\n\r\n")), &HttpError::BadChunk);
    }
}

#[test]
fn trailers_are_checked_and_dropped() {
    takes(&chunked("0\r\nA: b\r\nServer-Timing:x\r\n\r\nrest"), 200, "", 4);
    takes(&chunked("0\r\nTrailer: Content-Length\r\n\r\n"), 200, "", 0);
    for bad in [
        "no colon",
        ": x",
        "a b: c",
        "a : b",
        " a: b",
        "\ta: b",
        "a: b\r\n c",
        "a: b\u{0}",
        "a: b\rc",
        "a: b\r\n\tc",
        "Content-Length: 5",
        "content-length: 0",
        "Transfer-Encoding: chunked",
        "HTTP/1.1 200 OK",
    ] {
        refuses(&chunked(&format!("0\r\n{bad}\r\n\r\n")), &HttpError::BadTrailers);
        refuses(&chunked(&format!("0\r\nA: b\r\n{bad}\r\n\r\n")), &HttpError::BadTrailers);
    }
    for bare in ["0\r\nA: b\n\r\n", "0\r\nA: b\r\n\n", "0\r\n\n", "0\r\n\nA: b\r\n\r\n"] {
        refuses(&chunked(bare), &HttpError::BadTrailers);
    }
}

#[test]
fn lines_end_with_both_cr_and_lf() {
    for bad in [
        "HTTP/1.1 200 OK\nA: b\r\n\r\n",
        "HTTP/1.1 200 OK\r\nA: b\n\r\n",
        "HTTP/1.1 200 OK\r\nA: b\r\n\n",
        "HTTP/1.1 200 OK\r\nA: b\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\n\n",
        "HTTP/1.1 200 OK\r\n\n",
        "HTTP/1.1 200\nA: b\r\n\r\n",
        "HTTP/1.1 200 OK\n\r\n",
        "HTTP/1.1 200 OK\r\nA: b\rC: d\r\n\r\n",
        "HTTP/1.1 200 OK\r\nA: \rb\r\n\r\n",
        "HTTP/1.1 200 OK\r\nA: b\r\r\n\r\n",
        "HTTP/1.1 200 OK\r\r\n\r\n",
        "HTTP/1.1 200 \rOK\r\n\r\n",
        "HTTP/1.1 200\rA: b\r\n\r\n",
        "HTTP/1.1 200 OK\r\nA\r: b\r\n\r\n",
        "HTTP/1.1 200 OK\r\n\rA: b\r\n\r\n",
    ] {
        refuses(bad, &bad_head());
    }
}

#[test]
fn header_lines_are_not_folded() {
    for fold in [" ", "\t", "  x", "\tx: y", " Content-Length: 5"] {
        refuses(&with(&format!("A: b\r\n{fold}")), &bad_head());
        refuses(&with(&format!("{fold}\r\nA: b")), &bad_head());
        refuses(&with(&format!("Content-Length: 5\r\n{fold}")), &bad_head());
    }
}

#[test]
fn names_and_values_have_only_the_characters_of_names_and_values() {
    for bad in [
        "A : b",
        "A\t: b",
        "A b: c",
        ": b",
        "A",
        "",
        "\u{e9}: b",
        "A(: b",
        "A\": b",
        "A/: b",
        "A[: b",
        "A@: b",
        "{A}: b",
        "Content-Length : 5",
        "Transfer-Encoding : chunked",
        "Content-Length\u{0}: 5",
    ] {
        // An empty line ends the head; the rest is the body.
        if !bad.is_empty() {
            refuses(&with(bad), &bad_head());
        }
    }
    for control in (0..=8).chain(10..=31).chain([127]) {
        let in_value = [b"HTTP/1.1 200 OK\r\nA: b", &[control][..], b"c\r\n\r\n"].concat();
        let in_name = [b"HTTP/1.1 200 OK\r\nA", &[control][..], b"c: d\r\n\r\n"].concat();
        let in_reason = [b"HTTP/1.1 200 O", &[control][..], b"K\r\n\r\n"].concat();
        for response in [in_value, in_name, in_reason] {
            refuses_bytes(&response, &bad_head());
        }
    }
}

#[test]
fn a_status_has_three_digits_and_the_first_is_not_0() {
    for bad in
        ["2", "20", "2000", "020", "099", "000", "-20", "2x0", "+20", "", " 200", "200OK", "200\tOK", "\u{0662}00"]
    {
        refuses(&format!("HTTP/1.1 {bad} OK\r\n\r\n"), &bad_head());
    }
    for odd in [299, 600, 999] {
        takes(&format!("HTTP/1.1 {odd} Odd\r\nContent-Length: 2\r\n\r\nab"), odd, "ab", 0);
    }
}

#[test]
fn only_http_1_0_and_1_1_are_spoken() {
    for bad in [
        "HTTP/0.9 200 OK\r\n\r\n",
        "HTTP/1.2 200 OK\r\n\r\n",
        "HTTP/2 200 OK\r\n\r\n",
        "HTTP/2.0 200 OK\r\n\r\n",
        "HTTP/1 200 OK\r\n\r\n",
        "HTTP/11.1 200 OK\r\n\r\n",
        "HTTP/1.10 200 OK\r\n\r\n",
        "HTTP/1.1\t200 OK\r\n\r\n",
        "http/1.1 200 OK\r\n\r\n",
        "HTTP /1.1 200 OK\r\n\r\n",
        "HTTP/1.1  200 OK\r\n\r\n",
        "ICY 200 OK\r\n\r\n",
        "<html>hello</html>",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "SSH-2.0-OpenSSH_9.2\r\n",
        "GET / HTTP/1.1\r\n\r\n",
        "\r\nHTTP/1.1 200 OK\r\n\r\n",
        "\nHTTP/1.1 200 OK\r\n\r\n",
        " HTTP/1.1 200 OK\r\n\r\n",
        "\u{feff}HTTP/1.1 200 OK",
        "\r\n",
        "x",
    ] {
        refuses(bad, &bad_head());
    }
    // What an HTTP/2 server says first: an empty SETTINGS frame.
    refuses_bytes(&[0, 0, 0, 4, 0, 0, 0, 0, 0], &bad_head());
    // TLS: an alert from a server that expected TLS, and a handshake record.
    refuses_bytes(b"\x15\x03\x01\x00\x02\x02\x0a", &HttpError::Tls);
    refuses_bytes(b"\x16\x03\x03\x00\x04\x0e\x00\x00\x00", &HttpError::Tls);
    refuses_bytes(b"\x14\x03\x03", &bad_head());
}

#[test]
fn a_cut_response_is_incomplete() {
    for whole in [
        with("Content-Length: 5"),
        chunked("5;a=b\r\nhello\r\n0\r\nA: b\r\n\r\n"),
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n".to_owned(),
    ] {
        takes(
            &whole,
            if whole.contains("204") { 204 } else { 200 },
            if whole.contains("204") { "" } else { "hello" },
            0,
        );
        for cut in 0..whole.len() {
            refuses(&whole[..cut], &HttpError::Incomplete);
        }
    }
}

#[test]
fn a_content_coding_is_passed_on_only_if_it_was_asked_for() {
    let response = with("Content-Encoding: gzip\r\nContent-Length: 5");
    refuses(&response, &HttpError::UnknownContentCoding("gzip".to_owned()));
    refuses(&with("content-encoding: identity, br"), &HttpError::UnknownContentCoding("identity, br".to_owned()));
    takes(&with("Content-Encoding: Identity"), 200, "hello", 0);
    let asked = || ResponseParser::new(small_limits()).accept_codings(true);
    assert_eq!(read_every_way(response.as_bytes(), asked).body, b"hello");
    takes("HTTP/1.1 304 Not Modified\r\nContent-Encoding: gzip\r\n\r\n", 304, "", 0);
}
