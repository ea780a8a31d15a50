//! The completions for shells, for `proxyherd completions SHELL`.
//!
//! Next: `cli/check.rs`, the command that reads a configuration.

use super::usage::{COMMANDS, Command, CommandRow, Completed, OPTIONS, OptionRow, SHELLS};
use crate::config::Config;

/// The script for one of [`SHELLS`]; `None` for any other.
pub(super) fn script(shell: &str) -> Option<String> {
    match shell {
        "bash" => Some(bash()),
        "zsh" => Some(zsh()),
        "fish" => Some(fish()),
        _ => None,
    }
}

/// What may stand first: the commands and the servers of the built-in herd.
fn first_words() -> String {
    let servers = Config::default().servers.into_keys();
    let words = COMMANDS.iter().filter_map(|row| row.word.map(str::to_owned)).chain(servers);
    words.collect::<Vec<_>>().join(" ")
}

/// The long options that a command takes.
fn options_of(command: Command) -> String {
    let options = OPTIONS.iter().filter(|option| option.is_taken_by(command));
    options.map(|option| format!("--{}", option.long)).collect::<Vec<_>>().join(" ")
}

fn bash() -> String {
    let reply = |what: &str| format!("mapfile -t COMPREPLY < <(compgen {what} -- \"$word\")");
    let mut lines = vec![
        "_proxyherd() {".to_owned(),
        "    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} options".to_owned(),
        "    COMPREPLY=()".to_owned(),
        "    case $before in".to_owned(),
    ];
    for option in &OPTIONS {
        let values = match option.completed {
            Completed::Files => "-f".to_owned(),
            Completed::Directories => "-d".to_owned(),
            Completed::Words(words) => format!("-W '{}'", words.join(" ")),
            Completed::Nothing if option.value.is_some() => "-W ''".to_owned(),
            Completed::Nothing => continue,
        };
        lines.push(format!("        --{}) {}; return;;", option.long, reply(&values)));
    }
    lines.push("    esac".to_owned());
    lines.push("    case ${COMP_WORDS[1]} in".to_owned());
    // A server comes last: its pattern takes every word.
    for row in COMMANDS.iter().rev() {
        lines.push(format!("        {}) options='{}';;", row.word.unwrap_or("*"), options_of(row.command)));
    }
    lines.push("    esac".to_owned());
    let cases = [
        ("[[ $word == -* ]]".to_owned(), "-W \"$options\"".to_owned()),
        ("((COMP_CWORD == 1))".to_owned(), format!("-W '{}'", first_words())),
        (format!("[[ $before == {} ]]", word_of(Command::Check)), "-f".to_owned()),
        (format!("[[ $before == {} ]]", word_of(Command::Completions)), format!("-W '{}'", SHELLS.join(" "))),
    ];
    for (at, (condition, words)) in cases.iter().enumerate() {
        lines.push(format!("    {} {condition}; then {}", if at == 0 { "if" } else { "elif" }, reply(words)));
    }
    lines.extend(["    fi", "}", "complete -o filenames -F _proxyherd proxyherd", ""].map(str::to_owned));
    lines.join("\n")
}

/// The word that names a command.
fn word_of(command: Command) -> &'static str {
    COMMANDS.iter().find(|row| row.command == command).and_then(|row| row.word).unwrap_or_default()
}

fn zsh() -> String {
    let mut script = String::from("#compdef proxyherd\nlocal -a options\noptions=(\n");
    for option in &OPTIONS {
        let about = option.about.replace('\'', "").replace('[', "\\[").replace(']', "\\]");
        let value = match (option.value, option.completed) {
            (None, _) => String::new(),
            (Some(name), Completed::Files) => format!(":{name}:_files"),
            (Some(name), Completed::Directories) => format!(":{name}:_directories"),
            (Some(name), Completed::Words(words)) => format!(":{name}:({})", words.join(" ")),
            (Some(name), Completed::Nothing) => format!(":{name}: "),
        };
        script += &format!("    '--{}[{about}]{value}'\n", option.long);
    }
    script += &format!(")\n_arguments $options '1:command or server:({})' '*::argument:_files'\n", first_words());
    script
}

fn fish() -> String {
    let mut script = String::from("complete -c proxyherd -f\n");
    let quoted = |text: &str| text.replace('\\', "\\\\").replace('\'', "\\'");
    for row in &COMMANDS {
        let about = quoted(row.about);
        match row {
            CommandRow { word: Some(word), .. } => {
                script += &format!("complete -c proxyherd -n __fish_use_subcommand -a {word} -d '{about}'\n");
            }
            CommandRow { word: None, .. } => {
                for server in Config::default().servers.into_keys() {
                    script += &format!(
                        "complete -c proxyherd -n __fish_use_subcommand -a {server} -d 'runs the server {server}'\n"
                    );
                }
            }
        }
    }
    for OptionRow { long, short, value, completed, about, .. } in &OPTIONS {
        let short = short.map_or(String::new(), |short| format!(" -s {short}"));
        let value = match (value, completed) {
            (None, _) => String::new(),
            (Some(_), Completed::Files) => " -r -F".to_owned(),
            (Some(_), Completed::Directories) => " -x -a '(__fish_complete_directories)'".to_owned(),
            (Some(_), Completed::Words(words)) => format!(" -x -a '{}'", words.join(" ")),
            (Some(_), Completed::Nothing) => " -x".to_owned(),
        };
        script += &format!("complete -c proxyherd -l {long}{short}{value} -d '{}'\n", quoted(about));
    }
    let (check, completions) = (word_of(Command::Check), word_of(Command::Completions));
    script += &format!("complete -c proxyherd -n '__fish_seen_subcommand_from {check}' -F\n");
    let shells = SHELLS.join(" ");
    script + &format!("complete -c proxyherd -n '__fish_seen_subcommand_from {completions}' -a '{shells}'\n")
}
