//! Quotas: where they end, what is told, and grants while packets pass.

use super::*;
use crate::reports::Report;

#[test]
fn quotas_act_at_the_packet_and_are_told_once() {
    let plane = plane();
    let mut reports = plane.reports().unwrap();
    assert!(plane.reports().is_none());
    let quota = |octets, threshold| Some(Allowance { octets, threshold });
    let rule = Rule { quota: quota(150, 0), remote_ports: Some((443, 443)), ..Rule::any(9, 1) };
    let service = Service { rules: vec![rule], quota: quota(450, 250), ..Service::default() };
    plane.serve(DEFAULT, UE, &service).unwrap();
    let plain = Seen { remote_port: 80, ..WEB };
    let told = |reports: &mut mpsc::Receiver<Report>| {
        plane.shared.notices();
        std::iter::from_fn(|| reports.try_recv().ok()).collect::<Vec<_>>()
    };
    let report = |rule, exhausted| Report::Quota { teid: DEFAULT, rule, exhausted };
    assert!(up(&plane, DEFAULT, &WEB.packet(true, 60)).is_ok());
    assert_eq!(told(&mut reports), []);
    // The packet that uses up the last octet passes, and is told.
    assert!(down(&plane, &WEB.packet(false, 60)).is_ok());
    assert_eq!(told(&mut reports), [report(Some(9), true), report(None, false)]);
    assert_eq!(down(&plane, &WEB.packet(false, 60)), Err(DropReason::QuotaExhausted));
    for _ in 0..3 {
        assert!(down(&plane, &plain.packet(false, 60)).is_ok());
    }
    assert_eq!(told(&mut reports), [report(None, true)]);
    assert_eq!(up(&plane, DEFAULT, &plain.packet(true, 60)), Err(DropReason::QuotaExhausted));
    assert_eq!(told(&mut reports), []);
    // More is granted to the session; the rule keeps what it has used.
    plane.serve(DEFAULT, UE, &Service { keep_quota: true, ..service.clone() }).unwrap();
    assert_eq!(up(&plane, DEFAULT, &plain.packet(true, 60)), Err(DropReason::QuotaExhausted));
    plane.serve(DEFAULT, UE, &service).unwrap();
    assert!(up(&plane, DEFAULT, &WEB.packet(true, 60)).is_ok());
    assert_eq!(plane.parts(DEFAULT, UE).unwrap().rules.get(&9).unwrap().uplink_packets, 2);
}

#[test]
fn a_grant_charges_what_passed_since_the_counters_were_read() {
    let plane = plane();
    let send = |plane: &Dataplane| up(plane, DEFAULT, &WEB.packet(true, 60));
    let grant = |counted, octets| {
        let quota = Some(Allowance { octets, threshold: 0 });
        plane.allow(DEFAULT, UE.into(), counted, quota).unwrap();
        plane.allowance(DEFAULT, UE.into()).unwrap()
    };
    send(&plane).unwrap();
    send(&plane).unwrap();
    // The counters were read after the first packet.
    assert_eq!(grant(100, 1000), 900);
    send(&plane).unwrap();
    assert_eq!(grant(100, 1000), 800, "the same grant again changes nothing");
    assert_eq!(grant(300, 800), 800, "nor does what is left of it by later counters");
    send(&plane).unwrap();
    assert_eq!(grant(300, 5000), 4900, "a refill does not give back what passed meanwhile");
    assert_eq!(grant(400, 0), 0);
    assert_eq!(send(&plane), Err(DropReason::QuotaExhausted));
    // Taken away and given anew: all that was counted without it is nobody's.
    plane.allow(DEFAULT, UE.into(), 0, None).unwrap();
    send(&plane).unwrap();
    assert_eq!(grant(500, 150), 150);
    send(&plane).unwrap();
    send(&plane).unwrap();
    assert_eq!(send(&plane), Err(DropReason::QuotaExhausted));
    // The last packet was larger than what was left: the next grant pays for it.
    assert_eq!(grant(700, 70), 70);
}

#[test]
fn a_grant_is_exact_under_traffic() {
    let plane = plane();
    let most = 300_000;
    let quota = |octets| Some(Allowance { octets, threshold: 0 });
    plane.allow(DEFAULT, UE.into(), 0, quota(most)).unwrap();
    std::thread::scope(|scope| {
        let sender = scope.spawn(|| while up(&plane, DEFAULT, &WEB.packet(true, 60)).is_ok() {});
        while !sender.is_finished() {
            // Read, then set, while packets pass between.
            let counted = plane.usage(DEFAULT, UE).map(|usage| usage.uplink_bytes + usage.downlink_bytes).unwrap();
            plane.allow(DEFAULT, UE.into(), counted, quota(most.saturating_sub(counted))).unwrap();
        }
    });
    let usage = plane.usage(DEFAULT, UE).unwrap();
    assert_eq!((usage.uplink_bytes, usage.uplink_refused), (most, 1));
}
