//! A client with a time limit that tries again. Beside `examples/08_retry_client.rs`.
use std::io::{Error, ErrorKind, Result};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

async fn ask_once(server: &str) -> Result<String> {
    let mut stream = BufReader::new(TcpStream::connect(server).await?);
    stream.write_all(b"anybody there?\n").await?;
    let mut lines = stream.lines();
    lines.next_line().await?.ok_or(ErrorKind::UnexpectedEof.into())
}

async fn ask(server: &str) -> Result<String> {
    timeout(Duration::from_millis(500), ask_once(server)).await.map_err(Error::from)?
}

async fn ask_again(server: &str) -> Result<String> {
    for pause in [100, 200, 400].map(Duration::from_millis) {
        match ask(server).await {
            Ok(answer) => return Ok(answer),
            Err(error) => println!("{error}; again in {pause:?}"),
        }
        sleep(pause).await;
    }
    ask(server).await
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let server = std::env::args().nth(1).unwrap_or("127.0.0.1:8007".to_owned());
    println!("the answer: {}", ask_again(&server).await?);
    Ok(())
}
