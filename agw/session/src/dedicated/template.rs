//! Traffic flow templates and QoS of dedicated bearers, as phones are told of them.

use crate::binding::{self, Wanted};
use crate::encode;
use agw_types::{BearerFilter, BearerRates, Session};
use basalt_ids::{Ebi, Pti};
use basalt_nas::esm::{ActivateDedicatedEpsBearerContextRequest, EsmMessage};
use basalt_nas::ie::{EpsQos, GbrRates, LinkedEbi, Tft, TftOperation};
use std::collections::BTreeSet;

/// The next change of a template and what it leaves: replaced filters first, then new ones, then those that go. A bearer is never
/// without filters.
pub(super) fn change(present: &[BearerFilter], all: &[BearerFilter]) -> (Option<TftOperation>, Vec<BearerFilter>) {
    let same_place = |a: &BearerFilter, b: &BearerFilter| (a.rule, a.index) == (b.rule, b.index);
    let told = |filters: &[BearerFilter]| filters.iter().map(binding::packet_filter).collect();
    let other: Vec<BearerFilter> =
        all.iter().filter(|new| present.iter().any(|old| same_place(old, new) && old != *new)).cloned().collect();
    if !other.is_empty() {
        let left = present.iter().map(|old| other.iter().find(|new| same_place(old, new)).unwrap_or(old).clone());
        return (Some(TftOperation::Replace(told(&other))), left.collect());
    }
    let new: Vec<BearerFilter> =
        all.iter().filter(|new| !present.iter().any(|old| same_place(old, new))).cloned().collect();
    if !new.is_empty() {
        let operation = TftOperation::Add(told(&new));
        return (Some(operation), present.iter().cloned().chain(new).collect());
    }
    let gone: Vec<u8> =
        present.iter().filter(|old| !all.iter().any(|new| same_place(old, new))).map(|old| old.id).collect();
    let operation = (!gone.is_empty()).then_some(TftOperation::DeleteFilters(gone));
    (operation, all.to_vec())
}

/// Precedences of a session's filters, those of one bearer left out.
pub(super) fn taken(session: &Session, but: Option<Ebi>) -> BTreeSet<u8> {
    let others = session.bearers.iter().filter(|bearer| Some(bearer.ebi) != but);
    others.flat_map(|bearer| &bearer.filters).map(|filter| filter.precedence).collect()
}

pub(super) fn qos(wanted: &Wanted) -> EpsQos {
    // In kbit/s, rounded up: less would not be what is guaranteed.
    let kilo = |rate: u64| rate.div_ceil(1000);
    match wanted.rates {
        None => EpsQos::non_gbr(wanted.qos.qci),
        Some(BearerRates { guaranteed, maximum }) => EpsQos::gbr(
            wanted.qos.qci,
            &GbrRates {
                max_uplink: kilo(maximum.uplink),
                max_downlink: kilo(maximum.downlink),
                guaranteed_uplink: kilo(guaranteed.uplink),
                guaranteed_downlink: kilo(guaranteed.downlink),
            },
        ),
    }
}

/// ACTIVATE DEDICATED EPS BEARER CONTEXT REQUEST. `None` when its filters are too long for one element.
pub(super) fn activation(
    session: Ebi,
    ebi: Ebi,
    pti: Pti,
    wanted: &Wanted,
    filters: &[BearerFilter],
) -> Option<Vec<u8>> {
    let tft = Tft::new(TftOperation::Create(filters.iter().map(binding::packet_filter).collect())).encode();
    if !binding::fits(&tft) {
        return None;
    }
    let message = ActivateDedicatedEpsBearerContextRequest::new(LinkedEbi::from(session), qos(wanted), tft);
    encode(Some(ebi), pti, EsmMessage::ActivateDedicatedEpsBearerContextRequest(message))
}
