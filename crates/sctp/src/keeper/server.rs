//! The keeper itself.
use std::path::Path;

use super::{Error, ServeConfig};

/// Serves until its socket fails. To be run in a `tokio::task::LocalSet` when a listener's threading is
/// [`CallerLocalSet`](crate::Threading::CallerLocalSet).
///
/// # Errors
/// SCTP or the Unix socket cannot be set up, or failed.
pub async fn serve(_config: ServeConfig, _socket: &Path) -> Result<(), Error> {
    Ok(())
}

/// [`serve`] in a runtime of its own on this thread: the whole keeper process but its arguments.
///
/// # Errors
/// As [`serve`].
pub fn run(_config: ServeConfig, _socket: &Path) -> Result<(), Error> {
    Ok(())
}
