//! What the kernel can do.

use super::{not_shown, plane_problem};
use crate::{Attempt, BpfFs, DataPlane, Facts, Finding, Wanted};

/// `BPF_LINK_TYPE_XDP`, by which programs stay attached while the daemon is down.
const OLDEST_FOR_XDP: (u32, u32) = (5, 9);
/// The oldest kernel this is tried on.
const OLDEST_TRIED: (u32, u32) = (5, 15);

pub(super) fn version(wanted: &Wanted, facts: &Facts) -> Option<Finding> {
    let release = &facts.kernel_release;
    let Some(version) = number(release) else {
        return (!release.is_empty()).then(|| Finding::ok("kernel", format!("Linux {release}")));
    };
    let fix = "use a distribution with Linux 5.15 or later (Debian 12, Ubuntu 22.04)";
    if version < OLDEST_FOR_XDP {
        let cause = "pinned XDP links need Linux 5.9";
        return Some(plane_problem(wanted, "kernel", format!("Linux {release}"), cause, fix.to_owned()));
    }
    if version < OLDEST_TRIED {
        let cause = "kernels before 5.15 are not tried with this gateway";
        return Some(Finding::warning("kernel", format!("Linux {release}"), cause, fix));
    }
    Some(Finding::ok("kernel", format!("Linux {release}")))
}

/// Major and minor number of a release such as "6.1.0-18-amd64".
fn number(release: &str) -> Option<(u32, u32)> {
    let mut parts = release.split(|c: char| !c.is_ascii_digit());
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

pub(super) fn bpf(wanted: &Wanted, facts: &Facts) -> Option<Finding> {
    let error = match facts.bpf {
        Attempt::NotTried => return None,
        Attempt::Worked => return Some(Finding::ok("bpf", "the kernel accepts XDP programs")),
        Attempt::Failed(error) => error,
    };
    if let Some(hidden) = not_shown(wanted, facts, "bpf", error) {
        return Some(hidden);
    }
    let fix = if error.is_refusal() {
        "give the gateway CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON; in a container, allow the bpf system call (seccomp)"
    } else {
        "use a kernel with CONFIG_BPF_SYSCALL and CONFIG_NET, as distributions ship it"
    };
    let found = format!("an XDP program could not be loaded: {error}");
    Some(plane_problem(wanted, "bpf", found, "packets cannot be forwarded in the kernel", fix.to_owned()))
}

pub(super) fn jit(wanted: &Wanted, facts: &Facts) -> Option<Finding> {
    let enabled = facts.bpf_jit?;
    if enabled > 0 || wanted.data_plane == DataPlane::Software {
        return Some(Finding::ok("bpf-jit", if enabled > 0 { "BPF programs are compiled" } else { "off, not needed" }));
    }
    Some(Finding::warning(
        "bpf-jit",
        "BPF programs are interpreted",
        "every packet takes several times as long",
        "sysctl -w net.core.bpf_jit_enable=1, and write it to /etc/sysctl.d/basalt.conf",
    ))
}

pub(super) fn file_system(wanted: &Wanted, facts: &Facts) -> Option<Finding> {
    let dir = wanted.pin_dir.display();
    match facts.bpf_fs {
        BpfFs::Unknown => None,
        BpfFs::Mounted => Some(Finding::ok("bpf-file-system", format!("mounted for {dir}"))),
        BpfFs::Mountable => Some(Finding::ok("bpf-file-system", format!("will be mounted at {dir}"))),
        BpfFs::Absent => Some(plane_problem(
            wanted,
            "bpf-file-system",
            "the kernel has no BPF file system".to_owned(),
            "programs cannot be pinned, so packets would stop whenever the gateway restarts",
            "use a kernel with CONFIG_BPF_SYSCALL; in a container, mount bpffs from the host".to_owned(),
        )),
    }
}

pub(super) fn pins(wanted: &Wanted, facts: &Facts) -> Option<Finding> {
    let (dir, count) = (wanted.pin_dir.display(), facts.pins);
    if count == 0 {
        return Some(Finding::ok("bpf-pins", format!("nothing pinned in {dir}")));
    }
    if wanted.gateway_running {
        return Some(Finding::ok("bpf-pins", format!("{count} programs and maps of the running gateway in {dir}")));
    }
    Some(Finding::warning(
        "bpf-pins",
        format!("{count} programs and maps pinned in {dir}, but no gateway runs"),
        "packets of an earlier run are still forwarded, as after a crash; a gateway that starts takes them over",
        format!("start agwd; to get rid of them instead, unmount {dir} or remove what is in it"),
    ))
}

pub(super) fn tun(wanted: &Wanted, facts: &Facts) -> Option<Finding> {
    let error = match facts.tun {
        Attempt::NotTried => return None,
        Attempt::Worked => return Some(Finding::ok("tun", "/dev/net/tun can be opened")),
        Attempt::Failed(error) => error,
    };
    if let Some(hidden) = not_shown(wanted, facts, "tun", error) {
        return Some(hidden);
    }
    Some(Finding::warning(
        "tun",
        format!("/dev/net/tun cannot be opened: {error}"),
        "veth pairs stand in for TUN devices in the software plane and for simulated phones, at some cost of speed",
        "modprobe tun; in a container, pass the device (--device /dev/net/tun)",
    ))
}

pub(super) fn nf_tables(wanted: &Wanted, facts: &Facts) -> Option<Finding> {
    let error = match facts.nf_tables {
        Attempt::NotTried => return None,
        Attempt::Worked => return Some(Finding::ok("nf-tables", "the kernel has nf_tables")),
        Attempt::Failed(error) => error,
    };
    if let Some(hidden) = not_shown(wanted, facts, "nf-tables", error) {
        return Some(hidden);
    }
    let finding = Finding::error(
        "nf-tables",
        format!("nf_tables does not answer: {error}"),
        "phones get no internet behind the gateway's address (NAT)",
        "modprobe nf_tables, give the gateway CAP_NET_ADMIN, or route the phones' addresses ([internet] mode = \"routed\")",
    );
    Some(if wanted.nat { finding } else { finding.at_most_a_warning() })
}

pub(super) fn nft_tool(wanted: &Wanted, facts: &Facts) -> Option<Finding> {
    match &facts.nft {
        Some(path) => Some(Finding::ok("nft-tool", path.clone())),
        None if !wanted.nat => Some(Finding::ok("nft-tool", "not installed; routed mode does not need it")),
        None => Some(Finding::error(
            "nft-tool",
            "there is no `nft` in the path",
            "the gateway sets up NAT through it, so phones would get no internet",
            "apt install nftables",
        )),
    }
}

pub(super) fn user_namespaces(_: &Wanted, facts: &Facts) -> Option<Finding> {
    let most = facts.user_namespaces?;
    let consequence =
        "`make demo` and `make test` without root skip what needs namespaces; the gateway itself does not care";
    if most == 0 {
        return Some(Finding::warning(
            "user-namespaces",
            "switched off",
            consequence,
            "sysctl -w user.max_user_namespaces=15000, or run them as root",
        ));
    }
    if facts.user_namespaces_restricted {
        return Some(Finding::warning(
            "user-namespaces",
            "not for ordinary users",
            consequence,
            "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0 (Ubuntu), or run them as root",
        ));
    }
    Some(Finding::ok("user-namespaces", format!("up to {most}")))
}

#[cfg(test)]
mod tests {
    use super::super::samples::{broken, healthy};
    use super::*;
    use crate::{Errno, Level};

    fn level(finding: Option<Finding>) -> Level {
        finding.unwrap().level
    }

    #[test]
    fn old_kernels_are_named() {
        let on = |release: &str| Facts { kernel_release: release.to_owned(), ..Facts::default() };
        let insisting = Wanted { data_plane: DataPlane::XdpNative, ..Wanted::default() };
        let software = Wanted { data_plane: DataPlane::Software, ..Wanted::default() };
        assert_eq!(level(version(&Wanted::default(), &on("6.1.0-18-amd64"))), Level::Ok);
        assert_eq!(level(version(&Wanted::default(), &on("5.10.0"))), Level::Warning);
        assert_eq!(level(version(&Wanted::default(), &on("5.4.0-150-generic"))), Level::Warning);
        assert_eq!(level(version(&insisting, &on("5.4.0-150-generic"))), Level::Error);
        assert_eq!(level(version(&software, &on("5.4.0-150-generic"))), Level::Ok);
        assert_eq!(level(version(&insisting, &on("weird"))), Level::Ok);
        assert_eq!(version(&insisting, &on("")), None);
    }

    #[test]
    fn without_bpf_the_software_plane_is_announced() {
        let facts = Facts { bpf: Attempt::Failed(Errno(libc::ENOSYS)), ..healthy() };
        let finding = bpf(&Wanted::default(), &facts).unwrap();
        assert_eq!(finding.level, Level::Warning);
        assert!(finding.cause.contains("software plane"));
        let refused = bpf(&Wanted::default(), &broken()).unwrap();
        assert!(refused.fix.contains("CAP_BPF"));
        assert_eq!(level(bpf(&Wanted::default(), &healthy())), Level::Ok);
        assert_eq!(bpf(&Wanted::default(), &Facts::default()), None);
    }

    #[test]
    fn an_interpreter_is_slow() {
        assert_eq!(level(jit(&Wanted::default(), &broken())), Level::Warning);
        assert_eq!(level(jit(&Wanted::default(), &healthy())), Level::Ok);
        let software = Wanted { data_plane: DataPlane::Software, ..Wanted::default() };
        assert_eq!(level(jit(&software, &broken())), Level::Ok);
    }

    #[test]
    fn a_bpf_file_system_is_mounted_or_can_be() {
        let with = |bpf_fs| file_system(&Wanted::default(), &Facts { bpf_fs, ..Facts::default() });
        assert_eq!(level(with(BpfFs::Mounted)), Level::Ok);
        assert_eq!(level(with(BpfFs::Mountable)), Level::Ok);
        assert_eq!(level(with(BpfFs::Absent)), Level::Warning);
        assert_eq!(with(BpfFs::Unknown), None);
    }

    #[test]
    fn pins_without_a_gateway_are_leftovers() {
        let facts = Facts { pins: 3, ..Facts::default() };
        assert_eq!(level(pins(&Wanted::default(), &facts)), Level::Warning);
        let running = Wanted { gateway_running: true, ..Wanted::default() };
        assert_eq!(level(pins(&running, &facts)), Level::Ok);
        assert_eq!(level(pins(&Wanted::default(), &Facts::default())), Level::Ok);
    }

    #[test]
    fn tun_is_needed() {
        let missing = Facts { tun: Attempt::Failed(Errno(libc::ENOENT)), ..Facts::default() };
        assert!(tun(&Wanted::default(), &missing).unwrap().fix.contains("modprobe tun"));
        let user = Facts { user: Some(1000), tun: Attempt::Failed(Errno(libc::EACCES)), ..Facts::default() };
        assert!(tun(&Wanted::default(), &user).unwrap().fix.contains("sudo"));
    }

    #[test]
    fn nat_needs_nftables_and_routing_does_not() {
        let routed = Wanted { nat: false, ..Wanted::default() };
        assert_eq!(level(nf_tables(&Wanted::default(), &broken())), Level::Error);
        assert_eq!(level(nf_tables(&routed, &broken())), Level::Warning);
        assert_eq!(level(nf_tables(&routed, &healthy())), Level::Ok);
        assert_eq!(level(nft_tool(&Wanted::default(), &broken())), Level::Error);
        assert_eq!(level(nft_tool(&routed, &broken())), Level::Ok);
    }

    #[test]
    fn user_namespaces_matter_to_the_demo_only() {
        let with = |most, restricted| {
            let facts =
                Facts { user_namespaces: Some(most), user_namespaces_restricted: restricted, ..Facts::default() };
            level(user_namespaces(&Wanted::default(), &facts))
        };
        assert_eq!(with(0, false), Level::Warning);
        assert_eq!(with(100, true), Level::Warning);
        assert_eq!(with(100, false), Level::Ok);
    }
}
