//! A small site, for examples, tests and benches.

use agw_types::{
    AddressPool, ApnConfig, GatewayConfig, NetworkName, PagingPolicy, ProcedureTimers, QosConfig, SecurityOrder,
};
use basalt_ids::{Apn, MmeCode, MmeGroupId, Plmn, Tac, Tai};
use basalt_sansio::Duration;
use core::net::{IpAddr, Ipv4Addr};

/// Network 001-01, area 1, one access point `internet` with 10.45.0.0/16.
#[must_use]
pub fn example_config() -> GatewayConfig {
    let plmns: Vec<Plmn> = Plmn::new(1, 1, 2).into_iter().collect();
    let areas = plmns.iter().map(|plmn| Tai { plmn: *plmn, tac: Tac(1) }).collect();
    let pool =
        AddressPool { network: Ipv4Addr::new(10, 45, 0, 0), prefix: 16, gateway: Some(Ipv4Addr::new(10, 45, 0, 1)) };
    let apns = "internet".parse::<Apn>().into_iter().map(|apn| ApnConfig::ipv4(apn, vec![pool])).collect();
    GatewayConfig {
        name: "basalt".to_owned(),
        plmns,
        group: MmeGroupId(2),
        code: MmeCode(1),
        relative_capacity: 255,
        areas,
        whole_network_area_list: true,
        regional: false,
        user_plane: IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)),
        apns,
        dns: vec![Ipv4Addr::new(10, 45, 0, 1)],
        dns6: Vec::new(),
        mtu: 1400,
        security: SecurityOrder { ciphering: vec![2, 1, 3, 0], integrity: vec![2, 1, 3] },
        timers: ProcedureTimers::default(),
        paging: PagingPolicy { attempts: 3, backoff: Duration::from_secs(30), per_second: 400 },
        network_name: Some(NetworkName { full: "Basalt".to_owned(), short: None }),
        time_zone_quarters: 0,
        request_imeisv: true,
        access: agw_types::AccessLists::default(),
        retired: Vec::new(),
        home_only: false,
        qos: QosConfig::default(),
    }
}
