//! What a NAS message says.

use basalt_nas::esm::ActivateDefaultEpsBearerContextRequest;
use basalt_nas::ie::{EpsMobileIdentity, EsmContainer, MobileIdentity};
use basalt_nas::{Direction, EmmMessage, EsmMessage, EsmPdu, NasMessage};
use serde_json::{Map, Value, json};

/// A message as it is shown.
#[derive(Debug, Default)]
pub(crate) struct Shown {
    /// By the standard.
    pub(crate) name: String,
    /// In words.
    pub(crate) cause: Option<String>,
    pub(crate) fields: Map<String, Value>,
    /// What is inside: a session management message.
    pub(crate) inside: Option<String>,
}

/// A plain message. `sent`: by the network.
pub(crate) fn shown(octets: &[u8], sent: bool) -> Shown {
    let direction = if sent { Direction::Downlink } else { Direction::Uplink };
    // Security header types 12 to 15 are SERVICE REQUEST (TS 24.301 table 9.3.1).
    if octets.first().is_some_and(|first| first & 15 == 7 && first >> 4 >= 12) {
        return Shown { name: "SERVICE REQUEST".to_owned(), ..Shown::default() };
    }
    match NasMessage::decode(octets, direction) {
        Ok(NasMessage::Emm(message)) => emm(&message, direction),
        Ok(NasMessage::Esm(pdu)) => {
            let mut shown = Shown { name: pdu.message.name().to_owned(), ..Shown::default() };
            esm(&pdu, &mut shown);
            shown
        }
        Err(error) => {
            let fields = Map::from_iter([("error".to_owned(), Value::from(format!("{:?}", error.kind)))]);
            Shown { name: "undecodable NAS message".to_owned(), fields, ..Shown::default() }
        }
    }
}

fn emm(message: &EmmMessage, direction: Direction) -> Shown {
    let mut shown = Shown { name: message.name().to_owned(), ..Shown::default() };
    let mut container = None;
    let mut put = |name: &str, value: Value| shown.fields.insert(name.to_owned(), value);
    match message {
        EmmMessage::AttachRequest(it) => {
            put("attach_type", words(&it.attach_type));
            put("identity", eps_identity(&it.identity));
            put("ksi", words(&it.ksi));
            put("last_visited_tai", it.last_visited_tai.map(|tai| tai.to_string()).into());
            container = Some(&it.esm_container);
        }
        EmmMessage::AttachAccept(it) => {
            put("result", words(&it.result));
            put("guti", it.guti.map(|guti| guti.to_string()).into());
            shown.cause = it.cause.map(|cause| cause.to_string());
            container = Some(&it.esm_container);
        }
        EmmMessage::AttachComplete(it) => container = Some(&it.esm_container),
        EmmMessage::AttachReject(it) => {
            put("cause_code", it.cause.code().into());
            shown.cause = Some(it.cause.to_string());
            container = it.esm_container.as_ref();
        }
        EmmMessage::DetachRequestUe(it) => {
            put("detach_type", words(&it.detach_type));
            put("identity", eps_identity(&it.identity));
        }
        EmmMessage::DetachRequestNetwork(it) => {
            put("detach_type", words(&it.detach_type));
            shown.cause = it.cause.map(|cause| cause.to_string());
        }
        EmmMessage::TrackingAreaUpdateRequest(it) => {
            put("update_type", words(&it.update_type));
            put("old_guti", eps_identity(&it.old_guti));
            put("last_visited_tai", it.last_visited_tai.map(|tai| tai.to_string()).into());
        }
        EmmMessage::TrackingAreaUpdateAccept(it) => {
            put("result", words(&it.result));
            put("guti", it.guti.map(|guti| guti.to_string()).into());
            shown.cause = it.cause.map(|cause| cause.to_string());
        }
        EmmMessage::TrackingAreaUpdateReject(it) => shown.cause = Some(it.cause.to_string()),
        EmmMessage::ServiceReject(it) => shown.cause = Some(it.cause.to_string()),
        EmmMessage::ExtendedServiceRequest(it) => drop(put("service_type", words(&it.service_type))),
        EmmMessage::AuthenticationRequest(it) => {
            put("ksi", words(&it.ksi));
            put("rand", crate::record::hex(&it.rand.0).into());
            put("autn", crate::record::hex(&it.autn.0).into());
        }
        EmmMessage::AuthenticationResponse(_) => drop(put("res", "…".into())),
        EmmMessage::AuthenticationFailure(it) => {
            put("auts", it.auts.is_some().into());
            shown.cause = Some(it.cause.to_string());
        }
        EmmMessage::IdentityRequest(it) => drop(put("identity_type", words(&it.identity_type))),
        EmmMessage::IdentityResponse(it) => drop(put("identity", identity(&it.identity))),
        EmmMessage::SecurityModeCommand(it) => {
            put("algorithms", words(&it.algorithms));
            put("ksi", words(&it.ksi));
        }
        EmmMessage::SecurityModeComplete(it) => drop(put("imeisv", it.imeisv.as_ref().map(identity).into())),
        EmmMessage::SecurityModeReject(it) => shown.cause = Some(it.cause.to_string()),
        EmmMessage::EmmStatus(it) => shown.cause = Some(it.cause.to_string()),
        EmmMessage::GutiReallocationCommand(it) => drop(put("guti", it.guti.to_string().into())),
        _ => {}
    }
    inside(container, direction, &mut shown);
    shown.fields.retain(|_, value| !value.is_null());
    shown
}

fn inside(container: Option<&EsmContainer>, direction: Direction, shown: &mut Shown) {
    let Some(Ok(pdu)) = container.map(|container| container.decode(direction)) else { return };
    let mut session = Shown::default();
    esm(&pdu, &mut session);
    let name = pdu.message.name().to_owned();
    session.fields.insert("message".to_owned(), name.clone().into());
    if let Some(cause) = &session.cause {
        session.fields.insert("cause".to_owned(), cause.clone().into());
    }
    shown.fields.insert("session".to_owned(), Value::Object(session.fields));
    shown.inside = Some(name);
}

fn esm(pdu: &EsmPdu, shown: &mut Shown) {
    let mut put = |name: &str, value: Value| shown.fields.insert(name.to_owned(), value);
    put("ebi", pdu.ebi.map(basalt_ids::Ebi::value).into());
    put("pti", pdu.pti.0.into());
    let mut cause = None;
    match &pdu.message {
        EsmMessage::PdnConnectivityRequest(it) => {
            put("request_type", words(&it.request_type));
            put("pdn_type", words(&it.pdn_type));
            put("apn", it.apn.as_ref().map(words).into());
        }
        EsmMessage::ActivateDefaultEpsBearerContextRequest(it) => {
            let ActivateDefaultEpsBearerContextRequest { qos, apn, address, .. } = it;
            put("apn", words(apn));
            put("qos", words(qos));
            put("address", words(address));
            cause = it.cause.map(|cause| cause.to_string());
        }
        EsmMessage::ActivateDedicatedEpsBearerContextRequest(it) => drop(put("qos", words(&it.qos))),
        EsmMessage::EsmInformationResponse(it) => drop(put("apn", it.apn.as_ref().map(words).into())),
        EsmMessage::PdnConnectivityReject(it) => cause = Some(it.cause.to_string()),
        EsmMessage::PdnDisconnectReject(it) => cause = Some(it.cause.to_string()),
        EsmMessage::ActivateDefaultEpsBearerContextReject(it) => cause = Some(it.cause.to_string()),
        EsmMessage::ActivateDedicatedEpsBearerContextReject(it) => cause = Some(it.cause.to_string()),
        EsmMessage::DeactivateEpsBearerContextRequest(it) => cause = Some(it.cause.to_string()),
        EsmMessage::ModifyEpsBearerContextReject(it) => cause = Some(it.cause.to_string()),
        EsmMessage::BearerResourceAllocationReject(it) => cause = Some(it.cause.to_string()),
        EsmMessage::BearerResourceModificationReject(it) => cause = Some(it.cause.to_string()),
        EsmMessage::EsmStatus(it) => cause = Some(it.cause.to_string()),
        _ => {}
    }
    shown.cause = cause;
    shown.fields.retain(|_, value| !value.is_null());
}

/// Longest text of a field.
const LETTERS: usize = 200;

/// A value in its own words.
fn words(value: &impl core::fmt::Debug) -> Value {
    format!("{value:?}").chars().take(LETTERS).collect::<String>().into()
}

fn eps_identity(identity: &EpsMobileIdentity) -> Value {
    match identity {
        EpsMobileIdentity::Imsi(imsi) => json!({ "imsi": imsi.to_string() }),
        EpsMobileIdentity::Guti(guti) => json!({ "guti": guti.to_string() }),
        EpsMobileIdentity::Imei(imei) => json!({ "imei": imei.to_string() }),
    }
}

fn identity(identity: &MobileIdentity) -> Value {
    match identity {
        MobileIdentity::Imsi(imsi) => json!({ "imsi": imsi.to_string() }),
        MobileIdentity::Imei(imei) => json!({ "imei": imei.to_string() }),
        MobileIdentity::Imeisv(imeisv) => json!({ "imeisv": imeisv.to_string() }),
        MobileIdentity::Tmsi(tmsi) => json!({ "tmsi": format!("{:08x}", tmsi.0) }),
        MobileIdentity::None => "none".into(),
    }
}
