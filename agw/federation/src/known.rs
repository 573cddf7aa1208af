//! What is remembered of a phone.

use crate::anchors::Anchored;
use crate::subscription::Subscription;
use agw_types::AuthMaterial;
use basalt_ids::{Ebi, Imsi, Plmn, Tac};
use basalt_sansio::{Duration, Time};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};

/// Challenges remembered, so that one that comes again is noticed.
const CHALLENGES: usize = 16;

/// What is remembered of a phone, for the disk. Its layout is a format. Vectors are keys: they are sealed before they are written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Remembered {
    /// Whose.
    pub imsi: Imsi,
    /// The subscription, and until when it may stand for an answer, seconds since 1970 UTC.
    pub subscription: Option<(Subscription, u64)>,
    /// Where the phone was served.
    pub serving: Option<Plmn>,
    /// The HSS that has it.
    pub hss: String,
    /// Challenges that were used.
    pub used: Vec<[u8; 16]>,
    /// Unused vectors with the network they are for, and until when they are good, seconds since 1970 UTC.
    #[serde(skip)]
    pub vectors: Vec<(Plmn, u64, AuthMaterial)>,
    /// The home network wants to hear when the phone can be reached. Kept beside the rest, whose layout is older.
    #[serde(skip)]
    pub awaited: bool,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Known {
    /// Vectors in the order of use, with the network they are for and until when they are good.
    vectors: VecDeque<(Plmn, Time, AuthMaterial)>,
    /// Challenges that were used.
    used: VecDeque<[u8; 16]>,
    /// The subscription, and until when it may stand for an answer.
    pub(crate) subscription: Option<(Subscription, Time)>,
    /// Where the phone is served.
    pub(crate) serving: Option<Plmn>,
    /// The tracking area in which it attached, unless that was before a restart.
    pub(crate) area: Option<Tac>,
    /// The HSS that has the phone.
    pub(crate) hss: String,
    /// The home network knows that the phone is here.
    pub(crate) confirmed: bool,
    /// It is here, as far as is known.
    pub(crate) present: bool,
    /// It has a radio connection.
    pub(crate) connected: bool,
    /// The home network wants to hear when it can be reached (URRP-MME, TS 23.401 §5.7.2).
    pub(crate) awaited: bool,
    /// Its sessions by their default bearers.
    pub(crate) sessions: BTreeMap<Ebi, Anchored>,
}

impl Known {
    /// The next vector for a network that is not too old. It is gone from here.
    pub(crate) fn take(&mut self, serving: Plmn, now: Time) -> Option<AuthMaterial> {
        self.vectors.retain(|(network, until, _)| *network == serving && now <= *until);
        let (_, _, vector) = self.vectors.pop_front()?;
        self.use_up(vector.rand);
        Some(vector)
    }

    /// Keeps vectors, but those that were here before: a home network that gives one twice is wrong, and nobody uses it.
    pub(crate) fn keep(&mut self, serving: Plmn, until: Time, vectors: Vec<AuthMaterial>) {
        for vector in vectors {
            let seen = self.used.contains(&vector.rand) || self.vectors.iter().any(|(.., had)| had.rand == vector.rand);
            if !seen && self.vectors.len() < 5 {
                self.vectors.push_back((serving, until, vector));
            }
        }
    }

    /// Vectors at hand.
    pub(crate) fn at_hand(&self) -> usize {
        self.vectors.len()
    }

    /// The USIM has another idea of sequence numbers: what was made before is worth nothing.
    pub(crate) fn discard(&mut self) {
        self.vectors.clear();
    }

    /// For the disk. `now` and `unix` are the same moment, by both clocks.
    pub(crate) fn stored(&self, imsi: Imsi, now: Time, unix: u64) -> Remembered {
        let moment = |until: Time| unix.saturating_add(until.since(now).as_secs());
        let vectors = self.vectors.iter().map(|(plmn, until, vector)| (*plmn, moment(*until), vector.clone()));
        Remembered {
            imsi,
            subscription: self.subscription.as_ref().map(|(known, until)| (known.clone(), moment(*until))),
            serving: self.serving,
            hss: self.hss.clone(),
            used: self.used.iter().copied().collect(),
            vectors: vectors.collect(),
            awaited: self.awaited,
        }
    }

    /// From the disk; what is over is left out.
    pub(crate) fn restored(from: Remembered, now: Time, unix: u64) -> Self {
        let moment =
            |until: u64| until.checked_sub(unix).filter(|left| *left > 0).map(|left| now + Duration::from_secs(left));
        let vectors = from.vectors.into_iter();
        Self {
            vectors: vectors.filter_map(|(plmn, until, vector)| Some((plmn, moment(until)?, vector))).collect(),
            used: from.used.into_iter().collect(),
            subscription: from.subscription.and_then(|(known, until)| Some((known, moment(until)?))),
            serving: from.serving,
            area: None,
            hss: from.hss,
            confirmed: false,
            present: false,
            connected: false,
            awaited: from.awaited,
            sessions: BTreeMap::new(),
        }
    }

    fn use_up(&mut self, rand: [u8; 16]) {
        self.used.push_back(rand);
        if self.used.len() > CHALLENGES {
            self.used.pop_front();
        }
    }
}
