//! Prefix delegation (RFC 8415 §6.3, §18.3; TS 23.401 §5.3.1.2.6): the gateway as the DHCPv6 server on a phone's link.
//!
//! ```text
//!   phone                          gateway
//!    │ SOLICIT (IA_PD)                │
//!    │───────────────────────────────►│   with Rapid Commit: REPLY at once
//!    │ ADVERTISE                      │
//!    │◄───────────────────────────────│
//!    │ REQUEST                        │   RENEW and REBIND later, if the phone asks
//!    │───────────────────────────────►│
//!    │ REPLY (IA_PD, IAPREFIX)        │
//!    │◄───────────────────────────────│
//! ```
//!
//! Nothing is remembered: what a phone can have is set by its session, for as long as that lives. The session's own /64 is the first
//! of its prefix. A phone that knows Prefix Exclude (RFC 6603) gets the whole prefix but that; another one gets its upper half.

use crate::router::{ROUTER, checksum};
use std::net::Ipv6Addr;

/// What a phone may be told.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Offer<'a> {
    /// First half of the session's own /64, host order.
    pub(crate) prefix: u64,
    /// By how many bits its whole prefix is shorter than 64; 0 where nothing is delegated.
    pub(crate) shift: u32,
    /// DNS servers.
    pub(crate) dns: &'a [Ipv6Addr],
}

const UDP: u8 = 17;
const CLIENT: u16 = 546;
const SERVER: u16 = 547;
/// IPv6 and UDP.
const HEADERS: usize = 48;

const SOLICIT: u8 = 1;
const ADVERTISE: u8 = 2;
const REQUEST: u8 = 3;
const RENEW: u8 = 5;
const REBIND: u8 = 6;
const REPLY: u8 = 7;
const RELEASE: u8 = 8;
const DECLINE: u8 = 9;
const INFORMATION_REQUEST: u8 = 11;

const CLIENT_ID: u16 = 1;
const SERVER_ID: u16 = 2;
const IA_NA: u16 = 3;
const OPTION_REQUEST: u16 = 6;
const STATUS_CODE: u16 = 13;
const RAPID_COMMIT: u16 = 14;
const DNS_SERVERS: u16 = 23;
const IA_PD: u16 = 25;
const IA_PREFIX: u16 = 26;
const PD_EXCLUDE: u16 = 67;

const SUCCESS: u16 = 0;
const NO_ADDRESSES: u16 = 2;
const NO_PREFIX: u16 = 6;
const INFINITE: [u8; 4] = [0xff; 4];

/// The same for every phone: each has a link of its own (DUID-UUID, RFC 6355).
const DUID: [u8; 18] = *b"\x00\x04basalt-gateway--";

/// What a message says, as far as it matters.
#[derive(Debug, Default)]
struct Asked<'a> {
    client: Option<&'a [u8]>,
    server: Option<&'a [u8]>,
    /// IAIDs of associations for addresses.
    addresses: Vec<[u8; 4]>,
    /// Associations for prefixes.
    prefixes: Vec<Association<'a>>,
    rapid: bool,
    excludes: bool,
}

/// An association for prefixes: its IAID, and the prefixes that the phone takes for its own, each with its length before it.
#[derive(Debug)]
struct Association<'a> {
    iaid: [u8; 4],
    has: Vec<&'a [u8]>,
}

/// The packet that answers a phone's DHCPv6 packet; `None` when there is nothing to say to it.
pub(crate) fn answer(packet: &[u8], offer: &Offer<'_>) -> Option<Vec<u8>> {
    let (from, message) = datagram(packet)?;
    let (&[kind, t1, t2, t3], options) = message.split_first_chunk::<4>()?;
    let asked = Asked::read(options)?;
    let addressed = asked.server.map(|server| server == DUID);
    // Who must name the server, and who must not (RFC 8415 §16).
    let valid = match kind {
        SOLICIT | REBIND => asked.client.is_some() && addressed.is_none(),
        REQUEST | RENEW | RELEASE | DECLINE => asked.client.is_some() && addressed == Some(true),
        INFORMATION_REQUEST => addressed != Some(false) && asked.prefixes.is_empty() && asked.addresses.is_empty(),
        _ => false,
    };
    if !valid {
        return None;
    }
    let rapid = kind == SOLICIT && asked.rapid;
    let mut reply = vec![if kind == SOLICIT && !rapid { ADVERTISE } else { REPLY }, t1, t2, t3];
    option(&mut reply, SERVER_ID, &DUID);
    if let Some(client) = asked.client {
        option(&mut reply, CLIENT_ID, client);
    }
    if rapid {
        option(&mut reply, RAPID_COMMIT, &[]);
    }
    match kind {
        RELEASE | DECLINE => option(&mut reply, STATUS_CODE, &SUCCESS.to_be_bytes()),
        INFORMATION_REQUEST => {}
        _ => associations(&mut reply, &asked, offer, matches!(kind, RENEW | REBIND)),
    }
    if !offer.dns.is_empty() {
        let servers: Vec<u8> = offer.dns.iter().flat_map(Ipv6Addr::octets).collect();
        option(&mut reply, DNS_SERVERS, &servers);
    }
    Some(wrap(from, &reply))
}

/// One prefix to the first association for prefixes; addresses come by autoconfiguration. A phone that `extends` what it has, from a session
/// of before perhaps, is told which of that it has no more, by lifetimes of zero (RFC 8415 §18.3.4, §18.3.5).
fn associations(reply: &mut Vec<u8>, asked: &Asked<'_>, offer: &Offer<'_>, extends: bool) {
    for iaid in &asked.addresses {
        let mut body = [*iaid, [0; 4], [0; 4]].concat();
        option(&mut body, STATUS_CODE, &NO_ADDRESSES.to_be_bytes());
        option(reply, IA_NA, &body);
    }
    for (index, Association { iaid, has }) in asked.prefixes.iter().enumerate() {
        let mut body = [*iaid, INFINITE, INFINITE].concat();
        let given = delegated(offer, asked.excludes).filter(|_| index == 0);
        match &given {
            Some(prefix) => option(&mut body, IA_PREFIX, prefix),
            None => option(&mut body, STATUS_CODE, &NO_PREFIX.to_be_bytes()),
        }
        let kept = given.as_ref().and_then(|prefix| prefix.get(8..25));
        for lost in has.iter().filter(|prefix| extends && Some(**prefix) != kept) {
            option(&mut body, IA_PREFIX, &[&[0; 8], *lost].concat());
        }
        option(reply, IA_PD, &body);
    }
}

/// The content of an IAPREFIX option.
fn delegated(offer: &Offer<'_>, excludes: bool) -> Option<Vec<u8>> {
    let shift = u8::try_from(offer.shift).ok().filter(|shift| (1..=32).contains(shift))?;
    let (prefix, length) =
        if excludes { (offer.prefix, 64 - shift) } else { (offer.prefix | 1 << (shift - 1), 65 - shift) };
    let mut body = [INFINITE, INFINITE].concat();
    body.push(length);
    body.extend(prefix.to_be_bytes());
    body.extend([0; 8]);
    if excludes {
        // The session's own /64 is the first, so its subnet identifier is zero (RFC 6603 §4.2).
        let subnet = usize::from((shift - 1) / 8 + 1);
        option(&mut body, PD_EXCLUDE, &[vec![64], vec![0; subnet]].concat());
    }
    Some(body)
}

impl<'a> Asked<'a> {
    /// `None` for options that do not add up.
    fn read(mut octets: &'a [u8]) -> Option<Self> {
        let mut asked = Self::default();
        while !octets.is_empty() {
            let (code, body, rest) = next_option(octets)?;
            octets = rest;
            match code {
                // A DUID has at most 130 octets (RFC 8415 §11.1).
                CLIENT_ID => asked.client = Some(body).filter(|duid| (3..=130).contains(&duid.len())),
                SERVER_ID => asked.server = Some(body),
                IA_NA => asked.addresses.push(*body.first_chunk::<4>()?),
                IA_PD => asked.prefixes.push(Association::read(body)?),
                RAPID_COMMIT => asked.rapid = true,
                OPTION_REQUEST => asked.excludes |= body.chunks_exact(2).any(|code| code == PD_EXCLUDE.to_be_bytes()),
                _ => {}
            }
            let had: usize = asked.prefixes.iter().map(|association| association.has.len()).sum();
            if asked.addresses.len() + asked.prefixes.len() > 8 || had > 8 {
                return None;
            }
        }
        Some(asked)
    }
}

impl<'a> Association<'a> {
    fn read(body: &'a [u8]) -> Option<Self> {
        let (iaid, rest) = body.split_first_chunk::<4>()?;
        // Behind T1 and T2.
        let mut octets = rest.get(8..).unwrap_or_default();
        let mut has = Vec::new();
        while !octets.is_empty() {
            let (code, content, after) = next_option(octets)?;
            octets = after;
            if code == IA_PREFIX {
                // Behind two lifetimes, a length and an address.
                has.push(content.get(8..25)?);
            }
        }
        Some(Self { iaid: *iaid, has })
    }
}

/// The first option: its code, its content, and what follows it.
fn next_option(octets: &[u8]) -> Option<(u16, &[u8], &[u8])> {
    let (&[k1, k2, l1, l2], rest) = octets.split_first_chunk::<4>()?;
    let (content, after) = rest.split_at_checked(usize::from(u16::from_be_bytes([l1, l2])))?;
    Some((u16::from_be_bytes([k1, k2]), content, after))
}

/// Source and content of a datagram for a DHCPv6 server, its checksum right.
fn datagram(packet: &[u8]) -> Option<(Ipv6Addr, &[u8])> {
    let (header, body) = packet.split_at_checked(40)?;
    let &[_, _, _, _, _, _, next, _, ref addresses @ ..] = header else { return None };
    let (&[_, _, p1, p2, l1, l2, ..], message) = body.split_first_chunk::<8>()?;
    let length = u32::try_from(body.len()).ok()?;
    let said = u32::from(u16::from_be_bytes([l1, l2]));
    let mut pseudo = addresses.to_vec();
    pseudo.extend(length.to_be_bytes());
    pseudo.extend([0, 0, 0, UDP]);
    pseudo.extend(body);
    let good = next == UDP && u16::from_be_bytes([p1, p2]) == SERVER && said == length && checksum(&pseudo) == 0;
    let from = Ipv6Addr::from(*addresses.first_chunk::<16>()?);
    good.then_some((from, message))
}

fn option(out: &mut Vec<u8>, code: u16, body: &[u8]) {
    out.extend(code.to_be_bytes());
    out.extend(u16::try_from(body.len()).unwrap_or(u16::MAX).to_be_bytes());
    out.extend(body);
}

/// A DHCPv6 message on its way to a phone.
fn wrap(to: Ipv6Addr, message: &[u8]) -> Vec<u8> {
    let length = u16::try_from(message.len() + HEADERS - 40).unwrap_or(u16::MAX);
    let mut datagram: Vec<u8> = [SERVER, CLIENT, length, 0].iter().flat_map(|word| word.to_be_bytes()).collect();
    datagram.extend(message);
    let mut pseudo = [ROUTER.octets(), to.octets()].concat();
    pseudo.extend(u32::from(length).to_be_bytes());
    pseudo.extend([0, 0, 0, UDP]);
    pseudo.extend(&datagram);
    // Zero would mean that there is none (RFC 8200 §8.1).
    let sum = Some(checksum(&pseudo)).filter(|sum| *sum != 0).unwrap_or(0xffff);
    if let Some(field) = datagram.get_mut(6..8) {
        field.copy_from_slice(&sum.to_be_bytes());
    }
    let mut packet = vec![0x60, 0, 0, 0];
    packet.extend(length.to_be_bytes());
    packet.extend([UDP, 64]);
    packet.extend([ROUTER.octets(), to.octets()].concat());
    packet.extend(datagram);
    packet
}

#[cfg(test)]
mod tests {
    use super::*;

    const PHONE: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 4, 0, 0, 9);
    const SERVERS: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 1, 2);
    const DNS: [Ipv6Addr; 1] = [Ipv6Addr::LOCALHOST];
    const OFFER: Offer<'_> = Offer { prefix: 0x2001_0db8_0007_0100, shift: 8, dns: &DNS };

    /// A packet of a phone: message type and options.
    fn packet(kind: u8, options: &[(u16, &[u8])]) -> Vec<u8> {
        let mut message = vec![kind, 1, 2, 3];
        options.iter().for_each(|(code, body)| option(&mut message, *code, body));
        let length = message.len() as u16 + 8;
        let mut datagram: Vec<u8> = [CLIENT, SERVER, length, 0].iter().flat_map(|word| word.to_be_bytes()).collect();
        datagram.extend(message);
        let mut pseudo = [PHONE.octets(), SERVERS.octets()].concat();
        pseudo.extend(u32::from(length).to_be_bytes());
        pseudo.extend([0, 0, 0, UDP]);
        pseudo.extend(&datagram);
        let sum = checksum(&pseudo);
        datagram[6..8].copy_from_slice(&sum.to_be_bytes());
        let mut packet = vec![0x60, 0, 0, 0];
        packet.extend(length.to_be_bytes());
        packet.extend([UDP, 1]);
        packet.extend([PHONE.octets(), SERVERS.octets()].concat());
        packet.extend(datagram);
        packet
    }

    /// Type and options of an answer, whose checksum is right.
    fn read(packet: &[u8]) -> (u8, Vec<(u16, Vec<u8>)>) {
        let mut pseudo = packet[8..40].to_vec();
        pseudo.extend((packet.len() as u32 - 40).to_be_bytes());
        pseudo.extend([0, 0, 0, UDP]);
        pseudo.extend(&packet[40..]);
        assert_eq!(checksum(&pseudo), 0);
        assert_eq!(packet[24..40], PHONE.octets());
        let (mut rest, mut options) = (&packet[HEADERS + 4..], Vec::new());
        while let [k1, k2, l1, l2, after @ ..] = rest {
            let (body, after) = after.split_at(usize::from(u16::from_be_bytes([*l1, *l2])));
            options.push((u16::from_be_bytes([*k1, *k2]), body.to_vec()));
            rest = after;
        }
        (packet[HEADERS], options)
    }

    fn body(options: &[(u16, Vec<u8>)], code: u16) -> Option<&[u8]> {
        options.iter().find(|(found, _)| *found == code).map(|(_, body)| body.as_slice())
    }

    const CLIENT_DUID: (u16, &[u8]) = (CLIENT_ID, &[0, 3, 0, 1, 2, 3, 4, 5, 6, 7]);
    const OF_PREFIX: (u16, &[u8]) = (IA_PD, &[0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]);

    #[test]
    fn a_prefix_is_advertised_requested_and_given() {
        for (kind, server, expected) in
            [(SOLICIT, false, ADVERTISE), (REQUEST, true, REPLY), (RENEW, true, REPLY), (REBIND, false, REPLY)]
        {
            let mut options = vec![CLIENT_DUID, OF_PREFIX];
            if server {
                options.push((SERVER_ID, &DUID));
            }
            let (kind, options) = read(&answer(&packet(kind, &options), &OFFER).unwrap());
            assert_eq!(kind, expected);
            assert_eq!(body(&options, CLIENT_ID), Some(CLIENT_DUID.1));
            assert_eq!(body(&options, DNS_SERVERS).map(<[u8]>::len), Some(16));
            let association = body(&options, IA_PD).unwrap();
            // Without Prefix Exclude the upper half: /57, which has not the session's own /64.
            assert_eq!(association[12..16], [0, 26, 0, 25]);
            assert_eq!(association[24], 57);
            assert_eq!(association[25..33], 0x2001_0db8_0007_0180_u64.to_be_bytes());
        }
    }

    #[test]
    fn who_can_exclude_gets_all_and_rapid_commit_is_quick() {
        let request = [CLIENT_DUID, OF_PREFIX, (OPTION_REQUEST, &[0, 23, 0, 67]), (RAPID_COMMIT, &[])];
        let (kind, options) = read(&answer(&packet(SOLICIT, &request), &OFFER).unwrap());
        assert_eq!((kind, body(&options, RAPID_COMMIT)), (REPLY, Some(&[][..])));
        let association = body(&options, IA_PD).unwrap();
        assert_eq!(association[24], 56);
        assert_eq!(association[25..33], OFFER.prefix.to_be_bytes());
        assert_eq!(association[41..], [0, 67, 0, 2, 64, 0]);
    }

    #[test]
    fn what_cannot_be_had_is_refused_by_status() {
        let none = Offer { shift: 0, ..OFFER };
        let (_, options) = read(&answer(&packet(SOLICIT, &[CLIENT_DUID, OF_PREFIX]), &none).unwrap());
        assert_eq!(body(&options, IA_PD).unwrap()[12..], [0, 13, 0, 2, 0, 6]);
        let address: (u16, &[u8]) = (IA_NA, &[0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0]);
        let (_, options) = read(&answer(&packet(SOLICIT, &[CLIENT_DUID, address]), &OFFER).unwrap());
        assert_eq!(body(&options, IA_NA).unwrap()[12..], [0, 13, 0, 2, 0, 2]);
        let release = packet(RELEASE, &[CLIENT_DUID, (SERVER_ID, &DUID), OF_PREFIX]);
        assert_eq!(body(&read(&answer(&release, &OFFER).unwrap()).1, STATUS_CODE), Some(&[0, 0][..]));
        let (kind, options) = read(&answer(&packet(INFORMATION_REQUEST, &[]), &OFFER).unwrap());
        assert_eq!((kind, body(&options, DNS_SERVERS).is_some()), (REPLY, true));
    }

    #[test]
    fn who_has_a_prefix_of_before_is_told_that_it_is_gone() {
        let had = |prefix: u64, length: u8| {
            let mut body = vec![0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0];
            let content = [&[0, 0, 9, 9, 0, 0, 9, 9, length][..], &prefix.to_be_bytes(), &[0; 8]].concat();
            option(&mut body, IA_PREFIX, &content);
            body
        };
        let before = had(0x2001_0db8_0008_0180, 57);
        for (kind, server) in [(REBIND, false), (RENEW, true)] {
            let mut options = vec![CLIENT_DUID, (IA_PD, before.as_slice())];
            if server {
                options.push((SERVER_ID, &DUID));
            }
            let (_, options) = read(&answer(&packet(kind, &options), &OFFER).unwrap());
            let association = body(&options, IA_PD).unwrap();
            assert_eq!(association[16..25], [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 57], "its own now");
            assert_eq!(association[41..54], [0, 26, 0, 25, 0, 0, 0, 0, 0, 0, 0, 0, 57], "no more");
            assert_eq!((&association[54..62], association.len()), (&0x2001_0db8_0008_0180_u64.to_be_bytes()[..], 70));
            // Where nothing is delegated any more, nothing is left.
            let none = Offer { shift: 0, ..OFFER };
            let rebind = packet(REBIND, &[CLIENT_DUID, (IA_PD, before.as_slice())]);
            let (_, options) = read(&answer(&rebind, &none).unwrap());
            let association = body(&options, IA_PD).unwrap();
            assert_eq!(association[12..18], [0, 13, 0, 2, 0, 6]);
            assert_eq!(association[18..31], [0, 26, 0, 25, 0, 0, 0, 0, 0, 0, 0, 0, 57]);
        }
        // What it has rightly, and what it only wishes for, is not taken away.
        let right = had(0x2001_0db8_0007_0180, 57);
        for (kind, content) in [(REBIND, &right), (SOLICIT, &before)] {
            let (_, options) = read(&answer(&packet(kind, &[CLIENT_DUID, (IA_PD, content)]), &OFFER).unwrap());
            assert_eq!(body(&options, IA_PD).unwrap().len(), 41);
        }
        let cut = [&right[..], &[0, 26, 0, 9]].concat();
        assert!(answer(&packet(REBIND, &[CLIENT_DUID, (IA_PD, &cut)]), &OFFER).is_none());
    }

    #[test]
    fn what_is_damaged_or_another_s_is_not_answered() {
        let good = packet(SOLICIT, &[CLIENT_DUID, OF_PREFIX]);
        assert!((0..good.len()).all(|length| answer(&good[..length], &OFFER).is_none()));
        for at in 40..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 0x55;
            assert!(answer(&bad, &OFFER).is_none(), "{at}");
        }
        let other: (u16, &[u8]) = (SERVER_ID, &[0, 4, 9]);
        for (kind, options) in [
            (SOLICIT, vec![OF_PREFIX]),
            (SOLICIT, vec![CLIENT_DUID, (SERVER_ID, &DUID)]),
            (REQUEST, vec![CLIENT_DUID, other, OF_PREFIX]),
            (REQUEST, vec![CLIENT_DUID, OF_PREFIX]),
            (REPLY, vec![CLIENT_DUID]),
            (SOLICIT, vec![CLIENT_DUID, (IA_PD, &[0, 0])]),
            (SOLICIT, [vec![CLIENT_DUID], vec![OF_PREFIX; 9]].concat()),
        ] {
            assert!(answer(&packet(kind, &options), &OFFER).is_none(), "{kind} {options:?}");
        }
    }
}
