//! Ports the gateway needs, and who has them. While the gateway runs, it has them itself.

use crate::{Facts, Finding, SctpBackend, Wanted};
use std::net::SocketAddr;

/// GTP-U (TS 29.281 §4.4.2.3).
const GTP_U: u16 = 2152;

pub(super) fn s1ap(wanted: &Wanted, facts: &Facts) -> Option<Finding> {
    let port = wanted.s1ap_port;
    let sockets = &facts.sockets;
    let (used, what, look) = match wanted.sctp {
        SctpBackend::Udp(udp) => (has(&sockets.udp, udp), format!("UDP port {udp}"), format!("ss -lunp sport = {udp}")),
        _ if sockets.sctp.contains(&port) => (true, format!("SCTP port {port}"), "ss -lSnp".to_owned()),
        _ => (sockets.raw_sctp, "the raw socket of SCTP".to_owned(), "ss -wnap".to_owned()),
    };
    if wanted.gateway_running || !used {
        return Some(free("port-s1ap", wanted, &format!("SCTP port {port}")));
    }
    Some(Finding::warning(
        "port-s1ap",
        format!("{what} is taken"),
        "by the keeper of an earlier run, which hands the base stations to the next agwd; or by another core, which takes them away",
        format!("`{look}` says by whom: if it is not `agwd keeper`, stop it"),
    ))
}

pub(super) fn gtp_u(wanted: &Wanted, facts: &Facts) -> Option<Finding> {
    let what = format!("UDP port {GTP_U}");
    if wanted.gateway_running || !has(&facts.sockets.udp, GTP_U) {
        return Some(free("port-gtpu", wanted, &what));
    }
    Some(Finding::error(
        "port-gtpu",
        format!("{what} is taken"),
        "another user plane gets the packets of the base stations; agwd will not start",
        format!("`ss -lunp sport = {GTP_U}` says by whom: stop it"),
    ))
}

pub(super) fn metrics(wanted: &Wanted, facts: &Facts) -> Option<Finding> {
    let port = wanted.metrics.port();
    let what = format!("TCP port {port}");
    if wanted.gateway_running || !has(&facts.sockets.tcp, port) {
        return Some(free("port-metrics", wanted, &what));
    }
    Some(Finding::error(
        "port-metrics",
        format!("{what} is taken"),
        "agwd cannot serve metrics there and will not start",
        format!("`ss -ltnp sport = {port}` says by whom; stop it, or [metrics] listen = \"127.0.0.1:PORT\""),
    ))
}

fn has(sockets: &[SocketAddr], port: u16) -> bool {
    sockets.iter().any(|socket| socket.port() == port)
}

fn free(check: &'static str, wanted: &Wanted, what: &str) -> Finding {
    Finding::ok(check, format!("{what} is {}", if wanted.gateway_running { "the running gateway's" } else { "free" }))
}

#[cfg(test)]
mod tests {
    use super::super::samples::{broken, healthy};
    use super::*;
    use crate::{Level, Sockets};

    #[test]
    fn taken_ports_are_named_with_who_to_ask() {
        let wanted = Wanted::default();
        assert!(s1ap(&wanted, &broken()).unwrap().found.contains("36412"));
        assert!(gtp_u(&wanted, &broken()).unwrap().fix.contains("2152"));
        assert!(metrics(&wanted, &broken()).unwrap().found.contains("9105"));
        for check in [s1ap, gtp_u, metrics] {
            assert_eq!(check(&wanted, &healthy()).unwrap().level, Level::Ok);
        }
    }

    #[test]
    fn a_running_gateway_has_its_own_ports() {
        let wanted = Wanted { gateway_running: true, ..Wanted::default() };
        for check in [s1ap, gtp_u, metrics] {
            assert_eq!(check(&wanted, &broken()).unwrap().level, Level::Ok);
        }
    }

    #[test]
    fn each_back_end_has_its_own_port() {
        let sockets = Sockets { udp: vec!["0.0.0.0:9899".parse().unwrap()], ..Sockets::default() };
        let facts = Facts { sockets, ..Facts::default() };
        let udp = Wanted { sctp: SctpBackend::Udp(9899), ..Wanted::default() };
        assert!(s1ap(&udp, &facts).unwrap().found.contains("UDP port 9899"));
        assert_eq!(s1ap(&Wanted::default(), &facts).unwrap().level, Level::Ok);
        let raw = Facts { sockets: Sockets { raw_sctp: true, ..Sockets::default() }, ..Facts::default() };
        assert!(s1ap(&Wanted::default(), &raw).unwrap().found.contains("raw socket"));
    }
}
