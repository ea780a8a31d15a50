//! Certificates and keys from PEM files: what is accepted, and what an error says.

use crate::issuing::{Authority, client, shake_hands};
use crate::pem::pem;
use crate::tls_clock::for_tls;
use reactor::testing::ManualClock;
use reactor::tls::{PrivateCertificate, TlsConfigError, TlsServer, TrustRoots};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

/// A folder of this test's own, removed when it is dropped.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Folder {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("tls-files-{}-{number}", std::process::id()));
        fs::create_dir(&path).unwrap();
        Folder(path)
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, text).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0); // It may stay: the directory is temporary.
    }
}

/// What the error says about a server with these files; `DIR` stands for their folder.
#[track_caller]
fn refused(folder: &Folder, chain: &Path, key: &Path) -> String {
    let error = TlsServer::from_pem_files(for_tls(&ManualClock::new()), chain, key).unwrap_err();
    error.to_string().replace(&folder.0.display().to_string(), "DIR")
}

#[test]
fn a_server_is_made_of_two_files_or_of_one() {
    let (folder, authority) = (Folder::new(), Authority::new("Root"));
    let issued = authority.issue(&["a.test"]);
    // With texts around the objects, Windows' ends of lines, and the issuer behind it.
    let chain = format!("Subject: a.test\n{}\n{}", issued.certificate_pem(), pem("CERTIFICATE", authority.der()));
    let chain_file = folder.write("chain.pem", chain.replace('\n', "\r\n"));
    let key_file = folder.write("key.pem", issued.key_pem());
    let both = folder.write("both.pem", issued.key_pem() + &chain);
    let clock = || for_tls(&ManualClock::new());
    let client = client(&authority.roots(), &[]);
    for server in [TlsServer::from_pem_files(clock(), chain_file, key_file), TlsServer::from_pem_file(clock(), &both)] {
        let (at_client, _) = shake_hands(&client, "a.test", &server.unwrap());
        assert_eq!(at_client.session().peer_certificate().unwrap().chain().len(), 2);
    }
    let text = fs::read(&both).unwrap();
    let certificate = PrivateCertificate::from_pem(&text, &text).unwrap();
    assert_eq!(certificate.host_names().collect::<Vec<_>>(), ["a.test"]);
}

#[test]
fn keys_of_all_forms_are_accepted() {
    // `openssl genpkey`, `openssl rsa -traditional` and `openssl ecparam -genkey` write these three forms; the
    // self-signed certificates beside them are theirs.
    for (form, text) in [
        ("PRIVATE KEY", include_str!("pem/pkcs8.pem")),
        ("RSA PRIVATE KEY", include_str!("pem/pkcs1.pem")),
        ("EC PRIVATE KEY", include_str!("pem/sec1.pem")),
    ] {
        assert!(text.contains(&format!("-----BEGIN {form}-----")), "{form}");
        PrivateCertificate::from_pem(text.as_bytes(), text.as_bytes())
            .unwrap_or_else(|error| panic!("{form}: {error}"));
    }
}

#[test]
fn an_error_names_the_file_the_line_and_the_fault() {
    let (folder, authority) = (Folder::new(), Authority::new("Root"));
    let (issued, other) = (authority.issue(&["a.test"]), authority.issue(&["b.test"]));
    let chain = folder.write("chain.pem", issued.certificate_pem());
    let key = folder.write("key.pem", issued.key_pem());
    let file = |text: &str| folder.write("other.pem", text);

    assert_eq!(
        refused(&folder, &folder.0.join("missing.pem"), &key),
        "cannot read DIR/missing.pem: No such file or directory (os error 2)"
    );
    assert_eq!(refused(&folder, &folder.0, &key), "cannot read DIR: it is a directory");
    assert_eq!(
        refused(&folder, &file(""), &key),
        "DIR/other.pem has no certificate (PEM is expected); it has nothing in PEM"
    );
    // The two files, mixed up.
    assert_eq!(
        refused(&folder, &key, &chain),
        "DIR/key.pem has no certificate (PEM is expected); it has 1 x \"PRIVATE KEY\""
    );
    assert_eq!(
        refused(&folder, &chain, &file(&issued.certificate_pem().repeat(2))),
        "DIR/other.pem has no private key (PEM is expected); it has 2 x \"CERTIFICATE\""
    );
    assert_eq!(
        refused(&folder, &chain, &file(&format!("{0}\n{0}", issued.key_pem()))),
        "DIR/other.pem, line 1: there is a second private key in line 7; which one is meant?"
    );
    assert_eq!(
        refused(&folder, &chain, &file(&other.key_pem())),
        "the private key in DIR/other.pem, line 1 does not belong to the certificate in DIR/chain.pem"
    );
    assert_eq!(
        refused(&folder, &file(&(other.certificate_pem() + &issued.certificate_pem())), &key),
        "the private key in DIR/key.pem, line 1 belongs to certificate 2 in DIR/other.pem; \
         the server's or client's own certificate must come first, and its issuer's after it"
    );
}

#[test]
fn a_malformed_object_is_named_with_its_line() {
    let (folder, authority) = (Folder::new(), Authority::new("Root"));
    let issued = authority.issue(&["a.test"]);
    let chain = folder.write("chain.pem", issued.certificate_pem());
    let key = folder.write("key.pem", issued.key_pem());
    let good = issued.certificate_pem();
    let file = |text: &str| folder.write("other.pem", text);

    let begin = "-----BEGIN CERTIFICATE-----\n";
    let cases = [
        (format!("\n\n{begin}AAAA"), "line 3: CERTIFICATE begins here, but does not end"),
        (format!("{begin}{begin}"), "line 1: CERTIFICATE begins here, but does not end"),
        (format!("{good}-----BEGIN CERTIFICATE----\n"), "line N: the line does not end in five dashes"),
        (format!("{good}-----END CERTIFICATE-----\n"), "line N: an object ends here that has not begun"),
        (
            format!("{begin}-----END PRIVATE KEY-----\n"),
            "line 1: CERTIFICATE begins here, but line 2 ends \"PRIVATE KEY-----\"",
        ),
        (format!("{good}{begin}AAAA\n-----END CERTIFICATE-----\n"), "line N: the certificate is malformed"),
    ];
    let after = good.lines().count() + 1;
    for (text, why) in cases {
        let why = why.replace("line N", &format!("line {after}"));
        assert_eq!(refused(&folder, &file(&text), &key), format!("DIR/other.pem, {why}"));
    }
    let not_base64 = refused(&folder, &file(&format!("{begin}?!\n-----END CERTIFICATE-----\n")), &key);
    assert!(not_base64.starts_with("DIR/other.pem, line 1: CERTIFICATE is malformed: "), "{not_base64}");
    let der = folder.write("other.pem", &issued.certificate);
    assert!(refused(&folder, &der, &key).starts_with("DIR/other.pem, line 1: it is not text, so not PEM; "));
    let not_a_key = refused(&folder, &chain, &file("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"));
    assert!(not_a_key.starts_with("DIR/other.pem, line 1: the private key cannot be used: "), "{not_a_key}");
}

#[test]
fn an_encrypted_key_is_called_encrypted() {
    let (folder, authority) = (Folder::new(), Authority::new("Root"));
    let chain = folder.write("chain.pem", authority.issue(&["a.test"]).certificate_pem());
    let pkcs8 = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    let old = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\nAAAA\n\
               -----END RSA PRIVATE KEY-----\n";
    for text in [pkcs8, old] {
        let key = folder.write("key.pem", format!("# a comment\n{text}"));
        let why = "DIR/key.pem, line 2: the private key is encrypted; \
                   decrypt it (openssl pkey -in KEY -out DECRYPTED) and protect the file instead";
        assert_eq!(refused(&folder, &chain, &key), why);
    }
}

#[test]
fn what_could_block_or_fill_the_memory_is_not_read() {
    let (folder, authority) = (Folder::new(), Authority::new("Root"));
    let key = folder.write("key.pem", authority.issue(&["a.test"]).key_pem());
    let large = folder.0.join("large.pem");
    fs::File::create(&large).unwrap().set_len(4 * 1024 * 1024 + 1).unwrap();
    assert_eq!(refused(&folder, &large, &key), "cannot read DIR/large.pem: it has more than 4194304 bytes");
    let device = Path::new("/dev/zero");
    let fifo = folder.0.join("fifo");
    let made = std::process::Command::new("mkfifo").arg(&fifo).status().is_ok_and(|status| status.success());
    for path in [Some(device), made.then_some(&*fifo)].into_iter().flatten() {
        let why = refused(&folder, path, &key);
        assert!(why.contains("it is not a file but a FIFO, socket or device, which could block for ever"), "{why}");
    }
}

#[test]
fn roots_are_read_with_the_same_care() {
    let (folder, authority) = (Folder::new(), Authority::new("Root"));
    let root = pem("CERTIFICATE", authority.der());
    let good = folder.write("roots.pem", root.repeat(2));
    TrustRoots::from_pem_file(good).unwrap();
    let bad =
        folder.write("roots.pem", format!("{root}-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"));
    let error = TrustRoots::from_pem_file(&bad).unwrap_err();
    let TlsConfigError::Bad { source, .. } = &error else { panic!("{error}") };
    assert_eq!(*source, format!("{}, line {}", bad.display(), root.lines().count() + 1));
    let error = TrustRoots::from_pem_file(folder.0.join("missing")).unwrap_err();
    assert!(matches!(error, TlsConfigError::Unreadable { .. }), "{error}");
}
