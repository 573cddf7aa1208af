//! Small writes of many gateways, several in one transaction: while one is made durable, the next ones gather. So thousands of gateways
//! that come back at once wait for tens of commits, not for thousands. Nothing is answered before it is durable. Compiled for each
//! dialect; `super` says which.

use super::fleet_writes::{connected, enrolled, put_certificate, put_state};
use super::{BEGIN, Connection, Db};
use crate::{Certificate, Device, Error, StatePart};
use sqlx::Pool;
use tokio::sync::{mpsc, oneshot, watch};

/// Writes of one transaction.
const TOGETHER: usize = 500;
/// Writes that may wait; whoever comes then waits, too.
const WAITING: usize = 8_192;

/// A write.
#[derive(Debug)]
pub(crate) enum Write {
    /// A device joins with the token of this digest, if it may.
    Enrolled { digest: String, now: i64, device: Device },
    /// A certificate was given.
    Certified(Certificate),
    /// A gateway talks on a stream of a replica.
    Connected { network: String, gateway: String, now: i64, replica: String, stream: i64 },
    /// What it told.
    State { network: String, gateway: String, now: i64, replica: String, stream: i64, parts: Vec<StatePart> },
}

impl Write {
    fn of(&self) -> (&str, &str) {
        match self {
            Write::Enrolled { device, .. } => (&device.network, &device.gateway),
            Write::Certified(certificate) => (&certificate.network, &certificate.gateway),
            Write::Connected { network, gateway, .. } | Write::State { network, gateway, .. } => (network, gateway),
        }
    }

    /// Whether it could be; what could not has changed nothing.
    async fn carry_out(&self, connection: &mut Connection) -> Result<bool, Error> {
        match self {
            Write::Enrolled { digest, now, device } => return enrolled(connection, digest, *now, device).await,
            Write::Certified(certificate) => put_certificate(connection, certificate).await?,
            Write::Connected { network, gateway, now, replica, stream } => {
                connected(connection, network, gateway, *now, (replica, *stream)).await?;
            }
            Write::State { network, gateway, now, replica, stream, parts } => {
                put_state(connection, network, gateway, *now, (replica, *stream), parts).await?;
            }
        }
        Ok(true)
    }
}

type Waiting = (Write, oneshot::Sender<Result<bool, Error>>);

/// The way to the task that writes.
#[derive(Debug)]
pub(crate) struct Group(mpsc::Sender<Waiting>);

impl Group {
    /// Starts the task. It ends with its database.
    pub(crate) fn start(pool: Pool<Db>, wakes: watch::Sender<u64>) -> Self {
        let (sender, queue) = mpsc::channel(WAITING);
        tokio::spawn(work(pool, wakes, queue));
        Self(sender)
    }

    /// Writes; durable when it returns. False when it could not be.
    pub(crate) async fn write(&self, write: Write) -> Result<bool, Error> {
        let (done, answer) = oneshot::channel();
        let closed = || Error::Database(sqlx::Error::PoolClosed);
        self.0.send((write, done)).await.map_err(|_| closed())?;
        answer.await.map_err(|_| closed())?
    }
}

async fn work(pool: Pool<Db>, wakes: watch::Sender<u64>, mut queue: mpsc::Receiver<Waiting>) {
    let mut batch: Vec<Waiting> = Vec::with_capacity(TOGETHER);
    while queue.recv_many(&mut batch, TOGETHER).await > 0 {
        // One order for all writers, so that none waits for another in a circle; of one gateway the order in which they came.
        batch.sort_by(|(one, _), (other, _)| one.of().cmp(&other.of()));
        let together = all(&pool, batch.iter().map(|(write, _)| write)).await;
        let connects = batch.iter().any(|(write, _)| matches!(write, Write::Connected { .. }));
        let mut together = together.ok().map(Vec::into_iter);
        for (write, done) in batch.drain(..) {
            let result = match together.as_mut().and_then(Iterator::next) {
                Some(done) => Ok(done),
                // One of them may be at fault: each by itself.
                None => all(&pool, std::iter::once(&write)).await.map(|done| done.first().copied().unwrap_or(false)),
            };
            // Whoever waited may have gone.
            let _ = done.send(result);
        }
        if connects {
            wakes.send_modify(|count| *count = count.wrapping_add(1));
        }
    }
}

/// Which of them could be.
async fn all(pool: &Pool<Db>, writes: impl Iterator<Item = &Write>) -> Result<Vec<bool>, Error> {
    let mut transaction = pool.begin_with(BEGIN).await?;
    let mut done = Vec::new();
    for write in writes {
        done.push(write.carry_out(&mut transaction).await?);
    }
    transaction.commit().await?;
    Ok(done)
}
