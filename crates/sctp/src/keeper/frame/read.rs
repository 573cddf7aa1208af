//! Reading the bodies of frames.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::{Duration, SystemTime};

use bytes::Bytes;

use super::{Limits, Report, kind};
use crate::event::{Carrier, CloseReason, Message, PeerInfo};
use crate::keeper::{AssociationId, Error, KeeperEvent, Live, Welcome};

/// What is left of a body.
pub(super) struct Body<'a>(pub(super) &'a [u8]);

const SHORT: Error = Error::Frame("too short");

impl Body<'_> {
    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        let (array, rest) = self.0.split_first_chunk::<N>().ok_or(SHORT)?;
        self.0 = rest;
        Ok(*array)
    }

    fn u8(&mut self) -> Result<u8, Error> {
        self.array::<1>().map(|[octet]| octet)
    }

    pub(super) fn u16(&mut self) -> Result<u16, Error> {
        self.array().map(u16::from_be_bytes)
    }

    pub(super) fn u32(&mut self) -> Result<u32, Error> {
        self.array().map(u32::from_be_bytes)
    }

    pub(super) fn u64(&mut self) -> Result<u64, Error> {
        self.array().map(u64::from_be_bytes)
    }

    pub(super) fn id(&mut self) -> Result<AssociationId, Error> {
        self.u64().map(AssociationId)
    }

    pub(super) fn end(&self) -> Result<(), Error> {
        if self.0.is_empty() { Ok(()) } else { Err(Error::Frame("too long")) }
    }

    pub(super) fn text(&mut self) -> Result<String, Error> {
        let length = usize::from(self.u16()?);
        let (octets, rest) = self.0.split_at_checked(length).ok_or(SHORT)?;
        self.0 = rest;
        Ok(String::from_utf8_lossy(octets).into_owned())
    }

    pub(super) fn message(&mut self) -> Result<Message, Error> {
        let stream = self.u16()?;
        let ppid = self.u32()?;
        let unordered = self.u8()? != 0;
        let payload = Bytes::copy_from_slice(std::mem::take(&mut self.0));
        Ok(Message { stream, ppid, unordered, payload })
    }

    pub(super) fn address(&mut self) -> Result<IpAddr, Error> {
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

    pub(super) fn welcome(&mut self) -> Result<Report, Error> {
        let welcome = Welcome {
            instance: self.u64()?,
            listening: self.list(Self::socket_address)?,
            live: self.list(Self::live)?,
            acked: self.u64()?,
        };
        let limits = Limits { window: self.u32()?, message: self.u32()? };
        Ok(Report::Welcome { welcome, limits })
    }

    pub(super) fn event(&mut self, kind: u8) -> Result<KeeperEvent, Error> {
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
