//! Phones as the orchestrator shows them, some at a look, so that many of them do not hold up the gateway.

use crate::convert;
use crate::gateway::Gateway;
use basalt_cloud_sync::{Input, Phone};
use basalt_control_api::gateway::v1 as api;
use basalt_ids::Imsi;
use serde_json::json;

/// Phones of a look.
const SOME: usize = 500;

/// The phones after one; the next look begins where this one ends.
pub(super) fn look(gateway: &Gateway, after: &mut Option<Imsi>) -> Input {
    let (shown, next) = convert::ues(gateway, *after, SOME);
    let from = after.map(|imsi| imsi.to_string()).unwrap_or_default();
    let through = (!next.is_empty()).then_some(next);
    *after = through.as_ref().and_then(|imsi| imsi.parse().ok());
    Input::Phones { after: from, through, phones: shown.into_iter().map(phone).collect() }
}

/// Nothing of it changes while the phone does nothing: what it used is told by usage records.
fn phone(ue: api::Ue) -> Phone {
    let sessions: Vec<_> = ue.sessions.iter().map(session).collect();
    let reject = ue.last_reject.as_ref().map(|it| {
        json!({"at": it.unix_seconds, "procedure": it.procedure, "emm_cause": it.emm_cause, "esm_cause": it.esm_cause,
               "reason": it.reason, "advice": it.advice})
    });
    let facts = json!({
        "description": ue.description,
        "cell": ue.cell,
        "area": ue.area,
        "guti": ue.guti,
        "ciphering": ue.ciphering,
        "integrity": ue.integrity,
        "last_seen": ue.last_seen,
        "last_reject": reject,
        "sessions": sessions,
    });
    Phone {
        imsi: ue.imsi,
        state: ue.state,
        enb: ue.enb,
        apns: ue.sessions.iter().map(|it| it.apn.clone()).collect(),
        addresses: ue.sessions.iter().flat_map(|it| it.address.split([' ', ',']).map(str::to_owned)).collect(),
        json: facts.to_string(),
    }
}

fn session(it: &api::Session) -> serde_json::Value {
    let bearers: Vec<_> =
        it.bearers.iter().map(|it| json!({"ebi": it.ebi, "qci": it.qci, "state": it.state})).collect();
    json!({
        "ebi": it.ebi,
        "apn": it.apn,
        "address": it.address,
        "state": it.state,
        "qci": it.qci,
        "ambr_uplink": it.ambr_uplink,
        "ambr_downlink": it.ambr_downlink,
        "teid": it.local_teid,
        "bearers": bearers,
    })
}
