//! How a command that goes on until somebody ends it is told to stop.

use crate::error::Result;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Ctrl-C, or `kill`: from when this is listened to, neither ends the program by itself.
pub(super) struct Stop {
    interrupt: Signal,
    terminate: Signal,
}

impl Stop {
    /// Begins to listen.
    pub(super) fn listen() -> Result<Self> {
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    /// Waits until somebody asks.
    pub(super) async fn asked(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
