//! Addresses and tunnels that sessions have: kept over a restart, resting, given again.

use super::*;

#[test]
fn a_full_pool_refuses_and_the_quarantine_ends() {
    let mut desk = Desk::new();
    for number in 1..=6 {
        desk.attached(number);
    }
    assert_eq!(rejected(&desk.attach(7, request())), Some(EsmCause::InsufficientResources.code()));
    desk.ask(SessionRequest::Release { ue: ue(3) });
    assert!(rejected(&desk.attach(7, request())).is_some(), "the address still rests");
    desk.now = Time::from_secs(62);
    assert_eq!(rejected(&desk.attach(7, request())), None);
}

#[test]
fn sessions_survive_as_records() {
    let mut desk = Desk::new();
    let session = desk.attached(1);
    let stored = desk.sessions.stored(ue(1));
    let mut fresh = Desk::new();
    let imsi = profile(1).imsi;
    let ambr = session.ambr;
    assert!(fresh.sessions.restore(ue(9), imsi, ambr, stored.clone()).is_empty());
    assert_eq!(fresh.sessions.of(ue(9)), std::slice::from_ref(&session));
    assert_eq!(fresh.sessions.restore(ue(10), imsi, ambr, stored.clone()), stored, "its address is taken");
    let next = fresh.attached(2);
    assert_ne!(next.address, session.address);
    assert_ne!(next.local.1, session.local.1);
}

#[test]
fn what_was_given_back_rests_over_a_restart_and_not_for_longer() {
    let now = |secs: u64| agw_types::Now { mono: Time::from_secs(secs), unix_secs: 1_700_000_000 + secs };
    let mut desk = Desk::new();
    let session = desk.attached(1);
    desk.ask(SessionRequest::Release { ue: ue(1) });
    let kept = desk.sessions.resting(now(20), ue(1));
    let [rest] = kept.as_slice() else { panic!("{kept:?}") };
    assert_eq!((rest.address, rest.teid), (session.address, session.local.1));
    assert!(desk.sessions.resting(now(3600), ue(1)).is_empty());
    // Another gateway, whose clock begins anew: 5 of 6 addresses of the pool are free.
    let addresses_at = |secs: u64| {
        let mut fresh = Desk::new();
        let restored = agw_types::Now { mono: Time::ZERO, unix_secs: 1_700_000_000 + secs };
        fresh.sessions.restore_resting(restored, ue(7), &kept);
        assert_eq!(
            fresh.sessions.resting(restored, ue(7)).len(),
            usize::from(secs < 60),
            "its record tells of it again"
        );
        let given: Vec<_> = (1..=5).map(|number| fresh.attached(number).address).collect();
        given.contains(&session.address)
    };
    assert!(!addresses_at(21));
    assert!(addresses_at(70));
}

#[test]
fn of_a_full_table_who_goes_and_comes_back_has_its_place_and_nobody_else_has() {
    let mut desk = Desk::new();
    desk.sessions = Sessions::new(&config(), 2, &SecureSeed([7; 32]));
    let mut last = desk.attached(1).local.1;
    desk.attached(2);
    assert_eq!(rejected(&desk.attach(3, request())), Some(EsmCause::InsufficientResources.code()));
    for _ in 0..3 {
        desk.ask(SessionRequest::Release { ue: ue(1) });
        assert_eq!(rejected(&desk.attach(3, request())), Some(EsmCause::InsufficientResources.code()), "it rests");
        let now = desk.attached(1).local.1;
        assert_ne!(now, last, "a base station may still send by the old one");
        last = now;
    }
    // Without having said good-bye, as somebody whom nobody knows by another name.
    let esm = octets(None, 1, EsmMessage::PdnConnectivityRequest(request()));
    let out = desk.ask(SessionRequest::Attach { ue: ue(9), esm, profile: profile(1) });
    assert!(matches!(out.replies.as_slice(), [SessionReply::AttachReady { .. }]), "{out:?}");
    let now = agw_types::Now { mono: desk.now, unix_secs: 0 };
    assert_eq!(desk.sessions.resting(now, ue(9)).len(), 4, "its record tells of all that rests");
    assert!(desk.sessions.resting(now, ue(1)).is_empty());
    // What has rested is anybody's.
    desk.ask(SessionRequest::Release { ue: ue(9) });
    desk.now = Time::from_secs(62);
    assert_eq!(rejected(&desk.attach(3, request())), None);
    assert!(rejected(&desk.attach(1, request())).is_some());
}

#[test]
fn a_session_has_the_addresses_it_asked_for_and_keeps_them_over_a_restart() {
    let mut both = config();
    let pool = PrefixPool { network: "2001:db8:1::".parse().unwrap(), prefix: 62, each: 64 };
    for apn in both.apns.iter_mut().take(1) {
        (apn.pools6, apn.pdn_types) = (vec![pool], PdnTypes::Ipv4v6);
    }
    let fresh = |config: &GatewayConfig| Desk {
        sessions: Sessions::new(config, 100, &SecureSeed([7; 32])),
        now: Time::from_secs(1),
    };
    let mut desk = fresh(&both);
    let of_type = |pdn_type| PdnConnectivityRequest::new(RequestType::Initial, pdn_type);
    for (number, pdn_type, ipv4, ipv6) in
        [(1, PdnType::Ipv4v6, true, true), (2, PdnType::Ipv6, false, true), (3, PdnType::Ipv4, true, false)]
    {
        let out = desk.attach(number, of_type(pdn_type));
        let [SessionReply::AttachReady { esm, .. }] = out.replies.as_slice() else { panic!("{out:?}") };
        let message = EsmPdu::decode(esm, Direction::Downlink).unwrap().message;
        let EsmMessage::ActivateDefaultEpsBearerContextRequest(offer) = message else { panic!() };
        assert_eq!((offer.address.pdn_type(), offer.cause), (pdn_type, None));
        desk.uplink(number, Some(5), 0, accept());
        let address = desk.sessions.of(ue(number))[0].address;
        assert_eq!((address.ipv4().is_some(), address.prefix().is_some()), (ipv4, ipv6));
        assert_eq!(desk.sessions.by_address(address), Some(ue(number)));
    }
    let given: Vec<UeAddress> = (1..=3).map(|number| desk.sessions.of(ue(number))[0].address).collect();
    assert_ne!(given[0].prefix(), given[1].prefix());
    // A restart, and a session given back: its prefix rests.
    let mut again = fresh(&both);
    let ambr = profile(1).ambr;
    for number in 1..=2u32 {
        let stored = desk.sessions.stored(ue(number));
        assert!(again.sessions.restore(ue(number), profile(number.into()).imsi, ambr, stored).is_empty());
    }
    again.ask(SessionRequest::Release { ue: ue(2) });
    let taken: Vec<_> = (4..=5)
        .map(|number| {
            again.attach(number, of_type(PdnType::Ipv6));
            again.sessions.of(ue(number))[0].address.prefix()
        })
        .collect();
    assert!(!taken.contains(&given[0].prefix()) && !taken.contains(&given[1].prefix()), "{taken:?} {given:?}");
    let out = again.attach(6, of_type(PdnType::Ipv6));
    assert!(matches!(out.replies.as_slice(), [SessionReply::AttachRejected { cause: 26, .. }]), "{out:?}");
    // What an access point without IPv6 says.
    let out = fresh(&config()).attach(1, of_type(PdnType::Ipv6));
    assert!(matches!(out.replies.as_slice(), [SessionReply::AttachRejected { cause: 50, .. }]), "{out:?}");
}
