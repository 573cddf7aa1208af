//! A hostile or broken peer, played octet by octet over UDP.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod common;

use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use basalt_sctp::{CloseReason, Config, Event, SctpAssociation, SctpListener};
use common::{config, soon, towards};

const INIT: u8 = 1;
const INIT_ACK: u8 = 2;
const HEARTBEAT: u8 = 4;
const HEARTBEAT_ACK: u8 = 5;
const ABORT: u8 = 6;
const SHUTDOWN: u8 = 7;
const SHUTDOWN_ACK: u8 = 8;
const ERROR: u8 = 9;
const COOKIE_ECHO: u8 = 10;
const COOKIE_ACK: u8 = 11;
const SHUTDOWN_COMPLETE: u8 = 14;

/// CRC32c bit by bit, independent of the one under test.
fn crc32c(octets: &[u8]) -> u32 {
    !octets.iter().fold(!0, |crc, octet| {
        (0..8).fold(crc ^ u32::from(*octet), |crc: u32, _| (crc >> 1) ^ (0x82F6_3B78 * (crc & 1)))
    })
}

fn chunk(kind: u8, flags: u8, value: &[u8]) -> Vec<u8> {
    let length = u16::try_from(value.len() + 4).unwrap();
    let mut out = vec![kind, flags];
    out.extend(length.to_be_bytes());
    out.extend(value);
    out.resize(out.len().next_multiple_of(4), 0);
    out
}

fn packet(ports: (u16, u16), tag: u32, chunks: &[Vec<u8>]) -> Vec<u8> {
    let mut out = [ports.0.to_be_bytes(), ports.1.to_be_bytes()].concat();
    out.extend(tag.to_be_bytes());
    out.extend([0; 4]);
    out.extend(chunks.concat());
    let crc = crc32c(&out).to_le_bytes();
    out[8..12].copy_from_slice(&crc);
    out
}

fn init_value(tag: u32, out_streams: u16) -> Vec<u8> {
    let mut value = tag.to_be_bytes().to_vec();
    value.extend(100_000_u32.to_be_bytes());
    value.extend(out_streams.to_be_bytes());
    value.extend(10_u16.to_be_bytes());
    value.extend(1_u32.to_be_bytes());
    value
}

/// The hand-made peer.
struct Raw {
    socket: UdpSocket,
    server: SocketAddr,
    port: u16,
    server_port: u16,
}

/// A received packet: tag, and the first chunk's type, flags and value.
#[derive(Debug, PartialEq, Eq)]
struct Got {
    tag: u32,
    kind: u8,
    flags: u8,
    value: Vec<u8>,
}

impl Raw {
    fn new(listener: &SctpListener, local: &str) -> Self {
        let address = listener.local_addrs()[0];
        let socket = UdpSocket::bind((local, 0)).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        Self {
            socket,
            server: (address.ip(), listener.udp_port().unwrap()).into(),
            port: 7000,
            server_port: address.port(),
        }
    }

    fn send(&self, tag: u32, chunks: &[Vec<u8>]) {
        self.send_octets(&packet((self.port, self.server_port), tag, chunks));
    }

    fn send_octets(&self, octets: &[u8]) {
        self.socket.send_to(octets, self.server).unwrap();
    }

    fn receive(&self) -> Got {
        let mut octets = [0; 2000];
        let len = self.socket.recv(&mut octets).unwrap();
        let octets = &octets[..len];
        let mut zeroed = octets.to_vec();
        zeroed[8..12].fill(0);
        assert_eq!(crc32c(&zeroed).to_le_bytes(), octets[8..12]);
        let length = usize::from(u16::from_be_bytes([octets[14], octets[15]]));
        Got {
            tag: u32::from_be_bytes(octets[4..8].try_into().unwrap()),
            kind: octets[12],
            flags: octets[13],
            value: octets[16..12 + length].to_vec(),
        }
    }

    /// INIT; returns the server's tag and its cookie.
    fn init(&self, tag: u32) -> (u32, Vec<u8>) {
        self.send(0, &[chunk(INIT, 0, &init_value(tag, 10))]);
        let got = self.receive();
        assert_eq!((got.tag, got.kind), (tag, INIT_ACK));
        tag_and_cookie(&got.value)
    }

    /// The whole handshake; returns the server's tag.
    fn establish(&self, tag: u32) -> u32 {
        let (server_tag, cookie) = self.init(tag);
        self.send(server_tag, &[chunk(COOKIE_ECHO, 0, &cookie)]);
        let got = self.receive();
        assert_eq!((got.tag, got.kind), (tag, COOKIE_ACK));
        server_tag
    }

    /// Nothing came before the answer to a heartbeat out of the blue that follows now.
    fn assert_silence(&self) {
        self.send(77, &[chunk(HEARTBEAT, 0, &[0, 1, 0, 4])]);
        let got = self.receive();
        assert_eq!((got.tag, got.kind, got.flags), (77, ABORT, 1), "{got:?}");
    }
}

/// The server's tag and state cookie in an INIT ACK.
fn tag_and_cookie(init_ack: &[u8]) -> (u32, Vec<u8>) {
    let tag = u32::from_be_bytes(init_ack[..4].try_into().unwrap());
    let mut parameters = &init_ack[16..];
    loop {
        let length = usize::from(u16::from_be_bytes([parameters[2], parameters[3]]));
        if parameters[..2] == [0, 7] {
            return (tag, parameters[4..length].to_vec());
        }
        parameters = &parameters[length.next_multiple_of(4)..];
    }
}

async fn listener() -> SctpListener {
    SctpListener::bind(config("127.0.0.1")).await.unwrap()
}

/// Lets blocking socket calls of the hand-made peer run beside the runtime.
async fn blocking<T: Send + 'static>(run: impl FnOnce() -> T + Send + 'static) -> T {
    soon(tokio::task::spawn_blocking(run)).await.unwrap()
}

#[tokio::test]
async fn the_hand_made_peer_can_talk() {
    let mut listener = listener().await;
    let raw = Raw::new(&listener, "127.0.0.9");
    let data = [&[0, 0, 0, 1, 0, 3, 0, 0, 0, 0, 0, 18][..], b"hello"].concat();
    blocking(move || {
        let tag = raw.establish(5);
        raw.send(tag, &[chunk(0, 3, &data)]);
    })
    .await;
    let (mut server, peer) = soon(listener.accept()).await.unwrap();
    assert_eq!((peer.out_streams, peer.in_streams), (10, 10));
    let got = common::message(&mut server).await;
    assert_eq!((got.stream, got.ppid, &got.payload[..]), (3, 18, &b"hello"[..]));
}

#[tokio::test]
async fn a_forged_cookie_opens_nothing() {
    let listener = listener().await;
    let raw = Raw::new(&listener, "127.0.0.9");
    let thief = Raw::new(&listener, "127.0.0.10");
    blocking(move || {
        let (server_tag, cookie) = raw.init(5);
        // The stack's own cookie without the seal: what a listener that trusts its stack would take.
        raw.send(server_tag, &[chunk(COOKIE_ECHO, 0, &cookie[..48])]);
        for at in [0, 9, 47, 50, cookie.len() - 1] {
            let mut bent = cookie.clone();
            bent[at] ^= 1;
            raw.send(server_tag, &[chunk(COOKIE_ECHO, 0, &bent)]);
        }
        // A good one from an address that the INIT did not name.
        thief.send(server_tag, &[chunk(COOKIE_ECHO, 0, &cookie)]);
        thief.assert_silence();
        raw.assert_silence();
    })
    .await;
    let counters = listener.counters();
    assert_eq!((counters.bad_cookie, counters.associations), (7, 0));
}

#[tokio::test]
async fn a_flood_of_inits_leaves_nothing() {
    let listener = listener().await;
    let raw = Raw::new(&listener, "127.0.0.9");
    let (raw, before) = blocking(move || {
        flood(&raw, 2000);
        (raw, resident())
    })
    .await;
    blocking(move || flood(&raw, 30_000)).await;
    let grown = resident().saturating_sub(before);
    // An association kept for each would take over 60 MB; other tests of this process take some.
    assert!(grown < 16 << 20, "grew by {grown} octets");
    assert_eq!(listener.counters().associations, 0);
}

/// INITs from ever other ports and tags, each answered.
fn flood(raw: &Raw, count: u32) {
    for n in 1..=count {
        let port = 1024 + u16::try_from(n % 60_000).unwrap();
        let ports = (port, raw.server_port);
        raw.send_octets(&packet(ports, 0, &[chunk(INIT, 0, &init_value(n, 10))]));
        assert_eq!(raw.receive().kind, INIT_ACK);
    }
}

fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}

#[tokio::test]
async fn rules_for_packets_out_of_the_blue() {
    let listener = listener().await;
    let raw = Raw::new(&listener, "127.0.0.9");
    blocking(move || {
        raw.send(9, &[chunk(0, 3, &[0; 16])]);
        let got = raw.receive();
        assert_eq!((got.tag, got.kind, got.flags), (9, ABORT, 1));
        raw.send(10, &[chunk(SHUTDOWN_ACK, 0, &[])]);
        let got = raw.receive();
        assert_eq!((got.tag, got.kind, got.flags), (10, SHUTDOWN_COMPLETE, 1));
        for silent in [ABORT, ERROR, COOKIE_ACK, SHUTDOWN_COMPLETE] {
            raw.send(11, &[chunk(silent, 0, &[])]);
        }
        raw.assert_silence();
        // A port of nobody, or of another process.
        raw.send_octets(&packet((7000, raw.server_port ^ 1), 12, &[chunk(0, 3, &[0; 16])]));
        raw.assert_silence();
    })
    .await;
}

#[tokio::test]
async fn malformed_inits() {
    let listener = listener().await;
    let raw = Raw::new(&listener, "127.0.0.9");
    blocking(move || {
        let good = chunk(INIT, 0, &init_value(5, 10));
        raw.send(1, std::slice::from_ref(&good)); // RFC 9260 §8.5.1 A: the tag must be zero
        raw.send(0, &[good.clone(), good.clone()]); // and INIT alone
        raw.send(0, &[chunk(INIT, 0, &init_value(0, 10))]); // §3.3.2: no tag of its own
        raw.send(0, &[chunk(INIT, 0, &init_value(5, 10)[..9])]);
        raw.assert_silence();
        raw.send(0, &[chunk(INIT, 0, &init_value(5, 0))]); // §3.3.2: no stream
        let got = raw.receive();
        assert_eq!((got.tag, got.kind, got.flags), (5, ABORT, 0));
        let mut damaged = packet((7000, raw.server_port), 0, &[good]);
        damaged[20] ^= 1;
        raw.send_octets(&damaged);
        raw.assert_silence();
    })
    .await;
    assert_eq!(listener.counters().bad_checksum, 1);
}

#[tokio::test]
async fn an_init_to_a_clients_port_is_refused() {
    let mut server = listener().await;
    let (client, address) = towards(&server, config("127.0.0.1"));
    let client = SctpAssociation::connect(client, &[address]).await.unwrap();
    let (accepted, peer) = soon(server.accept()).await.unwrap();
    // The client's UDP port is known to the server only; ask from another address for the client's SCTP port.
    let raw = Raw::new(&server, "127.0.0.9");
    let ports = (7000, peer.primary.port());
    blocking(move || {
        raw.send_octets(&packet(ports, 0, &[chunk(INIT, 0, &init_value(5, 10))]));
        raw.assert_silence();
    })
    .await;
    drop((client, accepted));
}

#[tokio::test]
async fn data_on_a_stream_that_was_not_granted_is_reported_and_dropped() {
    let mut listener = SctpListener::bind(Config { in_streams: 4, ..config("127.0.0.1") }).await.unwrap();
    let raw = Raw::new(&listener, "127.0.0.9");
    let bad = [&[0, 0, 0, 1, 0, 4, 0, 0, 0, 0, 0, 18][..], b"bad"].concat();
    let good = [&[0, 0, 0, 2, 0, 3, 0, 0, 0, 0, 0, 18][..], b"good"].concat();
    blocking(move || {
        let tag = raw.establish(5);
        raw.send(tag, &[chunk(0, 3, &bad), chunk(0, 3, &good)]);
        let got = std::iter::repeat_with(|| raw.receive()).find(|got| got.kind == ERROR);
        assert_eq!(got.unwrap().value, [0, 1, 0, 8, 0, 4, 0, 0]);
    })
    .await;
    let (mut server, _) = soon(listener.accept()).await.unwrap();
    assert_eq!(common::message(&mut server).await.payload, b"good"[..]);
}

#[tokio::test]
async fn a_shutdown_acknowledges_what_it_says() {
    let mut listener = listener().await;
    let raw = Raw::new(&listener, "127.0.0.9");
    let (raw, tag) = blocking(move || {
        let tag = raw.establish(5);
        (raw, tag)
    })
    .await;
    let (mut server, _) = soon(listener.accept()).await.unwrap();
    server.send(basalt_sctp::Message::new(0, 18, vec![1])).await.unwrap();
    blocking(move || {
        let data = raw.receive();
        assert_eq!(data.kind, 0);
        // As usrsctp does: no SACK, but the number in SHUTDOWN (RFC 9260 §9.2).
        raw.send(tag, &[chunk(SHUTDOWN, 0, &data.value[..4])]);
        assert_eq!(raw.receive().kind, SHUTDOWN_ACK);
        raw.send(tag, &[chunk(SHUTDOWN_COMPLETE, 0, &[])]);
    })
    .await;
    assert_eq!(soon(server.recv()).await, Event::Closed(CloseReason::Shutdown));
}

#[tokio::test]
async fn a_second_address_of_the_peer_is_answered_there() {
    let mut listener = listener().await;
    let raw = Raw::new(&listener, "127.0.0.9");
    let other = Raw::new(&listener, "127.0.0.10");
    blocking(move || {
        let tag = raw.establish(5);
        other.send(tag, &[chunk(HEARTBEAT, 0, &[0, 1, 0, 8, 1, 2, 3, 4])]);
        let got = other.receive();
        assert_eq!((got.tag, got.kind), (5, HEARTBEAT_ACK));
    })
    .await;
    let (server, _) = soon(listener.accept()).await.unwrap();
    assert_eq!(server.info().path, common::ip("127.0.0.9"));
}

#[tokio::test]
async fn abort_needs_the_right_tag() {
    let mut listener = listener().await;
    let raw = Raw::new(&listener, "127.0.0.9");
    let (raw, tag) = blocking(move || {
        let tag = raw.establish(5);
        raw.send(tag ^ 1, &[chunk(ABORT, 0, &[])]);
        raw.send(6, &[chunk(ABORT, 1, &[])]);
        (raw, tag)
    })
    .await;
    let (mut server, _) = soon(listener.accept()).await.unwrap();
    let reason = [&[0, 12, 0, 16][..], b"evil\x1b[2Jtext"].concat();
    raw.send(tag, &[chunk(ABORT, 0, &reason)]);
    match soon(server.recv()).await {
        Event::Closed(CloseReason::PeerAbort(why)) => {
            assert!(why.contains("evil") && !why.contains('\x1b'), "{why}");
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn garbage_costs_at_most_its_own_association() {
    let mut listener = listener().await;
    let raw = Raw::new(&listener, "127.0.0.9");
    let (client, address) = towards(&listener, config("127.0.0.1"));
    let canary = SctpAssociation::connect(client, &[address]).await.unwrap();
    let (mut server, _) = soon(listener.accept()).await.unwrap();
    let accepting = tokio::spawn(async move {
        let mut accepted = Vec::new();
        loop {
            accepted.push(listener.accept().await.unwrap());
        }
    });
    blocking(move || {
        let mut random = 0x1234_5678_u64;
        let mut draw = move || {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            u32::try_from(random >> 33).unwrap()
        };
        for round in 0..300_u32 {
            // A fresh association, then garbage with its tag: every chunk type, any content, any length.
            raw.socket.set_nonblocking(false).unwrap();
            let (server_tag, cookie) = loop {
                raw.send(0, &[chunk(INIT, 0, &init_value(round + 1, 10))]);
                let got = raw.receive();
                if got.kind == INIT_ACK && got.tag == round + 1 {
                    break tag_and_cookie(&got.value);
                }
            };
            raw.send(server_tag, &[chunk(COOKIE_ECHO, 0, &cookie)]);
            raw.socket.set_nonblocking(true).unwrap();
            for _ in 0..40 {
                let kind = [draw() % 16, draw() % 256, 0x82, 0xc0, 0xc1, 0x40][draw() as usize % 6];
                let length = draw() as usize % 60;
                let value: Vec<u8> = (0..length).map(|_| (draw() % 7) as u8).collect();
                let mut bad = chunk(kind as u8, (draw() % 4) as u8, &value);
                if draw() % 4 == 0 {
                    bad[3] = (draw() % 80) as u8;
                }
                let sent = packet((raw.port, raw.server_port), server_tag, &[bad]);
                // A full socket buffer is no reason to stop.
                let _ = raw.socket.send_to(&sent, raw.server);
            }
            while raw.socket.recv(&mut [0; 2000]).is_ok() {}
        }
    })
    .await;
    let hello = basalt_sctp::Message::new(0, 18, vec![1]);
    canary.send(hello.clone()).await.unwrap();
    assert_eq!(common::message(&mut server).await, hello);
    accepting.abort();
}
