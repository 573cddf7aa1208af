//! Enumerations of TS 36.413 §9.2. An extensible one can hold the index of a value that this release does not name.

use core::fmt;
use serde::{Deserialize, Serialize};

/// Defines an ENUMERATED: its values in the order of their PER indexes, and the words for each.
///
/// `root` is the number of values before the extension marker; an enumeration without one has no `Unknown`.
macro_rules! enumerated {
    ($(#[$doc:meta])* $name:ident, root $root:literal, extensible {
        $($(#[$vdoc:meta])* $variant:ident = $index:literal $words:literal,)*
    }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum $name {
            $($(#[$vdoc])* $variant,)*
            /// A value of a later release, by its index: root values first, then the additions.
            Unknown(u16),
        }

        impl $name {
            /// The index of the value: root values first, then the additions.
            #[must_use]
            pub const fn index(self) -> u16 {
                match self {
                    $($name::$variant => $index,)*
                    $name::Unknown(index) => index,
                }
            }

            /// The value of an index.
            #[must_use]
            pub const fn from_index(index: u16) -> Self {
                match index {
                    $($index => $name::$variant,)*
                    other => $name::Unknown(other),
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {
                    $($name::$variant => f.write_str($words),)*
                    $name::Unknown(index) => write!(f, "value {index} of a later release"),
                }
            }
        }

        impl $crate::codec::Value for $name {
            fn read(reader: &mut oxirush_aper::Reader<'_>) -> Result<Self, $crate::codec::ValueError> {
                $crate::codec::read_index(reader, $root).map(Self::from_index)
            }

            fn write(&self, writer: &mut oxirush_aper::Writer<'_>) -> Result<(), $crate::codec::ValueError> {
                writer.index(u64::from(self.index()), $root, true);
                Ok(())
            }
        }
    };
    ($(#[$doc:meta])* $name:ident, closed $count:literal {
        $($(#[$vdoc:meta])* $variant:ident = $index:literal $words:literal,)*
    }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum $name {
            $($(#[$vdoc])* $variant,)*
        }

        impl $name {
            /// The index of the value.
            #[must_use]
            pub const fn index(self) -> u16 {
                match self {
                    $($name::$variant => $index,)*
                }
            }

            /// The value of an index, where there is one.
            #[must_use]
            pub const fn from_index(index: u16) -> Option<Self> {
                match index {
                    $($index => Some($name::$variant),)*
                    _ => None,
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self {
                    $($name::$variant => $words,)*
                })
            }
        }

        impl $crate::codec::Value for $name {
            fn read(reader: &mut oxirush_aper::Reader<'_>) -> Result<Self, $crate::codec::ValueError> {
                let index = $crate::codec::read_closed_index(reader, $count)?;
                Self::from_index(index).ok_or($crate::codec::ValueError::Range("an enumerated value that does not exist"))
            }

            fn write(&self, writer: &mut oxirush_aper::Writer<'_>) -> Result<(), $crate::codec::ValueError> {
                writer.index(u64::from(self.index()), $count, false);
                Ok(())
            }
        }
    };
}
pub(crate) use enumerated;

enumerated! {
    /// What a receiver does with a procedure or IE that it does not comprehend (§10.3.2).
    Criticality, closed 3 {
        /// Reject the procedure.
        Reject = 0 "reject",
        /// Go on without it.
        Ignore = 1 "ignore",
        /// Go on without it and tell the sender.
        Notify = 2 "notify",
    }
}

enumerated! {
    /// Which message of a procedure (§9.2.1.21).
    TriggeringMessage, closed 3 {
        /// The message that starts the procedure.
        Initiating = 0 "initiating message",
        /// The answer that says it worked.
        Successful = 1 "successful outcome",
        /// The answer that says it did not.
        Unsuccessful = 2 "unsuccessful outcome",
    }
}

enumerated! {
    /// What was wrong with an IE (§9.2.1.21).
    TypeOfError, root 2, extensible {
        /// The receiver did not comprehend it.
        NotUnderstood = 0 "not understood",
        /// It was not there.
        Missing = 1 "missing",
    }
}

enumerated! {
    /// From which system to which a UE is handed over (§9.2.1.13).
    HandoverType, root 5, extensible {
        /// Within E-UTRAN.
        Intralte = 0 "within LTE",
        /// To UTRAN.
        Ltetoutran = 1 "LTE to UTRAN",
        /// To GERAN.
        Ltetogeran = 2 "LTE to GERAN",
        /// From UTRAN.
        Utrantolte = 3 "UTRAN to LTE",
        /// From GERAN.
        Gerantolte = 4 "GERAN to LTE",
        /// To 5GS.
        EpsTo5gs = 5 "EPS to 5GS",
        /// From 5GS.
        FivegsToEps = 6 "5GS to EPS",
    }
}

enumerated! {
    /// Whether source and target of a handover reach each other (§9.2.3.15).
    DirectForwardingPath, root 1, extensible {
        /// They do.
        Available = 0 "direct path available",
    }
}

enumerated! {
    /// How long a refused eNodeB or MME waits before it tries again (§9.2.1.61).
    TimeToWait, root 6, extensible {
        /// 1 s.
        S1 = 0 "1 s",
        /// 2 s.
        S2 = 1 "2 s",
        /// 5 s.
        S5 = 2 "5 s",
        /// 10 s.
        S10 = 3 "10 s",
        /// 20 s.
        S20 = 4 "20 s",
        /// 60 s.
        S60 = 5 "60 s",
    }
}

impl TimeToWait {
    /// The time in seconds, where this release defines it.
    #[must_use]
    pub const fn seconds(self) -> Option<u32> {
        match self {
            TimeToWait::S1 => Some(1),
            TimeToWait::S2 => Some(2),
            TimeToWait::S5 => Some(5),
            TimeToWait::S10 => Some(10),
            TimeToWait::S20 => Some(20),
            TimeToWait::S60 => Some(60),
            TimeToWait::Unknown(_) => None,
        }
    }
}

enumerated! {
    /// Paging DRX cycle in radio frames of 10 ms (§9.2.1.16).
    PagingDrx, root 4, extensible {
        /// 32 radio frames.
        Frames32 = 0 "32 frames",
        /// 64 radio frames.
        Frames64 = 1 "64 frames",
        /// 128 radio frames.
        Frames128 = 2 "128 frames",
        /// 256 radio frames.
        Frames256 = 3 "256 frames",
    }
}

enumerated! {
    /// Which core network domain a page is from (§9.2.3.22).
    CnDomain, closed 2 {
        /// Packet switched.
        Ps = 0 "packet switched",
        /// Circuit switched.
        Cs = 1 "circuit switched",
    }
}

enumerated! {
    /// Why the UE asked for a radio connection (§9.2.1.3a).
    RrcEstablishmentCause, root 5, extensible {
        /// Emergency call.
        Emergency = 0 "emergency",
        /// High priority access.
        HighPriorityAccess = 1 "high priority access",
        /// Answer to a page.
        MtAccess = 2 "mobile-terminated access",
        /// Signalling by the UE.
        MoSignalling = 3 "mobile-originated signalling",
        /// Data by the UE.
        MoData = 4 "mobile-originated data",
        /// Delay-tolerant access.
        DelayTolerantAccess = 5 "delay-tolerant access",
        /// Voice call by the UE.
        MoVoiceCall = 6 "mobile-originated voice call",
        /// Exception report by the UE.
        MoExceptionData = 7 "mobile-originated exception data",
    }
}

enumerated! {
    /// Where the GUMMEI that the UE gave comes from (§9.2.3.43).
    GummeiType, root 2, extensible {
        /// From an EPS GUTI.
        Native = 0 "native",
        /// Mapped from a P-TMSI and RAI.
        Mapped = 1 "mapped",
        /// Mapped from a 5G GUTI.
        MappedFrom5g = 2 "mapped from 5G",
    }
}

enumerated! {
    /// That a circuit switched fallback is wanted (§9.2.3.21).
    CsFallbackIndicator, root 1, extensible {
        /// Fallback.
        Required = 0 "CS fallback required",
        /// Fallback with high priority.
        HighPriority = 1 "CS fallback high priority",
    }
}

enumerated! {
    /// Paging priority (§9.2.1.78).
    PagingPriority, root 8, extensible {
        /// Highest.
        Level1 = 0 "level 1",
        /// Second.
        Level2 = 1 "level 2",
        /// Third.
        Level3 = 2 "level 3",
        /// Fourth.
        Level4 = 3 "level 4",
        /// Fifth.
        Level5 = 4 "level 5",
        /// Sixth.
        Level6 = 5 "level 6",
        /// Seventh.
        Level7 = 6 "level 7",
        /// Lowest.
        Level8 = 7 "level 8",
    }
}

enumerated! {
    /// Which signalling an overloaded MME wants less of (§9.2.3.20).
    OverloadAction, root 3, extensible {
        /// Reject RRC connections for non-emergency mobile-originated data.
        RejectNonEmergencyMoData = 0 "reject non-emergency mobile-originated data",
        /// Reject RRC connections for signalling.
        RejectSignalling = 1 "reject RRC signalling",
        /// Let in emergency sessions and mobile-terminated services only.
        PermitEmergencyAndMtOnly = 2 "permit emergency sessions and mobile-terminated services only",
        /// Let in high priority sessions and mobile-terminated services only.
        PermitHighPriorityAndMtOnly = 3 "permit high priority sessions and mobile-terminated services only",
        /// Reject delay-tolerant access.
        RejectDelayTolerantAccess = 4 "reject delay-tolerant access",
        /// Let in high priority sessions, exception reports and mobile-terminated services only.
        PermitHighPriorityAndExceptionReportingAndMtOnly = 5
            "permit high priority sessions, exception reports and mobile-terminated services only",
        /// Do not accept mobile-originated data or delay-tolerant access from CP CIoT devices.
        NotAcceptMoDataOrDelayTolerantFromCpCiot = 6
            "accept no mobile-originated data or delay-tolerant access from CP CIoT devices",
    }
}

enumerated! {
    /// Which other radio access technologies are closed to the UE (§9.2.1.22).
    ForbiddenInterRats, root 4, extensible {
        /// All.
        All = 0 "all",
        /// GERAN.
        Geran = 1 "GERAN",
        /// UTRAN.
        Utran = 2 "UTRAN",
        /// CDMA2000.
        Cdma2000 = 3 "CDMA2000",
        /// GERAN and UTRAN.
        GeranAndUtran = 4 "GERAN and UTRAN",
        /// CDMA2000 and UTRAN.
        Cdma2000AndUtran = 5 "CDMA2000 and UTRAN",
    }
}
