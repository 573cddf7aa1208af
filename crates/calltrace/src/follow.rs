//! Procedures as they end: what a phone and the network said to each other, given out when nothing of it is under way any more.

use crate::Record;
use crate::ladder::{Message, read};
use crate::procedures::{self, Procedure};
use std::collections::BTreeMap;

/// Phones of whom something is under way, at most.
pub const FOLLOWED: usize = 65_536;
/// Messages of each that are kept.
const MESSAGES: usize = 256;

/// What belongs together: the procedures of a phone from one moment at which nothing was under way to the next.
#[derive(Debug, Clone, PartialEq)]
pub struct Story {
    /// Whose.
    pub imsi: String,
    /// The base station over which it ended.
    pub peer: String,
    /// What came of it; each names its messages.
    pub procedures: Vec<Procedure>,
    /// What was said.
    pub messages: Vec<Message>,
}

/// Follows phones by their records.
#[derive(Debug, Default)]
pub struct Follow {
    open: BTreeMap<String, Vec<(Message, String)>>,
}

impl Follow {
    /// Takes a record of a phone that is known; gives its story when it ends with it. The first records of a story begin it.
    pub fn take(&mut self, record: &Record) -> Option<Story> {
        let imsi = record.imsi.clone()?;
        if !self.open.contains_key(&imsi) && self.open.len() >= FOLLOWED {
            self.open.pop_first();
        }
        let kept = self.open.entry(imsi.clone()).or_default();
        if kept.len() < MESSAGES {
            kept.push((read(kept.len(), record, Some(imsi.clone())), record.peer.clone()));
        }
        let ends = kept.last().is_some_and(|(message, _)| procedures::ends(message));
        if !ends {
            return None;
        }
        let mut messages: Vec<Message> = kept.iter().map(|(message, _)| message.clone()).collect();
        let procedures = procedures::group(&mut messages);
        // Of what has failed as a whole, parts are not answered any more.
        let failed = procedures.iter().any(|procedure| procedure.parent.is_none() && procedure.result == "failure");
        if !failed && procedures.iter().any(|procedure| procedure.result == "open") {
            return None;
        }
        self.open.remove(&imsi);
        (!procedures.is_empty()).then(|| Story { imsi, peer: record.peer.clone(), procedures, messages })
    }

    /// Whether something of this phone is under way.
    #[must_use]
    pub fn is_under_way(&self, imsi: &str) -> bool {
        self.open.contains_key(imsi)
    }

    /// Stories of which nothing was heard since `before`, microseconds since 1970: their ends were not seen, or nothing of them was a
    /// procedure, and then they are forgotten.
    pub fn given_up(&mut self, before: u64) -> (Vec<Story>, Vec<String>) {
        let quiet = |kept: &Vec<(Message, String)>| kept.last().is_none_or(|(message, _)| message.at < before);
        let old: Vec<String> = self.open.iter().filter(|(_, kept)| quiet(kept)).map(|(imsi, _)| imsi.clone()).collect();
        let mut stories = Vec::new();
        for imsi in &old {
            let kept = self.open.remove(imsi).unwrap_or_default();
            let peer = kept.last().map(|(_, peer)| peer.clone()).unwrap_or_default();
            let mut messages: Vec<Message> = kept.into_iter().map(|(message, _)| message).collect();
            let procedures = procedures::group(&mut messages);
            if !procedures.is_empty() {
                stories.push(Story { imsi: imsi.clone(), peer, procedures, messages });
            }
        }
        (stories, old)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Protocol;

    /// With IMSI, UE network capability, and a PDN CONNECTIVITY REQUEST inside.
    const ATTACH_REQUEST: &[u8] =
        &[7, 0x41, 0x71, 8, 9, 0x10, 0x10, 0, 0, 0, 0, 0x10, 2, 0xe0, 0xe0, 0, 4, 2, 1, 0xd0, 0x11];
    /// RAND and AUTN of zeros.
    const AUTHENTICATION_REQUEST: &[u8] = &[
        7, 0x52, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 16, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    ];
    const AUTHENTICATION_RESPONSE: &[u8] = &[7, 0x53, 8, 1, 2, 3, 4, 5, 6, 7, 8];
    /// With ACTIVATE DEFAULT EPS BEARER CONTEXT ACCEPT inside.
    const ATTACH_COMPLETE: &[u8] = &[7, 0x43, 0, 3, 0x52, 0, 0xc2];
    const ATTACH_REJECT: &[u8] = &[7, 0x44, 15];

    fn record(at: u64, sent: bool, octets: &[u8]) -> Record {
        let mut record = Record::new(at, Protocol::Nas, sent, octets.to_vec());
        record.imsi = Some("001010000000001".to_owned());
        record
    }

    #[test]
    fn a_story_is_given_out_when_nothing_of_it_is_under_way() {
        let mut follow = Follow::default();
        assert_eq!(follow.take(&record(1, false, ATTACH_REQUEST)), None);
        assert_eq!(follow.take(&record(2, true, AUTHENTICATION_REQUEST)), None);
        assert_eq!(follow.take(&record(3, false, AUTHENTICATION_RESPONSE)), None);
        let story = follow.take(&record(9, false, ATTACH_COMPLETE)).unwrap();
        let told: Vec<_> = story.procedures.iter().map(|it| (it.name, it.result, it.duration, it.parent)).collect();
        assert_eq!(told, [("attach", "success", 8, None), ("authentication", "success", 1, Some(0))]);
        assert_eq!(story.messages.len(), 4);
        assert!(!follow.is_under_way("001010000000001"));
    }

    #[test]
    fn a_failure_ends_it_whatever_is_not_answered() {
        let mut follow = Follow::default();
        follow.take(&record(1, false, ATTACH_REQUEST));
        follow.take(&record(2, true, AUTHENTICATION_REQUEST));
        let story = follow.take(&record(3, true, ATTACH_REJECT)).unwrap();
        assert_eq!(story.procedures[0].result, "failure");
        assert!(story.procedures[0].cause.is_some());
    }

    #[test]
    fn what_nobody_ends_is_given_up() {
        let mut follow = Follow::default();
        follow.take(&record(5, false, ATTACH_REQUEST));
        assert_eq!(follow.given_up(5), (Vec::new(), Vec::new()));
        let (stories, gone) = follow.given_up(6);
        assert_eq!((stories[0].procedures[0].result, gone.len()), ("open", 1));
        // A message that is part of no procedure leaves nothing behind.
        follow.take(&record(7, true, &[7, 0x61]));
        assert_eq!(follow.given_up(8), (Vec::new(), vec!["001010000000001".to_owned()]));
    }
}
