//! The files of UNIX sockets: their permissions, when they are removed, and those that a killed server left behind.

use crate::events::{Events, Noting};
use crate::kind::fresh_path;
use crate::skip::skipped;
use crate::util::until;
use reactor::error::CannotListenError;
use reactor::{Address, ListeningPort, Reactor, UnixAddress, UnixListenAddress};
use std::fs::{self, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::path::Path;

fn silent(_peer: Address) -> Noting {
    Noting::new(&Events::default())
}

fn listen(
    reactor: &Reactor,
    address: impl Into<UnixListenAddress>,
) -> Result<ListeningPort<UnixAddress>, CannotListenError> {
    reactor.listen_unix(address, silent)
}

/// Why it cannot listen.
#[track_caller]
fn refused(reactor: &Reactor, address: impl Into<UnixListenAddress>) -> io::Error {
    listen(reactor, address).unwrap_err().error
}

/// Leaves a socket file behind, as a server does that is killed: std does not remove it.
fn leave_behind(path: &Path) {
    drop(UnixListener::bind(path).unwrap());
    assert!(path.exists());
}

#[test]
fn the_file_has_the_permissions_that_were_asked_for() {
    let reactor = Reactor::new().unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    let path = fresh_path();
    let _port = listen(&reactor, path.as_path()).unwrap();
    assert_eq!(mode(&path), 0o600, "by default, only our own user may connect");
    let path = fresh_path();
    let _port = listen(&reactor, UnixListenAddress::from(path.as_path()).mode(0o666)).unwrap();
    assert_eq!(mode(&path), 0o666, "whatever the umask says");
}

#[test]
fn the_file_is_there_until_the_port_stops() {
    let (reactor, path) = (Reactor::new().unwrap(), fresh_path());
    let port = listen(&reactor, path.as_path()).unwrap();
    assert_eq!(port.host(), UnixAddress::from(path.as_path()));
    assert_eq!(format!("{port:?}"), format!("ListeningPort(unix:{})", path.display()));
    UnixStream::connect(&path).unwrap();
    port.stop_listening().detach();
    assert!(!path.exists());
    until(&reactor, "the port is closed", || reactor.source_count() == 0);
    let _port = listen(&reactor, path.as_path()).expect("the path is free again");
    drop(reactor);
    assert!(!path.exists(), "a reactor that is dropped closes its ports");
}

#[test]
fn a_file_that_a_killed_server_left_behind_is_replaced() {
    let (reactor, path) = (Reactor::new().unwrap(), fresh_path());
    leave_behind(&path);
    let _port = listen(&reactor, path.as_path()).unwrap();
    UnixStream::connect(&path).expect("the new server answers");
}

#[test]
fn the_file_of_a_living_server_is_left_alone() {
    let (reactor, path) = (Reactor::new().unwrap(), fresh_path());
    let _port = listen(&reactor, path.as_path()).unwrap();
    let error = refused(&reactor, path.as_path());
    assert_eq!(error.kind(), ErrorKind::AddrInUse);
    assert_eq!(error.to_string(), "another server listens at that path");
    UnixStream::connect(&path).expect("the first server still answers");
}

#[test]
fn a_server_with_a_full_backlog_is_alive() {
    let (reactor, path) = (Reactor::new().unwrap(), fresh_path());
    let _port = listen(&reactor, UnixListenAddress::from(path.as_path()).backlog(0)).unwrap();
    let _waiting = UnixStream::connect(&path).unwrap();
    assert_eq!(refused(&reactor, path.as_path()).to_string(), "another server listens at that path");
}

#[test]
fn a_file_that_is_not_a_listening_socket_is_left_alone() {
    let (reactor, path) = (Reactor::new().unwrap(), fresh_path());
    let is_not_a_socket = "there is a file at that path, and it is not a socket";

    fs::write(&path, "precious").unwrap();
    let error = refused(&reactor, path.as_path());
    assert_eq!((error.kind(), error.to_string().as_str()), (ErrorKind::AddrInUse, is_not_a_socket));
    assert_eq!(fs::read(&path).unwrap(), b"precious");
    fs::remove_file(&path).unwrap();

    fs::create_dir(&path).unwrap();
    assert_eq!(refused(&reactor, path.as_path()).to_string(), is_not_a_socket);
    fs::remove_dir(&path).unwrap();

    let target = fresh_path();
    leave_behind(&target);
    symlink(&target, &path).unwrap();
    assert_eq!(refused(&reactor, path.as_path()).to_string(), is_not_a_socket);
    assert!(target.exists(), "what the link points to is not ours");
    fs::remove_file(&path).unwrap();
    fs::remove_file(&target).unwrap();

    let _other = UnixDatagram::bind(&path).unwrap();
    assert_eq!(refused(&reactor, path.as_path()).kind(), ErrorKind::AddrInUse, "a socket of another type, alive");
    fs::remove_file(&path).unwrap();
}

#[test]
fn a_port_that_stops_leaves_the_file_of_its_successor_alone() {
    let (reactor, path) = (Reactor::new().unwrap(), fresh_path());
    let port = listen(&reactor, path.as_path()).unwrap();
    fs::remove_file(&path).unwrap(); // An administrator, say.
    let successor = UnixListener::bind(&path).unwrap();
    port.stop_listening().detach();
    UnixStream::connect(&path).expect("the successor still answers");
    drop(successor);
    fs::remove_file(&path).unwrap();
}

#[test]
fn paths_that_cannot_be_listened_on_fail_in_words() {
    let reactor = Reactor::new().unwrap();
    let long = std::env::temp_dir().join("x".repeat(UnixAddress::MAX_PATH));
    let error = listen(&reactor, long.as_path()).unwrap_err();
    assert_eq!(error.error.kind(), ErrorKind::InvalidInput);
    assert!(error.to_string().starts_with("cannot listen on unix:/"), "{error}");
    assert!(error.to_string().contains("bytes; the system allows"), "{error}");
    assert_eq!(refused(&reactor, "").kind(), ErrorKind::InvalidInput);
    assert_eq!(refused(&reactor, "/no/such/directory/socket").kind(), ErrorKind::NotFound);
    assert_eq!(refused(&reactor, UnixAddress::Unnamed).kind(), ErrorKind::InvalidInput);
    assert_eq!(reactor.source_count(), 0);
}

#[test]
fn a_directory_that_is_not_ours_to_write_to_refuses() {
    let (reactor, directory) = (Reactor::new().unwrap(), fresh_path());
    fs::create_dir(&directory).unwrap();
    fs::set_permissions(&directory, Permissions::from_mode(0o500)).unwrap();
    let path = directory.join("socket");
    match fs::write(&path, "").map_err(|error| error.kind()) {
        // Nothing is forbidden to root.
        Ok(()) => skipped("it runs as root, who may write into any directory"),
        Err(_) => assert_eq!(refused(&reactor, path.as_path()).kind(), ErrorKind::PermissionDenied),
    }
    fs::set_permissions(&directory, Permissions::from_mode(0o700)).unwrap();
    fs::remove_dir_all(&directory).unwrap();
}

/// Of many servers that start at the same moment over a file that was left behind, one listens, and clients reach it.
#[test]
fn of_servers_that_start_together_one_gets_the_path_and_keeps_it() {
    const ROUNDS: usize = 300;
    for _ in 0..ROUNDS {
        let path = fresh_path();
        leave_behind(&path);
        let start = std::sync::Barrier::new(8);
        let done = std::sync::Barrier::new(8);
        let listening: usize = std::thread::scope(|scope| {
            let servers: Vec<_> = (0..8)
                .map(|_| {
                    scope.spawn(|| {
                        let reactor = Reactor::new().unwrap();
                        start.wait();
                        let port = listen(&reactor, path.as_path());
                        done.wait();
                        if port.is_ok() {
                            UnixStream::connect(&path).expect("it can be reached");
                        }
                        usize::from(port.is_ok())
                    })
                })
                .collect();
            servers.into_iter().map(|server| server.join().unwrap()).sum()
        });
        assert_eq!(listening, 1);
        assert!(!path.exists());
    }
}
