//! The rights that docs/beyond-one-herd.md gives to the herd's user are enough.

use super::*;

/// The commands of the document that make the user, one a line, in their words.
fn commands() -> Vec<Vec<String>> {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/beyond-one-herd.md")).unwrap();
    let commands = text[text.find("ACL SETUSER").unwrap()..].split("```").next().unwrap();
    commands.lines().map(|command| command.split_whitespace().map(str::to_owned).collect()).collect()
}

#[test]
fn a_user_with_the_rights_of_the_document_can_do_all_that_the_herd_does() {
    let Some(redis) = started_redis() else { return };
    for command in commands() {
        let words: Vec<&str> = command.iter().map(String::as_str).collect();
        assert_eq!(redis.ask(&words).trim(), "OK", "{command:?}");
    }
    // All else that could be asked is refused, so what follows is asked as that user.
    let password = redis.directory.join("password");
    std::fs::write(&password, "PASSWORD\n").unwrap();
    let harness = Harness::new();
    let [here, there] = ["Alford", "Zed"].map(|name| {
        Herder::start(&harness, name, &[&redis], |store| {
            (store.user, store.password_file) = (Some("herd".to_owned()), Some(password.clone()));
        })
    });
    here.wait_for_store(&harness, &redis);
    let mut client = harness.connect(here.address);
    for (number, place) in ["+34-118", "+34-119", "+89-118", "+34-118"].into_iter().enumerate() {
        let iamat = format!("IAMAT kiwi {place} 140079464{number}");
        let reply = client.ask(&iamat);
        assert!(reply.starts_with("AT ") && here.table_len() == 0, "{iamat}: {reply}, {:?}", here.store().trouble);
        there.wait_until_it_says(&harness, "kiwi", &reply);
    }
    assert_eq!((here.counted("stored"), here.store().lost, there.store().lost), (4, 0, 0));
    // What only a cluster is asked, and an upgrade of the functions.
    for asked in [&["ASKING"][..], &["CLUSTER", "SLOTS"], &["FUNCTION", "LOAD", "REPLACE", "x"], &["WAIT", "1", "1"]] {
        let allowed = redis.ask(&[&["ACL", "DRYRUN", "herd"], asked].concat());
        assert_eq!(allowed.trim(), "OK", "{asked:?}");
    }
    assert!(redis.ask(&["ACL", "DRYRUN", "herd", "FLUSHALL"]).contains("no permissions"), "and no more");
}
