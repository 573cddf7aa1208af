//! What of usage is on disk. The layout of these structs is a format: a change is a new struct under a new version.

use agw_dataplane::{Baseline, Part, RecordId, Volume};
use basalt_ids::{Ebi, Imsi, Teid};
use serde::{Deserialize, Serialize};

crate::storage::only_format!(
    StoredBaseline,
    StoredRecord,
    StoredSession,
    StoredSubscriberUsage,
    StoredPlan,
    StoredNumbers
);

/// Octets and packets of both directions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct StoredVolume {
    /// Packets from the phone.
    pub uplink_packets: u64,
    /// Their inner IP octets.
    pub uplink_bytes: u64,
    /// Packets to the phone.
    pub downlink_packets: u64,
    /// Their inner IP octets.
    pub downlink_bytes: u64,
}

impl StoredVolume {
    /// Adds what was used.
    pub fn add(&mut self, used: StoredVolume) {
        self.uplink_packets += used.uplink_packets;
        self.uplink_bytes += used.uplink_bytes;
        self.downlink_packets += used.downlink_packets;
        self.downlink_bytes += used.downlink_bytes;
    }

    /// Octets of both directions.
    #[must_use]
    pub const fn octets(self) -> u64 {
        self.uplink_bytes.saturating_add(self.downlink_bytes)
    }
}

impl From<Volume> for StoredVolume {
    fn from(from: Volume) -> Self {
        Self {
            uplink_packets: from.uplink_packets,
            uplink_bytes: from.uplink_bytes,
            downlink_packets: from.downlink_packets,
            downlink_bytes: from.downlink_bytes,
        }
    }
}

impl From<StoredVolume> for Volume {
    fn from(from: StoredVolume) -> Self {
        Self {
            uplink_packets: from.uplink_packets,
            uplink_bytes: from.uplink_bytes,
            downlink_packets: from.downlink_packets,
            downlink_bytes: from.downlink_bytes,
        }
    }
}

/// What of a session a record is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum StoredPart {
    /// All that it carried.
    Session,
    /// A dedicated bearer, by EBI.
    Bearer(u8),
    /// A rule, by number; a rating group, by its own and [`agw_types::RATING_GROUP`].
    Rule(u32),
}

impl From<Part> for StoredPart {
    fn from(from: Part) -> Self {
        match from {
            Part::Session => StoredPart::Session,
            Part::Bearer(ebi) => StoredPart::Bearer(ebi.value()),
            Part::Rule(number) => StoredPart::Rule(number),
        }
    }
}

impl StoredPart {
    fn part(self) -> Option<Part> {
        Some(match self {
            StoredPart::Session => Part::Session,
            StoredPart::Bearer(ebi) => Part::Bearer(Ebi::new(ebi).ok()?),
            StoredPart::Rule(number) => Part::Rule(number),
        })
    }
}

/// How far the counters of a session have been reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredBaseline {
    /// Tunnel endpoint of the session.
    pub teid: u32,
    /// Since when its counters count.
    pub epoch: u64,
    /// What of it.
    pub part: StoredPart,
    /// Number of the last record.
    pub sequence: u64,
    /// What the counters said then.
    pub counted: StoredVolume,
    /// That record was the last.
    pub last: bool,
}

impl From<Baseline> for StoredBaseline {
    fn from(from: Baseline) -> Self {
        let RecordId { teid, epoch, part, sequence } = from.id;
        Self { teid: teid.0, epoch, part: part.into(), sequence, counted: from.counted.into(), last: from.last }
    }
}

impl StoredBaseline {
    /// For the ledger; `None` if it names a bearer that cannot be.
    #[must_use]
    pub fn baseline(self) -> Option<Baseline> {
        let id =
            RecordId { teid: Teid(self.teid), epoch: self.epoch, part: self.part.part()?, sequence: self.sequence };
        Some(Baseline { id, counted: self.counted.into(), last: self.last })
    }

    /// Its key on disk.
    #[must_use]
    pub fn key(teid: u32, epoch: u64, part: StoredPart) -> Vec<u8> {
        let (kind, number) = match part {
            StoredPart::Session => (0, 0),
            StoredPart::Bearer(ebi) => (1, u32::from(ebi)),
            StoredPart::Rule(number) => (2, number),
        };
        let mut key = [teid.to_be_bytes().as_slice(), &epoch.to_be_bytes(), &[kind]].concat();
        key.extend(number.to_be_bytes());
        key
    }
}

/// A usage record, kept until it is acknowledged or too old.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredRecord {
    /// Its place in the list of all records.
    pub cursor: u64,
    /// The session's number.
    pub session: u64,
    /// Whose.
    pub imsi: Imsi,
    /// Tunnel endpoint of the session.
    pub teid: u32,
    /// Since when its counters count.
    pub epoch: u64,
    /// What of it.
    pub part: StoredPart,
    /// 0, 1, 2, … in an epoch.
    pub sequence: u64,
    /// When the counters were read, seconds since 1970 UTC.
    pub unix_secs: u64,
    /// What was used since the record before.
    pub used: StoredVolume,
    /// Nothing of this session and part follows.
    pub last: bool,
}

/// A session and what it carried, also after its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredSession {
    /// Unique in this gateway, for ever.
    pub number: u64,
    /// Whose.
    pub imsi: Imsi,
    /// Access point.
    pub apn: String,
    /// Default bearer.
    pub ebi: u8,
    /// The phone's address.
    pub address: String,
    /// The gateway's tunnel endpoint.
    pub teid: u32,
    /// Seconds since 1970 UTC.
    pub started: u64,
    /// Seconds since 1970 UTC.
    pub ended: Option<u64>,
    /// All that it carried.
    pub total: StoredVolume,
    /// Of that, dedicated bearers.
    pub bearers: Vec<(u8, StoredVolume)>,
    /// By rule.
    pub rules: Vec<(u32, StoredVolume)>,
}

/// What a subscriber used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredSubscriberUsage {
    /// Who.
    pub imsi: Imsi,
    /// Ever.
    pub total: StoredVolume,
    /// The day that `of_day` is of: days since 1970 UTC.
    pub day: u64,
    /// Used on that day.
    pub of_day: StoredVolume,
    /// The month that `of_month` is of: months since the year 0, UTC.
    pub month: u64,
    /// Used in that month.
    pub of_month: StoredVolume,
    /// Seconds since 1970 UTC of the last record.
    pub last: u64,
}

/// Since when octets count against a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum StoredTerm {
    /// Since the session began, for each session.
    Session,
    /// Since the day began, UTC.
    Day,
    /// Since the month began, UTC.
    Month,
}

/// What a subscriber may use, and what happens then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredPlan {
    /// Whose.
    pub imsi: Imsi,
    /// Octets of both directions.
    pub octets: u64,
    /// In which time.
    pub term: StoredTerm,
    /// bit/s in each direction when they are used up; `None` for nothing at all.
    pub slow: Option<u64>,
    /// Octets that were added for the present term.
    pub extra: u64,
    /// The term that `extra` is for: a day or a month as in [`StoredSubscriberUsage`], a session's number.
    pub extra_for: u64,
}

/// Numbers that were given out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct StoredNumbers {
    /// Cursor of the next record.
    pub next: u64,
    /// All records before it were acknowledged, or dropped as too old.
    pub first: u64,
    /// Number of the next session.
    pub session: u64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::golden::as_ever;

    const USED: StoredVolume =
        StoredVolume { uplink_packets: 300, uplink_bytes: 40_000, downlink_packets: 500_000, downlink_bytes: 1 << 40 };

    fn imsi() -> Imsi {
        "001010123456789".parse().unwrap()
    }

    #[test]
    fn usage_is_kept_as_ever() {
        let parts = [StoredPart::Session, StoredPart::Bearer(6), StoredPart::Rule(70_000)];
        let names = ["usage-baseline-session", "usage-baseline-bearer", "usage-baseline-rule"];
        for (part, name) in parts.into_iter().zip(names) {
            let last = part == StoredPart::Rule(70_000);
            as_ever(
                name,
                &StoredBaseline { teid: 0x1230_0001, epoch: 1 << 50, part, sequence: 9, counted: USED, last },
            );
        }
        let record = StoredRecord {
            cursor: 1_000_000,
            session: 77,
            imsi: imsi(),
            teid: 0x1230_0001,
            epoch: 1 << 50,
            part: StoredPart::Bearer(6),
            sequence: 10,
            unix_secs: 1_800_000_000,
            used: USED,
            last: true,
        };
        as_ever("usage-record", &record);
        as_ever("usage-numbers", &StoredNumbers { next: 1_000_001, first: 900_000, session: 78 });
    }

    #[test]
    fn sums_and_plans_are_kept_as_ever() {
        let session = StoredSession {
            number: 77,
            imsi: imsi(),
            apn: "internet".to_owned(),
            ebi: 5,
            address: "10.45.0.2".to_owned(),
            teid: 0x1230_0001,
            started: 1_800_000_000,
            ended: Some(1_800_000_060),
            total: USED,
            bearers: vec![(6, USED)],
            rules: vec![(70_000, USED)],
        };
        as_ever("usage-session", &session);
        let (day, month) = (20_833, 24_324);
        let (of_day, of_month) = (StoredVolume::default(), USED);
        let usage =
            StoredSubscriberUsage { imsi: imsi(), total: USED, day, of_day, month, of_month, last: 1_800_000_000 };
        as_ever("usage-subscriber", &usage);
        let terms = [StoredTerm::Session, StoredTerm::Day, StoredTerm::Month];
        for (term, name) in terms.into_iter().zip(["plan-session", "plan-day", "plan-month"]) {
            let slow = (term == StoredTerm::Month).then_some(64_000);
            as_ever(name, &StoredPlan { imsi: imsi(), octets: 1 << 30, term, slow, extra: 500, extra_for: day });
        }
    }
}
