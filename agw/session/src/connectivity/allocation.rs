//! What a connection needs: an access point, an address, a bearer, a tunnel.

use super::refusal::{Refused, UNKNOWN_APN, wrong_type};
use super::{Connecting, Requested};
use crate::addresses::Kinds;
use crate::{Sessions, pdn_type, rules};
use agw_types::{ApnProfile, Policy, Session, UeId};
use basalt_ids::Ebi;
use basalt_nas::ie::EsmCause;
use basalt_sansio::Time;

impl Sessions {
    pub(super) fn allocate(
        &mut self,
        now: Time,
        policy: &dyn Policy,
        ue: UeId,
        connecting: &Connecting,
    ) -> Result<Session, Refused> {
        let granted = self.grant(policy, connecting)?;
        let types = self.pools.get(&granted.apn).ok_or(UNKNOWN_APN)?.types();
        let (kinds, _) = pdn_type::decide(connecting.pdn_type, granted.pdn_types, types).map_err(wrong_type)?;
        let ebi = self.bearer(ue, &granted, kinds)?;
        let owner = connecting.profile.imsi.value();
        let pool = self.pools.get_mut(&granted.apn).ok_or(UNKNOWN_APN)?;
        let address = pool.take(now, owner, kinds, &granted).map_err(Refused::from)?;
        // Of a full table, who was there a moment ago has its own place again.
        let fresh = self.teids.take(now, &mut self.rng);
        let mut own = self.resting.teids(now, ue);
        let Some(teid) = fresh.or_else(|| own.find_map(|last| self.teids.take_again(last, &mut self.rng))) else {
            pool.release(now, basalt_sansio::Duration::ZERO, owner, address);
            return Err(Refused {
                cause: EsmCause::InsufficientResources,
                reason: "all tunnels are in use",
                advice: "raise `dataplane.max_sessions` in the gateway's configuration",
            });
        };
        let rules = rules::initial(policy.rules(connecting.profile.imsi, &granted.apn));
        Ok(Session {
            ebi,
            apn: granted.apn,
            address,
            framed_routes: granted.framed_routes,
            qos: granted.qos,
            ambr: granted.ambr,
            local: (self.config.user_plane, teid),
            remote: None,
            confirmed: false,
            rules,
            bearers: Vec::new(),
        })
    }

    /// The bearer of a further session with such addresses on an access point.
    fn bearer(&self, ue: UeId, granted: &ApnProfile, kinds: Kinds) -> Result<Ebi, Refused> {
        let Some(held) = self.ues.get(&ue) else { return Ok(Ebi::FIRST) };
        // Two single addresses are two sessions on one access point (TS 24.301 §6.2.2), anything else is one too many.
        let clashes = |session: &Session| {
            let (ipv4, ipv6) = (session.address.ipv4().is_some(), session.address.prefix().is_some());
            session.apn == granted.apn && (kinds.ipv4 && ipv4 || kinds.ipv6 && ipv6 || ipv4 && ipv6)
        };
        if held.list.iter().any(clashes) {
            return Err(Refused {
                cause: EsmCause::MultiplePdnConnectionsNotAllowed,
                reason: "the phone already has a session on this access point",
                advice: "nothing to do unless it repeats: then restart the phone",
            });
        }
        held.free_ebi().ok_or(Refused {
            cause: EsmCause::MaximumBearersReached,
            reason: "the phone has as many bearers as there can be",
            advice: "remove access points from the phone's settings, or rules from its sessions",
        })
    }

    fn grant(&self, policy: &dyn Policy, connecting: &Connecting) -> Result<ApnProfile, Refused> {
        let requested = match &connecting.apn {
            Some(Requested::Apn(apn)) => Some(apn),
            Some(Requested::Malformed) => return Err(UNKNOWN_APN),
            None => None,
        };
        policy.grant(&connecting.profile, requested).map_err(|cause| match EsmCause::from_code(cause) {
            EsmCause::MissingOrUnknownApn => UNKNOWN_APN,
            cause => Refused {
                cause,
                reason: "the subscriber may not use the access point it asks for",
                advice: "add the access point to the subscriber, or correct the name in the phone's settings",
            },
        })
    }
}
