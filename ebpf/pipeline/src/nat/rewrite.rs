//! What a translation changes in a packet, and the change itself, checksums by their differences (RFC 1624).

use super::ends::{EMBEDDED, Ends, ICMP, UDP};
use crate::wire::fold;
use crate::{Packet, Tables};

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

    /// Of the source, addresses in wire order.
    #[inline(always)]
    pub(super) fn source(old: u32, new: u32) -> Self {
        Self { at: 12, old, new, ..Self::NONE }
    }

    /// Of the destination.
    #[inline(always)]
    pub(super) fn destination(old: u32, new: u32) -> Self {
        Self { at: 16, old, new, ..Self::NONE }
    }

    /// Of the port between these ends, too; to `port`, host order.
    #[inline(always)]
    pub(super) fn with_port(self, ends: &Ends, port: u32) -> Self {
        Self {
            port_at: ends.port_at,
            old_port: ends.port,
            new_port: port,
            check_at: ends.check_at,
            protocol: ends.protocol,
            embedded: ends.embedded,
            ..self
        }
    }

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
