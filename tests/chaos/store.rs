//! [`Store`]: a real `redis-server` beside the herd. It may be frozen, or killed and started again.

use std::cell::RefCell;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// It writes all to disk before it answers, so a kill loses nothing that it has confirmed.
pub(crate) const ON_DISK: &[&str] = &["--appendonly", "yes", "--appendfsync", "always"];

/// It does not wait for the disk: what is measured is the herd.
pub(crate) const IN_MEMORY: &[&str] = &["--appendonly", "no"];

pub(crate) struct Store {
    address: Ipv4Addr,
    port: u16,
    keeps: &'static [&'static str],
    directory: PathBuf,
    child: RefCell<Option<Child>>,
}

impl Store {
    /// A store that keeps what it has [`ON_DISK`] or [`IN_MEMORY`]. `None` if there is no `redis-server`.
    pub(crate) fn start(
        address: Ipv4Addr,
        port: u16,
        keeps: &'static [&'static str],
        directory: &Path,
    ) -> Option<Store> {
        let store = Store { address, port, keeps, directory: directory.to_owned(), child: RefCell::default() };
        store.run().then_some(store)
    }

    /// Starts it, if it does not run. Returns whether it runs.
    pub(crate) fn run(&self) -> bool {
        let mut child = self.child.borrow_mut();
        if child.is_none() {
            let started = Command::new("redis-server")
                .args(["--bind", &self.address.to_string(), "--port", &self.port.to_string(), "--save", ""])
                .args(["--protected-mode", "no"])
                .args(self.keeps)
                .arg("--dir")
                .arg(&self.directory)
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn();
            *child = started.ok();
        }
        child.is_some()
    }

    pub(crate) fn kill(&self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill(); // It may have ended.
            let _ = child.wait();
        }
    }

    pub(crate) fn freeze(&self, frozen: bool) {
        if let Some(child) = &*self.child.borrow() {
            let signal = if frozen { "STOP" } else { "CONT" };
            let _ = Command::new("kill").args(["-s", signal, &child.id().to_string()]).status(); // It may have ended.
        }
    }

    /// What the configuration of a herd says about it.
    pub(crate) fn settings(&self) -> String {
        format!("[store]\nnodes = [\"{}:{}\"]\n", self.address, self.port)
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.kill();
    }
}
