//! The one gate that messages leave by: protection, misdeeds, and whether a radio connection has to be asked for.

use basalt_ids::Ebi;
use basalt_nas::{EmmMessage, EsmMessage, EsmPdu};
use basalt_security::Protection;

use crate::fault::{Misdeed, Uplink, next_misdeed};
use crate::io::{Connect, Effect, EstablishmentCause};
use crate::ue::{Out, Ue};

/// How a message has to be protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// As the state of the connection demands: protected and ciphered once security stands, plain before.
    Usual,
    /// Integrity only, with the context that is there: first messages of a connection (TS 24.301 §4.4.4.1, §4.4.5).
    Initial,
    /// SECURITY MODE COMPLETE: with the new context, ciphered.
    NewContext,
}

impl Ue {
    pub(crate) fn send_emm(&mut self, name: Uplink, message: impl Into<EmmMessage>, out: &mut Out) {
        self.send_emm_way(name, message, Way::Usual, out);
    }

    pub(crate) fn send_emm_way(&mut self, name: Uplink, message: impl Into<EmmMessage>, way: Way, out: &mut Out) {
        if let Ok(plain) = message.into().encode() {
            self.send(name, plain, way, out);
        }
    }

    pub(crate) fn send_esm(&mut self, name: Uplink, pdu: &EsmPdu, out: &mut Out) {
        if let Ok(plain) = pdu.encode() {
            self.send(name, plain, Way::Usual, out);
        }
    }

    /// Sends a first message: over the connection if there is one, else it asks for one.
    pub(crate) fn send_initial(
        &mut self,
        name: Uplink,
        message: impl Into<EmmMessage>,
        cause: EstablishmentCause,
        out: &mut Out,
    ) {
        let Ok(plain) = message.into().encode() else { return };
        if !self.connected {
            self.initial_message.clone_from(&plain);
        }
        let way = if self.connected && self.security.secure { Way::Usual } else { Way::Initial };
        if let Some(context) = &self.security.current {
            self.security.k_enb_count = context.send_count();
        }
        for nas in self.pass(name, plain, way) {
            self.emit(nas, cause, out);
        }
    }

    /// Sends octets that are protected already (SERVICE REQUEST).
    pub(crate) fn send_service_request(&mut self, cause: EstablishmentCause, out: &mut Out) -> bool {
        let Some(context) = &mut self.security.current else { return false };
        self.security.k_enb_count = context.send_count();
        let Ok(mut octets) = context.protect_service_request() else { return false };
        let copies = match next_misdeed(&mut self.faults, Uplink::ServiceRequest) {
            Some(Misdeed::Silence) => Vec::new(),
            Some(Misdeed::WrongMac) => {
                octets[3] ^= 0xff;
                vec![octets.to_vec()]
            }
            Some(Misdeed::Mutate(mutation) | Misdeed::MutateProtected(mutation)) => {
                let mut damaged = octets.to_vec();
                mutation.apply(&mut damaged);
                vec![damaged]
            }
            Some(Misdeed::Twice) => vec![octets.to_vec(), octets.to_vec()],
            Some(Misdeed::Replay) if !self.last_protected.is_empty() => vec![self.last_protected.clone()],
            _ => vec![octets.to_vec()],
        };
        if !copies.iter().any(|copy| copy.len() != 4) {
            self.last_protected = octets.to_vec();
        }
        for nas in copies {
            self.emit(nas, cause, out);
        }
        true
    }

    fn send(&mut self, name: Uplink, plain: Vec<u8>, way: Way, out: &mut Out) {
        for nas in self.pass(name, plain, way) {
            out.push(Effect::Uplink(nas));
        }
    }

    fn emit(&mut self, nas: Vec<u8>, cause: EstablishmentCause, out: &mut Out) {
        if self.connected {
            out.push(Effect::Uplink(nas));
            return;
        }
        self.connected = true;
        let registered_here = self.cell.is_some_and(|cell| self.is_in_registered_area(cell));
        let s_tmsi = self.guti.filter(|_| registered_here).map(|guti| guti.s_tmsi());
        let gummei = self.guti.filter(|_| !registered_here).map(|guti| guti.gummei);
        out.push(Effect::Connect(Connect { cause, s_tmsi, gummei, nas }));
    }

    /// What leaves instead of `plain`: usually one protected message.
    fn pass(&mut self, name: Uplink, mut plain: Vec<u8>, way: Way) -> Vec<Vec<u8>> {
        let misdeed = next_misdeed(&mut self.faults, name);
        match misdeed {
            Some(Misdeed::Silence) => return Vec::new(),
            Some(Misdeed::Plain) => return vec![plain],
            Some(Misdeed::Mutate(mutation)) => mutation.apply(&mut plain),
            Some(Misdeed::Replay) if !self.last_protected.is_empty() => return vec![self.last_protected.clone()],
            _ => {}
        }
        let Some(mut nas) = self.protect(&plain, way) else { return Vec::new() };
        match misdeed {
            Some(Misdeed::WrongMac) => {
                // The MAC stands in octets 2 to 5 (TS 24.301 §9.1); a plain message has none to spoil.
                if nas.first().is_some_and(|first| first >> 4 != 0 && first & 0x0f == 7)
                    && let Some(octet) = nas.get_mut(1)
                {
                    *octet ^= 0xff;
                }
                vec![nas]
            }
            Some(Misdeed::MutateProtected(mutation)) => {
                mutation.apply(&mut nas);
                vec![nas]
            }
            Some(Misdeed::Twice) => vec![nas.clone(), nas],
            _ => vec![nas],
        }
    }

    /// The message in its envelope; `None` when all counts are used.
    fn protect(&mut self, plain: &[u8], way: Way) -> Option<Vec<u8>> {
        let protection = match way {
            Way::Usual if self.security.secure => Some(Protection::IntegrityCiphered),
            Way::Usual => None,
            Way::Initial => Some(Protection::Integrity),
            Way::NewContext => Some(Protection::IntegrityCipheredNew),
        };
        let (Some(protection), Some(context)) = (protection, &mut self.security.current) else {
            return Some(plain.to_vec());
        };
        let nas = context.protect(protection, plain).ok()?;
        self.last_protected.clone_from(&nas);
        Some(nas)
    }
}

/// An ESM message about a bearer.
pub(crate) fn about_bearer(ebi: Ebi, pti: basalt_ids::Pti, message: EsmMessage) -> EsmPdu {
    EsmPdu { ebi: Some(ebi), pti, message }
}
