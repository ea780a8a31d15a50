//! A store that is reached over TLS.

use super::certificates::Authority;
use super::pem::pem;
use super::redis::{free_port, new_directory};
use super::*;
use std::path::{Path, PathBuf};

/// A certificate authority, and a store that has a certificate of it for `localhost`.
fn started_secure_redis() -> Option<(Redis, PathBuf)> {
    let (authority, directory, port) = (Authority::new(), new_directory(), free_port());
    let identity = authority.issue("localhost", 2999);
    let write = |name: &str, label: &str, der: &[u8]| {
        let path = directory.join(name);
        std::fs::write(&path, pem(label, der)).unwrap();
        path
    };
    let ca = write("ca.pem", "CERTIFICATE", authority.der());
    let certificate = write("certificate.pem", "CERTIFICATE", &identity.certificate);
    let key = write("key.pem", "PRIVATE KEY", &identity.key);
    let port_text = port.to_string();
    let [ca_text, certificate, key] = [&ca, &certificate, &key].map(|path| path.to_str().unwrap());
    let arguments = ["--port", "0", "--tls-port", &port_text, "--tls-auth-clients", "no"];
    let files = ["--tls-ca-cert-file", ca_text, "--tls-cert-file", certificate, "--tls-key-file", key];
    let redis = Redis::start_in(directory.clone(), port, &[&arguments[..], &files].concat())?;
    Some((redis, ca))
}

fn start(harness: &Harness, name: &str, redis: &Redis, ca: Option<&Path>, certified: &str) -> Herder {
    let tls = TlsConfig { ca_file: ca.map(Path::to_owned), ..TlsConfig::default() };
    let node = HostPort { host: "127.0.0.1".to_owned(), port: redis.port };
    Herder::start_with(harness, name, vec![node], tls, |store| store.tls = Some(certified.to_owned()))
}

/// Reports a client until the store has taken a report of it. Returns the reply to the last one.
fn report_until_stored(harness: &Harness, at: &Herder) -> String {
    let (pace, mut client) = (Pace::new(harness), harness.connect(at.address));
    let (mut number, mut reply) = (1_400_794_640, String::new());
    pace.until("the store has taken a location", || {
        number += 1;
        reply = client.ask(&format!("IAMAT kiwi +34.068930-118.445127 {number}"));
        at.counted("stored") > 0 && at.table_len() == 0
    });
    reply
}

#[test]
fn a_store_is_spoken_to_over_tls_if_its_certificate_is_for_the_name_and_of_the_authority() {
    let Some((redis, ca)) = started_secure_redis() else { return };
    let harness = Harness::new();
    let here = start(&harness, "Alford", &redis, Some(&ca), "localhost");
    let reply = report_until_stored(&harness, &here);
    assert!(reply.starts_with("AT Alford "), "{reply}");
    let there = start(&harness, "Zed", &redis, Some(&ca), "localhost");
    let pace = Pace::new(&harness);
    pace.until("another herd finds it there", || there.whats_at(&harness, "kiwi") == reply);
    // Another name, and the authorities of the web.
    for (ca, certified) in [(Some(&*ca), "elsewhere"), (None, "localhost")] {
        let stranger = start(&harness, "Bolden", &redis, ca, certified);
        let mut client = harness.connect(stranger.address);
        let iamat = "IAMAT moa +34.068930-118.445127 1400794640";
        client.send(format!("{iamat}\n"));
        pace.until("it is answered by flood", || client.has_line());
        assert!(client.line().starts_with("AT Bolden "));
        assert_eq!((stranger.table_len(), stranger.counted("stored")), (1, 0));
    }
    assert!(there.whats_at(&harness, "moa").starts_with("? "), "nothing came to the store");
}
