//! Answers that come late: what the store said before it took something newer must not be remembered after that.

use super::script::{Stage, line, value};

#[test]
fn an_answer_that_comes_while_something_newer_is_offered_is_not_remembered() {
    let stage = Stage::alone(1, 0);
    stage.look_up("kiwi");
    stage.offer("kiwi", 2);
    assert_eq!(stage.asked(), "GET FCALL");
    // The store takes the offer now. Its answer to that is on its way for a while.
    stage.say(&value("kiwi", 1));
    stage.look_up("kiwi");
    assert_eq!((stage.asked(), stage.heard()), ("GET".to_owned(), vec![line("kiwi", 1)]), "it is asked again");
    stage.say(":1\r\n");
    stage.say(&value("kiwi", 2));
    stage.look_up("kiwi");
    assert_eq!(stage.heard(), ["kiwi taken".to_owned(), line("kiwi", 2)]);
    stage.say(&value("kiwi", 2));
    stage.look_up("kiwi");
    assert_eq!(stage.heard(), [line("kiwi", 2), line("kiwi", 2)], "now it is remembered");
    assert_eq!(stage.asked(), "GET");
}

#[test]
fn an_answer_that_has_changed_before_a_wait_was_over_is_not_remembered() {
    let stage = Stage::alone(1, 1);
    stage.offer("moa", 1);
    stage.offer("moa", 2);
    stage.look_up("kiwi"); // Stands behind the second offer, which waits for the first one.
    assert_eq!(stage.asked(), "FCALL WAIT");
    stage.say(":2\r\n:1\r\n");
    assert_eq!((stage.asked(), stage.heard().concat()), ("FCALL GET WAIT".to_owned(), "moa taken".to_owned()));
    stage.say(&format!(":1\r\n{}", value("kiwi", 1)));
    stage.say(">2\r\n$10\r\ninvalidate\r\n*1\r\n$18\r\n{proxyherd:0}:kiwi\r\n");
    stage.say(":1\r\n");
    assert_eq!(stage.heard(), ["moa taken".to_owned(), line("kiwi", 1)]);
    stage.look_up("kiwi");
    assert_eq!((stage.asked(), stage.heard()), ("GET".to_owned(), Vec::new()), "it is asked again");
}
