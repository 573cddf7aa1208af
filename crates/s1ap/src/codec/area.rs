//! Networks, areas, cells and restrictions on them (TS 36.413 §9.2.1.22, §9.2.1.38, §9.2.3.7, §9.2.3.8, §9.2.3.16).

use super::sequence::{Sequence, write_extensions, write_head};
use super::value::{read_values, write_values};
use super::{BitField, Form, Item, Value, ValueError};
use crate::value::{ForbiddenLas, ForbiddenTas, HandoverRestrictionList};
use basalt_ids::{Ecgi, Eci, Plmn, Tac, Tai};
use oxirush_aper::{Reader, Writer};

/// PLMNidentity, OCTET STRING (SIZE (3)) in the digit order of §9.2.3.8, which is not that of NAS.
impl Value for Plmn {
    fn read(reader: &mut Reader<'_>) -> Result<Self, ValueError> {
        Plmn::from_s1ap(reader.octet_array()?)
            .map_err(|_| ValueError::Range("a PLMN identity that is not made of digits"))
    }

    fn write(&self, writer: &mut Writer<'_>) -> Result<(), ValueError> {
        writer.octet_array(&self.to_s1ap());
        Ok(())
    }
}

/// TAC, OCTET STRING (SIZE (2)).
impl Value for Tac {
    fn read(reader: &mut Reader<'_>) -> Result<Self, ValueError> {
        Ok(Tac(u16::from_be_bytes(reader.octet_array()?)))
    }

    fn write(&self, writer: &mut Writer<'_>) -> Result<(), ValueError> {
        writer.octet_array(&self.0.to_be_bytes());
        Ok(())
    }
}

impl Value for Tai {
    fn read(reader: &mut Reader<'_>) -> Result<Self, ValueError> {
        let head = Sequence::read(reader, 1)?;
        let tai = Tai { plmn: Plmn::read(reader)?, tac: Tac::read(reader)? };
        head.end(reader)?;
        Ok(tai)
    }

    fn write(&self, writer: &mut Writer<'_>) -> Result<(), ValueError> {
        write_head(writer, &[], &[]);
        self.plmn.write(writer)?;
        self.tac.write(writer)
    }
}

/// TAIItem: a TAI in a SEQUENCE of its own.
impl Item for Tai {
    fn read_item(reader: &mut Reader<'_>, _item: u16) -> Result<Self, ValueError> {
        let head = Sequence::read(reader, 1)?;
        let tai = Tai::read(reader)?;
        head.end(reader)?;
        Ok(tai)
    }

    fn write_item(&self, writer: &mut Writer<'_>, _item: u16) -> Result<(), ValueError> {
        write_head(writer, &[], &[]);
        self.write(writer)
    }
}

impl Value for Ecgi {
    fn read(reader: &mut Reader<'_>) -> Result<Self, ValueError> {
        let head = Sequence::read(reader, 1)?;
        let plmn = Plmn::read(reader)?;
        let eci =
            Eci::new(BitField::<28>::read(reader)?).map_err(|_| ValueError::Range("a cell identity above 28 bits"))?;
        head.end(reader)?;
        Ok(Ecgi { plmn, eci })
    }

    fn write(&self, writer: &mut Writer<'_>) -> Result<(), ValueError> {
        write_head(writer, &[], &[]);
        self.plmn.write(writer)?;
        BitField::<28>::write(&self.eci.value(), writer)
    }
}

impl Value for HandoverRestrictionList {
    fn read(reader: &mut Reader<'_>) -> Result<Self, ValueError> {
        let head = Sequence::read(reader, 5)?;
        let serving_plmn = Plmn::read(reader)?;
        let equivalent_plmns = if head.has(4) { read_values(reader, 1, 15)? } else { Vec::new() };
        let forbidden_tas = if head.has(3) { read_values(reader, 1, 16)? } else { Vec::new() };
        let forbidden_las = if head.has(2) { read_values(reader, 1, 16)? } else { Vec::new() };
        let forbidden_inter_rats = if head.has(1) { Some(Value::read(reader)?) } else { None };
        let extensions = head.end(reader)?;
        Ok(HandoverRestrictionList {
            serving_plmn,
            equivalent_plmns,
            forbidden_tas,
            forbidden_las,
            forbidden_inter_rats,
            extensions,
        })
    }

    fn write(&self, writer: &mut Writer<'_>) -> Result<(), ValueError> {
        let lists = [!self.equivalent_plmns.is_empty(), !self.forbidden_tas.is_empty(), !self.forbidden_las.is_empty()];
        let [plmns, tas, las] = lists;
        write_head(writer, &[plmns, tas, las, self.forbidden_inter_rats.is_some()], &self.extensions);
        self.serving_plmn.write(writer)?;
        if plmns {
            write_values(writer, &self.equivalent_plmns, 1, 15)?;
        }
        if tas {
            write_values(writer, &self.forbidden_tas, 1, 16)?;
        }
        if las {
            write_values(writer, &self.forbidden_las, 1, 16)?;
        }
        if let Some(rats) = &self.forbidden_inter_rats {
            rats.write(writer)?;
        }
        write_extensions(writer, &self.extensions)
    }
}

impl Value for ForbiddenTas {
    fn read(reader: &mut Reader<'_>) -> Result<Self, ValueError> {
        let head = Sequence::read(reader, 1)?;
        let areas = ForbiddenTas { plmn: Plmn::read(reader)?, tacs: read_values(reader, 1, 4096)? };
        head.end(reader)?;
        Ok(areas)
    }

    fn write(&self, writer: &mut Writer<'_>) -> Result<(), ValueError> {
        write_head(writer, &[], &[]);
        self.plmn.write(writer)?;
        write_values(writer, &self.tacs, 1, 4096)
    }
}

impl Value for ForbiddenLas {
    fn read(reader: &mut Reader<'_>) -> Result<Self, ValueError> {
        let head = Sequence::read(reader, 1)?;
        let plmn = Plmn::read(reader)?;
        let count = reader.size(1, 4096)?;
        let mut lacs = reader.list(count);
        for _ in 0..count {
            lacs.push(u16::from_be_bytes(reader.octet_array()?));
        }
        head.end(reader)?;
        Ok(ForbiddenLas { plmn, lacs })
    }

    fn write(&self, writer: &mut Writer<'_>) -> Result<(), ValueError> {
        write_head(writer, &[], &[]);
        self.plmn.write(writer)?;
        writer.size(self.lacs.len(), 1, 4096)?;
        for lac in &self.lacs {
            writer.octet_array(&lac.to_be_bytes());
        }
        Ok(())
    }
}
