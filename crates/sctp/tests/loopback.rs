//! Associations over UDP encapsulation on the loopback: needs no privilege.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod common;

use std::time::Duration;

use basalt_sctp::{
    CloseReason, Config, Event, Fate, Impairment, Message, SctpAssociation, SctpListener, SendError, ppid,
};
use common::{config, ip, message, octets, pair, soon, towards, until};

#[tokio::test]
async fn messages_keep_stream_identifier_and_boundaries() {
    for local in ["127.0.0.1", "::1"] {
        let (client, mut server, _listener) = pair(config(local), config(local)).await;
        for (stream, id, len) in [(0, 18, 1), (3, 60, 1399), (7, 46, 60_000), (15, 0, 5)] {
            let sent = Message::new(stream, id, octets(len, 3));
            client.send(sent.clone()).await.unwrap();
            let got = message(&mut server).await;
            assert!(got == sent, "stream {stream}, {len} octets: {got:?}");
            server.send(got).await.unwrap();
        }
        let mut client = client;
        for len in [1, 1399, 60_000, 5] {
            assert_eq!(message(&mut client).await.payload.len(), len);
        }
    }
}

#[tokio::test]
async fn information_about_the_association() {
    let server = Config { in_streams: 5, out_streams: 30, ..config("127.0.0.1") };
    let client = Config { in_streams: 12, out_streams: 8, ..config("127.0.0.2") };
    let (client, server, listener) = pair(server, client).await;
    let (ours, theirs) = (client.info(), server.info());
    assert_eq!((ours.peer.out_streams, ours.peer.in_streams), (5, 12));
    assert_eq!((theirs.peer.out_streams, theirs.peer.in_streams), (12, 5));
    assert_eq!(ours.peer.primary, listener.local_addrs()[0]);
    assert_eq!(theirs.peer.addresses, [ip("127.0.0.2")]);
    assert_eq!(theirs.peer.primary.port(), ours.local_port);
    assert_eq!(theirs.path, ip("127.0.0.2"));
}

#[tokio::test]
async fn streams_and_lengths_beyond_the_limits_are_refused() {
    let server = Config { in_streams: 2, ..config("127.0.0.1") };
    let (client, _server, _listener) = pair(server, config("127.0.0.1")).await;
    let no_stream = SendError::NoStream { stream: 2, streams: 2 };
    let sent = client.send(Message::new(2, ppid::S1AP, vec![1])).await;
    assert_eq!(sent, Err(no_stream));
    let limit = Config::default().max_message;
    let too_long = SendError::TooLong { len: limit + 1, limit };
    let sent = client.send(Message::new(0, ppid::S1AP, vec![0; limit + 1])).await;
    assert_eq!(sent, Err(too_long));
}

#[tokio::test]
async fn any_local_address_serves_and_answers_from_the_one_asked() {
    let server = Config { local: Vec::new(), ..config("127.0.0.1") };
    let mut listener = SctpListener::bind(server).await.unwrap();
    for asked in ["127.0.0.9", "::1"] {
        let client = Config { local: Vec::new(), ..config("127.0.0.1") };
        let (client, address) = towards(&listener, client);
        let asked = (ip(asked), address.port()).into();
        let mut client = soon(SctpAssociation::connect(client, &[asked])).await.unwrap();
        let (mut server, _) = soon(listener.accept()).await.unwrap();
        client.send(Message::new(0, 18, vec![1])).await.unwrap();
        let got = message(&mut server).await;
        server.send(got).await.unwrap();
        assert_eq!(message(&mut client).await.payload, [1][..]);
    }
}

#[tokio::test]
async fn graceful_end_delivers_everything_first() {
    let (client, mut server, _listener) = pair(config("127.0.0.1"), config("127.0.0.1")).await;
    const COUNT: usize = 2000;
    let sender = tokio::spawn(async move {
        for n in 0..COUNT {
            let payload = octets(500, n as u8);
            client.send(Message::new(1, 18, payload)).await.unwrap();
        }
        client.shutdown();
        client
    });
    for n in 0..COUNT {
        assert_eq!(message(&mut server).await.payload, octets(500, n as u8));
    }
    assert_eq!(soon(server.recv()).await, Event::Closed(CloseReason::Shutdown));
    let mut client = sender.await.unwrap();
    assert_eq!(soon(client.recv()).await, Event::Closed(CloseReason::Shutdown));
    let late = client.send(Message::new(0, 18, vec![1])).await;
    assert_eq!(late, Err(SendError::Closed(CloseReason::Shutdown)));
}

#[tokio::test]
async fn a_slow_reader_gets_everything_sent_before_the_end() {
    let (client, mut server, listener) = pair(config("127.0.0.1"), config("127.0.0.1")).await;
    // More than the inbox holds, less than the window: the stack keeps the rest while the end comes.
    const COUNT: usize = 400;
    for n in 0..COUNT {
        client.send(Message::new(0, 18, octets(1000, n as u8))).await.unwrap();
    }
    drop(client);
    until("both sides are gone", || listener.counters().associations == 0).await;
    for n in 0..COUNT {
        assert_eq!(message(&mut server).await.payload, octets(1000, n as u8));
    }
    assert_eq!(soon(server.recv()).await, Event::Closed(CloseReason::Shutdown));
}

#[tokio::test]
async fn abort_tells_the_peer_why() {
    let (mut client, mut server, _listener) = pair(config("127.0.0.1"), config("127.0.0.1")).await;
    server.abort("overload");
    let aborted = CloseReason::LocalAbort("overload".to_owned());
    assert_eq!(soon(server.recv()).await, Event::Closed(aborted));
    match soon(client.recv()).await {
        Event::Closed(CloseReason::PeerAbort(why)) => assert!(why.contains("overload"), "{why}"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn abort_overrules_a_shutdown_that_is_stuck() {
    // The server's window fills, so that the client's shutdown cannot complete.
    let (mut client, mut server, _listener) = pair(config("127.0.0.1"), config("127.0.0.1")).await;
    while tokio::time::timeout(Duration::from_millis(300), client.send(Message::new(0, 18, vec![1; 1000])))
        .await
        .is_ok()
    {}
    client.shutdown();
    client.abort("no patience");
    let reason = CloseReason::LocalAbort("no patience".to_owned());
    assert_eq!(soon(client.recv()).await, Event::Closed(reason));
    loop {
        if let Event::Closed(reason) = soon(server.recv()).await {
            assert!(matches!(reason, CloseReason::PeerAbort(_)), "{reason}");
            return;
        }
    }
}

#[tokio::test]
async fn loss_and_reordering_lose_nothing() {
    let bad = |seed| Config { impairment: Some(Impairment::random(seed, 30, 30)), ..config("127.0.0.1") };
    let (client, mut server, _listener) = pair(bad(1), bad(2)).await;
    const COUNT: u32 = 3000;
    let (sender, mut receiver) = client.split();
    let sending = tokio::spawn(async move {
        for n in 0..COUNT {
            let mut payload = n.to_be_bytes().to_vec();
            payload.resize(if n % 100 == 0 { 20_000 } else { 100 }, 7);
            let stream = u16::try_from(n % 4).unwrap();
            sender.send(Message::new(stream, 60, payload)).await.unwrap();
        }
        sender
    });
    let echoing = tokio::spawn(async move {
        let mut last = [None; 4];
        for _ in 0..COUNT {
            let got = message(&mut server).await;
            let n = u32::from_be_bytes(got.payload[..4].try_into().unwrap());
            let before = last[usize::from(got.stream)].replace(n);
            assert!(before.is_none_or(|before| before + 4 == n), "{before:?} then {n}");
            server.send(got).await.unwrap();
        }
        server
    });
    for _ in 0..COUNT {
        assert!(matches!(soon(receiver.recv()).await, Event::Message(_)));
    }
    sending.await.unwrap();
    echoing.await.unwrap();
}

#[tokio::test]
async fn back_pressure_reaches_the_sender_and_goes_away() {
    let (client, mut server, _listener) = pair(config("127.0.0.1"), config("127.0.0.1")).await;
    let (sender, _receiver) = client.split();
    let mut sent = 0_usize;
    // Nobody reads: queue, network and window fill until the sender is stopped.
    let stop = tokio::time::Instant::now() + Duration::from_secs(10);
    let mut since = tokio::time::Instant::now();
    while since.elapsed() < Duration::from_millis(300) {
        assert!(tokio::time::Instant::now() < stop, "never stopped after {sent}");
        match sender.try_send(Message::new(0, 18, vec![5; 1000])) {
            Ok(()) => {
                sent += 1;
                since = tokio::time::Instant::now();
            }
            Err((_, SendError::Full)) => tokio::time::sleep(Duration::from_millis(5)).await,
            Err((_, error)) => panic!("{error}"),
        }
    }
    let config = Config::default();
    let most = config.receive_window * 5 / 4 + config.send_queue + 300_000;
    assert!(sent * 1000 < most, "{sent} messages were taken");
    // Reading sets everything in motion again, without waiting for a window probe.
    let start = tokio::time::Instant::now();
    for _ in 0..sent {
        assert_eq!(message(&mut server).await.payload.len(), 1000);
    }
    let took = start.elapsed();
    assert!(took < Duration::from_secs(5), "{sent} messages took {took:?}");
}

#[tokio::test]
async fn a_silent_peer_is_found_by_heartbeats() {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    let cut = Arc::new(AtomicBool::new(false));
    let switch = cut.clone();
    let hook = Impairment::new(move |_, _| if switch.load(Ordering::Relaxed) { Fate::Drop } else { Fate::Send });
    let server = Config { impairment: Some(hook), ..config("127.0.0.1") };
    let client = Config { heartbeat: Duration::from_millis(300), max_retrans: 2, ..config("127.0.0.1") };
    let (mut client, _server, _listener) = pair(server, client).await;
    cut.store(true, Ordering::Relaxed);
    assert_eq!(soon(client.recv()).await, Event::Closed(CloseReason::Lost));
}

#[tokio::test]
async fn a_multi_homed_peer_goes_on_over_its_other_address() {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    let cut = Arc::new(AtomicBool::new(false));
    let switch = cut.clone();
    let hook =
        Impairment::new(
            move |_, to| {
                if switch.load(Ordering::Relaxed) && to == ip("127.0.0.1") { Fate::Drop } else { Fate::Send }
            },
        );
    let server = Config { local: vec![ip("127.0.0.1"), ip("127.0.0.2")], ..config("127.0.0.1") };
    let mut listener = SctpListener::bind(server).await.unwrap();
    let client = Config { impairment: Some(hook), ..config("127.0.0.3") };
    let (client, address) = towards(&listener, client);
    let mut client = soon(SctpAssociation::connect(client, &[address])).await.unwrap();
    let (mut server, _) = soon(listener.accept()).await.unwrap();
    // The server listed its second address in INIT ACK; the client was told only the first.
    assert_eq!(client.info().peer.addresses, [ip("127.0.0.1"), ip("127.0.0.2")]);
    client.send(Message::new(0, 18, vec![1])).await.unwrap();
    assert_eq!(message(&mut server).await.payload, [1][..]);
    cut.store(true, Ordering::Relaxed);
    client.send(Message::new(0, 18, vec![2])).await.unwrap();
    assert_eq!(message(&mut server).await.payload, [2][..]);
    assert_eq!(soon(client.recv()).await, Event::PathChange(ip("127.0.0.2")));
    assert_eq!(client.info().path, ip("127.0.0.2"));
}

#[tokio::test]
async fn a_restarted_peer_keeps_its_association() {
    use basalt_sctp::Threading;
    tokio::task::LocalSet::new()
        .run_until(async {
            let mut listener = SctpListener::bind(config("127.0.0.1")).await.unwrap();
            // An engine each: the first client's is not told that the second takes its place.
            let client = Config { port: 5001, threading: Threading::CallerLocalSet, ..config("127.0.0.5") };
            let (client, address) = towards(&listener, client);
            let first = soon(SctpAssociation::connect(client.clone(), &[address])).await.unwrap();
            let (mut server, _) = soon(listener.accept()).await.unwrap();
            first.send(Message::new(0, 18, vec![1])).await.unwrap();
            assert_eq!(message(&mut server).await.payload, [1][..]);

            let mut second = soon(SctpAssociation::connect(client, &[address])).await.unwrap();
            assert_eq!(soon(server.recv()).await, Event::Restarted);
            second.send(Message::new(0, 18, vec![2])).await.unwrap();
            assert_eq!(message(&mut server).await.payload, [2][..]);
            server.send(Message::new(0, 18, vec![3])).await.unwrap();
            assert_eq!(message(&mut second).await.payload, [3][..]);
            assert_eq!(listener.counters().associations, 1);
            drop(first);
        })
        .await;
}

#[tokio::test]
async fn a_peer_that_is_not_there_is_reported() {
    let client = Config { max_init: 1, remote_udp_port: 9, ..config("127.0.0.1") };
    let error = soon(SctpAssociation::connect(client, &["127.0.0.1:36412".parse().unwrap()])).await;
    let text = error.unwrap_err().to_string();
    assert!(text.contains("does not answer"), "{text}");
}

#[tokio::test]
async fn a_port_nobody_listens_on_refuses() {
    let listener = SctpListener::bind(config("127.0.0.1")).await.unwrap();
    let (client, address) = towards(&listener, config("127.0.0.1"));
    let client = Config { max_init: 1, ..client };
    // Not answered at all: another process could be using it.
    let other = (address.ip(), address.port() ^ 1).into();
    let error = soon(SctpAssociation::connect(client, &[other])).await.unwrap_err();
    assert!(error.to_string().contains("does not answer"), "{error}");
    assert_eq!(listener.counters().packets, 0);
}

#[tokio::test]
async fn the_number_of_associations_is_bounded() {
    let server = Config { max_associations: 2, ..config("127.0.0.1") };
    let mut listener = SctpListener::bind(server).await.unwrap();
    let (client, address) = towards(&listener, config("127.0.0.1"));
    let mut up = Vec::new();
    for _ in 0..2 {
        up.push(soon(SctpAssociation::connect(client.clone(), &[address])).await.unwrap());
        up.push(soon(listener.accept()).await.unwrap().0);
    }
    let error = soon(SctpAssociation::connect(client.clone(), &[address])).await.unwrap_err();
    assert!(error.to_string().contains("aborted"), "{error}");
    assert_eq!(listener.counters().refused, 1);
    up.pop().unwrap().abort("make room");
    until("one is gone", || listener.counters().associations == 1).await;
    soon(SctpAssociation::connect(client, &[address])).await.unwrap();
}

#[tokio::test]
async fn what_is_not_accepted_is_refused() {
    let server = Config { backlog: 1, ..config("127.0.0.1") };
    let listener = SctpListener::bind(server).await.unwrap();
    let (client, address) = towards(&listener, config("127.0.0.1"));
    let mut waiting = soon(SctpAssociation::connect(client.clone(), &[address])).await.unwrap();
    let error = soon(SctpAssociation::connect(client, &[address])).await.unwrap_err();
    assert!(error.to_string().contains("aborted"), "{error}");
    drop(listener);
    assert!(matches!(soon(waiting.recv()).await, Event::Closed(CloseReason::PeerAbort(_))));
}

#[tokio::test]
async fn a_taken_port_is_refused() {
    let listener =
        SctpListener::bind(Config { backend: basalt_sctp::Backend::Udp { port: 29_899 }, ..config("127.0.0.1") })
            .await
            .unwrap();
    let again = Config {
        backend: basalt_sctp::Backend::Udp { port: 29_899 },
        port: listener.local_addrs()[0].port(),
        ..config("127.0.0.1")
    };
    let error = SctpListener::bind(again.clone()).await.unwrap_err();
    assert!(matches!(error, basalt_sctp::Error::PortInUse(_)), "{error}");
    drop(listener);
    // Freed at once, UDP port included.
    SctpListener::bind(again).await.unwrap();
}

#[tokio::test]
async fn one_thread_carries_everything_in_a_local_set() {
    let local = tokio::task::LocalSet::new();
    local
        .run_until(async {
            let here = || Config { threading: basalt_sctp::Threading::CallerLocalSet, ..config("127.0.0.1") };
            let (client, mut server, _listener) = pair(here(), here()).await;
            client.send(Message::new(0, 18, vec![1, 2])).await.unwrap();
            assert_eq!(message(&mut server).await.payload, [1, 2][..]);
        })
        .await;
}
