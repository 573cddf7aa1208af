//! Rates, measured by the receiver.
//!
//! The receiver's kernel counts what comes to the base station's interface; less the tunnel's headers it is the phone's.

use std::net::{Ipv4Addr, UdpSocket};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use testbed_ue::{AttachKind, DetachKind, EmmState, Input};

use super::world::World;
use crate::lab::{self, NetNs};

/// Inner IP octets of packets: small, middle, the largest that every phone takes.
const SIZES: [usize; 3] = [100, 576, 1_400];
/// Flows at a time.
const FLOWS: [usize; 2] = [1, 16];
/// Ethernet, outer IPv4, UDP and GTP-U.
const TUNNEL: u64 = 14 + 20 + 8 + 8;
/// What may be sent at once must have passed before it is measured.
const WARM_UP: Duration = Duration::from_millis(1_500);
/// More packets each second than a sender here gets out; what would need more is not tried with small packets.
const FASTEST: u64 = 60_000;

/// Runs the sweep; the phone is attached before and after.
pub(super) fn run(world: &mut World, phone: usize, rates: &[u64]) -> Result<()> {
    for rate in rates {
        subscribe(world, phone, *rate)?;
        let address = world.the_address(phone)?;
        for octets in SIZES {
            // Twice the rate is offered, but never more than a fifth above where that takes all there is.
            let wanted = (rate * 2).min(rate + 100_000_000) / (octets as u64 * 8);
            if wanted > FASTEST && octets != SIZES[SIZES.len() - 1] {
                continue;
            }
            for flows in FLOWS {
                let measured = measure(world, address, octets, flows, wanted.max(10), *rate)?;
                let error = measured / *rate as f64 - 1.0;
                if error.abs() > 0.05 {
                    bail!(
                        "{measured:.0} bit/s arrive of {rate} in packets of {octets} octets, {flows} flows: {:+.1} %",
                        error * 100.0
                    );
                }
            }
        }
    }
    Ok(())
}

/// Gives the phone's subscriber a rate, and lets it attach with it.
fn subscribe(world: &mut World, phone: usize, rate: u64) -> Result<()> {
    let subscriber = world.subscriber(phone)?;
    world.radio.call(move |io| io.phone(phone, Input::Detach(DetachKind::Normal)))?;
    let gone = move |io: &mut crate::radio::Io| {
        io.site
            .record(phone)
            .is_some_and(|record| matches!(record.ue.state(), EmmState::Null | EmmState::Deregistered))
            .then_some(())
    };
    world.radio.wait(Duration::from_secs(5), gone)?.context("the phone does not detach")?;
    world.network.gateway.import_limited(&[subscriber], &[], Some(rate))?;
    world.radio.call(move |io| io.phone(phone, Input::Attach(AttachKind::Usual)))?;
    let up = move |io: &mut crate::radio::Io| io.site.record(phone).is_some_and(|r| r.ue.bearers_up()).then_some(());
    world.radio.wait(Duration::from_secs(5), up)?.context("the phone does not attach")
}

/// The inner bit rate that arrives while `per_second` packets each second are sent.
fn measure(world: &World, phone: Ipv4Addr, octets: usize, flows: usize, per_second: u64, rate: u64) -> Result<f64> {
    // So long that one packet more or less is no more than one percent.
    let packets_time = Duration::from_secs_f64(100.0 * octets as f64 * 8.0 / rate as f64);
    let time = packets_time.clamp(Duration::from_millis(1_500), Duration::from_secs(18));
    let internet = world.network.lab.internet.clone();
    let sender = internet.spawn("rates", move || send(phone, octets, flows, per_second, WARM_UP + time))?;
    std::thread::sleep(WARM_UP);
    let (before, began) = (received(&world.network.lab.ran)?, Instant::now());
    std::thread::sleep(time);
    let (after, elapsed) = (received(&world.network.lab.ran)?, began.elapsed());
    let sent = sender.join().map_err(|_| anyhow::anyhow!("the sender died of a panic"))??;
    let offered = sent as f64 * octets as f64 * 8.0 / (WARM_UP + time).as_secs_f64();
    if offered < 1.02 * rate as f64 {
        bail!("only {offered:.0} bit/s were sent, which proves nothing about {rate} bit/s");
    }
    let (packets, all) = (after.0 - before.0, after.1 - before.1);
    Ok(all.saturating_sub(packets * TUNNEL) as f64 * 8.0 / elapsed.as_secs_f64())
}

/// Gives the packets that were sent.
fn send(phone: Ipv4Addr, octets: usize, flows: usize, per_second: u64, time: Duration) -> Result<u64> {
    const DISCARD: u16 = 9;
    let sockets =
        (0..flows).map(|_| UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))).collect::<std::io::Result<Vec<_>>>()?;
    let payload = vec![0; octets - 28];
    let (began, mut sent) = (Instant::now(), 0u64);
    while began.elapsed() < time {
        let due = (began.elapsed().as_secs_f64() * per_second as f64) as u64;
        // A sender that was held up goes on at its rate: it does not make up for it in one burst.
        let batch = due.saturating_sub(sent).min(per_second / 100 + 1);
        for _ in 0..batch {
            let socket = &sockets[sent as usize % flows];
            socket.send_to(&payload, (phone, DISCARD))?;
            sent += 1;
        }
        std::thread::sleep(Duration::from_micros(500));
    }
    Ok(sent)
}

/// Packets and octets that the base stations' interface has received.
fn received(ran: &NetNs) -> Result<(u64, u64)> {
    let text = ran.run(|| Ok(std::fs::read_to_string("/proc/thread-self/net/dev")?))?;
    let line = text.lines().find_map(|line| line.trim().strip_prefix(&format!("{}:", lab::S1_INTERFACE)));
    let mut fields = line.context("no such interface")?.split_ascii_whitespace();
    let octets = fields.next().context("no octets")?.parse()?;
    let packets = fields.next().context("no packets")?.parse()?;
    Ok((packets, octets))
}
