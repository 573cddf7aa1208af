//! Between the messages of the control API and the values of `agw/federation`. What cannot be read counts as no answer.

use agw_federation::{
    Access, Accesses, EquipmentStatus, FegAnswer, HomeRequest, Outcome, PdnGateway, Subscription, Wish,
};
use agw_types::{Ambr, Arp, AuthMaterial, BearerQos, Cancelled, PdnTypes, UeState, UeView};
use basalt_control_api::federation::v1 as api;
use basalt_ids::{Apn, Imeisv, Imsi, Plmn, Qci};
use basalt_security::Secret;
use std::time::Duration;

/// A request, for the span of which this is the context, if anybody is told.
pub fn request(
    id: u64,
    imsi: Imsi,
    visited: Plmn,
    within: Duration,
    wish: Wish,
    traceparent: String,
) -> api::FromGateway {
    use api::request::Kind;
    let kind = match wish {
        Wish::Vectors { count, immediate, resync } => Kind::Authenticate(api::Authenticate {
            vectors: count,
            immediate,
            resync: resync.map(|resync| [&resync.rand[..], &resync.auts].concat()).unwrap_or_default(),
        }),
        Wish::Locate { attach, imeisv } => {
            let (imei, software) = imeisv.map(terminal).unwrap_or_default();
            Kind::UpdateLocation(api::UpdateLocation { attach, imei, software })
        }
        Wish::Purge => Kind::Purge(api::Purge {}),
        Wish::Reachable => Kind::Notify(api::Notify { gateway: None }),
        Wish::Gateway { context, apn, gateway } => {
            Kind::Notify(api::Notify { gateway: Some(pdn_gateway(context, &apn, gateway)) })
        }
        Wish::Check(imeisv) => {
            let (imei, software) = terminal(imeisv);
            Kind::CheckEquipment(api::CheckEquipment { imei, software })
        }
    };
    let within_ms = u32::try_from(within.as_millis()).unwrap_or(u32::MAX);
    let (imsi, visited) = (imsi.to_string(), visited.to_string());
    let request = api::Request { id, within_ms, imsi, visited, kind: Some(kind), traceparent };
    api::FromGateway { message: Some(api::from_gateway::Message::Request(request)) }
}

fn pdn_gateway(context: Option<u32>, apn: &Apn, gateway: PdnGateway) -> api::PdnGateway {
    let told = api::PdnGateway { context, apn: apn.to_string(), ..api::PdnGateway::default() };
    match gateway {
        PdnGateway::Address(address) => api::PdnGateway { address: address.to_string(), ..told },
        PdnGateway::Host { host, realm } => api::PdnGateway { host, realm, ..told },
    }
}

/// The 14 digits of the IMEI and the 2 of the software version (TS 23.003 §6.2.2).
fn terminal(imeisv: Imeisv) -> (String, String) {
    let mut digits = imeisv.to_string();
    let software = digits.split_off(digits.len().min(14));
    (digits, software)
}

/// The answer to a home network's request.
pub fn reply(id: u64, outcome: Outcome) -> api::FromGateway {
    let outcome = match outcome {
        Outcome::Done => api::home_answer::Outcome::Done,
        Outcome::Unknown => api::home_answer::Outcome::Unknown,
        Outcome::Unable => api::home_answer::Outcome::Unable,
    };
    let answer = api::HomeAnswer { id, outcome: outcome.into(), ..api::HomeAnswer::default() };
    api::FromGateway { message: Some(api::from_gateway::Message::HomeAnswer(answer)) }
}

/// That a change is done, with how a phone is and where it was seen last, as far as it is asked for.
pub fn report(id: u64, ue: Option<&UeView>, state: bool, location: bool) -> api::FromGateway {
    let seen = ue.and_then(|ue| Some((ue.cell?, ue.area?))).filter(|_| location);
    let answer = api::HomeAnswer {
        id,
        outcome: api::home_answer::Outcome::Done.into(),
        user_state: state.then(|| user_state(ue.map(|ue| ue.state))),
        seen: seen.map(|(cell, area)| api::Seen {
            cell: cell.eci.value(),
            network: area.plmn.to_string(),
            area: area.tac.0.into(),
        }),
    };
    api::FromGateway { message: Some(api::from_gateway::Message::HomeAnswer(answer)) }
}

/// User-State (TS 29.272 §7.3.111).
const fn user_state(state: Option<UeState>) -> u32 {
    match state {
        None | Some(UeState::Detached | UeState::Attaching | UeState::Detaching) => 0,
        Some(UeState::Idle | UeState::Paging) => 2,
        Some(UeState::Connected) => 4,
    }
}

/// An answer and the number of what it answers.
pub fn answer(answer: api::Answer) -> (u64, FegAnswer) {
    use api::answer::Kind;
    let read = match answer.kind {
        Some(Kind::Vectors(list)) => {
            let vectors: Option<Vec<_>> = list.vectors.iter().map(vector).collect();
            vectors.filter(|list| !list.is_empty()).map_or(FegAnswer::Unavailable, FegAnswer::Vectors)
        }
        Some(Kind::Located(located)) => {
            FegAnswer::Located(Box::new(subscription(located.subscription.unwrap_or_default())), located.hss)
        }
        Some(Kind::Done(_)) => FegAnswer::Done,
        Some(Kind::Equipment(equipment)) => match equipment.status() {
            api::equipment::Status::Permitted => FegAnswer::Equipment(EquipmentStatus::Permitted),
            api::equipment::Status::Prohibited => FegAnswer::Equipment(EquipmentStatus::Prohibited),
            api::equipment::Status::Tracked => FegAnswer::Equipment(EquipmentStatus::Tracked),
            api::equipment::Status::Unspecified => FegAnswer::Unavailable,
        },
        Some(Kind::Refused(refused)) => {
            FegAnswer::Refused(u8::try_from(refused.emm_cause).unwrap_or(0), refused.reason)
        }
        Some(Kind::Unavailable(_)) | None => FegAnswer::Unavailable,
    };
    (answer.id, read)
}

fn vector(vector: &api::Vector) -> Option<AuthMaterial> {
    if !(4..=16).contains(&vector.xres.len()) {
        return None;
    }
    Some(AuthMaterial {
        rand: vector.rand.as_slice().try_into().ok()?,
        autn: vector.autn.as_slice().try_into().ok()?,
        xres: Secret::new(vector.xres.clone()),
        kasme: Secret::new(vector.kasme.as_slice().try_into().ok()?),
    })
}

fn subscription(told: api::Subscription) -> Subscription {
    let accesses = told.apns.map(|apns| Accesses {
        default: apns.default_context,
        complete: apns.complete,
        list: apns.apns.into_iter().filter_map(access).collect(),
    });
    let word = |number: u32| u16::try_from(number).ok();
    Subscription {
        msisdn: told.msisdn.parse().ok(),
        barred: told.barred,
        odb: told.odb,
        access_restriction: told.access_restriction,
        ambr: told.ambr.map(rates),
        accesses,
        zone_codes: told.zone_codes.into_iter().filter_map(word).collect(),
        charging: told.charging.and_then(word),
        roaming_restricted: told.roaming_restricted,
    }
}

fn access(apn: api::Apn) -> Option<Access> {
    let pdn_types = match apn.pdn_type() {
        api::apn::PdnType::Ipv4 => PdnTypes::Ipv4,
        api::apn::PdnType::Ipv6 => PdnTypes::Ipv6,
        api::apn::PdnType::Ipv4v6 => PdnTypes::Ipv4v6,
        api::apn::PdnType::Ipv4OrIpv6 => PdnTypes::Ipv4OrIpv6,
    };
    let name = if apn.name == "*" { None } else { Some(apn.name.parse().ok()?) };
    Some(Access { context: apn.context, apn: name, pdn_types, qos: apn.qos.and_then(qos), ambr: apn.ambr.map(rates) })
}

fn qos(qos: api::Qos) -> Option<BearerQos> {
    let (qci, priority) = (u8::try_from(qos.qci).ok()?, u8::try_from(qos.priority).ok()?);
    let arp = Arp { priority, may_preempt: qos.may_preempt, preemptable: qos.preemptable };
    // A default bearer has no guaranteed rate (TS 23.401 §4.7.2.1): classes 5 to 9.
    ((5..=9).contains(&qci) && (1..=15).contains(&priority)).then_some(BearerQos { qci: Qci(qci), arp })
}

fn rates(rates: api::Rates) -> Ambr {
    Ambr { uplink: rates.uplink, downlink: rates.downlink }
}

/// A home network's request and its number.
///
/// # Errors
/// The number, of one that cannot be read.
pub fn home_request(request: api::HomeRequest) -> Result<(u64, HomeRequest), u64> {
    use api::home_request::Kind;
    let id = request.id;
    let imsi = || request.imsi.parse::<Imsi>().map_err(|_| id);
    let read = match request.kind.ok_or(id)? {
        Kind::Cancel(cancel) => {
            let how = match cancel.kind() {
                _ if cancel.reattach => Cancelled::Reattach,
                api::cancel::Kind::Withdrawal => Cancelled::Withdrawn,
                api::cancel::Kind::Unspecified => return Err(id),
                _ => Cancelled::Moved,
            };
            HomeRequest::Cancel(imsi()?, how)
        }
        Kind::Insert(change) => HomeRequest::Insert(imsi()?, Box::new(subscription(change)), request.insert_flags),
        Kind::Delete(delete) => HomeRequest::Delete(imsi()?, delete.flags, delete.contexts),
        Kind::Reset(reset) => HomeRequest::Reset(reset.beginnings, reset.hss),
    };
    Ok((id, read))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vector_is_whole_or_none() {
        let good = api::Vector { rand: vec![1; 16], autn: vec![2; 16], xres: vec![3; 8], kasme: vec![4; 32] };
        assert!(vector(&good).is_some());
        assert!(!format!("{good:?}").contains('4'), "keys are not shown");
        for spoil in [
            |v: &mut api::Vector| v.rand.truncate(15),
            |v: &mut api::Vector| v.xres.truncate(3),
            |v: &mut api::Vector| v.kasme.push(0),
        ] {
            let mut bad = good.clone();
            spoil(&mut bad);
            let list = api::Vectors { vectors: vec![good.clone(), bad] };
            let kind = Some(api::answer::Kind::Vectors(list));
            assert_eq!(answer(api::Answer { id: 7, kind }), (7, FegAnswer::Unavailable));
        }
    }

    #[test]
    fn a_cancellation_says_how_the_phone_goes() {
        let read = |kind: api::cancel::Kind, reattach| {
            let kind = Some(api::home_request::Kind::Cancel(api::Cancel { kind: kind.into(), reattach }));
            home_request(api::HomeRequest { id: 9, imsi: "999700000000001".to_owned(), kind, insert_flags: 0 })
        };
        let imsi = "999700000000001".parse().unwrap();
        let is = |how| Ok((9, HomeRequest::Cancel(imsi, how)));
        assert_eq!(read(api::cancel::Kind::MmeUpdate, false), is(Cancelled::Moved));
        assert_eq!(read(api::cancel::Kind::Withdrawal, false), is(Cancelled::Withdrawn));
        assert_eq!(read(api::cancel::Kind::Withdrawal, true), is(Cancelled::Reattach));
        assert_eq!(read(api::cancel::Kind::Unspecified, false), Err(9));
    }
}
