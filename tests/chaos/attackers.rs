//! The attacker: a process of its own, so that it does not share a processor's time with the honest clients' thread.
//! It does one of the [`ATTACKS`] for some time, as hard as it can.

use crate::honest::wait;
use socket2::{Domain, SockAddr, Socket, Type};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Where the attacker sits: an address that means nothing to the herd.
const STRANGER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

/// The address of all servers. Some attacks come from there: somebody has got into a neighbor's machine.
pub(crate) const NEIGHBOR: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 9);

/// How long one attempt to connect may take.
const CONNECT_WITHIN: Duration = Duration::from_millis(200);

/// How many bytes are written at once, about.
const BLOCK: usize = 64 * 1024;

/// How often one that drips says something.
const DRIP_EVERY: Duration = Duration::from_secs(2);

/// Maximum time in which every connection that drips must have been cut off.
const GONE_WITHIN: Duration = Duration::from_secs(60);

/// One way to abuse a server.
pub(crate) struct Attack {
    pub(crate) name: &'static str,
    pub(crate) what: &'static str,
    /// Which port of the server.
    pub(crate) door: Door,
    from: Ipv4Addr,
    connections: usize,
    way: Way,
    /// The lines that one connection says next: its number, and the number of lines that all have said before.
    says: fn(usize, u64) -> String,
}

/// What an attacker connects to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Door {
    /// The herd's protocol.
    Herd,
    /// The server's page.
    Page,
}

/// How the lines are said.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    /// Without end.
    Flood,
    /// The same, and what comes back is not read.
    Unread,
    /// On a new connection each time.
    Churn,
    /// Once, and then what comes is read.
    Read,
    /// Once, and nothing is read.
    Blind,
    /// Not at all: the connections are only there.
    Idle,
    /// A byte now and then; from as many addresses as it takes to have all connections at once.
    Drip,
}

/// What a client would say about its time.
fn now(number: u64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    format!("{}.{:09}", now.as_secs(), (u64::from(now.subsec_nanos()) + number) % 1_000_000_000)
}

/// What a browser asks for that looks at a page.
const EVENTS: &str = "GET /events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";

/// All of them.
pub(crate) const ATTACKS: &[Attack] = &[
    Attack {
        name: "filler",
        what: "one connection invents clients",
        door: Door::Herd,
        from: STRANGER,
        connections: 1,
        way: Way::Flood,
        says: |_, number| format!("IAMAT invented{number} +1+2 {}\n", now(number)),
    },
    Attack {
        name: "liar",
        what: "a neighbor's machine says PEER, brings news, and ends, again and again",
        door: Door::Herd,
        from: NEIGHBOR,
        connections: 1,
        way: Way::Churn,
        says: |_, number| {
            format!("PEER Hamilton\nAT Hamilton +0.000000000 lied-about{} +1+2 {}\n", number % 7, now(number))
        },
    },
    Attack {
        name: "stranger",
        what: "somebody says PEER, whose name must be looked up again for that",
        door: Door::Herd,
        from: STRANGER,
        connections: 8,
        way: Way::Churn,
        says: |_, _| "PEER Hamilton\nPEER Alford\nWHATSAT nobody 1 1\n".to_owned(),
    },
    Attack {
        name: "forger",
        what: "a neighbor's machine says where clients are in the far future, and names unknown servers",
        door: Door::Herd,
        from: NEIGHBOR,
        connections: 4,
        way: Way::Flood,
        says: |_, number| {
            format!(
                "AT Evil +0.000000000 honest-1 +1+2 {time}\nAT Hamilton +0.000000000 honest-1 +1+2 999999999999\n\
                 AT Hamilton +9000000.000000000 honest-1 +1+2 {time}\nAT Hamilton 1.0 honest-1 +1+2 {time}\n",
                time = now(number)
            )
        },
    },
    Attack {
        name: "idle",
        what: "1,100 connections say nothing",
        door: Door::Herd,
        from: STRANGER,
        connections: 1100,
        way: Way::Idle,
        says: |_, _| String::new(),
    },
    Attack {
        name: "newlines",
        what: "45 connections send empty lines",
        door: Door::Herd,
        from: STRANGER,
        connections: 45,
        way: Way::Flood,
        says: |_, _| "\n".repeat(BLOCK),
    },
    Attack {
        name: "nonsense",
        what: "45 connections send invalid commands of one letter",
        door: Door::Herd,
        from: STRANGER,
        connections: 45,
        way: Way::Flood,
        says: |_, _| "x\n".repeat(BLOCK / 2),
    },
    Attack {
        name: "reports",
        what: "200 connections report the same clients",
        door: Door::Herd,
        from: STRANGER,
        connections: 200,
        way: Way::Flood,
        says: |connection, number| format!("IAMAT busy{connection} +1+2 {}\n", now(number)),
    },
    Attack {
        name: "questions",
        what: "200 connections ask what is near ever new places",
        door: Door::Herd,
        from: STRANGER,
        connections: 200,
        way: Way::Flood,
        says: |connection, number| {
            let (latitude, longitude) = (number % 80, number % 170);
            format!(
                "IAMAT asks{connection} +{latitude}.{number}-{longitude}.5 {}\nWHATSAT asks{connection} 50 20\n",
                now(number)
            )
        },
    },
    Attack {
        name: "unread",
        what: "300 connections ask, and do not read the answers",
        door: Door::Herd,
        from: STRANGER,
        connections: 300,
        way: Way::Unread,
        says: |_, _| "IAMAT unread +1+2 1\nWHATSAT unread 50 20\n".repeat(50),
    },
    Attack {
        name: "long-lines",
        what: "45 connections send lines without end",
        door: Door::Herd,
        from: STRANGER,
        connections: 45,
        way: Way::Flood,
        says: |_, _| "y".repeat(BLOCK),
    },
    Attack {
        name: "visitors",
        what: "connections come, say one thing, and go",
        door: Door::Herd,
        from: STRANGER,
        connections: 16,
        way: Way::Churn,
        says: |_, _| "IAMAT visitor +1+2 1\n".to_owned(),
    },
    Attack {
        name: "page-requests",
        what: "200 connections ask for the page, again and again",
        door: Door::Page,
        from: STRANGER,
        connections: 200,
        way: Way::Flood,
        says: |_, _| "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".to_owned(),
    },
    Attack {
        name: "page-viewers",
        what: "100 viewers look at the page",
        door: Door::Page,
        from: STRANGER,
        connections: 100,
        way: Way::Read,
        says: |_, _| EVENTS.to_owned(),
    },
    Attack {
        name: "page-unread",
        what: "100 viewers of the page do not read",
        door: Door::Page,
        from: STRANGER,
        connections: 100,
        way: Way::Blind,
        says: |_, _| EVENTS.to_owned(),
    },
    Attack {
        name: "page-slowloris",
        what: "2,000 connections send a request to the page a byte at a time",
        door: Door::Page,
        from: STRANGER,
        connections: 2000,
        way: Way::Drip,
        says: |_, _| "GET".to_owned(),
    },
    Attack {
        name: "slowloris",
        what: "5,000 connections send their first line a byte at a time",
        door: Door::Herd,
        from: STRANGER,
        connections: 5000,
        way: Way::Drip,
        says: |_, _| "IAM".to_owned(),
    },
];

/// Does the attack of this name, until the time is over. The line that it returns is what there is to say about it.
///
/// # Errors
/// What the server should have prevented.
pub(crate) fn attack(name: &str, server: SocketAddr, span: Duration) -> Result<String, String> {
    let attack = ATTACKS.iter().find(|attack| attack.name == name).ok_or(format!("there is no attack {name}"))?;
    let until = Instant::now() + span;
    match attack.way {
        Way::Flood | Way::Unread => Ok(flood(attack, server, until)),
        Way::Churn => Ok(churn(attack, server, until)),
        Way::Read | Way::Blind | Way::Idle => Ok(stay(attack, server, until)),
        Way::Drip => drip(attack, server),
    }
}

fn connect(from: Ipv4Addr, server: SocketAddr) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.bind(&SockAddr::from(SocketAddr::from((from, 0))))?;
    socket.connect_timeout(&SockAddr::from(server), CONNECT_WITHIN)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

/// What one connection has still to write.
#[derive(Default)]
struct Flooding {
    stream: Option<TcpStream>,
    block: Vec<u8>,
    written: usize,
}

fn flood(attack: &Attack, server: SocketAddr, until: Instant) -> String {
    let mut all: Vec<Flooding> = (0..attack.connections).map(|_| Flooding::default()).collect();
    let (mut number, mut bytes, mut opened) = (0, 0, 0);
    let mut buffer = vec![0; 1 << 18];
    while Instant::now() < until {
        let mut is_stuck = true;
        for (connection, one) in all.iter_mut().enumerate() {
            let Some(stream) = &mut one.stream else {
                one.stream = connect(attack.from, server).ok();
                one.written = one.block.len();
                opened += usize::from(one.stream.is_some());
                continue;
            };
            if one.written == one.block.len() {
                one.block.clear();
                one.written = 0;
                // One that asks for much work need not send much.
                let enough = if attack.connections > 100 { BLOCK / 64 } else { BLOCK };
                while one.block.len() < enough {
                    one.block.extend_from_slice((attack.says)(connection, number).as_bytes());
                    number += 1;
                }
            }
            let mut is_over = false;
            match stream.write(&one.block[one.written..]) {
                Ok(count) => {
                    one.written += count;
                    bytes += count;
                    is_stuck = false;
                }
                Err(error) => is_over |= error.kind() != io::ErrorKind::WouldBlock,
            }
            if attack.way != Way::Unread {
                match stream.read(&mut buffer) {
                    Ok(0) => is_over = true,
                    Ok(_) => is_stuck = false,
                    Err(error) => is_over |= error.kind() != io::ErrorKind::WouldBlock,
                }
            }
            if is_over {
                one.stream = None;
            }
        }
        if is_stuck {
            wait(Duration::from_micros(500));
        }
    }
    format!("{opened} connections, {} MB", bytes / 1_000_000)
}

/// Connects again whenever a connection has ended, as browsers do.
fn stay(attack: &Attack, server: SocketAddr, until: Instant) -> String {
    let mut all: Vec<Option<TcpStream>> = (0..attack.connections).map(|_| None).collect();
    let (mut opened, mut bytes) = (0, 0);
    let mut buffer = vec![0; 1 << 18];
    while Instant::now() < until {
        for (number, one) in all.iter_mut().enumerate() {
            let Some(stream) = one else {
                *one = connect(attack.from, server).ok();
                opened += usize::from(one.is_some());
                if let Some(stream) = one {
                    let _ = stream.write_all((attack.says)(number, 0).as_bytes()); // It may be closed already.
                }
                continue;
            };
            let found = match attack.way {
                Way::Blind | Way::Idle => stream.peek(&mut buffer[..1]).map(|count| (count, 0)),
                _ => stream.read(&mut buffer).map(|count| (count, count)),
            };
            match found {
                Ok((0, _)) => *one = None,
                Ok((_, read)) => bytes += read,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => *one = None,
            }
        }
        wait(Duration::from_millis(5));
    }
    format!("{opened} connections, {} kB read", bytes / 1000)
}

fn churn(attack: &Attack, server: SocketAddr, until: Instant) -> String {
    let (mut number, mut opened, mut failed) = (0, 0, 0);
    while Instant::now() < until {
        let streams: Vec<TcpStream> =
            (0..attack.connections).filter_map(|_| connect(attack.from, server).ok()).collect();
        failed += attack.connections - streams.len();
        opened += streams.len();
        for (connection, mut stream) in streams.into_iter().enumerate() {
            let _ = stream.write_all((attack.says)(connection, number).as_bytes()); // It may be closed already.
            number += 1;
        }
    }
    format!("{opened} connections, {failed} failed")
}

/// Ends when all connections have been cut off.
fn drip(attack: &Attack, server: SocketAddr) -> Result<String, String> {
    let began = Instant::now();
    let mut opened = 0;
    let mut all: Vec<TcpStream> = Vec::new();
    for number in 0..attack.connections {
        // As many as a server takes from one address.
        let [a, b, c, d] = attack.from.octets();
        let from = Ipv4Addr::new(a, b, c, d + (number / 900) as u8);
        if let Ok(mut stream) = connect(from, server)
            && stream.write_all((attack.says)(number, 0).as_bytes()).is_ok()
        {
            opened += 1;
            all.push(stream);
        }
    }
    let dripping = Instant::now();
    while !all.is_empty() {
        if dripping.elapsed() > GONE_WITHIN {
            return Err(format!("{} of {opened} connections that drip are there after {GONE_WITHIN:?}", all.len()));
        }
        all.retain_mut(|stream| {
            let is_open = stream.read(&mut [0; 16]).is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock);
            is_open && stream.write_all(b"A").is_ok()
        });
        wait(DRIP_EVERY);
    }
    Ok(format!(
        "{opened} connections opened in {:.1} s, all gone {:.0} s later",
        (dripping - began).as_secs_f64(),
        dripping.elapsed().as_secs_f64()
    ))
}

/// Tells a server of these clients, from this address, and waits for its replies.
pub(crate) fn feed(from: Ipv4Addr, server: SocketAddr, clients: std::ops::Range<u64>) {
    let mut stream = connect(from, server).expect("a connection");
    stream.set_nonblocking(false).expect("a blocking connection");
    let mut replies = BufReader::new(stream.try_clone().expect("a second handle"));
    let count = clients.end - clients.start;
    let reads = std::thread::spawn(move || {
        let mut line = Vec::new();
        for _ in 0..count {
            line.clear();
            replies.read_until(b'\n', &mut line).expect("a reply");
            assert!(line.starts_with(b"AT "), "{}", line.escape_ascii());
        }
    });
    let mut block = Vec::new();
    for client in clients {
        block.extend_from_slice(format!("IAMAT known{client} +1+2 {}\n", now(0)).as_bytes());
        if block.len() > BLOCK {
            stream.write_all(&block).expect("it takes them");
            block.clear();
        }
    }
    stream.write_all(&block).expect("it takes them");
    reads.join().expect("all replies");
}
