//! Shared by the integration tests: endpoints over UDP on the loopback, and waiting with a deadline.
#![allow(dead_code, clippy::unwrap_used, clippy::panic, reason = "test helpers; each test file uses some")]

use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use basalt_sctp::{Backend, Config, Event, Message, Rto, SctpAssociation, SctpListener};

pub const DEADLINE: Duration = Duration::from_secs(30);

/// Quick timers, a free SCTP port and a free UDP port.
pub fn config(local: &str) -> Config {
    Config {
        backend: Backend::Udp { port: 0 },
        local: vec![local.parse().unwrap()],
        rto: Rto {
            initial: Duration::from_millis(200),
            min: Duration::from_millis(50),
            max: Duration::from_millis(500),
        },
        ..Config::default()
    }
}

pub fn towards(listener: &SctpListener, client: Config) -> (Config, SocketAddr) {
    let config = Config { remote_udp_port: listener.udp_port().unwrap(), ..client };
    (config, listener.local_addrs()[0])
}

/// Client and server of one association, and the listener it came through.
pub async fn pair(server: Config, client: Config) -> (SctpAssociation, SctpAssociation, SctpListener) {
    let mut listener = SctpListener::bind(server).await.unwrap();
    let (client, address) = towards(&listener, client);
    let connected = soon(SctpAssociation::connect(client, &[address])).await.unwrap();
    let (accepted, _) = soon(listener.accept()).await.unwrap();
    (connected, accepted, listener)
}

/// The result, within the deadline.
pub async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(DEADLINE, future).await.unwrap_or_else(|_| panic!("not within {DEADLINE:?}"))
}

pub async fn message(association: &mut SctpAssociation) -> Message {
    match soon(association.recv()).await {
        Event::Message(message) => message,
        other => panic!("instead of a message: {other:?}"),
    }
}

/// Waits until `condition` holds.
pub async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let end = tokio::time::Instant::now() + DEADLINE;
    while !condition() {
        assert!(tokio::time::Instant::now() < end, "never: {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

pub fn octets(len: usize, seed: u8) -> Vec<u8> {
    (0..len).map(|n| (n as u8).wrapping_mul(31).wrapping_add(seed)).collect()
}

pub fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}
