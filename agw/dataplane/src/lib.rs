//! The data plane of the access gateway: tunnels of base stations on one side, the internet on the other.
//!
//! What it is: a driver. [`Dataplane::apply`] carries out the core's [`agw_types::DataplaneChange`]s by plain stores into tables that
//! XDP programs read; [`agw_types::Traffic`] tells the core what happens there. One set of tables and one pipeline
//! (`ebpf/pipeline`) serve three planes: XDP in the driver or in the kernel's receive path, this process over a UDP socket and a TUN
//! device, and tables without packets for tests. What it deliberately is not: a place of decisions about sessions, addresses or
//! paging; and not the lab (`lte-testbed`).
//!
//! ```no_run
//! # async fn f(change: agw_types::DataplaneChange) -> Result<(), agw_dataplane::Error> {
//! use agw_dataplane::{Config, Dataplane};
//! use agw_types::AddressPool;
//! let pool = AddressPool { network: [10, 45, 0, 0].into(), prefix: 16, gateway: None };
//! let config = Config::new("s1", [10, 10, 1, 2].into(), "sgi", vec![pool]);
//! let (plane, mut traffic) = Dataplane::open(config).await?;
//! println!("packets are carried by {}", plane.mode().name());
//! plane.apply(&change)?;
//! let event = traffic.recv().await;
//! # Ok(()) }
//! ```
//!
//! # The way of a packet
//!
//! ```text
//!            S1-U interface                own veth pair                    SGi interface
//!  eNB ──► basalt_access ──redirect──► bslt0p ═══► bslt0 ─► kernel: route, NAT, filter ──► internet     (NAT, and unknown next hops)
//!                 └────────redirect to a cached next hop───────────────────────────────► internet     (routed)
//!  eNB ◄──redirect── basalt_kernel on bslt0p ◄═══ bslt0 ◄─ kernel: un-NAT, filter, route of the pools ◄── internet
//!  eNB ◄──redirect── basalt_internet ◄───────────────────────────────────────────────────── internet     (routed)
//!             │ idle phone, unresolved neighbour             │ echo, unknown TEID, fragments
//!             └─► ring ─► this process ─► UDP 2152           └─► kernel ─► UDP 2152 ─► this process
//! ```
//!
//! The kernel sees phones behind an ordinary interface, `bslt0`: packets from phones come in there, the pools are routed there, so
//! routing, NAT, `tcpdump` and the operator's own filters work as anywhere. The route carries the tunnel's MTU, so that the kernel
//! fragments or answers "too big". In the software plane `bslt0` is a TUN device, or a
//! veth pair where `/dev/net/tun` cannot be opened.
//!
//! Phones of a pool with a way of their own to the internet ([`PoolEgress`], [`Egress::Translated`]) go from `basalt_access` by tail calls
//! through `basalt_onward` (way, translation, VLAN) and `basalt_deliver` (limits, counts, out); `basalt_internet` translates back. Each of
//! them is verified alone: together they would be too much for verifiers. Mappings are kept in the blocks of ports that user space gives
//! out, and are pinned with all other tables.
//!
//! # Invariants
//! - A restart loses no packet of a connected phone: maps, programs and links stay pinned, programs are replaced behind their links,
//!   records are only written where they differ. Packets for idle phones wait in the pinned ring.
//! - A change of the daemon loses no packet in the software plane, either, where another process holds its socket, its device and its
//!   tables meanwhile ([`Shelf`]): packets wait in the kernel, up to 8 MiB of those from base stations and [`Config::QUEUE`] to phones. What its two
//!   threads have in hand lies in memory that is held as well: a daemon that is killed neither loses it, nor sends it twice, nor leaves it
//!   uncounted.
//! - Packets for a phone leave in the order they came, also when buffered ones are flushed (`basalt_ebpf_abi::Downlink`).
//! - Fragments take the way of the packets around them: those inside of tunnels by the programs, by address; to external addresses behind
//!   their first one, for which earlier ones wait (`early`); what user space breaks up leaves in order. Fragments *of* tunnels the kernel
//!   gathers, and what comes out of them goes on as programs send it, straight to the next hop.
//! - Whatever is dropped is counted under a [`basalt_ebpf_abi::DropReason`]; nothing is dropped without.
//! - A limit counts octets of inner IP packets, and holds over all bearers, flows and processors ([`Rate`]).
//! - Every queue is bounded: the ring, buffers per phone and in total, held uplink messages, events to the core.
//! - Nothing a base station, a phone or the internet sends reaches a panic or grows memory.
//!
//! # Traps for whoever builds the network around it
//!
//! The gateway sees to its own devices. What it cannot reach, because it lies in another namespace or machine:
//! - *GRO at veth peers.* Frames redirected into a veth arrive only if the other end polls: `ethtool -K PEER gro on` for the far ends of
//!   the S1-U and SGi interfaces. Without it, redirected frames vanish and nothing counts them. Real NICs need nothing.
//! - *Checksums of veth senders.* XDP forwards frames as they are: `ethtool -K PEER tx off` where senders sit behind a veth towards the
//!   SGi interface (routed mode) or the S1-U interface, else packets arrive with half-made checksums.
//! - *Links take their time.* After `ip link set up`, packets vanish until the kernel's link watch has switched the transmit queue on,
//!   which takes seconds where many namespaces come and go: wait for `state UP`.
//! - *Room for the tunnel.* S1-U MTU at least 1536 for phones with 1500; otherwise tell phones a smaller MTU (PCO). Native XDP needs
//!   an MTU of at most about 3500 on both sides of a veth; above, generic mode is used and announced.
//! - *BPF file system.* Start the gateway with `nsenter --net=…`, not `ip netns exec`: that hides `/sys/fs/bpf` behind a new `/sys`,
//!   and what is mounted or pinned inside vanishes with the process.
//! - *Other filters.* A firewall of the operator's with policy "drop" for forwarded packets must let `bslt0` through; the gateway's
//!   own table (`ip basalt`) cannot override a drop.
//! - *Routes.* Next hops follow the main routing table. Policy routing and multipath routes are left to the kernel (NAT mode, or
//!   routed mode without a direct way).
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests"))]

mod arp;
pub mod bench;
pub mod blocklog;
mod buffer;
mod config;
mod dataplane;
mod delivery;
mod destinations;
mod dhcp6;
mod early;
mod egress;
mod error;
mod fragments;
mod framed;
mod hand;
mod held;
mod hops;
mod host;
mod icmp;
mod insistence;
mod interfaces;
mod kept;
mod ledger;
mod limits;
mod nat;
pub mod object;
#[cfg(test)]
mod oracle;
mod outward;
mod paths;
mod peers;
mod pins;
mod plane;
mod pools;
mod predecessor;
mod reconcile;
mod region;
mod relay;
mod reports;
mod resolver;
mod router;
mod rules;
mod service;
mod sessions;
mod shelf;
mod slowpath;
mod sockets;
mod suspects;
mod tables;
mod threads;
mod turns;
mod watch;
mod xdp;

pub use config::{Config, Egress, Plane, Pool6Egress, PoolEgress, Vlan};
pub use dataplane::{Dataplane, PlaneMode};
pub use error::Error;
pub use host::is_bpf_filesystem;
pub use interfaces::{Interface, InterfaceState, Side};
pub use ledger::{Baseline, Book, Ledger, Part, Reading, RecordId, UsageRecord};
pub use limits::{Limited, Limits, Rate};
pub use nat::{Filtering, Translation};
pub use paths::Echo;
pub use reconcile::Differences;
pub use reports::{PortBlock, Report};
pub use rules::{Allowance, Dedicated, Rule, Service, Way};
pub use service::{Parts, Volume};
pub use sessions::{Installed, Usage};
pub use shelf::Shelf;
pub use suspects::Suspicion;
pub use watch::Seen;
