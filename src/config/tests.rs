use super::*;

fn parse(text: &str) -> Result<Config, String> {
    Config::parse_without_servers(text, "herd.toml").map_err(|error| error.0)
}

#[track_caller]
fn refuse(text: &str, message: &str) {
    assert_eq!(parse(text).unwrap_err(), message);
}

#[test]
fn the_file_of_a_herd_names_its_servers() {
    let herd = |text: &str| Config::parse(text, "herd.toml").map_err(|error| error.0);
    for text in ["[places]\nprovider = \"offline\"\n", "[limits]\n", "[log]\nlevel = \"debug\"\n", "[tls]\n"] {
        let missing = "no server is named: [servers.NAME] is missing; without --config, the herd is the paper's";
        assert_eq!(herd(text).unwrap_err(), format!("herd.toml, line 1: {missing}"), "{text}");
        assert!(herd(&format!("{text}[servers.A]\naddress = \"h:1\"\n")).is_ok(), "{text}");
    }
    // What is wrong in it comes first: it has a line.
    assert!(herd("[limits]\nline = 1\n").unwrap_err().contains("line 2: line 1 is not"));
    assert!(herd("[servers]\n").unwrap_err().contains("at least one server"));
}

#[test]
fn the_default_is_the_papers_herd() {
    let config = Config::default();
    let links: Vec<(&str, u16, String)> = config
        .servers
        .iter()
        .map(|(name, s)| (name.as_str(), s.address.as_ref().map_or(0, |at| at.port), s.neighbors.join(" ")))
        .collect();
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
fn a_file_replaces_the_herd_and_may_name_one_side_of_a_link() {
    let config = parse(
        "[servers.A]\naddress = \"127.0.0.1:1\"\nneighbors = [\"B\"]\n[servers.B]\naddress = \"[::1]:2\"\n\
         [servers.C]\naddress = \"c.example:3\"\nneighbors = [\"B\", \"B\"]\n",
    )
    .unwrap();
    assert_eq!(config.servers.len(), 3);
    assert_eq!(config.servers["B"].neighbors, ["A", "C"]);
    assert_eq!(config.servers["B"].address.as_ref().unwrap().to_string(), "[::1]:2");
    assert_eq!(config.servers["C"].address.as_ref().unwrap().to_string(), "c.example:3");
}

#[test]
fn places_and_limits_are_read() {
    let config = parse(
        "[places]\nprovider = \"google\"\nbase_url = \"https://127.0.0.1:9/x\"\nca_file = \"ca.pem\"\n\
         connect_to = \"[::1]:8\"\ntimeout = \"2s\"\nkey_file = \"key\"\nmax_in_flight = 3\n\
         max_per_minute = 60\nmax_per_day = 5000\n\
         [limits]\nline = 1000\nahead = \"1h\"\nmemory = 2000000\nforget = \"3days\"\nclients_per_address = 7\n",
    )
    .unwrap();
    assert_eq!(config.servers.len(), 5, "the paper's servers stay");
    assert_eq!(
        config.places,
        PlacesConfig {
            provider: Some(Provider::Google),
            base_url: Some("https://127.0.0.1:9/x".to_owned()),
            ca_file: Some("ca.pem".into()),
            connect_to: Some(("::1".to_owned(), 8)),
            timeout: Some(Duration::from_secs(2)),
            key_file: Some("key".into()),
            max_in_flight: Some(3),
            max_per_minute: Some(60),
            max_per_day: Some(5000),
            fields: Vec::new(),
            interval: None,
            lines: config.places.lines.clone(),
        }
    );
    assert_eq!(config.places.lines["key_file"], "herd.toml, line 7");
    assert_eq!(
        config.limits,
        Limits {
            line: 1000,
            ahead: Duration::from_secs(3600),
            memory: 2_000_000,
            forget: Duration::from_secs(3 * 24 * 3600),
            clients_per_address: 7,
            ..Limits::default()
        }
    );
}

#[test]
fn some_settings_belong_to_one_provider() {
    let new = parse("[places]\nprovider = \"google-new\"\nfields = [\"opening\", \"rating\", \"price\"]\n").unwrap();
    assert_eq!(new.places.fields, [ExtraField::Opening, ExtraField::Rating, ExtraField::Price]);
    let overpass =
        |more: &str| parse(&format!("[places]\nprovider = \"overpass\"\nbase_url = \"https://a.example/\"\n{more}"));
    assert_eq!(overpass("interval = \"250ms\"\n").unwrap().places.interval, Some(Duration::from_millis(250)));
    assert_eq!(overpass("interval = \"0s\"\n").unwrap().places.interval, Some(Duration::ZERO));
}

#[test]
fn a_mistake_is_reported_with_its_line() {
    refuse("[servers.A\n", "herd.toml, line 1: unclosed table, expected `]`");
    refuse(
        "\n\nport = 1\n",
        "herd.toml, line 3: unknown key \"port\"; known here: servers, store, places, limits, log, tls, control, page",
    );
    let known = "known here: address, tls, link, neighbors";
    refuse(
        "[servers.A]\nadress = \"x:1\"\n",
        &format!("herd.toml, line 2: unknown key \"adress\" of server A; {known}"),
    );
    refuse("[servers.A]\nneighbors = []\n", "herd.toml, line 1: server A has no address");
    refuse(
        "[servers.A]\naddress = \"x:1\"\nneighbors = [\"B\"]\n",
        "herd.toml, line 3: server A has a neighbor that is not a server of the herd: \"B\"",
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
        "herd.toml, line 2: there is no provider \"bing\"; there are \"google\", \"google-new\", \"overpass\" and \
         \"offline\"",
    );
    refuse("[places]\nbase_url = \"x\"\n", "herd.toml, line 2: base_url \"x\": a URL begins with http:// or https://");
    for timeout in ["0s", "fast", ""] {
        refuse(
            &format!("[places]\ntimeout = \"{timeout}\"\n"),
            &format!(
                "herd.toml, line 2: timeout {timeout:?} is not a duration above zero, such as \"2s\" or \"500ms\""
            ),
        );
    }
    refuse("[places]\ntimeout = 2\n", "herd.toml, line 2: timeout 2 is not a string in quotes");
    refuse("[limits]\nline = -1\n", "herd.toml, line 2: line -1 is not a whole number of at least 256");
    refuse("servers = 3\n", "herd.toml, line 1: servers 3 is not a table");
    for empty in ["", "\n", "# [servers.A]\n"] {
        refuse(empty, "herd.toml, line 1: the file says nothing; without --config, the herd is the paper's");
    }
    refuse("[servers]\n", "herd.toml, line 1: a herd has at least one server");
    refuse(
        "[servers.A]\naddress = \"x:1\"\n[servers.B]\naddress = \"X:1\"\n",
        "herd.toml, line 3: servers A and B have the same address \"X:1\"",
    );
    let two = |a: &str, b: &str| format!("[servers.A]\naddress = \"{a}\"\n[servers.B]\naddress = \"{b}\"\n");
    for (a, b) in [
        ("localhost:1", "127.0.0.1:1"),
        ("[::1]:1", "Localhost.:1"),
        ("0.0.0.0:1", "127.0.0.1:1"),
        ("localhost:1", "0.0.0.0:1"),
        ("[::]:1", "[::1]:1"),
        ("[::1]:1", "[0:0:0:0:0:0:0:1]:1"),
        ("[::ffff:10.0.0.1]:1", "10.0.0.1:1"),
    ] {
        refuse(&two(a, b), &format!("herd.toml, line 3: servers A and B have the same address: \"{a}\" and \"{b}\""));
    }
    for (a, b) in [
        ("localhost:1", "127.0.0.1:2"),
        ("127.0.0.1:1", "127.0.0.2:1"),
        ("127.0.0.1:1", "[::1]:1"),
        ("[::]:1", "0.0.0.0:1"),
        ("0.0.0.0:1", "10.0.0.1:1"), // They may be two machines.
        ("a.example:1", "127.0.0.1:1"),
    ] {
        assert_eq!(parse(&two(a, b)).map(drop), Ok(()), "{a} and {b}");
    }
    refuse(
        "[servers.A]\naddress = \"0.0.0.0:1\"\ntls = \"10.0.0.1:1\"\n",
        "herd.toml, line 3: server A has one address twice: \"0.0.0.0:1\" and \"10.0.0.1:1\"",
    );
    for name in RESERVED_NAMES {
        refuse(
            &format!("[servers.{name}]\naddress = \"x:1\"\n"),
            &format!("herd.toml, line 1: a server cannot be named {name:?}: that is a command"),
        );
    }
}

#[test]
fn a_long_value_is_cut_in_its_error() {
    let long = "x".repeat(100);
    let shown = format!("\"{}...", "x".repeat(59));
    let what = "is not a duration above zero, such as \"2s\" or \"500ms\"";
    refuse(&format!("[places]\ntimeout = \"{long}\"\n"), &format!("herd.toml, line 2: timeout {shown} {what}"));
    refuse("[places]\ntimeout = [\n\"1s\"]\n", "herd.toml, line 2: timeout [... is not a string in quotes");
}

#[test]
fn a_password_in_a_url_is_not_repeated_in_its_error() {
    let error = parse("[places]\nbase_url = \"https://ann:secret@a.example/\"\n").unwrap_err();
    assert!(!error.contains("secret"), "{error}");
}

/// Settings with a mistake, the line of the mistake, and the message. `[places]` is the first line.
#[test]
fn a_mistake_in_places_is_reported_with_its_line() {
    let url = "base_url = \"https://a.example\"\n";
    for (settings, line, message) in [
        (
            "base_url = \"https://a.example/?x\"\n",
            2,
            "base_url \"https://a.example/?x\": leave out the question mark or the #",
        ),
        (
            "base_url = \"https://a.example/#x\"\n",
            2,
            "base_url \"https://a.example/#x\": leave out the question mark or the #",
        ),
        ("base_url = \"https://u:p@a.example/\"\n", 2, "base_url: a URL with a user name"),
        ("ca_file = \"\"\n", 2, "ca_file \"\" names no file"),
        ("key_file = 3\n", 2, "key_file 3 is not a string in quotes"),
        ("ca_file = \"x\"\nbase_url = \"http://a.example\"\n", 2, "ca_file makes no sense with a base_url that is not"),
        ("connect_to = \"localhost\"\n", 2, "connect_to \"localhost\" is not host:port"),
        ("timeout = \"1h 1s\"\n", 2, "timeout \"1h 1s\" is more than an hour"),
        ("timeout = \"100000000000000000 years\"\n", 2, "timeout \"100000000000000000 years\" is not a duration"),
        ("max_in_flight = 0\n", 2, "max_in_flight 0 is not a whole number from 1 to 1024"),
        ("max_in_flight = 1025\n", 2, "max_in_flight 1025 is not a whole number from 1 to 1024"),
        ("max_in_flight = 1.5\n", 2, "max_in_flight 1.5 is not a whole number from 1 to 1024"),
        ("max_per_minute = 0\n", 2, "max_per_minute 0 is not a whole number from 1 to 1000000000"),
        ("max_per_day = \"many\"\n", 2, "max_per_day \"many\" is not a whole number from 1 to 1000000000"),
        ("interval = \"1s\"\n", 2, "interval needs provider = \"overpass\""),
        ("fields = []\n", 2, "fields needs provider = \"google-new\""),
        ("fields = \"rating\"\n", 2, "fields \"rating\" is not a list of names"),
        ("fields = [\"rating\",\n3]\n", 3, "a field 3 is not a string"),
        (
            "fields = [\"rating\",\n\"photos\"]\n",
            3,
            "there is no field \"photos\"; there are \"rating\", \"price\" and",
        ),
        ("fields = [\"rating\",\n\"rating\"]\n", 3, "the field \"rating\" is named twice"),
        ("provider = \"overpass\"\n", 2, "the provider overpass needs a base_url"),
        (
            &format!("provider = \"overpass\"\n{url}key_file = \"x\"\n"),
            4,
            "key_file makes no sense with the provider ov",
        ),
        (
            &format!("provider = \"overpass\"\n{url}fields = []\n"),
            4,
            "fields makes no sense with the provider overpass",
        ),
        (&format!("provider = \"overpass\"\n{url}interval = \"\"\n"), 4, "interval \"\" is not a duration"),
        (&format!("provider = \"offline\"\n{url}"), 3, "base_url makes no sense with the provider offline"),
        ("provider = \"offline\"\nca_file = \"x\"\n", 3, "ca_file makes no sense with the provider offline"),
        ("provider = \"offline\"\nconnect_to = \"x:1\"\n", 3, "connect_to makes no sense with the provider offline"),
        ("provider = \"offline\"\nkey_file = \"x\"\n", 3, "key_file makes no sense with the provider offline"),
        ("interval = \"1s\"\nprovider = \"google\"\n", 2, "interval makes no sense with the provider google"),
        ("provider = \"google\"\nfields = []\n", 3, "fields makes no sense with the provider google"),
        ("provider = \"google-new\"\ninterval = \"1s\"\n", 3, "interval makes no sense with the provider google-new"),
        ("key = \"x\"\n", 2, "unknown key \"key\" of places; known here: provider, base_url, ca_file, connect_to, "),
    ] {
        let error = parse(&format!("[places]\n{settings}")).unwrap_err();
        assert!(error.starts_with(&format!("herd.toml, line {line}: {message}")), "{settings}: {error}");
    }
    let places = "[servers.places]\naddress = \"127.0.0.1:1\"\n";
    refuse(places, "herd.toml, line 1: a server cannot be named \"places\": that is a command");
}

#[test]
fn the_example_in_the_documents_is_a_valid_configuration() {
    let document = include_str!("../../docs/operating.md");
    let example = document.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next()).expect("an example");
    let config = parse(example).unwrap();
    assert_eq!(config.servers["Powell"].neighbors, ["Alford"]);
    assert_eq!(config.limits, Limits::default());
    // The lines that are commented out are valid, too.
    let all = example.replace("# base", "base").replace("# ca_", "ca_").replace("# key_", "key_");
    let all = all
        .replace("# max_", "max_")
        .replace("# connect_", "connect_")
        .replace("provider = \"offline\"", "provider = \"google\"");
    assert!(parse(&all).is_ok(), "{:?}", parse(&all));
}

/// Two neighbors with `link`, and what else their tables have.
fn secure(a: &str, b: &str, more: &str) -> String {
    format!("[servers.A]\naddress = \"h:1\"\nlink = \"h:2\"\n{a}\n[servers.B]\nneighbors = [\"A\"]\n{b}\n{more}")
}

#[test]
fn a_link_is_over_tls_if_both_of_its_servers_have_one() {
    let text = secure("", "address = \"h:3\"\nlink = \"h:4\"", "[servers.C]\naddress = \"h:5\"\nneighbors = [\"A\"]\n");
    let config = parse(&format!("{text}[tls]\nkeys = \"keys\"\n")).unwrap();
    let [a, b, c] = ["A", "B", "C"].map(|name| &config.servers[name]);
    let way = |from: &ServerConfig, to| from.link_with(to).map(|target| (target.place.port, target.is_secure));
    assert_eq!([way(a, b), way(b, a)], [Some((4, true)), Some((2, true))]);
    assert_eq!([way(a, c), way(c, a)], [Some((5, false)), Some((1, false))]);
    let doors: Vec<u16> = a.places_to_listen().map(|(_, place)| place.port).collect();
    assert_eq!((doors, config.tls.keys), (vec![1, 2], Some("keys".into())));
}

#[test]
fn a_server_may_speak_tls_alone() {
    let both = "[tls]\ncertificate = \"c\"\nkey = \"k\"\nca_file = \"ca\"\n";
    let config = parse(&format!("[servers.A]\ntls = \"h:1\"\n{both}")).unwrap();
    assert_eq!((&config.servers["A"].address, config.tls.key), (&None, Some("k".into())));
    refuse(
        &format!("[servers.A]\ntls = \"h:1\"\n[servers.B]\naddress = \"h:2\"\nneighbors = [\"A\"]\n{both}"),
        "herd.toml, line 1: server A has no address: its neighbor B cannot connect to it: both need link, or A an \
         address",
    );
}

#[test]
fn a_mistake_about_tls_is_reported_with_its_line() {
    let keys = "[tls]\nkeys = \"keys\"\n";
    let b = "address = \"h:3\"\nlink = \"h:4\"";
    refuse(
        &secure("", b, ""),
        "herd.toml, line 3: link needs keys in [tls]: a directory of keys and certificates; proxyherd keys makes it",
    );
    refuse(
        "[servers.A]\ntls = \"h:1\"\n",
        "herd.toml, line 2: tls needs certificate and key in [tls]: the files with what clients shall see",
    );
    refuse(
        "[tls]\ncertificate = \"c\"\n",
        "herd.toml, line 1: certificate needs key beside it: the file with its private key",
    );
    refuse("[tls]\nkey = \"c\"\n", "herd.toml, line 1: key needs certificate beside it: the file with the certificate");
    refuse(&secure("tls = \"h:2\"", b, keys), "herd.toml, line 3: server A has the address \"h:2\" twice");
    refuse(
        &secure("", "address = \"h:3\"\nlink = \"H:1\"", keys),
        "herd.toml, line 8: servers A and B have the same address \"H:1\"",
    );
    refuse(
        &format!("{}[servers.a]\naddress = \"h:5\"\nlink = \"h:6\"\n", secure("", b, keys)),
        "herd.toml, line 13: certificates cannot tell A and a apart: they ignore case",
    );
    for name in ["a_b", "-a", "a-", "a..b", "10.0.0.1", "4"] {
        let text = format!("[servers.\"{name}\"]\naddress = \"h:1\"\nlink = \"h:2\"\n{keys}");
        let error = parse(&text).unwrap_err();
        assert!(error.starts_with(&format!("herd.toml, line 3: server {name} cannot have a link: ")), "{error}");
    }
}

fn page(more: &str) -> Result<PageConfig, ConfigError> {
    Config::parse(&format!("[servers.A]\naddress = \"localhost:12200\"\n{more}"), "herd.toml").map(|config| config.page)
}

#[test]
fn a_page_is_beside_its_server_or_where_it_is_said_or_off() {
    let at = |more: &str| {
        let server = Config::default().servers["Alford"].clone();
        page(more).unwrap().address_of(&server).map(|address| address.to_string())
    };
    assert_eq!(at(""), None, "a file that names no page has none");
    assert_eq!(at("[page]").as_deref(), Some("127.0.0.1:12300"));
    assert_eq!(at("[page]\naddress = \"off\""), None);
    assert_eq!(at("[page]\naddress = \"0.0.0.0\"").as_deref(), Some("0.0.0.0:12300"));
    assert_eq!(at("[page]\naddress = \"[::1]\"").as_deref(), Some("[::1]:12300"));
    assert_eq!(at("[page]\naddress = \"127.0.0.1:8080\"").as_deref(), Some("127.0.0.1:8080"));
    assert_eq!(page("[page]\nhosts = [\"a.example\"]").unwrap().hosts, ["a.example"]);
    let of_paper = Config::default();
    assert_eq!(of_paper.page.address_of(&of_paper.servers["Powell"]).unwrap().to_string(), "127.0.0.1:12304");
    let high = ServerConfig {
        address: Some(HostPort { host: "127.0.0.1".to_owned(), port: 65500 }),
        ..ServerConfig::default()
    };
    assert_eq!(PageConfig::beside().address_of(&high), None);
}

#[test]
fn mistakes_about_a_page_have_their_line() {
    for (more, wrong) in [
        ("[page]\naddress = \"herd.example\"", "line 4: address \"herd.example\" is not \"off\", an IP address"),
        ("[page]\naddress = \"127.0.0.1:0\"", "line 4: address \"127.0.0.1:0\" is not"),
        ("[page]\naddress = 80", "line 4: address 80 is not a string"),
        ("[page]\nhosts = \"a\"", "line 4: hosts \"a\" is not a list of names"),
        ("[page]\nhosts = [\"a:80\"]", "line 4: \"a:80\" is not a host's name"),
        ("[page]\nport = 80", "line 4: unknown key \"port\" of page; known here: address, hosts"),
    ] {
        let error = page(more).unwrap_err().to_string();
        assert!(error.contains(wrong), "{more}: {error}");
    }
}
