//! Translation of IPv4 addresses and ports (RFC 4787, RFC 5382, RFC 5508, RFC 6888). The tables are described in `basalt_ebpf_abi`.
//!
//! A mapping belongs to an inside address, protocol and port, whatever it is used for (endpoint-independent). It is made by a packet from
//! the inside, lives by packets from the inside, and is never taken away before its time. Of fragments from the inside, the later ones
//! need no port, since all ports of a subscriber are of one address; of those from the internet, the first one leads the others.

use crate::wire::{FRAGMENT_OFFSET, IPV4, MORE_FRAGMENTS, PROTO_ICMP, PROTO_TCP, PROTO_UDP, decrement_ttl, fold};
use crate::{Packet, Step, Tables};
use basalt_ebpf_abi::{
    Address, Block, DropReason, Filtering, Fragment, MAX_BLOCK_BITS, MAX_BLOCKS, Mapping, Nat, Phase, PuntReason,
};

/// Where the packet that an ICMP error is about starts, behind the IPv4 header of the error.
const EMBEDDED: u32 = (IPV4 + 8) as u32;

/// What a translation changes, worked out before anything is changed. Offsets count from the IPv4 header.
#[derive(Debug, Clone, Copy)]
pub struct Rewrite {
    /// Of the address: 12 (source) or 16 (destination); 0 for no translation.
    at: u32,
    old: u32,
    new: u32,
    /// Of the port or identifier; 0 for none.
    port_at: u32,
    old_port: u32,
    new_port: u32,
    /// Of the checksum over the port; 0 for none.
    check_at: u32,
    /// What that checksum covers.
    protocol: u32,
    /// The port is that of a packet inside an ICMP error.
    embedded: u32,
}

impl Rewrite {
    /// No translation.
    pub const NONE: Rewrite =
        Rewrite { at: 0, old: 0, new: 0, port_at: 0, old_port: 0, new_port: 0, check_at: 0, protocol: 0, embedded: 0 };

    #[inline(always)]
    pub(crate) fn to_words(self) -> [u32; 9] {
        let Rewrite { at, old, new, port_at, old_port, new_port, check_at, protocol, embedded } = self;
        [at, old, new, port_at, old_port, new_port, check_at, protocol, embedded]
    }

    #[inline(always)]
    pub(crate) fn from_words(words: [u32; 9]) -> Self {
        let [at, old, new, port_at, old_port, new_port, check_at, protocol, embedded] = words;
        Self { at, old, new, port_at, old_port, new_port, check_at, protocol, embedded }
    }

    /// The same, but verifiers do not follow each kind of it through all that comes.
    #[inline(always)]
    pub(crate) fn any<T: Tables>(self, tables: &T) -> Self {
        let zero = tables.any(0);
        Self::from_words(self.to_words().map(|word| word ^ zero))
    }

    /// The address that a packet gets, if it is translated.
    #[inline(always)]
    pub(crate) fn address(&self) -> Option<u32> {
        if self.at == 0 { None } else { Some(self.new) }
    }

    /// The port of the inside that a packet from the internet gets, host order.
    #[inline(always)]
    pub(crate) fn inside_port(&self) -> Option<u32> {
        if self.port_at == 0 || self.embedded != 0 { None } else { Some(self.new_port & 0xffff) }
    }
}

/// What becomes of a packet from a phone.
pub(crate) enum Outward {
    /// It gets an external address.
    To(Rewrite),
    /// It needs a port more than there is.
    More,
    /// It cannot be translated.
    Drop(DropReason),
}

/// What becomes of a packet from the internet.
pub(crate) enum Inward {
    /// It is not for an external address.
    Other,
    /// It is the kernel's: for the gateway's own address.
    Kernel,
    /// It gets a phone's address.
    To(Rewrite),
    /// A later fragment whose first one has not come, by its key, and whether it may be for the gateway itself.
    Early(u64, bool),
    /// Nobody has asked for it.
    Drop(DropReason),
}

/// The ends of a packet, as translation sees them.
#[derive(Clone, Copy)]
struct Ends {
    protocol: u32,
    /// On the side of the phone, host order.
    port: u32,
    port_at: u32,
    check_at: u32,
    /// On the other side, host order.
    remote_port: u32,
    remote: u32,
    /// Flags of TCP.
    control: u32,
    /// 1 for the ends of a packet inside an ICMP error.
    embedded: u32,
    /// 1 for a later fragment: no ports.
    later: u32,
    /// 1 for a first fragment.
    more: u32,
    identification: u32,
}

impl Ends {
    /// The same, but verifiers do not follow each protocol through all that comes.
    #[inline(always)]
    fn any<T: Tables>(self, tables: &T) -> Self {
        // Asked for once: each time would cost a look into a map.
        let zero = tables.any(0);
        Self {
            protocol: self.protocol ^ zero,
            port: self.port ^ zero,
            port_at: self.port_at ^ zero,
            check_at: self.check_at ^ zero,
            remote_port: self.remote_port ^ zero,
            control: self.control ^ zero,
            embedded: self.embedded ^ zero,
            later: self.later ^ zero,
            ..self
        }
    }
}

const ICMP: u32 = PROTO_ICMP as u32;
const TCP: u32 = PROTO_TCP as u32;
const UDP: u32 = PROTO_UDP as u32;

const FIN: u32 = 0x01;
const SYN: u32 = 0x02;
const RST: u32 = 0x04;

/// Reads a packet of `length` octets without options, which goes outward or comes inward.
#[inline(always)]
fn read<P: Packet>(packet: &P, ip: usize, length: u32, outward: bool) -> Option<Ends> {
    let [word, second, source, destination] = packet.load_words(ip + 4)?;
    let word = u32::from_be(word);
    let (local_at, remote) = if outward { (12, destination) } else { (16, source) };
    let mut ends = Ends {
        protocol: u32::from_be(second) >> 16 & 0xff,
        port: 0,
        port_at: 0,
        check_at: 0,
        remote_port: 0,
        remote,
        control: 0,
        embedded: 0,
        later: u32::from(word as u16 & FRAGMENT_OFFSET != 0),
        more: u32::from(word as u16 & MORE_FRAGMENTS != 0),
        identification: word >> 16,
    };
    if ends.later != 0 {
        return Some(ends);
    }
    let mut base = 0u32;
    let mut source_is_local = outward;
    if ends.protocol == ICMP {
        let kind = u16::from_be(packet.load16(ip + IPV4)?) >> 8;
        // Destination Unreachable, Time Exceeded, Parameter Problem (RFC 5508 §4).
        if matches!(kind, 3 | 11 | 12) {
            base = EMBEDDED;
            source_is_local = !outward;
            ends.embedded = 1;
            ends.protocol = embedded(packet, ip + EMBEDDED as usize, ip + local_at, source_is_local)?;
            let far = if source_is_local { 16 } else { 12 };
            ends.remote = packet.load32(ip + EMBEDDED as usize + far)?;
        }
    }
    if base + (IPV4 + 8) as u32 > length {
        return None;
    }
    let transport = ip + base as usize + IPV4;
    if ends.protocol == ICMP {
        // Echo towards the internet, Echo Reply from there.
        let kind = u16::from_be(packet.load16(transport)?) >> 8;
        if kind != if source_is_local { 8 } else { 0 } {
            return None;
        }
        ends.port = u32::from(u16::from_be(packet.load16(transport + 4)?));
        ends.port_at = base + 24;
        ends.check_at = base + 22;
        return Some(ends);
    }
    if ends.protocol != TCP && ends.protocol != UDP {
        return None;
    }
    let ports = u32::from_be(packet.load32(transport)?);
    let (source, destination) = (ports >> 16, ports & 0xffff);
    if source_is_local {
        (ends.port, ends.remote_port, ends.port_at) = (source, destination, base + 20);
    } else {
        (ends.port, ends.remote_port, ends.port_at) = (destination, source, base + 22);
    }
    ends.check_at = base + if ends.protocol == TCP { 36 } else { 26 };
    if ends.check_at + 2 > length {
        if ends.embedded == 0 {
            return None;
        }
        // An error need not hold more than eight octets of it (RFC 792).
        ends.check_at = 0;
    }
    if ends.protocol == TCP && ends.embedded == 0 {
        ends.control = u32::from(u16::from_be(packet.load16(transport + 12)?));
    }
    Some(ends)
}

/// As [`read`].
#[inline(always)]
fn ends<P: Packet, T: Tables>(packet: &P, tables: &T, ip: usize, length: u32, outward: bool) -> Option<Ends> {
    Some(read(packet, ip, length, outward)?.any(tables))
}

/// The protocol of the packet at `ip` inside an ICMP error: one that went the other way, as its address shows, and whose ports are there.
#[inline(always)]
fn embedded<P: Packet>(packet: &P, ip: usize, outer: usize, source_is_local: bool) -> Option<u32> {
    let near = if source_is_local { 12 } else { 16 };
    if u16::from_be(packet.load16(ip)?) >> 8 != 0x45
        || u16::from_be(packet.load16(ip + 6)?) & FRAGMENT_OFFSET != 0
        || packet.load32(ip + near)? != packet.load32(outer)?
    {
        return None;
    }
    Some(u32::from_be(packet.load32(ip + 8)?) >> 16 & 0xff)
}

/// Goes through the places of a subscriber's blocks in the order of [`Block::place`], one a step.
struct Walk {
    bits: u32,
    /// The block, and how far in it.
    number: u32,
    i: u32,
    /// What is looked for: [`Mapping::KEY`] of it, or all of it where it is to be made.
    wanted: u64,
    /// Its filter where it is to be made.
    filter: u64,
    /// The place, when it is found; 0 before.
    place: u32,
    /// What was there.
    state: u64,
}

/// Steps of the longest walk.
const STEPS: u32 = (MAX_BLOCKS as u32) << MAX_BLOCK_BITS;

impl Walk {
    #[inline(always)]
    fn index(&self, block: &Block) -> u32 {
        self.number << self.bits | Block::place(self.wanted as u16, block.salt.get(), self.bits, self.i)
    }

    /// On to the next place of a block of which the last one is `last`; whether there is none.
    #[inline(always)]
    fn advance(&mut self, block: &Block, last: u32) -> bool {
        self.i += 1;
        if self.i > last {
            self.number = block.next.get();
            self.i = 0;
        }
        self.number == 0
    }
}

/// Finds a mapping.
struct Find(Walk);

impl<T: Tables> Step<T> for Find {
    #[inline(always)]
    fn step(&mut self, tables: &T) -> bool {
        let walk = &mut self.0;
        let Some(block) = tables.nat_block(walk.number) else { return true };
        let index = walk.index(block);
        let Some(mapping) = tables.nat_mapping(index) else { return true };
        let state = mapping.state.get();
        if state & Mapping::KEY == walk.wanted {
            (walk.place, walk.state) = (index, state);
            return true;
        }
        walk.advance(block, block.reach.get())
    }
}

/// Makes a mapping in the first place that is free.
struct Make(Walk);

impl<T: Tables> Step<T> for Make {
    #[inline(always)]
    fn step(&mut self, tables: &T) -> bool {
        let walk = &mut self.0;
        let (Some(nat), Some(block)) = (tables.nat(), tables.nat_block(walk.number)) else { return true };
        let index = walk.index(block);
        let Some(mapping) = tables.nat_mapping(index) else { return true };
        let before = mapping.state.get();
        if nat.over(before) {
            let there = mapping.state.swap_if(before, walk.wanted);
            if there == before {
                mapping.filter.set(walk.filter);
                if walk.i > block.reach.get() {
                    block.reach.set(walk.i);
                }
            }
            // Another processor may have been quicker, for the same port.
            if there == before || there & Mapping::KEY == walk.wanted & Mapping::KEY {
                walk.place = index;
                return true;
            }
        }
        walk.advance(block, (1 << walk.bits) - 1)
    }
}

/// Finds the mapping of an inside port in the subscriber's blocks, of which `block` is the first: its number, itself, and its state.
#[inline(always)]
fn find<'t, T: Tables>(
    tables: &'t T,
    bits: u32,
    first: u32,
    block: &Block,
    key: u64,
) -> Option<(u32, &'t Mapping, u64)> {
    // It is in its first place nearly always.
    let index = first << bits | Block::place(key as u16, block.salt.get(), bits, 0);
    let mapping = tables.nat_mapping(index)?;
    let state = mapping.state.get();
    if state & Mapping::KEY == key {
        return Some((index, mapping, state));
    }
    let mut walk = Find(Walk { bits, number: first, i: 0, wanted: key, filter: 0, place: 0, state: 0 });
    if walk.0.advance(block, block.reach.get()) {
        return None;
    }
    tables.repeat(STEPS, &mut walk);
    if walk.0.place == 0 { None } else { Some((walk.0.place, tables.nat_mapping(walk.0.place)?, walk.0.state)) }
}

/// Makes a mapping in the first free place of the subscriber's blocks: its number.
#[inline(always)]
fn make<T: Tables>(tables: &T, bits: u32, first: u32, wanted: u64, filter: u64) -> Option<u32> {
    let mut walk = Make(Walk { bits, number: first, i: 0, wanted, filter, place: 0, state: 0 });
    if !walk.step(tables) {
        tables.repeat(STEPS, &mut walk);
    }
    if walk.0.place == 0 { None } else { Some(walk.0.place) }
}

/// The phase after a packet from the inside.
#[inline(always)]
fn sent(ends: &Ends, phase: u32) -> u32 {
    match ends.protocol {
        UDP => Phase::UDP,
        TCP => {
            if ends.control & (FIN | RST) != 0 {
                Phase::CLOSING
            } else if ends.control & SYN != 0 {
                Phase::OPENING
            } else if phase == Phase::ANSWERED {
                Phase::ESTABLISHED
            } else {
                phase
            }
        }
        _ => Phase::ICMP,
    }
}

/// The phase after a packet from the internet.
#[inline(always)]
fn received(ends: &Ends, phase: u32) -> u32 {
    if ends.protocol != TCP || ends.embedded != 0 {
        phase
    } else if ends.control & (FIN | RST) != 0 {
        Phase::CLOSING
    } else if phase == Phase::OPENING {
        Phase::ANSWERED
    } else {
        phase
    }
}

/// The bits of a remote end, if they matter.
#[inline(always)]
fn remote_bits(nat: &Nat, ends: &Ends) -> u64 {
    match nat.filtering.get() {
        Filtering::ENDPOINT_INDEPENDENT => 0,
        Filtering::ADDRESS => Mapping::bits(ends.remote, 0),
        _ => Mapping::bits(ends.remote, ends.remote_port as u16),
    }
}

/// Judges a packet of `length` octets from the phone `ue`, whose first block is `first`.
#[inline(always)]
pub(crate) fn outward<P: Packet, T: Tables>(
    packet: &P,
    tables: &T,
    first: u32,
    ue: u32,
    ip: usize,
    length: u32,
) -> Outward {
    let (Some(nat), Some(block)) = (tables.nat(), tables.nat_block(first)) else { return Outward::More };
    let bits = nat.block_bits.get() & 15;
    if first == 0 || bits == 0 || block.inside.get() != ue {
        return Outward::More;
    }
    let rewrite = Rewrite { at: 12, old: ue, new: block.external.get(), ..Rewrite::NONE };
    let Some(ends) = ends(packet, tables, ip, length, true) else { return Outward::Drop(DropReason::NatProtocol) };
    if ends.later != 0 {
        return Outward::To(with_port(rewrite, &ends, 0));
    }
    let clock = nat.clock.get();
    let key = Mapping::compose(ends.protocol as u8, ends.port as u16, 0, 0);
    let filter = remote_bits(nat, &ends);
    let index = match find(tables, bits, first, block, key) {
        // An error about a mapping is no use of it.
        Some((index, _, state)) if ends.embedded != 0 => {
            if nat.over(state) {
                return Outward::Drop(DropReason::NatProtocol);
            }
            index
        }
        Some((index, mapping, state)) => {
            let over = nat.over(state);
            let phase = sent(&ends, if over { Phase::OPENING } else { Mapping::phase(state) });
            let now = Mapping::compose(ends.protocol as u8, ends.port as u16, phase, clock);
            if now != state {
                mapping.state.swap_if(state, now);
            }
            if over {
                mapping.filter.set(filter);
            } else if filter != 0 {
                let before = mapping.filter.get();
                if before & filter != filter {
                    mapping.filter.swap_if(before, before | filter);
                }
            }
            index
        }
        None if ends.embedded != 0 => return Outward::Drop(DropReason::NatProtocol),
        None => {
            let state = Mapping::compose(ends.protocol as u8, ends.port as u16, sent(&ends, Phase::OPENING), clock);
            let Some(index) = make(tables, bits, first, state, filter) else { return Outward::More };
            index
        }
    };
    Outward::To(with_port(rewrite, &ends, index & 0xffff))
}

#[inline(always)]
fn with_port(rewrite: Rewrite, ends: &Ends, port: u32) -> Rewrite {
    Rewrite {
        port_at: ends.port_at,
        old_port: ends.port,
        new_port: port,
        check_at: ends.check_at,
        protocol: ends.protocol,
        embedded: ends.embedded,
        ..rewrite
    }
}

/// The inside address of whoever has the external port that a packet at `ip` from the internet is for, in wire order; of an ICMP error, that
/// of the packet it is about. Only looks: for whoever watches.
#[inline(always)]
pub fn inside_of<P: Packet, T: Tables>(packet: &P, tables: &T, ip: usize) -> Option<u32> {
    let nat = tables.nat()?;
    if nat.count.get() == 0 {
        return None;
    }
    let (external, _) = nat.external(Address(packet.load32(ip + 16)?))?;
    let protocol = (u32::from_be(packet.load32(ip + 8)?) >> 16) as u8;
    let transport = ip + IPV4;
    let at = match protocol {
        PROTO_TCP | PROTO_UDP => transport + 2,
        // The identifier of an answer, or the source port of the packet that the error is about.
        PROTO_ICMP if u16::from_be(packet.load16(transport)?) >> 8 == 0 => transport + 4,
        PROTO_ICMP => transport + 8 + IPV4,
        _ => return None,
    };
    let port = u32::from(u16::from_be(packet.load16(at)?));
    let block = tables.nat_block((external << 16 | port) >> (nat.block_bits.get() & 15))?;
    Some(block.inside.get()).filter(|inside| *inside != 0)
}

/// Judges a packet of which it is not known yet whether it is for an external address.
#[inline(always)]
pub(crate) fn inward<P: Packet, T: Tables>(packet: &P, tables: &T, ip: usize) -> Inward {
    let Some(nat) = tables.nat() else { return Inward::Other };
    if nat.count.get() == 0 {
        return Inward::Other;
    }
    let Some(destination) = packet.load32(ip + 16) else { return Inward::Other };
    let Some((external, own)) = nat.external(Address(destination)) else { return Inward::Other };
    let nobody = |reason| if own { Inward::Kernel } else { Inward::Drop(reason) };
    let Some(first) = packet.load32(ip).map(u32::from_be) else { return Inward::Other };
    let length = first & 0xffff;
    // Whether all of it is there is seen where it is judged; what is read here is.
    // The last fragment may have a single octet.
    if first >> 24 != 0x45 || length <= IPV4 as u32 {
        return nobody(DropReason::NatProtocol);
    }
    let Some(ends) = ends(packet, tables, ip, length, false) else { return nobody(DropReason::NatProtocol) };
    let rewrite = Rewrite { at: 16, old: destination, new: 0, ..Rewrite::NONE };
    let leading = Fragment::key(Address(ends.remote), ends.identification as u16, external, ends.protocol as u8);
    if ends.later != 0 {
        return match led(tables, nat, leading) {
            Some(inside) => Inward::To(with_port(Rewrite { new: inside, ..rewrite }, &ends, 0)),
            None => Inward::Early(leading, own),
        };
    }
    let index = external << 16 | ends.port & 0xffff;
    let Some(mapping) = tables.nat_mapping(index) else { return nobody(DropReason::NatUnsolicited) };
    let state = mapping.state.get();
    if (state >> 16) as u32 & 0xff != ends.protocol || nat.over(state) {
        return nobody(DropReason::NatUnsolicited);
    }
    let Some(block) = tables.nat_block(index >> (nat.block_bits.get() & 15)) else {
        return nobody(DropReason::NatUnsolicited);
    };
    let inside = block.inside.get();
    if inside == 0 {
        return nobody(DropReason::NatUnsolicited);
    }
    let bits = remote_bits(nat, &ends);
    if mapping.filter.get() & bits != bits {
        return Inward::Drop(DropReason::NatFiltered);
    }
    let phase = received(&ends, Mapping::phase(state));
    if phase != Mapping::phase(state) {
        mapping.state.swap_if(state, Mapping::compose(ends.protocol as u8, state as u16, phase, (state >> 32) as u32));
    }
    if ends.more != 0 {
        lead(tables, nat, leading, inside);
    }
    Inward::To(with_port(Rewrite { new: inside, ..rewrite }, &ends, state as u32 & 0xffff))
}

/// Where the later fragments of this packet go.
#[inline(always)]
fn led<T: Tables>(tables: &T, nat: &Nat, key: u64) -> Option<u32> {
    let fragment = tables.nat_fragment(Fragment::place(key))?;
    let (before, value) = (fragment.key.get(), fragment.value.get());
    let age = nat.clock.get().wrapping_sub(value as u32);
    let inside = (value >> 32) as u32;
    if before != key || fragment.key.get() != key || inside <= Fragment::MOST_EARLY || age > nat.fragment_timeout.get()
    {
        return None;
    }
    Some(inside)
}

/// Whether a later fragment may wait for its first one: so many of a packet, for so long, and where the place is free.
#[inline(always)]
pub(crate) fn may_wait<T: Tables>(tables: &T, key: u64) -> bool {
    let (Some(nat), Some(fragment)) = (tables.nat(), tables.nat_fragment(Fragment::place(key))) else { return false };
    let (value, clock) = (fragment.value.get(), nat.clock.get());
    let (waiting, age) = ((value >> 32) as u32, clock.wrapping_sub(value as u32));
    if waiting > Fragment::MOST_EARLY {
        // Another packet's way, or an old one's.
        if age <= nat.fragment_timeout.get() {
            return false;
        }
    } else if waiting != 0 && age <= Fragment::EARLY_TIME {
        if fragment.key.get() != key || waiting == Fragment::MOST_EARLY {
            return false;
        }
        fragment.value.set(u64::from(waiting + 1) << 32 | u64::from(value as u32));
        return true;
    }
    fragment.value.set(0);
    fragment.key.set(key);
    fragment.value.set(1 << 32 | u64::from(clock));
    true
}

/// Gives a later fragment that waited, an IP packet without anything before it, the address of its phone. `None` as long as its first one
/// has not come.
///
/// # Errors
/// The reason to drop it; it may have been changed then.
pub fn late<P: Packet, T: Tables>(packet: &mut P, tables: &T) -> Option<Result<(), DropReason>> {
    let rewrite = match inward(packet, tables, 0) {
        Inward::Early(..) => return None,
        Inward::To(rewrite) => rewrite,
        Inward::Drop(reason) => return Some(Err(reason)),
        Inward::Kernel | Inward::Other => return Some(Err(DropReason::NatFragment)),
    };
    let alive = packet.load16(8).is_some_and(|word| u16::from_be(word) >> 8 > 1);
    let readdressed = alive && decrement_ttl(packet, 0).is_some() && translate(packet, 0, &rewrite).is_some();
    Some(if readdressed { Ok(()) } else { Err(DropReason::NatFragment) })
}

/// Remembers where the first fragment of a packet went.
#[inline(always)]
fn lead<T: Tables>(tables: &T, nat: &Nat, key: u64, inside: u32) {
    if let Some(fragment) = tables.nat_fragment(Fragment::place(key)) {
        fragment.value.set(0);
        fragment.key.set(key);
        fragment.value.set(u64::from(inside) << 32 | u64::from(nat.clock.get()));
    }
}

/// Whether an address is one of the external ones.
#[inline(always)]
pub(crate) fn is_external<T: Tables>(tables: &T, address: Address) -> bool {
    tables.nat().is_some_and(|nat| nat.external(address).is_some())
}

/// Changes the packet at `ip`, and its checksums by the differences (RFC 1624).
#[inline(always)]
pub(crate) fn translate<P: Packet>(packet: &mut P, ip: usize, rewrite: &Rewrite) -> Option<()> {
    if rewrite.at == 0 {
        return Some(());
    }
    let Rewrite { at, old, new, port_at, check_at, embedded, .. } = *rewrite;
    // As verifiers shall see.
    let (at, port_at, check_at) = (at & 0x1f, port_at & 0x7f, check_at & 0x7f);
    let address = halves(!old) + halves(new);
    mend(packet, ip + 10, address)?;
    packet.store32(ip + at as usize, new)?;
    if port_at == 0 {
        return Some(());
    }
    let (old_port, new_port) = ((rewrite.old_port as u16).to_be(), (rewrite.new_port as u16).to_be());
    let port = u32::from(!old_port) + u32::from(new_port);
    // What the ICMP checksum of an error must be mended by: everything that changes behind it.
    let mut message = port;
    if check_at != 0 {
        let there = packet.load16(ip + check_at as usize)?;
        let udp = rewrite.protocol == UDP;
        if !(udp && there == 0) {
            let covered = if rewrite.protocol == ICMP { port } else { port + address };
            let mut mended = fold(u32::from(!there) + covered);
            if udp && mended == 0 {
                mended = 0xffff;
            }
            packet.store16(ip + check_at as usize, mended)?;
            message += u32::from(!there) + u32::from(mended);
        }
    }
    packet.store16(ip + port_at as usize, new_port)?;
    if embedded != 0 {
        // Its header's own checksum hides the change of its address from the sum over the message.
        let header = ip + EMBEDDED as usize;
        mend(packet, header + 10, address)?;
        packet.store32(header + (28u32.wrapping_sub(at) & 0x1f) as usize, new)?;
        mend(packet, ip + 22, message)?;
    }
    Some(())
}

/// The two words of an address, added.
#[inline(always)]
fn halves(address: u32) -> u32 {
    (address & 0xffff) + (address >> 16)
}

#[inline(always)]
fn mend<P: Packet>(packet: &mut P, at: usize, difference: u32) -> Option<()> {
    let there = packet.load16(at)?;
    packet.store16(at, fold(u32::from(!there) + difference))
}

/// The reason to give a packet to user space when its subscriber needs more ports.
pub(crate) const MORE: PuntReason = PuntReason::NatPorts;

/// Translates a packet that leaves a phone; of one that comes back to a phone (`hairpin`) the other end, too, so that each sees the
/// other's external address (RFC 4787 REQ-9).
///
/// # Errors
/// The reason to drop it, when nobody has asked for what comes back. The packet has been changed then.
#[inline(always)]
pub fn leave<P: Packet, T: Tables>(
    packet: &mut P,
    tables: &T,
    ip: usize,
    rewrite: &Rewrite,
    hairpin: bool,
) -> Result<(), DropReason> {
    translate(packet, ip, rewrite).ok_or(DropReason::NoRoom)?;
    if !hairpin {
        return Ok(());
    }
    match inward(packet, tables, ip) {
        Inward::To(back) => translate(packet, ip, &back).ok_or(DropReason::NoRoom),
        Inward::Drop(reason) => Err(reason),
        Inward::Early(..) => Err(DropReason::NatFragment),
        Inward::Kernel | Inward::Other => Err(DropReason::ForbiddenDestination),
    }
}
