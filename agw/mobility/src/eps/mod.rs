//! EPS mobility management: one file per procedure, each with its ladder.

pub(crate) mod attach;
pub(crate) mod detach;
pub(crate) mod esm;
pub(crate) mod guti;
pub(crate) mod handover;
pub(crate) mod information;
pub(crate) mod paging;
pub(crate) mod path_switch;
pub(crate) mod release;
pub(crate) mod renewal;
pub(crate) mod service;
pub(crate) mod status;
pub(crate) mod tau;

use crate::cx::Cx;
use crate::ue::{Emm, Ue};
use agw_types::GatewayConfig;
use basalt_ids::{Plmn, Tai};
use basalt_nas::ie::{PlmnList, TaiList};

/// A procedure of a registered UE is over and its connection stays: whatever waited for that starts, one at a time.
pub(crate) fn settled(ue: &mut Ue, cx: &mut Cx<'_>) {
    if !matches!(ue.emm, Emm::Registered(None)) || ue.connection.is_none() {
        return;
    }
    if ue.keys.as_ref().is_some_and(|keys| keys.new_keys_due()) {
        renewal::start(ue, cx);
    } else if ue.pending_guti.is_some() {
        guti::start(ue, cx);
    }
}

/// The areas a UE at `here` may move in without telling: this one first, at most 16 (TS 24.301 §9.9.3.33).
fn registration_area(config: &GatewayConfig, here: Tai) -> Box<[Tai]> {
    let mut areas = vec![here];
    if config.whole_network_area_list {
        let others = config.areas.iter().filter(|area| area.plmn == here.plmn && **area != here);
        areas.extend(others.take(15));
    }
    areas.into()
}

/// The list for the UE.
fn tai_list(areas: &[Tai]) -> TaiList {
    TaiList::of(areas)
}

/// Networks that a UE registered in `here` may treat alike: the others served by this gateway.
fn equivalent_plmns(config: &GatewayConfig, here: Plmn) -> Option<PlmnList> {
    let others: Vec<Plmn> = config.plmns.iter().filter(|plmn| **plmn != here).take(15).copied().collect();
    (!others.is_empty()).then_some(PlmnList(others))
}
