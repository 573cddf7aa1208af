//! What threads, sessions and tables of one data plane share.

use crate::buffer::{Buffers, Held, Waiting};
use crate::config::Config;
use crate::error::Error;
use crate::hand::Hands;
use crate::hops::Hops;
use crate::insistence::Insistence;
use crate::interfaces::{Interface, Side};
use crate::ledger::Reading;
use crate::limits::Limited;
use crate::nat::Nat;
use crate::paths::Paths;
use crate::peers::PeerLimits;
use crate::predecessor::{Predecessor, Whence};
use crate::relay::Relay;
use crate::reports::Report;
use crate::rules::Service;
use crate::service::Parts;
use crate::sessions::{Installed, Outcome, Sessions, Usage, slot_of};
use crate::sockets::{Device, FrameSocket, GtpSocket, Waker};
use crate::suspects::Suspects;
use crate::tables::Tables;
use crate::turns::Turns;
use crate::watch::software::{self, Lookout};
use agw_types::{DataplaneChange, Peer, Traffic, Tunnel, TunnelState, UeAddress};
use basalt_ebpf_abi::{Address, DropReason, Point, PuntReason, Settings, UplinkFlags};
use basalt_gtp::{Datagram, Header, Message};
use basalt_ids::Teid;
use basalt_pipeline::{Frame, Uplinked};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddrV4};
use std::sync::atomic::AtomicBool;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// Tables, sockets and what the slow path remembers. Locked is only what is not in the tables.
pub(crate) struct Shared {
    pub(crate) tables: Tables,
    pub(crate) socket: Option<GtpSocket>,
    pub(crate) outlet: Outlet,
    /// What the threads of the software plane have in hand, where that outlives this process.
    pub(crate) hands: Option<Hands>,
    pub(crate) events: mpsc::Sender<Traffic>,
    pub(crate) reports: mpsc::Sender<Report>,
    /// Where reports come out, until somebody takes it.
    pub(crate) listener: Mutex<Option<mpsc::Receiver<Report>>>,
    /// Who looks at a phone's packets, in the software plane.
    pub(crate) lookout: Lookout,
    /// Wakes the threads when they shall end.
    pub(crate) stop: Waker,
    pub(crate) stopping: AtomicBool,
    pub(crate) local: Ipv4Addr,
    /// The largest packet that phones are told to send.
    pub(crate) phone_mtu: u16,
    /// DNS servers that phones are told with their prefix.
    pub(crate) dns6: Vec<Ipv6Addr>,
    /// What rules' rates carry in this time may come at once.
    burst: Duration,
    /// Until then, the sessions of before may still be on their way back into the tables.
    pub(crate) settled: Instant,
    /// The interfaces as they were when somebody looked last.
    interfaces: Mutex<Vec<Interface>>,
    state: Mutex<State>,
}

/// Where packets from phones enter the kernel, when user space forwards them.
pub(crate) enum Outlet {
    /// Nowhere: tables only.
    None,
    /// The veth peer, as XDP does.
    Frames(FrameSocket),
    /// The software plane's own device.
    Device(Device),
}

/// What the slow path remembers.
pub(crate) struct State {
    pub(crate) sessions: Sessions,
    pub(crate) hops: Hops,
    pub(crate) buffers: Buffers,
    pub(crate) waiting: Waiting,
    /// What base stations may ask.
    pub(crate) limits: PeerLimits<Ipv4Addr>,
    /// What phones may ask, by their sessions: a phone must not use up what its base station may, which takes a gateway for gone that does not answer.
    pub(crate) questions: PeerLimits<u32>,
    /// What senders of packets to phones may be told.
    pub(crate) senders: PeerLimits<Ipv4Addr>,
    pub(crate) insistence: Insistence,
    pub(crate) suspects: Suspects,
    pub(crate) paths: Paths,
    /// Idle phones, by slot, for which the core has been told already.
    pub(crate) told: BTreeSet<u32>,
    /// What sessions of tables that were replaced had counted, and where these tables are kept.
    pub(crate) replaced: Vec<(Whence, Vec<Reading>)>,
    /// Blocks of external ports, where addresses are translated in XDP.
    pub(crate) nat: Option<Nat>,
    /// Where packets in forwarding tunnels go, by our TEID.
    pub(crate) relays: BTreeMap<u32, Relay>,
    /// When whose prefix is told again, where phones have some.
    pub(crate) turns: Option<Turns>,
}

impl State {
    pub(crate) fn new(sessions: Sessions, hops: Hops, buffers: Buffers, waiting: Waiting, paths: Paths) -> Self {
        let (limits, questions, senders) =
            (PeerLimits::new(100, 200), PeerLimits::new(10, 20), PeerLimits::new(100, 200));
        let (insistence, suspects) = (Insistence::default(), Suspects::default());
        let (told, replaced) = (BTreeSet::new(), Vec::new());
        Self {
            sessions,
            hops,
            buffers,
            waiting,
            limits,
            questions,
            senders,
            insistence,
            suspects,
            paths,
            told,
            replaced,
            nat: None,
            relays: BTreeMap::new(),
            turns: None,
        }
    }

    /// Packets kept for idle phones.
    pub(crate) fn buffered(&self) -> usize {
        self.buffers.len()
    }

    /// Has the last counters of replaced tables read, until they are settled. Nobody counts there any more.
    pub(crate) fn close(&mut self, replaced: impl IntoIterator<Item = Predecessor>) {
        for old in replaced {
            old.close();
            let readings = old.readings();
            if readings.is_empty() {
                old.whence().remove();
            } else {
                self.replaced.push((old.whence().clone(), readings));
            }
        }
    }

    /// Packets that may be kept.
    pub(crate) fn buffer_room(&self) -> usize {
        self.buffers.room()
    }
}

impl Shared {
    pub(crate) fn new(
        tables: Tables,
        socket: Option<GtpSocket>,
        outlet: Outlet,
        events: mpsc::Sender<Traffic>,
        config: &Config,
        mut state: State,
        (reports, listener): (mpsc::Sender<Report>, mpsc::Receiver<Report>),
    ) -> Result<Self, Error> {
        let settled = Instant::now() + config.settle;
        state.turns = (!config.pools6.is_empty()).then(|| Turns::new(config.advertise));
        let stop = Waker::new().map_err(Error::system("eventfd"))?;
        Ok(Self {
            tables,
            socket,
            outlet,
            hands: None,
            events,
            reports,
            listener: Mutex::new(Some(listener)),
            lookout: Lookout::new(&config.access_interface, &config.device),
            stop,
            stopping: AtomicBool::new(false),
            local: config.access_address,
            phone_mtu: config.phone_mtu,
            dns6: config.dns6.clone(),
            burst: config.burst,
            settled,
            interfaces: Mutex::default(),
            state: Mutex::new(state),
        })
    }

    /// What the slow path remembers. A thread that panicked with it left nothing half-changed that matters: counters at most.
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The interfaces as they were when somebody looked last; none where nothing is attached.
    pub(crate) fn interfaces(&self) -> Vec<Interface> {
        self.interfaces.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What an interface is called now; `None` before anyone has looked.
    pub(crate) fn name_of(&self, side: Side) -> Option<String> {
        self.interfaces().into_iter().find(|interface| interface.side == side).map(|interface| interface.name)
    }

    /// Notes what became of the interfaces.
    pub(crate) fn note_interfaces(&self, all: Vec<Interface>) {
        *self.interfaces.lock().unwrap_or_else(PoisonError::into_inner) = all;
    }

    /// Carries out a change. Gives the last counters of a removed session.
    pub(crate) fn apply(&self, change: &DataplaneChange) -> Result<Option<Usage>, Error> {
        let mut state = self.state();
        match change {
            DataplaneChange::Set(tunnel) => self.put(&mut state, tunnel).map(|()| None),
            DataplaneChange::Remove { teid, address } => {
                state.insistence.forget(teid.0);
                state.waiting.kept(teid.0);
                for held in state.waiting.take(teid.0) {
                    self.give_up(&mut state, Instant::now(), &held);
                }
                let Some((slot, usage)) = state.sessions.remove(&self.tables, *teid, *address) else {
                    return Ok(None);
                };
                self.discard(&mut state, slot);
                if let (Some(nat), Some(inside)) = (&mut state.nat, address.ipv4())
                    && nat.owner(inside) == Some(teid.0)
                {
                    nat.release(&self.tables, inside);
                }
                Ok(Some(usage))
            }
            DataplaneChange::Serve { teid, address, service } => {
                drop(state);
                self.serve(*teid, *address, &Service::wanted(service, self.burst)).map(|_| None)
            }
            DataplaneChange::Forward { teid, from, to } => {
                self.start_relay(&mut state, *teid, *from, *to).map(|()| None)
            }
            DataplaneChange::StopForwarding { teid } => {
                self.stop_relay(&mut state, *teid);
                Ok(None)
            }
            DataplaneChange::Discard { address } => {
                let slot = slot_of(&self.tables, *address).ok_or(Error::OutsidePools(*address))?;
                self.discard(&mut state, slot);
                Ok(None)
            }
        }
    }

    /// Makes a session's tunnel exactly so.
    fn put(&self, state: &mut State, tunnel: &Tunnel) -> Result<(), Error> {
        let Tunnel { teid, address, framed_routes, ebi, state: wanted, .. } = tunnel;
        let (framed_routes, ebi) = (framed_routes.clone(), Some(*ebi));
        self.vacate(state, *teid);
        let session = Installed { teid: *teid, address: *address, framed_routes, ebi, state: *wanted };
        self.set(state, &session)?;
        self.translate(state, tunnel);
        self.overtaken(state, *teid);
        Ok(())
    }

    /// Makes a session's tunnel and limits exactly so. One that is new is idle until it has them: no packet passes without.
    pub(crate) fn put_limited(&self, limited: &Limited) -> Result<(), Error> {
        let Limited { tunnel, session, ue } = limited;
        let mut state = self.state();
        let there = state.sessions.has(&self.tables, tunnel.teid, tunnel.address);
        if tunnel.state == TunnelState::Idle || !there {
            self.put(&mut state, &Tunnel { state: TunnelState::Idle, ..tunnel.clone() })?;
        }
        state.sessions.limit(&self.tables, tunnel.teid, tunnel.address, session, ue.map(|ue| (tunnel.imsi, ue)))?;
        if tunnel.state == TunnelState::Idle { Ok(()) } else { self.put(&mut state, tunnel) }
    }

    /// Gives a session that is translated its first block of ports, if it has none yet.
    pub(crate) fn translate(&self, state: &mut State, tunnel: &Tunnel) {
        let State { nat: Some(nat), sessions, .. } = state else { return };
        let (Some(inside), Ok((uplink, ..))) =
            (tunnel.address.ipv4(), sessions.records(&self.tables, tunnel.teid, tunnel.address))
        else {
            return;
        };
        if !UplinkFlags(uplink.flags.get()).has(UplinkFlags::TRANSLATED) || uplink.teid.get() != tunnel.teid.0 {
            return;
        }
        if let Err(error) = nat.assign(&self.tables, uplink, inside, Some(tunnel.imsi)) {
            // Its packets ask again.
            tracing::warn!(%error, imsi = ?tunnel.imsi, "a phone has no way to the internet");
        }
    }

    /// Makes a session's service exactly so.
    pub(crate) fn serve(&self, teid: Teid, address: UeAddress, service: &Service) -> Result<Parts, Error> {
        let mut state = self.state();
        let mut hops = Vec::new();
        for peer in service.bearers.iter().filter_map(|bearer| bearer.peer) {
            if let IpAddr::V4(address) = peer.address {
                hops.push((address, state.hops.towards(&self.tables, address)?));
            }
        }
        for bearer in &service.bearers {
            self.vacate(&mut state, bearer.teid);
        }
        let before = state.sessions.bearer_peers(&self.tables, teid, address);
        let parts = state.sessions.serve(&self.tables, teid, address, service, &hops)?;
        let after = state.sessions.bearer_peers(&self.tables, teid, address);
        for (ours, left) in before {
            // The bearer went on to another base station: nothing more comes by the old path (TS 29.281 §7.3.2).
            if after.get(&ours).is_some_and(|now| *now != left) {
                self.end_marker(left);
            }
        }
        // What came from a base station before the core said that the bearer is there.
        for ours in after.keys() {
            self.overtaken(&mut state, Teid(*ours));
        }
        Ok(parts)
    }

    /// Sets the sessions of tables that these take the place of, but those that are here already, with what limits they have and what is owed to
    /// those. Rules and quotas come with whoever sets the sessions next; until then one that had them is idle, and what comes for it waits: it
    /// would leave by the wrong bearer, or past its bound.
    pub(crate) fn carry_over(&self, old: &Sessions, tables: &Tables) {
        let here: BTreeSet<Teid> =
            self.state().sessions.installed(&self.tables).iter().map(|session| session.teid).collect();
        let mut of_ues = BTreeMap::new();
        for session in old.installed(tables).into_iter().filter(|session| !here.contains(&session.teid)) {
            let carried = self.carry(&session, (old, tables), &mut of_ues);
            if let Err(error) = carried {
                tracing::warn!(%error, "a session of the tables of before has no room");
            }
        }
    }

    /// Sets one of them: idle until it has its limits. `of_ues`: which entry of UEs' limits stands for which one there.
    fn carry(
        &self,
        session: &Installed,
        (old, tables): (&Sessions, &Tables),
        of_ues: &mut BTreeMap<u32, u32>,
    ) -> Result<(), Error> {
        let mut state = self.state();
        self.set(&mut state, &Installed { state: TunnelState::Idle, ..session.clone() })?;
        state.sessions.carry_limits(&self.tables, session, (old, tables), of_ues)?;
        if session.state == TunnelState::Idle || old.is_served(tables, session) {
            return Ok(());
        }
        self.set(&mut state, session)
    }

    /// Sets a session that somebody remembers, if it is not here already: what is here is newer.
    pub(crate) fn restore(&self, limited: &Limited) {
        let tunnel = &limited.tunnel;
        if self.state().sessions.has(&self.tables, tunnel.teid, tunnel.address) {
            return;
        }
        if let Err(error) = self.put_limited(limited) {
            tracing::warn!(%error, "a session has no room in these tables");
        }
    }

    fn set(&self, state: &mut State, tunnel: &Installed) -> Result<(), Error> {
        let peer = match tunnel.state {
            TunnelState::Connected(Peer { address: IpAddr::V4(address), teid }) => Some((address, teid)),
            TunnelState::Connected(_) => return Err(Error::Ipv6Peer),
            TunnelState::Idle => None,
        };
        let hop = match peer {
            Some((address, _)) => state.hops.towards(&self.tables, address)?,
            None => 0,
        };
        let Outcome { slot, left, new, prefixed } = state.sessions.set(&self.tables, tunnel, hop)?;
        if new {
            // Whatever waited was for the one who had the address before.
            self.discard(state, slot);
        }
        state.told.remove(&slot);
        state.insistence.forget(tunnel.teid.0);
        if peer.is_none() {
            return Ok(());
        }
        if prefixed && let Ok((_, _, downlink)) = state.sessions.records(&self.tables, tunnel.teid, tunnel.address) {
            self.advertise(downlink);
        }
        self.flush(state, slot);
        state.waiting.kept(tunnel.teid.0);
        if let Some(left) = left {
            self.end_marker(left);
        }
        Ok(())
    }

    /// Sends on what has overtaken the signalling of its tunnel, which is there now with all that it needs.
    fn overtaken(&self, state: &mut State, teid: Teid) {
        let idle = |record: &basalt_ebpf_abi::Uplink| UplinkFlags(record.flags.get()).has(UplinkFlags::IDLE);
        let record = self.tables.uplink.get(state.sessions.layout.index(teid.0) as usize);
        if record.is_none_or(|record| record.teid.get() != teid.0 || idle(record)) {
            return;
        }
        for held in state.waiting.take(teid.0) {
            let mut refused = self.uplink_again(held);
            if let Some(held) =
                refused.take_if(|held| held.reason == PuntReason::NatPorts && self.grant(state, held.teid))
            {
                refused = self.uplink_again(held);
            }
            if let Some(refused) = refused {
                self.give_up(state, Instant::now(), &refused);
            }
        }
    }

    /// Tells the base station that a phone has left that nothing follows (TS 29.281 §7.3.2, TS 36.300 §10.1.2.2).
    fn end_marker(&self, left: Peer) {
        let IpAddr::V4(peer) = left.address else { return };
        let message = Message::EndMarker { others: Vec::new() };
        self.send_control(peer, &Datagram { header: Header::new(left.teid), message });
    }

    /// Sends a GTP-U message to a peer's GTP-U port.
    pub(crate) fn send_control(&self, peer: Ipv4Addr, datagram: &Datagram) {
        self.send_message(SocketAddrV4::new(peer, basalt_gtp::PORT), datagram);
    }

    /// Sends a GTP-U message.
    pub(crate) fn send_message(&self, to: SocketAddrV4, datagram: &Datagram) {
        let (Some(socket), Ok(octets)) = (&self.socket, datagram.encode()) else { return };
        if let Err(error) = socket.send(to, [&octets, &[]]) {
            tracing::debug!(%to, %error, "sending a GTP-U message");
            self.tables.dropped(DropReason::SendFailed, 1);
        }
    }

    /// Judges a GTP-U message of a peer to its end.
    pub(crate) fn judge(&self, frame: &Frame<'_>, settings: &Settings, available: u32, peer: Address) -> Uplinked<'_> {
        match basalt_pipeline::uplink(frame, &self.tables, settings, 0, available, peer) {
            Uplinked::Egress(pending) => match basalt_pipeline::resolve(frame, &self.tables, settings, pending, true) {
                Ok(resolved) => basalt_pipeline::charge(frame, &self.tables, resolved),
                Err(refusal) => refusal,
            },
            other => other,
        }
    }

    /// Judges an early message once more; gives it back, with the reason of now, when its tunnel still does not fit.
    pub(crate) fn uplink_again(&self, mut held: Held) -> Option<Held> {
        let length = held.message.len();
        let settings = self.tables.settings.get(0)?;
        let watched = self.lookout.follows(&self.tables, settings, &held.message);
        let mut frame = Frame::new(&mut held.message, 0, length)?;
        let available = u32::try_from(length).unwrap_or(u32::MAX);
        match self.judge(&frame, settings, available, held.peer.into()) {
            Uplinked::Forward { record, charge, offset, length, next_hop, rewrite, hairpin, .. } => {
                basalt_pipeline::clamp(&mut frame, settings, offset, length);
                if let Err(reason) = basalt_pipeline::leave(&mut frame, &self.tables, offset, &rewrite, hairpin) {
                    self.tables.dropped(reason, 1);
                    return None;
                }
                let packet = frame.bytes().get(offset..).unwrap_or_default();
                if watched {
                    self.lookout.tell(Point::InternetOut, software::framed(packet), "");
                }
                self.forward_up((record, &charge), packet, length, next_hop, None);
                None
            }
            Uplinked::Punt(reason) => {
                held.reason = reason;
                Some(held)
            }
            Uplinked::Egress(_) => None,
            Uplinked::Drop(reason) => {
                self.tables.dropped(reason, 1);
                self.tell_end(held.peer, &held.message, reason);
                None
            }
        }
    }
}
