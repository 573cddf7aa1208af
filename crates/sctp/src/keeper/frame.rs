//! Frames between keeper and daemon: `length (4) | type (1) | body`, numbers big-endian, lengths without the
//! length field itself. One write and one read carry as many as there are.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::{Duration, SystemTime};

use bytes::{Buf, BufMut, Bytes, BytesMut};

use super::{AssociationId, Error, KeeperEvent, Live, Uplink, Welcome};
use crate::event::{Carrier, CloseReason, Message, PeerInfo};

/// Version of everything in this file. Keeper and daemon must agree: the keeper outlives upgrades of the daemon,
/// so a new version comes with code for the old one.
pub(super) const VERSION: u16 = 1;
/// Longest message that a keeper carries.
pub(super) const MAX_MESSAGE: usize = 1 << 20;
/// Longest frame: a message, or a long list of associations in the welcome.
const MAX_FRAME: usize = 16 << 20;
const MAGIC: [u8; 4] = *b"BSKP";

/// Daemon to keeper.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Request {
    Hello { version: u16 },
    Send { id: AssociationId, message: Message },
    Ack { seq: u64 },
    Shutdown { id: AssociationId },
    Abort { id: AssociationId, reason: String },
}

/// Keeper to daemon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Report {
    Welcome {
        welcome: Welcome,
        limits: Limits,
    },
    /// The keeper does not speak the version asked for.
    Version {
        version: u16,
    },
    Event(Uplink),
    /// Octets of messages that have left the association's window.
    Credit {
        id: AssociationId,
        octets: u32,
    },
    /// Another daemon has connected.
    Replaced,
}

/// What a daemon may send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Limits {
    /// Octets under way per association.
    pub window: u32,
    /// Longest message.
    pub message: u32,
}

mod kind {
    pub(super) const HELLO: u8 = 1;
    pub(super) const SEND: u8 = 2;
    pub(super) const ACK: u8 = 3;
    pub(super) const SHUTDOWN: u8 = 4;
    pub(super) const ABORT: u8 = 5;
    pub(super) const WELCOME: u8 = 129;
    pub(super) const VERSION: u8 = 130;
    pub(super) const UP: u8 = 131;
    pub(super) const MESSAGE: u8 = 132;
    pub(super) const RESTARTED: u8 = 133;
    pub(super) const PATH_CHANGE: u8 = 134;
    pub(super) const DOWN: u8 = 135;
    pub(super) const CREDIT: u8 = 136;
    pub(super) const REPLACED: u8 = 137;
}

/// Takes the next whole frame off a stream's octets and reads it. What it keeps is copied, so that one small
/// message does not hold the whole input buffer.
fn next_frame<T>(
    input: &mut BytesMut,
    read: impl FnOnce(u8, &mut Body<'_>) -> Result<T, Error>,
) -> Result<Option<T>, Error> {
    let Some(length) = input.first_chunk::<4>() else {
        return Ok(None);
    };
    let length = u32::from_be_bytes(*length) as usize;
    if length == 0 || length > MAX_FRAME {
        return Err(Error::Frame("length"));
    }
    let Some(frame) = input.get(4..4 + length) else {
        input.reserve(4 + length - input.len());
        return Ok(None);
    };
    let got = read(frame[0], &mut Body(&frame[1..]))?;
    input.advance(4 + length);
    Ok(Some(got))
}

/// Writes a frame whose body `write` appends.
fn frame(out: &mut BytesMut, kind: u8, write: impl FnOnce(&mut BytesMut)) {
    let start = out.len();
    out.put_u32(0);
    out.put_u8(kind);
    write(out);
    let length = u32::try_from(out.len() - start - 4).unwrap_or(u32::MAX);
    out[start..start + 4].copy_from_slice(&length.to_be_bytes());
}

impl Request {
    pub(super) fn encode(&self, out: &mut BytesMut) {
        match self {
            Self::Hello { version } => frame(out, kind::HELLO, |out| {
                out.put_slice(&MAGIC);
                out.put_u16(*version);
            }),
            Self::Send { id, message } => frame(out, kind::SEND, |out| {
                out.put_u64(id.0);
                put_message(out, message);
            }),
            Self::Ack { seq } => frame(out, kind::ACK, |out| out.put_u64(*seq)),
            Self::Shutdown { id } => frame(out, kind::SHUTDOWN, |out| out.put_u64(id.0)),
            Self::Abort { id, reason } => frame(out, kind::ABORT, |out| {
                out.put_u64(id.0);
                put_text(out, reason);
            }),
        }
    }

    /// The next request, if a whole one has come.
    pub(super) fn decode(input: &mut BytesMut) -> Result<Option<Self>, Error> {
        next_frame(input, Self::read)
    }

    fn read(kind: u8, body: &mut Body<'_>) -> Result<Self, Error> {
        let request = match kind {
            kind::HELLO => {
                if body.array::<4>()? != MAGIC {
                    return Err(Error::Frame("not a daemon"));
                }
                // Later versions may say more.
                return Ok(Self::Hello { version: body.u16()? });
            }
            kind::SEND => Self::Send { id: body.id()?, message: body.message()? },
            kind::ACK => Self::Ack { seq: body.u64()? },
            kind::SHUTDOWN => Self::Shutdown { id: body.id()? },
            kind::ABORT => Self::Abort { id: body.id()?, reason: body.text()? },
            _ => return Err(Error::Frame("unknown request")),
        };
        body.end()?;
        Ok(request)
    }
}

impl Report {
    pub(super) fn encode(&self, out: &mut BytesMut) {
        match self {
            Self::Welcome { welcome, limits } => {
                frame(out, kind::WELCOME, |out| put_welcome(out, welcome, *limits));
            }
            Self::Version { version } => frame(out, kind::VERSION, |out| out.put_u16(*version)),
            Self::Event(uplink) => put_event(out, uplink),
            Self::Credit { id, octets } => frame(out, kind::CREDIT, |out| {
                out.put_u64(id.0);
                out.put_u32(*octets);
            }),
            Self::Replaced => frame(out, kind::REPLACED, |_| {}),
        }
    }

    /// The next report, if a whole one has come.
    pub(super) fn decode(input: &mut BytesMut) -> Result<Option<Self>, Error> {
        next_frame(input, Self::read)
    }

    fn read(kind: u8, body: &mut Body<'_>) -> Result<Self, Error> {
        let report = match kind {
            kind::WELCOME => body.welcome()?,
            // Whatever else a later version says.
            kind::VERSION => {
                return Ok(Self::Version { version: body.u16()? });
            }
            kind::CREDIT => Self::Credit { id: body.id()?, octets: body.u32()? },
            kind::REPLACED => Self::Replaced,
            event => Self::Event(Uplink { seq: body.u64()?, event: body.event(event)? }),
        };
        body.end()?;
        Ok(report)
    }
}

// ---- writing ----

fn put_message(out: &mut BytesMut, message: &Message) {
    out.put_u16(message.stream);
    out.put_u32(message.ppid);
    out.put_u8(u8::from(message.unordered));
    out.put_slice(&message.payload);
}

fn put_text(out: &mut BytesMut, text: &str) {
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

fn put_welcome(out: &mut BytesMut, welcome: &Welcome, limits: Limits) {
    out.put_u64(welcome.instance);
    put_list(out, &welcome.listening, |out, address| put_socket_address(out, *address));
    put_list(out, &welcome.live, put_live);
    out.put_u64(welcome.acked);
    out.put_u32(limits.window);
    out.put_u32(limits.message);
}

fn put_event(out: &mut BytesMut, uplink: &Uplink) {
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

// ---- reading ----

struct Body<'a>(&'a [u8]);

const SHORT: Error = Error::Frame("too short");

impl Body<'_> {
    fn array<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        let (array, rest) = self.0.split_first_chunk::<N>().ok_or(SHORT)?;
        self.0 = rest;
        Ok(*array)
    }

    fn u8(&mut self) -> Result<u8, Error> {
        self.array::<1>().map(|[octet]| octet)
    }

    fn u16(&mut self) -> Result<u16, Error> {
        self.array().map(u16::from_be_bytes)
    }

    fn u32(&mut self) -> Result<u32, Error> {
        self.array().map(u32::from_be_bytes)
    }

    fn u64(&mut self) -> Result<u64, Error> {
        self.array().map(u64::from_be_bytes)
    }

    fn id(&mut self) -> Result<AssociationId, Error> {
        self.u64().map(AssociationId)
    }

    fn end(&self) -> Result<(), Error> {
        if self.0.is_empty() { Ok(()) } else { Err(Error::Frame("too long")) }
    }

    fn text(&mut self) -> Result<String, Error> {
        let length = usize::from(self.u16()?);
        let (octets, rest) = self.0.split_at_checked(length).ok_or(SHORT)?;
        self.0 = rest;
        Ok(String::from_utf8_lossy(octets).into_owned())
    }

    fn message(&mut self) -> Result<Message, Error> {
        let stream = self.u16()?;
        let ppid = self.u32()?;
        let unordered = self.u8()? != 0;
        let payload = Bytes::copy_from_slice(std::mem::take(&mut self.0));
        Ok(Message { stream, ppid, unordered, payload })
    }

    fn address(&mut self) -> Result<IpAddr, Error> {
        match self.u8()? {
            4 => self.array::<4>().map(|octets| Ipv4Addr::from(octets).into()),
            6 => self.array::<16>().map(|octets| Ipv6Addr::from(octets).into()),
            _ => Err(Error::Frame("address family")),
        }
    }

    fn socket_address(&mut self) -> Result<SocketAddr, Error> {
        Ok(SocketAddr::new(self.address()?, self.u16()?))
    }

    fn list<T>(&mut self, mut read: impl FnMut(&mut Self) -> Result<T, Error>) -> Result<Vec<T>, Error> {
        let count = self.u32()?;
        // Nothing is reserved for a count that the octets do not bear out.
        (0..count).map(|_| read(self)).collect()
    }

    fn peer(&mut self) -> Result<PeerInfo, Error> {
        Ok(PeerInfo {
            primary: self.socket_address()?,
            addresses: self.list(Self::address)?,
            out_streams: self.u16()?,
            in_streams: self.u16()?,
        })
    }

    fn live(&mut self) -> Result<Live, Error> {
        Ok(Live {
            id: self.id()?,
            peer: self.peer()?,
            local_port: self.u16()?,
            carrier: match self.u8()? {
                0 => Carrier::Kernel,
                1 => Carrier::RawIp,
                2 => Carrier::Udp,
                _ => return Err(Error::Frame("carrier")),
            },
            since: SystemTime::UNIX_EPOCH
                .checked_add(Duration::from_millis(self.u64()?))
                .ok_or(Error::Frame("time"))?,
        })
    }

    fn welcome(&mut self) -> Result<Report, Error> {
        let welcome = Welcome {
            instance: self.u64()?,
            listening: self.list(Self::socket_address)?,
            live: self.list(Self::live)?,
            acked: self.u64()?,
        };
        let limits = Limits { window: self.u32()?, message: self.u32()? };
        Ok(Report::Welcome { welcome, limits })
    }

    fn event(&mut self, kind: u8) -> Result<KeeperEvent, Error> {
        Ok(match kind {
            kind::UP => KeeperEvent::Up(self.live()?),
            kind::MESSAGE => KeeperEvent::Message { id: self.id()?, message: self.message()? },
            kind::RESTARTED => KeeperEvent::Restarted { id: self.id()?, peer: self.peer()? },
            kind::PATH_CHANGE => KeeperEvent::PathChange { id: self.id()?, path: self.address()? },
            kind::DOWN => KeeperEvent::Down { id: self.id()?, reason: self.reason()? },
            _ => return Err(Error::Frame("unknown report")),
        })
    }

    fn reason(&mut self) -> Result<CloseReason, Error> {
        let code = self.u8()?;
        let text = self.text()?;
        Ok(match code {
            0 => CloseReason::Shutdown,
            1 => CloseReason::PeerAbort(text),
            2 => CloseReason::LocalAbort(text),
            3 => CloseReason::Lost,
            4 => CloseReason::Protocol(text),
            5 => CloseReason::Endpoint(text),
            _ => return Err(Error::Frame("reason")),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let welcome = Welcome {
            instance: 5,
            listening: vec!["[::1]:36412".parse().unwrap()],
            live: vec![live(), live()],
            acked: 11,
        };
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
}
