//! Kills a gateway at random instants while numbered packets flow both ways, and says what was lost, reordered or miscounted.
//!
//! Every start of the daemon replaces the programs behind their links, so many kills fall into an upgrade; every so often the tables
//! are asked for in another size, so that some fall into making them anew. What was sent is known here alone; what arrived is counted
//! by the receivers; what the gateway says that it carried is read through its command at the end.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use basalt_sansio::{Rng, SimRng};
use serde::Serialize;

use crate::gateway::Gateway;
use crate::lab::{self, NetNs};
use crate::radio::app::NUMBERED_PORT;
use crate::radio::{Radio, Shared, packet};
use crate::sys;

/// How to kill.
#[derive(Clone, Copy, Debug)]
pub struct KillPlan {
    /// How often.
    pub kills: u32,
    /// Decides every instant.
    pub seed: u64,
    /// Packets each second, in each direction, of all phones together.
    pub rate: u32,
    /// Every so often the tables are made anew; 0 for never.
    pub rebuild_every: u32,
}

/// What came of it. Octets are those of inner IP packets.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct KillReport {
    /// Kills, and how many of them came before the daemon was ready.
    pub kills: u32,
    /// See there.
    pub kills_while_starting: u32,
    /// Times that tables of another size were asked for.
    pub rebuilds: u32,
    /// From the phones.
    pub uplink: Direction,
    /// To the phones.
    pub downlink: Direction,
    /// The longest time without a packet at a receiver, milliseconds.
    pub longest_gap_ms: f64,
    /// How long it took, seconds.
    pub seconds: f64,
}

/// One direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Direction {
    /// Packets sent.
    pub sent: u64,
    /// Sent and never received.
    pub lost: u64,
    /// Received after a later one.
    pub reordered: u64,
    /// Received more than once.
    pub doubled: u64,
    /// Octets sent.
    pub octets: u64,
    /// Octets in the gateway's usage records.
    pub accounted: u64,
    /// Packets in the gateway's usage records.
    pub accounted_packets: u64,
}

impl Direction {
    /// Accounted less sent.
    #[must_use]
    pub fn difference(&self) -> i64 {
        self.accounted.cast_signed() - self.octets.cast_signed()
    }

    fn is_exact(&self) -> bool {
        (self.lost, self.reordered, self.doubled) == (0, 0, 0)
            && self.accounted == self.octets
            && self.accounted_packets == self.sent
    }
}

impl KillReport {
    /// Nothing lost, reordered, doubled or miscounted.
    #[must_use]
    pub fn is_exact(&self) -> bool {
        self.uplink.is_exact() && self.downlink.is_exact()
    }
}

/// Where the server counts what phones send.
const SINK_PORT: u16 = 4100;
/// Headers of IPv4 and UDP.
const HEADERS: u64 = 28;
/// How long what is on its way may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// Two sizes of tables that the gateway is asked for in turn.
const SIZES: [i64; 2] = [65_536, 32_768];

/// Octets of the payload of a packet with this number: all sizes from 4 octets to what every tunnel takes.
fn payload_of(number: u32) -> Vec<u8> {
    let mut payload = vec![0x5a; 4 + (number.wrapping_mul(2_654_435_761) >> 16) as usize % 1_300];
    payload[..4].copy_from_slice(&number.to_be_bytes());
    payload
}

/// Kills a gateway whose first `phones` phones are attached and connected. The gateway runs at the end.
///
/// # Errors
/// The gateway does not come up again, or something of the lab fails. What was lost is no error: it is in the report.
pub fn run(
    gateway: &mut Gateway,
    radio: &Radio,
    internet: &NetNs,
    phones: usize,
    plan: &KillPlan,
) -> Result<KillReport> {
    under_packets(gateway, radio, internet, phones, plan.rate, |gateway, report| kill(gateway, plan, report))
}

/// Does something to a gateway whose first `phones` phones are attached and connected, while each of them sends and receives numbered packets;
/// `rate` of them each second, in each direction, of all phones together.
///
/// # Errors
/// What is done fails, or something of the lab. What was lost is no error: it is in the report.
pub fn under_packets(
    gateway: &mut Gateway,
    radio: &Radio,
    internet: &NetNs,
    phones: usize,
    rate: u32,
    work: impl FnOnce(&mut Gateway, &mut KillReport) -> Result<()>,
) -> Result<KillReport> {
    let began = Instant::now();
    let addresses = (0..phones).map(|phone| address(radio, phone)).collect::<Result<Vec<_>>>()?;
    let imsis = (0..phones).map(|phone| imsi(radio, phone)).collect::<Result<Vec<_>>>()?;
    let before = accounted(gateway, &imsis)?;
    let traffic = Traffic::start(radio, internet, &addresses, rate)?;
    let mut report = KillReport::default();
    let worked = work(gateway, &mut report);
    traffic.finish(radio, &mut report)?;
    worked?;
    let after = accounted(gateway, &imsis)?;
    report.uplink.accounted = after.uplink_octets - before.uplink_octets;
    report.uplink.accounted_packets = after.uplink_packets - before.uplink_packets;
    report.downlink.accounted = after.downlink_octets - before.downlink_octets;
    report.downlink.accounted_packets = after.downlink_packets - before.downlink_packets;
    report.seconds = began.elapsed().as_secs_f64();
    Ok(report)
}

fn address(radio: &Radio, phone: usize) -> Result<Ipv4Addr> {
    let address = radio.call(move |io| io.app(phone).address())?;
    address.with_context(|| format!("ue {} has no address", phone + 1))
}

fn imsi(radio: &Radio, phone: usize) -> Result<String> {
    let imsi = radio.call(move |io| io.site.record(phone).map(|record| record.ue.imsi().to_string()))?;
    imsi.with_context(|| format!("there is no ue {}", phone + 1))
}

fn kill(gateway: &mut Gateway, plan: &KillPlan, report: &mut KillReport) -> Result<()> {
    let mut rng = SimRng::new(plan.seed);
    for number in 1..=plan.kills {
        if number % 100 == 0 {
            eprintln!("{number} of {} kills", plan.kills);
        }
        // A third dies while it starts, a third soon after, a third in its work.
        let work = Duration::from_millis(match rng.below(3) {
            0 => 0,
            1 => rng.below(40),
            _ => rng.below(400),
        });
        std::thread::sleep(work);
        gateway.kill()?;
        report.kills += 1;
        std::thread::sleep(Duration::from_millis(rng.below(20)));
        if plan.rebuild_every != 0 && number % plan.rebuild_every == 0 {
            report.rebuilds += 1;
            let size = SIZES[(report.rebuilds as usize) % SIZES.len()];
            gateway.configure("dataplane.max_sessions", size.into())?;
        }
        gateway.spawn()?;
        if number < plan.kills && rng.below(3) == 0 {
            // It dies again before it is ready.
            std::thread::sleep(Duration::from_micros(rng.below(300_000)));
            report.kills_while_starting += 1;
        } else {
            gateway.wait_until_ready()?;
        }
    }
    gateway.wait_until_ready()
}

/// What the gateway's records say of some subscribers.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Accounted {
    pub(crate) uplink_octets: u64,
    uplink_packets: u64,
    pub(crate) downlink_octets: u64,
    downlink_packets: u64,
}

pub(crate) fn accounted(gateway: &Gateway, imsis: &[String]) -> Result<Accounted> {
    let all = gateway.json(&["get", "usage"])?;
    let mut sum = Accounted::default();
    for usage in all.as_array().context("no list of usage")? {
        if !imsis.iter().any(|imsi| usage["imsi"] == imsi.as_str()) {
            continue;
        }
        let number = |name: &str| usage["total"][name].as_u64().with_context(|| format!("no {name} in the usage"));
        sum.uplink_octets += number("uplink_bytes")?;
        sum.uplink_packets += number("uplink_packets")?;
        sum.downlink_octets += number("downlink_bytes")?;
        sum.downlink_packets += number("downlink_packets")?;
    }
    Ok(sum)
}

/// Numbered packets in both directions until they are stopped.
struct Traffic {
    phones: Vec<Ipv4Addr>,
    stop: Arc<AtomicBool>,
    /// Octets that phones have sent.
    uplink_octets: Arc<AtomicU64>,
    uplink_sent: Arc<AtomicU64>,
    uplink_done: std::sync::mpsc::Receiver<()>,
    sender: JoinHandle<Result<(u64, u64)>>,
    sink: JoinHandle<Result<Sink>>,
}

/// What the server got, by phone.
#[derive(Default)]
struct Sink {
    numbers: BTreeMap<Ipv4Addr, Vec<u32>>,
    longest_gap: Duration,
}

impl Traffic {
    fn start(radio: &Radio, internet: &NetNs, phones: &[Ipv4Addr], rate: u32) -> Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let pause = Duration::from_secs_f64(phones.len() as f64 / f64::from(rate.max(1)));
        let told = Arc::clone(&stop);
        let (bound, is_bound) = std::sync::mpsc::channel();
        let sink = internet.spawn("sink", move || serve_sink(&told, &bound))?;
        is_bound.recv_timeout(PATIENCE).context("the server's sink does not start")?;
        let (told, to) = (Arc::clone(&stop), phones.to_vec());
        let sender = internet.spawn("downlink", move || send_down(&to, pause, &told))?;
        let (uplink_octets, uplink_sent) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let (told, octets, sent, from) =
            (Arc::clone(&stop), Arc::clone(&uplink_octets), Arc::clone(&uplink_sent), phones.to_vec());
        let (done, uplink_done) = std::sync::mpsc::channel();
        radio.with_shared(move |shared| {
            for phone in 0..from.len() {
                shared.borrow_mut().app(phone).reset();
            }
            let shared = shared.clone();
            tokio::task::spawn_local(async move {
                send_up(shared, &from, pause, &told, &octets, &sent).await;
                // Whoever waits may have given up.
                let _ = done.send(());
            });
        })?;
        Ok(Self { phones: phones.to_vec(), stop, uplink_octets, uplink_sent, uplink_done, sender, sink })
    }

    /// Stops, waits for what is on its way, and writes down what came of it.
    fn finish(self, radio: &Radio, report: &mut KillReport) -> Result<()> {
        self.stop.store(true, Ordering::Relaxed);
        let died = || anyhow!("a sender died of a panic");
        self.uplink_done.recv_timeout(PATIENCE).context("the phones do not stop")?;
        let (each, octets) = self.sender.join().map_err(|_| died())??;
        let sink = self.sink.join().map_err(|_| died())??;
        let phones = self.phones.len();
        report.downlink.sent = each * phones as u64;
        report.downlink.octets = octets;
        // All that will come has come when nothing comes for a while.
        let received =
            move |io: &mut crate::radio::Io| (0..phones).map(|phone| io.app(phone).numbered.len()).sum::<usize>();
        let wanted = report.downlink.sent;
        radio.wait(PATIENCE, move |io| (received(io) as u64 >= wanted).then_some(()))?;
        let numbers =
            radio.call(move |io| (0..phones).map(|phone| io.app(phone).numbered.clone()).collect::<Vec<_>>())?;
        for numbers in &numbers {
            judge(&mut report.downlink, numbers, each);
        }
        report.uplink.sent = self.uplink_sent.load(Ordering::Relaxed);
        report.uplink.octets = self.uplink_octets.load(Ordering::Relaxed);
        for phone in &self.phones {
            let nothing = Vec::new();
            let numbers = sink.numbers.get(phone).unwrap_or(&nothing);
            let each = report.uplink.sent / phones as u64;
            judge(&mut report.uplink, numbers, each);
        }
        report.longest_gap_ms = sink.longest_gap.as_secs_f64() * 1e3;
        Ok(())
    }
}

/// Compares what arrived with 0, 1, 2, … `sent` - 1.
fn judge(direction: &mut Direction, numbers: &[u32], sent: u64) {
    let mut seen = vec![false; usize::try_from(sent).unwrap_or(0)];
    let mut highest = None;
    for number in numbers {
        match seen.get_mut(*number as usize) {
            Some(seen) if !*seen => *seen = true,
            _ => direction.doubled += 1,
        }
        if highest.is_some_and(|highest| *number < highest) {
            direction.reordered += 1;
        }
        highest = highest.max(Some(*number));
    }
    direction.lost += seen.iter().filter(|seen| !**seen).count() as u64;
}

/// Gives the packets sent to each phone, and the octets sent to all.
fn send_down(phones: &[Ipv4Addr], pause: Duration, stop: &AtomicBool) -> Result<(u64, u64)> {
    let socket = UdpSocket::bind((lab::SERVER, 0))?;
    let (mut number, mut octets) = (0u32, 0u64);
    let mut next = Instant::now();
    while !stop.load(Ordering::Relaxed) {
        let payload = payload_of(number);
        for phone in phones {
            socket.send_to(&payload, (*phone, NUMBERED_PORT))?;
            octets += payload.len() as u64 + HEADERS;
        }
        number += 1;
        next = pace(next, pause);
        std::thread::sleep(next.saturating_duration_since(Instant::now()));
    }
    Ok((u64::from(number), octets))
}

/// When the next packet is due. A sender that was held up does not make up for it: bursts would fill sockets that nobody reads
/// meanwhile.
fn pace(last: Instant, pause: Duration) -> Instant {
    let now = Instant::now();
    let next = last + pause;
    if next + 4 * pause < now { now } else { next }
}

async fn send_up(
    shared: Shared,
    phones: &[Ipv4Addr],
    pause: Duration,
    stop: &AtomicBool,
    octets: &AtomicU64,
    sent: &AtomicU64,
) {
    let mut number = 0u32;
    let mut next = Instant::now();
    while !stop.load(Ordering::Relaxed) {
        let payload = payload_of(number);
        for (phone, address) in phones.iter().enumerate() {
            let packet = packet::udp((*address, NUMBERED_PORT), (lab::SERVER, SINK_PORT), &payload);
            shared.borrow_mut().send_packet(phone, &packet);
            octets.fetch_add(packet.len() as u64, Ordering::Relaxed);
            sent.fetch_add(1, Ordering::Relaxed);
        }
        number += 1;
        next = pace(next, pause);
        tokio::time::sleep_until(next.into()).await;
    }
}

fn serve_sink(stop: &AtomicBool, bound: &std::sync::mpsc::Sender<()>) -> Result<Sink> {
    const QUIET: Duration = Duration::from_millis(500);
    let socket = UdpSocket::bind((lab::SERVER, SINK_PORT))?;
    sys::large_receive_buffer(&socket, 32 << 20)?;
    socket.set_read_timeout(Some(Duration::from_millis(20)))?;
    // Whoever waits may have given up.
    let _ = bound.send(());
    let mut sink = Sink::default();
    let mut buffer = [0; 2048];
    let mut last: Option<Instant> = None;
    loop {
        match socket.recv_from(&mut buffer) {
            Ok((length, from)) => {
                let now = Instant::now();
                if let Some(last) = last.replace(now) {
                    sink.longest_gap = sink.longest_gap.max(now - last);
                }
                let IpAddr::V4(phone) = from.ip() else { bail!("IPv6 on an IPv4 socket") };
                let Some(number) = buffer[..length].first_chunk::<4>() else { continue };
                sink.numbers.entry(phone).or_default().push(u32::from_be_bytes(*number));
            }
            Err(error) if matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut) => {
                if stop.load(Ordering::Relaxed) && last.is_none_or(|last| last.elapsed() > QUIET) {
                    return Ok(sink);
                }
            }
            Err(error) => return Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_arrived_is_judged() {
        let mut direction = Direction { sent: 6, ..Direction::default() };
        judge(&mut direction, &[0, 1, 3, 2, 2, 5], 6);
        assert_eq!((direction.lost, direction.reordered, direction.doubled), (1, 2, 1));
        let mut whole = Direction { sent: 3, octets: 9, accounted: 9, accounted_packets: 3, ..Direction::default() };
        judge(&mut whole, &[0, 1, 2], 3);
        assert!(whole.is_exact() && whole.difference() == 0);
        whole.accounted = 8;
        assert!(!whole.is_exact() && whole.difference() == -1);
    }

    #[test]
    fn packets_have_all_sizes() {
        let sizes: std::collections::BTreeSet<usize> = (0..20_000).map(|number| payload_of(number).len()).collect();
        assert_eq!((sizes.first(), sizes.last()), (Some(&4), Some(&1_303)));
        assert!(sizes.len() > 1_200, "{}", sizes.len());
        assert_eq!(payload_of(77)[..4], 77u32.to_be_bytes());
    }
}
