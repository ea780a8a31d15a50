//! curl drives the server: bodies up and down, `100 Continue`, HEAD, ranges, kept connections, HTTPS.

use super::certificates::Authority;
use super::peers::{Running, served};
use super::pem::pem;
use crate::skip::skipped;
use reactor::http::server::{HttpServer, Request, Response, Routes};
use reactor::http::{Agent, Request as Post};
use reactor::tls::TlsServer;
use reactor::{Failure, Reactor};
use std::io::Write;
use std::process::{Command, Stdio};
use std::{env, fs, process};

fn routes() -> Routes {
    let length = |request: Request| {
        let is_chunked = request.header("transfer-encoding").next().is_some();
        let body = request.collect(1_000_000);
        body.add_callback(move |body| Ok(Response::text(format!("{} {is_chunked}", body.len()))))
    };
    Routes::new()
        .post("/length", length)
        .on("PUT", "/length", length)
        .get("/stream", |_request| {
            let (response, writer) = Response::stream("text/plain")?;
            (0..1000).for_each(|number| writer.write(format!("{number}\n").as_bytes()));
            writer.finish();
            Ok::<_, Failure>(response)
        })
        .file("/file.txt", b"0123456789")
}

/// What curl prints. `None`, with a message, if there is no curl.
fn curl(arguments: &[&str], input: &[u8]) -> Option<String> {
    let mut command = Command::new("curl");
    command.args(["-q", "--silent", "--show-error", "--http1.1", "--noproxy", "*", "--max-time", "20"]).args(arguments);
    let Ok(mut child) = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn() else {
        skipped("there is no curl here");
        return None;
    };
    child.stdin.take().unwrap().write_all(input).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", output.status);
    Some(String::from_utf8(output.stdout).unwrap())
}

fn plain() -> (Running, String) {
    let running = served(|reactor| reactor.listen_tcp("127.0.0.1:0", HttpServer::new(reactor, routes()).factory()));
    let url = format!("http://127.0.0.1:{}", running.port);
    (running, url)
}

#[test]
fn curl_sends_bodies_with_a_length_and_in_chunks() {
    let (_running, url) = plain();
    let (url, body) = (format!("{url}/length"), vec![b'x'; 300_000]);
    let Some(answer) = curl(&["--data-binary", "@-", &url], &body) else { return };
    assert_eq!(answer, "300000 false");
    assert_eq!(curl(&["-T", "-", "-H", "Transfer-Encoding: chunked", &url], &body).unwrap(), "300000 true");
    // With and without waiting to be told.
    let told = curl(&["-i", "-H", "Expect: 100-continue", "--data-binary", "@-", &url], &body).unwrap();
    assert!(told.starts_with("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n") && told.ends_with("300000 false"));
    let more = curl(&["-i", "-H", "Expect: 100-continue", "--data-binary", "@-", &url], &vec![0; 2_000_000]).unwrap();
    assert!(more.starts_with("HTTP/1.1 413 Content Too Large\r\n"), "{more}");
}

#[test]
fn curl_gets_heads_files_and_streams_over_one_connection() {
    let (_running, url) = plain();
    let (file, stream) = (format!("{url}/file.txt"), format!("{url}/stream"));
    let connects = ["-w", "\n%{http_code} %{num_connects}\n"];
    let Some(answer) = curl(&[&connects[..], &["-r", "2-3", &file, &file]].concat(), b"") else { return };
    assert_eq!(answer, "0123456789\n200 1\n0123456789\n200 0\n", "a range is ignored, the connection kept");
    let head = curl(&["-I", &file], b"").unwrap();
    assert!(head.contains("\r\nContent-Length: 10\r\n") && head.contains("\r\nDate: "), "{head}");
    let etag = head.lines().find_map(|line| line.strip_prefix("ETag: ")).unwrap();
    let known = curl(&["-i", "-H", &format!("If-None-Match: {etag}"), &file], b"").unwrap();
    assert!(known.starts_with("HTTP/1.1 304 Not Modified\r\n"), "{known}");
    assert_eq!(curl(&[&stream], b"").unwrap().lines().count(), 1000);
    assert!(curl(&["-0", "-i", &stream], b"").unwrap().contains("\r\nConnection: close\r\n"));
    assert!(curl(&["-i", &format!("{url}/none")], b"").unwrap().starts_with("HTTP/1.1 404 Not Found\r\n"));
}

#[test]
fn curl_and_our_own_client_speak_to_it_over_tls() {
    let authority = Authority::new();
    let identity = authority.issue("localhost", 2999);
    let running = served(move |reactor: &Reactor| {
        let tls = TlsServer::new(reactor, &[&identity.certificate], &identity.key, &["http/1.1"]).unwrap();
        reactor.listen_tcp("127.0.0.1:0", HttpServer::new(reactor, routes()).tls_factory(&tls))
    });
    let path = env::temp_dir().join(format!("http-server-curl-{}.pem", process::id()));
    fs::write(&path, pem("CERTIFICATE", authority.der())).unwrap();
    let url = format!("https://localhost:{}/length", running.port);
    let reactor = Reactor::new().unwrap();
    let agent = Agent::new(&reactor, &authority.roots()).unwrap();
    for length in [0, 100_000] {
        let page = reactor.run_until(agent.fetch(Post::post(url.parse().unwrap(), vec![0; length]))).unwrap();
        assert_eq!(page.body, format!("{length} false").as_bytes());
    }
    let answer = curl(&["--cacert", path.to_str().unwrap(), "--data-binary", "@-", &url], &[0; 100_000]);
    fs::remove_file(path).unwrap();
    assert_eq!(answer.as_deref().unwrap_or("100000 false"), "100000 false");
}
