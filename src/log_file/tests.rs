use super::*;
use log::Level;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// A directory for one test, removed at its end.
pub(super) struct Directory(pub(super) PathBuf);

impl Directory {
    pub(super) fn new() -> Directory {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("proxyherd-log-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Directory(path)
    }

    /// The names and contents of its files, sorted.
    pub(super) fn files(&self) -> Vec<(String, String)> {
        let entries = std::fs::read_dir(&self.0).unwrap().map(Result::unwrap);
        let read = |path: PathBuf| std::fs::read_to_string(path).unwrap_or_default();
        let mut files: Vec<(String, String)> =
            entries.map(|entry| (entry.file_name().into_string().unwrap(), read(entry.path()))).collect();
        files.sort();
        files
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

pub(super) fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

fn create(directory: &Directory, config: &LogConfig) -> (LogFile, Logger) {
    let log = LogFile::create(&directory.0, "Powell", LevelFilter::Info, config, at(0)).unwrap();
    let logger = Logger { buffer: log.buffer.clone(), mask: None };
    (log, logger)
}

fn say(logger: &Logger, level: Level, text: &str) {
    logger.log(&Record::builder().level(level).args(format_args!("{text}")).build());
}

#[test]
fn at_the_end_every_message_is_in_the_file_on_a_line_of_its_own() {
    let directory = Directory::new();
    let (log, logger) = create(&directory, &LogConfig::default());
    for number in 0..10_000 {
        say(&logger, Level::Info, &format!("line {number}\n\u{1b}x\u{202e}"));
    }
    say(&logger, Level::Debug, "not this one");
    log.finish();
    let (name, text) = directory.files().remove(0);
    assert_eq!(name, "Powell-1970-01-01-000000.log");
    assert_eq!(text.lines().count(), 10_000);
    let last = text.lines().last().unwrap();
    assert!(last.ends_with("Z info  line 9999  x\\u{202e}"), "{last:?}");
}

#[test]
fn a_message_is_masked_before_it_can_be_written() {
    let directory = Directory::new();
    let (log, mut logger) = create(&directory, &LogConfig::default());
    logger.mask = Some(Box::new(|text| text.ends_with(b"secret").then(|| b"masked".to_vec())));
    say(&logger, Level::Info, "a secret");
    say(&logger, Level::Info, "nothing");
    log.finish();
    let text = directory.files().remove(0).1;
    let messages: Vec<&str> = text.lines().filter_map(|line| line.split("info  ").nth(1)).collect();
    assert_eq!(messages, ["masked", "nothing"]);
}

#[test]
fn what_one_peer_makes_the_log_hold_is_limited_and_others_lose_nothing() {
    let directory = Directory::new();
    let config = LogConfig { share: 1024, burst: 100_000, ..LogConfig::default() };
    let (log, _) = create(&directory, &config);
    let share = |address: [u8; 4]| log.buffer.shares.of(Owner::peer(Some(address.into())));
    let (loud, quiet) = (share([192, 0, 2, 1]), share([192, 0, 2, 2]));
    let add = |share: &share::Share, text: &str| {
        let write = |buffer: &mut Vec<u8>| buffer.extend_from_slice(text.as_bytes());
        log.buffer.add_from(share, at(0), Level::Info, write);
    };
    for number in 0..200_000 {
        add(&loud, "nonsense");
        if number % 1000 == 0 {
            add(&quiet, "a line of somebody else");
        }
    }
    log.finish();
    let text = directory.files().remove(0).1;
    assert_eq!(text.matches("a line of somebody else").count(), 200);
    let written = text.matches("nonsense").count();
    assert!((1_000..20_000).contains(&written), "{written}");
    let count = |line: &str| line.split("WARN  ").nth(1)?.strip_suffix(BEYOND)?.parse::<usize>().ok();
    let counted: usize = text.lines().filter_map(count).sum();
    assert_eq!(written + counted, 200_000, "what is not there is counted");
}

const BEYOND: &str = " lines of 192.0.2.1 are not here: they are beyond its share of the log";

#[test]
fn a_place_that_logs_without_end_has_a_share_too() {
    let directory = Directory::new();
    let (log, logger) = create(&directory, &LogConfig { share: 1024, burst: 10_000, ..LogConfig::default() });
    for _ in 0..10_000 {
        say(&logger, Level::Warn, "no room for the client nobody");
    }
    log.finish();
    let text = directory.files().remove(0).1;
    assert!(text.len() < 100_000 && text.contains(" lines of another place:0 are not here"), "{}", text.len());
}

#[test]
fn a_log_that_was_moved_away_is_opened_again_under_its_name() {
    let directory = Directory::new();
    let (log, logger) = create(&directory, &LogConfig::default());
    say(&logger, Level::Info, "before");
    let path = log.path().unwrap().to_owned();
    std::fs::rename(&path, directory.0.join("Powell.log.1")).unwrap();
    log.reopen();
    say(&logger, Level::Info, "after");
    log.finish();
    let files = directory.files();
    let [(_, new), (_, old)] = &files[..] else { panic!("{files:?}") };
    assert!(old.ends_with("before\n") && new.ends_with("after\n"), "{files:?}");
}
