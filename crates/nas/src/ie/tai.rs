//! Tracking area lists, PLMN lists and emergency number lists.

use crate::codec::Element;
use crate::codec::read::take;
use basalt_ids::{Plmn, Tac, Tai};
use serde::{Deserialize, Serialize};

/// Tracking area identity list (TS 24.301 §9.9.3.33): one or more partial lists, together at most 16 areas.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct TaiList(pub Vec<TaiListPart>);

/// A partial tracking area identity list.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum TaiListPart {
    /// Type 0: areas of one network with any codes, 1 to 16.
    SamePlmn(Plmn, Vec<Tac>),
    /// Type 1: `count` (1 to 16) areas of one network with codes counting up from the given one.
    Consecutive {
        /// The first area.
        first: Tai,
        /// How many areas, 1 to 16.
        count: u8,
    },
    /// Type 2: areas of any networks, 1 to 16.
    Any(Vec<Tai>),
}

/// List of equivalent networks (TS 24.008 §10.5.1.13), at most 15.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct PlmnList(pub Vec<Plmn>);

/// Emergency number list (TS 24.008 §10.5.3.13).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct EmergencyNumberList(pub Vec<EmergencyNumber>);

/// One local emergency number.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct EmergencyNumber {
    /// Service category bits (TS 24.008 §10.5.4.33): 1 police, 2 ambulance, 4 fire, 8 marine guard, 16 mountain rescue.
    pub category: u8,
    /// The number, as dialled.
    pub digits: String,
}

/// Most elements a partial list has.
const MAX_ELEMENTS: usize = 16;

impl TaiList {
    /// The shortest list of these areas: one partial list of type 0 for areas of one network, else of type 2. Only the first
    /// 16 areas are taken.
    #[must_use]
    pub fn of(areas: &[Tai]) -> Self {
        let areas = areas.get(..MAX_ELEMENTS).unwrap_or(areas);
        let Some(first) = areas.first() else {
            return Self(Vec::new());
        };
        let one_network = areas.iter().all(|area| area.plmn == first.plmn);
        Self(vec![if one_network {
            TaiListPart::SamePlmn(first.plmn, areas.iter().map(|area| area.tac).collect())
        } else {
            TaiListPart::Any(areas.to_vec())
        }])
    }

    /// All areas, in the order of the list.
    pub fn iter(&self) -> impl Iterator<Item = Tai> {
        self.0.iter().flat_map(TaiListPart::iter)
    }

    /// True when `area` is in the list.
    #[must_use]
    pub fn contains(&self, area: Tai) -> bool {
        self.iter().any(|listed| listed == area)
    }
}

impl TaiListPart {
    /// The areas of this part.
    pub fn iter(&self) -> impl Iterator<Item = Tai> {
        let (plmn, tacs, consecutive, any) = match self {
            Self::SamePlmn(plmn, tacs) => (Some(*plmn), tacs.as_slice(), None, [].as_slice()),
            Self::Consecutive { first, count } => (None, [].as_slice(), Some((*first, *count)), [].as_slice()),
            Self::Any(areas) => (None, [].as_slice(), None, areas.as_slice()),
        };
        let same = tacs.iter().filter_map(move |tac| plmn.map(|plmn| Tai { plmn, tac: *tac }));
        let counted = consecutive.into_iter().flat_map(|(first, count)| {
            (0..u16::from(count))
                .map(move |offset| Tai { plmn: first.plmn, tac: Tac(first.tac.0.wrapping_add(offset)) })
        });
        same.chain(counted).chain(any.iter().copied())
    }

    fn read(rest: &mut &[u8]) -> Option<Self> {
        let header = *take(rest, 1)?.first()?;
        let count = usize::from(header & 0x1f) + 1;
        if count > MAX_ELEMENTS {
            return None;
        }
        match header >> 5 & 3 {
            0 => {
                let plmn = read_plmn(rest)?;
                let tacs = (0..count).map(|_| read_tac(rest)).collect::<Option<_>>()?;
                Some(Self::SamePlmn(plmn, tacs))
            }
            1 => Some(Self::Consecutive { first: read_tai(rest)?, count: u8::try_from(count).ok()? }),
            2 => (0..count).map(|_| read_tai(rest)).collect::<Option<_>>().map(Self::Any),
            _ => None,
        }
    }

    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::SamePlmn(plmn, tacs) => {
                let tacs = tacs.get(..MAX_ELEMENTS).unwrap_or(tacs);
                out.push(count_bits(tacs.len()));
                out.extend(plmn.to_nas());
                for tac in tacs {
                    out.extend(tac.0.to_be_bytes());
                }
            }
            Self::Consecutive { first, count } => {
                out.push(1 << 5 | count_bits(usize::from(*count)));
                first.write(out);
            }
            Self::Any(areas) => {
                let areas = areas.get(..MAX_ELEMENTS).unwrap_or(areas);
                out.push(2 << 5 | count_bits(areas.len()));
                for area in areas {
                    area.write(out);
                }
            }
        }
    }
}

/// Number of elements as the wire counts them: one less.
fn count_bits(count: usize) -> u8 {
    u8::try_from(count.clamp(1, MAX_ELEMENTS) - 1).unwrap_or(0)
}

fn read_plmn(rest: &mut &[u8]) -> Option<Plmn> {
    Plmn::from_nas(take(rest, 3)?.try_into().ok()?).ok()
}

fn read_tac(rest: &mut &[u8]) -> Option<Tac> {
    Some(Tac(u16::from_be_bytes(take(rest, 2)?.try_into().ok()?)))
}

fn read_tai(rest: &mut &[u8]) -> Option<Tai> {
    Some(Tai { plmn: read_plmn(rest)?, tac: read_tac(rest)? })
}

impl Element for Tai {
    fn read(octets: &[u8]) -> Option<Self> {
        let mut rest = octets;
        read_tai(&mut rest).filter(|_| rest.is_empty())
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.extend(self.plmn.to_nas());
        out.extend(self.tac.0.to_be_bytes());
    }
}

impl Element for TaiList {
    fn read(octets: &[u8]) -> Option<Self> {
        let mut rest = octets;
        let mut parts = Vec::with_capacity(1);
        while !rest.is_empty() {
            parts.push(TaiListPart::read(&mut rest)?);
        }
        (!parts.is_empty()).then_some(Self(parts))
    }

    fn write(&self, out: &mut Vec<u8>) {
        for part in &self.0 {
            part.write(out);
        }
    }
}

impl Element for PlmnList {
    fn read(octets: &[u8]) -> Option<Self> {
        let (plmns, rest) = octets.as_chunks::<3>();
        if plmns.is_empty() || !rest.is_empty() {
            return None;
        }
        let plmns = plmns.iter().map(|plmn| Plmn::from_nas(*plmn).ok());
        plmns.collect::<Option<_>>().map(Self)
    }

    fn write(&self, out: &mut Vec<u8>) {
        for plmn in &self.0 {
            out.extend(plmn.to_nas());
        }
    }
}

/// Dialled digits as TS 24.008 table 10.5.118 codes them; 15 is the filler.
const DIALLED: &[u8; 15] = b"0123456789*#abc";

impl Element for EmergencyNumberList {
    fn read(octets: &[u8]) -> Option<Self> {
        let mut rest = octets;
        let mut numbers = Vec::new();
        while let Some(len) = take(&mut rest, 1).and_then(|len| len.first()) {
            let (category, coded) = take(&mut rest, usize::from(*len))?.split_first()?;
            numbers.push(EmergencyNumber { category: *category, digits: read_dialled(coded)? });
        }
        (!numbers.is_empty()).then_some(Self(numbers))
    }

    fn write(&self, out: &mut Vec<u8>) {
        for number in &self.0 {
            let coded: Vec<u8> = number
                .digits
                .bytes()
                .filter_map(|c| DIALLED.iter().position(|known| *known == c))
                .filter_map(|at| u8::try_from(at).ok())
                .collect();
            out.push(u8::try_from(coded.len().div_ceil(2) + 1).unwrap_or(u8::MAX));
            out.push(number.category);
            for pair in coded.chunks(2) {
                let high = pair.get(1).copied().unwrap_or(15);
                out.push(high << 4 | pair.first().copied().unwrap_or(15));
            }
        }
    }
}

fn read_dialled(coded: &[u8]) -> Option<String> {
    let halves = coded.iter().flat_map(|octet| [octet & 15, octet >> 4]);
    let mut digits = String::with_capacity(coded.len() * 2);
    let last = (coded.len() * 2).checked_sub(1)?;
    for (at, half) in halves.enumerate() {
        match DIALLED.get(usize::from(half)) {
            Some(digit) => digits.push(char::from(*digit)),
            None if at == last => {}
            None => return None,
        }
    }
    Some(digits)
}
