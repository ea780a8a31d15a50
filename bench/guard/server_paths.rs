//! The paths through a server: a process under callgrind, and one client that waits for each reply before it goes on.

use crate::callgrind::{self, Cost, Directory};
use crate::guard::Path;
use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant, SystemTime};

/// Maximum time for anything that is waited for: callgrind makes a server fifty times slower.
const PATIENCE: Duration = Duration::from_secs(60);

/// Sends this number of commands to the server and waits for what they lead to.
type Drive = fn(&mut Load, usize) -> std::io::Result<()>;

pub(crate) fn all() -> impl Iterator<Item = Path> {
    let rows: [(&'static str, &'static str, usize, Drive); 6] = [
        ("iamat-1", "error", 2000, |load, count| load.iamats(count, 1)),
        ("iamat-16", "error", 4000, |load, count| load.iamats(count, 16)),
        ("iamat-16-logged", "info", 4000, |load, count| load.iamats(count, 16)),
        ("at-16", "error", 4000, Load::ats),
        ("whatsat", "error", 400, Load::whats_ats),
        ("accept", "error", 400, Load::connections),
    ];
    rows.into_iter().map(|(name, level, most, drive)| Path {
        name,
        measure: Box::new(move || {
            let less = run(level, most / 5, drive)?;
            let more = run(level, most, drive)?;
            Ok(Cost::of_one(&less, &more, most - most / 5))
        }),
    })
}

fn run(level: &str, count: usize, drive: Drive) -> Result<Cost, Box<dyn Error>> {
    let directory = Directory::new()?;
    let out = directory.0.join("callgrind.out");
    let mut command = callgrind::command(&["--serve", "Powell", "--log-level", level], &out)?;
    let (port, config) = (free_port()?, directory.0.join("herd.toml"));
    // The neighbor never listens: it is the load that says PEER.
    let servers = format!(
        "[servers.Powell]\naddress = \"127.0.0.1:{port}\"\nneighbors = [\"Alford\"]\n\
         [servers.Alford]\naddress = \"127.0.0.1:{}\"\nneighbors = [\"Powell\"]\n",
        free_port()?
    );
    fs::write(&config, servers)?;
    command.arg("--log-dir").arg(&directory.0).arg("--config").arg(&config);
    // A key would change the Places service.
    command.env_remove("GOOGLE_PLACES_API_KEY").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut server = Server(command.spawn()?);
    let mut load = Load::connect(port)?;
    drive(&mut load, count)?;
    drop(load);
    server.end()?;
    callgrind::read(&out)
}

/// The client.
struct Load {
    port: u16,
    stream: BufReader<TcpStream>,
    /// In microseconds since 1970; each version is newer than the one before it.
    time: u128,
    text: String,
}

impl Load {
    fn connect(port: u16) -> Result<Load, Box<dyn Error>> {
        let deadline = Instant::now() + PATIENCE;
        let stream = loop {
            match open(port) {
                Ok(stream) => break stream,
                Err(error) if Instant::now() > deadline => return Err(format!("the server: {error}").into()),
                Err(_) => std::thread::park_timeout(Duration::from_millis(20)),
            }
        };
        let time = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_micros();
        Ok(Load { port, stream, time, text: String::new() })
    }

    /// Adds a location of one of four clients, after `start`, to what is sent next.
    fn add(&mut self, start: &str, number: usize) {
        self.time += 1;
        let (seconds, micros) = (self.time / 1_000_000, self.time % 1_000_000);
        let client = number % 4;
        // Writing to a String cannot fail.
        let _ = writeln!(self.text, "{start} client{client}.example +34.068930-118.445127 {seconds}.{micros:06}");
    }

    fn send(&mut self) -> std::io::Result<()> {
        self.stream.get_mut().write_all(std::mem::take(&mut self.text).as_bytes())
    }

    /// Expects a line that begins like this.
    fn line(&mut self, start: &str) -> std::io::Result<()> {
        let mut line = String::new();
        self.stream.read_line(&mut line)?;
        match line.starts_with(start) {
            true => Ok(()),
            false => Err(std::io::Error::other(format!("not {start}: {line:?}"))),
        }
    }

    fn iamats(&mut self, count: usize, at_once: usize) -> std::io::Result<()> {
        for _ in 0..count / at_once {
            (0..at_once).for_each(|number| self.add("IAMAT", number));
            self.send()?;
            (0..at_once).try_for_each(|_| self.line("AT Powell "))?;
        }
        Ok(())
    }

    /// An AT has no reply. So a line that is no command follows, and is refused when all before it are done.
    fn ats(&mut self, count: usize) -> std::io::Result<()> {
        self.text.push_str("PEER Alford\n");
        for _ in 0..count / 16 {
            (0..16).for_each(|number| self.add("AT Alford +0.001000000", number));
            self.text.push_str("DONE\n");
            self.send()?;
            self.line("? DONE")?;
        }
        Ok(())
    }

    /// The first asks the Places service, and the others have their answer from the cache.
    fn whats_ats(&mut self, count: usize) -> std::io::Result<()> {
        self.iamats(1, 1)?;
        for _ in 0..count {
            self.text.push_str("WHATSAT client0.example 10 1\n");
            self.send()?;
            self.line("AT Powell ")?;
            let mut line = String::new();
            while line != "\n" {
                line.clear();
                self.stream.read_line(&mut line)?;
            }
        }
        Ok(())
    }

    /// A connection is made, has one reply, and is closed by the client.
    fn connections(&mut self, count: usize) -> std::io::Result<()> {
        for _ in 0..count {
            self.stream = open(self.port)?;
            self.iamats(1, 1)?;
        }
        Ok(())
    }
}

fn open(port: u16) -> std::io::Result<BufReader<TcpStream>> {
    let stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    Ok(BufReader::new(stream))
}

/// Another program may take the port before the server does. Then the server does not start, and the run fails.
fn free_port() -> std::io::Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// Killed when dropped.
struct Server(Child);

impl Server {
    /// Ends it in good order, so that callgrind writes.
    fn end(&mut self) -> Result<(), Box<dyn Error>> {
        let signalled = std::process::Command::new("kill").arg(self.0.id().to_string()).status()?;
        let status = self.0.wait()?;
        if signalled.success() && status.success() { Ok(()) } else { Err(format!("the server: {status}").into()) }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill(); // Both fail if it has ended, and nothing is left to do.
        let _ = self.0.wait();
    }
}
