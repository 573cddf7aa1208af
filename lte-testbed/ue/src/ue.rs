//! The phone: its state, its one entry, and where each input goes.

use std::sync::Arc;

use basalt_ids::{Ebi, Guti, Imeisv, Imsi, Plmn, Pti, Tai};
use basalt_nas::ie::{EmmCause, TaiList};
use basalt_sansio::{Duration, Outbox, Time};
use basalt_security::{AccessKeyChain, NasSecurityContext, Secret};

use crate::fault::Fault;
use crate::io::{AttachKind, Effect, EstablishmentCause, Event, Input};
use crate::profile::Profile;
use crate::session::{Session, Transaction};
use crate::timer::{Running, Timer};
use crate::usim::Usim;

/// Main states of EMM in a UE (TS 24.301 §5.1.3.2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EmmState {
    /// Switched off, or never asked to attach.
    Null,
    /// Not attached.
    Deregistered,
    /// ATTACH REQUEST is sent.
    RegisteredInitiated,
    /// Attached.
    Registered,
    /// TRACKING AREA UPDATE REQUEST is sent.
    TrackingAreaUpdatingInitiated,
    /// SERVICE REQUEST is sent.
    ServiceRequestInitiated,
    /// DETACH REQUEST is sent.
    DeregisteredInitiated,
}

/// One phone. See the [crate](crate).
#[derive(Clone, Debug)]
pub struct Ue {
    pub(crate) profile: Arc<Profile>,
    pub(crate) usim: Usim,
    pub(crate) imeisv: Imeisv,
    pub(crate) state: EmmState,
    /// EMM-CONNECTED: a radio connection stands or is asked for.
    pub(crate) connected: bool,
    /// The user wants service.
    pub(crate) wanted: bool,
    /// The USIM counts as invalid until it is taken out (TS 24.301 §5.5.1.2.5).
    pub(crate) barred: bool,
    pub(crate) cell: Option<Tai>,
    pub(crate) areas: Option<TaiList>,
    pub(crate) guti: Option<Guti>,
    pub(crate) last_visited: Option<Tai>,
    pub(crate) security: Security,
    pub(crate) sessions: Vec<Session>,
    pub(crate) transactions: Vec<Transaction>,
    pub(crate) last_pti: u8,
    pub(crate) running: Running,
    /// Attach or update attempt counter (TS 24.301 §5.5.1.1, §5.5.3.1).
    pub(crate) attempts: u8,
    pub(crate) service_attempts: u8,
    /// Failed AUTHENTICATION REQUESTs in a row (TS 24.301 §5.4.2.7).
    pub(crate) authentication_failures: u8,
    pub(crate) kind: AttachKind,
    pub(crate) switching_off: bool,
    /// What the network set: T3412 and T3402.
    pub(crate) t3412: Option<Duration>,
    pub(crate) t3402: Option<Duration>,
    /// What was asked for and has to wait for the procedure under way.
    pub(crate) postponed: Postponed,
    pub(crate) bearers_up: bool,
    pub(crate) faults: Vec<Fault>,
    /// The last protected message, for replays.
    pub(crate) last_protected: Vec<u8>,
    /// The plain initial message of this connection, for HASH_MME.
    pub(crate) initial_message: Vec<u8>,
    pub(crate) last_cause: Option<EmmCause>,
    /// Networks and areas that refused the phone for good (TS 24.301 §5.1.3, §5.3.2).
    pub(crate) forbidden_plmns: Vec<Plmn>,
    pub(crate) forbidden_areas: Vec<Tai>,
    /// Attach again as soon as the radio connection is gone.
    pub(crate) attach_when_free: bool,
}

/// Keys and what belongs to them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Security {
    /// The current context, taken into use or kept from an earlier registration.
    pub current: Option<NasSecurityContext>,
    /// The network proved itself on this connection: secure exchange of NAS messages is established.
    pub secure: bool,
    /// Keys of an authentication that no SECURITY MODE COMMAND has taken into use yet.
    pub partial: Option<PartialContext>,
    /// RAND and RES of the last accepted challenge, while T3416 runs.
    pub answered: Option<Answered>,
    /// Uplink count that K_eNB is made from (TS 33.401 §A.3).
    pub k_enb_count: u32,
    /// K_eNB and next hop keys of this connection.
    pub chain: Option<AccessKeyChain>,
}

#[derive(Clone, Debug)]
pub(crate) struct PartialContext {
    pub ksi: u8,
    pub kasme: Secret<[u8; 32]>,
}

#[derive(Clone, Debug)]
pub(crate) struct Answered {
    pub rand: [u8; 16],
    pub res: Secret<Vec<u8>>,
}

/// Wishes that wait.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Postponed {
    pub detach: Option<crate::io::DetachKind>,
    pub data: Option<EstablishmentCause>,
    pub update: Option<bool>,
}

/// What a phone is like right now.
#[derive(Clone, Debug, PartialEq)]
pub struct Snapshot {
    /// Main state.
    pub state: EmmState,
    /// A radio connection stands or is asked for.
    pub connected: bool,
    /// Radio bearers stand.
    pub bearers_up: bool,
    /// Temporary identity.
    pub guti: Option<Guti>,
    /// PDN connections and dedicated bearers.
    pub sessions: Vec<Session>,
    /// The last cause the network refused something with.
    pub last_cause: Option<EmmCause>,
    /// The USIM counts as invalid.
    pub barred: bool,
}

pub(crate) type Out = Outbox<Effect>;

impl Ue {
    /// A phone that is switched off.
    #[must_use]
    pub fn new(profile: Arc<Profile>, usim: Usim, imeisv: Imeisv) -> Self {
        Self {
            profile,
            usim,
            imeisv,
            state: EmmState::Null,
            connected: false,
            wanted: false,
            barred: false,
            cell: None,
            areas: None,
            guti: None,
            last_visited: None,
            security: Security::default(),
            sessions: Vec::new(),
            transactions: Vec::new(),
            last_pti: 0,
            running: Running::default(),
            attempts: 0,
            service_attempts: 0,
            authentication_failures: 0,
            kind: AttachKind::Usual,
            switching_off: false,
            t3412: None,
            t3402: None,
            postponed: Postponed::default(),
            bearers_up: false,
            faults: Vec::new(),
            last_protected: Vec::new(),
            initial_message: Vec::new(),
            last_cause: None,
            forbidden_plmns: Vec::new(),
            forbidden_areas: Vec::new(),
            attach_when_free: false,
        }
    }

    /// Takes one input and puts everything that follows from it into `out`.
    pub fn step(&mut self, now: Time, input: Input, out: &mut Out) {
        match input {
            Input::Camp(tai) => self.camp(now, tai, out),
            Input::OutOfCoverage => self.out_of_coverage(now, out),
            Input::Attach(kind) => self.want_service(now, kind, out),
            Input::Detach(kind) => self.detach(now, kind, out),
            Input::PowerCut => self.power_cut(),
            Input::UplinkData => self.want_bearers(now, EstablishmentCause::MoData, out),
            Input::Update { active } => self.want_update(now, active, out),
            Input::ConnectPdn(apn) => self.connect_pdn(now, apn, out),
            Input::DisconnectPdn(ebi) => self.disconnect_pdn(now, ebi, out),
            Input::Nas(octets) => self.receive(now, &octets, out),
            Input::Configure(configuration) => self.configure(now, configuration, out),
            Input::Page(page) => self.paged(now, page, out),
            Input::Released => self.released(now, out),
            Input::ConnectFailed => self.connect_failed(now, out),
            Input::NextHop { ncc, key } => self.next_hop(ncc, &key, out),
            Input::Wakeup => {
                while let Some(timer) = self.running.pop(now) {
                    self.expired(now, timer, out);
                }
            }
        }
    }

    /// When [`Input::Wakeup`] is due.
    #[must_use]
    pub fn next_wakeup(&self) -> Option<Time> {
        self.running.next()
    }

    /// Its subscriber.
    #[must_use]
    pub fn imsi(&self) -> Imsi {
        self.usim.imsi()
    }

    /// Its card.
    #[must_use]
    pub fn usim(&self) -> &Usim {
        &self.usim
    }

    /// Its card, to change what it does.
    pub fn usim_mut(&mut self) -> &mut Usim {
        &mut self.usim
    }

    /// Its kind.
    #[must_use]
    pub fn profile(&self) -> &Arc<Profile> {
        &self.profile
    }

    /// Makes it another kind of phone.
    pub fn set_profile(&mut self, profile: Arc<Profile>) {
        self.profile = profile;
    }

    /// Lets it do something wrong.
    pub fn add_fault(&mut self, fault: Fault) {
        self.faults.push(fault);
    }

    /// Lets it do everything right again.
    pub fn clear_faults(&mut self) {
        self.faults.clear();
    }

    /// Puts another temporary identity into its memory, as if it came from another network.
    pub fn set_guti(&mut self, guti: Option<Guti>) {
        self.guti = guti;
    }

    /// Takes the keys out of its memory.
    pub fn forget_keys(&mut self) {
        self.security = Security::default();
    }

    /// Main state.
    #[must_use]
    pub fn state(&self) -> EmmState {
        self.state
    }

    /// Whether a radio connection stands or is asked for.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.connected
    }

    /// Whether packets can flow.
    #[must_use]
    pub fn bearers_up(&self) -> bool {
        self.bearers_up
    }

    /// Where it knows itself to be.
    #[must_use]
    pub fn cell(&self) -> Option<Tai> {
        self.cell
    }

    /// Its temporary identity.
    #[must_use]
    pub fn guti(&self) -> Option<Guti> {
        self.guti
    }

    /// Its PDN connections and dedicated bearers.
    #[must_use]
    pub fn sessions(&self) -> &[Session] {
        &self.sessions
    }

    /// Its NAS security context.
    #[must_use]
    pub fn security_context(&self) -> Option<&NasSecurityContext> {
        self.security.current.as_ref()
    }

    /// All that can be seen of it.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        Snapshot {
            state: self.state,
            connected: self.connected,
            bearers_up: self.bearers_up,
            guti: self.guti,
            sessions: self.sessions.clone(),
            last_cause: self.last_cause,
            barred: self.barred,
        }
    }

    fn expired(&mut self, now: Time, timer: Timer, out: &mut Out) {
        match timer {
            Timer::T3410 => self.attach_not_answered(now, out),
            Timer::T3402 | Timer::T3411 | Timer::T3346 => self.try_again(now, out),
            Timer::T3412 => self.periodic_update(now, out),
            Timer::T3416 => self.security.answered = None,
            Timer::T3417 => self.service_not_answered(now, out),
            Timer::T3418 | Timer::T3420 => self.network_not_authentic(now, out),
            Timer::T3421 => self.detach_not_answered(now, out),
            Timer::T3430 => self.update_not_answered(now, out),
            Timer::T3440 => self.release_locally(now, out),
            Timer::T3482 | Timer::T3492 => self.transaction_not_answered(now, timer, out),
        }
    }

    pub(crate) fn start(&mut self, now: Time, timer: Timer, duration: Duration) {
        self.running.start(timer, now + duration);
    }

    pub(crate) fn tell(&self, event: Event, out: &mut Out) {
        out.push(Effect::Event(event));
    }

    /// A transaction identity that is not in use (TS 24.301 §6.2.2): 1 to 254.
    pub(crate) fn new_pti(&mut self) -> Pti {
        loop {
            self.last_pti = if self.last_pti >= 254 { 1 } else { self.last_pti + 1 };
            let pti = Pti(self.last_pti);
            if self.transactions.iter().all(|transaction| transaction.pti != pti) {
                return pti;
            }
        }
    }

    pub(crate) fn session_mut(&mut self, ebi: Ebi) -> Option<&mut Session> {
        self.sessions.iter_mut().find(|session| session.ebi == ebi)
    }

    /// Everything that a registration made is gone; identity and keys stay.
    pub(crate) fn lose_registration(&mut self, out: &mut Out) {
        for session in std::mem::take(&mut self.sessions) {
            self.tell(Event::SessionDown(session.ebi), out);
        }
        self.transactions.clear();
        self.bearers_up = false;
        self.security.chain = None;
        for timer in [Timer::T3410, Timer::T3412, Timer::T3417, Timer::T3421, Timer::T3430, Timer::T3482, Timer::T3492]
        {
            self.running.stop(timer);
        }
    }

    /// Everything is gone that is not on the card.
    fn power_cut(&mut self) {
        let (profile, usim, imeisv) = (self.profile.clone(), self.usim.clone(), self.imeisv);
        let (cell, faults) = (self.cell, std::mem::take(&mut self.faults));
        *self = Self::new(profile, usim, imeisv);
        (self.cell, self.faults) = (cell, faults);
    }
}
