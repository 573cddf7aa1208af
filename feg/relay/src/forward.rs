//! From gateways to home networks.

use crate::types::{Answer, Effect, GatewayId, Metric, Number, Request, Token, Wish};
use crate::{Effects, Relay, Timer};
use basalt_diameter::node::Failure;
use basalt_diameter::{Message, Outcome};
use basalt_ids::Imsi;
use basalt_sansio::{DetHashMap, DetState, Duration, Time};
use feg_s6a::{Notification, Refusal, To, Visit, cause};
use std::collections::{BTreeMap, VecDeque};

/// Requests remembered at most, the oldest forgotten first; one more is refused while the oldest has not been answered.
const REMEMBERED: usize = 200_000;

/// A request of a gateway's, from its first coming until it is forgotten.
#[derive(Debug)]
enum Fate {
    /// A home network is asked; who waits.
    Asked { token: Token, who: Vec<GatewayId> },
    /// It was answered so.
    Answered(Answer),
}

/// What is asked of a home network.
#[derive(Debug)]
struct Waiting {
    number: Number,
    imsi: Imsi,
    realm: String,
    session: String,
    kind: Kind,
    since: Time,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Vectors,
    Locate,
    Purge,
    Check,
    Notify,
}

impl Kind {
    const fn command(self) -> &'static str {
        match self {
            Self::Vectors => "AIR",
            Self::Locate => "ULR",
            Self::Purge => "PUR",
            Self::Check => "ECR",
            Self::Notify => "NOR",
        }
    }
}

/// The tables of this direction.
#[derive(Debug)]
pub(crate) struct Forward {
    /// A tree: a hash table in which so many come and go is swept anew now and then, which takes tens of milliseconds for all.
    known: BTreeMap<Number, Fate>,
    /// All of `known` in the order of their coming, with when they are forgotten; some are gone already.
    order: VecDeque<(Time, Number)>,
    waiting: DetHashMap<Token, Waiting>,
    /// Which HSS has which phone: later requests are for it.
    hosts: DetHashMap<Imsi, String>,
    next: u64,
    /// Requests remembered at most.
    pub(crate) most: usize,
}

impl Forward {
    pub(crate) fn new(keys: (u64, u64)) -> Self {
        let hasher = || DetState::keyed(keys.0, keys.1);
        Self {
            known: BTreeMap::new(),
            order: VecDeque::new(),
            waiting: DetHashMap::default(),
            hosts: DetHashMap::with_hasher(hasher()),
            next: 0,
            most: REMEMBERED,
        }
    }

    pub(crate) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Forgets what is old, or too much; when there is something to forget again.
    pub(crate) fn forget(&mut self, now: Time) -> Option<Time> {
        while let Some((until, number)) = self.order.front() {
            let asked = matches!(self.known.get(number), Some(Fate::Asked { .. }));
            if now < *until && (asked || self.order.len() < self.most) {
                return Some(*until);
            }
            // One that failed and was asked anew stands further back as well.
            if !asked {
                self.known.remove(number);
            }
            self.order.pop_front();
        }
        None
    }
}

impl Relay {
    /// A gateway asks.
    pub(crate) fn asked(&mut self, now: Time, gateway: GatewayId, request: Request, out: &mut Effects) {
        let Some(from) = self.gateways.get_mut(&gateway) else { return };
        let number = Number { life: from.life, id: request.id };
        match self.forward.known.get_mut(&number) {
            Some(Fate::Asked { who, .. }) => {
                out.push(Effect::Count(Metric::Repeated));
                if !who.contains(&gateway) {
                    who.push(gateway);
                }
                return;
            }
            Some(Fate::Answered(answer)) => {
                out.push(Effect::Count(Metric::Repeated));
                let answer = answer.clone();
                out.push(Effect::Answer { gateway, id: request.id, answer });
                return;
            }
            None => {}
        }
        self.forward.forget(now);
        let refusal = if !from.quota.take(now) || from.waiting >= self.config.waiting {
            out.push(Effect::Count(Metric::OverQuota));
            Some(Answer::Unavailable("the federation gateway has too much to do for this gateway"))
        } else if self.forward.order.len() >= self.forward.most {
            Some(Answer::Unavailable("the federation gateway has too much to do"))
        } else {
            None
        };
        if let Some(answer) = refusal {
            out.push(Effect::Answer { gateway, id: request.id, answer });
            return;
        }
        match self.ask_home(now, number, &request, out) {
            Ok(token) => {
                if let Some(from) = self.gateways.get_mut(&gateway) {
                    from.waiting += 1;
                }
                self.forward.known.insert(number, Fate::Asked { token, who: vec![gateway] });
                if self.forward.order.is_empty() {
                    self.timers.arm(Timer::Forget, now + self.config.memory);
                }
                self.forward.order.push_back((now + self.config.memory, number));
            }
            Err(answer) => out.push(Effect::Answer { gateway, id: request.id, answer }),
        }
    }

    /// Writes the Diameter request.
    fn ask_home(&mut self, now: Time, number: Number, request: &Request, out: &mut Effects) -> Result<Token, Answer> {
        let imsi = request.imsi;
        let no_roaming = || Answer::Refused {
            emm_cause: cause::emm::PLMN_NOT_ALLOWED,
            reason: "no home network is configured for this IMSI".to_owned(),
        };
        if self.config.networks.0.is_empty() {
            // Not told yet whose home networks there are: nobody is sent away for that.
            return Err(Answer::Unavailable("the federation gateway has no home networks yet"));
        }
        let network = self.config.networks.of(imsi).ok_or_else(no_roaming)?;
        let realm = match (&request.wish, &network.equipment_realm) {
            (Wish::Check(_), Some(realm)) => realm.clone(),
            _ => network.realm.clone(),
        };
        let session = self.session();
        let local = &self.config.local;
        let host = self.forward.hosts.get(&imsi).map(String::as_str);
        let stateful = matches!(request.wish, Wish::Purge | Wish::Reachable | Wish::Gateway(_));
        let to = To {
            host: &local.host,
            realm: &local.realm,
            session: &session,
            // What belongs to an earlier registration is for the HSS that has it; the others may go to any that is up.
            destination_host: host.filter(|_| stateful),
            destination_realm: &realm,
        };
        let visit = Visit { imsi, visited: request.visited };
        let (kind, octets) = match &request.wish {
            Wish::Vectors { count, immediate, resync } => {
                (Kind::Vectors, feg_s6a::authentication(&to, visit, *count, *immediate, *resync))
            }
            Wish::Locate { attach, terminal } => {
                (Kind::Locate, feg_s6a::update_location(&to, visit, terminal.as_ref(), *attach, false))
            }
            Wish::Purge => (Kind::Purge, feg_s6a::purge(&to, imsi)),
            Wish::Check(terminal) => (Kind::Check, feg_s6a::equipment_request(&to, Some(imsi), terminal)),
            Wish::Reachable => (Kind::Notify, feg_s6a::notification(&to, visit, &Notification::Reachable)),
            Wish::Gateway(gateway) => {
                (Kind::Notify, feg_s6a::notification(&to, visit, &Notification::Gateway(gateway.clone())))
            }
        };
        self.forward.next += 1;
        let token = Token(self.forward.next);
        // A little of the time is left for the way back.
        let within = request.within.saturating_sub(Duration::from_millis(50)).max(Duration::from_millis(50));
        out.push(Effect::ToHss { token, octets, key: imsi.value(), within });
        self.forward.waiting.insert(token, Waiting { number, imsi, realm, session, kind, since: now });
        Ok(token)
    }

    /// A home network answered, or did not.
    pub(crate) fn hss_answered(&mut self, now: Time, token: Token, result: Result<&[u8], Failure>, out: &mut Effects) {
        let Some(waiting) = self.forward.waiting.remove(&token) else { return };
        let (answer, result) = match result {
            Ok(octets) => self.judge(&waiting, octets),
            Err(why) => (Answer::Unavailable(words(why)), None),
        };
        let (outcome, cause) = match &answer {
            Answer::Refused { emm_cause, .. } => ("refused", *emm_cause),
            Answer::Unavailable(_) => ("unavailable", 0),
            _ => ("granted", 0),
        };
        let command = waiting.kind.command();
        let took = now.since(waiting.since);
        let realm = waiting.realm.clone();
        out.push(Effect::Count(Metric::Result { command, realm, outcome, cause, result, took }));
        let number = waiting.number;
        let Some(Fate::Asked { token: asked, who }) = self.forward.known.get_mut(&number) else { return };
        if *asked != token {
            return;
        }
        let who = core::mem::take(who);
        for gateway in who {
            if let Some(gateway) = self.gateways.get_mut(&gateway) {
                gateway.waiting = gateway.waiting.saturating_sub(1);
            }
            if waiting.kind == Kind::Locate && matches!(answer, Answer::Located(..)) {
                self.locate(waiting.imsi, gateway);
            }
            out.push(Effect::Answer { gateway, id: number.id, answer: answer.clone() });
        }
        if matches!(answer, Answer::Unavailable(_)) {
            // Who asks again has another try: nothing was decided.
            self.forward.known.remove(&number);
        } else {
            self.forward.known.insert(number, Fate::Answered(answer));
        }
    }

    /// What a gateway is answered, and what the home network said.
    fn judge(&mut self, waiting: &Waiting, octets: &[u8]) -> (Answer, Option<Outcome>) {
        let Some(message) = Message::sound(octets) else {
            return (Answer::Unavailable("the home network's answer cannot be read"), None);
        };
        let session = waiting.session.as_str();
        let answer = match waiting.kind {
            Kind::Vectors => feg_s6a::authentication_answer(&message, session).map(|list| Answer::Vectors(list.into())),
            Kind::Locate => feg_s6a::update_location_answer(&message, session).map(|located| {
                let host = located.hss.unwrap_or_default();
                if self.forward.hosts.len() < crate::LOCATIONS || self.forward.hosts.contains_key(&waiting.imsi) {
                    self.forward.hosts.insert(waiting.imsi, host.clone());
                }
                Answer::Located(located.subscription.unwrap_or_default(), host)
            }),
            Kind::Purge => {
                self.forward.hosts.remove(&waiting.imsi);
                self.located.remove(&waiting.imsi);
                feg_s6a::purge_answer(&message, session).map(|_| Answer::Done)
            }
            Kind::Check => feg_s6a::equipment_answer(&message, session).map(Answer::Equipment),
            Kind::Notify => feg_s6a::purge_answer(&message, session).map(|_| Answer::Done),
        };
        let refused =
            |refusal: Refusal| Answer::Refused { emm_cause: cause::cause(&refusal), reason: reason(&refusal) };
        (answer.unwrap_or_else(refused), message.outcome().ok())
    }

    /// A gateway's stream ended: what it waits for is answered to whoever asks again.
    pub(crate) fn gateway_left(&mut self, gateway: GatewayId, out: &mut Effects) {
        let Forward { known, waiting, .. } = &mut self.forward;
        for waiting in waiting.values() {
            if let Some(Fate::Asked { who, .. }) = known.get_mut(&waiting.number) {
                who.retain(|one| *one != gateway);
            }
        }
        self.backward_left(gateway, out);
    }
}

fn reason(refusal: &Refusal) -> String {
    match refusal {
        Refusal::Malformed(what) => format!("the home network's answer is wrong: {what}"),
        Refusal::Result { outcome: basalt_diameter::Outcome::Base(code), .. } => {
            format!("the home network answered {} ({})", code.0, code.name().unwrap_or("unknown"))
        }
        Refusal::Result { outcome: basalt_diameter::Outcome::Experimental { code, .. }, diagnostic } => {
            let more = diagnostic.map(|number| format!(", diagnostic {number}")).unwrap_or_default();
            format!("the home network answered 3GPP {code}{more}")
        }
    }
}

const fn words(why: Failure) -> &'static str {
    match why {
        Failure::NoRoute => "no route leads to the home network",
        Failure::NoPeer => "no peer of the home network can take requests",
        Failure::Timeout => "the home network did not answer in time",
        Failure::Invalid => "the request could not be sent",
        Failure::Stopping => "the federation gateway stops",
    }
}
