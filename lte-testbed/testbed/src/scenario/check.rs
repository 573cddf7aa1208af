//! Waits for what a scenario expects, and says what was seen instead.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use basalt_sansio::Time;
use testbed_ran::LinkState;
use testbed_ue::{EmmState, Event, Snapshot};

use super::run::name;
use super::script::{Comparison, Expectation, PhoneState, Phones};
use super::world::{Seen, World};
use crate::kills;
use crate::probe;
use crate::radio::GtpuSeen;
use crate::radio::app::App;

/// Between two looks.
const STEP: Duration = Duration::from_millis(3);

/// Waits until an expectation is met.
///
/// # Errors
/// It was not, within `limit`; what was seen instead.
pub(super) fn wait_for(world: &mut World, expectation: &Expectation, limit: Duration) -> Result<()> {
    let deadline = Instant::now() + limit;
    match expectation {
        Expectation::Reachable(phones, wanted) => {
            return phones.indices().try_for_each(|phone| reachable(world, phone, *wanted, limit));
        }
        Expectation::GatewayAlive => {
            if !world.network.gateway.runs() {
                bail!("the gateway does not run");
            }
            return Ok(());
        }
        _ => {}
    }
    loop {
        world.look()?;
        let unmet = unmet(world, expectation)?;
        let Some(seen) = unmet else { return Ok(()) };
        if Instant::now() >= deadline {
            bail!("not within {limit:?}: {seen}");
        }
        std::thread::sleep(STEP);
    }
}

/// `None` when the expectation is met, else what is seen instead.
fn unmet(world: &mut World, expectation: &Expectation) -> Result<Option<String>> {
    let seen = match expectation {
        Expectation::HomeSaw(command, wanted) => {
            let saw = world.home.as_ref().map_or(0, |home| home.saw(command));
            (saw < *wanted).then(|| format!("the home network was asked {saw} {command}"))
        }
        Expectation::HomeGone => {
            let gone = world.home.as_mut().is_none_or(crate::home::Home::is_gone);
            (!gone).then(|| "the home network's HSS runs".to_owned())
        }
        Expectation::EnbInService(enb) => enb_link(world, *enb, LinkState::Ready)?,
        Expectation::EnbRefused(enb) => enb_link(world, *enb, LinkState::Refused)?,
        Expectation::EnbDown(enb) => enb_link(world, *enb, LinkState::Down)?,
        Expectation::EnbUpdated(enb, accepted) => enb_event(world, *enb, |event| match event {
            testbed_ran::Event::UpdateDone => *accepted,
            testbed_ran::Event::UpdateFailed { .. } => !accepted,
            _ => false,
        }),
        Expectation::EnbResetDone(enb) => {
            enb_event(world, *enb, |event| matches!(event, testbed_ran::Event::ResetDone { .. }))
        }
        Expectation::EnbHandoverFailed(enb) => {
            enb_event(world, *enb, |event| matches!(event, testbed_ran::Event::HandoverFailed(..)))
        }
        Expectation::EnbHandoverCancelled(enb) => {
            enb_event(world, *enb, |event| matches!(event, testbed_ran::Event::HandoverCancelled(_)))
        }
        Expectation::EnbEndMarker(enb) => {
            let prefix = (enb - 1) as u32 % 4096;
            let ours = move |seen: &GtpuSeen| matches!(seen, GtpuSeen::EndMarker(teid) if teid.0 >> 20 == prefix);
            let seen = world.radio.call(move |io| io.gtpu_seen.iter().any(ours))?;
            (!seen).then(|| format!("enb {enb} got no End Marker"))
        }
        Expectation::At(phone, enb) => at(world, phone - 1, enb - 1)?,
        Expectation::EnbWasReset(enb) => {
            enb_event(world, *enb, |event| matches!(event, testbed_ran::Event::ResetByMme { .. }))
        }
        Expectation::EnbErrorIndication(enb) => {
            enb_event(world, *enb, |event| matches!(event, testbed_ran::Event::ErrorIndication { .. }))
        }
        Expectation::Phone(phones, state) => phones_are(world, *phones, state)?,
        Expectation::PingsAnswered(phone) => pings(world, phone - 1, |app, _| app.has_all_answers())?,
        Expectation::PingsLost(phone) => pings(world, phone - 1, App::has_no_answer)?,
        Expectation::CameBy(phone, bearer, wanted) => came_by(world, phone - 1, *bearer, *wanted)?,
        Expectation::RuleState(phone, text) => {
            let seen = world.network.gateway.basalt(&["rule", "list", &world.imsi(phone - 1)?])?;
            let spaced = seen.split_whitespace().collect::<Vec<_>>().join(" ");
            (!spaced.contains(text.as_str())).then_some(seen)
        }
        Expectation::Used(phone, up, down) => {
            let usage = kills::accounted(&world.network.gateway, &[world.imsi(phone - 1)?])?;
            let seen = (usage.uplink_octets, usage.downlink_octets);
            (seen != (*up, *down)).then(|| format!("ue {phone} used {} octets up and {} down", seen.0, seen.1))
        }
        Expectation::GotNumbered(phone, count) => got_numbered(world, phone - 1, *count)?,
        Expectation::HasIpv6(phone, start) => {
            let address = world.ipv6(phone - 1)?.map(|address| address.to_string());
            let met = match (&address, start) {
                (Some(address), Some(start)) => address.starts_with(start.as_str()),
                (address, start) => address.is_none() && start.is_none(),
            };
            (!met).then(|| format!("ue {phone} has {}", address.unwrap_or_else(|| "no IPv6 address".to_owned())))
        }
        Expectation::Metric(name, comparison, value) => metric(world, name, *comparison, *value)?,
        Expectation::Reachable(..) | Expectation::GatewayAlive => None,
    };
    Ok(seen)
}

/// How many pings of a phone are answered, unless that is as it should be.
fn pings(world: &World, phone: usize, fits: fn(&App, Time) -> bool) -> Result<Option<String>> {
    world.radio.call(move |io| {
        let now = io.now();
        let app = io.app(phone);
        (!fits(app, now)).then(|| format!("{} of {} pings are answered", app.received, app.sent))
    })
}

fn enb_link(world: &World, enb: usize, wanted: LinkState) -> Result<Option<String>> {
    let (link, closed) = world.radio.call(move |io| {
        let closed = io.link_closed(enb - 1).map(str::to_owned);
        (io.site.enb(enb - 1).map(testbed_ran::Enb::link), closed)
    })?;
    let link = link.with_context(|| format!("there is no enb {enb}"))?;
    let why = closed.map_or_else(String::new, |why| format!(", last association: {why}"));
    Ok((link != wanted).then(|| format!("enb {enb} is {link:?}{why}")))
}

fn enb_event(world: &World, enb: usize, fits: impl Fn(&testbed_ran::Event) -> bool) -> Option<String> {
    let events = world.enbs.get(enb - 1).map_or(&[][..], Vec::as_slice);
    if events.iter().any(fits) { None } else { Some(format!("enb {enb} saw {events:?}")) }
}

fn phones_are(world: &World, phones: Phones, state: &PhoneState) -> Result<Option<String>> {
    for phone in phones.indices() {
        let snapshot = world.radio.call(move |io| {
            let record = io.site.record(phone)?;
            let algorithms = record.ue.security_context().map(|context| {
                let algorithms = context.algorithms();
                (algorithms.ciphering.number(), algorithms.integrity.number())
            });
            Some((record.ue.snapshot(), algorithms))
        })?;
        let (snapshot, algorithms) = snapshot.with_context(|| format!("there is no {}", name(phones)))?;
        let seen = world.phones.get(phone).with_context(|| format!("there is no {}", name(phones)))?;
        if !is(&snapshot, algorithms, seen, state) {
            let what = format!("ue {} is {}, saw {:?}", phone + 1, describe(&snapshot), seen.events);
            return Ok(Some(what));
        }
    }
    Ok(None)
}

fn describe(snapshot: &Snapshot) -> String {
    let radio = match (snapshot.connected, snapshot.bearers_up) {
        (false, _) => "without radio connection",
        (true, false) => "with radio connection",
        (true, true) => "with bearers",
    };
    format!("{:?} {radio}", snapshot.state)
}

fn is(snapshot: &Snapshot, algorithms: Option<(u8, u8)>, seen: &Seen, state: &PhoneState) -> bool {
    let registered = snapshot.state == EmmState::Registered;
    let off = matches!(snapshot.state, EmmState::Null | EmmState::Deregistered);
    let saw = |fits: &dyn Fn(&Event) -> bool| seen.events.iter().any(fits);
    let address = snapshot.sessions.iter().find_map(|session| session.address);
    match state {
        PhoneState::Registered => registered,
        PhoneState::Connected => registered && snapshot.bearers_up,
        PhoneState::Idle => registered && !snapshot.connected,
        PhoneState::Deregistered => off,
        PhoneState::Off => off && !snapshot.connected,
        PhoneState::EpsOnly => saw(&|event| matches!(event, Event::Attached { eps_only: Some(_) })),
        PhoneState::Rejected(cause) => saw(&|event| match event {
            Event::AttachRejected(seen) | Event::UpdateRejected(seen) => cause.is_none_or(|cause| cause == seen.code()),
            _ => false,
        }),
        PhoneState::AuthenticationRejected => saw(&|event| *event == Event::AuthenticationRejected),
        PhoneState::AttachFailed => saw(&|event| matches!(event, Event::AttachFailed(_))),
        PhoneState::ServiceRejected(cause) => saw(&|event| match event {
            Event::ServiceRejected(seen) => cause.is_none_or(|cause| cause == seen.code()),
            _ => false,
        }),
        PhoneState::Updated => saw(&|event| *event == Event::Updated),
        PhoneState::DetachedByNetwork => saw(&|event| matches!(event, Event::Detached { by_network: true, .. })),
        PhoneState::Paged => saw(&|event| *event == Event::Paged),
        PhoneState::SecuredBy(eea, eia) => algorithms == Some((*eea, *eia)),
        PhoneState::SameAddress => address.is_some() && address == seen.address_before,
        PhoneState::HasIpv4(Some(start)) => {
            address.is_some_and(|address| address.to_string().starts_with(start.as_str()))
        }
        PhoneState::HasIpv4(None) => address.is_none(),
        PhoneState::ToldCause(cause) => {
            snapshot.sessions.iter().any(|session| session.cause.is_some_and(|seen| seen.code() == *cause))
        }
        PhoneState::NewGuti => snapshot.guti.is_some() && snapshot.guti != seen.guti_before,
        PhoneState::HasApn(apn) => snapshot.sessions.iter().any(|session| session.apn.as_ref() == Some(apn)),
        PhoneState::Bearers(count) => snapshot.sessions.len() == *count,
        PhoneState::SessionRefused(cause) => {
            saw(&|event| matches!(event, Event::SessionRefused(seen) if seen.code() == *cause))
        }
        PhoneState::ShowsNetwork => saw(&|event| matches!(event, Event::NetworkName(Some(_)))),
        PhoneState::NextHopAgrees => saw(&|event| matches!(event, Event::NextHopAgrees(_))),
        PhoneState::TrustsNetwork => seen.distrust.is_empty(),
    }
}

/// Where the gateway says that a phone is.
fn at(world: &World, phone: usize, enb: usize) -> Result<Option<String>> {
    let wanted = world.radio.call(move |io| io.site.enb(enb).map(|enb| enb.config().id.to_string()))?;
    let wanted = wanted.with_context(|| format!("there is no enb {}", enb + 1))?;
    let seen = world.network.gateway.basalt(&["describe", "ue", &world.imsi(phone)?])?;
    Ok((!seen.contains(&wanted)).then(|| format!("ue {} is not at {wanted}: {seen}", phone + 1)))
}

/// Packets that came by a bearer are asked for once: when they are as they should be, counting begins anew.
fn came_by(world: &World, phone: usize, bearer: u8, wanted: Option<u64>) -> Result<Option<String>> {
    let ebi = basalt_ids::Ebi::new(bearer)?;
    let count = world.radio.call(move |io| {
        let came = io.by_bearer.get(&(phone, ebi)).copied().unwrap_or(0);
        let met = wanted.map_or(came > 0, |wanted| came == wanted);
        if met {
            io.by_bearer.remove(&(phone, ebi));
        }
        (!met).then_some(came)
    })?;
    Ok(count.map(|count| format!("{count} packets came by bearer {bearer}")))
}

fn got_numbered(world: &World, phone: usize, count: u32) -> Result<Option<String>> {
    let numbers = world.radio.call(move |io| io.app(phone).numbered.clone())?;
    let expected: Vec<u32> = (0..count).collect();
    let breaks = numbers.windows(2).filter(|pair| pair[0].wrapping_add(1) != pair[1]).take(20);
    let breaks: Vec<String> = breaks.map(|pair| format!("{} before {}", pair[0], pair[1])).collect();
    let seen = || format!("{} of {count} packets came, from {:?} on: {breaks:?}", numbers.len(), numbers.first());
    Ok((numbers != expected).then(seen))
}

fn metric(world: &World, name: &str, comparison: Comparison, wanted: f64) -> Result<Option<String>> {
    let metrics = world.network.gateway.metrics()?;
    let value = metrics.get(name).copied().unwrap_or(0.0);
    let met = match comparison {
        Comparison::Equal => (value - wanted).abs() < 1e-9,
        Comparison::AtLeast => value >= wanted,
        Comparison::AtMost => value <= wanted,
    };
    Ok((!met).then(|| format!("{name} is {value}")))
}

fn reachable(world: &World, phone: usize, wanted: bool, limit: Duration) -> Result<()> {
    const PATIENCE: Duration = Duration::from_millis(500);
    let address = match world.address(phone)? {
        Some(address) => address,
        // The address it had is what must not answer any more.
        None if !wanted => match world.phones.get(phone).and_then(|seen| seen.address_before) {
            Some(address) => address,
            None => return Ok(()),
        },
        None => bail!("ue {} has no address", phone + 1),
    };
    if !wanted {
        let pings = probe::ping(&world.network.lab.internet, address, 3, Duration::from_millis(50), PATIENCE)?;
        if pings.received > 0 {
            bail!("ue {} answers at {address}", phone + 1);
        }
        return Ok(());
    }
    let deadline = Instant::now() + limit;
    loop {
        let pings = probe::ping(&world.network.lab.internet, address, 1, PATIENCE, PATIENCE)?;
        if pings.received > 0 {
            return Ok(());
        }
        if Instant::now() >= deadline {
            bail!("ue {} does not answer at {address} within {limit:?}", phone + 1);
        }
    }
}
