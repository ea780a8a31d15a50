//! The order of the folders in a folder is the one that its introduction promises, in a table.

use crate::circles::{contents, crates, folders};
use crate::repo::{Source, none};

/// What stands before such a table.
const PROMISE: &str = "each uses only those listed before it:";

/// In a table: the files that stand in the folder itself.
const FILES: &str = "this one";

#[test]
fn folders_use_only_those_that_are_listed_before_them() {
    let (mut broken, mut promises) = (Vec::new(), Vec::new());
    for imports in crates() {
        for folder in folders(imports) {
            let introduction = format!("{folder}/{}", imports.introduction_of(&folder));
            let Some(order) = imports.files().find(|file| file.path == introduction).and_then(promised_order) else {
                continue;
            };
            let place = |name: &String| {
                let row = if name.ends_with('/') { name } else { FILES };
                order.iter().position(|listed| listed == row)
            };
            for (from, uses) in contents(imports, &folder) {
                for to in uses {
                    match (place(&from), place(&to)) {
                        (Some(from), Some(to)) if to <= from => {}
                        (Some(_), Some(_)) => broken.push(format!("{folder}: {from} uses {to}, which stands below it")),
                        (None, _) => broken.push(format!("{introduction} does not list {from}")),
                        (_, None) => broken.push(format!("{introduction} does not list {to}")),
                    }
                }
            }
            promises.push(folder);
        }
    }
    none("the order that the introduction promises", &broken);
    assert_eq!(promises, ["reactor/src/deferred", "src/bin/herdsim"], "is this test blind?");
}

/// The first column of the table that follows the promise, without backticks.
fn promised_order(file: &Source) -> Option<Vec<String>> {
    let introduction = file.introduction();
    let (_, rest) = introduction.split_once(PROMISE)?;
    let rows = rest.trim_start().lines().take_while(|line| line.starts_with('|')).skip(2);
    Some(rows.filter_map(|row| Some(row.split('|').nth(1)?.trim().trim_matches('`').to_owned())).collect())
}

#[test]
fn an_order_is_read() {
    let text =
        "//! Rooms; each uses only those listed before it:\n//!\n//! | Folder | |\n//! |---|---|\n//! | `a/` | x |\n\
                //! | this one | y |\n//!\n//! | no |\n"
            .to_owned();
    assert_eq!(promised_order(&Source { path: "x/mod.rs".to_owned(), text }).unwrap(), ["a/", "this one"]);
}
