//! The container of protocol IEs that every message is (TS 36.413 §9.3.7): reading it IE by IE, and writing it.

use super::{EncodeError, Form, Item, Value, ValueError};
use crate::fault::{FaultKind, IeFault};
use crate::message::{OtherIe, ReceivedCriticality};
use crate::value::{Criticality, UeIds, UeS1apIds};
use oxirush_aper::{Octets, Reader, Writer};

/// Most faults that are kept of one message: as many as Criticality Diagnostics can tell (maxnoof Errors, §9.2.1.21).
const MAX_FAULTS: usize = 256;

/// A message as the table of its IEs defines it.
pub(crate) trait Message: Sized {
    /// Reads the IEs; `None` when one that is required is not there or not usable, which `ies` notes.
    fn read(ies: &mut Ies<'_>) -> Option<Self>;
    /// How many IEs its fields make.
    fn count(&self) -> usize;
    /// Writes the IEs.
    fn write(&self, out: &mut IeWriter<'_, '_>) -> Result<(), EncodeError>;
}

/// One IE as it is on the wire.
pub(crate) struct RawIe<'a> {
    pub(crate) id: u16,
    criticality: Criticality,
    value: Octets<'a>,
    position: u16,
}

/// The IEs of a message, one after the other, with the faults found so far.
pub(crate) struct Ies<'a> {
    reader: Reader<'a>,
    left: u64,
    position: u16,
    faults: Vec<IeFault>,
    other: Vec<OtherIe>,
    criticalities: Vec<ReceivedCriticality>,
}

impl<'a> Ies<'a> {
    /// The IEs that `octets`, the encoded message, hold. The structure was judged before, with these faults.
    pub(crate) fn new(octets: &'a [u8], mut faults: Vec<IeFault>) -> Self {
        let mut kept = 0;
        faults.retain(|fault| {
            kept += 1;
            kept <= MAX_FAULTS || fault.rejects()
        });
        let mut reader = Reader::new(octets);
        let left = container_size(&mut reader).unwrap_or(0);
        Self { reader, left, position: 0, faults, other: Vec::new(), criticalities: Vec::new() }
    }

    /// The next IE; `None` at the end, or where the octets end early.
    pub(crate) fn next(&mut self) -> Option<RawIe<'a>> {
        self.left = self.left.checked_sub(1)?;
        let (id, criticality, value) = read_field(&mut self.reader).ok()?;
        let position = self.position;
        self.position = position.saturating_add(1);
        Some(RawIe { id, criticality, value, position })
    }

    /// Takes the value of an IE that the message has a field for.
    pub(crate) fn value<T, F: Form<T>>(&mut self, ie: RawIe<'a>, assigned: Criticality, field: &mut Option<T>) {
        self.take(ie, assigned, field, F::read);
    }

    /// Takes a list of single containers of the IE `item`.
    pub(crate) fn list<T: Item>(
        &mut self,
        ie: RawIe<'a>,
        assigned: Criticality,
        item: u16,
        field: &mut Option<Vec<T>>,
    ) {
        self.take(ie, assigned, field, |reader| read_list(reader, item));
    }

    /// Keeps an IE that the message has no field for.
    pub(crate) fn other(&mut self, ie: RawIe<'_>) {
        let RawIe { id, criticality, value, position } = ie;
        self.other.push(OtherIe { id, criticality, value: value.into_vec(), position });
    }

    /// The IEs kept by [`Self::other`].
    pub(crate) fn take_other(&mut self) -> Vec<OtherIe> {
        core::mem::take(&mut self.other)
    }

    /// The criticalities of IEs with a field that are not those that the standard assigns.
    pub(crate) fn take_criticalities(&mut self) -> Vec<ReceivedCriticality> {
        core::mem::take(&mut self.criticalities)
    }

    /// A field that the message cannot be without, by the criticality that the standard assigns.
    pub(crate) fn required<T>(&mut self, id: u16, criticality: Criticality, field: Option<T>) -> Option<T> {
        if field.is_none() && !self.faults.iter().any(|fault| fault.id == id && fault.rejects()) {
            self.fault(IeFault { id, criticality, position: None, kind: FaultKind::Missing });
        }
        field
    }

    pub(crate) fn into_faults(self) -> Vec<IeFault> {
        self.faults
    }

    fn take<T>(
        &mut self,
        ie: RawIe<'a>,
        assigned: Criticality,
        field: &mut Option<T>,
        read: impl FnOnce(&mut Reader<'_>) -> Result<T, ValueError>,
    ) {
        let mut reader = Reader::new(&ie.value);
        let value = read(&mut reader).and_then(|value| Ok(reader.finish().map(|()| value)?));
        match value {
            Ok(value) if field.is_none() => {
                *field = Some(value);
                if ie.criticality != assigned {
                    self.criticalities.push(ReceivedCriticality { id: ie.id, criticality: ie.criticality });
                }
            }
            // Too many occurrences reject the message: the structure said so already.
            Ok(_) => {}
            Err(error) => {
                let kind = match error {
                    ValueError::Syntax(_) => FaultKind::Undecodable,
                    ValueError::Range(_) => FaultKind::NotUnderstood,
                };
                self.fault(IeFault { id: ie.id, criticality: ie.criticality, position: Some(ie.position), kind });
                self.other(ie);
            }
        }
    }

    fn fault(&mut self, fault: IeFault) {
        if self.faults.len() < MAX_FAULTS || fault.rejects() {
            self.faults.push(fault);
        }
    }
}

/// The UE association ids in the container that starts at `octets`, as far as it can be read.
pub(crate) fn scan_ue_ids(octets: &[u8]) -> UeIds {
    let mut ids = UeIds::default();
    let mut reader = Reader::new(octets);
    let left = container_size(&mut reader).unwrap_or(0);
    for _ in 0..left {
        let Ok((id, _, value)) = read_field(&mut reader) else {
            break;
        };
        let value = &mut Reader::new(&value);
        match id {
            0 | 88 if ids.mme.is_none() => ids.mme = Value::read(value).ok(),
            8 if ids.enb.is_none() => ids.enb = Value::read(value).ok(),
            99 => ids = UeS1apIds::read(value).map_or(ids, UeIds::from),
            _ => {}
        }
    }
    ids
}

/// How many IEs follow.
fn container_size(reader: &mut Reader<'_>) -> Result<u64, ValueError> {
    // The message is a SEQUENCE with an extension marker; additions stand after the container.
    reader.bit()?;
    Ok(reader.unsigned(0, 65535)?)
}

/// ProtocolIE-ID, INTEGER (0..65535).
pub(super) fn read_id(reader: &mut Reader<'_>) -> Result<u16, ValueError> {
    let octets = reader.octets(2)?;
    Ok(u16::from_be_bytes([octets[0], octets[1]]))
}

/// Identifier, criticality and value of an IE.
pub(super) fn read_field<'a>(reader: &mut Reader<'a>) -> Result<(u16, Criticality, Octets<'a>), ValueError> {
    let id = read_id(reader)?;
    let criticality = Criticality::read(reader)?;
    Ok((id, criticality, reader.open_type()?))
}

/// A list of 1 to 256 single containers of the IE `item`.
pub(super) fn read_list<T: Item>(reader: &mut Reader<'_>, item: u16) -> Result<Vec<T>, ValueError> {
    let count = reader.size(1, 256)?;
    let mut list = reader.list(count);
    for _ in 0..count {
        let (id, _, value) = read_field(reader)?;
        if id != item {
            return Err(ValueError::Range("an item of another kind in a list"));
        }
        let value = &mut Reader::new(&value);
        list.push(T::read_item(value, item)?);
        value.finish()?;
    }
    Ok(list)
}

/// Writes what [`read_list`] reads.
pub(super) fn write_list<T: Item>(
    writer: &mut Writer<'_>,
    list: &[T],
    item: u16,
    criticality: Criticality,
) -> Result<(), ValueError> {
    writer.size(list.len(), 1, 256)?;
    for value in list {
        write_field_head(writer, item, criticality);
        let start = writer.begin_open_type();
        value.write_item(writer, item)?;
        writer.end_open_type(start);
    }
    Ok(())
}

/// Identifier and criticality of an IE.
pub(super) fn write_field_head(writer: &mut Writer<'_>, id: u16, criticality: Criticality) {
    writer.octets(&id.to_be_bytes());
    writer.bits(u64::from(criticality.index()), 2);
}

/// Writes the IEs of a message, those without a field at the places they had.
pub(crate) struct IeWriter<'m, 'w> {
    writer: &'m mut Writer<'w>,
    message: &'static str,
    other: &'m [OtherIe],
    criticalities: &'m [ReceivedCriticality],
    position: u16,
}

impl<'m, 'w> IeWriter<'m, 'w> {
    /// Writes a whole message.
    pub(crate) fn message<M: Message>(
        writer: &'m mut Writer<'w>,
        name: &'static str,
        message: &'m M,
        other: &'m [OtherIe],
        criticalities: &'m [ReceivedCriticality],
    ) -> Result<(), EncodeError> {
        let refuse = |error: oxirush_aper::Error| EncodeError { message: name, id: 0, reason: error.to_string() };
        let start = writer.begin_open_type();
        writer.bit(false);
        writer.unsigned((message.count() + other.len()) as u64, 0, 65535).map_err(refuse)?;
        let mut out = Self { writer, message: name, other, criticalities, position: 0 };
        message.write(&mut out)?;
        out.others_up_to(u16::MAX);
        out.writer.end_open_type(start);
        Ok(())
    }

    /// Writes an IE that is there.
    pub(crate) fn value<T, F: Form<T>>(
        &mut self,
        id: u16,
        criticality: Criticality,
        value: Option<&T>,
    ) -> Result<(), EncodeError> {
        match value {
            Some(value) => self.ie(id, criticality, |writer| F::write(value, writer)),
            None => Ok(()),
        }
    }

    /// Writes a list, or nothing for one that is empty and may be absent.
    pub(crate) fn list<T: Item>(
        &mut self,
        id: u16,
        criticality: Criticality,
        required: bool,
        list: &[T],
        (item, item_criticality): (u16, Criticality),
    ) -> Result<(), EncodeError> {
        if list.is_empty() && !required {
            return Ok(());
        }
        self.ie(id, criticality, |writer| write_list(writer, list, item, item_criticality))
    }

    fn ie(
        &mut self,
        id: u16,
        criticality: Criticality,
        write: impl FnOnce(&mut Writer<'_>) -> Result<(), ValueError>,
    ) -> Result<(), EncodeError> {
        self.others_up_to(self.position);
        self.position = self.position.saturating_add(1);
        let received = self.criticalities.iter().find(|received| received.id == id);
        write_field_head(self.writer, id, received.map_or(criticality, |received| received.criticality));
        let start = self.writer.begin_open_type();
        write(self.writer).map_err(|error| EncodeError { message: self.message, id, reason: error.to_string() })?;
        self.writer.end_open_type(start);
        Ok(())
    }

    /// Writes the IEs without a field whose place is `position` or before.
    fn others_up_to(&mut self, position: u16) {
        while let Some((next, rest)) = self.other.split_first()
            && next.position <= position.max(self.position)
        {
            self.other = rest;
            self.position = self.position.saturating_add(1);
            write_field_head(self.writer, next.id, next.criticality);
            self.writer.open_type(&next.value);
        }
    }
}
