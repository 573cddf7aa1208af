//! What an operator sees.

use crate::Core;
use agw_ran::EnbView;
use agw_types::{GatewayConfig, IpPrefix, Limits, LinkId, Now, Session, UeId, UeView};
use basalt_ids::{Apn, EnbUeS1apId, GlobalEnbId, Imsi, MmeUeS1apId, STmsi};
use core::net::IpAddr;

impl Core {
    /// UEs that are known, and those that were refused lately.
    pub fn ues(&self) -> impl Iterator<Item = UeView> {
        self.mobility.ids().filter_map(|id| self.view(id)).chain(self.mobility.refused())
    }

    /// One UE, or what is remembered of its refusal.
    #[must_use]
    pub fn ue(&self, imsi: Imsi) -> Option<UeView> {
        match self.mobility.find(imsi) {
            Some(id) => self.view(id),
            // Not proven: it may be on its way, or was refused.
            None => self.ues().find(|view| view.imsi == Some(imsi)),
        }
    }

    fn view(&self, id: UeId) -> Option<UeView> {
        let mut view = self.mobility.view(id)?;
        view.sessions = self.sessions.of(id).to_vec();
        view.enb = self.mobility.radio_of(id).and_then(|radio| self.ran.enb_of(radio));
        Some(view)
    }

    /// Base stations whose S1 is set up.
    pub fn enbs(&self) -> impl Iterator<Item = EnbView> {
        self.ran.enbs()
    }

    /// The base station of an association, and its address.
    #[must_use]
    pub fn enb_over(&self, link: LinkId) -> Option<(GlobalEnbId, Option<IpAddr>)> {
        self.ran.enb_over(link)
    }

    /// The subscriber that a message is about, by what base station and gateway call its UE or by its temporary identity; a UE that
    /// has not proven who it is counts as who it says it is. For a trace.
    #[must_use]
    pub fn whose(
        &self,
        link: LinkId,
        (enb, mme): (Option<EnbUeS1apId>, Option<MmeUeS1apId>),
        tmsi: Option<STmsi>,
    ) -> Option<Imsi> {
        let connected = self.ran.ue_over(link, enb, mme).and_then(|ue| self.mobility.imsi_or_claim(ue));
        connected.or_else(|| self.mobility.imsi_of_tmsi(tmsi?.m_tmsi))
    }

    /// A NAS message as the keys of its subscriber read it: for a trace. `sent`: by the network.
    #[must_use]
    pub fn read_nas(&self, imsi: Imsi, nas: &[u8], sent: bool) -> Option<Vec<u8>> {
        self.mobility.read_nas(imsi, nas, sent)
    }

    /// All sessions with their subscribers.
    pub fn sessions(&self) -> impl Iterator<Item = (Imsi, &Session)> {
        self.sessions.iter().map(|(_, imsi, session)| (imsi, session))
    }

    /// Addresses that can be given out now, and all, for each pool of each access point.
    pub fn address_room(&mut self, now: Now) -> Vec<(Apn, IpPrefix, u32, u32)> {
        self.sessions.room(now.mono)
    }

    /// Numbers for gauges.
    #[must_use]
    pub fn counts(&self) -> Counts {
        Counts {
            ues: self.mobility.len() as u32,
            half_open: self.mobility.half_open(),
            sessions: self.sessions.len() as u32,
            connections: self.ran.connections() as u32,
            links: self.ran.links() as u32,
            enbs: self.ran.enb_count() as u32,
            timers: self.timers.len() as u32,
        }
    }

    /// What the gateway is.
    #[must_use]
    pub const fn configuration(&self) -> &GatewayConfig {
        &self.config
    }

    /// Its bounds.
    #[must_use]
    pub const fn limits(&self) -> Limits {
        self.limits
    }
}

/// How much there is of what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// UEs known, attached or not.
    pub ues: u32,
    /// UEs that have not proven who they are.
    pub half_open: u32,
    /// Sessions.
    pub sessions: u32,
    /// Signalling connections.
    pub connections: u32,
    /// Associations.
    pub links: u32,
    /// Base stations whose S1 is set up.
    pub enbs: u32,
    /// Timers that run.
    pub timers: u32,
}
