//! [`Connections`]: a list of the connections, and of the ports for datagrams, so that somebody can choose one for a picture.
//!
//! Next: `waiting.rs`, what waits for what.

use super::{Ink, Text, words};
use crate::model::{Model, Socket};

/// The connections of a trace, and its ports for datagrams.
#[derive(Debug, Clone)]
pub struct Connections<'a> {
    model: &'a Model,
    sockets: Vec<&'a Socket>,
}

impl<'a> Connections<'a> {
    /// All of them, in order.
    pub fn new(model: &'a Model) -> Connections<'a> {
        Connections { model, sockets: model.sockets.sockets.iter().filter(|socket| carries_bytes(socket)).collect() }
    }

    /// The connection with most bytes; the first one if none carried any; without any, the port.
    pub fn busiest(&self) -> Option<&'a Socket> {
        let mut all = self.sockets.iter().copied();
        let busiest = all.clone().max_by_key(|socket| (!socket.is_datagrams, socket.carried()));
        let first = || all.find(|socket| Some(socket.is_datagrams) == busiest.map(|busiest| busiest.is_datagrams));
        busiest.filter(|busiest| busiest.carried() > 0).or_else(first)
    }

    /// Says that the busiest one was chosen, if there was a choice.
    pub fn choice(&self, chosen: &Socket) -> String {
        let what = if chosen.is_datagrams { "Port" } else { "Connection" };
        match self.sockets.iter().filter(|socket| socket.is_datagrams == chosen.is_datagrams).count() {
            0 | 1 => String::new(),
            many => {
                let why = if chosen.carried() > 0 {
                    format!("which carried most of {many}")
                } else {
                    format!("the first of {many}; none carried a byte")
                };
                format!("{what} {}, {why}. --sockets lists them, --socket N chooses.", chosen.number)
            }
        }
    }

    /// As text of 80 columns, without colours.
    pub fn to_text(&self) -> String {
        self.text().plain()
    }

    /// As text of 80 columns.
    pub fn text(&self) -> Text {
        let mut out = Text::default();
        if self.sockets.is_empty() {
            out.line(Ink::Plain, "There is no connection and no port for datagrams in this trace.");
            return out;
        }
        let head = line(["connection", "with", "since", "until", "read", "sent"]);
        out.line(Ink::Title, &head);
        let is_again = |host: &str| self.sockets.iter().any(|socket| socket.host == host && socket.run > 1);
        for socket in &self.sockets {
            let host = if socket.host.is_empty() { String::new() } else { format!("{} ", socket.host) };
            let opened = || self.model.events.get(socket.at).map_or(0, |event| event.ns);
            let since = words::time(socket.connected.unwrap_or_else(opened));
            let ended = socket.ended.as_ref().map(|(ns, ..)| *ns).or_else(|| closed(socket));
            let until = ended.map_or("open".to_owned(), words::time);
            let numbers = [socket.read, socket.sent].map(|bytes| bytes.to_string());
            let run = if is_again(&socket.host) { format!(" (run {})", socket.run) } else { String::new() };
            let name = format!("{host}{}{run}", socket.number);
            out.line(Ink::Plain, &line([&name, &with(socket), &since, &until, &numbers[0], &numbers[1]]));
        }
        out
    }
}

/// Whether it is a connection that was up, or a port for datagrams.
pub(super) fn carries_bytes(socket: &Socket) -> bool {
    socket.connected.is_some() || socket.is_datagrams
}

/// When a port was closed.
fn closed(socket: &Socket) -> Option<u64> {
    socket.arrows.iter().find(|arrow| socket.is_datagrams && arrow.what == "close").map(|arrow| arrow.ns)
}

/// The address of the peer, or that of a port.
fn with(socket: &Socket) -> String {
    match (socket.is_datagrams, socket.peer.is_empty()) {
        (false, _) => socket.peer.clone(),
        (true, true) => "UDP".to_owned(),
        (true, false) => format!("UDP {}", socket.peer),
    }
}

fn line([number, peer, since, until, read, sent]: [&str; 6]) -> String {
    let (number, peer) = (words::cut_middle(number, 17), words::cut(peer, 21));
    format!("{number:>17}  {peer:21} {since:>9} {until:>9} {read:>9} {sent:>9}")
}
