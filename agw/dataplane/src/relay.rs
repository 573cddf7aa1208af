//! Indirect forwarding: what a base station sends into an endpoint of the gateway goes on to another base station (TS 23.401
//! §5.5.1.2.2).
//!
//! It is done in user space: a handover's tunnels live for seconds and carry what was on its way. Programs hand every packet of
//! them to the socket, in order and without the slow path's limits, so that nothing overtakes and the End Marker comes last.

use crate::error::Error;
use crate::plane::{Shared, State};
use agw_types::Peer;
use basalt_ebpf_abi::{Address, DropReason, UplinkFlags};
use basalt_ids::Teid;
use std::net::{IpAddr, SocketAddrV4};

impl Shared {
    /// Makes an endpoint whose packets, from `from` alone, go on to `to`.
    pub(crate) fn start_relay(&self, state: &mut State, teid: Teid, from: IpAddr, to: Peer) -> Result<(), Error> {
        let (IpAddr::V4(from), IpAddr::V4(_)) = (from, to.address) else { return Err(Error::Ipv6Peer) };
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
        record.ue.set(0);
        record.prefix.set(0);
        // No session's.
        record.home.set(u32::MAX);
        record.teid.set(teid.0);
        state.relays.insert(teid.0, to);
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
        }
    }

    /// Sends a G-PDU or an End Marker on: as it came, but for the tunnel.
    pub(crate) fn relay(&self, state: &State, teid: u32, message: &[u8]) {
        let Some(Peer { address: IpAddr::V4(address), teid }) = state.relays.get(&teid) else { return };
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
