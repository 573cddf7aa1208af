//! Why octets are no Diameter message, in the words and numbers of RFC 6733 §7.1.

use crate::code::ResultCode;
use thiserror::Error;

/// Why a message cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum DecodeError {
    /// The version is not 1.
    #[error("version {0} is not Diameter's")]
    Version(u8),
    /// The length in the header is less than a header, no multiple of four, larger than permitted, or not what came.
    #[error("a message cannot be {0} octets long")]
    MessageLength(u32),
    /// Bits that must be zero are not, or an answer with the T bit, or a request with the E bit (§3).
    #[error("the header's flags {0:#04x} do not go together")]
    HeaderBits(u8),
    /// An AVP ends beyond what it lies in, or is shorter than its header.
    #[error("AVP {code} at octet {at} has the impossible length {length}")]
    AvpLength {
        /// Its code.
        code: u32,
        /// Its vendor; 0 is the IETF.
        vendor: u32,
        /// The length it claims.
        length: u32,
        /// Where in the message it begins.
        at: usize,
    },
    /// More AVPs than permitted, over all groups.
    #[error("more than {0} AVPs")]
    TooManyAvps(usize),
    /// Groups within groups deeper than permitted.
    #[error("groups are nested deeper than {0}")]
    TooDeep(usize),
    /// The value of an AVP is not of its type.
    #[error("AVP {code} is no {wanted}")]
    Value {
        /// Its code.
        code: u32,
        /// Its vendor; 0 is the IETF.
        vendor: u32,
        /// What it should be.
        wanted: &'static str,
    },
    /// An AVP that must be there is not.
    #[error("AVP {code} is missing")]
    Missing {
        /// Its code.
        code: u32,
        /// Its vendor; 0 is the IETF.
        vendor: u32,
    },
    /// An AVP that must be understood (the M bit) is not known.
    #[error("AVP {code} of vendor {vendor} is not known, and must be")]
    Unsupported {
        /// Its code.
        code: u32,
        /// Its vendor; 0 is the IETF.
        vendor: u32,
        /// Where in the message it begins.
        at: usize,
    },
    /// An AVP that may be there once is there more often.
    #[error("AVP {code} is there more than once")]
    Repeated {
        /// Its code.
        code: u32,
        /// Its vendor; 0 is the IETF.
        vendor: u32,
    },
}

impl DecodeError {
    /// What an answer says of it (§7.1).
    #[must_use]
    pub const fn result(self) -> ResultCode {
        match self {
            Self::Version(_) => ResultCode::UNSUPPORTED_VERSION,
            Self::MessageLength(_) => ResultCode::INVALID_MESSAGE_LENGTH,
            Self::HeaderBits(_) => ResultCode::INVALID_HDR_BITS,
            Self::AvpLength { .. } => ResultCode::INVALID_AVP_LENGTH,
            Self::TooManyAvps(_) => ResultCode::AVP_OCCURS_TOO_MANY_TIMES,
            Self::TooDeep(_) | Self::Value { .. } => ResultCode::INVALID_AVP_VALUE,
            Self::Missing { .. } => ResultCode::MISSING_AVP,
            Self::Unsupported { .. } => ResultCode::AVP_UNSUPPORTED,
            Self::Repeated { .. } => ResultCode::AVP_OCCURS_TOO_MANY_TIMES,
        }
    }

    /// Whether the stream it came on cannot be trusted any more: where the next message begins is not known.
    #[must_use]
    pub const fn ends_stream(self) -> bool {
        matches!(self, Self::Version(_) | Self::MessageLength(_))
    }
}
