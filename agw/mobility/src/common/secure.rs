//! Security mode control (TS 24.301 §5.4.3): the keys are taken into use.
//!
//! The command replays the algorithms that the UE was heard to offer; a UE that offered others refuses it, so nobody on the air
//! can talk the two down (TS 33.401 §7.2.4.4).

use super::{Proof, ProofFailure, Step, Verdict};
use crate::cx::Cx;
use crate::generation::Generation;
use crate::line::{Line, protect};
use agw_types::{Metric, Outcome, Procedure, RadioCommand, TimerName};
use basalt_nas::emm::{SecurityModeComplete, SecurityModeReject};
use basalt_nas::ie::MobileIdentity;
use basalt_nas::{Direction, EmmMessage, Plain};
use basalt_security::{NasSecurityContext, Protection, Secret, Side, Verified};

impl<G: Generation> Proof<G> {
    pub(super) fn secure(&mut self, kasme: Secret<[u8; 32]>, line: &mut Line<'_>, cx: &mut Cx<'_>) -> Verdict {
        let Ok(algorithms) = G::select(cx.algorithms, &self.capability) else {
            return Verdict::Refused(ProofFailure::NoAlgorithm);
        };
        let command = G::security_mode_command(self.ksi, algorithms, &self.capability, cx.config.request_imeisv);
        let keys = NasSecurityContext::new(Side::Network, self.ksi, kasme, algorithms, cx.provider);
        self.step = Step::Secure { keys: Box::new(keys), command };
        self.sent = 1;
        self.send_command(line, cx);
        Verdict::Wait
    }

    fn send_command(&mut self, line: &mut Line<'_>, cx: &mut Cx<'_>) {
        let Step::Secure { keys, command } = &mut self.step else { return };
        if let Some(nas) = protect(keys, Protection::IntegrityNew, command, cx) {
            cx.radio(RadioCommand::Downlink { radio: line.radio, nas });
        }
        cx.arm(TimerName::T3460, cx.config.timers.t3460);
    }

    pub(super) fn resend_command(&mut self, line: &mut Line<'_>, cx: &mut Cx<'_>) {
        cx.count(Metric::Retransmitted("SECURITY MODE COMMAND"));
        self.send_command(line, cx);
    }

    /// Octets that may be SECURITY MODE COMPLETE: it must be protected and ciphered with the new keys. `None` when they are not.
    pub(crate) fn complete(&mut self, octets: &[u8], cx: &mut Cx<'_>) -> Option<Verdict> {
        let Step::Secure { keys, .. } = &mut self.step else { return None };
        let verified = keys.verify(octets).ok()?;
        if !verified.protection().is_ciphered() {
            return None;
        }
        let message = verified.try_map(|plain| EmmMessage::decode(&plain, Direction::Uplink)).ok()?;
        let EmmMessage::SecurityModeComplete(_) = message.get() else { return None };
        let complete: Verified<SecurityModeComplete> = message
            .try_map(|message| match message {
                EmmMessage::SecurityModeComplete(complete) => Ok(complete),
                _ => Err(()),
            })
            .ok()?;
        self.completed(complete, cx)
    }

    fn completed(&mut self, complete: Verified<SecurityModeComplete>, cx: &mut Cx<'_>) -> Option<Verdict> {
        let Step::Secure { keys, .. } = core::mem::replace(&mut self.step, Step::Begin) else { return None };
        let imsi = self.imsi?;
        cx.stop(TimerName::T3460);
        cx.ended(Procedure::SecurityMode, Outcome::Success);
        let imeisv = match complete.get().imeisv {
            Some(MobileIdentity::Imeisv(imeisv)) => Some(imeisv),
            _ => None,
        };
        Some(Verdict::Proven { imsi, keys, imeisv })
    }

    /// SECURITY MODE REJECT.
    pub(crate) fn refused(&mut self, reject: &Plain<SecurityModeReject>, cx: &mut Cx<'_>) -> Verdict {
        let Step::Secure { .. } = self.step else {
            cx.count(Metric::Unexpected("SECURITY MODE REJECT"));
            return Verdict::Wait;
        };
        cx.stop(TimerName::T3460);
        cx.ended(Procedure::SecurityMode, Outcome::EmmCause(reject.0.cause.code()));
        Verdict::Refused(ProofFailure::SecurityMode(reject.0.cause))
    }
}
