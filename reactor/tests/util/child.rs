//! Tests that change their whole process run in a process of their own: this same program, asked for that one test.

use std::process::Command;

const CHILD: &str = "REACTOR_TEST_CHILD";

/// Gives HUP, INT and TERM their usual action, where `env` can, and runs the script that follows. The tests may run
/// under nohup or in the background of a script, and a signal that is ignored there is inherited.
const USUAL: &str =
    "usual='env --default-signal=HUP,INT,TERM'; $usual true 2>/dev/null || usual=; exec $usual sh -c \"$@\"";

/// Runs `work` in a child process in which `limits` (shell commands) hold; `name` is the test that calls this.
#[track_caller]
pub(crate) fn in_child(name: &str, limits: &str, work: impl FnOnce()) {
    if std::env::var(CHILD).is_ok_and(|child| child == name) {
        return work();
    }
    let output = Command::new("sh")
        .args(["-c", USUAL, "sh", &format!("{limits} && exec \"$0\" \"$@\"")])
        .arg(std::env::current_exe().unwrap())
        .args([name, "--exact", "--nocapture", "--test-threads=1"])
        .env(CHILD, name)
        .output()
        .unwrap();
    let told = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).join("\n");
    assert!(output.status.success(), "in the child: {}\n{told}", output.status);
    assert!(told.contains("1 passed"), "the child ran something else:\n{told}");
}
