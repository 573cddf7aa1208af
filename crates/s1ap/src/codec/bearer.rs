//! E-RABs (TS 36.413 §9.2.1.15, §9.2.1.18 to §9.2.1.20, §9.2.1.60, §9.2.2).

use super::sequence::{Sequence, write_extensions, write_head};
use super::{Form, Integer, Item, Value, ValueError};
use crate::value::{
    Arp, Cause, Criticality, ErabDone, ErabItem, ErabQos, ErabToBeModified, ErabToBeSetup, ErabTunnel, Extension,
    GbrQos, TransportAddress, UeAmbr,
};
use basalt_ids::{Ebi, Qci, Teid};
use core::net::{Ipv4Addr, Ipv6Addr};
use oxirush_aper::{BitString, Reader, Writer};

/// Highest rate of a BitRate; a higher one needs an Extended Bit Rate.
const MAX_BIT_RATE: u64 = 10_000_000_000;
/// Highest rate of an Extended Bit Rate.
const MAX_EXTENDED_BIT_RATE: u64 = 4_000_000_000_000;
/// id-extended-uEaggregateMaximumBitRateDL.
const EXTENDED_AMBR_DOWNLINK: u16 = 259;
/// id-extended-uEaggregateMaximumBitRateUL.
const EXTENDED_AMBR_UPLINK: u16 = 260;
/// id-E-RABToBeSetupItemBearerSUReq, in which the NAS-PDU is not optional.
const TO_BE_SETUP_BEARER_ITEM: u16 = 17;
/// id-E-RABToBeSetupItemHOReq, in which there is no NAS-PDU and the QoS comes last.
const TO_BE_SETUP_HANDOVER_ITEM: u16 = 27;

type BitRate = Integer<0, MAX_BIT_RATE>;

/// E-RAB-ID, INTEGER (0..15, ...).
impl Value for Ebi {
    fn read(reader: &mut Reader<'_>) -> Result<Self, ValueError> {
        let value = reader.unsigned_extensible(0, 15)?;
        let ebi = u8::try_from(value).ok().and_then(|value| Ebi::new(value).ok());
        ebi.ok_or(ValueError::Range("an E-RAB ID that is no EPS bearer identity"))
    }

    fn write(&self, writer: &mut Writer<'_>) -> Result<(), ValueError> {
        Ok(writer.unsigned_extensible(u64::from(self.value()), 0, 15)?)
    }
}

/// GTP-TEID, OCTET STRING (SIZE (4)).
impl Value for Teid {
    fn read(reader: &mut Reader<'_>) -> Result<Self, ValueError> {
        Ok(Teid(u32::from_be_bytes(reader.octet_array()?)))
    }

    fn write(&self, writer: &mut Writer<'_>) -> Result<(), ValueError> {
        writer.octet_array(&self.0.to_be_bytes());
        Ok(())
    }
}

/// TransportLayerAddress, BIT STRING (SIZE (1..160, ...)).
impl Value for TransportAddress {
    fn read(reader: &mut Reader<'_>) -> Result<Self, ValueError> {
        let bits = reader.bit_string_extensible(1, 160)?;
        let v4 = |octets: [u8; 4]| Ipv4Addr::from(octets);
        let v6 = |octets: [u8; 16]| Ipv6Addr::from(octets);
        let address = match (bits.len(), bits.as_octets()) {
            (32, octets) => octets.try_into().ok().map(|octets| TransportAddress::V4(v4(octets))),
            (128, octets) => octets.try_into().ok().map(|octets| TransportAddress::V6(v6(octets))),
            (160, octets) => octets
                .split_first_chunk()
                .and_then(|(first, rest)| Some(TransportAddress::Both(v4(*first), v6(rest.try_into().ok()?)))),
            _ => None,
        };
        address.ok_or(ValueError::Range("a transport layer address that is not of 32, 128 or 160 bits"))
    }

    fn write(&self, writer: &mut Writer<'_>) -> Result<(), ValueError> {
        let mut octets = [0; 20];
        let length = match self {
            TransportAddress::V4(v4) => {
                octets[..4].copy_from_slice(&v4.octets());
                4
            }
            TransportAddress::V6(v6) => {
                octets[..16].copy_from_slice(&v6.octets());
                16
            }
            TransportAddress::Both(v4, v6) => {
                octets[..4].copy_from_slice(&v4.octets());
                octets[4..].copy_from_slice(&v6.octets());
                20
            }
        };
        Ok(writer.bit_string_extensible(&BitString::from_octets(&octets[..length]), 1, 160)?)
    }
}

impl Value for UeAmbr {
    fn read(reader: &mut Reader<'_>) -> Result<Self, ValueError> {
        let head = Sequence::read(reader, 1)?;
        let downlink = BitRate::read(reader)?;
        let uplink = BitRate::read(reader)?;
        let mut ambr = UeAmbr { downlink, uplink, extensions: head.end(reader)? };
        ambr.take_extended();
        Ok(ambr)
    }

    fn write(&self, writer: &mut Writer<'_>) -> Result<(), ValueError> {
        let extended = [(EXTENDED_AMBR_DOWNLINK, self.downlink), (EXTENDED_AMBR_UPLINK, self.uplink)];
        if extended.iter().all(|(_, rate)| *rate <= MAX_BIT_RATE) {
            return self.write_with(writer, &self.extensions);
        }
        let mut extensions = Vec::with_capacity(self.extensions.len() + 2);
        for (id, rate) in extended {
            if rate > MAX_BIT_RATE {
                extensions.push(extended_bit_rate(id, rate)?);
            }
        }
        extensions.extend_from_slice(&self.extensions);
        self.write_with(writer, &extensions)
    }
}

impl UeAmbr {
    /// Makes the extension IEs with rates above 10 Gbit/s the rates; the two then stand first, in the order of the standard.
    fn take_extended(&mut self) {
        for (id, rate) in [(EXTENDED_AMBR_DOWNLINK, &mut self.downlink), (EXTENDED_AMBR_UPLINK, &mut self.uplink)] {
            let Some(first) = self.extensions.first() else { return };
            let is_rate = first.id == id && first.criticality == Criticality::Ignore && *rate == MAX_BIT_RATE;
            if is_rate && let Ok(extended) = Extended::read(&mut Reader::new(&first.value)) {
                *rate = extended;
                self.extensions.remove(0);
            }
        }
    }

    fn write_with(&self, writer: &mut Writer<'_>, extensions: &[Extension]) -> Result<(), ValueError> {
        write_head(writer, &[], extensions);
        BitRate::write(&self.downlink.min(MAX_BIT_RATE), writer)?;
        BitRate::write(&self.uplink.min(MAX_BIT_RATE), writer)?;
        write_extensions(writer, extensions)
    }
}

/// ExtendedBitRate, INTEGER (10000000001..4000000000000, ...).
struct Extended;

impl Form<u64> for Extended {
    fn read(reader: &mut Reader<'_>) -> Result<u64, ValueError> {
        let rate = reader.unsigned_extensible(MAX_BIT_RATE + 1, MAX_EXTENDED_BIT_RATE)?;
        reader.finish()?;
        let known = (MAX_BIT_RATE + 1..=MAX_EXTENDED_BIT_RATE).contains(&rate);
        known.then_some(rate).ok_or(ValueError::Range("a bit rate of a later release"))
    }

    fn write(rate: &u64, writer: &mut Writer<'_>) -> Result<(), ValueError> {
        if *rate > MAX_EXTENDED_BIT_RATE {
            return Err(ValueError::Range("a bit rate above 4 Tbit/s"));
        }
        Ok(writer.unsigned_extensible(*rate, MAX_BIT_RATE + 1, MAX_EXTENDED_BIT_RATE)?)
    }
}

fn extended_bit_rate(id: u16, rate: u64) -> Result<Extension, ValueError> {
    let mut value = Vec::new();
    Extended::write(&rate, &mut Writer::new(&mut value))?;
    Ok(Extension { id, criticality: Criticality::Ignore, value })
}

impl Value for ErabQos {
    fn read(reader: &mut Reader<'_>) -> Result<Self, ValueError> {
        let head = Sequence::read(reader, 2)?;
        let qci = Qci(Integer::<0, 255>::read(reader)?);
        let arp = Arp::read(reader)?;
        let gbr = if head.has(1) { Some(GbrQos::read(reader)?) } else { None };
        Ok(ErabQos { qci, arp, gbr, extensions: head.end(reader)? })
    }

    fn write(&self, writer: &mut Writer<'_>) -> Result<(), ValueError> {
        write_head(writer, &[self.gbr.is_some()], &self.extensions);
        Integer::<0, 255>::write(&self.qci.0, writer)?;
        self.arp.write(writer)?;
        if let Some(gbr) = &self.gbr {
            gbr.write(writer)?;
        }
        write_extensions(writer, &self.extensions)
    }
}

/// AllocationAndRetentionPriority: the capability counts from "shall not trigger", the vulnerability from "not pre-emptable".
impl Value for Arp {
    fn read(reader: &mut Reader<'_>) -> Result<Self, ValueError> {
        let head = Sequence::read(reader, 1)?;
        let priority_level = Integer::<0, 15>::read(reader)?;
        let may_pre_empt = reader.bit()?;
        let pre_emptable = reader.bit()?;
        head.end(reader)?;
        Ok(Arp { priority_level, may_pre_empt, pre_emptable })
    }

    fn write(&self, writer: &mut Writer<'_>) -> Result<(), ValueError> {
        write_head(writer, &[], &[]);
        Integer::<0, 15>::write(&self.priority_level, writer)?;
        writer.bit(self.may_pre_empt);
        writer.bit(self.pre_emptable);
        Ok(())
    }
}

impl Value for GbrQos {
    fn read(reader: &mut Reader<'_>) -> Result<Self, ValueError> {
        let head = Sequence::read(reader, 1)?;
        Ok(GbrQos {
            mbr_downlink: BitRate::read(reader)?,
            mbr_uplink: BitRate::read(reader)?,
            gbr_downlink: BitRate::read(reader)?,
            gbr_uplink: BitRate::read(reader)?,
            extensions: head.end(reader)?,
        })
    }

    fn write(&self, writer: &mut Writer<'_>) -> Result<(), ValueError> {
        write_head(writer, &[], &self.extensions);
        for rate in [self.mbr_downlink, self.mbr_uplink, self.gbr_downlink, self.gbr_uplink] {
            BitRate::write(&rate, writer)?;
        }
        write_extensions(writer, &self.extensions)
    }
}

impl Item for ErabToBeSetup {
    fn read_item(reader: &mut Reader<'_>, item: u16) -> Result<Self, ValueError> {
        let nas_is_optional = !matches!(item, TO_BE_SETUP_BEARER_ITEM | TO_BE_SETUP_HANDOVER_ITEM);
        let head = Sequence::read(reader, if nas_is_optional { 2 } else { 1 })?;
        let ebi = Ebi::read(reader)?;
        if item == TO_BE_SETUP_HANDOVER_ITEM {
            let (address, teid) = (TransportAddress::read(reader)?, Teid::read(reader)?);
            let qos = ErabQos::read(reader)?;
            return Ok(ErabToBeSetup { ebi, qos, address, teid, nas_pdu: None, extensions: head.end(reader)? });
        }
        let qos = ErabQos::read(reader)?;
        let address = TransportAddress::read(reader)?;
        let teid = Teid::read(reader)?;
        let has_nas = !nas_is_optional || head.has(1);
        let nas_pdu = if has_nas { Some(Value::read(reader)?) } else { None };
        Ok(ErabToBeSetup { ebi, qos, address, teid, nas_pdu, extensions: head.end(reader)? })
    }

    fn write_item(&self, writer: &mut Writer<'_>, item: u16) -> Result<(), ValueError> {
        match (&self.nas_pdu, item) {
            (None, TO_BE_SETUP_BEARER_ITEM) => {
                return Err(ValueError::Range("an E-RAB to be set up without its NAS-PDU"));
            }
            (Some(_), TO_BE_SETUP_HANDOVER_ITEM) => {
                return Err(ValueError::Range("an E-RAB of a handover with a NAS-PDU"));
            }
            (_, TO_BE_SETUP_BEARER_ITEM | TO_BE_SETUP_HANDOVER_ITEM) => write_head(writer, &[], &self.extensions),
            (nas_pdu, _) => write_head(writer, &[nas_pdu.is_some()], &self.extensions),
        }
        self.ebi.write(writer)?;
        if item != TO_BE_SETUP_HANDOVER_ITEM {
            self.qos.write(writer)?;
        }
        self.address.write(writer)?;
        self.teid.write(writer)?;
        if item == TO_BE_SETUP_HANDOVER_ITEM {
            self.qos.write(writer)?;
        }
        if let Some(nas_pdu) = &self.nas_pdu {
            nas_pdu.write(writer)?;
        }
        write_extensions(writer, &self.extensions)
    }
}

impl Item for ErabTunnel {
    fn read_item(reader: &mut Reader<'_>, _item: u16) -> Result<Self, ValueError> {
        let head = Sequence::read(reader, 1)?;
        Ok(ErabTunnel {
            ebi: Ebi::read(reader)?,
            address: TransportAddress::read(reader)?,
            teid: Teid::read(reader)?,
            extensions: head.end(reader)?,
        })
    }

    fn write_item(&self, writer: &mut Writer<'_>, _item: u16) -> Result<(), ValueError> {
        write_head(writer, &[], &self.extensions);
        self.ebi.write(writer)?;
        self.address.write(writer)?;
        self.teid.write(writer)?;
        write_extensions(writer, &self.extensions)
    }
}

impl Item for ErabItem {
    fn read_item(reader: &mut Reader<'_>, _item: u16) -> Result<Self, ValueError> {
        let head = Sequence::read(reader, 1)?;
        Ok(ErabItem { ebi: Ebi::read(reader)?, cause: Cause::read(reader)?, extensions: head.end(reader)? })
    }

    fn write_item(&self, writer: &mut Writer<'_>, _item: u16) -> Result<(), ValueError> {
        write_head(writer, &[], &self.extensions);
        self.ebi.write(writer)?;
        self.cause.write(writer)?;
        write_extensions(writer, &self.extensions)
    }
}

impl Item for ErabDone {
    fn read_item(reader: &mut Reader<'_>, _item: u16) -> Result<Self, ValueError> {
        let head = Sequence::read(reader, 1)?;
        Ok(ErabDone { ebi: Ebi::read(reader)?, extensions: head.end(reader)? })
    }

    fn write_item(&self, writer: &mut Writer<'_>, _item: u16) -> Result<(), ValueError> {
        write_head(writer, &[], &self.extensions);
        self.ebi.write(writer)?;
        write_extensions(writer, &self.extensions)
    }
}

impl Item for ErabToBeModified {
    fn read_item(reader: &mut Reader<'_>, _item: u16) -> Result<Self, ValueError> {
        let head = Sequence::read(reader, 1)?;
        Ok(ErabToBeModified {
            ebi: Ebi::read(reader)?,
            qos: ErabQos::read(reader)?,
            nas_pdu: Value::read(reader)?,
            extensions: head.end(reader)?,
        })
    }

    fn write_item(&self, writer: &mut Writer<'_>, _item: u16) -> Result<(), ValueError> {
        write_head(writer, &[], &self.extensions);
        self.ebi.write(writer)?;
        self.qos.write(writer)?;
        self.nas_pdu.write(writer)?;
        write_extensions(writer, &self.extensions)
    }
}
