//! `proxyherd iamat`, `whatsat` and `forget` from outside, with a server that runs.

use crate::alone;
use crate::util::{Directory, Process, free_port};

/// A herd of one that runs, as a configuration file.
struct Running {
    directory: Directory,
    config: String,
    port: u16,
    _server: Process,
}

impl Running {
    fn start(more: &str) -> Running {
        let directory = Directory::new();
        let (config, port) = alone(&directory, more);
        let server = Process::start(directory.path(), &["Alford", "--config", &config], &[]);
        Running { directory, config, port, _server: server }
    }

    /// Exit code, standard output, standard error.
    #[track_caller]
    fn run(&self, arguments: &[&str]) -> (Option<i32>, String, String) {
        let arguments: Vec<&str> = arguments.iter().copied().chain(["--config", &self.config]).collect();
        let mut process = Process::spawn(self.directory.path(), &arguments, &[]);
        (process.wait().code(), process.output(), process.errors())
    }

    #[track_caller]
    fn prints(&self, arguments: &[&str]) -> String {
        let (code, output, errors) = self.run(arguments);
        assert_eq!((code, &*errors), (Some(0), ""), "{arguments:?}");
        output
    }

    #[track_caller]
    fn fails(&self, arguments: &[&str]) -> String {
        let (code, output, errors) = self.run(arguments);
        assert_eq!((code, &*output), (Some(1), ""), "{arguments:?}");
        errors
    }
}

#[test]
fn a_client_is_told_and_asked_about() {
    let herd = Running::start("");
    let time = "1400794645.392014450";
    let at = herd.prints(&["iamat", "kiwi", "-33.9461+151.1772", time]);
    assert!(at.starts_with("AT Alford +") && at.ends_with(&format!(" kiwi -33.9461+151.1772 {time}\n")), "{at}");

    let answer = herd.prints(&["whatsat", "kiwi", "5", "2", "--server", "Alford"]);
    let (line, json) = answer.split_once('\n').unwrap();
    assert_eq!(format!("{line}\n"), at);
    let json: serde_json::Value = serde_json::from_str(json).unwrap();
    assert_eq!((&json["status"], json["results"].as_array().map(Vec::len)), (&"OK".into(), Some(2)));

    let address = format!("127.0.0.1:{}", herd.port);
    let object = herd.prints(&["whatsat", "kiwi", "5", "2", "--json", "--server", &address]);
    let object: serde_json::Value = serde_json::from_str(&object).unwrap();
    assert_eq!((&object["client"], &object["server"]), (&"kiwi".into(), &"Alford".into()));
    assert_eq!((&object["latitude"], &object["longitude"]), (&(-33.9461).into(), &151.1772.into()));
    assert_eq!((&object["time"], &object["places"]), (&time.into(), &json));
}

#[test]
fn a_client_is_forgotten() {
    let herd = Running::start("");
    herd.prints(&["iamat", "kiwi", "-33.9461+151.1772", "1400794645.392014450"]);
    let forgot = herd.prints(&["forget", "kiwi"]);
    assert!(forgot.starts_with("FORGOT Alford +") && forgot.ends_with(" kiwi 1400794645.392014451\n"), "{forgot}");
    assert!(herd.fails(&["whatsat", "kiwi", "5", "2"]).contains("does not know the client"));
    let errors = herd.fails(&["forget", "kiwi", "--server", "Alford"]);
    assert!(errors.starts_with("proxyherd: Alford refuses: it does not know the client"), "{errors}");

    herd.prints(&["iamat", "kiwi", "-33.9461+151.1772"]);
    let object: serde_json::Value = serde_json::from_str(&herd.prints(&["forget", "kiwi", "--json"])).unwrap();
    assert_eq!((&object["client"], &object["server"]), (&"kiwi".into(), &"Alford".into()));
}

#[test]
fn the_time_of_an_iamat_is_now_if_none_is_given() {
    let herd = Running::start("");
    let object = herd.prints(&["iamat", "kiwi", "+34.0-118.0", "--json"]);
    let object: serde_json::Value = serde_json::from_str(&object).unwrap();
    let difference: f64 = object["difference"].as_str().unwrap().parse().unwrap();
    assert!((0.0..60.0).contains(&difference), "{difference}");
    assert_eq!(object.get("places"), None);
}

#[test]
fn a_refusal_says_why() {
    let herd = Running::start("");
    let errors = herd.fails(&["whatsat", "nobody", "5", "2"]);
    assert_eq!(errors, "proxyherd: Alford refuses: it does not know the client\n");
    let errors = herd.fails(&["iamat", "kiwi", "+34.0-118.0", "999999999999"]);
    assert!(errors.starts_with("proxyherd: Alford refuses: the time is too far ahead"), "{errors}");
}

#[test]
fn the_first_server_that_answers_is_asked() {
    let closed = free_port();
    let herd = Running::start(&format!("[servers.Aaron]\naddress = \"127.0.0.1:{closed}\"\n"));
    assert!(herd.prints(&["iamat", "kiwi", "+34.0-118.0"]).starts_with("AT Alford "));
    let errors = herd.fails(&["iamat", "kiwi", "+34.0-118.0", "--server", "Aaron"]);
    assert!(errors.starts_with("proxyherd: no server answers: Aaron: ") && errors.contains("refused"), "{errors}");
}
