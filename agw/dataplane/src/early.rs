//! Later fragments from the internet that have come before their first one, for external addresses: only the first has the port that says
//! whose they are.
//!
//! They wait for it a moment, in the order of their coming; the program bounds how many of one packet do, this all of them. The program
//! notes where the first one went, and sends what comes after it by itself. How many wait is told to a successor before they are taken, and
//! after they are sent: a kill between two instructions may count one that is not lost.

use crate::held::Held;
use crate::plane::Shared;
use basalt_ebpf_abi::{Address, DropReason};
use basalt_pipeline::{Frame, late};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Fragments that wait.
pub(crate) struct Early {
    queue: VecDeque<Waiter>,
    octets: usize,
    held: Option<Held>,
}

#[derive(Debug)]
struct Waiter {
    due: Instant,
    vlan: u32,
    packet: Vec<u8>,
}

impl Early {
    /// How long one waits: what is on several ways arrives within far less, and a receiver gives up after 15 s or more (RFC 1122 §3.3.2).
    const TIME: Duration = Duration::from_millis(500);
    /// Between two looks for the first ones.
    const LOOK: Duration = Duration::from_millis(2);
    /// Most fragments.
    const MOST: usize = 1024;
    /// Most octets.
    const OCTETS: usize = 2 << 20;

    pub(crate) fn new(held: Option<Held>) -> Self {
        Self { queue: VecDeque::new(), octets: 0, held }
    }

    /// How long there is nothing to do.
    pub(crate) fn patience(&self) -> Option<Duration> {
        (!self.queue.is_empty()).then_some(Self::LOOK)
    }

    /// Holds a fragment that came by this VLAN, if there is room.
    pub(crate) fn hold(&mut self, shared: &Shared, vlan: u32, packet: &[u8]) {
        if self.queue.len() >= Self::MOST || self.octets + packet.len() > Self::OCTETS {
            shared.tables.dropped(DropReason::NatFragment, 1);
            return;
        }
        self.tell(self.queue.len() + 1);
        self.octets += packet.len();
        self.queue.push_back(Waiter { due: Instant::now() + Self::TIME, vlan, packet: packet.to_vec() });
    }

    /// Sends those on whose first ones have come, and drops those that have waited for too long.
    pub(crate) fn look(&mut self, shared: &Shared, now: Instant) {
        let all = std::mem::take(&mut self.queue);
        self.octets = 0;
        for mut waiter in all {
            match readdress(shared, &mut waiter) {
                Some(Ok(())) => shared.downlink(&mut waiter.packet, None),
                Some(Err(reason)) => shared.tables.dropped(reason, 1),
                None if waiter.due <= now => shared.tables.dropped(DropReason::NatFragment, 1),
                None => {
                    self.octets += waiter.packet.len();
                    self.queue.push_back(waiter);
                }
            }
        }
        self.tell(self.queue.len());
    }

    fn tell(&mut self, waiting: usize) {
        if let Some(held) = &mut self.held {
            held.set(waiting as u64);
        }
    }
}

/// Gives a fragment its phone's address, once that is known.
fn readdress(shared: &Shared, waiter: &mut Waiter) -> Option<Result<(), DropReason>> {
    let length = waiter.packet.len();
    let mut frame = Frame::new(&mut waiter.packet, 0, length)?;
    let addressed = late(&mut frame, &shared.tables)?;
    if addressed.is_ok() && vlan_of(shared, frame.bytes()) != Some(waiter.vlan) {
        return Some(Err(DropReason::WrongVlan));
    }
    Some(addressed)
}

/// The VLAN that packets for this phone must come by.
fn vlan_of(shared: &Shared, packet: &[u8]) -> Option<u32> {
    let destination: [u8; 4] = packet.get(16..20)?.try_into().ok()?;
    let slot = shared.tables.settings.get(0)?.slot(Address::new(destination.into()))?;
    u32::try_from(shared.tables.downlink.get(slot as usize)?.vlan.get()).ok()
}
