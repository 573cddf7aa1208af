//! Overload Start and Stop (TS 36.413 §8.7.6, §8.7.7): base stations keep UEs away while the gateway has too many at once.
//!
//! ```text
//!   every eNB                             MME
//!    │                      OVERLOAD START │
//!    │◄────────────────────────────────────┤  also to those whose S1 is set up meanwhile
//!    │                       OVERLOAD STOP │
//!    │◄────────────────────────────────────┤
//! ```

use crate::{Cx, Ran};
use agw_types::LinkId;
use basalt_s1ap::{OverloadAction, OverloadStart, OverloadStop};

/// What base stations shall keep away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Overload {
    /// Share to turn away, 1 to 99 per cent.
    pub reduction: u8,
}

impl Overload {
    /// Signalling is the burden: calls to UEs and emergencies go on.
    pub(crate) fn start(self) -> OverloadStart {
        let mut start = OverloadStart::new(OverloadAction::RejectSignalling);
        start.traffic_load_reduction = Some(self.reduction.clamp(1, 99));
        start
    }
}

impl Ran {
    /// Tells every base station to keep UEs away, or that it is over. Nothing is said twice.
    pub fn set_overload(&mut self, overload: Option<Overload>, cx: &mut Cx<'_>) {
        if self.overload == overload {
            return;
        }
        self.overload = overload;
        let ready: Vec<LinkId> = self.by_enb.values().copied().collect();
        for link in ready {
            match overload {
                Some(overload) => cx.send(link, 0, overload.start()),
                None => cx.send(link, 0, OverloadStop::new()),
            }
        }
    }

    /// What base stations were told last.
    #[must_use]
    pub const fn overload(&self) -> Option<Overload> {
        self.overload
    }
}
