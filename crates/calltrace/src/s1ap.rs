//! What an S1AP message says: its name, whom it is about, what it carries, its fields.

use basalt_ids::{EnbUeS1apId, Imsi, MmeUeS1apId, STmsi};
use basalt_nas::ie::{EpsMobileIdentity, MobileIdentity};
use basalt_nas::{Direction, EmmMessage, Envelope, Plain};
use basalt_s1ap::{Cause, PagingIdentity, Pdu};
use serde_json::{Map, Value};

/// Octets of a field, letters of a text, entries of a list and levels that are shown.
const OCTETS: usize = 64;
const LETTERS: usize = 256;
const ENTRIES: usize = 32;
const DEPTH: usize = 8;

/// What a message tells about whom it is about.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Told {
    /// The MME's id.
    pub mme: Option<MmeUeS1apId>,
    /// The base station's id.
    pub enb: Option<EnbUeS1apId>,
    /// The subscriber, where it is in plain: an attach, an identity response, a page by IMSI.
    pub imsi: Option<Imsi>,
    /// A temporary identity.
    pub tmsi: Option<STmsi>,
    /// A UE's first message over an association: whatever was known under its number is over.
    pub begins: bool,
    /// The end of a UE's association.
    pub ends: bool,
    /// NAS messages in it.
    pub carried: Vec<Carried>,
}

/// A NAS message as it was carried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Carried {
    /// As it stood there.
    pub octets: Vec<u8>,
    /// Without its envelope, if no key is needed for that. A SERVICE REQUEST is its own plain form.
    pub plain: Option<Vec<u8>>,
}

impl Told {
    /// Whether the message belongs to a UE, known or not.
    #[must_use]
    pub const fn is_of_ue(&self) -> bool {
        self.mme.is_some() || self.enb.is_some() || self.imsi.is_some() || self.tmsi.is_some()
    }
}

/// Reads a message as far as it tells whom it is about. One that cannot be read tells nothing.
#[must_use]
pub fn look(octets: &[u8], sent: bool) -> Told {
    let Ok(decoded) = basalt_s1ap::decode(octets) else { return Told::default() };
    let pdu = &decoded.pdu;
    let ids = pdu.ue_ids();
    let (mut imsi, mut tmsi) = (None, None);
    match pdu {
        Pdu::InitialUeMessage(message) => tmsi = message.s_tmsi,
        Pdu::Paging(paging) => match paging.identity {
            Some(PagingIdentity::Imsi(whom)) => imsi = Some(whom),
            Some(PagingIdentity::STmsi(whom)) => tmsi = Some(whom),
            None => {}
        },
        _ => {}
    }
    let direction = if sent { Direction::Downlink } else { Direction::Uplink };
    let carried: Vec<Carried> = nas_of(pdu).map(|nas| Carried { octets: nas.to_vec(), plain: plain(nas) }).collect();
    for plain in carried.iter().filter_map(|carried| carried.plain.as_deref()) {
        match identity(plain, direction) {
            Some(Identity::Imsi(whom)) => imsi = imsi.or(Some(whom)),
            Some(Identity::Temporary(whom)) => tmsi = tmsi.or(Some(whom)),
            None => {}
        }
    }
    let begins = matches!(pdu, Pdu::InitialUeMessage(_));
    let ends = matches!(pdu, Pdu::UeContextReleaseComplete(_));
    Told { mme: ids.mme, enb: ids.enb, imsi, tmsi, begins, ends, carried }
}

/// NAS messages in a message.
pub(crate) fn nas_of(pdu: &Pdu) -> impl Iterator<Item = &[u8]> {
    let (single, of_bearers): (Option<&Vec<u8>>, Vec<&Vec<u8>>) = match pdu {
        Pdu::InitialUeMessage(it) => (Some(&it.nas_pdu), Vec::new()),
        Pdu::DownlinkNasTransport(it) => (Some(&it.nas_pdu), Vec::new()),
        Pdu::UplinkNasTransport(it) => (Some(&it.nas_pdu), Vec::new()),
        Pdu::NasNonDeliveryIndication(it) => (it.nas_pdu.as_ref(), Vec::new()),
        Pdu::ErabReleaseCommand(it) => (it.nas_pdu.as_ref(), Vec::new()),
        Pdu::InitialContextSetupRequest(it) => {
            (None, it.erabs.iter().filter_map(|erab| erab.nas_pdu.as_ref()).collect())
        }
        Pdu::ErabSetupRequest(it) => (None, it.erabs.iter().filter_map(|erab| erab.nas_pdu.as_ref()).collect()),
        Pdu::ErabModifyRequest(it) => (None, it.erabs.iter().map(|erab| &erab.nas_pdu).collect()),
        _ => (None, Vec::new()),
    };
    single.into_iter().chain(of_bearers).map(Vec::as_slice)
}

/// A NAS message without its envelope, where it is not ciphered.
fn plain(nas: &[u8]) -> Option<Vec<u8>> {
    match Envelope::parse(nas).ok()? {
        Envelope::Plain(Plain(plain)) => Some(plain.to_vec()),
        Envelope::Protected(protected) if !protected.header_type.is_ciphered() => Some(protected.payload.to_vec()),
        Envelope::Protected(_) => None,
        Envelope::ServiceRequest(_) => Some(nas.to_vec()),
    }
}

enum Identity {
    Imsi(Imsi),
    Temporary(STmsi),
}

/// Who a phone says it is.
fn identity(plain: &[u8], direction: Direction) -> Option<Identity> {
    let of = |identity: &EpsMobileIdentity| match identity {
        EpsMobileIdentity::Imsi(imsi) => Some(Identity::Imsi(*imsi)),
        EpsMobileIdentity::Guti(guti) => {
            Some(Identity::Temporary(STmsi { mme_code: guti.gummei.code, m_tmsi: guti.m_tmsi }))
        }
        EpsMobileIdentity::Imei(_) => None,
    };
    match EmmMessage::decode(plain, direction).ok()? {
        EmmMessage::AttachRequest(request) => of(&request.identity),
        EmmMessage::DetachRequestUe(request) => of(&request.identity),
        EmmMessage::TrackingAreaUpdateRequest(request) => of(&request.old_guti),
        EmmMessage::IdentityResponse(response) => match response.identity {
            MobileIdentity::Imsi(imsi) => Some(Identity::Imsi(imsi)),
            _ => None,
        },
        _ => None,
    }
}

/// Name by the standard, cause in words, fields.
pub(crate) fn shown(octets: &[u8]) -> (String, Option<String>, Value) {
    let Ok(decoded) = basalt_s1ap::decode(octets) else {
        return ("undecodable S1AP message".to_owned(), None, Value::Object(Map::new()));
    };
    let fields = match serde_json::to_value(&decoded.pdu) {
        // The variant's name stands around the fields.
        Ok(Value::Object(variant)) => variant.into_iter().next().map_or(Value::Null, |(_, fields)| bounded(fields, 0)),
        _ => Value::Null,
    };
    (name(decoded.pdu.name()), cause(&decoded.pdu).map(|cause| cause.to_string()), fields)
}

fn cause(pdu: &Pdu) -> Option<Cause> {
    match pdu {
        Pdu::S1SetupFailure(it) => it.cause,
        Pdu::EnbConfigurationUpdateFailure(it) => it.cause,
        Pdu::Reset(it) => it.cause,
        Pdu::ErrorIndication(it) => it.cause,
        Pdu::NasNonDeliveryIndication(it) => it.cause,
        Pdu::InitialContextSetupFailure(it) => it.cause,
        Pdu::UeContextReleaseRequest(it) => it.cause,
        Pdu::UeContextReleaseCommand(it) => it.cause,
        Pdu::UeContextModificationFailure(it) => it.cause,
        Pdu::PathSwitchRequestFailure(it) => it.cause,
        Pdu::HandoverRequired(it) => it.cause,
        Pdu::HandoverPreparationFailure(it) => it.cause,
        Pdu::HandoverRequest(it) => it.cause,
        Pdu::HandoverFailure(it) => it.cause,
        Pdu::HandoverCancel(it) => it.cause,
        _ => None,
    }
}

/// `InitialContextSetupRequest` as `INITIAL CONTEXT SETUP REQUEST`.
fn name(asn1: &str) -> String {
    let letters: Vec<char> = asn1.chars().collect();
    let mut words = String::with_capacity(asn1.len() + 8);
    for (at, letter) in letters.iter().enumerate() {
        let before = at.checked_sub(1).and_then(|at| letters.get(at)).copied().unwrap_or('-');
        let after = letters.get(at + 1).copied().unwrap_or('A');
        let begins = letter.is_ascii_uppercase()
            && before != '-'
            && (!before.is_ascii_uppercase() || after.is_ascii_lowercase());
        if begins {
            words.push(' ');
        }
        words.push(letter.to_ascii_uppercase());
    }
    words
}

/// Fields without what is said elsewhere, is too long, or must not be seen.
fn bounded(value: Value, depth: usize) -> Value {
    match value {
        _ if depth > DEPTH => Value::from("…"),
        Value::Object(fields) => {
            let shown = fields.into_iter().filter_map(|(name, value)| {
                let value = match name.as_str() {
                    "other_ies" | "received_criticalities" | "extensions" | "nas_pdu" => return None,
                    "security_key" | "next_hop" => Value::from("…"),
                    _ if value.is_null() => return None,
                    _ => bounded(value, depth + 1),
                };
                Some((name, value))
            });
            Value::Object(shown.take(ENTRIES).collect())
        }
        Value::Array(list) => octets(&list).unwrap_or_else(|| {
            Value::Array(list.into_iter().take(ENTRIES).map(|value| bounded(value, depth + 1)).collect())
        }),
        Value::String(text) if text.len() > LETTERS => Value::from(text.chars().take(LETTERS).collect::<String>()),
        other => other,
    }
}

/// A list of octets as hexadecimal digits.
fn octets(list: &[Value]) -> Option<Value> {
    let octet = |value: &Value| value.as_u64().and_then(|value| u8::try_from(value).ok());
    let octets: Vec<u8> = list.iter().map(octet).collect::<Option<_>>()?;
    let mut text = crate::record::hex(octets.get(..octets.len().min(OCTETS))?);
    if octets.len() > OCTETS {
        text.push('…');
    }
    Some(Value::from(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_standard() {
        for (asn1, words) in [
            ("InitialUEMessage", "INITIAL UE MESSAGE"),
            ("UEContextReleaseCommand", "UE CONTEXT RELEASE COMMAND"),
            ("E-RABSetupRequest", "E-RAB SETUP REQUEST"),
            ("S1SetupResponse", "S1 SETUP RESPONSE"),
            ("DownlinkNASTransport", "DOWNLINK NAS TRANSPORT"),
            ("ENBConfigurationUpdate", "ENB CONFIGURATION UPDATE"),
        ] {
            assert_eq!(name(asn1), words);
        }
    }
}
