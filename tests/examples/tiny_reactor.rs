//! The reactor that can be typed in, driven over sockets.

use crate::files::program;
use crate::servers::{Server, ask};
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener};
use std::process::Command;
use std::time::Duration;

#[test]
fn one_loop_serves_all_clients_and_its_own_client_with_its_timer() {
    // Its start waits for what its own client hears after a timer.
    let server = Server::start("tiny_reactor");
    let (mut one, mut other) = (server.client(), server.client());
    assert_eq!(ask(&mut one, "from one\n"), "from one\n");
    assert_eq!(ask(&mut other, "from the other\n"), "from the other\n");
    drop(one);
    assert_eq!(ask(&mut other, "another's end is not mine\n"), "another's end is not mine\n");
}

#[test]
fn a_client_that_ends_its_sending_side_gets_everything_back() {
    let server = Server::start("tiny_reactor");
    let mut client = server.client();
    let sent = vec![7; 300_000];
    let mut writer = client.get_ref().try_clone().unwrap();
    let bytes = sent.clone();
    let writing = std::thread::spawn(move || {
        writer.write_all(&bytes).unwrap();
        writer.shutdown(Shutdown::Write).unwrap();
    });
    let mut heard = Vec::new();
    client.read_to_end(&mut heard).unwrap();
    writing.join().unwrap();
    assert!(heard == sent, "{} bytes came back", heard.len());
}

#[test]
fn a_client_that_only_talks_is_not_read_without_end() {
    // More than all buffers of the system take, at both ends.
    const TOO_MUCH: usize = 200 << 20;
    let server = Server::start("tiny_reactor");
    let (mut client, mut other) = (server.client(), server.client());
    client.get_ref().set_write_timeout(Some(Duration::from_millis(300))).unwrap();
    let mut taken = 0;
    while let Ok(count) = client.get_mut().write(&[1; 1 << 16]) {
        taken += count;
        assert!(taken < TOO_MUCH, "the reactor keeps what its peer does not read");
    }
    assert_eq!(ask(&mut other, "still there?\n"), "still there?\n");
    // Now it listens, and everything comes.
    let mut heard = vec![0; taken];
    client.read_exact(&mut heard).unwrap();
    assert!(heard.iter().all(|byte| *byte == 1));
}

#[test]
fn a_port_that_cannot_be_had_is_told_in_a_sentence() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for (argument, reason) in [(&*address, "Address already in use"), ("nowhere", "invalid socket address syntax")] {
        let output = Command::new(program("tiny_reactor")).arg(argument).output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(error.starts_with(&format!("Error: cannot listen on {argument}: {reason}")), "{error}");
        assert_eq!(output.status.code(), Some(1));
    }
}
