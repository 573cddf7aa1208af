//! Values at the edges of their ranges, one by one.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use basalt_ids::{Ebi, EnbId, EnbUeS1apId, GlobalEnbId, MmeCode, MmeGroupId, MmeUeS1apId, Plmn, Qci, Tac, Tai, Teid};
use basalt_s1ap::*;
use core::net::{Ipv4Addr, Ipv6Addr};
use oxirush_s1ap::s1ap as codec;

const MME: MmeUeS1apId = MmeUeS1apId(7);

fn enb() -> EnbUeS1apId {
    EnbUeS1apId::new(9).unwrap()
}

fn plmn() -> Plmn {
    "001-01".parse().unwrap()
}

fn erab(address: TransportAddress) -> ErabToBeSetup {
    let arp = Arp { priority_level: 8, may_pre_empt: false, pre_emptable: true };
    ErabToBeSetup {
        ebi: Ebi::FIRST,
        qos: ErabQos::non_gbr(Qci(9), arp),
        address,
        teid: Teid(0x1234_5678),
        nas_pdu: None,
        extensions: Vec::new(),
    }
}

fn context_setup(ambr: UeAmbr) -> InitialContextSetupRequest {
    let capabilities = UeSecurityCapabilities::from_nas(0xf0, 0x70);
    let erabs = vec![erab(Ipv4Addr::LOCALHOST.into())];
    InitialContextSetupRequest::new(MME, enb(), ambr, erabs, capabilities, SecurityKey([0xab; 32]))
}

fn survives(pdu: impl Into<Pdu>) -> Vec<u8> {
    let pdu = pdu.into();
    let octets = encode(&pdu).unwrap();
    let decoded = decode(&octets).unwrap();
    assert_eq!(decoded.pdu, pdu);
    assert!(decoded.diagnostics.is_clean(), "{:?}", decoded.diagnostics);
    octets
}

/// The message with one IE replaced by these octets.
fn with_value(pdu: impl Into<Pdu>, id: u16, value: &[u8]) -> Vec<u8> {
    let octets = encode(&pdu.into()).unwrap();
    let mut pdu = codec::S1AP_PDU::decode(&octets).unwrap();
    let mut ies = pdu.protocol_ies().unwrap().into_owned();
    ies.0.iter_mut().find(|ie| ie.id.0 == id).unwrap().value = value.to_vec().into();
    pdu.set_protocol_ies(ies).unwrap();
    pdu.encode().unwrap()
}

/// The one fault of a message that is rejected.
fn fault(octets: &[u8]) -> (u16, FaultKind) {
    let error = decode(octets).unwrap_err();
    let [fault] = error.diagnostics.faults[..] else { panic!("{error}") };
    (fault.id, fault.kind)
}

#[test]
fn an_address_has_32_128_or_160_bits() {
    let (v4, v6) = (Ipv4Addr::new(10, 0, 0, 1), Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1));
    for address in [v4.into(), v6.into(), TransportAddress::Both(v4, v6)] {
        survives(ErabSetupResponse {
            erabs: vec![ErabTunnel { ebi: Ebi::FIRST, address, teid: Teid(1), extensions: Vec::new() }],
            ..ErabSetupResponse::new(MME, enb())
        });
    }
    assert_eq!(TransportAddress::Both(v4, v6).to_string(), "10.0.0.1, 2001:db8::1");
    assert_eq!((TransportAddress::Both(v4, v6).v4(), TransportAddress::V4(v4).v6()), (Some(v4), None));

    // The address of the only E-RAB, of 64 bits: its list cannot be used, and is mandatory.
    let mut request = codec_request();
    request.transport_layer_address =
        codec::TransportLayerAddress(oxirush_s1ap::BitString::from([1, 2, 3, 4, 5, 6, 7, 8]));
    let octets = with_value(context_setup(UeAmbr::new(1, 1)), 24, &list_of(&request));
    assert_eq!(fault(&octets), (24, FaultKind::NotUnderstood));
}

/// The item of [`erab`], as the codec has it.
fn codec_request() -> codec::ERABToBeSetupItemCtxtSUReq<'static> {
    let octets = survives(context_setup(UeAmbr::new(1, 1)));
    let pdu = codec::S1AP_PDU::decode(&octets).unwrap();
    let item = pdu.items::<oxirush_s1ap::ie::E_RABToBeSetupListCtxtSUReq>().next().unwrap().unwrap();
    item.into_owned()
}

/// The list of one item, encoded.
fn list_of(item: &codec::ERABToBeSetupItemCtxtSUReq<'_>) -> Vec<u8> {
    let field = codec::ProtocolIEField::new(52u16, codec::Criticality::reject, codec::encode_open_type(item).unwrap());
    codec::encode_open_type(&codec::ERABToBeSetupListCtxtSUReq(vec![field])).unwrap().into_vec()
}

#[test]
fn a_bearer_identity_of_zero_is_not_understood() {
    let mut request = codec_request();
    request.e_rab_id = codec::ERABID(0);
    let octets = with_value(context_setup(UeAmbr::new(1, 1)), 24, &list_of(&request));
    assert_eq!(fault(&octets), (24, FaultKind::NotUnderstood));
}

#[test]
fn an_item_of_another_kind_is_no_item_of_the_list() {
    let item = codec::encode_open_type(&codec_request()).unwrap();
    let field = codec::ProtocolIEField::new(17u16, codec::Criticality::reject, item);
    let list = codec::encode_open_type(&codec::ERABToBeSetupListCtxtSUReq(vec![field])).unwrap();
    let octets = with_value(context_setup(UeAmbr::new(1, 1)), 24, &list);
    assert_eq!(fault(&octets), (24, FaultKind::NotUnderstood));
}

#[test]
fn rates_above_10_gbit_travel_in_the_extension_of_the_standard() {
    survives(context_setup(UeAmbr::new(10_000_000_000, 10_000_000_000)));
    let octets = survives(context_setup(UeAmbr::new(25_000_000_000, 4_000_000_000_000)));
    let pdu = codec::S1AP_PDU::decode(&octets).unwrap();
    let ambr = pdu.ie::<oxirush_s1ap::ie::uEaggregateMaximumBitrate>().unwrap().unwrap();
    assert_eq!(ambr.ue_aggregate_maximum_bit_rate_dl, codec::BitRate(10_000_000_000));
    let extensions = ambr.ie_extensions.unwrap().0;
    let rates: Vec<_> = extensions
        .iter()
        .map(|extension| {
            let rate: codec::ExtendedBitRate = codec::decode_open_type(&extension.extension_value).unwrap();
            (extension.id.0, rate.0)
        })
        .collect();
    assert_eq!(rates, [(259, 25_000_000_000), (260, 4_000_000_000_000)]);

    let error = encode(&context_setup(UeAmbr::new(4_000_000_000_001, 1)).into()).unwrap_err();
    assert_eq!((error.message, error.id), ("InitialContextSetupRequest", 66));
}

#[test]
fn a_network_identity_of_other_than_digits_is_not_understood() {
    let tai = Tai { plmn: plmn(), tac: Tac(1) };
    let ecgi = basalt_ids::Ecgi { plmn: plmn(), eci: basalt_ids::Eci::new(1).unwrap() };
    let initial = InitialUeMessage::new(enb(), vec![7], tai, ecgi, RrcEstablishmentCause::MoSignalling);
    survives(initial.clone());
    let octets = with_value(initial, 67, &[0x00, 0xa0, 0xf1, 0x10, 0x00, 0x01]);
    let error = decode(&octets).unwrap_err();
    assert_eq!(error.kind, DecodeErrorKind::AbstractSyntaxReject);
    assert_eq!(
        error.to_string(),
        "initialUEMessage (procedure 12, initiating message): TAI has a value without meaning (reject)"
    );
    assert_eq!(error.diagnostics.ue_ids, UeIds { mme: None, enb: Some(enb()) });
}

#[test]
fn names_are_strict_when_made_and_lenient_when_received() {
    assert!(Name::new("basalt-1 (north)").is_ok());
    for refused in ["", "enb_1", "cell@site", &"n".repeat(151)] {
        assert_eq!(Name::new(refused), Err(InvalidName), "{refused}");
    }
    let id = GlobalEnbId { plmn: plmn(), enb: EnbId::Macro(0x19b) };
    let mut setup = S1SetupRequest::new(id, vec![SupportedTa::new(Tac(1), vec![plmn()])], PagingDrx::Frames128);
    setup.enb_name = Some(Name::new("enb+1").unwrap());
    let octets = survives(setup);
    let underscore: Vec<u8> = octets.iter().map(|octet| if *octet == b'+' { b'_' } else { *octet }).collect();
    let decoded = decode(&underscore).unwrap();
    assert!(decoded.diagnostics.is_clean());
    let Pdu::S1SetupRequest(setup) = &decoded.pdu else { panic!("{}", decoded.pdu.name()) };
    assert_eq!(setup.enb_name.as_ref().map(Name::as_str), Some("enb_1"));
    assert_eq!(encode(&decoded.pdu).unwrap(), underscore);

    // A control character could deceive a terminal: the name is left out, and the octets are kept.
    let control: Vec<u8> = octets.iter().map(|octet| if *octet == b'+' { 0x1b } else { *octet }).collect();
    let decoded = decode(&control).unwrap();
    let Pdu::S1SetupRequest(setup) = &decoded.pdu else { panic!("{}", decoded.pdu.name()) };
    assert_eq!(setup.enb_name, None);
    assert_eq!(encode(&decoded.pdu).unwrap(), control);
}

#[test]
fn causes_of_a_later_release_survive() {
    let cause = Cause::RadioNetwork(RadioNetworkCause::Unknown(60));
    assert_eq!(cause.to_string(), "radio network: value 60 of a later release");
    survives(UeContextReleaseRequest::new(MME, enb(), cause));
    let mut response = ErabSetupResponse::new(MME, enb());
    response.failed_erabs.push(ErabItem::new(Ebi::FIRST, Cause::Misc(MiscCause::Unknown(6))));
    survives(response);
}

#[test]
fn every_kind_of_enodeb_identity_has_its_size() {
    let ids =
        [EnbId::Macro(0xf_ffff), EnbId::Home(0xfff_ffff), EnbId::ShortMacro(0x3_ffff), EnbId::LongMacro(0x1f_ffff)];
    let areas = || vec![SupportedTa::new(Tac(0xffff), vec![plmn(); 6]); 256];
    for enb in ids {
        survives(S1SetupRequest::new(GlobalEnbId { plmn: plmn(), enb }, areas(), PagingDrx::Frames32));
    }
    let too_large = GlobalEnbId { plmn: plmn(), enb: EnbId::Macro(0x10_0000) };
    let error = encode(&S1SetupRequest::new(too_large, areas(), PagingDrx::Frames32).into()).unwrap_err();
    assert_eq!(error.id, 59);
}

#[test]
fn what_has_no_encoding_is_an_error_and_leaves_the_buffer_as_it_was() {
    let served = ServedGummeis {
        plmns: vec![plmn()],
        groups: vec![MmeGroupId(2)],
        codes: vec![MmeCode(1)],
        extensions: Vec::new(),
    };
    let mut transport = DownlinkNasTransport::new(MME, enb(), vec![7]);
    transport.subscriber_profile_id = Some(0);
    let refused: [(Pdu, u16); 5] = [
        (S1SetupResponse::new(Vec::new(), 255).into(), 105),
        (S1SetupResponse::new(vec![served; 9], 255).into(), 105),
        (ErabSetupRequest::new(MME, enb(), Vec::new()).into(), 16),
        (ErabSetupRequest::new(MME, enb(), vec![erab(Ipv4Addr::LOCALHOST.into())]).into(), 16),
        (transport.into(), 106),
    ];
    for (pdu, id) in refused {
        let mut octets = vec![1, 2, 3];
        let error = encode_into(&pdu, &mut octets).unwrap_err();
        assert_eq!(error.id, id, "{error}");
        assert_eq!(octets, [1, 2, 3]);
    }
}

#[test]
fn ies_for_which_there_is_no_field_can_be_sent() {
    let mut command = UeContextReleaseCommand::new(UeS1apIds::Mme(MME), NasCause::Detach.into());
    command.other_ies.push(OtherIe::last(65_000, Criticality::Ignore, vec![1]));
    let Pdu::UeContextReleaseCommand(received) = decode(&encode(&command.into()).unwrap()).unwrap().pdu else {
        panic!("another message")
    };
    assert_eq!(received.other_ies, [OtherIe { position: 2, ..OtherIe::last(65_000, Criticality::Ignore, vec![1]) }]);
}

#[test]
fn messages_without_a_struct_name_their_procedure_and_ue() {
    let complete = encode(&UeContextReleaseComplete::new(MME, enb()).into()).unwrap();
    let raw = complete[4..].to_vec();
    let (kind, criticality) = (TriggeringMessage::Initiating, Criticality::Ignore);
    let other = OtherPdu { kind, procedure_code: 57, criticality, raw };
    assert_eq!(other.name(), "NASDeliveryIndication");
    let pdu = Pdu::Other(other);
    survives(pdu.clone());
    assert_eq!(pdu.ue_ids(), UeIds { mme: Some(MME), enb: Some(enb()) });
}

#[test]
fn security_capabilities_leave_out_the_null_algorithms() {
    let capabilities = UeSecurityCapabilities::from_nas(0xf0, 0x70);
    assert_eq!((capabilities.encryption, capabilities.integrity), (0xe000, 0xe000));
}
