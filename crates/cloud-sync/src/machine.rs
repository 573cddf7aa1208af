//! Joining, connecting and staying: everything but what is said on the stream.

use crate::backoff::Backoff;
use crate::outbox::Outbox;
use crate::talk::Talk;
use crate::{Denial, Effect, Event, Identity, Input, Link, place};
use basalt_desired::{Digest, DigestTree, ItemKey};
use basalt_sansio::{Duration, Outbox as Effects, Rng, SecureRng, SecureSeed, Time};

/// The moment of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// Monotonic.
    pub mono: Time,
    /// Milliseconds since 1970 UTC.
    pub unix_millis: u64,
}

impl Now {
    /// Seconds since 1970 UTC; certificates are judged by it.
    #[must_use]
    pub const fn unix_secs(&self) -> u64 {
        self.unix_millis / 1000
    }
}

/// Bounds of the conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// The longest wait between two tries to reach the orchestrator.
    pub longest_wait: Duration,
    /// The longest wait after a refusal.
    pub longest_refusal: Duration,
    /// State and metrics are sent at most so often.
    pub report_interval: Duration,
    /// The same when what has changed is urgent.
    pub urgent_interval: Duration,
    /// A new certificate is used within so long, by a new connection.
    pub spread: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            longest_wait: Duration::from_secs(30),
            longest_refusal: Duration::from_secs(600),
            report_interval: Duration::from_secs(10),
            urgent_interval: Duration::from_secs(1),
            spread: Duration::from_secs(60),
        }
    }
}

/// What is known from before.
#[derive(Debug, Clone, Default)]
pub struct Memory {
    /// Who the gateway is, if it has joined.
    pub identity: Option<Identity>,
    /// What it holds.
    pub held: Vec<(ItemKey, Digest)>,
    /// Events that the orchestrator has not received, in order, and their epoch.
    pub events: (u64, Vec<Event>),
}

/// Places of the orchestrator that are kept.
const PLACES: usize = 16;
/// Characters of one.
const PLACE: usize = 260;
/// A wait for an answer of the driver; after so long it is not waited for any more.
const ANSWER: Duration = Duration::from_secs(60);

#[derive(Debug)]
enum Phase {
    /// Never joined.
    Unjoined,
    /// Waits for a certificate, until then.
    Certifying { until: Time },
    /// Waits for its next try.
    Waiting { until: Time },
    /// Waits for the stream.
    Opening { until: Time },
    /// The stream stands.
    Talking(Box<Talk>),
}

/// The gateway's side of the conversation.
#[derive(Debug)]
pub struct Sync {
    pub(crate) settings: Settings,
    identity: Option<Identity>,
    /// There is a token that was not used yet.
    token: bool,
    phase: Phase,
    backoff: Backoff,
    /// Which of the orchestrator's places is tried: a gateway begins at its own and goes on where one fails.
    turn: u64,
    /// When to renew, seconds since 1970 UTC.
    renew_at: u64,
    /// A renewal is asked for.
    renewing: bool,
    /// When the stream is opened anew, to use a new certificate.
    reopen_at: Option<Time>,
    pub(crate) held: DigestTree,
    pub(crate) outbox: Outbox,
    pub(crate) rng: SecureRng,
    instance: u64,
    pub(crate) now: Now,
}

impl Sync {
    /// A conversation that continues what is remembered. Its first step tries to connect, at once but for a little jitter. `reports` is
    /// the number of the first report of a command: above all that the daemon's lives before this one can have used.
    #[must_use]
    pub fn new(settings: Settings, memory: Memory, reports: u64, seed: &SecureSeed, now: Now) -> Self {
        let mut rng = SecureRng::new(seed);
        let (instance, epoch) = (rng.next_u64(), rng.next_u64() >> 1);
        let mut held = DigestTree::default();
        for (key, digest) in memory.held {
            held.insert(key, digest);
        }
        let phase = match memory.identity {
            Some(_) => Phase::Waiting { until: now.mono },
            None => Phase::Unjoined,
        };
        let mut sync = Self {
            settings,
            identity: None,
            token: false,
            phase,
            backoff: Backoff::default(),
            turn: 0,
            renew_at: u64::MAX,
            renewing: false,
            reopen_at: None,
            held,
            outbox: Outbox::new(epoch, reports, memory.events),
            rng,
            instance,
            now,
        };
        if let Some(identity) = memory.identity {
            sync.adopt(identity);
        }
        sync
    }

    /// Who the gateway is, once it has joined.
    #[must_use]
    pub const fn identity(&self) -> Option<&Identity> {
        self.identity.as_ref()
    }

    /// Whether the stream stands and the orchestrator has answered on it.
    #[must_use]
    pub fn is_talking(&self) -> bool {
        matches!(&self.phase, Phase::Talking(talk) if talk.welcomed())
    }

    /// The digest of everything that the gateway holds.
    #[must_use]
    pub fn root(&self) -> Digest {
        self.held.root()
    }

    /// Events that wait for the link.
    #[must_use]
    pub fn waiting_events(&self) -> usize {
        self.outbox.waiting_events()
    }

    /// Commands whose reports so far are durable at the orchestrator, the latest last; some are remembered.
    pub fn settled(&self) -> impl Iterator<Item = &str> {
        self.outbox.settled()
    }

    /// One step.
    pub fn step(&mut self, now: Now, input: Input, out: &mut Effects<Effect>) {
        self.now = now;
        match input {
            Input::Join => {
                self.token = true;
                self.backoff.reset();
                if matches!(self.phase, Phase::Opening { .. } | Phase::Talking(_)) {
                    out.push(Effect::Close);
                }
                self.phase = Phase::Waiting { until: now.mono };
            }
            Input::Issued(identity) => self.issued(identity, out),
            Input::NotIssued(denial) => self.not_issued(&denial, out),
            Input::Opened => self.opened(out),
            Input::Closed(denial) => self.closed(&denial, out),
            Input::Changed(key) => {
                // Held otherwise than it was sent: neither equal to what should be there nor absent.
                if self.held.get(&key).is_some() {
                    self.held.insert(key, Digest::default());
                    self.talk(|talk, sync, out| talk.drifted(sync, out), out);
                }
            }
            Input::Event(event) => self.outbox.event(event),
            Input::EventsKept => self.outbox.kept(),
            Input::InForce { refused, pending } => self.outbox.in_force(refused, pending),
            Input::CheckIn { state, urgent } => self.outbox.check_in(state, urgent),
            Input::Phones { after, through, phones } => {
                self.talk(|talk, sync, out| talk.phones(sync, (&after, through.as_deref()), phones, out), out);
            }
            Input::Metrics(values) => self.outbox.metrics(values),
            Input::Progress(progress) => self.outbox.progress(progress),
            Input::Applied { page, refusals } => self.applied(&page, refusals, out),
            Input::UsageReady => self.talk(|talk, sync, out| talk.usage_ready(sync, out), out),
            Input::UsageRead { ledger, records } => {
                self.talk(|talk, sync, out| talk.usage_read(sync, ledger, records, out), out);
            }
            Input::Down(down) => self.down(down, out),
            Input::Wakeup => {}
        }
        self.due(out);
        self.talk(Talk::flush, out);
        if let Some((events, forget)) = self.outbox.due_keep() {
            out.push(Effect::KeepEvents { epoch: self.outbox.epoch(), events, forget });
        }
    }

    /// When the next [`Input::Wakeup`] is due.
    #[must_use]
    pub fn next_wakeup(&self) -> Option<Time> {
        let phase = match &self.phase {
            Phase::Unjoined => None,
            Phase::Certifying { until } | Phase::Waiting { until } | Phase::Opening { until } => Some(*until),
            Phase::Talking(talk) => Some(talk.next_wakeup(self)),
        };
        let renewal = matches!(self.phase, Phase::Talking(_)) && !self.renewing && self.reopen_at.is_none();
        let renewal = (renewal && self.renew_at < u64::MAX).then(|| {
            // Long waits are cut: the wall clock may be set meanwhile.
            let secs = self.renew_at.saturating_sub(self.now.unix_secs()).min(3600);
            self.now.mono + Duration::from_secs(secs)
        });
        [phase, renewal, self.reopen_at].into_iter().flatten().min()
    }

    fn due(&mut self, out: &mut Effects<Effect>) {
        let now = self.now.mono;
        match &self.phase {
            Phase::Unjoined => {}
            Phase::Waiting { until } if *until <= now => self.try_again(out),
            // An answer that never came is a failure.
            Phase::Certifying { until } | Phase::Opening { until } if *until <= now => {
                out.push(Effect::Close);
                self.wait(&Denial::Unreachable("no answer in time".to_owned()), out);
            }
            Phase::Talking(talk) if talk.is_lost(self) => {
                out.push(Effect::Close);
                self.wait(&Denial::Unreachable("the orchestrator is silent".to_owned()), out);
            }
            Phase::Talking(_) => self.stay_certified(out),
            _ => {}
        }
    }

    /// Asks for the next certificate in time, and goes over to it.
    fn stay_certified(&mut self, out: &mut Effects<Effect>) {
        if self.reopen_at.is_some_and(|at| at <= self.now.mono) {
            self.reopen_at = None;
            out.push(Effect::Close);
            self.phase = Phase::Waiting { until: self.now.mono };
            self.try_again(out);
        } else if !self.renewing && self.reopen_at.is_none() && self.renew_at <= self.now.unix_secs() {
            self.renewing = true;
            out.push(Effect::Renew(self.place()));
        }
    }

    fn try_again(&mut self, out: &mut Effects<Effect>) {
        let until = self.now.mono + ANSWER;
        if self.token {
            self.phase = Phase::Certifying { until };
            out.push(Effect::Enrol(self.turn));
            return;
        }
        let expired = self.identity.as_ref().map(|identity| identity.not_after <= self.now.unix_secs());
        match expired {
            Some(false) => {
                self.phase = Phase::Opening { until };
                out.push(Effect::Open(self.place()));
            }
            Some(true) => {
                self.phase = Phase::Certifying { until };
                out.push(Effect::ReEnrol(self.place()));
            }
            None => self.phase = Phase::Unjoined,
        }
    }

    fn place(&self) -> String {
        self.identity.as_ref().map_or_else(String::new, |identity| place(&identity.address, self.turn).to_owned())
    }

    /// Whether there is another place to go to.
    pub(crate) fn has_other_places(&self) -> bool {
        self.identity.as_ref().is_some_and(|identity| identity.address.contains(','))
    }

    /// The orchestrator says where its replicas are. The place that the gateway talks to stays: others may be found from elsewhere only.
    fn moved(&mut self, places: &[String], out: &mut Effects<Effect>) {
        let fits = |place: &&String| !place.is_empty() && place.len() <= PLACE && !place.contains(',');
        let mut places: Vec<String> = places.iter().filter(fits).take(PLACES).cloned().collect();
        let here = self.place();
        let Some(identity) = self.identity.as_mut().filter(|_| !places.is_empty()) else { return };
        if !places.contains(&here) {
            places.insert(0, here.clone());
        }
        let address = places.join(",");
        if identity.address != address {
            identity.address = address;
            out.push(Effect::Keep(identity.clone()));
            self.turn = places.iter().position(|place| *place == here).map_or(0, |index| index as u64);
        }
    }

    fn adopt(&mut self, identity: Identity) {
        if self.identity.is_none() {
            // Gateways spread over the replicas, each at its own as long as it is there.
            let names = identity.network.bytes().chain([0]).chain(identity.gateway.bytes());
            // FNV-1a: the same on every machine and in every version.
            self.turn = names
                .fold(0xcbf2_9ce4_8422_2325, |hash, octet| (hash ^ u64::from(octet)).wrapping_mul(0x0100_0000_01b3));
        }
        // At two thirds of its life, give or take a twentieth.
        let life = identity.not_after.saturating_sub(identity.not_before);
        let jitter = self.rng.below(life / 10 + 1);
        let wait = (life / 3 * 2).saturating_sub(life / 20).saturating_add(jitter);
        self.renew_at = identity.not_before.saturating_add(wait);
        self.identity = Some(identity);
    }

    fn issued(&mut self, identity: Identity, out: &mut Effects<Effect>) {
        out.push(Effect::Keep(identity.clone()));
        out.push(Effect::Tell(Link::Certified(identity.not_after)));
        self.adopt(identity);
        self.token = false;
        if core::mem::take(&mut self.renewing) && matches!(self.phase, Phase::Talking(_)) {
            let spread = u64::try_from(self.settings.spread.as_micros()).unwrap_or(u64::MAX);
            self.reopen_at = Some(self.now.mono + Duration::from_micros(self.rng.below(spread.saturating_add(1))));
        } else if matches!(self.phase, Phase::Certifying { .. }) {
            self.backoff.reset();
            self.phase = Phase::Waiting { until: self.now.mono };
        }
    }

    fn not_issued(&mut self, denial: &Denial, out: &mut Effects<Effect>) {
        if core::mem::take(&mut self.renewing) {
            // The present one is good for a while: again after a part of what is left.
            let left =
                self.identity.as_ref().map_or(0, |identity| identity.not_after.saturating_sub(self.now.unix_secs()));
            self.renew_at = self.now.unix_secs().saturating_add((left / 20).clamp(60, 3600) + self.rng.below(60));
        }
        if matches!(self.phase, Phase::Certifying { .. }) {
            // A gateway that has joined before goes on as who it is; one that has not tries again.
            if matches!(denial, Denial::Refused(_)) && self.identity.is_some() {
                self.token = false;
            }
            self.wait(denial, out);
        } else if let Denial::Refused(why) = denial {
            out.push(Effect::Tell(Link::Refused(why.clone())));
        }
    }

    fn opened(&mut self, out: &mut Effects<Effect>) {
        if !matches!(self.phase, Phase::Opening { .. }) {
            out.push(Effect::Close);
            return;
        }
        self.outbox.restart();
        let mut talk = Box::new(Talk::new(self.now.mono));
        talk.hello(self, self.instance, out);
        self.phase = Phase::Talking(talk);
    }

    fn closed(&mut self, denial: &Denial, out: &mut Effects<Effect>) {
        if !matches!(self.phase, Phase::Opening { .. } | Phase::Talking(_)) {
            return;
        }
        let refused = matches!(denial, Denial::Refused(_));
        if refused && !self.is_talking() && self.rng.chance(1, 2) {
            // Our certificate is not accepted: lost there, revoked, or of an authority that was made anew. The device key may
            // still be known; every other time that is tried.
            out.push(Effect::Tell(Link::Refused(words(denial))));
            self.phase = Phase::Certifying { until: self.now.mono + ANSWER };
            out.push(Effect::ReEnrol(self.place()));
            return;
        }
        self.wait(denial, out);
    }

    fn wait(&mut self, denial: &Denial, out: &mut Effects<Effect>) {
        self.turn = self.turn.wrapping_add(1);
        let wait = match denial {
            Denial::Unreachable(_) => self.backoff.next(self.settings.longest_wait, &mut self.rng),
            Denial::Refused(_) => self.backoff.next(self.settings.longest_refusal, &mut self.rng),
            Denial::Later(secs) => {
                let longest = u32::try_from(self.settings.longest_refusal.as_secs()).unwrap_or(u32::MAX);
                let told = Duration::from_secs((*secs).min(longest).into());
                told + self.backoff.next(self.settings.longest_wait, &mut self.rng)
            }
        };
        let why = words(denial);
        out.push(Effect::Tell(if matches!(denial, Denial::Refused(_)) { Link::Refused(why) } else { Link::Down(why) }));
        self.renewing = false;
        self.reopen_at = None;
        self.phase = Phase::Waiting { until: self.now.mono + wait };
    }

    fn down(&mut self, down: crate::Down, out: &mut Effects<Effect>) {
        if let crate::Down::Goodbye { reason, not_before_seconds } = down {
            if matches!(self.phase, Phase::Talking(_)) {
                out.push(Effect::Close);
                out.push(Effect::Tell(Link::Down(reason)));
                self.wait(&Denial::Later(not_before_seconds), out);
            }
            return;
        }
        if let crate::Down::Addresses(places) = &down {
            self.moved(places, out);
        }
        if matches!(down, crate::Down::Welcome { .. }) {
            self.backoff.reset();
            out.push(Effect::Tell(Link::Up));
        }
        self.talk(|talk, sync, out| talk.down(sync, down, out), out);
    }

    /// A page is durable: it is held whether or not the stream that brought it still stands.
    fn applied(&mut self, page: &crate::Page, refusals: Vec<crate::Refusal>, out: &mut Effects<Effect>) {
        for key in &page.removes {
            self.held.remove(key);
        }
        for put in &page.puts {
            self.held.insert(put.key.clone(), put.digest);
        }
        let number = page.number;
        self.talk(|talk, sync, out| talk.applied(sync, number, refusals, out), out);
    }

    /// Does something with the stream, if there is one.
    fn talk(&mut self, run: impl FnOnce(&mut Talk, &mut Self, &mut Effects<Effect>), out: &mut Effects<Effect>) {
        match core::mem::replace(&mut self.phase, Phase::Unjoined) {
            Phase::Talking(mut talk) => {
                run(&mut talk, self, out);
                self.phase = Phase::Talking(talk);
            }
            other => self.phase = other,
        }
    }
}

fn words(denial: &Denial) -> String {
    match denial {
        Denial::Unreachable(why) | Denial::Refused(why) => why.clone(),
        Denial::Later(secs) => format!("the orchestrator asks to come back in {secs} s"),
    }
}
