//! The page behind a proxy: nginx, set up as docs/page.md says.

use crate::http::{Events, read};
use crate::skip::skipped;
use crate::util::{free_port, wait_until};
use crate::{KIWI, Two};
use std::io::{BufReader, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

/// nginx; killed when dropped.
struct Nginx(Child);

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = self.0.kill(); // It may be gone already.
        let _ = self.0.wait();
    }
}

/// The block for nginx in the document, with these ports in place of those in the text.
fn block(page: u16) -> String {
    let text = include_str!("../../docs/page.md");
    let block = text.split("```nginx\n").nth(1).and_then(|rest| rest.split("```").next()).expect("a block for nginx");
    block.replace("127.0.0.1:12304", &format!("127.0.0.1:{page}"))
}

#[test]
fn behind_nginx_events_come_at_once_and_the_form_works() {
    let herd = Two::new("hosts = [\"herd.example.com\"]");
    let _powell = herd.start("Powell");
    let (port, root) = (free_port(), herd.directory.path().display());
    let config = format!(
        "daemon off; master_process off; worker_processes 1; pid {root}/pid; error_log {root}/nginx.errors;\n\
         events {{ worker_connections 64; }}\n\
         http {{\n\
             access_log off; client_body_temp_path {root}/1; proxy_temp_path {root}/2;\n\
             fastcgi_temp_path {root}/3; uwsgi_temp_path {root}/4; scgi_temp_path {root}/5;\n\
             server {{ listen 127.0.0.1:{port};\n{} }}\n\
         }}\n",
        block(herd.page(1))
    );
    let config = herd.directory.write("nginx.conf", config);
    let mut command = Command::new("nginx");
    command.args(["-e", &format!("{root}/nginx.errors"), "-c", &config]).stdout(Stdio::null());
    let _nginx = match command.spawn() {
        Ok(nginx) => Nginx(nginx),
        Err(error) => return skipped(format_args!("nginx cannot be run: {error}")),
    };
    wait_until("nginx listens", || TcpStream::connect(("127.0.0.1", port)).is_ok());
    let host = format!("Host: herd.example.com:{port}");
    let mut events = Events::open_as(port, &host);
    events.find("the herd", |event| event["kind"] == "herd");
    // As a browser sends it.
    let line = format!("IAMAT {KIWI}");
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    write!(
        stream,
        "POST /ask HTTP/1.1\r\n{host}\r\nOrigin: http://herd.example.com:{port}\r\nSec-Fetch-Site: same-origin\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n{line}",
        line.len()
    )
    .unwrap();
    let answer = read(&mut BufReader::new(stream));
    assert!(answer.status == 200 && answer.body.contains("AT Powell +"), "{answer:?}");
    // Nothing that comes after it pushes it through.
    events.find("the location", |event| event["kind"] == "heard");
}
