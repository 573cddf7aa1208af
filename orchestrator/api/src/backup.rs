//! A copy of the whole database, encrypted for whom the request says, as it is made. The sealing key is not in it: what is write-only
//! here stays so, also for whoever holds the copy.

use crate::Problem;
use crate::gate::Call;
use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, Response, header};
use orchestrator_backup::age::{Lock, Recipient};
use orchestrator_backup::create;
use serde::Deserialize;
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use utoipa::ToSchema;

/// Parts that wait for a client, and how long they wait.
const PARTS: usize = 4;
const PATIENCE: Duration = Duration::from_secs(60);
const RECIPIENTS: usize = 16;

/// A backup.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct BackupRequest {
    /// For whom it is: recipients of the `age` format (`age1…`), 1 to 16. Each of their keys opens it alone.
    #[schema(min_items = 1, max_items = 16)]
    recipients: Vec<String>,
}

/// Begins the copy; it goes on as the client takes it.
pub(crate) fn begin(call: &Call) -> Result<Response<Body>, Problem> {
    let wanted: BackupRequest = call.read()?;
    if wanted.recipients.is_empty() || wanted.recipients.len() > RECIPIENTS {
        return Err(Problem::field("/recipients", "has no or too many entries", "1 to 16 recipients"));
    }
    let read = |text: &String| text.parse::<Recipient>().ok();
    let recipients: Option<Vec<Recipient>> = wanted.recipients.iter().map(read).collect();
    let recipients = recipients
        .ok_or_else(|| Problem::field("/recipients", "is no recipient", "age1…, as `basalt backup keygen` says it"))?;
    let (out, parts) = mpsc::channel(PARTS);
    let (made, waiting) = std::sync::mpsc::sync_channel(PARTS);
    let (db, now) = (Arc::clone(&call.state.db), call.now);
    // Encrypting is work, and handing over waits for the client: neither on a thread that serves others, nor both on one.
    tokio::task::spawn_blocking(move || {
        let lock = Lock::Recipients(recipients);
        let copy = create(db.as_ref(), None, &lock, now, Parts(made.clone()));
        if let Err(error) = Handle::current().block_on(copy) {
            tracing::error!(%error, "a backup was cut off");
            // Without its end, so that nobody takes a part for the whole. Nobody hears it when the client is gone.
            let _ = made.send(Err(io::Error::other("the backup could not be finished")));
        }
    });
    tokio::task::spawn_blocking(move || {
        for part in waiting {
            let sent = tokio::time::timeout(PATIENCE, async { out.send(part).await });
            if !matches!(Handle::current().block_on(sent), Ok(Ok(()))) {
                return;
            }
        }
    });
    let mut response = Response::new(Body::from_stream(ReceiverStream::new(parts)));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    let told = HeaderValue::from_static("attachment; filename=\"orchestrator.backup.age\"");
    headers.insert(header::CONTENT_DISPOSITION, told);
    Ok(response)
}

/// Writes into the body of the answer.
struct Parts(SyncSender<Result<Bytes, io::Error>>);

impl Write for Parts {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        let sent = self.0.send(Ok(Bytes::copy_from_slice(octets)));
        sent.map_err(|_| io::Error::new(io::ErrorKind::BrokenPipe, "the client is gone"))?;
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
