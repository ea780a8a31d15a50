//! The Agent of `reactor`, with its default pool and deadlines.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::mpsc;
use std::thread;

use reactor::http::{Agent, Page, Request, Url};
use reactor::tls::TrustRoots;
use reactor::{Reactor, ReactorHandle};

use crate::nginx::Nginx;
use crate::{Client, Spent, cpu};

/// A reactor on a thread of its own, because a reactor that stops closes its connections.
pub struct Ours {
    reactor: ReactorHandle,
    base: String,
}

thread_local!(static AGENT: RefCell<Option<(Reactor, Agent)>> = const { RefCell::new(None) });

impl Ours {
    pub fn connect(nginx: &Nginx) -> Result<Ours, Box<dyn std::error::Error>> {
        let certificate = nginx.certificate.clone();
        let (sender, receiver) = mpsc::channel();
        thread::spawn(move || {
            let served = serve(&certificate, &sender);
            if let Err(error) = served {
                eprintln!("https-bench: {error}");
            }
        });
        Ok(Ours { reactor: receiver.recv()?, base: format!("https://{}", nginx.address) })
    }
}

fn serve(certificate: &str, ready: &mpsc::Sender<ReactorHandle>) -> Result<(), Box<dyn std::error::Error>> {
    let reactor = Reactor::new()?;
    let mut roots = TrustRoots::none();
    roots.add_pem(certificate.as_bytes(), "the certificate of the run")?;
    let agent = Agent::new(&reactor, &roots)?;
    AGENT.set(Some((reactor.clone(), agent)));
    ready.send(reactor.handle())?;
    Ok(reactor.run()?)
}

/// One GET after the other.
struct Run {
    agent: Agent,
    url: Url,
    left: usize,
    /// CPU time before the first one.
    before: u64,
    bytes: usize,
    done: mpsc::Sender<Result<Spent, String>>,
}

fn next(run: Rc<RefCell<Run>>) {
    let fetched = {
        let run = run.borrow();
        if run.left == 0 {
            let spent = cpu().map(|now| Spent { bytes: run.bytes, nanos: now - run.before });
            let _ = run.done.send(spent.map_err(|error| error.to_string())); // Refused if the other side has failed: then nothing waits for it.
            return;
        }
        run.agent.fetch(Request::get(run.url.clone()))
    };
    let chain = fetched.add_callback(Page::into_body).add_both(move |answer| match answer {
        Ok(body) => {
            run.borrow_mut().left -= 1;
            run.borrow_mut().bytes += body.len();
            next(run);
        }
        Err(failure) => drop(run.borrow().done.send(Err(failure.to_string()))),
    });
    drop(chain);
}

impl Client for Ours {
    fn get(&mut self, path: &str, times: usize) -> Result<Spent, Box<dyn std::error::Error>> {
        let url = format!("{}{path}", self.base);
        let (done, receiver) = mpsc::channel();
        self.reactor.call_from_thread(move |_| {
            let agent = AGENT.with_borrow(|agent| agent.as_ref().map(|(_, agent)| agent.clone()));
            let (Some(agent), Ok(url), Ok(before)) = (agent, url.parse(), cpu()) else { return };
            next(Rc::new(RefCell::new(Run { agent, url, left: times, before, bytes: 0, done })));
        })?;
        Ok(receiver.recv()??)
    }
}
