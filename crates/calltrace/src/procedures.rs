//! Procedures in a ladder: what began with which message, what came of it, and how long it took.

use crate::ladder::Message;
use serde::Serialize;
use std::collections::BTreeMap;

/// A procedure of a phone or base station.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Procedure {
    /// From 0.
    pub number: usize,
    /// `attach`, `authentication`, ...
    pub name: &'static str,
    /// Whose.
    pub imsi: Option<String>,
    /// When it began, microseconds since 1970 UTC.
    pub began: u64,
    /// To its last message, microseconds.
    pub duration: u64,
    /// `success`, `failure`, or `open` when its end was not seen.
    pub result: &'static str,
    /// Why it failed, in words.
    pub cause: Option<String>,
    /// Numbers of the messages that are its own.
    pub messages: Vec<usize>,
    /// The procedure that it is a part of.
    pub parent: Option<usize>,
}

/// How a procedure begins and ends.
struct Rule {
    name: &'static str,
    begins: &'static [&'static str],
    good: &'static [&'static str],
    bad: &'static [&'static str],
    /// It stands by itself: another one that is under way does not contain it.
    whole: bool,
}

const fn part(
    name: &'static str,
    begins: &'static [&'static str],
    good: &'static [&'static str],
    bad: &'static [&'static str],
) -> Rule {
    Rule { name, begins, good, bad, whole: false }
}

const fn whole(
    name: &'static str,
    begins: &'static [&'static str],
    good: &'static [&'static str],
    bad: &'static [&'static str],
) -> Rule {
    Rule { name, begins, good, bad, whole: true }
}

/// TS 24.301 §5.4 to §5.6, §6.4, §6.5; TS 36.413 §8; TS 29.272 §5.2.
const RULES: [Rule; 22] = [
    whole("attach", &["ATTACH REQUEST"], &["ATTACH COMPLETE"], &["ATTACH REJECT", "AUTHENTICATION REJECT"]),
    whole(
        "tracking area update",
        &["TRACKING AREA UPDATE REQUEST"],
        &["TRACKING AREA UPDATE ACCEPT"],
        &["TRACKING AREA UPDATE REJECT"],
    ),
    whole(
        "service request",
        &["SERVICE REQUEST", "EXTENDED SERVICE REQUEST", "CONTROL PLANE SERVICE REQUEST"],
        &["INITIAL CONTEXT SETUP RESPONSE", "SERVICE ACCEPT"],
        &["SERVICE REJECT", "INITIAL CONTEXT SETUP FAILURE"],
    ),
    whole("detach", &["DETACH REQUEST"], &["DETACH ACCEPT", "UE CONTEXT RELEASE COMPLETE"], &[]),
    whole("paging", &["PAGING"], &["SERVICE REQUEST", "EXTENDED SERVICE REQUEST", "TRACKING AREA UPDATE REQUEST"], &[]),
    whole(
        "handover",
        &["HANDOVER REQUIRED"],
        &["HANDOVER NOTIFY"],
        &["HANDOVER PREPARATION FAILURE", "HANDOVER CANCEL ACKNOWLEDGE"],
    ),
    whole(
        "path switch",
        &["PATH SWITCH REQUEST"],
        &["PATH SWITCH REQUEST ACKNOWLEDGE"],
        &["PATH SWITCH REQUEST FAILURE"],
    ),
    whole("S1 setup", &["S1 SETUP REQUEST"], &["S1 SETUP RESPONSE"], &["S1 SETUP FAILURE"]),
    whole("reset", &["RESET"], &["RESET ACKNOWLEDGE"], &[]),
    part("release", &["UE CONTEXT RELEASE COMMAND"], &["UE CONTEXT RELEASE COMPLETE"], &[]),
    part("identification", &["IDENTITY REQUEST"], &["IDENTITY RESPONSE"], &[]),
    part(
        "authentication",
        &["AUTHENTICATION REQUEST"],
        &["AUTHENTICATION RESPONSE"],
        &["AUTHENTICATION FAILURE", "AUTHENTICATION REJECT"],
    ),
    part("security mode", &["SECURITY MODE COMMAND"], &["SECURITY MODE COMPLETE"], &["SECURITY MODE REJECT"]),
    part("ESM information", &["ESM INFORMATION REQUEST"], &["ESM INFORMATION RESPONSE"], &[]),
    part(
        "context setup",
        &["INITIAL CONTEXT SETUP REQUEST"],
        &["INITIAL CONTEXT SETUP RESPONSE"],
        &["INITIAL CONTEXT SETUP FAILURE"],
    ),
    part("bearer setup", &["E-RAB SETUP REQUEST"], &["E-RAB SETUP RESPONSE"], &[]),
    part(
        "session",
        &["ACTIVATE DEFAULT EPS BEARER CONTEXT REQUEST"],
        &["ACTIVATE DEFAULT EPS BEARER CONTEXT ACCEPT"],
        &["ACTIVATE DEFAULT EPS BEARER CONTEXT REJECT"],
    ),
    part("session ends", &["DEACTIVATE EPS BEARER CONTEXT REQUEST"], &["DEACTIVATE EPS BEARER CONTEXT ACCEPT"], &[]),
    part("vectors from home", &["Authentication-Information Request"], &["Authentication-Information Answer"], &[]),
    part("location update at home", &["Update-Location Request"], &["Update-Location Answer"], &[]),
    part("purge at home", &["Purge-UE Request"], &["Purge-UE Answer"], &[]),
    part("equipment check", &["ME-Identity-Check Request"], &["ME-Identity-Check Answer"], &[]),
];

/// How a message ends a procedure.
fn verdict(rule: &Rule, message: &Message) -> Option<&'static str> {
    let is = |names: &[&str]| names.iter().any(|name| message.says(name));
    if is(rule.bad) || (is(rule.good) && message.result == Some("failure")) {
        Some("failure")
    } else {
        is(rule.good).then_some("success")
    }
}

/// Whether a message says by itself how something went.
pub(crate) fn result(message: &Message) -> Option<&'static str> {
    if message.result.is_some() {
        return message.result;
    }
    let says = |names: &[&str]| names.contains(&message.name.as_str());
    if RULES.iter().any(|rule| says(rule.bad)) {
        return Some("failure");
    }
    let answers = |rule: &Rule| says(rule.good) && !RULES.iter().any(|rule| says(rule.begins));
    RULES.iter().any(answers).then_some("success")
}

/// Whether a message may end a procedure.
pub(crate) fn ends(message: &Message) -> bool {
    RULES.iter().any(|rule| verdict(rule, message).is_some())
}

/// Finds the procedures, and writes into each message to which it belongs.
pub(crate) fn group(messages: &mut [Message]) -> Vec<Procedure> {
    let mut all: Vec<Procedure> = Vec::new();
    // Those under way, by whose they are: number of rule and of procedure, outermost first.
    let mut under_way: BTreeMap<String, Vec<(usize, usize)>> = BTreeMap::new();
    for message in messages {
        let open = under_way.entry(message.owner()).or_default();
        let mut belongs = None;
        for (rule, number) in open.clone().into_iter().rev() {
            let Some(result) = RULES.get(rule).and_then(|rule| verdict(rule, message)) else { continue };
            if let Some(procedure) = all.get_mut(number) {
                procedure.result = result;
                procedure.duration = message.at.saturating_sub(procedure.began);
                procedure.cause = message.cause.clone().filter(|_| result == "failure");
                belongs = belongs.or(Some(number));
            }
            open.retain(|(_, other)| *other != number);
        }
        for (number_of_rule, rule) in RULES.iter().enumerate() {
            if !rule.begins.iter().any(|name| message.says(name)) {
                continue;
            }
            // The same again, as when it is repeated, is the same procedure.
            if open.iter().any(|(other, _)| *other == number_of_rule) {
                continue;
            }
            if rule.whole {
                open.clear();
            }
            let number = all.len();
            let parent = open.iter().rev().find(|(rule, _)| RULES.get(*rule).is_some_and(|rule| rule.whole));
            all.push(Procedure {
                number,
                name: rule.name,
                imsi: message.imsi.clone(),
                began: message.at,
                duration: 0,
                result: "open",
                cause: None,
                messages: Vec::new(),
                parent: parent.map(|(_, number)| *number),
            });
            open.push((number_of_rule, number));
            belongs = Some(number);
        }
        message.procedure = belongs.or(open.last().map(|(_, number)| *number));
        if let Some(procedure) = message.procedure.and_then(|number| all.get_mut(number)) {
            procedure.messages.push(message.number);
            procedure.duration = procedure.duration.max(message.at.saturating_sub(procedure.began));
            procedure.imsi = procedure.imsi.take().or_else(|| message.imsi.clone());
        }
    }
    all
}
