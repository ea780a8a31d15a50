//! A line echo on monoio, so on io_uring: each whole line goes back, all lines of one read in one write.
//! `monoio-peer PORT` listens on 127.0.0.1.

use memchr::memrchr;
use monoio::io::{AsyncReadRent, AsyncWriteRentExt};
use monoio::net::{ListenerOpts, TcpListener, TcpStream};

const BUFFER: usize = 16 * 1024;
const MAX_LINE: usize = 64 * 1024;

fn main() -> std::io::Result<()> {
    let port = std::env::args().nth(1).expect("usage: monoio-peer PORT");
    let mut runtime = monoio::RuntimeBuilder::<monoio::IoUringDriver>::new().with_entries(4096).build()?;
    runtime.block_on(async {
        let options = ListenerOpts::new().reuse_addr(true).backlog(1024);
        let listener = TcpListener::bind_with_config(format!("127.0.0.1:{port}"), &options)?;
        loop {
            let (stream, _) = listener.accept().await?;
            // A reset ends one connection, and nobody has to be told.
            monoio::spawn(async move { drop(echo(stream).await) });
        }
    })
}

async fn echo(mut stream: TcpStream) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = Vec::with_capacity(BUFFER);
    let mut output = Vec::with_capacity(BUFFER);
    let mut rest = Vec::new();
    loop {
        let (result, bytes) = stream.read(buffer).await;
        buffer = bytes;
        if result? == 0 {
            return Ok(());
        }
        match memrchr(b'\n', &buffer) {
            Some(end) => {
                output.extend_from_slice(&rest);
                output.extend_from_slice(&buffer[..=end]);
                rest.clear();
                rest.extend_from_slice(&buffer[end + 1..]);
                let (result, bytes) = stream.write_all(output).await;
                output = bytes;
                result?;
                output.clear();
            }
            None => rest.extend_from_slice(&buffer),
        }
        if rest.len() > MAX_LINE {
            return Ok(());
        }
        buffer.clear();
    }
}
