//! The line of a method is that of its own type.

#[expect(dead_code, reason = "other tests look into the lines")]
mod util;

use lens::methods::find_methods;
use util::model;

const SERVER: &str = "struct Client;\n\nimpl Protocol for Client {\n    fn data_received() {}\n}\n";
const FEED: &str = "struct Client;\nimpl Client {}\nfn connection_made() {}\n\nimpl Protocol for Client {\n    fn data_received() {}\n}\n";

#[test]
fn two_types_with_one_name_are_told_apart_by_their_modules() {
    let begin = |(seq, (object, method)): (usize, (&str, &str))| {
        let what = format!(
            r#""kind":"callback_begin","callback":{seq},"what":"protocol","object":"{object}","method":"{method}""#
        );
        let place = ["src/feed.rs:1:1", "src/server/mod.rs:1:1"][seq % 2];
        format!("{{\"seq\":{seq},{what},\"place\":\"{place}\"}}\n")
    };
    let callbacks = [
        ("herd::server::Client", "data_received"),
        ("herd::feed::Client", "data_received"),
        ("herd::feed::Client", "connection_made"),
        ("herd::other::Client", "data_received"),
    ];
    let mut model = model(&callbacks.into_iter().enumerate().map(begin).collect::<String>());
    find_methods(&mut model, |file| Some(if file.contains("feed") { FEED } else { SERVER }.to_owned()));
    let found: Vec<_> = model.turns.callbacks.iter().map(|callback| callback.method_place.as_str()).collect();
    // The third is a function behind the block, and the fourth is in a file that the trace does not name.
    assert_eq!(found, ["src/server/mod.rs:4:1", "src/feed.rs:6:1", "", ""]);
}
