//! Events as lines for people and JSON for programs; a bounded past, and whoever listens.

use agw_types::Event;
use std::collections::VecDeque;
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::sync::broadcast;

/// One event, told.
#[derive(Debug, Clone)]
pub struct EventLine {
    /// Where it is kept until the orchestrator's outbox has it; 0 where it is not.
    pub place: u64,
    /// Milliseconds since 1970 UTC.
    pub unix_millis: u64,
    /// `attached`, `rejected`, ...
    pub kind: &'static str,
    /// The phone's IMSI in clear, or empty.
    pub imsi: String,
    /// The base station, or empty.
    pub enb: String,
    /// In words.
    pub text: String,
    /// All facts.
    pub json: String,
}

/// Keeps the last events and tells them to listeners.
#[derive(Debug)]
pub struct Events {
    past: VecDeque<EventLine>,
    sender: broadcast::Sender<EventLine>,
}

/// Events kept.
const PAST: usize = 10_000;
/// Events a slow listener may be behind before it misses some.
const BACKLOG: usize = 1_024;

impl Events {
    /// None yet.
    #[must_use]
    pub fn new() -> Self {
        Self { past: VecDeque::new(), sender: broadcast::Sender::new(BACKLOG) }
    }

    /// Tells an event that is durable: to the log with masked identities, to listeners with clear ones.
    pub fn tell(&mut self, event: &Event, line: EventLine) {
        match event {
            Event::EnbRefused { .. }
            | Event::EnbProtocolError { .. }
            | Event::Security { .. }
            | Event::Rejected(_)
            | Event::PathLost { .. }
            | Event::InterfaceLost { .. } => {
                tracing::warn!(target: "event", kind = line.kind, "{}", masked(&line));
            }
            Event::EnbConnected { .. }
            | Event::EnbLost { .. }
            | Event::Repaired { .. }
            | Event::PathBack { .. }
            | Event::InterfaceBack { .. } => {
                tracing::info!(target: "event", kind = line.kind, "{}", masked(&line));
            }
            _ => tracing::debug!(target: "event", kind = line.kind, "{}", masked(&line)),
        }
        if self.past.len() >= PAST {
            self.past.pop_front();
        }
        self.past.push_back(line.clone());
        // Nobody listening is no failure.
        let _ = self.sender.send(line);
    }

    /// Events that are kept after a place, oldest first, as far as they are remembered.
    #[must_use]
    pub fn after(&self, place: u64) -> Vec<EventLine> {
        self.past.iter().filter(|line| line.place > place).cloned().collect()
    }

    /// The last `count` events of `imsi` (empty: of all), oldest first, and those from now on.
    #[must_use]
    pub fn watch(&self, imsi: &str, count: usize) -> (Vec<EventLine>, broadcast::Receiver<EventLine>) {
        let wanted = self.past.iter().rev().filter(|line| imsi.is_empty() || line.imsi == imsi);
        let mut past: Vec<EventLine> = wanted.take(count).cloned().collect();
        past.reverse();
        (past, self.sender.subscribe())
    }
}

/// The text for a log: the IMSI is masked.
fn masked(line: &EventLine) -> String {
    if line.imsi.is_empty() {
        return line.text.clone();
    }
    let (head, tail) = (line.imsi.get(..5).unwrap_or_default(), line.imsi.len().saturating_sub(4));
    let short = format!("{head}…{}", line.imsi.get(tail..).unwrap_or_default());
    line.text.replace(&line.imsi, &short)
}

impl EventLine {
    /// An event as it happens.
    #[must_use]
    pub fn new(event: &Event) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let (kind, imsi, enb, text) = describe(event);
        Self {
            place: 0,
            unix_millis: u64::try_from(now.as_millis()).unwrap_or(u64::MAX),
            kind,
            imsi,
            enb,
            text,
            json: serde_json::to_string(event).unwrap_or_default(),
        }
    }
}

fn describe(event: &Event) -> (&'static str, String, String, String) {
    let none = String::new;
    match event {
        Event::EnbConnected { enb, name, peer, areas, .. } => {
            let name = name.as_deref().map(|name| format!(" \"{name}\"")).unwrap_or_default();
            let from = peer.map(|peer| format!(" from {peer}")).unwrap_or_default();
            let areas: Vec<String> = areas.iter().map(ToString::to_string).collect();
            let text = format!("base station {enb}{name} connected{from}, serving {}", areas.join(", "));
            ("enb-connected", none(), enb.to_string(), text)
        }
        Event::EnbRefused { enb, peer, reason } => {
            let who = enb.map(|enb| enb.to_string()).unwrap_or_default();
            let from = peer.map(|peer| format!(" from {peer}")).unwrap_or_default();
            ("enb-refused", none(), who.clone(), format!("base station {who}{from} refused: {reason}"))
        }
        Event::EnbLost { enb, connected_ues } => {
            let text = format!("base station {enb} lost, {connected_ues} phones were connected over it");
            ("enb-lost", none(), enb.to_string(), text)
        }
        Event::EnbProtocolError { link, what } => {
            ("enb-protocol-error", none(), none(), format!("association {}: {what}", link.0))
        }
        Event::Attached { imsi, guti, cell, micros } => {
            let text = format!("{imsi} attached in cell {cell} as {guti}, in {} ms", micros / 1000);
            ("attached", imsi.to_string(), none(), text)
        }
        Event::Rejected(info) => {
            let imsi = info.imsi.map(|imsi| imsi.to_string()).unwrap_or_default();
            let who = if imsi.is_empty() { "an unknown phone" } else { imsi.as_str() };
            let cause = info.emm_cause.map(|cause| format!(" (EMM cause #{cause})")).unwrap_or_default();
            let text = format!("{who}: {} refused{cause}: {}; {}", info.procedure, info.reason, info.advice);
            ("rejected", imsi.clone(), none(), text)
        }
        Event::Detached { imsi, reason } => {
            ("detached", imsi.to_string(), none(), format!("{imsi} detached: {reason}"))
        }
        Event::Idle { imsi } => ("idle", imsi.to_string(), none(), format!("{imsi} is idle")),
        Event::Connected { imsi, cell } => {
            ("connected", imsi.to_string(), none(), format!("{imsi} is connected in cell {cell}"))
        }
        Event::SessionStarted { imsi, apn, address, .. } => {
            ("session-started", imsi.to_string(), none(), format!("{imsi} has {address} on {apn}"))
        }
        Event::SessionEnded { imsi, ebi, reason } => {
            let text = format!("{imsi}: session of bearer {} ended: {reason}", ebi.value());
            ("session-ended", imsi.to_string(), none(), text)
        }
        Event::DataLow { imsi, left } => {
            ("data-low", imsi.to_string(), none(), format!("{imsi} has {left} octets of its data plan left"))
        }
        Event::DataUsedUp { imsi, slowed } => {
            let then = match slowed {
                Some(rate) => format!("it is slowed to {rate} bit/s"),
                None => "nothing passes any more".to_owned(),
            };
            ("data-used-up", imsi.to_string(), none(), format!("{imsi} has used up its data plan: {then}"))
        }
        Event::QuotaLow { imsi, rating_group, left } => {
            let text = format!("{imsi} has {left} octets of rating group {rating_group} left");
            ("quota-low", imsi.to_string(), none(), text)
        }
        Event::QuotaUsedUp { imsi, rating_group, slowed } => {
            let then = match slowed {
                Some(rate) => format!("its rules are slowed to {rate} bit/s together"),
                None => "nothing of its rules passes any more".to_owned(),
            };
            let text = format!("{imsi} has used up the quota of rating group {rating_group}: {then}");
            ("quota-used-up", imsi.to_string(), none(), text)
        }
        Event::PathLost { peer } => (
            "path-lost",
            none(),
            none(),
            format!(
                "{peer} does not answer GTP-U Echo Requests: its phones get no packets; check the path and the firewall"
            ),
        ),
        Event::PathBack { peer } => ("path-back", none(), none(), format!("{peer} answers GTP-U Echo Requests again")),
        Event::InterfaceLost { name, what } => {
            ("interface-lost", none(), none(), format!("no packets pass by interface {name}: {what}"))
        }
        Event::InterfaceBack { name, what } => {
            ("interface-back", none(), none(), format!("packets pass by interface {name}: {what}"))
        }
        Event::BearerStarted { imsi, ebi, qci, rules } => {
            let rules = rules.join(", ");
            let text = format!("{imsi}: bearer {} of QCI {qci} carries {rules}", ebi.value());
            ("bearer-started", imsi.to_string(), none(), text)
        }
        Event::BearerEnded { imsi, ebi, reason } => {
            let text = format!("{imsi}: bearer {} ended: {reason}", ebi.value());
            ("bearer-ended", imsi.to_string(), none(), text)
        }
        Event::RuleRefused { imsi, rule, reason } => {
            let text = format!("{imsi}: rule `{rule}` has no bearer: {reason}");
            ("rule-refused", imsi.to_string(), none(), text)
        }
        Event::PagingFailed { imsi, attempts } => {
            ("paging-failed", imsi.to_string(), none(), format!("{imsi} did not answer {attempts} pages"))
        }
        Event::Security { imsi, what } => {
            let imsi = imsi.map(|imsi| imsi.to_string()).unwrap_or_default();
            ("security", imsi.clone(), none(), format!("{imsi} {what}").trim().to_owned())
        }
        Event::Repaired { what } => ("repaired", none(), none(), format!("repaired: {what}")),
        Event::PortBlock { imsi, inside, outside, first, last, given } => {
            let (kind, has) = if *given { ("port-block-given", "has") } else { ("port-block-taken", "has no more") };
            let text = format!("{imsi} {has} ports {first} to {last} of {outside}, for {inside}");
            (kind, imsi.to_string(), none(), text)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn idle(imsi: &str) -> Event {
        Event::Idle { imsi: imsi.parse().unwrap() }
    }

    #[test]
    fn the_past_is_by_phone_and_in_order() {
        let mut events = Events::new();
        for imsi in ["001010000000001", "001010000000002", "001010000000001"] {
            events.tell(&idle(imsi), EventLine::new(&idle(imsi)));
        }
        assert_eq!(events.watch("", 2).0.len(), 2);
        let (past, mut next) = events.watch("001010000000001", 10);
        assert_eq!(past.len(), 2);
        events.tell(&idle("001010000000003"), EventLine { place: 7, ..EventLine::new(&idle("001010000000003")) });
        assert_eq!((events.after(6).len(), events.after(7).len()), (1, 0));
        assert_eq!(next.try_recv().unwrap().imsi, "001010000000003");
    }

    #[test]
    fn the_log_does_not_show_who() {
        let line = EventLine::new(&idle("001010000000001"));
        assert_eq!(masked(&line), "00101…0001 is idle");
        assert!(line.text.contains("001010000000001"));
    }
}
