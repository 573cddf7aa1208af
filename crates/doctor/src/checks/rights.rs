//! What the gateway may do (capabilities(7)).

use super::speaks_for_gateway;
use crate::{DataPlane, Facts, Finding, SctpBackend, Wanted};

const CAP_NET_ADMIN: u8 = 12;
const CAP_NET_RAW: u8 = 13;
const CAP_SYS_ADMIN: u8 = 21;
const CAP_BPF: u8 = 39;

/// An association and a few files each: what the default limit of 1024 does not hold for 4096 base stations.
const OPEN_FILES: u64 = 8192;

pub(super) fn net_admin(wanted: &Wanted, facts: &Facts) -> Option<Finding> {
    let why = "interfaces, routes, XDP and NAT cannot be set up";
    Some(capability(wanted, facts, "cap-net-admin", "CAP_NET_ADMIN", &[CAP_NET_ADMIN], why))
}

pub(super) fn net_raw(wanted: &Wanted, facts: &Facts) -> Option<Finding> {
    if matches!(wanted.sctp, SctpBackend::Udp(_)) {
        return Some(Finding::ok("cap-net-raw", "SCTP over UDP does not need it"));
    }
    let why = "userspace SCTP over raw IP and the software plane need raw sockets";
    Some(capability(wanted, facts, "cap-net-raw", "CAP_NET_RAW", &[CAP_NET_RAW], why))
}

pub(super) fn bpf(wanted: &Wanted, facts: &Facts) -> Option<Finding> {
    if wanted.data_plane == DataPlane::Software {
        return Some(Finding::ok("cap-bpf", "the software plane does not need it"));
    }
    let why = "XDP programs cannot be loaded";
    Some(capability(wanted, facts, "cap-bpf", "CAP_BPF", &[CAP_BPF, CAP_SYS_ADMIN], why))
}

/// One of `any` is enough.
fn capability(wanted: &Wanted, facts: &Facts, check: &'static str, name: &str, any: &[u8], why: &str) -> Finding {
    if any.iter().any(|number| facts.may(*number)) {
        return Finding::ok(check, format!("has {name}"));
    }
    if !speaks_for_gateway(wanted, facts) {
        return Finding::warning(
            check,
            format!("this user has no {name}"),
            "what the gateway may do cannot be told from here",
            "run `sudo basalt doctor` for the whole picture",
        );
    }
    Finding::error(
        check,
        format!("no {name}"),
        why,
        format!(
            "run agwd as root, or with AmbientCapabilities={name} in its systemd unit, or --cap-add in its container"
        ),
    )
}

pub(super) fn open_files(wanted: &Wanted, facts: &Facts) -> Option<Finding> {
    let most = facts.limits.open_files.filter(|_| wanted.as_gateway)?;
    if most >= OPEN_FILES {
        return Some(Finding::ok("open-files", format!("up to {most}")));
    }
    Some(Finding::warning(
        "open-files",
        format!("at most {most}"),
        "with kernel SCTP, every base station takes one",
        "LimitNOFILE=65536 in agwd's systemd unit, or `ulimit -n 65536` before starting it",
    ))
}

#[cfg(test)]
mod tests {
    use super::super::samples::{broken, healthy};
    use super::*;
    use crate::{Level, Limits};

    #[test]
    fn a_gateway_needs_its_capabilities() {
        for check in [net_admin, net_raw, bpf] {
            assert_eq!(check(&Wanted::default(), &healthy()).unwrap().level, Level::Ok);
            let missing = check(&Wanted::default(), &broken()).unwrap();
            assert_eq!(missing.level, Level::Error);
            assert!(missing.fix.contains("AmbientCapabilities=CAP_"));
        }
    }

    #[test]
    fn an_ordinary_users_rights_say_nothing_of_the_gateways() {
        let user = Facts { user: Some(1000), capabilities: Some(0), ..Facts::default() };
        assert_eq!(net_admin(&Wanted::default(), &user).unwrap().level, Level::Warning);
        let itself = Wanted { as_gateway: true, ..Wanted::default() };
        assert_eq!(net_admin(&itself, &user).unwrap().level, Level::Error);
    }

    #[test]
    fn what_is_not_used_needs_no_rights() {
        let modest = Wanted { sctp: SctpBackend::Udp(9899), data_plane: DataPlane::Software, ..Wanted::default() };
        assert_eq!(net_raw(&modest, &broken()).unwrap().level, Level::Ok);
        assert_eq!(bpf(&modest, &broken()).unwrap().level, Level::Ok);
    }

    #[test]
    fn the_older_capability_is_enough_for_bpf() {
        let facts = Facts { capabilities: Some(1 << CAP_SYS_ADMIN), user: Some(0), ..Facts::default() };
        assert_eq!(bpf(&Wanted::default(), &facts).unwrap().level, Level::Ok);
    }

    #[test]
    fn open_files_are_the_gateways_own() {
        let facts = Facts { limits: Limits { open_files: Some(1024) }, ..Facts::default() };
        assert_eq!(open_files(&Wanted::default(), &facts), None);
        let itself = Wanted { as_gateway: true, ..Wanted::default() };
        assert_eq!(open_files(&itself, &facts).unwrap().level, Level::Warning);
        assert_eq!(open_files(&itself, &healthy()).unwrap().level, Level::Ok);
    }
}
