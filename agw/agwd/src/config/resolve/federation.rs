//! Federation: that what is written can work.

use super::{each, wrong};
use crate::config::file::{FederationGateway, File};
use crate::config::parse::ConfigError;
use crate::config::values;
use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

pub(super) fn check(file: &File) -> Result<(), ConfigError> {
    let federation = &file.federation;
    let wanted = federation.others || !federation.networks.is_empty() || !federation.imsis.is_empty();
    if !wanted && federation.gateway.is_empty() {
        return Ok(());
    }
    let tacs: BTreeSet<u16> = federation.area.iter().map(|area| area.tac).collect();
    if tacs.len() < federation.area.len() {
        return Err(wrong("a tracking area is twice in `area`").fix("name all its zone codes at once"));
    }
    each(&federation.networks, values::plmn).map_err(wrong)?;
    let digits = |text: &String| (6..=15).contains(&text.len()) && text.bytes().all(|octet| octet.is_ascii_digit());
    if let Some(beginning) = federation.imsis.iter().find(|text| !digits(text)) {
        return Err(wrong(format!("{beginning:?} begins no IMSI")).fix("write 6 to 15 digits, network code first"));
    }
    if !wanted {
        return Err(wrong("federation gateways are named, and nobody's subscribers are theirs")
            .fix("list networks in `networks`, or set `others = true`"));
    }
    if federation.gateway.is_empty() {
        return Err(wrong("subscribers of other networks are to be asked for, and no federation gateway is named")
            .fix(
                "add:\n    [[federation.gateway]]\n    name = \"feg1.example\"\n    address = \"feg1.example:8482\"",
            ));
    }
    if file.network.home_only == Some(true) {
        return Err(wrong("`home_only` refuses the phones that `federation` lets in").fix("remove one of them"));
    }
    let files = [&federation.certificate, &federation.key, &federation.authority];
    let given = files.iter().filter(|file| file.is_some()).count();
    let here = |address: &str| {
        address == FederationGateway::ORCHESTRATOR
            || address.parse::<SocketAddr>().is_ok_and(|address| address.ip().is_loopback())
    };
    let far = federation.gateway.iter().find(|gateway| !gateway.joined && !here(&gateway.address));
    if let Some(gateway) = far.filter(|_| given == 0) {
        return Err(wrong(format!("{} is elsewhere, and vectors travel there", gateway.name))
            .fix("set `certificate`, `key` and `authority`, or `joined = true` where both joined one orchestrator"));
    }
    if !matches!(given, 0 | 3) {
        return Err(wrong("`certificate`, `key` and `authority` belong together").fix("set all three"));
    }
    if federation.vectors.is_some_and(|count| !(1..=5).contains(&count)) {
        return Err(wrong("a home network gives 1 to 5 vectors at once").fix("set `vectors` to 3"));
    }
    let sound = |text: &String| {
        let label = |label: &str| {
            (1..=63).contains(&label.len()) && label.bytes().all(|octet| octet.is_ascii_alphanumeric() || octet == b'-')
        };
        text.parse::<IpAddr>().is_ok() || (text.len() <= 255 && text.contains('.') && text.split('.').all(label))
    };
    if let Some(text) = federation.pdn_gateway.as_ref().filter(|text| !sound(text)) {
        return Err(wrong(format!("`pdn_gateway` {text:?} is neither an address nor a whole name"))
            .fix("write an address, or a name such as \"pgw1.node.epc.mnc001.mcc001.3gppnetwork.org\""));
    }
    for age in [&federation.vector_age, &federation.profile_age].into_iter().flatten() {
        values::duration(age).map_err(wrong)?;
    }
    Ok(())
}
