//! New keys for a registered UE whose NAS COUNT nears its end (TS 24.301 §4.4.3.5, TS 33.401 §6.5).
//!
//! ```text
//!   UE                              MME
//!    │ ◄─ authenticate, secure ────► │  common/, protected with the old keys until the command
//!    │                               │  new keys; Save
//!    │       (connection released)   │  the radio gets keys from the new ones when the UE returns
//!    │◄──────────────────────────────┤
//! ```

use super::{detach, release};
use crate::common::{Claimed, Proof, ProofFailure, Verdict};
use crate::cx::{Cx, Refusal};
use crate::generation::Eps;
use crate::line::Line;
use crate::reject::words_for;
use crate::ue::{Emm, Task, Ue};
use agw_types::{Metric, Outcome, Procedure, RadioCause};
use basalt_nas::ie::EmmCause;

/// Starts for a registered, connected UE at rest.
pub(crate) fn start(ue: &mut Ue, cx: &mut Cx<'_>) {
    let ksi = ue.keys.as_ref().map_or(7, |keys| keys.ksi());
    let proof = Proof::<Eps>::new(Claimed::by_imsi(ue.imsi), ue.capability, ue.area.tai.plmn, ksi, cx.now.mono);
    ue.emm = Emm::Registered(Some(Task::Renewing(Box::new(proof))));
    drive(ue, cx, |proof, line, cx| proof.begin(line, cx));
}

/// Takes an event to the running proof and acts on what comes of it.
pub(crate) fn drive(
    ue: &mut Ue,
    cx: &mut Cx<'_>,
    event: impl FnOnce(&mut Proof<Eps>, &mut Line<'_>, &mut Cx<'_>) -> Verdict,
) {
    let Emm::Registered(Some(Task::Renewing(proof))) = &mut ue.emm else {
        cx.count(Metric::Unexpected("message of a common procedure"));
        return;
    };
    let Some(connection) = &ue.connection else { return };
    let mut line = Line { radio: connection.radio, keys: ue.keys.as_deref_mut() };
    let verdict = event(proof, &mut line, cx);
    conclude(ue, verdict, cx);
}

/// Acts on what came of an event.
pub(crate) fn conclude(ue: &mut Ue, verdict: Verdict, cx: &mut Cx<'_>) {
    match verdict {
        Verdict::Wait => {}
        Verdict::Proven { keys, imeisv, .. } => {
            ue.keys = Some(keys);
            ue.imeisv = imeisv.or(ue.imeisv);
            ue.emm = Emm::Registered(None);
            cx.save();
            release::disconnect(ue, RadioCause::NormalRelease, cx);
        }
        Verdict::Refused(failure) => failed(ue, &failure, cx),
    }
}

fn failed(ue: &mut Ue, failure: &ProofFailure, cx: &mut Cx<'_>) {
    ue.emm = Emm::Registered(None);
    match failure {
        // Our side has no answer; the old keys last a little longer, and the next connection asks again.
        ProofFailure::Subscriber(failure) => {
            cx.ended(Procedure::Authentication, Outcome::Failure);
            cx.count(Metric::Discarded(words_for(*failure)));
        }
        ProofFailure::Authentication(words) => {
            cx.rejected(Refusal {
                imsi: ue.imsi,
                procedure: Procedure::Authentication,
                emm_cause: Some(EmmCause::IllegalUe),
                esm_cause: None,
                reason: (*words).to_owned(),
            });
            ue.keys = None;
            detach::finish(ue, "the phone failed to authenticate again", cx);
        }
        ProofFailure::NoAlgorithm
        | ProofFailure::SecurityMode(_)
        | ProofFailure::Equipment
        | ProofFailure::Silence(_) => {
            cx.ended(Procedure::SecurityMode, Outcome::Failure);
            release::disconnect(ue, RadioCause::NasUnspecified, cx);
        }
    }
}
