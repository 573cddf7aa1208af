//! Connections: asked for, offered, accepted and refused.

use super::*;

#[test]
fn an_attach_gets_address_servers_and_bearer_five() {
    let mut desk = Desk::new();
    let mut wanted = request();
    wanted.pco = Some(ProtocolConfigurationOptions {
        items: vec![PcoItem::DnsIpv4Request, PcoItem::Ipv4MtuRequest],
        trailing: Vec::new(),
    });
    let out = desk.attach(1, wanted);
    let [SessionReply::AttachReady { esm, bearer, ambr, .. }] = out.replies.as_slice() else { panic!("{out:?}") };
    let (ebi, pti, message) = offer(esm);
    assert_eq!((ebi, pti), (Some(Ebi::FIRST), Pti(1)));
    assert_eq!(message.address, PdnAddress::Ipv4(Ipv4Addr::new(10, 45, 0, 1)));
    assert_eq!(message.apn.apn().unwrap().as_str(), "internet");
    assert_eq!(message.pco.unwrap().items, [PcoItem::DnsIpv4(Ipv4Addr::new(192, 0, 2, 53)), PcoItem::Ipv4Mtu(1400)]);
    assert_eq!(bearer.ebi, Ebi::FIRST);
    assert_eq!(ambr.uplink, 10_000_000);
    assert!(!out.effects.iter().any(|effect| matches!(effect, Effect::Dataplane(_))), "no peer is known yet");
}

#[test]
fn information_is_asked_three_times_and_then_refused() {
    let mut desk = Desk::new();
    let mut wanted = request();
    wanted.information_transfer = Some(EsmInformationTransfer(true));
    let out = desk.attach(1, wanted);
    assert!(matches!(sent(&out).as_slice(), [EsmMessage::EsmInformationRequest(_)]));
    for _ in 0..2 {
        let out = desk.ask(SessionRequest::Expired { ue: ue(1), timer: TimerName::T3489 });
        assert!(matches!(sent(&out).as_slice(), [EsmMessage::EsmInformationRequest(_)]));
    }
    let out = desk.ask(SessionRequest::Expired { ue: ue(1), timer: TimerName::T3489 });
    assert_eq!(rejected(&out), Some(EsmCause::EsmInformationNotReceived.code()));
}

#[test]
fn the_name_in_the_information_counts() {
    let mut desk = Desk::new();
    let mut wanted = request();
    wanted.information_transfer = Some(EsmInformationTransfer(true));
    desk.attach(1, wanted);
    let mut response = EsmInformationResponse::new();
    response.apn = Some(AccessPointName::from(&"ims".parse::<Apn>().unwrap()));
    let out = desk.uplink(1, None, 1, EsmMessage::EsmInformationResponse(response));
    let [SessionReply::AttachReady { esm, .. }] = out.replies.as_slice() else { panic!("{out:?}") };
    assert_eq!(offer(esm).2.apn.apn().unwrap().as_str(), "ims");
}

#[test]
fn what_cannot_be_is_refused_with_its_cause() {
    let cases = [
        (named("nowhere"), EsmCause::MissingOrUnknownApn),
        (PdnConnectivityRequest::new(RequestType::Initial, PdnType::Ipv6), EsmCause::PdnTypeIpv4OnlyAllowed),
        (PdnConnectivityRequest::new(RequestType::Initial, PdnType::NonIp), EsmCause::PdnTypeIpv4OnlyAllowed),
        (PdnConnectivityRequest::new(RequestType::Emergency, PdnType::Ipv4), EsmCause::ServiceOptionNotSupported),
    ];
    for (wanted, cause) in cases {
        let out = Desk::new().attach(1, wanted);
        assert_eq!(rejected(&out), Some(cause.code()), "{out:?}");
    }
    let out = Desk::new().ask(SessionRequest::Attach { ue: ue(1), esm: vec![2], profile: profile(1) });
    assert!(rejected(&out).is_some());
}

#[test]
fn both_address_kinds_asked_gives_ipv4_with_the_reason() {
    let mut desk = Desk::new();
    let out = desk.attach(1, PdnConnectivityRequest::new(RequestType::Initial, PdnType::Ipv4v6));
    let [SessionReply::AttachReady { esm, .. }] = out.replies.as_slice() else { panic!("{out:?}") };
    assert_eq!(offer(esm).2.cause, Some(EsmCause::PdnTypeIpv4OnlyAllowed));
}

#[test]
fn a_second_session_is_set_up_confirmed_and_ended() {
    let mut desk = Desk::new();
    desk.attached(1);
    let out = desk.uplink(1, None, 2, EsmMessage::PdnConnectivityRequest(named("ims")));
    let [SessionReply::BearerReady { bearer, esm, .. }] = out.replies.as_slice() else { panic!("{out:?}") };
    assert_eq!(bearer.ebi.value(), 6);
    assert_eq!(offer(esm).1, Pti(2));
    assert_eq!(out.timers, [(ue(1), TimerName::T3485, Some(ProcedureTimers::default().t3485))]);
    let out = desk.uplink(1, Some(6), 0, accept());
    assert!(out.replies.contains(&SessionReply::DefaultBearer { ue: ue(1), accepted: true }));
    let disconnect = |linked: u8| EsmMessage::PdnDisconnectRequest(PdnDisconnectRequest::new(LinkedEbi(linked)));
    let out = desk.uplink(1, None, 3, disconnect(6));
    assert!(matches!(out.replies.as_slice(), [SessionReply::BearerEnding { .. }]), "{out:?}");
    let done = EsmMessage::DeactivateEpsBearerContextAccept(DeactivateEpsBearerContextAccept::new());
    desk.uplink(1, Some(6), 0, done);
    assert_eq!(desk.sessions.of(ue(1)).len(), 1);
    let out = desk.uplink(1, None, 4, disconnect(5));
    let [EsmMessage::PdnDisconnectReject(reject)] = &*sent(&out) else { panic!() };
    assert_eq!(reject.cause, EsmCause::LastPdnDisconnectionNotAllowed);
}

#[test]
fn the_same_access_point_twice_is_refused() {
    let mut desk = Desk::new();
    desk.attached(1);
    let out = desk.uplink(1, None, 2, EsmMessage::PdnConnectivityRequest(named("internet")));
    let [EsmMessage::PdnConnectivityReject(reject)] = &*sent(&out) else { panic!() };
    assert_eq!(reject.cause, EsmCause::MultiplePdnConnectionsNotAllowed);
}

#[test]
fn an_unanswered_offer_is_repeated_and_then_taken_back() {
    let mut desk = Desk::new();
    desk.attached(1);
    desk.uplink(1, None, 2, EsmMessage::PdnConnectivityRequest(named("ims")));
    let expire = |desk: &mut Desk| desk.ask(SessionRequest::Expired { ue: ue(1), timer: TimerName::T3485 });
    for _ in 0..4 {
        assert_eq!(sent(&expire(&mut desk)).len(), 1);
    }
    let out = expire(&mut desk);
    assert!(matches!(out.replies.as_slice(), [SessionReply::BearerEnding { .. }]), "{out:?}");
    for _ in 0..5 {
        desk.ask(SessionRequest::Expired { ue: ue(1), timer: TimerName::T3495 });
    }
    assert_eq!(desk.sessions.of(ue(1)).len(), 1);
}

#[test]
fn a_refused_offer_ends_the_session() {
    let mut desk = Desk::new();
    desk.attach(1, request());
    let reject = ActivateDefaultEpsBearerContextReject::new(EsmCause::RequestRejectedUnspecified);
    let out = desk.uplink(1, Some(5), 0, EsmMessage::ActivateDefaultEpsBearerContextReject(reject));
    assert!(out.replies.contains(&SessionReply::DefaultBearer { ue: ue(1), accepted: false }));
    assert!(out.replies.contains(&SessionReply::LastSessionGone { ue: ue(1) }));
    assert!(desk.sessions.is_empty());
}

#[test]
fn a_session_that_the_phone_does_not_have_is_not_offered_again() {
    let mut desk = Desk::new();
    desk.attached(1);
    let out = desk.uplink(1, None, 2, EsmMessage::PdnConnectivityRequest(named("ims")));
    assert!(matches!(out.replies.as_slice(), [SessionReply::BearerReady { .. }]), "{out:?}");
    let out = desk.ask(SessionRequest::Synchronise { ue: ue(1), active: 1 << 5 });
    assert!(out.timers.contains(&(ue(1), TimerName::T3485, None)), "{out:?}");
    let out = desk.ask(SessionRequest::Expired { ue: ue(1), timer: TimerName::T3485 });
    assert!(out.replies.is_empty(), "{out:?}");
    // It may ask anew.
    let out = desk.uplink(1, None, 3, EsmMessage::PdnConnectivityRequest(named("ims")));
    assert!(matches!(out.replies.as_slice(), [SessionReply::BearerReady { .. }]), "{out:?}");
    // The same for one on its way out.
    desk.uplink(1, Some(6), 0, accept());
    let Some(linked) = Ebi::new(6).ok() else { panic!() };
    desk.ask(SessionRequest::Deactivate { ue: ue(1), ebi: linked });
    desk.ask(SessionRequest::Synchronise { ue: ue(1), active: 1 << 5 });
    assert!(desk.ask(SessionRequest::Expired { ue: ue(1), timer: TimerName::T3495 }).replies.is_empty());
}
