//! What a command of the RESP client costs, beside redis-rs on a current-thread tokio, and beside hiredis, if `cc`
//! finds it: CPU time of the client's thread, with 1, 16 and 256 commands in flight on one connection to a real
//! `redis-server`.
//!
//! `cargo run --release --bin resp_bench -- [ROUNDS] [COMMANDS]`. Linux only: CPU time comes from `/proc`.

use reactor::resp::{Client, Command, Value};
use reactor::{Failure, Reactor};
use redis::aio::MultiplexedConnection;
use std::cell::Cell;
use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{self, Child, Stdio};
use std::rc::Rc;
use std::thread;

const DEPTHS: [usize; 3] = [1, 16, 256];
const VALUE: &str = "0123456789abcdef0123456789abcdef";

/// Nanoseconds of CPU time that this thread has used.
fn cpu() -> u64 {
    let stat = fs::read_to_string("/proc/thread-self/schedstat").expect("Linux");
    stat.split(' ').next().and_then(|field| field.parse().ok()).expect("a number")
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1).map(|argument| argument.parse::<usize>());
    let rounds = arguments.next().transpose()?.unwrap_or(9);
    let commands = arguments.next().transpose()?.unwrap_or(100_000);
    let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let server = process::Command::new("redis-server")
        .args(["--bind", "127.0.0.1", "--save", "", "--port", &port.to_string()])
        .stdout(Stdio::null())
        .spawn()?;
    let _server = Killed(server);
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        thread::yield_now(); // It is still starting.
    }
    let reactor = Reactor::new()?;
    let client = Client::new(&reactor, ("127.0.0.1", port));
    client.start();
    reactor.run_until(client.command(["SET", "key", VALUE]))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let url = format!("redis://127.0.0.1:{port}/?protocol=resp3");
    let connection = runtime.block_on(redis::Client::open(url)?.get_multiplexed_async_connection())?;
    let hiredis = Hiredis::build(port);
    println!("{:>5}  {:>12}  {:>12}  {:>20}  {:>12}", "depth", "ours", "redis-rs", "ratio (low .. high)", "hiredis");
    for depth in DEPTHS {
        let count = if depth == 1 { commands / 4 } else { commands };
        let (mut ours, mut theirs, mut bare) = (Vec::new(), Vec::new(), Vec::new());
        for round in 0..=rounds {
            let pair = match round % 2 {
                0 => (of_ours(&reactor, &client, depth, count)?, of_redis_rs(&runtime, &connection, depth, count)),
                _ => {
                    let theirs = of_redis_rs(&runtime, &connection, depth, count);
                    (of_ours(&reactor, &client, depth, count)?, theirs)
                }
            };
            if round > 0 {
                ours.push(pair.0);
                theirs.push(pair.1);
                bare.extend(hiredis.as_ref().and_then(|hiredis| hiredis.run(depth, count)));
            }
        }
        let mut ratios: Vec<f64> = ours.iter().zip(&theirs).map(|(our, their)| our / their).collect();
        let median = |numbers: &mut Vec<f64>| {
            numbers.sort_by(f64::total_cmp);
            numbers[numbers.len() / 2]
        };
        let ratio = median(&mut ratios);
        let (low, high) = (ratios[0], ratios[ratios.len() - 1]);
        let (ours, theirs) = (median(&mut ours), median(&mut theirs));
        let ratios = format!("{ratio:.2} ({low:.2} .. {high:.2})");
        let bare = if bare.is_empty() { "none".to_owned() } else { format!("{:.0} ns", median(&mut bare)) };
        println!("{depth:>5}  {ours:>9.0} ns  {theirs:>9.0} ns  {ratios:>20}  {bare:>12}");
    }
    Ok(())
}

/// CPU time of one of `count` commands, `depth` of them in flight: each reply sends the next.
fn of_ours(reactor: &Reactor, client: &Client, depth: usize, count: usize) -> Result<f64, Failure> {
    let (left, open, before) = (Rc::new(Cell::new(count)), Rc::new(Cell::new(depth)), Rc::new(Cell::new(0)));
    // A client stops with the run of its reactor. Connecting again is not measured.
    client.start();
    let (run, fewer, begin) = (reactor.clone(), left.clone(), before.clone());
    let connection = client.clone();
    client
        .when_connected()
        .add_callback(move |()| {
            begin.set(cpu());
            for _ in 0..depth {
                next(connection.clone(), run.clone(), fewer.clone(), open.clone());
            }
        })
        .detach();
    reactor.run()?;
    assert_eq!(left.get(), 0);
    Ok((cpu() - before.get()) as f64 / count as f64)
}

fn next(client: Client, reactor: Reactor, left: Rc<Cell<usize>>, open: Rc<Cell<usize>>) {
    let Some(fewer) = left.get().checked_sub(1) else {
        open.set(open.get() - 1);
        if open.get() == 0 {
            reactor.stop();
        }
        return;
    };
    left.set(fewer);
    let asked = client.command(Command::new("GET").arg("key"));
    asked
        .add_callback(move |value| {
            assert!(matches!(&value, Value::Bytes(bytes) if bytes == VALUE.as_bytes()));
            next(client, reactor, left, open);
        })
        .detach();
}

/// The same with redis-rs: `depth` tasks, each of which awaits one command after the other.
fn of_redis_rs(
    runtime: &tokio::runtime::Runtime,
    connection: &MultiplexedConnection,
    depth: usize,
    count: usize,
) -> f64 {
    let before = cpu();
    let left = Rc::new(Cell::new(count));
    let local = tokio::task::LocalSet::new();
    let tasks: Vec<_> = (0..depth)
        .map(|_| {
            let (left, mut connection) = (left.clone(), connection.clone());
            local.spawn_local(async move {
                while let Some(fewer) = left.get().checked_sub(1) {
                    left.set(fewer);
                    let value: redis::Value = redis::cmd("GET").arg("key").query_async(&mut connection).await.unwrap();
                    assert!(matches!(&value, redis::Value::BulkString(bytes) if bytes == VALUE.as_bytes()));
                }
            })
        })
        .collect();
    local.block_on(runtime, async move {
        for task in tasks {
            task.await.unwrap();
        }
    });
    (cpu() - before) as f64 / count as f64
}

/// The same in C, without a loop: the floor.
struct Hiredis {
    program: PathBuf,
    port: String,
}

impl Hiredis {
    /// `None`, with a message, if there is no compiler or no hiredis.
    fn build(port: u16) -> Option<Hiredis> {
        let program = std::env::temp_dir().join(format!("resp-bench-hiredis-{}", process::id()));
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers/hiredis.c");
        let mut compiler = process::Command::new("cc");
        compiler.args(["-O2", "-o"]).arg(&program).arg(source).arg("-lhiredis").stderr(Stdio::null());
        if !compiler.status().is_ok_and(|status| status.success()) {
            println!("no hiredis: cc cannot build bench/peers/hiredis.c");
            return None;
        }
        Some(Hiredis { program, port: port.to_string() })
    }

    fn run(&self, depth: usize, count: usize) -> Option<f64> {
        let mut peer = process::Command::new(&self.program);
        let output = peer.args([&self.port, &depth.to_string(), &count.to_string()]).output().ok()?;
        String::from_utf8(output.stdout).ok()?.trim().parse().ok()
    }
}

impl Drop for Hiredis {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.program);
    }
}

struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
