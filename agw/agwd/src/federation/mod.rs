//! Subscribers of other networks: `agw/federation` between the loop and the streams to federation gateways.

mod convert;
mod link;
mod memory;

pub use agw_federation::Input;
pub use memory::{StoredRemembered, load};

use crate::config::Effective;
use crate::config::file::FederationGateway;
use crate::gateway::{Gateway, Job};
use agw_federation::{Config, Effect, Effects, Equipment, Feg, PdnGateway, Urgency, Zones};
use agw_subscribers::Federated;
use agw_types::{Answer, AuthFailure, ConfigDelta, Event, Question, UeState};
use anyhow::Context as _;
use basalt_cloud_link::DeviceKey;
use basalt_control_api::federation::v1 as api;
use basalt_ids::Tac;
use basalt_sansio::{Rng as _, SecureRng, SecureSeed, Time};
use basalt_store::Batch;
use std::collections::VecDeque;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tokio_rustls::TlsConnector;

/// What is left of mobility's patience for the way through this process.
const MARGIN: Duration = Duration::from_millis(400);

/// What the loop keeps.
pub struct Federation {
    core: agw_federation::Federation,
    links: Vec<Link>,
    effects: Effects,
    jobs: mpsc::Sender<Job>,
    key: DeviceKey,
    life: u64,
    rng: SecureRng,
}

/// The way to a federation gateway. Its place is its [`Feg`] for as long as the daemon runs.
struct Link {
    name: String,
    address: String,
    joined: bool,
    /// Numbers the tasks of this place, so that what a former one still brings falls dead.
    task_number: u64,
    task: Option<AbortHandle>,
    sender: mpsc::Sender<api::FromGateway>,
    up: bool,
}

impl Federation {
    /// When it wants to be stepped.
    pub fn next_wakeup(&self) -> Option<Time> {
        self.core.next_wakeup()
    }
}

/// Begins to ask for others' subscribers, where the configuration says so.
///
/// # Errors
/// A certificate cannot be read.
pub fn start(
    gateway: &mut Gateway,
    jobs: &mpsc::Sender<Job>,
    seed: SecureSeed,
    remembered: Vec<StoredRemembered>,
) -> anyhow::Result<()> {
    let mut rng = SecureRng::new(&seed);
    let life = rng.next_u64();
    let mut inner = [0; 32];
    rng.fill(&mut inner);
    let mut core = agw_federation::Federation::new(Config::new(Vec::new()), &SecureSeed(inner));
    let now = gateway.now();
    for stored in remembered {
        core.restore(now.mono, now.unix_secs, memory::opened(stored, &gateway.sealing));
    }
    let key = DeviceKey::load_or_create(&gateway.effective.state_dir.join("device.key"))?;
    let (links, effects) = (Vec::new(), Effects::new());
    gateway.federation = Some(Federation { core, links, effects, jobs: jobs.clone(), key, life, rng });
    try_follow(gateway)?;
    restore(gateway);
    Ok(())
}

/// Puts what the configuration says now into force.
pub fn follow(gateway: &mut Gateway) {
    if let Err(error) = try_follow(gateway) {
        tracing::error!(error = format!("{error:#}"), "federation goes on as before");
    }
}

fn try_follow(gateway: &mut Gateway) -> anyhow::Result<()> {
    let written = gateway.effective.federation.clone();
    let mut config = config(&gateway.effective)?;
    let tls = match (&written.certificate, &written.key, &written.authority) {
        (Some(certificate), Some(key), Some(authority)) => Some(link::tls(certificate, key, authority)?),
        _ => None,
    };
    let networks = written.networks.iter().filter_map(|plmn| plmn.parse().ok()).collect();
    let federated = Federated { networks, beginnings: written.imsis.clone(), others: written.others };
    gateway.core.subscribers_mut().federate(federated);
    let name = gateway.effective.gateway.name.clone();
    let Some(federation) = &mut gateway.federation else { return Ok(()) };
    let mut ended = Vec::new();
    for (place, link) in federation.links.iter_mut().enumerate() {
        let wanted = written
            .gateway
            .iter()
            .any(|feg| (&feg.name, &feg.address, feg.joined) == (&link.name, &link.address, link.joined));
        if !wanted && let Some(task) = link.task.take() {
            task.abort();
            link.task_number += 1;
            ended.push(Feg(place));
        }
    }
    for feg in &written.gateway {
        let place = federation.place(feg);
        federation.connect(place, &tls, &name);
    }
    config.fegs = federation.links.iter().map(|link| link.name.clone()).collect();
    federation.core.configure(config);
    for feg in ended {
        changed(gateway, feg, false, false);
    }
    Ok(())
}

impl Federation {
    /// Its place, made if it is new.
    fn place(&mut self, feg: &FederationGateway) -> usize {
        let place = self.links.iter().position(|link| link.name == feg.name).unwrap_or_else(|| {
            let (sender, _) = mpsc::channel(1);
            let (name, address) = (feg.name.clone(), String::new());
            self.links.push(Link { name, address, joined: false, task_number: 0, task: None, sender, up: false });
            self.links.len() - 1
        });
        if let Some(link) = self.links.get_mut(place) {
            link.address.clone_from(&feg.address);
            link.joined = feg.joined;
        }
        place
    }

    /// Begins to connect, unless it has.
    fn connect(&mut self, place: usize, tls: &Option<TlsConnector>, gateway: &str) {
        let (key, jitter) = (self.key.clone(), self.rng.next_u64());
        let Some(link) = self.links.get_mut(place).filter(|link| link.task.is_none()) else { return };
        let way = if link.address == FederationGateway::ORCHESTRATOR {
            link::Way::Orchestrator(key)
        } else if link.joined {
            link::Way::Joined { address: link.address.clone(), key }
        } else {
            link::Way::Straight { address: link.address.clone(), tls: tls.clone() }
        };
        let plan = link::Plan {
            feg: Feg(place),
            name: link.name.clone(),
            way,
            gateway: gateway.to_owned(),
            life: self.life,
            jitter,
            task_number: link.task_number,
        };
        let (sender, task) = link::spawn(plan, self.jobs.clone());
        (link.sender, link.task) = (sender, Some(task));
    }

    /// Whether a task is the one of its place now.
    fn is_current(&self, feg: Feg, task_number: u64) -> bool {
        self.links.get(feg.0).is_some_and(|link| link.task_number == task_number)
    }
}

fn config(effective: &Effective) -> anyhow::Result<Config> {
    let written = &effective.federation;
    let mut config = Config::new(Vec::new());
    let age = |text: &Option<String>, usual| match text {
        Some(text) => crate::config::duration(text).map_err(anyhow::Error::msg).context("an age"),
        None => Ok(usual),
    };
    config.vectors = written.vectors.unwrap_or(config.vectors);
    config.vector_age = age(&written.vector_age, config.vector_age)?;
    config.profile_age = age(&written.profile_age, config.profile_age)?;
    config.patience = effective.gateway.timers.question.saturating_sub(MARGIN).max(MARGIN);
    // Each area that is served is named: so it is known where a subscriber of zones is not.
    let own =
        |tac: Tac| written.area.iter().find(|area| area.tac == tac.0).map_or(&written.zone_codes, |it| &it.zone_codes);
    let served = effective.gateway.areas.iter().map(|area| area.tac);
    config.zones =
        Zones { areas: served.map(|tac| (tac, own(tac).clone())).collect(), others: written.zone_codes.clone() };
    config.apns = effective.gateway.apns.iter().map(|apn| apn.apn.clone()).collect();
    config.pdn_gateway = written.pdn_gateway.as_deref().and_then(pdn_gateway);
    config.equipment = Equipment {
        check: written.check_equipment,
        refuse_tracked: written.refuse_tracked,
        refuse_unknown: written.refuse_unknown,
        refuse_unchecked: written.refuse_unchecked,
    };
    Ok(config)
}

/// An address, or a name whose realm begins at its label `epc` (TS 23.003 §19.2), or else behind its first label.
fn pdn_gateway(text: &str) -> Option<PdnGateway> {
    if let Ok(address) = text.parse() {
        return Some(PdnGateway::Address(address));
    }
    let realm = match text.find(".epc.") {
        Some(at) => text.get(at + 1..)?,
        None => text.split_once('.')?.1,
    };
    Some(PdnGateway::Host { host: text.to_owned(), realm: realm.to_owned() })
}

/// Phones that were kept over a restart: their home networks hear once more that they are here.
fn restore(gateway: &mut Gateway) {
    let here: Vec<_> = gateway
        .core
        .ues()
        .filter(|ue| !matches!(ue.state, UeState::Detached | UeState::Attaching))
        .filter_map(|ue| Some((ue.imsi?, ue.area?.plmn, ue.sessions)))
        .filter(|(imsi, ..)| gateway.core.subscribers().is_federated(*imsi))
        .collect();
    for (imsi, serving, sessions) in here {
        step(gateway, Input::Restored(imsi, serving));
        for session in sessions {
            step(gateway, Input::Session(imsi, session.ebi, Some(session.apn)));
        }
    }
}

/// One step, and all that comes of it.
pub fn step(gateway: &mut Gateway, input: Input) {
    let now = gateway.now().mono;
    let Some(federation) = &mut gateway.federation else {
        if let Input::Ask(ticket, question) = input {
            // The list left it to others, and there are none: only while the daemon starts.
            let none = match question {
                Question::Authenticate { .. } => Answer::NoVector(AuthFailure::Unknown),
                Question::Profile { .. } => Answer::NoProfile(AuthFailure::Unknown),
            };
            gateway.step(agw_types::Input::Answer { ticket, answer: none });
        }
        return;
    };
    federation.core.step(now, input, &mut federation.effects);
    let effects = federation.effects.take();
    perform(gateway, effects.into_iter().collect());
}

/// Carries effects out in order. Behind one that must be durable first, the others wait for the disk.
fn perform(gateway: &mut Gateway, effects: VecDeque<Effect>) {
    let mut effects = effects;
    while let Some(effect) = effects.pop_front() {
        let Effect::Save(imsi, urgency) = effect else {
            carry_out(gateway, effect);
            continue;
        };
        let mut batch = Batch::new();
        memory::stage(gateway, imsi, &mut batch);
        match urgency {
            Urgency::First => return gateway.save(batch, Box::new(move |gateway| perform(gateway, effects))),
            Urgency::Soon => gateway.save(batch, Box::new(|_| {})),
        }
    }
}

fn carry_out(gateway: &mut Gateway, effect: Effect) {
    match effect {
        Effect::Send { feg, id, imsi, visited, within, wish } => {
            let context = gateway.calls.spans().and_then(|spans| spans.context(&imsi.to_string()));
            let traceparent = context.map(|context| context.to_string()).unwrap_or_default();
            send(gateway, feg, convert::request(id, imsi, visited, within, wish, traceparent));
        }
        Effect::Reply(feg, id, outcome) => send(gateway, feg, convert::reply(id, outcome)),
        Effect::Report { feg, id, imsi, state, location } => {
            let ue = gateway.core.ue(imsi);
            send(gateway, feg, convert::report(id, ue.as_ref(), state, location));
        }
        Effect::Answer(ticket, answer) => gateway.step(agw_types::Input::Answer { ticket, answer }),
        Effect::Cancelled(imsi, how) => {
            gateway.step(agw_types::Input::Config(Box::new(ConfigDelta::Cancelled { imsi, how })));
        }
        Effect::Changed(profile) => {
            gateway.step(agw_types::Input::Config(Box::new(ConfigDelta::Subscription(profile))));
        }
        // It is taken care of before.
        Effect::Save(..) => {}
        Effect::Count(what) => gateway.metrics.federation.with_label_values(&[what]).inc(),
        Effect::Tell(imsi, words) => tracing::info!(?imsi, words, "a home network refuses"),
    }
}

/// What a stream has no room for is lost; who asked asks another.
fn send(gateway: &mut Gateway, feg: Feg, message: api::FromGateway) {
    let Some(federation) = &gateway.federation else { return };
    if let Some(link) = federation.links.get(feg.0)
        && link.sender.try_send(message).is_err()
    {
        gateway.metrics.federation.with_label_values(&["stream full"]).inc();
    }
}

/// Something happened to a phone.
pub fn note(gateway: &mut Gateway, event: &Event) {
    let input = match event {
        Event::Detached { imsi, .. } => Input::Left(*imsi),
        Event::Attached { imsi, .. } | Event::Connected { imsi, .. } => Input::Connected(*imsi, true),
        Event::Idle { imsi } => Input::Connected(*imsi, false),
        Event::SessionStarted { imsi, ebi, apn, .. } => Input::Session(*imsi, *ebi, Some(apn.clone())),
        Event::SessionEnded { imsi, ebi, .. } => Input::Session(*imsi, *ebi, None),
        _ => return,
    };
    if gateway.federation.is_some() {
        step(gateway, input);
    }
}

/// A stream to a federation gateway stands, or not any more.
fn changed(gateway: &mut Gateway, feg: Feg, up: bool, draining: bool) {
    if let Some(federation) = &mut gateway.federation {
        if let Some(link) = federation.links.get_mut(feg.0) {
            link.up = up;
        }
        let count = federation.links.iter().filter(|link| link.up).count();
        gateway.metrics.federation_gateways.set(i64::try_from(count).unwrap_or(i64::MAX));
    }
    step(gateway, if up { Input::Up(feg, draining) } else { Input::Down(feg) });
}

/// A stream of a task ended.
fn lost(gateway: &mut Gateway, feg: Feg, task_number: u64) {
    if gateway.federation.as_ref().is_some_and(|federation| federation.is_current(feg, task_number)) {
        changed(gateway, feg, false, false);
    }
}

/// A message of a federation gateway's.
fn heard(gateway: &mut Gateway, feg: Feg, task_number: u64, message: api::ToGateway) {
    use api::to_gateway::Message;
    if !gateway.federation.as_ref().is_some_and(|federation| federation.is_current(feg, task_number)) {
        return;
    }
    match message.message {
        Some(Message::Welcome(welcome)) => changed(gateway, feg, true, welcome.draining),
        Some(Message::Draining(_)) => changed(gateway, feg, true, true),
        Some(Message::Answer(answer)) => {
            let (id, answer) = convert::answer(answer);
            step(gateway, Input::Answered(feg, id, answer));
        }
        Some(Message::HomeRequest(request)) => match convert::home_request(request) {
            Ok((id, request)) => step(gateway, Input::Home(feg, id, request)),
            Err(id) => send(gateway, feg, convert::reply(id, agw_federation::Outcome::Unable)),
        },
        None => {}
    }
}
