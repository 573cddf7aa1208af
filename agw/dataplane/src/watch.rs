//! Watching the packets of one phone while they pass.
//!
//! In the software plane they are told of where they pass ([`software`]). Where programs carry them:
//! Whoever watches has other programs put behind the links, in one step each, and the usual ones back at the end: packets flow all the
//! time, and cost what they always do while nobody looks (`basalt_ebpf_abi::Watch`).

pub(crate) mod software;

use crate::dataplane::Dataplane;
use crate::error::Error;
use crate::plane::Outlet;
use crate::sockets::wait;
use crate::xdp::Loaded;
use agw_types::UeAddress;
use basalt_ebpf_abi::{DropReason, Point, PuntReason, Watch, WatchedHeader};
use software::Lookout;
use std::collections::BTreeMap;
use std::ffi::CStr;
use std::os::fd::AsFd;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use std::{io, thread};
use tokio::sync::mpsc;

/// A packet of the phone, as it was seen at one point.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Nanoseconds since 1970 UTC.
    pub unix_nanos: u64,
    /// Where.
    pub point: Point,
    /// Interface that it came in on, or goes out by.
    pub interface: String,
    /// Octets of the frame.
    pub length: u32,
    /// The frame from its Ethernet header on, cut as was asked for. Behind the gateway's own device it has headers of the gateway's.
    pub frame: Vec<u8>,
    /// Why it was dropped or left to the slow path: the reason's stable name.
    pub reason: Option<&'static str>,
}

/// Packets that may wait to be taken; beyond that, some are not seen.
const WAITING: usize = 4096;
/// How soon the end of a watch is noticed.
const NOTICE: Duration = Duration::from_millis(50);

impl Dataplane {
    /// What begins to watch a phone: to be called where seconds do not matter, since it has the kernel verify programs when it is the
    /// first. Then every packet is told, up to `snap` octets of each, until the receiver is dropped. One phone at a time.
    ///
    /// # Errors
    /// [`Error::Configuration`] where nothing carries packets. When it is called: [`Error::Watching`], also for a moment after a watch has
    /// ended; what the kernel refuses.
    pub fn watch(
        &self,
        address: UeAddress,
        snap: u32,
    ) -> Result<impl FnOnce() -> Result<mpsc::Receiver<Seen>, Error> + Send + use<>, Error> {
        let (loaded, shared) = (self.loaded.clone(), Arc::clone(&self.shared));
        if loaded.is_none() && !matches!(shared.outlet, Outlet::Device(_)) {
            return Err(Error::Configuration("packets are only watched where there are any".into()));
        }
        Ok(move || match loaded {
            Some(loaded) => begin(&loaded, &shared.lookout, address, snap),
            None => shared.lookout.begin(address, snap.max(1)),
        })
    }
}

/// Begins to watch. Programs tell what they see, the slow path what becomes of what they leave to it.
fn begin(
    loaded: &Arc<Mutex<Loaded>>,
    lookout: &Lookout,
    address: UeAddress,
    snap: u32,
) -> Result<mpsc::Receiver<Seen>, Error> {
    let loaded = Arc::clone(loaded);
    let mut ring = {
        let mut loaded = lock(&loaded);
        let ring = loaded.watched.take().ok_or(Error::Watching)?;
        if let Err(error) = loaded.watch(address, snap.clamp(1, Watch::MOST)) {
            let undone = loaded.unwatch();
            loaded.watched = Some(ring);
            return undone.and(Err(error));
        }
        ring
    };
    let (seen, receiver) = mpsc::channel(WAITING);
    lookout.follow(address, snap.clamp(1, Watch::MOST), seen.clone());
    let run = move || {
        // What an earlier watch left behind is old.
        while ring.next().is_some() {}
        let clock = wall_clock_offset();
        let mut names = BTreeMap::new();
        while !seen.is_closed() {
            if wait(&[(ring.as_fd(), libc::POLLIN)], Some(NOTICE)).is_err() {
                break;
            }
            while let Some(record) = ring.next() {
                if let Some(packet) = told(&record, clock, &mut names) {
                    // Whoever is too slow sees less.
                    let _ = seen.try_send(packet);
                }
            }
        }
        let mut loaded = lock(&loaded);
        if let Err(error) = loaded.unwatch() {
            tracing::error!(%error, "the watching programs stay in place until the next start");
        }
        loaded.watched = Some(ring);
    };
    thread::Builder::new().name("watch".into()).spawn(run).map_err(Error::system("thread"))?;
    Ok(receiver)
}

pub(crate) fn lock(loaded: &Mutex<Loaded>) -> std::sync::MutexGuard<'_, Loaded> {
    loaded.lock().unwrap_or_else(PoisonError::into_inner)
}

fn told(record: &[u8], clock: u64, names: &mut BTreeMap<u32, String>) -> Option<Seen> {
    let (header, frame) = WatchedHeader::split(record)?;
    let point = Point::of(header.point)?;
    let reason = match point {
        Point::UplinkDropped | Point::DownlinkDropped => {
            DropReason::ALL.iter().find(|reason| **reason as u32 == header.reason).map(|reason| reason.name())
        }
        Point::DownlinkPunted => {
            PuntReason::ALL.iter().find(|reason| **reason as u32 == header.reason).map(|reason| reason.name())
        }
        _ => None,
    };
    let interface = names.entry(header.ifindex).or_insert_with(|| name_of(header.ifindex)).clone();
    let unix_nanos = header.time.wrapping_add(clock);
    Some(Seen { unix_nanos, point, interface, length: header.length, frame: frame.to_vec(), reason })
}

/// What to add to the monotonic clock to get nanoseconds since 1970 UTC.
fn wall_clock_offset() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the structure is ours; a clock that every Linux has.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut time) };
    let monotonic = u64::try_from(time.tv_sec).unwrap_or(0) * 1_000_000_000 + u64::try_from(time.tv_nsec).unwrap_or(0);
    let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(unix.as_nanos()).unwrap_or(u64::MAX).wrapping_sub(monotonic)
}

/// The name of an interface of the gateway's namespace, in which its threads run.
fn name_of(ifindex: u32) -> String {
    let mut name = [0u8; libc::IF_NAMESIZE];
    // SAFETY: the array has the room that the call needs, and it ends the name with a zero.
    let found = unsafe { libc::if_indextoname(ifindex, name.as_mut_ptr().cast()) };
    if found.is_null() {
        return format!("interface {ifindex} ({})", io::Error::last_os_error());
    }
    CStr::from_bytes_until_nul(&name).map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}
