//! The present hour of all gateways and networks, minute by minute.

use crate::block::{Block, MINUTES};
use crate::series::{Form, NOTHING, Row, Series};
use crate::watched::{Watched, grown};
use std::collections::{BTreeMap, BTreeSet};

/// Milliseconds.
pub const MINUTE: i64 = 60_000;
/// Milliseconds.
pub const HOUR: i64 = 3_600_000;

/// A gateway, or a network when its second part is empty.
pub type Place = (String, String);

/// An hour of a place as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// The network.
    pub network: String,
    /// The gateway; empty for the network as a whole.
    pub gateway: String,
    /// Hours since 1970.
    pub hour: i64,
    /// [`Block::encode`].
    pub body: Vec<u8>,
}

/// The present hour.
#[derive(Debug, Default)]
pub struct History {
    hour: i64,
    blocks: BTreeMap<Place, Block>,
    /// Values of counters a minute ago.
    before: BTreeMap<Place, Row>,
    minute: i64,
}

impl History {
    /// Takes in what was stored of the present hour.
    pub fn restore(&mut self, stored: &[Stored]) {
        for it in stored {
            if let Some(block) = Block::decode(&it.body) {
                self.hour = it.hour;
                self.blocks.insert((it.network.clone(), it.gateway.clone()), block);
            }
        }
    }

    /// The minute of a time, if it was not taken yet.
    #[must_use]
    pub fn due(&self, now: i64) -> Option<i64> {
        let minute = now.div_euclid(MINUTE);
        (minute > self.minute).then_some(minute)
    }

    /// Takes the values of a minute. What is to be stored then: all blocks that changed.
    pub fn take(&mut self, now: i64, gateways: &BTreeMap<Place, Watched>) -> Vec<Stored> {
        self.minute = now.div_euclid(MINUTE);
        let (hour, place) = (now.div_euclid(HOUR), usize::try_from(self.minute.rem_euclid(60)).unwrap_or(0) % MINUTES);
        if hour != self.hour {
            self.hour = hour;
            self.blocks.clear();
        }
        let mut networks: BTreeMap<&str, Row> = BTreeMap::new();
        for (name, gateway) in gateways {
            let row = self.minute_of(name, gateway, now);
            self.blocks.entry(name.clone()).or_default().put(place, &row);
            add(networks.entry(&name.0).or_insert(NOTHING), &row);
        }
        for (network, row) in &networks {
            self.blocks.entry(((*network).to_owned(), String::new())).or_default().put(place, row);
        }
        self.before.retain(|name, _| gateways.contains_key(name));
        let told: BTreeSet<&str> = networks.keys().copied().collect();
        let changed = self.blocks.iter().filter(|((network, gateway), _)| {
            if gateway.is_empty() {
                told.contains(network.as_str())
            } else {
                gateways.contains_key(&(network.clone(), gateway.clone()))
            }
        });
        let stored = changed.map(|((network, gateway), block)| Stored {
            network: network.clone(),
            gateway: gateway.clone(),
            hour,
            body: block.encode(),
        });
        stored.collect()
    }

    fn minute_of(&mut self, name: &Place, gateway: &Watched, now: i64) -> Row {
        let totals = &gateway.totals.0;
        let before = self.before.insert(name.clone(), *totals);
        let mut row = NOTHING;
        row[Series::Gateways.index()] = 1.0;
        let connected = gateway.is_connected(now);
        row[Series::Up.index()] = f64::from(u8::from(connected));
        if !connected {
            return row;
        }
        for series in Series::ALL.iter().filter(|series| !matches!(series, Series::Gateways | Series::Up)) {
            let at = series.index();
            row[at] = match (series.form(), &before) {
                (Form::Gauge, _) => totals[at],
                // What was before the first look is not of this minute.
                (Form::Counter, None) => f64::NAN,
                // A counter that appears began at nothing.
                (Form::Counter, Some(before)) if before[at].is_nan() => totals[at],
                (Form::Counter, Some(before)) => grown(before[at], totals[at]),
            };
        }
        row
    }

    /// Places whose present hour is held.
    #[must_use]
    pub fn len(&self) -> usize {
        self.blocks.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.blocks.is_empty()
    }
}

fn add(sum: &mut Row, row: &Row) {
    for (sum, value) in sum.iter_mut().zip(row) {
        if !value.is_nan() {
            *sum = if sum.is_nan() { *value } else { *sum + value };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::watched::Names;
    use crate::watched::tests::news;
    use serde_json::json;

    #[test]
    fn minutes_are_kept_and_a_new_process_goes_on() {
        let (mut names, mut history) = (Names::default(), History::default());
        let mut gateways: BTreeMap<Place, Watched> = BTreeMap::new();
        let mut stored = Vec::new();
        for minute in 0..3_i64 {
            let now = 100 * HOUR + minute * MINUTE;
            for (gateway, factor) in [("g", 1), ("h", 10)] {
                let metrics = json!({
                    "basalt_agw_enbs": factor,
                    "basalt_agw_user_plane_bytes_total{direction=\"uplink\"}": minute * factor * 100,
                });
                let watched = gateways.entry(("n".to_owned(), gateway.to_owned())).or_default();
                watched.hear(&news(now, &json!({}), &metrics), &mut names, now, false);
            }
            if minute == 2 {
                gateways.get_mut(&("n".to_owned(), "h".to_owned())).unwrap().linked = false;
            }
            assert_eq!(history.due(now), Some(now / MINUTE));
            stored = history.take(now, &gateways);
            assert_eq!(history.due(now + MINUTE - 1), None);
        }
        let of = |gateway: &str| {
            let found = stored.iter().find(|it| it.gateway == gateway).unwrap();
            assert_eq!((found.network.as_str(), found.hour), ("n", 100));
            Block::decode(&found.body).unwrap()
        };
        let network = of("");
        let values = |series| [0, 1, 2].map(|minute| network.get(series, minute));
        assert_eq!(values(Series::Enbs), [11.0, 11.0, 1.0]);
        assert_eq!(values(Series::Gateways), [2.0, 2.0, 2.0]);
        assert_eq!(values(Series::Up), [2.0, 2.0, 1.0]);
        assert!(network.get(Series::UplinkBytes, 0).is_nan(), "the first value is no growth");
        assert_eq!((network.get(Series::UplinkBytes, 1), network.get(Series::UplinkBytes, 2)), (1100.0, 100.0));
        // Another process goes on in the same hour.
        let mut next = History::default();
        next.restore(&stored);
        assert_eq!(next.len(), 3);
        let again = next.take(100 * HOUR + 3 * MINUTE, &gateways);
        let block = again.iter().find(|it| it.gateway == "g").unwrap();
        assert_eq!(Block::decode(&block.body).unwrap().get(Series::UplinkBytes, 2), 100.0);
        // A new hour begins empty.
        let next_hour = next.take(101 * HOUR, &gateways);
        assert!(Block::decode(&next_hour[0].body).unwrap().get(Series::Enbs, 2).is_nan());
    }
}
