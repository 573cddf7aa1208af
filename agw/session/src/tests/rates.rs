//! What the data plane hears of a UE's rates while sessions come and go and the subscription changes.

use super::*;
use agw_types::Tunnel;

const MBIT: u64 = 1_000_000;

fn ambr(uplink: u64, downlink: u64) -> Ambr {
    Ambr { uplink: uplink * MBIT, downlink: downlink * MBIT }
}

/// A desk with what a data plane has been told by it.
struct Told {
    desk: Desk,
    tunnels: BTreeMap<Teid, Tunnel>,
}

impl Told {
    fn attached() -> Self {
        let mut told = Self { desk: Desk::new(), tunnels: BTreeMap::new() };
        let out = told.desk.attach(1, request());
        told.hear(&out);
        assert!(told.tunnels.is_empty(), "the base station has not answered");
        told.say(5, accept());
        told.stands(&[5]);
        told
    }

    /// Notes the changes; afterwards the data plane has no tunnel otherwise than it should be.
    fn hear(&mut self, out: &SessionOut) {
        for effect in &out.effects {
            match effect {
                Effect::Dataplane(DataplaneChange::Set(tunnel)) => {
                    drop(self.tunnels.insert(tunnel.teid, tunnel.clone()))
                }
                Effect::Dataplane(DataplaneChange::Remove { teid, .. }) => drop(self.tunnels.remove(teid)),
                _ => {}
            }
        }
        let wanted: BTreeMap<Teid, Tunnel> = self.desk.sessions.tunnels().map(|it| (it.teid, it)).collect();
        for (teid, has) in &self.tunnels {
            assert_eq!(wanted.get(teid), Some(has), "an old limit stands");
        }
    }

    fn ask(&mut self, request: SessionRequest) {
        let out = self.desk.ask(request);
        self.hear(&out);
    }

    fn say(&mut self, ebi: u8, message: EsmMessage) {
        let out = self.desk.uplink(1, Some(ebi), 0, message);
        self.hear(&out);
    }

    fn connect(&mut self, apn: PdnConnectivityRequest) {
        let out = self.desk.uplink(1, None, 2, EsmMessage::PdnConnectivityRequest(apn));
        self.hear(&out);
    }

    fn stands(&mut self, bearers: &[u8]) {
        let endpoint =
            |ebi: &u8| BearerEndpoint { ebi: Ebi::new(*ebi).unwrap(), address: ENB, teid: Teid((*ebi).into()) };
        let bearers = bearers.iter().map(endpoint).collect();
        self.ask(SessionRequest::Connected { ue: ue(1), bearers, failed: Vec::new(), switched: false });
    }

    fn requalify(&mut self, change: impl FnOnce(&mut Profile)) {
        let (mut profile, mut out) = (profile(1), SessionOut::default());
        change(&mut profile);
        self.desk.sessions.requalify(self.desk.now, ue(1), &profile, &mut out);
        self.hear(&out);
    }

    /// Own and shared limits in the data plane, in the order of bearers.
    fn limits(&self) -> Vec<(Ambr, Option<Ambr>)> {
        let mut tunnels: Vec<&Tunnel> = self.tunnels.values().collect();
        tunnels.sort_by_key(|tunnel| tunnel.ebi);
        tunnels.into_iter().map(|tunnel| (tunnel.ambr, tunnel.ue_ambr)).collect()
    }
}

#[test]
fn the_only_session_keeps_within_the_ue_s_rate_by_itself() {
    let mut told = Told::attached();
    assert_eq!(told.limits(), [(ambr(10, 20), None)]);
    told.requalify(|profile| profile.ambr = ambr(4, 50));
    assert_eq!(told.limits(), [(ambr(4, 20), None)]);
    told.ask(SessionRequest::Idle { ue: ue(1) });
    told.requalify(|profile| profile.ambr = ambr(50, 3));
    assert_eq!(told.limits(), [(ambr(10, 3), None)], "an idle one's, too");
}

#[test]
fn several_sessions_share_the_ue_s_rate_as_long_as_they_are_several() {
    let mut told = Told::attached();
    told.connect(named("ims"));
    assert_eq!(told.limits(), [(ambr(10, 20), Some(ambr(10, 20)))], "before the second one sends");
    told.say(6, accept());
    told.stands(&[6]);
    assert_eq!(told.limits(), [(ambr(10, 20), Some(ambr(10, 20))); 2]);
    // No more than the sum, however much is subscribed.
    told.requalify(|profile| {
        profile.ambr = ambr(100, 100);
        profile.apns[1].ambr = ambr(1, 2);
    });
    assert_eq!(told.limits(), [(ambr(10, 20), Some(ambr(11, 22))), (ambr(1, 2), Some(ambr(11, 22)))]);
    told.ask(SessionRequest::Idle { ue: ue(1) });
    told.stands(&[5]);
    // The phone comes back without its second bearer.
    told.ask(SessionRequest::Synchronise { ue: ue(1), active: 1 << 5 });
    assert_eq!(told.limits(), [(ambr(10, 20), None)]);
}

#[test]
fn the_first_session_may_be_the_one_that_goes() {
    let mut told = Told::attached();
    told.connect(named("ims"));
    told.say(6, accept());
    told.stands(&[6]);
    told.requalify(|profile| profile.ambr = ambr(3, 3));
    assert_eq!(told.limits(), [(ambr(10, 20), Some(ambr(3, 3))); 2]);
    let end = PdnDisconnectRequest::new(LinkedEbi(5));
    told.desk.uplink(1, None, 3, EsmMessage::PdnDisconnectRequest(end));
    told.say(5, EsmMessage::DeactivateEpsBearerContextAccept(DeactivateEpsBearerContextAccept::new()));
    assert_eq!(told.limits(), [(ambr(3, 3), None)]);
}

#[test]
fn a_second_session_that_is_refused_leaves_the_first_as_it_was() {
    let mut told = Told::attached();
    let before = told.limits();
    told.connect(named("ims"));
    let refused = ActivateDefaultEpsBearerContextReject::new(EsmCause::InsufficientResources);
    told.say(6, EsmMessage::ActivateDefaultEpsBearerContextReject(refused));
    assert_eq!(told.limits(), before);
}

#[test]
fn sessions_of_an_earlier_life_share_as_they_did() {
    let mut told = Told::attached();
    told.connect(named("ims"));
    told.say(6, accept());
    told.stands(&[6]);
    let before: Vec<Tunnel> = told.desk.sessions.tunnels().collect();
    let stored = told.desk.sessions.stored(ue(1));
    let mut next = Desk::new();
    assert!(next.sessions.restore(ue(1), profile(1).imsi, profile(1).ambr, stored).is_empty());
    assert_eq!(next.sessions.tunnels().collect::<Vec<_>>(), before);
}

/// One access point has one aggregate rate (TS 23.401 §4.7.3): as IPv4 and IPv6 in two sessions no phone has twice as much.
#[test]
fn two_sessions_on_one_access_point_share_its_rate() {
    let mut told = Told::attached();
    let held = told.desk.sessions.ues.get_mut(&ue(1)).unwrap();
    held.subscribed = ambr(100, 100);
    let mut other = held.list[0].clone();
    other.ebi = Ebi::new(6).unwrap();
    held.list.push(other);
    assert_eq!(held.ambr(), ambr(10, 20));
    held.list[1].apn = "ims".parse().unwrap();
    assert_eq!(held.ambr(), ambr(20, 40));
    held.subscribed = ambr(15, 100);
    assert_eq!(held.ambr(), ambr(15, 40));
    held.list.clear();
    assert_eq!(held.ambr(), ambr(15, 100), "without a session, what is subscribed");
}
