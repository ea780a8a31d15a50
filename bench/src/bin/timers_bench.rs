//! What delayed calls cost: `timers_bench SHAPE COUNT [PYTHON]`. Prints the nanoseconds of each operation, and the memory
//! of the process before, at the most, and after. With a Python that has Twisted, the same for Twisted.
//! `count_instructions` runs it under callgrind. README.md explains the result.

use reactor::{DelayedCall, Reactor};
use std::error::Error;
use std::hint::black_box;
use std::process::Command;
use std::time::{Duration, Instant};

/// Runs this number of operations, and returns the most memory that the process held, in KiB.
type Shape = fn(&Reactor, usize) -> usize;

/// The names of the shapes, and what one operation of each is.
const SHAPES: &[(&str, Shape)] = &[
    ("later-cancel", later_cancel), // A call is requested and cancelled at once: an idle timeout.
    ("among-million", among_million), // The same while a million others wait.
    ("burst-cancel", burst_cancel), // All calls are requested, then all are cancelled.
    ("burst-reset", burst_reset),   // All are requested, each is moved to an earlier time, then all are cancelled.
    ("burst-fire", burst_fire),     // All are requested and made.
];

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let names = || SHAPES.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(" ");
    let (name, number, python) = match &arguments[..] {
        [name, count] => (name, count, None),
        [name, count, python] => (name, count, Some(python)),
        _ => {
            println!("{}", names());
            return Ok(());
        }
    };
    let count: usize = number.parse()?;
    let (_, shape) = SHAPES.iter().find(|(known, _)| known == name).ok_or_else(|| format!("one of {}", names()))?;
    let reactor = Reactor::new()?;
    let before = resident_kib()?;
    let begin = Instant::now();
    let most = shape(&reactor, count);
    let spent = begin.elapsed();
    // glibc keeps small blocks until somebody asks for a large one, as a program that goes on soon does.
    drop(black_box(vec![0_u8; 100_000]));
    println!(
        "{name}: {} ns each; {before} KiB before, {most} KiB at the most, {} KiB after",
        spent.as_nanos() / count as u128,
        resident_kib()?
    );
    if let Some(python) = python {
        let status = Command::new(python).args(["-c", TWISTED, name, number]).status()?;
        return if status.success() { Ok(()) } else { Err("Twisted cannot be measured".into()) };
    }
    Ok(())
}

/// The same shapes for Twisted.
const TWISTED: &str = r#"
import sys, time
from twisted.internet import reactor

def resident():
    return next(line for line in open("/proc/self/status") if line.startswith("VmRSS:")).split()[1]

def call(at):
    pass

def burst(count):
    return [reactor.callLater(86400 + at * 7919 % 3600000 / 1000, call, at) for at in range(count)]

def later_cancel(count):
    kept = burst(100)
    for at in range(count):
        reactor.callLater(30, call, at).cancel()
    return resident()

def among_million(count):
    kept = burst(1000000)
    reactor.getDelayedCalls() # Those that were requested wait in a list until the loop looks.
    reactor.runUntilCurrent()
    begin = time.perf_counter()
    for at in range(count):
        reactor.callLater(30, call, at).cancel()
    print(f"Twisted: {(time.perf_counter() - begin) / count * 1e9:.0f} ns each while a million wait")
    return resident()

def burst_cancel(count):
    calls = burst(count)
    most = resident()
    for call in calls:
        call.cancel()
    return most

def burst_reset(count):
    calls = burst(count)
    for call in calls:
        call.reset(3600)
    most = resident()
    for call in calls:
        call.cancel()
    return most

def burst_fire(count):
    for at in range(count):
        reactor.callLater(at * 7919 % 1000 / 1e9, call, at)
    most = resident()
    while reactor.getDelayedCalls():
        reactor.iterate(1)
    return most

name, count, before = sys.argv[1], int(sys.argv[2]), resident()
begin = time.perf_counter()
most = globals()[name.replace("-", "_")](count)
reactor.iterate(0)
spent = (time.perf_counter() - begin) / count * 1e9
print(f"Twisted: {spent:.0f} ns each; {before} KiB before, {most} KiB at the most, {resident()} KiB after")
"#;

/// A call that has something captured.
fn call(at: usize) -> impl FnOnce() {
    move || {
        black_box(at);
    }
}

/// Requests calls, spread over an hour that begins in a day.
fn burst(reactor: &Reactor, count: usize) -> Vec<DelayedCall> {
    let delay = |at: usize| Duration::from_secs(24 * 3600) + Duration::from_millis((at * 7919 % 3_600_000) as u64);
    (0..count).map(|at| reactor.call_later(delay(at), call(at))).collect()
}

fn later_cancel(reactor: &Reactor, count: usize) -> usize {
    cancel_among(reactor, &burst(reactor, 100), count)
}

fn among_million(reactor: &Reactor, count: usize) -> usize {
    let kept = burst(reactor, 1_000_000);
    let begin = Instant::now();
    let most = cancel_among(reactor, &kept, count);
    println!("{} ns each while a million wait", begin.elapsed().as_nanos() / count as u128);
    most
}

fn cancel_among(reactor: &Reactor, kept: &[DelayedCall], count: usize) -> usize {
    for at in 0..count {
        reactor.call_later(Duration::from_secs(30), call(at)).cancel();
    }
    kept.iter().for_each(|call| assert!(call.active()));
    resident_kib().unwrap_or(0)
}

fn burst_cancel(reactor: &Reactor, count: usize) -> usize {
    let calls = burst(reactor, count);
    let most = resident_kib().unwrap_or(0);
    calls.iter().for_each(|call| assert!(call.cancel()));
    assert_eq!(reactor.delayed_call_count(), 0);
    most
}

fn burst_reset(reactor: &Reactor, count: usize) -> usize {
    let calls = burst(reactor, count);
    calls.iter().for_each(|call| call.reset(Duration::from_secs(3600)).expect("it waits"));
    let most = resident_kib().unwrap_or(0);
    calls.iter().for_each(|call| assert!(call.cancel()));
    most
}

fn burst_fire(reactor: &Reactor, count: usize) -> usize {
    for at in 0..count {
        reactor.call_later(Duration::from_nanos((at * 7919 % 1000) as u64), call(at));
    }
    let most = resident_kib().unwrap_or(0);
    while reactor.delayed_call_count() > 0 {
        reactor.iterate(Duration::from_secs(1)).expect("the loop can wait");
    }
    most
}

/// The memory that the process holds; Linux only.
fn resident_kib() -> Result<usize, Box<dyn Error>> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
    Ok(line.trim_end_matches("kB").trim().parse()?)
}
