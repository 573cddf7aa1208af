//! eNB Configuration Update (TS 36.413 §8.7.4).
//!
//! ```text
//!   eNB                                        MME
//!    │ ENB CONFIGURATION UPDATE                 │
//!    ├─────────────────────────────────────────►│  new name, areas, paging DRX: all of them or none
//!    │ ENB CONFIGURATION UPDATE ACKNOWLEDGE     │
//!    │◄─────────────────────────────────────────┤  Save(link)
//!    │ or ENB CONFIGURATION UPDATE FAILURE      │
//!    │◄─────────────────────────────────────────┤  the old configuration holds
//! ```

use crate::link::{LinkState, areas, frames};
use crate::s1_setup::foreign;
use crate::{Cx, Ran};
use agw_types::{Effect, Event, LinkId, Record};
use basalt_s1ap::{
    EnbConfigurationUpdate, EnbConfigurationUpdateAcknowledge, EnbConfigurationUpdateFailure, TimeToWait,
};

impl Ran {
    /// ENB CONFIGURATION UPDATE.
    pub(crate) fn configuration_update(&mut self, link: LinkId, update: &EnbConfigurationUpdate, cx: &mut Cx<'_>) {
        let Some(state) = self.links.get_mut(&link) else { return };
        let peer = state.peer();
        let LinkState::Ready(enb) = &mut state.state else { return };
        let mut changed = enb.clone();
        if let Some(supported) = &update.supported_tas {
            changed.areas = areas(supported);
            if let Some(refusal) = foreign(supported, &changed.areas, cx.config) {
                let mut failure = EnbConfigurationUpdateFailure::new(refusal.cause);
                failure.time_to_wait = Some(TimeToWait::S20);
                let enb = Some(enb.id);
                cx.send(link, 0, failure);
                cx.tell(Event::EnbRefused { enb, peer, reason: refusal.reason });
                return;
            }
        }
        if let Some(name) = &update.enb_name {
            changed.name = Some(name.as_str().to_owned());
        }
        if let Some(drx) = update.default_paging_drx {
            changed.drx = frames(drx);
        }
        *enb = changed.clone();
        self.forget_enb(changed.id, link);
        self.index(link, &changed);
        cx.effects.push(Effect::Save(Box::new(Record::Link(changed.stored(link)))));
        let mut acknowledge = EnbConfigurationUpdateAcknowledge::new();
        acknowledge.criticality_diagnostics = self.report.take();
        cx.send(link, 0, acknowledge);
    }
}
