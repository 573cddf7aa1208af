//! What eNodeBs and MMEs are called and serve (TS 36.413 §9.1.8, §9.2.1.37, §9.2.3.9, §9.2.3.10).

use super::sequence::{Sequence, write_extensions, write_head};
use super::value::{read_values, write_values};
use super::{BitField, Form, Value, ValueError};
use crate::value::{Name, OverloadAction, ServedGummeis, SupportedTa};
use basalt_ids::{EnbId, GlobalEnbId, Gummei, MmeCode, MmeGroupId, Plmn, Tac};
use oxirush_aper::{Reader, Writer};

/// MME-Group-ID, OCTET STRING (SIZE (2)).
impl Value for MmeGroupId {
    fn read(reader: &mut Reader<'_>) -> Result<Self, ValueError> {
        Ok(MmeGroupId(u16::from_be_bytes(reader.octet_array()?)))
    }

    fn write(&self, writer: &mut Writer<'_>) -> Result<(), ValueError> {
        writer.octet_array(&self.0.to_be_bytes());
        Ok(())
    }
}

/// MME-Code, OCTET STRING (SIZE (1)).
impl Value for MmeCode {
    fn read(reader: &mut Reader<'_>) -> Result<Self, ValueError> {
        let [code] = reader.octet_array()?;
        Ok(MmeCode(code))
    }

    fn write(&self, writer: &mut Writer<'_>) -> Result<(), ValueError> {
        writer.octet_array(&[self.0]);
        Ok(())
    }
}

impl Value for GlobalEnbId {
    fn read(reader: &mut Reader<'_>) -> Result<Self, ValueError> {
        let head = Sequence::read(reader, 1)?;
        let id = GlobalEnbId { plmn: Plmn::read(reader)?, enb: EnbId::read(reader)? };
        head.end(reader)?;
        Ok(id)
    }

    fn write(&self, writer: &mut Writer<'_>) -> Result<(), ValueError> {
        write_head(writer, &[], &[]);
        self.plmn.write(writer)?;
        self.enb.write(writer)
    }
}

/// ENB-ID, a CHOICE whose last two alternatives are additions, each in an open type.
impl Value for EnbId {
    fn read(reader: &mut Reader<'_>) -> Result<Self, ValueError> {
        match reader.choice(2, 2, true)? {
            0 => BitField::<20>::read(reader).map(EnbId::Macro),
            1 => BitField::<28>::read(reader).map(EnbId::Home),
            2 => BitField::<18>::read(&mut Reader::new(&reader.open_type()?)).map(EnbId::ShortMacro),
            _ => BitField::<21>::read(&mut Reader::new(&reader.open_type()?)).map(EnbId::LongMacro),
        }
    }

    fn write(&self, writer: &mut Writer<'_>) -> Result<(), ValueError> {
        let index = match self {
            EnbId::Macro(_) => 0,
            EnbId::Home(_) => 1,
            EnbId::ShortMacro(_) => 2,
            EnbId::LongMacro(_) => 3,
        };
        writer.index(index, 2, true);
        match self {
            EnbId::Macro(id) => BitField::<20>::write(id, writer),
            EnbId::Home(id) => BitField::<28>::write(id, writer),
            EnbId::ShortMacro(id) => in_open_type(writer, |writer| BitField::<18>::write(id, writer)),
            EnbId::LongMacro(id) => in_open_type(writer, |writer| BitField::<21>::write(id, writer)),
        }
    }
}

fn in_open_type(
    writer: &mut Writer<'_>,
    write: impl FnOnce(&mut Writer<'_>) -> Result<(), ValueError>,
) -> Result<(), ValueError> {
    let start = writer.begin_open_type();
    write(writer)?;
    writer.end_open_type(start);
    Ok(())
}

impl Value for Gummei {
    fn read(reader: &mut Reader<'_>) -> Result<Self, ValueError> {
        let head = Sequence::read(reader, 1)?;
        let gummei =
            Gummei { plmn: Plmn::read(reader)?, group: MmeGroupId::read(reader)?, code: MmeCode::read(reader)? };
        head.end(reader)?;
        Ok(gummei)
    }

    fn write(&self, writer: &mut Writer<'_>) -> Result<(), ValueError> {
        write_head(writer, &[], &[]);
        self.plmn.write(writer)?;
        self.group.write(writer)?;
        self.code.write(writer)
    }
}

/// GUMMEIList.
impl Value for Vec<Gummei> {
    fn read(reader: &mut Reader<'_>) -> Result<Self, ValueError> {
        read_values(reader, 1, 256)
    }

    fn write(&self, writer: &mut Writer<'_>) -> Result<(), ValueError> {
        write_values(writer, self, 1, 256)
    }
}

/// ENBname and MMEname, PrintableString (SIZE (1..150, ...)), whose characters are octets: the alphabet is not insisted on.
impl Value for Name {
    fn read(reader: &mut Reader<'_>) -> Result<Self, ValueError> {
        let octets = reader.octet_string_extensible(1, 150)?;
        Name::received(&octets).ok_or(ValueError::Range("a node name that is not text of 1 to 150 octets"))
    }

    fn write(&self, writer: &mut Writer<'_>) -> Result<(), ValueError> {
        Ok(writer.octet_string_extensible(self.as_str().as_bytes(), 1, 150)?)
    }
}

impl Value for SupportedTa {
    fn read(reader: &mut Reader<'_>) -> Result<Self, ValueError> {
        let head = Sequence::read(reader, 1)?;
        Ok(SupportedTa {
            tac: Tac::read(reader)?,
            broadcast_plmns: read_values(reader, 1, 6)?,
            extensions: head.end(reader)?,
        })
    }

    fn write(&self, writer: &mut Writer<'_>) -> Result<(), ValueError> {
        write_head(writer, &[], &self.extensions);
        self.tac.write(writer)?;
        write_values(writer, &self.broadcast_plmns, 1, 6)?;
        write_extensions(writer, &self.extensions)
    }
}

/// SupportedTAs.
impl Value for Vec<SupportedTa> {
    fn read(reader: &mut Reader<'_>) -> Result<Self, ValueError> {
        read_values(reader, 1, 256)
    }

    fn write(&self, writer: &mut Writer<'_>) -> Result<(), ValueError> {
        write_values(writer, self, 1, 256)
    }
}

impl Value for ServedGummeis {
    fn read(reader: &mut Reader<'_>) -> Result<Self, ValueError> {
        let head = Sequence::read(reader, 1)?;
        Ok(ServedGummeis {
            plmns: read_values(reader, 1, 32)?,
            groups: read_values(reader, 1, 65535)?,
            codes: read_values(reader, 1, 256)?,
            extensions: head.end(reader)?,
        })
    }

    fn write(&self, writer: &mut Writer<'_>) -> Result<(), ValueError> {
        write_head(writer, &[], &self.extensions);
        write_values(writer, &self.plmns, 1, 32)?;
        write_values(writer, &self.groups, 1, 65535)?;
        write_values(writer, &self.codes, 1, 256)?;
        write_extensions(writer, &self.extensions)
    }
}

/// ServedGUMMEIs.
impl Value for Vec<ServedGummeis> {
    fn read(reader: &mut Reader<'_>) -> Result<Self, ValueError> {
        read_values(reader, 1, 8)
    }

    fn write(&self, writer: &mut Writer<'_>) -> Result<(), ValueError> {
        write_values(writer, self, 1, 8)
    }
}

/// Overload Response, a CHOICE of one alternative: the action.
pub(crate) struct OverloadResponse;

impl Form<OverloadAction> for OverloadResponse {
    fn read(reader: &mut Reader<'_>) -> Result<OverloadAction, ValueError> {
        reader.choice(1, 0, true)?;
        OverloadAction::read(reader)
    }

    fn write(action: &OverloadAction, writer: &mut Writer<'_>) -> Result<(), ValueError> {
        writer.index(0, 1, true);
        action.write(writer)
    }
}
