//! The examples that are clients, each with a server that this test plays, or with another example as its server.

use crate::files::{expected, masked, program, source};
use crate::servers::{PATIENCE, Running, Server};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::process::{Command, Stdio};

/// What a client that ends by itself prints, with the server at `address`: its exit code, standard output and standard
/// error.
fn run(name: &str, address: &str) -> (Option<i32>, String, String) {
    let output = Command::new(program(name)).arg(address).output().expect("an example can be run");
    let text = |bytes| String::from_utf8(bytes).expect("text");
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn clients_print_what_they_say_beside_the_echo_server() {
    let echo = Server::start("03_echo");
    for name in ["08_retry_client", "echo_client"] {
        let (code, printed, errors) = run(name, &echo.address);
        assert_eq!((code, &*errors), (Some(0), ""), "{name}");
        assert_eq!(masked(&printed), masked(&expected(&source(name)).unwrap()), "{name}");
    }
}

#[test]
fn the_retry_client_gives_a_silent_server_up_and_asks_again() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let mut client = Running::start("08_retry_client", &[&address], &std::env::temp_dir());
    let accept = || {
        let (stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut stream = BufReader::new(stream);
        let mut line = String::new();
        stream.read_line(&mut line).unwrap();
        assert_eq!(line, "anybody there?\n");
        stream
    };
    let mut silent = accept();
    let mut second = accept();
    // By now it has given the first connection up.
    assert!(matches!(silent.read(&mut [0; 10]), Ok(0) | Err(_)));
    second.get_mut().write_all(b"yes\n").unwrap();
    let mut printed = String::new();
    while !printed.contains("the answer: ") {
        let line = client.line();
        assert!(!line.is_empty(), "it has ended: {printed}");
        printed += &line;
    }
    let lines: Vec<&str> = printed.lines().collect();
    assert!(lines[2].ends_with("did not come within 500ms; again in 100ms"), "{printed}");
    assert_eq!((lines[3], lines.len()), ("the answer: yes", 4), "{printed}");
}

#[test]
fn the_retry_client_fails_with_the_last_reason() {
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let (code, printed, errors) = run("08_retry_client", &gone);
    assert_eq!(code, Some(1));
    for (line, pause) in printed.lines().skip(2).zip(["100ms", "200ms", "400ms"]) {
        assert!(line.starts_with(&format!("cannot connect to {gone}: ")), "{printed}");
        assert!(line.ends_with(&format!("; again in {pause}")), "{printed}");
    }
    assert_eq!(printed.lines().count(), 5, "{printed}");
    assert!(errors.starts_with(&format!("Error: cannot connect to {gone}: ")), "{errors}");
    assert!(errors.contains("raised at ") && errors.contains("in the coroutine started at examples/"), "{errors}");
}

#[test]
fn the_client_service_comes_back_when_the_server_does() {
    let echo = Server::start("03_echo");
    let address = echo.address.clone();
    let mut service = Running::start("client_service", &[&address], &std::env::temp_dir());
    let said: String = (0..2).map(|_| service.line()).collect();
    assert_eq!(masked(&said), masked(&expected(&source("client_service")).unwrap()));
    echo.kill();
    assert!(service.line().starts_with("the connection is "));
    let _again = Server::start_with("03_echo", &[&address], &std::env::temp_dir());
    assert_eq!(service.line(), "the server says: hello\n");
}

/// Runs `standard_io` beside a server, with `typed` as its input, and gives what it prints.
fn type_to(server: &str, typed: Vec<u8>) -> (Option<i32>, Vec<u8>, String) {
    let mut command = Command::new(program("standard_io"));
    command.arg(server).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("an example can be run");
    let mut input = child.stdin.take().unwrap();
    // It may end before it has read all.
    let typing = std::thread::spawn(move || drop(input.write_all(&typed)));
    let output = child.wait_with_output().unwrap();
    typing.join().unwrap();
    (output.status.code(), output.stdout, String::from_utf8(output.stderr).unwrap())
}

#[test]
#[cfg(unix)]
fn standard_input_goes_to_the_server_and_its_answer_to_standard_output() {
    let echo = Server::start("03_echo");
    for typed in [Vec::new(), b"hello\n".to_vec(), vec![b'x'; 5_000_000]] {
        let (code, printed, errors) = type_to(&echo.address, typed.clone());
        assert_eq!((code, &*errors), (Some(0), ""));
        assert!(printed == typed, "{} bytes of {} came back, or others", printed.len(), typed.len());
    }
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let (code, printed, errors) = type_to(&gone, b"hello".to_vec());
    assert_eq!((code, printed), (Some(1), Vec::new()));
    assert!(errors.starts_with(&format!("Error: cannot connect to {gone}: ")), "{errors}");
}

#[test]
#[cfg(unix)]
fn standard_input_and_output_end_when_the_server_does() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut command = Command::new(program("standard_io"));
    command.arg(listener.local_addr().unwrap().to_string()).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let input = child.stdin.take(); // It stays open.
    listener.accept().unwrap().0.write_all(b"bye").unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), &*output.stdout), (Some(0), b"bye".as_slice()));
    drop(input);
}
