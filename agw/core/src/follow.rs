//! Live sessions follow a change of configuration, rules or subscription, as far as the standards let them.
//!
//! Rules come, change and go by the procedures of their bearers. Rates hold at the gateway at once and are told to the phone
//! (TS 23.401 §5.4.2.2). Addresses and QoS classes of default bearers stay until the session ends. Sessions end whose access point a
//! home network takes out of the subscription. Who is not let in any more is detached.

use crate::Core;
use agw_ran::Overload;
use agw_types::{AccessLists, GatewayConfig, Now, PolicyRule, Profile, SubscribedRule, UeId};
use basalt_ids::{Apn, Imsi};
use std::collections::BTreeSet;

/// A session and the rules that policy gave it before a change.
type Before = (UeId, Imsi, Apn, Vec<PolicyRule>);

impl Core {
    /// A whole new configuration.
    pub(crate) fn reconfigure(&mut self, now: Now, config: GatewayConfig) {
        let ruled = config.qos != self.config.qos;
        let before = if ruled { self.rules_before(|_| true) } else { Vec::new() };
        let barring = config.access != self.config.access && config.access != AccessLists::default();
        self.mobility.configure(&config);
        self.sessions.configure(&config);
        self.policy.configure(&config);
        let former = core::mem::replace(&mut self.config, config);
        self.with_ran(now, |ran, cx| ran.configure(&former, cx));
        self.follow_rules(now, before);
        if barring {
            self.enforce_access(now);
        }
    }

    /// Begins or ends a drain: base stations keep all UEs away that they can, and this MME has no share of new ones in its pool
    /// (TS 23.401 §4.3.7.2, §4.3.7.3).
    pub(crate) fn drain(&mut self, now: Now, on: bool) {
        if core::mem::replace(&mut self.draining, on) == on {
            return;
        }
        self.mobility.drain(on);
        self.with_ran(now, |ran, cx| {
            ran.set_overload(on.then_some(Overload { reduction: 99 }), cx);
            ran.tell_capacity(if on { 0 } else { cx.config.relative_capacity }, cx);
        });
    }

    /// Whether no new UEs are taken.
    #[must_use]
    pub const fn is_draining(&self) -> bool {
        self.draining
    }

    /// Detaches those that the lists of networks and equipment do not let in.
    pub(crate) fn enforce_access(&mut self, now: Now) {
        let barred: BTreeSet<Imsi> = self.mobility.barred().collect();
        for imsi in barred {
            self.mobility.subscriber_gone(now, imsi, &mut self.wants);
        }
    }

    /// A subscriber of ours changed: rates of its live sessions do, too.
    pub(crate) fn requalify(&mut self, now: Now, imsi: Imsi) {
        let Some(profile) = self.subscribers.get(imsi).map(|subscriber| subscriber.profile.clone()) else { return };
        self.resubscribed(now, &profile);
    }

    /// A subscription is so from now on.
    pub(crate) fn resubscribed(&mut self, now: Now, profile: &Profile) {
        let Some(ue) = self.mobility.find(profile.imsi) else { return };
        let before = self.sessions.aggregate(ue);
        self.sessions.requalify(now.mono, ue, profile, &mut self.session_out);
        self.carry_session(now);
        let after = self.sessions.aggregate(ue);
        if let Some(ambr) = after.filter(|_| after != before) {
            self.mobility.rates(now, ue, profile.ambr, ambr, &mut self.wants);
        }
    }

    /// A home network has changed a subscription: sessions of access points that it took out end, too.
    pub(crate) fn home_changed(&mut self, now: Now, profile: &Profile) {
        self.resubscribed(now, profile);
        let Some(ue) = self.mobility.find(profile.imsi) else { return };
        self.sessions.withdraw(now.mono, ue, profile, &mut self.session_out);
        self.carry_session(now);
    }

    /// A subscriber's own rules are these from now on.
    pub(crate) fn rules_changed(&mut self, now: Now, imsi: Imsi, rules: Vec<(Apn, SubscribedRule)>) {
        let before = self.rules_before(|other| other == imsi);
        self.policy.subscribe(imsi, rules);
        self.follow_rules(now, before);
    }

    fn rules_before(&self, concerns: impl Fn(Imsi) -> bool) -> Vec<Before> {
        let policy: &dyn agw_types::Policy = &self.policy;
        let of = |(ue, imsi, session): (UeId, Imsi, &agw_types::Session)| {
            concerns(imsi).then(|| (ue, imsi, session.apn.clone(), policy.rules(imsi, &session.apn)))
        };
        self.sessions.iter().filter_map(of).collect()
    }

    /// Rules that policy gave and gives no more go, those that are new or others come. Rules that an operator or the phone itself asked
    /// for stay.
    fn follow_rules(&mut self, now: Now, before: Vec<Before>) {
        for (ue, imsi, apn, former) in before {
            let policy: &dyn agw_types::Policy = &self.policy;
            let wanted = policy.rules(imsi, &apn);
            if wanted == former {
                continue;
            }
            for gone in former.iter().filter(|rule| wanted.iter().all(|other| other.name != rule.name)) {
                // One that was taken from the session by hand is gone already.
                let _ = self.sessions.remove_rule(now.mono, ue, Some(&apn), &gone.name, &mut self.session_out);
            }
            for new in wanted.into_iter().filter(|rule| !former.contains(rule)) {
                let name = new.name.clone();
                let set = self.sessions.set_rule(now.mono, ue, Some(&apn), new, &mut self.session_out);
                if let Err(reason) = set {
                    let what = agw_types::Event::RuleRefused { imsi, rule: name, reason };
                    self.effects.push(agw_types::Effect::Tell(Box::new(what)));
                }
            }
            self.carry_session(now);
        }
    }
}
