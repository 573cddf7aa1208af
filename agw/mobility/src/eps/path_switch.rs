//! X2 handover, the core's part (TS 23.401 §5.5.1.1, TS 33.401 §7.2.8.4.2).
//!
//! ```text
//!   target eNB                      MME                       other rooms
//!    │ PathSwitched                  │
//!    ├──────────────────────────────►│  ─ Connected ─► session: downlink goes to the new base station
//!    │       AcknowledgePathSwitch   │
//!    │◄──────────────────────────────┤  the next NH and NCC of the chain; Save
//! ```

use crate::cx::Cx;
use crate::ue::Ue;
use agw_types::{Area, BearerEndpoint, Event, RadioCommand, SessionRequest};

pub(crate) fn switched(
    ue: &mut Ue,
    area: Area,
    bearers: Vec<BearerEndpoint>,
    algorithms: Option<(u16, u16)>,
    cx: &mut Cx<'_>,
) {
    ue.area = area;
    let stored = ue.capability.for_radio();
    let differ = algorithms.is_some_and(|told| told != stored);
    let (Some(keys), Some(connection)) = (ue.keys.as_deref(), ue.connection.as_mut()) else { return };
    let chain = connection.access_keys.get_or_insert_with(|| Box::new(keys.access_keys(connection.uplink_count)));
    keys.advance(chain);
    connection.unheard = 0;
    cx.radio(RadioCommand::AcknowledgePathSwitch {
        radio: connection.radio,
        ncc: chain.ncc(),
        next_hop: chain.next_hop().clone(),
        algorithms: differ.then_some(stored),
    });
    if differ {
        let what = "a base station handed the phone over with other security capabilities than it has; the stored ones are kept";
        cx.tell(Event::Security { imsi: ue.imsi, what: what.to_owned() });
    }
    cx.session(SessionRequest::Connected { ue: cx.id, bearers, failed: Vec::new(), switched: true });
    cx.save();
    if let Some(imsi) = ue.imsi {
        cx.tell(Event::Connected { imsi, cell: area.cell });
    }
}
