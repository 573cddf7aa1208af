//! Attribute-value pairs as they lie in a message (RFC 6733 §4).

use crate::DecodeError;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The name of an AVP: its code and its vendor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AvpId {
    /// The code.
    pub code: u32,
    /// The vendor; 0 is the IETF, and is not on the wire.
    pub vendor: u32,
}

impl AvpId {
    /// Of the IETF.
    #[must_use]
    pub const fn ietf(code: u32) -> Self {
        Self { code, vendor: crate::vendor::IETF }
    }

    /// Of 3GPP.
    #[must_use]
    pub const fn tgpp(code: u32) -> Self {
        Self { code, vendor: crate::vendor::TGPP }
    }
}

/// An AVP in a message.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Avp<'a> {
    /// Which.
    pub id: AvpId,
    /// Whether who does not know it must refuse the message (the M bit).
    pub mandatory: bool,
    /// Where in the message it begins, for reports.
    pub at: usize,
    /// Its value.
    pub data: &'a [u8],
}

/// Values may be keys, so they are not shown.
impl core::fmt::Debug for Avp<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let name = crate::dictionary::find(self.id).map_or("?", |info| info.name);
        write!(f, "{name}({}/{}, {} octets)", self.id.code, self.id.vendor, self.data.len())
    }
}

/// V, M and P bits of an AVP.
pub(crate) const VENDOR: u8 = 0x80;
pub(crate) const MANDATORY: u8 = 0x40;
/// Header octets without and with a vendor.
pub(crate) const SHORT: usize = 8;
pub(crate) const LONG: usize = 12;

/// The AVPs of a message or a group, one after the other. After an error there is nothing.
#[derive(Debug, Clone)]
pub struct Avps<'a> {
    rest: &'a [u8],
    at: usize,
}

impl<'a> Avps<'a> {
    /// The AVPs in these octets, which begin at `at` in their message.
    #[must_use]
    pub const fn new(octets: &'a [u8], at: usize) -> Self {
        Self { rest: octets, at }
    }

    /// The first AVP of this name; anything wrong before it is an error.
    ///
    /// # Errors
    /// [`DecodeError::AvpLength`].
    pub fn find(mut self, id: AvpId) -> Result<Option<Avp<'a>>, DecodeError> {
        self.find_map(|avp| match avp {
            Ok(avp) if avp.id != id => None,
            found => Some(found),
        })
        .transpose()
    }

    /// The AVP of this name, which must be there.
    ///
    /// # Errors
    /// [`DecodeError::Missing`], and as [`Avps::find`].
    pub fn need(self, id: AvpId) -> Result<Avp<'a>, DecodeError> {
        self.find(id)?.ok_or(DecodeError::Missing { code: id.code, vendor: id.vendor })
    }

    /// All AVPs of this name, as far as the octets can be read.
    pub fn all(self, id: AvpId) -> impl Iterator<Item = Avp<'a>> {
        self.map_while(Result::ok).filter(move |avp| avp.id == id)
    }
}

impl<'a> Iterator for Avps<'a> {
    type Item = Result<Avp<'a>, DecodeError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let read = read(self.rest, self.at);
        match read {
            Ok((avp, taken)) => {
                self.rest = self.rest.get(taken..).unwrap_or_default();
                self.at += taken;
                Some(Ok(avp))
            }
            Err(error) => {
                self.rest = &[];
                Some(Err(error))
            }
        }
    }
}

/// One AVP and how many octets it takes, padding included. The last one of a group may come without its padding: some peers do so.
fn read(octets: &[u8], at: usize) -> Result<(Avp<'_>, usize), DecodeError> {
    let code = octets.first_chunk().map_or(0, |code| u32::from_be_bytes(*code));
    let Some(&[_, _, _, _, flags, l0, l1, l2]) = octets.first_chunk::<SHORT>() else {
        let length = u32::try_from(octets.len()).unwrap_or(u32::MAX);
        return Err(DecodeError::AvpLength { code, vendor: crate::vendor::IETF, length, at });
    };
    let length = u32::from_be_bytes([0, l0, l1, l2]);
    let header = if flags & VENDOR == 0 { SHORT } else { LONG };
    let vendor = match flags & VENDOR {
        0 => crate::vendor::IETF,
        _ => octets.get(SHORT..).and_then(|rest| rest.first_chunk()).map_or(0, |vendor| u32::from_be_bytes(*vendor)),
    };
    let data = octets.get(header..length as usize).ok_or(DecodeError::AvpLength { code, vendor, length, at })?;
    let avp = Avp { id: AvpId { code, vendor }, mandatory: flags & MANDATORY != 0, at, data };
    let taken = (length as usize).next_multiple_of(4);
    Ok((avp, taken.min(octets.len())))
}

impl<'a> Avp<'a> {
    fn wrong(&self, wanted: &'static str) -> DecodeError {
        DecodeError::Value { code: self.id.code, vendor: self.id.vendor, wanted }
    }

    /// Another length than the type has (§7.1.5: DIAMETER_INVALID_AVP_LENGTH).
    fn wrong_length(&self) -> DecodeError {
        let header = if self.id.vendor == crate::vendor::IETF { SHORT } else { LONG };
        let length = u32::try_from(self.data.len() + header).unwrap_or(u32::MAX);
        DecodeError::AvpLength { code: self.id.code, vendor: self.id.vendor, length, at: self.at }
    }

    /// An Unsigned32, or an Enumerated (§4.2, §4.3.1).
    ///
    /// # Errors
    /// [`DecodeError::AvpLength`] for another length than four octets.
    pub fn u32(&self) -> Result<u32, DecodeError> {
        <[u8; 4]>::try_from(self.data).map(u32::from_be_bytes).map_err(|_| self.wrong_length())
    }

    /// An Integer32.
    ///
    /// # Errors
    /// As [`Avp::u32`].
    pub fn i32(&self) -> Result<i32, DecodeError> {
        <[u8; 4]>::try_from(self.data).map(i32::from_be_bytes).map_err(|_| self.wrong_length())
    }

    /// An Unsigned64.
    ///
    /// # Errors
    /// As [`Avp::u32`].
    pub fn u64(&self) -> Result<u64, DecodeError> {
        <[u8; 8]>::try_from(self.data).map(u64::from_be_bytes).map_err(|_| self.wrong_length())
    }

    /// A UTF8String without control characters, which nothing here needs and logs would suffer from.
    ///
    /// # Errors
    /// [`DecodeError::Value`].
    pub fn text(&self) -> Result<&'a str, DecodeError> {
        let text = core::str::from_utf8(self.data).map_err(|_| self.wrong("UTF8String"))?;
        if text.chars().any(char::is_control) {
            return Err(self.wrong("UTF8String without control characters"));
        }
        Ok(text)
    }

    /// A DiameterIdentity: the name of a host or realm in ASCII, 1 to 255 octets (§4.3.1).
    ///
    /// # Errors
    /// [`DecodeError::Value`].
    pub fn identity(&self) -> Result<&'a str, DecodeError> {
        let good = |octet: &u8| octet.is_ascii_alphanumeric() || b".-_".contains(octet);
        match core::str::from_utf8(self.data) {
            Ok(name) if (1..=255).contains(&name.len()) && self.data.iter().all(good) => Ok(name),
            _ => Err(self.wrong("DiameterIdentity")),
        }
    }

    /// An Address (§4.3.1): IPv4 or IPv6.
    ///
    /// # Errors
    /// [`DecodeError::Value`]; other families are not known here.
    pub fn address(&self) -> Result<IpAddr, DecodeError> {
        let (family, octets) = self.data.split_first_chunk::<2>().ok_or_else(|| self.wrong("Address"))?;
        let v4 = || <[u8; 4]>::try_from(octets).ok().map(|octets| Ipv4Addr::from(octets).into());
        let v6 = || <[u8; 16]>::try_from(octets).ok().map(|octets| Ipv6Addr::from(octets).into());
        let address = match u16::from_be_bytes(*family) {
            1 => v4(),
            2 => v6(),
            _ => None,
        };
        address.ok_or_else(|| self.wrong("Address"))
    }

    /// The AVPs of a Grouped value.
    #[must_use]
    pub const fn group(&self) -> Avps<'a> {
        let header = if self.id.vendor == crate::vendor::IETF { SHORT } else { LONG };
        Avps::new(self.data, self.at + header)
    }
}
