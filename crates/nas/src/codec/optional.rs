//! The optional part of a message: elements with identifiers, in an order that is remembered when it is unusual.
//!
//! An element that is repeated or malformed is treated as absent (TS 24.301 §7.6.3, §7.7.1) but kept. One out of sequence is
//! accepted: §7.6.2 lets a network do otherwise, and phones exist that need it.

use super::read::take;
use crate::ie::{OtherIes, Placed, RawIe};
use crate::{EncodeError, ErrorKind};

/// How long an element is (TS 24.007 §11.2.4).
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// One octet, identifier and value.
    Half,
    /// So many octets after the identifier.
    Fixed(usize),
    /// A length indicator of one octet.
    Short,
    /// A length indicator of two octets.
    Long,
}

impl Format {
    /// The format of an element that the message's table does not have.
    pub(crate) const fn of_unknown(iei: u8) -> Self {
        match iei {
            0x80.. => Self::Half,
            0x78..=0x7f => Self::Long,
            _ => Self::Short,
        }
    }
}

/// An element as it stands in the message.
#[derive(Clone, Copy)]
pub(crate) struct Found<'a> {
    /// Identifier as the table writes it: low half zero for one-octet elements.
    pub(crate) key: u8,
    format: Format,
    /// All octets, identifier first.
    octets: &'a [u8],
}

impl<'a> Found<'a> {
    /// The four value bits of a one-octet element.
    pub(crate) fn half(&self) -> u8 {
        self.octets.first().map_or(0, |octet| octet & 0x0f)
    }

    /// The value octets; `None` when the element was cut short.
    pub(crate) fn value(&self) -> Option<&'a [u8]> {
        let mut rest = self.octets.get(1..)?;
        let len = match self.format {
            Format::Half => 0,
            Format::Fixed(len) => len,
            Format::Short => usize::from(*take(&mut rest, 1)?.first()?),
            Format::Long => {
                let indicator: [u8; 2] = take(&mut rest, 2)?.try_into().ok()?;
                usize::from(u16::from_be_bytes(indicator))
            }
        };
        rest.get(..len)
    }
}

/// Walks the optional part and remembers what encoding needs.
pub(crate) struct Reader<'a, F> {
    rest: &'a [u8],
    format: F,
    /// Places of the accepted fields while they come in the order of the table, one bit each.
    in_order: u64,
    last_place: Option<usize>,
    regular: bool,
    other: OtherIes,
}

impl<'a, F: Fn(u8) -> Format> Reader<'a, F> {
    pub(crate) fn new(rest: &'a [u8], format: F) -> Self {
        Self { rest, format, in_order: 0, last_place: None, regular: true, other: OtherIes::new() }
    }

    /// The next element. One that says it is longer than the message takes the rest of it.
    ///
    /// # Errors
    /// [`ErrorKind::ComprehensionRequired`] when such an element is cut short.
    pub(crate) fn next(&mut self) -> Result<Option<Found<'a>>, ErrorKind> {
        let Some(&iei) = self.rest.first() else {
            return Ok(None);
        };
        let key = if iei >= 0x80 { iei & 0xf0 } else { iei };
        let format = (self.format)(key);
        let mut found = Found { key, format, octets: self.rest };
        let header = match format {
            Format::Half | Format::Fixed(_) => 1,
            Format::Short => 2,
            Format::Long => 3,
        };
        let len = found.value().map_or(self.rest.len(), |v| header + v.len());
        found.octets = take(&mut self.rest, len).unwrap_or_default();
        Ok(Some(found))
    }

    /// Remembers an element: `accepted` when it became the value of a field of the table `order`.
    pub(crate) fn keep(&mut self, element: Found<'_>, accepted: bool, order: &[u8]) {
        let place = order.iter().position(|iei| *iei == element.key);
        match place.filter(|_| accepted) {
            Some(place) if self.regular && self.last_place.is_none_or(|last| last < place) => {
                self.in_order |= 1 << (place & 63);
                self.last_place = Some(place);
            }
            Some(_) => {
                self.write_down(order);
                self.other.entries.push(Placed::Field(element.key));
            }
            None => {
                self.write_down(order);
                if let Some((&iei, octets)) = element.octets.split_first() {
                    self.other.push(RawIe { iei, octets: octets.to_vec() });
                }
            }
        }
    }

    /// From here on the order is not what the table says: writes down the fields that came so far.
    fn write_down(&mut self, order: &[u8]) {
        if !self.regular {
            return;
        }
        self.regular = false;
        let came = order.iter().enumerate().filter(|(place, _)| self.in_order >> (place & 63) & 1 == 1);
        self.other.entries.extend(came.map(|(_, iei)| Placed::Field(*iei)));
    }

    pub(crate) fn into_other_ies(self) -> OtherIes {
        self.other
    }
}

/// Refuses an unknown element that must be understood (TS 24.007 §11.2.5): bits 8 to 5 zero, or 0x7e and 0x7f.
pub(crate) fn check_comprehension(iei: u8) -> Result<(), ErrorKind> {
    if iei <= 0x0f || iei == 0x7e || iei == 0x7f {
        return Err(ErrorKind::ComprehensionRequired(iei));
    }
    Ok(())
}

/// Writes the field with an identifier.
type WriteField<'a> = dyn Fn(u8, &mut Vec<u8>) -> Result<(), EncodeError> + 'a;

/// Writes the optional part in the remembered order. Fields set since then go before the first remembered field of a later
/// place in the table, or else before the elements that follow the last remembered field.
pub(crate) fn write_in_order(
    out: &mut Vec<u8>,
    entries: &[Placed],
    order: &[u8],
    present: &dyn Fn(u8) -> bool,
    write: &WriteField<'_>,
) -> Result<(), EncodeError> {
    let remembered = |iei: u8| entries.contains(&Placed::Field(iei));
    let mut added = order.iter().copied().filter(|iei| present(*iei) && !remembered(*iei)).peekable();
    let place = |iei: u8| order.iter().position(|known| *known == iei);
    let tail = entries.iter().rposition(|entry| matches!(entry, Placed::Field(_))).map_or(0, |last| last + 1);
    for (at, entry) in entries.iter().enumerate() {
        if let Placed::Field(iei) = entry {
            while let Some(earlier) = added.next_if(|new| place(*new) < place(*iei)) {
                write(earlier, out)?;
            }
            write(*iei, out)?;
            continue;
        }
        if at == tail {
            for iei in added.by_ref() {
                write(iei, out)?;
            }
        }
        if let Placed::Raw(ie) = entry {
            out.push(ie.iei);
            out.extend_from_slice(&ie.octets);
        }
    }
    for iei in added {
        write(iei, out)?;
    }
    Ok(())
}
