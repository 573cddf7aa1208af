//! Any message that can be written reads back as itself, and the codec's own types agree with every octet of it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

#[path = "common/arbitrary.rs"]
mod arbitrary;

use arbitrary::{Arbitrary, Source};
use basalt_s1ap::{Criticality, OtherIe, Pdu, decode, encode};
use oxirush_s1ap::s1ap::{
    Criticality as CodecCriticality, ERABAdmittedItem, ERABDataForwardingItem, ERABFailedToSetupItemHOReqAck, ERABItem,
    ERABModifyItemBearerModConf, ERABModifyItemBearerModRes, ERABNotToBeModifiedItemBearerModInd,
    ERABReleaseItemBearerRelComp, ERABSetupItemBearerSURes, ERABSetupItemCtxtSURes, ERABToBeModifiedItemBearerModInd,
    ERABToBeModifiedItemBearerModReq, ERABToBeSetupItemBearerSUReq, ERABToBeSetupItemCtxtSUReq, ERABToBeSetupItemHOReq,
    ERABToBeSwitchedDLItem, ERABToBeSwitchedULItem, ProtocolIEField, ResetType, S1AP_PDU, TAIItem,
    UEAssociatedLogicalS1ConnectionItem, decode_open_type, encode_open_type,
};
use oxirush_s1ap::{Deviation, ie};
use proptest::prelude::*;

fn any_pdu() -> impl Strategy<Value = Pdu> {
    proptest::collection::vec(any::<u8>(), 1..1500).prop_map(|octets| Pdu::arbitrary(&mut Source::new(&octets)))
}

/// Decodes and re-encodes every item of every list with the codec's types.
fn agree_on_items(pdu: &S1AP_PDU) {
    macro_rules! items {
        ($($list:ident of $item:ty,)*) => {$(
            if let Some(list) = pdu.ie::<ie::$list>() {
                for field in list.unwrap().0 {
                    let item: $item = decode_open_type(&field.value).unwrap();
                    assert_eq!(encode_open_type(&item).unwrap(), field.value.as_slice(), stringify!($list));
                }
            }
        )*};
    }
    items! {
        E_RABToBeSetupListCtxtSUReq of ERABToBeSetupItemCtxtSUReq,
        E_RABToBeSetupListBearerSUReq of ERABToBeSetupItemBearerSUReq,
        E_RABToBeModifiedListBearerModReq of ERABToBeModifiedItemBearerModReq,
        E_RABSetupListCtxtSURes of ERABSetupItemCtxtSURes,
        E_RABSetupListBearerSURes of ERABSetupItemBearerSURes,
        E_RABModifyListBearerModRes of ERABModifyItemBearerModRes,
        E_RABReleaseListBearerRelComp of ERABReleaseItemBearerRelComp,
        E_RABToBeSwitchedDLList of ERABToBeSwitchedDLItem,
        E_RABToBeSwitchedULList of ERABToBeSwitchedULItem,
        E_RABFailedToSetupListCtxtSURes of ERABItem,
        E_RABFailedToSetupListBearerSURes of ERABItem,
        E_RABFailedToModifyList of ERABItem,
        E_RABToBeReleasedList of ERABItem,
        E_RABFailedToReleaseList of ERABItem,
        E_RABReleasedList of ERABItem,
        E_RABToBeSetupListHOReq of ERABToBeSetupItemHOReq,
        E_RABAdmittedList of ERABAdmittedItem,
        E_RABFailedToSetupListHOReqAck of ERABFailedToSetupItemHOReqAck,
        E_RABSubjecttoDataForwardingList of ERABDataForwardingItem,
        E_RABtoReleaseListHOCmd of ERABItem,
        E_RABToBeModifiedListBearerModInd of ERABToBeModifiedItemBearerModInd,
        E_RABNotToBeModifiedListBearerModInd of ERABNotToBeModifiedItemBearerModInd,
        E_RABModifyListBearerModConf of ERABModifyItemBearerModConf,
        E_RABFailedToModifyListBearerModConf of ERABItem,
        E_RABToBeReleasedListBearerModConf of ERABItem,
        TAIList of TAIItem,
        UE_associatedLogicalS1_ConnectionListResAck of UEAssociatedLogicalS1ConnectionItem,
    }
    if let Some(Ok(ResetType::partOfS1_Interface(list))) = pdu.ie::<ie::ResetType>() {
        for field in list.0 {
            assert_eq!(field.criticality, CodecCriticality::reject);
            let item: UEAssociatedLogicalS1ConnectionItem = decode_open_type(&field.value).unwrap();
            assert_eq!(encode_open_type(&item).unwrap(), field.value.as_slice());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_reads_back_the_same(pdu in any_pdu()) {
        let octets = encode(&pdu).unwrap();
        let decoded = match decode(&octets) {
            Ok(decoded) => decoded,
            Err(error) => return Err(TestCaseError::fail(format!("{error}: {octets:02x?}"))),
        };
        prop_assert_eq!(&decoded.pdu, &pdu);
        prop_assert_eq!(encode(&decoded.pdu).unwrap(), octets);
    }

    /// The types of the pinned codec are the second opinion on ours: they accept what we write as the message it is, in its
    /// one canonical form. They have no values of later releases and insist on the mandatory IEs, which we let be absent.
    #[test]
    fn the_types_of_the_codec_agree(pdu in any_pdu()) {
        prop_assume!(!matches!(pdu, Pdu::Other(_)));
        let later_release = format!("{pdu:?}").contains("Unknown(");
        let octets = encode(&pdu).unwrap();
        for deviation in S1AP_PDU::decode(&octets).unwrap().check().unwrap() {
            let expected = match &deviation {
                Deviation::MissingIe { criticality, .. } => *criticality == CodecCriticality::ignore,
                Deviation::UndecodableIe { .. } => later_release,
                _ => false,
            };
            prop_assert!(expected, "{}: {:?}", deviation, pdu);
        }
    }

    /// The check above does not look into lists; this does, item by item.
    #[test]
    fn the_types_of_the_codec_agree_on_list_items(pdu in any_pdu()) {
        prop_assume!(!matches!(pdu, Pdu::Other(_)) && !format!("{pdu:?}").contains("Unknown("));
        let octets = encode(&pdu).unwrap();
        agree_on_items(&S1AP_PDU::decode(&octets).unwrap());
    }

    #[test]
    fn an_ie_without_a_field_keeps_its_place(pdu in any_pdu(), at in 0u16..12, value in proptest::collection::vec(any::<u8>(), 0..40)) {
        prop_assume!(!matches!(pdu, Pdu::Other(_)));
        let written = encode(&pdu).unwrap();
        let mut codec = S1AP_PDU::decode(&written).unwrap();
        let mut ies = codec.protocol_ies().unwrap().into_owned();
        let at = usize::from(at).min(ies.0.len());
        let unknown = ProtocolIEField::new(60_000u16, CodecCriticality::ignore, value.clone().into());
        ies.0.insert(at, unknown);
        codec.set_protocol_ies(ies).unwrap();
        let received = codec.encode().unwrap();

        let decoded = decode(&received).unwrap();
        prop_assert_eq!(encode(&decoded.pdu).unwrap(), received);
        let debug = format!("{:?}", decoded.pdu);
        let kept = OtherIe { id: 60_000, criticality: Criticality::Ignore, value, position: at as u16 };
        prop_assert!(debug.contains(&format!("{kept:?}")), "{}", debug);
    }

    #[test]
    fn a_recorded_message_is_read_from_its_record(pdu in any_pdu()) {
        let record = serde_json::to_string(&pdu).unwrap();
        prop_assert_eq!(serde_json::from_str::<Pdu>(&record).unwrap(), pdu);
    }
}
