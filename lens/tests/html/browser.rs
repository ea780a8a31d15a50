//! How the page behaves in a real browser.

use super::chromium::Browser;
use super::{deferreds, turns, world};
use lens::Model;
use lens::views::page::{Part, Source, page_of};
use lens::views::waits::Waits;
use serde_json::{Value, json};
use std::fs;
use std::path::PathBuf;

const RIGHT: char = '\u{e014}';
const LEFT: char = '\u{e012}';
const DOWN: char = '\u{e015}';
const TAB: char = '\u{e004}';
const CONTROL: char = '\u{e009}';

/// A page in a browser. Its file is removed at the end.
struct Page {
    browser: Browser,
    file: PathBuf,
}

impl Page {
    /// `None` without a browser.
    fn open(name: &str, model: &Model, part: &Part) -> Option<Page> {
        let browser = Browser::start()?;
        let file = std::env::temp_dir().join(format!("lens-{name}-{}.html", std::process::id()));
        let source = |file: &str| {
            let (text, address) = ("a line of the program\n".repeat(300), Some(format!("file:///src/{file}")));
            Some(Source { text, address })
        };
        fs::write(&file, page_of(model, name, part, source)).expect("a temporary file can be written");
        let page = Page { browser, file };
        page.browser.size(1280, false);
        page.browser.command("/url", &json!({ "url": format!("file://{}", page.file.display()) }));
        Some(page)
    }

    #[track_caller]
    fn run(&self, script: &str) -> Value {
        self.browser.run(script)
    }

    #[track_caller]
    fn number(&self, script: &str) -> u64 {
        self.run(&format!("return {script}")).as_u64().expect("a number")
    }

    fn moment(&self) -> u64 {
        self.number("moment")
    }

    fn press(&self, keys: &[char]) {
        self.browser.press(&keys.iter().collect::<String>());
    }

    /// Presses a key while Control is down.
    fn press_with_control(&self, key: char) {
        let of = |kind: &str, key: char| json!({ "type": kind, "value": key.to_string() });
        let keys = [of("keyDown", CONTROL), of("keyDown", key), of("keyUp", key), of("keyUp", CONTROL)];
        let keys = json!({ "actions": [{ "type": "key", "id": "keys", "actions": keys }] });
        self.browser.command("/actions", &keys);
    }

    /// Nothing was wrong on the way.
    fn is_clean(&self) {
        let log = self.browser.command("/se/log", &json!({ "type": "browser" }));
        assert_eq!(log, json!([]));
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.file);
    }
}

#[test]
fn the_tree_of_what_waits_is_that_of_the_text_at_each_event_forward_and_back() {
    for (name, model) in [("waits-deferreds", deferreds()), ("waits-world", world(2, true)), ("waits-turns", turns(40))]
    {
        let Some(page) = Page::open(name, &model, &Part::first(&model)) else { return };
        let lines = "[...document.querySelectorAll('#waits .it')].map(it => {
            let depth = -1;
            for (let e = it; e.id !== 'waits'; e = e.parentElement) depth += e.tagName === 'LI';
            return [depth, it.textContent];
        })";
        let script = format!(
            "view('waits'); const all = {{on: [], back: []}};
             for (let n = 0; n <= last; n++) {{ show(n); all.on.push({lines}); }}
             for (let n = last; n >= 0; n--) {{ show(n); all.back.unshift({lines}); }}
             return all;"
        );
        let found = page.run(&script);
        for moment in 0..=model.events.len() {
            let waits = Waits::after(&model, moment);
            let tree: Vec<_> = waits.lines.iter().map(|line| json!([line.depth, line.text])).collect();
            for way in ["on", "back"] {
                assert_eq!(found[way][moment], Value::Array(tree.clone()), "{name}, {way}, after {moment} events");
            }
        }
        page.is_clean();
    }
}

#[test]
fn steps_on_and_back_lead_to_the_same_state_in_each_view() {
    for (name, model) in [("steps-deferreds", deferreds()), ("steps-world", world(2, true)), ("steps-turns", turns(90))]
    {
        let Some(page) = Page::open(name, &model, &Part::first(&model)) else { return };
        let script = "return all('#tabs button').map(tab => {
            view(tab.dataset.view);
            zoom(0.5); zoom(0.5);
            show(10);
            const before = state();
            for (let i = 0; i < Math.min(25, last - 10); i++) show(moment + 1);
            const there = state();
            for (let i = 0; i < Math.min(25, last - 10); i++) show(moment - 1);
            return [tab.dataset.view, before === state(), before !== there];
        });";
        let views = page.run(script);
        let views = views.as_array().expect("views");
        assert!(views.len() >= 3, "{views:?}");
        for view in views {
            assert_eq!((&view[1], &view[2]), (&json!(true), &json!(true)), "{name}: {view}");
        }
        page.is_clean();
    }
}

#[test]
fn a_step_marks_what_happens_in_the_picture_and_scrolls_to_it() {
    let model = world(4, false);
    let Some(page) = Page::open("marks", &model, &Part::first(&model)) else { return };
    let seen = "const now = current_view().querySelector('.now'), mark = current_view().querySelector('.mark');
        const [box, room] = [now.getBoundingClientRect(), document.querySelector('#wire').getBoundingClientRect()];
        return [+now.dataset.at, !!mark && mark.nextElementSibling === now, box.top >= room.top && box.bottom <= room.bottom,
            current_view().querySelectorAll('.late').length];";
    let rows = page.number("(view('wire'), marked(current_view()).length)");
    let mut places = Vec::new();
    for n in [model.events.len() / 5, model.events.len() * 4 / 5, model.events.len() / 3] {
        let found = page.run(&format!("show({n}); {seen}"));
        assert!(found[0].as_u64().is_some_and(|at| at < n as u64), "{found}");
        assert_eq!((&found[1], &found[2]), (&json!(true), &json!(true)), "marked and seen, after {n}: {found}");
        assert!(found[3].as_u64().is_some_and(|late| late > 0 && late < rows), "{found}");
        places.push(found[0].clone());
    }
    assert!(places[0] != places[1] && places[1] != places[2], "{places:?}");
    // The list follows, too.
    let row = "const row = document.querySelector('#list .now').getBoundingClientRect(), box = $('rows').getBoundingClientRect();
        return [row.top >= box.top, row.bottom <= box.bottom]";
    assert_eq!(page.run(row), json!([true, true]));
}

#[test]
fn the_dial_goes_by_time_and_a_step_by_event() {
    let model = turns(90);
    let Some(page) = Page::open("dial", &model, &Part::first(&model)) else { return };
    let length = model.events.last().unwrap().ns;
    // Turn 70 takes as much time as most others together.
    for share in [0.2, 0.5, 0.9] {
        let script = format!("const d = $('dial'); d.value = 1000 * {share}; d.oninput({{target: d}}); return moment");
        let moment = page.run(&script).as_u64().expect("a moment") as usize;
        let time = (length as f64 * share) as u64;
        assert_eq!(moment, model.events.partition_point(|event| event.ns <= time), "at {share} of the time");
    }
    page.run("show(100)");
    page.press(&[RIGHT, RIGHT, LEFT]);
    assert_eq!(page.moment(), 101);
    let text = page.browser.run("return $('dial').getAttribute('aria-valuetext')");
    let ns = model.events[100].ns as f64 / 1e6;
    assert!(text.as_str().is_some_and(|text| text.starts_with(&format!("{ns:.1} ms, after 101 of"))), "{text}");
}

#[test]
fn the_page_is_used_by_keyboard_and_leaves_the_browser_its_own_keys() {
    let model = turns(90);
    let Some(page) = Page::open("keys", &model, &Part::first(&model)) else { return };
    page.run("show(100)");
    for key in [RIGHT, LEFT, 'd', '2'] {
        page.press_with_control(key);
    }
    let state = "[moment, current_view().id, document.documentElement.style.colorScheme]";
    assert_eq!(
        page.run(&format!("return {state}")),
        json!([100, "view-verdict", ""]),
        "Control belongs to the browser"
    );
    page.press(&[RIGHT, '2', 'd']);
    assert_eq!(page.run(&format!("return {state}")), json!([101, "view-loop", "dark"]));
    let dark = page.run("return getComputedStyle(document.body).backgroundColor");
    page.press(&['d']);
    assert_ne!(page.run("return getComputedStyle(document.body).backgroundColor"), dark, "light or dark");
    // A list of choices keeps its letters.
    page.run("$('theme').insertAdjacentHTML('afterend', '<select id=s><option>a<option>d</select>'); $('s').focus()");
    page.press(&['d']);
    assert_eq!(page.run("return document.documentElement.style.colorScheme"), "light");
    page.run("$('s').remove(); document.querySelector('main').focus()");
    // From the picture, Tab comes to the current event, and the arrow keys go from there.
    for _ in 0..12 {
        page.press(&[TAB]);
        if page.run("return $('list').contains(document.activeElement)") == true {
            break;
        }
    }
    assert_eq!(page.run("return +document.activeElement.dataset.at"), 100);
    let outline = page.run("return getComputedStyle(document.activeElement).outlineStyle");
    assert_eq!(outline, "solid", "the focus can be seen");
    page.press(&[DOWN, DOWN, DOWN]);
    assert_eq!(page.run("return [moment, +document.activeElement.dataset.at]"), json!([104, 103]));
    // Each event is a button, and its place a link.
    page.press(&[DOWN; 7]);
    page.press(&[TAB]);
    let link = page.run("return document.activeElement.href");
    assert_eq!(link, "file:///src/src/echo.rs#L20", "{link}");
    page.is_clean();
}

#[test]
fn the_loop_is_zoomed_from_the_whole_run_to_one_turn() {
    let model = turns(2_000);
    let Some(page) = Page::open("zoom", &model, &Part::first(&model)) else { return };
    assert!(page.number("(view('loop'), show(70 * 8), document.querySelectorAll('#loop [data-at]').length)") <= 60);
    assert!(
        page.browser.text("#zoom").starts_with("turns 1 to 2000, 34 in a column"),
        "{}",
        page.browser.text("#zoom")
    );
    page.press(&['+']);
    assert!(
        page.browser.text("#zoom").starts_with("turns 1 to 1250, 21 in a column"),
        "{}",
        page.browser.text("#zoom")
    );
    page.press(&['+'; 5]);
    let shown = page.browser.text("#zoom");
    assert!(shown.starts_with("turns ") && !shown.contains("column"), "{shown}");
    let hot = "[...document.querySelectorAll('#loop .hot')].length";
    assert_eq!(page.number(hot), 1, "what held the loop is red");
    page.press(&['+'; 8]);
    assert!(page.browser.text("#zoom").starts_with("turn 70,"), "{}", page.browser.text("#zoom"));
    let rows = page.run("return all('#loop tr').map(row => row.innerText)");
    let rows: Vec<_> = rows.as_array().unwrap().iter().map(|row| row.as_str().unwrap().to_owned()).collect();
    assert_eq!(rows.len(), 8, "{rows:#?}");
    assert!(rows[4].contains("runs data_received of Echo") && rows[4].contains("echo.rs:12"), "{rows:#?}");
    assert!(rows[6].contains("it ran for 50.0 ms") && rows[7].contains("turn 70 ends"), "{rows:#?}");
    page.press(&['-']);
    assert!(page.browser.text("#zoom").starts_with("turns 70 to 71"), "{}", page.browser.text("#zoom"));
    page.browser.click("all");
    assert!(page.browser.text("#zoom").starts_with("turns 1 to 2000"));
    page.browser.click("one turn");
    assert!(page.browser.text("#zoom").starts_with("turn 70,"));
    page.is_clean();
}

#[test]
fn a_reader_chooses_the_loop_and_the_hosts() {
    let model = world(10, true);
    let Some(page) = Page::open("hosts", &model, &Part::first(&model)) else { return };
    let loops = page.run("return [...$('loop-of').options].map(option => option.textContent)");
    let loops = loops.as_array().expect("loops");
    assert_eq!((loops.len(), &loops[1]), (12, &json!("server, run 2")));
    let choose = "view('loop'); const of = $('loop-of'); of.value = 5; of.onchange();
        return document.querySelector('#loop svg').getAttribute('aria-label')";
    assert_eq!(page.run(choose), json!(format!("turns of {}", loops[5].as_str().unwrap())));
    let note = page.run("view('wire'); return $('wire-note').textContent");
    assert!(note.as_str().is_some_and(|note| note.contains("8 of 11 hosts are shown.")), "{note}");
    let boxes = "view('wire'); for (const box of all('#wire-hosts input')) if (!box.checked) box.click();
        return [$('wire-note').textContent.includes('hosts are shown'), all('#wire .title').length]";
    assert_eq!(page.run(boxes), json!([false, 11]));
    let drawn = page.run("return document.querySelector('#wire').innerHTML");
    let drawn = drawn.as_str().expect("a picture");
    assert!(drawn.contains("first 1460 of 4000") && drawn.contains("starts again: a new program"));
    page.is_clean();
}

#[test]
fn the_loop_is_that_of_the_event_until_a_reader_chooses_one_and_has_its_scale() {
    let model = world(2, false);
    let Some(page) = Page::open("follow", &model, &Part::first(&model)) else { return };
    let turn_of = |host: &str| {
        let is_turn = |event: &lens::Event| event.kind == "turn" && event.host == host;
        model.events.iter().rposition(is_turn).expect("a turn") + 1
    };
    let seen = "const now = current_view().querySelector('.now');
        return [columns[window_.loop].name, now ? at(+now.dataset.at).text.split(':')[0] : null];";
    for host in ["client-2", "server"] {
        assert_eq!(page.run(&format!("view('loop'); show({}); {seen}", turn_of(host))), json!([host, host]));
    }
    let chosen = format!("$('loop-of').value = 0; $('loop-of').onchange(); show({}); {seen}", turn_of("client-2"));
    assert_eq!(page.run(&chosen), json!(["server", null]), "another host's column is not marked");
    let texts = page.run("return all('#loop text').map(text => text.textContent)");
    let texts: Vec<_> = texts.as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert!(texts.contains(&"time") && texts.iter().filter(|text| text.ends_with(" ms")).count() >= 2, "{texts:?}");
    assert!(page.run("return current_view().textContent").as_str().unwrap().contains("Red: a callback held the loop"));
    page.is_clean();
}

#[test]
fn a_deferred_that_is_not_made_yet_is_pale_with_its_heading_and_frame() {
    let model = deferreds();
    let Some(page) = Page::open("pale", &model, &Part::first(&model)) else { return };
    let pale = "return all('#view-ladder .title, #view-ladder .frame').map(it => !!it.closest('.late'))";
    let at = |moment: usize| page.run(&format!("view('ladder'); show({moment}); {pale}"));
    let (begin, end) = (at(0), at(model.events.len()));
    assert!(begin.as_array().is_some_and(|all| all.len() > 4 && all.iter().all(|it| it == true)), "{begin}");
    assert!(end.as_array().is_some_and(|all| all.iter().all(|it| it == false)), "{end}");
    page.is_clean();
}

#[test]
fn an_address_that_is_typed_into_an_open_page_is_followed() {
    let model = turns(90);
    let Some(page) = Page::open("address", &model, &Part::first(&model)) else { return };
    page.run("location.hash = 'at=120&view=loop'; dispatchEvent(new HashChangeEvent('hashchange'))");
    assert_eq!(page.run("return [moment, current_view().id]"), json!([120, "view-loop"]));
    page.run("location.hash = 'at=60'; dispatchEvent(new HashChangeEvent('hashchange'))");
    assert_eq!(page.run("return [moment, current_view().id]"), json!([60, "view-loop"]));
}

#[test]
fn the_page_can_be_used_by_everybody_in_light_and_dark_and_on_a_telephone() {
    for (name, model) in [("axe-deferreds", deferreds()), ("axe-world", world(10, true)), ("axe-turns", turns(90))] {
        let Some(page) = Page::open(name, &model, &Part::first(&model)) else { return };
        let views = page.run("return all('#tabs button').map(tab => tab.dataset.view)");
        for (width, is_dark) in [(1280, false), (1280, true), (400, false), (400, true)] {
            page.browser.size(width, is_dark);
            let scheme = if is_dark { "rgb(18, 23, 31)" } else { "rgb(255, 255, 255)" };
            assert_eq!(page.run("return getComputedStyle(document.body).backgroundColor"), scheme);
            for view in views.as_array().expect("views") {
                let wide = page.run(&format!(
                    "view({view}); show(Math.floor(last / 2)); return document.documentElement.scrollWidth"
                ));
                assert!(
                    wide.as_u64().is_some_and(|wide| wide <= u64::from(width)),
                    "{name}, {view}: {wide} of {width}"
                );
                // Colours and sizes: each of both once.
                if is_dark != (width == 400) {
                    continue;
                }
                if let Some(found) = page.browser.axe() {
                    assert_eq!(found, json!([]), "{name}, {view}, {width}, dark: {is_dark}");
                }
            }
        }
        page.is_clean();
    }
}

#[test]
fn a_host_that_talks_to_itself_has_the_words_on_its_line() {
    let network = |(seq, what, words)| {
        let about = r#""host":"alone","kind":"network","at":"alone","link":1,"count":5,"other":"alone""#;
        format!("{{\"seq\":{seq},\"ns\":{seq},{about},\"what\":\"{what}\",\"words\":\"{words}\"}}\n")
    };
    let lines = [(0, "write", "#1 writes 5 to alone: \\\"hello\\\""), (1, "get", "#1 gets 5 from alone")];
    let model = super::lines::model(&lines.into_iter().map(network).collect::<String>());
    let Some(page) = Page::open("alone", &model, &Part::first(&model)) else { return };
    let texts =
        page.run("view('wire'); return [...document.querySelectorAll('#wire g text')].map(it => it.textContent)");
    assert!(texts.as_array().is_some_and(|texts| texts.contains(&json!("“hello”"))), "{texts}");
    page.is_clean();
}
