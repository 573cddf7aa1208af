//! The data plane as the daemon uses it.

mod device;
mod opening;
#[cfg(test)]
mod tests;

use crate::config::{Config, Plane};
use crate::error::Error;
use crate::framed;
use crate::host::{Firewall, Netlink};
use crate::interfaces::Interface;
use crate::ledger::Reading;
use crate::limits::{Limited, Limits};
use crate::plane::Shared;
use crate::reconcile::Differences;
use crate::reports::Report;
use crate::rules::{Allowance, Service};
use crate::service::Parts;
use crate::sessions::{Installed, Usage};
use crate::threads::Threads;
use crate::watch::lock;
use crate::xdp::{self, Loaded, Mode};
use agw_types::{DataplaneChange, Traffic, Tunnel, UeAddress};
use aya::maps::{MapData, PerCpuArray};
use basalt_ebpf_abi::{BEARER_BLOCK, DropReason, PuntReason};
use basalt_ids::{Imsi, Teid};
use std::sync::{Arc, Mutex};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// What carries packets, as found out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlaneMode {
    /// XDP in the drivers.
    XdpNative,
    /// XDP, at least on one interface in the kernel's receive path only.
    XdpGeneric,
    /// This process.
    Software,
    /// Nothing: tables only.
    Memory,
}

impl PlaneMode {
    /// `xdp-native`, `xdp-generic`, `software` or `memory`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            PlaneMode::XdpNative => "xdp-native",
            PlaneMode::XdpGeneric => "xdp-generic",
            PlaneMode::Software => "software",
            PlaneMode::Memory => "memory",
        }
    }
}

/// The gateway's data plane. Dropping it stops the slow path only: programs, maps and links stay pinned, and packets of connected
/// phones go on. [`Dataplane::teardown`] removes everything.
pub struct Dataplane {
    pub(crate) shared: Arc<Shared>,
    mode: PlaneMode,
    adopted: bool,
    pub(crate) loaded: Option<Arc<Mutex<Loaded>>>,
    reasons: Option<Arc<PerCpuArray<MapData, u64>>>,
    /// Fragments that were lost with predecessors.
    held_lost: u64,
    _threads: Threads,
    resolver: Option<JoinHandle<()>>,
}

impl Drop for Dataplane {
    fn drop(&mut self) {
        if let Some(task) = self.resolver.take() {
            task.abort();
        }
        // From here on pins are a successor's.
        if let Some(loaded) = &self.loaded {
            lock(loaded).give_pins_up();
        }
    }
}

impl Dataplane {
    /// Sets the data plane up, or takes over the one that a predecessor left running. Must be called in a tokio runtime, on a
    /// thread that is in the gateway's network namespace.
    ///
    /// # Errors
    /// [`Error`], each with what was tried and what the system answered. With [`Plane::Auto`], XDP that does not work is a warning,
    /// and the software plane is tried.
    pub async fn open(config: Config) -> Result<(Self, mpsc::Receiver<Traffic>), Error> {
        config.check()?;
        match config.plane {
            Plane::Memory => Self::memory(&config.without_xdp()?),
            Plane::Software => Self::software(config.without_xdp()?).await,
            Plane::XdpNative => Self::xdp(config, &[Mode::Native]).await,
            Plane::XdpGeneric => Self::xdp(config, &[Mode::Generic]).await,
            Plane::Auto => match Self::xdp(config.clone(), &[Mode::Native, Mode::Generic]).await {
                Ok(opened) => Ok(opened),
                Err(error) => {
                    tracing::warn!(%error, "XDP does not work here; packets go through this process instead");
                    Self::software(config.without_xdp()?).await
                }
            },
        }
    }

    /// Carries out a change; takes microseconds, and what it says holds when it returns. Gives the last counters of a removed session.
    ///
    /// # Errors
    /// [`Error::OutsidePools`], [`Error::Teid`], [`Error::Ipv6Peer`], [`Error::Full`]; nothing has changed then.
    pub fn apply(&self, change: &DataplaneChange) -> Result<Option<Usage>, Error> {
        self.shared.apply(change)
    }

    /// Makes a session's tunnel and limits exactly so, as [`DataplaneChange::Set`] and [`Dataplane::limit`] do. One that is new has its limits
    /// before its first packet passes.
    ///
    /// # Errors
    /// Those of [`Dataplane::apply`] and [`Dataplane::limit`]. A session that cannot have its limits is idle.
    pub fn set(&self, limited: &Limited) -> Result<(), Error> {
        self.shared.put_limited(limited)
    }

    /// A base station is about to be told this TEID, whose tunnel follows when it has answered: what comes by it until then waits longer than
    /// what comes by unknown ones ([`Config::hold`]). Nothing happens if the tunnel is there.
    pub fn expect(&self, teid: Teid) {
        self.shared.expect(teid);
    }

    /// Limits a session, and its UE over all its sessions; setting the same again changes nothing. The session must have been set by
    /// [`Dataplane::set`] or [`Dataplane::apply`]; its limits go with it. Limits of the UE hold for the sessions that were set with them.
    ///
    /// # Errors
    /// [`Error::NoSession`], [`Error::OutsidePools`], [`Error::Teid`]; [`Error::Full`] when there is no room for one more UE with a limit
    /// of its own. Nothing has changed then.
    pub fn limit(
        &self,
        teid: Teid,
        address: impl Into<UeAddress>,
        session: &Limits,
        ue: Option<(Imsi, Limits)>,
    ) -> Result<(), Error> {
        self.shared.state().sessions.limit(&self.shared.tables, teid, address.into(), session, ue)
    }

    /// Makes a session's rules, dedicated bearers, quotas and marking exactly so; setting the same again changes nothing but what quotas
    /// are left, unless [`Service::keep_quota`]. The session must have been set by [`Dataplane::apply`]; its service goes with it, and
    /// its dedicated tunnels are lost when it becomes idle. Gives the last counters of the rules and bearers that are no more.
    ///
    /// # Errors
    /// [`Error::Configuration`] for a service that contradicts itself or has more than 64 rules or ten dedicated bearers;
    /// [`Error::NoSession`]; [`Error::Teid`] for a bearer's TEID that is in use; [`Error::Ipv6Peer`]; [`Error::Full`] with the name of the table
    /// that is. The session is then as it was.
    pub fn serve(&self, teid: Teid, address: impl Into<UeAddress>, service: &Service) -> Result<Parts, Error> {
        self.shared.serve(teid, address.into(), service)
    }

    /// What the data plane tells besides [`Traffic`]: once, to whoever asks first.
    #[must_use]
    pub fn reports(&self) -> Option<mpsc::Receiver<Report>> {
        self.shared.listener.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take()
    }

    /// Everything that sessions have counted, also those that were removed and not settled yet, and those of tables that were replaced
    /// when this data plane was opened. For [`crate::Ledger::take`].
    #[must_use]
    pub fn readings(&self) -> Vec<Reading> {
        let state = self.shared.state();
        let mut readings = state.sessions.readings(&self.shared.tables);
        readings.extend(state.replaced.iter().flat_map(|(_, readings)| readings.iter().cloned()));
        readings
    }

    /// Gives up the counters of a session that has ended, after what they said was made durable ([`Config::accounting`]).
    pub fn settle(&self, reading: &Reading) {
        let mut state = self.shared.state();
        let other = |kept: &Reading| (kept.teid, kept.epoch) != (reading.teid, reading.epoch);
        state.replaced.retain_mut(|(whence, readings)| {
            readings.retain(other);
            if readings.is_empty() {
                whence.remove();
            }
            !readings.is_empty()
        });
        state.sessions.evicted.retain(other);
        if reading.closed {
            state.sessions.settle_reading(&self.shared.tables, reading);
        }
    }

    /// Whether setting this session would take records from another whose counters have not been settled: whoever accounts for every octet
    /// settles them first. Otherwise they are kept in memory until they are settled.
    #[must_use]
    pub fn unsettled(&self, teid: Teid, address: UeAddress) -> bool {
        self.shared.state().sessions.unsettled(&self.shared.tables, teid, address)
    }

    /// What a session may still use of its quota, octets; `None` if it has none or is not in the tables.
    #[must_use]
    pub fn allowance(&self, teid: Teid, address: UeAddress) -> Option<u64> {
        self.shared.state().sessions.allowance(&self.shared.tables, teid, address)
    }

    /// Gives a session a quota, or takes it away; nothing else of its service changes ([`Dataplane::serve`]). It may have so many octets
    /// from when its counters said `counted` ([`Reading::total`]): what has passed since is charged. (When a quota begins, a packet that a
    /// program has in hand at that moment may go uncharged.)
    ///
    /// # Errors
    /// [`Error::NoSession`], [`Error::OutsidePools`], [`Error::Teid`]; nothing has changed then.
    pub fn allow(&self, teid: Teid, address: UeAddress, counted: u64, quota: Option<Allowance>) -> Result<(), Error> {
        self.shared.state().sessions.allow(&self.shared.tables, teid, address, counted, quota)
    }

    /// As [`Dataplane::allow`], for all rules of a session in this rating group together ([`crate::Rule::group`]); `counted` as
    /// [`Parts::rules`] said for the group.
    ///
    /// # Errors
    /// [`Error::NoSession`] where the session or the group is not in the tables.
    pub fn allow_group(
        &self,
        session: (Teid, UeAddress),
        group: u32,
        counted: u64,
        quota: Option<Allowance>,
    ) -> Result<(), Error> {
        self.shared.state().sessions.allow_group(&self.shared.tables, session, group, counted, quota)
    }

    /// Makes all rules of a rating group keep to these limits together, in place of their own; `None` gives them their own again.
    ///
    /// # Errors
    /// [`Error::NoSession`] where the session or the group is not in the tables.
    pub fn slow_group(&self, session: (Teid, UeAddress), group: u32, limits: Option<&Limits>) -> Result<(), Error> {
        self.shared.state().sessions.slow_group(&self.shared.tables, session, group, limits)
    }

    /// What the dedicated bearers and the rules of a session have carried; `None` if it is not in the tables.
    #[must_use]
    pub fn parts(&self, teid: Teid, address: impl Into<UeAddress>) -> Option<Parts> {
        self.shared.state().sessions.parts(&self.shared.tables, teid, address.into())
    }

    /// What carries packets.
    #[must_use]
    pub fn mode(&self) -> PlaneMode {
        self.mode
    }

    /// Whether the tables of a predecessor were taken over: then [`Dataplane::installed`] tells what it left.
    #[must_use]
    pub fn adopted(&self) -> bool {
        self.adopted
    }

    /// All sessions in the tables, for comparing with what the gateway believes.
    #[must_use]
    pub fn installed(&self) -> Vec<Installed> {
        self.shared.state().sessions.installed(&self.shared.tables)
    }

    /// Compares the tables with the sessions that there shall be, repairs what differs, and tells what it was: sessions that are missing,
    /// otherwise, or too many. Sessions that are right are not touched. It takes about a microsecond a session, so it may be called every few
    /// seconds. A session that is repaired is idle until `equip` has given it its limits and service ([`Dataplane::limit`],
    /// [`Dataplane::serve`]): no packet passes without them.
    #[must_use]
    pub fn reconcile(&self, wanted: &[Tunnel], equip: impl Fn(&Tunnel) -> Result<(), Error>) -> Differences {
        self.shared.reconcile(wanted, equip)
    }

    /// What a session has carried; `None` if it is not in the tables.
    #[must_use]
    pub fn usage(&self, teid: Teid, address: impl Into<UeAddress>) -> Option<Usage> {
        self.shared.state().sessions.usage(&self.shared.tables, teid, address.into())
    }

    /// Packets dropped, by reason, since the tables were made (programs) and since this process started (slow path).
    #[must_use]
    pub fn drops(&self) -> Vec<(DropReason, u64)> {
        let lost = |reason: DropReason| if reason == DropReason::NatFragment { self.held_lost } else { 0 };
        DropReason::ALL.iter().map(|reason| (*reason, self.reason(reason.slot()) + lost(*reason))).collect()
    }

    /// Packets that left the fast path, by reason.
    #[must_use]
    pub fn punts(&self) -> Vec<(PuntReason, u64)> {
        PuntReason::ALL.iter().map(|reason| (*reason, self.reason(reason.slot()))).collect()
    }

    /// Base stations whose neighbour (they themselves, or the router towards them) does not answer, so that packets to them take the
    /// slow path. Always 0 in a software plane.
    #[must_use]
    pub fn unresolved(&self) -> usize {
        self.shared.state().hops.unresolved(&self.shared.tables)
    }

    /// How full the tables are: the name, entries in use, and entries there are. What does not fit any more is refused with
    /// [`Error::Full`].
    #[must_use]
    pub fn occupancy(&self) -> Vec<(&'static str, u64, u64)> {
        let (state, tables) = (self.shared.state(), &self.shared.tables);
        let row = |name, used: usize, room: usize| (name, used as u64, room as u64);
        let (policies, states, blocks) = state.sessions.rooms.used();
        let sessions = tables.uplink.iter().filter(|record| record.teid.get() != 0).count();
        let mut rows = vec![
            row("tunnels", sessions, tables.uplink.iter().len()),
            row("base_stations", state.hops.used(), state.hops.room()),
            row("ue_limits", state.sessions.ue_limits.used(), tables.ue_meters.iter().len() - 1),
            row("policies", policies, tables.policies.iter().len() - 1),
            row("rule_states", states as usize, tables.rule_states.iter().len()),
            row("multi_bearer_sessions", blocks as usize, tables.bearers.iter().len() / BEARER_BLOCK as usize - 1),
            row("framed_routes", state.sessions.networks.all().count(), framed::room(tables)),
            row("buffered", state.buffered(), state.buffer_room()),
        ];
        if let Some(nat) = &state.nat {
            let (given, all) = nat.used();
            rows.push(row("nat_blocks", given, all));
        }
        rows
    }

    /// Base stations to which tunnels lead, and how many of them do not answer Echo Requests.
    #[must_use]
    pub fn paths(&self) -> (usize, usize) {
        self.shared.state().paths.count()
    }

    /// The interfaces to base stations and to the internet, one if they are the same; none of a plane in memory.
    #[must_use]
    pub fn interfaces(&self) -> Vec<Interface> {
        self.shared.interfaces()
    }

    /// Packets kept for idle phones now.
    #[must_use]
    pub fn buffered(&self) -> usize {
        self.shared.state().buffered()
    }

    /// Removes programs, maps, links, devices, routes and filter rules of a gateway with this configuration, whether it runs or not.
    ///
    /// # Errors
    /// The first thing that could not be removed; the others are removed all the same.
    pub async fn teardown(config: &Config) -> Result<(), Error> {
        let pins = xdp::remove_pins(&config.bpf_directory);
        let firewall = Firewall::remove();
        let (netlink, _changes) = Netlink::open()?;
        let device = netlink.delete_link(&config.device).await;
        pins.and(firewall).and(device)
    }

    fn reason(&self, slot: u32) -> u64 {
        let programs = self.reasons.as_ref().map_or(0, |reasons| xdp::reason(reasons, slot));
        programs + self.shared.tables.reason(slot)
    }
}
