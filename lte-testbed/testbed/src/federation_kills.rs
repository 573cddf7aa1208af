//! Kills federation gateways, the orchestrator, the gateway and the home network's HSS at random instants while phones of a foreign
//! network attach and leave, has the orchestrator change peers and routing meanwhile, and says what became of every attach and every
//! authentication vector.
//!
//! ```text
//!   phone ── attach ──► done
//!                   ├─► refused with a cause of TS 24.301 §5.5.1.2.5
//!                   └─► nothing ─► the gateway was killed meanwhile: the phone tries again; it was not: the gateway let it hang
//! ```
//!
//! That no vector is used twice is judged by two records that nobody in between writes: the challenges that the HSS gave, with whose
//! they were, and those that phones were sent.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use basalt_sansio::{Rng, SimRng};
use serde::Serialize;
use testbed_ran::LinkState;
use testbed_ue::{AttachKind, DetachKind, EmmState, Event, Input, Profile, ProtocolSurprise, Ue};

use crate::federated::Federated;
use crate::gateway::Gateway;
use crate::radio::{Io, Radio, Told};

/// How to kill.
#[derive(Clone, Copy, Debug)]
pub struct FederationKillPlan {
    /// How often.
    pub kills: u32,
    /// Decides victims and instants.
    pub seed: u64,
    /// Phones that attach and leave.
    pub phones: u32,
    /// How long phones wait for an answer to ATTACH REQUEST (T3410), seconds; 15 in TS 24.301 §10.2.
    pub t3410: u64,
}

/// What came of it.
#[derive(Clone, Debug, Default, Serialize)]
pub struct FederationKillReport {
    /// Kills by victim.
    pub kills: BTreeMap<&'static str, u32>,
    /// Times that the orchestrator changed peers and routing of the federation gateways.
    pub reconfigurations: u32,
    /// Attaches that phones began.
    pub attaches: u64,
    /// Attaches that were done.
    pub done: u64,
    /// Attaches that were refused, by EMM cause.
    pub refused: BTreeMap<u8, u64>,
    /// Attaches that ended with the life of the gateway; the phones tried again.
    pub ended_with_gateway: u64,
    /// Attaches that a living gateway neither finished nor refused. To be none.
    pub hung: u64,
    /// AUTHENTICATION REJECT to phones that have the right key. To be none.
    pub wrongly_rejected: u64,
    /// Causes that TS 24.301 §5.5.1.2.5 does not have. To be none.
    pub odd_causes: BTreeSet<u8>,
    /// Vectors that the HSS gave.
    pub vectors_given: u64,
    /// Different challenges that phones were sent.
    pub vectors_used: u64,
    /// Challenges that were sent in two attaches, or to two phones. To be none.
    pub vectors_used_twice: u64,
    /// Challenges that the HSS never gave for that phone, or gave twice. To be none.
    pub vectors_unknown: u64,
    /// Times that a card found a sequence number stale, and was resynchronised.
    pub resynchronisations: u64,
    /// The longest that an attach took until it was done or refused, milliseconds.
    pub longest_ms: u64,
    /// How long it took, seconds.
    pub seconds: f64,
}

impl FederationKillReport {
    /// Nothing that was to be none.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        (self.hung, self.wrongly_rejected, self.vectors_used_twice, self.vectors_unknown) == (0, 0, 0, 0)
            && self.odd_causes.is_empty()
            && self.done > 0
    }
}

/// EMM causes of ATTACH REJECT (TS 24.301 §5.5.1.2.5 and annex A).
const CAUSES: [u8; 24] = [2, 3, 5, 6, 7, 8, 11, 12, 13, 14, 15, 17, 19, 22, 23, 25, 35, 42, 95, 96, 97, 99, 101, 111];
/// How long everything may take to be whole again after the last kill.
const LIMIT: Duration = Duration::from_secs(90);
/// Between two looks.
const STEP: Duration = Duration::from_millis(4);
/// After its last start, the gateway's base station may take so long to hear of it.
const SETTLED: Duration = Duration::from_secs(1);
/// A phone that has left is released by then.
const RELEASED: Duration = Duration::from_secs(2);
/// Who can be killed.
const VICTIMS: [&str; 5] = ["feg1", "feg2", "orchestrator", "gateway", "hss"];
const ORCHESTRATOR: usize = 2;
const GATEWAY: usize = 3;
/// Longest between two changes of the configuration, milliseconds.
const RECONFIGURED: u64 = 4_000;

/// Kills until there were enough kills and everything is whole again. All phones are attached at the end.
///
/// # Errors
/// Something does not come up again, or a phone does not attach when everything is there. What an attach came to is no error: it is in the
/// report.
pub fn run(federated: &mut Federated, plan: &FederationKillPlan) -> Result<FederationKillReport> {
    let began = Instant::now();
    let mut course = Course::new(federated, plan)?;
    while course.killed < plan.kills {
        course.act(federated)?;
        course.look(federated)?;
        std::thread::sleep(STEP);
    }
    course.recover(federated)?;
    course.judge(federated);
    course.report.seconds = began.elapsed().as_secs_f64();
    Ok(course.report)
}

/// Where a phone is.
#[derive(Clone, Copy, Debug)]
enum Place {
    /// It attaches from then on.
    Away(Instant),
    /// It has attached since then.
    Attaching(Instant),
    /// It is there, and leaves then.
    There(Instant),
}

struct Phone {
    imsi: String,
    place: Place,
    /// How many attaches it has begun.
    attach: u64,
    /// Challenges, with the attach that they came in.
    challenges: BTreeMap<[u8; 16], u64>,
}

struct Course {
    rng: SimRng,
    phones: Vec<Phone>,
    killed: u32,
    next_kill: Instant,
    /// When each of the victims is started again; `None` while it runs.
    down: [Option<Instant>; VICTIMS.len()],
    /// When the configuration is changed next.
    next_change: Instant,
    /// Since when gateway and base station have been there.
    whole_since: Option<Instant>,
    /// Phones stay when they are there.
    ending: bool,
    report: FederationKillReport,
}

impl Course {
    fn new(federated: &Federated, plan: &FederationKillPlan) -> Result<Self> {
        let mut profile = Profile { persistent: false, ..Profile::default() };
        profile.timers.t3410 = basalt_sansio::Duration::from_secs(plan.t3410);
        let profile = Arc::new(profile);
        let now = Instant::now();
        let mut phones = Vec::new();
        for subscriber in &federated.subscribers {
            let ue = Ue::new(Arc::clone(&profile), subscriber.usim(), subscriber.imeisv);
            federated.radio.call(move |io| io.add_phone(ue, 0))?;
            let imsi = subscriber.imsi.to_string();
            phones.push(Phone { imsi, place: Place::Away(now), attach: 0, challenges: BTreeMap::new() });
        }
        federated.radio.call(|io| io.record = true)?;
        Ok(Self {
            rng: SimRng::new(plan.seed),
            phones,
            killed: 0,
            next_kill: now + Duration::from_millis(300),
            down: [None; VICTIMS.len()],
            next_change: now + Duration::from_millis(500),
            whole_since: Some(now),
            ending: false,
            report: FederationKillReport::default(),
        })
    }

    fn millis(&mut self, below: u64) -> Duration {
        Duration::from_millis(self.rng.below(below))
    }

    /// Kills and starts what is due.
    fn act(&mut self, federated: &mut Federated) -> Result<()> {
        let now = Instant::now();
        for victim in 0..VICTIMS.len() {
            if self.down[victim].is_some_and(|due| due <= now) {
                self.down[victim] = None;
                start(federated, victim)?;
            }
        }
        self.reconfigure(federated, now);
        if now < self.next_kill {
            return Ok(());
        }
        let victim = self.rng.below(VICTIMS.len() as u64) as usize;
        // A third soon after the last one, so that two are gone at once, or one dies again while it starts.
        let pause = if self.rng.below(3) == 0 { 150 } else { 1_800 };
        self.next_kill = now + self.millis(pause);
        if self.down[victim].is_some() {
            return Ok(());
        }
        kill(federated, victim)?;
        self.down[victim] = Some(Instant::now() + self.millis(300));
        self.killed += 1;
        *self.report.kills.entry(VICTIMS[victim]).or_default() += 1;
        if VICTIMS[victim] == "gateway" {
            self.whole_since = None;
        }
        Ok(())
    }

    /// Changes the configuration when it is due and there is an orchestrator to do it; one that has just started may not answer yet.
    fn reconfigure(&mut self, federated: &Federated, now: Instant) {
        if now < self.next_change || self.down[ORCHESTRATOR].is_some() {
            return;
        }
        self.next_change = now + self.millis(RECONFIGURED);
        if federated.reconfigure(self.report.reconfigurations.is_multiple_of(2)).is_ok() {
            self.report.reconfigurations += 1;
        }
    }

    /// Takes in what happened to phones, and has them attach and leave.
    fn look(&mut self, federated: &mut Federated) -> Result<()> {
        if self.whole_since.is_none()
            && self.down[GATEWAY].is_none()
            && is_whole(&federated.network.gateway, &federated.radio)?
        {
            self.whole_since = Some(Instant::now());
        }
        for (_, told) in federated.radio.call(|io| std::mem::take(&mut io.told))? {
            if let Told::Phone(number, event) = told {
                let before = self.report.hung;
                self.event(number, &event);
                if self.report.hung > before {
                    eprintln!("the gateway said last:\n{}", federated.network.gateway.last_words());
                }
            }
        }
        for number in 0..self.phones.len() {
            self.move_on(number, &federated.radio)?;
        }
        Ok(())
    }

    fn event(&mut self, number: usize, event: &Event) {
        let now = Instant::now();
        let stay = self.millis(400);
        let Some(phone) = self.phones.get_mut(number) else { return };
        let Place::Attaching(since) = phone.place else {
            // Whatever ends what stood, the phone attaches again.
            if matches!(event, Event::Detached { .. }) && matches!(phone.place, Place::There(_)) {
                phone.place = Place::Away(now + stay);
            }
            return;
        };
        let answered = |report: &mut FederationKillReport| {
            let took = u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX);
            report.longest_ms = report.longest_ms.max(took);
        };
        match event {
            Event::Challenged(rand) => {
                let before = phone.challenges.insert(*rand, phone.attach);
                if before.is_some_and(|before| before != phone.attach) {
                    self.report.vectors_used_twice += 1;
                }
            }
            Event::Distrust(ProtocolSurprise::SynchFailure) => self.report.resynchronisations += 1,
            Event::Attached { .. } => {
                self.report.done += 1;
                answered(&mut self.report);
                phone.place = Place::There(now + stay);
            }
            Event::AttachRejected(cause) => {
                *self.report.refused.entry(cause.code()).or_default() += 1;
                if !CAUSES.contains(&cause.code()) {
                    self.report.odd_causes.insert(cause.code());
                }
                answered(&mut self.report);
                phone.place = Place::Away(now + stay);
            }
            Event::AuthenticationRejected => {
                self.report.wrongly_rejected += 1;
                phone.place = Place::Away(now + stay);
            }
            Event::AttachFailed(why) => {
                if self.whole_since.is_some_and(|whole| whole + SETTLED <= since) {
                    eprintln!("{}: {why} after {:?}, and the gateway lived all the time", phone.imsi, since.elapsed());
                    self.report.hung += 1;
                } else {
                    self.report.ended_with_gateway += 1;
                }
                phone.place = Place::Away(now + stay);
            }
            _ => {}
        }
    }

    fn move_on(&mut self, number: usize, radio: &Radio) -> Result<()> {
        let now = Instant::now();
        match self.phones[number].place {
            Place::Away(due) if due <= now => {
                let begun = radio.call(move |io| begin(io, number, due + RELEASED <= now))?;
                if begun {
                    self.report.attaches += 1;
                    self.phones[number].attach += 1;
                    self.phones[number].place = Place::Attaching(now);
                }
                Ok(())
            }
            Place::There(due) if due <= now && !self.ending => {
                let pause = self.millis(200);
                self.phones[number].place = Place::Away(now + pause);
                // One that leaves in order comes back by the identity that it was given; of the other one nothing is left but its card.
                let leave = match self.rng.below(2) {
                    0 => Input::PowerCut,
                    _ => Input::Detach(DetachKind::SwitchOff),
                };
                radio.call(move |io| io.phone(number, leave))
            }
            _ => Ok(()),
        }
    }

    /// Starts whatever is down, and waits until every phone is there.
    fn recover(&mut self, federated: &mut Federated) -> Result<()> {
        for victim in 0..VICTIMS.len() {
            if self.down[victim].take().is_some() {
                start(federated, victim)?;
            }
        }
        federated.network.gateway.wait_until_ready()?;
        federated.wait()?;
        self.ending = true;
        let deadline = Instant::now() + LIMIT;
        while !self.phones.iter().all(|phone| matches!(phone.place, Place::There(_))) {
            let place =
                || self.phones.iter().map(|phone| format!("{} {:?}\n", phone.imsi, phone.place)).collect::<String>();
            let words = || federated.network.gateway.last_words();
            ensure!(Instant::now() < deadline, "not all phones attach again:\n{}{}", place(), words());
            self.look(federated)?;
            std::thread::sleep(STEP);
        }
        Ok(())
    }

    /// Compares what phones were sent with what the HSS gave.
    fn judge(&mut self, federated: &Federated) {
        let given = federated.home.given();
        self.report.vectors_given = given.len() as u64;
        let mut whose = BTreeMap::new();
        for (imsi, rand) in &given {
            if whose.insert(*rand, imsi.as_str()).is_some() {
                self.report.vectors_unknown += 1;
            }
        }
        for phone in &self.phones {
            for rand in phone.challenges.keys() {
                self.report.vectors_used += 1;
                match whose.get(rand) {
                    Some(imsi) if *imsi == phone.imsi => {}
                    Some(_) => self.report.vectors_used_twice += 1,
                    None => self.report.vectors_unknown += 1,
                }
            }
        }
    }
}

/// Has a phone attach, by a connection of its own: one that has left and still is connected waits for its release, unless that takes
/// too long.
fn begin(io: &mut Io, number: usize, in_any_case: bool) -> bool {
    let Some(record) = io.site.record(number) else { return false };
    if record.ue.is_connected() && !in_any_case {
        return false;
    }
    if record.ue.is_connected() || record.ue.state() != EmmState::Null {
        io.phone(number, Input::PowerCut);
    }
    io.phone(number, Input::Attach(AttachKind::Usual));
    true
}

/// Whether the gateway answers and its base station is in service.
fn is_whole(gateway: &Gateway, radio: &Radio) -> Result<bool> {
    let ready = |io: &mut Io| io.site.enb(0).is_some_and(|enb| enb.link() == LinkState::Ready);
    Ok(gateway.metrics().is_ok() && radio.call(ready)?)
}

fn kill(federated: &mut Federated, victim: usize) -> Result<()> {
    let what = VICTIMS.get(victim).context("no such victim")?;
    let [first, second] = &mut federated.fegs;
    match victim {
        0 => first.kill(),
        1 => second.kill(),
        ORCHESTRATOR => federated.orchestrator.kill(),
        GATEWAY => federated.network.gateway.kill(),
        _ => federated.home.crash_hss(),
    }
    .with_context(|| format!("killing {what}"))
}

fn start(federated: &mut Federated, victim: usize) -> Result<()> {
    let [first, second] = &mut federated.fegs;
    match victim {
        0 => first.again(),
        1 => second.again(),
        ORCHESTRATOR => federated.orchestrator.again(),
        GATEWAY => federated.network.gateway.spawn(),
        _ => federated.home.start_hss(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_clean_only_without_what_is_to_be_none() {
        let clean = FederationKillReport { done: 1, ..FederationKillReport::default() };
        assert!(clean.is_clean() && !FederationKillReport::default().is_clean());
        let spoilt = [
            FederationKillReport { hung: 1, ..clean.clone() },
            FederationKillReport { wrongly_rejected: 1, ..clean.clone() },
            FederationKillReport { vectors_used_twice: 1, ..clean.clone() },
            FederationKillReport { vectors_unknown: 1, ..clean.clone() },
            FederationKillReport { odd_causes: BTreeSet::from([1]), ..clean },
        ];
        assert!(spoilt.iter().all(|report| !report.is_clean()));
    }
}
