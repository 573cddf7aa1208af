//! Octets that no honest phone sends, by the rows of the attack list (N07 to N12), and octets that an honest one may.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use Direction::Uplink;
use basalt_ids::{Plmn, Pti};
use basalt_nas::emm::{AttachRequest, IdentityResponse};
use basalt_nas::esm::{EsmInformationResponse, PdnConnectivityRequest};
use basalt_nas::ie::{
    AttachType, EmmCause, EpsMobileIdentity, EsmCause, GprsTimer2, KeySetIdentifier, MobileIdentity, PdnType, RawIe,
    RequestType,
};
use basalt_nas::{DecodeError, Direction, EmmMessage, Envelope, ErrorKind, EsmMessage, EsmPdu, Header, NasMessage};

/// ATTACH REQUEST with IMSI 001010000000001, two algorithms and a PDN CONNECTIVITY REQUEST.
const ATTACH: &str = "0741710809101000000000100206060005 0201d01131";

fn bytes(hex: &str) -> Vec<u8> {
    let hex: String = hex.split_whitespace().collect();
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

fn emm(hex: &str) -> Result<EmmMessage, DecodeError> {
    EmmMessage::decode(&bytes(hex), Uplink)
}

fn attach(hex: &str) -> AttachRequest {
    match emm(hex).unwrap() {
        EmmMessage::AttachRequest(request) => request,
        other => panic!("{other:?}"),
    }
}

fn attach_with(optional: &str) -> AttachRequest {
    attach(&format!("{ATTACH}{optional}"))
}

fn kind(hex: &str) -> ErrorKind {
    emm(hex).unwrap_err().kind
}

fn rewritten(request: AttachRequest) -> Vec<u8> {
    EmmMessage::from(request).encode().unwrap()
}

#[test]
fn n07_too_short_is_ignored() {
    for octets in ["", "07", "c7", "c70000", "17", "170000000000", "17000000000007", "270000000000", "02"] {
        let error = Envelope::parse(&bytes(octets)).unwrap_err();
        assert_eq!(error.kind, ErrorKind::TooShort, "{octets}");
        assert_eq!(error.kind.emm_cause(), None);
    }
    for octets in ["", "07"] {
        assert_eq!(kind(octets), ErrorKind::TooShort);
    }
    for octets in ["", "02", "0201"] {
        let error = EsmPdu::decode(&bytes(octets), Uplink).unwrap_err();
        assert_eq!((error.kind, error.kind.esm_cause()), (ErrorKind::TooShort, None));
    }
}

#[test]
fn n08_mandatory_lengths_that_lie_are_cause_96() {
    // Length indicators of identity, capability and container, which is of two octets.
    for (place, field) in [(3, "identity"), (12, "ue_network_capability"), (16, "esm_container")] {
        for lie in [0, 1, 0x7f, 0xff] {
            let mut octets = bytes(ATTACH);
            octets[place] = lie;
            match EmmMessage::decode(&octets, Uplink) {
                Ok(message) => panic!("{field} of {lie} was read: {message:?}"),
                Err(error) => {
                    assert_eq!(error.header, Header::Emm { message_type: 0x41 });
                    let cause = error.kind.emm_cause();
                    assert_eq!(cause, Some(EmmCause::InvalidMandatoryInformation), "{error}");
                }
            }
        }
    }
}

#[test]
fn n08_every_optional_length_may_lie_and_the_rest_stands() {
    for iei in (0x10..0x80u8).filter(|iei| !matches!(iei, 0x7e | 0x7f)) {
        for lie in ["00", "01", "7f", "ff", "ffff", ""] {
            let request = attach_with(&format!("{iei:02x}{lie}"));
            assert_eq!(request.attach_type, AttachType::Eps);
            assert_eq!(rewritten(request), bytes(&format!("{ATTACH}{iei:02x}{lie}")));
        }
    }
}

#[test]
fn n09_malformed_names_are_read_and_answered_later() {
    for octets in ["00", "05696e74", "01", "ff61", "0461626300", "03612e62", "c00c", "04ffffffff"] {
        let mut octets = bytes(octets);
        let mut message = bytes("0201da28");
        message.push(u8::try_from(octets.len()).unwrap());
        message.append(&mut octets);
        let pdu = EsmPdu::decode(&message, Uplink).unwrap();
        let EsmMessage::EsmInformationResponse(EsmInformationResponse { apn, .. }) = &pdu.message else {
            panic!("{pdu:?}");
        };
        assert_eq!(apn.as_ref().unwrap().apn(), None, "{message:02x?}");
        assert_eq!(pdu.encode().unwrap(), message);
    }
}

#[test]
fn n09_a_hundred_options_are_read() {
    let mut pco = vec![0x80];
    for _ in 0..84 {
        pco.extend([0x00, 0x0d, 0x00]);
    }
    let mut message = bytes("0201d03127");
    message.push(u8::try_from(pco.len()).unwrap());
    message.extend(&pco);
    let pdu = EsmPdu::decode(&message, Uplink).unwrap();
    let EsmMessage::PdnConnectivityRequest(request) = &pdu.message else {
        panic!("{pdu:?}");
    };
    assert_eq!(request.pco.as_ref().unwrap().items.len(), 84);
    assert_eq!(pdu.encode().unwrap(), message);
}

#[test]
fn n10_length_does_not_matter_modulo_256() {
    // TRACKING AREA UPDATE REQUEST padded by an unknown element to 256 and 512 octets.
    let update = bytes("0748000bf600f110000101c0000001");
    for total in [256, 512] {
        let mut octets = update.clone();
        let padding = total - octets.len() - 3;
        octets.push(0x79);
        octets.extend(u16::try_from(padding).unwrap().to_be_bytes());
        octets.extend(vec![0; padding]);
        assert_eq!(octets.len(), total);
        let message = EmmMessage::decode(&octets, Uplink).unwrap();
        assert!(matches!(message, EmmMessage::TrackingAreaUpdateRequest(_)));
        assert_eq!(message.encode().unwrap(), octets);
    }
}

#[test]
fn n11_identities_that_are_none_are_refused() {
    for identity in [
        "00",                         // no octet
        "0101",                       // one digit, even without filler
        "0109",                       // one digit
        "020901",                     // three digits
        "08091010000000001f",         // odd, with a filler
        "0801101000000000 10",        // even, without the filler
        "08a91010000000 0010",        // a digit above nine
        "0a0910100000000010 1010",    // nineteen digits
        "0bf6fffff0000101c0000001",   // a GUTI of no network
        "0af600f110000101c00000",     // a GUTI cut short
        "0cf600f110000101c000000100", // a GUTI with an octet too many
        "01f0",
        "01f7",
        "05f4c0000001", // types that this element does not have
    ] {
        let octets = format!("074171{identity}0206060005 0201d01131");
        assert_eq!(kind(&octets), ErrorKind::InvalidMandatory("identity"), "{identity}");
    }
}

#[test]
fn n11_the_parity_flag_decides_how_many_digits_there_are() {
    let even = attach("0741710801101000000000f00206060005 0201d01131");
    let EpsMobileIdentity::Imsi(imsi) = even.identity else {
        panic!("{even:?}");
    };
    assert_eq!(imsi.to_string(), "00101000000000");
    let odd = attach(ATTACH);
    assert_ne!(odd.identity, even.identity);
}

#[test]
fn n12_one_sublayer_where_the_other_is_expected() {
    let emm_octets = bytes(ATTACH);
    let error = EsmPdu::decode(&emm_octets, Uplink).unwrap_err();
    assert_eq!(error.kind, ErrorKind::ProtocolDiscriminator(7));
    assert_eq!(error.kind.esm_cause(), Some(EsmCause::MessageTypeNonExistent));
    let error = EmmMessage::decode(&bytes("0201d031"), Uplink).unwrap_err();
    assert_eq!(error.kind, ErrorKind::ProtocolDiscriminator(2));
    assert_eq!(error.kind.emm_cause(), Some(EmmCause::MessageTypeNonExistent));
    // Either is told by its discriminator where both may come.
    assert!(matches!(NasMessage::decode(&emm_octets, Uplink), Ok(NasMessage::Emm(_))));
    assert!(matches!(NasMessage::decode(&bytes("0201d031"), Uplink), Ok(NasMessage::Esm(_))));
}

#[test]
fn an_envelope_inside_an_envelope_is_no_message() {
    assert_eq!(kind("1700000000000741"), ErrorKind::SecurityHeaderType(1));
    assert_eq!(ErrorKind::SecurityHeaderType(1).emm_cause(), None);
}

#[test]
fn unknown_types_are_cause_97_with_what_the_answer_needs() {
    let error = emm("07ff").unwrap_err();
    assert_eq!(error.header, Header::Emm { message_type: 0xff });
    assert_eq!(error.kind.emm_cause(), Some(EmmCause::MessageTypeNonExistent));
    let error = EsmPdu::decode(&bytes("5207ff00"), Uplink).unwrap_err();
    let header = Header::Esm { ebi: 5, pti: Some(7), message_type: Some(0xff) };
    assert_eq!(error.header, header);
    assert_eq!(error.kind.esm_cause(), Some(EsmCause::MessageTypeNonExistent));
}

#[test]
fn reserved_envelopes_are_refused_or_taken_for_a_service_request() {
    for code in 6..12u8 {
        let octets = [code << 4 | 7, 0, 0, 0, 0, 0, 7, 0x41];
        let error = Envelope::parse(&octets).unwrap_err();
        assert_eq!(error.kind, ErrorKind::SecurityHeaderType(code));
    }
    for code in 12..16u8 {
        let octets = [code << 4 | 7, 0x61, 0xaa, 0xbb];
        let parsed = Envelope::parse(&octets);
        let Ok(Envelope::ServiceRequest(request)) = parsed else {
            panic!("{parsed:?}");
        };
        assert_eq!((request.ksi, request.short_sequence), (3, 1));
        assert_eq!(request.short_mac, [0xaa, 0xbb]);
    }
    for discriminator in [0, 1, 3, 4, 5, 6, 8, 9, 10, 11, 12, 13, 14, 15] {
        let error = Envelope::parse(&[discriminator; 8]).unwrap_err();
        assert_eq!(error.kind, ErrorKind::ProtocolDiscriminator(discriminator));
    }
}

#[test]
fn elements_that_must_be_understood_are_cause_96() {
    for iei in ["00", "01", "0f", "7e", "7f"] {
        let error = emm(&format!("{ATTACH}{iei}0100")).unwrap_err();
        let expected = u8::from_str_radix(iei, 16).unwrap();
        assert_eq!(error.kind, ErrorKind::ComprehensionRequired(expected));
        assert_eq!(error.kind.emm_cause(), Some(EmmCause::InvalidMandatoryInformation));
    }
}

#[test]
fn unknown_elements_keep_their_places() {
    // Unknown, additional GUTI, unknown of one octet, T3324, unknown long.
    let optional = "33 02 aaaa 50 0bf600f110000101c0000001 85 6a 01 21 7d 0001 ff";
    let mut request = attach_with(optional);
    assert!(request.additional_guti.is_some());
    assert_eq!(request.t3324, Some(GprsTimer2(0x21)));
    let seen: Vec<u8> = request.other_ies.iter().map(|ie| ie.iei).collect();
    assert_eq!(seen, [0x33, 0x85, 0x7d]);
    assert_eq!(request.other_ies.get(0x80).unwrap().iei, 0x85);
    assert_eq!(rewritten(request.clone()), bytes(&format!("{ATTACH}{optional}")));
    // A field taken out leaves, a field put in goes to its place in the table.
    request.additional_guti = None;
    request.old_guti_type = Some(basalt_nas::ie::GutiType::Native);
    let changed = format!("{ATTACH} 33 02 aaaa 85 e0 6a 01 21 7d 0001 ff");
    assert_eq!(rewritten(request.clone()), bytes(&changed));
    request.other_ies.push(RawIe { iei: 0x33, octets: vec![0] });
    assert_eq!(rewritten(request), bytes(&format!("{changed} 33 00")));
}

#[test]
fn of_repeated_elements_the_first_counts() {
    let optional = "6a0121 6a0122 e0 e1";
    let request = attach_with(optional);
    assert_eq!(request.t3324, Some(GprsTimer2(0x21)));
    assert_eq!(request.old_guti_type, Some(basalt_nas::ie::GutiType::Native));
    assert_eq!(rewritten(request), bytes(&format!("{ATTACH}{optional}")));
}

#[test]
fn elements_out_of_sequence_are_read_and_stay_there() {
    let optional = "6e0111 6a0121 500bf600f110000101c0000001";
    let request = attach_with(optional);
    assert!(request.extended_drx.is_some());
    assert!(request.t3324.is_some());
    assert!(request.additional_guti.is_some());
    assert!(request.other_ies.is_empty());
    assert_eq!(rewritten(request), bytes(&format!("{ATTACH}{optional}")));
}

#[test]
fn a_malformed_optional_element_is_absent_and_kept() {
    // An additional GUTI that is none, then a good timer.
    let optional = "5003f60000 6a0121";
    let request = attach_with(optional);
    assert_eq!(request.additional_guti, None);
    assert_eq!(request.t3324, Some(GprsTimer2(0x21)));
    assert_eq!(rewritten(request), bytes(&format!("{ATTACH}{optional}")));
}

#[test]
fn three_digit_network_codes_have_the_nibbles_of_nas() {
    let request = attach("0741710bf6130014000201c00000010206060005 0201d01131");
    let EpsMobileIdentity::Guti(guti) = request.identity else {
        panic!("{request:?}");
    };
    assert_eq!(guti.gummei.plmn, Plmn::new(310, 410, 3).unwrap());
    let area = attach_with("52 130014 0007").last_visited_tai.unwrap();
    assert_eq!(area.to_string(), "310-410:7");
}

#[test]
fn the_same_octets_are_another_detach_each_way() {
    let octets = bytes("0745790bf600f110000101c0000001");
    let Ok(EmmMessage::DetachRequestUe(request)) = EmmMessage::decode(&octets, Uplink) else {
        panic!("from a UE");
    };
    assert!(request.detach_type.switch_off);
    let octets = bytes("0745015302");
    let downlink = EmmMessage::decode(&octets, Direction::Downlink).unwrap();
    let EmmMessage::DetachRequestNetwork(request) = &downlink else {
        panic!("{downlink:?}");
    };
    assert_eq!(request.cause, Some(EmmCause::ImsiUnknownInHss));
    assert_eq!(downlink.encode().unwrap(), octets);
}

#[test]
fn an_answer_is_built_and_read() {
    let pdu = EsmPdu {
        ebi: None,
        pti: Pti(1),
        message: PdnConnectivityRequest::new(RequestType::Initial, PdnType::Ipv4).into(),
    };
    let request = AttachRequest::new(
        AttachType::Eps,
        KeySetIdentifier::NONE,
        EpsMobileIdentity::Imsi("001010000000001".parse().unwrap()),
        basalt_nas::ie::UeNetworkCapability::from_octets(&[0x06, 0x06]).unwrap(),
        pdu.to_container().unwrap(),
    );
    assert_eq!(rewritten(request), bytes("0741710809101000000000100206060004 0201d011"));
    let response = IdentityResponse::new(MobileIdentity::Imei("356789012345670".parse().unwrap()));
    let octets = EmmMessage::from(response.clone()).encode().unwrap();
    assert_eq!(octets, bytes("0756083a65870921436507"));
    assert_eq!(EmmMessage::decode(&octets, Uplink).unwrap(), response.into());
}

#[test]
fn causes_speak_in_words_and_keep_unknown_codes() {
    assert_eq!(EmmCause::from_code(15).to_string(), "No suitable cells in tracking area");
    assert_eq!(EsmCause::from_code(27).to_string(), "Missing or unknown APN");
    assert_eq!(EmmCause::from_code(200), EmmCause::Other(200));
    for code in 0..=255 {
        assert_eq!(EmmCause::from_code(code).code(), code);
        assert_eq!(EsmCause::from_code(code).code(), code);
    }
}
