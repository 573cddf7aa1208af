//! Call traces: the tap of S1AP and NAS, and whoever listens. Nobody pays for it while nobody looks: one test of a flag a message.
//!
//! ```text
//!   received ─► step ─┐
//!                     ├─► whose is it? what does its NAS say? ─► keys out ─► a ring for each trace ─► its reader
//!   released ─► sent ─┘
//! ```

use crate::gateway::Gateway;
use crate::spans::Spans;
use agw_types::{Input, LinkId};
use basalt_calltrace::{Correlator, Protocol, Record, Ring, look};
use basalt_ids::Imsi;
use basalt_sctp::Message;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::Notify;

/// Traces at a time.
const TRACES: usize = 16;
/// Octets that wait for a reader, unless told, and at most.
pub const WAITING: usize = 1 << 20;
const MOST_WAITING: usize = 16 << 20;
/// How long something waits for a reader.
const AGE: Duration = Duration::from_secs(600);

/// Whom a trace is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Whom {
    /// A phone, also before it appears.
    Phone(Imsi),
    /// A base station, by identity or name.
    BaseStation(String),
    /// Everybody.
    All,
}

impl Whom {
    /// From texts of which at most one is not empty.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn of(imsi: &str, enb: &str) -> Result<Self, String> {
        match (imsi, enb) {
            ("", "") => Ok(Self::All),
            (imsi, "") => crate::subscribers::imsi(imsi).map(Self::Phone),
            ("", enb) if enb.len() <= 150 => Ok(Self::BaseStation(enb.to_owned())),
            _ => Err("say a phone or a base station".to_owned()),
        }
    }
}

/// The traces that are on.
#[derive(Debug, Default)]
pub struct Calls {
    on: Vec<Trace>,
    correlator: Correlator,
    /// Tells all of it as spans, where a collector is named.
    spans: Option<Spans>,
}

#[derive(Debug)]
struct Trace {
    /// By which it can be ended: the command that it belongs to, or empty.
    name: String,
    whom: Whom,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    ring: Mutex<Ring>,
    news: Notify,
    ended: std::sync::atomic::AtomicBool,
}

/// A trace's reader. The trace ends when the last one is gone.
#[derive(Debug, Clone)]
pub struct Watch(Arc<Shared>);

impl Watch {
    /// What is new, as lines; waits until there is something. Empty when the trace was ended.
    pub async fn next(&self) -> String {
        loop {
            let news = self.0.news.notified();
            let lines = self.0.ring.lock().unwrap_or_else(PoisonError::into_inner).take_lines();
            if !lines.is_empty() || self.ended() {
                return lines;
            }
            news.await;
        }
    }

    /// Whether somebody ended the trace.
    pub fn ended(&self) -> bool {
        self.0.ended.load(std::sync::atomic::Ordering::Relaxed)
    }
}

/// A message as it passed.
#[derive(Debug)]
pub struct Passed {
    link: LinkId,
    stream: u16,
    octets: Vec<u8>,
    /// Microseconds since 1970.
    at: u64,
    sent: bool,
}

impl Calls {
    /// A message that is about to be acted on; `None` while nobody looks.
    pub fn heard(&mut self, input: &Input) -> Option<Passed> {
        if !self.looks() {
            return None;
        }
        match input {
            Input::S1ap { link, stream, pdu } => {
                Some(Passed { link: *link, stream: *stream, octets: pdu.clone(), at: now(), sent: false })
            }
            Input::LinkDown { link } | Input::LinkRestarted { link } => {
                self.correlator.link_gone(link.0);
                None
            }
            _ => None,
        }
    }

    /// A message that is about to leave; `None` while nobody looks.
    pub fn said(&self, link: LinkId, message: &Message) -> Option<Passed> {
        let passed =
            || Passed { link, stream: message.stream, octets: message.payload.to_vec(), at: now(), sent: true };
        self.looks().then(passed)
    }

    /// Tells everything as spans from now on.
    pub fn tell_spans(&mut self, spans: Spans) {
        self.spans = Some(spans);
    }

    /// Those who tell spans, where a collector is named.
    pub fn spans(&mut self) -> Option<&mut Spans> {
        self.spans.as_mut()
    }

    /// Gives up spans that nobody ends.
    pub fn sweep(&mut self) {
        if let Some(spans) = &mut self.spans {
            spans.sweep(now());
        }
    }

    /// Whether anybody does.
    fn looks(&self) -> bool {
        !self.on.is_empty() || self.spans.is_some()
    }

    /// Ends the trace of this name. False when there is none.
    pub fn stop(&mut self, name: &str) -> bool {
        let before = self.on.len();
        self.on.retain(|trace| {
            let ends = trace.name == name && !name.is_empty();
            if ends {
                trace.shared.ended.store(true, std::sync::atomic::Ordering::Relaxed);
                trace.shared.news.notify_one();
            }
            !ends
        });
        before > self.on.len()
    }

    /// Forgets those whose readers are gone.
    fn prune(&mut self) {
        self.on.retain(|trace| Arc::strong_count(&trace.shared) > 1);
        if !self.looks() {
            self.correlator = Correlator::default();
        }
    }
}

/// Begins a trace, which ends with its reader.
///
/// # Errors
/// There are too many.
pub fn begin(gateway: &mut Gateway, name: String, whom: Whom, octets: usize) -> Result<Watch, String> {
    let calls = &mut gateway.calls;
    calls.prune();
    if calls.on.len() >= TRACES {
        return Err(format!("{TRACES} traces are on already: end one of them"));
    }
    let age = u64::try_from(AGE.as_micros()).unwrap_or(u64::MAX);
    let shared = Arc::new(Shared {
        ring: Mutex::new(Ring::new(octets.min(MOST_WAITING), age)),
        news: Notify::new(),
        ended: false.into(),
    });
    calls.on.push(Trace { name, whom, shared: Arc::clone(&shared) });
    Ok(Watch(shared))
}

/// Records a message for those whom it concerns.
pub fn note(gateway: &mut Gateway, passed: &Passed) {
    gateway.calls.prune();
    if !gateway.calls.looks() {
        return;
    }
    let told = look(&passed.octets, passed.sent);
    let link = passed.link;
    let base_station = gateway.core.enb_over(link);
    let known = gateway.core.whose(link, (told.enb, told.mme), told.tmsi);
    let known = known.or_else(|| gateway.calls.correlator.whose(&told, link.0));
    let config = &gateway.effective;
    let theirs = base_station.and_then(|(_, address)| address);
    let near = config.listen.iter().find(|ours| theirs.is_some_and(|theirs| theirs.is_ipv4() == ours.is_ipv4()));
    let make = |protocol, octets: Vec<u8>| {
        let mut record = Record::new(passed.at, protocol, passed.sent, octets);
        record.node.clone_from(&config.gateway.name);
        record.peer = base_station.map(|(enb, _)| enb.to_string()).unwrap_or_default();
        record.ours = near.map(|address| SocketAddr::new(*address, config.port));
        record.theirs = theirs.map(|address| SocketAddr::new(address, config.port));
        (record.link, record.stream) = (link.0, passed.stream);
        record.enb_ue = told.enb.map(|id| id.value());
        record.mme_ue = told.mme.map(|id| id.0);
        record.imsi = known.map(|imsi| imsi.to_string());
        record
    };
    let mut records = vec![make(Protocol::S1ap, passed.octets.clone())];
    for carried in &told.carried {
        let read = || gateway.core.read_nas(known.or(told.imsi)?, &carried.octets, passed.sent);
        if let Some(plain) = carried.plain.clone().or_else(read) {
            records.push(make(Protocol::Nas, plain));
        }
    }
    let name = |wanted: &str| {
        let of = base_station.is_some_and(|(enb, _)| enb.to_string() == wanted);
        of || gateway.core.enbs().any(|enb| enb.link == link && enb.name.as_deref() == Some(wanted))
    };
    let here: Vec<bool> =
        gateway.calls.on.iter().map(|trace| matches!(&trace.whom, Whom::BaseStation(wanted) if name(wanted))).collect();
    let calls = &mut gateway.calls;
    let of_phones = calls.correlator.take(&told, link.0, known, records.clone());
    if let Some(spans) = &mut calls.spans {
        of_phones.iter().for_each(|record| spans.take(record));
    }
    for (trace, here) in calls.on.iter().zip(here) {
        let wanted: Vec<&Record> = match trace.whom {
            Whom::Phone(imsi) => {
                let imsi = imsi.to_string();
                of_phones.iter().filter(|record| record.imsi.as_deref() == Some(imsi.as_str())).collect()
            }
            Whom::BaseStation(_) if here => records.iter().collect(),
            Whom::BaseStation(_) => Vec::new(),
            Whom::All => records.iter().collect(),
        };
        if wanted.is_empty() {
            continue;
        }
        let mut ring = trace.shared.ring.lock().unwrap_or_else(PoisonError::into_inner);
        wanted.into_iter().for_each(|record| ring.push(record.clone()));
        drop(ring);
        trace.shared.news.notify_one();
    }
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}
