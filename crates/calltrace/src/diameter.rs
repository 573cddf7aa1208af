//! What a Diameter message says.

use crate::redact::is_secret;
use basalt_diameter::dictionary::{self, Kind};
use basalt_diameter::{Avp, AvpId, Avps, Limits, Message};
use serde_json::{Map, Value};

/// Entries and levels that are shown.
const ENTRIES: usize = 64;
const DEPTH: usize = 6;
const RESULT_CODE: AvpId = AvpId::ietf(268);
const EXPERIMENTAL_RESULT: AvpId = AvpId::ietf(297);
const EXPERIMENTAL_RESULT_CODE: AvpId = AvpId::ietf(298);

/// A message as it is shown.
pub(crate) struct Shown {
    pub(crate) name: String,
    pub(crate) cause: Option<String>,
    /// Whether an answer says success; `None` of a request.
    pub(crate) good: Option<bool>,
    pub(crate) fields: Map<String, Value>,
}

pub(crate) fn shown(octets: &[u8]) -> Shown {
    let Ok(message) = Message::decode(octets, &Limits::default()) else {
        return Shown { name: "undecodable Diameter message".to_owned(), cause: None, good: None, fields: Map::new() };
    };
    let header = &message.header;
    let command = header.command.name().map_or_else(|| header.command.0.to_string(), str::to_owned);
    let result = message.find(RESULT_CODE).and_then(|avp| avp.u32().ok());
    let experimental = message.find(EXPERIMENTAL_RESULT).and_then(|group| {
        let codes = group.group().map_while(Result::ok).find(|avp| avp.id == EXPERIMENTAL_RESULT_CODE);
        codes.and_then(|avp| avp.u32().ok())
    });
    let code = result.or(experimental).filter(|_| !header.request);
    // RFC 6733 §7.1: 2xxx is success.
    let good = code.map(|code| code / 1000 == 2);
    let cause = code.filter(|_| good == Some(false)).map(|code| format!("result {code}{}", words(code)));
    let kind = if header.request { "Request" } else { "Answer" };
    let fields = list(message.avps(), 0);
    Shown { name: format!("{command} {kind}"), cause, good, fields }
}

/// Results in words (RFC 6733 §7.1, TS 29.272 §7.4).
fn words(code: u32) -> &'static str {
    match code {
        3002 => ": unable to deliver",
        3003 => ": realm not served",
        3004 => ": too busy",
        4181 => ": authentication data unavailable",
        5001 => ": user unknown",
        5003 => ": authorization rejected",
        5004 => ": roaming not allowed",
        5012 => ": unable to comply",
        5420 => ": unknown EPS subscription",
        5421 => ": RAT not allowed",
        5422 => ": equipment unknown",
        5423 => ": unknown serving node",
        _ => "",
    }
}

fn list(avps: Avps<'_>, depth: usize) -> Map<String, Value> {
    let mut fields = Map::new();
    for avp in avps.map_while(Result::ok).take(ENTRIES) {
        let info = dictionary::find(avp.id);
        let name = info.map_or_else(|| format!("{}/{}", avp.id.vendor, avp.id.code), |info| info.name.to_owned());
        let value = value(&avp, info.map(|info| info.kind), depth);
        // What comes more than once is a list.
        match fields.get_mut(&name) {
            Some(Value::Array(all)) => all.push(value),
            Some(first) => *first = Value::Array(vec![first.take(), value]),
            None => drop(fields.insert(name, value)),
        }
    }
    fields
}

fn value(avp: &Avp<'_>, kind: Option<Kind>, depth: usize) -> Value {
    let hex = || Value::from(crate::record::hex(avp.data.get(..avp.data.len().min(64)).unwrap_or_default()));
    match kind {
        None => "…".into(),
        _ if is_secret(avp.id) => "…".into(),
        Some(Kind::Grouped) if depth < DEPTH => Value::Object(list(avp.group(), depth + 1)),
        Some(Kind::Utf8String | Kind::DiameterIdentity | Kind::DiameterUri | Kind::IpFilterRule) => {
            avp.text().map_or_else(|_| hex(), Value::from)
        }
        Some(Kind::Unsigned32 | Kind::Enumerated | Kind::Time) => avp.u32().map_or_else(|_| hex(), Value::from),
        Some(Kind::Integer32) => avp.i32().map_or_else(|_| hex(), Value::from),
        Some(Kind::Unsigned64 | Kind::Integer64) => avp.u64().map_or_else(|_| hex(), Value::from),
        Some(Kind::Address) => avp.address().map_or_else(|_| hex(), |address| address.to_string().into()),
        _ => hex(),
    }
}
