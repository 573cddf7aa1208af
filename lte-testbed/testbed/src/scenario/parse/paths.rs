//! Sentences about what paths carry.

use super::{Sentence, index, number, place, unknown};
use crate::scenario::script::{Place, Step};

/// `path from A to B carries N octets`, `segments of A have at most N octets`, what programs and cables do.
pub(super) fn step(words: &[&str]) -> Sentence<Step> {
    let (rest, ipv6) = words.strip_suffix(&["over", "IPv6"]).map_or((words, false), |rest| (rest, true));
    match rest {
        ["path", "from", "internet", "to", to @ .., "carries", octets, "octets"] => {
            Ok(Step::PathCarries(Place::Internet, place(to)?, number(octets)?, ipv6))
        }
        ["path", "from", by @ .., "to", "internet", "carries", octets, "octets"] => {
            Ok(Step::PathCarries(place(by)?, Place::Internet, number(octets)?, ipv6))
        }
        ["path", "back", "from", "internet", "to", "ue", phone, "carries", octets, "octets"] => {
            Ok(Step::PathBack(index(phone)?, number(octets)?))
        }
        ["segments", "of", by @ .., "have", "at", "most", octets, "octets"] => {
            Ok(Step::Segments(place(by)?, number(octets)?, ipv6))
        }
        ["programs", "of", "ue", phone, "send", octets, "octets", "at", "once"] => {
            Ok(Step::IgnoresMtu(index(phone)?, number(octets)?))
        }
        ["network", "of", "internet", "carries", octets, "octets"] => Ok(Step::InternetMtu(number(octets)?)),
        ["network", "of", "enbs", "carries", octets, "octets"] => Ok(Step::StationsMtu(number(octets)?)),
        ["cable", "of", "enbs", "carries", octets, "octets"] => Ok(Step::RadioMtu(number(octets)?)),
        _ => Err(unknown(&words.join(" "))),
    }
}
