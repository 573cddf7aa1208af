//! What one step costs: time and allocations of an attach, memory of a registered phone, with 100,000 phones and 1,000 base
//! stations held in one core.
//!
//! Phones and base stations are scripted and run outside the measured part; what is measured is `Core::step` alone, codecs and
//! cryptography included, sockets and disk not. Prints flat JSON:
//!
//! - `step_us_per_attach`: all steps of an attach, from INITIAL UE MESSAGE to ATTACH COMPLETE (six messages), microseconds, the
//!   median of all;
//! - `step_us_per_release`, `step_us_per_service`: of a release by inactivity and of a service request (two messages each);
//! - `allocations_per_attach`: calls of the allocator in those steps;
//! - `records_per_attach`, `records_per_service`: records that are written in those steps;
//! - `bytes_per_ue_connected`: live octets for each phone with a session and a connection;
//! - `bytes_per_ue_session`: the same, idle;
//! - `bytes_per_ue_idle`: the same without the session: entry, keys, identities;
//! - `ues_held`, `enbs_held`.
//!
//! `cargo run --release -p agw-core --example core_bench [PHONES] [BASE_STATIONS]`
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a bench that is surprised fails")]

#[path = "../tests/site/mod.rs"]
mod site;

use agw_core::Core;
use agw_subscribers::Subscribers;
use agw_types::{AddressPool, Input, Limits, LinkInfo};
use basalt_sansio::SecureSeed;
use site::Site;
use site::enb::Enb;
use site::phone::Phone;
use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// The system's allocator, counted.
struct Counting;

static CALLS: AtomicU64 = AtomicU64::new(0);
static LIVE: AtomicU64 = AtomicU64::new(0);

// SAFETY: every call is passed on to the system's allocator as it is; only numbers are kept beside it.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        CALLS.fetch_add(1, Relaxed);
        LIVE.fetch_add(layout.size() as u64, Relaxed);
        // SAFETY: the caller's promise about `layout` is the one that is asked for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size() as u64, Relaxed);
        // SAFETY: the caller's promise about `pointer` and `layout` is the one that is asked for.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn main() {
    let mut arguments = std::env::args().skip(1).map(|argument| argument.parse::<u32>().expect("a number"));
    let phones = arguments.next().unwrap_or(100_000);
    let enbs = arguments.next().unwrap_or(1_000).max(1);
    let mut site = stage(phones);
    let stations: Vec<Enb> = (0..enbs).map(|n| base_station(&mut site, n)).collect();
    forget(&mut site);

    let empty = live();
    let mut held: Vec<Phone> = Vec::with_capacity(phones as usize);
    let mut attach = Cost::default();
    for n in 0..phones {
        let mut phone = Phone::new(u64::from(n) + 1, &stations[(n % enbs) as usize]);
        attach.add(&mut site, |site| {
            phone.attach(site);
        });
        held.push(phone);
    }
    let connected = live() - empty;
    let mut release = Cost::default();
    for phone in &mut held {
        release.add(&mut site, |site| phone.go_idle(site));
    }
    let idle = live() - empty;
    let counts = site.core.counts();
    assert_eq!((counts.ues, counts.sessions, counts.enbs), (phones, phones, enbs));
    let mut service = Cost::default();
    for phone in held.iter_mut().take(10_000) {
        service.add(&mut site, |site| {
            phone.service(site);
        });
        phone.go_idle(&mut site);
        forget(&mut site);
    }
    for phone in &mut held {
        let off = phone.detach_request(true);
        phone.open(&mut site, &off);
        phone.hear_release(&mut site);
        forget(&mut site);
    }
    let entry = live() - empty;
    // What the phones themselves take is not the core's.
    let before = live();
    drop(held);
    let own = before - live();

    let each = |octets: u64| (octets - own) / u64::from(phones);
    println!("{{");
    println!("  \"step_us_per_attach\": {:.2},", attach.micros());
    println!("  \"step_us_per_release\": {:.2},", release.micros());
    println!("  \"step_us_per_service\": {:.2},", service.micros());
    println!("  \"allocations_per_attach\": {:.1},", attach.calls());
    println!("  \"records_per_attach\": {:.2},", attach.records());
    println!("  \"records_per_service\": {:.2},", service.records());
    println!("  \"bytes_per_ue_connected\": {},", each(connected));
    println!("  \"bytes_per_ue_session\": {},", each(idle));
    println!("  \"bytes_per_ue_idle\": {},", each(entry));
    println!("  \"ues_held\": {},", counts.ues);
    println!("  \"enbs_held\": {}", counts.enbs);
    println!("}}");
}

fn live() -> u64 {
    LIVE.load(Relaxed)
}

/// Time and allocations of many runs of one thing.
#[derive(Default)]
struct Cost {
    nanos: Vec<u128>,
    allocations: u64,
    records: usize,
}

impl Cost {
    fn add(&mut self, site: &mut Site, run: impl FnOnce(&mut Site)) {
        let (spent, probed, saves) = (site.spent, site.probed, site.saves);
        run(site);
        self.records += site.saves - saves;
        self.nanos.push((site.spent - spent).as_nanos());
        self.allocations += site.probed - probed;
        forget(site);
    }

    /// The median, microseconds: a run that the machine interrupted says nothing of the core.
    fn micros(&mut self) -> f64 {
        self.nanos.sort_unstable();
        self.nanos.get(self.nanos.len() / 2).map_or(0.0, |nanos| *nanos as f64 / 1_000.0)
    }

    fn records(&self) -> f64 {
        self.records as f64 / self.nanos.len().max(1) as f64
    }

    fn calls(&self) -> f64 {
        self.allocations as f64 / self.nanos.len().max(1) as f64
    }
}

/// A core with that many subscribers and addresses.
fn stage(phones: u32) -> Site {
    let mut config = site::config();
    for apn in &mut config.apns {
        apn.pools = vec![AddressPool { network: "10.64.0.0".parse().unwrap(), prefix: 14, gateway: None }];
    }
    config.apns.truncate(1);
    // Every phone takes a moment of its own to go idle; nobody is to be missed meanwhile.
    config.timers.mobile_reachable_margin = basalt_sansio::Duration::from_secs(1 << 30);
    let seed = SecureSeed([1; 32]);
    let mut subscribers = Subscribers::new(&seed);
    for number in 1..=phones {
        subscribers.insert(site::subscriber(number.into()), false);
    }
    let mut site = Site::around(Core::new(config, Limits::default(), 262_144, &seed, subscribers));
    site.probe = || CALLS.load(Relaxed);
    site
}

/// A base station whose S1 is set up.
fn base_station(site: &mut Site, n: u32) -> Enb {
    let enb = Enb::numbered(n);
    let info = LinkInfo { peers: vec![enb.address.into()], streams: 4, resumed: false };
    site.input(Input::LinkUp { link: enb.link, info });
    enb.setup(site);
    forget(site);
    enb
}

/// Reads and drops what came out.
fn forget(site: &mut Site) {
    site.inbox.clear();
    site.events.clear();
    site.counts.clear();
    site.dataplane.clear();
    site.store.clear();
}
