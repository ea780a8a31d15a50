//! WHATSAT: the herd's server asks a stand-in of the Places service over HTTPS, a local nginx on the CPU of the load.

use std::ffi::OsString;
use std::fs;
use std::io;

use crate::load::{Load, Shape, Until};
use crate::nginx::Nginx;
use crate::peers::{FLOOR, Peer, Tools, herd_command};
use crate::results::Results;
use crate::server::{Server, free_address};
use crate::talk::Talk;
use crate::work::{Effort, replies};

pub const WORK: &str = "WHATSAT";
const HERD: &str = "proxyherd";

/// Where Google has its older Nearby Search.
const PATH: &str = "/maps/api/place/nearbysearch/json";
const ANSWER: &str = include_str!("../../../tests/golden/nearby_newer.json");
/// No question waits for another one's end.
const SHAPE: Shape = Shape { connections: 30, in_flight: 1 };

pub fn measure(tools: &Tools, effort: Effort, results: &mut Results) {
    if let Err(error) = try_to_measure(tools, effort, results) {
        results.fail(WORK, HERD, &error.to_string());
    }
}

fn try_to_measure(tools: &Tools, effort: Effort, results: &mut Results) -> io::Result<()> {
    let nginx =
        Nginx::start(&[(PATH.to_owned(), ANSWER.into())]).map_err(|error| io::Error::other(error.to_string()))?;
    let server = start(tools, &nginx)?;
    // The server must know the clients before it can be asked about them.
    Load::connect(server.address, SHAPE, Talk::Iamat)?.drive(Until::Replies(30 * 20 + 1))?;
    // The AT line, the answer without its last line end, and two line ends.
    let lines = 1 + ANSWER.trim_end().matches('\n').count() + 2;
    let herd = Peer { name: HERD, talk: Talk::Whatsat { lines }, server };
    let mut peers = vec![tools.start(FLOOR)?, herd];
    replies::measure(WORK, &mut peers, &[SHAPE], effort, results);
    Ok(())
}

fn start(tools: &Tools, nginx: &Nginx) -> io::Result<Server> {
    let address = free_address()?;
    let directory = tools.scratch.join(WORK);
    fs::create_dir_all(&directory)?;
    let command: Vec<OsString> = herd_command(&tools.proxyherd, address, "error", &directory)?;
    let [key, authority] = ["key", "authority.pem"].map(|name| directory.join(name));
    fs::write(&key, "not-a-real-key")?;
    fs::write(&authority, &nginx.certificate)?;
    let config = directory.join("herd.toml");
    let places = format!(
        "\n[places]\nprovider = \"google\"\nbase_url = \"https://{}\"\nca_file = {authority:?}\nkey_file = {key:?}\n\
         max_per_minute = 100000000\nmax_per_day = 1000000000\n",
        nginx.address
    );
    fs::write(&config, fs::read_to_string(&config)? + &places)?;
    Server::start(&command, crate::machine::SERVER_CPU, address, &directory)
}
