//! A line echo on tokio's current-thread runtime, with one task for each connection. All lines of one read go back in one
//! write. `echo_tokio PORT` listens on 127.0.0.1.

use memchr::memrchr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const BUFFER: usize = 16 * 1024;
const MAX_LINE: usize = 64 * 1024;

fn main() -> std::io::Result<()> {
    let port = std::env::args().nth(1).expect("usage: echo_tokio PORT");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind(format!("127.0.0.1:{port}")).await?;
        loop {
            let (stream, _) = listener.accept().await?;
            // A reset ends one connection, and nobody has to be told.
            tokio::spawn(async move { drop(echo(stream).await) });
        }
    })
}

async fn echo(mut stream: TcpStream) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut bytes = Vec::with_capacity(BUFFER);
    loop {
        let old = bytes.len();
        if stream.read_buf(&mut bytes).await? == 0 {
            return Ok(());
        }
        if let Some(end) = memrchr(b'\n', &bytes[old..]).map(|at| old + at + 1) {
            stream.write_all(&bytes[..end]).await?;
            bytes.drain(..end);
        }
        if bytes.len() > MAX_LINE {
            return Ok(());
        }
    }
}
