//! Messages in the making: AVPs written one after the other, groups around them.

use crate::avp::{AvpId, LONG, MANDATORY, SHORT, VENDOR};
use crate::dictionary;
use crate::message::{HEADER, Header, Message};
use core::net::IpAddr;

/// Writes one message into octets of its own.
///
/// Whether an AVP has the M bit is the dictionary's to say; AVPs that it does not know are written without.
#[derive(Debug, Clone)]
pub struct Writer {
    octets: Vec<u8>,
}

impl Writer {
    /// Begins a message.
    #[must_use]
    pub fn new(header: &Header) -> Self {
        Self::into(header, Vec::with_capacity(512))
    }

    /// Begins a message in octets that were used before; what is in them goes.
    #[must_use]
    pub fn into(header: &Header, mut octets: Vec<u8>) -> Self {
        octets.clear();
        octets.extend([1, 0, 0, 0]);
        octets.extend(header.command.0.to_be_bytes());
        octets[4] = header.flags();
        octets.extend(header.application.0.to_be_bytes());
        octets.extend(header.hop_by_hop.to_be_bytes());
        octets.extend(header.end_to_end.to_be_bytes());
        Self { octets }
    }

    /// The message, whole. Longer than 16 MiB there is none: what is too long loses its end, whole AVPs of it, which who reads it
    /// finds missing.
    #[must_use]
    pub fn finish(mut self) -> Vec<u8> {
        let length = u32::try_from(self.octets.len()).unwrap_or(u32::MAX).min(0x00ff_fffc);
        self.octets.truncate(length as usize);
        if let Some(place) = self.octets.get_mut(1..4) {
            place.copy_from_slice(&length.to_be_bytes()[1..]);
        }
        self.octets
    }

    /// An AVP with these octets.
    pub fn octets(&mut self, id: AvpId, data: &[u8]) -> &mut Self {
        let mandatory = dictionary::find(id).is_some_and(|info| info.mandatory);
        self.raw(id, mandatory, data)
    }

    /// An AVP with these octets, and the M bit as told.
    pub fn raw(&mut self, id: AvpId, mandatory: bool, data: &[u8]) -> &mut Self {
        let at = self.begin(id, mandatory);
        self.octets.extend_from_slice(data);
        self.end(at);
        self
    }

    /// An Unsigned32 or an Enumerated.
    pub fn u32(&mut self, id: AvpId, value: u32) -> &mut Self {
        self.octets(id, &value.to_be_bytes())
    }

    /// An Unsigned64.
    pub fn u64(&mut self, id: AvpId, value: u64) -> &mut Self {
        self.octets(id, &value.to_be_bytes())
    }

    /// A UTF8String or a DiameterIdentity.
    pub fn text(&mut self, id: AvpId, value: &str) -> &mut Self {
        self.octets(id, value.as_bytes())
    }

    /// An Address.
    pub fn address(&mut self, id: AvpId, address: IpAddr) -> &mut Self {
        match address {
            IpAddr::V4(address) => {
                let [a, b, c, d] = address.octets();
                self.octets(id, &[0, 1, a, b, c, d])
            }
            IpAddr::V6(address) => {
                let mut data = [0; 18];
                data[1] = 2;
                data[2..].copy_from_slice(&address.octets());
                self.octets(id, &data)
            }
        }
    }

    /// A Grouped, with what `fill` writes into it.
    pub fn group(&mut self, id: AvpId, fill: impl FnOnce(&mut Self)) -> &mut Self {
        let mandatory = dictionary::find(id).is_some_and(|info| info.mandatory);
        let at = self.begin(id, mandatory);
        fill(self);
        self.end(at);
        self
    }

    /// All AVPs of a received message but those of some names, as they came. AVPs that nobody here knows are passed on too.
    pub fn copy(&mut self, message: &Message<'_>, but: &[AvpId]) -> &mut Self {
        for avp in message.avps().map_while(Result::ok).filter(|avp| !but.contains(&avp.id)) {
            self.raw(avp.id, avp.mandatory, avp.data);
        }
        self
    }

    fn begin(&mut self, id: AvpId, mandatory: bool) -> usize {
        let at = self.octets.len();
        let mandatory = if mandatory { MANDATORY } else { 0 };
        self.octets.extend(id.code.to_be_bytes());
        if id.vendor == crate::vendor::IETF {
            self.octets.extend([mandatory, 0, 0, 0]);
        } else {
            self.octets.extend([mandatory | VENDOR, 0, 0, 0]);
            self.octets.extend(id.vendor.to_be_bytes());
        }
        debug_assert!(self.octets.len() - at == if id.vendor == 0 { SHORT } else { LONG }, "an AVP's header");
        at
    }

    /// The length of an AVP that began there, and its padding.
    fn end(&mut self, at: usize) {
        let length = u32::try_from(self.octets.len() - at).unwrap_or(u32::MAX).min(0x00ff_ffff);
        if let Some(place) = self.octets.get_mut(at + 5..at + 8) {
            place.copy_from_slice(&length.to_be_bytes()[1..]);
        }
        self.octets.resize(self.octets.len().next_multiple_of(4), 0);
    }
}

const _: () = assert!(HEADER == 20, "what `into` writes");
