//! What goes wrong: processes, machines, disks, associations, base stations, operators.

use std::io::ErrorKind;

use agw_types::{Ambr, Arp, BearerQos, Command, Input, PolicyRule, RuleQos, SdfFilter};
use basalt_ids::Qci;
use basalt_s1ap::MiscCause;
use basalt_sansio::{Duration, Rng};
use testbed_ran::{Enb, PhoneId};

use super::{Later, Turn, World};
use crate::gateway::KeeperEvent;

/// A kind of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Fault {
    Kill,
    /// A process that was to die at an effect, and nothing left meanwhile.
    KillAtRest,
    PowerCut,
    FailedSave,
    LinkLost,
    StationRestart,
    Reset,
    Operator,
    /// An operator gives, changes or takes a rule.
    Rules,
}

impl World {
    fn interval(&self, fault: Fault) -> Option<Duration> {
        let faults = &self.scenario.faults;
        match fault {
            Fault::Kill => faults.kill,
            Fault::KillAtRest => None,
            Fault::PowerCut => faults.power_cut,
            Fault::FailedSave => faults.failed_save,
            Fault::LinkLost => faults.link_lost,
            Fault::StationRestart => faults.station_restart,
            Fault::Reset => faults.reset,
            Fault::Operator => faults.operator,
            Fault::Rules => faults.rules,
        }
    }

    /// Lets faults begin.
    pub(super) fn plan_faults(&mut self) {
        use Fault::{FailedSave, Kill, LinkLost, Operator, PowerCut, Reset, Rules, StationRestart};
        for fault in [Kill, PowerCut, FailedSave, LinkLost, StationRestart, Reset, Operator, Rules] {
            self.plan_next(fault);
        }
    }

    fn plan_next(&mut self, fault: Fault) {
        let Some(interval) = self.interval(fault) else { return };
        let mean = interval.as_millis() as u64;
        let after = Duration::from_millis(mean / 2 + self.rng.below(mean.max(1)));
        let next = self.now + after;
        self.arm(Turn::Fault(fault), next);
    }

    pub(super) fn end_faults(&mut self) {
        use Fault::{FailedSave, Kill, KillAtRest, LinkLost, Operator, PowerCut, Reset, Rules, StationRestart};
        for fault in [Kill, KillAtRest, PowerCut, FailedSave, LinkLost, StationRestart, Reset, Operator, Rules] {
            self.rearm(Turn::Fault(fault), None);
        }
        self.doom = None;
        self.gateway.disk.lie_about_sync(false);
    }

    pub(super) fn fault(&mut self, fault: Fault) {
        match fault {
            Fault::Kill => {
                // Between two effects: right away, or after some more.
                self.doom = Some(self.effects_left + self.rng.below(12));
                let latest = self.now + Duration::from_millis(200);
                self.arm(Turn::Fault(Fault::KillAtRest), latest);
            }
            Fault::KillAtRest => {
                if self.doom.is_some() {
                    self.kill();
                }
            }
            Fault::PowerCut => {
                if self.gateway.is_alive() && self.once_in(2) {
                    self.plan_disk_fault(basalt_store::Fault::PowerCut);
                } else {
                    self.power_cut();
                }
            }
            Fault::FailedSave => {
                let fault = match self.rng.below(4) {
                    0 => basalt_store::Fault::Error(ErrorKind::StorageFull),
                    1 => basalt_store::Fault::Error(ErrorKind::Interrupted),
                    2 => basalt_store::Fault::Full,
                    _ => basalt_store::Fault::SyncDrops,
                };
                self.plan_disk_fault(fault);
            }
            Fault::LinkLost => self.lose_link(),
            Fault::StationRestart => self.restart_station(),
            Fault::Reset => self.reset_station(),
            Fault::Operator => self.operate(),
            Fault::Rules => self.rule(),
        }
        self.plan_next(fault);
    }

    fn plan_disk_fault(&mut self, fault: basalt_store::Fault) {
        let step = self.gateway.disk.steps() + self.rng.below(4);
        self.gateway.disk.plan(step, fault);
    }

    fn any_station(&mut self) -> usize {
        self.rng.below(self.stations.len() as u64) as usize
    }

    // The daemon and its machine.

    /// kill -9.
    pub(super) fn kill(&mut self) {
        self.doom = None;
        if !self.gateway.is_alive() {
            return;
        }
        self.checks.count("deaths of the process");
        let now = self.now;
        self.checks.diary.all(now, || "the process dies".to_owned());
        self.steady = self.steady_ways();
        self.process_ends();
        let after = Duration::from_millis(100 + self.rng.below(2_500));
        let next = self.now + after;
        self.arm(Turn::Restart, next);
    }

    fn process_ends(&mut self) {
        self.died_at = self.now;
        for outgoing in self.gateway.die() {
            self.leaves(outgoing);
        }
        self.plane.daemon_died();
        self.checks.process_ended();
        self.checks.packets.forgive();
        self.rearm(Turn::Core, None);
        self.rearm(Turn::Commit, None);
    }

    /// The store refused: the process ends by itself, before anything that depends on it leaves.
    pub(super) fn stopped(&mut self) {
        if !self.gateway.has_power() {
            self.power_cut();
            return;
        }
        self.checks.count("failed saves");
        self.kill();
    }

    /// Everything on the machine is gone: the process, the keeper and its associations, the tables of the data plane.
    fn power_cut(&mut self) {
        if !self.powered {
            return;
        }
        self.checks.count("losses of power");
        let now = self.now;
        self.checks.diary.all(now, || "power is lost".to_owned());
        self.powered = false;
        self.steady.clear();
        self.gateway.disk.power_cut();
        // Nothing of its outbox leaves a machine without power.
        drop(self.gateway.die());
        self.process_ends();
        self.plane.power_lost();
        self.links.clear();
        for station in 0..self.stations.len() {
            self.clear_lines(station);
            let after = Duration::from_millis(self.rng.below(4_000));
            self.put_off(after, Later::StationCutOff(station));
        }
        let after = Duration::from_millis(3_000 + self.rng.below(10_000));
        let next = self.now + after;
        self.arm(Turn::Restart, next);
    }

    pub(super) fn restart(&mut self) {
        if self.gateway.is_alive() {
            return;
        }
        self.gateway.disk = self.gateway.disk.rebooted();
        let lies = self.scenario.faults.lying_disk && self.mood == super::Mood::Lively;
        self.gateway.disk.lie_about_sync(lies);
        if !self.powered {
            self.gateway.power_returns();
            self.powered = true;
            // Whoever did not notice the loss notices now: nobody answers on the old associations.
            for station in 0..self.stations.len() {
                self.station_cut_off(station);
            }
        }
        let now = self.now;
        self.checks.diary.all(now, || "the process begins".to_owned());
        let installed = self.plane.installed();
        if let Err(problem) = self.gateway.start(self.now, &installed, &mut self.checks) {
            self.checks.fail(problem);
            return;
        }
        self.checks.packets.forgive();
        self.gateway_goes_on();
    }

    // Base stations and their associations.

    fn lose_link(&mut self) {
        let station = self.any_station();
        let Some(link) = self.stations[station].link else { return };
        self.checks.count("lost associations");
        let now = self.now;
        self.checks.diary.all(now, || format!("station {station} loses its association {link:?}"));
        if self.once_in(2) {
            self.station_cut_off(station);
            return;
        }
        // The keeper finds out first, and the base station later.
        self.clear_lines(station);
        self.keeper_loses(link);
        let after = Duration::from_millis(self.rng.below(3_000));
        self.put_off(after, Later::StationCutOff(station));
    }

    /// A base station restarts: it forgets everything, its phones lose their radio, and the association begins anew.
    fn restart_station(&mut self) {
        let station = self.any_station();
        let Some(link) = self.stations[station].link else { return };
        self.checks.count("restarted base stations");
        let now = self.now;
        self.checks.diary.all(now, || format!("station {station} restarts"));
        self.clear_lines(station);
        let config = self.stations[station].enb.config().clone();
        self.stations[station].enb = Enb::new(config);
        for phone in 0..self.handsets.len() {
            let Some(connection) = self.handsets[phone].connection else { continue };
            if self.connections.get(&connection).is_some_and(|bearer| bearer.station == station) {
                let after = Duration::from_millis(self.rng.below(2_000));
                self.put_off(after, Later::RadioGone(phone, connection));
            }
        }
        if self.links.get(&link) == Some(&station) {
            self.keeper_hears(KeeperEvent::Restarted(link));
            self.station(station, testbed_ran::Input::LinkUp);
        } else {
            self.station_cut_off(station);
        }
    }

    fn reset_station(&mut self) {
        let station = self.any_station();
        self.checks.count("resets");
        let mut phones = Vec::new();
        if self.once_in(2) {
            let there = self.connections.iter().filter(|(_, bearer)| bearer.station == station);
            phones = there.map(|(connection, _)| PhoneId(connection.0)).take(3).collect();
            if phones.is_empty() {
                return;
            }
        }
        let cause = MiscCause::Unspecified.into();
        self.station(station, testbed_ran::Input::Reset { phones, cause });
    }

    fn operate(&mut self) {
        let phone = self.rng.below(self.handsets.len() as u64) as usize;
        let imsi = self.handsets[phone].ue.imsi();
        let command = match self.rng.below(16) {
            0..=4 => Command::Detach { imsi, reattach: true },
            5..=7 => Command::Detach { imsi, reattach: false },
            8..=12 => Command::Page { imsi },
            13..=14 => match self.address_of(phone) {
                Some((ebi, _)) => Command::Deactivate { imsi, ebi },
                None => return,
            },
            _ => {
                let station = self.any_station();
                Command::ResetEnb { enb: self.stations[station].enb.config().id }
            }
        };
        let token = self.number();
        self.gateway_input(Input::Operator { token, command });
    }

    /// A rule comes, changes or goes: any of three names, on the default bearer, with a bearer of its own or one that it shares, with
    /// guaranteed rates and without.
    fn rule(&mut self) {
        let phone = self.rng.below(self.handsets.len() as u64) as usize;
        let imsi = self.handsets[phone].ue.imsi();
        let number = self.rng.below(3) as u8;
        let (apn, name) = (None, format!("rule-{number}"));
        let command = if self.once_in(3) {
            self.checks.count("rules taken");
            Command::RemoveRule { imsi, apn, name }
        } else {
            self.checks.count("rules given");
            let filters = (0..=self.rng.below(3)).map(|_| self.any_filter()).collect();
            let mut rule = PolicyRule::new(&name, 20 + 20 * number, filters);
            rule.qos = self.any_qos();
            Command::SetRule { imsi, apn, rule: Box::new(rule) }
        };
        let token = self.number();
        self.gateway_input(Input::Operator { token, command });
    }

    fn any_filter(&mut self) -> SdfFilter {
        let port = 5_000 + self.rng.below(40) as u16;
        let protocol = Some(if self.once_in(2) { 17 } else { 6 });
        SdfFilter { protocol, remote_ports: Some((port, port + 3)), ..SdfFilter::ANY }
    }

    fn any_qos(&mut self) -> Option<RuleQos> {
        let (qci, gbr) = match self.rng.below(6) {
            0 => return None,
            1 => (1, Some(Ambr { uplink: 64_000, downlink: 64_000 })),
            2 => (5, None),
            _ => (8, None),
        };
        let arp = Arp { priority: 1 + self.rng.below(12) as u8, may_preempt: self.once_in(2), preemptable: true };
        Some(RuleQos { bearer: BearerQos { qci: Qci(qci), arp }, gbr })
    }
}
