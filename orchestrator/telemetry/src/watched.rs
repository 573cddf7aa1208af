//! One gateway as it is known: what it told last, and what it told within the last minutes.

use crate::sample::Name;
use crate::series::{self, NOTHING, Row, Series};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

/// A gateway says at least so often that it is there, milliseconds; twice that long is too long.
const SILENT: i64 = 2 * 330_000;
/// How far back increases are known, milliseconds.
pub const WINDOW: i64 = 300_000;
/// Between two rows that are kept, milliseconds.
const SPACING: i64 = 10_000;
/// Connections that are remembered, base stations that are missed, samples of one gateway.
const CONNECTS: usize = 16;
const STATIONS: usize = 1024;
const SAMPLES: usize = 10_000;

/// What is new of a gateway. Times are milliseconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct News {
    /// Its network.
    pub network: String,
    /// Its name.
    pub gateway: String,
    /// The replica that it talks to; empty when it talks to none.
    pub replica: String,
    /// Since when.
    pub connected_at: i64,
    /// When it was heard last.
    pub seen_at: i64,
    /// What it told of itself, JSON.
    pub state: String,
    /// Its metrics, a JSON object of numbers.
    pub metrics: String,
    /// How far it has what it should, JSON.
    pub sync: String,
}

/// What a gateway tells of itself, as far as it matters here.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Told {
    /// When it said so, milliseconds since 1970 by its own clock.
    pub at: i64,
    /// Its software.
    pub version: String,
    /// `federation` for a federation gateway.
    pub role: String,
    /// How packets are forwarded.
    pub data_plane: String,
    /// Why not better.
    pub data_plane_why: Option<String>,
    /// It takes no new phones.
    pub draining: bool,
    /// Base stations connected.
    pub enbs: Vec<Station>,
    /// Phones.
    pub registered_ues: u64,
    /// Phones that are connected.
    pub connected_ues: u64,
    /// Sessions.
    pub sessions: u64,
    /// Addresses by access point.
    pub pools: BTreeMap<String, Pool>,
    /// The machine.
    pub host: Host,
    /// Diameter peers of a federation gateway.
    pub peers: Vec<Peer>,
    /// Realms of home networks that a federation gateway serves.
    pub realms: Vec<Realm>,
}

/// A base station.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Station {
    /// Network and identity.
    pub id: String,
}

/// Addresses of an access point.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Pool {
    /// That can be given out.
    pub free: u64,
    /// All.
    pub total: u64,
}

/// A machine.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Host {
    /// Of the state directory's file system.
    pub disk_free_percent: Option<u8>,
    /// Available without swapping.
    pub memory_free_percent: Option<u8>,
    /// The kernel says that its clock is synchronised.
    pub clock_synchronised: Option<bool>,
}

/// A Diameter peer.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Peer {
    /// Its Diameter identity.
    pub host: String,
    /// Whether it takes requests.
    pub up: bool,
}

/// A realm of home networks.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Realm {
    /// Its name.
    pub realm: String,
    /// Peers that requests for it may go to.
    pub peers: u64,
    /// Those of them that take any.
    pub up: u64,
    /// Requests that ended within five minutes.
    pub asked: u64,
    /// Those that nobody answered.
    pub unanswered: u64,
    /// Those that took longer than a second.
    pub slow: u64,
}

/// How far a gateway has what it should.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Sync {
    /// All of it is there. Nothing was said when absent.
    pub held: Option<bool>,
    /// What it cannot put into force.
    pub refused: Vec<serde_json::Value>,
    /// What waits for a restart.
    pub pending: Vec<serde_json::Value>,
}

/// Names of samples, each kept once.
#[derive(Debug, Default)]
pub struct Names(BTreeSet<Arc<str>>);

impl Names {
    fn of(&mut self, name: &str) -> Arc<str> {
        if let Some(held) = self.0.get(name) {
            return Arc::clone(held);
        }
        let new: Arc<str> = name.into();
        self.0.insert(Arc::clone(&new));
        new
    }

    /// Forgets names that nobody has any more.
    pub fn tidy(&mut self) {
        self.0.retain(|name| Arc::strong_count(name) > 1);
    }
}

/// Samples in order of their names.
pub type Samples = Arc<[(Arc<str>, f64)]>;

/// A gateway as it is known.
#[derive(Debug, Clone, Default)]
pub struct Watched {
    /// It talks to a replica.
    pub linked: bool,
    /// When it was heard last.
    pub seen_at: i64,
    /// When its last connections began.
    pub connects: VecDeque<i64>,
    /// What it told of itself.
    pub told: Told,
    /// How far it has what it should.
    pub sync: Sync,
    /// Its samples.
    pub samples: Samples,
    /// Its values of the fixed series.
    pub totals: Totals,
    /// Base stations that were seen, and when they were missed first; 0 while they are there.
    pub stations: BTreeMap<String, i64>,
    /// Since when it takes no new phones; 0 when it does.
    pub draining_since: i64,
    /// How far its clock is ahead of ours, milliseconds, and how often in a row that was said.
    pub clock: (i64, u32),
    /// Since when traffic stands still while phones are connected; 0 when it does not.
    pub silent_since: i64,
    /// Former samples, the oldest first, where somebody asks for rates; at most one a minute.
    pub past: VecDeque<(i64, Samples)>,
    recent: VecDeque<(i64, Row)>,
    marks: [u64; 3],
}

/// A row that is empty at first.
#[derive(Debug, Clone, PartialEq)]
pub struct Totals(pub Row);

impl Default for Totals {
    fn default() -> Self {
        Self(NOTHING)
    }
}

impl Watched {
    /// Whether it talks to the orchestrator.
    #[must_use]
    pub fn is_connected(&self, now: i64) -> bool {
        self.linked && self.seen_at + SILENT > now
    }

    /// Takes in what is new. `rates` is whether former samples are needed.
    pub fn hear(&mut self, news: &News, names: &mut Names, now: i64, rates: bool) {
        let first = self.seen_at == 0;
        self.linked = !news.replica.is_empty();
        self.seen_at = news.seen_at;
        if self.connects.back() != Some(&news.connected_at) {
            self.connects.push_back(news.connected_at);
            if self.connects.len() > CONNECTS {
                self.connects.pop_front();
            }
        }
        let [state, metrics, sync] = [&news.state, &news.metrics, &news.sync].map(|text| mark(text));
        if self.marks[0] != state {
            self.told(&news.state, news.seen_at, first);
        }
        if self.marks[1] != metrics {
            self.measured(&news.metrics, names, now);
        }
        if self.marks[2] != sync {
            self.sync = serde_json::from_str(&news.sync).unwrap_or_default();
        }
        self.marks = [state, metrics, sync];
        if rates && self.past.back().is_none_or(|(at, _)| at + 60_000 <= now) {
            self.past.push_back((now, Arc::clone(&self.samples)));
            while self.past.get(1).is_some_and(|(at, _)| at + WINDOW <= now) {
                self.past.pop_front();
            }
        }
    }

    fn told(&mut self, text: &str, heard: i64, first: bool) {
        let told: Told = serde_json::from_str(text).unwrap_or_default();
        if told.at != self.told.at && told.at > 0 && !first {
            let ahead = told.at - heard;
            let count = if (ahead > 0) == (self.clock.0 > 0) { self.clock.1.saturating_add(1) } else { 1 };
            self.clock = (ahead, count);
        }
        self.draining_since = match (told.draining, self.draining_since) {
            (true, 0) => heard,
            (true, since) => since,
            (false, _) => 0,
        };
        for missed in self.stations.iter_mut().filter(|(id, _)| !told.enbs.iter().any(|enb| enb.id == **id)) {
            if *missed.1 == 0 {
                *missed.1 = heard;
            }
        }
        for enb in told.enbs.iter().take(STATIONS) {
            self.stations.insert(enb.id.clone(), 0);
        }
        while self.stations.len() > STATIONS {
            self.stations.pop_first();
        }
        self.told = told;
    }

    fn measured(&mut self, text: &str, names: &mut Names, now: i64) {
        let values: BTreeMap<String, Option<f64>> = serde_json::from_str(text).unwrap_or_default();
        let mut row = NOTHING;
        let mut samples = Vec::with_capacity(values.len());
        for (name, value) in values.iter().take(SAMPLES) {
            let (Some(parsed), Some(value)) = (Name::parse(name), value) else { continue };
            series::add(&mut row, &parsed, *value);
            samples.push((names.of(name), *value));
        }
        self.samples = samples.into();
        let before = core::mem::replace(&mut self.totals, Totals(row));
        self.note_traffic(&before.0, now);
        if self.recent.back().is_none_or(|(at, _)| at + SPACING <= now) {
            self.recent.push_back((now, row));
        } else if let Some(last) = self.recent.back_mut() {
            last.1 = row;
        }
        // One of before the window stays: what did not change was not told.
        while self.recent.get(1).is_some_and(|(at, _)| at + WINDOW <= now) {
            self.recent.pop_front();
        }
    }

    fn note_traffic(&mut self, before: &Row, now: i64) {
        let octets = |row: &Row| row[Series::UplinkBytes.index()] + row[Series::DownlinkBytes.index()];
        let (was, is) = (octets(before), octets(&self.totals.0));
        let still = is <= was && was > 0.0 && self.told.connected_ues >= 5;
        self.silent_since = match (still, self.silent_since) {
            (true, 0) => now,
            (true, since) => since,
            (false, _) => 0,
        };
    }

    /// A value of the fixed series.
    #[must_use]
    pub fn total(&self, series: Series) -> f64 {
        self.totals.0[series.index()]
    }

    /// By how much a counter grew within the last five minutes. `None` when that is not known.
    #[must_use]
    pub fn increase(&self, series: Series) -> Option<f64> {
        let mut rows = self.recent.iter().map(|(_, row)| row[series.index()]).filter(|value| !value.is_nan());
        let mut before = rows.next()?;
        let (mut sum, mut seen) = (0.0, false);
        for value in rows {
            sum += grown(before, value);
            before = value;
            seen = true;
        }
        seen.then_some(sum)
    }

    /// The value of a sample.
    #[must_use]
    pub fn sample(&self, name: &str) -> Option<f64> {
        let found = self.samples.binary_search_by(|(held, _)| held.as_ref().cmp(name)).ok()?;
        self.samples.get(found).map(|(_, value)| *value)
    }

    /// A base station that was missed before this process knew the gateway.
    pub fn miss(&mut self, station: &str, since: i64) {
        self.stations.entry(station.to_owned()).or_insert(since);
    }
}

/// By how much a counter grew; one that is less than it was began anew.
#[must_use]
pub fn grown(before: f64, after: f64) -> f64 {
    if after >= before { after - before } else { after }
}

/// By which a text is recognised (FNV-1a).
fn mark(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |mark, octet| (mark ^ u64::from(octet)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use serde_json::{Value, json};

    /// A gateway that talks, with a state and metrics.
    pub(crate) fn news(at: i64, state: &Value, metrics: &Value) -> News {
        News {
            network: "n".to_owned(),
            gateway: "g".to_owned(),
            replica: "r".to_owned(),
            connected_at: 1,
            seen_at: at,
            state: state.to_string(),
            metrics: metrics.to_string(),
            sync: "{}".to_owned(),
        }
    }

    fn attach(successes: u32) -> Value {
        json!({ "basalt_agw_procedures_total{cause=\"\",outcome=\"success\",procedure=\"attach\"}": successes })
    }

    #[test]
    fn increases_are_of_the_last_minutes_and_survive_a_restart_of_the_gateway() {
        let (mut gateway, mut names) = (Watched::default(), Names::default());
        let mut hear = |gateway: &mut Watched, at, count| {
            gateway.hear(&news(at, &json!({}), &attach(count)), &mut names, at, false);
        };
        hear(&mut gateway, 1_000, 5);
        assert_eq!(gateway.increase(Series::AttachAttempts), None, "one value is no growth");
        // Nothing changed for long, then much: it is known what was before.
        hear(&mut gateway, 900_000, 105);
        assert_eq!(gateway.increase(Series::AttachAttempts), Some(100.0));
        hear(&mut gateway, 930_000, 3);
        assert_eq!(gateway.increase(Series::AttachAttempts), Some(103.0));
        hear(&mut gateway, 1_300_000, 4);
        assert_eq!(gateway.increase(Series::AttachAttempts), Some(1.0));
        assert_eq!(
            gateway.sample("basalt_agw_procedures_total{cause=\"\",outcome=\"success\",procedure=\"attach\"}"),
            Some(4.0)
        );
    }

    #[test]
    fn base_stations_are_missed_and_clocks_compared() {
        let (mut gateway, mut names) = (Watched::default(), Names::default());
        let state = |at: i64, enbs: &[&str]| json!({"at": at, "enbs": enbs.iter().map(|id| json!({"id": id})).collect::<Vec<_>>()});
        gateway.hear(&news(10_000, &state(10_000, &["a", "b"]), &json!({})), &mut names, 10_000, false);
        gateway.hear(&news(20_000, &state(90_000, &["b"]), &json!({})), &mut names, 20_000, false);
        assert_eq!(gateway.stations, BTreeMap::from([("a".to_owned(), 20_000), ("b".to_owned(), 0)]));
        assert_eq!(gateway.clock, (70_000, 1));
        gateway.hear(&news(30_000, &state(100_000, &["a", "b"]), &json!({})), &mut names, 30_000, false);
        assert_eq!((gateway.stations["a"], gateway.clock), (0, (70_000, 2)));
        assert!(gateway.is_connected(30_000) && !gateway.is_connected(30_000 + SILENT));
    }
}
