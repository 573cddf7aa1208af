//! Capabilities of the UE and features of the network.

use crate::codec::Element;
use core::fmt;
use serde::{Deserialize, Serialize};

/// Generates a value that is octets on the wire, at most `$max`, held in place.
macro_rules! short_octets {
    ($(#[$meta:meta])* $name:ident, $min:literal, $max:literal) => {
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub struct $name {
            len: u8,
            octets: [u8; $max],
        }

        impl $name {
            #[doc = concat!("From the octets on the wire; `None` for fewer than ", stringify!($min), " or more than ", stringify!($max), ".")]
            #[must_use]
            pub fn from_octets(octets: &[u8]) -> Option<Self> {
                let len = u8::try_from(octets.len()).ok()?;
                if !($min..=$max).contains(&len) {
                    return None;
                }
                let mut kept = [0; $max];
                kept.get_mut(..octets.len())?.copy_from_slice(octets);
                Some(Self { len, octets: kept })
            }

            /// The octets as they stand on the wire.
            #[must_use]
            pub fn octets(&self) -> &[u8] {
                self.octets.get(..usize::from(self.len)).unwrap_or(&[])
            }

        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "("))?;
                for octet in self.octets() {
                    write!(f, "{octet:02x}")?;
                }
                f.write_str(")")
            }
        }
    };
}

short_octets! {
    /// UE network capability (TS 24.301 §9.9.3.34): algorithms and features, octets kept as they came.
    UeNetworkCapability, 2, 15
}
short_octets! {
    /// MS network capability (TS 24.008 §10.5.5.12): GEA algorithms and 2G/3G features, octets kept as they came.
    MsNetworkCapability, 1, 15
}
short_octets! {
    /// UE security capability (TS 24.301 §9.9.3.36): what the network replays in SECURITY MODE COMMAND.
    UeSecurityCapability, 2, 5
}
short_octets! {
    /// UE additional security capability (TS 24.301 §9.9.3.53): 5G-EA and 5G-IA bits for dual connectivity.
    UeAdditionalSecurityCapability, 4, 4
}
short_octets! {
    /// EPS network feature support (TS 24.301 §9.9.3.12A): octets as they stand on the wire.
    EpsNetworkFeatureSupport, 1, 3
}

impl UeNetworkCapability {
    /// EEA bits: bit 7 (0x80) is EEA0, bit 6 EEA1, and so on.
    #[must_use]
    pub const fn eea(&self) -> u8 {
        self.octets[0]
    }

    /// EIA bits: bit 7 (0x80) is EIA0, bit 6 EIA1, and so on.
    #[must_use]
    pub const fn eia(&self) -> u8 {
        self.octets[1]
    }

    /// UEA bits (3G), when the UE sent them.
    #[must_use]
    pub fn uea(&self) -> Option<u8> {
        self.octets().get(2).copied()
    }

    /// UIA bits (3G, bits 7 to 1) without the UCS2 bit, when the UE sent them.
    #[must_use]
    pub fn uia(&self) -> Option<u8> {
        self.octets().get(3).map(|octet| octet & 0x7f)
    }

    /// The UE can be given a NAS message of many bearers (15 EPS bearers), octet 9.
    #[must_use]
    pub fn fifteen_bearers(&self) -> bool {
        self.octets().get(6).is_some_and(|octet| octet & 0x80 != 0)
    }

    /// The UE supports dual connectivity with NR (DCNR).
    #[must_use]
    pub fn dual_connectivity_nr(&self) -> bool {
        self.octets().get(6).is_some_and(|octet| octet & 0x10 != 0)
    }
}

impl UeSecurityCapability {
    /// EEA bits as in [`UeNetworkCapability::eea`].
    #[must_use]
    pub const fn eea(&self) -> u8 {
        self.octets[0]
    }

    /// EIA bits as in [`UeNetworkCapability::eia`].
    #[must_use]
    pub const fn eia(&self) -> u8 {
        self.octets[1]
    }
}

impl Default for EpsNetworkFeatureSupport {
    fn default() -> Self {
        Self { len: 2, octets: [0; 3] }
    }
}

impl EpsNetworkFeatureSupport {
    /// IMS voice over PS session in S1 mode supported.
    #[must_use]
    pub const fn ims_voice(&self) -> bool {
        self.octets[0] & 0x01 != 0
    }

    /// Sets [`EpsNetworkFeatureSupport::ims_voice`].
    #[must_use]
    pub const fn with_ims_voice(mut self, on: bool) -> Self {
        self.octets[0] = (self.octets[0] & !0x01) | on as u8;
        self
    }

    /// Emergency bearer services in S1 mode supported.
    #[must_use]
    pub const fn emergency_bearers(&self) -> bool {
        self.octets[0] & 0x02 != 0
    }

    /// Sets [`EpsNetworkFeatureSupport::emergency_bearers`].
    #[must_use]
    pub const fn with_emergency_bearers(mut self, on: bool) -> Self {
        self.octets[0] = (self.octets[0] & !0x02) | ((on as u8) << 1);
        self
    }
}

/// Codec of values that are octets on the wire.
macro_rules! octets_elements {
    ($($name:ident),*) => {$(
        impl Element for $name {
            fn read(octets: &[u8]) -> Option<Self> {
                Self::from_octets(octets)
            }

            fn write(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(self.octets());
            }
        }
    )*};
}
octets_elements!(
    UeNetworkCapability,
    MsNetworkCapability,
    UeSecurityCapability,
    UeAdditionalSecurityCapability,
    EpsNetworkFeatureSupport
);

impl MsNetworkCapability {
    /// GEA bits as the UE security capability has them: bit 7 (0x40) is GEA1, bit 6 GEA2, and so on (TS 24.008 §10.5.5.12:
    /// GEA1 is the first bit, GEA2 to GEA7 are the second octet's bits 7 to 2).
    #[must_use]
    pub fn gea(&self) -> u8 {
        (self.octets[0] & 0x80) >> 1 | self.octets[1] >> 1 & 0x3f
    }
}

impl UeSecurityCapability {
    /// What the network replays to a UE (TS 24.301 §9.9.3.36): EEA and EIA always; UEA and UIA when the UE has any algorithm
    /// for Iu or Gb mode (zero when only for Gb mode); GEA when it has any for Gb mode.
    #[must_use]
    pub fn replay_of(network: &UeNetworkCapability, ms: Option<&MsNetworkCapability>) -> Self {
        let (uea, uia) = (network.uea().unwrap_or(0), network.uia().unwrap_or(0));
        let gea = ms.map_or(0, MsNetworkCapability::gea);
        let octets = [network.eea(), network.eia(), uea, uia, gea];
        let len = match (uea | uia, gea) {
            (_, 1..) => 5,
            (1.., 0) => 4,
            (0, 0) => 2,
        };
        Self { len, octets }
    }

    /// GEA bits, when they are there.
    #[must_use]
    pub fn gea(&self) -> Option<u8> {
        self.octets().get(4).map(|octet| octet & 0x7f)
    }
}
