//! Every recorded S1AP-PDU decodes without fault and re-encodes to the same octets through our own values.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

#[path = "common/corpus.rs"]
mod corpus;
use basalt_ids::{Plmn, Tac, Tai};
use basalt_s1ap::{
    Cause, DecodeErrorKind, ErabToBeSetup, NasCause, Pdu, ProtocolCause, RadioNetworkCause, Reaction, TransportAddress,
    decode, encode, reaction,
};
use std::collections::BTreeMap;

#[test]
fn every_valid_pdu_survives_unchanged_and_has_no_diagnostics() {
    let mut by_name: BTreeMap<&str, usize> = BTreeMap::new();
    for corpus::Recorded { file, frame, octets } in corpus::valid() {
        let decoded = decode(&octets).unwrap_or_else(|error| panic!("{file} frame {frame}: {error}"));
        assert!(decoded.diagnostics.is_clean(), "{file} frame {frame}: {:?}", decoded.diagnostics);
        assert!(!matches!(decoded.pdu, Pdu::Other(_)), "{file} frame {frame}: {} has no struct", decoded.pdu.name());
        assert_eq!(encode(&decoded.pdu).unwrap(), octets, "{file} frame {frame}: {:?}", decoded.pdu);
        *by_name.entry(decoded.pdu.name()).or_default() += 1;
    }
    let counts = by_name.into_iter().map(|(name, count)| format!("{name} {count}")).collect::<Vec<_>>();
    assert_eq!(
        counts,
        [
            "DownlinkNASTransport 202",
            "E-RABModifyRequest 5",
            "E-RABModifyResponse 7",
            "E-RABReleaseCommand 10",
            "E-RABReleaseResponse 9",
            "E-RABSetupRequest 27",
            "E-RABSetupResponse 27",
            "ENBConfigurationUpdate 1",
            "ENBConfigurationUpdateFailure 1",
            "ErrorIndication 3",
            "InitialContextSetupFailure 2",
            "InitialContextSetupRequest 63",
            "InitialContextSetupResponse 59",
            "InitialUEMessage 80",
            "Paging 10",
            "PathSwitchRequest 3",
            "PathSwitchRequestAcknowledge 3",
            "Reset 4",
            "ResetAcknowledge 4",
            "S1SetupFailure 1",
            "S1SetupRequest 50",
            "S1SetupResponse 50",
            "UECapabilityInfoIndication 41",
            "UEContextModificationRequest 3",
            "UEContextModificationResponse 3",
            "UEContextReleaseCommand 66",
            "UEContextReleaseComplete 66",
            "UEContextReleaseRequest 30",
            "UplinkNASTransport 260",
        ]
    );
}

#[test]
fn what_is_broken_on_purpose_is_answered() {
    let answers: Vec<_> = corpus::file("attach-crash")
        .into_iter()
        .filter_map(|recorded| decode(&recorded.octets).err().map(|error| (recorded.frame, error)))
        .collect();
    let frames: Vec<usize> = answers.iter().map(|(frame, _)| *frame).collect();
    assert_eq!(frames, corpus::BROKEN.map(|(frame, _)| frame));
    let kinds: Vec<_> = answers.iter().map(|(_, error)| error.kind).collect();
    assert_eq!(
        kinds,
        [DecodeErrorKind::AbstractSyntaxReject, DecodeErrorKind::TransferSyntax, DecodeErrorKind::TransferSyntax]
    );
    for (_, error) in &answers {
        let Reaction::Reject(answer) = reaction(error) else { panic!("{error} is not answered") };
        match *answer {
            Pdu::S1SetupFailure(failure) => {
                assert_eq!(failure.cause, Some(Cause::Protocol(ProtocolCause::AbstractSyntaxErrorReject)));
            }
            Pdu::ErrorIndication(indication) => {
                assert_eq!(indication.cause, Some(Cause::Protocol(ProtocolCause::TransferSyntaxError)));
            }
            other => panic!("answered with {}", other.name()),
        }
    }
}

#[test]
fn three_digit_network_codes_have_the_digit_order_of_s1ap() {
    let plmn: Plmn = "310-410".parse().unwrap();
    let recorded = corpus::file("mnc3-310410");
    let pdus: Vec<Pdu> = recorded.iter().map(|recorded| decode(&recorded.octets).unwrap().pdu).collect();
    assert_eq!(pdus.len(), 17);
    let Pdu::S1SetupRequest(setup) = &pdus[0] else { panic!("{}", pdus[0].name()) };
    assert_eq!(setup.global_enb_id.plmn, plmn);
    assert_eq!(setup.supported_tas[0].broadcast_plmns, [plmn]);
    assert!(recorded[0].octets.windows(3).any(|octets| octets == [0x13, 0x40, 0x01]));
    let Pdu::S1SetupResponse(response) = &pdus[1] else { panic!("{}", pdus[1].name()) };
    assert_eq!(response.served_gummeis[0].plmns, [plmn]);
    let Pdu::InitialUeMessage(initial) = &pdus[2] else { panic!("{}", pdus[2].name()) };
    assert_eq!(initial.tai, Tai { plmn, tac: Tac(1) });
    assert_eq!(initial.ecgi.unwrap().plmn, plmn);
}

#[test]
fn values_are_what_the_programs_meant() {
    let attach: Vec<Pdu> =
        corpus::file("srsran-open5gs-attach").iter().map(|recorded| decode(&recorded.octets).unwrap().pdu).collect();
    let setup = attach.iter().find_map(|pdu| match pdu {
        Pdu::InitialContextSetupRequest(setup) => Some(setup),
        _ => None,
    });
    let setup = setup.unwrap();
    let [ErabToBeSetup { ebi, qos, address, nas_pdu: Some(nas_pdu), .. }] = &setup.erabs[..] else {
        panic!("{setup:?}")
    };
    assert_eq!((ebi.value(), qos.qci.0), (5, 9));
    assert_eq!(*address, TransportAddress::V4([10, 88, 1, 6].into()));
    assert_eq!(nas_pdu[0] & 15, 7, "EPS mobility management");
    assert_eq!((setup.ue_ambr.downlink, setup.ue_ambr.uplink), (1_000_000_000, 1_000_000_000));
    assert!(!format!("{setup:?}").contains(&format!("{:?}", setup.security_key.0)), "a key is visible");

    let release = decode(&corpus::file("idle-servicerequest")[0].octets).unwrap().pdu;
    let Pdu::UeContextReleaseRequest(release) = release else { panic!("{}", release.name()) };
    assert_eq!(release.cause, Some(Cause::RadioNetwork(RadioNetworkCause::UserInactivity)));
    assert_eq!(release.cause.unwrap().to_string(), "radio network: user inactivity");
    let detach = decode(&corpus::file("srsran-open5gs-detach")[1].octets).unwrap().pdu;
    let Pdu::UeContextReleaseCommand(command) = detach else { panic!("{}", detach.name()) };
    assert_eq!(command.cause, Some(Cause::Nas(NasCause::Detach)));
}

/// A capture of one packet with the chunks.
fn capture(chunks: &[Vec<u8>]) -> Vec<u8> {
    let sctp = [&[0x8e, 0x3c, 0x8e, 0x3c, 0, 0, 0, 1, 0, 0, 0, 0][..], &chunks.concat()].concat();
    let total = (20 + sctp.len()) as u16;
    let [high, low] = total.to_be_bytes();
    let ip = [0x45, 0, high, low, 0, 0, 0, 0, 64, 132, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];
    let packet = [&[0; 12][..], &[0x08, 0x00], &ip, &sctp].concat();
    let length = (packet.len() as u32).to_le_bytes();
    let head = [0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 1, 0, 0, 0];
    [&head[..], &[9, 0, 0, 0, 1, 0, 0, 0], &length, &length, &packet].concat()
}

/// A DATA chunk, padded.
fn data(flags: u8, tsn: u8, payload: &[u8]) -> Vec<u8> {
    let [high, low] = (16 + payload.len() as u16).to_be_bytes();
    let mut chunk = [&[0, flags, high, low, 0, 0, 0, tsn, 0, 3, 0, 7, 0, 0, 0, 18], payload].concat();
    chunk.resize(chunk.len().next_multiple_of(4), 0);
    chunk
}

#[test]
fn the_reader_of_recordings_knows_bundles_fragments_and_repetition() {
    let (first, middle, last, whole) =
        (data(2, 10, b"ab"), data(0, 11, b"cde"), data(1, 12, b"f"), data(3, 13, b"whole"));
    let sack = vec![3, 0, 0, 4];
    let file = capture(&[last, sack, whole.clone(), first, middle, whole]);
    let messages: Vec<_> = corpus::recording::user_messages(&file)
        .into_iter()
        .map(|message| (message.frame, message.time_us, message.stream, message.ppid, message.data))
        .collect();
    let at = |data: &[u8]| (1, 9_000_001, 3, corpus::recording::S1AP, data.to_vec());
    assert_eq!(messages, [at(b"whole"), at(b"abcdef")]);
}
