use super::*;
use basalt_ebpf_abi::TeidLayout;
use std::collections::BTreeMap;
use std::sync::Mutex;

/// Holds what the keeper holds.
#[derive(Debug, Default)]
pub(crate) struct Board(Mutex<BTreeMap<String, OwnedFd>>);

impl Shelf for Board {
    fn get(&self, name: &str) -> Option<OwnedFd> {
        self.0.lock().unwrap().get(name)?.try_clone().ok()
    }

    fn put(&self, name: &str, what: BorrowedFd<'_>) -> io::Result<()> {
        self.0.lock().unwrap().insert(name.to_owned(), what.try_clone_to_owned()?);
        Ok(())
    }

    fn remove(&self, name: &str) {
        self.0.lock().unwrap().remove(name);
    }
}

/// Of tables that are no larger than a test needs.
pub(crate) fn sizes(downlink: u32) -> Sizes {
    Sizes {
        teids: TeidLayout::for_sessions(64).unwrap(),
        downlink,
        next_hops: 300,
        ue_meters: 65,
        policies: 2,
        rule_states: 64,
        bearers: 64,
        prefixes: 1,
        framed: 8,
        blocks: 1,
        mappings: 1,
    }
}

#[test]
fn tables_of_the_same_form_go_on() {
    let shelf: Arc<dyn Shelf> = Arc::new(Board::default());
    let (first, again) = open(&shelf, sizes(256)).unwrap();
    assert!(!again);
    first.uplink.get(63).unwrap().packets.set(7);
    first.fragments.get(FRAGMENTS as usize - 1).unwrap();
    drop(first);
    let (second, again) = open(&shelf, sizes(256)).unwrap();
    assert!(again);
    assert_eq!(second.uplink.get(63).unwrap().packets.get(), 7);
    assert!(replaced(&shelf).is_empty());
}

#[test]
fn tables_of_another_form_are_read_until_they_are_removed() {
    let shelf: Arc<dyn Shelf> = Arc::new(Board::default());
    let (first, _) = open(&shelf, sizes(256)).unwrap();
    let tables = crate::tables::Tables::new(first, sizes(256)).unwrap();
    let (uplink, downlink) = (tables.uplink.get(5).unwrap(), tables.downlink.get(9).unwrap());
    uplink.teid.set(5);
    uplink.home.set(5);
    uplink.ue.set(0x0900_2d0a);
    uplink.packets.set(3);
    uplink.bytes.set(300);
    downlink.owner.set(5);
    downlink.packets.set(2);
    downlink.bytes.set(2_000);
    drop(tables);
    let (_, again) = open(&shelf, sizes(512)).unwrap();
    assert!(!again, "it has another form");
    let old = replaced(&shelf);
    old[0].close();
    let readings = old[0].readings();
    assert_eq!((old.len(), readings.len()), (1, 1));
    let total = readings[0].total;
    assert_eq!((total.uplink_packets, total.uplink_bytes), (3, 300));
    assert_eq!((total.downlink_packets, total.downlink_bytes), (2, 2_000));
    assert!(readings[0].closed && readings[0].moved);
    old[0].whence().remove();
    assert!(replaced(&shelf).is_empty());
}

#[test]
fn a_file_of_somebody_else_is_not_believed() {
    let shelf: Arc<dyn Shelf> = Arc::new(Board::default());
    let file = memory(c"other").unwrap();
    File::from(file.try_clone().unwrap()).set_len(4096).unwrap();
    shelf.put(TABLES, file.as_fd()).unwrap();
    let (_, again) = open(&shelf, sizes(256)).unwrap();
    assert!(!again);
    assert!(replaced(&shelf).is_empty(), "unreadable, and removed");
}
