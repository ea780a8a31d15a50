//! A measured server: a process on a CPU of its own, asked for its CPU time and memory, and killed when dropped.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Maximum time for a server to start.
const MAX_START: Duration = Duration::from_secs(10);
/// How long a server gets after the last reply to finish its other work, such as writing its log.
pub const SETTLE: Duration = Duration::from_millis(150);

pub struct Server {
    pub address: SocketAddr,
    child: Child,
    directory: PathBuf,
    /// The time from its start until it accepted a connection.
    pub started_in: Duration,
}

impl Server {
    /// Runs a server on the CPU with this number, and returns once it accepts connections at `address`. What it says on
    /// standard error is kept in `directory`.
    pub fn start(command: &[OsString], cpu: usize, address: SocketAddr, directory: &Path) -> io::Result<Self> {
        // `taskset` becomes the program, so the process is the server's own.
        let mut pinned = Command::new("taskset");
        pinned.arg("-c").arg(cpu.to_string()).args(command);
        Self::run(pinned, address, directory)
    }

    /// The same under callgrind, which counts its instructions.
    pub fn counted(command: &[OsString], address: SocketAddr, directory: &Path) -> io::Result<Self> {
        let mut valgrind = Command::new("valgrind");
        valgrind.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]).args(command);
        Self::run(valgrind, address, directory)
    }

    fn run(mut command: Command, address: SocketAddr, directory: &Path) -> io::Result<Self> {
        let complaints = directory.join("stderr");
        let start = Instant::now();
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(File::create(&complaints)?).spawn();
        let child = child.map_err(|error| io::Error::other(format!("{command:?}: {error}")))?;
        let mut server = Self { address, child, directory: directory.to_owned(), started_in: Duration::ZERO };
        while TcpStream::connect(address).is_err() {
            if server.child.try_wait()?.is_some() || start.elapsed() > MAX_START {
                let complaints = fs::read_to_string(complaints)?;
                return Err(io::Error::other(format!("{command:?} does not serve {address}: {complaints}")));
            }
            sleep(Duration::from_millis(1));
        }
        server.started_in = start.elapsed();
        Ok(server)
    }

    /// The CPU time that the threads of the process have used so far.
    pub fn cpu(&self) -> io::Result<Cpu> {
        let mut cpu = Cpu { nanos: 0, threads: BTreeSet::new() };
        for task in fs::read_dir(format!("/proc/{}/task", self.child.id()))? {
            let task = task?.path();
            let stat = fs::read_to_string(task.join("schedstat"))?;
            let nanos = stat.split(' ').next().and_then(|on_cpu| on_cpu.parse::<u64>().ok());
            cpu.nanos += nanos.ok_or_else(|| io::Error::other(format!("schedstat: {stat:?}")))?;
            cpu.threads.insert(task);
        }
        Ok(cpu)
    }

    /// The resident memory of the process, in bytes.
    pub fn resident(&self) -> io::Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
        Ok(1024 * kib.ok_or_else(|| io::Error::other("no VmRSS"))?)
    }

    /// Stops a server that [`counted`](Self::counted) has started. Returns how many instructions it took in all.
    pub fn stop_counting(mut self) -> io::Result<u64> {
        if !Command::new("kill").arg(self.child.id().to_string()).status()?.success() || !self.child.wait()?.success() {
            return Err(io::Error::other("the server did not end in good order"));
        }
        let said = fs::read_to_string(self.directory.join("stderr"))?;
        let count = said.lines().find_map(|line| line.split_once("Collected : ")?.1.trim().parse().ok());
        count.ok_or_else(|| io::Error::other(format!("valgrind said no count: {said}")))
    }

    /// How many bytes it has logged.
    pub fn logged(&self) -> io::Result<u64> {
        let mut bytes = 0;
        for file in fs::read_dir(&self.directory)? {
            let file = file?;
            if file.path().extension().is_some_and(|extension| extension == "log") {
                bytes += file.metadata()?.len();
            }
        }
        Ok(bytes)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // If it has ended already, both fail, and there is nothing left to do.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The CPU time of a process, and which threads it is the sum of.
pub struct Cpu {
    nanos: u64,
    threads: BTreeSet<PathBuf>,
}

impl Cpu {
    /// The nanoseconds used since `earlier`. An error if a thread has ended in between: its time is lost with it.
    pub fn since(&self, earlier: &Self) -> io::Result<u64> {
        if !self.threads.is_superset(&earlier.threads) {
            return Err(io::Error::other("a thread of the server ended while it was measured"));
        }
        Ok(self.nanos - earlier.nanos)
    }
}

/// The first port that is tried. The system gives outgoing connections ports from 32,768 on, and this program makes very
/// many of those: a port among them may be taken the next moment.
const FIRST_PORT: u16 = 20_000;

/// An address with a free port. Another program may take the port before the server binds it; then the server does not
/// start, and the report says so.
pub fn free_address() -> io::Result<SocketAddr> {
    static NEXT: AtomicU16 = AtomicU16::new(FIRST_PORT);
    loop {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, NEXT.fetch_add(1, Ordering::Relaxed)));
        match TcpListener::bind(address) {
            Ok(_) => return Ok(address),
            Err(_) if address.port() < 2 * FIRST_PORT => {}
            Err(error) => return Err(error),
        }
    }
}
