//! A stateful fuzzer: attaches in which any one message is damaged, while a canary phone pings without loss.
//!
//! Every round is made from the seed and its own number, so a finding is played again by naming both.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use basalt_ids::{Plmn, Tac};
use basalt_sansio::{Rng, SimRng};
use testbed_ran::{Input as EnbInput, LinkState, PhoneId};
use testbed_ue::{AttachKind, DetachKind, EmmState, Fault, Input, Misdeed, Mutation, Profile, Ue};
use toml::Table;

use crate::gateway::subscribers;
use crate::lab;
use crate::load::enb_config;
use crate::network::{Network, NetworkPlan};
use crate::radio::{Damage, Io, Radio};

/// What is asked for.
#[derive(Clone, Debug)]
pub struct FuzzPlan {
    /// Name of the lab.
    pub lab: String,
    /// Without root.
    pub unprivileged: bool,
    /// The seed of all rounds.
    pub seed: u64,
    /// Number of the first round.
    pub first: u64,
    /// How many rounds.
    pub rounds: u64,
    /// Settings of the gateway.
    pub settings: Table,
}

/// What came of it.
#[derive(Clone, Copy, Debug, Default)]
pub struct FuzzReport {
    /// Rounds played.
    pub rounds: u64,
    /// Rounds in which the phone got in all the same.
    pub attached: u64,
    /// Pings of the canary.
    pub pings: u64,
    /// How much the gateway's memory grew, in octets.
    pub growth: u64,
}

/// The canary, and phones that are tried out in turn.
const CANARY: usize = 0;
const SUBJECTS: usize = 16;
/// The base station of the canary, and that of the others.
const CALM: usize = 0;
const WILD: usize = 1;
/// How long a round may last.
const ROUND: Duration = Duration::from_millis(40);
/// Rounds between two looks at the health of everything.
const CHECK_EVERY: u64 = 100;

/// Settings that let a gateway forget half-done attaches soon, so that many rounds fit into a short time.
///
/// # Errors
/// None: the settings are constant and well-formed.
pub fn settings() -> Result<Table> {
    let mut settings = Table::new();
    for timer in ["t3450", "t3460", "t3470", "t3485", "t3489", "t3495", "t3422"] {
        crate::gateway::set(&mut settings, &format!("timers.{timer}"), "1s".into())?;
    }
    Ok(settings)
}

/// Plays the rounds.
///
/// # Errors
/// A finding: the gateway died, a ping was lost, or a good phone does not get in any more. It names the rounds since the
/// last time all was well.
pub fn run(plan: &FuzzPlan, mut progress: impl FnMut(u64, u64)) -> Result<FuzzReport> {
    let mut fuzzer = Fuzzer::start(plan)?;
    let before = fuzzer.network.gateway.usage()?.resident;
    let mut report = FuzzReport::default();
    let mut well = plan.first;
    for round in plan.first..plan.first + plan.rounds {
        report.attached += u64::from(fuzzer.round(plan.seed, round)?);
        report.rounds += 1;
        if (round + 1 - plan.first).is_multiple_of(CHECK_EVERY) || report.rounds == plan.rounds {
            let suspects = format!("in rounds {well} to {round} of seed {}", plan.seed);
            report.pings = fuzzer.all_well().with_context(|| suspects)?;
            well = round + 1;
            progress(report.rounds, report.attached);
        }
    }
    report.growth = fuzzer.network.gateway.usage()?.resident.saturating_sub(before);
    let Fuzzer { radio, network } = fuzzer;
    drop(radio);
    network.end()?;
    Ok(report)
}

struct Fuzzer {
    radio: Radio,
    network: Network,
}

impl Fuzzer {
    fn start(plan: &FuzzPlan) -> Result<Self> {
        let network = Network::start(&NetworkPlan {
            settings: plan.settings.clone(),
            ..NetworkPlan::new(&plan.lab, plan.unprivileged)
        })?;
        let plmn = Plmn::new(1, 1, 2)?;
        let phones = subscribers(plmn, 1, SUBJECTS as u32 + 1)?;
        network.gateway.import(&phones, &[])?;
        let radio = network.radio()?;
        let profile = Arc::new(Profile { persistent: false, ..Profile::default() });
        radio.call(move |io| -> Result<()> {
            for enb in [CALM, WILD] {
                io.add_enb(enb_config(enb as u32, plmn, Tac(1), None))?;
                io.connect_enb(enb);
            }
            for (number, subscriber) in phones.iter().enumerate() {
                let ue = Ue::new(profile.clone(), subscriber.usim(), subscriber.imeisv);
                io.add_phone(ue, if number == CANARY { CALM } else { WILD });
            }
            Ok(())
        })??;
        let fuzzer = Self { radio, network };
        fuzzer.until("base stations in service", |io| in_service(io, CALM) && in_service(io, WILD))?;
        fuzzer.radio.call(|io| io.phone(CANARY, Input::Attach(AttachKind::Imsi)))?;
        fuzzer.until("the canary attached", |io| registered(io, CANARY))?;
        fuzzer.radio.with_shared(|shared| {
            let shared = shared.clone();
            tokio::task::spawn_local(async move {
                loop {
                    shared.borrow_mut().ping(CANARY, lab::SERVER);
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            });
        })?;
        Ok(fuzzer)
    }

    fn until(&self, what: &str, condition: impl Fn(&mut Io) -> bool + Send + Sync + Clone + 'static) -> Result<()> {
        let met = self.radio.wait(Duration::from_secs(5), move |io| condition(io).then_some(()))?;
        met.with_context(|| format!("not within 5 s: {what}"))
    }

    /// One attach with one thing wrong; whether the phone got in.
    fn round(&mut self, seed: u64, round: u64) -> Result<bool> {
        let mut rng = SimRng::new(seed ^ round.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let phone = 1 + rng.below(SUBJECTS as u64) as usize;
        let wrong = Wrong::choose(&mut rng);
        self.radio.call(move |io| {
            reset(io, phone);
            wrong.arrange(io, phone);
            io.phone(phone, Input::Attach(AttachKind::Usual));
        })?;
        let begin = Instant::now();
        let mut attached = false;
        while begin.elapsed() < ROUND && !attached {
            attached = self.radio.call(move |io| registered(io, phone))?;
            std::thread::sleep(Duration::from_micros(500));
        }
        let leaving = rng.below(4);
        self.radio.call(move |io| {
            io.damage = None;
            leave(io, phone, leaving);
        })?;
        Ok(attached)
    }

    /// The gateway runs, no ping is lost, and a good phone gets in. How many pings there were.
    fn all_well(&mut self) -> Result<u64> {
        if !self.network.gateway.runs() {
            bail!("the gateway died:\n{}", self.network.gateway.last_words());
        }
        if self.network.gateway.log().contains("panicked") {
            bail!("something panicked:\n{}", self.network.gateway.last_words());
        }
        self.radio.call(|io| (1..=SUBJECTS).for_each(|phone| reset(io, phone)))?;
        self.until("the base stations in service", |io| in_service(io, CALM) && in_service(io, WILD))?;
        self.radio.call(|io| io.phone(1, Input::Attach(AttachKind::Imsi)))?;
        self.until("a good phone attached", |io| registered(io, 1))?;
        // At most the pings that are under way are unanswered.
        let settled = |io: &mut Io| {
            let app = io.app(CANARY);
            (app.sent - app.received <= 2).then_some(app.sent)
        };
        let pings = self.radio.wait(Duration::from_secs(2), settled)?;
        pings.context("the canary lost pings")
    }
}

/// What is wrong in a round.
#[derive(Clone, Copy, Debug)]
enum Wrong {
    /// A NAS message.
    Nas(Fault),
    /// An S1AP message of the base station.
    S1ap(u32, Mutation),
    /// The base station sends octets of its own.
    Noise(u64),
    /// The base station resets the phone's connection in the middle.
    ResetAfter,
}

impl Wrong {
    fn choose(rng: &mut SimRng) -> Self {
        let mutation = Mutation { seed: rng.next_u64() };
        let nth = rng.below(7) as u32;
        match rng.below(10) {
            0..3 => Self::Nas(Fault::nth(nth, Misdeed::Mutate(mutation))),
            3 => Self::Nas(Fault::nth(nth, Misdeed::MutateProtected(mutation))),
            4 => {
                let misdeeds = [Misdeed::Silence, Misdeed::Plain, Misdeed::WrongMac, Misdeed::Twice, Misdeed::Replay];
                Self::Nas(Fault::nth(nth, misdeeds[rng.below(5) as usize]))
            }
            5..8 => Self::S1ap(rng.below(9) as u32, mutation),
            8 => Self::Noise(rng.next_u64()),
            _ => Self::ResetAfter,
        }
    }

    fn arrange(self, io: &mut Io, phone: usize) {
        match self {
            Self::Nas(fault) => {
                if let Some(ue) = io.site.ue_mut(phone) {
                    ue.add_fault(fault);
                }
            }
            Self::S1ap(skip, mutation) => io.damage = Some(Damage { enb: WILD, skip, mutation }),
            Self::Noise(seed) => {
                let mut rng = SimRng::new(seed);
                let mut pdu = vec![0; 1 + rng.below(200) as usize];
                rng.fill(&mut pdu);
                io.enb(WILD, EnbInput::Raw { pdu, phone: Some(PhoneId(phone as u32)) });
            }
            Self::ResetAfter => {
                let cause = basalt_s1ap::MiscCause::Unspecified.into();
                io.enb(WILD, EnbInput::Reset { phones: vec![PhoneId(phone as u32)], cause });
            }
        }
    }
}

/// A phone as it was bought, its old connection gone without a word; sometimes with the identity it had.
fn reset(io: &mut Io, phone: usize) {
    let guti = io.site.record(phone).and_then(|record| record.ue.guti());
    io.enb(WILD, EnbInput::Abandon(PhoneId(phone as u32)));
    io.phone(phone, Input::PowerCut);
    if let Some(ue) = io.site.ue_mut(phone) {
        ue.clear_faults();
        ue.set_guti(guti.filter(|guti| guti.m_tmsi.0 % 2 == 0));
    }
}

fn leave(io: &mut Io, phone: usize, how: u64) {
    match how {
        0 => io.phone(phone, Input::Detach(DetachKind::SwitchOff)),
        1 => io.enb(WILD, EnbInput::RadioLost(PhoneId(phone as u32))),
        2 => io.enb(WILD, EnbInput::Inactive(PhoneId(phone as u32))),
        _ => {}
    }
}

fn in_service(io: &Io, enb: usize) -> bool {
    io.site.enb(enb).is_some_and(|enb| enb.link() == LinkState::Ready)
}

fn registered(io: &Io, phone: usize) -> bool {
    io.site.record(phone).is_some_and(|record| record.ue.state() == EmmState::Registered && record.ue.bearers_up())
}
