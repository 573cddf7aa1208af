//! From home networks to gateways (TS 29.272 §5.2.1.2, §5.2.2, §5.2.4).

use crate::types::{Ask, AskId, Effect, GatewayId, Metric, Outcome};
use crate::{Effects, Relay, Timer};
use basalt_diameter::node::Handle;
use basalt_diameter::{Limits, Message, ResultCode};
use basalt_ids::Imsi;
use basalt_sansio::{DetHashMap, Time};
use feg_s6a::{HssRequest, Inserted, Reply, read_hss_request, refuse, refuse_for, reply};

/// Requests of home networks that wait for gateways.
const MOST: usize = 10_000;

/// A request of a home network's.
#[derive(Debug)]
struct Pending {
    octets: Vec<u8>,
    /// Gateways that have not answered.
    left: Vec<(GatewayId, AskId)>,
    best: Outcome,
    kind: Kind,
    /// What the gateway that has the phone told of it.
    told: Inserted,
}

/// What a request is about, as far as its answer depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Where nobody has the phone it is done (TS 29.272 §5.2.1.2.2).
    Cancel,
    Insert,
    Delete,
    /// It concerns nobody alone: it is done whatever gateways say.
    Reset,
}

impl Kind {
    fn of(ask: &Ask) -> Self {
        match ask {
            Ask::Cancel(..) => Self::Cancel,
            Ask::Insert(..) => Self::Insert,
            Ask::Delete(..) => Self::Delete,
            Ask::Reset(..) => Self::Reset,
        }
    }
}

/// The tables of this direction.
#[derive(Debug, Default)]
pub(crate) struct Backward {
    pending: DetHashMap<Handle, Pending>,
    by_ask: DetHashMap<AskId, Handle>,
    next: u64,
}

impl Relay {
    /// A peer asks.
    pub(crate) fn home_asks(&mut self, now: Time, handle: Handle, octets: &[u8], out: &mut Effects) {
        let Ok(message) = Message::decode(octets, &Limits::default()) else { return };
        let local = &self.config.local;
        let refused = |code, why, out: &mut Effects| {
            out.push(Effect::Count(Metric::Filtered(why)));
            out.push(Effect::ToPeer { handle, octets: refuse(local, &message, code) });
        };
        let from = match read_hss_request(&message) {
            Ok(from) => from,
            Err(error) => {
                let known = matches!(
                    message.header.command,
                    basalt_diameter::Command::CANCEL_LOCATION
                        | basalt_diameter::Command::INSERT_SUBSCRIBER_DATA
                        | basalt_diameter::Command::DELETE_SUBSCRIBER_DATA
                        | basalt_diameter::Command::RESET
                );
                if !known {
                    return refused(ResultCode::COMMAND_UNSUPPORTED, "unreadable", out);
                }
                out.push(Effect::Count(Metric::Filtered("unreadable")));
                out.push(Effect::ToPeer { handle, octets: refuse_for(local, &message, error) });
                return;
            }
        };
        let networks = &self.config.networks;
        let (imsi, ask) = match from.request {
            HssRequest::Cancel { imsi, kind, reattach } => (Some(imsi), Ask::Cancel(imsi, kind, reattach)),
            HssRequest::Insert { imsi, subscription, flags } => (Some(imsi), Ask::Insert(imsi, subscription, flags)),
            HssRequest::Delete { imsi, flags, contexts } => (Some(imsi), Ask::Delete(imsi, flags, contexts)),
            HssRequest::Reset { beginnings } => (None, Ask::Reset(beginnings, from.host)),
        };
        // A home network speaks for its own subscribers, and for nobody else's.
        let may = match imsi {
            Some(imsi) => networks.may_speak(&from.realm, imsi),
            None => networks.has_realm(&from.realm),
        };
        if !may {
            return refused(ResultCode::AUTHORIZATION_REJECTED, "not its subscriber", out);
        }
        if self.backward.pending.len() >= MOST {
            return refused(ResultCode::TOO_BUSY, "too many", out);
        }
        self.ask_gateways(now, handle, octets, imsi, &ask, out);
    }

    fn ask_gateways(
        &mut self,
        now: Time,
        handle: Handle,
        octets: &[u8],
        imsi: Option<Imsi>,
        ask: &Ask,
        out: &mut Effects,
    ) {
        let has = imsi.and_then(|imsi| self.located.get(&imsi));
        let known: Vec<GatewayId> = self
            .gateways
            .iter()
            .filter(|(_, gateway)| has.is_none_or(|name| *name == gateway.name))
            .map(|(id, _)| *id)
            .collect();
        let mut left = Vec::with_capacity(known.len());
        for gateway in known {
            self.backward.next += 1;
            let number = AskId(self.backward.next);
            self.backward.by_ask.insert(number, handle);
            left.push((gateway, number));
            out.push(Effect::Ask { gateway, ask: number, what: ask.clone() });
        }
        let (nobody, kind, told) = (left.is_empty(), Kind::of(ask), Inserted::default());
        // Who has the phone and is away cannot be asked; a phone that nobody ever had is unknown.
        let best = if has.is_some() && nobody { Outcome::Unable } else { Outcome::Unknown };
        self.backward.pending.insert(handle, Pending { octets: octets.to_vec(), left, best, kind, told });
        if nobody {
            self.settle(handle, out);
        } else {
            self.timers.arm(Timer::Backward(handle), now + self.config.patience);
        }
    }

    /// A gateway answered.
    pub(crate) fn replied(
        &mut self,
        gateway: GatewayId,
        ask: AskId,
        (outcome, told): (Outcome, Inserted),
        out: &mut Effects,
    ) {
        let Some(handle) = self.backward.by_ask.get(&ask).copied() else { return };
        let Some(pending) = self.backward.pending.get_mut(&handle) else { return };
        let before = pending.left.len();
        pending.left.retain(|one| *one != (gateway, ask));
        if pending.left.len() == before {
            return;
        }
        self.backward.by_ask.remove(&ask);
        if outcome == Outcome::Done {
            pending.told = told;
        }
        pending.best = match (pending.best, outcome) {
            (Outcome::Done, _) | (_, Outcome::Done) => Outcome::Done,
            (Outcome::Unable, _) | (_, Outcome::Unable) => Outcome::Unable,
            _ => Outcome::Unknown,
        };
        if pending.left.is_empty() || pending.best == Outcome::Done && pending.kind != Kind::Reset {
            self.settle(handle, out);
        }
    }

    /// Gateways took too long.
    pub(crate) fn silent(&mut self, handle: Handle, out: &mut Effects) {
        if let Some(pending) = self.backward.pending.get_mut(&handle)
            && pending.best == Outcome::Unknown
        {
            pending.best = Outcome::Unable;
        }
        self.settle(handle, out);
    }

    /// A gateway went: it answers nothing any more.
    pub(crate) fn backward_left(&mut self, gateway: GatewayId, out: &mut Effects) {
        let asked = self.backward.pending.values().flat_map(|pending| &pending.left);
        let asks: Vec<AskId> = asked.filter(|(one, _)| *one == gateway).map(|(_, ask)| *ask).collect();
        for ask in asks {
            self.replied(gateway, ask, (Outcome::Unable, Inserted::default()), out);
        }
    }

    fn settle(&mut self, handle: Handle, out: &mut Effects) {
        let Some(pending) = self.backward.pending.remove(&handle) else { return };
        for (_, ask) in &pending.left {
            self.backward.by_ask.remove(ask);
        }
        self.timers.cancel(&Timer::Backward(handle));
        let Ok(message) = Message::decode(&pending.octets, &Limits::default()) else { return };
        let (answer, word) = match (pending.best, pending.kind) {
            (_, Kind::Reset) => (Reply::Done, "done"),
            (Outcome::Done, Kind::Insert) => (Reply::Inserted(pending.told), "done"),
            (Outcome::Done, _) => (Reply::Done, "done"),
            (Outcome::Unknown, Kind::Cancel) => (Reply::Done, "unknown"),
            (Outcome::Unknown, _) => (Reply::UserUnknown, "unknown"),
            (Outcome::Unable, _) => (Reply::Unable, "unable"),
        };
        out.push(Effect::Count(Metric::Backward(word)));
        out.push(Effect::ToPeer { handle, octets: reply(&self.config.local, &message, answer) });
    }
}
