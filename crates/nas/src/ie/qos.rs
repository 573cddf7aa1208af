//! Quality of service: EPS QoS (TS 24.301 §9.9.4.3) and APN-AMBR (§9.9.4.2), with their extensions.
//!
//! A rate is written in up to three octets of growing range; the wire can only say some rates. Encoding takes the lowest rate
//! the wire can say that is not below the one given, so that a UE is never told less than it has.

use crate::codec::Element;
use basalt_ids::Qci;
use serde::{Deserialize, Serialize};

/// A bit rate in kbit/s.
pub type BitRate = u64;

/// EPS quality of service (TS 24.301 §9.9.4.3). Guaranteed bearers have the four rates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct EpsQos {
    /// QoS class.
    pub qci: Qci,
    /// How many rate octets there are: 0, 4, 8 or 12.
    len: u8,
    /// The octets after the QCI as they stand on the wire.
    rates: [u8; 12],
}

/// The rates of a guaranteed bearer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct GbrRates {
    /// Maximum uplink rate, kbit/s.
    pub max_uplink: BitRate,
    /// Maximum downlink rate, kbit/s.
    pub max_downlink: BitRate,
    /// Guaranteed uplink rate, kbit/s.
    pub guaranteed_uplink: BitRate,
    /// Guaranteed downlink rate, kbit/s.
    pub guaranteed_downlink: BitRate,
}

/// APN aggregate maximum bit rate (TS 24.301 §9.9.4.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ApnAmbr {
    /// How many octets there are: 2, 4 or 6.
    len: u8,
    /// The octets as they stand on the wire: downlink and uplink, extended, extended-2.
    octets: [u8; 6],
}

/// Extended APN aggregate maximum bit rate (TS 24.301 §9.9.4.29), for more than 65 280 Mbit/s; as it stands on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ExtendedApnAmbr(pub [u8; 6]);

/// Extended EPS quality of service (TS 24.301 §9.9.4.30), for rates above 10 Gbit/s; as it stands on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ExtendedEpsQos(pub [u8; 10]);

/// A step range of a rate octet: the codes up to `last` count `step` kbit/s each from `base` on, `base` being code `first - 1`.
struct Steps {
    first: u8,
    last: u8,
    base: BitRate,
    step: BitRate,
}

/// First octet: 1 kbit/s to 8640 kbit/s.
const NARROW: [Steps; 3] = [
    Steps { first: 1, last: 63, base: 0, step: 1 },
    Steps { first: 64, last: 127, base: 56, step: 8 },
    Steps { first: 128, last: 254, base: 512, step: 64 },
];
/// Extended octet: 8700 kbit/s to 256 Mbit/s.
const EXTENDED: [Steps; 3] = [
    Steps { first: 1, last: 74, base: 8_600, step: 100 },
    Steps { first: 75, last: 186, base: 16_000, step: 1_000 },
    Steps { first: 187, last: 250, base: 128_000, step: 2_000 },
];
/// Second extended octet of EPS QoS: 260 Mbit/s to 10 Gbit/s.
const EXTENDED_2: [Steps; 3] = [
    Steps { first: 1, last: 61, base: 256_000, step: 4_000 },
    Steps { first: 62, last: 161, base: 500_000, step: 10_000 },
    Steps { first: 162, last: 246, base: 1_500_000, step: 100_000 },
];
/// Second extended octet of APN-AMBR counts these.
const AMBR_UNIT: BitRate = 256_000;
/// The first octet beside an extended one: "8640 kbit/s".
const NARROW_FULL: u8 = 254;
/// The first octet for a rate of zero.
const NARROW_ZERO: u8 = 255;

/// The rate of a code; `None` for codes outside the steps.
fn rate_of(steps: &[Steps], code: u8) -> Option<BitRate> {
    steps
        .iter()
        .find(|range| (range.first..=range.last).contains(&code))
        .map(|range| range.base + u64::from(code - range.first + 1) * range.step)
}

/// The code of the lowest rate that is not below `rate`; `None` when all are.
fn code_of(steps: &[Steps], rate: BitRate) -> Option<u8> {
    steps.iter().find_map(|range| {
        let count = rate.saturating_sub(range.base).div_ceil(range.step).max(1);
        let code = count.saturating_add(u64::from(range.first) - 1);
        u8::try_from(code).ok().filter(|code| *code <= range.last)
    })
}

/// First and extended octet of a rate up to 256 Mbit/s; `None` above.
fn two_octets(rate: BitRate) -> Option<(u8, u8)> {
    if rate == 0 {
        return Some((NARROW_ZERO, 0));
    }
    match code_of(&NARROW, rate) {
        Some(code) => Some((code, 0)),
        None => code_of(&EXTENDED, rate).map(|code| (NARROW_FULL, code)),
    }
}

/// The rate of first and extended octet. Unused codes of the extended octet are taken for the highest.
fn rate_of_two(narrow: u8, extended: u8) -> BitRate {
    match (narrow, extended) {
        (NARROW_ZERO, 0) => 0,
        (code, 0) => rate_of(&NARROW, code).unwrap_or(0),
        (_, code) => rate_of(&EXTENDED, code).unwrap_or(256_000),
    }
}

impl EpsQos {
    /// Quality of a bearer without guaranteed rates.
    #[must_use]
    pub const fn non_gbr(qci: Qci) -> Self {
        Self { qci, len: 0, rates: [0; 12] }
    }

    /// Quality of a guaranteed bearer. Rates above 10 Gbit/s are written as 10 Gbit/s.
    #[must_use]
    pub fn gbr(qci: Qci, rates: &GbrRates) -> Self {
        let rates = [rates.max_uplink, rates.max_downlink, rates.guaranteed_uplink, rates.guaranteed_downlink];
        let mut octets = [0; 12];
        let mut len = 4;
        for (at, rate) in rates.into_iter().enumerate() {
            let (narrow, extended, extended_2) = match two_octets(rate) {
                Some((narrow, extended)) => (narrow, extended, 0),
                None => (NARROW_FULL, 250, code_of(&EXTENDED_2, rate).unwrap_or(246)),
            };
            len = len.max(match (extended, extended_2) {
                (_, 1..) => 12,
                (1.., 0) => 8,
                (0, 0) => 4,
            });
            (octets[at], octets[at + 4], octets[at + 8]) = (narrow, extended, extended_2);
        }
        Self { qci, len, rates: octets }
    }

    /// The rates of a guaranteed bearer; `None` when there are none.
    #[must_use]
    pub fn rates(&self) -> Option<GbrRates> {
        if self.len < 4 {
            return None;
        }
        let rate = |at: usize| {
            rate_of(&EXTENDED_2, self.rates[at + 8]).unwrap_or_else(|| rate_of_two(self.rates[at], self.rates[at + 4]))
        };
        Some(GbrRates {
            max_uplink: rate(0),
            max_downlink: rate(1),
            guaranteed_uplink: rate(2),
            guaranteed_downlink: rate(3),
        })
    }
}

impl Element for EpsQos {
    fn read(octets: &[u8]) -> Option<Self> {
        let (&qci, rest) = octets.split_first()?;
        let mut rates = [0; 12];
        rates.get_mut(..rest.len())?.copy_from_slice(rest);
        Some(Self { qci: Qci(qci), len: u8::try_from(rest.len()).ok()?, rates })
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.push(self.qci.0);
        out.extend(self.rates.iter().take(usize::from(self.len)));
    }
}

impl ApnAmbr {
    /// From rates in kbit/s. Above 65 280 Mbit/s the element says that, and [`ExtendedApnAmbr`] is needed for the rest.
    #[must_use]
    pub fn new(downlink: BitRate, uplink: BitRate) -> Self {
        let (down, up) = (Self::three_octets(downlink), Self::three_octets(uplink));
        let octets = [down[0], up[0], down[1], up[1], down[2], up[2]];
        let len = match octets {
            [_, _, 0, 0, 0, 0] => 2,
            [_, _, _, _, 0, 0] => 4,
            _ => 6,
        };
        Self { len, octets }
    }

    fn three_octets(rate: BitRate) -> [u8; 3] {
        if let Some((narrow, extended)) = two_octets(rate) {
            return [narrow, extended, 0];
        }
        let units = u8::try_from(rate / AMBR_UNIT).unwrap_or(254).min(254);
        let rest = rate - u64::from(units) * AMBR_UNIT;
        match two_octets(rest) {
            Some((narrow, extended)) => [narrow, extended, units],
            None => [NARROW_FULL, 250, units],
        }
    }

    /// Downlink rate, kbit/s.
    #[must_use]
    pub fn downlink(&self) -> BitRate {
        let [narrow, _, extended, _, units, _] = self.octets;
        rate_of_two(narrow, extended) + u64::from(units) * AMBR_UNIT
    }

    /// Uplink rate, kbit/s.
    #[must_use]
    pub fn uplink(&self) -> BitRate {
        let [_, narrow, _, extended, _, units] = self.octets;
        rate_of_two(narrow, extended) + u64::from(units) * AMBR_UNIT
    }
}

impl Element for ApnAmbr {
    fn read(octets: &[u8]) -> Option<Self> {
        if !(2..=6).contains(&octets.len()) {
            return None;
        }
        let mut kept = [0; 6];
        kept.get_mut(..octets.len())?.copy_from_slice(octets);
        Some(Self { len: u8::try_from(octets.len()).ok()?, octets: kept })
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.extend(self.octets.iter().take(usize::from(self.len)));
    }
}

impl Element for ExtendedApnAmbr {
    fn read(octets: &[u8]) -> Option<Self> {
        octets.try_into().ok().map(Self)
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.extend(self.0);
    }
}

impl Element for ExtendedEpsQos {
    fn read(octets: &[u8]) -> Option<Self> {
        octets.try_into().ok().map(Self)
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.extend(self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn octets<T: Element>(value: &T) -> Vec<u8> {
        let mut out = Vec::new();
        value.write(&mut out);
        out
    }

    #[test]
    fn narrow_rates_have_three_step_sizes() {
        for (rate, code) in [(1, 1), (63, 63), (64, 64), (568, 127), (576, 128), (8640, 254)] {
            assert_eq!(code_of(&NARROW, rate), Some(code), "{rate}");
            assert_eq!(rate_of(&NARROW, code), Some(rate), "{code}");
        }
    }

    #[test]
    fn extended_rates_have_three_step_sizes() {
        for (rate, code) in [(8_700, 1), (16_000, 74), (17_000, 75), (128_000, 186), (130_000, 187), (256_000, 250)] {
            assert_eq!(code_of(&EXTENDED, rate), Some(code), "{rate}");
            assert_eq!(rate_of(&EXTENDED, code), Some(rate), "{code}");
        }
        for (rate, code) in [(260_000, 1), (500_000, 61), (1_500_000, 161), (10_000_000, 246)] {
            assert_eq!(code_of(&EXTENDED_2, rate), Some(code), "{rate}");
        }
    }

    #[test]
    fn the_example_of_the_specification_for_510_megabits() {
        // TS 24.301 §9.9.4.2, note on octet 7: 510 Mbit/s is one unit of 256 and 254 Mbit/s beside it.
        let ambr = ApnAmbr::new(510_000, 1_000);
        assert_eq!(octets(&ambr), [0xfe, 0x87, 0xf9, 0x00, 0x01, 0x00]);
        assert_eq!(ambr.downlink(), 510_000);
        assert_eq!(ambr.uplink(), 1_024);
    }

    #[test]
    fn rates_beyond_the_range_are_the_highest() {
        let ambr = ApnAmbr::new(u64::MAX, 65_280_000);
        assert_eq!(ambr.downlink(), 254 * 256_000 + 256_000);
        assert_eq!(ambr.uplink(), 65_280_000);
        let rates = GbrRates {
            max_uplink: u64::MAX,
            max_downlink: u64::MAX,
            guaranteed_uplink: u64::MAX,
            guaranteed_downlink: u64::MAX,
        };
        let read = EpsQos::gbr(Qci(1), &rates).rates().unwrap();
        assert_eq!(read.max_uplink, 10_000_000);
    }

    #[test]
    fn a_bearer_without_guarantee_is_one_octet() {
        let qos = EpsQos::non_gbr(Qci(9));
        assert_eq!(octets(&qos), [9]);
        assert_eq!(qos.rates(), None);
    }

    #[test]
    fn a_voice_bearer_is_five_octets() {
        let rates = GbrRates { max_uplink: 128, max_downlink: 128, guaranteed_uplink: 44, guaranteed_downlink: 0 };
        let qos = EpsQos::gbr(Qci(1), &rates);
        assert_eq!(octets(&qos), [1, 72, 72, 44, 255]);
        assert_eq!(qos.rates(), Some(rates));
    }

    proptest! {
        #[test]
        fn an_encoded_rate_is_never_lower_and_hardly_higher(rate in 0u64..65_000_000) {
            let ambr = ApnAmbr::new(rate, rate);
            prop_assert!(ambr.downlink() >= rate);
            prop_assert!(ambr.downlink() <= rate + rate / 7 + 1);
            prop_assert_eq!(ambr.downlink(), ambr.uplink());
        }

        #[test]
        fn a_guaranteed_rate_is_never_lower(rate in 0u64..10_000_000) {
            let rates = GbrRates {
                max_uplink: rate, max_downlink: rate, guaranteed_uplink: rate, guaranteed_downlink: rate,
            };
            let read = EpsQos::gbr(Qci(1), &rates).rates().unwrap();
            prop_assert!(read.max_uplink >= rate && read.max_uplink <= rate + rate / 7 + 1);
        }
    }
}
