//! Ids that do not fit, messages that cannot be read, resets (TS 36.413 §8.7.1, §8.7.2, §10).

use basalt_s1ap::{
    Cause, DecodeError, ErrorIndication, ProtocolCause, RadioNetworkCause, Reset, ResetAcknowledge, ResetType, UeIds,
};

use crate::connection::Connection;
use crate::enb::{Enb, Out};
use crate::io::{Effect, Event, PhoneId};

impl Enb {
    /// The connection that a message's ids name. Ids that are unknown or do not belong together are answered with ERROR
    /// INDICATION (TS 36.413 §10.6); of an inconsistent pair the local connection is lost.
    pub(crate) fn of_ids(&mut self, ids: UeIds, out: &mut Out) -> Option<&Connection> {
        let found = match ids {
            UeIds { enb: Some(enb), .. } => self.connections.get(enb),
            UeIds { mme: Some(mme), .. } => self.connections.of_mme_id(mme),
            UeIds { .. } => None,
        };
        let Some(connection) = found else {
            let cause = match ids.enb {
                Some(_) => RadioNetworkCause::UnknownEnbUeS1apId,
                None => RadioNetworkCause::UnknownMmeUeS1apId,
            };
            self.indicate(ids, cause.into(), out);
            return None;
        };
        let id = connection.id;
        match (connection.mme_id, ids.mme) {
            (Some(known), Some(told)) if known != told => {
                let cause: Cause = RadioNetworkCause::UnknownPairUeS1apId.into();
                self.indicate(ids, cause, out);
                self.drop_connection(id, cause, out);
                None
            }
            (None, Some(told)) => {
                let connection = self.connections.get_mut(id)?;
                connection.mme_id = Some(told);
                Some(connection)
            }
            _ => self.connections.get(id),
        }
    }

    fn indicate(&self, ids: UeIds, cause: Cause, out: &mut Out) {
        let mut message = ErrorIndication::new();
        message.mme_ue_id = ids.mme;
        message.enb_ue_id = ids.enb;
        message.cause = Some(cause);
        match ids.enb {
            Some(enb) => self.send_ue(enb, message, out),
            None => self.send(message, out),
        }
        out.push(Effect::Event(Event::ProtocolError(cause.to_string())));
    }

    pub(crate) fn undecodable(&self, error: &DecodeError, out: &mut Out) {
        self.indicate(UeIds::default(), ProtocolCause::TransferSyntaxError.into(), out);
        out.push(Effect::Event(Event::ProtocolError(error.to_string())));
    }

    pub(crate) fn error_indication(&mut self, message: &ErrorIndication, out: &mut Out) {
        let found = message.enb_ue_id.and_then(|id| self.connections.get(id));
        let found = found.map(|connection| (connection.phone, connection.id));
        let phone = found.map(|(phone, _)| phone);
        out.push(Effect::Event(Event::ErrorIndication { phone, cause: message.cause }));
        // Ids that the MME does not know: the connection exists here only (TS 36.413 §10.6).
        let unknown = [
            RadioNetworkCause::UnknownMmeUeS1apId,
            RadioNetworkCause::UnknownEnbUeS1apId,
            RadioNetworkCause::UnknownPairUeS1apId,
        ];
        if let (Some((_, id)), Some(cause)) = (found, message.cause)
            && unknown.iter().any(|known| Cause::from(*known) == cause)
        {
            self.drop_connection(id, cause, out);
        }
    }

    /// Resets the connections of `phones`, or the whole interface. The radio lets go at once (TS 36.413 §8.7.1.2.2).
    pub(crate) fn reset(&mut self, phones: &[PhoneId], cause: Cause, out: &mut Out) {
        let connections: Vec<UeIds> = phones
            .iter()
            .filter_map(|phone| self.connections.of_phone(*phone))
            .map(|connection| UeIds { mme: connection.mme_id, enb: Some(connection.id) })
            .collect();
        let (kind, gone) = if phones.is_empty() {
            (ResetType::Full, self.connections.ids())
        } else {
            let gone = connections.iter().filter_map(|ids| ids.enb).collect();
            (ResetType::Partial(connections), gone)
        };
        self.send(Reset::new(cause, kind), out);
        for id in gone {
            self.drop_connection(id, cause, out);
        }
    }

    pub(crate) fn reset_by_mme(&mut self, message: Reset, out: &mut Out) {
        let cause = message.cause.unwrap_or(RadioNetworkCause::Unspecified.into());
        let mut answer = ResetAcknowledge::new();
        let gone = match message.reset_type {
            ResetType::Full => self.connections.ids(),
            ResetType::Partial(connections) => {
                let known = |ids: &UeIds| match *ids {
                    UeIds { enb: Some(enb), .. } => self.connections.get(enb),
                    UeIds { mme: Some(mme), .. } => self.connections.of_mme_id(mme),
                    UeIds { .. } => None,
                };
                let gone = connections.iter().filter_map(|ids| Some(known(ids)?.id)).collect();
                // All that were listed are acknowledged, known or not (TS 36.413 §8.7.1.2.1).
                answer.connections = connections;
                gone
            }
        };
        let phones = gone.len();
        for id in gone {
            self.drop_connection(id, cause, out);
        }
        self.send(answer, out);
        out.push(Effect::Event(Event::ResetByMme { cause: message.cause, phones }));
    }
}
