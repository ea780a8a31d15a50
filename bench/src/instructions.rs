//! How many instructions a reply to an IAMAT takes: all threads of the server, under callgrind. The same program gives the
//! same count to within some units, on whatever machine and beside whatever load.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::load::{Load, Shape, Until};
use crate::peers::herd_command;
use crate::server::{Server, free_address};
use crate::talk::Talk;

/// The numbers of requests of two runs. Their difference contains neither the start of the program nor its end.
const FEW: usize = 2_000;
const MANY: usize = 22_000;

/// Prints a row for each program, and what it takes beside the first one.
pub fn compare(programs: &[PathBuf], directory: &Path) -> io::Result<()> {
    let shapes = [1, 16].map(|in_flight| Shape { connections: 1, in_flight });
    println!("instructions for each reply");
    print!("{:<8}", "");
    shapes.iter().for_each(|shape| print!("{shape:<22}"));
    println!();
    let mut first = [[0; 2]; 2];
    for program in programs {
        println!("{}", program.display());
        for (row, logs) in [true, false].into_iter().enumerate() {
            print!("{:<8}", if logs { "logs" } else { "no log" });
            for (column, shape) in shapes.into_iter().enumerate() {
                let less = count(program, logs, shape, FEW, directory)?;
                let more = count(program, logs, shape, MANY, directory)?;
                let each = more.saturating_sub(less) / (MANY - FEW) as u64;
                if first[row][column] == 0 {
                    first[row][column] = each;
                }
                let ratio = each as f64 / first[row][column] as f64;
                print!("{:<22}", format!("{each} ({:+.1} %)", (ratio - 1.0) * 100.0));
            }
            println!();
        }
    }
    Ok(())
}

fn count(program: &Path, logs: bool, shape: Shape, requests: usize, directory: &Path) -> io::Result<u64> {
    let address = free_address()?;
    let directory = directory.join(format!("counted-{}-{logs}", address.port()));
    fs::create_dir(&directory)?;
    let command = herd_command(program, address, if logs { "info" } else { "error" }, &directory)?;
    let server = Server::counted(&command, address, &directory)?;
    Load::connect(address, shape, Talk::Iamat)?.drive(Until::Replies(requests))?;
    server.stop_counting()
}
