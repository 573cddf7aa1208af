//! How S1AP can be carried.

use super::not_shown;
use crate::{Attempt, Errno, Facts, Finding, SctpBackend, Wanted};

pub(super) fn back_end(wanted: &Wanted, facts: &Facts) -> Option<Finding> {
    let (kernel, raw) = (facts.sctp_kernel, facts.sctp_raw);
    if kernel == Attempt::NotTried && raw == Attempt::NotTried {
        return None;
    }
    Some(match wanted.sctp {
        SctpBackend::Udp(port) => Finding::ok("sctp", format!("userspace SCTP over UDP port {port}, as configured")),
        SctpBackend::Kernel => kernel_only(kernel),
        SctpBackend::RawIp => raw_only(wanted, facts, kernel, raw),
        SctpBackend::Auto => automatic(wanted, facts, kernel, raw),
    })
}

fn kernel_only(kernel: Attempt) -> Finding {
    match kernel {
        Attempt::Failed(error) => Finding::error(
            "sctp",
            format!("the kernel has no SCTP: {error}"),
            "[radio] sctp = \"kernel\" insists on it, so no base station can connect",
            "modprobe sctp (package linux-modules-extra on Ubuntu clouds), or [radio] sctp = \"auto\"",
        ),
        _ => Finding::ok("sctp", "the kernel has SCTP"),
    }
}

fn raw_only(wanted: &Wanted, facts: &Facts, kernel: Attempt, raw: Attempt) -> Finding {
    if kernel == Attempt::Worked {
        return Finding::error(
            "sctp",
            "raw IP is configured, but the kernel has SCTP, too",
            "the kernel would answer every packet of the base stations with ABORT",
            "[radio] sctp = \"auto\" or \"kernel\"; or `rmmod sctp`, and keep it out by /etc/modprobe.d",
        );
    }
    match raw {
        Attempt::Failed(error) => not_shown(wanted, facts, "sctp", error).unwrap_or_else(|| no_raw(error)),
        _ => Finding::ok("sctp", "userspace SCTP over raw IP works"),
    }
}

fn automatic(wanted: &Wanted, facts: &Facts, kernel: Attempt, raw: Attempt) -> Finding {
    match (kernel, raw) {
        (Attempt::Worked, _) => Finding::ok("sctp", "the kernel has SCTP"),
        (_, Attempt::Failed(error)) => not_shown(wanted, facts, "sctp", error).unwrap_or_else(|| no_raw(error)),
        _ => Finding::ok("sctp", "the kernel has no SCTP; userspace SCTP over raw IP takes its place"),
    }
}

fn no_raw(error: Errno) -> Finding {
    Finding::error(
        "sctp",
        format!("the kernel has no SCTP, and a raw socket for it is refused: {error}"),
        "no base station can connect",
        "modprobe sctp, give agwd CAP_NET_RAW, or use [radio] sctp = \"udp\" on both ends (RFC 6951)",
    )
}

pub(super) fn module(wanted: &Wanted, facts: &Facts) -> Option<Finding> {
    if wanted.sctp == SctpBackend::RawIp && facts.sctp_module {
        return Some(Finding::error(
            "sctp-module",
            "the kernel module sctp is loaded",
            "it answers the packets meant for userspace SCTP with ABORT, in every network namespace",
            "rmmod sctp, and keep it out: echo 'install sctp /bin/false' > /etc/modprobe.d/basalt.conf",
        ));
    }
    let found = if facts.sctp_module { "loaded" } else { "not loaded" };
    Some(Finding::ok("sctp-module", found))
}

#[cfg(test)]
mod tests {
    use super::super::samples::healthy;
    use super::*;
    use crate::Level;

    fn judged(sctp: SctpBackend, kernel: bool, raw: bool) -> Finding {
        let attempt = |works, errno| if works { Attempt::Worked } else { Attempt::Failed(Errno(errno)) };
        let facts = Facts {
            sctp_kernel: attempt(kernel, libc::EPROTONOSUPPORT),
            sctp_raw: attempt(raw, libc::EPERM),
            ..healthy()
        };
        back_end(&Wanted { sctp, ..Wanted::default() }, &facts).unwrap()
    }

    #[test]
    fn auto_takes_what_there_is() {
        assert!(judged(SctpBackend::Auto, true, true).found.contains("kernel has SCTP"));
        assert!(judged(SctpBackend::Auto, false, true).found.contains("raw IP"));
        let neither = judged(SctpBackend::Auto, false, false);
        assert_eq!(neither.level, Level::Error);
        assert!(neither.fix.contains("CAP_NET_RAW") && neither.fix.contains("modprobe sctp"));
    }

    #[test]
    fn what_is_configured_must_work() {
        assert_eq!(judged(SctpBackend::Kernel, false, true).level, Level::Error);
        assert_eq!(judged(SctpBackend::Kernel, true, false).level, Level::Ok);
        assert_eq!(judged(SctpBackend::RawIp, true, true).level, Level::Error);
        assert_eq!(judged(SctpBackend::RawIp, false, true).level, Level::Ok);
        assert_eq!(judged(SctpBackend::RawIp, false, false).level, Level::Error);
        assert_eq!(judged(SctpBackend::Udp(9899), false, false).level, Level::Ok);
    }

    #[test]
    fn an_ordinary_user_cannot_try_raw_sockets() {
        let facts = Facts {
            user: Some(1000),
            sctp_kernel: Attempt::Failed(Errno(libc::EPROTONOSUPPORT)),
            sctp_raw: Attempt::Failed(Errno(libc::EPERM)),
            ..Facts::default()
        };
        assert_eq!(back_end(&Wanted::default(), &facts).unwrap().level, Level::Warning);
    }

    #[test]
    fn a_loaded_module_disturbs_raw_sockets() {
        let raw = Wanted { sctp: SctpBackend::RawIp, ..Wanted::default() };
        assert_eq!(module(&raw, &healthy()).unwrap().level, Level::Error);
        assert_eq!(module(&Wanted::default(), &healthy()).unwrap().level, Level::Ok);
        assert_eq!(module(&raw, &Facts { sctp_module: false, ..healthy() }).unwrap().level, Level::Ok);
    }
}
