//! Rules and dedicated bearers over a restart.

use crate::admission::Promise;
use crate::{SessionOut, Sessions, UeSessions};
use agw_types::{StoredBearers, StoredSessionBearers, UeId};
use basalt_sansio::Time;

impl Sessions {
    /// Rules and dedicated bearers of a UE as they are kept; `None` when it has none. Also a bearer that the UE was offered and has not
    /// accepted: it may have by the time that this is read.
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
                bearers: session.bearers.clone(),
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

    /// Goes on with what an earlier life left half-done, once it is known who is connected. A bearer that was offered then is taken back by
    /// signalling, since the UE has it or will have it in a moment, and its base station, too; its rule asks for it again. Of a UE that is
    /// idle it is just forgotten: it goes there when the UE returns and gets no radio bearer for it, or hears the status of its bearers
    /// (TS 24.301 §5.6.1.4, §5.5.3.2.4).
    pub fn take_up(&mut self, now: Time, out: &mut SessionOut) {
        let with_rules = |held: &UeSessions| held.list.iter().any(|session| !session.rules.is_empty());
        let offered =
            |held: &UeSessions| held.list.iter().any(|session| session.bearers.iter().any(|it| !it.confirmed));
        let connected = |held: &UeSessions| held.list.iter().any(|session| session.remote.is_some());
        let all = self.ues.iter().filter(|(_, held)| offered(held) || (connected(held) && with_rules(held)));
        let all: Vec<(UeId, bool)> = all.map(|(ue, held)| (*ue, connected(held))).collect();
        for (ue, connected) in all {
            if connected {
                self.pump(now, ue, out);
            } else {
                self.interrupt(now, ue, out);
            }
        }
        self.pump_others(now, out);
    }
}
