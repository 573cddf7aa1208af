//! A subscriber side that answers later, never, or the wrong thing: what a federation gateway will be.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use agw_mobility::{Mobility, Want};
use agw_types::{
    AddressPool, Answer, ApnConfig, Area, AuthFailure, AuthMaterial, EstablishmentCause, GatewayConfig, Limits, Now,
    PagingPolicy, ProcedureTimers, Question, RadioCommand, RadioEvent, RadioEventKind, RadioId, SecurityOrder, Ticket,
    TimerName, UeId, Unavailable,
};
use basalt_ids::{Ecgi, Eci, Imsi, MmeCode, MmeGroupId, Plmn, Tac, Tai};
use basalt_nas::emm::AttachRequest;
use basalt_nas::ie::{AttachType, EmmCause, EpsMobileIdentity, EsmContainer, KeySetIdentifier, UeNetworkCapability};
use basalt_nas::{Direction, EmmMessage};
use basalt_sansio::{Duration, IdLayout, Outbox, SecureSeed, SlotId, Time};
use basalt_security::{Provider, Secret};

const RADIO: RadioId = RadioId(SlotId(0x0010_0000));

fn plmn() -> Plmn {
    "001-01".parse().unwrap()
}

fn config() -> GatewayConfig {
    let pool = AddressPool { network: "10.45.0.0".parse().unwrap(), prefix: 24, gateway: None };
    GatewayConfig {
        name: "test".to_owned(),
        plmns: vec![plmn()],
        group: MmeGroupId(1),
        code: MmeCode(1),
        relative_capacity: 255,
        areas: vec![Tai { plmn: plmn(), tac: Tac(1) }],
        whole_network_area_list: true,
        regional: false,
        user_plane: "192.0.2.1".parse().unwrap(),
        apns: vec![ApnConfig::ipv4("internet".parse().unwrap(), vec![pool])],
        dns: Vec::new(),
        dns6: Vec::new(),
        mtu: 1400,
        security: SecurityOrder { ciphering: vec![2], integrity: vec![2] },
        timers: ProcedureTimers::default(),
        paging: PagingPolicy { attempts: 2, backoff: Duration::from_secs(10), per_second: 400 },
        network_name: None,
        time_zone_quarters: 0,
        request_imeisv: false,
        access: agw_types::AccessLists::default(),
        retired: Vec::new(),
        home_only: false,
        qos: agw_types::QosConfig::default(),
    }
}

struct Room {
    mobility: Mobility,
    out: Outbox<Want>,
}

const NOW: Now = Now { mono: Time::from_secs(1), unix_secs: 1_700_000_000 };

impl Room {
    /// A phone has sent ATTACH REQUEST; gives the question that came of it.
    fn asked() -> (Self, Ticket, Question) {
        let seed = SecureSeed([1; 32]);
        let provider = Provider::STANDARD;
        let mobility = Mobility::new(&config(), Limits::default(), IdLayout::DEFAULT, 0, &seed, provider);
        let mut room = Self { mobility, out: Outbox::new() };
        let imsi: Imsi = "001010000000001".parse().unwrap();
        let request = AttachRequest::new(
            AttachType::Eps,
            KeySetIdentifier::NONE,
            EpsMobileIdentity::Imsi(imsi),
            UeNetworkCapability::from_octets(&[0xf0, 0x70]).unwrap(),
            EsmContainer(vec![0x02, 0x01, 0xd0, 0x11]),
        );
        let area =
            Area { tai: Tai { plmn: plmn(), tac: Tac(1) }, cell: Ecgi { plmn: plmn(), eci: Eci::new(1).unwrap() } };
        let nas = EmmMessage::AttachRequest(request).encode().unwrap();
        let cause = EstablishmentCause::MoSignalling;
        let kind = RadioEventKind::Initial { nas, area, cause, s_tmsi: None };
        room.mobility.radio(NOW, RadioEvent { radio: RADIO, ue: None, kind }, &mut room.out);
        let asked = room.wants().into_iter().find_map(|want| match want {
            Want::Ask { ticket, question } => Some((ticket, question)),
            _ => None,
        });
        let (ticket, question) = asked.unwrap();
        (room, ticket, question)
    }

    fn wants(&mut self) -> Vec<Want> {
        self.out.take()
    }

    fn answer(&mut self, ticket: Ticket, answer: Answer) -> Vec<Want> {
        self.mobility.answer(NOW, ticket, answer, &mut self.out);
        self.wants()
    }
}

fn vector() -> Answer {
    Answer::Vector(Box::new(AuthMaterial {
        rand: [1; 16],
        autn: [2; 16],
        xres: Secret::new(vec![3; 8]),
        kasme: Secret::new([4; 32]),
    }))
}

/// The plain NAS messages among the wants.
fn said(wants: &[Want]) -> Vec<EmmMessage> {
    let nas = wants.iter().filter_map(|want| match want {
        Want::Radio(RadioCommand::Downlink { nas, .. }) => Some(nas),
        _ => None,
    });
    nas.map(|nas| EmmMessage::decode(nas, Direction::Downlink).unwrap()).collect()
}

fn ends(wants: &[Want]) -> bool {
    wants.iter().any(|want| matches!(want, Want::Radio(RadioCommand::Release { .. })))
        && wants.iter().any(|want| matches!(want, Want::Gone(_)))
}

#[test]
fn a_late_answer_counts_as_long_as_it_is_waited_for() {
    let (mut room, ticket, question) = Room::asked();
    assert!(matches!(question, Question::Authenticate { resync: None, .. }));
    let wants = room.answer(ticket, vector());
    assert!(matches!(said(&wants)[..], [EmmMessage::AuthenticationRequest(_)]));
    // The same answer again finds nobody waiting.
    assert!(room.answer(ticket, vector()).is_empty());
}

#[test]
fn an_answer_to_another_question_is_dropped() {
    let (mut room, ticket, _) = Room::asked();
    assert!(room.answer(Ticket { sequence: ticket.sequence.wrapping_add(1), ..ticket }, vector()).is_empty());
    assert!(room.answer(Ticket { ue: UeId(SlotId(0x0030_0000)), ..ticket }, vector()).is_empty());
    assert!(!room.answer(ticket, vector()).is_empty());
}

#[test]
fn an_answer_of_another_kind_is_a_failure_of_our_side() {
    let (mut room, ticket, _) = Room::asked();
    let wants = room.answer(ticket, Answer::NoProfile(AuthFailure::Unknown));
    let [EmmMessage::AttachReject(reject)] = &said(&wants)[..] else { panic!() };
    assert_eq!(reject.cause, EmmCause::NetworkFailure);
    assert!(ends(&wants));
}

#[test]
fn silence_is_a_failure_of_our_side_and_the_answer_afterwards_falls_dead() {
    let (mut room, ticket, _) = Room::asked();
    room.mobility.expired(NOW, ticket.ue, TimerName::Question, &mut room.out);
    let wants = room.wants();
    let [EmmMessage::AttachReject(reject)] = &said(&wants)[..] else { panic!() };
    assert_eq!(reject.cause, EmmCause::NetworkFailure);
    assert!(ends(&wants));
    assert_eq!((room.mobility.len(), room.mobility.half_open()), (0, 0));
    assert!(room.answer(ticket, vector()).is_empty());
}

#[test]
fn overload_of_the_subscriber_side_gives_the_phone_a_back_off() {
    let (mut room, ticket, _) = Room::asked();
    let wants = room.answer(ticket, Answer::NoVector(AuthFailure::Unavailable(Unavailable::Overload)));
    let [EmmMessage::AttachReject(reject)] = &said(&wants)[..] else { panic!() };
    assert_eq!(reject.cause, EmmCause::Congestion);
    assert!(reject.t3346.is_some());
}

#[test]
fn timers_of_a_past_life_do_nothing() {
    let (mut room, ticket, _) = Room::asked();
    room.mobility.expired(NOW, ticket.ue, TimerName::Procedure, &mut room.out);
    assert!(ends(&room.wants()));
    for timer in [TimerName::T3450, TimerName::T3460, TimerName::Procedure, TimerName::Question] {
        room.mobility.expired(NOW, ticket.ue, timer, &mut room.out);
    }
    assert!(room.wants().is_empty());
}
