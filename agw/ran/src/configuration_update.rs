//! eNB and MME Configuration Update (TS 36.413 §8.7.4, §8.7.5).
//!
//! ```text
//!   eNB                                        MME
//!    │ ENB CONFIGURATION UPDATE                 │
//!    ├─────────────────────────────────────────►│  new name, areas, paging DRX: all of them or none
//!    │ ENB CONFIGURATION UPDATE ACKNOWLEDGE     │
//!    │◄─────────────────────────────────────────┤  Save(link)
//!    │ or ENB CONFIGURATION UPDATE FAILURE      │
//!    │◄─────────────────────────────────────────┤  the old configuration holds
//!
//!    │                 MME CONFIGURATION UPDATE │  the gateway's own configuration changed
//!    │◄─────────────────────────────────────────┤
//!    │ MME CONFIGURATION UPDATE ACKNOWLEDGE     │
//!    ├─────────────────────────────────────────►│  or FAILURE: told, nothing changes
//! ```

use crate::link::{LinkState, areas, frames};
use crate::s1_setup::{foreign, served_gummeis};
use crate::{Cx, Ran};
use agw_types::{Effect, Event, GatewayConfig, LinkId, Record};
use basalt_s1ap::{
    EnbConfigurationUpdate, EnbConfigurationUpdateAcknowledge, EnbConfigurationUpdateFailure, MmeConfigurationUpdate,
    MmeConfigurationUpdateFailure, Name, TimeToWait,
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
        self.index(link, &changed, &cx.config.areas);
        cx.effects.push(Effect::Save(Box::new(Record::Link(changed.stored(link)))));
        let mut acknowledge = EnbConfigurationUpdateAcknowledge::new();
        acknowledge.criticality_diagnostics = self.report.take();
        cx.send(link, 0, acknowledge);
    }
}

impl Ran {
    /// The gateway's configuration is another one now (`cx.config`): base stations are told what concerns them.
    pub fn configure(&mut self, former: &GatewayConfig, cx: &mut Cx<'_>) {
        let config = cx.config;
        self.by_area.clear();
        let ready: Vec<(LinkId, _)> =
            self.links.iter().filter_map(|(link, state)| Some((*link, state.enb()?.clone()))).collect();
        for (link, enb) in &ready {
            self.index(*link, enb, &config.areas);
        }
        let identity = |config: &GatewayConfig| (config.plmns.clone(), config.group, config.code);
        let mut update = MmeConfigurationUpdate::new();
        if identity(former) != identity(config) {
            update.served_gummeis = Some(vec![served_gummeis(config)]);
        }
        if former.relative_capacity != config.relative_capacity {
            update.relative_mme_capacity = Some(config.relative_capacity);
        }
        if former.name != config.name {
            update.mme_name = Name::new(config.name.as_str()).ok();
        }
        if update == MmeConfigurationUpdate::new() {
            return;
        }
        for (link, _) in ready {
            cx.send(link, 0, update.clone());
        }
    }

    /// Tells all base stations this MME's share of new UEs in its pool (TS 36.413 §9.2.3.17).
    pub fn tell_capacity(&mut self, capacity: u8, cx: &mut Cx<'_>) {
        let ready: Vec<LinkId> = self.by_enb.values().copied().collect();
        for link in ready {
            let mut update = MmeConfigurationUpdate::new();
            update.relative_mme_capacity = Some(capacity);
            cx.send(link, 0, update);
        }
    }

    /// MME CONFIGURATION UPDATE FAILURE.
    pub(crate) fn update_refused(&mut self, link: LinkId, failure: &MmeConfigurationUpdateFailure, cx: &mut Cx<'_>) {
        let cause = failure.cause.map_or_else(|| "no cause given".to_owned(), |cause| cause.to_string());
        let what = format!("the base station does not take the gateway's new configuration over: {cause}");
        cx.protocol_error(link, "MMEConfigurationUpdateFailure", what);
    }
}
