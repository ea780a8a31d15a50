//! Forwards both ways, no faster than the slower end reads. Beside `examples/09_proxy.rs`.
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};

async fn forward(mut front: TcpStream, server: &str) -> std::io::Result<()> {
    let mut back = TcpStream::connect(server).await?;
    copy_bidirectional(&mut front, &mut back).await.map(|_bytes| ())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::io::Result<()> {
    let argument = |n, default: &str| std::env::args().nth(n).unwrap_or(default.to_owned());
    let (address, server) = (argument(1, "127.0.0.1:8008"), argument(2, "127.0.0.1:8007"));
    let listener = TcpListener::bind(address).await?;
    println!("listening on {}", listener.local_addr()?);
    loop {
        let ((front, _peer), server) = (listener.accept().await?, server.clone());
        tokio::spawn(async move { forward(front, &server).await });
    }
}
