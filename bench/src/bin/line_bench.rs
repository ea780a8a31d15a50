//! What a line costs: `line_bench [PYTHON]`. Splits a thousand lines of fifty bytes, in chunks of several sizes, with our
//! `LineReceiver`, and with Twisted's if a Python that has it is named. Prints microseconds for all thousand: the median
//! of the batches, and the quickest. README.md explains the result.
//!
//! `line_bench CHUNK COUNT` only splits the thousand lines COUNT times, to be run under callgrind.

use reactor::testing::StringTransport;
use reactor::{LineProtocol, LineReceiver, LineTransport, Protocol, Transport};
use std::cell::Cell;
use std::error::Error;
use std::hint::black_box;
use std::process::Command;
use std::rc::Rc;
use std::time::{Duration, Instant};

const LINES: usize = 1000;
const LENGTH: usize = 50;
/// The sizes of Twisted's own benchmark, a common size of a packet, and all at once.
const CHUNKS: [usize; 5] = [16, 128, 1024, 1460, LINES * (LENGTH + 2)];
const BATCHES: usize = 101;

#[derive(Clone, Default)]
struct Count {
    lines: Rc<Cell<usize>>,
    bytes: Rc<Cell<usize>>,
}

impl LineProtocol for Count {
    fn line_received(&mut self, _transport: &LineTransport, line: &[u8]) {
        self.lines.set(self.lines.get() + 1);
        self.bytes.set(self.bytes.get() + black_box(line).len());
    }
}

/// A receiver on a connection, and the lines that come.
struct Work {
    transport: Transport,
    receiver: LineReceiver<Count>,
    count: Count,
    text: Vec<u8>,
}

impl Work {
    fn new() -> Work {
        let transport = StringTransport::new().transport();
        let count = Count::default();
        let mut receiver = LineReceiver::new(count.clone());
        receiver.connection_made(&transport);
        let text = [[b'x'; LENGTH].as_slice(), b"\r\n"].concat().repeat(LINES);
        Work { transport, receiver, count, text }
    }

    fn run(&mut self, chunk: usize, times: usize) {
        for _ in 0..times {
            black_box(&self.text).chunks(chunk).for_each(|read| self.receiver.data_received(&self.transport, read));
        }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match &arguments[..] {
        [chunk, count] => Work::new().run(chunk.parse()?, count.parse()?),
        [] => measure(),
        [python] => {
            measure();
            let chunks = CHUNKS.map(|chunk| chunk.to_string());
            let status = Command::new(python).args(["-c", TWISTED]).args(chunks).status()?;
            return if status.success() { Ok(()) } else { Err("Twisted cannot be measured".into()) };
        }
        _ => return Err("line_bench [PYTHON], or line_bench CHUNK COUNT".into()),
    }
    Ok(())
}

fn measure() {
    for chunk in CHUNKS {
        let mut work = Work::new();
        work.run(chunk, 10);
        let Count { lines, bytes } = &work.count;
        assert_eq!((lines.get(), bytes.get()), (10 * LINES, 10 * LINES * LENGTH), "every line came");
        let mut spent: Vec<Duration> = (0..BATCHES).map(|_| time(|| work.run(chunk, 20)) / 20).collect();
        spent.sort_unstable();
        let micros = |spent: Duration| spent.as_nanos() as f64 / 1e3;
        println!("ours    {chunk:>6}: {:>8.1} us, at best {:.1}", micros(spent[BATCHES / 2]), micros(spent[0]));
    }
}

fn time(work: impl FnOnce()) -> Duration {
    let begin = Instant::now();
    work();
    begin.elapsed()
}

/// The same for Twisted, as its own benchmark does it.
const TWISTED: &str = r#"
import sys, time
from twisted.internet.testing import StringTransport
from twisted.protocols.basic import LineReceiver

class Count(LineReceiver):
    def lineReceived(self, line):
        pass

text = (b"x" * 50 + b"\r\n") * 1000
for size in map(int, sys.argv[1:]):
    chunks = [text[at:at + size] for at in range(0, len(text), size)]
    receiver = Count()
    receiver.makeConnection(StringTransport())
    spent = []
    for _ in range(51):
        begin = time.perf_counter()
        for chunk in chunks:
            receiver.dataReceived(chunk)
        spent.append((time.perf_counter() - begin) * 1e6)
    spent.sort()
    print(f"Twisted {size:>6}: {spent[25]:>8.1f} us, at best {spent[0]:.1f}", flush=True)
"#;
