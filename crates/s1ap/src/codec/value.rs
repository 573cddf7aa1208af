//! How single values are read and written.

use oxirush_aper::{Bits, Reader, UNBOUNDED, Writer};

/// Why a value cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ValueError {
    /// The octets are not the encoding of such a value, or the value has no encoding.
    #[error("{0}")]
    Syntax(#[from] oxirush_aper::Error),
    /// The encoding is whole and its value has no meaning (TS 36.413 §10.3.1: the logical range is violated).
    #[error("{0}")]
    Range(&'static str),
}

/// The value of an IE.
pub(crate) trait Value: Sized {
    /// Reads it.
    fn read(reader: &mut Reader<'_>) -> Result<Self, ValueError>;
    /// Writes it.
    fn write(&self, writer: &mut Writer<'_>) -> Result<(), ValueError>;
}

/// The value of an item of a list of single containers. `item` is the IE it is in: some types are in several.
pub(crate) trait Item: Sized {
    /// Reads it.
    fn read_item(reader: &mut Reader<'_>, item: u16) -> Result<Self, ValueError>;
    /// Writes it.
    fn write_item(&self, writer: &mut Writer<'_>, item: u16) -> Result<(), ValueError>;
}

/// How a field of the type `T` is encoded.
pub(crate) trait Form<T> {
    /// Reads the value.
    fn read(reader: &mut Reader<'_>) -> Result<T, ValueError>;
    /// Writes the value.
    fn write(value: &T, writer: &mut Writer<'_>) -> Result<(), ValueError>;
}

/// As its type says.
pub(crate) struct Plain;

impl<T: Value> Form<T> for Plain {
    fn read(reader: &mut Reader<'_>) -> Result<T, ValueError> {
        T::read(reader)
    }

    fn write(value: &T, writer: &mut Writer<'_>) -> Result<(), ValueError> {
        value.write(writer)
    }
}

/// INTEGER (`LOWER`..`UPPER`), for numbers that have no type of their own.
pub(crate) struct Integer<const LOWER: u64, const UPPER: u64>;

impl<T, const LOWER: u64, const UPPER: u64> Form<T> for Integer<LOWER, UPPER>
where
    T: Copy + Into<u64> + TryFrom<u64>,
{
    fn read(reader: &mut Reader<'_>) -> Result<T, ValueError> {
        let number = reader.unsigned(LOWER, UPPER)?;
        T::try_from(number).map_err(|_| ValueError::Range("a number that its type cannot hold"))
    }

    fn write(value: &T, writer: &mut Writer<'_>) -> Result<(), ValueError> {
        Ok(writer.unsigned((*value).into(), LOWER, UPPER)?)
    }
}

/// BIT STRING (SIZE (`SIZE`)) of 64 bits at most, for numbers that have no type of their own.
pub(crate) struct BitField<const SIZE: usize>;

impl<T, const SIZE: usize> Form<T> for BitField<SIZE>
where
    T: Copy + Into<u64> + TryFrom<u64>,
{
    fn read(reader: &mut Reader<'_>) -> Result<T, ValueError> {
        let bits = reader.bits_sized(SIZE, SIZE)?.value();
        T::try_from(bits).map_err(|_| ValueError::Range("a number that its type cannot hold"))
    }

    fn write(value: &T, writer: &mut Writer<'_>) -> Result<(), ValueError> {
        Ok(writer.bits_sized(Bits::new((*value).into(), SIZE)?, SIZE, SIZE)?)
    }
}

/// The index of an extensible ENUMERATED with `root` values before its extension marker, known or not.
pub(crate) fn read_index(reader: &mut Reader<'_>, root: u64) -> Result<u16, ValueError> {
    const MOST: u64 = 1 << 16;
    let index = reader.enumerated(root, MOST - root, true)?;
    u16::try_from(index).map_err(|_| ValueError::Range("an enumerated value beyond 65535"))
}

/// The index of an ENUMERATED of `count` values.
pub(crate) fn read_closed_index(reader: &mut Reader<'_>, count: u64) -> Result<u16, ValueError> {
    let index = reader.enumerated(count, 0, false)?;
    u16::try_from(index).map_err(|_| ValueError::Range("an enumerated value beyond 65535"))
}

/// OCTET STRING without bounds: NAS-PDU, UE radio capability.
impl Value for Vec<u8> {
    fn read(reader: &mut Reader<'_>) -> Result<Self, ValueError> {
        Ok(reader.octet_string(0, UNBOUNDED)?.into_vec())
    }

    fn write(&self, writer: &mut Writer<'_>) -> Result<(), ValueError> {
        Ok(writer.octet_string(self, 0, UNBOUNDED)?)
    }
}

impl<T: Value> Value for Box<T> {
    fn read(reader: &mut Reader<'_>) -> Result<Self, ValueError> {
        T::read(reader).map(Box::new)
    }

    fn write(&self, writer: &mut Writer<'_>) -> Result<(), ValueError> {
        T::write(self, writer)
    }
}

/// A SEQUENCE OF `lower` to `upper` values.
pub(crate) fn read_values<T: Value>(reader: &mut Reader<'_>, lower: usize, upper: usize) -> Result<Vec<T>, ValueError> {
    let count = reader.size(lower, upper)?;
    let mut list = reader.list(count);
    for _ in 0..count {
        list.push(T::read(reader)?);
    }
    Ok(list)
}

/// Writes what [`read_values`] reads.
pub(crate) fn write_values<T: Value>(
    writer: &mut Writer<'_>,
    list: &[T],
    lower: usize,
    upper: usize,
) -> Result<(), ValueError> {
    writer.size(list.len(), lower, upper)?;
    list.iter().try_for_each(|value| value.write(writer))
}
