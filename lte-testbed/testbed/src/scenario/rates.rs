//! A phone whose subscriber gets one rate after the other.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use basalt_ids::Apn;
use testbed_ue::{AttachKind, DetachKind, EmmState, Input};

use super::parse::parse;
use super::world::{RunOptions, World};
use crate::rates::{self, Cell, Row, Target, Version};

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

/// Measures what a phone gets, or sends, of flows that are on several bearers, at the rate that holds for them together.
pub(super) fn over(world: &World, phone: usize, rate: u64, bearers: usize, uplink: bool) -> Result<()> {
    let direction = if uplink { "uplink_bytes" } else { "downlink_bytes" };
    let before = carried(world, phone, direction)?;
    kept(world, phone, vec![world.the_address(phone)?], vec![rates::shared(rate, uplink, Version::Ipv4)])?;
    let after = carried(world, phone, direction)?;
    let used =
        after.iter().filter(|(bearer, octets)| before.get(*bearer).is_none_or(|before| *octets > before)).count();
    if used == bearers { Ok(()) } else { bail!("bearers carried {before:?} octets before and {after:?} after") }
}

/// Measures what a phone gets and sends over its connections to these access points together, both directions at the same time. Its IPv6
/// address is that of its first connection.
pub(super) fn of_access_points(world: &World, phone: usize, rate: u64, apns: &[Apn], version: Version) -> Result<()> {
    let wanted = apns.to_vec();
    let addresses = world.radio.call(move |io| {
        let sessions = io.site.record(phone)?.ue.sessions();
        let named = |wanted: &Apn| {
            let of = |session: &&testbed_ue::Session| {
                session.apn.as_ref().map(Apn::network_identifier).as_ref() == Some(wanted)
            };
            sessions.iter().find(of)?.address
        };
        wanted.iter().map(named).collect::<Option<Vec<_>>>()
    })?;
    let addresses = addresses.with_context(|| format!("ue {} is not connected to all of {apns:?}", phone + 1))?;
    kept(world, phone, addresses, vec![rates::shared(rate, false, version), rates::shared(rate, true, version)])
}

/// Measures one group of cells; each of them must be within the tolerance.
fn kept(world: &World, phone: usize, ipv4: Vec<Ipv4Addr>, group: Vec<Cell>) -> Result<()> {
    let only4 = group.iter().all(|cell| cell.version == Version::Ipv4);
    let ipv6 = if only4 { std::net::Ipv6Addr::UNSPECIFIED } else { global(world, phone)? };
    let target = Target { phone, ipv4, ipv6 };
    let rows = rates::measure(&world.network.lab, &world.radio, &target, &[group], |_| ())?;
    match rows.iter().find(|row| !row.is_kept() || row.measured.is_none()) {
        Some(row) => bail!("{}", in_words(row)),
        None => Ok(()),
    }
}

/// The phone's IPv6 address, once it has one.
fn global(world: &World, phone: usize) -> Result<std::net::Ipv6Addr> {
    let address = move |io: &mut crate::radio::Io| io.app(phone).ipv6().and_then(|interface| interface.address());
    world.radio.wait(PATIENCE, address)?.context("the phone has no IPv6 address")
}

/// Octets of the phone's first session by each of its bearers.
fn carried(world: &World, phone: usize, direction: &str) -> Result<BTreeMap<String, u64>> {
    let usage = world.network.gateway.json(&["describe", "usage", &world.imsi(phone)?])?;
    let session = usage["sessions"].as_array().and_then(|all| all.iter().find(|one| one["ended"].is_null()));
    let session = session.context("no session in the usage")?;
    let octets = |(bearer, used): (&String, &serde_json::Value)| Some((bearer.clone(), used[direction].as_u64()?));
    let mut all: BTreeMap<_, _> = session["bearers"].as_object().into_iter().flatten().filter_map(octets).collect();
    // The default bearer's part is what is left of the session's: it is the one that is not listed.
    let total = session["total"][direction].as_u64().context("no octets in the usage")?;
    all.insert("default".to_owned(), total.saturating_sub(all.values().sum()));
    Ok(all)
}

fn sweep(world: &mut World, phone: usize, rates: &[u64], wide: bool, mut tell: impl FnMut(&Row)) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for rate in rates {
        subscribe(world, phone, *rate)?;
        let target = Target { phone, ipv4: vec![world.the_address(phone)?], ipv6: global(world, phone)? };
        let groups = if wide { rates::everything(*rate) } else { rates::corners(*rate) };
        rows.extend(rates::measure(&world.network.lab, &world.radio, &target, &groups, &mut tell)?);
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

/// The operator changes what a subscriber may have in each direction; what is there already follows.
pub(super) fn may_have(world: &World, phone: usize, rate: u64, each: u64, apns: &[Apn]) -> Result<()> {
    let rates = |rate: u64| serde_json::json!({"max_dl_bit_rate": rate, "max_ul_bit_rate": rate});
    let apns: Vec<_> = apns.iter().map(|apn| serde_json::json!({"apn": apn.as_str(), "ambr": rates(each)})).collect();
    let body = serde_json::json!({"ambr": rates(rate), "active_apns": apns});
    world.network.gateway.apply("subscriber", &world.imsi(phone)?, &body)
}
