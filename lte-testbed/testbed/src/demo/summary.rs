//! `summary.json`: what was asked for, what came of it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::Serialize;

/// See the module's description.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Summary {
    /// Phones that were to attach.
    pub ues_requested: u32,
    /// Phones that did.
    pub ues_attached: u32,
    /// Milliseconds from ATTACH REQUEST to ATTACH COMPLETE.
    pub attach_ms: AttachMs,
    /// The same, flat.
    pub attach_ms_p50: f64,
    /// The same, flat.
    pub attach_ms_p99: f64,
    /// Pings of all phones.
    pub ping: PingCount,
    /// Octets of user packets, counted by the phones' TUN devices and by the gateway.
    pub uplink_bytes: Counted,
    /// The same towards the phones.
    pub downlink_bytes: Counted,
    /// HTTP download, Mbit/s.
    pub http_mbit_s: f64,
    /// TCP from the phone, Mbit/s.
    pub uplink_mbit_s: f64,
    /// TCP to the phone, Mbit/s.
    pub downlink_mbit_s: f64,
    /// An idle phone was paged and answered.
    pub paged: bool,
    /// `xdp-native`, `xdp-generic` or `software`.
    pub data_plane: String,
    /// `kernel`, `raw-ip` or `udp`.
    pub sctp_backend: String,
    /// What the orchestrator saw of the gateway.
    pub orchestrator: Seen,
    /// Packets the gateway dropped.
    pub drops: BTreeMap<String, u64>,
    /// What was skipped, and why.
    pub skipped: Vec<String>,
    /// What did not work; empty when everything did.
    pub failures: Vec<String>,
    /// How long it all took, seconds.
    pub seconds: f64,
}

impl Summary {
    /// Writes `summary.json` into a directory; where it is.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write(&self, directory: &Path) -> Result<PathBuf> {
        let path = directory.join("summary.json");
        let text = serde_json::to_string_pretty(self)? + "\n";
        fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
        Ok(path)
    }
}

/// A gateway as the orchestrator sees it.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Seen {
    /// It has joined and its conversation stands.
    pub connected: bool,
    /// It has all that it should have.
    pub in_sync: bool,
    /// Phones that it reported.
    pub registered_ues: u64,
    /// Metrics that it reported.
    pub metrics: usize,
}

/// Percentiles, milliseconds.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct AttachMs {
    /// Half took at most this long.
    pub p50: f64,
    /// 99 of 100 took at most this long.
    pub p99: f64,
}

/// Pings.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct PingCount {
    /// Sent.
    pub sent: u32,
    /// Answered.
    pub received: u32,
}

/// Octets from two points of view.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Counted {
    /// By the phones' devices.
    pub phone: u64,
    /// By the gateway.
    pub gateway: u64,
}
