//! Every S1AP-PDU of the recordings decodes and re-encodes to the same octets through our own values.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

#[path = "common/recording.rs"]
mod recording;

use basalt_s1ap::{Pdu, decode, encode};
use recording::UserMessage;
use std::collections::BTreeMap;
use std::path::PathBuf;

#[test]
fn dump() {
    let mut by_name: BTreeMap<&str, usize> = BTreeMap::new();
    let mut bad = 0;
    for (file, message) in all() {
        match decode(&message.data) {
            Ok(decoded) => {
                *by_name.entry(decoded.pdu.name()).or_default() += 1;
                if !decoded.diagnostics.is_clean() {
                    println!("{file} {}: {:?}", message.frame, decoded.diagnostics);
                }
                if let Pdu::Other(o) = &decoded.pdu {
                    println!("other {file} {} {:?}", message.frame, o.kind);
                }
                let again = encode(&decoded.pdu);
                if again.as_ref() != Ok(&message.data) {
                    bad += 1;
                    println!(
                        "{file} {}: differs {:?} {:02x?} {:02x?}",
                        message.frame, decoded.pdu, message.data, again
                    );
                }
            }
            Err(e) => println!("{file} {}: {e} {:?}", message.frame, e.reaction()),
        }
    }
    println!("{by_name:#?} {bad}");
}

fn all() -> Vec<(String, UserMessage)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/s1ap");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "pcap"));
    files.sort();
    let messages = |path: PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        recording::s1ap_messages(&path).into_iter().map(move |message| (name.clone(), message))
    };
    files.into_iter().flat_map(messages).collect()
}
