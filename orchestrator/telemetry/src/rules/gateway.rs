//! Rules about a gateway's state.

use super::Found;
use crate::series::Series;
use crate::watched::{Realm, Watched};

const HOUR: i64 = 3_600_000;
/// So many new connections within so long are too many.
const CONNECTIONS: (usize, i64) = (4, 900_000);
/// A base station that was away for so long is taken for dismantled.
const DISMANTLED: i64 = 7 * 24 * HOUR;
/// Milliseconds that a clock may differ.
const CLOCK: i64 = 60_000;
/// Milliseconds without traffic.
const STILL: i64 = 600_000;

pub(super) fn offline(it: &Watched, now: i64, found: &mut Found) {
    if !it.is_connected(now) {
        let minutes = (now - it.seen_at) / 60_000;
        found.bad(
            "",
            format!("it was heard {minutes} minutes ago for the last time; it goes on by itself with what it has"),
        );
    }
}

pub(super) fn unstable(it: &Watched, now: i64, found: &mut Found) {
    let recent = it.connects.iter().filter(|at| **at + CONNECTIONS.1 > now).count();
    found.band("", recent > CONNECTIONS.0, recent <= 1, || format!("it connected {recent} times within 15 minutes"));
}

pub(super) fn station_gone(it: &Watched, now: i64, found: &mut Found) {
    for (id, missed) in it.stations.iter().filter(|(_, missed)| **missed > 0 && **missed + DISMANTLED > now) {
        found.bad(id, format!("base station {id} is not connected since {} seconds", (now - missed).max(0) / 1000));
    }
}

pub(super) fn all_stations_gone(it: &Watched, now: i64, found: &mut Found) {
    let missed = it.stations.values().filter(|missed| **missed > 0 && **missed + DISMANTLED > now).count();
    if it.told.enbs.is_empty() && missed > 0 {
        found.bad("", format!("none of its {missed} base stations is connected: its phones have no service"));
    }
}

pub(super) fn paths(it: &Watched, _: i64, found: &mut Found) {
    let down = it.sample("basalt_agw_gtpu_paths{state=\"down\"}").unwrap_or(0.0);
    if down > 0.0 {
        found.bad("", format!("{down} GTP-U paths do not answer: phones behind them get no packets"));
    }
}

pub(super) fn data_plane(it: &Watched, _: i64, found: &mut Found) {
    if let Some(why) = &it.told.data_plane_why {
        found.bad("", format!("the data plane is `{}`: {why}", it.told.data_plane));
    }
}

pub(super) fn data_plane_errors(it: &Watched, _: i64, found: &mut Found) {
    if let Some(count) = it.increase(Series::DataplaneErrors).filter(|count| *count > 0.0) {
        found.bad("", format!("{count} changes failed within 5 minutes"));
    }
}

pub(super) fn repairs(it: &Watched, _: i64, found: &mut Found) {
    if let Some(count) = it.increase(Series::Repairs).filter(|count| *count > 0.0) {
        found.bad("", format!("{count} sessions were otherwise than they should be, and were repaired"));
    }
}

pub(super) fn tables(it: &Watched, _: i64, found: &mut Found) {
    const BEFORE: &str = "basalt_agw_data_plane_table_entries{state=\"used\",table=\"";
    let first = it.samples.partition_point(|(name, _)| name.as_ref() < BEFORE);
    for (name, used) in it.samples.iter().skip(first).take_while(|(name, _)| name.starts_with(BEFORE)) {
        let free = it.sample(&name.replace("\"used\"", "\"free\"")).unwrap_or(0.0);
        let table = name[BEFORE.len()..].trim_end_matches("\"}");
        let share = used / (used + free).max(1.0);
        found.band(table, share > 0.9, share < 0.85, || format!("table {table} is {:.0} % full", share * 100.0));
    }
}

pub(super) fn pool_nearly_full(it: &Watched, _: i64, found: &mut Found) {
    for (apn, pool) in it.told.pools.iter().filter(|(_, pool)| pool.total > 0) {
        let percent = pool.free * 100 / pool.total;
        let words = || format!("{} of {} addresses of {apn} are free", pool.free, pool.total);
        found.band(apn, percent < 10, percent >= 15, words);
    }
}

pub(super) fn pool_exhausted(it: &Watched, _: i64, found: &mut Found) {
    for (apn, pool) in it.told.pools.iter().filter(|(_, pool)| pool.total > 0) {
        let words = || format!("no address of {apn} is free: new phones get no session");
        found.band(apn, pool.free == 0, pool.free * 100 >= pool.total * 2, words);
    }
}

pub(super) fn disk(it: &Watched, _: i64, found: &mut Found) {
    if let Some(percent) = it.told.host.disk_free_percent {
        found.band("", percent < 10, percent >= 15, || format!("{percent} % of its disk is free"));
    }
}

pub(super) fn memory(it: &Watched, _: i64, found: &mut Found) {
    if let Some(percent) = it.told.host.memory_free_percent {
        found.band("", percent < 10, percent >= 15, || format!("{percent} % of its memory is available"));
    }
}

pub(super) fn clock(it: &Watched, _: i64, found: &mut Found) {
    let (ahead, times) = it.clock;
    let words =
        || format!("its clock is {} seconds {}", ahead.abs() / 1000, if ahead > 0 { "ahead" } else { "behind" });
    found.band("", ahead.abs() > CLOCK && times >= 2, ahead.abs() < CLOCK / 2, words);
}

pub(super) fn unsynchronised(it: &Watched, _: i64, found: &mut Found) {
    if it.told.host.clock_synchronised == Some(false) {
        found.bad("", "the kernel says that nothing keeps its clock right".to_owned());
    }
}

pub(super) fn difference(it: &Watched, _: i64, found: &mut Found) {
    if it.sync.held == Some(false) {
        found.bad("", "it does not hold all objects that it should".to_owned());
    }
}

pub(super) fn refused(it: &Watched, _: i64, found: &mut Found) {
    if let Some(first) = it.sync.refused.first() {
        let word = |field: &str| first[field].as_str().unwrap_or_default().to_owned();
        let (count, what, why) =
            (it.sync.refused.len(), format!("{}/{}", word("collection"), word("name")), word("reason"));
        found.bad("", format!("{count} objects are not in force; the first is {what}: {why}"));
    }
}

pub(super) fn pending(it: &Watched, _: i64, found: &mut Found) {
    if !it.sync.pending.is_empty() {
        found.bad("", format!("{} objects are in force after a restart of agwd", it.sync.pending.len()));
    }
}

pub(super) fn draining(it: &Watched, now: i64, found: &mut Found) {
    if it.draining_since > 0 && it.draining_since + HOUR < now {
        found.bad("", "it takes no new phones for more than an hour".to_owned());
    }
}

pub(super) fn version(it: &Watched, _: i64, found: &mut Found) {
    let own = env!("CARGO_PKG_VERSION");
    let theirs = it.told.version.split([' ', '+', '-']).next().unwrap_or_default();
    if !theirs.is_empty() && theirs != own {
        found.bad("", format!("it runs {theirs}, the orchestrator {own}"));
    }
}

pub(super) fn usage(it: &Watched, _: i64, found: &mut Found) {
    let waiting = it.sample("basalt_agw_usage_records_unacknowledged").unwrap_or(0.0);
    found.band("", waiting > 10_000.0, waiting < 5_000.0, || format!("{waiting} usage records wait to be taken over"));
}

pub(super) fn disk_slow(it: &Watched, _: i64, found: &mut Found) {
    let waiting = it.sample("basalt_agw_unreleased_steps").unwrap_or(0.0);
    found.band("", waiting > 500.0, waiting < 100.0, || format!("{waiting} steps wait for the disk"));
}

pub(super) fn traffic(it: &Watched, now: i64, found: &mut Found) {
    if it.silent_since > 0 && it.silent_since + STILL < now {
        found.bad("", format!("{} phones are connected and no octet passed for 10 minutes", it.told.connected_ues));
    }
}

pub(super) fn peers(it: &Watched, _: i64, found: &mut Found) {
    for peer in it.told.peers.iter().filter(|peer| !peer.up) {
        found.bad(&peer.host, format!("Diameter peer {} takes no requests", peer.host));
    }
}

pub(super) fn unreachable_realms(it: &Watched, _: i64, found: &mut Found) {
    for realm in it.told.realms.iter().filter(|realm| realm.up == 0) {
        found.bad(&realm.realm, format!("none of {} Diameter peers of {} takes requests", realm.peers, realm.realm));
    }
}

/// Of so few requests, nothing can be said.
const FEW_REQUESTS: u64 = 20;

pub(super) fn slow_realms(it: &Watched, _: i64, found: &mut Found) {
    for realm in it.told.realms.iter().filter(|realm| realm.asked > 0) {
        if realm.asked < FEW_REQUESTS {
            found.unsure(&realm.realm);
            continue;
        }
        // What nobody answers takes as long as it is waited for; what fails at once does not.
        let late = realm.slow.max(realm.unanswered);
        let (bad, good) = (late * 10 > realm.asked, late * 20 < realm.asked);
        let words = || {
            let Realm { realm, asked, unanswered, slow, .. } = realm;
            format!(
                "{realm}: of {asked} requests within 5 minutes, {slow} took over a second, {unanswered} had no answer"
            )
        };
        found.band(&realm.realm, bad, good, words);
    }
}
