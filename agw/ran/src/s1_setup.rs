//! S1 Setup (TS 36.413 §8.7.3).
//!
//! ```text
//!   eNB                                   MME
//!    │ S1 SETUP REQUEST                    │  identity, networks and areas are checked
//!    ├────────────────────────────────────►│  a former life of this base station ends
//!    │          S1 SETUP RESPONSE          │
//!    │◄────────────────────────────────────┤  Save(link), Tell(connected)
//!    │   or S1 SETUP FAILURE, time to wait │
//!    │◄────────────────────────────────────┤  Tell(refused, with the fix in words)
//! ```

use crate::link::{Enb, LinkState, areas, frames};
use crate::{Cx, Ran};
use agw_types::{Effect, Event, GatewayConfig, LinkId, Metric, Outcome, Procedure, RadioCause, Record};
use basalt_ids::{GlobalEnbId, Tai};
use basalt_s1ap::{
    Cause, MiscCause, Name, S1SetupFailure, S1SetupRequest, S1SetupResponse, ServedGummeis, SupportedTa, TimeToWait,
};

/// How long a base station that is refused waits before it asks again: time enough for people to read why.
pub(crate) const TIME_TO_WAIT: TimeToWait = TimeToWait::S20;

/// Why a base station is not taken in.
pub(crate) struct Refusal {
    pub(crate) cause: Cause,
    /// In words, with the fix.
    pub(crate) reason: String,
}

impl Ran {
    /// S1 SETUP REQUEST.
    pub(crate) fn s1_setup(&mut self, link: LinkId, request: &S1SetupRequest, cx: &mut Cx<'_>) {
        let enb = Enb {
            id: request.global_enb_id,
            name: request.enb_name.as_ref().map(|name| name.as_str().to_owned()),
            areas: areas(&request.supported_tas),
            drx: request.default_paging_drx.map_or(128, frames),
        };
        let refusal = self.duplicate(link, enb.id).or_else(|| foreign(&request.supported_tas, &enb.areas, cx.config));
        if let Some(refusal) = refusal {
            self.refuse_setup(link, enb.id, refusal, cx);
            return;
        }
        // The procedure erases whatever either side knew of UEs, like a reset (§8.7.3.1).
        self.end_link(link, RadioCause::LinkLost, cx);
        self.end_former_life(link, enb.id, cx);
        let Some(state) = self.links.get_mut(&link) else { return };
        let peer = state.peer();
        state.state = LinkState::Ready(enb.clone());
        self.index(link, &enb, &cx.config.areas);
        cx.effects.push(Effect::Save(Box::new(Record::Link(enb.stored(link)))));
        let mut response = response(cx.config);
        response.criticality_diagnostics = self.report.take();
        cx.send(link, 0, response);
        if let Some(overload) = &self.overload {
            cx.send(link, 0, overload.start());
        }
        cx.count(Metric::Procedure { procedure: Procedure::S1Setup, outcome: Outcome::Success });
        cx.tell(Event::EnbConnected { enb: enb.id, name: enb.name, link, peer, areas: enb.areas });
    }

    /// Puts a base station into the indexes: under the areas that the gateway serves too, since no other is ever paged.
    pub(crate) fn index(&mut self, link: LinkId, enb: &Enb, served: &[Tai]) {
        self.by_enb.insert(enb.id, link);
        for area in enb.areas.iter().filter(|area| served.contains(area)) {
            let links = self.by_area.entry(*area).or_default();
            if let Err(place) = links.binary_search(&link) {
                links.insert(place, link);
            }
        }
    }

    /// A living base station has this identity already, at another address: one of the two is misconfigured or a fraud, and
    /// the one that serves UEs stays.
    fn duplicate(&self, link: LinkId, id: GlobalEnbId) -> Option<Refusal> {
        let other = *self.by_enb.get(&id)?;
        let (new, old) = (self.links.get(&link)?, self.links.get(&other)?);
        if other == link || old.ready().is_none() || old.shares_address(new) {
            return None;
        }
        let at = old.peer().map_or_else(|| "another address".to_owned(), |peer| peer.to_string());
        let reason = format!(
            "eNodeB {id} is connected already from {at}. Two base stations have one identity: give this one an eNodeB id of its own"
        );
        Some(Refusal { cause: Cause::Misc(MiscCause::OmIntervention), reason })
    }

    /// The same base station over an older association: that one is dead, whether or not SCTP noticed.
    fn end_former_life(&mut self, link: LinkId, id: GlobalEnbId, cx: &mut Cx<'_>) {
        let Some(&former) = self.by_enb.get(&id) else { return };
        if former != link {
            self.end_link(former, RadioCause::LinkLost, cx);
            self.links.remove(&former);
            cx.effects.push(Effect::CloseLink { link: former });
        }
    }

    fn refuse_setup(&mut self, link: LinkId, enb: GlobalEnbId, refusal: Refusal, cx: &mut Cx<'_>) {
        let mut failure = S1SetupFailure::new(refusal.cause);
        failure.time_to_wait = Some(TIME_TO_WAIT);
        cx.send(link, 0, failure);
        cx.count(Metric::Procedure { procedure: Procedure::S1Setup, outcome: Outcome::Failure });
        let peer = self.links.get(&link).and_then(|link| link.peer());
        cx.tell(Event::EnbRefused { enb: Some(enb), peer, reason: refusal.reason });
    }
}

/// A base station that serves nothing of ours.
pub(crate) fn foreign(supported: &[SupportedTa], areas: &[Tai], config: &GatewayConfig) -> Option<Refusal> {
    let ours = |ta: &SupportedTa| ta.broadcast_plmns.iter().any(|plmn| config.plmns.contains(plmn));
    if !supported.iter().any(ours) {
        let theirs = list(areas.iter().map(|area| area.plmn.to_string()));
        let reason = format!(
            "it broadcasts {theirs}, this gateway serves {}: set the same network on both",
            list(config.plmns.iter().map(ToString::to_string))
        );
        return Some(Refusal { cause: Cause::Misc(MiscCause::UnknownPlmn), reason });
    }
    if !areas.iter().any(|area| config.areas.contains(area)) {
        let reason = format!(
            "it serves the areas {}, this gateway {}: set the same tracking area code on both",
            list(areas.iter().map(ToString::to_string)),
            list(config.areas.iter().map(ToString::to_string))
        );
        return Some(Refusal { cause: Cause::Misc(MiscCause::Unspecified), reason });
    }
    None
}

/// At most eight of them, without repetition, for a line that people read.
fn list(items: impl Iterator<Item = String>) -> String {
    let mut items: Vec<String> = items.collect();
    items.dedup();
    let more = items.len().saturating_sub(8);
    items.truncate(8);
    let mut text = items.join(", ");
    if more > 0 {
        text.push_str(&format!(" and {more} more"));
    }
    if text.is_empty() { "none".to_owned() } else { text }
}

/// S1 SETUP RESPONSE: who the gateway is.
fn response(config: &GatewayConfig) -> S1SetupResponse {
    let mut response = S1SetupResponse::new(vec![served_gummeis(config)], config.relative_capacity);
    response.mme_name = Name::new(config.name.as_str()).ok();
    response
}

/// Identities the gateway serves under.
pub(crate) fn served_gummeis(config: &GatewayConfig) -> ServedGummeis {
    ServedGummeis {
        plmns: config.plmns.iter().take(32).copied().collect(),
        groups: vec![config.group],
        codes: vec![config.code],
        extensions: Vec::new(),
    }
}
