//! When a request reaches its steps.

use super::{SECOND, agent, forward, get, with_clock};
use reactor::Context;
use reactor::http::server::{HttpServer, Request, Response};
use reactor::http::{RequestStep, RequestTiming};

const STEPS: [RequestStep; 5] =
    [RequestStep::Asked, RequestStep::Connecting, RequestStep::Connected, RequestStep::Ready, RequestStep::Head];

#[test]
fn a_request_notes_its_steps_in_the_context_that_asks() {
    let (reactor, hooks) = with_clock();
    let server = HttpServer::new(&reactor, move |_request: Request| {
        forward(&hooks, SECOND); // The service thinks for a second.
        Response::text("hello")
    });
    let port = reactor.listen_tcp("127.0.0.1:0", server.factory()).unwrap();
    let (url, agent) = (format!("http://{}/", port.host()), agent(&reactor, |_| {}));
    let contexts = [(); 2].map(|()| Context::empty().with(RequestTiming::default()));
    let [first, second] = contexts.clone();
    let fetched = first.run(|| agent.fetch(get(&url)));
    // Without a context it notes nothing, and works.
    let fetched = fetched.add_callback(move |_| {
        let again = second.run(|| agent.fetch(get(&url)));
        again.add_callback(move |_| agent.fetch(get(&url)))
    });
    reactor.run_until(fetched).unwrap();
    let [first, second] = contexts.map(|context| {
        let timing = context.get::<RequestTiming>().unwrap();
        STEPS.map(|step| timing.when(step))
    });
    assert!(first.iter().all(Option::is_some) && first.is_sorted(), "{first:?}");
    assert!(first[4] >= first[3].map(|ready| ready + SECOND), "{first:?}");
    let [asked, connecting, connected, ready, head] = second;
    assert_eq!((connecting, connected), (None, None), "the connection was kept");
    assert!(asked >= first[4] && asked <= ready && ready < head, "{asked:?} {ready:?} {head:?}");
}
