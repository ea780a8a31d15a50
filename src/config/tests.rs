use super::*;

fn parse(text: &str) -> Result<Config, String> {
    Config::parse(text, "herd.toml").map_err(|error| error.0)
}

#[track_caller]
fn refuse(text: &str, message: &str) {
    assert_eq!(parse(text).unwrap_err(), message);
}

#[test]
fn the_default_is_the_papers_herd() {
    let config = Config::default();
    let links: Vec<(&str, u16, String)> =
        config.servers.iter().map(|(name, s)| (name.as_str(), s.port, s.neighbors.join(" "))).collect();
    assert_eq!(
        links,
        [
            ("Alford", 12200, "Parker Powell".to_owned()),
            ("Bolden", 12201, "Parker Powell".to_owned()),
            ("Hamilton", 12202, "Parker".to_owned()),
            ("Parker", 12203, "Alford Bolden Hamilton".to_owned()),
            ("Powell", 12204, "Alford Bolden".to_owned()),
        ]
    );
    assert!(config.server("Nobody").unwrap_err().0.ends_with("Alford, Bolden, Hamilton, Parker, Powell"));
}

#[test]
fn a_file_replaces_it_and_one_side_of_a_link_is_enough() {
    let config = parse(
        "[servers.A]\naddress = \"127.0.0.1:1\"\nneighbors = [\"B\"]\n[servers.B]\naddress = \"[::1]:2\"\n\
         [servers.C]\naddress = \"c.example:3\"\nneighbors = [\"B\", \"B\"]\n",
    )
    .unwrap();
    assert_eq!(config.servers.len(), 3);
    assert_eq!(config.servers["B"].neighbors, ["A", "C"]);
    assert_eq!(config.servers["B"].address(), "[::1]:2");
    assert_eq!(config.servers["C"].address(), "c.example:3");
}

#[test]
fn places_and_limits_are_read() {
    let config = parse(
        "[places]\nprovider = \"google\"\nbase_url = \"http://127.0.0.1:9\"\nca_file = \"ca.pem\"\ntimeout = \"2s\"\n\
         key_file = \"key\"\nmax_in_flight = 3\n[limits]\nline = 1000\nahead = \"1h\"\nmemory = 2000000\n",
    )
    .unwrap();
    assert_eq!(config.servers.len(), 5, "the paper's servers stay");
    assert_eq!(
        config.places,
        PlacesConfig {
            provider: Some(Provider::Google),
            base_url: Some("http://127.0.0.1:9".to_owned()),
            ca_file: Some("ca.pem".into()),
            timeout: Some(Duration::from_secs(2)),
            key_file: Some("key".into()),
            max_in_flight: Some(3),
        }
    );
    assert_eq!(config.limits, Limits { line: 1000, ahead: Duration::from_secs(3600), memory: 2_000_000 });
}

#[test]
fn what_is_wrong_is_told_with_its_line() {
    refuse("[servers.A\n", "herd.toml, line 1: unclosed table, expected `]`");
    refuse("\n\nport = 1\n", "herd.toml, line 3: unknown key \"port\"; known here: servers, places, limits");
    let known = "known here: address, neighbors";
    refuse(
        "[servers.A]\nadress = \"x:1\"\n",
        &format!("herd.toml, line 2: unknown key \"adress\" of server A; {known}"),
    );
    refuse("[servers.A]\nneighbors = []\n", "herd.toml, line 1: server A has no address");
    refuse(
        "[servers.A]\naddress = \"x:1\"\nneighbors = [\"B\"]\n",
        "herd.toml, line 3: server A has a neighbor that is no server here: \"B\"",
    );
    refuse(
        "[servers.A]\naddress = \"x:1\"\nneighbors = [\"A\"]\n",
        "herd.toml, line 3: server A is named as its own neighbor: \"A\"",
    );
    for address in ["x", "x:", "x:0", "x:65536", ":1", "::1:1", "[::1:1", "a b:1"] {
        refuse(
            &format!("[servers.A]\naddress = \"{address}\"\n"),
            &format!("herd.toml, line 2: address {address:?} is not host:port, such as 127.0.0.1:12200"),
        );
    }
    refuse(
        "[places]\nprovider = \"bing\"\n",
        "herd.toml, line 2: there is no provider \"bing\"; there are \"google\" and \"offline\"",
    );
    refuse("[places]\nbase_url = \"x\"\n", "herd.toml, line 2: base_url: a URL begins with http:// or https://");
    for timeout in ["0s", "fast", ""] {
        refuse(
            &format!("[places]\ntimeout = \"{timeout}\"\n"),
            "herd.toml, line 2: timeout is not a duration above zero, such as \"2s\" or \"500ms\"",
        );
    }
    refuse("[places]\ntimeout = 2\n", "herd.toml, line 2: timeout is not a string in quotes");
    refuse("[limits]\nline = -1\n", "herd.toml, line 2: line is not a whole number of at least 256");
    refuse("servers = 3\n", "herd.toml, line 1: servers is not a table");
    refuse("[servers]\n", "herd.toml, line 1: a herd has at least one server");
}

#[test]
fn what_the_readme_and_the_help_show_is_a_configuration() {
    let readme = include_str!("../../README.md");
    let example = readme.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next()).expect("an example");
    let config = parse(example).unwrap();
    assert_eq!(config.servers["Powell"].neighbors, ["Alford"]);
    assert_eq!(config.limits, Limits::default());
    // What is commented out is right as well; the help shows the same keys, with a neighbour that it does not show.
    assert!(parse(&example.replace("# base", "base").replace("# ca_", "ca_").replace("# key_", "key_")).is_ok());
    let help = crate::cli::HELP.split("optional:\n\n").nth(1).and_then(|rest| rest.split("\nLogs").next());
    let help = help.expect("an example").replace("[places]", "[servers.Powell]\naddress = \"x:1\"\n[places]");
    assert!(parse(&help).is_ok(), "{:?}", parse(&help));
}
