//! How a data plane comes up: in memory, over sockets, in XDP; each over what a predecessor has left.

use super::device::{LARGEST_MTU, access_link, behind, own_device, settle, software_device, tunnel_mtu};
use super::{Dataplane, PlaneMode};
use crate::buffer::{Buffers, Waiting};
use crate::config::Config;
use crate::destinations::Rules;
use crate::egress::{egresses, externals, with_ports};
use crate::error::Error;
use crate::framed;
use crate::hand::Hands;
use crate::hops::Hops;
use crate::host::{self, Behind, Changes, Netlink, Snapshot};
use crate::interfaces::Interfaces;
use crate::kept;
use crate::nat::Nat;
use crate::object;
use crate::paths::Paths;
use crate::plane::{Outlet, Shared, State};
use crate::pools;
use crate::predecessor::Predecessor;
use crate::reports;
use crate::resolver::{Ask, Resolver, rules};
use crate::service::grace;
use crate::sessions::Sessions;
use crate::shelf;
use crate::sockets::{Device, FrameSocket, GtpSocket};
use crate::tables::{SharedRegions, Sizes, Tables};
use crate::threads::Threads;
use crate::xdp::{self, Loaded, Mode};
use agw_types::Traffic;
use basalt_ebpf_abi::{Address, BEARER_BLOCK, KERNEL_NEXT_HOP, SettingFlags, programs};
use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio::time::sleep;

/// Events that may wait for the core.
const EVENTS: usize = 4096;

impl Dataplane {
    pub(super) fn memory(config: &Config) -> Result<(Self, mpsc::Receiver<Traffic>), Error> {
        let sizes = sizes(config)?;
        let regions = SharedRegions::anonymous(sizes).map_err(Error::system("memory for tables"))?;
        let tables = tables(config, regions, sizes, tunnel_mtu(config, LARGEST_MTU, LARGEST_MTU))?;
        let rules = rules(config, &Snapshot::default(), None);
        if let (Some(settings), Some(destinations)) = (tables.settings.get(0), tables.destinations.get(0)) {
            rules.write(settings, destinations);
        }
        let hops = Hops::socket(&tables);
        let (events, receiver) = mpsc::channel(EVENTS);
        let state = state(config, &tables, hops)?;
        let shared = Shared::new(tables, None, Outlet::None, events, config, state, reports::channel())?;
        let shared = Arc::new(shared);
        let threads = Threads::new(Arc::clone(&shared));
        let mode = PlaneMode::Memory;
        let (loaded, reasons) = (None, None);
        Ok((
            Self { shared, mode, adopted: false, loaded, reasons, held_lost: 0, _threads: threads, resolver: None },
            receiver,
        ))
    }

    pub(super) async fn software(config: Config) -> Result<(Self, mpsc::Receiver<Traffic>), Error> {
        let (netlink, changes) = Netlink::open()?;
        let access = access_link(&netlink, &config).await?;
        let sizes = sizes(&config)?;
        let (regions, adopted) = software_tables(&config, sizes)?;
        // What an XDP plane may have left would take the packets away.
        xdp::remove_pins(&config.bpf_directory)?;
        let (device, mtu) = software_device(&netlink, &config, access.mtu).await?;
        let hands = hands(&config, &device);
        let tables = tables(&config, regions, sizes, mtu)?;
        // What the predecessor kept for idle phones went with it.
        tables.downlink.iter().for_each(|record| record.drained.set(record.handed.get()));
        let behind = behind(&netlink, &config, matches!(device, Device::Pair { .. }), mtu).await?;
        let socket = software_socket(&config)?;
        let (events, receiver) = mpsc::channel(EVENTS);
        let hops = Hops::socket(&tables);
        let mut state = state(&config, &tables, hops)?;
        state.close(config.shelf.iter().flat_map(kept::replaced));
        let outlet = Outlet::Device(device);
        let mut shared = Shared::new(tables, Some(socket), outlet, events, &config, state, reports::channel())?;
        shared.hands = hands;
        let shared = Arc::new(shared);
        for tunnel in config.restore.iter().filter(|_| !adopted) {
            shared.restore(tunnel);
        }
        let (keep_open, news) = mpsc::channel(Config::NEXT_HOPS as usize);
        let interfaces = Interfaces::without_programs(&config, &netlink.snapshot().await?);
        let mut resolver = resolver(netlink, changes, news, &shared, config, false, behind);
        resolver.interfaces = Some(interfaces);
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
        Ok((Self { shared, mode, adopted, loaded, reasons, held_lost: 0, _threads: threads, resolver }, receiver))
    }

    pub(super) async fn xdp(config: Config, allow: &[Mode]) -> Result<(Self, mpsc::Receiver<Traffic>), Error> {
        let (path, object) = object::object().map_err(Error::Object)?;
        tracing::debug!(object = %path.display(), "XDP programs");
        let (netlink, changes) = Netlink::open()?;
        let access = access_link(&netlink, &config).await?;
        let externals = externals(&netlink, &config).await?;
        let sizes = with_ports(sizes(&config)?, &config, &externals);
        host::ensure_bpf_filesystem(&config.bpf_directory)?;
        let (mut loaded, regions) = xdp::load(&object, sizes, Config::RING_OCTETS, Some(&config.bpf_directory))?;
        let (device, peer) = own_device(&netlink, &config, access.mtu).await?;
        let mtu = tunnel_mtu(&config, access.mtu, device.mtu);
        let tables = tables(&config, regions, sizes, mtu)?;
        let socket = GtpSocket::bind(config.access_address)?;
        let (source, destination) = (peer.mac.unwrap_or_default(), device.mac.unwrap_or_default());
        if let Some(hop) = tables.next_hops.get(KERNEL_NEXT_HOP as usize) {
            hop.follow(peer.index, device.mtu, source, destination);
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
        let reports = reports::channel();
        if config.translates() {
            let (translation, listener) = (config.translation.clone(), reports.0.clone());
            state.nat = Some(Nat::open(translation, &externals, &tables, loaded.reused, listener)?);
        } else if let Some(nat) = tables.nat.get(0) {
            nat.count.set(0);
        }
        let shared = Arc::new(Shared::new(tables, Some(socket), outlet, events, &config, state, reports)?);
        let direct = config.direct();
        settle(&netlink, &config, device.index, Some(peer.mac.unwrap_or_default()), mtu, device.mtu).await?;
        let behind = behind(&netlink, &config, true, mtu).await?;
        let mut resolver = resolver(netlink, changes, news, &shared, config.clone(), direct, behind);
        resolver.refresh(Ask::Unresolved).await;
        let mut threads = Threads::new(Arc::clone(&shared));
        threads.serve_socket().map_err(Error::system("thread"))?;
        if !config.vlans().is_empty() {
            let vlans = config.vlans();
            threads.serve_arp(config.internet_interface.clone(), vlans).map_err(Error::system("thread"))?;
        }
        if let Some(ring) = loaded.ring.take() {
            threads.serve_ring(ring, loaded.held.take()).map_err(Error::system("thread"))?;
        }
        // What a predecessor left carries the packets meanwhile.
        expect_routers(&shared.tables, &config).await;
        // Connected phones go on without waiting for anyone to set them again.
        for folder in loaded.replaced.iter().filter_map(Predecessor::folder) {
            if let Some((tables, sessions)) = of_same_schema(folder) {
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
        shared.state().close(std::mem::take(&mut loaded.replaced));
        if let Some(shelf) = &config.shelf {
            // A software plane of before hands over to this one.
            shelf::clear(shelf.as_ref());
            Hands::give_up(shelf.as_ref());
            kept::put_aside(shelf.as_ref());
            shared.state().close(kept::replaced(shelf));
        }
        let adopted = loaded.reused;
        let (reasons, held_lost) = (Some(Arc::clone(&loaded.reasons)), loaded.held_lost);
        let loaded = Arc::new(Mutex::new(loaded));
        let snapshot = resolver.netlink.snapshot().await?;
        resolver.interfaces = Some(Interfaces::with_programs(Arc::clone(&loaded), &config, allow, &snapshot));
        resolver.refresh(Ask::Unresolved).await;
        let resolver = tokio::spawn(resolver.run());
        Ok((
            Self {
                shared,
                mode,
                adopted,
                loaded: Some(loaded),
                reasons,
                held_lost,
                _threads: threads,
                resolver: Some(resolver),
            },
            receiver,
        ))
    }
}

/// Waits a moment for the routers behind VLANs: what phones send before they are known cannot go on (nothing else knows these networks).
async fn expect_routers(tables: &Tables, config: &Config) {
    const LOOK: Duration = Duration::from_millis(10);
    const LOOKS: u32 = 50;
    let unknown = |hop: &u32| tables.next_hops.get(*hop as usize).is_some_and(|hop| hop.ifindex.get() == 0);
    let hops: Vec<u32> = config.vlans().into_iter().map(|(hop, _)| hop).collect();
    for _ in 0..LOOKS {
        if !hops.iter().any(unknown) {
            return;
        }
        sleep(LOOK).await;
    }
    tracing::warn!("a router behind a VLAN does not answer: packets of its access point are dropped until it does");
}

/// Tables in this process: those that a predecessor counted in, if somebody held them. Says whether.
fn software_tables(config: &Config, sizes: Sizes) -> Result<(SharedRegions, bool), Error> {
    let tables = match &config.shelf {
        Some(shelf) => kept::open(shelf, sizes),
        None => SharedRegions::anonymous(sizes).map(|regions| (regions, false)),
    };
    tables.map_err(Error::system("memory for tables"))
}

/// What the threads of a predecessor had in hand, and those of this process will have. What it had sent is counted from here on.
fn hands(config: &Config, device: &Device) -> Option<Hands> {
    match Hands::take_up(config.shelf.as_deref()?, device.written(&config.device)) {
        Ok(hands) => Some(hands),
        Err(error) => {
            tracing::warn!(%error, "nobody holds what threads have in hand: a kill loses a packet, or leaves one uncounted");
            None
        }
    }
}

/// The GTP-U socket of a plane in this process: a predecessor's, if somebody held it.
fn software_socket(config: &Config) -> Result<GtpSocket, Error> {
    let Some(shelf) = &config.shelf else { return GtpSocket::bind(config.access_address) };
    if let Some(socket) = shelf.get(shelf::SOCKET).and_then(|held| GtpSocket::again(held, config.access_address)) {
        return Ok(socket);
    }
    let socket = GtpSocket::bind(config.access_address)?;
    if let Err(error) = shelf.put(shelf::SOCKET, socket.as_fd()) {
        tracing::warn!(%error, "nobody holds the GTP-U socket: packets from phones are lost while the daemon changes");
    }
    Ok(socket)
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

fn tables(config: &Config, regions: SharedRegions, sizes: Sizes, mtu: u32) -> Result<Tables, Error> {
    let tables = Tables::new(regions, sizes).map_err(Error::system("memory for tables"))?;
    if let Some(settings) = tables.settings.get(0) {
        settings.local.set(Address::new(config.access_address).0);
        settings.flags.set(if config.core_ports { SettingFlags::CORE_PORTS } else { 0 });
        settings.buffer_limit.set(config.buffer_per_phone);
        settings.tunnel_mtu.set(mtu);
        settings.segment.set(config.segment(mtu));
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
        interfaces: None,
    }
}
