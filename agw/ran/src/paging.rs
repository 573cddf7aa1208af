//! Paging (TS 36.413 §8.5).
//!
//! ```text
//!   eNBs of the areas                     MME
//!    │                              PAGING │
//!    │◄────────────────────────────────────┤  ◄─ Page; once to each, whatever number of the areas it serves
//! ```

use crate::link::drx;
use crate::{Cx, Ran};
use agw_types::{Effect, LinkId, Metric, Paging, PagingId};
use basalt_s1ap::{CnDomain, PagingIdentity, Pdu, encode};
use std::collections::BTreeSet;

impl Ran {
    /// PAGING to every base station that serves one of the areas.
    pub(crate) fn page(&mut self, paging: &Paging, cx: &mut Cx<'_>) {
        let identity = match paging.id {
            PagingId::STmsi(s_tmsi) => PagingIdentity::STmsi(s_tmsi),
            PagingId::Imsi(imsi) => PagingIdentity::Imsi(imsi),
        };
        let mut message =
            basalt_s1ap::Paging::new(paging.ue_index & 0x3ff, identity, CnDomain::Ps, paging.areas.clone());
        message.paging_drx = paging.drx.and_then(drx);
        let Ok(octets) = encode(&Pdu::Paging(message)) else {
            cx.count(Metric::Discarded("s1ap message that cannot be encoded"));
            return;
        };
        let links: BTreeSet<LinkId> =
            paging.areas.iter().filter_map(|area| self.by_area.get(area)).flatten().copied().collect();
        for link in links {
            cx.count(Metric::Sent("Paging"));
            cx.effects.push(Effect::Send { link, stream: 0, pdu: octets.clone() });
        }
    }
}
