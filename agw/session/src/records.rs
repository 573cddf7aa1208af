//! Rules and dedicated bearers over a restart.

use crate::Sessions;
use crate::admission::Promise;
use agw_types::{StoredBearers, StoredSessionBearers, UeId};

impl Sessions {
    /// Rules and dedicated bearers of a UE as they are kept; `None` when it has none. A bearer that the UE has not accepted is not
    /// kept: its rule asks for it again.
    #[must_use]
    pub fn stored_bearers(&self, ue: UeId) -> Option<StoredBearers> {
        let held = self.ues.get(&ue)?;
        let sessions: Vec<_> = held
            .list
            .iter()
            .filter(|session| !session.rules.is_empty() || !session.bearers.is_empty())
            .map(|session| StoredSessionBearers {
                ebi: session.ebi,
                teid: session.local.1,
                rules: session.rules.clone(),
                bearers: session.bearers.iter().filter(|bearer| bearer.confirmed).cloned().collect(),
            })
            .collect();
        (!sessions.is_empty()).then_some(StoredBearers { imsi: held.imsi, sessions })
    }

    /// Takes rules and bearers of restored sessions over. False when a bearer could not be: its identity or tunnel is another's.
    pub fn restore_bearers(&mut self, ue: UeId, stored: &StoredBearers) -> bool {
        let mut whole = true;
        for kept in &stored.sessions {
            let Some(held) = self.ues.get_mut(&ue) else { return false };
            let mut bearers = Vec::new();
            for bearer in &kept.bearers {
                let taken = |ebi| held.list.iter().any(|session| session.ebi == ebi) || held.bearer(ebi).is_some();
                let again = bearers.iter().any(|other: &agw_types::Bearer| other.ebi == bearer.ebi);
                if taken(bearer.ebi) || again || !self.teids.restore(bearer.local.1) {
                    whole = false;
                    continue;
                }
                bearers.push(bearer.clone());
            }
            let session = held.session_mut(kept.ebi).filter(|session| session.local.1 == kept.teid);
            let Some(session) = session else {
                for bearer in &bearers {
                    self.teids.release(basalt_sansio::Time::ZERO, basalt_sansio::Duration::ZERO, bearer.local.1);
                }
                whole = false;
                continue;
            };
            for bearer in &bearers {
                self.by_teid.insert(bearer.local.1, ue);
                if let Some(rates) = bearer.rates {
                    let enb = bearer.remote.map(|(address, _)| address);
                    let apn = session.apn.clone();
                    let promise = Promise { rates: rates.guaranteed, apn, enb, arp: bearer.qos.arp };
                    self.admission.restore((ue, bearer.ebi), promise);
                }
            }
            session.rules = kept.rules.clone();
            session.bearers = bearers;
        }
        whole
    }
}
