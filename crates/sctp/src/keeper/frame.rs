//! Frames between keeper and daemon: `length (4) | type (1) | body`, numbers big-endian, lengths without the
//! length field itself. One write and one read carry as many as there are.

mod read;
mod write;

use bytes::{Buf, BufMut, BytesMut};

use super::{AssociationId, Error, Uplink, Welcome};
use crate::event::Message;
use read::Body;
use write::{put_event, put_message, put_text, put_welcome};

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

#[cfg(test)]
mod tests;
