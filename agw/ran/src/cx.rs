//! What every handler is given: the time, the configuration, and where its results go.

use agw_types::{
    Effect, Effects, Event, GatewayConfig, LinkId, Metric, Now, RadioEvent, RadioEventKind, RadioId, UeId,
};
use basalt_s1ap::{Pdu, encode};
use basalt_sansio::Outbox;

/// The surroundings of one call.
#[derive(Debug)]
pub struct Cx<'a> {
    /// Now.
    pub now: Now,
    /// What the gateway is.
    pub config: &'a GatewayConfig,
    /// What mobility shall know.
    pub events: &'a mut Outbox<RadioEvent>,
    /// What shall be done outside.
    pub effects: &'a mut Effects,
}

impl Cx<'_> {
    /// Sends a message.
    pub(crate) fn send(&mut self, link: LinkId, stream: u16, pdu: impl Into<Pdu>) {
        let pdu = pdu.into();
        match encode(&pdu) {
            Ok(octets) => {
                self.count(Metric::Sent(pdu.name()));
                self.effects.push(Effect::Send { link, stream, pdu: octets });
            }
            // Our own values do not encode: nothing to tell the peer, and no error about an error.
            Err(_) => self.count(Metric::Discarded("s1ap message that cannot be encoded")),
        }
    }

    /// Tells mobility about a connection.
    pub(crate) fn event(&mut self, radio: RadioId, ue: Option<UeId>, kind: RadioEventKind) {
        self.events.push(RadioEvent { radio, ue, kind });
    }

    pub(crate) fn count(&mut self, metric: Metric) {
        self.effects.push(Effect::Count(metric));
    }

    pub(crate) fn tell(&mut self, event: Event) {
        self.effects.push(Effect::Tell(Box::new(event)));
    }

    /// A base station did what it must not: told, and counted under a fixed name.
    pub(crate) fn protocol_error(&mut self, link: LinkId, name: &'static str, what: String) {
        self.count(Metric::Unexpected(name));
        self.tell(Event::EnbProtocolError { link, what });
    }
}
