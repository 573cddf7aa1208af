//! What the data plane reports: quotas, interfaces, paths to base stations, blocks of ports, and senders that behave like attackers.

use crate::gateway::Gateway;
use crate::usage;
use agw_dataplane::{Interface, InterfaceState, PortBlock, Report, Side, Suspicion};
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
        Report::Meddled { pins, programs } => {
            for (found, count) in [("unpinned", pins), ("detached", programs)] {
                gateway.metrics.repairs.with_label_values(&[found]).inc_by(count as u64);
            }
            let what = format!(
                "somebody removed {pins} pins of the data plane's programs and tables, and detached {programs} programs; \
                 they are in place again"
            );
            gateway.tell(Event::Repaired { what });
        }
        Report::Interface(interface) => {
            let (name, (up, what)) = (interface.name.clone(), became(&interface));
            gateway.tell(if up { Event::InterfaceBack { name, what } } else { Event::InterfaceLost { name, what } });
        }
    }
}

/// Whether packets pass by an interface, and what became of it, with what helps.
pub fn became(interface: &Interface) -> (bool, String) {
    let Interface { side, configured, name, state } = interface;
    let to = match side {
        Side::Radio => "base stations",
        Side::Internet => "the internet",
    };
    match state {
        InterfaceState::Up if name != configured => {
            let key = match side {
                Side::Radio => "[radio]",
                Side::Internet => "[internet]",
            };
            (
                true,
                format!(
                    "{configured}, to {to}, is called so now; set interface = \"{name}\" under {key}, or restarts fail"
                ),
            )
        }
        InterfaceState::Up => (true, format!("it leads to {to}, and is up")),
        InterfaceState::Down => (false, format!("it leads to {to}, and is down; bring it up, look at its cable")),
        InterfaceState::Away => {
            (false, format!("it leads to {to}, and has disappeared; it is used again as soon as it is there"))
        }
        InterfaceState::Unusable => (
            false,
            format!("it leads to {to}, is there, and takes no program; agwd's log says why, it is tried each second"),
        ),
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
