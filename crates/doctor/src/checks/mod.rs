//! From facts to findings. Every check is a pure function of what is wanted and what was found.

mod clock;
mod kernel;
mod links;
mod ports;
mod resources;
mod rights;
mod routing;
mod sctp;
mod storage;

use crate::{DataPlane, Errno, Facts, Finding, Interface, Wanted};

/// A check: `None` where it does not apply, or where its fact could not be read and says nothing.
type Check = fn(&Wanted, &Facts) -> Option<Finding>;

/// All checks in the order in which they are shown: what the machine is, what it may, what it is connected to, what it keeps.
const CHECKS: &[Check] = &[
    kernel::version,
    kernel::bpf,
    kernel::jit,
    kernel::file_system,
    kernel::pins,
    kernel::tun,
    kernel::nf_tables,
    kernel::nft_tool,
    kernel::user_namespaces,
    rights::net_admin,
    rights::net_raw,
    rights::bpf,
    rights::open_files,
    sctp::back_end,
    sctp::module,
    links::radio,
    links::radio_mtu,
    links::radio_offloads,
    links::radio_xdp,
    links::internet,
    links::internet_xdp,
    routing::default_route,
    routing::ip_forward,
    routing::rp_filter,
    routing::forward_filter,
    routing::connections,
    routing::name_servers,
    routing::pools,
    clock::year,
    clock::synchronised,
    ports::s1ap,
    ports::gtp_u,
    ports::metrics,
    storage::state_dir,
    storage::space,
    storage::sync,
    storage::key_file,
    resources::memory,
    resources::entropy,
];

/// Judges facts. Each check occurs at most once.
#[must_use]
pub fn judge(wanted: &Wanted, facts: &Facts) -> Vec<Finding> {
    CHECKS.iter().filter_map(|check| check(wanted, facts)).collect()
}

/// Whether what this process may do tells what the gateway may do: it is the gateway, or it is root like the gateway.
fn speaks_for_gateway(wanted: &Wanted, facts: &Facts) -> bool {
    wanted.as_gateway || facts.user == Some(0)
}

/// A refusal that only says that this user may not look.
fn not_shown(wanted: &Wanted, facts: &Facts, check: &'static str, error: Errno) -> Option<Finding> {
    (error.is_refusal() && !speaks_for_gateway(wanted, facts)).then(|| {
        Finding::warning(
            check,
            "could not be looked at",
            "only root may try this",
            "run `sudo basalt doctor` for the whole picture",
        )
    })
}

/// A finding about XDP: the software plane takes its place, unless XDP is insisted on.
fn plane_problem(wanted: &Wanted, check: &'static str, found: String, cause: &str, fix: String) -> Finding {
    match wanted.data_plane {
        DataPlane::Software => Finding::ok(check, format!("{found}; the software plane does not need it")),
        DataPlane::Auto => {
            let cause = format!("{cause}; the software plane will take its place, at a fraction of the speed");
            Finding::warning(check, found, cause, fix)
        }
        DataPlane::XdpNative | DataPlane::XdpGeneric => Finding::error(check, found, cause, fix),
    }
}

/// The interface of the base stations: name, and what is known of it.
fn radio<'f>(wanted: &'f Wanted, facts: &'f Facts) -> Option<(&'f str, Option<&'f Interface>)> {
    if let Some(name) = wanted.radio_interface.as_deref() {
        return Some((name, facts.interface(name)));
    }
    if let Some(interface) = wanted.listen.first().and_then(|address| facts.interface_of(*address)) {
        return Some((&interface.name, Some(interface)));
    }
    default_interface(facts)
}

/// The interface of the internet: name, and what is known of it.
fn internet<'f>(wanted: &'f Wanted, facts: &'f Facts) -> Option<(&'f str, Option<&'f Interface>)> {
    match wanted.internet_interface.as_deref() {
        Some(name) => Some((name, facts.interface(name))),
        None => default_interface(facts),
    }
}

fn default_interface(facts: &Facts) -> Option<(&str, Option<&Interface>)> {
    let name = facts.forwarding.default_route.as_deref()?;
    Some((name, facts.interface(name)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Level;
    use std::collections::BTreeSet;

    /// Every check has something to say about facts that are all bad, and nothing it says lacks a cause or a fix.
    #[test]
    fn whatever_is_not_well_has_a_cause_and_a_fix() {
        for facts in [Facts::default(), samples::broken(), samples::healthy()] {
            for wanted in [Wanted::default(), samples::wanted()] {
                for finding in judge(&wanted, &facts) {
                    assert!(!finding.found.is_empty(), "{finding:?}");
                    let well = finding.level == Level::Ok;
                    assert_eq!(finding.cause.is_empty(), well, "{finding:?}");
                    assert_eq!(finding.fix.is_empty(), well, "{finding:?}");
                }
            }
        }
    }

    #[test]
    fn a_healthy_machine_has_no_complaints() {
        let findings = judge(&samples::wanted(), &samples::healthy());
        let complaints: Vec<_> = findings.iter().filter(|finding| finding.level > Level::Ok).collect();
        assert!(complaints.is_empty(), "{complaints:#?}");
        assert!(findings.len() >= 30, "only {} checks spoke", findings.len());
    }

    #[test]
    fn a_broken_machine_has_many() {
        let findings = judge(&samples::wanted(), &samples::broken());
        let well: Vec<_> =
            findings.iter().filter(|finding| finding.level == Level::Ok).map(|finding| finding.check).collect();
        // Forwarding is what agwd switches on itself.
        assert_eq!(well, ["sctp-module", "ip-forward"]);
        assert!(findings.len() > 30);
    }

    #[test]
    fn names_are_stable_and_unique() {
        let findings = judge(&samples::wanted(), &samples::broken());
        let names: BTreeSet<_> = findings.iter().map(|finding| finding.check).collect();
        assert_eq!(names.len(), findings.len());
        assert!(
            names.iter().all(|name| name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'))
        );
    }

    #[test]
    fn an_ordinary_user_is_told_to_look_as_root() {
        let facts = Facts { user: Some(1000), ..Facts::default() };
        let hidden = not_shown(&Wanted::default(), &facts, "bpf", Errno(libc::EPERM)).unwrap();
        assert!(hidden.fix.contains("sudo"));
        assert_eq!(not_shown(&Wanted::default(), &facts, "bpf", Errno(libc::ENOSYS)), None);
        let root = Facts { user: Some(0), ..facts };
        assert_eq!(not_shown(&Wanted::default(), &root, "bpf", Errno(libc::EPERM)), None);
    }
}

#[cfg(test)]
pub(crate) mod samples;
