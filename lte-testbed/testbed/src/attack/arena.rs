//! Where an attack takes place: a network of its own, an honest base station with a canary and a victim, a hostile one with
//! the attacker's phone, and witnesses on both links. And the rule that every attack is judged by, whatever it is.

use std::cell::Cell;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use basalt_ids::{Plmn, Tac, Teid};
use testbed_ran::LinkState;
use testbed_ue::{AttachKind, EmmState, Input, Profile, Ue};
use toml::Table;

use super::craft::{self, V4};
use super::witness::{Mark, Witness};
use crate::gateway::subscribers;
use crate::lab;
use crate::load::enb_config;
use crate::network::{Network, NetworkPlan};
use crate::radio::subscriber::Subscriber;
use crate::radio::{Io, Radio};

/// Phones: one that pings all the time, one that attacks, one that is attacked.
pub(super) const CANARY: usize = 0;
pub(super) const ATTACKER: usize = 1;
pub(super) const VICTIM: usize = 2;
/// Base stations: that of canary and victim, and that of the attacker.
pub(super) const HOME: usize = 0;
pub(super) const WILD: usize = 1;

/// How long anything may take that should happen soon.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);
/// Between two looks.
const STEP: Duration = Duration::from_millis(2);
/// Between two pings of the canary.
const PING: Duration = Duration::from_millis(10);
/// Lines of log that an attack may cost.
const LOG_LINES: usize = 60;
/// Memory that an attack may leave behind, in octets. Allocators keep what they once had.
const GROWTH: u64 = 24 << 20;
/// Descriptors that an attack may leave behind: none, but a client of the metrics may be on its way.
const DESCRIPTORS: usize = 2;

/// What an attack wants of the network before it begins.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Wants {
    /// Settings of the gateway.
    pub settings: &'static [(&'static str, &'static str)],
    /// What each subscriber may receive, bit/s.
    pub downlink: Option<u64>,
}

/// A phone's tunnel.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tunnel {
    /// The gateway's endpoint.
    pub uplink: Teid,
    /// The base station's endpoint.
    pub downlink: Teid,
    /// The base station's address.
    pub enb: Ipv4Addr,
}

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Arena {
    pub radio: Radio,
    pub network: Network,
    internet: Witness,
    air: Witness,
    marks: Cell<u32>,
    secrets: Vec<String>,
    before: Health,
}

/// What an attack must leave as it was.
#[derive(Clone, Copy, Debug)]
struct Health {
    resident: u64,
    descriptors: usize,
    lines: usize,
}

impl Arena {
    pub fn open(lab: &str, unprivileged: bool, wants: Wants) -> Result<Self> {
        let mut settings = Table::new();
        for (path, value) in wants.settings {
            let value: Table = toml::from_str(&format!("value = {value}"))?;
            let value = value.get("value").cloned().context("a setting without value")?;
            crate::gateway::set(&mut settings, path, value)?;
        }
        let network = Network::start(&NetworkPlan { settings, ..NetworkPlan::new(lab, unprivileged) })?;
        let plmn = Plmn::new(1, 1, 2)?;
        let phones = subscribers(plmn, 1, 3)?;
        network.gateway.import_limited(&phones, &[], wants.downlink)?;
        let radio = network.radio()?;
        let internet = Witness::start(&network.lab.internet, lab::SERVER)?;
        let air = Witness::start(&network.lab.ran, lab::ENB_PREFIX.0)?;
        let secrets =
            phones.iter().flat_map(|phone| [phone.imsi.to_string(), phone.k_hex(), phone.opc_hex()]).collect();
        let before = Health { resident: 0, descriptors: 0, lines: 0 };
        let mut arena = Self { radio, network, internet, air, marks: Cell::new(0), secrets, before };
        arena.populate(plmn, &phones)?;
        arena.witnesses_are_awake()?;
        arena.before = arena.health()?;
        Ok(arena)
    }

    fn populate(&self, plmn: Plmn, phones: &[Subscriber]) -> Result<()> {
        let phones = phones.to_vec();
        self.radio.call(move |io| -> Result<()> {
            for enb in [HOME, WILD] {
                io.add_enb(enb_config(enb as u32, plmn, Tac(1), None))?;
                io.connect_enb(enb);
            }
            let profile = Arc::new(Profile { persistent: false, ..Profile::default() });
            for (number, subscriber) in phones.iter().enumerate() {
                let ue = Ue::new(profile.clone(), subscriber.usim(), subscriber.imeisv);
                io.add_phone(ue, if number == ATTACKER { WILD } else { HOME });
            }
            Ok(())
        })??;
        self.until("the base stations in service", |io| [HOME, WILD].into_iter().all(|enb| in_service(io, enb)))?;
        self.radio.call(|io| (0..3).for_each(|phone| io.phone(phone, Input::Attach(AttachKind::Imsi))))?;
        self.until("the phones attached", |io| (0..3).all(|phone| connected(io, phone)))?;
        self.radio.with_shared(|shared| {
            let shared = shared.clone();
            shared.borrow_mut().canary = Some(1);
            tokio::task::spawn_local(async move {
                while shared.borrow().canary.is_some() {
                    shared.borrow_mut().ping(CANARY, lab::SERVER);
                    tokio::time::sleep(PING).await;
                }
            });
        })
    }

    /// Witnesses that would see nothing would make every attack look harmless.
    fn witnesses_are_awake(&self) -> Result<()> {
        let up = self.honest(ATTACKER)?;
        self.until_seen(&self.internet, up, "the internet sees honest packets of a phone")?;
        // The path to a phone stands a moment after the phone believes so.
        let (down, address) = (self.mark(), self.address(VICTIM)?);
        let deadline = Instant::now() + PATIENCE;
        while self.air.count(down) == 0 {
            ensure!(Instant::now() < deadline, "the base station sees no honest packets for a phone");
            self.internet_sends(move |socket| Ok(socket.send_to(&down.octets(), (address, 9)).map(drop)?))?;
            std::thread::sleep(PING);
        }
        Ok(())
    }

    /// A mark that nothing else has.
    pub fn mark(&self) -> Mark {
        self.marks.set(self.marks.get() + 1);
        Mark(self.marks.get())
    }

    /// The address of a phone.
    pub fn address(&self, phone: usize) -> Result<Ipv4Addr> {
        self.radio.call(move |io| io.app(phone).address())?.with_context(|| format!("phone {phone} has no address"))
    }

    /// The tunnel of a phone.
    pub fn tunnel(&self, phone: usize) -> Result<Tunnel> {
        let found = self.radio.call(move |io| {
            let (now, ebi) = (io.now(), io.site.first_bearer(phone)?);
            let (enb, bearer) = io.site.uplink(now, phone, ebi)?;
            Some(Tunnel { uplink: bearer.uplink, downlink: bearer.downlink, enb })
        })?;
        found.with_context(|| format!("phone {phone} has no tunnel"))
    }

    /// An honest datagram of a phone to the server; its mark.
    pub fn honest(&self, phone: usize) -> Result<Mark> {
        let mark = self.mark();
        let datagram = craft::udp(4000, 9, &mark.octets());
        let packet = V4::new(self.address(phone)?, lab::SERVER, craft::UDP).build(&datagram);
        self.radio.call(move |io| io.send_packet(phone, &packet))?;
        Ok(mark)
    }

    /// Packets of a phone, through its tunnel.
    pub fn phone_sends(&self, phone: usize, packets: Vec<Vec<u8>>) -> Result<()> {
        self.radio.call(move |io| packets.iter().for_each(|packet| io.send_packet(phone, packet)))
    }

    /// Octets of a base station to the gateway's GTP-U port.
    pub fn enb_sends(&self, enb: usize, messages: Vec<Vec<u8>>) -> Result<()> {
        self.radio.call(move |io| messages.iter().for_each(|message| io.send_gtpu(enb, message)))
    }

    /// Something that a program in the internet does with a UDP socket of its own.
    pub fn internet_sends<T: Send + 'static>(
        &self,
        work: impl FnOnce(std::net::UdpSocket) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.network.lab.internet.run(move || work(std::net::UdpSocket::bind((lab::SERVER, 0))?))
    }

    /// User packets dropped for a reason so far.
    pub fn drops(&self, reason: &str) -> Result<f64> {
        self.metric(&format!("basalt_agw_user_plane_drops_total{{reason=\"{reason}\"}}"))
    }

    /// A sample of the gateway's metrics; 0 while it is not there.
    pub fn metric(&self, name: &str) -> Result<f64> {
        Ok(self.network.gateway.metrics()?.get(name).copied().unwrap_or(0.0))
    }

    /// Waits until a sample of the gateway's metrics is at least so large.
    pub fn until_metric(&self, name: &str, least: f64) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while self.metric(name)? < least {
            ensure!(Instant::now() < deadline, "{name} is not {least} within {} s", PATIENCE.as_secs());
            std::thread::sleep(STEP);
        }
        Ok(())
    }

    /// Does something hostile that must be dropped for `reason`, at least `packets` of it.
    pub fn must_be_dropped(&self, reason: &str, packets: usize, act: impl FnOnce() -> Result<()>) -> Result<()> {
        let before = self.drops(reason)?;
        act()?;
        let deadline = Instant::now() + PATIENCE;
        loop {
            let counted = self.drops(reason)? - before;
            #[allow(clippy::cast_precision_loss, reason = "far below 2^52")]
            if counted >= packets as f64 {
                return Ok(());
            }
            if Instant::now() >= deadline {
                bail!("{counted} of {packets} packets were counted as {reason}; counted were {}", self.all_drops()?);
            }
            std::thread::sleep(STEP);
        }
    }

    fn all_drops(&self) -> Result<String> {
        let metrics = self.network.gateway.metrics()?;
        let drops = metrics.iter().filter(|(name, value)| name.contains("user_plane_drops") && **value > 0.0);
        let words: Vec<String> = drops.map(|(name, value)| format!("{name} {value}")).collect();
        Ok(if words.is_empty() { "none".to_owned() } else { words.join(", ") })
    }

    /// Nothing with this mark came out of the gateway. What was sent before on the fast path has come out when honest
    /// packets behind it have.
    pub fn must_not_come_out(&self, mark: Mark) -> Result<()> {
        for phone in [ATTACKER, CANARY] {
            let honest = self.honest(phone)?;
            self.until_seen(&self.internet, honest, "honest packets get through after the attack")?;
        }
        ensure!(self.internet.count(mark) == 0, "{} hostile packets reached the internet", self.internet.count(mark));
        ensure!(self.air.count(mark) == 0, "{} hostile packets reached a base station", self.air.count(mark));
        Ok(())
    }

    /// At least one packet with this mark reached the internet.
    pub fn must_reach_internet(&self, mark: Mark) -> Result<()> {
        self.until_seen(&self.internet, mark, "the packet reaches the internet")
    }

    fn until_seen(&self, witness: &Witness, mark: Mark, what: &str) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while witness.count(mark) == 0 {
            ensure!(Instant::now() < deadline, "not within {} s: {what}", PATIENCE.as_secs());
            std::thread::sleep(STEP);
        }
        Ok(())
    }

    /// Waits for something at the radio.
    pub fn until(&self, what: &str, condition: impl Fn(&mut Io) -> bool + Send + Sync + Clone + 'static) -> Result<()> {
        let met = self.radio.wait(PATIENCE, move |io| condition(io).then_some(()))?;
        met.with_context(|| format!("not within {} s: {what}", PATIENCE.as_secs()))
    }

    /// The rule for every attack: the gateway runs, its memory and descriptors are as before, the canary lost nothing, the log
    /// says little and no secret, and all of it can be taken down in order.
    pub fn close(mut self) -> Result<()> {
        self.canary_lost_nothing()?;
        let gateway = &mut self.network.gateway;
        ensure!(gateway.runs(), "the gateway died:\n{}", gateway.last_words());
        let log = gateway.log();
        ensure!(!log.contains("panicked"), "something panicked:\n{}", gateway.last_words());
        for secret in &self.secrets {
            ensure!(!log.contains(secret), "the gateway's log tells an identity or a key in clear");
        }
        let (before, after) = (self.before, self.health()?);
        let lines = after.lines.saturating_sub(before.lines);
        ensure!(lines <= LOG_LINES, "the attack made the gateway write {lines} lines of log");
        let grown = after.resident.saturating_sub(before.resident);
        ensure!(grown <= GROWTH, "the gateway kept {} KiB more", grown / 1024);
        let kept = after.descriptors.saturating_sub(before.descriptors);
        ensure!(kept <= DESCRIPTORS, "the gateway kept {kept} descriptors more");
        let Self { radio, network, internet, air, .. } = self;
        drop(radio);
        internet.stop()?;
        air.stop()?;
        network.end()
    }

    fn canary_lost_nothing(&self) -> Result<()> {
        self.radio.call(|io| io.canary = None)?;
        let counts = |io: &mut Io| (io.app(CANARY).sent, io.app(CANARY).received);
        let all = self.radio.wait(PATIENCE, move |io| (counts(io).0 == counts(io).1).then_some(()))?;
        let (sent, received) = self.radio.call(move |io| counts(io))?;
        ensure!(all.is_some() && sent > 0, "the canary lost {} of {sent} pings", sent - received);
        Ok(())
    }

    fn health(&self) -> Result<Health> {
        let gateway = &self.network.gateway;
        let pid = gateway.pid().context("the gateway is not running")?;
        let descriptors = std::fs::read_dir(format!("/proc/{pid}/fd"))?.count();
        Ok(Health { resident: gateway.usage()?.resident, descriptors, lines: gateway.log().lines().count() })
    }
}

pub(super) fn connected(io: &Io, phone: usize) -> bool {
    io.site.record(phone).is_some_and(|record| record.ue.state() == EmmState::Registered && record.ue.bearers_up())
}

fn in_service(io: &Io, enb: usize) -> bool {
    io.site.enb(enb).is_some_and(|enb| enb.link() == LinkState::Ready)
}
