use super::*;
use crate::config::detect::Interface;
use crate::config::parse;

fn interface(name: &str, address: &str, mtu: u32) -> Interface {
    let address: Ipv4Addr = address.parse().unwrap();
    Interface { name: name.to_owned(), addresses: vec![address.into()], networks: vec![(address, 24)], mtu }
}

fn machine() -> Machine {
    Machine {
        name: "site".to_owned(),
        interfaces: vec![interface("s1", "10.1.0.1", 1600), interface("wan", "192.0.2.2", 1500)],
        default_route: Some("wan".to_owned()),
        dns: vec![Ipv4Addr::new(192, 0, 2, 53)],
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
            "[network]\nplmns = [\"001-01\"]\n[[apn]]\nname = \"a\"\npools = [\"10.0.0.0/8\", \"10.1.0.0/16\"]\n",
            "overlaps",
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
