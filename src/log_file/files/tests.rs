use super::super::tests::{Directory, at};
use super::*;
use std::os::unix::fs::PermissionsExt;

const LINE: &[u8] = b"a line of twenty one\n";

fn config(total: usize, file: usize) -> LogConfig {
    LogConfig { total, file, ..LogConfig::default() }
}

#[test]
fn the_name_of_the_file_has_the_date_and_the_time() {
    assert_eq!(file_stamp(at(1_795_357_620)), "2026-11-22-142700");
}

#[test]
fn only_the_owner_can_read_a_log() {
    let directory = Directory::new();
    let mut sink = Sink::Files(Files::create(&directory.0, "Powell", &config(1000, 50), at(0)).unwrap());
    sink.write_all(&LINE.repeat(3), at(1)).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    let modes: Vec<u32> = directory.files().iter().map(|(name, _)| mode(&directory.0.join(name))).collect();
    assert_eq!(modes, [0o600, 0o600]);
}

#[test]
fn names_that_are_taken_do_not_keep_a_run_from_its_log() {
    let directory = Directory::new();
    let taken = |number: &str| directory.0.join(format!("Powell-1970-01-01-000000{number}.log"));
    std::os::unix::fs::symlink("/dev/full", taken("")).unwrap();
    for number in 2..=100 {
        fs::write(taken(&format!("-{number}")), "somebody's").unwrap();
    }
    let files = Files::create(&directory.0, "Powell", &config(1 << 20, 1 << 19), at(0)).unwrap();
    assert!(place_in_time("Powell", files.path.file_name().unwrap().to_str().unwrap()).is_some());
    assert!(fs::read(taken("-2")).unwrap() == b"somebody's");
}

#[test]
fn a_full_file_is_followed_by_the_next_and_the_oldest_go() {
    let directory = Directory::new();
    fs::write(directory.0.join("Powell-1969-01-01-000000.log"), LINE).unwrap();
    for other in ["Powell-notes.log", "Powell-1969-01-01-000000.log.1", "Powell-A-1969-01-01-000000.log"] {
        fs::write(directory.0.join(other), "not ours").unwrap();
    }
    let mut sink = Sink::Files(Files::create(&directory.0, "Powell", &config(200, 50), at(0)).unwrap());
    assert_eq!(directory.files().len(), 5, "there is room for the file of the earlier run");
    for number in 1..=9 {
        sink.write_all(&LINE.repeat(2), at(number)).unwrap();
        let ours = directory.files().into_iter().filter(|(name, _)| place_in_time("Powell", name).is_some());
        assert!(ours.map(|(_, text)| text.len()).sum::<usize>() <= 200);
    }
    let files = directory.files();
    let ours: Vec<_> = files.iter().filter(|(name, _)| place_in_time("Powell", name).is_some()).collect();
    assert_eq!(ours.last().unwrap().0, "Powell-1970-01-01-000009.log");
    assert!((3..=4).contains(&ours.len()), "{files:?}");
    assert!(ours.iter().all(|(_, text)| text.len() == 2 * LINE.len()), "lines are not cut: {files:?}");
    assert_eq!(files.iter().filter(|(_, text)| text == "not ours").count(), 3);
}

#[test]
fn a_text_larger_than_a_file_is_cut_between_lines() {
    let directory = Directory::new();
    let mut sink = Sink::Files(Files::create(&directory.0, "Powell", &config(10_000, 50), at(0)).unwrap());
    let long = [&[b'x'; 70][..], b"\n"].concat();
    sink.write_all(&[&LINE.repeat(5), &long[..], LINE].concat(), at(0)).unwrap();
    let mut lengths: Vec<usize> = directory.files().iter().map(|(_, text)| text.len()).collect();
    lengths.sort_unstable();
    assert_eq!(lengths, [21, 21, 42, 42, 71]);
}

#[test]
fn a_link_or_a_pipe_at_the_name_of_the_log_is_not_opened_again() {
    let directory = Directory::new();
    let mut sink = Sink::Files(Files::create(&directory.0, "Powell", &config(1000, 500), at(0)).unwrap());
    let Sink::Files(files) = &sink else { unreachable!() };
    let path = files.path.clone();
    fs::remove_file(&path).unwrap();
    std::os::unix::fs::symlink(directory.0.join("target"), &path).unwrap();
    assert!(sink.reopen().is_err());
    fs::remove_file(&path).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
    assert!(sink.reopen().is_err());
    sink.write_all(LINE, at(0)).unwrap(); // The old file goes on.
    fs::remove_file(&path).unwrap();
    sink.reopen().unwrap();
    sink.write_all(LINE, at(0)).unwrap();
    assert_eq!(directory.files()[0].1.as_bytes(), LINE);
}
