//! Everything that can be drawn of a trace. The fuzz target of traces uses this, too.

use lens::Model;
use lens::methods::find_methods;
use lens::verdict::Verdict;
use lens::views::connections::Connections;
use lens::views::ladder::Ladders;
use lens::views::loop_view::LoopViews;
use lens::views::page::page;
use lens::views::waits::Waits;
use lens::views::wire::Wire;

/// Maximum number of connections, hosts and moments that are drawn one by one.
const EACH: usize = 5;

/// All views of a model, in each form.
pub fn all(model: &mut Model) -> String {
    find_methods(model, |_| Some("impl Echo {\n    fn data_received() {}\n}\n".to_owned()));
    let model = &*model;
    let verdict = Verdict::new(model).text();
    let mut out = verdict.plain() + &verdict.coloured();
    out.push_str(&format!("{:?}", model.calls()));

    let ladders = Ladders::new(model);
    out.push_str(&(ladders.text().coloured() + &ladders.to_svg()));
    out.extend(ladders.path().iter().map(|step| step.to_string()));
    for number in model.chains.chains.keys().take(EACH) {
        out.push_str(&Ladders::of_request(model, *number).to_text());
    }

    let hosts = model.hosts();
    let loops = LoopViews::new(model, &hosts, None, None);
    out.push_str(&(loops.text().coloured() + &loops.to_svg()));
    for turn in model.turns.turns.iter().take(EACH) {
        let one = LoopViews::new(model, &[&turn.host], Some((turn.number, turn.number)), Some(turn.run));
        out.push_str(&(one.text().plain() + &one.to_svg()));
    }

    let connections = Connections::new(model);
    out.push_str(&connections.to_text());
    out.extend(connections.busiest().map(|socket| connections.choice(socket)));
    let sockets = model.sockets.sockets.iter().take(EACH).map(|socket| Wire::of_socket(model, socket));
    for wire in sockets.chain([Wire::of_world(model, &hosts)]) {
        out.push_str(&(wire.to_text() + &wire.to_svg()));
    }

    let count = model.events.len();
    for after in (0..EACH).map(|part| count * part / EACH).chain([count]) {
        let waits = Waits::after(model, after);
        out.push_str(&(waits.to_text() + &waits.to_svg()));
    }
    out + &page(model, "all", |_| None)
}
