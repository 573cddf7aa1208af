//! Numbers that have names: commands, applications, results.

/// What a message is about (RFC 6733 §3.1; TS 29.272 §7.1.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Command(pub u32);

macro_rules! names {
    ($type:ident; $($(#[$doc:meta])* $name:ident = $number:literal $text:literal,)*) => {
        impl $type {
            $($(#[$doc])* pub const $name: Self = Self($number);)*

            /// The name in the specifications, where this crate knows one.
            #[must_use]
            pub const fn name(self) -> Option<&'static str> {
                match self.0 { $($number => Some($text),)* _ => None }
            }
        }

        impl core::fmt::Display for $type {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                match self.name() {
                    Some(name) => f.write_str(name),
                    None => write!(f, "{}", self.0),
                }
            }
        }
    };
}

names! { Command;
    /// CER, CEA.
    CAPABILITIES_EXCHANGE = 257 "Capabilities-Exchange",
    /// RAR, RAA.
    RE_AUTH = 258 "Re-Auth",
    /// AAR, AAA (Rx).
    AA = 265 "AA",
    /// CCR, CCA (Gx, Gy).
    CREDIT_CONTROL = 272 "Credit-Control",
    /// ASR, ASA.
    ABORT_SESSION = 274 "Abort-Session",
    /// STR, STA.
    SESSION_TERMINATION = 275 "Session-Termination",
    /// DWR, DWA.
    DEVICE_WATCHDOG = 280 "Device-Watchdog",
    /// DPR, DPA.
    DISCONNECT_PEER = 282 "Disconnect-Peer",
    /// ULR, ULA.
    UPDATE_LOCATION = 316 "Update-Location",
    /// CLR, CLA.
    CANCEL_LOCATION = 317 "Cancel-Location",
    /// AIR, AIA.
    AUTHENTICATION_INFORMATION = 318 "Authentication-Information",
    /// IDR, IDA.
    INSERT_SUBSCRIBER_DATA = 319 "Insert-Subscriber-Data",
    /// DSR, DSA.
    DELETE_SUBSCRIBER_DATA = 320 "Delete-Subscriber-Data",
    /// PUR, PUA.
    PURGE_UE = 321 "Purge-UE",
    /// RSR, RSA.
    RESET = 322 "Reset",
    /// NOR, NOA.
    NOTIFY = 323 "Notify",
    /// ECR, ECA.
    ME_IDENTITY_CHECK = 324 "ME-Identity-Check",
}

/// What a message belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Application(pub u32);

names! { Application;
    /// Capabilities, watchdog, disconnection.
    BASE = 0 "Base",
    /// Credit control: Gy, Ro (RFC 8506).
    CREDIT_CONTROL = 4 "Credit-Control",
    /// Cx (TS 29.229).
    CX = 16777216 "Cx",
    /// Rx (TS 29.214).
    RX = 16777236 "Rx",
    /// Gx (TS 29.212).
    GX = 16777238 "Gx",
    /// S6a and S6d (TS 29.272).
    S6A = 16777251 "S6a",
    /// S13 and S13' (TS 29.272).
    S13 = 16777252 "S13",
    /// SWx (TS 29.273).
    SWX = 16777265 "SWx",
    /// Any: what a relay advertises (RFC 6733 §2.4).
    RELAY = 0xffff_ffff "Relay",
}

/// How a request ended (RFC 6733 §7.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ResultCode(pub u32);

names! { ResultCode;
    /// Done.
    SUCCESS = 2001 "DIAMETER_SUCCESS",
    /// The command is not known.
    COMMAND_UNSUPPORTED = 3001 "DIAMETER_COMMAND_UNSUPPORTED",
    /// No peer can take it.
    UNABLE_TO_DELIVER = 3002 "DIAMETER_UNABLE_TO_DELIVER",
    /// The realm is not known.
    REALM_NOT_SERVED = 3003 "DIAMETER_REALM_NOT_SERVED",
    /// The server cannot serve it now.
    TOO_BUSY = 3004 "DIAMETER_TOO_BUSY",
    /// It has been here before.
    LOOP_DETECTED = 3005 "DIAMETER_LOOP_DETECTED",
    /// Go elsewhere.
    REDIRECT_INDICATION = 3006 "DIAMETER_REDIRECT_INDICATION",
    /// The application is not served.
    APPLICATION_UNSUPPORTED = 3007 "DIAMETER_APPLICATION_UNSUPPORTED",
    /// Flags of the header that do not go together.
    INVALID_HDR_BITS = 3008 "DIAMETER_INVALID_HDR_BITS",
    /// Flags of an AVP that do not go together.
    INVALID_AVP_BITS = 3009 "DIAMETER_INVALID_AVP_BITS",
    /// A peer that is not known.
    UNKNOWN_PEER = 3010 "DIAMETER_UNKNOWN_PEER",
    /// Wrong credentials.
    AUTHENTICATION_REJECTED = 4001 "DIAMETER_AUTHENTICATION_REJECTED",
    /// No room.
    OUT_OF_SPACE = 4002 "DIAMETER_OUT_OF_SPACE",
    /// This connection is the one that is not needed.
    ELECTION_LOST = 4003 "DIAMETER_ELECTION_LOST",
    /// A mandatory AVP that is not known.
    AVP_UNSUPPORTED = 5001 "DIAMETER_AVP_UNSUPPORTED",
    /// A session that is not known.
    UNKNOWN_SESSION_ID = 5002 "DIAMETER_UNKNOWN_SESSION_ID",
    /// Not permitted.
    AUTHORIZATION_REJECTED = 5003 "DIAMETER_AUTHORIZATION_REJECTED",
    /// A value out of range.
    INVALID_AVP_VALUE = 5004 "DIAMETER_INVALID_AVP_VALUE",
    /// An AVP that must be there is not.
    MISSING_AVP = 5005 "DIAMETER_MISSING_AVP",
    /// An AVP that contradicts another.
    CONTRADICTING_AVPS = 5007 "DIAMETER_CONTRADICTING_AVPS",
    /// An AVP that must not be there.
    AVP_NOT_ALLOWED = 5008 "DIAMETER_AVP_NOT_ALLOWED",
    /// An AVP that is there too often.
    AVP_OCCURS_TOO_MANY_TIMES = 5009 "DIAMETER_AVP_OCCURS_TOO_MANY_TIMES",
    /// Nothing that both sides serve.
    NO_COMMON_APPLICATION = 5010 "DIAMETER_NO_COMMON_APPLICATION",
    /// A version that is not known.
    UNSUPPORTED_VERSION = 5011 "DIAMETER_UNSUPPORTED_VERSION",
    /// It cannot be done.
    UNABLE_TO_COMPLY = 5012 "DIAMETER_UNABLE_TO_COMPLY",
    /// A reserved flag of the header is set.
    INVALID_BIT_IN_HEADER = 5013 "DIAMETER_INVALID_BIT_IN_HEADER",
    /// An AVP of an impossible length.
    INVALID_AVP_LENGTH = 5014 "DIAMETER_INVALID_AVP_LENGTH",
    /// A message of an impossible length.
    INVALID_MESSAGE_LENGTH = 5015 "DIAMETER_INVALID_MESSAGE_LENGTH",
    /// No security that both sides know.
    NO_COMMON_SECURITY = 5017 "DIAMETER_NO_COMMON_SECURITY",
}

impl ResultCode {
    /// Whether it says success: 2xxx.
    #[must_use]
    pub const fn is_success(self) -> bool {
        self.0 / 1000 == 2
    }

    /// Whether it is a protocol error, which an answer with the E bit tells (§7.1.3): 3xxx.
    #[must_use]
    pub const fn is_protocol_error(self) -> bool {
        self.0 / 1000 == 3
    }
}

/// Vendors (IANA's Private Enterprise Numbers).
pub mod vendor {
    /// The IETF: AVPs without a vendor.
    pub const IETF: u32 = 0;
    /// 3GPP.
    pub const TGPP: u32 = 10415;
    /// ETSI.
    pub const ETSI: u32 = 13019;
}
