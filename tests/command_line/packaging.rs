//! What a package has beside the program: units for systemd, example configurations.

use crate::KEY;
use crate::skip::skipped;
use crate::util::{Directory, Process, free_port, wait_until};
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// The files of a folder of `packaging`.
fn files(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging").join(folder);
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

#[test]
fn the_example_configurations_are_good() {
    let examples = files("examples");
    assert_eq!(examples.len(), 4);
    for example in examples {
        let directory = Directory::new();
        let mut process = Process::spawn(directory.path(), &["check", example.to_str().unwrap()], &[KEY]);
        assert_eq!((process.wait().code(), &*process.errors()), (Some(0), ""), "{}", example.display());
        assert!(process.output().contains(": good\n"), "{}", process.output());
    }
}

/// The units with this program in place of the installed one, in a directory; and systemd-analyze, if it is here.
fn units() -> Option<Directory> {
    if !Command::new("systemd-analyze").arg("--version").output().is_ok_and(|output| output.status.success()) {
        skipped("there is no systemd-analyze here");
        return None;
    }
    let directory = Directory::new();
    for unit in files("systemd") {
        let text = std::fs::read_to_string(&unit).unwrap();
        let name = unit.file_name().unwrap().to_str().unwrap().replace("@.", "@Powell.");
        directory.write(&name, text.replace("/usr/local/bin/proxyherd", env!("CARGO_BIN_EXE_proxyherd")));
    }
    Some(directory)
}

#[test]
fn systemd_finds_nothing_wrong_with_the_units() {
    let Some(units) = units() else { return };
    for unit in ["proxyherd@Powell.service", "proxyherd@Powell.socket"] {
        // A drop-in of the socket's, as socket.conf says where to put it.
        let drop_in = units.path().join("proxyherd@Powell.service.d");
        if unit.ends_with("socket") {
            std::fs::create_dir(&drop_in).unwrap();
            std::fs::copy(units.path().join("socket.conf"), drop_in.join("socket.conf")).unwrap();
        }
        let verify = Command::new("systemd-analyze")
            .args(["verify", "--man=no", unit])
            .env("SYSTEMD_UNIT_PATH", format!("{}:", units.path().display()))
            .current_dir(units.path())
            .output()
            .unwrap();
        let told = String::from_utf8_lossy(&verify.stderr).into_owned();
        // Others' units are of no concern here.
        let ours: Vec<&str> =
            told.lines().filter(|line| line.contains("roxyherd") || line.contains("socket.conf")).collect();
        assert!(verify.status.success() && ours.is_empty(), "{unit}: {told}");
    }
}

#[test]
fn the_unit_is_hardened() {
    let Some(units) = units() else { return };
    let security = Command::new("systemd-analyze")
        .args(["security", "--offline=true", "--threshold=15", "--no-pager", "./proxyherd@Powell.service"])
        .current_dir(units.path())
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&security.stdout).into_owned() + &String::from_utf8_lossy(&security.stderr);
    if told.contains("unrecognized option") {
        return skipped("this systemd-analyze looks at no unit that is not loaded");
    }
    assert!(security.status.success(), "{told}");
}

/// A supervisor's end of `sd_notify`.
fn supervisor(directory: &Directory) -> (UnixDatagram, String) {
    // The path of a socket must be short, and a test directory may be deep.
    let name = format!("/tmp/proxyherd-{}-{}", std::process::id(), free_port());
    let socket = UnixDatagram::bind(&name).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let _ = directory;
    (socket, name)
}

fn told(socket: &UnixDatagram) -> String {
    let mut bytes = [0; 200];
    let length = socket.recv(&mut bytes).expect("the server tells its supervisor something");
    String::from_utf8_lossy(&bytes[..length]).into_owned()
}

#[test]
fn a_supervisor_hears_that_the_server_serves_that_its_loop_turns_and_that_it_stops() {
    let directory = Directory::new();
    let (config, _) = crate::alone(&directory, "");
    let (socket, name) = supervisor(&directory);
    let variables = [("NOTIFY_SOCKET", &*name), ("WATCHDOG_USEC", "100000")];
    let mut server = Process::start(directory.path(), &["Alford", "--config", &config], &variables);
    assert_eq!(told(&socket), "READY=1\nSTATUS=serving");
    for _ in 0..3 {
        assert_eq!(told(&socket), "WATCHDOG=1");
    }
    assert_eq!(server.end("TERM").code(), Some(0));
    let last = std::iter::repeat_with(|| told(&socket)).find(|told| told != "WATCHDOG=1");
    assert_eq!(last.as_deref(), Some("STOPPING=1\nSTATUS=stopping"));
    std::fs::remove_file(name).unwrap();
}

/// Starts Alford as systemd would, with this port as standard input.
fn activated(directory: &Directory, config: &str, port: TcpListener) -> std::process::Child {
    Command::new("sh")
        .args([
            "-c",
            "export LISTEN_PID=$$; exec \"$0\" \"$@\"",
            env!("CARGO_BIN_EXE_proxyherd"),
            "Alford",
            "--config",
            config,
        ])
        .env("LISTEN_FDS", "1")
        .current_dir(directory.path())
        .stdin(Stdio::from(OwnedFd::from(port)))
        .stdout(Stdio::null())
        .stderr(std::fs::File::create(directory.path().join("errors")).unwrap())
        .spawn()
        .unwrap()
}

#[test]
fn a_port_that_the_supervisor_has_opened_is_the_servers() {
    let directory = Directory::new();
    let (config, port) = crate::alone(&directory, "");
    let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
    // Before there is a server.
    let mut client = crate::util::Client::connect(port);
    client.send("IAMAT kiwi +1+2 3");
    let mut server = activated(&directory, &config, listener);
    assert!(client.line().starts_with("AT Alford "));
    server.kill().unwrap();
    server.wait().unwrap();

    // At another port the neighbors would not find it.
    let mut server = activated(&directory, &config, TcpListener::bind("127.0.0.1:0").unwrap());
    let mut status = None;
    wait_until("it ends", || {
        status = server.try_wait().unwrap();
        status.is_some()
    });
    assert_eq!(status.unwrap().code(), Some(1));
    let errors = std::fs::read_to_string(directory.path().join("errors")).unwrap();
    assert!(
        errors.contains("the port that was handed over is 127.0.0.1:") && errors.contains("not `address`"),
        "{errors}"
    );
}
