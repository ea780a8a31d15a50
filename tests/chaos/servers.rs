//! [`Server`]: one of the five, as a process that may be killed, frozen, told to end, and started again.

use crate::book::Life;
use crate::network::Network;
use std::cell::{Cell, RefCell};
use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::rc::Rc;

/// The paper's herd. Each link is named on one side.
pub(crate) const HERD: [(&str, &[&str]); 5] = [
    ("Alford", &["Parker", "Powell"]),
    ("Bolden", &["Parker", "Powell"]),
    ("Hamilton", &["Parker"]),
    ("Parker", &[]),
    ("Powell", &[]),
];

/// The place of a server in the herd.
pub(crate) fn number(name: &str) -> usize {
    HERD.iter().position(|(other, _)| *other == name).expect("a server of the herd")
}

/// What the system grants a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Grant {
    Everything,
    /// Hardly more descriptors than it keeps for itself.
    FewDescriptors,
    /// A disk that is full after 64 KiB.
    FullDisk,
}

/// One server.
pub(crate) struct Server {
    pub(crate) name: &'static str,
    pub(crate) address: SocketAddr,
    network: Rc<Network>,
    config: PathBuf,
    directory: PathBuf,
    child: RefCell<Option<Child>>,
    life: Rc<Cell<Life>>,
    lives: Rc<Cell<Life>>,
    pub(crate) is_frozen: Cell<bool>,
}

impl Server {
    pub(crate) fn new(
        name: &'static str,
        port: u16,
        network: Rc<Network>,
        config: PathBuf,
        directory: &Path,
        lives: Rc<Cell<Life>>,
    ) -> Server {
        let address = (network.address_of(number(name)), port).into();
        let (child, life, is_frozen) = Default::default();
        Server { name, address, network, config, directory: directory.to_owned(), child, life, lives, is_frozen }
    }

    /// Starts it, if it does not run.
    pub(crate) fn start(&self, grant: Grant) {
        if self.child.borrow().is_some() {
            return;
        }
        self.lives.set(self.lives.get() + 1);
        self.life.set(self.lives.get());
        let logs = self.logs();
        fs::create_dir_all(&logs).expect("a directory for logs");
        let limits = match grant {
            Grant::Everything => "",
            Grant::FewDescriptors => "ulimit -n 360; ",
            // The shell's unit is 512 bytes or 1024. What is ignored here stays ignored in the server, so that a write
            // beyond the limit is an error and not its end.
            Grant::FullDisk => "trap '' XFSZ; ulimit -f 64; ",
        };
        let output = |name: &str| File::create(logs.join(name)).expect("a file for output");
        let (mut shell, first) = self.network.shell_of(number(self.name));
        let child = shell
            .args(["-c", &format!("{first}{limits}exec \"$0\" \"$@\""), env!("CARGO_BIN_EXE_proxyherd"), self.name])
            .arg("--config")
            .arg(&self.config)
            .current_dir(&logs)
            .env_remove("GOOGLE_PLACES_API_KEY")
            .stdin(Stdio::null())
            .stdout(output("out"))
            .stderr(output("err"))
            .spawn()
            .expect("the program starts");
        *self.child.borrow_mut() = Some(child);
    }

    /// Where this life writes.
    fn logs(&self) -> PathBuf {
        self.directory.join(format!("{}-{}", self.name, self.life.get()))
    }

    /// Its life, if it runs.
    pub(crate) fn life(&self) -> Option<Life> {
        self.child.borrow().is_some().then(|| self.life.get())
    }

    /// The number of its present life, or of its last one.
    pub(crate) fn current(&self) -> Rc<Cell<Life>> {
        self.life.clone()
    }

    pub(crate) fn process_id(&self) -> Option<u32> {
        self.child.borrow().as_ref().map(Child::id)
    }

    /// How it says that it is.
    pub(crate) fn status(&self) -> Option<serde_json::Value> {
        let mut command = Command::new(env!("CARGO_BIN_EXE_proxyherd"));
        command.args(["status", "--json", "--server", self.name, "--config"]).arg(&self.config);
        serde_json::from_slice(&command.output().ok()?.stdout).ok()
    }

    pub(crate) fn signal(&self, signal: &str) {
        if let Some(id) = self.process_id() {
            let _ = Command::new("kill").args(["-s", signal, &id.to_string()]).status(); // It may have ended.
        }
    }

    pub(crate) fn freeze(&self, frozen: bool) {
        if self.is_frozen.replace(frozen) != frozen {
            self.signal(if frozen { "STOP" } else { "CONT" });
        }
    }

    /// Pulls the cable of its host, or plugs it in again.
    pub(crate) fn plug(&self, is_in: bool) {
        self.network.plug(number(self.name), is_in);
    }

    /// Kills it, and waits for that.
    pub(crate) fn kill(&self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
            self.is_frozen.set(false);
            self.forget_logs();
        }
    }

    /// How it has ended, if it has.
    pub(crate) fn ended(&self) -> Option<ExitStatus> {
        let status = self.child.borrow_mut().as_mut()?.try_wait().ok()??;
        self.child.borrow_mut().take();
        Some(status)
    }

    /// What it wrote on standard error, or into its log, that no server should write.
    pub(crate) fn complaints(&self) -> Vec<String> {
        let files = fs::read_dir(self.logs()).into_iter().flatten().flatten();
        let texts = files.map(|file| fs::read(file.path()).unwrap_or_default());
        let mut found = Vec::new();
        for text in texts {
            let text = String::from_utf8_lossy(&text).into_owned();
            found.extend(
                text.lines().filter(|line| line.contains("panicked") || line.contains(" ERROR ")).map(str::to_owned),
            );
        }
        found
    }

    /// A run of an hour must not fill the disk.
    pub(crate) fn forget_logs(&self) {
        let _ = fs::remove_dir_all(self.logs());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}
