//! What the radio is told, compared with what the phone knows (TS 33.401 §7.2).

use basalt_ids::Ebi;
use basalt_sansio::Time;
use basalt_security::Secret;

use crate::io::{Configuration, Effect, Event, ProtocolSurprise, RadioSecurity};
use crate::ue::{EmmState, Out, Ue};

impl Ue {
    pub(crate) fn configure(&mut self, now: Time, configuration: Configuration, out: &mut Out) {
        if !self.connected {
            return;
        }
        if let Some(security) = &configuration.security {
            if !self.set_up_access_security(security) {
                // Nothing that comes over a radio whose keys are wrong can be read.
                self.distrust(ProtocolSurprise::AccessKey, out);
                out.push(Effect::Configured(false));
                return;
            }
            self.compare_algorithms(security, out);
        }
        out.push(Effect::Configured(true));
        for nas in &configuration.nas {
            self.receive(now, nas, out);
        }
        // Bearers that went without a message of the network's (TS 24.301 §6.4.4.6).
        for ebi in configuration.removed {
            self.remove_session(ebi, out);
        }
        if !configuration.added.is_empty() && !self.bearers_up {
            self.bearers_up = true;
            if self.state == EmmState::ServiceRequestInitiated {
                self.drop_bearers_without_radio(&configuration.added, out);
            }
            self.running.stop(crate::Timer::T3440);
            self.postponed.data = None;
            self.tell(Event::BearersUp, out);
            self.service_accepted(now, out);
        }
    }

    /// What got no radio bearer by a service request does not stand any more (TS 24.301 §5.6.1.4.1).
    fn drop_bearers_without_radio(&mut self, added: &[Ebi], out: &mut Out) {
        let gone: Vec<Ebi> =
            self.sessions.iter().map(|session| session.ebi).filter(|ebi| !added.contains(ebi)).collect();
        for ebi in gone {
            self.remove_session(ebi, out);
        }
    }

    /// False if the base station got another key than the phone has.
    fn set_up_access_security(&mut self, security: &RadioSecurity) -> bool {
        let Some(context) = &self.security.current else { return false };
        let chain = context.access_keys(self.security.k_enb_count);
        if chain.kenb() != &security.k_enb {
            return false;
        }
        self.security.chain = Some(chain);
        // Radio security made from the NAS keys proves the network as a NAS message would (TS 24.301 §4.4.2.3).
        self.security.secure = true;
        true
    }

    /// A radio would work with the wrong list, too, but perhaps without ciphering: noted, not refused.
    fn compare_algorithms(&self, security: &RadioSecurity, out: &mut Out) {
        let capability = &self.profile.capability;
        // EEA1 to EEA7 stand from bit 15 on (TS 36.413 §9.2.1.40); the null algorithm has no bit.
        let told = |bits: u8| u16::from(bits) << 9;
        if security.encryption != told(capability.eea) || security.integrity != told(capability.eia) {
            self.distrust(ProtocolSurprise::AccessAlgorithms, out);
        }
    }

    pub(crate) fn next_hop(&mut self, ncc: u8, key: &Secret<[u8; 32]>, out: &mut Out) {
        let (Some(context), Some(chain)) = (&self.security.current, &mut self.security.chain) else { return };
        // At most one round of the three-bit counter.
        for _ in 0..8 {
            context.advance(chain);
            if chain.ncc() == ncc {
                break;
            }
        }
        let agrees = chain.ncc() == ncc && chain.next_hop() == key;
        let event = if agrees { Event::NextHopAgrees(ncc) } else { Event::Distrust(ProtocolSurprise::NextHop) };
        self.tell(event, out);
    }
}
