//! The man page and the completions, read by the programs that they are for.

use crate::util::{Directory, Process};
use std::process::{Command, Stdio};

/// What the program prints.
#[track_caller]
fn printed(arguments: &[&str]) -> String {
    let directory = Directory::new();
    let mut process = Process::spawn(directory.path(), arguments, &[]);
    assert_eq!((process.wait().code(), &*process.errors()), (Some(0), ""), "{arguments:?}");
    process.output()
}

/// Runs `program` with `input`. `None` if it is not here: the test says that it skips then.
fn pipe(program: &str, arguments: &[&str], input: &str) -> Option<(String, String)> {
    let directory = Directory::new();
    let path = directory.write("input", input);
    let input = std::fs::File::open(path).unwrap();
    let command = Command::new(program).args(arguments).stdin(input).stderr(Stdio::piped()).output();
    let Ok(output) = command else {
        crate::skip::skipped(format_args!("there is no {program} here"));
        return None;
    };
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Some((text(output.stdout), text(output.stderr)))
}

#[test]
fn the_man_page_is_right_by_groff() {
    let page = printed(&["man"]);
    let Some((shown, warnings)) = pipe("groff", &["-man", "-Tascii", "-P-cbou", "-ww"], &page) else { return };
    assert_eq!(warnings, "");
    for word in ["--log-level", "CLIENT", "SIGHUP", "provider = \"google-new\"", "exit code"] {
        assert!(shown.contains(word), "{word:?} is missing in: {shown}");
    }
}

#[test]
fn bash_completes_commands_options_and_values() {
    let script = printed(&["completions", "bash"]);
    for (words, expected) in [
        ("proxyherd Ha", "Hamilton"),
        ("proxyherd wh", "whatsat"),
        ("proxyherd Powell --log-l", "--log-level"),
        ("proxyherd Powell --log-level w", "warn"),
        ("proxyherd iamat me --j", "--json"),
        ("proxyherd Powell --j", ""),
        ("proxyherd completions f", "fish"),
    ] {
        let ask = format!(
            "{script}\nCOMP_WORDS=({words})\nCOMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))\n_proxyherd\nprintf '%s\\n' \
             \"${{COMPREPLY[*]}}\"\n"
        );
        let Some((completed, errors)) = pipe("bash", &["--norc"], &ask) else { return };
        assert_eq!((completed.trim_end(), &*errors), (expected, ""), "{words}");
    }
}

#[test]
fn zsh_and_fish_take_their_completions() {
    for (shell, arguments) in [("zsh", &["-n"][..]), ("fish", &["--no-execute"])] {
        let script = printed(&["completions", shell]);
        if let Some((_, errors)) = pipe(shell, arguments, &script) {
            assert_eq!(errors, "", "{shell}");
        }
    }
}
