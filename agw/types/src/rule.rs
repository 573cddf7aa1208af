//! Policy rules: which packets of a session get which treatment (TS 23.203 §6.3.1).
//!
//! A rule is valid by [`PolicyRule::check`], whose errors name the cause and the fix. Rules with equal QoS share a bearer; a rule
//! without QoS, or with that of the default bearer, goes by the default bearer.

use crate::{Ambr, Arp, BearerQos, SdfFilter};
use basalt_ids::{Ebi, Qci};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A policy and charging rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyRule {
    /// Its name, unique in a session: 1 to 32 letters, digits, `-`, `_` or `.`.
    pub name: String,
    /// Lower is looked at first. The filters of a rule take as many numbers from this one on as there are filters.
    pub precedence: u8,
    /// Its service data flows, 1 to 15.
    pub filters: Vec<SdfFilter>,
    /// Which directions may pass (flow status).
    pub gate: Gate,
    /// The bearer it asks for; `None` for the default bearer.
    pub qos: Option<RuleQos>,
    /// Maximum bit rates over all its flows, bit/s; `u64::MAX` is without limit.
    pub mbr: Ambr,
    /// Rating group (TS 32.299): rules of one group share its quota, 0 for none. One from [`RATING_GROUP`] on has no quota.
    pub rating_group: u32,
    /// Usage monitoring key, 0 for none.
    pub monitoring_key: u32,
}

/// A rule that a subscriber's sessions begin with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum SubscribedRule {
    /// One of the configuration, by name.
    Named(String),
    /// Its own.
    Own(Box<PolicyRule>),
}

/// Flow status of a rule (TS 29.214 §5.3.11).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gate {
    /// Packets from the phone may pass.
    pub uplink: bool,
    /// Packets to the phone may pass.
    pub downlink: bool,
}

impl Gate {
    /// Both directions pass.
    pub const OPEN: Gate = Gate { uplink: true, downlink: true };
    /// Nothing passes.
    pub const CLOSED: Gate = Gate { uplink: false, downlink: false };
}

/// QoS that a rule asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleQos {
    /// Class and priority.
    pub bearer: BearerQos,
    /// Guaranteed bit rates, bit/s; with a class that has them (TS 23.203 table 6.1.7), and only then.
    pub gbr: Option<Ambr>,
}

/// Rates of a guaranteed bearer, bit/s (TS 36.413 §9.2.1.18).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct BearerRates {
    /// Guaranteed.
    pub guaranteed: Ambr,
    /// Maximum.
    pub maximum: Ambr,
}

/// Most filters of a rule, and of all rules that share a bearer (TS 24.008 §10.5.6.12: four bits).
pub const MAX_FILTERS: usize = 15;
/// Most filters of a session.
pub const MAX_SESSION_FILTERS: usize = 64;
/// Where usage is told by rule, a rating group has the number of this bit and its own.
pub const RATING_GROUP: u32 = 1 << 31;
/// Highest rate of a bearer that both radio and phone can be told, bit/s.
const HIGHEST_RATE: u64 = 10_000_000_000;

/// Whether a class has guaranteed rates (TS 23.203 table 6.1.7-A).
#[must_use]
pub const fn is_guaranteed(qci: Qci) -> bool {
    matches!(qci.0, 1..=4 | 65..=67 | 71..=76 | 82..=85)
}

impl PolicyRule {
    /// A rule for these flows on the default bearer, open, without limit.
    #[must_use]
    pub fn new(name: &str, precedence: u8, filters: Vec<SdfFilter>) -> Self {
        let mbr = Ambr { uplink: u64::MAX, downlink: u64::MAX };
        let (name, gate) = (name.to_owned(), Gate::OPEN);
        Self { name, precedence, filters, gate, qos: None, mbr, rating_group: 0, monitoring_key: 0 }
    }

    /// Whether the rule can be used.
    ///
    /// # Errors
    /// What is wrong and what to do, as a sentence.
    pub fn check(&self) -> Result<(), String> {
        let name = &self.name;
        let letter = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if name.is_empty() || name.len() > 32 || !name.chars().all(letter) {
            let shown = name.escape_debug();
            return Err(format!("`{shown}` is not a rule name: use 1 to 32 letters, digits, `-`, `_` or `.`"));
        }
        let wrong = |what: String| Err(format!("rule `{name}`: {what}"));
        match self.filters.len() {
            0 => {
                return wrong(
                    "it has no flow: add one, such as \"both udp remote 192.0.2.10 remote-port 5060\"".into(),
                );
            }
            1..=MAX_FILTERS => {}
            more => return wrong(format!("{more} flows are too many: a rule has at most {MAX_FILTERS}; split it")),
        }
        if usize::from(self.precedence) + self.filters.len() > 256 {
            return wrong(format!("its flows take precedences up to 255: use {} or less", 256 - self.filters.len()));
        }
        if self.mbr.uplink == 0 || self.mbr.downlink == 0 {
            return wrong("a maximum bit rate of 0 lets nothing pass: close the gate instead".into());
        }
        let Some(qos) = &self.qos else { return Ok(()) };
        qos.check(self.mbr).or_else(wrong)
    }

    /// What its flows may carry together, bit/s. Without a maximum bit rate, those of a guaranteed class may carry what they are guaranteed:
    /// nothing else holds for them, since a session's aggregate is of its other bearers (TS 23.401 §4.7.3).
    #[must_use]
    pub fn most(&self) -> Ambr {
        self.rates().map_or(self.mbr, |rates| rates.maximum)
    }

    /// The rates that its bearer needs for it, if its class has guaranteed ones.
    #[must_use]
    pub fn rates(&self) -> Option<BearerRates> {
        let guaranteed = self.qos?.gbr?;
        let most = |maximum: u64, guaranteed: u64| if maximum == u64::MAX { guaranteed } else { maximum };
        let maximum = Ambr {
            uplink: most(self.mbr.uplink, guaranteed.uplink),
            downlink: most(self.mbr.downlink, guaranteed.downlink),
        };
        Some(BearerRates { guaranteed, maximum })
    }
}

impl RuleQos {
    fn check(&self, mbr: Ambr) -> Result<(), String> {
        let (qci, Arp { priority, .. }) = (self.bearer.qci, self.bearer.arp);
        if !matches!(qci.0, 1..=9 | 65..=67 | 69..=76 | 79..=80 | 82..=85) {
            return Err(format!(
                "QCI {} is not in TS 23.203 table 6.1.7: use 1 to 9, 65 to 76, 79, 80 or 82 to 85",
                qci.0
            ));
        }
        if !(1..=15).contains(&priority) {
            return Err(format!("priority {priority} is out of range: use 1 (highest) to 15"));
        }
        let Some(gbr) = self.gbr else {
            return if is_guaranteed(qci) {
                Err(format!("QCI {} has guaranteed rates: set gbr_uplink and gbr_downlink, or use QCI 5 to 9", qci.0))
            } else {
                Ok(())
            };
        };
        if !is_guaranteed(qci) {
            return Err(format!("QCI {} has no guaranteed rates: remove them, or use QCI 1 to 4", qci.0));
        }
        if gbr.uplink > HIGHEST_RATE || gbr.downlink > HIGHEST_RATE {
            return Err("a guaranteed rate is above 10 Gbit/s: use less".into());
        }
        if gbr.uplink > mbr.uplink || gbr.downlink > mbr.downlink {
            return Err("a guaranteed rate is above the maximum rate: raise mbr or lower gbr".into());
        }
        Ok(())
    }
}

/// What a gateway offers beyond a default bearer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct QosConfig {
    /// Rules by name: what access points and subscribers refer to.
    pub rules: Vec<PolicyRule>,
    /// Names of rules that every session of an access point has, and what it may guarantee.
    pub apns: BTreeMap<String, ApnQos>,
    /// Guaranteed rates of all bearers together, bit/s; `None` is without bound.
    pub guaranteed: Option<Ambr>,
    /// The same over one base station, which is known by the address that it receives GTP-U on.
    pub guaranteed_per_enb: Option<Ambr>,
    /// Marking of packets.
    pub marking: Marking,
}

/// See [`QosConfig::apns`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApnQos {
    /// Rules that every session has.
    pub rules: Vec<String>,
    /// Guaranteed rates of all its bearers together, bit/s; `None` is without bound.
    pub guaranteed: Option<Ambr>,
    /// What phones may ask for by themselves; `None` for nothing.
    pub requested: Option<RequestedQos>,
}

/// What phones may ask for by BEARER RESOURCE ALLOCATION REQUEST.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestedQos {
    /// Classes.
    pub qcis: Vec<u8>,
    /// Highest guaranteed rate of one bearer, bit/s.
    pub gbr: Ambr,
}

/// DSCP of outer packets by QCI, where it differs from GSMA IR.34 table 6.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Marking(pub BTreeMap<u8, u8>);

impl Marking {
    /// The ToS octet of a class: its DSCP, shifted.
    #[must_use]
    pub fn tos(&self, qci: Qci) -> u8 {
        self.0.get(&qci.0).copied().unwrap_or_else(|| ir34(qci.0)) << 2
    }
}

/// DSCP by GSMA IR.34 table 6.
const fn ir34(qci: u8) -> u8 {
    match qci {
        // Conversational: EF.
        1..=3 | 65..=67 => 46,
        // Streaming: AF41.
        4 | 71..=76 => 34,
        // Interactive, signalling first: AF31, AF32, AF21, AF11.
        5 | 69 => 26,
        6 | 70 => 28,
        7 => 18,
        8 => 10,
        // Background.
        _ => 0,
    }
}

/// A rule in force for a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActiveRule {
    /// Its number in the session: what it has counted stays with it.
    pub id: u32,
    /// The rule.
    pub rule: PolicyRule,
    /// Why its bearer cannot be had now.
    pub refused: Option<RuleRefusal>,
}

/// Why a rule has no bearer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum RuleRefusal {
    /// Guaranteed rates do not fit; asked again when the phone is connected the next time.
    Admission,
    /// A more important bearer took its place; asked again when the phone is connected the next time.
    Preempted,
    /// The base station could not set the bearer up, or gave it up; asked again when the phone is connected the next time.
    Radio,
    /// The phone refused it with this ESM cause.
    Phone(u8),
    /// The phone did not answer.
    Timeout,
    /// The phone has as many bearers as there can be.
    TooManyBearers,
    /// The phone gave the bearer up.
    Released,
}

impl RuleRefusal {
    /// Whether it may be otherwise when the phone is connected the next time.
    #[must_use]
    pub const fn passes(self) -> bool {
        matches!(self, Self::Admission | Self::Preempted | Self::Radio | Self::Timeout)
    }

    /// In words.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Admission => "the guaranteed rates do not fit beside those that are granted already",
            Self::Preempted => "a more important bearer took its place",
            Self::Radio => "the base station has no room for the bearer",
            Self::Phone(_) => "the phone refused the bearer",
            Self::Timeout => "the phone did not answer",
            Self::TooManyBearers => "the phone has as many bearers as there can be",
            Self::Released => "the phone gave the bearer up",
        }
    }
}

/// A dedicated bearer (TS 23.401 §4.7.2).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bearer {
    /// Its identity.
    pub ebi: Ebi,
    /// Class and priority.
    pub qos: BearerQos,
    /// Rates, of a guaranteed one.
    pub rates: Option<BearerRates>,
    /// Where the gateway receives its GTP-U.
    pub local: (core::net::IpAddr, basalt_ids::Teid),
    /// Where the base station receives it; `None` while idle.
    pub remote: Option<(core::net::IpAddr, basalt_ids::Teid)>,
    /// The phone has accepted it.
    pub confirmed: bool,
    /// Its packet filters, as the phone was told last.
    pub filters: Vec<BearerFilter>,
}

/// A packet filter of a bearer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BearerFilter {
    /// Identifier in the bearer's template, 0 to 15.
    pub id: u8,
    /// Number of the rule.
    pub rule: u32,
    /// Which of the rule's flows.
    pub index: u8,
    /// Evaluation precedence, unique in the session.
    pub precedence: u8,
    /// What it says.
    pub filter: SdfFilter,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(qci: u8, gbr: Option<u64>) -> PolicyRule {
        let arp = Arp { priority: 2, may_preempt: false, preemptable: true };
        let gbr = gbr.map(|rate| Ambr { uplink: rate, downlink: rate });
        let mut rule = PolicyRule::new("voice", 10, vec![SdfFilter::ANY]);
        rule.qos = Some(RuleQos { bearer: BearerQos { qci: Qci(qci), arp }, gbr });
        rule
    }

    #[test]
    fn errors_name_cause_and_fix() {
        assert_eq!(rule(1, Some(64_000)).check(), Ok(()));
        assert_eq!(rule(7, None).check(), Ok(()));
        let wrong = |rule: PolicyRule, word: &str| {
            let error = rule.check().unwrap_err();
            assert!(error.contains(word), "{error}");
        };
        wrong(rule(1, None), "set gbr_uplink");
        wrong(rule(9, Some(1)), "remove them");
        wrong(rule(10, None), "table 6.1.7");
        wrong(PolicyRule { name: "a b".into(), ..rule(7, None) }, "letters");
        wrong(PolicyRule { filters: Vec::new(), ..rule(7, None) }, "no flow");
        wrong(PolicyRule { filters: vec![SdfFilter::ANY; 16], ..rule(7, None) }, "split it");
        wrong(PolicyRule { mbr: Ambr { uplink: 1, downlink: 1 }, ..rule(1, Some(2)) }, "above the maximum");
        wrong(PolicyRule { mbr: Ambr { uplink: 0, downlink: 1 }, ..rule(7, None) }, "close the gate");
        assert_eq!(PolicyRule { rating_group: u32::MAX, ..rule(7, None) }.check(), Ok(()));
    }

    #[test]
    fn a_maximum_that_is_not_set_is_what_is_guaranteed() {
        let rates = rule(1, Some(64_000)).rates().unwrap();
        assert_eq!(rates.maximum, rates.guaranteed);
        assert_eq!(rule(7, None).rates(), None);
    }

    #[test]
    fn marking_is_that_of_the_operators_unless_configured() {
        let mut marking = Marking::default();
        assert_eq!((marking.tos(Qci(1)), marking.tos(Qci(9))), (46 << 2, 0));
        marking.0.insert(9, 8);
        assert_eq!(marking.tos(Qci(9)), 8 << 2);
    }
}
