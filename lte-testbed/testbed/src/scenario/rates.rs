//! A phone whose subscriber gets one rate after the other.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use testbed_ue::{AttachKind, DetachKind, EmmState, Input};

use super::parse::parse;
use super::world::{RunOptions, World};
use crate::rates::{self, Row, Target};

/// For what must come true, on any machine.
const PATIENCE: Duration = Duration::from_secs(60);
/// A phone of both IP versions, and a base station.
const WORLD: &str = "needs root
gateway setting apn = [{ name = \"internet\", pools = [\"10.93.0.0/16\", \"2001:db8:9300::/48\"] }]
ue 1 wants IPv4v6
ue 1 attaches
enb 1 connects";

/// Runs the sweep; the phone is attached before and after.
pub(super) fn run(world: &mut World, phone: usize, rates: &[u64], wide: bool) -> Result<()> {
    let mut missed = Vec::new();
    sweep(world, phone, rates, wide, |row| {
        if !row.is_kept() {
            missed.push(in_words(row));
        }
    })?;
    if missed.is_empty() { Ok(()) } else { bail!("{}", missed.join("; ")) }
}

/// Plays nothing but such a sweep in a world of its own, and tells of each measurement as it is done.
///
/// # Errors
/// No world, or something in it fails. A rate that is not kept is no error: it is in the rows.
pub fn play_rates(options: &RunOptions, rates: &[u64], wide: bool, tell: impl FnMut(&Row)) -> Result<Vec<Row>> {
    let mut world = World::new(&parse("rates", WORLD)?, options)?;
    world.radio.call(|io| io.connect_enb(0))?;
    let ready = |io: &mut crate::radio::Io| {
        io.site.enb(0).is_some_and(|enb| enb.link() == testbed_ran::LinkState::Ready).then_some(())
    };
    world.radio.wait(PATIENCE, ready)?.context("the base station is not in service")?;
    let rows = sweep(&mut world, 0, rates, wide, tell)?;
    let World { radio, network, .. } = world;
    drop(radio);
    network.end()?;
    Ok(rows)
}

/// Measures what a phone gets of flows that are on several bearers, at the rate that its subscription has.
pub(super) fn over(world: &World, phone: usize, rate: u64, bearers: usize) -> Result<()> {
    // What arrives is counted at IPv4's layer: the other address is not used.
    let target = Target { phone, ipv4: world.the_address(phone)?, ipv6: std::net::Ipv6Addr::UNSPECIFIED };
    let before = carried(world, phone)?;
    let rows = rates::measure(&world.network.lab, &world.radio, target, &[rates::shared(rate)], |_| ())?;
    let after = carried(world, phone)?;
    // The default bearer's part is what is left of the session's: it is the one that is not listed.
    let used =
        after.iter().filter(|(bearer, octets)| before.get(*bearer).is_none_or(|before| *octets > before)).count();
    if used + 1 != bearers {
        bail!("dedicated bearers carried {before:?} octets before and {after:?} after");
    }
    match rows.iter().find(|row| !row.is_kept() || row.measured.is_none()) {
        Some(row) => bail!("{}", in_words(row)),
        None => Ok(()),
    }
}

/// Octets to a phone by each of its dedicated bearers.
fn carried(world: &World, phone: usize) -> Result<BTreeMap<String, u64>> {
    let usage = world.network.gateway.json(&["describe", "usage", &world.imsi(phone)?])?;
    let session = usage["sessions"].as_array().and_then(|all| all.iter().find(|one| one["ended"].is_null()));
    let bearers = session.and_then(|session| session["bearers"].as_object()).context("no bearers in the usage")?;
    let octets =
        |(bearer, used): (&String, &serde_json::Value)| Some((bearer.clone(), used["downlink_bytes"].as_u64()?));
    Ok(bearers.iter().filter_map(octets).collect())
}

fn sweep(world: &mut World, phone: usize, rates: &[u64], wide: bool, mut tell: impl FnMut(&Row)) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for rate in rates {
        subscribe(world, phone, *rate)?;
        let global = move |io: &mut crate::radio::Io| io.app(phone).ipv6().and_then(|interface| interface.address());
        let ipv6 = world.radio.wait(PATIENCE, global)?.context("the phone has no IPv6 address")?;
        let target = Target { phone, ipv4: world.the_address(phone)?, ipv6 };
        let groups = if wide { rates::everything(*rate) } else { rates::corners(*rate) };
        rows.extend(rates::measure(&world.network.lab, &world.radio, target, &groups, &mut tell)?);
    }
    Ok(rows)
}

/// One row for people.
#[must_use]
pub fn in_words(row: &Row) -> String {
    let again = if row.repeats > 0 { format!(", {} times again", row.repeats) } else { String::new() };
    match (row.measured, row.error()) {
        (Some(measured), Some(error)) => {
            format!("{}: {measured:.0} bit/s, {:+.1} % in {:.1} s{again}", row.key(), error * 100.0, row.seconds)
        }
        _ => format!("{}: this machine's sender is too slow{again}", row.key()),
    }
}

/// Gives the phone's subscriber a rate in both directions, and lets it attach with it.
fn subscribe(world: &mut World, phone: usize, rate: u64) -> Result<()> {
    let subscriber = world.subscriber(phone)?;
    world.radio.call(move |io| io.phone(phone, Input::Detach(DetachKind::Normal)))?;
    let gone = move |io: &mut crate::radio::Io| {
        io.site
            .record(phone)
            .is_some_and(|record| matches!(record.ue.state(), EmmState::Null | EmmState::Deregistered))
            .then_some(())
    };
    world.radio.wait(PATIENCE, gone)?.context("the phone does not detach")?;
    world.network.gateway.import_metered(&[subscriber], rate)?;
    world.radio.call(move |io| {
        io.app(phone).reset();
        io.phone(phone, Input::Attach(AttachKind::Usual));
    })?;
    let up = move |io: &mut crate::radio::Io| io.site.record(phone).is_some_and(|r| r.ue.bearers_up()).then_some(());
    world.radio.wait(PATIENCE, up)?.context("the phone does not attach")
}
