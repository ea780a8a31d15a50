//! `proxyherd places` from outside: the answer that it prints, and how it explains that there is none.

use crate::KEY;
use crate::util::{Directory, Process, free_port};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread::JoinHandle;

const UCLA: [&str; 2] = ["34.068930", "-118.445127"];
pub(crate) const FINE: &str = "{\n   \"results\" : [ 1, 2, 3 ],\n   \"status\" : \"OK\"\n}\n";

/// Exit code, standard output, standard error.
#[track_caller]
fn run(directory: &Directory, arguments: &[&str], variables: &[(&str, &str)]) -> (Option<i32>, String, String) {
    let mut process = Process::spawn(directory.path(), arguments, variables);
    let code = process.wait().code();
    let logs = std::fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().file_name());
    assert!(logs.into_iter().all(|name| !name.to_string_lossy().ends_with(".log")), "it wrote a log");
    (code, process.output(), process.errors())
}

/// Asks for three places near UCLA with this `[places]`.
#[track_caller]
pub(crate) fn ask(places: &str, variables: &[(&str, &str)]) -> (Option<i32>, String, String) {
    let directory = Directory::new();
    let config = directory.write("herd.toml", format!("[places]\n{places}"));
    run(&directory, &["places", UCLA[0], UCLA[1], "10", "2", "--config", &config], variables)
}

/// Expects that the command prints no answer, and one line that holds all of `words` and no key.
#[track_caller]
pub(crate) fn fails(places: &str, words: &[&str]) {
    let (code, output, errors) = ask(places, &[KEY]);
    assert_eq!((code, &*output), (Some(1), ""), "{places}: {errors}");
    let line = errors.strip_suffix('\n').unwrap_or_else(|| panic!("{places}: no line: {errors:?}"));
    assert!(line.starts_with("proxyherd: ") && !line.contains('\n'), "{places}: not one line: {errors}");
    for word in words {
        assert!(line.contains(word), "{places}: {word:?} is missing in: {line}");
    }
    assert!(!line.contains(KEY.1), "{line}");
}

/// A service that answers the first request, as a setting that leads to it. Its thread returns the request.
fn service(answer: String) -> (String, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let thread = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let request = read_request(&stream);
        stream.write_all(answer.as_bytes()).unwrap();
        request
    });
    (format!("base_url = \"http://{address}\"\n"), thread)
}

/// Reads the head of a request, and its body if the head gives a length.
fn read_request(stream: &TcpStream) -> String {
    let (mut reader, mut request, mut length) = (BufReader::new(stream), String::new(), 0);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        let is_end = line.trim().is_empty();
        request += &line;
        if is_end {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    request + &String::from_utf8(body).unwrap()
}

pub(crate) fn response(status: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len())
}

#[test]
fn without_a_configuration_the_answer_comes_from_the_places_that_ship_with_the_program() {
    let directory = Directory::new();
    let (code, output, errors) = run(&directory, &["places", UCLA[0], UCLA[1], "10", "1"], &[]);
    assert_eq!((code, &*errors), (Some(0), ""));
    assert!(
        output.contains("Ronald Reagan UCLA Medical Center Helistop") && output.ends_with("\"status\" : \"OK\"\n}\n")
    );
    assert_eq!(output.matches("place_id").count(), 1);
}

#[test]
fn numbers_may_be_negative_and_signed_and_options_may_stand_anywhere() {
    let directory = Directory::new();
    let config = directory.write("herd.toml", "[places]\nprovider = \"offline\"\n");
    for arguments in [
        &["--config", &config, "places", "-33.8568", "+151.2153", "5", "1"][..],
        &["places", "-33.8568", "--config", &config, "151.2153", "5", "1"],
        &["places", "--", "-33.8568", "151.2153", "5", "1"],
    ] {
        let (code, output, errors) = run(&directory, arguments, &[]);
        assert_eq!((code, &*errors), (Some(0), ""), "{arguments:?}");
        assert!(output.contains("\"lat\" : -33.8"), "{output}");
    }
    let (code, output, _) = run(&directory, &["places", "-.5", "-179.9", "0", "0"], &[]);
    assert_eq!(code, Some(0));
    assert!(output.contains("ZERO_RESULTS"), "{output}");
}

#[test]
fn control_characters_of_a_service_do_not_reach_the_terminal() {
    let body = "{\"results\":[],\"status\":\"REQUEST_DENIED\",\"error_message\":\"a\\n\\u001b[31mb\\u009b\"}";
    let (base_url, service) = service(response("200 OK", body));
    fails(&format!("provider = \"google\"\n{base_url}"), &["REQUEST_DENIED: a  [31mb : check the key"]);
    service.join().unwrap();
}

#[test]
fn wrong_arguments_are_refused() {
    let directory = Directory::new();
    for (arguments, words) in [
        (&[][..], "LAT LON RADIUS_KM BOUND"),
        (&["1", "2", "3"], "LAT LON RADIUS_KM BOUND"),
        (&["1", "2", "3", "4", "5"], "LAT LON RADIUS_KM BOUND"),
        (&["90.1", "2", "3", "4"], "\"90.1\" is not a latitude"),
        (&["x", "2", "3", "4"], "\"x\" is not a latitude"),
        (&["1+2", "2", "3", "4"], "\"1+2\" is not a latitude"),
        (&["1", "-181", "3", "4"], "\"-181\" is not a longitude"),
        (&["1", "2", "50.1", "4"], "\"50.1\" is not a radius"),
        (&["1", "2", "-1", "4"], "\"-1\" is not a radius"),
        (&["1", "2", "3", "21"], "\"21\" is not a bound"),
        (&["1", "2", "3", "1.5"], "\"1.5\" is not a bound"),
        (&["1", "2", "3", "-4"], "\"-4\" is not a bound"),
        (&["1", "2", "3", "4", "--log-dir", "."], "places does not take --log-dir"),
        (&["1", "2", "3", "4", "--frob"], "--frob"),
        (&["1", "2", "3", "4", "--config", "missing.toml"], "missing.toml"),
    ] {
        let arguments: Vec<&str> = ["places"].iter().chain(arguments).copied().collect();
        let (code, output, errors) = run(&directory, &arguments, &[]);
        let exit = if words == "missing.toml" { 1 } else { 2 };
        assert_eq!((code, &*output), (Some(exit), ""), "{arguments:?}");
        assert!(errors.starts_with("proxyherd: ") && errors.contains(words), "{arguments:?}: {errors}");
    }
}

#[test]
fn the_answer_is_cut_as_for_a_whatsat_and_printed() {
    let (places, service) = service(response("200 OK", FINE));
    let (code, output, errors) = ask(&places, &[KEY]);
    assert_eq!((code, &*errors), (Some(0), ""));
    assert_eq!(output, FINE.replace(", 3 ]", " ]"));
    let request = service.join().unwrap();
    let line =
        "GET /maps/api/place/nearbysearch/json?location=34.068930,-118.445127&radius=10000&key=SecretKey HTTP/1.1\r\n";
    assert!(request.starts_with(line), "{request}");
}

#[test]
fn the_key_never_stands_in_a_trace() {
    let directory = Directory::new();
    let odd = "Secret/Key+9";
    for (provider, key, sent) in
        [("google", "SecretKey", "key=SecretKey"), ("google", odd, "key=Secret%2FKey%2B9"), ("google-new", odd, odd)]
    {
        let (base_url, service) = service(response("200 OK", FINE));
        let (trace, places) = (directory.write("trace.jsonl", ""), format!("provider = \"{provider}\"\n{base_url}"));
        ask(&places, &[(KEY.0, key), ("REACTOR_TRACE", &trace), ("REACTOR_TRACE_BYTES", "4000")]);
        assert!(service.join().unwrap().contains(sent), "{provider}");
        let trace = std::fs::read_to_string(trace).unwrap();
        assert!(trace.contains("\"call\":\"write\"") && trace.contains("HTTP/1.1"), "{trace}");
        for secret in [key, sent.trim_start_matches("key="), "Secret"] {
            assert!(!trace.contains(secret), "{provider}: {secret} stands in {trace}");
        }
        assert!(trace.contains("*********"), "{trace}");
    }
}

#[test]
fn each_provider_can_be_asked() {
    let (base_url, new) = service(response("200 OK", "{}"));
    let (code, output, _) = ask(&format!("provider = \"google-new\"\nfields = [\"rating\"]\n{base_url}"), &[KEY]);
    assert!(code == Some(0) && output.contains("ZERO_RESULTS"), "{output}");
    let request = new.join().unwrap();
    assert!(request.contains("places.rating") && request.contains("\"maxResultCount\":2,"), "{request}");

    let (base_url, overpass) = service(response("200 OK", "{\"elements\":[]}"));
    let (code, output, _) = ask(&format!("provider = \"overpass\"\n{base_url}"), &[KEY]);
    assert!(code == Some(0) && output.contains("OpenStreetMap"), "{output}");
    assert!(!overpass.join().unwrap().contains(KEY.1), "Overpass got the key");
}

#[test]
fn the_message_for_a_key_without_the_old_api_names_the_new_one() {
    for apostrophe in ["'", "\u{2019}"] {
        let message = format!("You{apostrophe}re calling a legacy API, which is not enabled for your project.");
        let denied = format!("{{\"error_message\":\"{message}\",\"results\":[],\"status\":\"REQUEST_DENIED\"}}");
        for provider in ["", "provider = \"google\"\n"] {
            let (places, _service) = service(response("200 OK", &denied));
            let words = ["google (127.0.0.1", "REQUEST_DENIED", &message, "provider = \"google-new\""];
            fails(&format!("{provider}{places}"), &words);
        }
    }
    let denied = "{\"error_message\":\"The key SecretKey is invalid.\",\"results\":[],\"status\":\"REQUEST_DENIED\"}";
    let (places, _service) = service(response("200 OK", denied));
    fails(&places, &["The key *** is invalid", "GOOGLE_PLACES_API_KEY"]);
}

#[test]
fn a_failure_is_explained_in_plain_words() {
    let closed = free_port();
    fails(&format!("base_url = \"http://127.0.0.1:{closed}\"\n"), &["refused", "nothing listens on that port"]);
    // A part of a name has at most 63 letters: no system asks the network for this one.
    let name = "a".repeat(64);
    fails(&format!("base_url = \"https://{name}.invalid\"\n"), &["cannot look up", "is the name right"]);
    for (answer, words) in [
        (response("404 Not Found", "<html>"), "404 Not Found: there is no such service"),
        (response("403 Forbidden", "<html>"), "403 Forbidden: the service, or a proxy before it, refuses access"),
        (response("503 Service Unavailable", ""), "try again later"),
        (response("302 Found", ""), "redirects are not followed"),
        (response("200 OK", "<html>"), "base_url right?"),
        ("SSH-2.0-OpenSSH_9.2\r\n\r\n".to_owned(), "does not speak HTTP"),
        (
            "\u{15}\u{3}\u{3}\0\u{2}\u{2}\u{a}".to_owned(),
            "not HTTP but TLS: the port is one for https: should base_url",
        ),
        (String::new(), ""),
    ] {
        let (places, _service) = service(answer);
        fails(&places, &["no answer from google (127.0.0.1", words]);
    }
}

#[test]
fn the_message_for_a_service_that_refuses_access_has_its_http_status() {
    for (provider, http, words) in [
        ("google-new", "401 x", "the Places service answered 401 Unauthorized: the service, or a proxy before it"),
        ("overpass", "403 x", "the Places service answered 403 Forbidden: the service, or a proxy before it"),
        ("overpass", "429 x", "OVER_QUERY_LIMIT: the Places service answered 429 Too Many Requests: the instance"),
    ] {
        let (base_url, service) = service(response(http, "<html>"));
        fails(&format!("provider = \"{provider}\"\n{base_url}"), &[provider, words]);
        service.join().unwrap();
    }
}

#[test]
fn a_service_without_tls_is_not_taken_for_a_bad_certificate() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let thread = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        let mut said = Vec::new();
        let _ = stream.read_to_end(&mut said);
        said
    });
    fails(
        &format!("base_url = \"https://{address}\"\n"),
        &["the TLS handshake failed", "which is plain HTTP: should base_url begin with http://"],
    );
    let said = thread.join().unwrap();
    assert!(!String::from_utf8_lossy(&said).contains(KEY.1), "the key was sent without TLS");
}

#[test]
fn a_silent_service_is_reported_when_the_time_is_over() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let base_url = format!("base_url = \"http://{}\"\n", listener.local_addr().unwrap());
    fails(&format!("{base_url}timeout = \"100ms\"\n"), &["did not come within 100ms", "timeout in [places]"]);
}

#[test]
fn a_signal_ends_the_wait() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let directory = Directory::new();
    let text = format!("[places]\nbase_url = \"http://{}\"\ntimeout = \"1h\"\n", listener.local_addr().unwrap());
    let config = directory.write("herd.toml", text);
    for signal in ["INT", "TERM"] {
        let arguments = ["places", UCLA[0], UCLA[1], "10", "2", "--config", &config];
        let mut process = Process::spawn(directory.path(), &arguments, &[KEY]);
        let (stream, _) = listener.accept().unwrap();
        read_request(&stream);
        assert_eq!(process.end(signal).code(), Some(1));
        assert_eq!(
            (process.output(), process.errors()),
            (String::new(), "proxyherd: ended before there was an answer\n".into())
        );
    }
}

#[test]
fn bad_keys_are_refused_and_a_key_file_that_others_can_read_gets_a_warning() {
    use std::os::unix::fs::PermissionsExt;
    for (key, word) in [("Sec\tret", "is not a key"), ("Sécret", "is not a key"), ("ret", "fewer than 4 characters")] {
        let (code, _, errors) = ask("provider = \"google-new\"\n", &[(KEY.0, key)]);
        assert!(
            code == Some(1) && errors.contains(word) && errors.contains(KEY.0) && !errors.contains("ret"),
            "{errors}"
        );
    }
    let directory = Directory::new();
    let file = directory.write("key.txt", "SecretKey\n");
    for (mode, is_warned) in [(0o600, false), (0o644, true), (0o640, true), (0o400, false)] {
        std::fs::set_permissions(&file, PermissionsExt::from_mode(mode)).unwrap();
        let (base_url, service) = service(response("200 OK", FINE));
        let (code, output, errors) = ask(&format!("key_file = \"{file}\"\n{base_url}"), &[]);
        assert_eq!((code, output.contains("OK")), (Some(0), true), "{errors}");
        assert_eq!(errors.contains("chmod 600") && errors.starts_with("proxyherd: warning: "), is_warned, "{errors}");
        assert!(service.join().unwrap().contains("key=SecretKey"));
    }
    let bad = directory.write("bad.txt", "Sec\nret\n");
    fails_without_variable(
        &format!("provider = \"google\"\nkey_file = \"{bad}\"\n"),
        &["bad.txt", "that is not a key"],
    );
    let short = directory.write("short.txt", "ret\n");
    let words = ["herd.toml, line 3", "short.txt", "fewer than 4 characters"];
    fails_without_variable(&format!("provider = \"google\"\nkey_file = \"{short}\"\n"), &words);
    fails_without_variable(
        "base_url = \"http://127.0.0.1:1\"\n",
        &["herd.toml, line 2: base_url in [places]", "there is no key"],
    );
    fails_without_variable("provider = \"google-new\"\n", &["the provider google-new needs a key", KEY.0]);
}

#[track_caller]
fn fails_without_variable(places: &str, words: &[&str]) {
    let (code, output, errors) = ask(places, &[]);
    assert_eq!((code, &*output), (Some(1), ""), "{errors}");
    for word in words {
        assert!(errors.contains(word), "{word:?} is missing in: {errors}");
    }
}
