//! What must hold, whatever happens. The first thing that does not ends the run.

mod identity;
mod keys;
mod packets;
mod progress;
mod promise;
mod sequence;

use std::collections::BTreeMap;

use agw_types::{Effect, Metric, Outcome, Procedure, Record, Tunnel};
use basalt_ebpf_abi::TeidLayout;
use basalt_ids::{Guti, Imsi};
use basalt_nas::ie::EmmCause;
use basalt_nas::{Direction, EmmMessage, NasMessage};
use basalt_sansio::{Duration, Fingerprint, Time};
use basalt_security::{AkaAlgorithm, Sqn};
use testbed_ue::{Event, ProtocolSurprise, Ue};

use crate::diary::Diary;
use crate::gateway::Start;
use identity::Identities;
use keys::KeyWatch;
pub(crate) use packets::Steady;
use progress::Progress;
use promise::Promises;
use sequence::Sequence;

/// Everything that is watched.
#[derive(Debug)]
pub(crate) struct Checks {
    pub now: Time,
    pub diary: Diary,
    failure: Option<String>,
    /// What the disk called durable is. With a disk that lies nobody can keep promises, but everybody can come back.
    honest_disk: bool,
    fingerprint: Fingerprint,
    effects: u64,
    identities: Identities,
    promises: Promises,
    progress: Progress,
    pub packets: packets::Packets,
    phones: Vec<Watched>,
    exempt: Option<usize>,
    by_imsi: BTreeMap<Imsi, usize>,
    pub counts: BTreeMap<&'static str, u64>,
}

/// What is watched of one phone.
#[derive(Debug)]
struct Watched {
    imsi: Imsi,
    keys: KeyWatch,
    sequence: Sequence,
}

/// Causes that a network has no reason for, given honest subscribers (TS 24.301 §5.5.1.2.5): they keep a phone out for good.
const NEVER_DUE: [EmmCause; 11] = [
    EmmCause::IllegalUe,
    EmmCause::IllegalMe,
    EmmCause::EpsServicesNotAllowed,
    EmmCause::EpsAndNonEpsServicesNotAllowed,
    EmmCause::PlmnNotAllowed,
    EmmCause::TrackingAreaNotAllowed,
    EmmCause::RoamingNotAllowedInTrackingArea,
    EmmCause::EpsServicesNotAllowedInPlmn,
    EmmCause::NoSuitableCellsInTrackingArea,
    EmmCause::UeSecurityCapabilitiesMismatch,
    EmmCause::SemanticallyIncorrectMessage,
];

impl Checks {
    pub(crate) fn new(diary_of: Option<u32>, honest_disk: bool, quarantine: Duration, layout: TeidLayout) -> Self {
        Self {
            now: Time::ZERO,
            diary: Diary::of(diary_of),
            failure: None,
            honest_disk,
            fingerprint: Fingerprint::new(),
            effects: 0,
            identities: Identities::new(quarantine, layout),
            promises: Promises::default(),
            progress: Progress::default(),
            packets: packets::Packets::default(),
            phones: Vec::new(),
            exempt: None,
            by_imsi: BTreeMap::new(),
            counts: BTreeMap::new(),
        }
    }

    pub(crate) fn add_phone(&mut self, imsi: Imsi, card: AkaAlgorithm, sqn: Sqn) {
        self.by_imsi.insert(imsi, self.phones.len());
        self.phones.push(Watched { imsi, keys: KeyWatch::default(), sequence: Sequence::new(card, sqn) });
    }

    pub(crate) fn phone_of(&self, imsi: Imsi) -> Option<usize> {
        self.by_imsi.get(&imsi).copied()
    }

    /// Whether a phone's record has this temporary identity, as its own or as the one it was promised.
    pub(crate) fn knows(&self, imsi: Imsi, guti: Guti) -> bool {
        self.identities.holds(imsi, guti.m_tmsi)
    }

    /// This phone misbehaves: what happens to it is its own fault.
    pub(crate) fn exempt(&mut self, phone: usize) {
        self.exempt = Some(phone);
    }

    /// Something does not hold. Only the first is kept: the rest may follow from it.
    pub(crate) fn fail(&mut self, what: String) {
        if self.failure.is_none() {
            let at = self.now.as_micros();
            self.failure = Some(format!("at {}.{:06} s: {what}", at / 1_000_000, at % 1_000_000));
        }
    }

    /// Whether what the disk called durable is.
    pub(crate) fn disk_is_honest(&self) -> bool {
        self.honest_disk
    }

    pub(crate) fn failure(&self) -> Option<&str> {
        self.failure.as_deref()
    }

    pub(crate) fn fingerprint(&self) -> u64 {
        self.fingerprint.value()
    }

    pub(crate) fn effects(&self) -> u64 {
        self.effects
    }

    pub(crate) fn count(&mut self, what: &'static str) {
        *self.counts.entry(what).or_default() += 1;
    }

    /// The core gave an effect; if it is about a record, it goes into the batch of this number.
    pub(crate) fn emitted(&mut self, effect: &Effect, batch: u64) {
        self.effects += 1;
        let octets = postcard::to_extend(effect, Vec::new()).unwrap_or_default();
        self.fingerprint.update(&octets);
        match effect {
            Effect::Save(record) => {
                self.note_record(record);
                self.promises.saved(batch, record, &octets);
                let problem = self.identities.saved(self.now, record);
                if let Some(problem) = problem.filter(|_| self.honest_disk) {
                    self.fail(problem);
                }
            }
            Effect::Forget(key) => {
                self.promises.forgotten(batch, *key);
                self.identities.forgotten(self.now, *key);
            }
            Effect::Count(Metric::Procedure { procedure, outcome }) => self.procedure(*procedure, *outcome),
            Effect::Count(Metric::Retransmitted(_)) => self.count("retransmissions"),
            Effect::Tell(event) if is_complaint(event) => self.count("complaints"),
            Effect::Count(Metric::Discarded(_)) => self.count("discarded"),
            Effect::Count(Metric::Unexpected(_)) => self.count("unexpected"),
            _ => {}
        }
    }

    fn note_record(&mut self, record: &Record) {
        let Record::Ue(ue) = record else { return };
        let Some(phone) = self.phone_of(ue.imsi) else { return };
        let sessions = || ue.sessions.iter().map(|it| (it.ebi, it.address, it.local.1, it.remote)).collect::<Vec<_>>();
        self.diary.one(self.now, phone, || {
            let tmsis = (ue.guti.m_tmsi, ue.pending_guti.map(|guti| guti.m_tmsi));
            let count = ue.security.receive_count();
            format!("record: registered {}, {tmsis:?}, uplink {count}, {:?}, {:?}", ue.registered, ue.radio, sessions())
        });
    }

    fn procedure(&mut self, procedure: Procedure, outcome: Outcome) {
        let name = match (procedure, outcome == Outcome::Success) {
            (Procedure::Attach, true) => "attaches",
            (Procedure::Attach, false) => "failed attaches",
            (Procedure::ServiceRequest, true) => "service requests",
            (Procedure::ServiceRequest, false) => "failed service requests",
            (Procedure::TrackingAreaUpdate, true) => "updates",
            (Procedure::TrackingAreaUpdate, false) => "failed updates",
            (Procedure::Detach, true) => "detaches",
            (Procedure::Paging, true) => "answered pages",
            (Procedure::Paging, false) => "unanswered pages",
            (Procedure::PathSwitch, true) => "handovers",
            (Procedure::Handover, true) => "handovers by the gateway",
            (Procedure::GutiReallocation, true) => "reallocations",
            (_, true) => return,
            (_, false) => "other failures",
        };
        self.count(name);
    }

    /// A batch went to the writer.
    pub(crate) fn submitted(&mut self, batch: u64) {
        self.promises.submitted(batch);
    }

    /// The writer said that everything up to this batch is durable.
    pub(crate) fn durable(&mut self, batch: u64) {
        let problem = self.promises.durable(batch);
        problem.into_iter().for_each(|problem| self.fail(problem));
    }

    /// A process began: what it found must be what was promised.
    pub(crate) fn started(&mut self, start: &Start) {
        if self.honest_disk {
            if !start.report.damage.is_empty() || start.loaded.unreadable > 0 {
                self.fail(format!("an honest disk, and the log is damaged: {:?}", start.report));
            }
            let problem = self.promises.found(&start.loaded);
            problem.into_iter().for_each(|problem| self.fail(problem));
        } else {
            self.promises.begin_anew(&start.loaded);
            self.identities.lose_rests();
        }
        let problem = self.identities.found(self.now, &start.loaded.ues);
        if self.honest_disk {
            problem.into_iter().for_each(|problem| self.fail(problem));
        }
    }

    /// A NAS message for a phone goes on the air.
    pub(crate) fn downlink(&mut self, phone: usize, octets: &[u8]) {
        let honest = self.honest_disk;
        let Some(watched) = self.phones.get_mut(phone) else { return };
        let read = watched.keys.downlink(octets);
        let mut problem = read.problem;
        if let Some(plain) = read.plain
            && let Ok(NasMessage::Emm(EmmMessage::AuthenticationRequest(request))) =
                NasMessage::decode(&plain, Direction::Downlink)
        {
            problem = problem.or(watched.sequence.challenged(&request.rand.0, &request.autn.0));
        }
        if let Some(problem) = problem.filter(|_| honest) {
            let imsi = watched.imsi;
            self.fail(format!("{imsi:?}: {problem}"));
        }
    }

    /// A phone told something.
    pub(crate) fn phone_told(&mut self, phone: usize, ue: &Ue, event: &Event) {
        let imsi = ue.imsi();
        if matches!(event, Event::Secured(_)) {
            let problem = self.phones.get_mut(phone).and_then(|watched| watched.keys.secured(ue.security_context()));
            if let Some(problem) = problem.filter(|_| self.honest_disk) {
                self.fail(format!("{imsi:?}: {problem}"));
            }
        }
        if self.exempt == Some(phone) {
            return;
        }
        match event {
            Event::NewGuti(Some(guti)) if self.honest_disk && !self.promises.holds_guti(imsi, *guti) => {
                self.fail(format!("{imsi:?} was given {guti:?}, and no durable record has it"));
            }
            Event::SessionUp(session) => {
                if session.linked.is_some() {
                    self.count("dedicated bearers");
                }
                if let Some(address) = session.address.filter(|address| !self.promises.holds_address(imsi, *address))
                    && self.honest_disk
                {
                    self.fail(format!("{imsi:?} was given {address}, and no durable record has it"));
                }
            }
            Event::Distrust(surprise) => self.distrusted(imsi, *surprise),
            Event::AuthenticationRejected => self.fail(format!("{imsi:?} was refused by AUTHENTICATION REJECT")),
            Event::AttachRejected(cause) | Event::ServiceRejected(cause) | Event::UpdateRejected(cause) => {
                self.count("rejects");
                if NEVER_DUE.contains(cause) {
                    self.fail(format!("{imsi:?} was refused for good: {cause:?} ({event:?})"));
                }
            }
            Event::Paged => self.count("pages heard"),
            _ => {}
        }
    }

    /// What a phone finds wrong with an honest network, beyond what loss, doubling and overtaking explain.
    fn distrusted(&mut self, imsi: Imsi, surprise: ProtocolSurprise) {
        let explained = match surprise {
            ProtocolSurprise::MessageMac
            | ProtocolSurprise::Unprotected
            | ProtocolSurprise::Unexpected(_)
            | ProtocolSurprise::UnknownKeySet
            | ProtocolSurprise::WrongTransaction => true,
            ProtocolSurprise::SynchFailure => !self.honest_disk,
            _ => false,
        };
        self.count("distrust");
        if !explained {
            self.fail(format!("{imsi:?} does not trust the network: {surprise:?}"));
        }
    }

    /// The core at rest, compared with the data plane; and nobody halfway for too long.
    pub(crate) fn sweep(&mut self, core: &agw_core::Core, at_rest: bool, tunnels: &[Tunnel]) {
        if let Some(problem) = self.progress.sweep(self.now, core) {
            self.fail(problem);
        }
        if at_rest && let Some(problem) = progress::compare(core, tunnels) {
            self.fail(problem);
        }
    }

    /// The process that was watched is gone, and with it what was halfway.
    pub(crate) fn process_ended(&mut self) {
        self.progress = Progress::default();
    }
}

/// Whether an event says that somebody did something that is not right.
fn is_complaint(event: &agw_types::Event) -> bool {
    use agw_types::Event;
    matches!(
        event,
        Event::Rejected(_) | Event::EnbProtocolError { .. } | Event::EnbRefused { .. } | Event::Security { .. }
    )
}
