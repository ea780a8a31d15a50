use super::*;

fn parsed(line: &str) -> Result<Asked, String> {
    parse(line.split_whitespace().map(OsString::from))
}

fn options(line: &str) -> Options {
    match parsed(line) {
        Ok(Asked::Run(options)) => options,
        other => panic!("{line}: {other:?}"),
    }
}

#[test]
fn every_option_is_parsed() {
    let all =
        options("--seeds 5..9 --rule seen --servers 8 --links random:3 --clients 2 --minutes 4 --jobs 3 --trace-hash");
    let scenario = Scenario {
        servers: 8,
        topology: Topology::Random(3),
        clients: 2,
        minutes: 4,
        rule: Rule::Seen,
        ..Scenario::default()
    };
    assert_eq!(all, Options { seeds: Some(5..9), scenario, jobs: 3, trace_hash: true, trace: None });
    assert!(options("--store").scenario.store && options("--forget").scenario.forget);
    assert_eq!(options("").scenario, Scenario::default());
    assert_eq!(options("--servers 7").scenario.topology, Topology::Ring);
    assert_eq!(options("--seeds 7 --trace x.txt").trace, Some(PathBuf::from("x.txt")));
    assert!(matches!(parsed("--compare-model --seeds 1..9"), Ok(Asked::CompareModel(_))));
    assert!(matches!(parsed("--growth"), Ok(Asked::Growth)));
    let settings = Settings { seed: 7, servers: 9, links: Topology::Ring, clients: 3, ..Settings::default() };
    assert_eq!(parsed("--page --port 0 --seeds 7 --servers 9 --clients 3"), Ok(Asked::Page(settings, 0)));
    assert_eq!(parsed("--page"), Ok(Asked::Page(Settings::default(), 12_400)));
    assert_eq!(parsed("--replay #seed=7"), Ok(Asked::Replay("#seed=7".to_owned())));
    assert_eq!((parsed("-h"), parsed("--version")), (Ok(Asked::Help), Ok(Asked::Version)));
}

#[test]
fn a_wrong_command_line_has_an_error_of_one_line() {
    for (line, expected) in [
        ("--seeds 9..5", "1..2001"),
        ("--seeds x", "1..2001"),
        ("--seeds 18446744073709551615", "1..2001"),
        ("--rule newer", "newest, paper or seen"),
        ("--store --rule paper", "--store"),
        ("--servers 0", "whole number"),
        ("--servers 6 --links paper", "five"),
        ("--links tree", "random:D"),
        ("--links random:9", "9 links"),
        ("--minutes 2", "from 3"),
        ("--jobs 0", "from 1"),
        ("--clients", "missing"),
        ("--trace x.txt", "one seed"),
        ("--seeds 1..9 --trace x.txt", "one seed"),
        ("--faster", "--faster"),
        ("17", "17"),
        ("--growth --servers 7", "--servers"),
        ("--links ring --growth", "--links"),
        ("--growth --rule paper", "--rule"),
        ("--growth --jobs 2", "--jobs"),
        ("--growth --seeds 3", "--seeds"),
        ("--compare-model --seeds 1..9 --trace-hash", "--trace-hash"),
        ("--compare-model --clients 9", "--clients"),
        ("--trace x.txt --seeds 7 --compare-model", "--trace"),
        ("--minutes 9 --compare-model", "--minutes"),
        ("--growth --compare-model", "cannot be combined"),
        ("--page --replay #", "cannot be combined"),
        ("--page --minutes 5", "--minutes"),
        ("--page --servers 201", "from 1 to 200"),
        ("--page --clients 501", "at most 500"),
        ("--page --seeds 1..9", "one seed"),
        ("--page --port 65536", "from 0 to 65535"),
        ("--port 0", "--port needs --page"),
        ("--replay # --seeds 7", "--seeds"),
        ("--replay http://127.0.0.1:12400/", "behind the #"),
    ] {
        let error = parsed(line).unwrap_err();
        assert!(error.contains(expected) && error.lines().count() == 1, "{line}: {error}");
    }
}

/// Every option that the help lists and that is not answered at once, with its value if it has one.
fn every_option() -> Vec<(&'static str, &'static str)> {
    let lines = HELP.lines().filter_map(|line| line.strip_prefix("  --"));
    let with_values = lines.map(|line| {
        let name = line.split(' ').next().unwrap();
        let value = match name {
            "seeds" => "7",
            "rule" => "seen",
            "servers" | "clients" | "minutes" | "jobs" => "5",
            "links" => "ring",
            "trace" => "x.txt",
            "trace-hash" | "store" | "forget" | "compare-model" | "growth" | "page" => "",
            "port" => "0",
            "replay" => "#seed=7",
            other => panic!("--{other} is new: what may it be given?"),
        };
        (name, value)
    });
    with_values.collect()
}

#[test]
fn an_option_given_twice_is_an_error_whatever_its_value() {
    let options = every_option();
    assert_eq!(options.len(), 16, "{options:?}");
    for (name, value) in options {
        assert!(parsed(&format!("--{name} {value}")).is_ok() || ["trace", "port"].contains(&name), "{name}");
        let error = parsed(&format!("--{name} {value} --{name} {value}")).unwrap_err();
        assert_eq!(error, format!("--{name} is given twice"));
    }
    let error = parsed("--minutes 4 --seeds 1..9 --minutes 5").unwrap_err();
    assert!(error.starts_with("--minutes is given twice"), "{error}");
}

#[test]
fn a_herd_with_almost_all_links_is_parsed_without_building_it() {
    // Ten thousand servers: fifty million links.
    let options = options("--servers 10000 --links random:9998");
    assert_eq!((options.scenario.servers, options.scenario.topology), (10_000, Topology::Random(9_998)));
}
