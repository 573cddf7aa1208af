//! What the federation gateway costs: requests relayed by the real `fegd` between gateways' streams and a home network, over TCP,
//! and the codec alone. Prints flat JSON:
//!
//! - `relay_per_s_per_core`: requests of gateways answered, for each second of processor time that fegd used;
//! - `relay_per_s`: the same for each second of the clock, generator and home network on the same machine;
//! - `relay_added_p50_us`, `relay_added_p99_us`: from when a gateway's request was due to its answer at half of that rate, in an open
//!   loop: the generator's own part and the way to the home network and back (which answers at once) included, and what the generator
//!   itself was late by, whose share is `generator_late_p99_us`. Of many short rounds the one in the middle by its p99, among those in
//!   which the host took none of the processors' time (no tick of the kernel's count): `calm_rounds` of `rounds`. Where it did in all of
//!   them, `calm_rounds` is 0, and the figure is of all; `relay_added_p99_worst_us` is of all in any case;
//! - `relay_has_processor`: whether fegd had one processor to itself at half load, and generator and home network the other one, before
//!   everything else of it (that takes root);
//! - `relay_half_load_per_s`: answers each second in that round, `relay_half_load_cpu_us`: fegd's processor time for each of them;
//! - `aia_decode_ns`, `ula_decode_ns`: an answer of Open5GS's HSS is found sound; `aia_read_ns`, `ula_read_ns`: and turned into
//!   vectors or a subscription; `air_write_ns`, `ulr_write_ns`: a request is written; `node_request_ns`: one through the peer machine and
//!   its answer back, written by the bench included. Of many short batches the fastest: what else runs here only ever adds;
//! - `allocations_per_...`: calls of the allocator for each of these;
//! - `load_average`: of the machine before it began. Above 1, times of the clock are others' as well.
//!
//! `cargo run --release -p fegd --example diameter_bench [SECONDS]`; fegd must be built in the same profile.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a bench that is surprised fails")]

#[path = "bench/codec.rs"]
mod codec;
#[path = "bench/gateways.rs"]
mod gateways;
#[path = "bench/home.rs"]
mod home;
#[path = "bench/host.rs"]
mod host;

use std::alloc::{GlobalAlloc, Layout, System};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// The system's allocator, counted.
struct Counting;

static CALLS: AtomicU64 = AtomicU64::new(0);

// SAFETY: every call is passed on to the system's allocator as it is; only a number is kept beside it.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        CALLS.fetch_add(1, Relaxed);
        // SAFETY: the caller's promise about `layout` is the one that is asked for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise about `pointer` and `layout` is the one that is asked for.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Calls of the allocator so far.
fn calls() -> u64 {
    CALLS.load(Relaxed)
}

/// Rounds at half load, and how long each is.
const ROUNDS: u64 = 40;
const ROUND: Duration = Duration::from_millis(500);

fn main() {
    let seconds = std::env::args().nth(1).map_or(8, |text| text.parse().expect("seconds"));
    let load = load_average();
    let codec = codec::measure();
    let home = home::start();
    let fegd = Fegd::start(home);
    let full = gateways::flood(fegd.gateways, Duration::from_secs(seconds), || fegd.cpu());
    eprintln!("{:.0} requests/s, {:.0} for a second of processor time", full.rate, full.per_core);
    let parted = host::part(fegd.child.id());
    let mut rounds: Vec<_> = (1..=ROUNDS)
        .map(|round| {
            let (before, ticks) = (fegd.cpu(), host::Ticks::now());
            let half = gateways::pace(fegd.gateways, full.rate / 2.0, ROUND, round);
            let (cpu, taken) = ((fegd.cpu() - before).as_secs_f64(), ticks.taken());
            eprintln!(
                "{:.0} answers/s: p50 {:.0} us, p99 {:.0} us; the generator was late by {:.0} us (p99), the host took {:.0} %",
                half.rate, half.p50, half.p99, half.late_p99, taken * 100.0
            );
            (half, cpu, taken)
        })
        .collect();
    rounds.sort_by(|(one, ..), (other, ..)| one.p99.total_cmp(&other.p99));
    let worst = rounds.last().map_or(0.0, |(worst, ..)| worst.p99);
    let taken = rounds.iter().map(|(.., taken)| taken).sum::<f64>() / rounds.len() as f64;
    let calm = rounds.iter().filter(|(.., taken)| *taken == 0.0).count();
    if calm > 0 {
        rounds.retain(|(.., taken)| *taken == 0.0);
    }
    let (half, cpu, _) = &rounds[rounds.len() / 2];
    println!("{{");
    println!("  \"relay_per_s_per_core\": {:.0},", full.per_core);
    println!("  \"relay_per_s\": {:.0},", full.rate);
    println!("  \"relay_added_p50_us\": {:.0},", half.p50);
    println!("  \"relay_added_p99_us\": {:.0},", half.p99);
    println!("  \"relay_added_p99_worst_us\": {worst:.0},");
    println!("  \"relay_has_processor\": {},", u8::from(parted));
    println!("  \"rounds\": {ROUNDS},");
    println!("  \"calm_rounds\": {calm},");
    println!("  \"host_took_at_half_load_percent\": {:.1},", taken * 100.0);
    println!("  \"relay_half_load_per_s\": {:.0},", half.rate);
    println!("  \"relay_half_load_cpu_us\": {:.1},", cpu * 1e6 / half.asked as f64);
    println!("  \"generator_late_p99_us\": {:.0},", half.late_p99);
    for (name, value) in codec {
        println!("  \"{name}\": {value:.1},");
    }
    println!("  \"load_average\": {load},");
    println!("  \"seconds\": {seconds}");
    println!("}}");
}

/// Of the last minute.
fn load_average() -> f64 {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap();
    text.split(' ').next().unwrap().parse().unwrap()
}

/// The daemon, ended with the bench.
struct Fegd {
    child: Child,
    folder: tempfile::TempDir,
    gateways: SocketAddr,
}

impl Fegd {
    fn start(home: SocketAddr) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let own = std::env::current_exe().unwrap();
        let program = own.parent().unwrap().parent().unwrap().join("fegd");
        let free = || std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let (gateways, metrics, realm) = (free(), free(), home::REALM);
        let text = format!(
            "host = \"feg1.visited.example\"\nrealm = \"visited.example\"\nmetrics = \"{metrics}\"\n\
             control = \"{}\"\nstate_dir = {:?}\n[gateways]\nlisten = \"{gateways}\"\nrate = 10000000\nwaiting = 100000\n\
             [[network]]\nplmn = \"999-70\"\n[[peer]]\nhost = \"{}\"\naddress = \"{home}\"\nrealms = [\"{realm}\"]\n\
             outstanding = 100000\n",
            folder.path().join("fegd.sock").display(),
            folder.path(),
            home::HOST
        );
        let config = folder.path().join("fegd.toml");
        std::fs::write(&config, text).unwrap();
        let mut command = Command::new(program);
        command.arg("--config").arg(&config).stdout(Stdio::null()).env("BASALT_LOG", "warn");
        Self { child: command.spawn().expect("fegd, built in the same profile"), folder, gateways }
    }

    /// Processor time that it has used: the scheduler's own account of each thread.
    fn cpu(&self) -> Duration {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.child.id())).unwrap();
        let nanos = tasks.map(|task| {
            let text = std::fs::read_to_string(task.unwrap().path().join("schedstat")).unwrap_or_default();
            text.split(' ').next().and_then(|word| word.parse::<u64>().ok()).unwrap_or(0)
        });
        Duration::from_nanos(nanos.sum())
    }
}

impl Drop for Fegd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = self.folder.path();
    }
}
