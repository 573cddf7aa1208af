//! Reading mandatory elements.

use super::Element;
use crate::ErrorKind;

/// The low half of the next octet, which stays for [`high`].
pub(crate) fn low(rest: &[u8], field: &'static str) -> Result<u8, ErrorKind> {
    rest.first().map(|octet| octet & 0x0f).ok_or(ErrorKind::MissingMandatory(field))
}

/// The high half of the next octet, which is consumed.
pub(crate) fn high(rest: &mut &[u8], field: &'static str) -> Result<u8, ErrorKind> {
    octet(rest, field).map(|octet| octet >> 4)
}

/// The low half of the next octet, which is consumed.
pub(crate) fn low_only(rest: &mut &[u8], field: &'static str) -> Result<u8, ErrorKind> {
    octet(rest, field).map(|octet| octet & 0x0f)
}

/// The next `len` octets.
pub(crate) fn v<'a>(rest: &mut &'a [u8], len: usize, field: &'static str) -> Result<&'a [u8], ErrorKind> {
    if rest.is_empty() {
        return Err(ErrorKind::MissingMandatory(field));
    }
    take(rest, len).ok_or(ErrorKind::InvalidMandatory(field))
}

/// A value after a length indicator of one octet.
pub(crate) fn lv<'a>(rest: &mut &'a [u8], field: &'static str) -> Result<&'a [u8], ErrorKind> {
    let len = octet(rest, field)?;
    take(rest, usize::from(len)).ok_or(ErrorKind::InvalidMandatory(field))
}

/// A value after a length indicator of two octets.
pub(crate) fn lve<'a>(rest: &mut &'a [u8], field: &'static str) -> Result<&'a [u8], ErrorKind> {
    let indicator = v(rest, 2, field)?;
    let len = indicator.iter().fold(0usize, |n, octet| n << 8 | usize::from(*octet));
    take(rest, len).ok_or(ErrorKind::InvalidMandatory(field))
}

/// The value of an element from its octets.
pub(crate) fn value<T: Element>(octets: &[u8], field: &'static str) -> Result<T, ErrorKind> {
    T::read(octets).ok_or(ErrorKind::InvalidMandatory(field))
}

fn octet(rest: &mut &[u8], field: &'static str) -> Result<u8, ErrorKind> {
    let (&first, after) = rest.split_first().ok_or(ErrorKind::MissingMandatory(field))?;
    *rest = after;
    Ok(first)
}

/// Splits `len` octets off the front.
pub(crate) fn take<'a>(rest: &mut &'a [u8], len: usize) -> Option<&'a [u8]> {
    let (taken, after) = rest.split_at_checked(len)?;
    *rest = after;
    Some(taken)
}
