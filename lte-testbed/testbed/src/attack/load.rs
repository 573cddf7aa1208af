//! What the internet can try, and what many packets can.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use testbed_ran::PhoneId;
use testbed_ue::{AttachKind, DetachKind, EmmState, Input};

use super::arena::{ATTACKER, Arena, CANARY, HOME, VICTIM, connected};
use crate::lab;

/// What a subscriber may receive in the attack on rates, bit/s.
pub(super) const LIMIT: u64 = 2_000_000;

const PAGING: &str = "basalt_agw_messages_sent_total{message=\"Paging\"}";

pub(super) fn scan(arena: &Arena) -> Result<()> {
    let victim = arena.address(VICTIM)?;
    arena.radio.call(|io| {
        if let Some(enb) = io.site.enb_mut(HOME) {
            enb.faults_mut().ignore_paging = true;
        }
        io.enb(HOME, testbed_ran::Input::Inactive(PhoneId(VICTIM as u32)));
    })?;
    arena.until("the victim idle", |io| !connected(io, VICTIM))?;
    let mark = arena.mark();
    let [a, b, ..] = lab::PHONES.0.octets();
    let others: Vec<Ipv4Addr> = (0..=254u8).map(|host| Ipv4Addr::new(a, b, 100, host)).collect();
    let payload = mark.octets();
    arena.must_be_dropped("unknown_phone", 255 * 20, || {
        arena.internet_sends(move |socket| {
            for round in 0..20 {
                for address in &others {
                    socket.send_to(&payload, (*address, 1000 + round))?;
                }
                for _ in 0..100 {
                    socket.send_to(&payload, (victim, 1000 + round))?;
                }
                // The link's queue is what would be full otherwise.
                std::thread::sleep(Duration::from_millis(2));
            }
            Ok(())
        })
    })?;
    arena.must_not_come_out(mark)?;
    // The idle phone is paged as for one packet, at both base stations of its area, and again when a timer says so.
    arena.until_metric(PAGING, 1.0)?;
    let pages = arena.metric(PAGING)?;
    ensure!(pages <= 6.0, "{pages} pages were sent for a scan of 2000 packets");
    ensure!(arena.drops("buffer_full")? > 0.0, "the buffer of an idle phone has no bound");
    Ok(())
}

pub(super) fn reused_address(arena: &Arena) -> Result<()> {
    let left = arena.address(VICTIM)?;
    let mark = arena.mark();
    arena.radio.call(|io| io.phone(VICTIM, Input::Detach(DetachKind::Normal)))?;
    let gone = |phone| {
        move |io: &mut crate::radio::Io| {
            io.site
                .record(phone)
                .is_some_and(|record| matches!(record.ue.state(), EmmState::Null | EmmState::Deregistered))
        }
    };
    arena.until("the victim gone", gone(VICTIM))?;
    // Another phone comes at once.
    arena.radio.call(|io| io.phone(ATTACKER, Input::Detach(DetachKind::Normal)))?;
    arena.until("the other gone", gone(ATTACKER))?;
    arena.radio.call(|io| io.phone(ATTACKER, Input::Attach(AttachKind::Imsi)))?;
    arena.until("the other back", |io| connected(io, ATTACKER))?;
    ensure!(arena.address(ATTACKER)? != left, "{left} was given to the next phone at once");
    // What the old peers of the address send dies, and comes out at nobody's.
    let payload = mark.octets();
    arena.must_be_dropped("unknown_phone", 100, || {
        arena
            .internet_sends(move |socket| Ok((0..100).try_for_each(|_| socket.send_to(&payload, (left, 9)).map(drop))?))
    })?;
    arena.must_not_come_out(mark)
}

pub(super) fn rate_evasion(arena: &Arena) -> Result<()> {
    // Few large packets, many small ones, many flows, and all at once.
    for (size, flows) in [(1400, 1), (64, 1), (40, 64), (700, 64)] {
        let (bits, sent, seconds) = received_under_flood(arena, size, flows)?;
        let most = LIMIT as f64 * (seconds * 1.05 + 0.25);
        ensure!(
            bits <= most,
            "{bits} bit arrived in {seconds:.2} s by {flows} flows of {size} octets: more than {most}"
        );
        let least = sent.min(LIMIT as f64 * seconds) * 0.8;
        ensure!(
            bits >= least,
            "{bits} bit arrived in {seconds:.2} s by {flows} flows of {size} octets: less than {least}"
        );
    }
    Ok(())
}

/// What the victim gets, in bits of IP packets, of three times what it may have, or of what the sender gets out; that, and the seconds.
fn received_under_flood(arena: &Arena, size: usize, flows: u16) -> Result<(f64, f64, f64)> {
    const TIME: Duration = Duration::from_secs(2);
    let victim = arena.address(VICTIM)?;
    arena.radio.call(|io| io.app(VICTIM).reset())?;
    let begin = Instant::now();
    let packets = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&packets);
    arena.internet_sends(move |socket| {
        let payload = vec![0; size.saturating_sub(28)];
        let gap = Duration::from_secs_f64(size as f64 * 8.0 / (3.0 * LIMIT as f64));
        let mut due = begin;
        while begin.elapsed() < TIME {
            let number = count.fetch_add(1, Ordering::Relaxed);
            socket.send_to(&payload, (victim, 2000 + (number % u32::from(flows)) as u16))?;
            due += gap;
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
        }
        Ok(())
    })?;
    let seconds = begin.elapsed().as_secs_f64();
    // The gateway polices and keeps nothing back; what is on its way comes with the canary's next answer.
    let honest = arena.honest(CANARY)?;
    arena.must_reach_internet(honest)?;
    let sent = f64::from(packets.load(Ordering::Relaxed)) * size as f64 * 8.0;
    Ok((arena.radio.call(|io| io.app(VICTIM).octets_received)? as f64 * 8.0, sent, seconds))
}
