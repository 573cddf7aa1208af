//! Security mode control as the phone sees it (TS 24.301 §5.4.3).
//!
//! ```text
//!  phone                                            network
//!    | <------------------ SECURITY MODE COMMAND      |   integrity protected with the new keys
//!    | SECURITY MODE COMPLETE ----------------------> |   ciphered with the new keys
//!    | SECURITY MODE REJECT (#23, #24) -------------> |   as before the command
//! ```

use basalt_nas::emm::{SecurityModeCommand, SecurityModeComplete, SecurityModeReject};
use basalt_nas::ie::{EmmCause, MobileIdentity, OctetString};
use basalt_nas::{Direction, EmmMessage, Protected};
use basalt_sansio::Time;
use basalt_security::{Algorithms, Ciphering, Integrity, NasSecurityContext, Side, hash_mme};

use crate::fault::Uplink;
use crate::io::{Event, ProtocolSurprise};
use crate::send::Way;
use crate::ue::{Out, Ue};

impl Ue {
    pub(crate) fn security_mode_command(&mut self, _now: Time, envelope: Protected<'_>, octets: &[u8], out: &mut Out) {
        // The command is not ciphered: it can be read before it is verified, and must be, to know the algorithms.
        let Ok(EmmMessage::SecurityModeCommand(command)) = EmmMessage::decode(envelope.payload, Direction::Downlink)
        else {
            self.distrust(ProtocolSurprise::Malformed, out);
            return;
        };
        match self.judge(&command, octets) {
            Ok(context) => self.security_mode_complete(&command, context, out),
            Err((cause, surprise)) => {
                self.distrust(surprise, out);
                self.send_emm(Uplink::SecurityModeReject, SecurityModeReject::new(cause), out);
            }
        }
    }

    /// The new context, if everything about the command is in order (TS 24.301 §5.4.3.3, §5.4.3.5).
    fn judge(
        &self,
        command: &SecurityModeCommand,
        octets: &[u8],
    ) -> Result<NasSecurityContext, (EmmCause, ProtocolSurprise)> {
        let unspecified = |surprise| (EmmCause::SecurityModeRejected, surprise);
        let algorithms = self.algorithms(command)?;
        let mut context = self.context_for(command, algorithms).ok_or(unspecified(ProtocolSurprise::UnknownKeySet))?;
        context.verify(octets).map_err(|_| unspecified(ProtocolSurprise::MessageMac))?;
        if command.replayed_capability.octets() != self.profile.capability.replayed() {
            return Err((EmmCause::UeSecurityCapabilitiesMismatch, ProtocolSurprise::BiddingDown));
        }
        Ok(context)
    }

    fn algorithms(&self, command: &SecurityModeCommand) -> Result<Algorithms, (EmmCause, ProtocolSurprise)> {
        let refused = |surprise| (EmmCause::SecurityModeRejected, surprise);
        let capability = &self.profile.capability;
        let unknown = refused(ProtocolSurprise::UnknownAlgorithm);
        let ciphering = Ciphering::from_number(command.algorithms.ciphering).ok_or(unknown)?;
        let integrity = Integrity::from_number(command.algorithms.integrity).ok_or(unknown)?;
        // Null integrity is for emergency calls only, which this phone does not make (TS 24.301 §4.4.4.1).
        if integrity == Integrity::Eia0 {
            return Err(refused(ProtocolSurprise::NullIntegrity));
        }
        // EEA0 is mandatory for every phone (TS 33.401 §5.1.3.2).
        let has_ciphering = ciphering == Ciphering::Eea0 || ciphering.is_in(capability.eea);
        if !has_ciphering || !integrity.is_in(capability.eia) {
            return Err(unknown);
        }
        Ok(Algorithms { ciphering, integrity })
    }

    fn context_for(&self, command: &SecurityModeCommand, algorithms: Algorithms) -> Option<NasSecurityContext> {
        if command.ksi.mapped {
            return None;
        }
        let ksi = command.ksi.value;
        if let Some(partial) = self.security.partial.as_ref().filter(|partial| partial.ksi == ksi) {
            let kasme = partial.kasme.clone();
            return Some(NasSecurityContext::new(Side::Ue, ksi, kasme, algorithms, self.profile.provider));
        }
        let mut context = self.security.current.as_ref().filter(|current| current.ksi() == ksi)?.clone();
        context.change_algorithms(algorithms);
        Some(context)
    }

    fn security_mode_complete(&mut self, command: &SecurityModeCommand, context: NasSecurityContext, out: &mut Out) {
        let algorithms = context.algorithms();
        self.security.k_enb_count = context.send_count();
        self.security.current = Some(context);
        self.security.partial = None;
        self.security.secure = true;
        // Another challenge will be answered anew (TS 24.301 §5.4.2.3: T3416 stops here).
        self.security.answered = None;
        self.running.stop(crate::Timer::T3416);
        let mut complete = SecurityModeComplete::new();
        if command.imeisv_request.is_some_and(|request| request.0) {
            complete.imeisv = Some(MobileIdentity::Imeisv(self.imeisv));
        }
        // The network saw another first message than was sent (TS 24.301 §5.4.3.3).
        let damaged = |hash: &OctetString| hash.0 != hash_mme(&self.initial_message);
        if command.hash_mme.as_ref().is_some_and(damaged) {
            complete.replayed_nas_message = Some(OctetString(self.initial_message.clone()));
        }
        self.send_emm_way(Uplink::SecurityModeComplete, complete, Way::NewContext, out);
        self.tell(Event::Secured(algorithms), out);
    }
}
