//! ME-Identity-Check over S13 (TS 29.272 §6.2.1).

use crate::location::{Terminal, terminal_information};
use crate::name;
use crate::request::{self, Refusal, To};
use basalt_diameter::{Application, Command, Message};
use basalt_ids::Imsi;

/// What an EIR knows of a phone (TS 29.272 §7.3.51).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EquipmentStatus {
    /// Known and good.
    Permitted,
    /// Stolen, or not to be served for another reason.
    Prohibited,
    /// To be served and watched.
    Tracked,
}

/// ECR.
#[must_use]
pub fn equipment_request(to: &To<'_>, imsi: Option<Imsi>, terminal: &Terminal) -> Vec<u8> {
    let mut writer = request::begin(Command::ME_IDENTITY_CHECK, Application::S13, to, imsi);
    terminal_information(&mut writer, terminal);
    writer.finish()
}

/// ECA.
///
/// # Errors
/// [`Refusal`]; a phone that the EIR does not know is one (DIAMETER_ERROR_EQUIPMENT_UNKNOWN).
pub fn equipment_answer(message: &Message<'_>, session: &str) -> Result<EquipmentStatus, Refusal> {
    request::granted(message, session)?;
    match message.need(name::EQUIPMENT_STATUS)?.u32()? {
        0 => Ok(EquipmentStatus::Permitted),
        1 => Ok(EquipmentStatus::Prohibited),
        2 => Ok(EquipmentStatus::Tracked),
        _ => Err(Refusal::Malformed("the equipment status is none that is known")),
    }
}
