use super::*;

/// As Google printed until about 2022.
const OLD: &str = r#"{
   "html_attributions" : [],
   "next_page_token" : "CpQ",
   "results" : [
      {
         "name" : "\u003cOne\u003e",
         "x" : 34.05352670000001
      },
      {
         "name" : "Two",
         "types" : [ "a", "b" ]
      },
      {
         "name" : "Three ]}"
      }
   ],
   "status" : "OK"
}
"#;

#[track_caller]
fn check(answer: &str, bound: usize, expected: &str) {
    assert_eq!(String::from_utf8(cut(answer.as_bytes(), bound).unwrap()).unwrap(), expected);
}

#[test]
fn a_cut_changes_nothing_else() {
    let second = OLD.find(",\n      {\n         \"name\" : \"Two\"").unwrap();
    let third = OLD.find(",\n      {\n         \"name\" : \"Three").unwrap();
    let close = OLD.find("\n   ],\n   \"status\"").unwrap();
    let whole = OLD.trim_end();
    check(OLD, 3, whole);
    check(OLD, 20, whole);
    check(OLD, 2, &format!("{}{}", &OLD[..third], &whole[close..]));
    check(OLD, 1, &format!("{}{}", &OLD[..second], &whole[close..]));
    let bracket = OLD.find("\"results\" : [").unwrap() + "\"results\" : [".len();
    check(OLD, 0, &format!("{}{}", &OLD[..bracket], &whole[close..]));
}

#[test]
fn the_new_style_of_printing_is_cut_as_well() {
    let new = "{\n   \"results\" : \n   [\n      {\n         \"a\" : 1\n      },\n      {\n         \"a\" : 2\n\
               \x20     }\n   ],\n   \"status\" : \"OK\"\n}";
    check(new, 1, &new.replace(",\n      {\n         \"a\" : 2\n      }", ""));
}

#[test]
fn a_run_of_newlines_becomes_one_and_none_is_left_at_the_end() {
    check("{\n\n\n\"results\":[\n\n],\n\"status\":\"OK\"\n\n}\n\n\n", 5, "{\n\"results\":[\n],\n\"status\":\"OK\"\n}");
}

#[test]
fn unusual_but_valid_answers_are_cut() {
    check("{\"results\":[],\"status\":\"ZERO_RESULTS\"}", 0, "{\"results\":[],\"status\":\"ZERO_RESULTS\"}");
    check("{\"status\":\"OK\",\"results\":[1,[2,3],\"]\"]}", 2, "{\"status\":\"OK\",\"results\":[1,[2,3]]}");
    check("{\"r\\u0065sults\":[1,2],\"status\":\"OK\"}", 1, "{\"r\\u0065sults\":[1],\"status\":\"OK\"}");
}

#[test]
fn a_text_that_is_no_answer_is_an_error() {
    for text in ["", "<html>", "{\"results\":[1,2", "{\"results\":[],\"status\":\"OK\"} x", "\u{feff}{}"] {
        assert!(matches!(cut(text.as_bytes(), 1), Err(AnswerError::NotJson(_))), "{text}");
    }
    assert!(matches!(cut(b"{\"results\":[\"\xff\"],\"status\":\"OK\"}", 1), Err(AnswerError::NotJson(_))));
    for text in ["{}", "[]", "3", "{\"results\":[]}", "{\"status\":\"OK\"}", "{\"results\":{},\"status\":\"OK\"}"] {
        assert_eq!(cut(text.as_bytes(), 1), Err(AnswerError::NotAnAnswer), "{text}");
    }
}

#[test]
fn a_field_that_comes_twice_is_an_error() {
    for (text, name) in [
        ("{\"results\":[1],\"status\":\"OK\",\"results\":[1,2,3]}", "results"),
        ("{\"results\":[1],\"status\":\"OK\",\"r\\u0065sults\":[1,2,3]}", "results"),
        ("{\"status\":\"OK\",\"results\":[1],\"status\":\"OK\"}", "status"),
    ] {
        assert_eq!(cut(text.as_bytes(), 1), Err(AnswerError::Repeated(name)), "{text}");
    }
    // In any other object a repeated field is kept: it does not change where the answer is cut.
    check(
        "{\"a\":1,\"a\":2,\"results\":[{\"b\":1,\"b\":2},3],\"status\":\"OK\"}",
        1,
        "{\"a\":1,\"a\":2,\"results\":[{\"b\":1,\"b\":2}],\"status\":\"OK\"}",
    );
}

#[test]
fn an_answer_that_is_nested_too_deeply_is_an_error_wherever_it_is_deep() {
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    for text in [
        format!("{{\"status\":\"OK\",\"results\":[1,{deep}]}}"),
        format!("{{\"status\":\"OK\",\"results\":[],\"x\":{deep}}}"),
        format!("{{\"status\":\"OK\",\"results\":{}", "[{\"a\":".repeat(100_000)),
        deep,
    ] {
        assert_eq!(cut(text.as_bytes(), 1), Err(AnswerError::TooDeep));
    }
}

#[test]
fn spellings_that_a_parser_would_lose_are_kept() {
    for odd in
        ["1e400", "-0.0", "1E+5", "123456789012345678901234567890", "\"\\ud800\"", "\"\\u0000\\/\"", "\"\u{feff}\""]
    {
        let text = format!("{{\"\\udfff\":{odd},\"results\":[{odd},{{\"x\":{odd}}},0],\"status\":\"OK\"}}");
        check(&text, 2, &text.replace(",0]", "]"));
    }
}

#[test]
fn a_newline_may_be_two_characters() {
    let text = "{\r\n\r\n\r\n \"results\" : [\r\n 1,\r\n 2\r\n\n\r\n ],\r\n \"status\" : \"OK\"\r\n}\r\n\r\n";
    check(text, 1, "{\r\n \"results\" : [\r\n 1\r\n ],\r\n \"status\" : \"OK\"\r\n}");
    // Here the places that go divide the run of newlines.
    check("{\"results\":[1\n,2\n\n],\"status\":\"OK\"}", 1, "{\"results\":[1\n],\"status\":\"OK\"}");
    check("{\"results\":[\n1\n],\"status\":\"OK\"}", 0, "{\"results\":[\n],\"status\":\"OK\"}");
}

/// The golden answers are written by hand in both of Google's styles. In both, a place begins with the line `      {`.
#[test]
fn both_of_googles_styles_are_cut_between_whole_places() {
    for golden in [
        include_str!("../../../tests/golden/nearby_older.json"),
        include_str!("../../../tests/golden/nearby_newer.json"),
    ] {
        let whole = golden.trim_end_matches('\n');
        let lines: Vec<&str> = whole.split('\n').collect();
        let begins: Vec<usize> = (0..lines.len()).filter(|at| lines[*at] == "      {").collect();
        let end = lines.iter().position(|line| *line == "   ],").filter(|at| *at > begins[2]);
        let end = end.or_else(|| lines.iter().rposition(|line| *line == "   ],")).unwrap();
        assert_eq!(begins.len(), 3);
        for bound in [0, 1, 2, 3, 20] {
            let from = begins.get(bound).copied().unwrap_or(end);
            let mut kept = lines[..from].to_vec();
            if kept.last() == Some(&"      },") {
                *kept.last_mut().unwrap() = "      }";
            }
            kept.extend(&lines[end..]);
            check(golden, bound, &kept.join("\n"));
        }
    }
}

#[test]
fn an_error_leaves_the_reply_as_it_was() {
    let mut reply = b"AT\n".to_vec();
    assert!(cut_into(&mut reply, b"{\"results\":[1,2", 1).is_err());
    assert!(cut_into(&mut reply, b"{\"results\":[1,2],\"status\":\"OK\"} x", 1).is_err());
    assert_eq!(reply, b"AT\n");
    cut_into(&mut reply, b"\n{\"results\":[1,2],\"status\":\"OK\"}\n", 1).unwrap();
    assert_eq!(reply, b"AT\n\n{\"results\":[1],\"status\":\"OK\"}");
}

#[test]
fn the_status_and_the_message_of_an_answer_are_read() {
    let fine = read_status(b"{\"results\":[],\"status\":\"ZERO_RESULTS\"}").unwrap();
    assert_eq!((&*fine.status, fine.message.as_deref(), fine.is_success()), ("ZERO_RESULTS", None, true));
    let denied = read_status(&error_answer("REQUEST_DENIED", "no <key>")).unwrap();
    assert_eq!((denied.message.as_deref(), denied.is_success()), (Some("no <key>"), false));
    assert!(read_status(b"{}").is_err());
}

#[test]
fn an_error_answer_has_the_form_of_an_answer() {
    let answer = error_answer("UNKNOWN_ERROR", "it's \"broken\" <b>\n");
    let text = String::from_utf8(cut(&answer, 5).unwrap()).unwrap();
    assert!(text.contains(r#""error_message" : "it\u0027s \"broken\" \u003cb\u003e\n","#), "{text}");
    assert_eq!(text.as_bytes(), answer);
}

#[test]
fn a_services_status_and_message_are_repeated_within_limits() {
    let status = read_status(&error_answer("NO SUCH\n STATUS", &"\u{1f375}".repeat(5000))).unwrap();
    assert_eq!((&*status.status, status.message.unwrap().chars().count()), ("UNKNOWN_ERROR", 2000));
}

/// Pseudo-random numbers, the same in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % sides
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.roll(from.len())]
    }

    fn space(&mut self) -> &'static str {
        self.pick(&["", "", " ", "\t", " \r ", "\n   "])
    }

    fn value(&mut self, depth: usize) -> String {
        let leaves = ["0", "-1.50", "1e5", "true", "null", "\"\"", "\"a\\\"]\"", "\"}\\\\\"", "\"\\u003c\"", "\"é茶\""];
        match self.roll(if depth == 0 { 3 } else { 6 }) {
            0..3 => self.pick(&leaves).to_owned(),
            3 => {
                let items: Vec<String> = (0..self.roll(4)).map(|_| self.padded(depth - 1)).collect();
                format!("[{}{}]", self.space(), items.join(","))
            }
            _ => {
                let fields: Vec<String> = (0..self.roll(4))
                    .map(|name| format!("{}\"f{name}\":{}", self.space(), self.padded(depth - 1)))
                    .collect();
                format!("{{{}{}}}", fields.join(","), self.space())
            }
        }
    }

    fn padded(&mut self, depth: usize) -> String {
        format!("{}{}{}", self.space(), self.value(depth), self.space())
    }
}

#[test]
fn a_cut_removes_one_piece_of_the_text_and_leaves_what_a_parser_expects() {
    let mut dice = Dice(5);
    for _ in 0..2000 {
        let results: Vec<String> = (0..dice.roll(5)).map(|_| dice.padded(3)).collect();
        let mut fields = [
            format!("\"results\"{}:{}[{}]", dice.space(), dice.space(), results.join(",")),
            format!("\"status\":{}\"OK\"", dice.space()),
            format!("\"other\":{}", dice.padded(3)),
        ];
        fields.rotate_left(dice.roll(3));
        let text = format!("{{{}}}", fields.join(&format!(",{}", dice.space())));
        let parsed: serde_json::Value = serde_json::from_str(&text).unwrap();
        for bound in 0..5 {
            let cut = String::from_utf8(cut(text.as_bytes(), bound).unwrap()).unwrap();
            let mut expected = parsed.clone();
            expected["results"].as_array_mut().unwrap().truncate(bound);
            assert_eq!(serde_json::from_str::<serde_json::Value>(&cut).unwrap(), expected, "{bound}: {text}");
            if !text.contains("\n") {
                let same = text.bytes().zip(cut.bytes()).take_while(|(one, other)| one == other).count();
                assert!(text.ends_with(&cut[same..]), "{bound}: {cut} is not {text} without one piece");
            }
        }
    }
}

#[test]
fn answers_with_a_few_wrong_bytes_make_nothing_panic() {
    let goldens: [&[u8]; 4] = [
        include_bytes!("../../../tests/golden/nearby_older.json"),
        include_bytes!("../../../tests/golden/nearby_newer.json"),
        include_bytes!("../../../tests/golden/google_new.json"),
        include_bytes!("../../../tests/golden/overpass.json"),
    ];
    let mut dice = Dice(7);
    let is_answer = |text: &[u8]| read_status(text).is_ok();
    for round in 0..1000 {
        let mut text = goldens[round % 4].to_vec();
        for _ in 0..=dice.roll(2) {
            let at = dice.roll(text.len());
            match dice.roll(3) {
                0 => {
                    text[at] =
                        dice.pick(&["\"", "\\", "[", "]", "{", "}", ",", ":", "0", "-", "u", "\n", "\0"]).as_bytes()[0]
                }
                1 => text[at] = dice.roll(256) as u8,
                _ => drop(text.remove(at)),
            }
        }
        let made = [
            cut(&text, dice.roll(4)).ok(),
            crate::places::google_new::legacy_form(&text).ok().map(String::into_bytes),
            crate::places::overpass::legacy_form(&text, &crate::places::tests::ask("1", 5))
                .ok()
                .map(String::into_bytes),
        ];
        for answer in made.into_iter().flatten() {
            assert!(is_answer(&answer), "{}", String::from_utf8_lossy(&answer));
        }
    }
}
