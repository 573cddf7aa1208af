//! UE identities, security and reset (TS 36.413 §9.1.8.1, §9.2.1.26, §9.2.1.40, §9.2.1.41, §9.2.3.3 to §9.2.3.18).

use super::container::{read_list, write_list};
use super::sequence::{Sequence, write_head};
use super::{Form, Integer, Item, Value, ValueError};
use crate::value::{
    Criticality, NrUeSecurityCapabilities, PagingIdentity, ResetType, SecurityContext, SecurityKey, UeIds, UeS1apIds,
    UeSecurityCapabilities,
};
use basalt_ids::{EnbUeS1apId, Imsi, MTmsi, MmeCode, MmeUeS1apId, STmsi};
use oxirush_aper::{BitString, Reader, Writer};

/// id-UE-associatedLogicalS1-ConnectionItem, whose criticality is reject in a reset and ignore in its acknowledgement.
const CONNECTION_ITEM: u16 = 91;

impl Value for MmeUeS1apId {
    fn read(reader: &mut Reader<'_>) -> Result<Self, ValueError> {
        Integer::<0, { u32::MAX as u64 }>::read(reader).map(MmeUeS1apId)
    }

    fn write(&self, writer: &mut Writer<'_>) -> Result<(), ValueError> {
        Integer::<0, { u32::MAX as u64 }>::write(&self.0, writer)
    }
}

impl Value for EnbUeS1apId {
    fn read(reader: &mut Reader<'_>) -> Result<Self, ValueError> {
        let id = Integer::<0, 0xff_ffff>::read(reader)?;
        EnbUeS1apId::new(id).map_err(|_| ValueError::Range("an eNB UE S1AP ID above 24 bits"))
    }

    fn write(&self, writer: &mut Writer<'_>) -> Result<(), ValueError> {
        Integer::<0, 0xff_ffff>::write(&self.value(), writer)
    }
}

impl Value for UeS1apIds {
    fn read(reader: &mut Reader<'_>) -> Result<Self, ValueError> {
        if reader.choice(2, 0, true)? == 1 {
            return MmeUeS1apId::read(reader).map(UeS1apIds::Mme);
        }
        let head = Sequence::read(reader, 1)?;
        let pair = UeS1apIds::Pair(Value::read(reader)?, Value::read(reader)?);
        head.end(reader)?;
        Ok(pair)
    }

    fn write(&self, writer: &mut Writer<'_>) -> Result<(), ValueError> {
        match self {
            UeS1apIds::Pair(mme, enb) => {
                writer.index(0, 2, true);
                write_head(writer, &[], &[]);
                mme.write(writer)?;
                enb.write(writer)
            }
            UeS1apIds::Mme(mme) => {
                writer.index(1, 2, true);
                mme.write(writer)
            }
        }
    }
}

/// UE-associatedLogicalS1-ConnectionItem.
impl Item for UeIds {
    fn read_item(reader: &mut Reader<'_>, _item: u16) -> Result<Self, ValueError> {
        let head = Sequence::read(reader, 3)?;
        let mme = if head.has(2) { Some(Value::read(reader)?) } else { None };
        let enb = if head.has(1) { Some(Value::read(reader)?) } else { None };
        head.end(reader)?;
        Ok(UeIds { mme, enb })
    }

    fn write_item(&self, writer: &mut Writer<'_>, _item: u16) -> Result<(), ValueError> {
        write_head(writer, &[self.mme.is_some(), self.enb.is_some()], &[]);
        if let Some(mme) = &self.mme {
            mme.write(writer)?;
        }
        if let Some(enb) = &self.enb {
            enb.write(writer)?;
        }
        Ok(())
    }
}

impl Value for ResetType {
    fn read(reader: &mut Reader<'_>) -> Result<Self, ValueError> {
        if reader.choice(2, 0, true)? == 1 {
            return read_list(reader, CONNECTION_ITEM).map(ResetType::Partial);
        }
        // ResetAll has one value, and an extension marker.
        match super::read_index(reader, 1)? {
            0 => Ok(ResetType::Full),
            _ => Err(ValueError::Range("a reset of a kind of a later release")),
        }
    }

    fn write(&self, writer: &mut Writer<'_>) -> Result<(), ValueError> {
        match self {
            ResetType::Full => {
                writer.index(0, 2, true);
                writer.index(0, 1, true);
                Ok(())
            }
            ResetType::Partial(connections) => {
                writer.index(1, 2, true);
                write_list(writer, connections, CONNECTION_ITEM, Criticality::Reject)
            }
        }
    }
}

impl Value for STmsi {
    fn read(reader: &mut Reader<'_>) -> Result<Self, ValueError> {
        let head = Sequence::read(reader, 1)?;
        let mme_code = MmeCode::read(reader)?;
        let m_tmsi = MTmsi(u32::from_be_bytes(reader.octet_array()?));
        head.end(reader)?;
        Ok(STmsi { mme_code, m_tmsi })
    }

    fn write(&self, writer: &mut Writer<'_>) -> Result<(), ValueError> {
        write_head(writer, &[], &[]);
        self.mme_code.write(writer)?;
        writer.octet_array(&self.m_tmsi.0.to_be_bytes());
        Ok(())
    }
}

impl Value for PagingIdentity {
    fn read(reader: &mut Reader<'_>) -> Result<Self, ValueError> {
        match reader.choice(2, 0, true)? {
            0 => STmsi::read(reader).map(PagingIdentity::STmsi),
            _ => Imsi::read(reader).map(PagingIdentity::Imsi),
        }
    }

    fn write(&self, writer: &mut Writer<'_>) -> Result<(), ValueError> {
        match self {
            PagingIdentity::STmsi(s_tmsi) => {
                writer.index(0, 2, true);
                s_tmsi.write(writer)
            }
            PagingIdentity::Imsi(imsi) => {
                writer.index(1, 2, true);
                imsi.write(writer)
            }
        }
    }
}

/// IMSI, OCTET STRING (SIZE (3..8)): two digits in an octet, the first in the low half; a filler of ones after an odd number.
impl Value for Imsi {
    fn read(reader: &mut Reader<'_>) -> Result<Self, ValueError> {
        const NO_IMSI: ValueError = ValueError::Range("an IMSI that is not of 6 to 15 digits");
        let octets = reader.octet_string(3, 8)?;
        let (mut value, mut length) = (0, 0);
        let halves = octets.iter().flat_map(|octet| [octet & 15, octet >> 4]);
        let last = octets.len() * 2 - 1;
        for (at, half) in halves.enumerate() {
            match half {
                0..=9 => {
                    value = value * 10 + u64::from(half);
                    length += 1;
                }
                15 if at == last => {}
                _ => return Err(NO_IMSI),
            }
        }
        Imsi::new(value, length).map_err(|_| NO_IMSI)
    }

    fn write(&self, writer: &mut Writer<'_>) -> Result<(), ValueError> {
        let half = |at: u8| if at < self.len() { self.digit(at) } else { 15 };
        let mut octets = [0; 8];
        let length = usize::from(self.len().div_ceil(2));
        for (octet, at) in octets.iter_mut().zip((0..self.len()).step_by(2)) {
            *octet = half(at + 1) << 4 | half(at);
        }
        Ok(writer.octet_string(&octets[..length], 3, 8)?)
    }
}

/// BIT STRING (SIZE (16, ...)): a set of algorithms.
struct Algorithms;

impl Form<u16> for Algorithms {
    fn read(reader: &mut Reader<'_>) -> Result<u16, ValueError> {
        let bits = reader.bit_string_extensible(16, 16)?;
        match (bits.len(), bits.as_octets()) {
            (16, [high, low]) => Ok(u16::from_be_bytes([*high, *low])),
            _ => Err(ValueError::Range("a set of algorithms that is not of 16 bits")),
        }
    }

    fn write(algorithms: &u16, writer: &mut Writer<'_>) -> Result<(), ValueError> {
        Ok(writer.bit_string_extensible(&BitString::from_octets(&algorithms.to_be_bytes()[..]), 16, 16)?)
    }
}

impl Value for UeSecurityCapabilities {
    fn read(reader: &mut Reader<'_>) -> Result<Self, ValueError> {
        let head = Sequence::read(reader, 1)?;
        let (encryption, integrity) = (Algorithms::read(reader)?, Algorithms::read(reader)?);
        head.end(reader)?;
        Ok(UeSecurityCapabilities { encryption, integrity })
    }

    fn write(&self, writer: &mut Writer<'_>) -> Result<(), ValueError> {
        write_head(writer, &[], &[]);
        Algorithms::write(&self.encryption, writer)?;
        Algorithms::write(&self.integrity, writer)
    }
}

impl Value for NrUeSecurityCapabilities {
    fn read(reader: &mut Reader<'_>) -> Result<Self, ValueError> {
        let head = Sequence::read(reader, 1)?;
        let (encryption, integrity) = (Algorithms::read(reader)?, Algorithms::read(reader)?);
        head.end(reader)?;
        Ok(NrUeSecurityCapabilities { encryption, integrity })
    }

    fn write(&self, writer: &mut Writer<'_>) -> Result<(), ValueError> {
        write_head(writer, &[], &[]);
        Algorithms::write(&self.encryption, writer)?;
        Algorithms::write(&self.integrity, writer)
    }
}

/// SecurityKey, BIT STRING (SIZE (256)).
impl Value for SecurityKey {
    fn read(reader: &mut Reader<'_>) -> Result<Self, ValueError> {
        let bits = reader.bit_string(256, 256)?;
        let key = bits.as_octets().try_into();
        key.map(SecurityKey).map_err(|_| ValueError::Range("a key that is not of 256 bits"))
    }

    fn write(&self, writer: &mut Writer<'_>) -> Result<(), ValueError> {
        Ok(writer.bit_string(&BitString::from_octets(&self.0[..]), 256, 256)?)
    }
}

impl Value for SecurityContext {
    fn read(reader: &mut Reader<'_>) -> Result<Self, ValueError> {
        let head = Sequence::read(reader, 1)?;
        let next_hop_chaining_count = Integer::<0, 7>::read(reader)?;
        let next_hop = SecurityKey::read(reader)?;
        head.end(reader)?;
        Ok(SecurityContext { next_hop_chaining_count, next_hop })
    }

    fn write(&self, writer: &mut Writer<'_>) -> Result<(), ValueError> {
        write_head(writer, &[], &[]);
        Integer::<0, 7>::write(&self.next_hop_chaining_count, writer)?;
        self.next_hop.write(writer)
    }
}
