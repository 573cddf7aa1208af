//! What a hostile base station can try with tunnels.

use std::net::Ipv4Addr;

use anyhow::{Result, ensure};
use basalt_ids::Teid;
use basalt_sansio::{Rng, SimRng};
use testbed_ran::gtpu;

use super::arena::{ATTACKER, Arena, CANARY, HOME, VICTIM, WILD, connected};
use super::craft::{self, UDP, V4};
use super::witness::Mark;
use crate::lab;
use crate::radio::GtpuSeen;

/// Tunnels that are guessed. The table says a million; that many take a minute here and show nothing more.
const GUESSES: usize = 100_000;
/// Echo Requests of a flood.
const ECHOES: u16 = 50_000;

/// The alarm on a sender.
fn suspicious(what: &str) -> String {
    format!("basalt_agw_suspicious_messages_total{{what=\"{what}\"}}")
}

fn datagram(arena: &Arena, phone: usize, mark: Mark) -> Result<Vec<u8>> {
    Ok(V4::new(arena.address(phone)?, lab::SERVER, UDP).build(&craft::udp(4000, 9, &mark.octets())))
}

/// Sends in portions, so that the socket's buffer is not what drops them; honest packets in between show that the gateway
/// serves others all the while.
fn flood(arena: &Arena, enb: usize, messages: impl Iterator<Item = Vec<u8>>) -> Result<()> {
    let mut messages = messages.peekable();
    while messages.peek().is_some() {
        arena.enb_sends(enb, messages.by_ref().take(200).collect())?;
        let honest = arena.honest(ATTACKER)?;
        arena.must_reach_internet(honest)?;
    }
    Ok(())
}

pub(super) fn guessing(arena: &Arena) -> Result<()> {
    let (mark, real) = (arena.mark(), arena.tunnel(VICTIM)?.uplink);
    let packet = datagram(arena, VICTIM, mark)?;
    let mut rng = SimRng::new(6);
    // Around what this base station knows, and anywhere.
    let near = (0..1000u32).map(|number| real.0.wrapping_add(1 + number));
    let far: Vec<u32> = (0..GUESSES).map(|_| rng.next_u64() as u32).collect();
    let guesses = near.chain(far).filter(|teid| *teid != real.0);
    flood(arena, WILD, guesses.map(|teid| craft::gpdu(Teid(teid), &packet)))?;
    let told = arena
        .radio
        .call(|io| io.gtpu_seen.iter().filter(|seen| matches!(seen, GtpuSeen::ErrorIndication(_))).count())?;
    ensure!(told < GUESSES / 10, "{told} of {GUESSES} guesses were answered");
    let withheld = arena.drops("slow_path_rate")? + arena.drops("peer_rate")?;
    ensure!(withheld > 0.0, "no guess was counted as one too many");
    arena.until_metric(&suspicious("unknown_tunnels"), 200.0)?;
    // The honest phones are told apart from the guesser: they go on as before.
    arena.must_not_come_out(mark)
}

pub(super) fn reserved(arena: &Arena) -> Result<()> {
    let mark = arena.mark();
    let (own, packet) = (arena.tunnel(ATTACKER)?.uplink, datagram(arena, ATTACKER, mark)?);
    for teid in [Teid(0), Teid(u32::MAX)] {
        arena.enb_sends(WILD, vec![craft::gpdu(teid, &packet); 3])?;
    }
    arena.must_be_dropped("gtp_version", 8, || {
        // Versions 0 and 2 to 7, and GTP'.
        let flags = [0x10, 0x50, 0x70, 0x90, 0xb0, 0xd0, 0xf0, 0x20];
        arena.enb_sends(WILD, flags.map(|flags| craft::gtp(flags, 255, own, &packet)).to_vec())
    })?;
    // Of the types that user planes exchange, none carries a user packet but G-PDU.
    let others: Vec<u8> = (0..=254).filter(|kind| ![1, 2, 26, 31, 253, 254].contains(kind)).collect();
    arena.must_be_dropped("gtp_message_type", others.len(), || {
        arena.enb_sends(WILD, others.iter().map(|kind| craft::gtp(0x30, *kind, own, &packet)).collect())
    })?;
    arena.enb_sends(WILD, [1, 2, 26, 31, 253, 254].map(|kind| craft::gtp(0x32, kind, Teid(0), &packet)).to_vec())?;
    arena.must_not_come_out(mark)
}

pub(super) fn extension_headers(arena: &Arena) -> Result<()> {
    let mark = arena.mark();
    let (own, packet) = (arena.tunnel(ATTACKER)?.uplink, datagram(arena, ATTACKER, mark)?);
    let message =
        |next: u8, chain: &[u8]| craft::gtp(0x34, 255, own, &[&craft::optional(next)[..], chain, &packet].concat());
    let hostile: Vec<Vec<u8>> = vec![
        // Of no length, which is a loop for who trusts it.
        message(0x85, &[0, 0x85, 0x85, 0x85]),
        // Beyond the packet.
        message(0x85, &[255, 0, 0, 0]),
        // A chain that does not end soon.
        message(0x85, &[1, 0, 9, 0x85].repeat(64)),
    ];
    arena.must_be_dropped("extension_header", hostile.len(), || arena.enb_sends(WILD, hostile.clone()))?;
    // Flags promise an optional part that is not there, and the length promises more than there is.
    arena
        .must_be_dropped("extension_header", 1, || arena.enb_sends(WILD, vec![craft::gtp(0x34, 255, own, &[0, 0])]))?;
    arena.must_be_dropped("malformed", 1, || {
        arena.enb_sends(WILD, vec![craft::gtp_of_length(0x30, 255, own, 2000, &packet)])
    })?;
    arena.must_not_come_out(mark)?;
    // What is well formed is skipped, not refused.
    let allowed = arena.mark();
    let inner = datagram(arena, ATTACKER, allowed)?;
    let container = [&craft::optional(0x85)[..], &[1, 0x10, 9, 0], &inner].concat();
    arena.enb_sends(WILD, vec![craft::gtp(0x34, 255, own, &container)])?;
    arena.must_reach_internet(allowed)
}

pub(super) fn wrong_peer(arena: &Arena) -> Result<()> {
    let mark = arena.mark();
    let (teid, packet) = (arena.tunnel(VICTIM)?.uplink, datagram(arena, VICTIM, mark)?);
    arena.must_be_dropped("wrong_peer", 20, || arena.enb_sends(WILD, vec![craft::gpdu(teid, &packet); 20]))?;
    arena.until_metric(&suspicious("foreign_tunnels"), 10.0)?;
    arena.must_not_come_out(mark)
}

pub(super) fn forged_control(arena: &Arena) -> Result<()> {
    let (canary, victim) = (arena.tunnel(CANARY)?, arena.tunnel(VICTIM)?);
    arena.must_be_dropped("forged_control", 12, || {
        let end_marker = |teid: Teid| craft::gtp(0x30, 254, teid, &[]);
        let mut messages = Vec::new();
        for tunnel in [canary, victim] {
            // From the wrong base station: in its own name, and in the name of the right one.
            messages.push(gtpu::error_indication(tunnel.downlink, Lab::wild()));
            messages.push(gtpu::error_indication(tunnel.downlink, tunnel.enb));
            messages.push(end_marker(tunnel.uplink));
        }
        arena.enb_sends(WILD, [messages.clone(), messages].concat())
    })?;
    arena.until_metric(&suspicious("forged_control"), 10.0)?;
    // From the right base station, but of a tunnel that it does not have.
    arena.must_be_dropped("forged_control", 1, || {
        arena.enb_sends(HOME, vec![gtpu::error_indication(Teid(victim.downlink.0 ^ 0x55), victim.enb)])
    })?;
    arena.until("canary and victim connected", |io| connected(io, CANARY) && connected(io, VICTIM))?;
    let honest = arena.honest(VICTIM)?;
    arena.must_reach_internet(honest)
}

/// Addresses of the arena's base stations.
struct Lab;

impl Lab {
    fn wild() -> Ipv4Addr {
        lab::Lab::enb_address(WILD as u32)
    }
}

pub(super) fn echo_flood(arena: &Arena) -> Result<()> {
    arena.radio.call(|io| io.gtpu_seen.clear())?;
    // A private extension as large as the link carries must not come back.
    let private = [&[255, 4, 2, 0, 0][..], &[0x55; 1024]].concat();
    let request = |sequence: u16| {
        let [high, low] = sequence.to_be_bytes();
        craft::gtp(0x32, 1, Teid(0), &[&[high, low, 0, 0][..], &private].concat())
    };
    flood(arena, WILD, (0..ECHOES).map(request))?;
    let echoes =
        |io: &mut crate::radio::Io| io.gtpu_seen.iter().filter(|seen| matches!(seen, GtpuSeen::Echo(_))).count();
    let answers = arena.radio.call(move |io| echoes(io))?;
    ensure!(answers > 0, "a base station that asks often is not answered at all");
    ensure!(answers < usize::from(ECHOES) / 10, "{answers} of {ECHOES} Echo Requests were answered");
    let withheld = arena.drops("slow_path_rate")? + arena.drops("peer_rate")?;
    ensure!(withheld > 0.0, "no Echo Request was counted as too many");
    // The other base station has a budget of its own.
    let before = arena.radio.call(move |io| echoes(io))?;
    arena.enb_sends(HOME, vec![gtpu::echo_request(7)])?;
    arena.until("the honest base station's Echo Request answered", move |io| echoes(io) > before)
}
