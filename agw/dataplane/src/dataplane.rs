//! The data plane as the daemon uses it.

#[cfg(test)]
mod tests;

use crate::attached::Attached;
use crate::buffer::{Buffers, Waiting};
use crate::config::{Config, Plane};
use crate::destinations::Rules;
use crate::egress::{egresses, externals, with_ports};
use crate::error::Error;
use crate::framed;
use crate::hops::Hops;
use crate::host::{self, Behind, Changes, Firewall, Link, Netlink, Snapshot};
use crate::ledger::Reading;
use crate::limits::Limits;
use crate::nat::Nat;
use crate::object;
use crate::paths::Paths;
use crate::plane::{Outlet, Shared, State};
use crate::pools;
use crate::predecessor;
use crate::reconcile::Differences;
use crate::reports::Report;
use crate::resolver::{Ask, Resolver, rules};
use crate::rules::{Allowance, Service};
use crate::service::{Parts, grace};
use crate::sessions::{Installed, Sessions, Usage};
use crate::sockets::{Device, FrameSocket, GtpSocket, ethtool};
use crate::tables::{SharedRegions, Sizes, Tables};
use crate::threads::Threads;
use crate::xdp::{self, Loaded, Mode};
use agw_types::{DataplaneChange, IpPrefix, Traffic, Tunnel, UeAddress};
use aya::maps::{MapData, PerCpuArray};
use basalt_ebpf_abi::{Address, BEARER_BLOCK, DropReason, KERNEL_NEXT_HOP, PuntReason, SettingFlags, programs};
use basalt_ids::{Imsi, Teid};
use basalt_pipeline::TUNNEL_OVERHEAD;
use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Instant;
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
    shared: Arc<Shared>,
    mode: PlaneMode,
    adopted: bool,
    pub(crate) loaded: Option<Arc<Mutex<Loaded>>>,
    reasons: Option<Arc<PerCpuArray<MapData, u64>>>,
    _threads: Threads,
    resolver: Option<JoinHandle<()>>,
}

/// Largest packet on the gateway's own devices. Linear XDP on veth takes at most 3506.
const DEVICE_MTU: u32 = 3000;
/// Next hop of the pools' routes: a neighbour that exists on the gateway's own device only.
const PEER_ADDRESS: Ipv4Addr = Ipv4Addr::new(169, 254, 200, 2);
/// Events that may wait for the core.
const EVENTS: usize = 4096;

impl Drop for Dataplane {
    fn drop(&mut self) {
        if let Some(task) = self.resolver.take() {
            task.abort();
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

    /// A base station is about to be told this TEID, whose tunnel follows when it has answered: what comes by it until then waits longer than
    /// what comes by unknown ones ([`Config::hold`]). Nothing happens if the tunnel is there.
    pub fn expect(&self, teid: Teid) {
        self.shared.expect(teid);
    }

    /// Limits a session, and its UE over all its sessions; setting the same again changes nothing. The session must have been set by
    /// [`Dataplane::apply`]; its limits go with it. Limits of the UE hold for the sessions that were set with them.
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
        state.replaced.retain_mut(|(folder, readings)| {
            readings.retain(other);
            if readings.is_empty() {
                predecessor::remove(folder);
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
    /// seconds. What a repair touches has lost its service ([`Dataplane::serve`], [`Dataplane::limit`]) if it was
    /// missing.
    #[must_use]
    pub fn reconcile(&self, wanted: &[Tunnel]) -> Differences {
        self.shared.reconcile(wanted)
    }

    /// What a session has carried; `None` if it is not in the tables.
    #[must_use]
    pub fn usage(&self, teid: Teid, address: impl Into<UeAddress>) -> Option<Usage> {
        self.shared.state().sessions.usage(&self.shared.tables, teid, address.into())
    }

    /// Packets dropped, by reason, since the tables were made (programs) and since this process started (slow path).
    #[must_use]
    pub fn drops(&self) -> Vec<(DropReason, u64)> {
        DropReason::ALL.iter().map(|reason| (*reason, self.reason(reason.slot()))).collect()
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

    fn memory(config: &Config) -> Result<(Self, mpsc::Receiver<Traffic>), Error> {
        let sizes = sizes(config)?;
        let regions = SharedRegions::anonymous(sizes).map_err(Error::system("memory for tables"))?;
        let tables = tables(config, regions, sizes, u32::from(u16::MAX))?;
        let rules = rules(config, &Snapshot::default(), None);
        if let (Some(settings), Some(destinations)) = (tables.settings.get(0), tables.destinations.get(0)) {
            rules.write(settings, destinations);
        }
        let hops = Hops::socket(&tables);
        let (events, receiver) = mpsc::channel(EVENTS);
        let state = state(config, &tables, hops)?;
        let shared = Shared::new(tables, None, Outlet::None, events, config, state)?;
        let shared = Arc::new(shared);
        let threads = Threads::new(Arc::clone(&shared));
        let mode = PlaneMode::Memory;
        let (loaded, reasons) = (None, None);
        Ok((Self { shared, mode, adopted: false, loaded, reasons, _threads: threads, resolver: None }, receiver))
    }

    async fn software(config: Config) -> Result<(Self, mpsc::Receiver<Traffic>), Error> {
        let (netlink, changes) = Netlink::open()?;
        let access = access_link(&netlink, &config).await?;
        let sizes = sizes(&config)?;
        let regions = SharedRegions::anonymous(sizes).map_err(Error::system("memory for tables"))?;
        let tables = tables(&config, regions, sizes, access.mtu)?;
        // What an XDP plane may have left would take the packets away.
        xdp::remove_pins(&config.bpf_directory)?;
        netlink.delete_link(&config.device).await?;
        let device = software_device(&netlink, &config, tunnel_mtu(&config, access.mtu)).await?;
        let behind = behind(&netlink, &config, matches!(device, Device::Pair { .. }), access.mtu).await?;
        let socket = GtpSocket::bind(config.access_address)?;
        let (events, receiver) = mpsc::channel(EVENTS);
        let hops = Hops::socket(&tables);
        let state = state(&config, &tables, hops)?;
        let outlet = Outlet::Device(device);
        let shared = Arc::new(Shared::new(tables, Some(socket), outlet, events, &config, state)?);
        let (keep_open, news) = mpsc::channel(Config::NEXT_HOPS as usize);
        let mut resolver = resolver(netlink, changes, news, &shared, config, false, behind);
        resolver.refresh(Ask::Nobody).await;
        let mut threads = Threads::new(Arc::clone(&shared));
        threads.serve_socket().map_err(Error::system("thread"))?;
        threads.serve_device().map_err(Error::system("thread"))?;
        let resolver = tokio::spawn(async move {
            resolver.run().await;
            drop(keep_open);
        });
        let mode = PlaneMode::Software;
        let (loaded, reasons, resolver) = (None, None, Some(resolver));
        Ok((Self { shared, mode, adopted: false, loaded, reasons, _threads: threads, resolver }, receiver))
    }

    async fn xdp(config: Config, allow: &[Mode]) -> Result<(Self, mpsc::Receiver<Traffic>), Error> {
        let (path, object) = object::object().map_err(Error::Object)?;
        tracing::debug!(object = %path.display(), "XDP programs");
        let (netlink, changes) = Netlink::open()?;
        let access = access_link(&netlink, &config).await?;
        let externals = externals(&netlink, &config).await?;
        let sizes = with_ports(sizes(&config)?, &config, &externals);
        host::ensure_bpf_filesystem(&config.bpf_directory)?;
        let (mut loaded, regions) = xdp::load(&object, sizes, Config::RING_OCTETS, Some(&config.bpf_directory))?;
        let tables = tables(&config, regions, sizes, access.mtu)?;
        let (device, peer) = own_device(&netlink, &config).await?;
        let socket = GtpSocket::bind(config.access_address)?;
        let (source, destination) = (peer.mac.unwrap_or_default(), device.mac.unwrap_or_default());
        if let Some(hop) = tables.next_hops.get(KERNEL_NEXT_HOP as usize) {
            hop.follow(peer.index, DEVICE_MTU, source, destination);
        }
        let outlet = Outlet::Frames(FrameSocket::open(peer.index, source, destination)?);
        let (events, receiver) = mpsc::channel(EVENTS);
        let (stations, news) = mpsc::channel(Config::NEXT_HOPS as usize);
        let mut hops = Hops::resolved(sizes.next_hops, stations);
        if loaded.reused {
            hops.adopt(&tables);
        }
        for (hop, vlan) in config.vlans() {
            if let Some(hop) = tables.next_hops.get(hop as usize) {
                hop.vlan.set(u32::from(vlan.id));
            }
        }
        let mut state = state(&config, &tables, hops)?;
        if config.translates() {
            state.nat = Some(Nat::open(config.translation.clone(), &externals, &tables, loaded.reused)?);
        } else if let Some(nat) = tables.nat.get(0) {
            nat.count.set(0);
        }
        let shared = Arc::new(Shared::new(tables, Some(socket), outlet, events, &config, state)?);
        let direct = config.direct();
        settle(&netlink, &config, device.index, Some(peer.mac.unwrap_or_default()), tunnel_mtu(&config, access.mtu))
            .await?;
        let behind = behind(&netlink, &config, true, access.mtu).await?;
        let mut resolver = resolver(netlink, changes, news, &shared, config.clone(), direct, behind);
        resolver.refresh(Ask::Unresolved).await;
        let mut threads = Threads::new(Arc::clone(&shared));
        threads.serve_socket().map_err(Error::system("thread"))?;
        if !config.vlans().is_empty() {
            let vlans = config.vlans();
            threads.serve_arp(config.internet_interface.clone(), vlans).map_err(Error::system("thread"))?;
        }
        if let Some(ring) = loaded.ring.take() {
            threads.serve_ring(ring).map_err(Error::system("thread"))?;
        }
        // Connected phones go on without waiting for anyone to set them again.
        for old in &loaded.replaced {
            if let Some((tables, sessions)) = of_same_schema(old.folder()) {
                shared.carry_over(&sessions, &tables);
            }
        }
        let anew = !loaded.reused || !loaded.replaced.is_empty();
        for tunnel in config.restore.iter().filter(|_| anew) {
            shared.restore(tunnel);
        }
        let mode = attach(&mut loaded, &config, allow)?;
        // From here on nobody counts in replaced tables any more.
        grace();
        for old in std::mem::take(&mut loaded.replaced) {
            old.close();
            let readings = old.readings();
            if readings.is_empty() {
                predecessor::remove(old.folder());
            } else {
                shared.state().replaced.push((old.folder().to_path_buf(), readings));
            }
        }
        let adopted = loaded.reused;
        let reasons = Some(Arc::clone(&loaded.reasons));
        let loaded = Arc::new(Mutex::new(loaded));
        resolver.attached = Some(Attached::new(Arc::clone(&loaded), &config, allow));
        resolver.refresh(Ask::Unresolved).await;
        let resolver = tokio::spawn(resolver.run());
        Ok((
            Self { shared, mode, adopted, loaded: Some(loaded), reasons, _threads: threads, resolver: Some(resolver) },
            receiver,
        ))
    }
}

/// Tables that were put aside, and their sessions, if programs of this release could have made them.
fn of_same_schema(folder: &Path) -> Option<(Tables, Sessions)> {
    let (tables, layout) = Tables::of_predecessor(xdp::same_schema(folder)?).ok()?;
    let mut sessions = Sessions::new(layout, 32, false);
    sessions.networks.adopt(&tables);
    Some((tables, sessions))
}

/// Attaches the programs, downlink first: from then on, what enters at the radio side finds its way back.
fn attach(loaded: &mut Loaded, config: &Config, allow: &[Mode]) -> Result<PlaneMode, Error> {
    let mut worst = loaded.attach(programs::KERNEL, &config.peer_device(), allow)?;
    if config.direct() {
        worst = worst.max(loaded.attach(programs::INTERNET, &config.internet_interface, allow)?);
    }
    worst = worst.max(loaded.attach(programs::ACCESS, &config.access_interface, allow)?);
    loaded.detach_others()?;
    if worst == Mode::Generic {
        tracing::warn!("XDP runs in generic mode: the driver or the MTU of an interface does not allow native mode");
        return Ok(PlaneMode::XdpGeneric);
    }
    Ok(PlaneMode::XdpNative)
}

fn sizes(config: &Config) -> Result<Sizes, Error> {
    let teids = config.teids()?;
    // The first is never used: it stands for "none".
    let ue_meters = teids.slots() + 1;
    let sizes = Sizes {
        teids,
        downlink: pools::slots(config)?,
        next_hops: Config::NEXT_HOPS,
        ue_meters,
        policies: config.policies + 1,
        rule_states: config.rules,
        bearers: (config.multi_bearer_sessions + 1) * BEARER_BLOCK,
        prefixes: pools::places6(config),
        framed: framed::entries(config.framed_routes),
        blocks: 1,
        mappings: 1,
    };
    Ok(sizes)
}

fn tables(config: &Config, regions: SharedRegions, sizes: Sizes, access_mtu: u32) -> Result<Tables, Error> {
    let tables = Tables::new(regions, sizes).map_err(Error::system("memory for tables"))?;
    if let Some(settings) = tables.settings.get(0) {
        settings.local.set(Address::new(config.access_address).0);
        settings.flags.set(if config.core_ports { SettingFlags::CORE_PORTS } else { 0 });
        settings.buffer_limit.set(config.buffer_per_phone);
        settings.tunnel_mtu.set(tunnel_mtu(config, access_mtu));
        settings.segment.set(config.segment(tunnel_mtu(config, access_mtu)));
        settings.punt_rate.set(config.slow_path_rate);
        settings.punt_burst.set(config.slow_path_rate.div_ceil(10));
    }
    pools::install(&tables, &config.pools);
    pools::install6(&tables, config);
    Ok(tables)
}

fn state(config: &Config, tables: &Tables, hops: Hops) -> Result<State, Error> {
    let teids = config.teids()?;
    let mut sessions = Sessions::new(teids, config.peer_prefix, config.phone_to_phone);
    sessions.accounting = config.accounting;
    sessions.egress = egresses(config);
    sessions.sweep(tables);
    sessions.adopt(tables);
    let buffers = Buffers::new(config.buffer_per_phone, config.buffer_total);
    let paths = Paths::new(config.echo, Instant::now());
    let mut state = State::new(sessions, hops, buffers, Waiting::new(config.hold), paths);
    state.adopt_relays(tables, Instant::now());
    Ok(state)
}

/// Largest inner packet that the access interface takes with the tunnel's headers.
fn tunnel_mtu(config: &Config, access_mtu: u32) -> u32 {
    let fits = access_mtu.saturating_sub(TUNNEL_OVERHEAD as u32);
    config.tunnel_mtu.map_or(fits, |mtu| u32::from(mtu).min(fits)).min(DEVICE_MTU)
}

async fn access_link(netlink: &Netlink, config: &Config) -> Result<Link, Error> {
    let snapshot = netlink.snapshot().await?;
    let link = |name: &str| snapshot.link(name).cloned().ok_or_else(|| Error::NoInterface(name.into()));
    link(&config.internet_interface)?;
    link(&config.access_interface)
}

/// The software plane's own device, with all around it: a TUN device, or a veth pair where none may be made.
async fn software_device(netlink: &Netlink, config: &Config, mtu: u32) -> Result<Device, Error> {
    match Device::tun_maker() {
        Ok(maker) => {
            let device = Device::tun(maker, &config.device)?;
            let snapshot = netlink.snapshot().await?;
            let link = snapshot.link(&config.device).ok_or_else(|| Error::NoInterface(config.device.clone()))?;
            netlink.up(link.index, DEVICE_MTU).await?;
            settle(netlink, config, link.index, None, mtu).await?;
            Ok(device)
        }
        Err(error) => {
            tracing::info!(%error, "/dev/net/tun cannot be opened: a veth pair stands in for the TUN device");
            let (near, far) = own_device(netlink, config).await?;
            let device = Device::pair(&near, &far)?;
            // Frames for the near end's own address are nobody's at the far end, where only the socket takes them.
            settle(netlink, config, near.index, Some(near.mac.unwrap_or_default()), mtu).await?;
            Ok(device)
        }
    }
}

/// The veth pair between the kernel and the programs.
async fn own_device(netlink: &Netlink, config: &Config) -> Result<(Link, Link), Error> {
    const ETHTOOL_SGRO: u32 = 0x2c;
    const ETHTOOL_STXCSUM: u32 = 0x17;
    let (device, peer) = netlink.veth(&config.device, &config.peer_device(), DEVICE_MTU).await?;
    // Frames redirected into a veth arrive only where its other end polls: GRO makes it.
    ethtool(&config.device, ETHTOOL_SGRO, 1).map_err(Error::system("switching GRO on"))?;
    // Checksums must be in the packet before a program wraps it.
    ethtool(&config.device, ETHTOOL_STXCSUM, 0).map_err(Error::system("switching checksum offload off"))?;
    Ok((device, peer))
}

/// Switches, address, routes and filter around the gateway's own device.
async fn settle(
    netlink: &Netlink,
    config: &Config,
    device: u32,
    peer: Option<basalt_ebpf_abi::Mac>,
    mtu: u32,
) -> Result<(), Error> {
    if config.pools6.is_empty() {
        host::without_ipv6(&config.device);
    }
    host::without_ipv6(&config.peer_device());
    host::ipv4_switch(&config.device, "forwarding", "1")?;
    host::ipv4_switch(&config.internet_interface, "forwarding", "1")?;
    host::ipv4_switch(&config.device, "send_redirects", "0")?;
    if config.translates() {
        // What XDP has translated and leaves to the kernel comes in with an external address, which may be our own.
        host::ipv4_switch(&config.device, "accept_local", "1")?;
        host::ipv4_switch(&config.device, "rp_filter", "0")?;
    }
    let gateway = match peer {
        Some(mac) => {
            netlink.permanent_neighbour(device, PEER_ADDRESS, mac).await?;
            Some(PEER_ADDRESS)
        }
        None => None,
    };
    for pool in &config.pools {
        if let Some(address) = pool.gateway {
            netlink.address(device, address, 32).await?;
        }
        let prefix = basalt_ebpf_abi::Prefix::new(pool.network, pool.prefix);
        netlink.route(prefix, device, gateway, mtu).await?;
    }
    if !config.pools6.is_empty() {
        host::ipv6::settle(netlink, config, device, peer, mtu).await?;
    }
    Firewall::install(config)
}

/// How networks behind phones are routed to the gateway's own device, which has a far end or is a TUN device.
async fn behind(netlink: &Netlink, config: &Config, far_end: bool, access_mtu: u32) -> Result<Behind, Error> {
    let snapshot = netlink.snapshot().await?;
    let link = snapshot.link(&config.device).ok_or_else(|| Error::NoInterface(config.device.clone()))?;
    let ipv4 = config.pools.iter().filter_map(|pool| IpPrefix::new(pool.network.into(), pool.prefix));
    let ipv6 = config.pools6.iter().filter_map(|pool| IpPrefix::new(pool.network.into(), pool.prefix));
    Ok(Behind {
        device: link.index,
        ipv4: far_end.then_some(PEER_ADDRESS),
        ipv6: far_end.then_some(host::ipv6::PEER),
        mtu: tunnel_mtu(config, access_mtu),
        others: ipv4.chain(ipv6).collect(),
    })
}

fn resolver(
    netlink: Netlink,
    changes: Changes,
    news: mpsc::Receiver<(Ipv4Addr, u32)>,
    shared: &Arc<Shared>,
    config: Config,
    direct: bool,
    behind: Behind,
) -> Resolver {
    Resolver {
        netlink,
        changes,
        news,
        shared: Arc::clone(shared),
        config,
        direct,
        stations: BTreeMap::new(),
        gateways: BTreeMap::new(),
        rules: Rules::default(),
        behind,
        attached: None,
    }
}
