//! The measured servers: started here, asked for their CPU time, and killed when dropped.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::load::NAME;

/// Maximum time for a server to start.
const MAX_START: Duration = Duration::from_secs(10);

pub struct Server {
    pub program: &'static str,
    pub logs: bool,
    pub address: SocketAddr,
    child: Child,
    directory: PathBuf,
}

impl Server {
    pub fn proxyherd(path: &Path, logs: bool, directory: &Path) -> io::Result<Self> {
        let address = free_address()?;
        let directory = directory.join(format!("proxyherd-{logs}"));
        fs::create_dir(&directory)?;
        let mut command = Command::new(path);
        Self::configure(&mut command, address, logs, &directory)?;
        Self::start("proxyherd", logs, address, command, directory)
    }

    /// The same under callgrind, which counts its instructions.
    pub fn counted(path: &Path, logs: bool, directory: &Path) -> io::Result<Self> {
        let address = free_address()?;
        let directory = directory.join(format!("counted-{}-{logs}", address.port()));
        fs::create_dir(&directory)?;
        let mut command = Command::new("valgrind");
        command.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]).arg(path);
        Self::configure(&mut command, address, logs, &directory)?;
        Self::start("proxyherd", logs, address, command, directory)
    }

    fn configure(command: &mut Command, address: SocketAddr, logs: bool, directory: &Path) -> io::Result<()> {
        let config = directory.join("herd.toml");
        fs::write(&config, format!("[servers.{NAME}]\naddress = \"{address}\"\nneighbors = []\n"))?;
        command.arg(NAME).arg("--config").arg(config).arg("--log-dir").arg(directory);
        command.args(["--log-level", if logs { "info" } else { "error" }]);
        Ok(())
    }

    pub fn tokio(path: &Path, logs: bool, directory: &Path) -> io::Result<Self> {
        let address = free_address()?;
        let directory = directory.join(format!("tokio-{logs}"));
        fs::create_dir(&directory)?;
        let mut command = Command::new(path);
        command.arg(address.to_string());
        if logs {
            command.arg("--log").arg(directory.join("tokio.log"));
        }
        Self::start("tokio", logs, address, command, directory)
    }

    /// Starts a server, and returns once it accepts connections.
    fn start(
        program: &'static str,
        logs: bool,
        address: SocketAddr,
        mut command: Command,
        directory: PathBuf,
    ) -> io::Result<Self> {
        let complaints = directory.join("stderr");
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(File::create(&complaints)?).spawn();
        let child = child.map_err(|error| io::Error::other(format!("{command:?}: {error}")))?;
        let mut server = Self { program, logs, address, child, directory };
        let start = Instant::now();
        while TcpStream::connect(address).is_err() {
            if server.child.try_wait()?.is_some() || start.elapsed() > MAX_START {
                let complaints = fs::read_to_string(complaints)?;
                return Err(io::Error::other(format!("{command:?} does not serve {address}: {complaints}")));
            }
            sleep(Duration::from_millis(20));
        }
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

/// An address with a free port. Another program may take the port before the server binds it; then the server does not
/// start, and the run ends.
fn free_address() -> io::Result<SocketAddr> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()
}
