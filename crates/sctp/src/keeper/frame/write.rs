//! Writing the bodies of frames.

use std::net::{IpAddr, SocketAddr};
use std::time::SystemTime;

use bytes::{BufMut, BytesMut};

use super::{Limits, frame, kind};
use crate::event::{Carrier, CloseReason, Message, PeerInfo};
use crate::keeper::{KeeperEvent, Live, Uplink, Welcome};

pub(super) fn put_message(out: &mut BytesMut, message: &Message) {
    out.put_u16(message.stream);
    out.put_u32(message.ppid);
    out.put_u8(u8::from(message.unordered));
    out.put_slice(&message.payload);
}

pub(super) fn put_text(out: &mut BytesMut, text: &str) {
    let octets = &text.as_bytes()[..text.len().min(usize::from(u16::MAX))];
    out.put_u16(u16::try_from(octets.len()).unwrap_or(u16::MAX));
    out.put_slice(octets);
}

fn put_address(out: &mut BytesMut, address: IpAddr) {
    match address {
        IpAddr::V4(v4) => {
            out.put_u8(4);
            out.put_slice(&v4.octets());
        }
        IpAddr::V6(v6) => {
            out.put_u8(6);
            out.put_slice(&v6.octets());
        }
    }
}

fn put_socket_address(out: &mut BytesMut, address: SocketAddr) {
    put_address(out, address.ip());
    out.put_u16(address.port());
}

fn put_list<T>(out: &mut BytesMut, items: &[T], put: impl Fn(&mut BytesMut, &T)) {
    out.put_u32(u32::try_from(items.len()).unwrap_or(u32::MAX));
    for item in items {
        put(out, item);
    }
}

fn put_peer(out: &mut BytesMut, peer: &PeerInfo) {
    put_socket_address(out, peer.primary);
    put_list(out, &peer.addresses, |out, address| put_address(out, *address));
    out.put_u16(peer.out_streams);
    out.put_u16(peer.in_streams);
}

fn put_live(out: &mut BytesMut, live: &Live) {
    out.put_u64(live.id.0);
    put_peer(out, &live.peer);
    out.put_u16(live.local_port);
    out.put_u8(match live.carrier {
        Carrier::Kernel => 0,
        Carrier::RawIp => 1,
        Carrier::Udp => 2,
    });
    let since = live.since.duration_since(SystemTime::UNIX_EPOCH);
    let since = since.unwrap_or_default().as_millis();
    out.put_u64(u64::try_from(since).unwrap_or(u64::MAX));
}

pub(super) fn put_welcome(out: &mut BytesMut, welcome: &Welcome, limits: Limits) {
    out.put_u64(welcome.instance);
    put_list(out, &welcome.listening, |out, address| put_socket_address(out, *address));
    put_list(out, &welcome.live, put_live);
    out.put_u64(welcome.acked);
    out.put_u32(limits.window);
    out.put_u32(limits.message);
}

pub(super) fn put_event(out: &mut BytesMut, uplink: &Uplink) {
    let seq = uplink.seq;
    match &uplink.event {
        KeeperEvent::Up(live) => frame(out, kind::UP, |out| {
            out.put_u64(seq);
            put_live(out, live);
        }),
        KeeperEvent::Message { id, message } => frame(out, kind::MESSAGE, |out| {
            out.put_u64(seq);
            out.put_u64(id.0);
            put_message(out, message);
        }),
        KeeperEvent::Restarted { id, peer } => frame(out, kind::RESTARTED, |out| {
            out.put_u64(seq);
            out.put_u64(id.0);
            put_peer(out, peer);
        }),
        KeeperEvent::PathChange { id, path } => frame(out, kind::PATH_CHANGE, |out| {
            out.put_u64(seq);
            out.put_u64(id.0);
            put_address(out, *path);
        }),
        KeeperEvent::Down { id, reason } => frame(out, kind::DOWN, |out| {
            out.put_u64(seq);
            out.put_u64(id.0);
            put_reason(out, reason);
        }),
    }
}

fn put_reason(out: &mut BytesMut, reason: &CloseReason) {
    let (code, text) = match reason {
        CloseReason::Shutdown => (0, ""),
        CloseReason::PeerAbort(why) => (1, why.as_str()),
        CloseReason::LocalAbort(why) => (2, why.as_str()),
        CloseReason::Lost => (3, ""),
        CloseReason::Protocol(why) => (4, why.as_str()),
        CloseReason::Endpoint(why) => (5, why.as_str()),
    };
    out.put_u8(code);
    put_text(out, text);
}
