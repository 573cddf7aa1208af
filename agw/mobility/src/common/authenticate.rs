//! Authentication (TS 24.301 §5.4.2, TS 33.401 §6.1).

use super::{Doubt, Proof, ProofFailure, Step, VECTORS, Verdict};
use crate::cx::Cx;
use crate::generation::Generation;
use crate::line::Line;
use agw_types::{Answer, AuthFailure, AuthMaterial, Metric, Outcome, Procedure, Resync, TimerName, Unavailable};
use basalt_ids::Imsi;
use basalt_nas::Plain;
use basalt_nas::emm::{AuthenticationFailure, AuthenticationResponse};
use basalt_nas::ie::EmmCause;

impl Doubt {
    pub(super) const fn words(self) -> &'static str {
        match self {
            Doubt::Mac => "the SIM found the network's token wrong (MAC failure): K, OPc or the algorithm do not match",
            Doubt::NonEps => "the SIM found the AMF separation bit unset: the vectors are not for EPS",
            Doubt::Response => "the SIM's response was wrong",
        }
    }
}

impl<G: Generation> Proof<G> {
    /// Asks the subscriber side for a vector.
    pub(super) fn ask_vector(&mut self, imsi: Imsi, resync: Option<Resync>, cx: &mut Cx<'_>) -> Verdict {
        let home = cx.config.plmns.iter().any(|plmn| imsi.belongs_to(*plmn));
        if (cx.config.home_only && !home) || !cx.config.access.admits_subscriber(imsi) {
            return Verdict::Refused(ProofFailure::Subscriber(AuthFailure::RoamingNotAllowed));
        }
        if self.vectors >= VECTORS {
            return Verdict::Refused(ProofFailure::Authentication("too many challenges went wrong"));
        }
        self.vectors += 1;
        let resynchronised = resync.is_some();
        let asked = cx.ask(G::question(imsi, self.serving, resync));
        self.step = Step::Vector { asked, resynchronised };
        Verdict::Wait
    }

    /// The subscriber side answered question `sequence`, or (`None`) did not in time.
    pub(crate) fn vector(
        &mut self,
        sequence: Option<u16>,
        answer: Answer,
        line: &mut Line<'_>,
        cx: &mut Cx<'_>,
    ) -> Verdict {
        let Step::Vector { asked, resynchronised } = &self.step else { return Verdict::Wait };
        if sequence.is_some_and(|sequence| sequence != *asked) {
            return Verdict::Wait;
        }
        let resynchronised = *resynchronised;
        cx.stop(TimerName::Question);
        match answer {
            Answer::Vector(vector) => {
                self.step = Step::Authenticate { vector, resynchronised };
                self.sent = 1;
                self.send_challenge(line, cx);
                Verdict::Wait
            }
            // A wrong token is the SIM's failure, not the list's.
            Answer::NoVector(AuthFailure::ResyncRefused) => {
                line.send(G::authentication_reject(), cx);
                Verdict::Refused(ProofFailure::Authentication(crate::reject::words_for(AuthFailure::ResyncRefused)))
            }
            Answer::NoVector(failure) => Verdict::Refused(ProofFailure::Subscriber(failure)),
            Answer::Profile(..) | Answer::NoProfile(_) => {
                Verdict::Refused(ProofFailure::Subscriber(AuthFailure::Unavailable(Unavailable::Timeout)))
            }
        }
    }

    fn send_challenge(&mut self, line: &mut Line<'_>, cx: &mut Cx<'_>) {
        let Step::Authenticate { vector, .. } = &self.step else { return };
        line.send(G::authentication_request(self.ksi, vector.rand, vector.autn), cx);
        cx.arm(TimerName::T3460, cx.config.timers.t3460);
    }

    pub(super) fn resend_challenge(&mut self, line: &mut Line<'_>, cx: &mut Cx<'_>) {
        cx.count(Metric::Retransmitted("AUTHENTICATION REQUEST"));
        self.send_challenge(line, cx);
    }

    /// AUTHENTICATION RESPONSE.
    pub(crate) fn response(
        &mut self,
        response: &Plain<AuthenticationResponse>,
        line: &mut Line<'_>,
        cx: &mut Cx<'_>,
    ) -> Verdict {
        let Step::Authenticate { vector, .. } = &self.step else {
            cx.count(Metric::Unexpected("AUTHENTICATION RESPONSE"));
            return Verdict::Wait;
        };
        cx.stop(TimerName::T3460);
        // In constant time, and never equal for another length.
        if !vector.xres.matches(&response.0.res.0) {
            return self.doubted(Doubt::Response, line, cx);
        }
        cx.ended(Procedure::Authentication, Outcome::Success);
        let kasme = vector.kasme.clone();
        self.secure(kasme, line, cx)
    }

    /// AUTHENTICATION FAILURE.
    pub(crate) fn failure(
        &mut self,
        failure: &Plain<AuthenticationFailure>,
        line: &mut Line<'_>,
        cx: &mut Cx<'_>,
    ) -> Verdict {
        let Step::Authenticate { vector, resynchronised } = &self.step else {
            cx.count(Metric::Unexpected("AUTHENTICATION FAILURE"));
            return Verdict::Wait;
        };
        let auts = failure.0.auts.map(|auts| auts.0);
        if auts.is_some() && auts == self.resynchronised_with {
            // It was made for the challenge before; the outstanding one is still to be answered.
            cx.count(Metric::Unexpected("AUTHENTICATION FAILURE again"));
            return Verdict::Wait;
        }
        cx.stop(TimerName::T3460);
        match failure.0.cause {
            EmmCause::SynchFailure => {
                // §5.4.2.7 e and its note: a second one in a row ends it.
                let Some(auts) = auts.filter(|_| !resynchronised) else {
                    return self.reject("the SIM found the sequence number out of range again", line, cx);
                };
                let resync = Resync { rand: vector.rand, auts };
                let Some(imsi) = self.imsi else { return Verdict::Wait };
                self.resynchronised_with = Some(auts);
                cx.ended(Procedure::Authentication, Outcome::EmmCause(EmmCause::SynchFailure.code()));
                self.ask_vector(imsi, Some(resync), cx)
            }
            EmmCause::NonEpsAuthenticationUnacceptable => self.doubted(Doubt::NonEps, line, cx),
            _ => self.doubted(Doubt::Mac, line, cx),
        }
    }

    /// The challenge went wrong: if the identity was not the UE's own word, ask for it; else refuse (§5.4.2.5, §5.4.2.7 c, d).
    /// A second answer about the same identity comes to [`Proof::identity`].
    fn doubted(&mut self, doubt: Doubt, line: &mut Line<'_>, cx: &mut Cx<'_>) -> Verdict {
        if self.identified {
            return self.reject(doubt.words(), line, cx);
        }
        cx.ended(Procedure::Authentication, Outcome::PeerRefused);
        self.ask_identity(Some(doubt), line, cx)
    }

    fn reject(&mut self, words: &'static str, line: &mut Line<'_>, cx: &mut Cx<'_>) -> Verdict {
        line.send(G::authentication_reject(), cx);
        Verdict::Refused(ProofFailure::Authentication(words))
    }
}

/// The answer that stands for silence of the subscriber side.
pub(crate) const NO_ANSWER: Answer = Answer::NoVector(AuthFailure::Unavailable(Unavailable::Timeout));

/// A vector's size is what a UE in the middle of authentication costs beyond the rest.
const _: () = assert!(size_of::<AuthMaterial>() <= 128);
