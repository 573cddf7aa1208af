//! Records as a ladder: who said what to whom, decoded, in order of time.

use crate::procedures::{self, Procedure};
use crate::{Protocol, Record, diameter, nas, s1ap};
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// Somebody in a ladder.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Participant {
    /// By which messages name it.
    pub id: String,
    /// `phone`, `base-station`, `gateway`, `federation-gateway` or `home-network`.
    pub kind: &'static str,
    /// IMSI, identity of a base station, name of a gateway, host of a peer; empty when it is not known.
    pub name: String,
}

/// A message in a ladder.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Message {
    /// From 0, in order of time.
    pub number: usize,
    /// Microseconds since 1970 UTC, by the clock of who recorded it.
    pub at: u64,
    /// Id of a participant.
    pub from: String,
    /// Id of a participant.
    pub to: String,
    /// `S1AP`, `NAS` or `Diameter`.
    pub protocol: &'static str,
    /// By the standard, such as `ATTACH REQUEST`.
    pub name: String,
    /// What it says, as far as it is shown.
    pub fields: Value,
    /// Its cause, in words.
    pub cause: Option<String>,
    /// `success` or `failure`, where it says how something went.
    pub result: Option<&'static str>,
    /// The phone that it is about.
    pub imsi: Option<String>,
    /// Who recorded it.
    pub gateway: String,
    /// The innermost procedure that it belongs to.
    pub procedure: Option<usize>,
    /// The message of session management inside.
    #[serde(skip)]
    inside: Option<String>,
    /// Whose it is where no phone is known: an association.
    #[serde(skip)]
    association: String,
}

/// A ladder.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Ladder {
    /// Who takes part, phones first, home networks last.
    pub participants: Vec<Participant>,
    /// What they say.
    pub messages: Vec<Message>,
    /// What it amounts to.
    pub procedures: Vec<Procedure>,
    /// Older messages that it leaves out.
    pub left_out: usize,
}

impl Message {
    /// Whether it is, or has inside, the message of this name.
    pub(crate) fn says(&self, name: &str) -> bool {
        self.name == name || self.inside.as_deref() == Some(name)
    }

    /// Whose procedures it is a part of.
    pub(crate) fn owner(&self) -> String {
        self.imsi.clone().unwrap_or_else(|| self.association.clone())
    }
}

/// The ladder of the newest `most` of these records, whatever order they come in. Records of one moment stay in the order in which
/// they came.
#[must_use]
pub fn ladder(records: &[Record], most: usize) -> Ladder {
    let mut sorted: Vec<&Record> = records.iter().collect();
    sorted.sort_by_key(|record| record.at);
    let left_out = sorted.len().saturating_sub(most);
    let kept = sorted.get(left_out..).unwrap_or_default();
    let whose = identities(kept);
    let mut participants: BTreeMap<(u8, String), Participant> = BTreeMap::new();
    let mut messages = Vec::with_capacity(kept.len());
    for (number, (record, imsi)) in kept.iter().zip(whose).enumerate() {
        let [near, far] = ends(record, imsi.as_deref());
        let (from, to) = if record.sent { (&near, &far) } else { (&far, &near) };
        let message = message(number, record, imsi, (from.1.id.clone(), to.1.id.clone()));
        for (rank, participant) in [near, far] {
            participants.insert((rank, participant.id.clone()), participant);
        }
        messages.push(message);
    }
    let procedures = procedures::group(&mut messages);
    Ladder { participants: participants.into_values().collect(), messages, procedures, left_out }
}

/// The phones of records: one that says none has that of the next record of its association.
fn identities(records: &[&Record]) -> Vec<Option<String>> {
    let mut next: BTreeMap<(&str, u32, u32), &String> = BTreeMap::new();
    let mut all: Vec<Option<String>> = Vec::with_capacity(records.len());
    for record in records.iter().rev() {
        let key = record.association().map(|(link, enb)| (record.node.as_str(), link, enb));
        if let (Some(key), Some(imsi)) = (key, &record.imsi) {
            next.insert(key, imsi);
        }
        let found = record.imsi.as_ref().or_else(|| key.and_then(|key| next.get(&key).copied()));
        all.push(found.cloned());
        // Before the first message of an association its number was somebody else's.
        if let Some(key) = key.filter(|_| record.protocol == Protocol::S1ap && record.mme_ue.is_none() && !record.sent)
        {
            next.remove(&key);
        }
    }
    all.reverse();
    all
}

/// Who recorded it, and the other side.
fn ends(record: &Record, imsi: Option<&str>) -> [(u8, Participant); 2] {
    let of = |rank: u8, kind: &'static str, name: &str| {
        (rank, Participant { id: format!("{kind}:{name}"), kind, name: name.to_owned() })
    };
    let (node, peer) = (record.node.as_str(), record.peer.as_str());
    match record.protocol {
        Protocol::S1ap => [of(2, "gateway", node), of(1, "base-station", peer)],
        Protocol::Nas => [of(2, "gateway", node), of(0, "phone", imsi.unwrap_or_default())],
        Protocol::Diameter => [of(3, "federation-gateway", node), of(4, "home-network", peer)],
    }
}

/// A message without its ends.
pub(crate) fn read(number: usize, record: &Record, imsi: Option<String>) -> Message {
    message(number, record, imsi, (String::new(), String::new()))
}

fn message(number: usize, record: &Record, imsi: Option<String>, (from, to): (String, String)) -> Message {
    let octets = record.octets();
    let (protocol, name, cause, good, fields, inside) = match record.protocol {
        Protocol::S1ap => {
            let (name, cause, fields) = s1ap::shown(octets);
            ("S1AP", name, cause, None, fields, None)
        }
        Protocol::Nas => {
            let shown = nas::shown(octets, record.sent);
            ("NAS", shown.name, shown.cause, None, Value::Object(shown.fields), shown.inside)
        }
        Protocol::Diameter => {
            let shown = diameter::shown(octets);
            ("Diameter", shown.name, shown.cause, shown.good, Value::Object(shown.fields), None)
        }
    };
    let result = good.map(|good| if good { "success" } else { "failure" });
    let association = format!("{}/{}/{}/{:?}", record.node, record.peer, record.link, record.enb_ue);
    let gateway = record.node.clone();
    let mut message = Message {
        number,
        at: record.at,
        from,
        to,
        protocol,
        name,
        fields,
        cause,
        result,
        imsi,
        gateway,
        procedure: None,
        inside,
        association,
    };
    message.result = procedures::result(&message);
    message
}
