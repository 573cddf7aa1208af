//! Programs on their way to gateways: from any place on, as fast as each takes them, for so many at a time.

use crate::fleet::Fleet;
use crate::identity::unavailable;
use basalt_control_api::orchestrator::v1 as api;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

/// Gateways that fetch at a time from one replica; others come again a little later.
pub(crate) const FETCHING: usize = 64;
/// Octets of a message.
const PIECE: usize = 64 << 10;
/// Messages that wait for the gateway.
const WAITING: usize = 2;
/// A gateway that takes nothing for so long has gone.
const PATIENCE: Duration = Duration::from_secs(120);

pub(crate) type Pieces = ReceiverStream<Result<api::Piece, Status>>;

/// Begins to send a release from a place on.
pub(crate) async fn fetch(fleet: &Arc<Fleet>, name: &str, place: u64) -> Result<Pieces, Status> {
    let turn = Arc::clone(&fleet.fetching).try_acquire_owned();
    let turn = turn.map_err(|_| Status::unavailable("too many gateways fetch programs at once"))?;
    let release = fleet.db.release(name).await.map_err(|error| unavailable(&error))?;
    let release = release.filter(|release| release.complete);
    let release = release.ok_or_else(|| Status::not_found("there is no such release"))?;
    let mut place = i64::try_from(place).unwrap_or(i64::MAX);
    if place > release.size {
        return Err(Status::out_of_range("the program ends before that"));
    }
    let (out, pieces) = mpsc::channel(WAITING);
    let fleet = Arc::clone(fleet);
    tokio::spawn(async move {
        while place < release.size {
            let found = fleet.db.release_data(&release.name, place).await;
            let octets = match found.map_err(|error| unavailable(&error)) {
                Ok(octets) if octets.is_empty() => Err(Status::not_found("the release was taken away")),
                found => found,
            };
            let octets = match octets {
                Ok(octets) => octets,
                Err(status) => {
                    // The gateway may have gone.
                    let _ = out.send(Err(status)).await;
                    break;
                }
            };
            for piece in octets.chunks(PIECE) {
                let message = api::Piece { place: u64::try_from(place).unwrap_or(0), octets: piece.to_vec() };
                if !matches!(tokio::time::timeout(PATIENCE, out.send(Ok(message))).await, Ok(Ok(()))) {
                    return;
                }
                place += i64::try_from(piece.len()).unwrap_or(0);
            }
        }
        drop(turn);
    });
    Ok(ReceiverStream::new(pieces))
}
