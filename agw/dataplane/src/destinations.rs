//! Compiles destination rules into the table of /16s and the rule list that programs look at.

use basalt_ebpf_abi::{Address, Class, Destinations, MAX_RULES, Prefix, Settings};

/// Ordered rules: the first that contains an address decides; an address in none goes to the kernel.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Rules(Vec<(Prefix, Class)>);

/// Never reachable through a tunnel: this network, loopback, link-local (metadata services live there), multicast, reserved and
/// broadcast (RFC 6890).
const NOWHERE: [(u32, u8); 5] = [(0, 8), (127 << 24, 8), (169 << 24 | 254 << 16, 16), (224 << 24, 4), (240 << 24, 4)];

impl Rules {
    /// Appends rules of equal rank, longest prefix first, so that the most specific decides among them.
    pub(crate) fn rank(&mut self, mut rules: Vec<(Prefix, Class)>) {
        rules.sort_by_key(|(prefix, _)| core::cmp::Reverse(prefix.length()));
        rules.dedup();
        self.0.extend(rules);
    }

    /// The destinations that are nowhere at all.
    pub(crate) fn nowhere() -> Vec<(Prefix, Class)> {
        NOWHERE.map(|(first, length)| (Prefix::new(first.into(), length), Class::DENY)).to_vec()
    }

    /// What the rules say of an address.
    #[cfg(test)]
    pub(crate) fn class(&self, address: std::net::Ipv4Addr) -> Class {
        self.0.iter().find(|(prefix, _)| prefix.contains(address)).map_or(Class::KERNEL, |rule| rule.1)
    }

    /// Writes the rules for the programs. Returns how many found no room: where only they decide, the kernel does instead, whose
    /// filter refuses the same.
    pub(crate) fn write(&self, settings: &Settings, destinations: &Destinations) -> usize {
        let kept = self.0.len().min(MAX_RULES);
        for ((prefix, class), rule) in self.0.iter().zip(&settings.rules) {
            rule.address.set(Address::from_host(prefix.first()).0);
            rule.mask.set(Address::from_host(prefix.mask()).0);
            rule.class.set(u32::from(class.0));
        }
        settings.default_class.set(u32::from(Class::KERNEL.0));
        settings.rule_count.set(u32::try_from(kept).unwrap_or(0));
        for block in 0..=u16::MAX {
            destinations.set(block.to_be_bytes(), self.block(u32::from(block) << 16, kept));
        }
        self.0.len() - kept
    }

    /// The class of the /16 that starts at `first`.
    fn block(&self, first: u32, kept: usize) -> Class {
        let last = first | 0xffff;
        let mut mixed = false;
        for (i, (prefix, class)) in self.0.iter().enumerate() {
            if prefix.last() < first || prefix.first() > last {
                continue;
            }
            if i >= kept {
                return if mixed { Class::RULES } else { Class::KERNEL };
            }
            if prefix.first() <= first && prefix.last() >= last {
                return if mixed { Class::RULES } else { *class };
            }
            mixed = true;
        }
        if mixed { Class::RULES } else { Class::KERNEL }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::region::Region;
    use proptest::prelude::*;
    use std::net::Ipv4Addr;

    /// What the programs do with the compiled form.
    fn judge(settings: &Settings, destinations: &Destinations, address: Ipv4Addr) -> Class {
        let address = Address::new(address);
        match destinations.class(address.first_octets()) {
            Class::RULES => settings.rule(address),
            class => class,
        }
    }

    fn prefix(a: u8, b: u8, c: u8, d: u8, length: u8) -> Prefix {
        Prefix::new(Ipv4Addr::new(a, b, c, d), length)
    }

    #[test]
    fn exceptions_networks_and_addresses_are_told_apart() {
        let (settings, table) = (Settings::default(), Region::<Destinations>::anonymous(1).unwrap());
        let table = table.get(0).unwrap();
        let mut rules = Rules::default();
        rules.rank(vec![(prefix(10, 9, 1, 1, 32), Class::KERNEL)]);
        rules.rank(vec![(prefix(10, 9, 0, 0, 16), Class::DENY), (prefix(10, 45, 0, 0, 20), Class::PHONES)]);
        rules.rank(vec![(prefix(192, 0, 0, 0, 8), Class(7))]);
        rules.rank(Rules::nowhere());
        assert_eq!(rules.write(&settings, table), 0);
        let judge = |a, b, c, d| judge(&settings, table, Ipv4Addr::new(a, b, c, d));
        assert_eq!(judge(10, 9, 1, 1), Class::KERNEL);
        assert_eq!(judge(10, 9, 1, 2), Class::DENY);
        assert_eq!(judge(10, 45, 15, 255), Class::PHONES);
        assert_eq!(judge(10, 45, 16, 0), Class::KERNEL);
        assert_eq!(judge(192, 168, 0, 1), Class(7));
        assert_eq!(judge(8, 8, 8, 8), Class::KERNEL);
        for nowhere in [(0, 1), (127, 0), (169, 254), (239, 255), (255, 255)] {
            assert_eq!(judge(nowhere.0, nowhere.1, 1, 1), Class::DENY);
        }
        assert_eq!(table.class(u16::from_ne_bytes([8, 8])), Class::KERNEL, "uniform blocks need no rules");
    }

    #[test]
    fn too_many_rules_leave_the_rest_to_the_kernel() {
        let (settings, table) = (Settings::default(), Region::<Destinations>::anonymous(1).unwrap());
        let table = table.get(0).unwrap();
        let mut rules = Rules::default();
        for i in 0..40 {
            rules.rank(vec![(prefix(20, i, 3, 0, 24), Class::DENY)]);
        }
        assert_eq!(rules.write(&settings, table), 8);
        assert_eq!(judge(&settings, table, Ipv4Addr::new(20, 5, 3, 1)), Class::DENY);
        assert_eq!(judge(&settings, table, Ipv4Addr::new(20, 39, 3, 1)), Class::KERNEL);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn the_compiled_form_means_the_same(
            rules in prop::collection::vec((0u32..4, 0u8..=32, any::<u32>(), 0u8..9), 0..32),
            probes in prop::collection::vec(any::<u32>(), 200),
        ) {
            let (settings, table) = (Settings::default(), Region::<Destinations>::anonymous(1).unwrap());
            let table = table.get(0).unwrap();
            // Few distinct high octets, so that rules meet.
            let rules: Vec<(Prefix, Class)> = rules
                .into_iter()
                .map(|(high, length, low, class)| (Prefix::new((high << 24 | low & 0x0003_ffff).into(), length), Class(class)))
                .filter(|(_, class)| *class != Class::RULES)
                .collect();
            let mut compiled = Rules::default();
            compiled.rank(rules);
            compiled.write(&settings, table);
            for probe in probes {
                let address = Ipv4Addr::from(probe & 0x0303_ffff);
                let wanted = compiled.0.iter().find(|(prefix, _)| prefix.contains(address)).map_or(Class::KERNEL, |r| r.1);
                prop_assert_eq!(judge(&settings, table, address), wanted);
            }
        }
    }
}
