//! What the data plane reports: quotas, paths to base stations, blocks of ports, and senders that behave like attackers.

use crate::gateway::Gateway;
use crate::usage;
use agw_dataplane::{PortBlock, Report, Suspicion};
use agw_types::Event;

/// Passes a report on to whom it concerns.
pub fn take(gateway: &mut Gateway, report: Report) {
    match report {
        Report::Quota { .. } => usage::noticed(gateway, report),
        Report::Path { peer, up: false } => gateway.tell(Event::PathLost { peer: peer.into() }),
        Report::Path { peer, up: true } => gateway.tell(Event::PathBack { peer: peer.into() }),
        Report::Suspicious { peer, what, count } => {
            let (label, does) = words(what);
            gateway.metrics.suspicions.with_label_values(&[label]).inc_by(count);
            let advice = "block it if it is no base station of yours";
            let what = format!("{peer} {does} ({count} times since this was told last): {advice}");
            gateway.tell(Event::Security { imsi: None, what });
        }
        Report::PortBlock(PortBlock { imsi, inside, outside, ports: (first, last), given }) => {
            gateway.tell(Event::PortBlock { imsi, inside, outside, first, last, given });
        }
    }
}

const fn words(what: Suspicion) -> (&'static str, &'static str) {
    match what {
        Suspicion::UnknownTunnels => ("unknown_tunnels", "sends GTP-U into tunnels that nobody has"),
        Suspicion::ForeignTunnels => ("foreign_tunnels", "sends GTP-U into tunnels of other base stations"),
        Suspicion::ForgedControl => {
            ("forged_control", "sends Error Indications or End Markers for tunnels that it does not have")
        }
    }
}
