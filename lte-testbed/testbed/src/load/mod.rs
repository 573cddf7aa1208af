//! Load: many phones over many base stations at a rate, and what came of it.

mod report;
mod traffic;

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, bail};
use basalt_ids::{EnbId, GlobalEnbId, Plmn, Tac};
use basalt_sansio::Time;
use indicatif::{ProgressBar, ProgressStyle};
use testbed_ran::{EnbConfig, LinkState};
use testbed_ue::{AttachKind, DetachKind, Event, Input, Profile, Ue};

use crate::lab::Lab;
use crate::radio::subscriber::Subscriber;
use crate::radio::{Io, Radio, Shared, Told};
pub use report::{Percentiles, Report};
use traffic::Pace;
pub use traffic::Traffic;

/// What is asked for.
#[derive(Clone, Debug)]
pub struct LoadPlan {
    /// Base stations.
    pub enbs: u32,
    /// Number of the first of them, 0 and up.
    pub first_enb: u32,
    /// Phones, spread over the base stations in turn.
    pub ues: u32,
    /// Number of the first subscriber.
    pub first: u32,
    /// Attaches started per second; zero: each as soon as one before is done.
    pub rate: f64,
    /// With a rate of zero: how many are under way at a time.
    pub at_once: u32,
    /// How long phones stay attached before they detach; `None`: they do not detach.
    pub hold: Option<Duration>,
    /// Rounds of attach and detach per phone.
    pub rounds: u32,
    /// What attached phones do.
    pub traffic: Traffic,
    /// The network.
    pub plmn: Plmn,
    /// The network of the phones' subscriptions.
    pub home: Plmn,
    /// The area of all base stations.
    pub tac: Tac,
    /// The kind of phones.
    pub profile: Arc<Profile>,
    /// How long to wait for what is under way after the last attach was started.
    pub patience: Duration,
    /// Addresses of base stations are spread as in a lab; otherwise all are this one.
    pub enb_address: Option<Ipv4Addr>,
}

impl LoadPlan {
    /// So many phones at one base station, attached one after the other to stay.
    ///
    /// # Errors
    /// None that could happen: the test network's code is one.
    pub fn attached(phones: u32) -> Result<Self> {
        Ok(Self {
            enbs: 1,
            first_enb: 0,
            ues: phones,
            first: 1,
            rate: 0.0,
            at_once: 1,
            hold: None,
            rounds: 1,
            traffic: Traffic::None,
            plmn: Plmn::new(1, 1, 2)?,
            home: Plmn::new(1, 1, 2)?,
            tac: Tac(1),
            profile: Arc::new(Profile::default()),
            patience: Duration::from_secs(30),
            enb_address: None,
        })
    }
}

/// Adds base stations to a radio, lets them associate, and waits until their interfaces stand.
///
/// # Errors
/// A base station cannot associate, or the gateway refuses it.
pub fn bring_up_enbs(radio: &Radio, plan: &LoadPlan) -> Result<()> {
    let (count, plmn, tac, fixed) = (plan.enbs, plan.plmn, plan.tac, plan.enb_address);
    let first_enb = plan.first_enb;
    radio.call(move |io| -> Result<()> {
        for number in 0..count {
            let enb = io.add_enb(enb_config(first_enb + number, plmn, tac, fixed))?;
            io.connect_enb(enb);
        }
        Ok(())
    })??;
    let limit = Duration::from_secs(10) + Duration::from_millis(20) * plan.enbs;
    let all_ready = move |io: &mut Io| {
        let ready = |number: usize| io.site.enb(number).is_some_and(|enb| enb.link() == LinkState::Ready);
        (0..count as usize).all(ready).then_some(())
    };
    if radio.wait(limit, all_ready)?.is_some() {
        return Ok(());
    }
    let asked = plan.clone();
    let why = radio.call(move |io| why_not_ready(io, &asked))?;
    bail!("not all base stations are in service: {why}")
}

fn why_not_ready(io: &Io, plan: &LoadPlan) -> String {
    for number in 0..plan.enbs as usize {
        match io.site.enb(number).map(testbed_ran::Enb::link) {
            Some(LinkState::Ready) | None => {}
            Some(LinkState::Refused) => {
                return format!(
                    "base station {} is refused by the gateway: does it serve PLMN {} and TAC {}? See --plmn and --tac, \
                     and its own words: `basalt doctor`",
                    number + 1,
                    plan.plmn,
                    plan.tac.0
                );
            }
            Some(LinkState::SettingUp) => return format!("base station {} gets no answer to S1 SETUP", number + 1),
            Some(LinkState::Down) => {
                let why = io.link_closed(number).map_or_else(
                    || "nobody answers; does a gateway run there, with the same --sctp?".to_owned(),
                    str::to_owned,
                );
                return format!("base station {} has no association: {why}", number + 1);
            }
        }
    }
    "they were slow".to_owned()
}

/// Base station `number` of a lab.
#[must_use]
pub fn enb_config(number: u32, plmn: Plmn, tac: Tac, address: Option<Ipv4Addr>) -> EnbConfig {
    let id = GlobalEnbId { plmn, enb: EnbId::Macro(0x100 + number) };
    let address = address.unwrap_or_else(|| Lab::enb_address(number));
    let mut config = EnbConfig::new(&format!("testbed-{}", number + 1), id, tac, address);
    config.teid_prefix = (number % 4096) as u16;
    config
}

/// Runs a load against base stations that are in service.
///
/// # Errors
/// The radio ended, or a subscriber cannot be made.
pub fn run(radio: &Radio, plan: &LoadPlan, quiet: bool) -> Result<Report> {
    let subscribers: Vec<Subscriber> =
        (0..plan.ues).map(|number| Subscriber::new(plan.home, plan.first + number)).collect::<Result<_, _>>()?;
    let (profile, enbs) = (plan.profile.clone(), plan.enbs as usize);
    let first_phone = radio.call(move |io| {
        let first = io.site.phone_count();
        for (number, subscriber) in subscribers.iter().enumerate() {
            let ue = Ue::new(profile.clone(), subscriber.usim(), subscriber.imeisv);
            io.add_phone(ue, number % enbs);
        }
        io.record = true;
        first
    })?;
    let plan_for_task = plan.clone();
    let (done, result) = std::sync::mpsc::channel();
    let progress = progress(plan, quiet);
    let shown = progress.clone();
    radio.with_shared(move |shared| {
        let task = drive(shared.clone(), plan_for_task, first_phone, shown);
        tokio::task::spawn_local(async move {
            let _ = done.send(task.await);
        });
    })?;
    let report = result.recv().map_err(|_| anyhow::anyhow!("the radio ended during the load"))?;
    progress.finish_and_clear();
    Ok(report)
}

fn progress(plan: &LoadPlan, quiet: bool) -> ProgressBar {
    if quiet {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(u64::from(plan.ues) * u64::from(plan.rounds));
    let style = ProgressStyle::with_template("{bar:30} {pos}/{len} attached, {per_sec}, {msg}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar
}

/// What is under way, kept while the load runs.
struct Course {
    plan: LoadPlan,
    first_phone: usize,
    /// Attaches started, over all rounds.
    started: u32,
    /// Attaches that ended, one way or the other.
    ended: u32,
    /// Phones that hold, oldest first: when they detach.
    holding: std::collections::VecDeque<(Time, usize)>,
    /// Phones that are free for another round.
    free: std::collections::VecDeque<usize>,
    rounds: Vec<u32>,
    busy: Vec<bool>,
    detaching: Vec<Option<Time>>,
    attach_us: Vec<u32>,
    context_us: Vec<u32>,
    detach_us: Vec<u32>,
    failures: BTreeMap<String, u32>,
    surprises: BTreeMap<String, u32>,
    detached: u32,
    /// When a phone that holds is about to leave: what it sends then would not come back.
    leaves: Vec<Option<Time>>,
    packets: u64,
}

/// A phone that is about to leave sends no more for so long.
const QUIET_BEFORE_LEAVING: Duration = Duration::from_millis(100);

async fn drive(shared: Shared, plan: LoadPlan, first_phone: usize, progress: ProgressBar) -> Report {
    const TICK: Duration = Duration::from_millis(1);
    let cpu_before = crate::sys::thread_cpu_micros();
    let begin = shared.borrow().now();
    let mut course = Course::new(plan, first_phone);
    let mut all_started_at = None;
    let mut last_end = begin;
    let mut pace = Pace::new(course.plan.traffic, begin);
    loop {
        let now = shared.borrow().now();
        {
            let mut io = shared.borrow_mut();
            if course.digest(&mut io) > 0 {
                last_end = now;
            }
            course.detach_due(&mut io, now);
            course.start_due(&mut io, now.since(begin));
            course.digest(&mut io);
            course.traffic_due(&mut io, now, &mut pace);
        }
        progress.set_position(course.attach_us.len() as u64);
        progress.set_message(course.words());
        if course.all_started() {
            let since = *all_started_at.get_or_insert(now);
            if course.all_done() || now.since(since) > course.plan.patience + course.plan.hold.unwrap_or_default() {
                break;
            }
        }
        // One at a time: look again as soon as other tasks had their turn.
        if course.plan.rate > 0.0 || course.started == course.ended && course.all_started() {
            tokio::time::sleep(TICK).await;
        } else {
            tokio::task::yield_now().await;
        }
    }
    let cpu = crate::sys::thread_cpu_micros() - cpu_before;
    let mut io = shared.borrow_mut();
    io.record = false;
    let elapsed = last_end.since(begin);
    let whole = io.now().since(begin);
    course.report(&mut io, elapsed, whole, cpu)
}

impl Course {
    fn new(plan: LoadPlan, first_phone: usize) -> Self {
        let ues = plan.ues as usize;
        Self {
            first_phone,
            started: 0,
            ended: 0,
            holding: std::collections::VecDeque::new(),
            free: (0..ues).collect(),
            rounds: vec![0; ues],
            busy: vec![false; ues],
            detaching: vec![None; ues],
            attach_us: Vec::with_capacity(ues),
            context_us: Vec::with_capacity(ues),
            detach_us: Vec::new(),
            failures: BTreeMap::new(),
            surprises: BTreeMap::new(),
            detached: 0,
            leaves: vec![None; ues],
            packets: 0,
            plan,
        }
    }

    fn total(&self) -> u32 {
        self.plan.ues * self.plan.rounds
    }

    fn all_started(&self) -> bool {
        self.started >= self.total()
    }

    fn all_done(&self) -> bool {
        self.ended >= self.started && self.holding.is_empty() && self.detaching.iter().all(Option::is_none)
    }

    fn start_due(&mut self, io: &mut Io, elapsed: Duration) {
        let due = if self.plan.rate > 0.0 {
            ((elapsed.as_secs_f64() * self.plan.rate) as u64).saturating_add(1)
        } else {
            u64::from(self.ended) + u64::from(self.plan.at_once)
        };
        while !self.all_started() && u64::from(self.started) < due {
            let Some(number) = self.free.pop_front() else { return };
            self.started += 1;
            self.busy[number] = true;
            self.rounds[number] += 1;
            self.leaves[number] = None;
            io.phone(self.first_phone + number, Input::Attach(AttachKind::Usual));
        }
    }

    fn detach_due(&mut self, io: &mut Io, now: Time) {
        while let Some(&(at, number)) = self.holding.front() {
            if at > now {
                return;
            }
            self.holding.pop_front();
            self.detaching[number] = Some(now);
            io.phone(self.first_phone + number, Input::Detach(DetachKind::Normal));
        }
    }

    fn traffic_due(&mut self, io: &mut Io, now: Time, pace: &mut Pace) {
        let leaves = &self.leaves;
        let stays = |number: usize| leaves[number].is_none_or(|at| now + QUIET_BEFORE_LEAVING < at);
        let phones = self.first_phone..self.first_phone + leaves.len();
        self.packets += pace.send_due(io, now, phones, stays);
    }

    /// What is worth a look while it runs.
    fn words(&self) -> String {
        let mut words = format!("{} detached", self.detached);
        if !self.failures.is_empty() {
            words += &format!(", {} failed", self.failures.values().sum::<u32>());
        }
        if self.packets > 0 {
            words += &format!(", {} packets sent", self.packets);
        }
        words
    }

    /// Takes in what happened; how many attaches ended.
    fn digest(&mut self, io: &mut Io) -> usize {
        let before = self.ended;
        while let Some((at, told)) = io.told.pop_front() {
            match told {
                Told::Phone(phone, event) => {
                    if let Some(number) = phone.checked_sub(self.first_phone) {
                        self.phone_event(io, at, number, &event);
                    }
                }
                Told::Enb(_, testbed_ran::Event::ProtocolError(what)) => self.surprised(format!("eNodeB: {what}")),
                Told::Enb(_, testbed_ran::Event::NoAnswer(what)) => {
                    self.surprised(format!("eNodeB: no answer to {what}"))
                }
                Told::Enb(_, testbed_ran::Event::ErrorIndication { cause, .. }) => {
                    let cause = cause.map_or_else(|| "no cause".to_owned(), |cause| cause.to_string());
                    self.surprised(format!("eNodeB: error indication, {cause}"));
                }
                Told::Enb(..) | Told::Refused(_) => {}
            }
        }
        (self.ended - before) as usize
    }

    fn surprised(&mut self, what: String) {
        *self.surprises.entry(what).or_default() += 1;
    }

    fn phone_event(&mut self, io: &Io, at: Time, number: usize, event: &Event) {
        let failed = |course: &mut Self, why: String| {
            if std::mem::take(&mut course.busy[number]) {
                course.ended += 1;
                *course.failures.entry(why).or_default() += 1;
            }
        };
        match event {
            Event::Attached { .. } => {
                if !std::mem::take(&mut self.busy[number]) {
                    return;
                }
                self.ended += 1;
                if let Some(record) = io.site.record(self.first_phone + number) {
                    let stats = &record.stats;
                    let since = |moment: Option<Time>| Some(micros(moment?.since(stats.started?)));
                    self.attach_us.extend(since(stats.completed));
                    self.context_us.extend(since(stats.context));
                }
                match self.plan.hold {
                    Some(hold) => {
                        self.leaves[number] = Some(at + hold);
                        self.holding.push_back((at + hold, number));
                    }
                    None => self.next_round(number),
                }
            }
            Event::AttachRejected(cause) => failed(self, format!("rejected: {cause}")),
            Event::AttachFailed(why) => failed(self, format!("failed: {why}")),
            Event::AuthenticationRejected => failed(self, "authentication rejected".to_owned()),
            Event::Distrust(surprise) => self.surprised(format!("phone: {surprise:?}")),
            Event::Detached { .. } => {
                if let Some(since) = self.detaching[number].take() {
                    self.detached += 1;
                    self.detach_us.push(micros(at.since(since)));
                    self.next_round(number);
                }
            }
            _ => {}
        }
    }

    fn next_round(&mut self, number: usize) {
        if self.rounds[number] < self.plan.rounds {
            self.free.push_back(number);
        }
    }

    fn report(mut self, io: &mut Io, elapsed: Duration, whole: Duration, cpu_us: u64) -> Report {
        let (mut packets_received, mut round_trips) = (0, Vec::new());
        for number in 0..self.plan.ues as usize {
            let app = io.app(self.first_phone + number);
            packets_received += app.received;
            round_trips.extend(app.round_trips.iter().map(|trip| micros(*trip)));
        }
        // What comes back is as long as what was sent.
        let mbit_s = |packets: u64| {
            (packets * self.plan.traffic.octets() as u64 * 8) as f64 / 1e6 / whole.as_secs_f64().max(1e-9)
        };
        let attached = self.attach_us.len() as u32;
        let unfinished = self.busy.iter().filter(|busy| **busy).count() as u32;
        if unfinished > 0 {
            self.failures.insert("unfinished when patience ended".to_owned(), unfinished);
        }
        Report {
            enbs: self.plan.enbs,
            ues: self.plan.ues,
            attaches_started: self.started,
            attaches_done: attached,
            rate_asked_per_s: self.plan.rate,
            attach_per_s: f64::from(attached) / elapsed.as_secs_f64().max(1e-9),
            elapsed_s: elapsed.as_secs_f64(),
            attach: Percentiles::of(&mut self.attach_us),
            attach_to_context: Percentiles::of(&mut self.context_us),
            detaches_done: self.detached,
            detach: Percentiles::of(&mut self.detach_us),
            failures: self.failures,
            surprises: self.surprises,
            packets_sent: self.packets,
            packets_received,
            round_trip: Percentiles::of(&mut round_trips),
            uplink_mbit_s: mbit_s(self.packets),
            downlink_mbit_s: mbit_s(packets_received),
            testbed_cpu_us_per_attach: cpu_us as f64 / f64::from(attached.max(1)),
        }
    }
}

fn micros(duration: Duration) -> u32 {
    u32::try_from(duration.as_micros()).unwrap_or(u32::MAX)
}
