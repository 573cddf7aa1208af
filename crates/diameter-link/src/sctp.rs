//! Connections over SCTP: one message of Diameter in each of SCTP's (RFC 6733 §2.1.1).

use crate::connection::{Order, PATIENCE, QUEUE, Told};
use crate::dial::Surroundings;
use crate::settings::permitted;
use basalt_diameter::node::LinkId;
use basalt_sctp::{Config, Event, Message, SctpAssociation, SctpListener, ppid};
use std::io;
use std::net::SocketAddr;
use tokio::sync::mpsc;

/// Octets of the largest message over SCTP.
const LARGEST: usize = 128 * 1024;

pub(crate) async fn connect(around: Surroundings, address: &str, link: LinkId, orders: mpsc::Receiver<Order>) {
    let made = tokio::time::timeout(PATIENCE, dial(address)).await;
    match made.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())) {
        Ok(association) => {
            let _ = around.told.send(Told::Connected { link, names: None }).await;
            carry(link, association, orders, around.told).await;
        }
        Err(error) => {
            tracing::debug!(address, %error, "no association");
            let _ = around.told.send(Told::Closed { link }).await;
        }
    }
}

async fn dial(address: &str) -> io::Result<SctpAssociation> {
    let peers: Vec<SocketAddr> = tokio::net::lookup_host(address).await?.collect();
    let config = Config { max_message: LARGEST, ..Config::client([]) };
    SctpAssociation::connect(config, &peers).await.map_err(io::Error::other)
}

pub(crate) async fn listen(around: Surroundings, address: SocketAddr) -> io::Result<SocketAddr> {
    let local = if address.ip().is_unspecified() { Vec::new() } else { vec![address.ip()] };
    let config = Config { local, port: address.port(), max_message: LARGEST, ..Config::default() };
    let mut listener = SctpListener::bind(config).await.map_err(io::Error::other)?;
    let bound = listener.local_addrs().first().copied().unwrap_or(address);
    tokio::spawn(async move {
        while let Ok((association, peer)) = listener.accept().await {
            if !permitted(&around.accept_from, peer.primary.ip()) {
                association.abort("not permitted");
                continue;
            }
            let (sender, orders) = mpsc::channel(QUEUE);
            let link = around.number();
            if around.told.send(Told::Accepted { link, names: None, orders: sender }).await.is_err() {
                return;
            }
            tokio::spawn(carry(link, association, orders, around.told.clone()));
        }
        tracing::error!("the SCTP listener has failed");
    });
    Ok(bound)
}

async fn carry(
    link: LinkId,
    mut association: SctpAssociation,
    mut orders: mpsc::Receiver<Order>,
    told: mpsc::Sender<Told>,
) {
    loop {
        tokio::select! {
            event = association.recv() => match event {
                Event::Message(message) => {
                    let octets = message.payload.to_vec();
                    if told.send(Told::Messages { link, octets }).await.is_err() {
                        break;
                    }
                }
                // What was on its way is lost with the peer's state: it introduces itself anew.
                Event::Restarted | Event::Closed(_) => break,
                Event::PathChange(_) => {}
            },
            order = orders.recv() => match order {
                Some(Order::Send(octets) | Order::SendAndSecure { octets, .. }) => {
                    let message = Message::new(0, ppid::DIAMETER, octets);
                    let sent = tokio::time::timeout(PATIENCE, association.send(message)).await;
                    if !matches!(sent, Ok(Ok(()))) {
                        break;
                    }
                }
                Some(Order::Close) | None => break,
            },
        }
    }
    association.shutdown();
    let _ = told.send(Told::Closed { link }).await;
}
