//! The interfaces of the base stations and of the internet.

use super::{internet as internet_of, plane_problem, radio as radio_of};
use crate::{DataPlane, Facts, Finding, Interface, Wanted};

/// Packets of 1500 octets in a GTP-U tunnel: IPv4, UDP and GTP-U header come on top.
const RADIO_MTU: u32 = 1536;
/// The largest MTU at which a veth takes a program that wants its frames in one piece.
const LARGEST_XDP_MTU: u32 = 3498;

/// Drivers with XDP since before Linux 5.15, for kernels that do not tell (before 6.3).
const XDP_DRIVERS: &[&str] = &[
    "atlantic",
    "bnxt_en",
    "cpsw",
    "dpaa2-eth",
    "ena",
    "fec",
    "fsl_dpaa2_eth",
    "gve",
    "hv_netvsc",
    "i40e",
    "ice",
    "igb",
    "igc",
    "ixgbe",
    "ixgbevf",
    "mlx4_en",
    "mlx5_core",
    "mvneta",
    "mvpp2",
    "netsec",
    "nfp",
    "qede",
    "sfc",
    "stmmac",
    "thunderx",
    "tun",
    "veth",
    "virtio_net",
    "vmxnet3",
    "xen_netfront",
];

pub(super) fn radio(wanted: &Wanted, facts: &Facts) -> Option<Finding> {
    let check = "radio-interface";
    let Some((name, interface)) = radio_of(wanted, facts) else {
        return Some(Finding::error(
            check,
            "it is not known where base stations are",
            "there is no default route to guess from",
            "[radio] listen = [\"ADDRESS\"] in the configuration",
        ));
    };
    let Some(interface) = interface else { return Some(missing(check, name, facts)) };
    if let Some(down) = not_up(check, interface) {
        return Some(down);
    }
    if let Some(absent) = wanted.listen.iter().find(|address| facts.interface_of(**address).is_none()) {
        return Some(Finding::error(
            check,
            format!("no interface has {absent}"),
            "S1AP is to be served on that address, so agwd will not start",
            format!("ip address add {absent}/24 dev {name}, or correct [radio] listen"),
        ));
    }
    Some(Finding::ok(check, described(interface)))
}

pub(super) fn internet(wanted: &Wanted, facts: &Facts) -> Option<Finding> {
    let check = "internet-interface";
    let Some((name, interface)) = internet_of(wanted, facts) else {
        return Some(Finding::warning(
            check,
            "none",
            "there is no default route and none is configured: phones reach the gateway's site only",
            "[internet] interface = \"NAME\", or add a default route",
        ));
    };
    match interface {
        None => Some(missing(check, name, facts)),
        Some(interface) => not_up(check, interface).or_else(|| Some(Finding::ok(check, described(interface)))),
    }
}

fn missing(check: &'static str, name: &str, facts: &Facts) -> Finding {
    let names: Vec<&str> = facts.interfaces.iter().map(|interface| interface.name.as_str()).collect();
    Finding::error(
        check,
        format!("there is no interface {name}"),
        "agwd will not start",
        format!("correct the configuration; interfaces here: {}", names.join(", ")),
    )
}

fn not_up(check: &'static str, interface: &Interface) -> Option<Finding> {
    let name = &interface.name;
    if !interface.up {
        let fix = format!("ip link set dev {name} up");
        return Some(Finding::error(check, format!("{name} is down"), "no packet passes", fix));
    }
    (!interface.running).then(|| {
        Finding::error(
            check,
            format!("{name} has no carrier"),
            "no packet passes",
            "plug the cable in, switch the other end on; for a veth, set its peer up",
        )
    })
}

fn described(interface: &Interface) -> String {
    let addresses: Vec<String> = interface
        .addresses
        .iter()
        .filter(|(a, _)| !is_link_local(a))
        .map(|(a, length)| format!("{a}/{length}"))
        .collect();
    let driver = interface.link.driver.as_deref().map(|driver| format!(" ({driver})")).unwrap_or_default();
    format!(
        "{}{driver} is up, {}",
        interface.name,
        if addresses.is_empty() { "no address".to_owned() } else { addresses.join(", ") }
    )
}

fn is_link_local(address: &std::net::IpAddr) -> bool {
    matches!(address, std::net::IpAddr::V6(v6) if v6.is_unicast_link_local())
}

pub(super) fn radio_mtu(wanted: &Wanted, facts: &Facts) -> Option<Finding> {
    let (name, interface) = radio_of(wanted, facts)?;
    let mtu = interface?.mtu;
    if mtu >= RADIO_MTU {
        return Some(Finding::ok("radio-mtu", format!("{name} takes {mtu} octets")));
    }
    Some(Finding::warning(
        "radio-mtu",
        format!("{name} takes {mtu} octets, packets of 1500 in a tunnel have {RADIO_MTU}"),
        "the gateway tells phones a smaller MTU; those that do not listen lose large packets: pages hang although ping works",
        format!("ip link set dev {name} mtu 1600, and the same on the base stations and the switches between"),
    ))
}

pub(super) fn radio_offloads(wanted: &Wanted, facts: &Facts) -> Option<Finding> {
    let check = "radio-offloads";
    let (name, interface) = radio_of(wanted, facts)?;
    let link = &interface?.link;
    if wanted.data_plane == DataPlane::Software {
        return None;
    }
    if link.lro == Some(true) {
        return Some(Finding::warning(
            check,
            format!("large receive offload is on at {name}"),
            "drivers refuse XDP while it is on",
            format!("ethtool -K {name} lro off"),
        ));
    }
    if link.driver.as_deref() == Some("veth") && link.gro == Some(false) {
        return Some(Finding::warning(
            check,
            format!("generic receive offload is off at the veth {name}"),
            "without it a veth loses every frame that XDP redirects into it from the other end",
            format!("ethtool -K {name} gro on, and the same at its peer"),
        ));
    }
    (link.lro.is_some() || link.gro.is_some()).then(|| Finding::ok(check, format!("{name} is set as XDP wants it")))
}

pub(super) fn radio_xdp(wanted: &Wanted, facts: &Facts) -> Option<Finding> {
    let (_, interface) = radio_of(wanted, facts)?;
    xdp(wanted, "radio-xdp", interface?)
}

/// In routed mode, packets for phones are taken off the internet interface by XDP, too.
pub(super) fn internet_xdp(wanted: &Wanted, facts: &Facts) -> Option<Finding> {
    let (_, interface) = internet_of(wanted, facts).filter(|_| !wanted.nat)?;
    xdp(wanted, "internet-xdp", interface?)
}

fn xdp(wanted: &Wanted, check: &'static str, interface: &Interface) -> Option<Finding> {
    let name = &interface.name;
    let native = match (interface.link.xdp, interface.link.driver.as_deref()) {
        (Some(support), _) => support.native,
        (None, Some(driver)) => XDP_DRIVERS.contains(&driver),
        (None, None) => return None,
    };
    let driver = interface.link.driver.as_deref().unwrap_or("its driver");
    if matches!(wanted.data_plane, DataPlane::Software | DataPlane::XdpGeneric) {
        return Some(Finding::ok(check, format!("{name}: native XDP is not asked for")));
    }
    if !native {
        return Some(no_native(wanted, check, format!("{driver} has no XDP ({name})")));
    }
    if interface.mtu > LARGEST_XDP_MTU {
        let fix = format!("ip link set dev {name} mtu 1600");
        let found =
            format!("{name} takes {} octets, XDP programs want frames of at most {LARGEST_XDP_MTU}", interface.mtu);
        return Some(plane_problem(wanted, check, found, "drivers refuse the program", fix));
    }
    Some(Finding::ok(check, format!("{driver} runs XDP programs ({name})")))
}

fn no_native(wanted: &Wanted, check: &'static str, found: String) -> Finding {
    let fix =
        "use a network card whose driver has XDP (igb, igc, ixgbe, i40e, ice, mlx5, ena, virtio_net with spare queues)";
    if wanted.data_plane == DataPlane::XdpNative {
        let cause = "native XDP is insisted on, so packets are not forwarded";
        return Finding::error(check, found, cause, format!("{fix}, or [dataplane] mode = \"auto\""));
    }
    let cause = "generic XDP will take its place: it works, at perhaps a third of the speed";
    Finding::warning(check, found, cause, format!("fine for a small site; for more, {fix}"))
}

#[cfg(test)]
mod tests {
    use super::super::samples::{broken, healthy, wanted};
    use super::*;
    use crate::{Level, Link, XdpSupport};

    /// A healthy machine whose radio interface is changed.
    fn with(change: impl FnOnce(&mut Interface)) -> Facts {
        let mut facts = healthy();
        change(&mut facts.interfaces[0]);
        facts
    }

    #[test]
    fn interfaces_must_exist_and_be_up() {
        assert_eq!(radio(&wanted(), &healthy()).unwrap().level, Level::Ok);
        assert!(radio(&wanted(), &broken()).unwrap().fix.contains("ip link set dev s1 up"));
        assert!(radio(&wanted(), &with(|i| i.running = false)).unwrap().found.contains("carrier"));
        let typo = Wanted { radio_interface: Some("eht0".to_owned()), ..wanted() };
        assert!(radio(&typo, &healthy()).unwrap().fix.contains("s1, wan"));
        assert_eq!(radio(&Wanted::default(), &Facts::default()).unwrap().level, Level::Error);
    }

    #[test]
    fn the_address_must_be_there() {
        let elsewhere = Wanted { listen: vec!["10.9.9.9".parse().unwrap()], ..wanted() };
        let finding = radio(&elsewhere, &healthy()).unwrap();
        assert_eq!(finding.level, Level::Error);
        assert!(finding.fix.contains("ip address add 10.9.9.9"));
    }

    #[test]
    fn the_interface_of_the_address_is_taken_if_none_is_named() {
        let unnamed = Wanted { radio_interface: None, ..wanted() };
        assert!(radio(&unnamed, &healthy()).unwrap().found.starts_with("s1 (ixgbe) is up, 10.1.0.1/24"));
        assert!(radio(&Wanted::default(), &healthy()).unwrap().found.starts_with("wan"));
    }

    #[test]
    fn no_internet_is_a_choice() {
        assert_eq!(internet(&wanted(), &healthy()).unwrap().level, Level::Ok);
        assert_eq!(internet(&Wanted::default(), &Facts::default()).unwrap().level, Level::Warning);
        let typo = Wanted { internet_interface: Some("wna".to_owned()), ..wanted() };
        assert_eq!(internet(&typo, &healthy()).unwrap().level, Level::Error);
    }

    #[test]
    fn tunnels_need_room() {
        assert_eq!(radio_mtu(&wanted(), &with(|i| i.mtu = 1536)).unwrap().level, Level::Ok);
        let small = radio_mtu(&wanted(), &with(|i| i.mtu = 1500)).unwrap();
        assert_eq!(small.level, Level::Warning);
        assert!(small.fix.contains("ip link set dev s1 mtu 1600"));
    }

    #[test]
    fn offloads_that_xdp_cannot_bear() {
        assert!(radio_offloads(&wanted(), &with(|i| i.link.lro = Some(true))).unwrap().fix.contains("lro off"));
        let veth = Link { driver: Some("veth".to_owned()), gro: Some(false), ..Link::default() };
        assert!(radio_offloads(&wanted(), &with(|i| i.link = veth.clone())).unwrap().fix.contains("gro on"));
        let software = Wanted { data_plane: DataPlane::Software, ..wanted() };
        assert_eq!(radio_offloads(&software, &with(|i| i.link = veth)), None);
        assert_eq!(radio_offloads(&wanted(), &with(|i| i.link = Link::default())), None);
    }

    #[test]
    fn what_the_driver_says_counts_more_than_its_name() {
        let refused = Some(XdpSupport { native: false, redirect: false, target: false });
        let finding = radio_xdp(&wanted(), &with(|i| i.link.xdp = refused)).unwrap();
        assert_eq!(finding.level, Level::Warning);
        let insisting = Wanted { data_plane: DataPlane::XdpNative, ..wanted() };
        assert_eq!(radio_xdp(&insisting, &with(|i| i.link.xdp = refused)).unwrap().level, Level::Error);
        assert_eq!(radio_xdp(&wanted(), &with(|i| i.link.xdp = None)).unwrap().level, Level::Ok);
        let old = |driver: &str| with(|i| i.link = Link { driver: Some(driver.to_owned()), ..Link::default() });
        assert_eq!(radio_xdp(&wanted(), &old("r8169")).unwrap().level, Level::Warning);
        assert_eq!(radio_xdp(&wanted(), &old("virtio_net")).unwrap().level, Level::Ok);
    }

    #[test]
    fn giant_frames_do_not_fit_a_program() {
        assert_eq!(radio_xdp(&wanted(), &with(|i| i.mtu = 9000)).unwrap().level, Level::Warning);
    }

    #[test]
    fn the_internet_side_needs_xdp_in_routed_mode_only() {
        assert_eq!(internet_xdp(&wanted(), &healthy()), None);
        let routed = Wanted { nat: false, ..wanted() };
        assert_eq!(internet_xdp(&routed, &healthy()).unwrap().check, "internet-xdp");
    }
}
