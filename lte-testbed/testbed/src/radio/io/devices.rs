//! Addresses of phones, for their built-in programs or for their network devices.

use std::cell::RefCell;
use std::collections::hash_map::Entry;
use std::net::Ipv4Addr;
use std::rc::Rc;

use anyhow::Result;

use super::{BATCH, Io};
use crate::lab::NetNs;
use crate::radio::ipv6::Received;
use crate::radio::tun::Tun;

impl Io {
    /// Gives the phone its IPv6 interface, and has it ask for a prefix once it has bearers.
    pub(super) fn interface_up(&mut self, phone: usize, identifier: Option<[u8; 8]>) {
        if let Some(solicitation) = self.app(phone).set_interface(identifier) {
            self.waiting.entry(phone).or_default().push_back(solicitation);
        }
    }

    pub(super) fn session_up(&mut self, phone: usize, address: Option<Ipv4Addr>, mtu: Option<u16>) {
        let Some(ns) = self.tun_spaces.get(&phone).cloned() else { return self.app(phone).set_address(address) };
        if let Err(error) = self.raise_tun(phone, &ns, address, mtu) {
            eprintln!("phone {}: no network device: {error:#}", phone + 1);
        }
    }

    fn raise_tun(&mut self, phone: usize, ns: &NetNs, address: Option<Ipv4Addr>, mtu: Option<u16>) -> Result<()> {
        if let Entry::Vacant(place) = self.tuns.entry(phone) {
            let tun = Tun::open(ns)?;
            place.insert(tun.clone());
            if let Some(me) = self.me.upgrade() {
                tokio::task::spawn_local(read_tun(me, phone, tun));
            }
        }
        let Some(tun) = self.tuns.get_mut(&phone) else { return Ok(()) };
        match address {
            Some(address) => tun.configure(address, mtu),
            None => tun.raise(mtu),
        }
    }

    /// A packet for a phone's network device, unless it is about the device itself.
    pub(super) fn packet_for_device(&mut self, phone: usize, packet: &[u8]) {
        if packet.first().is_some_and(|first| first >> 4 == 6)
            && let Some(address) = self.app(phone).hear_router(packet)
            && let Some(tun) = self.tuns.get_mut(&phone)
        {
            if let Err(error) = tun.configure6(address) {
                eprintln!("phone {}: no IPv6: {error:#}", phone + 1);
            }
            return;
        }
        if let Some(tun) = self.tuns.get(&phone) {
            tun.write(packet);
        }
    }
}

impl crate::radio::app::App {
    /// The address of the phone's network device, if this packet is the Router Advertisement that gives it.
    fn hear_router(&mut self, packet: &[u8]) -> Option<std::net::Ipv6Addr> {
        let interface = self.interface_mut()?;
        match interface.receive(packet)? {
            Received::Configured => interface.address(),
            _ => None,
        }
    }
}

async fn read_tun(io: Rc<RefCell<Io>>, phone: usize, tun: Tun) {
    let mut buffer = vec![0; 65536];
    while tun.readable().await.is_ok() {
        let mut io = io.borrow_mut();
        if !io.tuns.contains_key(&phone) {
            return;
        }
        for _ in 0..BATCH {
            match tun.try_read(&mut buffer) {
                Ok(packet) => io.send_packet(phone, &buffer[packet]),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => break,
                Err(_) => return,
            }
        }
    }
}
