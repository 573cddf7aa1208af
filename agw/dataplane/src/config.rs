//! What the data plane must be told.

use crate::error::Error;
use crate::limits::{Limited, Rate};
use crate::nat::Translation;
use crate::paths::Echo;
use crate::shelf::Shelf;
use agw_types::{AddressPool, PrefixPool};
use basalt_ebpf_abi::{MAX_FORBIDDEN6, MAX_POOLS6, ON_LINK_NEXT_HOP, Prefix, TeidLayout};
use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

const VLANS_NEED_XDP: &str =
    "access points with a VLAN of their own need XDP: leave out the software plane, or the VLANs";

/// How packets of phones leave towards the internet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Egress {
    /// Behind the gateway's own address: the kernel routes and translates (nftables masquerade).
    Nat,
    /// With their own addresses. XDP forwards straight to the next hop where the kernel's routes name one.
    Routed,
    /// Behind external addresses, translated in XDP ([`Translation`]), in blocks of ports. Where XDP does not run, as [`Egress::Nat`].
    Translated,
}

/// The way to the internet of one pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolEgress {
    /// The pool, or part of it.
    pub pool: Prefix,
    /// How its phones leave.
    pub egress: Egress,
    /// The VLAN by which they leave and come back; `None` for the internet interface's own network.
    pub vlan: Option<Vlan>,
}

/// The way to the internet of one IPv6 pool. Its addresses are never translated but for unique local ones behind [`Egress::Nat`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pool6Egress {
    /// The pool.
    pub pool: PrefixPool,
    /// With [`Egress::Routed`], others may begin to talk to its phones; else only answers come in.
    pub egress: Egress,
    /// Its access point has a VLAN, which IPv6 cannot leave by: refused.
    pub vlan: bool,
}

/// A network behind a VLAN tag on the internet interface (IEEE 802.1Q), which the kernel need not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Vlan {
    /// Identifier, 1 to 4094.
    pub id: u16,
    /// The gateway's address there: it answers ARP for it, and asks from it.
    pub address: Ipv4Addr,
    /// The router there.
    pub router: Ipv4Addr,
}

/// What carries packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plane {
    /// XDP where possible (native, else generic), else software; what was taken is announced.
    Auto,
    /// XDP in the driver or nothing.
    XdpNative,
    /// XDP in the kernel's receive path, on purpose.
    XdpGeneric,
    /// The pipeline in this process, over a UDP socket and a TUN device.
    Software,
    /// Tables only, no packets: for tests and simulation.
    Memory,
}

/// Everything there is to set. [`Config::new`] fills in what most sites want.
#[derive(Debug, Clone)]
pub struct Config {
    /// Interface towards the base stations.
    pub access_interface: String,
    /// Our GTP-U address on it, told to base stations.
    pub access_address: Ipv4Addr,
    /// Interface towards the internet. May be the same.
    pub internet_interface: String,
    /// How phones leave, but for those of `pool_egress`.
    pub egress: Egress,
    /// How phones of certain pools leave.
    pub pool_egress: Vec<PoolEgress>,
    /// How phones of certain IPv6 pools leave.
    pub pool6_egress: Vec<Pool6Egress>,
    /// How addresses are translated in XDP.
    pub translation: Translation,
    /// Addresses of phones.
    pub pools: Vec<AddressPool>,
    /// IPv6 prefixes of phones, at most four pools of up to 2^20 prefixes each.
    pub pools6: Vec<PrefixPool>,
    /// The largest packet that phones shall send, octets: what they are told with their IPv6 prefix, if not less fits into a tunnel.
    pub phone_mtu: u16,
    /// In which time every phone is told its IPv6 prefix once more, besides each time that it is connected again: by default as often as
    /// TS 29.061 §11.2.1.3.4 has it. Well below the 65,535 s after which a phone takes its router for gone.
    pub advertise: Duration,
    /// DNS servers told to phones with their IPv6 prefix (RFC 8106).
    pub dns6: Vec<Ipv6Addr>,
    /// IPv6 networks of up to 64 bits that phones must not reach, at most 16, besides link-local, loopback and multicast addresses.
    pub forbidden6: Vec<(Ipv6Addr, u8)>,
    /// Sessions at the same time, 1 to 2^20. Tables are made for the next power of two.
    pub sessions: u32,
    /// Networks that phones must not reach, besides the gateway's own addresses and networks, loopback, link-local and multicast.
    pub forbidden: Vec<Prefix>,
    /// Exceptions to what is forbidden.
    pub permitted: Vec<Prefix>,
    /// Phones may reach each other.
    pub phone_to_phone: bool,
    /// Phones may send to ports of core protocols (GTP, PFCP, Diameter, S1AP, NGAP).
    pub core_ports: bool,
    /// How many leading bits of a base station's address uplink packets must share, 1 to 32. Less than 32 for base stations that
    /// send from a second address.
    pub peer_prefix: u8,
    /// What carries packets.
    pub plane: Plane,
    /// Where maps, programs and links are pinned. Must be on a BPF file system, or one is mounted there.
    pub bpf_directory: PathBuf,
    /// Name of the gateway's own interface towards phones, up to 14 characters; its veth peer has the same name with a `p` behind.
    pub device: String,
    /// Packets kept for an idle phone, 1 to 4096.
    pub buffer_per_phone: u32,
    /// Packets kept for all idle phones.
    pub buffer_total: u32,
    /// Largest packet sent into a tunnel whole, octets. `None`: what the access interface's MTU leaves.
    pub tunnel_mtu: Option<u16>,
    /// Let TCP connections of phones agree on segments that fit into a tunnel ([`Config::tunnel_mtu`]) and through the internet interface and
    /// its default route, whatever their ends propose.
    pub clamp_segments: bool,
    /// Slow path messages per second and CPU, for each kind.
    pub slow_path_rate: u32,
    /// What a rule's rate carries in this time may come at once, as with [`crate::Limits::with_burst`].
    pub burst: Duration,
    /// Different sets of rules at the same time, 14 KB each: sessions with equal rules share one.
    pub policies: u32,
    /// Rules of all sessions together, 128 octets each. A session takes 8, 16, 32 or 64. Eight for each address of the pools let programs
    /// fetch a session's rules together with the session, which counts where both are out of the processor's caches.
    pub rules: u32,
    /// Sessions with dedicated bearers, 1 KB each.
    pub multi_bearer_sessions: u32,
    /// Networks behind phones (framed routes), of all sessions together.
    pub framed_routes: u32,
    /// Keep the counters of a removed session until [`crate::Dataplane::settle`], so that no crash loses its last octets. Whoever sets
    /// this must settle, or tables fill up.
    pub accounting: bool,
    /// Sessions that there were before: where tables must be made anew, they are in them with their limits before packets are.
    pub restore: Vec<Limited>,
    /// What holds the software plane's socket, device and tables while the daemon is changed for another; `None`: nothing does, and all of
    /// them go with this process.
    pub shelf: Option<Arc<dyn Shelf>>,
    /// Echo Requests to base stations; `None` for none.
    pub echo: Option<Echo>,
    /// How long after a start base stations are not told that a tunnel is unknown, since its session may be about to be restored.
    pub settle: Duration,
    /// How long an uplink packet in a tunnel that nobody knows of waits for the signalling that it may have overtaken, before its base station
    /// is told. Those in tunnels that are sure to follow wait for ten seconds ([`crate::Dataplane::expect`]).
    pub hold: Duration,
}

impl Config {
    /// The usual settings: NAT, 131072 sessions, pins in `/sys/fs/bpf/basalt`.
    #[must_use]
    pub fn new(
        access_interface: impl Into<String>,
        access_address: Ipv4Addr,
        internet_interface: impl Into<String>,
        pools: Vec<AddressPool>,
    ) -> Self {
        Self {
            access_interface: access_interface.into(),
            access_address,
            internet_interface: internet_interface.into(),
            egress: Egress::Nat,
            pool_egress: Vec::new(),
            pool6_egress: Vec::new(),
            translation: Translation::default(),
            pools,
            pools6: Vec::new(),
            phone_mtu: 1500,
            advertise: Duration::from_secs(21_600),
            dns6: Vec::new(),
            forbidden6: Vec::new(),
            sessions: 1 << 17,
            forbidden: Vec::new(),
            permitted: Vec::new(),
            phone_to_phone: false,
            core_ports: false,
            peer_prefix: 32,
            plane: Plane::Auto,
            bpf_directory: PathBuf::from("/sys/fs/bpf/basalt"),
            device: "bslt0".into(),
            buffer_per_phone: 64,
            buffer_total: 65_536,
            tunnel_mtu: None,
            clamp_segments: true,
            slow_path_rate: 20_000,
            burst: Duration::from_millis(Rate::BURST_MS),
            framed_routes: 4096,
            accounting: false,
            restore: Vec::new(),
            shelf: None,
            echo: Some(Echo::USUAL),
            policies: 255,
            rules: 1 << 16,
            multi_bearer_sessions: 4095,
            settle: Duration::from_secs(3),
            hold: Duration::from_millis(500),
        }
    }

    /// How TEIDs are made of index and generation with these settings: whoever allocates TEIDs must use it.
    ///
    /// # Errors
    /// [`Error::Full`] above 2^20 sessions.
    pub fn teids(&self) -> Result<TeidLayout, Error> {
        TeidLayout::for_sessions(self.sessions).ok_or(Error::Full("sessions"))
    }

    /// The largest segment in packets of `mtu` octets over IPv4 (RFC 6691); 0 where nothing is to be done about them.
    pub(crate) fn segment(&self, mtu: u32) -> u32 {
        if self.clamp_segments { mtu.saturating_sub(40) } else { 0 }
    }

    /// The veth peer that carries the downlink program.
    #[must_use]
    pub fn peer_device(&self) -> String {
        format!("{}p", self.device)
    }

    /// Packets to phones that wait in the software plane's device while nobody takes them.
    pub const QUEUE: u32 = 10_000;

    /// Octets of the ring to user space: room for two full buffers of a burst, a power of two.
    pub(crate) const RING_OCTETS: u32 = 8 << 20;
    /// Base stations and egress gateways.
    pub(crate) const NEXT_HOPS: u32 = 8192;

    /// How a phone leaves, and by which VLAN.
    pub(crate) fn egress_of(&self, phone: Ipv4Addr) -> (Egress, Option<&Vlan>) {
        let own = self.pool_egress.iter().find(|own| own.pool.contains(phone));
        own.map_or((self.egress, None), |own| (own.egress, own.vlan.as_ref()))
    }

    /// How phones of this IPv6 pool leave.
    pub(crate) fn egress_of6(&self, pool: &PrefixPool) -> Egress {
        self.pool6_egress.iter().find(|own| own.pool == *pool).map_or(self.egress, |own| own.egress)
    }

    /// All ways out that there are.
    pub(crate) fn egresses(&self) -> impl Iterator<Item = (Egress, Option<&Vlan>)> {
        let own = self.pool_egress.iter().map(|own| (own.egress, own.vlan.as_ref()));
        std::iter::once((self.egress, None)).chain(own)
    }

    /// Whether programs send packets of some phones to the internet by themselves.
    pub(crate) fn direct(&self) -> bool {
        self.egresses().any(|(egress, _)| egress != Egress::Nat) && self.internet_interface != self.access_interface
    }

    /// Whether some phones are translated in XDP.
    pub(crate) fn translates(&self) -> bool {
        self.egresses().any(|(egress, _)| egress == Egress::Translated)
    }

    /// The VLANs, each once, with the next hop that leads there.
    pub(crate) fn vlans(&self) -> Vec<(u32, Vlan)> {
        let mut vlans: Vec<Vlan> = Vec::new();
        for vlan in self.pool_egress.iter().filter_map(|own| own.vlan) {
            if !vlans.contains(&vlan) {
                vlans.push(vlan);
            }
        }
        (0..).zip(vlans).map(|(number, vlan)| (ON_LINK_NEXT_HOP - 1 - number, vlan)).collect()
    }

    /// The same without what only XDP can do.
    pub(crate) fn without_xdp(mut self) -> Result<Self, Error> {
        if !self.vlans().is_empty() {
            return Err(Error::Configuration(VLANS_NEED_XDP.into()));
        }
        let own = self.pool_egress.iter_mut().map(|own| &mut own.egress);
        let own6 = self.pool6_egress.iter_mut().map(|own| &mut own.egress);
        for egress in std::iter::once(&mut self.egress).chain(own).chain(own6) {
            if *egress == Egress::Translated {
                tracing::warn!(
                    "addresses are translated by the kernel, without blocks of ports: XDP does not run here"
                );
                *egress = Egress::Nat;
            }
        }
        Ok(self)
    }

    /// Refuses what contradicts itself, or what the plane that it names cannot do.
    ///
    /// # Errors
    /// [`Error::Configuration`], with what to do where it is not plain.
    pub fn check(&self) -> Result<(), Error> {
        let refuse = |text: &str| Err(Error::Configuration(text.into()));
        if self.device.is_empty() || self.device.len() > 14 {
            return refuse("the device name must have 1 to 14 characters");
        }
        if self.peer_prefix == 0 || self.peer_prefix > 32 {
            return refuse("peer_prefix must be 1 to 32");
        }
        if self.buffer_per_phone == 0 || self.buffer_per_phone > 4096 {
            return refuse("buffer_per_phone must be 1 to 4096");
        }
        self.translation.check()?;
        if self.translates() && self.internet_interface == self.access_interface {
            return refuse(
                "translation in XDP needs an internet interface of its own: use the kernel's NAT, or another interface",
            );
        }
        if self.vlans().len() > 64 || self.vlans().iter().any(|(_, vlan)| !(1..=4094).contains(&vlan.id)) {
            return refuse("at most 64 VLANs, numbered 1 to 4094");
        }
        if self.pool_egress.iter().any(|own| own.vlan.is_some() && own.egress == Egress::Nat) {
            return refuse("the kernel's NAT does not lead into a VLAN: use routed or translated egress there");
        }
        if self.pool6_egress.iter().any(|own| own.vlan) {
            return refuse("IPv6 does not lead into a VLAN: give access points with a VLAN pools of IPv4 alone");
        }
        if !self.vlans().is_empty() && self.internet_interface == self.access_interface {
            return refuse("VLANs of access points need an internet interface of its own");
        }
        if !self.vlans().is_empty() && matches!(self.plane, Plane::Software | Plane::Memory) {
            return refuse(VLANS_NEED_XDP);
        }
        if self.policies > 1 << 14 || self.rules > 1 << 24 || self.multi_bearer_sessions > 1 << 20 {
            return refuse("at most 16384 policies, 2^24 rules and 2^20 sessions with dedicated bearers");
        }
        if self.framed_routes > 1 << 18 {
            return refuse("at most 2^18 networks behind phones");
        }
        if self.echo.is_some_and(|echo| echo.requests == 0 || echo.interval.is_zero() || echo.response.is_zero()) {
            return refuse("Echo Requests need an interval, a time to wait and at least one try");
        }
        let sound = |pool: &PrefixPool| pool.each <= 64 && pool.prefix <= pool.each && pool.each - pool.prefix <= 20;
        if self.pools6.len() > MAX_POOLS6 || !self.pools6.iter().all(sound) {
            return refuse("at most four IPv6 pools, of up to 2^20 prefixes of up to 64 bits each");
        }
        if self.forbidden6.len() > MAX_FORBIDDEN6
            || self.forbidden6.iter().any(|(_, length)| !(1..=64).contains(length))
        {
            return refuse("at most 16 forbidden IPv6 networks, of 1 to 64 bits");
        }
        if self.pools.is_empty() && self.pools6.is_empty() || self.pools.len() > basalt_ebpf_abi::MAX_POOLS {
            return refuse("there must be 1 to 16 address pools, or an IPv6 pool");
        }
        let prefixes: Vec<Prefix> = self.pools.iter().map(|pool| Prefix::new(pool.network, pool.prefix)).collect();
        for (i, pool) in prefixes.iter().enumerate() {
            if pool.length() < 8 {
                return refuse("an address pool may have at most 2^24 addresses");
            }
            if prefixes.iter().skip(i + 1).any(|other| pool.first() <= other.last() && other.first() <= pool.last()) {
                return refuse("address pools overlap");
            }
        }
        self.teids().map(drop)
    }
}
