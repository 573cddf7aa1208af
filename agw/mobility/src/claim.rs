//! Claims: UEs that have not proven who they are, and what becomes of them.
//!
//! A claim has an entry and a connection of its own. It is in no index, so nothing that concerns the UE it claims to be can
//! reach it, and nothing it does can reach that UE, until it is proven.

use crate::common::{Proof, ProofFailure, Verdict};
use crate::cx::{Cx, Fate, Refusal, Want};
use crate::eps::{attach, detach, release, renewal, tau};
use crate::generation::{Eps, octets};
use crate::line::Line;
use crate::reject::{cause_for, words_for};
use crate::ue::{Claim, Emm, Purpose, Task, Ue};
use crate::{Mobility, collision};
use agw_types::{Now, RadioCause, RadioCommand, TimerName, UeId};
use basalt_nas::EmmMessage;
use basalt_nas::emm::{DetachAccept, TrackingAreaUpdateReject};
use basalt_nas::ie::EmmCause;
use basalt_sansio::Outbox;

/// Starts the proof of a claim that was just made.
pub(crate) fn begin(ue: &mut Ue, cx: &mut Cx<'_>) {
    let Some(connection) = &ue.connection else { return };
    cx.radio(RadioCommand::Bind { radio: connection.radio, ue: cx.id });
    cx.arm(TimerName::Procedure, cx.config.timers.procedure);
    prove(ue, cx, |proof, line, cx| proof.begin(line, cx));
}

/// Takes an event to whatever proof runs for the UE, and acts on what comes of it.
pub(crate) fn prove(
    ue: &mut Ue,
    cx: &mut Cx<'_>,
    event: impl FnOnce(&mut Proof<Eps>, &mut Line<'_>, &mut Cx<'_>) -> Verdict,
) {
    if let Emm::Registered(Some(Task::Renewing(_))) = &ue.emm {
        renewal::drive(ue, cx, event);
        return;
    }
    let Emm::Claiming(claim) = &mut ue.emm else { return };
    let Some(connection) = &ue.connection else { return };
    let mut line = Line { radio: connection.radio, keys: None };
    let verdict = event(&mut claim.proof, &mut line, cx);
    conclude(ue, verdict, cx);
}

/// Acts on what came of an event.
pub(crate) fn conclude(ue: &mut Ue, verdict: Verdict, cx: &mut Cx<'_>) {
    match verdict {
        Verdict::Wait => {}
        Verdict::Proven { imsi, keys, imeisv } => {
            ue.imsi = Some(imsi);
            ue.imeisv = imeisv;
            if let Some(connection) = &mut ue.connection {
                // K_eNB comes from the count of SECURITY MODE COMPLETE (TS 33.401 §7.2.6.2).
                connection.uplink_count = keys.receive_count().saturating_sub(1);
            }
            ue.keys = Some(keys);
            if !cx.config.access.admits_equipment(imeisv) {
                // The refusal is protected: phones believe no other (TS 24.301 §5.3.7b).
                refused(ue, &ProofFailure::Equipment, cx);
                return;
            }
            cx.fate = Fate::Proven;
        }
        Verdict::Refused(failure) => refused(ue, &failure, cx),
    }
}

/// The claim failed: the UE is told as its procedure says, and forgotten.
fn refused(ue: &mut Ue, failure: &ProofFailure, cx: &mut Cx<'_>) {
    let Emm::Claiming(claim) = &ue.emm else { return };
    let imsi = claim.proof.imsi;
    let home = imsi.is_some_and(|imsi| cx.config.plmns.iter().any(|plmn| imsi.belongs_to(*plmn)));
    let procedure = claim.purpose.procedure();
    let (told, cause, reason) = match failure {
        ProofFailure::Subscriber(failure) => (true, Some(cause_for(*failure, home)), words_for(*failure).to_owned()),
        ProofFailure::NoAlgorithm => (
            true,
            Some(EmmCause::UeSecurityCapabilitiesMismatch),
            "the phone has none of the algorithms that are allowed here".to_owned(),
        ),
        // It was told already, by AUTHENTICATION REJECT.
        ProofFailure::Authentication(words) => (false, Some(EmmCause::IllegalUe), (*words).to_owned()),
        ProofFailure::SecurityMode(cause) => {
            (false, Some(*cause), format!("the phone refused the security mode: {cause}"))
        }
        ProofFailure::Equipment => (true, Some(EmmCause::IllegalMe), "the equipment is barred here".to_owned()),
        ProofFailure::Silence(waited) => (false, None, format!("the phone did not answer ({waited:?})")),
    };
    if let (true, Some(cause)) = (told, cause) {
        tell_refusal(ue, cause, cx);
    }
    cx.rejected(Refusal { imsi, procedure, emm_cause: cause, esm_cause: None, reason });
    let cause = match failure {
        ProofFailure::Authentication(_) => RadioCause::AuthenticationFailure,
        ProofFailure::Silence(_) => RadioCause::RadioConnectionLost,
        _ => RadioCause::NormalRelease,
    };
    release::disconnect(ue, cause, cx);
}

/// The reject message of what the UE wanted.
fn tell_refusal(ue: &mut Ue, cause: EmmCause, cx: &mut Cx<'_>) {
    let Emm::Claiming(claim) = &ue.emm else { return };
    let message = match &claim.purpose {
        Purpose::Attach(_) => EmmMessage::AttachReject(attach::reject_message(cause, cx)),
        Purpose::Update(_) => EmmMessage::TrackingAreaUpdateReject(TrackingAreaUpdateReject::new(cause)),
        // Whoever it is, it wants to be gone, and it is.
        Purpose::Detach(_) => return,
    };
    ue.send_octets(octets(message), cx);
}

impl Mobility {
    /// A claim is proven: it becomes the UE, or joins what is known of it.
    pub(crate) fn proven(&mut self, now: Now, id: UeId, out: &mut Outbox<Want>) {
        let Some(entry) = self.ues.get_mut(id.0) else { return };
        let (Some(imsi), Emm::Claiming(claim)) = (entry.imsi, core::mem::replace(&mut entry.emm, Emm::Deregistered))
        else {
            return;
        };
        self.index.half_open = self.index.half_open.saturating_sub(1);
        let Claim { purpose, proof } = *claim;
        let Some(known) = self.index.imsi(imsi) else {
            self.index.set_imsi(imsi, id);
            self.with(id, now, out, |ue, cx| newcomer(ue, purpose, proof.started, cx));
            return;
        };
        let may = |arriving| {
            let running = self.ues.get(known.0).map_or(collision::Running::Nothing, Ue::running);
            collision::resolve(running, arriving) != collision::Resolution::Continue
        };
        if matches!(purpose, Purpose::Attach(_)) && !may(collision::Arriving::Attach) {
            // A detach of this UE is under way and comes first.
            self.remove(now, id, out);
            return;
        }
        self.adopt(now, id, known, out);
        self.with(known, now, out, |ue, cx| returned(ue, purpose, proof.started, cx));
    }

    /// Gives a proven claim's keys and connection to the UE that it proved to be.
    fn adopt(&mut self, now: Now, from: UeId, to: UeId, out: &mut Outbox<Want>) {
        let Some(mut claimant) = self.ues.remove(from.0) else { return };
        out.push(Want::Gone(from));
        self.with(to, now, out, |ue, cx| {
            let Some(connection) = claimant.connection.take() else { return };
            ue.connect(connection.radio, cx.id, connection.uplink_count, cx);
            ue.keys = claimant.keys.take();
            ue.capability = claimant.capability;
            ue.imeisv = claimant.imeisv.or(ue.imeisv);
            ue.area = claimant.area;
            ue.last_seen = cx.now.unix_secs;
        });
    }
}

/// A UE that nothing was known of.
fn newcomer(ue: &mut Ue, purpose: Purpose, started: basalt_sansio::Time, cx: &mut Cx<'_>) {
    cx.stop(TimerName::Procedure);
    match purpose {
        Purpose::Attach(request) => attach::begin(ue, request.0, started, cx),
        Purpose::Update(_) => {
            tau::reject(ue, EmmCause::ImplicitlyDetached, "the phone is not attached", cx);
        }
        Purpose::Detach(request) => {
            if !request.0.detach_type.switch_off {
                ue.send(EmmMessage::DetachAccept(DetachAccept::new()), cx);
            }
            detach::finish(ue, "the phone detached", cx);
        }
    }
}

/// A known UE that has proven itself again.
fn returned(ue: &mut Ue, purpose: Purpose, started: basalt_sansio::Time, cx: &mut Cx<'_>) {
    let Some((radio, count)) = ue.connection.as_ref().map(|connection| (connection.radio, connection.uplink_count))
    else {
        return;
    };
    match purpose {
        Purpose::Attach(request) => attach::begin(ue, request.0, started, cx),
        Purpose::Update(request) => tau::requested(ue, request.0, radio, count, cx),
        Purpose::Detach(request) => detach::by_ue(ue, &request.0, cx),
    }
}
