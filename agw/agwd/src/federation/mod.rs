//! Subscribers of other networks: `agw/federation` between the loop and the streams to federation gateways.

mod convert;
mod link;

pub use agw_federation::Input;

use crate::config::Effective;
use crate::gateway::{Gateway, Job};
use agw_federation::{Config, Effect, Effects, Equipment, Feg};
use agw_subscribers::Federated;
use agw_types::{Answer, AuthFailure, ConfigDelta, Event, Question, UeState};
use anyhow::Context as _;
use basalt_control_api::federation::v1 as api;
use basalt_ids::Plmn;
use basalt_sansio::{Rng as _, SecureRng, SecureSeed, Time};
use std::time::Duration;
use tokio::sync::mpsc;

/// What is left of mobility's patience for the way through this process.
const MARGIN: Duration = Duration::from_millis(400);

/// What the loop keeps.
#[derive(Debug)]
pub struct Federation {
    core: agw_federation::Federation,
    links: Vec<mpsc::Sender<api::FromGateway>>,
    effects: Effects,
    up: Vec<bool>,
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
pub fn start(gateway: &mut Gateway, jobs: &mpsc::Sender<Job>, seed: SecureSeed) -> anyhow::Result<()> {
    let written = gateway.effective.federation.clone();
    if written.gateway.is_empty() {
        return Ok(());
    }
    let networks: Vec<Plmn> = written.networks.iter().filter_map(|plmn| plmn.parse().ok()).collect();
    gateway.core.subscribers_mut().federate(Federated { networks, others: written.others });
    let mut rng = SecureRng::new(&seed);
    let life = rng.next_u64();
    let tls = match (&written.certificate, &written.key, &written.authority) {
        (Some(certificate), Some(key), Some(authority)) => Some(link::tls(certificate, key, authority)?),
        _ => None,
    };
    let mut inner = [0; 32];
    rng.fill(&mut inner);
    let core = agw_federation::Federation::new(config(&gateway.effective)?, &SecureSeed(inner));
    let mut links = Vec::new();
    for (place, feg) in written.gateway.iter().enumerate() {
        let plan = link::Plan {
            feg: Feg(place),
            name: feg.name.clone(),
            address: feg.address.clone(),
            tls: tls.clone(),
            gateway: gateway.effective.gateway.name.clone(),
            life,
            jitter: rng.next_u64(),
        };
        links.push(link::spawn(plan, jobs.clone()));
    }
    let up = vec![false; links.len()];
    gateway.federation = Some(Federation { core, links, effects: Effects::new(), up });
    restore(gateway);
    Ok(())
}

fn config(effective: &Effective) -> anyhow::Result<Config> {
    let written = &effective.federation;
    let mut config = Config::new(written.gateway.iter().map(|feg| feg.name.clone()).collect());
    let age = |text: &Option<String>, usual| match text {
        Some(text) => crate::config::duration(text).map_err(anyhow::Error::msg).context("an age"),
        None => Ok(usual),
    };
    config.vectors = written.vectors.unwrap_or(config.vectors);
    config.vector_age = age(&written.vector_age, config.vector_age)?;
    config.profile_age = age(&written.profile_age, config.profile_age)?;
    config.patience = effective.gateway.timers.question.saturating_sub(MARGIN).max(MARGIN);
    config.zones.clone_from(&written.zone_codes);
    config.equipment = Equipment {
        check: written.check_equipment,
        refuse_tracked: written.refuse_tracked,
        refuse_unknown: written.refuse_unknown,
        refuse_unchecked: written.refuse_unchecked,
    };
    Ok(config)
}

/// Phones that were kept over a restart: their home networks hear once more that they are here.
fn restore(gateway: &mut Gateway) {
    let here: Vec<_> = gateway
        .core
        .ues()
        .filter(|ue| !matches!(ue.state, UeState::Detached | UeState::Attaching))
        .filter_map(|ue| Some((ue.imsi?, ue.area?.plmn)))
        .filter(|(imsi, _)| gateway.core.subscribers().is_federated(*imsi))
        .collect();
    for (imsi, serving) in here {
        step(gateway, Input::Restored(imsi, serving));
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
    for effect in federation.effects.take() {
        carry_out(gateway, effect);
    }
}

fn carry_out(gateway: &mut Gateway, effect: Effect) {
    match effect {
        Effect::Send { feg, id, imsi, visited, within, wish } => {
            send(gateway, feg, convert::request(id, imsi, visited, within, wish));
        }
        Effect::Reply(feg, id, outcome) => send(gateway, feg, convert::reply(id, outcome)),
        Effect::Answer(ticket, answer) => gateway.step(agw_types::Input::Answer { ticket, answer }),
        Effect::Cancelled(imsi, how) => {
            gateway.step(agw_types::Input::Config(Box::new(ConfigDelta::Cancelled { imsi, how })));
        }
        Effect::Changed(profile) => {
            gateway.step(agw_types::Input::Config(Box::new(ConfigDelta::Subscription(profile))));
        }
        Effect::Count(what) => gateway.metrics.federation.with_label_values(&[what]).inc(),
        Effect::Tell(imsi, words) => tracing::info!(?imsi, words, "a home network refuses"),
    }
}

/// What a stream has no room for is lost; who asked asks another.
fn send(gateway: &mut Gateway, feg: Feg, message: api::FromGateway) {
    let Some(federation) = &gateway.federation else { return };
    if let Some(link) = federation.links.get(feg.0)
        && link.try_send(message).is_err()
    {
        gateway.metrics.federation.with_label_values(&["stream full"]).inc();
    }
}

/// Something happened to a phone.
pub fn note(gateway: &mut Gateway, event: &Event) {
    if let Event::Detached { imsi, .. } = event
        && gateway.federation.is_some()
    {
        step(gateway, Input::Left(*imsi));
    }
}

/// A stream to a federation gateway stands, or not any more.
fn changed(gateway: &mut Gateway, feg: Feg, up: bool, draining: bool) {
    if let Some(federation) = &mut gateway.federation {
        if let Some(place) = federation.up.get_mut(feg.0) {
            *place = up;
        }
        let count = federation.up.iter().filter(|up| **up).count();
        gateway.metrics.federation_gateways.set(i64::try_from(count).unwrap_or(i64::MAX));
    }
    step(gateway, if up { Input::Up(feg, draining) } else { Input::Down(feg) });
}

/// A message of a federation gateway's.
fn heard(gateway: &mut Gateway, feg: Feg, message: api::ToGateway) {
    use api::to_gateway::Message;
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
