//! Whom a gateway lets in besides what the subscriber list says: networks and equipment.

use basalt_ids::{Imeisv, Imsi, Plmn};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Lists of networks and equipment. An empty list of what is allowed allows all; what is refused is refused all the same.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessLists {
    /// Networks whose subscribers are refused.
    pub refused_plmns: BTreeSet<Plmn>,
    /// Networks whose subscribers are served alone.
    pub allowed_plmns: BTreeSet<Plmn>,
    /// Equipment that is refused.
    pub refused_equipment: BTreeSet<Equipment>,
    /// Equipment that is served alone.
    pub allowed_equipment: BTreeSet<Equipment>,
}

/// One piece of equipment, or all of a type (TS 23.003 §6.2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Equipment {
    /// Type allocation code, 8 decimal digits.
    pub tac: u32,
    /// Serial number, 6 decimal digits; `None` for all of the type.
    pub serial: Option<u32>,
}

impl AccessLists {
    /// Whether a subscriber's network is served.
    #[must_use]
    pub fn admits_subscriber(&self, imsi: Imsi) -> bool {
        let of = |list: &BTreeSet<Plmn>| list.iter().any(|plmn| imsi.belongs_to(*plmn));
        !of(&self.refused_plmns) && (self.allowed_plmns.is_empty() || of(&self.allowed_plmns))
    }

    /// Whether equipment is served. What does not say which it is is served only where all is that is not refused.
    #[must_use]
    pub fn admits_equipment(&self, imeisv: Option<Imeisv>) -> bool {
        let Some(imeisv) = imeisv else { return self.allowed_equipment.is_empty() };
        let (tac, serial) = (imeisv.type_allocation_code(), Some(imeisv.serial_number()));
        let of = |list: &BTreeSet<Equipment>| {
            list.contains(&Equipment { tac, serial: None }) || list.contains(&Equipment { tac, serial })
        };
        !of(&self.refused_equipment) && (self.allowed_equipment.is_empty() || of(&self.allowed_equipment))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_refused_or_alone_allowed() {
        let imsi: Imsi = "001010000000001".parse().unwrap();
        let mut lists = AccessLists::default();
        assert!(lists.admits_subscriber(imsi));
        lists.allowed_plmns.insert("001-02".parse().unwrap());
        assert!(!lists.admits_subscriber(imsi));
        lists.allowed_plmns.insert("001-01".parse().unwrap());
        assert!(lists.admits_subscriber(imsi));
        lists.refused_plmns.insert("001-01".parse().unwrap());
        assert!(!lists.admits_subscriber(imsi), "what is refused is refused all the same");
    }

    #[test]
    fn equipment_is_one_device_or_a_type() {
        let device = |text: &str| Some(text.parse::<Imeisv>().unwrap());
        let mut lists = AccessLists::default();
        assert!(lists.admits_equipment(None));
        lists.refused_equipment.insert(Equipment { tac: 35_824_005, serial: Some(111_111) });
        assert!(!lists.admits_equipment(device("3582400511111101")));
        assert!(lists.admits_equipment(device("3582400511111201")));
        lists.allowed_equipment.insert(Equipment { tac: 35_824_006, serial: None });
        assert!(lists.admits_equipment(device("3582400600000001")));
        assert!(!lists.admits_equipment(device("3582400511111201")));
        assert!(!lists.admits_equipment(None), "it could be any");
    }
}
