//! What one client says, the others hear. Beside `examples/06_chat.rs`.
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{self, Sender};

type Room = Arc<Mutex<HashMap<SocketAddr, Sender<String>>>>;

async fn talk(stream: TcpStream, peer: SocketAddr, room: &Room) -> std::io::Result<()> {
    let (reader, mut writer) = stream.into_split();
    let mut lines = BufReader::new(reader).lines();
    let (sender, mut inbox) = mpsc::channel::<String>(1000);
    let others = {
        let mut room = room.lock().unwrap();
        room.insert(peer, sender);
        room.len() - 1
    };
    writer.write_all(format!("{others} others are here\n").as_bytes()).await?;
    loop {
        tokio::select! {
            line = lines.next_line() => {
                let Some(line) = line? else { return Ok(()) };
                for (_, client) in room.lock().unwrap().iter().filter(|(client, _)| **client != peer) {
                    let _ = client.try_send(format!("{line}\n")); // A client that does not read misses it.
                }
            }
            Some(line) = inbox.recv() => writer.write_all(line.as_bytes()).await?,
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or("127.0.0.1:1025".to_owned());
    let (listener, room) = (TcpListener::bind(address).await?, Room::default());
    println!("listening on {}", listener.local_addr()?);
    loop {
        let ((stream, peer), room) = (listener.accept().await?, room.clone());
        tokio::spawn(async move {
            let _ = talk(stream, peer, &room).await;
            room.lock().unwrap().remove(&peer);
        });
    }
}
