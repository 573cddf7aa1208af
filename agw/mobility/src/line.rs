//! The way to a UE: its connection and, once there are any, the keys that protect what is sent over it.

use crate::cx::Cx;
use agw_types::{RadioCommand, RadioId};
use basalt_security::{NasSecurityContext, Protection};

/// Counts that are reserved at a time. Well below 256, so that a UE's estimate of the count stays right after a restart has
/// skipped what was left (TS 24.301 §4.4.3.1).
const WINDOW: u32 = 64;

/// Where messages to a UE go.
pub(crate) struct Line<'a> {
    pub(crate) radio: RadioId,
    pub(crate) keys: Option<&'a mut NasSecurityContext>,
}

impl Line<'_> {
    /// Sends a message: protected with the keys in use, plain as long as there are none.
    pub(crate) fn send(&mut self, plain: Vec<u8>, cx: &mut Cx<'_>) {
        let nas = match &mut self.keys {
            Some(keys) => protect(keys, Protection::IntegrityCiphered, &plain, cx),
            None => Some(plain),
        };
        if let Some(nas) = nas {
            cx.radio(RadioCommand::Downlink { radio: self.radio, nas });
        }
    }
}

/// Protects a message. Counts are reserved, and the reservation stored, before they are used.
///
/// `None` when the keys have no count left: new keys were due long ago, and without them nothing more can be sent.
pub(crate) fn protect(
    keys: &mut NasSecurityContext,
    protection: Protection,
    plain: &[u8],
    cx: &mut Cx<'_>,
) -> Option<Vec<u8>> {
    if keys.reserved_left() == 0 && keys.reserve(WINDOW) {
        cx.save();
    }
    keys.protect(protection, plain).ok()
}
