//! The keeper, with base stations over UDP on the loopback and daemons that die.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod common;

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use basalt_sctp::keeper::{AssociationId, Client, Error, KeeperEvent, ServeConfig, Uplink, serve_until};
use basalt_sctp::{Backend, CloseReason, Config, Event, Message, SctpAssociation, SendError};
use common::{config, message, octets, soon, until};
use tokio::sync::oneshot;

/// A keeper on a thread of its own, as in its process.
struct Keeper {
    dir: tempfile::TempDir,
    udp: u16,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<Result<(), Error>>>,
}

impl Keeper {
    async fn start(udp: u16, buffer: usize) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("keeper.sock");
        let (stop, stopped) = oneshot::channel();
        let listener = Config { backend: Backend::Udp { port: udp }, port: 36412, ..config("127.0.0.1") };
        let serve = ServeConfig { uplink_buffer: buffer, ..ServeConfig::new([listener]) };
        let thread = std::thread::spawn(move || {
            let stop = async {
                let _ = stopped.await;
            };
            tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap()
                .block_on(serve_until(serve, &socket, stop))
        });
        let keeper = Self { dir, udp, stop: Some(stop), thread: Some(thread) };
        until("the keeper answers", || UnixStream::connect(keeper.socket()).is_ok()).await;
        keeper
    }

    fn socket(&self) -> PathBuf {
        self.dir.path().join("keeper.sock")
    }

    async fn base_station(&self) -> SctpAssociation {
        let client = Config { remote_udp_port: self.udp, ..config("127.0.0.2") };
        let address: SocketAddr = "127.0.0.1:36412".parse().unwrap();
        soon(SctpAssociation::connect(client, &[address])).await.unwrap()
    }

    fn finish(mut self) {
        drop(self.stop.take());
        self.thread.take().unwrap().join().unwrap().unwrap();
    }
}

async fn connect(keeper: &Keeper) -> (Client, basalt_sctp::keeper::Welcome) {
    soon(Client::connect(&keeper.socket())).await.unwrap()
}

async fn up(client: &mut Client) -> AssociationId {
    let uplink = soon(client.recv()).await.unwrap();
    client.ack(uplink.seq);
    match uplink.event {
        KeeperEvent::Up(live) => live.id,
        other => panic!("{other:?}"),
    }
}

fn payload(uplink: &Uplink) -> &[u8] {
    match &uplink.event {
        KeeperEvent::Message { message, .. } => &message.payload,
        other => panic!("{other:?}"),
    }
}

fn s1ap(payload: impl Into<bytes::Bytes>) -> Message {
    Message::new(1, 18, payload)
}

#[tokio::test]
async fn an_association_from_beginning_to_end() {
    let keeper = Keeper::start(29_001, 1 << 20).await;
    let (mut client, welcome) = connect(&keeper).await;
    assert_eq!(welcome.listening, ["127.0.0.1:36412".parse().unwrap()]);
    assert!(welcome.live.is_empty());
    let mut enb = keeper.base_station().await;
    let id = up(&mut client).await;
    enb.send(s1ap(octets(50_000, 1))).await.unwrap();
    let got = soon(client.recv()).await.unwrap();
    assert_eq!(payload(&got), octets(50_000, 1));
    client.send(id, s1ap(octets(60_000, 2))).await.unwrap();
    client.flush().await.unwrap();
    assert_eq!(message(&mut enb).await, s1ap(octets(60_000, 2)));
    let (_, welcome) = connect(&keeper).await;
    assert_eq!(welcome.live.len(), 1);
    assert_eq!(welcome.live[0].peer.primary.ip(), common::ip("127.0.0.2"));
    drop(enb);
    keeper.finish();
}

#[tokio::test]
async fn what_a_dead_daemon_did_not_acknowledge_comes_again() {
    let keeper = Keeper::start(29_002, 1 << 20).await;
    let mut enb = keeper.base_station().await;
    let (mut first, _) = connect(&keeper).await;
    let id = up(&mut first).await;
    for n in 0..100 {
        enb.send(s1ap(vec![n])).await.unwrap();
    }
    let mut seen = Vec::new();
    while seen.len() < 60 {
        seen.push(soon(first.recv()).await.unwrap());
    }
    first.ack(seen[39].seq);
    first.try_send(id, s1ap(vec![200])).unwrap();
    soon(first.flush()).await.unwrap();
    drop(first);

    let (mut second, welcome) = connect(&keeper).await;
    assert_eq!(welcome.acked, seen[39].seq);
    assert_eq!(welcome.live.iter().map(|live| live.id).collect::<Vec<_>>(), [id]);
    for n in 40..100 {
        let uplink = soon(second.recv()).await.unwrap();
        assert_eq!((uplink.seq, payload(&uplink)), (welcome.acked + u64::from(n) - 39, &[n][..]));
    }
    // What the first one handed over before it died has been sent, once.
    assert_eq!(message(&mut enb).await.payload, [200][..]);
    second.try_send(id, s1ap(vec![201])).unwrap();
    second.flush().await.unwrap();
    assert_eq!(message(&mut enb).await.payload, [201][..]);
    keeper.finish();
}

#[tokio::test]
async fn an_end_that_nobody_saw_is_told_to_the_next() {
    let keeper = Keeper::start(29_003, 1 << 20).await;
    let (mut first, _) = connect(&keeper).await;
    let enb = keeper.base_station().await;
    let id = up(&mut first).await;
    soon(first.flush()).await.unwrap();
    drop(first);
    enb.send(s1ap(vec![1])).await.unwrap();
    enb.abort("gone");
    // Both may come before or after the next daemon does; the order of events is the same.
    let (mut second, welcome) = connect(&keeper).await;
    assert_eq!(welcome.live.len(), 1);
    let mut events = Vec::new();
    while !matches!(events.last(), Some(KeeperEvent::Down { .. })) {
        events.push(soon(second.recv()).await.unwrap().event);
    }
    match events.last().unwrap() {
        KeeperEvent::Down { id: gone, reason: CloseReason::PeerAbort(_) } => assert_eq!(*gone, id),
        other => panic!("{other:?}"),
    }
    let (_, error) = second.try_send(id, s1ap(vec![1])).unwrap_err();
    assert!(matches!(error, SendError::Closed(_)));
    keeper.finish();
}

#[tokio::test]
async fn without_a_daemon_the_peer_is_stopped_and_nothing_is_lost() {
    let keeper = Keeper::start(29_004, 200_000).await;
    let enb = keeper.base_station().await;
    let (enb, _receiver) = enb.split();
    let mut sent = 0_u32;
    let mut stopped = 0;
    while stopped < 60 {
        let mut payload = sent.to_be_bytes().to_vec();
        payload.resize(1000, 0);
        match enb.try_send(s1ap(payload)) {
            Ok(()) => (sent, stopped) = (sent + 1, 0),
            Err((_, SendError::Full)) => {
                stopped += 1;
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
            Err((_, error)) => panic!("{error}"),
        }
        assert!(sent < 5000, "never stopped");
    }
    let (mut client, _) = connect(&keeper).await;
    up(&mut client).await;
    let mut batch = Vec::new();
    let mut next = 0;
    while next < sent {
        soon(client.recv_many(&mut batch, 50)).await.unwrap();
        for uplink in batch.drain(..) {
            assert_eq!(payload(&uplink)[..4], next.to_be_bytes());
            next += 1;
            client.ack(uplink.seq);
        }
    }
    keeper.finish();
}

#[tokio::test]
async fn a_second_daemon_takes_over() {
    let keeper = Keeper::start(29_005, 1 << 20).await;
    let (mut first, _) = connect(&keeper).await;
    let _enb = keeper.base_station().await;
    up(&mut first).await;
    soon(first.flush()).await.unwrap();
    let (_second, welcome) = connect(&keeper).await;
    assert_eq!(welcome.live.len(), 1);
    assert!(matches!(soon(first.recv()).await, Err(Error::Replaced)));
    assert!(matches!(soon(first.recv()).await, Err(Error::Replaced)));
    keeper.finish();
}

/// `length | type | body`, as in `frame.rs`.
fn frame(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 1).unwrap();
    [&length.to_be_bytes()[..], &[kind], body].concat()
}

#[tokio::test]
async fn a_daemon_that_dies_in_the_middle_of_a_frame_costs_nothing() {
    let keeper = Keeper::start(29_006, 1 << 20).await;
    let mut enb = keeper.base_station().await;
    let (mut client, _) = connect(&keeper).await;
    let id = up(&mut client).await;
    soon(client.flush()).await.unwrap();
    drop(client);
    let mut raw = UnixStream::connect(keeper.socket()).unwrap();
    raw.write_all(&frame(1, b"BSKP\0\x01")).unwrap();
    let send = frame(2, &[&1_u64.to_be_bytes()[..], &[0, 1, 0, 0, 0, 18, 0, 7]].concat());
    raw.write_all(&send).unwrap();
    raw.write_all(&send[..send.len() - 1]).unwrap();
    drop(raw);
    assert_eq!(message(&mut enb).await.payload, [7][..]);
    let (mut client, _) = connect(&keeper).await;
    client.try_send(id, s1ap(vec![8])).unwrap();
    client.flush().await.unwrap();
    assert_eq!(message(&mut enb).await.payload, [8][..]);
    keeper.finish();
}

#[tokio::test]
async fn strangers_and_other_versions_are_turned_away() {
    let keeper = Keeper::start(29_007, 1 << 20).await;
    let (mut client, _) = connect(&keeper).await;
    let mut raw = UnixStream::connect(keeper.socket()).unwrap();
    raw.write_all(&frame(1, b"BSKP\0\x09")).unwrap();
    let mut answer = Vec::new();
    raw.read_to_end(&mut answer).unwrap();
    assert_eq!(answer, frame(130, &[0, 1]));
    let mut raw = UnixStream::connect(keeper.socket()).unwrap();
    raw.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    raw.read_to_end(&mut Vec::new()).unwrap();
    // The daemon that is served noticed nothing.
    let _enb = keeper.base_station().await;
    up(&mut client).await;
    keeper.finish();
}

#[tokio::test]
async fn another_user_is_turned_away() {
    // SAFETY: cannot fail and touches no memory.
    if unsafe { libc::geteuid() } != 0 {
        eprintln!("skipped: needs root to become another user");
        return;
    }
    use std::os::unix::fs::PermissionsExt;
    let keeper = Keeper::start(29_008, 1 << 20).await;
    // Let it through the file's mode and the directory's, so that only the keeper's own check is left.
    let open = std::fs::Permissions::from_mode(0o777);
    std::fs::set_permissions(keeper.dir.path(), open.clone()).unwrap();
    std::fs::set_permissions(keeper.socket(), open).unwrap();
    let socket = keeper.socket();
    let answer = std::thread::spawn(move || {
        // SAFETY: the bare system call changes this thread only, which ends here.
        assert_eq!(unsafe { libc::syscall(libc::SYS_setresuid, 65_534, 65_534, 65_534) }, 0);
        let mut raw = UnixStream::connect(socket).unwrap();
        let written = raw.write_all(&frame(1, b"BSKP\0\x01"));
        let mut answer = Vec::new();
        // Closed in its face: depending on the moment, as end or as reset.
        let read = raw.read_to_end(&mut answer);
        (written.is_err() || read.is_err() || answer.is_empty(), answer)
    });
    let (refused, answer) = answer.join().unwrap();
    assert!(refused && answer.is_empty(), "{answer:?}");
    keeper.finish();
}

#[tokio::test]
async fn one_peer_that_takes_nothing_does_not_stop_the_others() {
    let keeper = Keeper::start(29_009, 1 << 20).await;
    let (mut client, _) = connect(&keeper).await;
    let mut slow = keeper.base_station().await;
    let slow_id = up(&mut client).await;
    let mut quick = keeper.base_station().await;
    let quick_id = up(&mut client).await;
    let mut sent = 0;
    let mut full = 0;
    while full < 40 {
        match client.try_send(slow_id, s1ap(octets(1000, sent as u8))) {
            Ok(()) => (sent, full) = (sent + 1, 0),
            Err((_, SendError::Full)) => {
                full += 1;
                let wait = std::time::Duration::from_millis(5);
                let nothing = tokio::time::timeout(wait, client.recv()).await;
                assert!(nothing.is_err(), "{nothing:?}");
            }
            Err((_, error)) => panic!("{error}"),
        }
        assert!(sent < 20_000, "never stopped");
    }
    client.try_send(quick_id, s1ap(vec![1])).unwrap();
    soon(client.flush()).await.unwrap();
    assert_eq!(message(&mut quick).await.payload, [1][..]);
    let reading = tokio::spawn(async move {
        for n in 0..=sent {
            assert_eq!(message(&mut slow).await.payload, octets(1000, n as u8));
        }
        slow
    });
    // Waits for the window that the reading opens.
    soon(client.send(slow_id, s1ap(octets(1000, sent as u8)))).await.unwrap();
    soon(client.flush()).await.unwrap();
    reading.await.unwrap();
    keeper.finish();
}

#[tokio::test]
async fn one_keeper_per_socket_and_dead_ones_are_succeeded() {
    let keeper = Keeper::start(29_010, 1 << 20).await;
    let second = async |socket: &Path, udp| {
        let listener = Config { backend: Backend::Udp { port: udp }, port: 36412, ..config("127.0.0.1") };
        serve_until(ServeConfig::new([listener]), socket, std::future::ready(())).await
    };
    let busy = second(&keeper.socket(), 29_110).await;
    assert!(matches!(busy, Err(Error::Busy)), "{busy:?}");
    let stale = keeper.dir.path().join("stale.sock");
    drop(std::os::unix::net::UnixListener::bind(&stale).unwrap());
    second(&stale, 29_111).await.unwrap();
    keeper.finish();
}

#[tokio::test]
async fn a_keeper_that_stops_takes_leave() {
    let keeper = Keeper::start(29_011, 1 << 20).await;
    let mut enb = keeper.base_station().await;
    let (mut client, _) = connect(&keeper).await;
    let id = up(&mut client).await;
    client.try_send(id, s1ap(vec![9])).unwrap();
    soon(client.flush()).await.unwrap();
    assert_eq!(message(&mut enb).await.payload, [9][..]);
    keeper.finish();
    assert_eq!(soon(enb.recv()).await, Event::Closed(CloseReason::Shutdown));
    loop {
        match soon(client.recv()).await {
            Ok(uplink) => assert!(matches!(uplink.event, KeeperEvent::Down { .. })),
            Err(error) => {
                assert!(matches!(error, Error::Disconnected), "{error}");
                return;
            }
        }
    }
}

/// A daemon in a process of its own, to be killed: echoes everything, acknowledges the first fifty messages.
#[tokio::test]
#[ignore = "started as a process by the test that kills it"]
async fn daemon_to_be_killed() {
    let socket = PathBuf::from(std::env::var_os(SOCKET).unwrap());
    let (mut client, _) = Client::connect(&socket).await.unwrap();
    let mut count = 0;
    loop {
        let uplink = client.recv().await.unwrap();
        if let KeeperEvent::Message { id, message } = uplink.event {
            client.send(id, message).await.unwrap();
            count += 1;
        }
        if count <= 50 {
            client.ack(uplink.seq);
        }
        client.flush().await.unwrap();
    }
}

const SOCKET: &str = "BASALT_TEST_KEEPER_SOCKET";

#[tokio::test]
async fn a_daemon_killed_with_kill_9_is_succeeded_without_loss() {
    let keeper = Keeper::start(29_012, 1 << 20).await;
    let mut child = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "daemon_to_be_killed", "--ignored"])
        .env(SOCKET, keeper.socket())
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let mut enb = keeper.base_station().await;
    for n in 0..80 {
        enb.send(s1ap(vec![n])).await.unwrap();
    }
    // Its echo of the last one is out: it has seen all, and acknowledged fifty.
    for n in 0..80 {
        assert_eq!(message(&mut enb).await.payload, [n][..]);
    }
    child.kill().unwrap();
    child.wait().unwrap();
    enb.send(s1ap(vec![80])).await.unwrap();
    let (mut second, welcome) = connect(&keeper).await;
    assert_eq!((welcome.live.len(), welcome.acked), (1, 51));
    for n in 50..=80 {
        assert_eq!(payload(&soon(second.recv()).await.unwrap()), [n]);
    }
    keeper.finish();
}
