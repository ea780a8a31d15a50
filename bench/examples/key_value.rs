//! A server that keeps values, and its test without a network. Beside `examples/10_key_value.rs`.
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;

const MAX_KEYS: usize = 10_000;

type Store = Rc<RefCell<HashMap<String, String>>>;

fn reply(store: &Store, line: &str) -> String {
    let mut values = store.borrow_mut();
    let reply = match line.splitn(3, ' ').collect::<Vec<_>>()[..] {
        ["get", key] => values.get(key).map_or("not set", String::as_str),
        ["set", key, _] if values.len() == MAX_KEYS && !values.contains_key(key) => "full",
        ["set", key, value] => values.insert(key.to_owned(), value.to_owned()).map_or("new", |_old| "changed"),
        _ => "say: get KEY, or: set KEY VALUE",
    };
    format!("{reply}\n")
}

async fn serve(stream: impl AsyncRead + AsyncWrite, store: Store) -> std::io::Result<()> {
    let (reader, mut writer) = tokio::io::split(stream);
    let mut lines = BufReader::new(reader).lines();
    while let Some(line) = lines.next_line().await? {
        writer.write_all(reply(&store, &line).as_bytes()).await?;
    }
    Ok(())
}

#[tokio::main(flavor = "local")]
async fn main() -> std::io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or("127.0.0.1:6380".to_owned());
    let (listener, store) = (TcpListener::bind(address).await?, Store::default());
    println!("listening on {}", listener.local_addr()?);
    loop {
        let (stream, _peer) = listener.accept().await?;
        tokio::task::spawn_local(serve(stream, store.clone()));
    }
}

#[tokio::test]
async fn clients_see_what_others_have_set() {
    let (mut client, server) = tokio::io::duplex(4096);
    let serving = serve(server, Store::default());
    let talking = async {
        let mut replies = Vec::new();
        for line in ["set color blue\n", "get color\n", "get shape\n", "set color red\n", "put\n"] {
            client.write_all(line.as_bytes()).await?;
        }
        client.shutdown().await?;
        tokio::io::AsyncReadExt::read_to_end(&mut client, &mut replies).await.map(|_| replies)
    };
    let (served, replies) = tokio::join!(serving, talking);
    served.unwrap();
    assert_eq!(replies.unwrap(), b"new\nblue\nnot set\nchanged\nsay: get KEY, or: set KEY VALUE\n");
}
