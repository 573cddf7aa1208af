//! Guaranteed rates: what was promised, and whether one more promise can be kept (TS 23.203 §6.1.7, ARP in TS 23.401 §4.7.3).
//!
//! A promise counts for the gateway, for its access point and, while the phone is connected, for the base station. One that does not
//! fit takes the place of less important ones, if its ARP lets it and theirs let them go.

use agw_types::{Ambr, Arp, QosConfig, UeId};
use basalt_ids::{Apn, Ebi};
use core::net::IpAddr;
use std::collections::BTreeMap;

/// What one bearer was promised.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Promise {
    pub(crate) rates: Ambr,
    pub(crate) apn: Apn,
    /// The base station, by where it receives GTP-U.
    pub(crate) enb: Option<IpAddr>,
    pub(crate) arp: Arp,
}

/// All that is promised.
#[derive(Debug, Default)]
pub(crate) struct Admission {
    promises: BTreeMap<(UeId, Ebi), Promise>,
    sums: Sums,
}

/// Sums of promises by what they count for.
#[derive(Debug, Clone, Default)]
struct Sums {
    gateway: Wide,
    apns: BTreeMap<Apn, Wide>,
    enbs: BTreeMap<IpAddr, Wide>,
}

/// Rates of many bearers: no sum of `u64` overflows it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Wide {
    uplink: u128,
    downlink: u128,
}

impl Wide {
    fn add(&mut self, rates: Ambr) {
        self.uplink += u128::from(rates.uplink);
        self.downlink += u128::from(rates.downlink);
    }

    fn take(&mut self, rates: Ambr) {
        self.uplink = self.uplink.saturating_sub(rates.uplink.into());
        self.downlink = self.downlink.saturating_sub(rates.downlink.into());
    }

    fn within(self, limit: Option<Ambr>) -> bool {
        limit.is_none_or(|limit| self.uplink <= limit.uplink.into() && self.downlink <= limit.downlink.into())
    }
}

impl Sums {
    fn add(&mut self, promise: &Promise) {
        self.gateway.add(promise.rates);
        self.apns.entry(promise.apn.clone()).or_default().add(promise.rates);
        if let Some(enb) = promise.enb {
            self.enbs.entry(enb).or_default().add(promise.rates);
        }
    }

    fn take(&mut self, promise: &Promise) {
        self.gateway.take(promise.rates);
        if let Some(sum) = self.apns.get_mut(&promise.apn) {
            sum.take(promise.rates);
        }
        if let Some(enb) = promise.enb
            && let Some(sum) = self.enbs.get_mut(&enb)
        {
            sum.take(promise.rates);
            if *sum == Wide::default() {
                self.enbs.remove(&enb);
            }
        }
    }

    /// Which bounds of `promise` are passed: of the gateway, of its access point, of its base station.
    fn passed(&self, limits: &QosConfig, promise: &Promise) -> [bool; 3] {
        let apn = limits.apns.get(promise.apn.as_str()).and_then(|apn| apn.guaranteed);
        let of_apn = self.apns.get(&promise.apn).copied().unwrap_or_default();
        let of_enb = promise.enb.and_then(|enb| self.enbs.get(&enb)).copied().unwrap_or_default();
        [
            !self.gateway.within(limits.guaranteed),
            !of_apn.within(apn),
            promise.enb.is_some() && !of_enb.within(limits.guaranteed_per_enb),
        ]
    }
}

impl Admission {
    /// Makes a promise, in place of what the bearer was promised before. Gives the bearers that have to go for it; what they were
    /// promised is free. `None` when it cannot be kept: nothing has changed then.
    pub(crate) fn admit(
        &mut self,
        limits: &QosConfig,
        bearer: (UeId, Ebi),
        promise: Promise,
    ) -> Option<Vec<(UeId, Ebi)>> {
        let mut sums = self.sums.clone();
        if let Some(former) = self.promises.get(&bearer) {
            sums.take(former);
        }
        sums.add(&promise);
        let mut victims = Vec::new();
        if sums.passed(limits, &promise) != [false; 3] {
            if !promise.arp.may_preempt {
                return None;
            }
            let mut candidates: Vec<_> = self
                .promises
                .iter()
                .filter(|(id, other)| {
                    **id != bearer && other.arp.preemptable && other.arp.priority > promise.arp.priority
                })
                .collect();
            // The least important first; of equal ones the largest.
            candidates.sort_by_key(|(id, other)| {
                let rates = u128::from(other.rates.uplink) + u128::from(other.rates.downlink);
                (core::cmp::Reverse((other.arp.priority, rates)), **id)
            });
            for (id, other) in candidates {
                let [gateway, apn, enb] = sums.passed(limits, &promise);
                if !(gateway || apn || enb) {
                    break;
                }
                if gateway || apn && other.apn == promise.apn || enb && other.enb == promise.enb {
                    sums.take(other);
                    victims.push(*id);
                }
            }
            if sums.passed(limits, &promise) != [false; 3] {
                return None;
            }
        }
        for victim in &victims {
            self.promises.remove(victim);
        }
        self.promises.insert(bearer, promise);
        self.sums = sums;
        Some(victims)
    }

    /// Keeps a promise of before, whatever the limits are now.
    pub(crate) fn restore(&mut self, bearer: (UeId, Ebi), promise: Promise) {
        self.release(bearer);
        self.sums.add(&promise);
        self.promises.insert(bearer, promise);
    }

    /// Gives back what a bearer was promised.
    pub(crate) fn release(&mut self, bearer: (UeId, Ebi)) {
        if let Some(promise) = self.promises.remove(&bearer) {
            self.sums.take(&promise);
        }
    }

    /// The phone has left its base station: what it was promised counts for none.
    pub(crate) fn leave_enb(&mut self, bearer: (UeId, Ebi)) {
        if let Some(promise) = self.promises.get_mut(&bearer) {
            self.sums.take(promise);
            promise.enb = None;
            self.sums.add(promise);
        }
    }

    /// Guaranteed rates of all bearers together, bit/s, uplink and downlink.
    pub(crate) fn promised(&self) -> Ambr {
        let narrow = |wide: u128| u64::try_from(wide).unwrap_or(u64::MAX);
        Ambr { uplink: narrow(self.sums.gateway.uplink), downlink: narrow(self.sums.gateway.downlink) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use agw_types::ApnQos;
    use basalt_sansio::SlotId;

    fn bearer(number: u32) -> (UeId, Ebi) {
        (UeId(SlotId(number)), Ebi::new(6).unwrap())
    }

    fn promise(rate: u64, priority: u8, may_preempt: bool, enb: u8) -> Promise {
        Promise {
            rates: Ambr { uplink: rate, downlink: rate },
            apn: "ims".parse().unwrap(),
            enb: Some([10, 0, 0, enb].into()),
            arp: Arp { priority, may_preempt, preemptable: true },
        }
    }

    fn limits(gateway: u64, enb: u64) -> QosConfig {
        let rate = |rate| Some(Ambr { uplink: rate, downlink: rate });
        QosConfig { guaranteed: rate(gateway), guaranteed_per_enb: rate(enb), ..QosConfig::default() }
    }

    #[test]
    fn what_does_not_fit_is_refused_and_comes_free_again() {
        let (mut admission, limits) = (Admission::default(), limits(100, 1000));
        assert_eq!(admission.admit(&limits, bearer(1), promise(60, 5, false, 1)), Some(vec![]));
        assert_eq!(admission.admit(&limits, bearer(2), promise(60, 1, false, 1)), None);
        assert_eq!(admission.promised().uplink, 60);
        // The same bearer's promise is replaced, not added.
        assert_eq!(admission.admit(&limits, bearer(1), promise(100, 5, false, 1)), Some(vec![]));
        admission.release(bearer(1));
        assert_eq!(admission.promised().uplink, 0);
        assert_eq!(admission.admit(&limits, bearer(2), promise(60, 1, false, 1)), Some(vec![]));
    }

    #[test]
    fn the_more_important_takes_the_place_of_the_least_important() {
        let (mut admission, limits) = (Admission::default(), limits(100, 1000));
        for (number, priority) in [(1, 3), (2, 9), (3, 9)] {
            admission.admit(&limits, bearer(number), promise(30, priority, false, 1)).unwrap();
        }
        assert_eq!(admission.admit(&limits, bearer(4), promise(40, 3, false, 1)), None, "it may not");
        let victims = admission.admit(&limits, bearer(4), promise(40, 3, true, 1)).unwrap();
        assert_eq!(victims, [bearer(2)]);
        // Nobody gives way to an equal.
        assert_eq!(admission.admit(&limits, bearer(5), promise(60, 3, true, 1)), None);
        assert_eq!(admission.promised().downlink, 100);
    }

    #[test]
    fn each_base_station_and_access_point_has_a_bound_of_its_own() {
        let (mut admission, mut limits) = (Admission::default(), limits(1000, 50));
        admission.admit(&limits, bearer(1), promise(40, 5, false, 1)).unwrap();
        assert_eq!(admission.admit(&limits, bearer(2), promise(40, 5, false, 1)), None);
        assert!(admission.admit(&limits, bearer(2), promise(40, 5, false, 2)).is_some());
        admission.leave_enb(bearer(1));
        assert!(admission.admit(&limits, bearer(3), promise(40, 5, false, 1)).is_some());
        let guaranteed = Some(Ambr { uplink: 130, downlink: 130 });
        limits.apns.insert("ims".to_owned(), ApnQos { guaranteed, ..ApnQos::default() });
        assert_eq!(admission.admit(&limits, bearer(4), promise(40, 5, false, 3)), None);
    }
}
