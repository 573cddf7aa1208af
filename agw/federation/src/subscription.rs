//! What a home network tells of a subscription, as it is kept, changed in parts, and turned into a profile.

use agw_types::{Ambr, ApnProfile, Arp, AuthFailure, BearerQos, PdnTypes, Profile};
use basalt_ids::{Apn, Imsi, Msisdn, Qci};
use serde::{Deserialize, Serialize};

/// One access point.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Access {
    /// Context-Identifier.
    pub context: u32,
    /// Its name; `None` for any.
    pub apn: Option<Apn>,
    /// What a session may be.
    pub pdn_types: PdnTypes,
    /// QoS of the default bearer.
    pub qos: Option<BearerQos>,
    /// Aggregate rate.
    pub ambr: Option<Ambr>,
}

/// Access points, whole or in part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accesses {
    /// The default one's context.
    pub default: u32,
    /// These are all.
    pub complete: bool,
    /// The access points.
    pub list: Vec<Access>,
}

/// A subscription, or what changed of one: what is not told is `None` or empty.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Subscription {
    /// Telephone number.
    pub msisdn: Option<Msisdn>,
    /// Barred by the operator.
    pub barred: Option<bool>,
    /// What is barred (TS 29.272 §7.3.30).
    pub odb: Option<u32>,
    /// Access-Restriction-Data.
    pub access_restriction: Option<u32>,
    /// Aggregate rate of all sessions.
    pub ambr: Option<Ambr>,
    /// Access points.
    pub accesses: Option<Accesses>,
    /// Zone codes.
    pub zone_codes: Vec<u16>,
    /// 3GPP-Charging-Characteristics.
    pub charging: Option<u16>,
    /// Roaming is restricted since a feature is missing here.
    pub roaming_restricted: bool,
}

/// Access-Restriction-Data: E-UTRAN is not allowed (TS 29.272 §7.3.31).
const NO_EUTRAN: u32 = 1 << 4;
/// The same: sessions may not go on over accesses that are not of 3GPP.
const NO_OTHER_ACCESS: u32 = 1 << 5;
/// Operator-Determined-Barring: all packet services are barred (TS 29.272 §7.3.30).
const ALL_PACKET_SERVICES: u32 = 1;
/// DSR-Flags (TS 29.272 §7.3.25).
const DELETE_ZONES: u32 = 1;
const DELETE_ALL_APNS: u32 = 1 << 1;
const DELETE_CHARGING: u32 = 1 << 2;
const DELETE_APNS: u32 = 1 << 3;
const DELETE_ROAMING_RESTRICTION: u32 = 1 << 7;

/// EMM causes (TS 24.301 §9.9.3.9).
const PLMN_NOT_ALLOWED: u8 = 11;
const TRACKING_AREA_NOT_ALLOWED: u8 = 12;
const NO_SUITABLE_CELLS: u8 = 15;

/// QoS where the home network tells none: non-GBR, lowest priority but one.
const USUAL_QOS: BearerQos =
    BearerQos { qci: Qci(9), arp: Arp { priority: 14, may_preempt: false, preemptable: true } };

impl Subscription {
    /// Whether sessions may go on over accesses that are not of 3GPP.
    pub(crate) fn may_leave(&self) -> bool {
        self.access_restriction.unwrap_or(0) & NO_OTHER_ACCESS == 0
    }

    /// Context-Identifier of what is subscribed for an access point: its own, or that of any.
    pub(crate) fn context_of(&self, apn: &Apn) -> Option<u32> {
        let list = &self.accesses.as_ref()?.list;
        let own = list.iter().find(|access| access.apn.as_ref() == Some(apn));
        own.or_else(|| list.iter().find(|access| access.apn.is_none())).map(|access| access.context)
    }

    /// Takes in what changed (TS 29.272 §5.2.2.1.2).
    pub fn merge(&mut self, change: Subscription) {
        self.msisdn = change.msisdn.or(self.msisdn);
        self.barred = change.barred.or(self.barred);
        self.odb = change.odb.or(self.odb);
        self.access_restriction = change.access_restriction.or(self.access_restriction);
        self.ambr = change.ambr.or(self.ambr);
        self.charging = change.charging.or(self.charging);
        self.roaming_restricted |= change.roaming_restricted;
        if !change.zone_codes.is_empty() {
            self.zone_codes = change.zone_codes;
        }
        match (change.accesses, &mut self.accesses) {
            (Some(new), Some(old)) if !new.complete => {
                old.default = new.default;
                for access in new.list {
                    match old.list.iter_mut().find(|known| known.context == access.context) {
                        Some(known) => *known = access,
                        None => old.list.push(access),
                    }
                }
            }
            (Some(new), old) => *old = Some(new),
            (None, _) => {}
        }
    }

    /// Takes out what is withdrawn (TS 29.272 §5.2.2.2.2).
    pub fn delete(&mut self, flags: u32, contexts: &[u32]) {
        if flags & DELETE_ZONES != 0 {
            self.zone_codes.clear();
        }
        if flags & DELETE_CHARGING != 0 {
            self.charging = None;
        }
        if flags & DELETE_ROAMING_RESTRICTION != 0 {
            self.roaming_restricted = false;
        }
        if let Some(accesses) = &mut self.accesses {
            if flags & DELETE_ALL_APNS != 0 {
                accesses.list.clear();
            }
            if flags & DELETE_APNS != 0 {
                accesses.list.retain(|access| !contexts.contains(&access.context));
            }
        }
    }

    /// The profile that the gateway acts on, whose tracking areas belong to these zones of the home network's. A subscriber of
    /// zones is served in those alone (regionally provided service, TS 23.008 §2.4.7, TS 29.272 §5.2.1.1.3). `here`: access points of
    /// the gateway.
    ///
    /// # Errors
    /// The subscription does not allow what this gateway offers, with the cause for the phone.
    pub fn profile(&self, imsi: Imsi, zones: &[u16], here: &[Apn]) -> Result<Profile, AuthFailure> {
        let barred = self.barred == Some(true) && self.odb.unwrap_or(ALL_PACKET_SERVICES) & ALL_PACKET_SERVICES != 0;
        if barred || self.access_restriction.unwrap_or(0) & NO_EUTRAN != 0 {
            return Err(AuthFailure::Refused(NO_SUITABLE_CELLS));
        }
        if self.roaming_restricted {
            return Err(AuthFailure::Refused(PLMN_NOT_ALLOWED));
        }
        if !self.zone_codes.is_empty() && !self.zone_codes.iter().any(|code| zones.contains(code)) {
            return Err(AuthFailure::Refused(TRACKING_AREA_NOT_ALLOWED));
        }
        let accesses = self.accesses.as_ref();
        let mut list: Vec<&Access> = accesses.map(|accesses| accesses.list.iter().collect()).unwrap_or_default();
        let default = accesses.map_or(0, |accesses| accesses.default);
        list.sort_by_key(|access| access.context != default);
        let unlimited = Ambr { uplink: u64::MAX, downlink: u64::MAX };
        let ambr = self.ambr.unwrap_or(unlimited);
        let named = |name: &Apn| {
            list.iter().any(|access| access.apn.as_ref().is_some_and(|apn| apn.network_identifier() == *name))
        };
        // The wildcard is for those that are not named (TS 23.401 §4.3.8.1).
        let others: Vec<Apn> = here.iter().filter(|name| !named(name)).cloned().collect();
        let names = |access: &Access| match &access.apn {
            Some(apn) => vec![apn.network_identifier()],
            None => others.clone(),
        };
        let of = |access| names(access).into_iter().map(move |name| access_point(access, name, ambr));
        let apns: Vec<ApnProfile> = list.iter().copied().flat_map(of).collect();
        if apns.is_empty() {
            return Err(AuthFailure::Refused(NO_SUITABLE_CELLS));
        }
        Ok(Profile { imsi, msisdn: self.msisdn, ambr, apns })
    }
}

/// Addresses that the home network gives away lead to itself, and sessions here break out locally: they come from our pools.
fn access_point(access: &Access, apn: Apn, ambr: Ambr) -> ApnProfile {
    let profile = ApnProfile::new(apn, access.qos.unwrap_or(USUAL_QOS), access.ambr.unwrap_or(ambr));
    ApnProfile { pdn_types: access.pdn_types, ..profile }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access(context: u32, name: &str) -> Access {
        Access { context, apn: name.parse().ok(), pdn_types: PdnTypes::Ipv4, qos: None, ambr: None }
    }

    fn subscription() -> Subscription {
        let accesses = Accesses { default: 2, complete: true, list: vec![access(1, "ims"), access(2, "internet")] };
        let ambr = Some(Ambr { uplink: 1_000, downlink: 2_000 });
        Subscription { ambr, accesses: Some(accesses), ..Subscription::default() }
    }

    fn imsi() -> Imsi {
        "999700000000001".parse().unwrap()
    }

    #[test]
    fn the_default_access_point_comes_first() {
        let profile = subscription().profile(imsi(), &[], &[]).unwrap();
        let names: Vec<_> = profile.apns.iter().map(|apn| apn.apn.to_string()).collect();
        assert_eq!(names, ["internet", "ims"]);
        assert_eq!(profile.apns[0].ambr.downlink, 2_000, "what the access point does not tell is the subscriber's");
    }

    #[test]
    fn changes_are_merged_and_deletions_taken_out() {
        let mut known = subscription();
        let mut changed = access(2, "internet");
        changed.ambr = Some(Ambr { uplink: 5, downlink: 6 });
        let accesses = Accesses { default: 2, complete: false, list: vec![changed, access(3, "corporate")] };
        known.merge(Subscription { accesses: Some(accesses), zone_codes: vec![7], ..Subscription::default() });
        assert_eq!(known.profile(imsi(), &[6, 8], &[]), Err(AuthFailure::Refused(12)), "another zone");
        let profile = known.profile(imsi(), &[6, 7], &[]).unwrap();
        assert_eq!((profile.apns.len(), profile.apns[0].ambr.uplink, profile.ambr.uplink), (3, 5, 1_000));
        known.delete(DELETE_APNS | DELETE_ZONES, &[1, 3]);
        assert_eq!((known.profile(imsi(), &[], &[]).unwrap().apns.len(), known.zone_codes.len()), (1, 0));
        known.delete(DELETE_ALL_APNS, &[]);
        assert_eq!(known.profile(imsi(), &[], &[]), Err(AuthFailure::Refused(15)));
    }

    #[test]
    fn restrictions_refuse() {
        let refused = |change: Subscription| {
            let mut known = subscription();
            known.merge(change);
            known.profile(imsi(), &[], &[]).err()
        };
        let none = Subscription::default;
        assert_eq!(refused(none()), None);
        assert_eq!(refused(Subscription { access_restriction: Some(16), ..none() }), Some(AuthFailure::Refused(15)));
        assert_eq!(refused(Subscription { barred: Some(true), ..none() }), Some(AuthFailure::Refused(15)));
        assert_eq!(refused(Subscription { barred: Some(true), odb: Some(2), ..none() }), None, "another service");
        assert_eq!(refused(Subscription { roaming_restricted: true, ..none() }), Some(AuthFailure::Refused(11)));
    }

    #[test]
    fn any_access_point_is_each_of_ours_that_is_not_named() {
        let here: Vec<Apn> = ["internet", "corporate", "iot"].map(|name| name.parse().unwrap()).to_vec();
        let mut known = subscription();
        let mut any = access(9, "*");
        any.ambr = Some(Ambr { uplink: 7, downlink: 8 });
        assert_eq!(any.apn, None);
        let Some(accesses) = &mut known.accesses else { panic!("access points") };
        accesses.list.push(any);
        let profile = known.profile(imsi(), &[], &here).unwrap();
        let names: Vec<_> = profile.apns.iter().map(|apn| (apn.apn.to_string(), apn.ambr.uplink)).collect();
        let expected = [("internet", 1_000), ("ims", 1_000), ("corporate", 7), ("iot", 7)];
        assert_eq!(names, expected.map(|(name, uplink)| (name.to_owned(), uplink)));
        // Without the wildcard none of them is the subscriber's; with it alone, nothing is where this gateway has nothing.
        assert_eq!(subscription().profile(imsi(), &[], &here).unwrap().apns.len(), 2);
        known.delete(DELETE_APNS, &[1, 2]);
        assert_eq!(known.profile(imsi(), &[], &here).unwrap().apns.len(), 3);
        assert_eq!(known.profile(imsi(), &[], &[]), Err(AuthFailure::Refused(15)));
    }

    #[test]
    fn what_a_home_network_does_not_tell_is_usual_or_refused() {
        let mut known = subscription();
        known.ambr = None;
        let profile = known.profile(imsi(), &[], &[]).unwrap();
        assert_eq!((profile.ambr.uplink, profile.apns[0].ambr.downlink), (u64::MAX, u64::MAX), "no rate is no limit");
        assert_eq!((profile.apns[0].qos, profile.msisdn), (USUAL_QOS, None));
        assert_eq!(Subscription::default().profile(imsi(), &[], &[]), Err(AuthFailure::Refused(15)));
        let Some(accesses) = &mut known.accesses else { panic!("access points") };
        accesses.default = 77;
        let profile = known.profile(imsi(), &[], &[]).unwrap();
        assert_eq!(profile.apns[0].apn.to_string(), "ims", "a default that there is not: the first stands for it");
    }
}
