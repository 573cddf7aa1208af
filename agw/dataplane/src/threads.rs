//! The threads that move packets of the slow path and of the software plane. They end when the data plane is dropped.

use crate::arp;
use crate::config::Vlan;
use crate::early::Early;
use crate::hand::{Hand, Side};
use crate::held::Held;
use crate::nat;
use crate::plane::{Outlet, Shared};
use crate::slowpath::patience;
use crate::sockets::wait;
use crate::watch::software;
use aya::maps::{MapData, RingBuf};
use basalt_ebpf_abi::{HandoverHeader, Point};
use basalt_pipeline::{Downlinked, Frame, Origin, Tables};
use std::collections::BTreeMap;
use std::net::SocketAddrV4;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::{self, JoinHandle};
use std::time::Instant;
use std::{io, mem};

/// Packets taken in one go before looking at anything else.
const BATCH: usize = 256;

/// Threads of one data plane.
pub(crate) struct Threads {
    shared: Arc<Shared>,
    running: Vec<JoinHandle<()>>,
}

impl Threads {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, running: Vec::new() }
    }

    /// Serves the GTP-U socket.
    pub(crate) fn serve_socket(&mut self) -> io::Result<()> {
        self.start("gtp-u", serve_socket)
    }

    /// Serves the ring that XDP programs hand packets over in; `held` tells a successor what waits outside of it.
    pub(crate) fn serve_ring(&mut self, ring: RingBuf<MapData>, held: Option<Held>) -> io::Result<()> {
        self.start("handover", move |shared| serve_ring(shared, ring, held))
    }

    /// Finds the routers behind VLANs of this interface.
    pub(crate) fn serve_arp(&mut self, interface: String, vlans: Vec<(u32, Vlan)>) -> io::Result<()> {
        self.start("arp", move |shared| arp::serve(shared, &interface, &vlans))
    }

    /// Serves the TUN device of the software plane.
    pub(crate) fn serve_device(&mut self) -> io::Result<()> {
        self.start("device", serve_device)
    }

    fn start(&mut self, name: &str, serve: impl FnOnce(&Shared) + Send + 'static) -> io::Result<()> {
        let shared = Arc::clone(&self.shared);
        let run = move || {
            prefer();
            serve(&shared);
        };
        self.running.push(thread::Builder::new().name(name.into()).spawn(run)?);
        Ok(())
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        self.shared.stopping.store(true, Ordering::Release);
        self.shared.stop.wake();
        for thread in mem::take(&mut self.running) {
            // A thread that panicked has said so already.
            let _ = thread.join();
        }
    }
}

/// Packets before everything else this machine does, where that is allowed.
fn prefer() {
    const NICE: i32 = -10;
    // SAFETY: no pointers; 0 is this thread.
    unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, NICE) };
}

fn running(shared: &Shared) -> bool {
    !shared.stopping.load(Ordering::Acquire)
}

fn serve_socket(shared: &Shared) {
    let Some(socket) = &shared.socket else { return };
    let mut buffer = vec![0; 1 << 16];
    let hand = shared.hands.as_ref().and_then(|hands| hands.of(Side::Uplink));
    if let Some(hand) = hand
        && let Some(length) = hand.held(&mut buffer)
    {
        taken(shared, Instant::now(), hand.sender(), buffer.get_mut(..length), Some(hand));
    }
    while running(shared) {
        let now = Instant::now();
        shared.expire(now);
        shared.ask(now);
        shared.remind();
        nat::tick(&shared.tables);
        let time = patience(shared.due(), now);
        if let Err(error) = wait(&[(socket.as_fd(), libc::POLLIN), (shared.stop.as_fd(), libc::POLLIN)], time) {
            tracing::error!(%error, "waiting for GTP-U");
            return;
        }
        let now = Instant::now();
        for _ in 0..BATCH {
            match socket.receive(&mut buffer, hand) {
                Ok(Some((length, from))) => taken(shared, now, from, buffer.get_mut(..length), hand),
                Ok(None) => break,
                Err(error) => {
                    tracing::debug!(%error, "receiving GTP-U");
                    break;
                }
            }
        }
    }
}

/// A datagram that was taken from the socket.
fn taken(shared: &Shared, now: Instant, from: Option<SocketAddrV4>, octets: Option<&mut [u8]>, hand: Option<&Hand>) {
    if let Some(from) = from {
        shared.datagram(now, from, octets.unwrap_or_default(), hand);
    }
    hand.inspect(|hand| hand.free());
}

fn serve_ring(shared: &Shared, mut ring: RingBuf<MapData>, held: Option<Held>) {
    let mut early = Early::new(held);
    catch_up(shared, &mut ring, &mut early);
    while running(shared) {
        let time = early.patience();
        if let Err(error) = wait(&[(ring.as_fd(), libc::POLLIN), (shared.stop.as_fd(), libc::POLLIN)], time) {
            tracing::error!(%error, "waiting for packets of idle phones");
            return;
        }
        take_over(shared, &mut ring, &mut early);
        early.look(shared, Instant::now());
    }
}

fn take_over(shared: &Shared, ring: &mut RingBuf<MapData>, early: &mut Early) {
    let mut state = shared.state();
    for _ in 0..BATCH {
        let Some(record) = ring.next() else { break };
        match HandoverHeader::split(&record) {
            Some((header, packet)) if header.slot == HandoverHeader::EARLY => early.hold(shared, header.ue, packet),
            Some((header, packet)) => shared.handed_over(&mut state, header, packet, None),
            None => {}
        }
    }
}

/// Takes over from a predecessor that was killed: what it held is lost and counted as done; what is still in the ring is not.
fn catch_up(shared: &Shared, ring: &mut RingBuf<MapData>, early: &mut Early) {
    let mut state = shared.state();
    let open = |record: &&basalt_ebpf_abi::Downlink| record.outstanding() != 0;
    let before: Vec<(u32, u32)> = (0u32..)
        .zip(shared.tables.downlink.iter())
        .filter(|(_, record)| open(record))
        .map(|(slot, record)| (slot, record.handed.get()))
        .collect();
    let mut packets = Vec::new();
    let mut pending: BTreeMap<u32, (u32, u32)> = BTreeMap::new();
    while let Some(record) = ring.next() {
        let Some((header, packet)) = HandoverHeader::split(&record) else { continue };
        if header.slot == HandoverHeader::EARLY {
            early.hold(shared, header.ue, packet);
            continue;
        }
        let (count, last) = pending.entry(header.slot).or_default();
        *count += 1;
        *last = header.number;
        packets.push((header, packet.to_vec()));
    }
    for (slot, handed) in before {
        let Some(record) = shared.tables.downlink.get(slot as usize) else { continue };
        let done = match pending.get(&slot) {
            Some((count, last)) => last.wrapping_sub(*count),
            None => handed,
        };
        record.drained.set(done);
    }
    for (header, packet) in packets {
        shared.handed_over(&mut state, header, &packet, None);
    }
}

fn serve_device(shared: &Shared) {
    let Outlet::Device(device) = &shared.outlet else { return };
    let mut buffer = vec![0; 1 << 16];
    let hand = shared.hands.as_ref().and_then(|hands| hands.of(Side::Downlink));
    let serve = |octets: Option<&mut [u8]>| {
        shared.downlink(octets.unwrap_or_default(), hand);
        hand.inspect(|hand| hand.free());
    };
    if let Some(length) = hand.and_then(|hand| hand.held(&mut buffer)) {
        serve(buffer.get_mut(..length));
    }
    while running(shared) {
        if let Err(error) = wait(&[(device.as_fd(), libc::POLLIN), (shared.stop.as_fd(), libc::POLLIN)], None) {
            tracing::error!(%error, "waiting for packets to phones");
            return;
        }
        for _ in 0..BATCH {
            match device.receive(&mut buffer, hand) {
                Ok(Some(length)) => serve(buffer.get_mut(..length)),
                Ok(None) => break,
                Err(error) => {
                    tracing::debug!(%error, "receiving packets to phones");
                    break;
                }
            }
        }
    }
}

impl Shared {
    /// A packet that the kernel routed to a phone: what the XDP program does, over the plane's own device.
    pub(crate) fn downlink(&self, octets: &mut [u8], hand: Option<&Hand>) {
        let Some(settings) = self.tables.settings.get(0) else { return };
        let length = octets.len();
        let Some(mut frame) = Frame::new(octets, 0, length) else { return };
        let watched = self.lookout.expects(frame.bytes());
        if watched {
            self.lookout.tell(Point::InternetIn, software::framed(frame.bytes()), "");
        }
        match basalt_pipeline::downlink(&frame, &self.tables, settings, 0, Origin::Kernel) {
            Downlinked::Tunnel { record, bearer, charge, tunnel, length, .. } => {
                basalt_pipeline::clamp(&mut frame, settings, 0, length);
                let packet = frame.bytes().get(..length as usize).unwrap_or_default();
                self.send_into(record, tunnel, (bearer, &charge), packet, hand);
            }
            Downlinked::HandOver(handover) => {
                // Of a phone: the kernel has given the packet to one.
                let Some(record) = handover.record else { return };
                if watched {
                    let frame = software::framed(frame.bytes());
                    self.lookout.tell(Point::DownlinkPunted, frame, handover.reason.name());
                }
                let mut state = self.state();
                let number = record.handed.fetch_add(1).wrapping_add(1);
                let header = HandoverHeader {
                    slot: handover.slot,
                    ue: record.ue.get(),
                    owner: record.owner.get(),
                    number,
                    length: handover.length,
                    reason: handover.reason as u32,
                };
                self.tables.count(handover.reason.slot());
                let packet = frame.bytes().get(..handover.length as usize).unwrap_or_default();
                self.handed_over(&mut state, header, packet, hand);
            }
            Downlinked::Drop(reason) => {
                if watched {
                    self.lookout.tell(Point::DownlinkDropped, software::framed(frame.bytes()), reason.name());
                }
                self.tables.dropped(reason, 1);
            }
            Downlinked::Pass(_) => {}
        }
    }
}
