//! The HTTP client: a layer above the loop. It connects, sets timers and keeps a pool, so it knows the reactor; what it
//! sends and receives is read and written by the sans-I/O files of [`crate::http`], which know nothing of it.

mod agent;
mod body;
mod connection;
mod error;
mod exchange;
mod origin;
mod page;
mod pool;
mod proxy;
mod reader;
mod redirect;
mod request;
mod response;
mod route;
mod settings;
mod tunnel;

pub use agent::Agent;
pub use body::{BodyEnd, BodyProtocol, BodyTransport};
pub use error::{AgentError, Party, ProxyError, RedirectError, Stage, TooManyWaiting};
pub use page::{PageGetter, get_page};
pub use proxy::Proxy;
pub use request::{Request, RequestError};
pub use response::{Page, PageError, Previous, Response};
pub use settings::{AgentSettings, Redirects};
