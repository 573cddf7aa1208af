//! `fegd doctor`: what keeps a federation gateway from working on this machine, each with its cause and what to do.

use crate::config::{self, Effective, File};
use basalt_diameter_link::Transport;
use basalt_doctor::{Finding, Level, service, worst};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::path::Path;
use std::time::Duration;

/// The name of the process, as the system knows it.
const OWN: &str = "fegd";
/// A peer that takes longer to be reached is not there.
const PATIENCE: Duration = Duration::from_secs(3);

/// Looks at everything; whether nothing is broken.
pub fn run(path: &Path, json: bool) -> bool {
    let findings = match read(path) {
        Ok((file, effective)) => look(&file, &effective),
        Err(error) => vec![Finding::error(
            "settings",
            format!("{error:#}"),
            "the federation gateway will not start",
            format!("correct it; fegd --config {} --check says what is wrong", path.display()),
        )],
    };
    print!("{}", service::report(&findings, json));
    worst(&findings) < Level::Error
}

fn read(path: &Path) -> anyhow::Result<(File, Effective)> {
    let text = std::fs::read_to_string(path).map_err(|error| anyhow::anyhow!("{}: {error}", path.display()))?;
    let file = config::read(&text)?;
    let effective = config::resolve(&file)?;
    Ok((file, effective))
}

fn look(file: &File, effective: &Effective) -> Vec<Finding> {
    let state = file.state_dir();
    let mut findings = vec![Finding::ok("settings", "can be read"), service::clock()];
    findings.push(service::folder("state-dir", &state));
    findings.extend(service::space("disk-space", &state));
    findings.push(service::port("gateways-port", effective.gateways, OWN));
    findings.push(service::port("metrics-port", effective.metrics, OWN));
    findings.push(control(&effective.control));
    if let Some((certificate, key, authority)) = &effective.gateway_tls {
        findings.push(service::certificate("gateways-certificate", certificate));
        findings.push(service::certificate("gateways-authority", authority));
        findings.push(service::secret_file("gateways-key", key, None).unwrap_or_else(|| {
            Finding::error(
                "gateways-key",
                format!("{} is not there", key.display()),
                "the federation gateway will not start",
                "put the key of the certificate there, mode 600",
            )
        }));
    }
    findings.push(named(file, &state));
    findings.extend(listens(effective));
    findings.extend(peers(file, effective));
    findings.extend(routes(effective));
    findings
}

fn control(path: &Path) -> Finding {
    match path.parent().map(Path::is_dir) {
        Some(true) => Finding::ok("control", format!("{} can be made", path.display())),
        _ => Finding::error(
            "control",
            format!("the folder of {} is not there", path.display()),
            "`basalt feg` and the doctor cannot speak to it, and it will not start",
            "the unit makes /run/basalt-feg (RuntimeDirectory=); otherwise: mkdir, for the daemon's user",
        ),
    }
}

fn named(file: &File, state: &Path) -> Finding {
    let joined = file.token.is_some() || std::fs::read_dir(state).is_ok_and(|mut entries| entries.next().is_some());
    if !file.host.is_empty() {
        return Finding::ok("identity", format!("{} of {}", file.host, file.realm));
    }
    if joined {
        return Finding::ok("identity", "an orchestrator says it");
    }
    Finding::error(
        "identity",
        "neither host and realm nor an orchestrator",
        "home networks are not spoken to",
        "host and realm in the settings, or: basalt feg join TOKEN",
    )
}

fn listens(effective: &Effective) -> Option<Finding> {
    let all = effective.diameter.iter().flat_map(|settings| &settings.listen);
    let tcp = all.filter(|listen| listen.transport != Transport::Sctp);
    // One finding of several addresses: the worst.
    let looked = tcp.map(|listen| service::port("diameter-port", listen.address, OWN));
    looked.max_by_key(|finding| finding.level)
}

/// Peers to which we connect: their names, and whether anybody listens there.
fn peers(file: &File, effective: &Effective) -> Vec<Finding> {
    let Some(settings) = &effective.diameter else { return Vec::new() };
    if file.peers.is_empty() {
        return vec![Finding::warning(
            "peers",
            "none",
            "nobody can be asked about a subscriber, unless an orchestrator names peers",
            "[[peer]] in the settings, or a federation object at the orchestrator",
        )];
    }
    let mut findings = vec![Finding::ok("peers", format!("{}", file.peers.len()))];
    let there = settings.remotes.iter().filter(|remote| !remote.address.is_empty());
    let (mut names, mut ways) = (Vec::new(), Vec::new());
    for remote in there {
        let name = service::name("peer-name", &remote.address, &remote.config.host);
        let reached = name.level == Level::Ok && remote.transport != Transport::Sctp;
        names.push(name);
        if reached {
            ways.push(way(&remote.config.host, &remote.address));
        }
    }
    findings.extend(names.into_iter().max_by_key(|finding| finding.level));
    findings.extend(ways.into_iter().max_by_key(|finding| finding.level));
    findings
}

fn way(host: &str, place: &str) -> Finding {
    let address = place.to_socket_addrs().ok().and_then(|mut all| all.next());
    let Some(address) = address else { return Finding::ok("peer-way", format!("{place} is not looked at")) };
    match TcpStream::connect_timeout(&address, PATIENCE) {
        Ok(_) => Finding::ok("peer-way", format!("{host} listens at {address}")),
        Err(error) => Finding::error(
            "peer-way",
            format!("{host} at {address}: {error}"),
            "subscribers of its realms are served from memory only, new ones not at all",
            "ask the operator whether it runs and lets this address in; look at routes and VPN: ip route get ADDRESS",
        ),
    }
}

/// Home networks whose realm nobody serves.
fn routes(effective: &Effective) -> Option<Finding> {
    let settings = effective.diameter.as_ref()?;
    let served = |realm: &str| settings.routes.iter().any(|route| route.realm == realm || route.realm == "*");
    let networks = &effective.relay.networks.0;
    let lost: Vec<&str> =
        networks.iter().map(|network| network.realm.as_str()).filter(|realm| !served(realm)).collect();
    if lost.is_empty() {
        return (!networks.is_empty()).then(|| Finding::ok("routes", "every home network's realm has a peer"));
    }
    Some(Finding::error(
        "routes",
        format!("no peer serves {}", lost.join(", ")),
        "phones of these networks are refused",
        "add the realm to a peer's `realms`, or a peer with realms = [\"*\"]",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    fn found(text: &str) -> Vec<Finding> {
        let file = config::read(text).unwrap();
        look(&file, &config::resolve(&file).unwrap())
    }

    fn level(findings: &[Finding], check: &str) -> Level {
        findings.iter().find(|finding| finding.check == check).unwrap_or_else(|| panic!("{check} says nothing")).level
    }

    /// Each fault is brought about by itself, and told by its own check with a cause and a fix.
    #[test]
    fn each_fault_has_its_finding() {
        let ground = tempfile::tempdir().unwrap();
        let state = ground.path().join("state");
        std::fs::create_dir(&state).unwrap();
        std::fs::set_permissions(&state, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
        let peer = TcpListener::bind("127.0.0.1:0").unwrap();
        let free = || TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let (gateways, metrics, at) = (free(), free(), peer.local_addr().unwrap());
        let (place, control) = (state.display(), ground.path().join("fegd.sock").display().to_string());
        let good = format!(
            "host = 'feg.example.net'\nrealm = 'example.net'\nstate_dir = '{place}'\ncontrol = '{control}'\nmetrics = '{metrics}'\n\
             [gateways]\nlisten = '{gateways}'\n\
             [[peer]]\nhost = 'hss.home.example'\naddress = '{at}'\nrealms = ['home.example']\n\
             [[network]]\nplmn = '310-410'\nrealm = 'home.example'\n"
        );
        let healthy = found(&good);
        let complaints: Vec<_> = healthy.iter().filter(|finding| finding.level > Level::Ok).collect();
        assert!(complaints.is_empty(), "{complaints:?}");
        let nobody = free();
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let taken_at = taken.local_addr().unwrap();
        let faults = [
            ("state-dir", place.to_string(), "/nonexistent/state".to_owned()),
            ("control", control.clone(), "/nonexistent/x.sock".to_owned()),
            ("gateways-port", gateways.to_string(), taken_at.to_string()),
            ("metrics-port", metrics.to_string(), taken_at.to_string()),
            ("peer-way", at.to_string(), nobody.to_string()),
            ("peer-name", at.to_string(), "no-such-name.invalid:3868".to_owned()),
            ("routes", "realms = ['home.example']".to_owned(), "realms = ['other.example']".to_owned()),
            ("identity", "host = 'feg.example.net'\nrealm = 'example.net'\n".to_owned(), String::new()),
            ("peers", good.split_once("[[peer]]").unwrap().1.to_owned(), String::new()),
            ("diameter-port", "[gateways]".to_owned(), format!("[diameter]\ntcp = ['{taken_at}']\n[gateways]")),
            (
                "gateways-certificate",
                format!("listen = '{gateways}'"),
                format!(
                    "listen = '{gateways}'\ntls = {{ certificate = '/nonexistent/c', key = '/nonexistent/k', authority = '/nonexistent/a' }}"
                ),
            ),
            (
                "gateways-key",
                format!("listen = '{gateways}'"),
                format!(
                    "listen = '{gateways}'\ntls = {{ certificate = '/nonexistent/c', key = '/nonexistent/k', authority = '/nonexistent/a' }}"
                ),
            ),
        ];
        for (check, from, to) in faults {
            let broken = good.replacen(&from, &to, 1).replace("[[peer]]\n[[network]]", "[[network]]");
            let broken = if check == "peers" { broken.replace("[[peer]]", "") } else { broken };
            let findings = found(&broken);
            assert!(level(&findings, check) > Level::Ok, "{check}: {findings:?}");
            let finding = findings.iter().find(|finding| finding.check == check).unwrap();
            assert!(!finding.cause.is_empty() && !finding.fix.is_empty(), "{finding:?}");
        }
        assert!(!run(Path::new("/nonexistent/fegd.toml"), true));
        assert!(!run(Path::new("/proc/self/cmdline"), false));
    }
}
