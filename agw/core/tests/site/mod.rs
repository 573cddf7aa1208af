//! A gateway core with scripted base stations and phones around it: what tests read as a story.
//!
//! The phone has keys and counts of its own (the UE side of `basalt-security`) and says what it is told to say; nothing here
//! shares logic with the gateway beyond the codecs.
#![allow(dead_code, reason = "each test file uses a part of it")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that is surprised fails")]

pub mod enb;
pub mod phone;

use agw_core::{Core, example_config};
use agw_subscribers::{Credentials, StoredAlgorithm, Subscriber, Subscribers};
use agw_types::{
    Ambr, ApnProfile, Arp, BearerQos, Command, DataplaneChange, Effect, Effects, Event, GatewayConfig, Input, Limits,
    LinkId, Metric, Now, OperatorReply, Profile, Record, RecordKey, SubscriberState,
};
use basalt_ids::{Imsi, Qci};
use basalt_s1ap::{Pdu, decode};
use basalt_sansio::{Duration, SecureSeed, Time};
use basalt_security::{AkaAlgorithm, Secret, Sqn};
use std::collections::{BTreeMap, VecDeque};

/// A gateway and all that came out of it.
pub struct Site {
    pub core: Core,
    pub now: Now,
    /// Messages to base stations that nobody has read.
    pub inbox: VecDeque<(LinkId, u16, Pdu)>,
    pub events: Vec<Event>,
    pub counts: Vec<Metric>,
    pub dataplane: Vec<DataplaneChange>,
    pub closed: Vec<LinkId>,
    pub replies: Vec<(u64, OperatorReply)>,
    pub asked: Vec<(agw_types::Ticket, agw_types::Question)>,
    /// The store as it is after every step.
    pub store: BTreeMap<RecordKey, Record>,
    /// How many records were written.
    pub saves: usize,
    /// Time spent in steps.
    pub spent: std::time::Duration,
    /// What the probe counted in steps.
    pub probed: u64,
    /// A counter to be read before and after each step.
    pub probe: fn() -> u64,
    /// How many gateways there were.
    lives: u8,
    effects: Effects,
}

pub fn imsi(number: u64) -> Imsi {
    Imsi::new(1_010_000_000_000 + number, 15).unwrap()
}

pub fn functions(number: u64) -> AkaAlgorithm {
    credentials(number).functions().unwrap()
}

fn credentials(number: u64) -> Credentials {
    let (k, opc) = (Secret::new(vec![number as u8; 16]), Secret::new(vec![0xe8; 16]));
    Credentials::new(StoredAlgorithm::Milenage, k, opc, true).unwrap()
}

pub fn subscriber(number: u64) -> Subscriber {
    let ambr = Ambr { uplink: 50_000_000, downlink: 100_000_000 };
    let qos = BearerQos { qci: Qci(9), arp: Arp { priority: 8, may_preempt: false, preemptable: false } };
    let apn = |name: &str| ApnProfile::new(name.parse().unwrap(), qos, ambr);
    Subscriber {
        profile: Profile { imsi: imsi(number), msisdn: None, ambr, apns: vec![apn("internet"), apn("ims")] },
        name: format!("phone {number}"),
        state: SubscriberState::Active,
        aka: functions(number),
        amf: [0x80, 0],
        sqn: Sqn::new(32).unwrap(),
    }
}

pub fn config() -> GatewayConfig {
    let mut config = example_config();
    let mut ims = config.apns[0].clone();
    ims.apn = "ims".parse().unwrap();
    ims.pools[0].network = "10.46.0.0".parse().unwrap();
    ims.pools[0].gateway = None;
    config.apns.push(ims);
    config
}

impl Site {
    /// The example site with subscribers 1 to 20.
    pub fn new() -> Self {
        Self::with(config(), Limits::default())
    }

    pub fn with(config: GatewayConfig, limits: Limits) -> Self {
        Self::seeded(config, limits, 7)
    }

    pub fn seeded(config: GatewayConfig, limits: Limits, seed: u8) -> Self {
        let seed = SecureSeed([seed; 32]);
        let mut subscribers = Subscribers::new(&seed);
        for number in 1..=20 {
            subscribers.insert(subscriber(number), false);
        }
        Self::around(Core::new(config, limits, 100_000, &seed, subscribers))
    }

    pub fn around(core: Core) -> Self {
        Self {
            core,
            now: Now { mono: Time::from_secs(100), unix_secs: 1_700_000_000 },
            inbox: VecDeque::new(),
            events: Vec::new(),
            counts: Vec::new(),
            dataplane: Vec::new(),
            closed: Vec::new(),
            replies: Vec::new(),
            asked: Vec::new(),
            store: BTreeMap::new(),
            saves: 0,
            spent: std::time::Duration::ZERO,
            probed: 0,
            probe: || 0,
            lives: 1,
            effects: Effects::new(),
        }
    }

    /// One step.
    pub fn input(&mut self, input: Input) {
        let mut effects = core::mem::take(&mut self.effects);
        let (probed, begun) = ((self.probe)(), std::time::Instant::now());
        self.core.step(self.now, input, &mut effects);
        self.spent += begun.elapsed();
        self.probed += (self.probe)() - probed;
        self.take(&mut effects);
        self.effects = effects;
    }

    /// Runs something that gives effects outside a step.
    pub fn run(&mut self, run: impl FnOnce(&mut Core, Now, &mut Effects)) {
        let mut effects = core::mem::take(&mut self.effects);
        run(&mut self.core, self.now, &mut effects);
        self.take(&mut effects);
        self.effects = effects;
    }

    fn take(&mut self, effects: &mut Effects) {
        let mut other = false;
        for effect in effects.drain() {
            match effect {
                Effect::Save(record) => {
                    assert!(!other || !matches!(*record, Record::Ue(_)), "a record after other effects");
                    self.saves += 1;
                    self.store.insert(record.key(), *record);
                    continue;
                }
                Effect::Forget(key) => {
                    self.store.remove(&key);
                    continue;
                }
                Effect::Send { link, stream, pdu } => {
                    let decoded = decode(&pdu).expect("the gateway sends what it can read");
                    assert!(decoded.diagnostics.is_clean(), "{:?}", decoded.diagnostics);
                    self.inbox.push_back((link, stream, decoded.pdu));
                }
                Effect::CloseLink { link } => self.closed.push(link),
                Effect::Ask { ticket, question } => self.asked.push((ticket, question)),
                Effect::Dataplane(change) => self.dataplane.push(change),
                Effect::Count(metric) => self.counts.push(metric),
                Effect::Tell(event) => self.events.push(*event),
                Effect::Reply { token, reply } => self.replies.push((token, reply)),
            }
            other = true;
        }
    }

    /// Lets time pass, waking the core whenever it wants to be.
    pub fn advance(&mut self, by: Duration) {
        let until = self.now.mono + by;
        while let Some(due) = self.core.next_wakeup().filter(|due| *due <= until) {
            self.at(due.max(self.now.mono));
            self.input(Input::Wakeup);
        }
        self.at(until);
    }

    fn at(&mut self, time: Time) {
        let passed = time - self.now.mono;
        self.now.mono = time;
        self.now.unix_secs += passed.as_secs();
    }

    pub fn command(&mut self, command: Command) -> OperatorReply {
        self.input(Input::Operator { token: 1, command });
        self.replies.pop().expect("every command is answered").1
    }

    /// The next message to a base station, whichever it is.
    pub fn next(&mut self) -> Option<Pdu> {
        self.inbox.pop_front().map(|(_, _, pdu)| pdu)
    }

    /// Everything that waits, thrown away.
    pub fn clear(&mut self) {
        self.inbox.clear();
        self.events.clear();
        self.counts.clear();
    }

    pub fn assert_quiet(&self) {
        assert!(
            self.inbox.is_empty(),
            "unread: {:?}",
            self.inbox.iter().map(|(_, _, pdu)| pdu.name()).collect::<Vec<_>>()
        );
    }

    pub fn counted(&self, metric: Metric) -> usize {
        self.counts.iter().filter(|count| **count == metric).count()
    }

    pub fn ue_record(&self, imsi: Imsi) -> Option<&agw_types::StoredUe> {
        match self.store.get(&RecordKey::Ue(imsi))? {
            Record::Ue(ue) => Some(ue),
            _ => None,
        }
    }
}

impl Site {
    /// Makes a phone's keys old on both sides: the counts jump close to their end, as a restored record's would.
    pub fn age_keys(&mut self, imsi: Imsi, phone: &mut phone::Phone) {
        let near_end = 0x00ff_fff0 - 0x4000;
        let aged = |keys: &basalt_security::NasSecurityContext| {
            let mut keys = serde_json::to_value(keys).unwrap();
            keys["send_next"] = near_end.into();
            keys["receive_next"] = near_end.into();
            serde_json::from_value(keys).unwrap()
        };
        let mut stored = self.ue_record(imsi).unwrap().clone();
        stored.security = aged(&stored.security);
        self.store.insert(RecordKey::Ue(imsi), Record::Ue(Box::new(stored)));
        phone.keys = phone.keys.as_ref().map(aged);
        self.restart();
    }

    /// Kills the gateway and starts another with what is in the store; every association lives on.
    pub fn restart(&mut self) {
        let links: Vec<_> = self.core.enbs().map(|enb| enb.link).collect();
        self.restart_with(&links);
    }

    /// The same, with these associations alive. The data plane has what the old gateway told it.
    pub fn restart_with(&mut self, alive: &[LinkId]) {
        let peers: BTreeMap<LinkId, _> = self.core.enbs().map(|enb| (enb.link, enb.peer)).collect();
        let installed = self.installed();
        self.lives += 1;
        let seed = SecureSeed([100 + self.lives; 32]);
        let mut subscribers = Subscribers::new(&seed);
        for number in 1..=20 {
            subscribers.insert(subscriber(number), false);
        }
        let (mut links, mut ues, mut bearers) = (Vec::new(), Vec::new(), Vec::new());
        for record in self.store.values() {
            match record {
                Record::Ue(ue) => ues.push((**ue).clone()),
                Record::Bearers(record) => bearers.push((**record).clone()),
                Record::Link(link) => links.push(link.clone()),
                Record::Sqn { imsi, reserved } => subscribers.restore_sqn(*imsi, Sqn::new(*reserved).unwrap()),
            }
        }
        self.core = Core::new(self.core.configuration().clone(), self.core.limits(), 100_000, &seed, subscribers);
        self.inbox.clear();
        self.events.clear();
        self.core.remember_bearers(bearers);
        self.run(|core, now, out| core.restore(now, links, ues, out));
        for link in alive {
            let info = agw_types::LinkInfo {
                peers: peers.get(link).copied().flatten().into_iter().collect(),
                streams: 4,
                resumed: true,
            };
            self.input(Input::LinkUp { link: *link, info });
        }
        self.run(|core, now, out| core.reconcile(now, &installed, out));
    }

    /// What the data plane holds after all it was told.
    pub fn installed(&self) -> Vec<agw_types::Tunnel> {
        let mut tunnels = BTreeMap::new();
        for change in &self.dataplane {
            match change {
                DataplaneChange::Set(tunnel) => {
                    tunnels.insert(tunnel.teid, tunnel.clone());
                }
                DataplaneChange::Remove { teid, .. } => {
                    tunnels.remove(teid);
                }
                DataplaneChange::Serve { .. }
                | DataplaneChange::Discard { .. }
                | DataplaneChange::Forward { .. }
                | DataplaneChange::StopForwarding { .. } => {}
            }
        }
        tunnels.into_values().collect()
    }
}
