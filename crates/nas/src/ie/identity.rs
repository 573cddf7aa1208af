//! Mobile identities: the EPS form (TS 24.301 §9.9.3.12) and the older form (TS 24.008 §10.5.1.4).

use crate::codec::Element;
use basalt_ids::{Gummei, Guti, Imei, Imeisv, Imsi, MTmsi, MmeCode, MmeGroupId, Plmn};
use serde::{Deserialize, Serialize};

/// EPS mobile identity (TS 24.301 §9.9.3.12): what a UE says it is in ATTACH REQUEST and its likes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum EpsMobileIdentity {
    /// Permanent identity of the subscriber.
    Imsi(Imsi),
    /// Temporary identity.
    Guti(Guti),
    /// Identity of the equipment, for emergency attach without a SIM.
    Imei(Imei),
}

/// Mobile identity (TS 24.008 §10.5.1.4): the answer in IDENTITY RESPONSE and SECURITY MODE COMPLETE.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum MobileIdentity {
    /// Permanent identity of the subscriber.
    Imsi(Imsi),
    /// Identity of the equipment.
    Imei(Imei),
    /// Identity of the equipment with its software version.
    Imeisv(Imeisv),
    /// TMSI, P-TMSI or M-TMSI.
    Tmsi(MTmsi),
    /// The UE does not have the identity that was asked for.
    None,
}

/// Location area identification (TS 24.008 §10.5.1.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Lai {
    /// The network.
    pub plmn: Plmn,
    /// Location area code.
    pub lac: u16,
}

/// Types of identity (bits 3 to 1 of the first octet).
const IMSI: u8 = 1;
const IMEI: u8 = 2;
const IMEISV: u8 = 3;
const TMSI: u8 = 4;
const EPS_IMEI: u8 = 3;
const EPS_GUTI: u8 = 6;

impl Element for EpsMobileIdentity {
    fn read(octets: &[u8]) -> Option<Self> {
        match octets.first()? & 7 {
            IMSI => read_imsi(octets).map(Self::Imsi),
            EPS_IMEI => read_digits(octets)?.text()?.parse().ok().map(Self::Imei),
            EPS_GUTI => Guti::read(octets).map(Self::Guti),
            _ => None,
        }
    }

    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Imsi(imsi) => write_digits(out, IMSI, imsi.len(), |i| imsi.digit(i)),
            Self::Imei(imei) => write_digits(out, EPS_IMEI, imei.len(), |i| imei.digit(i)),
            Self::Guti(guti) => guti.write(out),
        }
    }
}

impl Element for MobileIdentity {
    fn read(octets: &[u8]) -> Option<Self> {
        match octets.first()? & 7 {
            0 => Some(Self::None),
            IMSI => read_imsi(octets).map(Self::Imsi),
            IMEI => read_digits(octets)?.text()?.parse().ok().map(Self::Imei),
            IMEISV => read_digits(octets)?.text()?.parse().ok().map(Self::Imeisv),
            TMSI => {
                let value: [u8; 4] = octets.get(1..)?.try_into().ok()?;
                Some(Self::Tmsi(MTmsi(u32::from_be_bytes(value))))
            }
            _ => None,
        }
    }

    fn write(&self, out: &mut Vec<u8>) {
        match self {
            // TS 24.008 §10.5.1.4: even, digits all zero, length three.
            Self::None => out.extend([0, 0, 0]),
            Self::Imsi(imsi) => write_digits(out, IMSI, imsi.len(), |i| imsi.digit(i)),
            Self::Imei(imei) => write_digits(out, IMEI, imei.len(), |i| imei.digit(i)),
            Self::Imeisv(imeisv) => write_digits(out, IMEISV, imeisv.len(), |i| imeisv.digit(i)),
            Self::Tmsi(tmsi) => {
                out.push(0xf0 | TMSI);
                out.extend(tmsi.0.to_be_bytes());
            }
        }
    }
}

/// The GUTI form of the EPS mobile identity, where only a GUTI may stand.
impl Element for Guti {
    fn read(octets: &[u8]) -> Option<Self> {
        let &[kind, p1, p2, p3, g1, g2, code, t1, t2, t3, t4] = octets else {
            return None;
        };
        if kind & 7 != EPS_GUTI {
            return None;
        }
        Some(Guti {
            gummei: Gummei {
                plmn: Plmn::from_nas([p1, p2, p3]).ok()?,
                group: MmeGroupId(u16::from_be_bytes([g1, g2])),
                code: MmeCode(code),
            },
            m_tmsi: MTmsi(u32::from_be_bytes([t1, t2, t3, t4])),
        })
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.push(0xf0 | EPS_GUTI);
        out.extend(self.gummei.plmn.to_nas());
        out.extend(self.gummei.group.0.to_be_bytes());
        out.push(self.gummei.code.0);
        out.extend(self.m_tmsi.0.to_be_bytes());
    }
}

impl Element for Lai {
    fn read(octets: &[u8]) -> Option<Self> {
        let &[p1, p2, p3, l1, l2] = octets else {
            return None;
        };
        Some(Self { plmn: Plmn::from_nas([p1, p2, p3]).ok()?, lac: u16::from_be_bytes([l1, l2]) })
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.extend(self.plmn.to_nas());
        out.extend(self.lac.to_be_bytes());
    }
}

/// Up to 17 digits as they came.
struct Digits {
    digits: [u8; 17],
    len: usize,
}

impl Digits {
    fn number(&self) -> u64 {
        let digits = self.digits.iter().take(self.len);
        digits.fold(0, |n, digit| n * 10 + u64::from(*digit))
    }

    fn text(&self) -> Option<String> {
        let digits = self.digits.get(..self.len)?;
        Some(digits.iter().map(|digit| char::from(b'0' + digit)).collect())
    }
}

fn read_imsi(octets: &[u8]) -> Option<Imsi> {
    let digits = read_digits(octets)?;
    Imsi::new(digits.number(), u8::try_from(digits.len).ok()?).ok()
}

/// Digits two by two, the first in the high half of the first octet; the odd/even indication and the filler must agree.
fn read_digits(octets: &[u8]) -> Option<Digits> {
    let (&first, rest) = octets.split_first()?;
    if rest.len() > 8 {
        return None;
    }
    let odd = first & 8 != 0;
    let mut digits = Digits { digits: [0; 17], len: 0 };
    let halves = core::iter::once(first >> 4).chain(rest.iter().flat_map(|o| [o & 15, o >> 4]));
    let count = 1 + 2 * rest.len();
    for (at, half) in halves.enumerate() {
        if at + 1 == count && !odd {
            return (half == 15).then_some(digits);
        }
        if half > 9 {
            return None;
        }
        *digits.digits.get_mut(at)? = half;
        digits.len = at + 1;
    }
    Some(digits)
}

fn write_digits(out: &mut Vec<u8>, kind: u8, len: u8, digit: impl Fn(u8) -> u8) {
    let odd = len % 2 == 1;
    out.push(digit(0) << 4 | u8::from(odd) << 3 | kind);
    for low in (1..len).step_by(2) {
        let high = if low + 1 < len { digit(low + 1) } else { 15 };
        out.push(high << 4 | digit(low));
    }
}
