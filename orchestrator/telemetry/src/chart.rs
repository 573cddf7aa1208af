//! Charts and KPIs from stored hours.

use crate::block::{Block, MINUTES};
use crate::history::{HOUR, MINUTE, Stored};
use crate::series::{Form, Series};
use std::collections::BTreeMap;

/// What a chart shows: a series of the fixed set, or what follows from two of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// Averages of gauges, sums of counters.
    Plain(Series),
    /// One by another: a share, or a mean time.
    Ratio(Series, Series),
    /// What was counted, by second, times a factor.
    Rate(Series, u8),
}

/// What is derived, with its unit.
pub const DERIVED: [(&str, Shown, &str); 15] = [
    ("attach_success_ratio", Shown::Ratio(Series::AttachSuccesses, Series::AttachAttempts), "ratio"),
    ("service_request_success_ratio", Shown::Ratio(Series::ServiceSuccesses, Series::ServiceAttempts), "ratio"),
    ("tracking_area_update_success_ratio", Shown::Ratio(Series::TauSuccesses, Series::TauAttempts), "ratio"),
    ("paging_success_ratio", Shown::Ratio(Series::PagingSuccesses, Series::PagingAttempts), "ratio"),
    (
        "authentication_success_ratio",
        Shown::Ratio(Series::AuthenticationSuccesses, Series::AuthenticationAttempts),
        "ratio",
    ),
    ("pdn_connectivity_success_ratio", Shown::Ratio(Series::PdnSuccesses, Series::PdnAttempts), "ratio"),
    ("handover_success_ratio", Shown::Ratio(Series::HandoverSuccesses, Series::HandoverAttempts), "ratio"),
    ("federation_success_ratio", Shown::Ratio(Series::FederationSuccesses, Series::FederationAttempts), "ratio"),
    ("attach_time_seconds", Shown::Ratio(Series::AttachSeconds, Series::AttachTimed), "seconds"),
    ("service_request_time_seconds", Shown::Ratio(Series::ServiceSeconds, Series::ServiceTimed), "seconds"),
    ("uplink_throughput", Shown::Rate(Series::UplinkBytes, 8), "bits_per_second"),
    ("downlink_throughput", Shown::Rate(Series::DownlinkBytes, 8), "bits_per_second"),
    ("drop_rate", Shown::Rate(Series::Drops, 1), "packets_per_second"),
    ("availability_ratio", Shown::Ratio(Series::Up, Series::Gateways), "ratio"),
    ("address_use_ratio", Shown::Ratio(Series::AddressesUsed, Series::Addresses), "ratio"),
];

impl Shown {
    /// What a name means.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        let derived = DERIVED.iter().find(|(name, ..)| *name == word).map(|(_, shown, _)| *shown);
        derived.or_else(|| Series::from_word(word).map(Self::Plain))
    }

    /// Its unit.
    #[must_use]
    pub fn unit(self) -> &'static str {
        DERIVED.iter().find(|(_, shown, _)| *shown == self).map_or("", |(_, _, unit)| unit)
    }
}

/// Hours of one place, to be read.
#[derive(Debug, Default)]
pub struct Chart(BTreeMap<i64, Block>);

impl Chart {
    /// From what was stored; what cannot be read is left out.
    #[must_use]
    pub fn new(stored: &[Stored]) -> Self {
        Self(stored.iter().filter_map(|it| Some((it.hour, Block::decode(&it.body)?))).collect())
    }

    /// The value of a span of time: minutes that begin at `from` or later and before `until`. `None` when nothing is known of it.
    #[must_use]
    pub fn value(&self, shown: Shown, from: i64, until: i64) -> Option<f64> {
        match shown {
            Shown::Plain(series) => self.sum(series, from, until).map(|(sum, count)| match series.form() {
                Form::Gauge => sum / count,
                Form::Counter => sum,
            }),
            Shown::Ratio(part, whole) => {
                let (whole, _) = self.sum(whole, from, until).filter(|(sum, _)| *sum > 0.0)?;
                Some(self.sum(part, from, until).map_or(0.0, |(sum, _)| sum) / whole)
            }
            Shown::Rate(series, factor) => {
                self.sum(series, from, until).map(|(sum, count)| sum * f64::from(factor) / (count * 60.0))
            }
        }
    }

    /// Sum of a series over minutes, and how many minutes had a value.
    fn sum(&self, series: Series, from: i64, until: i64) -> Option<(f64, f64)> {
        let (first, end) = (-(-from).div_euclid(MINUTE), -(-until).div_euclid(MINUTE));
        let (mut sum, mut count) = (0.0, 0.0);
        for (hour, block) in self.0.range(from.div_euclid(HOUR)..=until.div_euclid(HOUR)) {
            let start = hour * 60;
            let place = |minute: i64| usize::try_from((minute - start).clamp(0, 60)).unwrap_or(0);
            for minute in place(first)..place(end).min(MINUTES) {
                let value = block.get(series, minute);
                if !value.is_nan() {
                    sum += value;
                    count += 1.0;
                }
            }
        }
        (count > 0.0).then_some((sum, count))
    }

    /// Points of a chart: the beginning of each step, milliseconds since 1970, and its value. `step` is milliseconds, at least a
    /// minute.
    #[must_use]
    pub fn points(&self, shown: Shown, since: i64, until: i64, step: i64) -> Vec<(i64, f64)> {
        let step = step.max(MINUTE);
        let first = since.div_euclid(step) * step;
        let mut points = Vec::new();
        let mut at = first;
        while at < until {
            if let Some(value) = self.value(shown, at, at + step) {
                points.push((at, value));
            }
            at += step;
        }
        points
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::series::NOTHING;

    #[test]
    fn gauges_are_averaged_counters_summed_and_shares_are_of_sums() {
        let mut stored = Vec::new();
        for hour in [5_i64, 6] {
            let mut block = Block::default();
            for minute in 0..MINUTES {
                let mut row = NOTHING;
                row[Series::Enbs.index()] = if minute % 2 == 0 { 4.0 } else { 2.0 };
                row[Series::AttachAttempts.index()] = 10.0;
                row[Series::AttachSuccesses.index()] = if hour == 5 { 9.0 } else { 10.0 };
                row[Series::UplinkBytes.index()] = 60_000.0;
                block.put(minute, &row);
            }
            stored.push(Stored { network: String::new(), gateway: String::new(), hour, body: block.encode() });
        }
        let chart = Chart::new(&stored);
        let of = |word: &str, from, until| chart.value(Shown::from_word(word).unwrap(), from, until);
        assert_eq!(of("enbs", 5 * HOUR, 7 * HOUR), Some(3.0));
        assert_eq!(of("attach_attempts", 5 * HOUR, 7 * HOUR), Some(1200.0));
        assert_eq!(of("attach_success_ratio", 5 * HOUR, 7 * HOUR), Some(0.95));
        assert_eq!(of("uplink_throughput", 5 * HOUR, 5 * HOUR + MINUTE), Some(8000.0));
        assert_eq!(of("enbs", 8 * HOUR, 9 * HOUR), None);
        assert_eq!(of("paging_success_ratio", 5 * HOUR, 7 * HOUR), None);
        assert_eq!(
            chart.points(Shown::Plain(Series::Enbs), 5 * HOUR + 1, 5 * HOUR + 2 * MINUTE, 1),
            [(5 * HOUR, 4.0), (5 * HOUR + MINUTE, 2.0)]
        );
        assert_eq!(chart.points(Shown::Plain(Series::AttachAttempts), 5 * HOUR, 7 * HOUR, HOUR).len(), 2);
    }
}
