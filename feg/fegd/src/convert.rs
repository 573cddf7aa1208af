//! Between the messages of the control API and the relay's values.

use basalt_control_api::federation::v1 as api;
use basalt_ids::{Tac, Tai};
use basalt_sansio::Duration;
use feg_relay::{Answer, Ask, Outcome, Request, Wish};
use feg_s6a::{
    Ambr, ApnConfiguration, Cancellation, EquipmentStatus, GatewayIdentity, Inserted, PdnGateway, PdnType, Resync,
    Subscription, Terminal, Vector,
};

/// Longest that a gateway may wait.
const LONGEST: Duration = Duration::from_secs(10);

/// A gateway's request; `None` for one that cannot be read.
pub fn request(request: api::Request) -> Option<Request> {
    use api::request::Kind;
    let wish = match request.kind? {
        Kind::Authenticate(wanted) => {
            Wish::Vectors { count: wanted.vectors, immediate: wanted.immediate, resync: resync(&wanted.resync)? }
        }
        Kind::UpdateLocation(wanted) => {
            Wish::Locate { attach: wanted.attach, terminal: terminal(wanted.imei, wanted.software) }
        }
        Kind::Purge(_) => Wish::Purge,
        Kind::CheckEquipment(wanted) => Wish::Check(terminal(wanted.imei, wanted.software)?),
        Kind::Notify(api::Notify { gateway: None }) => Wish::Reachable,
        Kind::Notify(api::Notify { gateway: Some(told) }) => Wish::Gateway(pdn_gateway(told)?),
    };
    let within = Duration::from_millis(request.within_ms.into()).min(LONGEST);
    Some(Request {
        id: request.id,
        within,
        imsi: request.imsi.parse().ok()?,
        visited: request.visited.parse().ok()?,
        wish,
    })
}

/// None asked for is fine; octets of another number are not.
fn resync(octets: &[u8]) -> Option<Option<Resync>> {
    if octets.is_empty() {
        return Some(None);
    }
    let (rand, auts) = octets.split_first_chunk::<16>()?;
    Some(Some(Resync { rand: *rand, auts: auts.try_into().ok()? }))
}

fn terminal(imei: String, software: String) -> Option<Terminal> {
    let digits = |text: &str| text.bytes().all(|octet| octet.is_ascii_digit());
    let sound = imei.len() == 14 && digits(&imei) && software.len() <= 2 && digits(&software);
    sound.then_some(Terminal { imei, software })
}

/// A name or an address, and not both.
fn pdn_gateway(told: api::PdnGateway) -> Option<PdnGateway> {
    let name = |text: &str| {
        let good = |octet: u8| octet.is_ascii_alphanumeric() || b".-".contains(&octet);
        (1..=255).contains(&text.len()) && text.bytes().all(good)
    };
    let identity = match (told.address.as_str(), told.host, told.realm) {
        ("", host, realm) if name(&host) && name(&realm) => GatewayIdentity::Host { host, realm },
        (address, host, realm) if host.is_empty() && realm.is_empty() => {
            GatewayIdentity::Address(address.parse().ok()?)
        }
        _ => return None,
    };
    Some(PdnGateway { context: told.context, apn: told.apn.parse().ok()?, identity })
}

/// An answer, for its gateway.
pub fn answer(id: u64, answer: Answer) -> api::ToGateway {
    use api::answer::Kind;
    let kind = match answer {
        Answer::Vectors(list) => Kind::Vectors(api::Vectors { vectors: list.iter().map(vector).collect() }),
        Answer::Located(subscription, hss) => {
            Kind::Located(api::Located { subscription: Some(show(&subscription)), hss })
        }
        Answer::Done => Kind::Done(api::Done {}),
        Answer::Equipment(status) => Kind::Equipment(api::Equipment { status: equipment(status).into() }),
        Answer::Refused { emm_cause, reason } => Kind::Refused(api::Refused { emm_cause: emm_cause.into(), reason }),
        Answer::Unavailable(reason) => Kind::Unavailable(api::Unavailable { reason: reason.to_owned() }),
    };
    to_gateway(api::to_gateway::Message::Answer(api::Answer { id, kind: Some(kind) }))
}

/// A message for a gateway.
pub fn to_gateway(message: api::to_gateway::Message) -> api::ToGateway {
    api::ToGateway { message: Some(message) }
}

fn vector(vector: &Vector) -> api::Vector {
    api::Vector {
        rand: vector.rand.to_vec(),
        autn: vector.autn.to_vec(),
        xres: vector.xres.expose().clone(),
        kasme: vector.kasme.expose().to_vec(),
    }
}

const fn equipment(status: EquipmentStatus) -> api::equipment::Status {
    match status {
        EquipmentStatus::Permitted => api::equipment::Status::Permitted,
        EquipmentStatus::Prohibited => api::equipment::Status::Prohibited,
        EquipmentStatus::Tracked => api::equipment::Status::Tracked,
    }
}

/// What a gateway is asked for a home network.
pub fn ask(id: u64, ask: Ask) -> api::ToGateway {
    use api::home_request::Kind;
    let insert_flags = if let Ask::Insert(_, _, flags) = &ask { *flags } else { 0 };
    let (imsi, kind) = match ask {
        Ask::Cancel(imsi, kind, reattach) => {
            (imsi.to_string(), Kind::Cancel(api::Cancel { kind: cancellation(kind).into(), reattach }))
        }
        Ask::Insert(imsi, subscription, _) => (imsi.to_string(), Kind::Insert(show(&subscription))),
        Ask::Delete(imsi, flags, contexts) => (imsi.to_string(), Kind::Delete(api::Delete { flags, contexts })),
        Ask::Reset(beginnings, hss) => (String::new(), Kind::Reset(api::Reset { beginnings, hss })),
    };
    to_gateway(api::to_gateway::Message::HomeRequest(api::HomeRequest { id, imsi, kind: Some(kind), insert_flags }))
}

const fn cancellation(kind: Cancellation) -> api::cancel::Kind {
    match kind {
        Cancellation::MmeUpdate => api::cancel::Kind::MmeUpdate,
        Cancellation::SgsnUpdate => api::cancel::Kind::SgsnUpdate,
        Cancellation::Withdrawal => api::cancel::Kind::Withdrawal,
        Cancellation::UpdateIwf => api::cancel::Kind::UpdateIwf,
        Cancellation::InitialAttach => api::cancel::Kind::InitialAttach,
    }
}

/// What a gateway says of what it was asked.
pub fn outcome(answer: &api::HomeAnswer) -> Outcome {
    match answer.outcome() {
        api::home_answer::Outcome::Done => Outcome::Done,
        api::home_answer::Outcome::Unknown => Outcome::Unknown,
        api::home_answer::Outcome::Unable | api::home_answer::Outcome::Unspecified => Outcome::Unable,
    }
}

/// What a gateway tells of a phone; what cannot be is not told.
pub fn told(answer: &api::HomeAnswer) -> Inserted {
    let location = answer.seen.as_ref().and_then(|seen| {
        let tac = u16::try_from(seen.area).ok()?;
        let tai = Tai { plmn: seen.network.parse().ok()?, tac: Tac(tac) };
        (seen.cell < 1 << 28).then_some((seen.cell, tai))
    });
    Inserted { state: answer.user_state.filter(|state| *state < 6), location }
}

fn rates(ambr: Ambr) -> api::Rates {
    api::Rates { uplink: ambr.uplink, downlink: ambr.downlink }
}

fn show(from: &Subscription) -> api::Subscription {
    let apns = from.apns.as_ref().map(|apns| api::Apns {
        default_context: apns.default,
        complete: apns.complete,
        apns: apns.list.iter().map(apn).collect(),
    });
    api::Subscription {
        msisdn: from.msisdn.map(|number| number.to_string()).unwrap_or_default(),
        barred: from.barred,
        odb: from.odb,
        hplmn_odb: from.hplmn_odb,
        network_access_mode: from.network_access_mode,
        access_restriction: from.access_restriction,
        apn_oi_replacement: from.apn_oi_replacement.clone(),
        ambr: from.ambr.map(rates),
        apns,
        zone_codes: from.zone_codes.iter().map(|code| u32::from(*code)).collect(),
        charging: from.charging.map(u32::from),
        rfsp: from.rfsp,
        periodic_timer: from.periodic_timer,
        roaming_restricted: from.roaming_restricted,
    }
}

fn apn(from: &ApnConfiguration) -> api::Apn {
    let pdn_type = match from.pdn_type {
        PdnType::Ipv4 => api::apn::PdnType::Ipv4,
        PdnType::Ipv6 => api::apn::PdnType::Ipv6,
        PdnType::Ipv4v6 => api::apn::PdnType::Ipv4v6,
        PdnType::Ipv4OrIpv6 => api::apn::PdnType::Ipv4OrIpv6,
    };
    let qos = from.qos.map(|qos| api::Qos {
        qci: qos.qci.0.into(),
        priority: qos.arp.priority.into(),
        may_preempt: qos.arp.may_preempt,
        preemptable: qos.arp.preemptable,
    });
    api::Apn {
        context: from.context,
        name: from.apn.as_ref().map_or_else(|| "*".to_owned(), ToString::to_string),
        pdn_type: pdn_type.into(),
        addresses: from.addresses.iter().map(ToString::to_string).collect(),
        qos,
        ambr: from.ambr.map(rates),
        charging: from.charging.map(u32::from),
        local_breakout: from.local_breakout,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(kind: api::request::Kind) -> Option<Request> {
        let (imsi, visited) = ("999700000000001".to_owned(), "001-01".to_owned());
        request(api::Request {
            id: 1,
            within_ms: 1_000_000,
            imsi,
            visited,
            kind: Some(kind),
            ..api::Request::default()
        })
    }

    #[test]
    fn requests_are_read_or_refused_whole() {
        let wanted = |resync: Vec<u8>| {
            api::request::Kind::Authenticate(api::Authenticate { vectors: 2, immediate: true, resync })
        };
        let good = asked(wanted(vec![1; 30])).unwrap();
        assert!(matches!(good.wish, Wish::Vectors { count: 2, resync: Some(_), .. }));
        assert_eq!(good.within, LONGEST);
        assert!(asked(wanted(vec![1; 29])).is_none() && asked(wanted(vec![1; 31])).is_none());
        let told = |address: &str, host: &str, realm: &str| {
            let (address, host, realm) = (address.to_owned(), host.to_owned(), realm.to_owned());
            let gateway = api::PdnGateway { context: Some(1), apn: "internet".to_owned(), address, host, realm };
            asked(api::request::Kind::Notify(api::Notify { gateway: Some(gateway) })).map(|request| request.wish)
        };
        assert!(matches!(told("2001:db8::1", "", ""), Some(Wish::Gateway(_))));
        assert!(matches!(told("", "pgw.example", "example"), Some(Wish::Gateway(_))));
        for wrong in [("", "", ""), ("192.0.2.1", "pgw.example", "example"), ("here", "", ""), ("", "pgw example", "x")]
        {
            assert_eq!(told(wrong.0, wrong.1, wrong.2), None, "{wrong:?}");
        }
        let check = |imei: &str| {
            asked(api::request::Kind::CheckEquipment(api::CheckEquipment {
                imei: imei.to_owned(),
                software: String::new(),
            }))
        };
        assert!(
            check("35349006000001").is_some() && check("3534900600000").is_none() && check("3534900600000x").is_none()
        );
    }
}
