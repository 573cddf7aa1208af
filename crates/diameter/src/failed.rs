//! Failed-AVP: which AVP a request is refused for (RFC 6733 §7.5).

use crate::DecodeError;
use crate::avp::{Avp, AvpId, Avps};
use crate::dictionary::{self, Kind};
use crate::message::HEADER;
use crate::writer::Writer;

/// Groups within groups that are looked into; what was decoded is not deeper.
const DEPTH: usize = 32;

/// Writes the AVP that `error` is about, of the request in these octets: as it came, where it is there and can be read; otherwise, and
/// where it is missing, with the least value of its type, zeroes. Nothing for an error that is about no AVP.
pub(crate) fn failed(writer: &mut Writer, octets: &[u8], error: DecodeError) {
    let top = || Avps::new(octets.get(HEADER..).unwrap_or_default(), HEADER);
    let found = match error {
        DecodeError::Value { code, vendor, .. } => seek(top(), AvpId { code, vendor }, 0),
        // The first that is too many.
        DecodeError::Repeated { code, vendor } => top().all(AvpId { code, vendor }).nth(1),
        DecodeError::Unsupported { at, .. } => {
            Avps::new(octets.get(at..).unwrap_or_default(), at).next().and_then(Result::ok)
        }
        _ => None,
    };
    if let Some(avp) = found {
        writer.group(dictionary::FAILED_AVP, |group| {
            group.raw(avp.id, avp.mandatory, avp.data);
        });
        return;
    }
    let (DecodeError::AvpLength { code, vendor, .. }
    | DecodeError::Missing { code, vendor }
    | DecodeError::Value { code, vendor, .. }) = error
    else {
        return;
    };
    writer.group(dictionary::FAILED_AVP, |group| {
        group.octets(AvpId { code, vendor }, least(AvpId { code, vendor }));
    });
}

/// The first AVP of that name, in groups as well.
fn seek<'a>(avps: Avps<'a>, id: AvpId, depth: usize) -> Option<Avp<'a>> {
    for avp in avps.map_while(Result::ok) {
        if avp.id == id {
            return Some(avp);
        }
        if depth < DEPTH
            && is_group(avp.id)
            && let Some(found) = seek(avp.group(), id, depth + 1)
        {
            return Some(found);
        }
    }
    None
}

/// The first AVP that must be understood and is not known, in groups as well (§4.1: the M bit).
pub(crate) fn unsupported(avps: Avps<'_>, depth: usize) -> Option<Avp<'_>> {
    for avp in avps.map_while(Result::ok) {
        if avp.mandatory && dictionary::find(avp.id).is_none() {
            return Some(avp);
        }
        if depth < DEPTH
            && is_group(avp.id)
            && let Some(found) = unsupported(avp.group(), depth + 1)
        {
            return Some(found);
        }
    }
    None
}

fn is_group(id: AvpId) -> bool {
    dictionary::find(id).is_some_and(|info| info.kind == Kind::Grouped)
}

/// The least value of an AVP's type, in zeroes.
fn least(id: AvpId) -> &'static [u8] {
    match dictionary::find(id).map(|info| info.kind) {
        Some(Kind::Unsigned32 | Kind::Integer32 | Kind::Enumerated | Kind::Float32 | Kind::Time) => &[0; 4],
        Some(Kind::Unsigned64 | Kind::Integer64) => &[0; 8],
        Some(Kind::Address) => &[0; 6],
        _ => &[],
    }
}
