//! EMM information (TS 24.301 §5.4.5): the network's name and the time, for the phone's display.
//!
//! ```text
//!   UE                              MME
//!    │              EMM INFORMATION  │  after attach, if a name is configured; no answer
//!    │◄──────────────────────────────┤
//! ```

use crate::cx::Cx;
use crate::ue::Ue;
use basalt_nas::EmmMessage;
use basalt_nas::emm::EmmInformation;
use basalt_nas::ie::{NetworkName, TimeZone, UniversalTime};

pub(crate) fn send(ue: &mut Ue, cx: &mut Cx<'_>) {
    let Some(name) = &cx.config.network_name else { return };
    let zone = TimeZone { quarters: cx.config.time_zone_quarters };
    let mut information = EmmInformation::new();
    information.full_name = NetworkName::new(&name.full);
    information.short_name = name.short.as_deref().and_then(NetworkName::new);
    information.local_time_zone = Some(zone);
    information.universal_time = Some(UniversalTime::from_unix(cx.now.unix_secs, zone));
    ue.send(EmmMessage::EmmInformation(information), cx);
}
