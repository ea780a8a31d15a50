//! [`ConsoleState`]: standard input and output of a simulated host. The test types the input and reads the output.
//!
//! ```text
//!   type_in --> input, as in a terminal --> read by the program
//!   take_output <-- output, as in a pipe: 64 KiB <-- written by the program
//! ```
//!
//! Bytes are there at once. The console belongs to the machine, as a terminal does: what was typed and not read is
//! there for the next program after a kill, but not after a crash.
//!
//! Next: `in_flight.rs`, what is on its way.

use super::connection::Contents;
use super::kernel::Ready;
use super::network::Network;
use super::trace::Action;
use crate::driver::{Readiness, Token};
use std::collections::VecDeque;
use std::io::{self, ErrorKind, IoSlice};
use std::mem;

/// Maximum number of bytes of output that the test has not taken, as in Linux's pipes. A program that writes more has
/// to wait.
const MAX_OUTPUT: usize = 64 * 1024;

/// The console, as the kernel of its host knows it.
pub(super) struct ConsoleState {
    /// What the test has typed, and holds in memory anyway: it has no other limit.
    input: VecDeque<u8>,
    input_has_ended: bool,
    output: Vec<u8>,
    output_has_ended: bool,
    reader_has_gone: bool,
    /// The connection of the program, by the token of its reactor.
    opened: Option<Token>,
    is_in_ready_list: bool,
    /// The last write did not take everything.
    wants_room: bool,
    contents: Contents,
}

impl ConsoleState {
    pub(super) fn new() -> ConsoleState {
        ConsoleState {
            input: VecDeque::new(),
            input_has_ended: false,
            output: Vec::new(),
            output_has_ended: false,
            reader_has_gone: false,
            opened: None,
            is_in_ready_list: false,
            wants_room: false,
            contents: Contents::Unknown,
        }
    }

    /// The program has ended; `crashed` if the machine has gone down with it.
    pub(super) fn program_ended(&mut self, crashed: bool) {
        (self.opened, self.wants_room, self.is_in_ready_list) = (None, false, false);
        (self.output_has_ended, self.contents) = (false, Contents::Unknown);
        if crashed {
            self.input.clear();
        }
    }
}

impl Network {
    pub(super) fn type_in(&mut self, host: u32, bytes: &[u8]) {
        if self.host(host).console.input_has_ended {
            return;
        }
        self.host_mut(host).console.input.extend(bytes);
        self.trace.mix_bytes(bytes);
        let typed = self.detail(|| self.trace.excerpt(bytes.iter().copied()));
        self.note_with(host, Action::TypeIn.count(bytes.len() as u64), &typed);
        self.mark_console_ready(host);
    }

    pub(super) fn take_output(&mut self, host: u32) -> Vec<u8> {
        let console = &mut self.host_mut(host).console;
        let output = mem::take(&mut console.output);
        if mem::take(&mut console.wants_room) {
            self.mark_console_ready(host);
        }
        output
    }

    pub(super) fn end_input(&mut self, host: u32) {
        self.host_mut(host).console.input_has_ended = true;
        self.note(host, Action::EndConsoleInput);
        self.mark_console_ready(host);
    }

    pub(super) fn has_console_output_ended(&self, host: u32) -> bool {
        let kernel = self.host(host);
        kernel.console.output_has_ended || !kernel.state.has_program()
    }

    pub(super) fn close_console_output(&mut self, host: u32) {
        self.host_mut(host).console.reader_has_gone = true;
        self.note(host, Action::CloseConsoleOutput);
        self.mark_console_ready(host);
    }

    /// Has the next poll of `host` report its console, if its program has it open.
    fn mark_console_ready(&mut self, host: u32) {
        let kernel = self.host_mut(host);
        if kernel.console.opened.is_some() {
            if !mem::replace(&mut kernel.console.is_in_ready_list, true) {
                kernel.ready.push_back(Ready::Console);
            }
            self.make_due(host);
        }
    }

    pub(super) fn open_console(&mut self, host: u32, token: Token) -> io::Result<()> {
        let console = &mut self.host_mut(host).console;
        if console.opened.is_some() {
            return Err(io::Error::new(ErrorKind::ResourceBusy, "a connection of this process has them already"));
        }
        console.opened = Some(token);
        self.note(host, Action::OpenConsole);
        self.mark_console_ready(host); // What was typed before.
        Ok(())
    }

    pub(super) fn close_console(&mut self, host: u32) {
        let console = &mut self.host_mut(host).console;
        (console.opened, console.wants_room) = (None, false);
        self.note(host, Action::CloseConsole);
    }

    /// What the poll reports: everything that is true now.
    pub(super) fn take_console_readiness(&mut self, host: u32) -> Option<Readiness> {
        let console = &mut self.host_mut(host).console;
        console.is_in_ready_list = false;
        let token = console.opened?;
        let broken = console.reader_has_gone && !console.output_has_ended;
        Some(Readiness {
            token,
            readable: broken || console.input_has_ended || !console.input.is_empty(),
            writable: broken || !console.wants_room,
            // The loop then reads on until it meets the error.
            read_closed: broken || console.input_has_ended,
            broken,
        })
    }

    pub(super) fn read_console(&mut self, host: u32, buffer: &mut [u8]) -> io::Result<usize> {
        let console = &mut self.host_mut(host).console;
        let count = console.input.len().min(buffer.len());
        if count == 0 {
            return match (console.input_has_ended, console.reader_has_gone && !console.output_has_ended) {
                (true, _) => Ok(0),
                (false, true) => Err(ErrorKind::BrokenPipe.into()),
                (false, false) => Err(ErrorKind::WouldBlock.into()),
            };
        }
        buffer.iter_mut().zip(console.input.drain(..count)).for_each(|(place, byte)| *place = byte);
        self.note(host, Action::ReadConsole.count(count as u64));
        Ok(count)
    }

    pub(super) fn write_console(&mut self, host: u32, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let console = &mut self.host_mut(host).console;
        if console.reader_has_gone || console.output_has_ended {
            return Err(ErrorKind::BrokenPipe.into());
        }
        let before = console.output.len();
        for slice in slices {
            let room = MAX_OUTPUT - console.output.len();
            console.output.extend_from_slice(&slice[..slice.len().min(room)]);
            console.wants_room |= room < slice.len();
        }
        let written = console.output[before..].to_vec();
        let (contents, clear) = console.contents.after(&written);
        console.contents = contents;
        self.trace.mix_bytes(&written[..clear]);
        if written.is_empty() {
            return Err(ErrorKind::WouldBlock.into());
        }
        let said = self.detail(|| match clear {
            0 => String::new(),
            _ => self.trace.excerpt(written.iter().copied()),
        });
        self.note_with(host, Action::WriteConsole.count(written.len() as u64), &said);
        Ok(written.len())
    }

    pub(super) fn end_console_output(&mut self, host: u32) {
        self.host_mut(host).console.output_has_ended = true;
        self.note(host, Action::EndConsoleOutput);
    }
}
