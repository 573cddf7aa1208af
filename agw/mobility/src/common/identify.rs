//! Identification (TS 24.301 §5.4.4): asked of a UE whose temporary identity is not known here, and of one whose challenge went
//! wrong, to see whether the identity did.

use super::{Doubt, Proof, ProofFailure, Step, Verdict};
use crate::cx::Cx;
use crate::generation::Generation;
use crate::line::Line;
use agw_types::{Metric, Outcome, Procedure, TimerName};
use basalt_nas::Plain;
use basalt_nas::emm::IdentityResponse;
use basalt_nas::ie::MobileIdentity;

impl<G: Generation> Proof<G> {
    pub(super) fn ask_identity(&mut self, doubt: Option<Doubt>, line: &mut Line<'_>, cx: &mut Cx<'_>) -> Verdict {
        self.step = Step::Identify { doubt };
        self.sent = 1;
        line.send(G::identity_request(), cx);
        cx.arm(TimerName::T3470, cx.config.timers.t3470);
        Verdict::Wait
    }

    pub(super) fn resend_identity(&mut self, line: &mut Line<'_>, cx: &mut Cx<'_>) {
        cx.count(Metric::Retransmitted("IDENTITY REQUEST"));
        line.send(G::identity_request(), cx);
        cx.arm(TimerName::T3470, cx.config.timers.t3470);
    }

    /// IDENTITY RESPONSE. One that was not asked for, or has no IMSI, changes nothing; in the latter case the timer asks again.
    pub(crate) fn identity(
        &mut self,
        response: &Plain<IdentityResponse>,
        line: &mut Line<'_>,
        cx: &mut Cx<'_>,
    ) -> Verdict {
        let (Step::Identify { doubt }, MobileIdentity::Imsi(imsi)) = (&self.step, response.0.identity) else {
            cx.count(Metric::Unexpected("IDENTITY RESPONSE"));
            return Verdict::Wait;
        };
        let doubt = *doubt;
        cx.stop(TimerName::T3470);
        cx.ended(Procedure::Identification, Outcome::Success);
        let same = self.imsi == Some(imsi);
        self.identified = true;
        self.imsi = Some(imsi);
        match doubt {
            // The identity was right, so the challenge or the SIM is wrong (§5.4.2.7 c, d; §5.4.2.5).
            Some(doubt) if same => {
                line.send(G::authentication_reject(), cx);
                Verdict::Refused(ProofFailure::Authentication(doubt.words()))
            }
            _ => self.ask_vector(imsi, None, cx),
        }
    }
}
