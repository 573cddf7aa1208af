//! The rules that hold from the first minute, without setup. Each has a page in `docs/book/src/runbooks`.

mod gateway;
mod ratios;

use crate::engine::Timing;
use crate::watched::Watched;
use orchestrator_model::Severity::{self, Critical, Info, Major, Minor};

/// What a rule found: about what, and in words if it is bad. Without words it is neither bad nor good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// A base station, an access point, a peer; empty for the gateway itself.
    pub subject: String,
    /// What is wrong; `None` between the bounds of bad and good.
    pub words: Option<String>,
}

/// What a rule finds at a gateway.
#[derive(Debug, Default)]
pub struct Found(pub Vec<Finding>);

impl Found {
    fn bad(&mut self, subject: &str, words: String) {
        self.0.push(Finding { subject: subject.to_owned(), words: Some(words) });
    }

    fn unsure(&mut self, subject: &str) {
        self.0.push(Finding { subject: subject.to_owned(), words: None });
    }

    /// Bad, between, or good (nothing is noted).
    fn band(&mut self, subject: &str, bad: bool, good: bool, words: impl FnOnce() -> String) {
        match (bad, good) {
            (true, _) => self.bad(subject, words()),
            (false, false) => self.unsure(subject),
            (false, true) => {}
        }
    }
}

type Check = fn(&Watched, i64, &mut Found);

/// Where a rule looks.
#[derive(Clone, Copy)]
pub enum Look {
    /// At what a gateway tells, while it talks.
    Gateway(Check),
    /// At a gateway, whether it talks or not.
    Always(Check),
    /// At an event that the gateway or the orchestrator told.
    Event(EventLook),
    /// At the orchestrator itself.
    Orchestrator,
}

/// An event that is an alarm until something is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventLook {
    /// The kind of event.
    pub kind: &'static str,
    /// The kind that ends it, about the same subject.
    pub ended_by: Option<&'static str>,
    /// The fact that says what it is about; without one, it is about the gateway.
    pub fact: Option<&'static str>,
    /// It is over when it was not told for so long, milliseconds.
    pub quiet: i64,
}

/// A rule.
#[derive(Clone, Copy)]
pub struct Rule {
    /// Its name: that of its alarms, of their events and of its page.
    pub name: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// What it means, in a line.
    pub title: &'static str,
    /// So long a condition must hold, milliseconds.
    pub after: i64,
    /// So long it must be away, milliseconds.
    pub clear_after: i64,
    /// Where it looks.
    pub look: Look,
}

impl Rule {
    /// How it holds.
    #[must_use]
    pub fn timing(&self) -> Timing {
        let rule = self.name.to_owned();
        Timing { rule, severity: self.severity, after: self.after, clear_after: self.clear_after }
    }

    /// Where its page is in the handbook.
    #[must_use]
    pub fn runbook(&self) -> String {
        format!("runbooks/{}.html", self.name)
    }
}

const S: i64 = 1000;
const M: i64 = 60 * S;
const H: i64 = 60 * M;

const fn rule(name: &'static str, severity: Severity, title: &'static str, holds: (i64, i64), look: Look) -> Rule {
    Rule { name, severity, title, after: holds.0, clear_after: holds.1, look }
}

const fn event(kind: &'static str, ended_by: Option<&'static str>, fact: Option<&'static str>, quiet: i64) -> Look {
    Look::Event(EventLook { kind, ended_by, fact, quiet })
}

/// All of them.
pub const RULES: [Rule; 44] = [
    rule(
        "gateway-offline",
        Critical,
        "A gateway does not talk to the orchestrator.",
        (3 * S, 10 * S),
        Look::Always(gateway::offline),
    ),
    rule(
        "gateway-link-unstable",
        Minor,
        "A gateway's link to the orchestrator comes and goes.",
        (0, 5 * M),
        Look::Always(gateway::unstable),
    ),
    rule(
        "base-station-gone",
        Major,
        "A base station that was connected is not any more.",
        (2 * S, 10 * S),
        Look::Gateway(gateway::station_gone),
    ),
    rule(
        "all-base-stations-gone",
        Critical,
        "A gateway has lost all of its base stations.",
        (2 * S, 10 * S),
        Look::Gateway(gateway::all_stations_gone),
    ),
    rule(
        "user-plane-path-down",
        Major,
        "A base station does not answer GTP-U Echo Requests.",
        (0, 30 * S),
        Look::Gateway(gateway::paths),
    ),
    rule(
        "xdp-fell-back",
        Major,
        "Packets do not go the fastest way that the configuration allows.",
        (0, 10 * S),
        Look::Gateway(gateway::data_plane),
    ),
    rule(
        "data-plane-errors",
        Major,
        "Changes of the data plane's tables fail.",
        (0, 5 * M),
        Look::Gateway(gateway::data_plane_errors),
    ),
    rule(
        "data-plane-repairs",
        Minor,
        "Tables of the data plane had to be repaired.",
        (0, 5 * M),
        Look::Gateway(gateway::repairs),
    ),
    rule(
        "data-plane-table-nearly-full",
        Major,
        "A table of the data plane is nearly full.",
        (0, M),
        Look::Gateway(gateway::tables),
    ),
    rule(
        "address-pool-nearly-full",
        Minor,
        "A pool has few addresses left.",
        (0, M),
        Look::Gateway(gateway::pool_nearly_full),
    ),
    rule(
        "address-pool-exhausted",
        Critical,
        "A pool has no address left.",
        (0, 30 * S),
        Look::Gateway(gateway::pool_exhausted),
    ),
    rule("disk-nearly-full", Major, "A gateway's disk is nearly full.", (0, M), Look::Gateway(gateway::disk)),
    rule("memory-low", Major, "A gateway has little memory left.", (0, M), Look::Gateway(gateway::memory)),
    rule(
        "clock-wrong",
        Major,
        "A gateway's clock differs from the orchestrator's.",
        (0, M),
        Look::Gateway(gateway::clock),
    ),
    rule(
        "clock-not-synchronised",
        Minor,
        "A gateway's clock is not synchronised.",
        (10 * M, M),
        Look::Gateway(gateway::unsynchronised),
    ),
    rule(
        "reconcile-difference",
        Minor,
        "A gateway does not have what it should.",
        (5 * M, 10 * S),
        Look::Gateway(gateway::difference),
    ),
    rule(
        "configuration-refused",
        Major,
        "A gateway cannot put a part of its configuration into force.",
        (0, 10 * S),
        Look::Gateway(gateway::refused),
    ),
    rule(
        "restart-needed",
        Info,
        "A part of a gateway's configuration waits for a restart.",
        (M, 10 * S),
        Look::Gateway(gateway::pending),
    ),
    rule(
        "gateway-draining",
        Info,
        "A gateway takes no new phones for long.",
        (0, 10 * S),
        Look::Gateway(gateway::draining),
    ),
    rule(
        "version-skew",
        Info,
        "A gateway's software is another than the orchestrator's.",
        (H, 10 * S),
        Look::Gateway(gateway::version),
    ),
    rule(
        "usage-records-waiting",
        Minor,
        "Usage records are not taken over.",
        (10 * M, M),
        Look::Gateway(gateway::usage),
    ),
    rule("disk-slow", Major, "A gateway's disk is too slow for its phones.", (M, M), Look::Gateway(gateway::disk_slow)),
    rule(
        "traffic-stopped",
        Major,
        "Phones are connected and no packet passes.",
        (0, M),
        Look::Gateway(gateway::traffic),
    ),
    rule("attach-success-low", Major, "Many phones cannot attach.", (0, 2 * M), Look::Gateway(ratios::attach)),
    rule("attach-storm", Minor, "Unusually many phones attach at once.", (0, 2 * M), Look::Gateway(ratios::storm)),
    rule(
        "service-request-success-low",
        Major,
        "Many phones cannot go from idle to connected.",
        (0, 2 * M),
        Look::Gateway(ratios::service),
    ),
    rule(
        "tracking-area-update-failures",
        Minor,
        "Many tracking area updates fail.",
        (0, 2 * M),
        Look::Gateway(ratios::tau),
    ),
    rule(
        "authentication-failures",
        Major,
        "Many authentications fail.",
        (0, 2 * M),
        Look::Gateway(ratios::authentication),
    ),
    rule(
        "paging-failures",
        Minor,
        "Many phones do not answer when they are called.",
        (0, 2 * M),
        Look::Gateway(ratios::paging),
    ),
    rule("pdn-connectivity-failures", Major, "Many phones get no session.", (0, 2 * M), Look::Gateway(ratios::pdn)),
    rule("handover-failures", Minor, "Many handovers fail.", (0, 2 * M), Look::Gateway(ratios::handover)),
    rule("packet-drops-high", Minor, "Many user packets are dropped.", (0, 2 * M), Look::Gateway(ratios::drops)),
    rule(
        "federation-errors",
        Major,
        "Home networks do not answer many requests.",
        (0, 2 * M),
        Look::Gateway(ratios::federation),
    ),
    rule(
        "federation-peer-down",
        Critical,
        "A Diameter peer of a home network is down.",
        (0, 10 * S),
        Look::Gateway(gateway::peers),
    ),
    rule(
        "federation-realm-unreachable",
        Critical,
        "No Diameter peer of a home network takes requests.",
        (0, 10 * S),
        Look::Gateway(gateway::unreachable_realms),
    ),
    rule(
        "federation-realm-slow",
        Major,
        "A home network takes long to answer, or does not.",
        (0, 2 * M),
        Look::Gateway(gateway::slow_realms),
    ),
    rule(
        "certificate-expiring",
        Major,
        "A gateway's certificate runs out and it has not come to renew it.",
        (0, 0),
        event("certificate-expiring", None, None, 13 * H),
    ),
    rule("gateway-cloned", Critical, "Two gateways show one identity.", (0, 0), event("gateway-cloned", None, None, H)),
    rule(
        "suspicious-traffic",
        Major,
        "Somebody behaves like an attacker.",
        (0, 0),
        event("security", None, None, 15 * M),
    ),
    rule("events-dropped", Minor, "Events of a gateway were lost.", (0, 0), event("events-dropped", None, None, H)),
    rule("delivery-given-up", Minor, "A webhook or receiver of alarms could not be told.", (0, H), Look::Orchestrator),
    rule("database-slow", Major, "The orchestrator's database is slow.", (30 * S, M), Look::Orchestrator),
    rule(
        "orchestrator-disk-nearly-full",
        Critical,
        "The orchestrator's disk is nearly full.",
        (0, M),
        Look::Orchestrator,
    ),
    rule(
        "orchestrator-certificate-expiring",
        Critical,
        "The certificate of the orchestrator's REST interface ends soon, or has ended.",
        (0, 0),
        Look::Orchestrator,
    ),
];

/// The rule of a name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Rule> {
    RULES.iter().find(|rule| rule.name == name)
}

/// What all rules find at a gateway now.
#[must_use]
pub fn look(gateway: &Watched, now: i64) -> Vec<(&'static Rule, Finding)> {
    let connected = gateway.is_connected(now);
    let mut all = Vec::new();
    for rule in &RULES {
        let check = match rule.look {
            Look::Always(check) => check,
            Look::Gateway(check) if connected => check,
            _ => continue,
        };
        let mut found = Found::default();
        check(gateway, now, &mut found);
        all.extend(found.0.into_iter().map(|finding| (rule, finding)));
    }
    all
}

/// Whether a rule cannot look at a gateway now, or does not look at gateways by itself.
#[must_use]
pub fn is_blind(rule: &str, connected: bool) -> bool {
    match find(rule).map(|rule| rule.look) {
        Some(Look::Always(_)) => false,
        Some(Look::Gateway(_)) => !connected,
        // Events have their own ends; rules of others are judged apart.
        _ => true,
    }
}

#[cfg(test)]
mod tests;
