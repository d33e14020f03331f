//! A Tokio service that keeps notes: `cargo run --example service`.
//!
//! The protocol has lines: `PUT name text`, `GET name`, `LIST`, `DEL name`. A URI says where the notes are. The tasks share
//! an `Arc<dyn AsyncFileBackend>`. The program starts the service, runs three clients, and ends.

#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use std::sync::Arc;

use f9::prelude::*;
use f9::{CreateOptions, ErrorKind};
use futures::TryStreamExt as _;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, BufWriter};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

type Notes = Arc<dyn AsyncFileBackend>;

#[tokio::main]
async fn main() -> f9::Result<()> {
    let dir = tempfile::tempdir()?;
    let notes = f9::resolve_backend(&format!("file://{}", dir.path().display())).await?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let (stop, stopped) = watch::channel(());
    let service = tokio::spawn(serve(listener, Arc::clone(&notes), stopped));

    let clients = ["anna", "ben", "cleo"].map(|name| tokio::spawn(run_client(address, name)));
    for client in futures::future::join_all(clients).await {
        client.map_err(std::io::Error::from)??;
    }
    drop(stop);
    service.await.map_err(std::io::Error::from)??;

    assert_eq!(notes.glob("*").await?, ["anna", "ben", "cleo"]);
    println!("the service has ended; its notes are still there");
    Ok(())
}

/// Accepts connections until `stopped`, and then waits for the open connections.
async fn serve(
    listener: TcpListener,
    notes: Notes,
    mut stopped: watch::Receiver<()>,
) -> f9::Result<()> {
    let mut connections = JoinSet::new();
    loop {
        let (socket, _) = tokio::select! {
            accepted = listener.accept() => accepted?,
            _ = stopped.changed() => break,
        };
        connections.spawn(answer(socket, Arc::clone(&notes)));
    }
    while let Some(connection) = connections.join_next().await {
        if let Ok(Err(error)) = connection {
            println!("a connection was lost: {error}");
        }
    }
    Ok(())
}

/// Answers one client, request by request.
async fn answer(mut socket: TcpStream, notes: Notes) -> f9::Result<()> {
    let (input, output) = socket.split();
    let (mut requests, mut output) = (BufReader::new(input).lines(), BufWriter::new(output));
    while let Some(request) = requests.next_line().await? {
        let reply = match handle(&request, &*notes).await {
            Ok(reply) => reply,
            Err(error) => error_reply(&error),
        };
        output.write_all(format!("{reply}\n").as_bytes()).await?;
        output.flush().await?;
    }
    Ok(())
}

async fn handle(request: &str, notes: &dyn AsyncFileBackend) -> f9::Result<String> {
    let (verb, rest) = request.split_once(' ').unwrap_or((request, ""));
    match verb {
        "PUT" => {
            let (name, text) = rest.split_once(' ').unwrap_or((rest, ""));
            let text = text.to_owned();
            notes.create_with(name, text, CreateOptions::overwrite()).await?;
            Ok("OK".to_owned())
        }
        "GET" => Ok(format!("OK {}", notes.read_text(rest).await?)),
        "DEL" => notes.delete(rest).await.map(|()| "OK".to_owned()),
        "LIST" => {
            let entries: Vec<_> = notes.list("").await?.try_collect().await?;
            let names: Vec<&str> = entries.iter().map(|entry| entry.path.as_str()).collect();
            Ok(format!("OK {}", names.join(" ")))
        }
        _ => Ok("400 unknown request".to_owned()),
    }
}

/// Returns the reply for an error: the text for an error of the client, and no details for any other.
fn error_reply(error: &f9::Error) -> String {
    match error.kind() {
        ErrorKind::NotFound => format!("404 {error}"),
        ErrorKind::InvalidPath
        | ErrorKind::PathEscapesRoot
        | ErrorKind::ReservedPath
        | ErrorKind::IsADirectory
        | ErrorKind::NotADirectory => format!("400 {error}"),
        _ if error.is_retryable() => "503 try again".to_owned(),
        _ => {
            println!("for the log: {error:?}");
            "500 failed".to_owned()
        }
    }
}

/// Runs one client.
async fn run_client(address: std::net::SocketAddr, name: &str) -> f9::Result<()> {
    let mut socket = TcpStream::connect(address).await?;
    let (input, mut output) = socket.split();
    let mut replies = BufReader::new(input).lines();
    let passing = format!("{name}.passing");
    for (request, expected) in [
        (format!("PUT {name} hello from {name}"), "OK".to_owned()),
        (format!("GET {name}"), format!("OK hello from {name}")),
        (format!("PUT {passing} for now"), "OK".to_owned()),
        (format!("DEL {passing}"), "OK".to_owned()),
        (format!("GET {passing}"), format!("404 cannot read `{passing}`: not found")),
        (
            "GET ../passwd".to_owned(),
            "400 cannot read `../passwd`: the path leads out of the root: `..` is not accepted"
                .to_owned(),
        ),
    ] {
        output.write_all(format!("{request}\n").as_bytes()).await?;
        let reply = replies.next_line().await?.unwrap_or_default();
        println!("{name}: {request} -> {reply}");
        assert_eq!(reply, expected);
    }
    output.write_all(b"LIST\n").await?;
    let list = replies.next_line().await?.unwrap_or_default();
    assert!(list.split(' ').any(|listed| listed == name), "{list}");
    Ok(())
}
