//! What an operator sees of UEs, what is stored of them, and how they come back after a restart.

use crate::Mobility;
use crate::cx::Want;
use crate::generation::EpsCapability;
use crate::ue::{Connection, Emm, Task, Ue};
use agw_types::{
    Area, Event, Now, RadioId, StoredRadio, StoredRest, StoredSession, StoredUe, TimerName, UeId, UeState, UeView,
};
use basalt_ids::{Imsi, MTmsi};
use basalt_nas::ie::{
    MsNetworkCapability, TimeZone, UeAdditionalSecurityCapability, UeNetworkCapability, UniversalTime,
};
use basalt_sansio::{Outbox, Time};

impl Mobility {
    /// How many UEs are known, attached or not.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ues.len()
    }

    /// True when no UE is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ues.is_empty()
    }

    /// How many UEs have not proven who they are.
    #[must_use]
    pub fn half_open(&self) -> u32 {
        self.index.half_open
    }

    /// The UE of an IMSI.
    #[must_use]
    pub fn find(&self, imsi: Imsi) -> Option<UeId> {
        self.index.imsi(imsi)
    }

    /// The IMSI of a proven UE.
    #[must_use]
    pub fn imsi(&self, id: UeId) -> Option<Imsi> {
        self.ues.get(id.0)?.imsi
    }

    /// The subscriber that a UE is, or that it says it is while it proves it.
    #[must_use]
    pub fn imsi_or_claim(&self, id: UeId) -> Option<Imsi> {
        let ue = self.ues.get(id.0)?;
        ue.imsi.or(match &ue.emm {
            Emm::Claiming(claim) => claim.proof.imsi,
            _ => None,
        })
    }

    /// The subscriber who has a temporary identity.
    #[must_use]
    pub fn imsi_of_tmsi(&self, tmsi: MTmsi) -> Option<Imsi> {
        self.imsi(self.index.tmsi(tmsi)?)
    }

    /// A NAS message of a proven UE as its keys read it: for a trace. `sent`: by the network.
    #[must_use]
    pub fn read_nas(&self, imsi: Imsi, nas: &[u8], sent: bool) -> Option<Vec<u8>> {
        self.ues.get(self.find(imsi)?.0)?.keys.as_deref()?.read(nas, sent)
    }

    /// The connection of a UE.
    #[must_use]
    pub fn radio_of(&self, id: UeId) -> Option<RadioId> {
        self.connection(id)
    }

    /// All UEs.
    pub fn ids(&self) -> impl Iterator<Item = UeId> {
        self.ues.iter().map(|(slot, _)| UeId(slot))
    }

    /// A UE as an operator sees it; sessions and base station are for the core to fill in.
    #[must_use]
    pub fn view(&self, id: UeId) -> Option<UeView> {
        let ue = self.ues.get(id.0)?;
        let imsi = self.imsi_or_claim(id);
        let algorithms = ue.keys.as_ref().map(|keys| keys.algorithms());
        Some(UeView {
            imsi,
            state: state(ue),
            description: format!("{}, since {}", describe(ue), utc(ue.since)),
            guti: ue.guti.or(ue.pending_guti),
            cell: Some(ue.area.cell),
            area: Some(ue.area.tai),
            enb: None,
            ciphering: algorithms.map(|algorithms| algorithms.ciphering.number()),
            integrity: algorithms.map(|algorithms| algorithms.integrity.number()),
            sessions: Vec::new(),
            last_seen: ue.last_seen,
            last_reject: imsi.and_then(|imsi| self.rejections.of(imsi)).cloned(),
        })
    }

    /// Refusals of UEs that are not known otherwise.
    pub fn refused(&self) -> impl Iterator<Item = UeView> {
        self.rejections.iter().filter_map(|info| {
            let imsi = info.imsi.filter(|imsi| self.index.imsi(*imsi).is_none())?;
            Some(UeView {
                imsi: Some(imsi),
                state: UeState::Detached,
                description: format!("refused at {}: {}", info.procedure, info.reason),
                guti: None,
                cell: None,
                area: None,
                enb: None,
                ciphering: None,
                integrity: None,
                sessions: Vec::new(),
                last_seen: info.unix_secs,
                last_reject: Some(info.clone()),
            })
        })
    }

    /// What is kept of a UE, with what the other rooms keep of it. `None` for one that is not worth keeping: not proven, without
    /// keys, or never given a temporary identity.
    #[must_use]
    pub fn stored(
        &self,
        id: UeId,
        sessions: Vec<StoredSession>,
        resting: Vec<StoredRest>,
        radio: Option<StoredRadio>,
    ) -> Option<StoredUe> {
        let ue = self.ues.get(id.0)?;
        if matches!(ue.emm, Emm::Claiming(_)) {
            return None;
        }
        let imsi = ue.imsi?;
        let connection = ue.connection.as_ref();
        Some(StoredUe {
            imsi,
            guti: ue.guti.or(ue.pending_guti)?,
            pending_guti: ue.guti.and(ue.pending_guti),
            registered: ue.is_registered(),
            security: ue.keys.as_deref()?.clone(),
            network_capability: ue.capability.network.octets().to_vec(),
            ms_network_capability: ue.capability.ms.map(|ms| ms.octets().to_vec()),
            additional_capability: ue.capability.additional.map(|additional| additional.octets().to_vec()),
            imei: ue.imei,
            imeisv: ue.imeisv,
            areas: ue.areas.to_vec(),
            cell: ue.area.cell,
            drx: ue.drx,
            radio_capability: ue.radio_capability.as_ref().map(|octets| octets.to_vec()),
            radio,
            access_keys: connection.and_then(|connection| connection.access_keys.as_deref().cloned()),
            ambr: ue.ambr,
            sessions,
            resting,
            last_seen: ue.last_seen,
            last_reject: self.rejections.of(imsi).cloned(),
        })
    }

    /// Brings a UE back from its record. `connected` when its radio connection was brought back too.
    ///
    /// One whose attach was promised but not confirmed counts as registered: if the phone took the promise it is served, if not it
    /// attaches again.
    pub fn restore(&mut self, now: Now, stored: &StoredUe, out: &mut Outbox<Want>) -> Option<UeId> {
        let network = UeNetworkCapability::from_octets(&stored.network_capability)?;
        if self.index.imsi(stored.imsi).is_some() {
            return None;
        }
        let mut keys = stored.security.clone();
        keys.resume();
        let registered = stored.registered || !stored.sessions.is_empty();
        let tai = stored.areas.first().copied().or(self.config.areas.first().copied())?;
        let ue = Ue {
            emm: if registered { Emm::Registered(None) } else { Emm::Deregistered },
            imsi: Some(stored.imsi),
            guti: None,
            pending_guti: None,
            keys: Some(Box::new(keys)),
            connection: None,
            capability: EpsCapability {
                network,
                ms: stored.ms_network_capability.as_deref().and_then(MsNetworkCapability::from_octets),
                additional: stored
                    .additional_capability
                    .as_deref()
                    .and_then(UeAdditionalSecurityCapability::from_octets),
            },
            area: Area { tai, cell: stored.cell },
            areas: stored.areas.clone().into(),
            imei: stored.imei,
            imeisv: stored.imeisv,
            drx: stored.drx,
            radio_capability: stored.radio_capability.clone().map(Into::into),
            ambr: stored.ambr,
            last_seen: stored.last_seen,
            since: stored.last_seen,
            called: false,
            paging_backoff: false,
            page_turn: false,
            idle_since: Time::ZERO,
            retired: !registered,
            waiting_esm: None,
        };
        let id = UeId(self.ues.insert(ue).ok()?);
        self.index.set_imsi(stored.imsi, id);
        if let Some(reject) = &stored.last_reject {
            self.rejections.note(reject.clone());
        }
        let claims = [Some(stored.guti), stored.pending_guti].map(|guti| {
            let guti = guti?;
            let ours = self.index.claim(guti.m_tmsi, id);
            if !ours {
                let what = "two phones had one temporary identity; the second will get another";
                out.push(Want::Effect(agw_types::Effect::Tell(Box::new(Event::Repaired { what: what.to_owned() }))));
            }
            ours.then_some(guti)
        });
        if let Some(ue) = self.ues.get_mut(id.0) {
            [ue.guti, ue.pending_guti] = claims;
        }
        if !registered {
            self.retire(id);
        } else {
            self.with(id, now, out, |_, cx| {
                let timers = &cx.config.timers;
                cx.arm(TimerName::MobileReachable, timers.t3412 + timers.mobile_reachable_margin);
            });
        }
        Some(id)
    }

    /// Gives a restored UE its connection back.
    pub fn restore_connection(
        &mut self,
        now: Now,
        id: UeId,
        stored: &StoredUe,
        radio: RadioId,
        out: &mut Outbox<Want>,
    ) {
        self.with(id, now, out, |ue, cx| {
            let mut connection = Connection::new(radio);
            connection.access_keys = stored.access_keys.clone().map(Box::new);
            ue.connection = Some(connection);
            cx.stop(TimerName::MobileReachable);
        });
    }
}

pub(crate) const fn state(ue: &Ue) -> UeState {
    match &ue.emm {
        Emm::Claiming(_) | Emm::Attaching(_) => UeState::Attaching,
        Emm::Deregistered => UeState::Detached,
        Emm::Leaving(_) => UeState::Detaching,
        Emm::Registered(Some(Task::Paging(_))) => UeState::Paging,
        Emm::Registered(_) if ue.connection.is_some() => UeState::Connected,
        Emm::Registered(_) => UeState::Idle,
    }
}

/// A point in time as people read it.
fn utc(unix_secs: u64) -> String {
    let time = UniversalTime::from_unix(unix_secs, TimeZone { quarters: 0 });
    let UniversalTime { year, month, day, hour, minute, second, .. } = time;
    format!("20{year:02}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02} UTC")
}

fn describe(ue: &Ue) -> String {
    match &ue.emm {
        Emm::Claiming(claim) => format!("proving who it is; waiting for {}", claim.proof.waiting_for()),
        Emm::Deregistered => "not attached; its keys and temporary identity are kept".to_owned(),
        Emm::Attaching(attach) => format!("attaching; waiting for {}", attach.waiting_for()),
        Emm::Leaving(_) => "being detached; waiting for the phone's answer".to_owned(),
        Emm::Registered(Some(task)) => match task {
            Task::Renewing(proof) => format!("attached; getting new keys, waiting for {}", proof.waiting_for()),
            Task::Updating(_) => "attached; telling its tracking area".to_owned(),
            Task::Serving(_) => "attached; waiting for the base station's context setup".to_owned(),
            Task::Reallocating(_) => "attached; getting a new temporary identity".to_owned(),
            Task::Paging(_) => "attached; idle, being called".to_owned(),
        },
        Emm::Registered(None) if ue.connection.is_some() => "attached and connected".to_owned(),
        Emm::Registered(None) => "attached and idle".to_owned(),
    }
}
