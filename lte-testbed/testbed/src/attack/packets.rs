//! What a phone's own packets can try.

use std::net::{Ipv4Addr, Ipv6Addr};

use anyhow::Result;

use super::arena::{ATTACKER, Arena, VICTIM};
use super::craft::{self, ICMP, MORE_FRAGMENTS, SCTP, TCP, UDP, V4};
use super::witness::Mark;
use crate::lab;

/// Sends hostile packets of the attacker's phone: all of them are dropped for `reason`, and none comes out.
fn refused(arena: &Arena, reason: &str, make: impl FnOnce(Mark) -> Vec<Vec<u8>>) -> Result<()> {
    let mark = arena.mark();
    let packets = make(mark);
    let count = packets.len();
    arena.must_be_dropped(reason, count, || arena.phone_sends(ATTACKER, packets))?;
    arena.must_not_come_out(mark)
}

fn udp(from: Ipv4Addr, to: Ipv4Addr, port: u16, mark: Mark) -> Vec<u8> {
    V4::new(from, to, UDP).build(&craft::udp(4000, port, &mark.octets()))
}

/// An address of the pool that no phone has.
fn nobody() -> Ipv4Addr {
    let [a, b, ..] = lab::PHONES.0.octets();
    Ipv4Addr::new(a, b, 200, 200)
}

pub(super) fn spoofed_sources(arena: &Arena) -> Result<()> {
    let victim = arena.address(VICTIM)?;
    refused(arena, "spoofed_source", |mark| {
        let sources = [
            victim,
            nobody(),
            lab::SERVER,
            lab::GATEWAY_S1,
            lab::GATEWAY_SGI,
            lab::RADIO_S1,
            // Behind a router of the radio network, where the gateway itself has no address.
            lab::Lab::enb_address(0),
            Ipv4Addr::LOCALHOST,
            Ipv4Addr::UNSPECIFIED,
            Ipv4Addr::BROADCAST,
            Ipv4Addr::new(224, 0, 0, 1),
            Ipv4Addr::new(169, 254, 1, 1),
        ];
        sources.into_iter().map(|source| udp(source, lab::SERVER, 9, mark)).collect()
    })?;
    refused(arena, "inner_version", |mark| {
        let source = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);
        vec![craft::v6(source, source, UDP, &craft::udp(1, 9, &mark.octets()))]
    })
}

pub(super) fn phone_to_phone(arena: &Arena) -> Result<()> {
    let (own, victim) = (arena.address(ATTACKER)?, arena.address(VICTIM)?);
    refused(arena, "phone_to_phone", |mark| {
        let to = |protocol| V4::new(own, victim, protocol);
        vec![
            udp(own, victim, 9, mark),
            to(TCP).build(&craft::tcp_syn(4000, 22, &mark.octets())),
            to(ICMP).build(&craft::icmp(8, &mark.octets())),
            to(SCTP).build(&craft::sctp(4000, 9, &mark.octets())),
            to(UDP).fragment(1).build(&mark.octets()),
            udp(own, nobody(), 9, mark),
        ]
    })
}

pub(super) fn phone_to_core(arena: &Arena) -> Result<()> {
    let own = arena.address(ATTACKER)?;
    refused(arena, "forbidden_destination", |mark| {
        let destinations = [
            lab::GATEWAY_S1,
            lab::GATEWAY_SGI,
            lab::RADIO_S1,
            // Behind a router of the radio network, where the gateway itself has no address.
            lab::Lab::enb_address(0),
            Ipv4Addr::LOCALHOST,
            Ipv4Addr::new(127, 255, 0, 3),
            Ipv4Addr::UNSPECIFIED,
            Ipv4Addr::new(0, 0, 0, 7),
            Ipv4Addr::new(169, 254, 169, 254),
            Ipv4Addr::new(224, 0, 0, 251),
            Ipv4Addr::new(239, 255, 255, 250),
            Ipv4Addr::new(240, 0, 0, 1),
            Ipv4Addr::BROADCAST,
        ];
        let metrics = V4::new(own, lab::GATEWAY_SGI, TCP).build(&craft::tcp_syn(4000, 9105, &mark.octets()));
        destinations.into_iter().map(|to| udp(own, to, 9, mark)).chain([metrics]).collect()
    })
}

pub(super) fn tunnel_in_tunnel(arena: &Arena) -> Result<()> {
    let (own, victim) = (arena.address(ATTACKER)?, arena.address(VICTIM)?);
    let teid = arena.tunnel(VICTIM)?.uplink;
    refused(arena, "gtp_in_gtp", |mark| {
        let inner = udp(victim, lab::SERVER, 9, mark);
        let plain = craft::gpdu(teid, &inner);
        let extended = [&craft::optional(0x85)[..], &[1, 0, 9, 0], &inner].concat();
        let extended = craft::gtp(0x34, 255, teid, &extended);
        let to = |address: Ipv4Addr, message: &[u8]| V4::new(own, address, UDP).build(&craft::udp(2152, 2152, message));
        vec![
            to(lab::SERVER, &plain),
            to(lab::SERVER, &extended),
            V4::new(own, lab::SERVER, UDP).build(&craft::udp(4000, 2152, &plain)),
        ]
    })?;
    // Towards the gateway itself, whatever is looked at first.
    let mark = arena.mark();
    let inner = craft::gpdu(teid, &udp(victim, lab::SERVER, 9, mark));
    let packet = V4::new(own, lab::GATEWAY_S1, UDP).build(&craft::udp(2152, 2152, &inner));
    arena.phone_sends(ATTACKER, vec![packet; 4])?;
    arena.must_not_come_out(mark)
}

pub(super) fn core_protocols(arena: &Arena) -> Result<()> {
    let own = arena.address(ATTACKER)?;
    // GTP-C, PFCP; Diameter; S1AP, NGAP, X2AP, Diameter over SCTP.
    refused(arena, "core_port", |mark| {
        let to = |protocol| V4::new(own, lab::SERVER, protocol);
        let datagrams = [2123, 8805].map(|port| to(UDP).build(&craft::udp(4000, port, &mark.octets())));
        let segments = [3868].map(|port| to(TCP).build(&craft::tcp_syn(4000, port, &mark.octets())));
        let chunks = [36412, 38412, 3868].map(|port| to(SCTP).build(&craft::sctp(4000, port, &mark.octets())));
        datagrams.into_iter().chain(segments).chain(chunks).collect()
    })?;
    let mark = arena.mark();
    let to_gateway: Vec<Vec<u8>> = [lab::GATEWAY_S1, lab::GATEWAY_SGI]
        .into_iter()
        .flat_map(|to| {
            [
                V4::new(own, to, UDP).build(&craft::udp(8805, 8805, &mark.octets())),
                V4::new(own, to, SCTP).build(&craft::sctp(36412, 36412, &mark.octets())),
            ]
        })
        .collect();
    arena.phone_sends(ATTACKER, to_gateway)?;
    arena.must_not_come_out(mark)
}

pub(super) fn lies(arena: &Arena) -> Result<()> {
    let own = arena.address(ATTACKER)?;
    let honest = |mark: Mark| craft::udp(4000, 9, &mark.octets());
    let packet = || V4::new(own, lab::SERVER, UDP);
    refused(arena, "inner_version", |mark| {
        [0x05, 0x15, 0x55, 0x75, 0xf5].map(|first| packet().first_octet(first).build(&honest(mark))).to_vec()
    })?;
    refused(arena, "inner_length", |mark| {
        let long = packet().build(&honest(mark)).len() as u16;
        vec![
            packet().first_octet(0x44).build(&honest(mark)),
            packet().first_octet(0x40).build(&honest(mark)),
            packet().length(0).build(&honest(mark)),
            packet().length(19).build(&honest(mark)),
            packet().length(long + 1).build(&honest(mark)),
            packet().length(u16::MAX).build(&honest(mark)),
        ]
    })?;
    // Cut off anywhere in the headers.
    let mark = arena.mark();
    let whole = packet().build(&honest(mark));
    arena.phone_sends(ATTACKER, (0..28).map(|length| whole[..length].to_vec()).collect())?;
    arena.must_not_come_out(mark)
}

pub(super) fn fragments(arena: &Arena) -> Result<()> {
    let own = arena.address(ATTACKER)?;
    let packet = || V4::new(own, lab::SERVER, UDP);
    refused(arena, "inner_fragment", |mark| {
        vec![
            // A first fragment that hides the ports from the filter, and one that would write over them (RFC 1858 §3).
            packet().fragment(MORE_FRAGMENTS).build(&craft::udp(4000, 2152, &mark.octets())[..4]),
            V4::new(own, lab::SERVER, TCP).fragment(1).build(&craft::tcp_syn(1, 3868, &mark.octets())[8..]),
        ]
    })?;
    // Thousands of first fragments whose rest never comes cost no memory and keep nobody else's packets.
    let first = packet().fragment(MORE_FRAGMENTS).build(&craft::udp(4000, 9, &[0; 1184]));
    for _ in 0..25 {
        arena.phone_sends(ATTACKER, vec![first.clone(); 200])?;
        let honest = arena.honest(ATTACKER)?;
        arena.must_reach_internet(honest)?;
    }
    Ok(())
}

pub(super) fn routing_options(arena: &Arena) -> Result<()> {
    let own = arena.address(ATTACKER)?;
    let [a, b, c, d] = arena.address(VICTIM)?.octets();
    refused(arena, "inner_options", |mark| {
        let options: [&[u8]; 6] = [
            // Loose and strict source route, record route, timestamp (RFC 791 §3.1), router alert (RFC 2113), nonsense.
            &[131, 7, 4, a, b, c, d],
            &[137, 7, 4, a, b, c, d],
            &[7, 7, 4, 0, 0, 0, 0],
            &[68, 8, 5, 0, 0, 0, 0, 0],
            &[148, 4, 0, 0],
            &[131, 0, 0, 0],
        ];
        let packet = |option: &&[u8]| V4::new(own, lab::SERVER, UDP).options(option);
        options.iter().map(|option| packet(option).build(&craft::udp(4000, 9, &mark.octets()))).collect()
    })
}

pub(super) fn rogue_servers(arena: &Arena) -> Result<()> {
    let own = arena.address(ATTACKER)?;
    refused(arena, "rogue_server", |mark| {
        vec![V4::new(own, lab::SERVER, UDP).build(&craft::udp(67, 68, &mark.octets())); 3]
    })?;
    // A Router Advertisement and multicast DNS, as far as an IPv4 session can carry them, and to all phones at once.
    let mark = arena.mark();
    let all_nodes = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
    let link_local = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1);
    let advertisement = craft::v6(link_local, all_nodes, 58, &craft::icmp(134, &mark.octets()));
    let discovery = V4::new(own, Ipv4Addr::new(224, 0, 0, 251), UDP).build(&craft::udp(5353, 5353, &mark.octets()));
    let broadcast = V4::new(own, Ipv4Addr::BROADCAST, UDP).build(&craft::udp(67, 68, &mark.octets()));
    arena.phone_sends(ATTACKER, [vec![advertisement; 50], vec![discovery; 500], vec![broadcast; 50]].concat())?;
    arena.must_not_come_out(mark)
}
