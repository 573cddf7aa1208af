//! One phone's connection, and the tables that find it.

use std::collections::VecDeque;
use std::net::Ipv4Addr;

use basalt_ids::{Ebi, EnbUeS1apId, Gummei, MmeUeS1apId, Teid};
use basalt_s1ap::{SecurityKey, UeSecurityCapabilities};
use basalt_sansio::{DetHashMap, Time};

use crate::io::PhoneId;
use crate::relocation::Relocation;

/// A bearer between a phone and the gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bearer {
    /// Which.
    pub ebi: Ebi,
    /// Where the gateway receives.
    pub gateway: Ipv4Addr,
    /// The gateway's tunnel endpoint.
    pub uplink: Teid,
    /// The eNodeB's tunnel endpoint.
    pub downlink: Teid,
}

/// What stands between a phone and the MME.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectionState {
    /// NAS only; no context yet.
    Signalling,
    /// Context, bearers and AS security stand.
    Active,
    /// This eNodeB asked the MME to release it.
    ReleaseAsked,
    /// PATH SWITCH REQUEST is sent.
    Switching,
    /// Another eNodeB takes the phone over.
    Leaving,
    /// HANDOVER REQUIRED is sent; the phone is still here.
    Relocating,
    /// The phone is on its way to another eNodeB, or there: what comes for it is forwarded.
    Left,
    /// A phone is expected from another eNodeB.
    Expected,
}

/// A connection as shown to the driver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectionInfo {
    /// Its id at this eNodeB.
    pub enb_ue_id: EnbUeS1apId,
    /// Its id at the MME, once told.
    pub mme_ue_id: Option<MmeUeS1apId>,
    /// How far it is.
    pub state: ConnectionState,
    /// Its bearers.
    pub bearers: Vec<Bearer>,
}

/// What [`crate::Input::Configured`] will be the answer to.
#[derive(Clone, Debug)]
pub(crate) enum Pending {
    /// INITIAL CONTEXT SETUP REQUEST; whether the MME lacks the phone's radio capability.
    Context { enquire_capability: bool },
    /// E-RAB SETUP REQUEST with these bearers.
    Erabs(Vec<Ebi>),
    /// Nobody waits: the MME was answered already.
    Nobody,
}

#[derive(Clone, Debug)]
pub(crate) struct Connection {
    pub phone: PhoneId,
    pub id: EnbUeS1apId,
    pub mme_id: Option<MmeUeS1apId>,
    pub state: ConnectionState,
    pub bearers: Vec<Bearer>,
    pub capability: Vec<u8>,
    pub security: Option<UeSecurityCapabilities>,
    /// Key and chaining count for the next handover.
    pub next_hop: Option<(u8, SecurityKey)>,
    pub gummei: Option<Gummei>,
    pub pending: VecDeque<Pending>,
    pub last_activity: Time,
    pub relocation: Relocation,
}

impl Connection {
    pub(crate) fn info(&self) -> ConnectionInfo {
        ConnectionInfo { enb_ue_id: self.id, mme_ue_id: self.mme_id, state: self.state, bearers: self.bearers.clone() }
    }

    pub(crate) fn bearer(&self, ebi: Ebi) -> Option<&Bearer> {
        self.bearers.iter().find(|bearer| bearer.ebi == ebi)
    }
}

/// Connections by their id, by phone, and tunnels by TEID.
#[derive(Clone, Debug, Default)]
pub(crate) struct Connections {
    by_id: DetHashMap<u32, Connection>,
    by_phone: DetHashMap<PhoneId, u32>,
    by_teid: DetHashMap<u32, (PhoneId, Ebi)>,
    last_id: u32,
    last_teid: u32,
}

/// 24 bits (TS 36.413 §9.2.3.4).
const LARGEST_ID: u32 = 0x00ff_ffff;
/// TEIDs of one eNodeB: the low 20 bits.
const LARGEST_TEID: u32 = 0x000f_ffff;

impl Connections {
    /// A new connection of `phone`; `None` when it has one already, or all ids are in use.
    pub(crate) fn open(&mut self, now: Time, phone: PhoneId) -> Option<&mut Connection> {
        if self.by_phone.contains_key(&phone) {
            return None;
        }
        let id = self.free_id()?;
        let connection = Connection {
            phone,
            id: EnbUeS1apId::new(id).ok()?,
            mme_id: None,
            state: ConnectionState::Signalling,
            bearers: Vec::new(),
            capability: Vec::new(),
            security: None,
            next_hop: None,
            gummei: None,
            pending: VecDeque::new(),
            last_activity: now,
            relocation: Relocation::default(),
        };
        self.by_phone.insert(phone, id);
        Some(self.by_id.entry(id).or_insert(connection))
    }

    /// A phone that left may come back before the MME has released its connection, which is known by its ids only from then on.
    pub(crate) fn forget_left(&mut self, phone: PhoneId) {
        if self.of_phone(phone).is_some_and(|connection| connection.state == ConnectionState::Left) {
            self.by_phone.remove(&phone);
        }
    }

    fn free_id(&mut self) -> Option<u32> {
        if self.by_id.len() > LARGEST_ID as usize {
            return None;
        }
        loop {
            self.last_id = (self.last_id + 1) & LARGEST_ID;
            if !self.by_id.contains_key(&self.last_id) {
                return Some(self.last_id);
            }
        }
    }

    /// A TEID that no bearer uses; `None` when all are in use.
    pub(crate) fn new_teid(&mut self, prefix: u16, phone: PhoneId, ebi: Ebi) -> Option<Teid> {
        if self.by_teid.len() >= LARGEST_TEID as usize {
            return None;
        }
        loop {
            // 0 is never a TEID of ours (TS 29.281 §5.1).
            self.last_teid = if self.last_teid >= LARGEST_TEID { 1 } else { self.last_teid + 1 };
            let teid = u32::from(prefix & 0x0fff) << 20 | self.last_teid;
            if let std::collections::hash_map::Entry::Vacant(entry) = self.by_teid.entry(teid) {
                entry.insert((phone, ebi));
                return Some(Teid(teid));
            }
        }
    }

    pub(crate) fn free_teid(&mut self, teid: Teid) {
        self.by_teid.remove(&teid.0);
    }

    pub(crate) fn tunnel(&self, teid: Teid) -> Option<(PhoneId, Ebi)> {
        self.by_teid.get(&teid.0).copied()
    }

    pub(crate) fn of_phone(&self, phone: PhoneId) -> Option<&Connection> {
        self.by_id.get(self.by_phone.get(&phone)?)
    }

    pub(crate) fn of_phone_mut(&mut self, phone: PhoneId) -> Option<&mut Connection> {
        self.by_id.get_mut(self.by_phone.get(&phone)?)
    }

    pub(crate) fn get(&self, id: EnbUeS1apId) -> Option<&Connection> {
        self.by_id.get(&id.value())
    }

    pub(crate) fn get_mut(&mut self, id: EnbUeS1apId) -> Option<&mut Connection> {
        self.by_id.get_mut(&id.value())
    }

    /// Looks through all connections: only for the messages that name a UE by the MME's id alone.
    pub(crate) fn of_mme_id(&self, id: MmeUeS1apId) -> Option<&Connection> {
        self.by_id.values().filter(|connection| connection.mme_id == Some(id)).min_by_key(|connection| connection.id)
    }

    /// Forgets a connection and its tunnels.
    pub(crate) fn close(&mut self, id: EnbUeS1apId) -> Option<Connection> {
        let connection = self.by_id.remove(&id.value())?;
        if self.by_phone.get(&connection.phone) == Some(&id.value()) {
            self.by_phone.remove(&connection.phone);
        }
        for bearer in &connection.bearers {
            self.by_teid.remove(&bearer.downlink.0);
        }
        for teid in connection.relocation.teids() {
            self.by_teid.remove(&teid.0);
        }
        Some(connection)
    }

    /// All ids, in order.
    pub(crate) fn ids(&self) -> Vec<EnbUeS1apId> {
        let mut ids: Vec<EnbUeS1apId> = self.by_id.values().map(|connection| connection.id).collect();
        ids.sort_unstable();
        ids
    }

    pub(crate) fn len(&self) -> usize {
        self.by_id.len()
    }
}
