//! What an operator sees of base stations, and what a restart brings back.

use crate::connection::{Bearers, Connection, Context};
use crate::link::{Enb, Link, LinkState};
use crate::{Cx, Guard, Ran};
use agw_types::{Area, LinkId, LinkInfo, RadioCause, RadioId, StoredLink, StoredRadio, UeId};
use basalt_ids::{Ebi, EnbUeS1apId, GlobalEnbId, MmeUeS1apId, Tai};
use basalt_sansio::SlotId;
use core::net::IpAddr;
use serde::{Deserialize, Serialize};

/// A base station as an operator sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnbView {
    /// Which.
    pub enb: GlobalEnbId,
    /// Its name, if it gave one.
    pub name: Option<String>,
    /// Association.
    pub link: LinkId,
    /// Its primary address.
    pub peer: Option<IpAddr>,
    /// Areas it serves.
    pub areas: Vec<Tai>,
    /// Default paging DRX cycle in radio frames.
    pub drx: u16,
    /// UEs connected over it.
    pub connected_ues: u32,
}

impl Ran {
    /// Base stations whose S1 is set up, in the order of their identities.
    pub fn enbs(&self) -> impl Iterator<Item = EnbView> {
        self.by_enb.values().filter_map(|link| self.enb_view(*link))
    }

    fn enb_view(&self, link: LinkId) -> Option<EnbView> {
        let state = self.links.get(&link)?;
        let enb = state.enb()?;
        Some(EnbView {
            enb: enb.id,
            name: enb.name.clone(),
            link,
            peer: state.peer(),
            areas: enb.areas.clone(),
            drx: enb.drx,
            connected_ues: state.connections.len() as u32,
        })
    }

    /// How many base stations' S1 is set up.
    #[must_use]
    pub fn enb_count(&self) -> usize {
        self.by_enb.len()
    }

    /// How many associations there are, set up or not.
    #[must_use]
    pub fn links(&self) -> usize {
        self.links.len()
    }

    /// How many UE connections there are, those that are being released included.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.connections.len()
    }

    /// The base station of a connection.
    #[must_use]
    pub fn enb_of(&self, radio: RadioId) -> Option<GlobalEnbId> {
        let connection = self.connections.get(radio.0)?;
        Some(self.links.get(&connection.link)?.enb()?.id)
    }

    /// The base station of an association whose S1 is set up.
    #[must_use]
    pub fn enb_over(&self, link: LinkId) -> Option<(GlobalEnbId, Option<IpAddr>)> {
        let state = self.links.get(&link)?;
        Some((state.enb()?.id, state.peer()))
    }

    /// The UE of a connection, by what base station and gateway call it. The gateway's own id counts where both are given.
    #[must_use]
    pub fn ue_over(&self, link: LinkId, enb: Option<EnbUeS1apId>, mme: Option<MmeUeS1apId>) -> Option<UeId> {
        let radio = match (mme, enb) {
            (Some(mme), _) => RadioId(SlotId(mme.0)),
            (None, enb) => self.by_enb_id(link, enb?)?,
        };
        let connection = self.connections.get(radio.0)?;
        connection.ue.filter(|_| connection.link == link)
    }

    /// What is kept of a connection across a restart, whether to take it over or to release it; `None` when it is gone or going.
    #[must_use]
    pub fn stored(&self, radio: RadioId) -> Option<StoredRadio> {
        let connection = self.connections.get(radio.0)?;
        let kept = !matches!(connection.context, Context::Releasing | Context::Departed);
        kept.then_some(StoredRadio {
            link: connection.link,
            radio: radio.0,
            enb_id: connection.enb_id,
            stream: connection.stream,
        })
    }

    /// Brings a base station back from its record, to be paged in the areas `served`; it counts as connected once the driver says that its association lives.
    pub fn restore_link(&mut self, stored: StoredLink, served: &[Tai]) {
        let link = stored.link;
        let enb = Enb::restored(stored);
        self.index(link, &enb, served);
        let mut state = Link::new(LinkInfo { peers: Vec::new(), streams: 1, resumed: true });
        state.state = LinkState::Remembered(enb);
        self.links.insert(link, state);
    }

    /// Brings a connection back from its UE's record. False when its ids are taken or its base station has no record.
    pub fn restore_connection(
        &mut self,
        stored: StoredRadio,
        ue: UeId,
        area: Area,
        bearers: impl IntoIterator<Item = Ebi>,
    ) -> bool {
        let bearers = bearers.into_iter().collect();
        self.restore(stored, area, Some(ue), Context::Established, bearers)
    }

    /// Remembers a connection that its UE's record does not take over: the base station may still have it, and is told to let it
    /// go once all associations are known ([`Ran::end_remembered`]). Until then its id is nobody else's.
    pub fn restore_stale(&mut self, stored: StoredRadio, area: Area) {
        self.restore(stored, area, None, Context::Releasing, Bearers::default());
    }

    fn restore(
        &mut self,
        stored: StoredRadio,
        area: Area,
        ue: Option<UeId>,
        context: Context,
        bearers: Bearers,
    ) -> bool {
        let Some(link) = self.links.get_mut(&stored.link) else { return false };
        if link.connections.contains_key(&stored.enb_id.value()) {
            return false;
        }
        let connection =
            Connection { ue, context, bearers, ..Connection::new(stored.link, stored.enb_id, stored.stream, area) };
        if self.connections.insert_at(stored.radio, connection).is_err() {
            return false;
        }
        link.connections.insert(stored.enb_id.value(), RadioId(stored.radio));
        true
    }

    /// The driver has told of every association that lives: those it did not name are gone, and over the others what nobody took
    /// over is released.
    pub fn end_remembered(&mut self, cx: &mut Cx<'_>) {
        let remembered = |link: &Link| matches!(link.state, LinkState::Remembered(_));
        let gone: Vec<LinkId> =
            self.links.iter().filter(|(_, link)| remembered(link)).map(|(number, _)| *number).collect();
        for link in gone {
            self.end_link(link, RadioCause::LinkLost, cx);
            self.links.remove(&link);
        }
        let stale = |(slot, connection): (SlotId, &Connection)| {
            let radio = RadioId(slot);
            let told = self.guards.is_armed(&Guard::Release(radio));
            (connection.context == Context::Releasing && !told).then_some(radio)
        };
        let stale: Vec<RadioId> = self.connections.iter().filter_map(stale).collect();
        for radio in stale {
            self.send_release(radio, RadioCause::Unspecified, cx);
        }
    }
}
