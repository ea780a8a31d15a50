//! `proxyherd check FILE` from outside: what it finds, and what it says about a file that is good.

use crate::KEY;
use crate::util::{Directory, Process};

/// Exit code, standard output, standard error.
#[track_caller]
fn check(text: &str, variables: &[(&str, &str)]) -> (Option<i32>, String, String) {
    let directory = Directory::new();
    directory.write("herd.toml", text);
    let mut process = Process::spawn(directory.path(), &["check", "herd.toml"], variables);
    (process.wait().code(), process.output(), process.errors())
}

const LINK: &str = "[servers.A]\naddress = \"localhost:1\"\nneighbors = [\"B\"]\n[servers.B]\naddress = \"[::1]:2\"\n";

#[test]
fn a_good_file_is_described() {
    let (code, output, errors) = check(LINK, &[]);
    assert_eq!((code, &*errors), (Some(0), ""));
    let places = output.lines().last().unwrap();
    assert!(places.starts_with("  places: offline"), "{places}");
    let servers = "  A listens on localhost:1; neighbors: B\n  B listens on [::1]:2; neighbors: A\n";
    assert_eq!(output, format!("herd.toml: good\n{servers}{places}\n"));
}

#[test]
fn servers_that_no_link_joins_get_a_warning() {
    let apart = "[servers.C]\naddress = \"localhost:3\"\nneighbors = [\"D\"]\n[servers.D]\naddress = \"localhost:4\"\n\
                 [servers.E]\naddress = \"localhost:5\"\n";
    let (code, output, _) = check(&format!("{LINK}{apart}"), &[]);
    assert_eq!(code, Some(0));
    assert!(output.contains("  warning: no link joins C, D to the rest of the herd\n"), "{output}");
    assert!(output.contains("  warning: no link joins E to the rest of the herd\n"), "{output}");
    assert_eq!(output.matches("warning").count(), 2, "{output}");
}

/// A herd of one server.
const SERVER: &str = "[servers.Alford]\naddress = \"127.0.0.1:12200\"\n";

#[test]
fn a_file_that_names_no_server_is_a_mistake() {
    let (code, output, errors) = check("[places]\nprovider = \"offline\"\n", &[]);
    assert_eq!((code, &*output), (Some(1), ""));
    assert!(errors.starts_with("proxyherd: herd.toml, line 1: no server is named: "), "{errors}");
}

#[test]
fn a_mistake_ends_the_check_with_its_line() {
    let (code, output, errors) = check("[limits]\nline = 1\n", &[]);
    assert_eq!((code, &*output), (Some(1), ""));
    assert_eq!(errors, "proxyherd: herd.toml, line 2: line 1 is not a whole number of at least 256\n");
}

#[test]
fn files_that_the_configuration_names_are_read_too() {
    let (code, output, errors) =
        check(&format!("[places]\nprovider = \"google\"\nca_file = \"missing.pem\"\n{SERVER}"), &[KEY]);
    assert_eq!((code, &*output), (Some(1), ""));
    assert!(errors.contains("herd.toml, line 3: ca_file: ") && errors.contains("missing.pem"), "{errors}");
    let (code, _, errors) = check(&format!("[places]\nprovider = \"google\"\n{SERVER}"), &[]);
    assert!(code == Some(1) && errors.contains("needs a key"), "{errors}");
}

#[test]
fn pages_are_shown_and_what_is_wrong_with_them() {
    let (code, output, _) = check(&format!("{SERVER}[page]\n"), &[]);
    assert_eq!(code, Some(0));
    assert!(
        output.contains("\n  page of Alford: http://127.0.0.1:12300/\n") && !output.contains("warning"),
        "{output}"
    );
    let powell = "[servers.Powell]\naddress = \"0.0.0.0:12300\"\nneighbors = [\"Alford\"]\n";
    let open = format!("{SERVER}{powell}[page]\naddress = \"0.0.0.0\"\n");
    let (_, output, _) = check(&open, &[]);
    assert!(output.contains("  warning: a server listens at 0.0.0.0:12300, so there can be no page\n"), "{output}");
    assert!(
        output.contains("  warning: the page at 0.0.0.0:12400 has no password: anybody who reaches it"),
        "{output}"
    );
}
