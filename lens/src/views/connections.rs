//! [`Connections`]: a list of the connections, so that somebody can choose one for a picture.
//!
//! Next: `waiting.rs`, what waits for what.

use super::{Ink, Text, words};
use crate::model::{Model, Socket};

/// The connections of a trace.
#[derive(Debug, Clone)]
pub struct Connections<'a>(Vec<&'a Socket>);

impl<'a> Connections<'a> {
    /// All of them, in order.
    pub fn new(model: &'a Model) -> Connections<'a> {
        Connections(model.sockets.sockets.iter().filter(|socket| socket.connected.is_some()).collect())
    }

    /// The connection with most bytes; the first one if none carried any.
    pub fn busiest(&self) -> Option<&'a Socket> {
        let busiest = self.0.iter().copied().max_by_key(|socket| socket.carried());
        busiest.filter(|socket| socket.carried() > 0).or(self.0.first().copied())
    }

    /// Says that the busiest one was chosen, if there was a choice.
    pub fn choice(&self, chosen: &Socket) -> String {
        match self.0.len() {
            0 | 1 => String::new(),
            many => {
                let why = if chosen.carried() > 0 {
                    format!("which carried most of {many}")
                } else {
                    format!("the first of {many}; none carried a byte")
                };
                format!("Connection {}, {why}. --sockets lists them, --socket N chooses.", chosen.number)
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
        if self.0.is_empty() {
            out.line(Ink::Plain, "There is no connection in this trace.");
            return out;
        }
        let head = line(["connection", "with", "since", "until", "read", "sent"]);
        out.line(Ink::Title, &head);
        let is_again = |host: &str| self.0.iter().any(|socket| socket.host == host && socket.run > 1);
        for socket in &self.0 {
            let host = if socket.host.is_empty() { String::new() } else { format!("{} ", socket.host) };
            let since = words::time(socket.connected.unwrap_or(0));
            let until = socket.ended.as_ref().map_or("open".to_owned(), |(ns, ..)| words::time(*ns));
            let numbers = [socket.read, socket.sent].map(|bytes| bytes.to_string());
            let run = if is_again(&socket.host) { format!(" (run {})", socket.run) } else { String::new() };
            let name = format!("{host}{}{run}", socket.number);
            out.line(Ink::Plain, &line([&name, &socket.peer, &since, &until, &numbers[0], &numbers[1]]));
        }
        out
    }
}

fn line([number, peer, since, until, read, sent]: [&str; 6]) -> String {
    let (number, peer) = (words::cut_middle(number, 17), words::cut(peer, 21));
    format!("{number:>17}  {peer:21} {since:>9} {until:>9} {read:>9} {sent:>9}")
}
