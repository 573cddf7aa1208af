//! Where subscribers of zones are served (regionally provided service: TS 23.008 §2.4.7, TS 29.272 §7.3.70).
//!
//! A home network names zones by codes that it has agreed with this one (TS 23.003 §8.1); which tracking areas a zone is made of, this
//! one's operator says.

use basalt_ids::Tac;
use std::collections::BTreeMap;

/// Zone codes of tracking areas.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Zones {
    /// Of those areas that have their own.
    pub areas: BTreeMap<Tac, Vec<u16>>,
    /// Of all others.
    pub others: Vec<u16>,
}

impl Zones {
    /// The zones of an area; of an unknown one, all that there are here.
    #[must_use]
    pub fn at(&self, area: Option<Tac>) -> Vec<u16> {
        match area {
            Some(area) => self.areas.get(&area).unwrap_or(&self.others).clone(),
            None => self.areas.values().chain([&self.others]).flatten().copied().collect(),
        }
    }

    /// Areas in which a subscriber of these zones is not served; nobody is kept out who has no zones.
    #[must_use]
    pub fn barred(&self, codes: &[u16]) -> Vec<Tac> {
        let outside = |zones: &[u16]| !codes.is_empty() && !zones.iter().any(|zone| codes.contains(zone));
        self.areas.iter().filter(|(_, zones)| outside(zones)).map(|(area, _)| *area).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn areas_have_their_own_zones_or_those_of_all() {
        let areas = BTreeMap::from([(Tac(1), vec![7]), (Tac(2), vec![8, 9]), (Tac(3), Vec::new())]);
        let zones = Zones { areas, others: vec![5] };
        assert_eq!((zones.at(Some(Tac(2))), zones.at(Some(Tac(4)))), (vec![8, 9], vec![5]));
        assert_eq!(zones.at(None), [7, 8, 9, 5]);
        assert_eq!(zones.barred(&[9, 5]), [Tac(1), Tac(3)]);
        assert!(zones.barred(&[]).is_empty());
    }
}
