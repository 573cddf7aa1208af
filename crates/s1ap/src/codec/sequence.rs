//! What every SEQUENCE of S1AP has around its members: an extension bit, a bit for each optional member, and, as the last of
//! these, the container `iE-Extensions` (TS 36.413 §9.3.7).

use super::ValueError;
use super::container::{read_field, write_field_head};
use crate::value::Extension;
use oxirush_aper::{Reader, Writer};

/// The head of a SEQUENCE: which optional members are there.
pub(super) struct Sequence {
    additions: bool,
    present: u64,
}

impl Sequence {
    /// Reads the head of a SEQUENCE with `optional` optional members, `iE-Extensions` among them.
    pub(super) fn read(reader: &mut Reader<'_>, optional: usize) -> Result<Self, ValueError> {
        let additions = reader.bit()?;
        Ok(Self { additions, present: reader.bits(optional)? })
    }

    /// Whether an optional member is there, counted from the last: 0 is `iE-Extensions`.
    pub(super) fn has(&self, from_last: u32) -> bool {
        self.present >> from_last & 1 == 1
    }

    /// Reads what follows the members, keeping the extension IEs. Additions of a later release are skipped: the standard
    /// extends its types by extension IEs, and never used one.
    pub(super) fn end(self, reader: &mut Reader<'_>) -> Result<Vec<Extension>, ValueError> {
        let extensions = if self.has(0) { read_extensions(reader)? } else { Vec::new() };
        if self.additions {
            reader.skip_additions()?;
        }
        Ok(extensions)
    }
}

/// Writes the head of a SEQUENCE: its optional members in order, then whether it has extension IEs.
pub(super) fn write_head(writer: &mut Writer<'_>, optional: &[bool], extensions: &[Extension]) {
    writer.bit(false);
    for present in optional {
        writer.bit(*present);
    }
    writer.bit(!extensions.is_empty());
}

/// Writes the extension IEs, if there are any.
pub(super) fn write_extensions(writer: &mut Writer<'_>, extensions: &[Extension]) -> Result<(), ValueError> {
    if extensions.is_empty() {
        return Ok(());
    }
    writer.size(extensions.len(), 1, 65535)?;
    for extension in extensions {
        write_field_head(writer, extension.id, extension.criticality);
        writer.open_type(&extension.value);
    }
    Ok(())
}

fn read_extensions(reader: &mut Reader<'_>) -> Result<Vec<Extension>, ValueError> {
    let count = reader.size(1, 65535)?;
    let mut extensions = reader.list(count);
    for _ in 0..count {
        let (id, criticality, value) = read_field(reader)?;
        extensions.push(Extension { id, criticality, value: value.into_vec() });
    }
    Ok(extensions)
}
