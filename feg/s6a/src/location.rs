//! Update-Location, Purge-UE and Notify (TS 29.272 §5.2.1.1, §5.2.1.3, §5.2.5.1).

use crate::name;
use crate::request::{self, Refusal, To, Visit};
use crate::subscription::Subscription;
use basalt_diameter::{Application, Command, Message, Writer, dictionary as base, vendor};
use basalt_ids::Imsi;

/// RAT-Type EUTRAN (TS 29.212 §5.3.31).
const EUTRAN: u32 = 1004;
/// ULR-Flags (TS 29.272 §7.3.7).
const SINGLE_REGISTRATION: u32 = 1;
const S6A: u32 = 1 << 1;
const SKIP_SUBSCRIBER_DATA: u32 = 1 << 2;
const INITIAL_ATTACH: u32 = 1 << 5;

/// The phone itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Terminal {
    /// IMEI without its check digit: 14 digits.
    pub imei: String,
    /// Software version: 2 digits, or empty.
    pub software: String,
}

/// What an HSS answers to an Update-Location.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Located {
    /// The subscription; `None` where it was told that it is known and may be skipped.
    pub subscription: Option<Box<Subscription>>,
    /// The HSS that answered: later requests go to it.
    pub hss: Option<String>,
}

/// What is notified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Notification {
    /// The phone can be reached again (UE reachable from MME).
    Reachable,
}

/// ULR. `attach`: the phone attaches; `known`: the subscription is known and may be left out.
#[must_use]
pub fn update_location(to: &To<'_>, visit: Visit, terminal: Option<&Terminal>, attach: bool, known: bool) -> Vec<u8> {
    let mut writer = request::begin(Command::UPDATE_LOCATION, Application::S6A, to, Some(visit.imsi));
    features(&mut writer);
    if let Some(terminal) = terminal {
        terminal_information(&mut writer, terminal);
    }
    writer.u32(name::RAT_TYPE, EUTRAN);
    let attach = if attach { INITIAL_ATTACH | SINGLE_REGISTRATION } else { 0 };
    let known = if known { SKIP_SUBSCRIBER_DATA } else { 0 };
    writer.u32(name::ULR_FLAGS, S6A | attach | known);
    writer.octets(name::VISITED_PLMN_ID, &visit.visited.to_nas());
    writer.u32(name::HOMOGENEOUS_IMS_VOICE, 0);
    writer.finish()
}

pub(crate) fn terminal_information(writer: &mut Writer, terminal: &Terminal) {
    writer.group(name::TERMINAL_INFORMATION, |group| {
        group.text(name::IMEI, &terminal.imei);
        if !terminal.software.is_empty() {
            group.text(name::SOFTWARE_VERSION, &terminal.software);
        }
    });
}

/// Features of list 1 that gateways have (TS 29.272 §7.3.10): operator determined barring of all packet services, regional
/// subscription, notification of reachability, and telling state and location.
pub(crate) fn features(writer: &mut Writer) {
    const ODB_ALL_APN: u32 = 1;
    const REGIONAL_SUBSCRIPTION: u32 = 1 << 9;
    const REACHABILITY_NOTIFICATION: u32 = 1 << 26;
    const STATE_AND_LOCATION: u32 = 1 << 28;
    const ALL: u32 = ODB_ALL_APN | REGIONAL_SUBSCRIPTION | REACHABILITY_NOTIFICATION | STATE_AND_LOCATION;
    writer.group(name::SUPPORTED_FEATURES, |group| {
        group.u32(base::VENDOR_ID, vendor::TGPP).u32(name::FEATURE_LIST_ID, 1);
        group.u32(name::FEATURE_LIST, ALL);
    });
}

/// ULA.
///
/// # Errors
/// [`Refusal`].
pub fn update_location_answer(message: &Message<'_>, session: &str) -> Result<Located, Refusal> {
    request::granted(message, session)?;
    // Separation indication: bit 0 of ULA-Flags; an answer without flags is one of before they existed.
    message.find(name::ULA_FLAGS).map(|avp| avp.u32()).transpose()?;
    let data = message.find(name::SUBSCRIPTION_DATA);
    let subscription = data.map(|avp| Subscription::read(&avp).map(Box::new)).transpose()?;
    let hss = message.find(base::ORIGIN_HOST).and_then(|avp| avp.identity().ok()).map(str::to_owned);
    Ok(Located { subscription, hss })
}

/// PUR: nothing is known of the phone here any more.
#[must_use]
pub fn purge(to: &To<'_>, imsi: Imsi) -> Vec<u8> {
    let mut writer = request::begin(Command::PURGE_UE, Application::S6A, to, Some(imsi));
    // UE purged in MME (TS 29.272 §7.3.149).
    writer.u32(name::PUR_FLAGS, 1);
    writer.finish()
}

/// PUA: whether its temporary identity must not be given out again (Freeze M-TMSI).
///
/// # Errors
/// [`Refusal`].
pub fn purge_answer(message: &Message<'_>, session: &str) -> Result<bool, Refusal> {
    request::granted(message, session)?;
    let flags = message.find(name::PUA_FLAGS).map(|avp| avp.u32()).transpose()?;
    Ok(flags.is_some_and(|flags| flags & 1 != 0))
}

/// NOR.
#[must_use]
pub fn notification(to: &To<'_>, imsi: Imsi, what: Notification, terminal: Option<&Terminal>) -> Vec<u8> {
    let mut writer = request::begin(Command::NOTIFY, Application::S6A, to, Some(imsi));
    if let Some(terminal) = terminal {
        terminal_information(&mut writer, terminal);
    }
    // UE reachable from MME, and that it is an MME who says it (S6a/S6d-Indicator; TS 29.272 §7.3.49).
    let flags = match what {
        Notification::Reachable => 1 << 3 | 1 << 8,
    };
    writer.u32(name::NOR_FLAGS, flags);
    writer.finish()
}
