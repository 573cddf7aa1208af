//! What was told of phones on this stream: only differences go up. Nothing of it outlives the stream, and nothing is kept for
//! a link that is away: the next look tells everything.

use crate::Phone;
use core::hash::{Hash, Hasher};
use core::ops::Bound;
use std::collections::BTreeMap;

/// Phones of which is remembered what was told; those beyond are not told of.
const MOST: usize = 100_000;

/// What came of a look.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct News {
    /// Nothing was told on this stream before.
    pub(crate) whole: bool,
    pub(crate) phones: Vec<Phone>,
    pub(crate) gone: Vec<String>,
}

/// What was told, as digests.
#[derive(Debug, Clone, Default)]
pub(crate) struct Told {
    begun: bool,
    phones: BTreeMap<String, u64>,
}

impl Told {
    /// Whether anything was told.
    pub(crate) const fn begun(&self) -> bool {
        self.begun
    }

    /// All phones whose IMSI lies after one (`""` is before all) and up to another (none is after all): what is new about them.
    pub(crate) fn look(&mut self, after: &str, through: Option<&str>, phones: Vec<Phone>) -> Option<News> {
        let mut news = News { whole: !self.begun, ..News::default() };
        let end = through.map_or(Bound::Unbounded, Bound::Included);
        let range = (Bound::Excluded(after), end);
        let held = self.phones.range::<str, _>(range).map(|(imsi, _)| imsi);
        let there: std::collections::BTreeSet<&str> = phones.iter().map(|phone| phone.imsi.as_str()).collect();
        news.gone = held.filter(|imsi| !there.contains(imsi.as_str())).cloned().collect();
        for imsi in &news.gone {
            self.phones.remove(imsi);
        }
        for phone in phones {
            let digest = digest(&phone);
            let known = self.phones.get(&phone.imsi) == Some(&digest);
            if !known && (self.phones.len() < MOST || self.phones.contains_key(&phone.imsi)) {
                self.phones.insert(phone.imsi.clone(), digest);
                news.phones.push(phone);
            }
        }
        self.begun = true;
        (news.whole || !news.phones.is_empty() || !news.gone.is_empty()).then_some(news)
    }
}

fn digest(phone: &Phone) -> u64 {
    // Its key is fixed: the same phone has the same digest in every run.
    #[allow(deprecated, reason = "the one hasher of core without a random key")]
    let mut hasher = core::hash::SipHasher::new();
    phone.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn phone(imsi: &str, state: &str) -> Phone {
        Phone { imsi: imsi.to_owned(), state: state.to_owned(), ..Phone::default() }
    }

    #[test]
    fn only_differences_are_told_and_a_new_stream_hears_everything() {
        let mut told = Told::default();
        let first = told.look("", Some("2"), vec![phone("1", "idle"), phone("2", "idle")]).unwrap();
        assert!(first.whole && first.phones.len() == 2 && first.gone.is_empty());
        assert_eq!(told.look("2", None, vec![phone("3", "idle")]).unwrap().phones, [phone("3", "idle")]);
        assert_eq!(told.look("", Some("2"), vec![phone("1", "idle"), phone("2", "idle")]), None);
        // One went, one changed; what lies outside of the look is left alone.
        let news = told.look("", Some("2"), vec![phone("1", "connected")]).unwrap();
        assert_eq!(news, News { whole: false, phones: vec![phone("1", "connected")], gone: vec!["2".to_owned()] });
        assert_eq!(told.look("2", None, vec![]).unwrap().gone, ["3"]);
        let mut told = Told::default();
        assert!(told.look("", None, vec![]).unwrap().whole, "also that there is none");
        assert_eq!(told.look("", None, vec![]), None);
    }
}
