//! Known keys are looked for in everything that a trace gives.

use crate::{Protocol, Record, capture, ladder, parse};
use basalt_diameter::{Application, AvpId, Command, Header, Writer, dictionary};
use basalt_ids::{EnbUeS1apId, MmeUeS1apId, Pti};
use basalt_nas::emm::AuthenticationResponse;
use basalt_nas::esm::EsmInformationResponse;
use basalt_nas::ie::{PcoItem, ProtocolConfigurationOptions, Res};
use basalt_nas::{EmmMessage, EsmMessage, EsmPdu};
use basalt_s1ap::{Pdu, SecurityKey, UeContextModificationRequest, UplinkNasTransport};

/// Octets that nothing else has.
fn secret(length: u8) -> Vec<u8> {
    (0..length).map(|at| at.wrapping_mul(37) ^ 0x5a).collect()
}

fn k_enb() -> Vec<u8> {
    let (mme, enb) = (MmeUeS1apId(7), EnbUeS1apId::new(9).unwrap());
    let mut request = UeContextModificationRequest::new(mme, enb);
    request.security_key = Some(SecurityKey(secret(32).try_into().unwrap()));
    basalt_s1ap::encode(&Pdu::from(request)).unwrap()
}

fn answer() -> Vec<u8> {
    EmmMessage::AuthenticationResponse(AuthenticationResponse::new(Res(secret(8)))).encode().unwrap()
}

fn password() -> Vec<u8> {
    let packet = [&[1, 1, 0, 20][..], &secret(16)].concat();
    let options = ProtocolConfigurationOptions { items: vec![PcoItem::Pap(packet)], trailing: Vec::new() };
    let mut response = EsmInformationResponse::new();
    response.pco = Some(options);
    EsmPdu { ebi: None, pti: Pti(3), message: EsmMessage::EsmInformationResponse(response) }.encode().unwrap()
}

fn carried(nas: Vec<u8>) -> Vec<u8> {
    let (mme, enb) = (MmeUeS1apId(7), EnbUeS1apId::new(9).unwrap());
    let tai = "001-01".parse().ok().map(|plmn| basalt_ids::Tai { plmn, tac: basalt_ids::Tac(1) }).unwrap();
    let ecgi = basalt_ids::Ecgi { plmn: tai.plmn, eci: basalt_ids::Eci::new(1).unwrap() };
    basalt_s1ap::encode(&Pdu::from(UplinkNasTransport::new(mme, enb, nas, ecgi, tai))).unwrap()
}

fn vectors() -> Vec<u8> {
    let mut writer = Writer::new(&Header::request(Command::AUTHENTICATION_INFORMATION, Application::S6A).answer());
    writer.text(dictionary::SESSION_ID, "feg;1;1").text(AvpId::ietf(264), "hss.home.example");
    writer.group(AvpId::tgpp(1413), |info| {
        info.group(AvpId::tgpp(1414), |vector| {
            vector.octets(AvpId::tgpp(1448), &secret(8)).octets(AvpId::tgpp(1450), &secret(32));
        });
    });
    writer.finish()
}

#[test]
fn known_keys_are_in_no_form_of_a_trace() {
    let messages = [
        (Protocol::S1ap, k_enb(), "UE CONTEXT MODIFICATION REQUEST"),
        (Protocol::S1ap, carried(answer()), "UPLINK NAS TRANSPORT"),
        (Protocol::S1ap, carried(password()), "UPLINK NAS TRANSPORT"),
        (Protocol::Nas, answer(), "AUTHENTICATION RESPONSE"),
        (Protocol::Nas, password(), "ESM INFORMATION RESPONSE"),
        (Protocol::Diameter, vectors(), "Authentication-Information Answer"),
    ];
    // Every key here begins with the same octets: four of them are a find.
    let start = secret(4);
    let digits = crate::record::hex(&start);
    for (protocol, octets, name) in messages {
        assert!(octets.windows(4).any(|window| window == start), "{name}: the test looks at the right place");
        let length = octets.len();
        let record = Record::new(1, protocol, false, octets);
        assert_eq!(record.octets().len(), length, "{name}: nothing moves");
        let line = record.line();
        let (read, _) = parse(line.as_bytes());
        let steps = ladder(&read, 10);
        assert_eq!(steps.messages[0].name, name);
        let steps = serde_json::to_string(&steps).unwrap();
        let listed = start.iter().map(u8::to_string).collect::<Vec<_>>().join(",");
        for text in [&line, &steps] {
            assert!(!text.contains(&digits) && !text.contains(&listed), "{name}: {text}");
        }
        let file = capture(&read);
        assert!(!file.windows(4).any(|window| window == start), "{name}");
    }
}

/// A message that has no struct here: UE CONTEXT RESUME RESPONSE (TS 36.413 §9.1.4.23) with a next hop.
fn next_hop() -> Vec<u8> {
    let ids = [0, 0, 0x40, 2, 0, 7, 0, 8, 0x40, 2, 0, 9];
    let message = [&[0, 0, 3][..], &ids, &[0, 40, 0, 33, 0x20], &secret(32)].concat();
    [&[0x20, 60, 0, u8::try_from(message.len()).unwrap()][..], &message].concat()
}

#[test]
fn keys_are_not_in_what_is_not_understood() {
    let start = secret(4);
    assert!(matches!(basalt_s1ap::decode(&next_hop()).unwrap().pdu, Pdu::Other(_)));
    let mut cut = k_enb();
    cut.pop();
    let mut unknown = k_enb();
    unknown[1] = 0xfe;
    // More IEs than there are.
    let mut wrong = next_hop();
    wrong[6] = 4;
    for (what, octets) in [("resume", next_hop()), ("cut", cut), ("unknown", unknown), ("wrong", wrong)] {
        assert!(octets.windows(4).any(|window| window == start), "{what}: the test looks at the right place");
        let record = Record::new(1, Protocol::S1ap, true, octets.clone());
        assert_eq!((record.octets().len(), &record.octets()[..3]), (octets.len(), &octets[..3]), "{what}");
        assert!(!record.octets().windows(4).any(|window| window == start), "{what}: {:?}", record.octets());
    }
    let record = Record::new(1, Protocol::S1ap, true, next_hop());
    assert_eq!(record.octets()[..19], next_hop()[..19], "whom it is about is still to be seen");
}

#[test]
fn passwords_of_the_null_algorithm_are_not_seen() {
    // TS 24.301 §9.3.1: integrity protected and ciphered; message authentication code, sequence number.
    let nas = [&[0x27, 1, 2, 3, 4, 5][..], &password()].concat();
    let record = Record::new(1, Protocol::S1ap, false, carried(nas));
    assert!(!record.octets().windows(4).any(|window| window == secret(4)));
}

#[test]
fn a_ladder_of_rubbish_is_a_ladder() {
    let protocols = [Protocol::S1ap, Protocol::Nas, Protocol::Diameter];
    for seed in 0..200_u8 {
        let octets: Vec<u8> = (0..seed).map(|at| at.wrapping_mul(seed) ^ 0x0c).collect();
        let records: Vec<Record> =
            protocols.iter().map(|protocol| Record::new(1, *protocol, seed % 2 == 0, octets.clone())).collect();
        assert_eq!(ladder(&records, 2).messages.len(), 2);
        assert!(capture(&records).len().is_multiple_of(4));
    }
}

#[test]
fn messages_within_messages_cost_no_depth_and_hide_nothing() {
    // SECURITY MODE COMPLETE with a message to be repeated (TS 24.301 §8.2.21), in it another one, and so on.
    let nested = (0..10_000).fold(answer(), |inner, _| {
        let length = u16::try_from(inner.len()).unwrap().to_be_bytes();
        [&[0x07, 0x5e, 0x79][..], &length, &inner].concat()
    });
    let has_answer = |octets: &[u8]| octets.windows(8).any(|window| window == secret(8));
    assert!(has_answer(&nested));
    assert!(!has_answer(&crate::redact::nas(nested.clone(), false)));
    assert!(!has_answer(&crate::redact::s1ap(carried(nested))));
}
