//! What the two descriptors may be: files, the null device, closed, a directory, sockets, non-blocking, a terminal.

use crate::program::{Running, after_the_beginning, echo, program, reactor, run};
use crate::skip::skipped;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};

#[test]
fn files_are_read_to_their_end_and_written() {
    let command = program("kinds::files_are_read_to_their_end_and_written", || run(&reactor(), echo));
    let folder = std::env::temp_dir().join(format!("standard-io-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let (from, to) = (folder.join("from"), folder.join("to"));
    let sent: String = (0..30_000).map(|n| format!("line {n}\n")).collect();
    fs::write(&from, &sent).unwrap();
    let mut command = command;
    command.stdin(File::open(&from).unwrap()).stdout(File::create(&to).unwrap());
    Running::start(command).finish();
    let written = fs::read_to_string(&to).unwrap();
    assert!(after_the_beginning(&written) == sent, "{} bytes of {}", written.len(), sent.len());
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn the_null_device_is_an_end_at_once() {
    let mut command = program("kinds::the_null_device_is_an_end_at_once", || {
        run(&reactor(), |noting| {
            noting.made = Box::new(|transport| transport.write(b"to nobody"));
        });
    });
    command.stdin(Stdio::null()).stdout(Stdio::null());
    assert_eq!(Running::start(command).finish(), ["made", "end", "lost Done"]);
}

#[test]
fn descriptors_that_were_closed_at_the_start_are_as_the_null_device() {
    let command = program("kinds::descriptors_that_were_closed_at_the_start_are_as_the_null_device", || {
        run(&reactor(), |noting| {
            noting.made = Box::new(|transport| transport.write(b"to nobody"));
        });
    });
    // A shell closes them; Rust opens the null device in their place before `main`.
    let mut shell = Command::new("sh");
    shell.args(["-c", "exec \"$@\" <&- >&-", "sh"]).arg(command.get_program()).args(command.get_args());
    shell.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    shell.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    assert_eq!(Running::start(shell).finish(), ["made", "end", "lost Done"]);
}

#[test]
fn input_that_cannot_be_read_is_an_error() {
    let mut command = program("kinds::input_that_cannot_be_read_is_an_error", || run(&reactor(), |_| {}));
    command.stdin(File::open("/").unwrap());
    assert_eq!(Running::start(command).finish(), ["made", "lost Lost"]);
}

#[test]
fn a_socket_that_is_both_serves_one_client_as_under_inetd() {
    let command = program("kinds::a_socket_that_is_both_serves_one_client_as_under_inetd", || run(&reactor(), echo));
    for blocking in [true, false] {
        let (mut ours, theirs) = UnixStream::pair().unwrap();
        // The flag belongs to everybody who shares the socket: here the program finds it set.
        theirs.set_nonblocking(!blocking).unwrap();
        let output = theirs.try_clone().unwrap();
        let mut again = Command::new(command.get_program());
        again.args(command.get_args()).envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        again.stdin(OwnedFd::from(theirs)).stdout(OwnedFd::from(output)).stderr(Stdio::piped());
        let program = Running::start(again);
        ours.write_all(&[b'x'; 500_000][..1000]).unwrap();
        ours.shutdown(Shutdown::Write).unwrap();
        let mut heard = String::new();
        ours.read_to_string(&mut heard).unwrap();
        assert_eq!(after_the_beginning(&heard), "x".repeat(1000), "blocking: {blocking}");
        program.finish();
    }
}

#[test]
fn a_socket_that_does_not_block_takes_more_than_fits() {
    let command = program("kinds::a_socket_that_does_not_block_takes_more_than_fits", || {
        run(&reactor(), |noting| {
            noting.made = Box::new(|transport| transport.write(&[b'y'; 3_000_000]));
        });
    });
    let (mut ours, theirs) = UnixStream::pair().unwrap();
    theirs.set_nonblocking(true).unwrap();
    let mut command = command;
    command.stdin(Stdio::null()).stdout(OwnedFd::from(theirs));
    let program = Running::start(command);
    let mut heard = String::new();
    ours.read_to_string(&mut heard).unwrap();
    assert_eq!(after_the_beginning(&heard).len(), 3_000_000);
    program.finish();
}

/// The flags of a descriptor of this process, as Linux shows them.
#[cfg(target_os = "linux")]
fn flags(descriptor: &impl std::os::fd::AsRawFd) -> String {
    let info = fs::read_to_string(format!("/proc/self/fdinfo/{}", descriptor.as_raw_fd())).unwrap();
    info.lines().find(|line| line.starts_with("flags:")).unwrap().to_owned()
}

#[test]
#[cfg(target_os = "linux")]
fn no_flag_of_a_shared_descriptor_changes() {
    let command = program("kinds::no_flag_of_a_shared_descriptor_changes", || run(&reactor(), echo));
    let (mut ours, theirs) = UnixStream::pair().unwrap();
    let (shared, output) = (theirs.try_clone().unwrap(), theirs.try_clone().unwrap());
    let before = flags(&shared);
    let mut command = command;
    command.stdin(OwnedFd::from(theirs)).stdout(OwnedFd::from(output));
    let program = Running::start(command);
    ours.write_all(b"hello").unwrap();
    let mut heard = Vec::new();
    while !heard.ends_with(b"hello") {
        let mut bytes = [0; 100];
        let count = ours.read(&mut bytes).unwrap();
        heard.extend(&bytes[..count]);
    }
    assert_eq!(flags(&shared), before, "while the program speaks");
    ours.shutdown(Shutdown::Write).unwrap();
    program.finish();
}

/// A terminal, which Python makes: the program's end of the input is Ctrl-D, and it writes to the same device.
#[test]
fn a_terminal_is_read_line_by_line_and_ctrl_d_is_the_end() {
    let command = program("kinds::a_terminal_is_read_line_by_line_and_ctrl_d_is_the_end", || run(&reactor(), echo));
    let script = "
import os, pty, sys
child, terminal = pty.fork()
if child == 0:
    os.execv(sys.argv[1], sys.argv[1:])
heard = b''
while b'begins ---' not in heard:
    heard += os.read(terminal, 1000)
os.write(terminal, b'hello\\n')
while heard.count(b'hello') < 2:
    heard += os.read(terminal, 1000)
os.write(terminal, b'\\x04')
while b'lost Done' not in heard:
    heard += os.read(terminal, 1000)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
";
    let mut python = Command::new("python3");
    python.args(["-c", script]).arg(command.get_program()).args(command.get_args());
    python.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    match python.output() {
        Err(error) => skipped(format_args!("python3 cannot be run: {error}")),
        Ok(output) => {
            let told = String::from_utf8_lossy(&output.stderr).into_owned();
            assert_eq!((String::from_utf8_lossy(&output.stdout).trim(), &*told), ("0", ""));
        }
    }
}
