//! Every frame there and back.

use std::time::{Duration, SystemTime};

use bytes::Bytes;

use super::*;
use crate::event::{Carrier, CloseReason, PeerInfo};
use crate::keeper::{KeeperEvent, Live};

fn peer() -> PeerInfo {
    PeerInfo {
        primary: "10.0.0.1:36412".parse().unwrap(),
        addresses: vec![[10, 0, 0, 1].into(), "fd00::1".parse().unwrap()],
        out_streams: 3,
        in_streams: 4,
    }
}

fn live() -> Live {
    Live {
        id: AssociationId(7),
        peer: peer(),
        local_port: 38412,
        carrier: Carrier::RawIp,
        since: SystemTime::UNIX_EPOCH + Duration::from_millis(1_800_000_000_123),
    }
}

fn requests() -> Vec<Request> {
    let id = AssociationId(u64::MAX);
    let message = Message { stream: 9, ppid: 60, unordered: true, payload: Bytes::from_static(b"payload") };
    vec![
        Request::Hello { version: VERSION },
        Request::Send { id, message },
        Request::Ack { seq: 1 << 40 },
        Request::Shutdown { id },
        Request::Abort { id, reason: "why".into() },
    ]
}

fn reports() -> Vec<Report> {
    let id = AssociationId(3);
    let welcome =
        Welcome { instance: 5, listening: vec!["[::1]:36412".parse().unwrap()], live: vec![live(), live()], acked: 11 };
    let limits = Limits { window: 1, message: 2 };
    let events = [
        KeeperEvent::Up(live()),
        KeeperEvent::Message { id, message: Message::new(1, 18, vec![1, 2, 3]) },
        KeeperEvent::Restarted { id, peer: peer() },
        KeeperEvent::PathChange { id, path: "fd00::2".parse().unwrap() },
        KeeperEvent::Down { id, reason: CloseReason::PeerAbort("because".into()) },
        KeeperEvent::Down { id, reason: CloseReason::Lost },
    ];
    let events = events.map(|event| Report::Event(Uplink { seq: 42, event }));
    let mut all = vec![
        Report::Welcome { welcome, limits },
        Report::Version { version: 9 },
        Report::Credit { id, octets: 77 },
        Report::Replaced,
    ];
    all.extend(events);
    all
}

#[test]
fn everything_comes_back_whatever_the_pieces() {
    let mut octets = BytesMut::new();
    requests().iter().for_each(|request| request.encode(&mut octets));
    let mut input = BytesMut::new();
    let mut got = Vec::new();
    for octet in octets {
        input.put_u8(octet);
        got.extend(Request::decode(&mut input).unwrap());
    }
    assert_eq!(got, requests());

    let mut octets = BytesMut::new();
    reports().iter().for_each(|report| report.encode(&mut octets));
    let mut got = Vec::new();
    while let Some(report) = Report::decode(&mut octets).unwrap() {
        got.push(report);
    }
    assert_eq!(got, reports());
}

#[test]
fn damaged_frames_are_errors_and_never_more() {
    for report in reports() {
        let mut whole = BytesMut::new();
        report.encode(&mut whole);
        for cut in 5..whole.len() {
            let mut short = BytesMut::from(&whole[..cut]);
            let length = u32::try_from(cut - 4).unwrap();
            short[..4].copy_from_slice(&length.to_be_bytes());
            // A shortened payload is a payload; everything else is noticed.
            match Report::decode(&mut short) {
                Ok(Some(Report::Event(uplink))) => {
                    assert!(matches!(uplink.event, KeeperEvent::Message { .. }));
                }
                Ok(other) => panic!("{other:?}"),
                Err(_) => {}
            }
        }
    }
    let mut huge = BytesMut::from(&[0xff, 0xff, 0xff, 0xff, 1][..]);
    assert!(Request::decode(&mut huge).is_err());
    let mut unknown = BytesMut::from(&[0, 0, 0, 1, 99][..]);
    assert!(Request::decode(&mut unknown).is_err());
}
