//! One runtime, many sockets: clients ask a server on tokio, and one that is out of patience asks again.
//!
//! The server is a ROUTER that one task reads and one task per request answers: they share the socket, since all its
//! methods take `&self`. A client's `timeout` drops the future that waits, which costs no message.

#[path = "shared/ending.rs"]
mod ending;

use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use outband::{AsyncSocket, Buffer};
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

#[derive(Serialize, Deserialize)]
struct Ping {
    number: u32,
    payload: Buffer,
}

#[derive(Serialize, Deserialize)]
struct Pong {
    number: u32,
    payload: Buffer,
}

type Result<T, E = Box<dyn std::error::Error + Send + Sync>> = std::result::Result<T, E>;

const CLIENTS: u32 = 20;
const PINGS: u32 = 50;

#[tokio::main]
async fn main() -> ExitCode {
    ending::of(run().await)
}

async fn run() -> Result<()> {
    let context = zmq::Context::new();
    let server = AsyncSocket::new(context.socket(zmq::ROUTER)?)?;
    server.with_socket(|socket| socket.bind("tcp://127.0.0.1:*"))?;
    let address = server.with_socket(|socket| socket.get_last_endpoint())?.map_err(|_| "the address is no text")?;
    let serving = tokio::spawn(serve(Arc::new(server)));

    let mut clients = JoinSet::new();
    for client in 0..CLIENTS {
        let socket = context.socket(zmq::DEALER)?;
        socket.set_rcvtimeo(10_000)?;
        socket.connect(&address)?;
        clients.spawn(ping(AsyncSocket::new(socket)?, client));
    }
    let mut waits = 0;
    while let Some(client) = clients.join_next().await {
        waits += client??;
    }
    writeln!(
        io::stdout(),
        "{} pings came back; {waits} times a client had something else to do meanwhile",
        CLIENTS * PINGS
    )?;
    serving.abort(); // it waits for the next ping
    Ok(())
}

async fn serve(server: Arc<AsyncSocket>) -> Result<()> {
    loop {
        let (client, Ping { number, payload }): (_, Ping) = server.recv_obj_from().await?;
        let server = server.clone();
        tokio::spawn(async move {
            sleep(Duration::from_millis(u64::from(number % 5))).await; // real work, which holds up nobody else
            server.send_obj_to(&client, &Pong { number, payload }).await
        });
    }
}

/// Sends pings; returns how often it stopped waiting for a pong to do something else.
async fn ping(socket: AsyncSocket, client: u32) -> Result<u32> {
    let mut waits = 0;
    for number in 0..PINGS {
        let payload = Buffer::from_vec(vec![client; 10_000]); // 40 kB: a frame of its own
        socket.send_obj(&Ping { number, payload: payload.clone() }).await?;
        let pong: Pong = loop {
            match timeout(Duration::from_millis(2), socket.recv_obj()).await {
                Ok(pong) => break pong?,
                Err(_) => waits += 1, // the dropped receive has taken nothing off the socket
            }
        };
        assert_eq!((pong.number, &pong.payload), (number, &payload));
    }
    Ok(waits)
}
