//! An echo server or client over any back end, for tests between hosts. Prints one line per event.
//!
//!     sctp_peer server BACKEND LOCAL[,LOCAL] PORT
//!     sctp_peer client BACKEND LOCAL[,LOCAL] PORT PEER[,PEER] PEERPORT SIZES END [busy|idle FILE]
//!
//! BACKEND: auto, kernel, raw-ip, udp (port 9899 at both ends). SIZES: 1,200,60000. END: shutdown or abort. With FILE
//! the client then goes on echoing the last size, or keeps still, until FILE exists.

use std::error::Error;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use basalt_sctp::{
    Backend, Config, Event, Message, SctpAssociation, SctpListener, UDP_ENCAPSULATION_PORT, ppid, probe,
};

type Outcome = Result<(), Box<dyn Error>>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Outcome {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["probe"] => {
            println!("{:?}", probe());
            Ok(())
        }
        ["server", backend, local, port] => server(config(backend, local, port)?).await,
        ["client", backend, local, port, peer, peer_port, sizes, end, ref then @ ..] => {
            let peer_port: u16 = peer_port.parse()?;
            let peer = addresses(peer)?.into_iter().map(|address| SocketAddr::new(address, peer_port));
            let run = Run {
                sizes: sizes.split(',').map(str::parse).collect::<Result<_, _>>()?,
                abort: end == "abort",
                then: match then {
                    ["busy", file] => Some((true, PathBuf::from(file))),
                    ["idle", file] => Some((false, PathBuf::from(file))),
                    _ => None,
                },
            };
            client(config(backend, local, port)?, &peer.collect::<Vec<_>>(), run).await
        }
        _ => Err("see the head of sctp_peer.rs for the arguments".into()),
    }
}

struct Run {
    sizes: Vec<usize>,
    abort: bool,
    /// Whether to stay busy until the file exists.
    then: Option<(bool, PathBuf)>,
}

fn addresses(list: &str) -> Result<Vec<IpAddr>, Box<dyn Error>> {
    Ok(list.split(',').map(str::parse).collect::<Result<_, _>>()?)
}

fn config(backend: &str, local: &str, port: &str) -> Result<Config, Box<dyn Error>> {
    Ok(Config {
        backend: match backend {
            "auto" => Backend::Auto,
            "kernel" => Backend::Kernel,
            "raw-ip" => Backend::RawIp,
            "udp" => Backend::Udp { port: UDP_ENCAPSULATION_PORT },
            other => return Err(format!("no back end {other}").into()),
        },
        local: addresses(local)?,
        port: port.parse()?,
        ..Config::default()
    })
}

async fn server(config: Config) -> Outcome {
    let mut listener = SctpListener::bind(config).await?;
    println!("listening {:?} {}", listener.local_addrs(), listener.carrier().name());
    loop {
        let (association, peer) = listener.accept().await?;
        println!("up {} streams {}/{}", peer.primary, peer.out_streams, peer.in_streams);
        tokio::spawn(echo(association));
    }
}

async fn echo(association: SctpAssociation) {
    let (sender, mut receiver) = association.split();
    loop {
        match receiver.recv().await {
            Event::Message(message) => {
                println!("message {} {} {}", message.stream, message.ppid, message.payload.len());
                if let Err(error) = sender.send(message).await {
                    println!("send {error}");
                }
            }
            Event::Restarted => println!("restarted"),
            Event::PathChange(path) => println!("path {path}"),
            Event::Closed(reason) => return println!("closed {reason}"),
        }
    }
}

async fn client(config: Config, peer: &[SocketAddr], run: Run) -> Outcome {
    let mut association = SctpAssociation::connect(config, peer).await?;
    let info = association.info();
    println!("up {:?} {}", info.peer.addresses, info.carrier.name());
    for (index, size) in run.sizes.iter().enumerate() {
        let stream = u16::try_from(index)? % info.peer.out_streams;
        echoed(&mut association, stream, *size).await?;
    }
    println!("echoed");
    let last = run.sizes.last().copied().unwrap_or(1);
    if let Some((busy, file)) = run.then {
        tokio::select! {
            end = echo_on(&mut association, last), if busy => end?,
            () = appears(&file) => {}
        }
    }
    if run.abort {
        association.abort("as asked");
    } else {
        association.shutdown();
    }
    loop {
        if let Event::Closed(reason) = association.recv().await {
            println!("closed {reason}");
            return Ok(());
        }
    }
}

async fn echo_on(association: &mut SctpAssociation, size: usize) -> Outcome {
    loop {
        echoed(association, 0, size).await?;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn appears(file: &Path) {
    while !file.exists() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Sends a message and waits until it comes back.
async fn echoed(association: &mut SctpAssociation, stream: u16, size: usize) -> Outcome {
    let payload: Vec<u8> = (0..size).map(|n| n.to_le_bytes()[0].wrapping_mul(7)).collect();
    let sent = Message::new(stream, ppid::S1AP, payload);
    association.send(sent.clone()).await?;
    loop {
        match association.recv().await {
            Event::Message(got) if got.payload == sent.payload => {
                return Ok(());
            }
            Event::Message(got) => return Err(format!("another message came back: {got:?}").into()),
            Event::Restarted => println!("restarted"),
            Event::PathChange(path) => println!("path {path}"),
            Event::Closed(reason) => return Err(format!("closed {reason}").into()),
        }
    }
}
