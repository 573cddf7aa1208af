//! The daemon's end of the conversation.
use std::path::Path;

use super::{AssociationId, Error, Uplink, Welcome};
use crate::error::SendError;
use crate::event::Message;

/// A daemon's connection to its keeper. One task owns it; nothing runs behind its back: [`recv`](Self::recv) and
/// [`flush`](Self::flush) move the octets in both directions.
#[derive(Debug)]
pub struct Client {}

impl Client {
    /// Connects, replacing a daemon that is connected. Dropping the client and connecting anew is all there is
    /// to reconnecting.
    ///
    /// # Errors
    /// No keeper there, another user's keeper, another version.
    pub async fn connect(_socket: &Path) -> Result<(Self, Welcome), Error> {
        Err(Error::Disconnected)
    }

    /// The next event. Writes what is queued meanwhile. Cancel-safe.
    ///
    /// # Errors
    /// [`Error::Replaced`], [`Error::Disconnected`]: connect anew or end.
    pub async fn recv(&mut self) -> Result<Uplink, Error> {
        Err(Error::Disconnected)
    }

    /// Waits for at least one event and appends those that are there, up to `limit`; returns how many.
    /// Cancel-safe.
    ///
    /// # Errors
    /// As [`recv`](Self::recv).
    pub async fn recv_many(&mut self, _out: &mut Vec<Uplink>, _limit: usize) -> Result<usize, Error> {
        Err(Error::Disconnected)
    }

    /// Queues a message; it leaves with the next `recv` or `flush`.
    ///
    /// # Errors
    /// The message comes back: [`SendError::Full`] while the association's window is used up.
    pub fn try_send(&mut self, _id: AssociationId, message: Message) -> Result<(), (Message, SendError)> {
        Err((message, SendError::Full))
    }

    /// Queues a message, waiting for the association's window; events that arrive meanwhile are kept for `recv`.
    ///
    /// # Errors
    /// The association has ended, or the message can never be sent.
    pub async fn send(&mut self, id: AssociationId, message: Message) -> Result<(), SendError> {
        self.try_send(id, message).map_err(|(_, error)| error)
    }

    /// Everything up to and including `seq` is done: it need not be delivered again after a crash.
    pub fn ack(&mut self, _seq: u64) {}

    /// Begins a graceful end of an association; [`KeeperEvent::Down`](super::KeeperEvent::Down) follows.
    pub fn shutdown(&mut self, _id: AssociationId) {}

    /// Aborts an association; [`KeeperEvent::Down`](super::KeeperEvent::Down) follows.
    pub fn abort(&mut self, _id: AssociationId, _reason: &str) {}

    /// Writes everything queued.
    ///
    /// # Errors
    /// The keeper has gone.
    pub async fn flush(&mut self) -> Result<(), Error> {
        Ok(())
    }
}
