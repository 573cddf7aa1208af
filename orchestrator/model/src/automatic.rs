//! Upgrades that begin by themselves: of which releases, and when.

use crate::check::Checker;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

const MINUTES_OF_A_DAY: i64 = 24 * 60;

/// Which releases a tier takes by itself, and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AutomaticUpgrades {
    /// The newest release of this channel is taken; where the tier has a `version`, the release of that version, whatever its channel.
    #[schema(pattern = "^[A-Za-z0-9][A-Za-z0-9._-]{0,39}$")]
    pub channel: String,
    /// Of releases for this processor and system.
    #[schema(pattern = "^[A-Za-z0-9][A-Za-z0-9._-]{0,39}$")]
    pub platform: String,
    /// Minutes that the first gateways are looked at before the others follow, 0 to 10080.
    #[schema(minimum = 0, maximum = 10_080)]
    pub soak_minutes: u32,
    /// When gateways are told; at any time, when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub window: Option<UpgradeWindow>,
}

impl Default for AutomaticUpgrades {
    fn default() -> Self {
        let (channel, platform) = ("stable".to_owned(), "x86_64-linux".to_owned());
        Self { channel, platform, soak_minutes: 30, window: None }
    }
}

impl AutomaticUpgrades {
    pub(crate) fn check(&self, c: &mut Checker) {
        for (field, word) in [("channel", &self.channel), ("platform", &self.platform)] {
            let letters = |it: &str| it.bytes().all(|octet| octet.is_ascii_alphanumeric() || b"._-".contains(&octet));
            let begins = word.bytes().next().is_some_and(|octet| octet.is_ascii_alphanumeric());
            if !begins || word.len() > 40 || !letters(word) {
                c.wrong_at(field, "is no word", "1 to 40 letters, digits, dots, dashes and underscores");
            }
        }
        c.range("soak_minutes", self.soak_minutes, 0..=10_080);
        if let Some(window) = &self.window {
            c.at("window", |c| window.check(c));
        }
    }
}

/// A time of each day, or of some days of the week, in UTC.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UpgradeWindow {
    /// Days on which it opens, 1 (Monday) to 7 (Sunday); each day, when empty.
    #[serde(default)]
    #[schema(max_items = 7)]
    pub days: Vec<u8>,
    /// When it opens, minutes after midnight UTC, 0 to 1439.
    #[schema(minimum = 0, maximum = 1439)]
    pub from_minute: u16,
    /// How long it is open, minutes, 1 to 1440; it may go beyond midnight.
    #[schema(minimum = 1, maximum = 1440)]
    pub minutes: u16,
}

impl UpgradeWindow {
    fn check(&self, c: &mut Checker) {
        if self.days.len() > 7 {
            c.wrong_at("days", "has too many entries", "at most 7");
        }
        c.each("days", &self.days, |c, day| {
            if !(1..=7).contains(day) {
                c.wrong(format!("{day} is out of range"), "1 (Monday) to 7 (Sunday)");
            }
        });
        c.range("from_minute", self.from_minute, 0..=1439);
        c.range("minutes", self.minutes, 1..=1440);
    }

    /// Whether it is open at a time, milliseconds since 1970.
    #[must_use]
    pub fn is_open(&self, at: i64) -> bool {
        let minute = at.div_euclid(60_000);
        let today = minute.div_euclid(MINUTES_OF_A_DAY);
        // One that opened yesterday may be open yet.
        [today, today - 1].into_iter().any(|day| {
            let opens = day * MINUTES_OF_A_DAY + i64::from(self.from_minute);
            // 1970-01-01 was a Thursday.
            let of_week = u8::try_from((day + 3).rem_euclid(7) + 1).unwrap_or(0);
            let wanted = self.days.is_empty() || self.days.contains(&of_week);
            wanted && (opens..opens + i64::from(self.minutes)).contains(&minute)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-22, a Sunday, midnight UTC.
    const SUNDAY: i64 = 1_795_305_600_000;
    const HOUR: i64 = 3_600_000;

    #[test]
    fn a_window_opens_on_its_days_and_may_go_beyond_midnight() {
        let window = |days: &[u8], from_minute, minutes| UpgradeWindow { days: days.to_vec(), from_minute, minutes };
        let nightly = window(&[], 2 * 60, 120);
        assert!(!nightly.is_open(SUNDAY + 2 * HOUR - 1) && nightly.is_open(SUNDAY + 2 * HOUR));
        assert!(nightly.is_open(SUNDAY + 4 * HOUR - 1) && !nightly.is_open(SUNDAY + 4 * HOUR));
        let saturdays = window(&[6], 23 * 60, 120);
        assert!(saturdays.is_open(SUNDAY - HOUR) && saturdays.is_open(SUNDAY + HOUR - 1));
        assert!(!saturdays.is_open(SUNDAY + HOUR) && !saturdays.is_open(SUNDAY + 23 * HOUR));
        assert!(window(&[7], 0, 1440).is_open(SUNDAY + 12 * HOUR) && !window(&[1], 0, 1440).is_open(SUNDAY));
    }

    #[test]
    fn what_is_wrong_is_told_at_its_place() {
        let wrong = r#"{"channel": "", "window": {"days": [8], "from_minute": 1440, "minutes": 0}}"#;
        let automatic: AutomaticUpgrades = serde_json::from_str(wrong).unwrap();
        let mut c = Checker::default();
        automatic.check(&mut c);
        let paths: Vec<String> = c.into_errors().into_iter().map(|error| error.path).collect();
        assert_eq!(paths, ["/channel", "/window/days/0", "/window/from_minute", "/window/minutes"]);
        let mut c = Checker::default();
        AutomaticUpgrades::default().check(&mut c);
        assert!(c.into_errors().is_empty());
    }
}
