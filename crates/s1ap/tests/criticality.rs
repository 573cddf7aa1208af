//! Clause 10 of TS 36.413 on every recorded message: IEs missing, unknown, repeated, misplaced, not decodable.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

#[path = "common/corpus.rs"]
mod corpus;

use basalt_s1ap::{
    Cause, Criticality, CriticalityDiagnostics, DecodeError, DecodeErrorKind, Decoded, FaultKind,
    IeCriticalityDiagnostics, OtherPdu, Pdu, ProtocolCause, Reaction, TriggeringMessage, TypeOfError, decode, encode,
    reaction,
};
use corpus::{Recorded, valid, with_ies};
use oxirush_s1ap::s1ap::{Criticality as CodecCriticality, ProtocolIEField};

/// What is done about a mandatory IE that is missing.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Missing {
    /// The procedure's unsuccessful outcome.
    Failure,
    /// ERROR INDICATION.
    Indication,
    /// The procedure that this answers has failed.
    Local,
    /// Nothing: its criticality is ignore.
    GoesOn,
}
use Missing::{Failure, GoesOn, Indication, Local};

/// The mandatory IEs of the recorded messages (TS 36.413 §9.1), and what is done when one is missing (§10.3.5). The failure
/// messages need the UE ids, so that a missing id is answered by ERROR INDICATION.
const MANDATORY: &[(&str, &[(u16, Missing)])] = &[
    ("S1SetupRequest", &[(59, Failure), (64, Failure), (137, GoesOn)]),
    ("S1SetupResponse", &[(105, Local), (87, GoesOn)]),
    ("S1SetupFailure", &[(2, GoesOn)]),
    ("ENBConfigurationUpdate", &[]),
    ("ENBConfigurationUpdateFailure", &[(2, GoesOn)]),
    ("Reset", &[(2, GoesOn), (92, Indication)]),
    ("ResetAcknowledge", &[]),
    ("ErrorIndication", &[]),
    ("InitialUEMessage", &[(8, Indication), (26, Indication), (67, Indication), (100, GoesOn), (134, GoesOn)]),
    ("DownlinkNASTransport", &[(0, Indication), (8, Indication), (26, Indication)]),
    ("UplinkNASTransport", &[(0, Indication), (8, Indication), (26, Indication), (100, GoesOn), (67, GoesOn)]),
    (
        "InitialContextSetupRequest",
        &[(0, Indication), (8, Indication), (66, Failure), (24, Failure), (107, Failure), (73, Failure)],
    ),
    ("InitialContextSetupResponse", &[(0, GoesOn), (8, GoesOn), (51, GoesOn)]),
    ("InitialContextSetupFailure", &[(0, GoesOn), (8, GoesOn), (2, GoesOn)]),
    ("UEContextReleaseRequest", &[(0, Indication), (8, Indication), (2, GoesOn)]),
    ("UEContextReleaseCommand", &[(99, Indication), (2, GoesOn)]),
    ("UEContextReleaseComplete", &[(0, GoesOn), (8, GoesOn)]),
    ("UEContextModificationRequest", &[(0, Indication), (8, Indication)]),
    ("UEContextModificationResponse", &[(0, GoesOn), (8, GoesOn)]),
    ("UECapabilityInfoIndication", &[(0, Indication), (8, Indication), (74, GoesOn)]),
    ("Paging", &[(80, GoesOn), (43, GoesOn), (109, GoesOn), (46, GoesOn)]),
    ("E-RABSetupRequest", &[(0, Indication), (8, Indication), (16, Indication)]),
    ("E-RABSetupResponse", &[(0, GoesOn), (8, GoesOn)]),
    ("E-RABModifyRequest", &[(0, Indication), (8, Indication), (30, Indication)]),
    ("E-RABModifyResponse", &[(0, GoesOn), (8, GoesOn)]),
    ("E-RABReleaseCommand", &[(0, Indication), (8, Indication), (33, GoesOn)]),
    ("E-RABReleaseResponse", &[(0, GoesOn), (8, GoesOn)]),
    (
        "PathSwitchRequest",
        &[(8, Indication), (22, Failure), (88, Indication), (100, GoesOn), (67, GoesOn), (107, GoesOn)],
    ),
    ("PathSwitchRequestAcknowledge", &[(0, GoesOn), (8, GoesOn), (40, Local)]),
];

/// Messages that start a procedure with a response.
const WITH_RESPONSE: &[&str] = &[
    "S1SetupRequest",
    "ENBConfigurationUpdate",
    "Reset",
    "InitialContextSetupRequest",
    "UEContextReleaseCommand",
    "UEContextModificationRequest",
    "E-RABSetupRequest",
    "E-RABModifyRequest",
    "E-RABReleaseCommand",
    "PathSwitchRequest",
];

/// Those of them whose procedure has a message for the unsuccessful outcome.
const WITH_FAILURE: &[&str] = &[
    "S1SetupRequest",
    "ENBConfigurationUpdate",
    "InitialContextSetupRequest",
    "UEContextModificationRequest",
    "PathSwitchRequest",
];

/// N01: each mandatory IE of each recorded message removed, one at a time; and the others too, which changes nothing.
#[test]
fn a_missing_ie_is_answered_by_its_criticality() {
    for Recorded { file, frame, octets } in valid() {
        let whole = decode(&octets).unwrap().pdu;
        let (_, mandatory) = MANDATORY.iter().find(|(name, _)| *name == whole.name()).expect("a row for each message");
        for (at, id) in corpus::ids(&octets).into_iter().enumerate() {
            let place = format!("{file} frame {frame}: {} without IE {id}", whole.name());
            let received = with_ies(&octets, |ies| drop(ies.remove(at)));
            let expected = mandatory.iter().find(|(mandatory, _)| *mandatory == id).map(|(_, missing)| *missing);
            match (decode(&received), expected) {
                (Ok(decoded), None) => assert!(decoded.diagnostics.is_clean(), "{place}: {:?}", decoded.diagnostics),
                (Ok(decoded), Some(GoesOn)) => goes_on(&decoded, &received, id, FaultKind::Missing, &place),
                (Err(error), Some(expected)) => rejected(&error, &whole, expected, id, TypeOfError::Missing, &place),
                (result, expected) => panic!("{place}: expected {expected:?}, got {result:?}"),
            }
        }
    }
}

/// The message is used, nothing is answered, and it still re-encodes to what was received.
fn goes_on(decoded: &Decoded, received: &[u8], id: u16, kind: FaultKind, place: &str) {
    let faults: Vec<_> =
        decoded.diagnostics.faults.iter().map(|fault| (fault.id, fault.criticality, fault.kind)).collect();
    assert_eq!(faults, [(id, Criticality::Ignore, kind)], "{place}");
    assert_eq!(reaction(&decoded.diagnostics), Reaction::Ignore, "{place}");
    assert_eq!(encode(&decoded.pdu).unwrap(), received, "{place}");
}

/// Nothing of the message is used, and the answer is as expected, names the IE, and can be sent.
fn rejected(error: &DecodeError, whole: &Pdu, expected: Missing, id: u16, type_of_error: TypeOfError, place: &str) {
    assert_eq!(error.kind, DecodeErrorKind::AbstractSyntaxReject, "{place}");
    let ies = vec![IeCriticalityDiagnostics { criticality: Criticality::Reject, id, type_of_error }];
    let reaction = reaction(error);
    let answer = match (&reaction, expected) {
        (Reaction::LocalError, Local) => return,
        (Reaction::Reject(answer), Failure | Indication) => answer,
        other => panic!("{place}: {other:?}"),
    };
    let report = match expected {
        Indication => {
            let Pdu::ErrorIndication(indication) = &**answer else { panic!("{place}: {}", answer.name()) };
            assert_eq!(indication.cause, Some(Cause::Protocol(ProtocolCause::AbstractSyntaxErrorReject)), "{place}");
            let (ids, whole_ids) = ((indication.mme_ue_id, indication.enb_ue_id), whole.ue_ids());
            let mme = whole_ids.mme.filter(|_| !(type_of_error == TypeOfError::Missing && [0, 88, 99].contains(&id)));
            let enb = whole_ids.enb.filter(|_| !(type_of_error == TypeOfError::Missing && [8, 99].contains(&id)));
            assert_eq!(ids, (mme, enb), "{place}");
            CriticalityDiagnostics {
                procedure_code: Some(whole.procedure_code()),
                triggering_message: Some(TriggeringMessage::Initiating),
                procedure_criticality: Some(whole.criticality()),
                ies,
            }
        }
        _ => {
            assert_eq!(answer.procedure_code(), whole.procedure_code(), "{place}");
            assert_eq!(answer.kind(), TriggeringMessage::Unsuccessful, "{place}");
            let (answered, asked) = (answer.ue_ids(), whole.ue_ids());
            assert_eq!(answered, asked, "{place}");
            CriticalityDiagnostics { ies, ..CriticalityDiagnostics::default() }
        }
    };
    assert!(format!("{answer:?}").contains(&format!("{report:?}")), "{place}: {answer:?}");
    let sent = decode(&encode(answer).unwrap()).unwrap();
    assert!(sent.diagnostics.is_clean(), "{place}: {:?}", sent.diagnostics);
    assert_eq!(sent.pdu, **answer, "{place}");
}

/// An IE that no release has, with each criticality, at each place of each recorded message.
#[test]
fn an_unknown_ie_is_answered_by_its_criticality() {
    const UNKNOWN: u16 = 65_000;
    for Recorded { file, frame, octets } in valid() {
        let whole = decode(&octets).unwrap().pdu;
        let name = whole.name();
        for at in 0..=corpus::ids(&octets).len() {
            let place = format!("{file} frame {frame}: {name} with an unknown IE at {at}");
            let insert = |criticality| {
                with_ies(&octets, |ies| {
                    ies.insert(at, ProtocolIEField::new(UNKNOWN, criticality, vec![1, 2, 3].into()))
                })
            };

            let received = insert(CodecCriticality::ignore);
            goes_on(&decode(&received).unwrap(), &received, UNKNOWN, FaultKind::Unknown, &place);

            let received = insert(CodecCriticality::notify);
            let decoded = decode(&received).unwrap();
            assert_eq!(encode(&decoded.pdu).unwrap(), received, "{place}");
            let (criticality, type_of_error) = (Criticality::Notify, TypeOfError::NotUnderstood);
            let ies = vec![IeCriticalityDiagnostics { criticality, id: UNKNOWN, type_of_error }];
            match reaction(&decoded.diagnostics) {
                Reaction::Report(report) if WITH_RESPONSE.contains(&name) => {
                    assert_eq!(report, CriticalityDiagnostics { ies, ..CriticalityDiagnostics::default() }, "{place}");
                }
                Reaction::Notify(indication) if !WITH_RESPONSE.contains(&name) && name != "ErrorIndication" => {
                    assert_eq!(
                        indication.cause,
                        Some(ProtocolCause::AbstractSyntaxErrorIgnoreAndNotify.into()),
                        "{place}"
                    );
                    assert_eq!(indication.criticality_diagnostics.unwrap().ies, ies, "{place}");
                }
                Reaction::Ignore if name == "ErrorIndication" => {}
                other => panic!("{place}: {other:?}"),
            }

            let error = decode(&insert(CodecCriticality::reject)).unwrap_err();
            let expected = match whole.kind() {
                TriggeringMessage::Initiating if WITH_FAILURE.contains(&name) => Failure,
                TriggeringMessage::Initiating => Indication,
                _ => Local,
            };
            if name == "ErrorIndication" {
                assert_eq!(reaction(&error), Reaction::Ignore, "{place}");
            } else {
                rejected(&error, &whole, expected, UNKNOWN, TypeOfError::NotUnderstood, &place);
            }
        }
    }
}

/// N06: the first of two is not silently taken, and neither is a message whose IEs are in another order.
#[test]
fn repeated_and_misplaced_ies_reject_the_message() {
    let falsely_constructed = |received: &[u8], name: &str, place: &str| {
        let error = decode(received).expect_err(place);
        assert_eq!(error.kind, DecodeErrorKind::FalselyConstructed, "{place}");
        let cause = Some(Cause::Protocol(ProtocolCause::AbstractSyntaxErrorFalselyConstructedMessage));
        match reaction(&error) {
            Reaction::Ignore => assert_eq!(name, "ErrorIndication", "{place}"),
            Reaction::LocalError => assert_ne!(error.diagnostics.header.unwrap().kind, TriggeringMessage::Initiating),
            Reaction::Reject(answer) => {
                assert!(format!("{answer:?}").contains(&format!("cause: {cause:?}")), "{place}: {answer:?}");
                assert_eq!(answer.kind() == TriggeringMessage::Unsuccessful, WITH_FAILURE.contains(&name), "{place}");
                encode(&answer).unwrap();
            }
            other => panic!("{place}: {other:?}"),
        }
    };
    for Recorded { file, frame, octets } in valid() {
        let name = decode(&octets).unwrap().pdu.name();
        let ids = corpus::ids(&octets);
        for (at, id) in ids.iter().enumerate() {
            let place = format!("{file} frame {frame}: {name} with IE {id} twice");
            falsely_constructed(&with_ies(&octets, |ies| ies.push(ies[at].clone())), name, &place);
        }
        for at in 1..ids.len() {
            let place = format!("{file} frame {frame}: {name} with IEs {at} and the one before it exchanged");
            falsely_constructed(&with_ies(&octets, |ies| ies.swap(at - 1, at)), name, &place);
        }
    }
}

/// N03: procedures that the standard does not have, or not in that direction, by the criticality of the procedure.
#[test]
fn an_unknown_procedure_is_answered_by_its_criticality() {
    let unknown = [
        (TriggeringMessage::Initiating, 200),
        (TriggeringMessage::Successful, 12),
        (TriggeringMessage::Unsuccessful, 23),
    ];
    for (kind, procedure_code) in unknown {
        for criticality in [Criticality::Reject, Criticality::Ignore, Criticality::Notify] {
            let raw = vec![0, 0, 1, 0, 8, 0, 2, 0, 7];
            let pdu = Pdu::Other(OtherPdu { kind, procedure_code, criticality, raw });
            let decoded = decode(&encode(&pdu).unwrap()).unwrap();
            assert_eq!(decoded.pdu, pdu);
            assert!(decoded.diagnostics.unknown_procedure);
            let indication = match (criticality, reaction(&decoded.diagnostics)) {
                (Criticality::Ignore, Reaction::Ignore) => continue,
                (Criticality::Notify, Reaction::Notify(indication)) => *indication,
                (Criticality::Reject, Reaction::Reject(answer)) => match *answer {
                    Pdu::ErrorIndication(indication) => indication,
                    other => panic!("answered with {}", other.name()),
                },
                other => panic!("procedure {procedure_code}: {other:?}"),
            };
            let cause = match criticality {
                Criticality::Reject => ProtocolCause::AbstractSyntaxErrorReject,
                _ => ProtocolCause::AbstractSyntaxErrorIgnoreAndNotify,
            };
            assert_eq!(indication.cause, Some(cause.into()));
            assert_eq!(indication.enb_ue_id.map(|id| id.value()), Some(7));
            let report = indication.criticality_diagnostics.unwrap();
            assert_eq!((report.procedure_code, report.triggering_message), (Some(procedure_code), Some(kind)));
            assert_eq!(report.procedure_criticality, Some(criticality));
        }
    }
}

/// An IE whose octets are no value of its type: a transfer syntax error for criticality reject (§10.2), left out for ignore.
#[test]
fn an_ie_that_does_not_decode_is_left_out_or_rejects() {
    let initial = first("InitialUEMessage");
    let broken = |id: u16, criticality: CodecCriticality| {
        with_ies(&initial, |ies| {
            let ie = ies.iter_mut().find(|ie| ie.id.0 == id).unwrap();
            (ie.value, ie.criticality) = (vec![0x42].into(), criticality);
        })
    };
    const CGI: u16 = 100;
    let received = broken(CGI, CodecCriticality::ignore);
    let decoded = decode(&received).unwrap();
    goes_on(&decoded, &received, CGI, FaultKind::Undecodable, "cell identity");
    assert!(matches!(&decoded.pdu, Pdu::InitialUeMessage(message) if message.ecgi.is_none()));

    const TAI: u16 = 67;
    let error = decode(&broken(TAI, CodecCriticality::reject)).unwrap_err();
    assert_eq!(error.kind, DecodeErrorKind::TransferSyntax);
    assert_eq!(
        error.to_string(),
        "initialUEMessage (procedure 12, initiating message): TAI cannot be decoded (reject)"
    );

    // The sender says ignore, but the message cannot be without the IE: what the standard assigns to a missing one counts.
    let error = decode(&broken(TAI, CodecCriticality::ignore)).unwrap_err();
    assert_eq!(error.kind, DecodeErrorKind::AbstractSyntaxReject);
    let Reaction::Reject(answer) = reaction(&error) else { panic!("{error}") };
    let Pdu::ErrorIndication(indication) = *answer else { panic!("{}", answer.name()) };
    assert!(indication.enb_ue_id.is_some());
    let report = indication.criticality_diagnostics.unwrap();
    let (criticality, type_of_error) = (Criticality::Reject, TypeOfError::Missing);
    assert_eq!(report.ies, [IeCriticalityDiagnostics { criticality, id: TAI, type_of_error }]);
}

/// A value that is whole, with an octet after it.
#[test]
fn octets_after_a_value_are_no_part_of_it() {
    let initial = first("InitialUEMessage");
    let received = with_ies(&initial, |ies| {
        let ie = ies.iter_mut().find(|ie| ie.id.0 == 100).unwrap();
        ie.value = [&ie.value[..], &[0]].concat().into();
    });
    goes_on(&decode(&received).unwrap(), &received, 100, FaultKind::Undecodable, "cell identity");
}

/// An IE of criticality ignore is not worth a word, even in an answer that is sent for another one.
#[test]
fn what_is_ignored_is_not_reported() {
    let received = with_ies(&first("S1SetupRequest"), |ies| {
        ies.retain(|ie| ie.id.0 != 64);
        ies.push(ProtocolIEField::new(65_000u16, CodecCriticality::ignore, vec![1].into()));
        ies.push(ProtocolIEField::new(65_001u16, CodecCriticality::notify, vec![1].into()));
    });
    let error = decode(&received).unwrap_err();
    assert_eq!(error.diagnostics.faults.len(), 3);
    let Reaction::Reject(answer) = reaction(&error) else { panic!("{error}") };
    let Pdu::S1SetupFailure(failure) = *answer else { panic!("{}", answer.name()) };
    let report = |id, criticality, type_of_error| IeCriticalityDiagnostics { criticality, id, type_of_error };
    let notify = report(65_001, Criticality::Notify, TypeOfError::NotUnderstood);
    let missing = report(64, Criticality::Reject, TypeOfError::Missing);
    assert_eq!(failure.criticality_diagnostics.unwrap().ies, [notify, missing]);
}

/// More faults than Criticality Diagnostics has room for: none that rejects is overlooked, and the answer can be sent.
#[test]
fn the_fault_that_rejects_is_found_among_many() {
    let crowd = |last: CodecCriticality, others: CodecCriticality| {
        with_ies(&first("S1SetupRequest"), |ies| {
            let unknown = |id: u16, criticality| ProtocolIEField::new(id, criticality, vec![1].into());
            ies.extend((30_000..30_300).map(|id| unknown(id, others)));
            ies.push(unknown(40_000, last));
        })
    };
    assert!(decode(&crowd(CodecCriticality::ignore, CodecCriticality::ignore)).is_ok());
    for others in [CodecCriticality::ignore, CodecCriticality::reject] {
        let error = decode(&crowd(CodecCriticality::reject, others)).unwrap_err();
        assert_eq!(error.diagnostics.faults.last().unwrap().id, 40_000);
        let Reaction::Reject(answer) = reaction(&error) else { panic!("{error}") };
        assert_eq!(decode(&encode(&answer).unwrap()).unwrap().pdu, *answer);
    }
}

/// The first recorded message of a name.
fn first(name: &str) -> Vec<u8> {
    valid().into_iter().find(|recorded| decode(&recorded.octets).unwrap().pdu.name() == name).unwrap().octets
}

/// Criticalities other than the standard's: acted on as received, and kept.
#[test]
fn the_criticality_of_the_sender_is_kept() {
    let recorded = valid().into_iter().find(|recorded| {
        matches!(decode(&recorded.octets).unwrap().pdu, Pdu::InitialUeMessage(message) if !message.received_criticalities.is_empty())
    });
    let recorded = recorded.expect("a test program that sends GUMMEI Type with criticality reject");
    let Pdu::InitialUeMessage(mut message) = decode(&recorded.octets).unwrap().pdu else { panic!("another message") };
    assert_eq!(message.received_criticalities[0].id, 170);
    message.received_criticalities.clear();
    assert_ne!(encode(&message.into()).unwrap(), recorded.octets);
}
