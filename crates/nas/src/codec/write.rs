//! Writing values behind their length.

use super::Element;
use crate::EncodeError;

/// A value after a length indicator of one octet.
pub(crate) fn lv<T: Element>(value: &T, out: &mut Vec<u8>, field: &'static str) -> Result<(), EncodeError> {
    let at = out.len();
    out.push(0);
    value.write(out);
    let len = u8::try_from(out.len() - at - 1).map_err(|_| EncodeError::TooLong(field))?;
    if let Some(indicator) = out.get_mut(at) {
        *indicator = len;
    }
    Ok(())
}

/// A value after a length indicator of two octets.
pub(crate) fn lve<T: Element>(value: &T, out: &mut Vec<u8>, field: &'static str) -> Result<(), EncodeError> {
    let at = out.len();
    out.extend([0, 0]);
    value.write(out);
    let len = u16::try_from(out.len() - at - 2).map_err(|_| EncodeError::TooLong(field))?;
    if let Some(indicator) = out.get_mut(at..at + 2) {
        indicator.copy_from_slice(&len.to_be_bytes());
    }
    Ok(())
}
