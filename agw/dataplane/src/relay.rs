//! Indirect forwarding: what a base station sends into an endpoint of the gateway goes on to another base station (TS 23.401
//! §5.5.1.2.2).
//!
//! It is done in user space: a handover's tunnels live for seconds and carry what was on its way. Programs hand every packet of
//! them to the socket, in order and without the slow path's limits, so that nothing overtakes and the End Marker comes last.
//!
//! Where they lead is in the tables, so a process that takes over goes on with them. It does not know when the handover was over, and
//! ends them after a while.

use crate::error::Error;
use crate::plane::{Shared, State};
use crate::tables::Tables;
use agw_types::Peer;
use basalt_ebpf_abi::{Address, DropReason, Uplink, UplinkFlags};
use basalt_ids::Teid;
use std::net::{IpAddr, SocketAddrV4};
use std::time::{Duration, Instant};

/// How long those of a predecessor that was killed stay: longer than any source goes on with what was on its way.
const ADOPTED: Duration = Duration::from_secs(3);

/// Where the packets of such an endpoint go.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Relay {
    to: Peer,
    /// When it ends by itself.
    until: Option<Instant>,
}

impl State {
    /// Goes on with what a predecessor forwarded.
    pub(crate) fn adopt_relays(&mut self, tables: &Tables, now: Instant) {
        for record in tables.uplink.iter().filter(|record| is_relay(record)) {
            let to = Peer { address: Address(record.ue.get()).to_ipv4().into(), teid: Teid(record.egress.get()) };
            self.relays.insert(record.teid.get(), Relay { to, until: Some(now + ADOPTED) });
        }
    }

    /// When the next one ends by itself.
    pub(crate) fn relay_due(&self) -> Option<Instant> {
        self.relays.values().filter_map(|relay| relay.until).min()
    }
}

/// Whether a record is such an endpoint's.
pub(crate) fn is_relay(record: &Uplink) -> bool {
    record.teid.get() != 0 && UplinkFlags(record.flags.get()).has(UplinkFlags::FORWARD)
}

impl Shared {
    /// Makes an endpoint whose packets, from `from` alone, go on to `to`.
    pub(crate) fn start_relay(&self, state: &mut State, teid: Teid, from: IpAddr, to: Peer) -> Result<(), Error> {
        let (IpAddr::V4(from), IpAddr::V4(there)) = (from, to.address) else { return Err(Error::Ipv6Peer) };
        self.vacate(state, teid);
        let record = self.tables.uplink.get(state.sessions.layout.index(teid.0) as usize);
        let record = record.filter(|_| teid.0 != 0 && teid.0 != u32::MAX).ok_or(Error::Teid(teid.0))?;
        let others = record.teid.get() != 0 && record.teid.get() != teid.0;
        if others || record.closed.get() != 0 {
            // A session has it, or its counters have not been settled.
            return Err(Error::Teid(teid.0));
        }
        record.teid.set(0);
        record.flags.set(UplinkFlags::FORWARD | UplinkFlags::IDLE);
        record.peer_mask.set(state.sessions.peer_mask);
        record.peer.set(Address::new(from).0 & state.sessions.peer_mask);
        record.ue.set(Address::new(there).0);
        record.egress.set(to.teid.0);
        record.prefix.set(0);
        // No session's.
        record.home.set(u32::MAX);
        record.teid.set(teid.0);
        state.relays.insert(teid.0, Relay { to, until: None });
        for held in state.waiting.take(teid.0) {
            self.relay(state, teid.0, &held.message);
        }
        Ok(())
    }

    /// Takes such an endpoint away.
    pub(crate) fn stop_relay(&self, state: &mut State, teid: Teid) {
        let record = self.tables.uplink.get(state.sessions.layout.index(teid.0) as usize);
        let record = record.filter(|record| record.teid.get() == teid.0);
        if let (Some(record), Some(_)) = (record, state.relays.remove(&teid.0)) {
            record.teid.set(0);
            record.flags.set(0);
            record.ue.set(0);
            record.egress.set(0);
        }
    }

    /// Ends an endpoint of a predecessor's in whose place this one shall be: the core that made it knows nothing of it any more.
    pub(crate) fn vacate(&self, state: &mut State, teid: Teid) {
        let layout = state.sessions.layout;
        let place = |other: &u32| layout.index(*other) == layout.index(teid.0) && *other != teid.0;
        if let Some(other) = state.relays.keys().copied().find(place) {
            self.stop_relay(state, Teid(other));
        }
    }

    /// Ends what nobody else will end.
    pub(crate) fn expire_relays(&self, state: &mut State, now: Instant) {
        let over = |relay: &Relay| relay.until.is_some_and(|until| until <= now);
        let list: Vec<u32> = state.relays.iter().filter(|(_, relay)| over(relay)).map(|(teid, _)| *teid).collect();
        for teid in list {
            self.stop_relay(state, Teid(teid));
        }
    }

    /// Sends a G-PDU or an End Marker on: as it came, but for the tunnel.
    pub(crate) fn relay(&self, state: &State, teid: u32, message: &[u8]) {
        let Some(Relay { to: Peer { address: IpAddr::V4(address), teid }, .. }) = state.relays.get(&teid) else {
            return;
        };
        let (Some(socket), Some((head, [_, _, _, _, rest @ ..]))) = (&self.socket, message.split_at_checked(4)) else {
            return;
        };
        let mut start = head.to_vec();
        start.extend(teid.0.to_be_bytes());
        if let Err(error) = socket.send(SocketAddrV4::new(*address, basalt_gtp::PORT), [&start, rest]) {
            tracing::debug!(%address, %error, "forwarding a packet of a handover");
            self.tables.dropped(DropReason::SendFailed, 1);
        }
    }
}
