//! S1 handover, the core's part (TS 23.401 §5.5.1.2, TS 33.401 §7.2.8.4.3).
//!
//! ```text
//!   radio room                      MME                       other rooms
//!    │ HandoverRequired              │
//!    ├──────────────────────────────►│  ─ HandOver ─► session: the bearers that stand
//!    │                      HandOver │  the next NH and NCC of the chain; Save
//!    │◄──────────────────────────────┤
//!    │ HandoverAdmitted              │
//!    ├──────────────────────────────►│  ─ Forward ─► session: tunnels of the gateway
//!    │                       Forward │
//!    │◄──────────────────────────────┤
//!    │ HandedOver                    │
//!    ├──────────────────────────────►│  ─ Connected ─► session: downlink goes to the new base station; Save
//!    │ or HandoverEnded              │
//!    ├──────────────────────────────►│  the UE stays, its bearers' procedures go on
//! ```

use crate::cx::Cx;
use crate::ue::Ue;
use agw_types::{
    Ambr, Area, BearerEndpoint, BearerSetup, Event, ForwardingTunnels, HandoverSetup, RadioCommand, RadioId,
    SessionRequest,
};

/// Next hops that may be told to base stations without the UE having heard of one. The chaining count has three bits, and begins at 1
/// here and at 0 in the UE: one more could look to the UE as if nothing had changed.
const UNHEARD: u8 = 6;

/// The base station wants to hand the UE over.
pub(crate) fn required(ue: &Ue, cx: &mut Cx<'_>) {
    let Some(connection) = &ue.connection else { return };
    if !ue.is_registered() || ue.keys.is_none() || connection.access_keys.is_none() {
        cx.radio(RadioCommand::RefuseHandover { radio: connection.radio });
        return;
    }
    cx.session(SessionRequest::HandOver { ue: cx.id });
}

/// The session room says which bearers the UE has.
pub(crate) fn bearers(ue: &mut Ue, bearers: Vec<BearerSetup>, ambr: Ambr, cx: &mut Cx<'_>) {
    let (Some(keys), Some(connection)) = (ue.keys.as_deref(), ue.connection.as_mut()) else { return };
    let Some(chain) = connection.access_keys.as_deref_mut().filter(|_| !bearers.is_empty()) else {
        cx.radio(RadioCommand::RefuseHandover { radio: connection.radio });
        return;
    };
    // Each target gets a next hop of its own, so that one that was not used knows nothing of the next one's keys.
    if connection.unheard < UNHEARD {
        connection.unheard += 1;
        keys.advance(chain);
    }
    let (encryption_algorithms, integrity_algorithms) = ue.capability.for_radio();
    let setup = HandoverSetup {
        ncc: chain.ncc(),
        next_hop: chain.next_hop().clone(),
        encryption_algorithms,
        integrity_algorithms,
        ambr,
        bearers,
    };
    cx.radio(RadioCommand::HandOver { radio: connection.radio, setup: Box::new(setup) });
    cx.save();
}

/// The target is ready; data has to be forwarded by the gateway.
pub(crate) fn admitted(tunnels: Vec<ForwardingTunnels>, cx: &mut Cx<'_>) {
    cx.session(SessionRequest::Forward { ue: cx.id, tunnels });
}

/// The session room has made tunnels.
pub(crate) fn forward(ue: &Ue, tunnels: Vec<ForwardingTunnels>, cx: &mut Cx<'_>) {
    if let Some(connection) = &ue.connection {
        cx.radio(RadioCommand::Forward { radio: connection.radio, tunnels });
    }
}

/// The UE is at its new base station.
pub(crate) fn handed_over(ue: &mut Ue, to: RadioId, area: Area, bearers: Vec<BearerEndpoint>, cx: &mut Cx<'_>) {
    let Some(connection) = ue.connection.as_mut() else { return };
    connection.radio = to;
    connection.unheard = 0;
    ue.area = area;
    cx.session(SessionRequest::Connected { ue: cx.id, bearers, failed: Vec::new(), switched: true });
    cx.session(SessionRequest::HandoverOver { ue: cx.id, arrived: true });
    cx.save();
    if let Some(imsi) = ue.imsi {
        cx.tell(Event::Connected { imsi, cell: area.cell });
    }
}

/// The UE stays where it is; what was put off is said to its base station.
pub(crate) fn ended(cx: &mut Cx<'_>) {
    cx.session(SessionRequest::HandoverOver { ue: cx.id, arrived: false });
    let (bearers, failed) = (Vec::new(), Vec::new());
    cx.session(SessionRequest::Connected { ue: cx.id, bearers, failed, switched: true });
}
