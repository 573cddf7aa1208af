use super::*;
use crate::kept::tests::{Board, sizes};
use crate::tables::SharedRegions;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;

/// A daemon as far as it matters here: dropped at any instant, it leaves what a killed one leaves.
struct Daemon {
    tables: Tables,
    hands: Hands,
}

impl Daemon {
    fn start(shelf: &Arc<dyn Shelf>, written: Option<u64>) -> Self {
        let (regions, _): (SharedRegions, bool) = crate::kept::open(shelf, sizes(256)).unwrap();
        let hands = Hands::take_up(shelf.as_ref(), written).unwrap();
        Self { tables: Tables::new(regions, sizes(256)).unwrap(), hands }
    }

    fn hand(&self) -> &Hand {
        self.hands.of(Side::Uplink).unwrap()
    }

    /// Packets, octets and quota of a session with a quota: three counters of one packet.
    fn entries(&self, octets: u64) -> Entries<'_> {
        let record = self.tables.uplink.get(63).unwrap();
        let spent = (&record.quota.left, octets.wrapping_neg());
        let mut changes = [Some((&record.packets, 1)), Some((&record.bytes, octets)), Some(spent)].into_iter();
        std::array::from_fn(|_| changes.next().flatten())
    }

    fn account(&self, octets: u64, counters: usize) {
        self.entries(octets).into_iter().flatten().take(counters).for_each(|(cell, add)| cell.add(add));
    }

    fn counted(&self) -> (u64, u64, i64) {
        let record = self.tables.uplink.get(63).unwrap();
        (record.packets.get(), record.bytes.get(), record.quota.left.get().cast_signed())
    }

    fn intend(&self, octets: u64) {
        self.hand().intend(&self.tables, &self.entries(octets));
    }

    /// What a successor handles first.
    fn held(&self) -> Option<Vec<u8>> {
        let mut buffer = vec![0; 1 << 16];
        let length = self.hand().held(&mut buffer)?;
        buffer.truncate(length);
        Some(buffer)
    }
}

/// Two ends: what is sent from the first one waits in the second.
fn ends() -> (UdpSocket, UdpSocket) {
    let [near, far] = [(); 2].map(|()| UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap());
    near.connect(far.local_addr().unwrap()).unwrap();
    far.connect(near.local_addr().unwrap()).unwrap();
    (near, far)
}

fn shelf() -> Arc<dyn Shelf> {
    Arc::new(Board::default())
}

#[test]
fn a_packet_that_was_taken_is_handled_by_the_successor_once() {
    let (shelf, (near, far)) = (shelf(), ends());
    near.send(b"packet").unwrap();
    let daemon = Daemon::start(&shelf, None);
    let mut buffer = [0; 100];
    assert_eq!(daemon.hand().receive(far.as_fd(), &mut buffer).unwrap(), Some(6));
    // It is changed on its way, and the daemon is killed before it sends it.
    buffer.fill(0xff);
    drop(daemon);
    let daemon = Daemon::start(&shelf, None);
    assert_eq!(daemon.held().as_deref(), Some(&b"packet"[..]));
    assert_eq!(daemon.hand().sender().map(SocketAddr::V4), near.local_addr().ok());
    daemon.hand().free();
    drop(daemon);
    assert_eq!(Daemon::start(&shelf, None).held(), None);
}

#[test]
fn an_empty_socket_leaves_nothing_in_hand() {
    let (shelf, (_near, far)) = (shelf(), ends());
    let daemon = Daemon::start(&shelf, None);
    assert_eq!(daemon.hand().receive(far.as_fd(), &mut [0; 100]).unwrap(), None);
    drop(daemon);
    assert_eq!(Daemon::start(&shelf, None).held(), None);
}

#[test]
fn a_packet_that_was_sent_and_not_counted_is_counted_by_the_successor_once() {
    let (shelf, (near, far)) = (shelf(), ends());
    near.send(b"packet").unwrap();
    let daemon = Daemon::start(&shelf, None);
    daemon.hand().receive(far.as_fd(), &mut [0; 100]).unwrap();
    daemon.intend(6);
    daemon.hand().send(far.as_fd(), None, &[], [b"pac", b"ket"]).unwrap();
    assert_eq!(daemon.counted(), (0, 0, 0));
    drop(daemon);
    for _ in 0..2 {
        let daemon = Daemon::start(&shelf, None);
        assert_eq!(daemon.held(), None, "it was sent");
        assert_eq!(daemon.counted(), (1, 6, -6));
    }
    let mut buffer = [0; 100];
    assert_eq!(near.recv(&mut buffer).unwrap(), 6);
    assert_eq!(&buffer[..6], b"packet");
}

#[test]
fn a_packet_that_was_only_about_to_be_sent_is_not_counted() {
    let (shelf, (near, far)) = (shelf(), ends());
    let daemon = Daemon::start(&shelf, None);
    for packet in [b"first", b"other"] {
        near.send(packet).unwrap();
        daemon.hand().receive(far.as_fd(), &mut [0; 100]).unwrap();
        daemon.intend(5);
        if packet == b"first" {
            daemon.hand().send(far.as_fd(), None, &[], [packet, b""]).unwrap();
            daemon.hand().count(&daemon.entries(5), || daemon.account(5, 3));
        }
    }
    drop(daemon);
    let daemon = Daemon::start(&shelf, None);
    assert_eq!(daemon.held().as_deref(), Some(&b"other"[..]), "the length that was sent is of the first one");
    assert_eq!(daemon.counted(), (1, 5, -5));
}

#[test]
fn counting_that_was_interrupted_anywhere_is_finished() {
    for done in 0..=3 {
        let shelf = shelf();
        let daemon = Daemon::start(&shelf, None);
        daemon.account(100, 3);
        daemon.intend(7);
        daemon.hand().count(&daemon.entries(7), || daemon.account(7, done));
        // As it was amid this.
        daemon.hand().enter(Stage::COUNTING);
        drop(daemon);
        let daemon = Daemon::start(&shelf, None);
        assert_eq!(daemon.counted(), (2, 107, -107), "after {done} of them");
        assert_eq!(daemon.held(), None);
    }
}

#[test]
fn a_device_says_what_it_has_taken() {
    for (taken, counted) in [(0, (0, 0, 0)), (1, (1, 20, -20))] {
        let shelf = shelf();
        let daemon = Daemon::start(&shelf, Some(40));
        daemon.hands.wrote();
        daemon.hand().enter(Stage::TAKEN);
        daemon.intend(20);
        drop(daemon);
        let daemon = Daemon::start(&shelf, Some(41 + taken));
        assert_eq!((daemon.counted(), daemon.hand().stage.get()), (counted, u32::from(taken == 0)));
    }
}

#[test]
fn the_length_of_what_came_out_of_a_device_is_in_its_header() {
    let shelf = shelf();
    let file = File::from(memory(c"device").unwrap());
    let packet = [&[0x45, 0, 0, 24][..], &[7; 20]].concat();
    std::os::unix::fs::FileExt::write_all_at(&file, &packet, 0).unwrap();
    let daemon = Daemon::start(&shelf, None);
    assert_eq!(daemon.hand().read(&file, &mut [0; 100]).unwrap(), Some(24));
    drop(daemon);
    assert_eq!(Daemon::start(&shelf, None).held(), Some(packet));
    let ipv6 = [&[0x60, 0, 0, 0, 0, 8][..], &[7; 42]].concat();
    std::os::unix::fs::FileExt::write_all_at(&file, &ipv6, 24).unwrap();
    let daemon = Daemon::start(&shelf, None);
    assert_eq!(daemon.hand().read(&file, &mut [0; 100]).unwrap(), Some(48));
    drop(daemon);
    assert_eq!(Daemon::start(&shelf, None).held(), Some(ipv6));
}

#[test]
fn what_was_counted_in_tables_that_are_replaced_meanwhile_is_counted_there() {
    let shelf = shelf();
    let daemon = Daemon::start(&shelf, Some(0));
    daemon.intend(9);
    drop(daemon);
    // The next one wants other tables, and is killed before it looks into the hand.
    let (regions, again) = crate::kept::open(&shelf, sizes(512)).unwrap();
    assert!(!again);
    drop(regions);
    let (regions, _) = crate::kept::open(&shelf, sizes(512)).unwrap();
    let hands = Hands::take_up(shelf.as_ref(), Some(1)).unwrap();
    assert_eq!(hands.of(Side::Uplink).unwrap().stage.get(), Stage::FREE);
    assert_eq!(regions.uplink.get(63).unwrap().packets.get(), 0);
    let old = shelf.get(REPLACED[0]).unwrap();
    let entry = &hands.of(Side::Uplink).unwrap().entries[0];
    let page = entry.page(&File::from(old)).unwrap();
    assert_eq!(page.get(entry.index()).unwrap().get(), 1);
}

#[test]
fn a_plane_without_use_for_the_packets_counts_what_was_sent() {
    let (shelf, (_near, far)) = (shelf(), ends());
    let daemon = Daemon::start(&shelf, None);
    daemon.intend(6);
    daemon.hand().send(far.as_fd(), None, &[], [b"packet", b""]).unwrap();
    let tables = daemon.tables;
    drop(daemon.hands);
    Hands::give_up(shelf.as_ref());
    assert_eq!(tables.uplink.get(63).unwrap().packets.get(), 1);
    assert!(shelf.get(HAND).is_none());
}

#[test]
fn a_file_of_another_form_is_not_believed() {
    let shelf = shelf();
    let file = memory(c"other").unwrap();
    File::from(file.try_clone().unwrap()).set_len(1 << 20).unwrap();
    shelf.put(HAND, file.as_fd()).unwrap();
    let daemon = Daemon::start(&shelf, None);
    assert_eq!(daemon.held(), None);
    assert!(Hands::over(shelf.get(HAND).unwrap().as_fd()).is_ok(), "a new one lies there");
}
