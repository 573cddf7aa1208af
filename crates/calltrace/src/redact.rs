//! Keys, expected answers and passwords, taken out of messages: their octets become zeroes, and nothing moves.

use basalt_diameter::dictionary::{self, Kind};
use basalt_diameter::{AvpId, Avps, HEADER, Limits};
use basalt_nas::emm::AuthenticationResponse;
use basalt_nas::ie::{PcoItem, ProtocolConfigurationOptions};
use basalt_nas::{Direction, EmmMessage, Envelope, EsmMessage, EsmPdu, Plain};
use basalt_s1ap::{Pdu, SecurityKey};

/// Groups within groups that are looked into; what is deeper is blotted out whole.
const DEPTH: usize = 8;
/// XRES, KASME, SRES, Kc (TS 29.272 §7.3); CK and IK (TS 29.229 §6.3): whoever has them is the phone, or the network.
const SECRETS: [AvpId; 6] =
    [AvpId::tgpp(1448), AvpId::tgpp(1450), AvpId::tgpp(1454), AvpId::tgpp(1453), AvpId::tgpp(625), AvpId::tgpp(626)];
/// Octets that begin an S1AP message: its kind, its procedure's code, its criticality (TS 36.413 §9.3.2, X.691).
const S1AP_HEAD: usize = 3;
/// NAS-PDU, Security Context, Security Key and S1 Message (TS 36.413 §9.3.6), in messages that have no struct here.
const SECRET_IES: [u16; 4] = [26, 40, 73, 225];
/// A PAP packet's or CHAP packet's header (RFC 1334, RFC 1994): code, identifier, length.
const PPP: usize = 4;

/// Octets from which on one string stands in several parts (X.691 §11.9.3.8), so that a secret in it may be cut.
const FRAGMENT: usize = 16_384;

/// An S1AP message without K_eNB and next hop, and without what the NAS message in it has. One that cannot be read, or has a
/// NAS message in several parts, is all zeroes behind its first octets, which say which procedure's it is.
#[must_use]
pub fn s1ap(mut octets: Vec<u8>) -> Vec<u8> {
    let readable = basalt_s1ap::decode(&octets).ok();
    let whole = |pdu: &Pdu| crate::s1ap::nas_of(pdu).all(|carried| carried.len() < FRAGMENT);
    let Some(decoded) = readable.filter(|decoded| whole(&decoded.pdu)) else {
        octets.iter_mut().skip(S1AP_HEAD).for_each(|octet| *octet = 0);
        return octets;
    };
    let key = match &decoded.pdu {
        Pdu::InitialContextSetupRequest(request) => Some(&request.security_key),
        Pdu::UeContextModificationRequest(request) => request.security_key.as_ref(),
        Pdu::HandoverRequest(request) => Some(&request.security_context.next_hop),
        Pdu::PathSwitchRequestAcknowledge(answer) => Some(&answer.security_context.next_hop),
        _ => None,
    };
    if let Some(SecurityKey(key)) = key {
        // A key is aligned to octets wherever it stands (X.691 §11.5.7: bit strings longer than 16 bits).
        blot(&mut octets, key);
    }
    if let Pdu::Other(other) = &decoded.pdu {
        blot_other(&mut octets, &other.raw);
    }
    for carried in crate::s1ap::nas_of(&decoded.pdu) {
        for secret in [Direction::Uplink, Direction::Downlink].into_iter().flat_map(|way| secrets(carried, way, false))
        {
            blot(&mut octets, &secret);
        }
    }
    octets
}

/// Takes keys and NAS out of a message that has no struct here: `raw` is its end.
fn blot_other(octets: &mut [u8], raw: &[u8]) {
    match ies(raw) {
        Some(ies) => ies.iter().filter(|(id, _)| SECRET_IES.contains(id)).for_each(|(_, value)| blot(octets, value)),
        None => {
            let head = octets.len().saturating_sub(raw.len());
            octets.iter_mut().skip(head).for_each(|octet| *octet = 0);
        }
    }
}

/// IEs of an encoded message (X.691 §11.9, §19, §20): after the octet of the extension bit, their number; of each its identifier,
/// criticality and length.
fn ies(raw: &[u8]) -> Option<Vec<(u16, &[u8])>> {
    let (head, mut rest) = raw.split_at_checked(3)?;
    let count = u16::from_be_bytes([*head.get(1)?, *head.get(2)?]);
    let mut ies = Vec::new();
    for _ in 0..count {
        let (head, behind) = rest.split_at_checked(4)?;
        let [high, low, _, length] = *head.first_chunk()?;
        let (length, behind) = match length {
            0..0x80 => (usize::from(length), behind),
            0x80..0xc0 => {
                let (more, behind) = behind.split_first()?;
                (usize::from(length & 0x3f) << 8 | usize::from(*more), behind)
            }
            // In fragments.
            _ => return None,
        };
        let (value, behind) = behind.split_at_checked(length)?;
        ies.push((u16::from_be_bytes([high, low]), value));
        rest = behind;
    }
    rest.is_empty().then_some(ies)
}

/// A NAS message, deciphered, without RES and passwords. `sent`: by the network.
#[must_use]
pub fn nas(mut octets: Vec<u8>, sent: bool) -> Vec<u8> {
    let direction = if sent { Direction::Downlink } else { Direction::Uplink };
    for secret in secrets(&octets, direction, false) {
        blot(&mut octets, &secret);
    }
    octets
}

/// What of a NAS message that can be read is not to be seen. `again`: it stands in another one.
fn secrets(octets: &[u8], direction: Direction, again: bool) -> Vec<Vec<u8>> {
    let plain = match Envelope::parse(octets) {
        Ok(Envelope::Plain(Plain(plain))) => plain,
        // Ciphered by the null algorithm it is in plain; what is ciphered in earnest says nothing that can be read here.
        Ok(Envelope::Protected(protected)) => protected.payload,
        _ => return Vec::new(),
    };
    if plain.first().is_some_and(|first| first & 15 == 2) {
        return EsmPdu::decode(plain, direction).map(|pdu| passwords(&pdu.message)).unwrap_or_default();
    }
    let inside = match EmmMessage::decode(plain, direction) {
        Ok(EmmMessage::AuthenticationResponse(AuthenticationResponse { res, .. })) => return vec![res.0],
        Ok(EmmMessage::AttachRequest(request)) => request.esm_container,
        Ok(EmmMessage::AttachAccept(accept)) => accept.esm_container,
        Ok(EmmMessage::AttachComplete(complete)) => complete.esm_container,
        // TS 24.301 §8.2.21.4: the message that began the procedure, whole. No message that does has another in it.
        Ok(EmmMessage::SecurityModeComplete(complete)) => {
            let Some(message) = complete.replayed_nas_message else { return Vec::new() };
            return if again { vec![message.0] } else { secrets(&message.0, direction, true) };
        }
        _ => return Vec::new(),
    };
    inside.decode(direction).map(|pdu| passwords(&pdu.message)).unwrap_or_default()
}

/// Credentials in protocol configuration options (TS 24.008 §10.5.6.3).
fn passwords(message: &EsmMessage) -> Vec<Vec<u8>> {
    let options: [Option<&ProtocolConfigurationOptions>; 2] = match message {
        EsmMessage::PdnConnectivityRequest(it) => [it.pco.as_ref(), it.extended_pco.as_ref()],
        EsmMessage::EsmInformationResponse(it) => [it.pco.as_ref(), it.extended_pco.as_ref()],
        EsmMessage::ActivateDefaultEpsBearerContextRequest(it) => [it.pco.as_ref(), it.extended_pco.as_ref()],
        _ => [None, None],
    };
    let items = options.into_iter().flatten().flat_map(|options| &options.items);
    let secret = |item: &PcoItem| match item {
        PcoItem::Pap(packet) | PcoItem::Chap(packet) => packet.get(PPP..).map(<[u8]>::to_vec),
        _ => None,
    };
    items.filter_map(secret).collect()
}

/// Zeroes wherever `secret` stands.
fn blot(octets: &mut [u8], secret: &[u8]) {
    // A few octets would be found anywhere; no key, answer or password with its lengths is that short.
    if secret.len() < 2 {
        return;
    }
    let mut at = 0;
    while let Some(window) = octets.get_mut(at..at + secret.len()) {
        if window == secret {
            window.fill(0);
        }
        at += 1;
    }
}

/// A Diameter message without keys and expected answers. What is unknown may be anything and is blotted out; a message that cannot be
/// read is all zeroes behind its header.
#[must_use]
pub fn diameter(octets: Vec<u8>) -> Vec<u8> {
    let mut clean = octets.clone();
    let Ok(message) = basalt_diameter::Message::decode(&octets, &Limits::default()) else {
        clean.iter_mut().skip(HEADER).for_each(|octet| *octet = 0);
        return clean;
    };
    blot_avps(&octets, message.avps(), 0, &mut clean);
    clean
}

fn blot_avps(whole: &[u8], avps: Avps<'_>, depth: usize, clean: &mut [u8]) {
    for avp in avps {
        let Ok(avp) = avp else { return };
        let known = dictionary::find(avp.id);
        let group = known.is_some_and(|info| info.kind == Kind::Grouped);
        if group && depth < DEPTH {
            blot_avps(whole, avp.group(), depth + 1, clean);
        } else if group || is_secret(avp.id) || known.is_none() {
            // Flags stand behind the code; with a vendor, the header is longer (RFC 6733 §4.1).
            let vendor = whole.get(avp.at + 4).is_some_and(|flags| flags & 0x80 != 0);
            let place = avp.at + if vendor { 12 } else { 8 };
            if let Some(place) = clean.get_mut(place..place.saturating_add(avp.data.len())) {
                place.fill(0);
            }
        }
    }
}

/// Whether an AVP is not to be seen.
#[must_use]
pub fn is_secret(id: AvpId) -> bool {
    SECRETS.contains(&id)
}
