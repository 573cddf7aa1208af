//! What gateways ask and what home networks are asked for them, as spans of OpenTelemetry: parts of the traces of the gateways, whose
//! requests carry the context.

use basalt_diameter::node::Failure;
use basalt_diameter::{Limits, Message, Outcome, dictionary};
use basalt_ids::Imsi;
use basalt_otlp::{Attributes, Context, Exporter, Kind, Resource, Settings, Span, Value, masked};
use feg_relay::{Answer, GatewayId, Request, Token, Wish};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::time::{SystemTime, UNIX_EPOCH};

/// Requests whose ends are waited for, of each side.
const OPEN: usize = 8_192;

/// Tells spans.
#[derive(Debug)]
pub struct Spans {
    exporter: Exporter,
    identities: bool,
    /// Requests of gateways.
    asked: HashMap<(GatewayId, u64), Open>,
    /// Of subscribers, by number: the span that home networks are asked for.
    current: HashMap<u64, (Context, Imsi)>,
    /// Requests to home networks.
    home: HashMap<Token, Open>,
}

#[derive(Debug)]
struct Open {
    context: Context,
    parent: Context,
    name: String,
    imsi: Imsi,
    began: u64,
}

impl Spans {
    /// Begins to tell; within the runtime.
    ///
    /// # Errors
    /// The collector's address or authority cannot be used.
    pub fn start(settings: &Settings, host: &str) -> Result<Self, String> {
        let resource = Resource { service: "fegd", instance: host.to_owned(), version: env!("CARGO_PKG_VERSION") };
        Ok(Self {
            exporter: Exporter::start(settings, resource)?,
            identities: settings.identities,
            asked: HashMap::new(),
            current: HashMap::new(),
            home: HashMap::new(),
        })
    }

    /// A gateway asks, for a span of its own. Asked again it is the same.
    pub fn asked(&mut self, gateway: GatewayId, request: &Request, parent: Context) {
        if !parent.sampled || self.asked.len() >= OPEN {
            return;
        }
        let name = match request.wish {
            Wish::Vectors { .. } => "relay vectors",
            Wish::Locate { .. } => "relay location update",
            Wish::Purge => "relay purge",
            Wish::Check(_) => "relay equipment check",
            Wish::Gateway(_) => "relay PDN gateway",
            Wish::Reachable => "relay notification",
        };
        if let Entry::Vacant(place) = self.asked.entry((gateway, request.id)) {
            let context = parent.child();
            place.insert(Open { context, parent, name: name.to_owned(), imsi: request.imsi, began: now() });
            self.current.insert(request.imsi.value(), (context, request.imsi));
        }
    }

    /// A home network is asked about the subscriber of this number.
    pub fn sent(&mut self, token: Token, key: u64, octets: &[u8]) {
        let Some((parent, imsi)) = self.current.get(&key).copied() else { return };
        if self.home.len() < OPEN {
            let name = command(octets);
            self.home.insert(token, Open { context: parent.child(), parent, name, imsi, began: now() });
        }
    }

    /// It answered, or did not.
    pub fn ended(&mut self, token: Token, result: Result<&[u8], Failure>) {
        let Some(open) = self.home.remove(&token) else { return };
        let (failure, attributes) = match result {
            Ok(octets) => verdict(octets),
            Err(why) => (Some(format!("{why:?}")), Attributes::new()),
        };
        self.tell(open, Kind::Client, failure, attributes);
    }

    /// A gateway is answered.
    pub fn answered(&mut self, gateway: GatewayId, id: u64, answer: &Answer) {
        let Some(open) = self.asked.remove(&(gateway, id)) else { return };
        let failure = match answer {
            Answer::Refused { emm_cause, reason } => Some(format!("EMM cause {emm_cause}: {reason}")),
            Answer::Unavailable(why) => Some((*why).to_owned()),
            Answer::Vectors(_) | Answer::Located(..) | Answer::Done | Answer::Equipment(_) => None,
        };
        self.over(open, failure);
    }

    /// A gateway's stream ended; it asks anew on the next.
    pub fn lost(&mut self, gateway: GatewayId) {
        let gone: Vec<_> = self.asked.keys().filter(|(whose, _)| *whose == gateway).copied().collect();
        for key in gone {
            if let Some(open) = self.asked.remove(&key) {
                self.over(open, Some("the gateway's stream ended".to_owned()));
            }
        }
    }

    fn over(&mut self, open: Open, failure: Option<String>) {
        let key = open.imsi.value();
        if self.current.get(&key).is_some_and(|(context, _)| *context == open.context) {
            self.current.remove(&key);
        }
        self.tell(open, Kind::Server, failure, Attributes::new());
    }

    fn tell(&self, open: Open, kind: Kind, failure: Option<String>, mut attributes: Attributes) {
        attributes.push(("basalt.imsi", masked(&open.imsi.to_string(), self.identities).into()));
        self.exporter.tell(Span {
            context: open.context,
            parent: Some(open.parent),
            name: open.name,
            kind,
            began: open.began,
            ended: now(),
            failure,
            attributes,
            events: Vec::new(),
        });
    }
}

/// Microseconds since 1970 UTC.
fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

/// What is asked, by the standard's name.
fn command(octets: &[u8]) -> String {
    let message = Message::decode(octets, &Limits::default());
    let name = message.as_ref().ok().and_then(|message| message.header.command.name());
    name.unwrap_or("Diameter request").to_owned()
}

/// Why a home network did not do what it was asked, and what it said.
fn verdict(octets: &[u8]) -> (Option<String>, Attributes) {
    let Ok(message) = Message::decode(octets, &Limits::default()) else {
        return (Some("the answer cannot be read".to_owned()), Attributes::new());
    };
    let peer = message.find(dictionary::ORIGIN_HOST).and_then(|avp| avp.text().ok()).unwrap_or_default();
    let (code, failed) = match message.outcome() {
        Ok(outcome @ Outcome::Base(code)) => (code.0, !outcome.is_success()),
        Ok(outcome @ Outcome::Experimental { code, .. }) => (code, !outcome.is_success()),
        Err(_) => (0, true),
    };
    let attributes =
        vec![("basalt.peer", peer.into()), ("basalt.diameter.result_code", Value::Number(i64::from(code)))];
    (failed.then(|| format!("result code {code}")), attributes)
}
