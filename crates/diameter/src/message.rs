//! Messages: the header, and a view of one that was received (RFC 6733 §3).

use crate::avp::{Avp, AvpId, Avps};
use crate::code::{Application, Command, ResultCode};
use crate::{DecodeError, dictionary};

/// Octets of a header.
pub const HEADER: usize = 20;

const REQUEST: u8 = 0x80;
const PROXIABLE: u8 = 0x40;
const ERROR: u8 = 0x20;
const RETRANSMITTED: u8 = 0x10;

/// The header of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Header {
    /// A request, or an answer.
    pub request: bool,
    /// Whether agents may pass it on.
    pub proxiable: bool,
    /// An answer that tells a protocol error.
    pub error: bool,
    /// A request that may have been sent before, over another connection.
    pub retransmitted: bool,
    /// What it is about.
    pub command: Command,
    /// What it belongs to.
    pub application: Application,
    /// Pairs request and answer on one connection.
    pub hop_by_hop: u32,
    /// Names the request, together with Origin-Host, for minutes: by it duplicates are known.
    pub end_to_end: u32,
}

impl Header {
    /// Of a request; identifiers are set by who sends it.
    #[must_use]
    pub const fn request(command: Command, application: Application) -> Self {
        let proxiable = application.0 != Application::BASE.0;
        Self {
            request: true,
            proxiable,
            error: false,
            retransmitted: false,
            command,
            application,
            hop_by_hop: 0,
            end_to_end: 0,
        }
    }

    /// Of the answer to this request.
    #[must_use]
    pub const fn answer(self) -> Self {
        Self { request: false, error: false, retransmitted: false, ..self }
    }

    pub(crate) fn flags(&self) -> u8 {
        [(self.request, REQUEST), (self.proxiable, PROXIABLE), (self.error, ERROR), (self.retransmitted, RETRANSMITTED)]
            .into_iter()
            .fold(0, |flags, (set, bit)| if set { flags | bit } else { flags })
    }
}

/// What one peer may ask of the reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Octets of a message.
    pub message: u32,
    /// AVPs of a message, over all groups.
    pub avps: usize,
    /// Groups within groups.
    pub depth: usize,
}

impl Default for Limits {
    /// Far above what an Update-Location-Answer with every option needs (a few thousand octets, hundreds of AVPs, five groups deep).
    fn default() -> Self {
        Self { message: 256 * 1024, avps: 8192, depth: 16 }
    }
}

/// How long the message at the beginning of a stream is; `None` while too little of it has come to tell.
///
/// # Errors
/// [`DecodeError::Version`] or [`DecodeError::MessageLength`]: the stream is lost.
pub fn framed(stream: &[u8], limits: &Limits) -> Result<Option<usize>, DecodeError> {
    let Some(&[version, l0, l1, l2]) = stream.first_chunk::<4>() else { return Ok(None) };
    if version != 1 {
        return Err(DecodeError::Version(version));
    }
    let length = u32::from_be_bytes([0, l0, l1, l2]);
    if (length as usize) < HEADER || !length.is_multiple_of(4) || length > limits.message {
        return Err(DecodeError::MessageLength(length));
    }
    Ok(Some(length as usize))
}

/// A message that was received, in its octets.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Message<'a> {
    /// Its header.
    pub header: Header,
    octets: &'a [u8],
}

impl core::fmt::Debug for Message<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Message").field("header", &self.header).field("avps", &self.avps().collect::<Vec<_>>()).finish()
    }
}

impl<'a> Message<'a> {
    /// Reads a message: the header, and that all AVPs lie within their bounds, in groups as well where the dictionary says that
    /// there are any.
    ///
    /// # Errors
    /// What is wrong with it. The header may still be readable, for an answer: [`Message::header_of`].
    pub fn decode(octets: &'a [u8], limits: &Limits) -> Result<Self, DecodeError> {
        let length = framed(octets, limits)?.filter(|length| *length == octets.len());
        let told = u32::try_from(octets.len()).unwrap_or(u32::MAX);
        length.ok_or(DecodeError::MessageLength(told))?;
        let header = Self::header_of(octets).ok_or(DecodeError::MessageLength(told))?;
        let flags = octets.get(4).copied().unwrap_or_default();
        let wrong = flags & 0x0f != 0 || (header.request && header.error) || (!header.request && header.retransmitted);
        if wrong {
            return Err(DecodeError::HeaderBits(flags));
        }
        let message = Self { header, octets };
        let mut count = 0;
        check(message.avps(), 0, &mut count, limits)?;
        Ok(message)
    }

    /// A message that [`Message::decode`] has found sound before: not looked through once more. Of one that it has not, AVPs come as far
    /// as they can be read, and there is no bound to how deep groups lie.
    #[must_use]
    pub fn sound(octets: &'a [u8]) -> Option<Self> {
        Self::header_of(octets).map(|header| Self { header, octets })
    }

    /// The header alone, as far as it can be told.
    #[must_use]
    pub fn header_of(octets: &[u8]) -> Option<Header> {
        let header = octets.first_chunk::<HEADER>()?;
        let word = |at: usize| header.get(at..at + 4)?.first_chunk().map(|word| u32::from_be_bytes(*word));
        let flags = header[4];
        Some(Header {
            request: flags & REQUEST != 0,
            proxiable: flags & PROXIABLE != 0,
            error: flags & ERROR != 0,
            retransmitted: flags & RETRANSMITTED != 0,
            command: Command(word(4)? & 0x00ff_ffff),
            application: Application(word(8)?),
            hop_by_hop: word(12)?,
            end_to_end: word(16)?,
        })
    }

    /// All of it.
    #[must_use]
    pub const fn octets(&self) -> &'a [u8] {
        self.octets
    }

    /// Its AVPs.
    #[must_use]
    pub fn avps(&self) -> Avps<'a> {
        Avps::new(self.octets.get(HEADER..).unwrap_or_default(), HEADER)
    }

    /// The first AVP of this name.
    #[must_use]
    pub fn find(&self, id: AvpId) -> Option<Avp<'a>> {
        self.avps().find(id).ok().flatten()
    }

    /// The AVP of this name, which must be there.
    ///
    /// # Errors
    /// [`DecodeError::Missing`].
    pub fn need(&self, id: AvpId) -> Result<Avp<'a>, DecodeError> {
        self.avps().need(id)
    }

    /// Whether AVPs of these names, 64 at most, are there once at most each, not counting groups.
    ///
    /// # Errors
    /// [`DecodeError::Repeated`].
    pub fn once(&self, ids: &[AvpId]) -> Result<(), DecodeError> {
        let mut seen = 0_u64;
        for avp in self.avps().map_while(Result::ok) {
            let Some(place) = ids.iter().take(64).position(|id| *id == avp.id) else { continue };
            if seen & (1 << place) != 0 {
                return Err(DecodeError::Repeated { code: avp.id.code, vendor: avp.id.vendor });
            }
            seen |= 1 << place;
        }
        Ok(())
    }

    /// Whether all AVPs that must be understood are known, in groups as well (RFC 6733 §4.1).
    ///
    /// # Errors
    /// [`DecodeError::Unsupported`].
    pub fn understood(&self) -> Result<(), DecodeError> {
        match crate::failed::unsupported(self.avps(), 0) {
            Some(avp) => Err(DecodeError::Unsupported { code: avp.id.code, vendor: avp.id.vendor, at: avp.at }),
            None => Ok(()),
        }
    }

    /// How it ended, of an answer: Result-Code, or the code of Experimental-Result with its vendor (RFC 6733 §7.1, §7.6).
    ///
    /// # Errors
    /// There is neither, or it is no number.
    pub fn outcome(&self) -> Result<Outcome, DecodeError> {
        if let Some(code) = self.find(dictionary::RESULT_CODE) {
            return Ok(Outcome::Base(ResultCode(code.u32()?)));
        }
        let Some(group) = self.find(dictionary::EXPERIMENTAL_RESULT) else {
            return Err(self.need(dictionary::RESULT_CODE).err().unwrap_or(DecodeError::MessageLength(0)));
        };
        let vendor = group.group().find(dictionary::VENDOR_ID)?.map_or(Ok(0), |vendor| vendor.u32())?;
        let code = group.group().need(dictionary::EXPERIMENTAL_RESULT_CODE)?.u32()?;
        Ok(Outcome::Experimental { vendor, code })
    }
}

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// By the base protocol's code.
    Base(ResultCode),
    /// By a vendor's.
    Experimental {
        /// Whose; 0 where it was not told.
        vendor: u32,
        /// The code.
        code: u32,
    },
}

impl Outcome {
    /// Whether it says success.
    #[must_use]
    pub const fn is_success(self) -> bool {
        match self {
            Self::Base(code) => code.is_success(),
            Self::Experimental { code, .. } => code / 1000 == 2,
        }
    }
}

/// Whether all lies within its bounds. The stack is as deep as the groups may be.
fn check(avps: Avps<'_>, depth: usize, count: &mut usize, limits: &Limits) -> Result<(), DecodeError> {
    if depth > limits.depth {
        return Err(DecodeError::TooDeep(limits.depth));
    }
    for avp in avps {
        let avp = avp?;
        *count += 1;
        if *count > limits.avps {
            return Err(DecodeError::TooManyAvps(limits.avps));
        }
        if dictionary::find(avp.id).is_some_and(|info| info.kind == dictionary::Kind::Grouped) {
            check(avp.group(), depth + 1, count, limits)?;
        }
    }
    Ok(())
}
