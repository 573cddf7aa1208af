//! Associations with the core that come and go, and the tasks that read them and the GTP-U sockets.

use std::cell::RefCell;
use std::net::Ipv4Addr;
use std::rc::Rc;

use basalt_sctp::{CloseReason, Config, Event, SctpAssociation, SctpReceiver, SctpSender};
use testbed_ran::gtpu;
use tokio::net::UdpSocket;

use super::{BATCH, Io, Link, Plane};

impl Io {
    fn link_up(&mut self, enb: usize, sender: SctpSender) {
        if let Some(link) = self.links.get_mut(enb) {
            *link = Link { sender: Some(sender), stop: link.stop.clone(), late: link.late, ..Link::default() };
        }
        self.enb(enb, testbed_ran::Input::LinkUp);
    }

    pub(super) fn link_down(&mut self, enb: usize, why: String) {
        let Some(link) = self.links.get_mut(enb) else { return };
        *link = Link { closed: Some(why), stop: link.stop.clone(), late: link.late, ..Link::default() };
        self.enb(enb, testbed_ran::Input::LinkDown);
    }

    fn association_event(&mut self, enb: usize, event: Event) -> Option<CloseReason> {
        match event {
            Event::Message(message) => {
                let now = self.now();
                self.site.at_enb(now, enb, testbed_ran::Input::S1ap(message.payload.to_vec()));
                None
            }
            Event::Restarted => {
                let now = self.now();
                self.site.at_enb(now, enb, testbed_ran::Input::LinkRestarted);
                None
            }
            Event::PathChange(_) => None,
            Event::Closed(reason) => Some(reason),
        }
    }
}

/// Stream 0 for the interface, the others for phones (TS 36.412 §7).
pub(super) fn stream(sender: &SctpSender, ue: Option<u32>) -> u16 {
    let streams = sender.info().peer.out_streams;
    match ue {
        Some(ue) if streams > 1 => 1 + (ue % u32::from(streams - 1)) as u16,
        _ => 0,
    }
}

pub(super) async fn keep_associated(io: Rc<RefCell<Io>>, enb: usize, address: Ipv4Addr, plane: Plane) {
    const PAUSE: std::time::Duration = std::time::Duration::from_millis(200);
    loop {
        let mut config = Config::client([address.into()]).with_backend(plane.backend);
        config.remote_udp_port = plane.remote_udp_port;
        config.threading = basalt_sctp::Threading::CallerLocalSet;
        // Fewer than any MME grants by default: one that answers on the stream a message came on can do so.
        config.out_streams = 8;
        config.rto.initial = std::time::Duration::from_millis(500);
        let why = match SctpAssociation::connect(config, &[plane.mme]).await {
            Ok(association) => {
                let (sender, receiver) = association.split();
                io.borrow_mut().link_up(enb, sender);
                serve_association(&io, enb, receiver).await.to_string()
            }
            Err(error) => error.to_string(),
        };
        io.borrow_mut().link_down(enb, why);
        tokio::time::sleep(PAUSE).await;
    }
}

async fn serve_association(io: &Rc<RefCell<Io>>, enb: usize, mut receiver: SctpReceiver) -> CloseReason {
    let mut events = Vec::with_capacity(BATCH);
    loop {
        receiver.recv_many(&mut events, BATCH).await;
        let mut io = io.borrow_mut();
        let mut closed = None;
        for event in events.drain(..) {
            closed = closed.or(io.association_event(enb, event));
        }
        io.pump();
        if let Some(reason) = closed {
            return reason;
        }
    }
}

/// Sends what found the association full or is late, waiting for its time and for room.
pub(super) async fn drain(io: Rc<RefCell<Io>>, enb: usize, sender: SctpSender) {
    loop {
        let next = {
            let mut io = io.borrow_mut();
            let Some(link) = io.links.get_mut(enb) else { return };
            let next = link.overflow.pop_front();
            link.draining = next.is_some();
            next
        };
        match next {
            Some((due, message)) => {
                tokio::time::sleep_until(due).await;
                if sender.send(message).await.is_err() {
                    return;
                }
            }
            None => return,
        }
    }
}

pub(super) async fn receive_gtpu(io: Rc<RefCell<Io>>, address: Ipv4Addr, socket: Rc<UdpSocket>) {
    let mut buffer = vec![0; 65536];
    while socket.readable().await.is_ok() {
        let mut io = io.borrow_mut();
        for _ in 0..BATCH {
            match socket.try_recv_from(&mut buffer) {
                Ok((length, peer)) => io.gtpu(address, &buffer[..length], peer),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => break,
                // The ICMP answer to an earlier datagram.
                Err(_) => {}
            }
        }
    }
}

/// Two causes that are everybody's, and what helps.
pub(super) fn cannot_bind(address: Ipv4Addr) -> String {
    format!(
        "a base station cannot have {address} port {} (in use: another testbed command has it, choose others by --first-enb; \
         not available: no interface has that address, see --enb-address)",
        gtpu::PORT
    )
}
