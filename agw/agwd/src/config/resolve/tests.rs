use super::*;
use crate::config::detect::Interface;
use crate::config::parse;
use agw_types::PdnTypes;

fn interface(name: &str, address: &str, mtu: u32) -> Interface {
    let address: Ipv4Addr = address.parse().unwrap();
    Interface {
        name: name.to_owned(),
        addresses: vec![address.into()],
        networks: vec![(address, 24)],
        mtu,
        speed: None,
    }
}

fn machine() -> Machine {
    Machine {
        name: "site".to_owned(),
        interfaces: vec![interface("s1", "10.1.0.1", 1600), interface("wan", "192.0.2.2", 1500)],
        also_called: vec![("enp3s0".to_owned(), "wan".to_owned()), ("cells0".to_owned(), "s1".to_owned())],
        default_route: Some("wan".to_owned()),
        dns: vec![Ipv4Addr::new(192, 0, 2, 53)],
        memory: 16_300_000 << 10,
    }
}

fn effective(text: &str) -> Result<Effective, ConfigError> {
    resolve(&parse(text).unwrap(), text, &machine())
}

#[test]
fn a_network_is_all_that_must_be_said() {
    let found = effective("[network]\nplmns = [\"001-01\"]\n[radio]\nlisten = [\"10.1.0.1\"]\n").unwrap();
    assert_eq!(found.radio_interface, "s1");
    assert_eq!(found.internet_interface.as_deref(), Some("wan"));
    assert_eq!(found.gateway.mtu, 1500);
    assert_eq!(found.gateway.dns, [Ipv4Addr::new(192, 0, 2, 53)]);
    assert_eq!(found.gateway.security.ciphering, [2, 1, 3, 0]);
    assert_eq!(found.gateway.security.integrity, [2, 1, 3]);
}

#[test]
fn interfaces_are_found_by_their_other_names_and_called_by_their_first() {
    let network = "[network]\nplmns = [\"001-01\"]\n";
    let found = effective(&format!("{network}[radio]\ninterface = \"cells0\"\n[internet]\ninterface = \"enp3s0\"\n"));
    let found = found.unwrap();
    assert_eq!((found.radio_interface.as_str(), found.internet_interface.as_deref()), ("s1", Some("wan")));
    let refused = effective(&format!("{network}[internet]\ninterface = \"eth7\"\n")).unwrap_err().to_string();
    for part in ["line 4", "`eth7`", "interfaces here: s1, wan", "ip link property add dev ITS-NAME altname eth7"] {
        assert!(refused.contains(part), "{refused}");
    }
}

#[test]
fn sizes_of_tables_follow_memory_where_nothing_is_said() {
    let with = |memory: u64, more: &str| {
        let text = format!("[network]\nplmns = [\"001-01\"]\n{more}");
        let machine = Machine { memory, ..machine() };
        resolve(&parse(&text).unwrap(), &text, &machine).unwrap().max_sessions
    };
    let gigabyte = 1_000_000 << 10;
    let found: Vec<u32> = [0, 1, 2, 4, 8, 16, 24, 32, 64].map(|many| with(many * gigabyte, "")).into();
    assert_eq!(found, [65_536, 4_096, 8_192, 16_384, 32_768, 65_536, 65_536, 131_072, 262_144]);
    assert_eq!(with(4096 * gigabyte, ""), 1_048_575, "as many as there are TEIDs");
    assert_eq!(with(gigabyte, "[dataplane]\nmax_sessions = 70000\n"), 70_000, "what is said stands");
}

#[test]
fn an_access_point_has_the_types_of_its_pools() {
    let with = |more: &str| {
        let text = format!("[network]\nplmns = [\"001-01\"]\n[[apn]]\nname = \"a\"\n{more}\n");
        let found = effective(&text).unwrap();
        assert_eq!(effective(&found.to_toml()).unwrap(), found);
        let apn = found.gateway.apns[0].clone();
        (apn.pools.len(), apn.pools6.len(), apn.pdn_types, found.gateway.dns6.len())
    };
    let both = "pools = [\"10.45.0.0/24\", \"2001:db8:1::/48\", \"10.46.0.0/24\"]";
    assert_eq!(with("pools = [\"10.45.0.0/16\"]"), (1, 0, PdnTypes::Ipv4, 0));
    assert_eq!(with("pools = [\"2001:db8::/40\"]\ndelegate = 56"), (0, 1, PdnTypes::Ipv6, 2));
    assert_eq!(with(both), (2, 1, PdnTypes::Ipv4v6, 2));
    assert_eq!(with(&format!("{both}\npdn_types = \"ipv4-or-ipv6\"")), (2, 1, PdnTypes::Ipv4OrIpv6, 2));
    assert_eq!(
        with(&format!("{both}\npdn_types = \"ipv4\"\n[internet]\ndns = [\"2001:db8::53\"]")),
        (2, 1, PdnTypes::Ipv4, 1)
    );
}

#[test]
fn what_is_printed_gives_the_same_again() {
    let text = "[network]\nplmns = [\"310-410\", \"001-01\"]\ntacs = [7, 9]\nutc_offset_minutes = -330\n";
    let first = effective(text).unwrap();
    let printed = first.to_toml();
    assert_eq!(effective(&printed).unwrap(), first, "{printed}");
}

#[test]
fn the_example_file_works_as_it_is_and_with_everything_said() {
    let example = include_str!("../../../agwd.example.toml");
    let plain = effective(example).unwrap();
    let said: String = example
        .lines()
        .map(|line| match line.strip_prefix("# ") {
            Some(rest) if rest.starts_with('[') || rest.contains(" = ") => format!("{rest}\n"),
            _ => format!("{line}\n"),
        })
        .collect();
    let said = said.replace("10.0.1.1", "10.1.0.1").replace("\"eth0\"", "\"wan\"");
    let full = effective(&said).unwrap_or_else(|error| panic!("{error}\n{said}"));
    assert_eq!(plain.gateway.apns, full.gateway.apns);
    assert_eq!(plain.gateway.security, full.gateway.security);
    assert_eq!(plain.max_sessions, full.max_sessions);
}

#[test]
fn mistakes_name_line_and_fix() {
    let cases = [
        ("", "which network this is"),
        ("[network]\nplmns = [\"1\"]\n", "line 2: `1` is not a PLMN"),
        ("[network]\nplmns = [\"001-01\"]\ntacs = [0]\n", "line 3: tracking area code 0 is reserved"),
        ("[network]\nplmns = [\"001-01\"]\n[radio]\nlisten = [\"10.9.9.9\"]\n", "line 4: no interface has the address"),
        ("[network]\nplmns = [\"001-01\"]\n[radio]\nsctp = \"kernal\"\n", "did you mean \"kernel\"?"),
        ("[network]\nplmns = [\"001-01\"]\n[security]\nintegrity = [\"EIA0\"]\n", "never accepted"),
        ("[network]\nplmns = [\"001-01\"]\n[timers]\nt3412 = \"soon\"\n", "is not a duration"),
        (
            "[network]\nplmns = [\"001-01\"]\n[internet]\ninterface = \"s1\"\nmode = \"xdp-nat\"\n[radio]\ninterface = \"s1\"\n",
            "an internet interface of its own",
        ),
        (
            "[network]\nplmns = [\"001-01\"]\n[radio]\nlisten = [\"10.1.0.1\"]\n[dataplane]\nmode = \"software\"\n[[apn]]\nname = \"a\"\npools = [\"10.8.0.0/16\"]\n\
             mode = \"routed\"\nvlan = 7\nvlan_address = \"10.9.0.2\"\nvlan_router = \"10.9.0.1\"\n",
            "need XDP",
        ),
        (
            "[network]\nplmns = [\"001-01\"]\n[[apn]]\nname = \"a\"\npools = [\"10.0.0.0/8\", \"10.1.0.0/16\"]\n",
            "overlaps",
        ),
        (
            "[network]\nplmns = [\"001-01\"]\n[[apn]]\nname = \"a\"\npools = [\"2001:db8::/48\", \"2001:db8:0:1::/64\"]\n",
            "overlaps",
        ),
        (
            "[network]\nplmns = [\"001-01\"]\n[[apn]]\nname = \"a\"\npools = [\"2001:db8::/32\"]\n",
            "line 5: `2001:db8::/32` is larger",
        ),
        (
            "[network]\nplmns = [\"001-01\"]\n[[apn]]\nname = \"a\"\npools = [\"10.0.0.0/8\"]\npdn_types = \"ipv4v6\"\n",
            "allows IPv6 and has no IPv6 pool",
        ),
        (
            "[network]\nplmns = [\"001-01\"]\n[[apn]]\nname = \"a\"\npools = [\"10.0.0.0/8\"]\ndelegate = 56\n",
            "no IPv6 pool",
        ),
        (
            "[network]\nplmns = [\"001-01\"]\n[[apn]]\nname = \"a\"\npools = [\"2001:db8::/48\"]\ndelegate = 64\n",
            "48 to 63",
        ),
    ];
    for (text, expected) in cases {
        let message = effective(text).unwrap_err().to_string();
        assert!(message.contains(expected), "{text:?} gave {message}");
    }
}

#[test]
fn name_servers_that_would_be_closed_to_phones_are_known() {
    let with = |dns: &str, more: &str| {
        let text = format!("[network]\nplmns = [\"001-01\"]\n[internet]\ndns = [\"{dns}\"]\n{more}");
        !effective(&text).unwrap().dns_inside.is_empty()
    };
    assert!(!with("9.9.9.9", ""), "on the internet");
    assert!(!with("192.0.2.53", ""), "on the network towards the internet");
    assert!(with("192.0.2.2", ""), "this machine");
    assert!(with("10.1.0.53", ""), "beside the base stations");
    assert!(with("10.45.0.1", ""), "the gateway as phones see it");
    assert!(with("172.16.5.5", "blocked = [\"172.16.0.0/12\"]\n"), "in a network that is blocked");
}

#[test]
fn ways_to_the_internet_are_read_and_printed() {
    let network = "[network]\nplmns = [\"001-01\"]\n[radio]\nlisten = [\"10.1.0.1\"]\n";
    let text = format!(
        "{network}[internet]\nmode = \"xdp-nat\"\n[nat]\naddresses = [\"203.0.113.8\"]\nports = \"2048-65535\"\nblock = 64\n\
         filtering = \"address\"\ntcp = \"3h\"\n[[apn]]\nname = \"a\"\npools = [\"10.45.0.0/24\"]\n[[apn]]\nname = \"b\"\n\
         pools = [\"10.46.0.0/24\"]\nmode = \"routed\"\nvlan = 100\nvlan_address = \"10.9.0.2\"\nvlan_router = \"10.9.0.1\"\n"
    );
    let found = effective(&text).unwrap();
    assert_eq!(found.egress.name(), "xdp-nat");
    assert_eq!((found.translation.block, found.translation.ports.clone()), (64, Some(2048..=65535)));
    assert_eq!(found.apn_egress.len(), 1);
    assert_eq!(found.apn_egress[0].vlan.map(|vlan| vlan.id), Some(100));
    let printed = found.to_toml();
    assert_eq!(effective(&printed).unwrap(), found, "{printed}");
    for (wrong, what) in [
        ("[internet]\nmode = \"xdp-nta\"\n", "did you mean \"xdp-nat\"?"),
        ("[nat]\nblock = 100\n", "use 16, 32, 64"),
        ("[nat]\nports = \"80-90\"\n", "is not a range of ports"),
        ("[[apn]]\nname = \"a\"\npools = [\"10.45.0.0/24\"]\nvlan = 5\n", "set vlan, vlan_address and vlan_router"),
        (
            "[[apn]]\nname = \"a\"\npools = [\"10.45.0.0/24\"]\nvlan = 5\nvlan_address = \"10.9.0.2\"\n\
             vlan_router = \"10.9.0.1\"\n",
            "NAT does not lead into the VLAN",
        ),
    ] {
        let error = effective(&format!("{network}{wrong}")).unwrap_err();
        assert!(error.to_string().contains(what), "{error}");
        assert!(error.line.is_some(), "{error}");
    }
}
