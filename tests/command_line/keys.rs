//! `proxyherd keys`, and herds that use what it makes.

use crate::util::{Client, Directory, PATIENCE, Process, free_port, logs, wait_until};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Alford and Bolden, neighbors with `link`, in one file.
struct Pair {
    directory: Directory,
    config: String,
    /// The ports of each: `address` and `link`.
    alford: [u16; 2],
    bolden: [u16; 2],
}

impl Pair {
    /// The configuration alone, without keys.
    fn new() -> Pair {
        let directory = Directory::new();
        let [alford, bolden] = [(); 2].map(|()| [free_port(), free_port()]);
        let server = |name: &str, [address, link]: [u16; 2]| {
            format!("[servers.{name}]\naddress = \"127.0.0.1:{address}\"\nlink = \"127.0.0.1:{link}\"\n")
        };
        let text = format!(
            "{}neighbors = [\"Bolden\"]\n{}[tls]\nkeys = \"keys\"\n",
            server("Alford", alford),
            server("Bolden", bolden)
        );
        let config = directory.write("herd.toml", text);
        Pair { directory, config, alford, bolden }
    }

    /// With all keys.
    fn with_keys() -> Pair {
        let pair = Pair::new();
        pair.keys(&[]);
        pair
    }

    /// Runs `proxyherd keys`; expects that it succeeds.
    #[track_caller]
    fn keys(&self, more: &[&str]) -> String {
        let (code, output, errors) = self.run(&[&["keys", "--config", &self.config], more].concat());
        assert_eq!((code, &*errors), (Some(0), ""));
        output
    }

    #[track_caller]
    fn run(&self, arguments: &[&str]) -> (Option<i32>, String, String) {
        let mut process = Process::spawn(self.directory.path(), arguments, &[]);
        (process.wait().code(), process.output(), process.errors())
    }

    fn start(&self, name: &str) -> Process {
        let logs = self.directory.path().join("logs");
        std::fs::create_dir_all(&logs).unwrap();
        let logs = logs.to_str().unwrap();
        Process::start(self.directory.path(), &[name, "--config", &self.config, "--log-dir", logs], &[])
    }

    /// What a server has logged so far.
    fn log(&self, name: &str) -> String {
        logs_of(&self.directory.path().join("logs"), name)
    }

    fn file(&self, path: &str) -> String {
        std::fs::read_to_string(self.directory.path().join("keys").join(path)).unwrap()
    }

    fn rename(&self, from: &str, to: &str) {
        let keys = self.directory.path().join("keys");
        std::fs::rename(keys.join(from), keys.join(to)).unwrap();
    }
}

fn logs_of(directory: &Path, name: &str) -> String {
    let files = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let own = files.filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with(name));
    own.map(|path| std::fs::read_to_string(path).unwrap()).collect()
}

/// Waits until Bolden knows what Alford has been told.
#[track_caller]
fn expect_news(pair: &Pair) {
    let at = Client::connect(pair.alford[0]).ask("IAMAT kiwi +34.0-118.0 1");
    wait_until("the news arrives", || Client::connect(pair.bolden[0]).whats_at("kiwi", 0, 0).0 == at);
}

#[test]
fn a_herds_keys_are_made_once_and_for_their_owner_alone() {
    let pair = Pair::new();
    let output = pair.keys(&[]);
    for word in ["a new authority", "Alford: made", "Bolden: made", "copy keys/Alford to 127.0.0.1", "SIGHUP"] {
        assert!(output.contains(word), "{word:?} is missing: {output}");
    }
    let keys = pair.directory.path().join("keys");
    let mode = |path: &str| keys.join(path).metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(["", "Alford", "Bolden"].map(mode), [0o700; 3]);
    let files = ["herd.pem", "herd-key.pem", "Alford/key.pem", "Alford/certificate.pem", "Alford/herd.pem"];
    assert_eq!(files.map(mode), [0o600; 5]);
    assert_eq!(pair.file("herd.pem"), pair.file("Bolden/herd.pem"));

    let before = files.map(|file| pair.file(file));
    pair.rename("Bolden", "old");
    let output = pair.keys(&[]);
    assert!(output.contains("Alford: is there already") && output.contains("Bolden: made"), "{output}");
    assert_eq!(files.map(|file| pair.file(file)), before);
    assert_ne!(pair.file("Bolden/certificate.pem"), pair.file("old/certificate.pem"));
    let left: Vec<String> =
        std::fs::read_dir(&keys).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert!(left.iter().all(|name| !name.starts_with('.')), "{left:?}");
}

#[test]
fn keys_without_the_authoritys_key_are_refused() {
    let pair = Pair::with_keys();
    pair.rename("herd-key.pem", "elsewhere.pem");
    let (code, output, errors) = pair.run(&["keys", "--config", &pair.config]);
    assert_eq!((code, &*output), (Some(1), ""));
    assert!(errors.contains("herd.pem is there, and keys/herd-key.pem is not"), "{errors}");
}

#[test]
fn servers_with_keys_know_each_other() {
    let pair = Pair::with_keys();
    let (alford, _bolden) = (pair.start("Alford"), pair.start("Bolden"));
    assert!(alford.output().contains("links:   TLS: each neighbor proves its name"), "{}", alford.output());
    expect_news(&pair);
    assert!(pair.log("Alford").contains("links: TLS"), "{}", pair.log("Alford"));
}

#[test]
fn a_server_without_usable_keys_does_not_start() {
    let pair = Pair::new();
    let refuses = |words: &[&str]| {
        let (code, output, errors) = pair.run(&["Alford", "--config", &pair.config]);
        assert_eq!((code, &*output), (Some(1), ""));
        for word in [&["herd.toml, line 9: keys: "], words].concat() {
            assert!(errors.contains(word), "{word:?} is missing: {errors}");
        }
        assert_eq!(logs(pair.directory.path()), "");
    };
    refuses(&["keys/Alford/certificate.pem", "proxyherd keys makes it"]);
    pair.keys(&[]);
    pair.rename("Alford", "old");
    std::fs::create_dir(pair.directory.path().join("keys/Alford")).unwrap();
    let copy = |from: &str, to: &str| {
        pair.directory.write(&format!("keys/Alford/{to}"), pair.file(from));
    };
    copy("old/herd.pem", "herd.pem");
    copy("Bolden/certificate.pem", "certificate.pem");
    copy("old/key.pem", "key.pem");
    refuses(&["the private key in keys/Alford/key.pem", "does not belong to the certificate"]);
    copy("Bolden/key.pem", "key.pem");
    refuses(&["the certificate for Bolden", "is not for Alford"]);
    copy("old/certificate.pem", "certificate.pem");
    copy("old/key.pem", "key.pem");
    copy("old/key.pem", "herd.pem");
    refuses(&["keys/Alford/herd.pem has no certificate", "PRIVATE KEY"]);
    let (code, _, errors) = pair.run(&["check", &pair.config]);
    assert!(code == Some(1) && errors.contains("keys/Alford/herd.pem has no certificate"), "{errors}");
}

#[test]
fn check_says_whose_keys_are_not_here() {
    let pair = Pair::with_keys();
    pair.rename("Bolden", "old");
    let (code, output, errors) = pair.run(&["check", &pair.config]);
    assert_eq!((code, &*errors), (Some(0), ""));
    assert!(output.contains("  keys of Bolden are not on this machine\n"), "{output}");
    let alford = format!("  Alford listens on 127.0.0.1:{}, 127.0.0.1:{} (link); ", pair.alford[0], pair.alford[1]);
    assert!(output.contains(&alford), "{output}");
}

#[test]
fn a_neighbor_of_another_authority_is_named_in_both_logs_and_told_what_to_do() {
    let pair = Pair::with_keys();
    let _alford = pair.start("Alford");
    // Bolden's operator has made keys of his own.
    std::fs::rename(pair.directory.path().join("keys"), pair.directory.path().join("old")).unwrap();
    pair.keys(&[]);
    let _bolden = pair.start("Bolden");
    let advice = "compare keys/SERVER of both machines";
    for (name, other) in [("Alford", "Bolden"), ("Bolden", "Alford")] {
        wait_until("the link is refused", || {
            pair.log(name).lines().any(|line| {
                line.contains(&format!("WARN  no link to {other}: "))
                    && line.contains("authority")
                    && line.contains(advice)
            })
        });
        wait_until("the connection is refused", || {
            pair.log(name).lines().any(|line| line.contains("WARN  127.0.0.1:") && line.contains(advice))
        });
    }
    assert_eq!(Client::connect(pair.alford[0]).ask("PEER Bolden"), "? PEER Bolden");
}

#[test]
fn clear_text_at_a_link_and_a_link_to_clear_text_are_explained() {
    let pair = Pair::with_keys();
    // This Bolden has no link: it listens for clear text where Alford expects TLS.
    let [address, _] = pair.alford;
    let text = format!(
        "[servers.Alford]\naddress = \"127.0.0.1:{address}\"\n[servers.Bolden]\naddress = \"127.0.0.1:{}\"\n",
        pair.bolden[1]
    );
    let plain = pair.directory.write("plain.toml", text);
    let _bolden = Process::start(pair.directory.path(), &["Bolden", "--config", &plain], &[]);
    let _alford = pair.start("Alford");
    let warning = "WARN  no link to Bolden: the TLS handshake failed: the server does not speak TLS here";
    wait_until("Alford explains it", || pair.log("Alford").contains(warning));
    assert!(pair.log("Alford").contains("is that its `link`"), "{}", pair.log("Alford"));
    assert_eq!(pair.log("Alford").matches(warning).count(), 1);

    let mut stranger = TcpStream::connect(("127.0.0.1", pair.alford[1])).unwrap();
    stranger.set_read_timeout(Some(PATIENCE)).unwrap();
    stranger.write_all(b"PEER Bolden\nAT Bolden +0.000000000 kiwi +1+2 1\n").unwrap();
    let _ = stranger.read_to_end(&mut Vec::new());
    let explained = "the client does not speak TLS here; it sent \"PEER Bolden";
    wait_until("Alford explains it", || pair.log("Alford").contains(explained));
}

#[test]
fn new_certificates_are_taken_without_a_stop() {
    let pair = Pair::with_keys();
    let alford = pair.start("Alford");
    let mut bolden = pair.start("Bolden");
    expect_news(&pair);
    let links = |name: &str| pair.log(name).matches(" is up\n").count();
    wait_until("both links are up", || links("Alford") == 1 && links("Bolden") == 1);

    // Another authority, which Alford believes beside the old one.
    std::fs::rename(pair.directory.path().join("keys"), pair.directory.path().join("old")).unwrap();
    pair.keys(&[]);
    let old = std::fs::read_to_string(pair.directory.path().join("old/Alford/herd.pem")).unwrap();
    let both = old + &pair.file("Alford/herd.pem");
    std::fs::write(pair.directory.path().join("keys/Alford/herd.pem"), both).unwrap();
    std::fs::copy(
        pair.directory.path().join("old/Alford/certificate.pem"),
        pair.directory.path().join("keys/Alford/certificate.pem"),
    )
    .unwrap();
    // The key is still that of the new certificate: nothing changes.
    let hang_up = |words: &str| {
        let before = pair.log("Alford").matches(words).count();
        alford.signal("HUP");
        wait_until(words, || pair.log("Alford").matches(words).count() > before);
    };
    hang_up("WARN  SIGHUP: the configuration stays as it was: ");
    std::fs::copy(pair.directory.path().join("old/Alford/key.pem"), pair.directory.path().join("keys/Alford/key.pem"))
        .unwrap();
    hang_up("SIGHUP: keys and certificates were read again");
    assert_eq!((links("Alford"), links("Bolden")), (1, 1), "links that are up go on");

    // Bolden has a certificate of the new authority, and believes both, too.
    std::fs::copy(
        pair.directory.path().join("keys/Alford/herd.pem"),
        pair.directory.path().join("keys/Bolden/herd.pem"),
    )
    .unwrap();
    assert_eq!(bolden.end("TERM").code(), Some(0));
    let _bolden = pair.start("Bolden");
    wait_until("both links are up again", || links("Alford") == 2 && links("Bolden") == 2);
    expect_news(&pair);
}
