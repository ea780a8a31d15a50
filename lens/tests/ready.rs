//! Which sockets a block kept waiting: those that were ready for something while it lasted.

#[expect(dead_code, reason = "other tests look into the lines")]
mod util;

use lens::Model;
use lens::verdict::Verdict;
use lens::views::loop_view::LoopViews;
use util::model;

/// A trace in which a callback holds the loop for 40 ms. The next wait takes `took` nanoseconds, and finds this about
/// connection 3. The events of `before` come first.
fn block(before: &[&str], took: u64, found: &str) -> Model {
    let end = 45_000_000 + took;
    let turn = |ns: u64, turn: u64, rest: &str| format!("\"ns\":{ns},\"turn\":{turn},{rest}");
    let connected = r#""kind":"connected","socket":3,"peer":"1.2.3.4:5","protocol":"Echo","place":"a.rs:1:1""#;
    let slow = r#""kind":"callback_begin","callback":1,"what":"timer","timer":9,"place":"a.rs:2:1","words":"the delayed call requested at a.rs:2:1""#;
    let poll = |took: u64| format!(r#""kind":"call","call":"poll","took_ns":{took},"done":1"#);
    let mut lines = vec![turn(1, 0, connected)];
    lines.extend(before.iter().map(|line| turn(1, 0, line)));
    lines.extend([
        turn(2, 1, r#""phase":"wait","kind":"turn""#),
        turn(5_000_000, 1, &poll(4_000_000)),
        turn(5_000_000, 1, slow),
        turn(45_000_000, 1, r#""kind":"callback_end","callback":1,"took_ns":40000000"#),
        turn(45_000_000, 1, r#""kind":"turn_end""#),
        turn(45_000_000, 2, r#""phase":"wait","kind":"turn""#),
        turn(end, 2, &poll(took)),
        turn(end, 2, &format!("\"kind\":\"ready\",\"socket\":3,{found}")),
        turn(end, 2, r#""kind":"turn_end""#),
    ]);
    model(&(0..).zip(lines).map(|(seq, line)| format!("{{\"seq\":{seq},{line}}}\n")).collect::<String>())
}

/// Whether connection 3 is a victim, in the verdict and in the picture of the loop alike.
#[track_caller]
fn is_victim(model: &Model) -> bool {
    let verdict = Verdict::new(model);
    let [finding] = &verdict.findings[..] else { panic!("{}", verdict.to_text()) };
    let view = &LoopViews::new(model, &[""], None, None).views[0];
    let is_told = finding.details
        == ["connection 3 with 1.2.3.4:5: the next wait found it ready; it may have been so for 40.0 ms"];
    assert_eq!((view.columns[0].victims == 1, &view.held[0].1), (is_told, &finding.details));
    assert!(is_told || finding.sentence.ends_with("Nothing else waited meanwhile."), "{finding:?}");
    is_told
}

const READABLE: &str = r#""readable":true,"writable":true"#;
const WRITABLE: &str = r#""writable":true"#;

#[test]
fn a_wait_that_took_time_found_nothing_that_was_ready_before_it() {
    assert!(is_victim(&block(&[], 20_000, READABLE)));
    assert!(!is_victim(&block(&[], 8_000_000, READABLE)), "it came after the block");
}

#[test]
fn a_socket_that_can_be_written_to_waits_only_if_something_is_to_be_sent() {
    let written = r#""kind":"written","socket":3,"count":5,"waiting":5"#;
    let sent = r#""kind":"call","call":"write","socket":3,"done":5"#;
    let connecting = r#""kind":"call","call":"connect","socket":3,"address":"1.2.3.4:5""#;
    assert!(!is_victim(&block(&[], 20_000, WRITABLE)), "every new socket is found so");
    assert!(is_victim(&block(&[written], 20_000, WRITABLE)));
    assert!(!is_victim(&block(&[written, sent], 20_000, WRITABLE)));
    assert!(is_victim(&block(&[connecting], 20_000, WRITABLE)));
}

#[test]
fn the_end_of_a_connection_is_something_to_read_and_a_second_time_it_is_not() {
    let ended = r#""kind":"peer_ended","socket":3"#;
    assert!(is_victim(&block(&[], 20_000, r#""read_closed":true"#)));
    assert!(is_victim(&block(&[ended], 20_000, r#""broken":true"#)));
    assert!(!is_victim(&block(&[ended], 20_000, r#""readable":true,"writable":true,"read_closed":true"#)));
}

#[test]
fn what_the_wait_before_a_block_found_writable_did_not_wait() {
    for (found, is_told) in [(WRITABLE, false), (READABLE, true)] {
        let text = [
            r#""ns":1,"kind":"connected","socket":3,"peer":"1.2.3.4:5","protocol":"Echo""#.to_owned(),
            r#""ns":2,"turn":1,"kind":"turn""#.to_owned(),
            format!("\"ns\":3,\"turn\":1,\"kind\":\"ready\",\"socket\":3,{found}"),
            r#""ns":3,"turn":1,"kind":"callback_begin","callback":1,"words":"a call""#.to_owned(),
            r#""ns":40000003,"turn":1,"kind":"callback_end","callback":1,"took_ns":40000000"#.to_owned(),
            r#""ns":40000003,"turn":1,"kind":"turn_end""#.to_owned(),
        ];
        let text: String = (0..).zip(text).map(|(seq, line)| format!("{{\"seq\":{seq},{line}}}\n")).collect();
        let verdict = Verdict::new(&model(&text)).to_text();
        assert_eq!(verdict.contains("it had been ready for 40.0 ms"), is_told, "{verdict}");
    }
}
