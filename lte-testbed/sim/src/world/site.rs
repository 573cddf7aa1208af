//! How the network is laid out: areas, cells, subscribers, addresses.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Arc;

use agw_core::example_config;
use agw_subscribers::{Credentials, StoredAlgorithm, Subscriber};
use agw_types::{Ambr, ApnProfile, Arp, BearerQos, GatewayConfig, Limits, Profile, SubscriberState};
use basalt_ebpf_abi::TeidLayout;
use basalt_ids::{EnbId, GlobalEnbId, Imsi, Plmn, Qci, Tac, Tai};
use basalt_sansio::{Duration, Outbox, Rng, SimRng, Time, Timers};
use basalt_security::{AkaAlgorithm, Provider, Secret, Sqn};
use testbed_netem::{Link, Profile as Impairment};
use testbed_ran::{Enb, EnbConfig};
use testbed_ue::{TimerValues, Ue, Usim};

use super::{Handset, Mood, Proof, STREAMS, Station, Turn, World};
use crate::check::Checks;
use crate::gateway::{Gateway, Setup};
use crate::plane::Plane;
use crate::radio::Air;
use crate::scenario::Scenario;

/// Tracking areas.
const AREAS: u16 = 3;
/// Sequence number that cards and records begin with.
const FIRST_SQN: u64 = 32;
/// After so long without packets a base station lets a phone go.
const INACTIVITY: Duration = Duration::from_secs(8);
/// Every so many phones one has an address of its own.
const STATIC_EVERY: u32 = 17;

impl World {
    /// The network of a scenario, with everything switched off and about to begin.
    pub(crate) fn new(scenario: &Scenario) -> Option<Self> {
        let mut rng = SimRng::new(scenario.seed);
        let plmn = Plmn::new(1, 1, 2).ok()?;
        let config = config(plmn, scenario.phones);
        let provider = provider(scenario.real_cryptography);
        let subscribers = (0..scenario.phones).filter_map(subscriber).collect();
        let quarantine = config.timers.quarantine;
        let max_sessions = 4 * scenario.phones + 64;
        let setup = Setup { config, limits: Limits::default(), max_sessions, provider, subscribers };
        let mut world = Self {
            scenario: scenario.clone(),
            now: Time::ZERO,
            agenda: Timers::new(),
            later: BTreeMap::new(),
            gateway: Gateway::new(setup, rng.fork()),
            plane: Plane::default(),
            stations: Vec::new(),
            handsets: Vec::new(),
            connections: BTreeMap::new(),
            links: BTreeMap::new(),
            by_tmsi: BTreeMap::new(),
            checks: Checks::new(
                scenario.diary_of,
                !scenario.faults.lying_disk,
                quarantine,
                TeidLayout::for_sessions(max_sessions)?,
            ),
            mood: Mood::Lively,
            doom: None,
            effects_left: 0,
            powered: true,
            steady: Vec::new(),
            died_at: Time::ZERO,
            last_number: 0,
            enb_out: Outbox::new(),
            ue_out: Outbox::new(),
            tap: None,
            rng,
        };
        world.build(plmn, provider)?;
        Some(world)
    }

    fn build(&mut self, plmn: Plmn, provider: Provider) -> Option<()> {
        for number in 0..self.scenario.stations {
            let station = station(plmn, number, &self.scenario, &mut self.rng)?;
            self.stations.push(station);
        }
        let profiles = profiles(provider);
        for number in 0..self.scenario.phones {
            let imsi = imsi(number)?;
            let card = card(number)?;
            let sqn = Sqn::new(FIRST_SQN)?;
            self.checks.add_phone(imsi, card.clone(), sqn);
            let profile = Arc::clone(&profiles[number as usize % profiles.len()]);
            let imeisv = format!("35609204079{:05}", number % 100_000).parse().ok()?;
            let ue = Ue::new(profile, Usim::new(imsi, card, sqn), imeisv);
            let station = self.rng.below(self.stations.len() as u64) as usize;
            let rng = self.rng.fork();
            self.handsets.push(Handset {
                ue,
                station,
                connection: None,
                coming_from: None,
                going_to: None,
                configured: 0,
                covered: true,
                rng,
                busy_until: Time::ZERO,
                s_tmsi: None,
                last_signalling: Time::ZERO,
                proof: Proof::default(),
            });
        }
        Some(())
    }

    /// Switches everything on, and lets users and faults go.
    pub(crate) fn begin(&mut self) {
        self.switch_on();
        for phone in 0..self.handsets.len() {
            let first = Time::from_millis(1_000 + self.rng.below(40_000));
            self.arm(Turn::User(phone), first);
        }
        self.plan_faults();
    }

    /// Switches gateway and base stations on; phones find their cells.
    pub(crate) fn switch_on(&mut self) {
        self.gateway.disk.lie_about_sync(self.scenario.faults.lying_disk);
        if let Err(problem) = self.gateway.start(self.now, &[], &mut self.checks) {
            self.checks.fail(problem);
            return;
        }
        self.gateway_goes_on();
        for station in 0..self.stations.len() {
            self.put_off(Duration::from_millis(10 + 5 * station as u64), super::Later::Associate(station));
        }
        for phone in 0..self.handsets.len() {
            let tai = self.stations[self.handsets[phone].station].enb.config().tai();
            self.phone(phone, testbed_ue::Input::Camp(tai));
        }
        self.arm(Turn::Sweep, Time::from_secs(5));
    }
}

fn provider(real: bool) -> Provider {
    if real { Provider::STANDARD } else { Provider::null_for_simulation() }
}

fn config(plmn: Plmn, phones: u32) -> GatewayConfig {
    let mut config = example_config();
    config.plmns = vec![plmn];
    config.areas = (1..=AREAS).map(|tac| Tai { plmn, tac: Tac(tac) }).collect();
    config.whole_network_area_list = false;
    // Room for all and half as many again: addresses come round, and have to rest.
    let wanted = phones + phones / 2 + 16;
    let prefix = 32 - (u32::BITS - wanted.leading_zeros()).clamp(5, 20) as u8;
    for apn in &mut config.apns {
        apn.pools.iter_mut().for_each(|pool| pool.prefix = prefix);
    }
    let mut second = config.apns.clone();
    for apn in &mut second {
        if let Ok(name) = "ims".parse() {
            apn.apn = name;
        }
        for pool in &mut apn.pools {
            (pool.network, pool.gateway) = (Ipv4Addr::new(10, 61, 0, 0), None);
        }
    }
    config.apns.extend(second);
    let timers = &mut config.timers;
    timers.t3412 = Duration::from_secs(4 * 60);
    timers.t3402 = Duration::from_secs(2 * 60);
    timers.mobile_reachable_margin = Duration::from_secs(60);
    timers.implicit_detach = Duration::from_secs(60);
    timers.backoff = Duration::from_secs(60);
    config.paging.backoff = Duration::from_secs(20);
    config
}

fn imsi(number: u32) -> Option<Imsi> {
    Imsi::new(1_010_000_000_000 + u64::from(number) + 1, 15).ok()
}

fn credentials(number: u32) -> Option<Credentials> {
    let mut k = [0x46; 16];
    k[..4].copy_from_slice(&number.to_be_bytes());
    let (k, opc) = (Secret::new(k.to_vec()), Secret::new(vec![0xe8; 16]));
    Credentials::new(StoredAlgorithm::Milenage, k, opc, true).ok()
}

fn card(number: u32) -> Option<AkaAlgorithm> {
    credentials(number)?.functions().ok()
}

fn subscriber(number: u32) -> Option<Subscriber> {
    let ambr = Ambr { uplink: 50_000_000, downlink: 100_000_000 };
    let qos = BearerQos { qci: Qci(9), arp: Arp { priority: 8, may_preempt: false, preemptable: false } };
    let own = number.is_multiple_of(STATIC_EVERY).then(|| Ipv4Addr::from(0x0a2d_0002 + number));
    let apn =
        |name: &str, static_ipv4| Some(ApnProfile { static_ipv4, ..ApnProfile::new(name.parse().ok()?, qos, ambr) });
    Some(Subscriber {
        profile: Profile {
            imsi: imsi(number)?,
            msisdn: None,
            ambr,
            apns: vec![apn("internet", own)?, apn("ims", None)?],
        },
        name: format!("phone {number}"),
        state: SubscriberState::Active,
        aka: card(number)?,
        amf: [0x80, 0],
        sqn: Sqn::new(FIRST_SQN)?,
    })
}

/// Four kinds of phones, all with shorter patience than the specification's, so that a run sees its end.
fn profiles(provider: Provider) -> Vec<Arc<testbed_ue::Profile>> {
    let timers = TimerValues { t3402: Duration::from_secs(2 * 60), ..TimerValues::default() };
    let plain = testbed_ue::Profile { provider, timers, ..testbed_ue::Profile::default() };
    let concealing = testbed_ue::Profile { conceals_esm_information: true, ..plain.clone() };
    let combined = testbed_ue::Profile { combined: true, ..plain.clone() };
    let asking = testbed_ue::Profile { apn: "internet".parse().ok(), ..plain.clone() };
    [plain, concealing, combined, asking].map(Arc::new).to_vec()
}

fn station(plmn: Plmn, number: u32, scenario: &Scenario, rng: &mut SimRng) -> Option<Station> {
    let id = GlobalEnbId { plmn, enb: EnbId::Macro(0x100 + number) };
    let tac = Tac(1 + (number % u32::from(AREAS)) as u16);
    let address = Ipv4Addr::from(0x0a5b_0001 + (number << 8));
    let mut config = EnbConfig::new(&format!("enb-{number}"), id, tac, address);
    config.inactivity = Some(INACTIVITY);
    // SCTP loses, doubles and reorders nothing within a stream; streams overtake each other.
    let line = Impairment { delay: Duration::from_millis(2), jitter: Duration::from_millis(15), ..Impairment::PERFECT };
    let mut lines = || (0..STREAMS).map(|_| Link::new(line, rng.next_u64())).collect::<Vec<_>>();
    let (up, down) = (lines(), lines());
    Some(Station {
        enb: Enb::new(config),
        address,
        link: None,
        up,
        down,
        air_up: Air::new(scenario.faults.air, rng.next_u64()),
        air_down: Air::new(scenario.faults.air, rng.next_u64()),
    })
}
