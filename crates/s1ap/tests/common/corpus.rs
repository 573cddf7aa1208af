//! The recorded S1AP-PDUs, and changes to their IEs with the codec's help.
#![allow(dead_code, reason = "each test uses a part of it")]

#[path = "recording.rs"]
pub mod recording;

use oxirush_s1ap::s1ap::{ProtocolIEField, S1AP_PDU};
use recording::{UserMessage, s1ap_messages};
use std::path::PathBuf;

/// A recorded PDU and where it is.
pub struct Recorded {
    /// Name of the file.
    pub file: String,
    /// Number of the packet.
    pub frame: usize,
    /// The PDU.
    pub octets: Vec<u8>,
}

/// What the three frames of `attach-crash` are that are broken on purpose: number, and why.
pub const BROKEN: [(usize, &str); 3] =
    [(41, "an IE of another message, reject"), (59, "octets after the end"), (75, "octets after the end")];

/// All recorded PDUs.
pub fn all() -> Vec<Recorded> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/s1ap");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "pcap"));
    files.sort();
    let recorded = |path: PathBuf| {
        let file = path.file_stem().unwrap().to_string_lossy().into_owned();
        let messages = s1ap_messages(&path).into_iter();
        messages.map(move |UserMessage { frame, data, .. }| Recorded { file: file.clone(), frame, octets: data })
    };
    files.into_iter().flat_map(recorded).collect()
}

/// The recorded PDUs of one file, by the end of its name.
pub fn file(name: &str) -> Vec<Recorded> {
    all().into_iter().filter(|recorded| recorded.file.ends_with(name)).collect()
}

/// Those without fault.
pub fn valid() -> Vec<Recorded> {
    let broken = |recorded: &Recorded| {
        recorded.file.ends_with("attach-crash") && BROKEN.iter().any(|(frame, _)| *frame == recorded.frame)
    };
    all().into_iter().filter(|recorded| !broken(recorded)).collect()
}

/// The PDU with other IEs.
pub fn with_ies(octets: &[u8], change: impl FnOnce(&mut Vec<ProtocolIEField<'static>>)) -> Vec<u8> {
    let mut pdu = S1AP_PDU::decode(octets).unwrap();
    let mut ies = pdu.protocol_ies().unwrap().into_owned();
    change(&mut ies.0);
    pdu.set_protocol_ies(ies).unwrap();
    pdu.encode().unwrap()
}

/// Identifiers of the IEs of a PDU, in order.
pub fn ids(octets: &[u8]) -> Vec<u16> {
    let pdu = S1AP_PDU::decode(octets).unwrap();
    pdu.protocol_ies().unwrap().0.iter().map(|ie| ie.id.0).collect()
}
