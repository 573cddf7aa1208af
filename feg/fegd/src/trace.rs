//! What is said about one subscriber, for those who look for a fault: each message whole, but keys and expected answers blotted out.

use basalt_calltrace::{Protocol, Record, redact};
use basalt_control_api::federation::v1 as api;
use basalt_diameter::dictionary::{self, Kind};
use basalt_diameter::node::Handle;
use basalt_diameter::{Avp, AvpId, Avps, Limits, Message};
use basalt_ids::Imsi;
use feg_relay::Token;
use serde_json::{Map, Value, json};
use std::collections::HashMap;
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::sync::mpsc;

/// Traces at a time, and messages whose answers are waited for.
const TRACES: usize = 16;
const WAITING: usize = 4096;
/// Groups within groups that are looked into; what is deeper is blotted out whole.
const DEPTH: usize = 8;

/// The traces that are on.
#[derive(Debug, Default)]
pub struct Traces {
    on: Vec<(Imsi, mpsc::Sender<api::TracedMessage>)>,
    tokens: HashMap<Token, Imsi>,
    handles: HashMap<Handle, Imsi>,
}

impl Traces {
    /// Begins one; the oldest ends when there are too many.
    pub fn begin(&mut self, imsi: Imsi, sender: mpsc::Sender<api::TracedMessage>) {
        self.on.retain(|(_, sender)| !sender.is_closed());
        if self.on.len() >= TRACES {
            self.on.remove(0);
        }
        self.on.push((imsi, sender));
    }

    /// A request to a home network; `key` is the subscriber's number.
    pub fn sent(&mut self, token: Token, key: u64, octets: &[u8]) {
        let Some(imsi) = self.on.iter().map(|(imsi, _)| *imsi).find(|imsi| imsi.value() == key) else { return };
        self.tell(imsi, true, octets);
        if self.tokens.len() < WAITING {
            self.tokens.insert(token, imsi);
        }
    }

    /// It ended.
    pub fn answered(&mut self, token: Token, octets: Option<&[u8]>) {
        if self.tokens.is_empty() {
            return;
        }
        if let (Some(imsi), Some(octets)) = (self.tokens.remove(&token), octets) {
            self.tell(imsi, false, octets);
        }
    }

    /// A request of a home network's.
    pub fn asked(&mut self, handle: Handle, octets: &[u8]) {
        if self.on.is_empty() {
            return;
        }
        let Some(imsi) = subscriber(octets) else { return };
        if self.on.iter().any(|(traced, _)| *traced == imsi) {
            self.tell(imsi, false, octets);
            if self.handles.len() < WAITING {
                self.handles.insert(handle, imsi);
            }
        }
    }

    /// Our answer to it.
    pub fn replied(&mut self, handle: Handle, octets: &[u8]) {
        if let Some(imsi) = self.handles.remove(&handle) {
            self.tell(imsi, true, octets);
        }
    }

    fn tell(&mut self, imsi: Imsi, sent: bool, octets: &[u8]) {
        let at = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let at = u64::try_from(at.as_micros()).unwrap_or(u64::MAX);
        let octets = redact::diameter(octets.to_vec());
        let (peer, json) = shown(&octets, sent);
        let message = api::TracedMessage { at, sent, peer, octets, json: json.to_string() };
        // Who does not read as fast misses some; who is gone is forgotten.
        self.on.retain(|(traced, sender)| {
            *traced != imsi || !matches!(sender.try_send(message.clone()), Err(mpsc::error::TrySendError::Closed(_)))
        });
    }
}

/// A message as a call trace has it.
#[must_use]
pub fn line(imsi: Imsi, message: api::TracedMessage) -> String {
    let mut record = Record::new(message.at, Protocol::Diameter, message.sent, message.octets);
    (record.peer, record.imsi) = (message.peer, Some(imsi.to_string()));
    record.line()
}

fn subscriber(octets: &[u8]) -> Option<Imsi> {
    let message = Message::decode(octets, &Limits::default()).ok()?;
    message.find(dictionary::USER_NAME)?.text().ok()?.parse().ok()
}

/// Who said it, and the message in words.
fn shown(octets: &[u8], sent: bool) -> (String, Value) {
    let Ok(message) = Message::decode(octets, &Limits::default()) else {
        return (String::new(), json!({"error": "the message cannot be read"}));
    };
    let header = &message.header;
    let origin = message.find(AvpId::ietf(264)).and_then(|avp| avp.text().ok()).unwrap_or_default();
    let command = header.command.name().map_or_else(|| header.command.0.to_string(), str::to_owned);
    let json = json!({
        "command": command,
        "request": header.request,
        "application": header.application.0,
        "avps": list(message.avps(), 0),
    });
    (if sent { String::new() } else { origin.to_owned() }, json)
}

fn list(avps: Avps<'_>, depth: usize) -> Vec<Value> {
    avps.map_while(Result::ok).take(1000).map(|avp| one(&avp, depth)).collect()
}

fn one(avp: &Avp<'_>, depth: usize) -> Value {
    let info = dictionary::find(avp.id);
    let mut shown = Map::new();
    let name = info.map_or_else(|| format!("{}/{}", avp.id.vendor, avp.id.code), |info| info.name.to_owned());
    shown.insert("name".to_owned(), name.into());
    let hex = || avp.data.iter().map(|octet| format!("{octet:02x}")).collect::<String>();
    let value = match info.map(|info| info.kind) {
        _ if redact::is_secret(avp.id) || info.is_none() => Value::from("…"),
        Some(Kind::Grouped) if depth < DEPTH => Value::Array(list(avp.group(), depth + 1)),
        Some(Kind::Utf8String | Kind::DiameterIdentity | Kind::DiameterUri | Kind::IpFilterRule) => {
            avp.text().map_or_else(|_| hex().into(), Value::from)
        }
        Some(Kind::Unsigned32 | Kind::Enumerated | Kind::Time) => avp.u32().map_or_else(|_| hex().into(), Value::from),
        Some(Kind::Integer32) => avp.i32().map_or_else(|_| hex().into(), Value::from),
        Some(Kind::Unsigned64 | Kind::Integer64) => avp.u64().map_or_else(|_| hex().into(), Value::from),
        Some(Kind::Address) => avp.address().map_or_else(|_| hex().into(), |address| address.to_string().into()),
        _ => hex().into(),
    };
    shown.insert("value".to_owned(), value);
    Value::Object(shown)
}

#[cfg(test)]
mod tests {
    use super::*;
    use basalt_diameter::{Application, Command, HEADER, Header, Writer};

    fn vectors() -> Vec<u8> {
        let mut writer = Writer::new(&Header::request(Command::AUTHENTICATION_INFORMATION, Application::S6A).answer());
        writer.text(dictionary::SESSION_ID, "feg;1;1").text(AvpId::ietf(264), "hss.home.example");
        writer.group(AvpId::tgpp(1413), |info| {
            info.group(AvpId::tgpp(1414), |vector| {
                vector.octets(AvpId::tgpp(1447), &[0x11; 16]).octets(AvpId::tgpp(1448), &[0x22; 8]);
                vector.octets(AvpId::tgpp(1449), &[0x33; 16]).octets(AvpId::tgpp(1450), &[0x44; 32]);
            });
        });
        writer.octets(AvpId { code: 77, vendor: 4711 }, &[0x55; 8]);
        writer.finish()
    }

    #[test]
    fn challenges_are_shown_and_keys_are_not() {
        let octets = vectors();
        let clean = redact::diameter(octets.clone());
        let has = |octet: u8| clean.windows(8).any(|window| window == [octet; 8]);
        assert!(has(0x11) && has(0x33), "RAND and AUTN");
        assert!(!has(0x22) && !has(0x44) && !has(0x55), "XRES, KASME, and what nobody knows");
        assert_eq!(clean.len(), octets.len());
        let (peer, json) = shown(&clean, false);
        assert_eq!(peer, "hss.home.example");
        let text = json.to_string();
        assert!(text.contains(&"11".repeat(16)) && !text.contains("4444") && !text.contains("2222"), "{text}");
        assert!(redact::diameter(octets[..octets.len() - 4].to_vec()).iter().skip(HEADER).all(|octet| *octet == 0));
    }

    /// What a call trace has of a request for vectors and its answer, as it goes to the orchestrator.
    fn traced() -> String {
        let mut traces = Traces::default();
        let (sender, mut seen) = mpsc::channel(8);
        let imsi: Imsi = "999700000000001".parse().unwrap();
        traces.begin(imsi, sender);
        let mut writer = Writer::new(&Header::request(Command::AUTHENTICATION_INFORMATION, Application::S6A));
        writer.text(dictionary::SESSION_ID, "feg;1;1").text(AvpId::ietf(264), "feg1.visited.example");
        writer.text(dictionary::USER_NAME, &imsi.to_string());
        traces.sent(Token(1), imsi.value(), &writer.finish());
        traces.answered(Token(1), Some(&vectors()));
        std::iter::from_fn(|| seen.try_recv().ok()).map(|message| line(imsi, message)).collect()
    }

    #[test]
    fn keys_are_in_no_form_of_a_call_trace() {
        let lines = traced();
        let (records, dropped) = basalt_calltrace::parse(lines.as_bytes());
        assert_eq!((records.len(), dropped), (2, 0), "{lines}");
        let ladder = basalt_calltrace::ladder(&records, 10);
        let names: Vec<&str> = ladder.messages.iter().map(|message| message.name.as_str()).collect();
        assert_eq!(names, ["Authentication-Information Request", "Authentication-Information Answer"]);
        assert!(ladder.messages.iter().all(|message| message.imsi.as_deref() == Some("999700000000001")));
        let ladder = serde_json::to_string(&ladder).unwrap();
        let capture = basalt_calltrace::capture(&records);
        let within = |octet: u8| capture.windows(8).any(|window| window == [octet; 8]);
        assert!(within(0x11) && within(0x33), "RAND and AUTN are to be seen");
        for octet in [0x22, 0x44, 0x55_u8] {
            let (digits, list) = (format!("{octet:02x}").repeat(4), vec![octet.to_string(); 4].join(","));
            assert!(!within(octet), "{octet:#x} is in the capture");
            for text in [&lines, &ladder] {
                assert!(!text.contains(&digits) && !text.contains(&list), "{octet:#x} is in {text}");
            }
        }
    }

    #[test]
    fn a_call_trace_is_read_by_tshark() {
        use std::process::Stdio;
        let tshark = || std::process::Command::new("tshark");
        if tshark().arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_err() {
            eprintln!("skipped: there is no tshark; `cargo xtask setup` installs it");
            return;
        }
        let (records, _) = basalt_calltrace::parse(traced().as_bytes());
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("trace.pcapng");
        std::fs::write(&file, basalt_calltrace::capture(&records)).unwrap();
        let read = |arguments: &[&str]| {
            let output = tshark().arg("-r").arg(&file).args(arguments).output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            String::from_utf8_lossy(&output.stdout).into_owned()
        };
        assert_eq!(read(&["-T", "fields", "-e", "diameter.cmd.code"]), "318\n318\n");
        assert_eq!(read(&["-Y", "_ws.malformed"]), "");
    }

    #[test]
    fn only_whom_it_is_about_is_told() {
        let mut traces = Traces::default();
        let (sender, mut seen) = mpsc::channel(8);
        let imsi: Imsi = "999700000000001".parse().unwrap();
        traces.begin(imsi, sender);
        traces.sent(Token(1), imsi.value(), &vectors());
        traces.sent(Token(2), imsi.value() + 1, &vectors());
        traces.answered(Token(2), Some(&vectors()));
        traces.answered(Token(1), Some(&vectors()));
        assert!(seen.try_recv().is_ok_and(|message| message.sent));
        assert!(seen.try_recv().is_ok_and(|message| !message.sent && message.peer == "hss.home.example"));
        assert!(seen.try_recv().is_err());
    }
}
