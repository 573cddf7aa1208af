//! How many sessions a second find their way into the tables of programs that run.

use crate::closed_loop::tunnel;
use crate::lab::{Lab, config};
use agw_dataplane::{Dataplane, Egress, Limits, Plane, Rate};
use agw_types::{AddressPool, DataplaneChange, Tunnel, TunnelState};
use basalt_ids::Teid;
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// As many as there may be, less the addresses that nobody gets.
const SESSIONS: u32 = (1 << 20) - 16;
const POOL: Ipv4Addr = Ipv4Addr::new(10, 64, 0, 0);

/// Sessions each second.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Speed {
    /// New ones, each with its tunnel and its rates, as the gateway sets them.
    pub(crate) install: f64,
    /// Those that are there go to another base station's tunnel.
    pub(crate) change: f64,
    /// Those that are right are found right, by the comparison that the gateway makes every few seconds.
    pub(crate) compare: f64,
    /// They go.
    pub(crate) remove: f64,
}

pub(crate) fn measure() -> Result<Speed> {
    let lab = Lab::new();
    let mut settings = config(Plane::XdpNative, Egress::Routed, lab.pins.clone());
    settings.sessions = 1 << 20;
    settings.pools = vec![AddressPool { network: POOL, prefix: 12, gateway: None }];
    let teids = settings.teids()?;
    let gateway = lab.open(settings);
    let sessions: Vec<Tunnel> = (0..SESSIONS)
        .map(|number| {
            let teid = Teid(teids.compose(number, 0x5a5).unwrap_or(1));
            tunnel(teid, Ipv4Addr::from_bits(POOL.to_bits() + 8 + number), number)
        })
        .collect();
    let plane = gateway.plane();
    let install = each_second(|| sessions.iter().try_for_each(|session| set(plane, session)))?;
    let moved: Vec<Tunnel> = sessions.iter().map(elsewhere).collect();
    let change = each_second(|| moved.iter().try_for_each(|session| set(plane, session)))?;
    let mut differences = 0;
    let compare = each_second(|| {
        let found = plane.reconcile(&moved, |_| Ok(()));
        differences = found.missing.len() + found.wrong.len() + found.foreign.len() + found.failed.len();
        Ok(())
    })?;
    if differences != 0 {
        return Err(format!("{differences} sessions were not as they had been set").into());
    }
    let remove = each_second(|| {
        moved.iter().try_for_each(|session| {
            let change = DataplaneChange::Remove { teid: session.teid, address: session.address };
            Ok(plane.apply(&change).map(drop)?)
        })
    })?;
    Ok(Speed { install, change, compare, remove })
}

/// As the gateway does it for a session (`agwd`, module `tables`): the tunnel, then its rates.
fn set(plane: &Dataplane, session: &Tunnel) -> Result<()> {
    plane.apply(&DataplaneChange::Set(session.clone()))?;
    plane.limit(
        session.teid,
        session.address,
        &Limits::of(session.ambr).with_burst(Duration::from_millis(Rate::BURST_MS)),
        None,
    )?;
    Ok(())
}

fn elsewhere(session: &Tunnel) -> Tunnel {
    let state = match session.state {
        TunnelState::Connected(mut peer) => {
            peer.teid = Teid(peer.teid.0 ^ 0x4000_0000);
            TunnelState::Connected(peer)
        }
        TunnelState::Idle => TunnelState::Idle,
    };
    Tunnel { state, ..session.clone() }
}

fn each_second(work: impl FnOnce() -> Result<()>) -> Result<f64> {
    let began = Instant::now();
    work()?;
    Ok(f64::from(SESSIONS) / began.elapsed().as_secs_f64())
}
