//! An honest client of a server that is under attack: it reports and asks in peace, and measures how long that takes.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// How long it waits between two commands.
const PAUSE: Duration = Duration::from_millis(4);

/// After this number of reports it asks what is near, or comes on a new connection, in turn.
const OTHERWISE: u64 = 20;

/// How long it waits for anything.
const PATIENCE: Duration = Duration::from_secs(30);

/// Lets time pass. The attacker and the honest clients have no loop: a loop would measure itself, too.
pub(crate) fn wait(span: Duration) {
    let until = Instant::now() + span;
    while let Some(left) = until.checked_duration_since(Instant::now()) {
        std::thread::park_timeout(left.max(Duration::from_nanos(1)));
    }
}

/// How it went.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    reports: Vec<Duration>,
    questions: Vec<Duration>,
    /// What went wrong.
    pub(crate) refused: Vec<String>,
}

/// One connection.
struct Talk {
    stream: TcpStream,
    replies: BufReader<TcpStream>,
}

impl Talk {
    fn begin(server: SocketAddr) -> io::Result<Talk> {
        let stream = TcpStream::connect_timeout(&server, PATIENCE)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Talk { replies: BufReader::new(stream.try_clone()?), stream })
    }

    /// Says a command, and reads its reply.
    fn ask(&mut self, command: &str) -> io::Result<String> {
        self.stream.write_all(format!("{command}\n").as_bytes())?;
        let mut reply = String::new();
        let is_whole =
            |reply: &str| !command.starts_with("WHATSAT ") || reply.starts_with('?') || reply.ends_with("\n\n");
        while reply.is_empty() || !is_whole(&reply) {
            if self.replies.read_line(&mut reply)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(reply)
    }
}

/// Talks to a server for some time.
pub(crate) fn talk(server: SocketAddr, name: &str, span: Duration) -> Outcome {
    let (mut outcome, mut talk) = (Outcome::default(), None);
    let until = Instant::now() + span;
    let mut number = 0;
    while Instant::now() < until {
        wait(PAUSE);
        number += 1;
        let is_question = number % (2 * OTHERWISE) == 0;
        if number % (2 * OTHERWISE) == OTHERWISE {
            talk = None;
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let command = match is_question {
            true => format!("WHATSAT {name} 1 2"),
            false => format!("IAMAT {name} +34.0689-118.4451 {}.{:09}", now.as_secs(), now.subsec_nanos()),
        };
        let began = Instant::now();
        let said = match &mut talk {
            Some(talk) => Talk::ask(talk, &command),
            None => Talk::begin(server).and_then(|begun| talk.insert(begun).ask(&command)),
        };
        match said {
            Ok(reply) if reply.starts_with("AT ") && !reply.contains("OVER_QUERY_LIMIT") => {
                let waits = if is_question { &mut outcome.questions } else { &mut outcome.reports };
                waits.push(began.elapsed());
            }
            Ok(reply) => outcome.refused.push(format!("{command}: {}", reply.trim_end())),
            Err(error) => {
                outcome.refused.push(format!("{command}: {error}"));
                talk = None;
            }
        }
    }
    outcome.reports.sort_unstable();
    outcome.questions.sort_unstable();
    outcome
}

fn percentile(waits: &[Duration], percent: usize) -> Duration {
    waits.get(waits.len().saturating_sub(1) * percent / 100).copied().unwrap_or(PATIENCE)
}

impl Outcome {
    /// All but one command in a hundred took at most this: the longer one for reports and for questions.
    pub(crate) fn p99(&self) -> Duration {
        percentile(&self.reports, 99).max(percentile(&self.questions, 99))
    }
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let shown = |waits: &[Duration]| {
            let [p50, p99, most] = [50, 99, 100].map(|percent| percentile(waits, percent).as_secs_f64() * 1000.0);
            format!("{} in {p50:.1}/{p99:.1}/{most:.1} ms", waits.len())
        };
        let refused = self.refused.len();
        write!(f, "IAMAT {}, WHATSAT {}, {refused} refused", shown(&self.reports), shown(&self.questions))
    }
}
