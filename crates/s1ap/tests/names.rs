//! Each enumerated value of ours stands for the value of the same name in the standard's ASN.1.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use basalt_s1ap as ours;
use oxirush_s1ap::aper;
use oxirush_s1ap::s1ap as codec;
use std::fmt::Debug;

/// Names that we write otherwise than the standard, both without case and separators.
const RENAMED: &[(&str, &str)] = &[
    ("handoverfailureintarget", "hofailureintargetepcenbortargetsystem"),
    ("handovertargetnotallowed", "hotargetnotallowed"),
    ("algorithmsnotsupported", "encryptionandorintegrityprotectionalgorithmsnotsupported"),
    ("frames32", "v32"),
    ("frames64", "v64"),
    ("frames128", "v128"),
    ("frames256", "v256"),
    ("s1", "v1s"),
    ("s2", "v2s"),
    ("s5", "v5s"),
    ("s10", "v10s"),
    ("s20", "v20s"),
    ("s60", "v60s"),
    ("available", "directpathavailable"),
    ("required", "csfallbackrequired"),
    ("highpriority", "csfallbackhighpriority"),
    ("initiating", "initiatingmessage"),
    ("successful", "successfuloutcome"),
    ("unsuccessful", "unsuccessfulloutcome"),
    ("rejectnonemergencymodata", "rejectnonemergencymodt"),
    ("rejectsignalling", "rejectrrccrsignalling"),
    ("permitemergencyandmtonly", "permitemergencysessionsandmobileterminatedservicesonly"),
    ("permithighpriorityandmtonly", "permithighprioritysessionsandmobileterminatedservicesonly"),
    (
        "permithighpriorityandexceptionreportingandmtonly",
        "permithighprioritysessionsandexceptionreportingandmobileterminatedservicesonly",
    ),
    ("notacceptmodataordelaytolerantfromcpciot", "notacceptmodataordelaytolerantaccessfromcpciot"),
];

/// The octets of the value `index`, as an ENUMERATED of `root` values, extensible or not, is encoded.
fn octets(index: u16, root: u64, extensible: bool) -> Vec<u8> {
    let mut octets = Vec::new();
    aper::Writer::new(&mut octets).index(u64::from(index), root, extensible);
    octets
}

fn plain(name: impl Debug) -> String {
    format!("{name:?}").chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_lowercase()
}

fn same(ours: impl Debug, codec: impl Debug) {
    let (ours, codec) = (plain(ours), plain(codec));
    let codec = codec.trim_start_matches("prio");
    assert!(ours == codec || RENAMED.contains(&(ours.as_str(), codec)), "{ours} stands for {codec}");
}

/// Compares all values of an enumeration with `count` values, `root` of them before the extension marker.
macro_rules! compare {
    ($($name:ident as $codec:ident: $count:literal of root $root:literal;)*) => {$(
        for index in 0..$count {
            let codec: codec::$codec = aper::decode(&octets(index, $root, true)).unwrap();
            same(ours::$name::from_index(index), codec);
        }
        assert!(aper::decode::<codec::$codec>(&octets($count, $root, true)).is_err(), "there are more values");
        assert_eq!(ours::$name::from_index($count), ours::$name::Unknown($count));
    )*};
    (closed $($name:ident as $codec:ident: $count:literal;)*) => {$(
        for index in 0..$count {
            let codec: codec::$codec = aper::decode(&octets(index, $count, false)).unwrap();
            same(ours::$name::from_index(index).unwrap(), codec);
        }
        assert_eq!(ours::$name::from_index($count), None);
    )*};
}

#[test]
fn enumerated_values_have_the_names_of_the_standard() {
    compare! {
        RadioNetworkCause as CauseRadioNetwork: 45 of root 36;
        TransportCause as CauseTransport: 2 of root 2;
        NasCause as CauseNas: 7 of root 4;
        ProtocolCause as CauseProtocol: 7 of root 7;
        MiscCause as CauseMisc: 6 of root 6;
        TimeToWait as TimeToWait: 6 of root 6;
        PagingDrx as PagingDRX: 4 of root 4;
        RrcEstablishmentCause as RRCEstablishmentCause: 8 of root 5;
        GummeiType as GUMMEIType: 3 of root 2;
        CsFallbackIndicator as CSFallbackIndicator: 2 of root 1;
        OverloadAction as OverloadAction: 7 of root 3;
        ForbiddenInterRats as ForbiddenInterRATs: 6 of root 4;
        PagingPriority as PagingPriority: 8 of root 8;
        HandoverType as HandoverType: 7 of root 5;
        DirectForwardingPath as DirectForwardingPathAvailability: 1 of root 1;
        TypeOfError as TypeOfError: 2 of root 2;
    }
    compare! {
        closed
        Criticality as Criticality: 3;
        TriggeringMessage as TriggeringMessage: 3;
        CnDomain as CNDomain: 2;
    }
}
