//! A store beside the herd, measured with a real `redis-server`.
//!
//! * `store_bench offers [ROUNDS] [COUNT]`: how many offers a second one connection carries, 16 in flight, beside
//!   `redis-benchmark` with the same function, the same depth and the same server, in turns.
//! * `store_bench restart PROXYHERD [CLIENTS]`: a server of a herd is killed and started again, beside a store that has
//!   all those clients. What it and its neighbor then say to each other is counted: first with few clients in the
//!   store, then with all.

#[path = "../../../../tests/util/counted_link.rs"]
mod counted_link;
mod offers;
mod restart;

use proxyherd::config::{HostPort, StoreConfig, TlsConfig};
use proxyherd::store::{Access, Store};
use reactor::Reactor;
use std::cell::Cell;
use std::error::Error;
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::rc::Rc;
use std::time::Duration;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let number = |at: usize, usual: usize| words.get(at).map_or(Ok(usual), |text| text.parse());
    match words[..] {
        ["offers", ..] => offers::compare(number(1, 7)?, number(2, 300_000)?),
        ["restart", program, ..] => restart::measure(program, number(2, 1_000_000)?),
        _ => Err("store_bench offers [ROUNDS] [COUNT], or store_bench restart PROXYHERD [CLIENTS]".into()),
    }
}

/// A process that ends with its owner.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A real store, and its port.
fn start_redis() -> Result<(Killed, u16), Box<dyn Error>> {
    let port = free_port()?;
    let server = Command::new("redis-server")
        .args(["--bind", "127.0.0.1", "--save", "", "--port", &port.to_string()])
        .stdout(Stdio::null())
        .spawn()?;
    Ok((Killed(server), port))
}

fn free_port() -> Result<u16, Box<dyn Error>> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// The store as a server of the herd sees it, once it has answered. All clients are in one bucket.
fn open_store(reactor: &Reactor, port: u16) -> Result<Rc<Store>, Box<dyn Error>> {
    let mut config = StoreConfig::of(vec![HostPort { host: "127.0.0.1".to_owned(), port }]);
    (config.buckets, config.timeout) = (1, Duration::from_secs(5));
    let access = Access::read(reactor, &config, &TlsConfig::default())?;
    let store = Store::new(reactor, &config, &access, "bench", 1 << 20);
    let is_there = Rc::new(Cell::new(false));
    let found = is_there.clone();
    store.begin(move || found.set(true));
    while !is_there.get() {
        reactor.iterate(Duration::from_millis(10))?;
    }
    Ok(store)
}

fn median(numbers: &mut [f64]) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers[numbers.len() / 2]
}
