//! A transport gets a closure as its producer.
//!
//! rustc: is not a `Producer`
//! rustc: files and bytes have `producers::send_file` and `producers::send_bytes`

use reactor::Transport;

fn produce(transport: &Transport) {
    transport.register_producer(|| "more");
}

fn main() {
    let _ = produce;
}
