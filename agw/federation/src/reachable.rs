//! Home networks that want to know when a phone can be reached (TS 23.401 §5.7.2, TS 29.272 §5.2.5.1).
//!
//! ```text
//!   HSS ── IDR (UE Reachability Request) ──► awaited ── the phone is connected ──► NOR (UE reachable from MME) ──► HSS
//! ```

use crate::asking::Purpose;
use crate::types::Wish;
use crate::{Effects, Federation};
use basalt_ids::Imsi;
use basalt_sansio::Time;

impl Federation {
    /// A phone has a radio connection, or has none any more.
    pub(crate) fn connected(&mut self, now: Time, imsi: Imsi, connected: bool, out: &mut Effects) {
        let Some(known) = self.known.get_mut(&imsi) else { return };
        known.connected = connected;
        self.tell_reachable(now, imsi, out);
    }

    /// The home network is told when the phone is connected: at once, if it is.
    pub(crate) fn await_reachable(&mut self, imsi: Imsi) {
        if let Some(known) = self.known.get_mut(&imsi) {
            known.awaited = true;
        }
    }

    /// Tells, where it is wanted and so.
    pub(crate) fn tell_reachable(&mut self, now: Time, imsi: Imsi, out: &mut Effects) {
        let Some(known) = self.known.get_mut(&imsi).filter(|known| known.awaited && known.connected) else { return };
        let Some(serving) = known.serving else { return };
        known.awaited = false;
        self.send(now, imsi, serving, Wish::Reachable, Purpose::Notify, out);
    }
}
