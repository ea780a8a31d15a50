//! The examples `starttls_server` and `starttls_client` talk with each other.
//!
//! `cargo test` builds the examples before it runs this; `cargo test --test starttls_example` alone does not.

#[path = "command_line/pem.rs"]
mod pem;

use pem::pem;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// The path of an example's program: Cargo puts the examples beside the folder of this test's own program.
fn program(name: &str) -> PathBuf {
    let own = std::env::current_exe().expect("a program knows where it is");
    let profile = own.ancestors().nth(2).expect("a test lies in <profile>/deps");
    let program = profile.join("examples").join(format!("{name}{}", std::env::consts::EXE_SUFFIX));
    assert!(program.exists(), "{name} is not built: run `cargo test`, or `cargo build --examples` first");
    program
}

/// A running server; killed when dropped.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Writes a certificate and its key, as the command in the server's introduction does.
fn write_certificate(folder: &Path) {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["example.com".to_owned()]).unwrap();
    let both = pem("PRIVATE KEY", &signing_key.serialize_der()) + &pem("CERTIFICATE", cert.der());
    fs::write(folder.join("server.pem"), both).unwrap();
}

#[test]
fn the_client_says_one_line_in_clear_text_and_the_next_over_tls() {
    let folder = std::env::temp_dir().join(format!("starttls-example-{}", std::process::id()));
    fs::create_dir(&folder).unwrap();
    write_certificate(&folder);
    let mut child = Command::new(program("starttls_server"))
        .current_dir(&folder)
        .stdout(Stdio::piped())
        .spawn()
        .expect("the server starts");
    let mut output = BufReader::new(child.stdout.take().expect("it is piped"));
    let server = Server(child);
    let mut address = String::new();
    output.read_line(&mut address).unwrap();

    let client = Command::new(program("starttls_client"))
        .arg(address.trim_end())
        .current_dir(&folder)
        .output()
        .expect("the client starts");
    let said = String::from_utf8_lossy(&client.stdout);
    assert_eq!(said, "received: READY\nthe connection is closed cleanly\n", "{client:?}");
    assert!(client.status.success() && client.stderr.is_empty(), "{client:?}");

    // The server may still be printing them.
    let mut lines = [String::new(), String::new(), String::new()];
    lines.iter_mut().for_each(|line| drop(output.read_line(line)));
    assert_eq!(lines.concat(), "received: plain text\nreceived: STARTTLS\nreceived: secure text\n");
    drop(server);
    let mut rest = String::new();
    output.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "");
    fs::remove_dir_all(&folder).unwrap();
}
