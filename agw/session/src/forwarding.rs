//! Indirect data forwarding: what a source base station still has for a UE goes by the gateway to where the UE is handed over
//! (TS 23.401 §5.5.1.2.2).
//!
//! Each tunnel is an endpoint of the gateway for as long as the handover lasts, and a little longer: the source forwards what is on
//! its way until the End Marker has passed.

use crate::{SessionOut, Sessions, bearer_setup, dedicated};
use agw_types::{DataplaneChange, ForwardingTunnels, Peer, SessionReply, TimerName, UeId};
use basalt_ids::{Ebi, Teid};
use basalt_sansio::{Duration, Time};
use core::net::IpAddr;

/// How long tunnels stay after the UE has arrived: longer than the source keeps its context.
const AFTER_ARRIVAL: Duration = Duration::from_secs(2);

impl Sessions {
    /// What a handover to another base station contains: the bearers that stand.
    pub(crate) fn hand_over(&self, ue: UeId, out: &mut SessionOut) {
        let Some(held) = self.ues.get(&ue) else {
            let ambr = agw_types::Ambr { uplink: 0, downlink: 0 };
            out.reply(SessionReply::HandOver { ue, bearers: Vec::new(), ambr });
            return;
        };
        let standing = held.list.iter().filter(|session| session.remote.is_some());
        let dedicated = held.list.iter().flat_map(|session| &session.bearers);
        let dedicated = dedicated.filter(|bearer| bearer.confirmed && bearer.remote.is_some());
        let bearers = standing.map(bearer_setup).chain(dedicated.map(dedicated::bearer_setup)).collect();
        out.reply(SessionReply::HandOver { ue, bearers, ambr: held.ambr() });
    }

    /// Makes a tunnel of the gateway for each one of the target's. Where no endpoint is free, what the source has is lost, and the
    /// handover goes on.
    pub(crate) fn forward(&mut self, now: Time, ue: UeId, targets: &[ForwardingTunnels], out: &mut SessionOut) {
        self.stop_forwarding(now, ue, out);
        let mut tunnels = Vec::new();
        for target in targets {
            let Some(from) = self.ues.get(&ue).and_then(|held| held.base_station(target.ebi)) else { continue };
            let mut relay = |end: Option<(IpAddr, Teid)>| {
                let (address, teid) = end?;
                self.relay(now, ue, from, Peer { address, teid }, out)
            };
            let (downlink, uplink) = (relay(target.downlink), relay(target.uplink));
            if downlink.or(uplink).is_some() {
                tunnels.push(ForwardingTunnels { ebi: target.ebi, downlink, uplink });
            }
        }
        out.reply(SessionReply::Forward { ue, tunnels });
    }

    fn relay(&mut self, now: Time, ue: UeId, from: IpAddr, to: Peer, out: &mut SessionOut) -> Option<(IpAddr, Teid)> {
        let teid = self.teids.take(now, &mut self.rng)?;
        let Some(held) = self.ues.get_mut(&ue) else {
            self.teids.release(now, Duration::ZERO, teid);
            return None;
        };
        held.forwarding.push(teid);
        out.dataplane(DataplaneChange::Forward { teid, from, to });
        Some((self.config.user_plane, teid))
    }

    /// A handover is over.
    pub(crate) fn handover_over(&mut self, now: Time, ue: UeId, arrived: bool, out: &mut SessionOut) {
        let forwards = self.ues.get(&ue).is_some_and(|held| !held.forwarding.is_empty());
        match (forwards, arrived) {
            (true, true) => out.arm(ue, TimerName::Forwarding, AFTER_ARRIVAL),
            (true, false) => self.stop_forwarding(now, ue, out),
            (false, _) => {}
        }
    }

    /// Ends the forwarding tunnels of a UE.
    pub(crate) fn stop_forwarding(&mut self, now: Time, ue: UeId, out: &mut SessionOut) {
        let Some(held) = self.ues.get_mut(&ue).filter(|held| !held.forwarding.is_empty()) else { return };
        out.stop(ue, TimerName::Forwarding);
        for teid in core::mem::take(&mut held.forwarding) {
            self.teids.release(now, self.config.timers.quarantine, teid);
            out.dataplane(DataplaneChange::StopForwarding { teid });
        }
    }
}

impl crate::UeSessions {
    /// Where the base station receives a bearer.
    fn base_station(&self, ebi: Ebi) -> Option<IpAddr> {
        let default = self.session(ebi).map(|session| session.remote);
        default.or_else(|| self.bearer(ebi).map(|bearer| bearer.remote)).flatten().map(|(address, _)| address)
    }
}
