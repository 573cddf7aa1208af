//! The site's input and output: SCTP, GTP-U and TUN devices.

mod devices;
mod link;
mod packets;

use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::rc::Rc;
use std::time::Instant;

use anyhow::{Context, Result};
use basalt_ids::{Ebi, Teid};
use basalt_sansio::Time;
use basalt_sctp::{Backend, Message, SctpSender, ppid};
use testbed_ran::gtpu;
use tokio::net::UdpSocket;
use tokio::sync::Notify;

use link::{cannot_bind, drain, keep_associated, receive_gtpu, stream};

use super::app::App;
use super::site::{Site, SiteEffect, Told};
use super::tun::Tun;
use crate::lab::NetNs;

/// One S1AP message of a base station leaves damaged.
#[derive(Clone, Copy, Debug)]
pub struct Damage {
    /// Whose.
    pub enb: usize,
    /// How many leave whole before it.
    pub skip: u32,
    /// What is done to it.
    pub mutation: testbed_ue::Mutation,
}

/// What carries signalling, and where to.
#[derive(Clone, Copy, Debug)]
pub struct Plane {
    /// Which SCTP.
    pub backend: Backend,
    /// The gateway's S1AP address and port.
    pub mme: SocketAddr,
    /// Its UDP port, with UDP encapsulation.
    pub remote_udp_port: u16,
}

/// See the module's description.
#[derive(Debug)]
pub struct Io {
    /// Base stations and phones.
    pub site: Site,
    /// What happened, oldest first, when [`Io::record`] is on. To be drained by whoever switched it on.
    pub told: VecDeque<(Time, Told)>,
    /// Whether what happens is kept in [`Io::told`].
    pub record: bool,
    /// Octets of user packets sent and received in tunnels, and packets that could not be delivered.
    pub traffic: Traffic,
    /// Packets that came to phones, by phone and bearer; whoever asks may take entries out.
    pub by_bearer: HashMap<(usize, Ebi), u64>,
    origin: Instant,
    plane: Plane,
    links: Vec<Link>,
    sockets: HashMap<Ipv4Addr, Rc<UdpSocket>>,
    apps: HashMap<usize, App>,
    tuns: HashMap<usize, Tun>,
    tun_spaces: HashMap<usize, NetNs>,
    waiting: HashMap<usize, VecDeque<Vec<u8>>>,
    /// Damage to be done to a message.
    pub damage: Option<Damage>,
    /// The canary that sings; one that finds another number here falls silent.
    pub canary: Option<u64>,
    /// GTP-U signalling seen: ECHO RESPONSE and ERROR INDICATION.
    pub gtpu_seen: Vec<GtpuSeen>,
    alarm: Rc<Notify>,
    armed: Option<Time>,
    scratch: Vec<u8>,
    me: std::rc::Weak<RefCell<Self>>,
}

/// Counters of the user plane on the radio's side.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Packets put into tunnels.
    pub uplink_packets: u64,
    /// Their octets.
    pub uplink_octets: u64,
    /// Packets that came out of tunnels.
    pub downlink_packets: u64,
    /// Their octets.
    pub downlink_octets: u64,
    /// Packets for tunnels that do not exist here.
    pub unknown_tunnel: u64,
    /// Uplink packets that found no tunnel and no room to wait.
    pub lost: u64,
}

/// GTP-U signalling from the gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GtpuSeen {
    /// ECHO RESPONSE with this sequence number.
    Echo(u16),
    /// ERROR INDICATION for this tunnel of the gateway.
    ErrorIndication(Teid),
    /// END MARKER in this tunnel of a base station.
    EndMarker(Teid),
}

/// What a base station's association is doing.
#[derive(Debug, Default)]
struct Link {
    sender: Option<SctpSender>,
    /// How late its messages leave.
    late: std::time::Duration,
    /// Messages that found the association full, or are late, with when they may leave.
    overflow: VecDeque<(tokio::time::Instant, Message)>,
    draining: bool,
    /// The last end of the association, in words.
    closed: Option<String>,
    stop: Rc<Notify>,
}

/// Packets a phone keeps while it asks for bearers.
const MOST_WAITING: usize = 256;
/// Events taken from an association at a time.
const BATCH: usize = 64;

impl Io {
    pub(super) fn new(plane: Plane) -> Rc<RefCell<Self>> {
        Rc::new_cyclic(|me| {
            RefCell::new(Self {
                site: Site::new(),
                told: VecDeque::new(),
                record: false,
                traffic: Traffic::default(),
                by_bearer: HashMap::new(),
                origin: Instant::now(),
                plane,
                links: Vec::new(),
                sockets: HashMap::new(),
                apps: HashMap::new(),
                tuns: HashMap::new(),
                tun_spaces: HashMap::new(),
                waiting: HashMap::new(),
                damage: None,
                canary: None,
                gtpu_seen: Vec::new(),
                alarm: Rc::new(Notify::new()),
                armed: None,
                scratch: Vec::new(),
                me: me.clone(),
            })
        })
    }

    /// The site's clock.
    #[must_use]
    pub fn now(&self) -> Time {
        Time::from_micros(u64::try_from(self.origin.elapsed().as_micros()).unwrap_or(u64::MAX))
    }

    pub(super) fn alarm(&self) -> Rc<Notify> {
        self.alarm.clone()
    }

    /// Adds a base station; it has no association before [`Io::connect_enb`].
    ///
    /// # Errors
    /// Its GTP-U address cannot be bound.
    pub fn add_enb(&mut self, config: testbed_ran::EnbConfig) -> Result<usize> {
        self.serve_gtpu(config.user_plane)?;
        self.links.push(Link::default());
        Ok(self.site.add_enb(config))
    }

    fn serve_gtpu(&mut self, address: Ipv4Addr) -> Result<()> {
        if self.sockets.contains_key(&address) {
            return Ok(());
        }
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::DGRAM, None)?;
        crate::sys::large_receive_buffer(&socket, 8 << 20)?;
        socket.set_send_buffer_size(4 << 20)?;
        crate::sys::let_fragment(&socket)?;
        socket.set_nonblocking(true)?;
        socket.bind(&SocketAddr::from((address, gtpu::PORT)).into()).with_context(|| cannot_bind(address))?;
        let socket = Rc::new(UdpSocket::from_std(socket.into())?);
        self.sockets.insert(address, socket.clone());
        if let Some(me) = self.me.upgrade() {
            tokio::task::spawn_local(receive_gtpu(me, address, socket));
        }
        Ok(())
    }

    /// Has a base station's S1AP messages leave so late from now on, as if it, the way or the gateway were slow.
    pub fn signal_late(&mut self, enb: usize, late: std::time::Duration) {
        if let Some(link) = self.links.get_mut(enb) {
            link.late = late;
        }
    }

    /// Lets a base station associate, and associate again whenever it loses the association.
    pub fn connect_enb(&mut self, enb: usize) {
        let (Some(me), Some(link)) = (self.me.upgrade(), self.links.get(enb)) else { return };
        let Some(address) = self.site.enb(enb).map(|enb| enb.config().user_plane) else { return };
        let stop = link.stop.clone();
        let plane = self.plane;
        tokio::task::spawn_local(async move {
            tokio::select! {
                () = keep_associated(me.clone(), enb, address, plane) => {}
                () = stop.notified() => me.borrow_mut().link_down(enb, "stopped by the operator".to_owned()),
            }
        });
    }

    /// Ends a base station's association; it stays without one.
    pub fn disconnect_enb(&mut self, enb: usize) {
        if let Some(link) = self.links.get(enb) {
            if let Some(sender) = &link.sender {
                sender.shutdown();
            }
            link.stop.notify_waiters();
        }
    }

    /// Ends a base station's association by ABORT, as a crash would; it associates again.
    pub fn abort_enb(&mut self, enb: usize) {
        if let Some(sender) = self.links.get(enb).and_then(|link| link.sender.as_ref()) {
            sender.abort("the base station restarts");
        }
    }

    /// Why a base station's association ended last.
    #[must_use]
    pub fn link_closed(&self, enb: usize) -> Option<&str> {
        self.links.get(enb)?.closed.as_deref()
    }

    /// How a base station's messages travel, once it is associated: `kernel`, `raw-ip` or `udp`.
    #[must_use]
    pub fn carrier(&self, enb: usize) -> Option<&'static str> {
        Some(self.links.get(enb)?.sender.as_ref()?.info().carrier.name())
    }

    /// Something happens to a base station.
    pub fn enb(&mut self, enb: usize, input: testbed_ran::Input) {
        let now = self.now();
        self.site.at_enb(now, enb, input);
        self.pump();
    }

    /// Something happens to a phone.
    pub fn phone(&mut self, phone: usize, input: testbed_ue::Input) {
        let now = self.now();
        self.site.phone(now, phone, input);
        self.pump();
    }

    /// A phone goes to another base station.
    pub fn move_phone(&mut self, phone: usize, target: usize) {
        let now = self.now();
        self.site.move_phone(now, phone, target);
        self.pump();
    }

    /// A phone is handed over to another base station by the gateway.
    pub fn relocate_phone(&mut self, phone: usize, target: usize, direct: bool) {
        let now = self.now();
        self.site.relocate_phone(now, phone, target, direct);
        self.pump();
    }

    /// A phone that was to be handed over stays.
    pub fn keep_phone(&mut self, phone: usize) {
        let now = self.now();
        self.site.keep_phone(now, phone);
        self.pump();
    }

    /// Lets the base stations release phones that sent and received nothing for `period`.
    pub fn release_silent(&mut self, period: std::time::Duration) {
        let now = self.now();
        for (enb, phone) in self.site.silent(now, period) {
            self.enb(enb, testbed_ran::Input::Inactive(phone));
        }
    }

    /// Adds a phone that camps on `enb`.
    pub fn add_phone(&mut self, ue: testbed_ue::Ue, enb: usize) -> usize {
        let now = self.now();
        let number = self.site.add_phone(now, ue, enb);
        self.pump();
        number
    }

    /// Gives a phone a TUN device in `ns` as soon as it has an address.
    pub fn give_tun(&mut self, phone: usize, ns: NetNs) {
        self.tun_spaces.insert(phone, ns);
    }

    /// The built-in programs of a phone.
    pub fn app(&mut self, phone: usize) -> &mut App {
        self.apps.entry(phone).or_default()
    }

    pub(super) fn wakeup(&mut self) {
        let now = self.now();
        self.site.wakeup(now);
        self.pump();
    }

    /// Carries out what the site wants.
    fn pump(&mut self) {
        while let Some(effect) = self.site.next_effect() {
            match effect {
                SiteEffect::Send { enb, pdu, ue } => self.send_s1ap(enb, pdu, ue),
                SiteEffect::Downlink { phone, ebi, packet } => self.packet_arrives(phone, ebi, &packet),
                SiteEffect::EndMarker { from, to, teid } => {
                    self.send_tunnelled(from, to, &gtpu::end_marker(teid), &[]);
                }
                SiteEffect::Arrived(phone) => self.send_waiting(phone),
                SiteEffect::Told(told) => self.notice(told),
            }
        }
        let next = self.site.next_wakeup();
        if next.is_some_and(|next| self.armed.is_none_or(|armed| next < armed)) {
            self.alarm.notify_one();
        }
    }

    /// Remembers when the alarm is set for; asked by the task that waits for it.
    pub(super) fn arm(&mut self) -> Option<Time> {
        self.armed = self.site.next_wakeup();
        self.armed
    }

    fn send_s1ap(&mut self, enb: usize, mut pdu: Vec<u8>, ue: Option<u32>) {
        if let Some(damage) = self.damage.as_mut().filter(|damage| damage.enb == enb) {
            if damage.skip > 0 {
                damage.skip -= 1;
            } else {
                damage.mutation.apply(&mut pdu);
                self.damage = None;
                if pdu.is_empty() {
                    return;
                }
            }
        }
        let Some(link) = self.links.get_mut(enb) else { return };
        let Some(sender) = &link.sender else { return };
        let message = Message::new(stream(sender, ue), ppid::S1AP, pdu);
        let due = tokio::time::Instant::now() + link.late;
        if link.draining {
            link.overflow.push_back((due, message));
            return;
        }
        let left =
            if link.late.is_zero() { sender.try_send(message) } else { Err((message, basalt_sctp::SendError::Full)) };
        if let Err((message, basalt_sctp::SendError::Full)) = left {
            link.overflow.push_back((due, message));
            link.draining = true;
            let sender = sender.clone();
            if let Some(me) = self.me.upgrade() {
                tokio::task::spawn_local(drain(me, enb, sender));
            }
        }
    }

    fn notice(&mut self, told: Told) {
        if let Told::Phone(phone, event) = &told {
            match event {
                testbed_ue::Event::SessionUp(session) if self.site.first_bearer(*phone) == Some(session.ebi) => {
                    self.session_up(*phone, session.address, session.mtu);
                    self.interface_up(*phone, session.interface_id);
                }
                testbed_ue::Event::BearersUp => self.send_waiting(*phone),
                _ => {}
            }
        }
        if self.record {
            self.told.push_back((self.now(), told));
        }
    }

    /// Lets the base stations' sockets throw user packets away that come in tunnels, or no more; GTP-U signalling is taken all the same.
    ///
    /// # Errors
    /// The kernel takes no filter.
    pub fn refuse_packets(&mut self, refuse: bool) -> Result<()> {
        // The message type behind the UDP header and the flags: nothing of a G-PDU, all of others (TS 29.281 §5.1).
        const NO_G_PDU: [(u16, u8, u8, u32); 4] = [
            ((libc::BPF_LD | libc::BPF_B | libc::BPF_ABS) as u16, 0, 0, 9),
            ((libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16, 0, 1, 255),
            crate::sys::NOTHING,
            ((libc::BPF_RET | libc::BPF_K) as u16, 0, 0, u32::MAX),
        ];
        for socket in self.sockets.values() {
            let socket = socket2::SockRef::from(&**socket);
            if refuse { crate::sys::filter(&socket, &NO_G_PDU)? } else { socket.detach_filter()? }
        }
        Ok(())
    }

    /// Sends octets to the gateway's GTP-U port as they are, from a base station's address.
    pub fn send_gtpu(&mut self, enb: usize, octets: &[u8]) {
        let Some(address) = self.site.enb(enb).map(|enb| enb.config().user_plane) else { return };
        if let Some(socket) = self.sockets.get(&address) {
            let _ = socket.try_send_to(octets, SocketAddr::new(self.plane.mme.ip(), gtpu::PORT));
        }
    }

    /// Sends a ping of a phone's built-in programs. False if the phone has no address.
    pub fn ping(&mut self, phone: usize, target: Ipv4Addr) -> bool {
        let now = self.now();
        let Some(packet) = self.app(phone).ping(now, target, b"basalt testbed") else { return false };
        self.send_packet(phone, &packet);
        true
    }

    /// Sends a ping of a phone's built-in programs over IPv6. False if the phone has no address.
    pub fn ping6(&mut self, phone: usize, target: Ipv6Addr) -> bool {
        let now = self.now();
        let Some(packet) = self.app(phone).ping6(now, target, b"basalt testbed") else { return false };
        self.send_packet(phone, &packet);
        true
    }

    /// A phone's built-in program sends a datagram of so many octets to a server that echoes it; whether it could.
    pub fn datagram(&mut self, phone: usize, echo: (Ipv4Addr, u16), octets: usize) -> bool {
        let now = self.now();
        let Some(packet) = self.app(phone).datagram(now, echo, octets) else { return false };
        self.send_packet(phone, &packet);
        true
    }
}
