//! What base stations and phones do.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use basalt_ids::{Ebi, Guti, MTmsi, MmeCode, MmeGroupId};
use basalt_s1ap::{MiscCause, RadioNetworkCause, SupportedTa};
use basalt_sansio::{Rng, SimRng};
use basalt_security::Sqn;
use testbed_ran::PhoneId;
use testbed_ue::{AttachKind, DetachKind, Fault, Input};

use crate::lab;
use crate::radio::{Io, Shared};
use crate::scenario::script::{EnbAction, HandedOver, PhoneAction};
use crate::scenario::world::World;

/// Between two pings of a canary.
const CANARY_INTERVAL: Duration = Duration::from_millis(20);

impl World {
    pub(super) fn enb_acts(&mut self, enb: usize, action: &EnbAction) -> Result<()> {
        use testbed_ran::Input;
        self.look()?;
        if let Some(seen) = self.enbs.get_mut(enb) {
            seen.clear();
        }
        let action = action.clone();
        let plmn = self.radio.call(move |io| io.site.enb(enb).map(|enb| enb.config().id.plmn))?;
        let plmn = plmn.with_context(|| format!("there is no enb {}", enb + 1))?;
        self.radio.call(move |io| match action {
            EnbAction::Connects => io.connect_enb(enb),
            EnbAction::Disconnects => io.disconnect_enb(enb),
            EnbAction::Aborts => io.abort_enb(enb),
            EnbAction::Resets => {
                io.enb(enb, Input::Reset { phones: Vec::new(), cause: MiscCause::OmIntervention.into() });
            }
            EnbAction::ResetsPhones(phones) => {
                let phones = phones.indices().map(|phone| PhoneId(phone as u32)).collect();
                io.enb(enb, Input::Reset { phones, cause: RadioNetworkCause::Unspecified.into() });
            }
            EnbAction::UpdatesArea(tac) => {
                let supported_tas = Some(vec![SupportedTa::new(tac, vec![plmn])]);
                io.enb(enb, Input::Update { supported_tas, name: None });
            }
            EnbAction::Sends(pdu, phone) => {
                io.enb(enb, Input::Raw { pdu, phone: phone.map(|phone| PhoneId(phone as u32 - 1)) });
            }
            EnbAction::SignalsLate(late) => io.signal_late(enb, late),
            EnbAction::SendsGtpu(octets) => io.send_gtpu(enb, &octets),
            EnbAction::Babbles(count, seed) => babble(io, enb, count, seed),
            fault => set_fault(io, enb, &fault),
        })
    }

    pub(in crate::scenario) fn phone_acts(&mut self, phone: usize, action: &PhoneAction) -> Result<()> {
        self.mark(phone)?;
        let action = action.clone();
        match action {
            PhoneAction::IsHandedOver(HandedOver { to, direct }) => {
                self.radio.call(move |io| io.relocate_phone(phone, to - 1, direct))
            }
            PhoneAction::Stays => self.radio.call(move |io| io.keep_phone(phone)),
            PhoneAction::MovesTo(enb) => self.radio.call(move |io| io.move_phone(phone, enb - 1)),
            PhoneAction::Pings(count) => self.radio.with_shared(move |shared| {
                shared.borrow_mut().app(phone).plan(count);
                tokio::task::spawn_local(pings(shared.clone(), phone, count));
            }),
            PhoneAction::Pings6(count) => self.radio.with_shared(move |shared| {
                shared.borrow_mut().app(phone).plan(count);
                tokio::task::spawn_local(pings6(shared.clone(), phone, count));
            }),
            PhoneAction::GoesIdle | PhoneAction::LosesRadio => self.radio.call(move |io| {
                let Some(enb) = io.site.record(phone).map(|record| record.enb) else { return };
                let id = PhoneId(phone as u32);
                let lost = action == PhoneAction::LosesRadio;
                io.enb(enb, if lost { testbed_ran::Input::RadioLost(id) } else { testbed_ran::Input::Inactive(id) });
            }),
            action => self.radio.call(move |io| act(io, phone, action)),
        }
    }

    pub(super) fn canary_starts(&mut self, phone: usize) -> Result<()> {
        self.canary = Some(phone);
        self.canaries += 1;
        let number = self.canaries;
        self.radio.with_shared(move |shared| {
            let mut io = shared.borrow_mut();
            io.app(phone).reset();
            io.canary = Some(number);
            tokio::task::spawn_local(canary(shared.clone(), phone, number));
        })
    }

    pub(super) fn canary_ends(&mut self) -> Result<()> {
        let phone = self.canary.take().context("there is no canary")?;
        let patience = Instant::now() + Duration::from_secs(2);
        self.radio.call(|io| io.canary = None)?;
        loop {
            let (sent, received) = self.radio.call(move |io| {
                let app = io.app(phone);
                (app.sent, app.received)
            })?;
            if sent == received && sent > 0 {
                return Ok(());
            }
            if Instant::now() >= patience {
                bail!("the canary lost {} of {sent} pings", sent - received);
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

fn set_fault(io: &mut Io, enb: usize, fault: &EnbAction) {
    let Some(faults) = io.site.enb_mut(enb).map(testbed_ran::Enb::faults_mut) else { return };
    match fault {
        EnbAction::RefusesContexts => {
            faults.refuse_context = Some(RadioNetworkCause::RadioResourcesNotAvailable.into());
        }
        EnbAction::IgnoresContexts => faults.ignore_context = true,
        EnbAction::IgnoresReleases => faults.ignore_release = true,
        EnbAction::RefusesHandovers => {
            faults.refuse_handover = Some(RadioNetworkCause::NoRadioResourcesAvailableInTargetCell.into());
        }
        EnbAction::IgnoresHandovers => faults.ignore_handover = true,
        EnbAction::IgnoresPages => faults.ignore_paging = true,
        EnbAction::CannotDeliver => faults.undeliverable = true,
        EnbAction::LosesDownlink => faults.lose_downlink = true,
        _ => *faults = testbed_ran::Faults::default(),
    }
}

/// Random octets, and random octets that begin like S1AP messages.
fn babble(io: &mut Io, enb: usize, count: u32, seed: u64) {
    let mut rng = SimRng::new(seed);
    for _ in 0..count {
        let mut pdu = vec![0; 1 + rng.below(120) as usize];
        rng.fill(&mut pdu);
        if rng.chance(3, 4) {
            // A kind of message, a procedure code, a criticality.
            let head = [[0x00, 0x20, 0x40][rng.below(3) as usize], rng.below(60) as u8, rng.below(3) as u8 * 0x40];
            pdu.splice(0..0, head);
        }
        io.enb(enb, testbed_ran::Input::Raw { pdu, phone: None });
    }
}

fn act(io: &mut Io, phone: usize, action: PhoneAction) {
    let input = match action {
        PhoneAction::Attaches => Input::Attach(AttachKind::Usual),
        PhoneAction::AttachesByImsi => Input::Attach(AttachKind::Imsi),
        PhoneAction::Detaches => Input::Detach(DetachKind::Normal),
        PhoneAction::SwitchesOff => Input::Detach(DetachKind::SwitchOff),
        PhoneAction::Updates(active) => Input::Update { active },
        PhoneAction::ConnectsTo(apn) => Input::ConnectPdn(Some(apn)),
        PhoneAction::DisconnectsBearer(ebi) => match Ebi::new(ebi) {
            Ok(ebi) => Input::DisconnectPdn(ebi),
            Err(_) => return,
        },
        PhoneAction::LosesPower => {
            let enb = io.site.record(phone).map_or(0, |record| record.enb);
            io.enb(enb, testbed_ran::Input::Abandon(PhoneId(phone as u32)));
            Input::PowerCut
        }
        other => return tamper(io, phone, other),
    };
    io.phone(phone, input);
}

/// Changes to a phone itself.
fn tamper(io: &mut Io, phone: usize, action: PhoneAction) {
    let plmn = io.site.record(phone).and_then(|record| io.site.enb(record.enb)).map(|enb| enb.config().id.plmn);
    let (Some(ue), Some(plmn)) = (io.site.ue_mut(phone), plmn) else { return };
    match action {
        PhoneAction::ForgetsKeys => ue.forget_keys(),
        PhoneAction::InventsGuti => {
            let gummei = basalt_ids::Gummei { plmn, group: MmeGroupId(0x7777), code: MmeCode(0x77) };
            ue.set_guti(Some(Guti { gummei, m_tmsi: MTmsi(0x7777_7777) }));
            ue.forget_keys();
        }
        PhoneAction::IsAheadInSequence => {
            // Far beyond what a gateway has counted to, and within what a card accepts as a jump.
            let ahead = Sqn::new(0x0001_0000_0000).unwrap_or_default();
            ue.usim_mut().set_sqn(ahead);
        }
        PhoneAction::Card(fault, times) => ue.usim_mut().fail(fault, Some(times)),
        PhoneAction::Misbehaves(at, misdeed, times) => ue.add_fault(Fault { at: Some(at), skip: 0, times, misdeed }),
        _ => ue.clear_faults(),
    }
}

async fn pings(shared: Shared, phone: usize, count: u32) {
    for _ in 0..count {
        shared.borrow_mut().ping(phone, lab::SERVER);
        tokio::time::sleep(CANARY_INTERVAL).await;
    }
}

async fn pings6(shared: Shared, phone: usize, count: u32) {
    for _ in 0..count {
        shared.borrow_mut().ping6(phone, lab::SERVER6);
        tokio::time::sleep(CANARY_INTERVAL).await;
    }
}

async fn canary(shared: Shared, phone: usize, number: u64) {
    loop {
        {
            let mut io = shared.borrow_mut();
            if io.canary != Some(number) {
                return;
            }
            io.ping(phone, lab::SERVER);
        }
        tokio::time::sleep(CANARY_INTERVAL).await;
    }
}
