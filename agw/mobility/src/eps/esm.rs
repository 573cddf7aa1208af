//! ESM messages between a trusted UE and the session room, and what that room wants of the radio.
//!
//! ```text
//!   UE                              MME                        other rooms
//!    │ ESM message                   │
//!    ├──────────────────────────────►│ ─ Profile ─► subscribers
//!    │                               │ ─ Uplink ──► session
//!    │                   ESM message │ ◄─ Send
//!    │◄──────────────────────────────┤ ◄─ BearerReady, BearerChanging, BearerEnding (with the radio's bearer)
//! ```

use super::{attach, detach, handover, paging, service, tau};
use crate::cx::Cx;
use crate::line::protect;
use crate::trust::Verified;
use crate::ue::{Emm, Task, Ue};
use agw_types::{
    Ambr, Answer, BearerModify, BearerSetup, Metric, Question, RadioCommand, SessionReply, SessionRequest, TimerName,
};
use basalt_ids::Ebi;
use basalt_security::Protection;

/// ESM messages that wait for the subscriber's profile.
#[derive(Debug, Clone)]
pub(crate) struct Waiting {
    asked: u16,
    messages: Vec<Vec<u8>>,
}

/// How many may wait. A UE has no reason to send more before it is answered.
const MOST_WAITING: usize = 4;

/// An ESM message of a trusted UE.
pub(crate) fn uplink(ue: &mut Ue, message: Verified<Vec<u8>>, cx: &mut Cx<'_>) {
    let esm = message.into_inner();
    if let Emm::Attaching(attach) = &ue.emm {
        match attach.profile() {
            Some(profile) => {
                let profile = Box::new(profile.clone());
                cx.session(SessionRequest::Uplink { ue: cx.id, esm, profile });
            }
            None => cx.count(Metric::Unexpected("ESM message before the session")),
        }
        return;
    }
    let Some(imsi) = ue.imsi.filter(|_| ue.is_registered()) else {
        cx.count(Metric::Unexpected("ESM message of a phone that is not attached"));
        return;
    };
    match &mut ue.waiting_esm {
        Some(waiting) if waiting.messages.len() < MOST_WAITING => waiting.messages.push(esm),
        Some(_) => cx.count(Metric::Discarded("too many ESM messages at once")),
        None => {
            let asked = cx.ask(Question::Profile {
                imsi,
                serving: ue.area.tai.plmn,
                area: ue.area.tai.tac,
                attach: false,
                imeisv: ue.imeisv,
            });
            ue.waiting_esm = Some(Box::new(Waiting { asked, messages: vec![esm] }));
        }
    }
}

/// The profile came, or (`None`) did not in time. True when it was asked for here.
pub(crate) fn profile(ue: &mut Ue, sequence: Option<u16>, answer: &Answer, cx: &mut Cx<'_>) -> bool {
    let Some(waiting) = ue.waiting_esm.take_if(|waiting| sequence.is_none_or(|sequence| sequence == waiting.asked))
    else {
        return false;
    };
    cx.stop(TimerName::Question);
    match answer {
        Answer::Profile(profile, _) => {
            for esm in waiting.messages {
                cx.session(SessionRequest::Uplink { ue: cx.id, esm, profile: profile.clone() });
            }
        }
        // The UE's own timers ask again.
        _ => cx.count(Metric::Discarded("ESM message without a subscriber's profile")),
    }
    true
}

/// What the session room says.
pub(crate) fn reply(ue: &mut Ue, reply: SessionReply, cx: &mut Cx<'_>) {
    match reply {
        SessionReply::Send { esm, .. } => ue.send_octets(esm, cx),
        SessionReply::AttachReady { esm, bearer, ambr, .. } => attach::session_ready(ue, esm, bearer, ambr, cx),
        SessionReply::AttachRejected { esm, cause, reason, .. } => {
            attach::session_refused(ue, esm, cause, reason, cx);
        }
        SessionReply::BearerReady { esm, bearer, ambr, .. } => bearer_ready(ue, &esm, bearer, ambr, cx),
        SessionReply::BearerChanging { bearer, .. } => bearer_changing(ue, bearer, cx),
        SessionReply::BearerEnding { esm, bearers, .. } => bearer_ending(ue, esm.as_deref(), bearers, cx),
        SessionReply::Call { .. } => paging::call(ue, cx),
        SessionReply::Resume { bearers, kept, ambr, .. } => match &ue.emm {
            Emm::Registered(Some(Task::Serving(_))) => service::resume(ue, bearers, ambr, cx),
            Emm::Registered(Some(Task::Updating(_))) => tau::bearers(ue, bearers, &kept, ambr, cx),
            _ => {}
        },
        SessionReply::HandOver { bearers, ambr, .. } => handover::bearers(ue, bearers, ambr, cx),
        SessionReply::Forward { tunnels, .. } => handover::forward(ue, tunnels, cx),
        SessionReply::Changed { .. } => {
            if ue.is_registered() {
                cx.save();
            }
        }
        SessionReply::LastSessionGone { .. } => {
            let reason = "its last session ended";
            detach::start(ue, detach::Wish { reattach: false, cause: None, purge: false, reason }, cx);
        }
        // Counted by the session room; what follows of a refusal comes as the end of the session.
        SessionReply::DefaultBearer { .. } => {}
    }
}

/// A further session, or a dedicated bearer: it is set up with the message in it, or with the others after it. A UE on its way out
/// gets no more (TS 24.301 §5.5.2.3.1).
fn bearer_ready(ue: &mut Ue, esm: &[u8], mut bearer: BearerSetup, ambr: Option<Ambr>, cx: &mut Cx<'_>) {
    if matches!(ue.emm, Emm::Leaving(_) | Emm::Deregistered) {
        return;
    }
    let (Some(keys), Some(connection)) = (ue.keys.as_deref_mut(), ue.connection.as_ref()) else { return };
    let radio = connection.radio;
    let Some(nas) = protect(keys, Protection::IntegrityCiphered, esm, cx) else { return };
    // The message promises an address.
    cx.save();
    if connection.access_keys.is_some() {
        bearer.nas = Some(nas);
        cx.radio(RadioCommand::SetupBearers { radio, ambr, bearers: vec![bearer] });
        return;
    }
    // The connection carries signalling only: the base station gets a context, with this bearer among the others.
    cx.radio(RadioCommand::Downlink { radio, nas });
    if matches!(ue.emm, Emm::Registered(None)) {
        service::serve(ue, None, cx);
    } else {
        ue.called = true;
    }
}

/// A bearer's QoS changes: with the message in it.
fn bearer_changing(ue: &mut Ue, mut bearer: BearerModify, cx: &mut Cx<'_>) {
    if matches!(ue.emm, Emm::Leaving(_) | Emm::Deregistered) {
        return;
    }
    let (Some(keys), Some(connection)) = (ue.keys.as_deref_mut(), ue.connection.as_ref()) else { return };
    let radio = connection.radio;
    let Some(nas) = protect(keys, Protection::IntegrityCiphered, &bearer.nas, cx) else { return };
    bearer.nas = nas;
    cx.radio(RadioCommand::ModifyBearers { radio, bearers: vec![bearer] });
}

/// Bearers end: they are released with the message in it. An idle UE is called first; the message is sent again when its timer
/// expires.
fn bearer_ending(ue: &mut Ue, esm: Option<&[u8]>, bearers: Vec<Ebi>, cx: &mut Cx<'_>) {
    let (Some(keys), Some(connection)) = (ue.keys.as_deref_mut(), ue.connection.as_ref()) else {
        if esm.is_some() {
            paging::call(ue, cx);
        }
        return;
    };
    let (radio, has_context) = (connection.radio, connection.access_keys.is_some());
    let nas = match esm {
        Some(esm) => match protect(keys, Protection::IntegrityCiphered, esm, cx) {
            Some(nas) => Some(nas),
            None => return,
        },
        None => None,
    };
    if has_context {
        cx.radio(RadioCommand::ReleaseBearers { radio, bearers, nas });
    } else if let Some(nas) = nas {
        // The connection carries signalling only: no bearer stands at the base station.
        cx.radio(RadioCommand::Downlink { radio, nas });
    }
}
