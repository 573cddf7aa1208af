//! What becomes of sessions whose access points a home network has withdrawn.

use super::*;

fn with(names: &[&str]) -> Profile {
    let mut profile = *profile(1);
    profile.apns.retain(|apn| names.contains(&apn.apn.to_string().as_str()));
    profile
}

fn two_sessions() -> Desk {
    let mut desk = Desk::new();
    desk.attached(1);
    desk.uplink(1, None, 2, EsmMessage::PdnConnectivityRequest(named("ims")));
    desk.uplink(1, Some(6), 0, accept());
    desk
}

fn withdraw(desk: &mut Desk, profile: &Profile) -> SessionOut {
    let mut out = SessionOut::default();
    desk.sessions.withdraw(desk.now, ue(1), profile, &mut out);
    out
}

fn ending(out: &SessionOut) -> Vec<u8> {
    let ends = out.replies.iter().filter_map(|reply| match reply {
        SessionReply::BearerEnding { bearers, .. } => bearers.first().map(|ebi| ebi.value()),
        _ => None,
    });
    ends.collect()
}

fn deactivated(desk: &mut Desk, ebi: u8) -> SessionOut {
    let done = EsmMessage::DeactivateEpsBearerContextAccept(DeactivateEpsBearerContextAccept::new());
    desk.uplink(1, Some(ebi), 0, done)
}

#[test]
fn a_session_ends_with_its_access_point() {
    let mut desk = two_sessions();
    assert_eq!(ending(&withdraw(&mut desk, &with(&["internet", "ims"]))), [0; 0], "nothing is withdrawn");
    assert_eq!(ending(&withdraw(&mut desk, &with(&["internet"]))), [6]);
    let out = deactivated(&mut desk, 6);
    assert!(!out.replies.contains(&SessionReply::LastSessionGone { ue: ue(1) }));
    assert_eq!(desk.sessions.of(ue(1)).len(), 1);
}

#[test]
fn of_several_one_ends_after_the_other_and_the_last_with_the_phone() {
    let mut desk = two_sessions();
    assert_eq!(ending(&withdraw(&mut desk, &with(&[]))), [5]);
    let out = deactivated(&mut desk, 5);
    assert!(out.replies.contains(&SessionReply::LastSessionGone { ue: ue(1) }), "{out:?}");
}

#[test]
fn a_phone_that_does_not_answer_keeps_no_other_session_for_it() {
    let mut desk = two_sessions();
    withdraw(&mut desk, &with(&[]));
    let gone = SessionReply::LastSessionGone { ue: ue(1) };
    let mut expire = || desk.ask(SessionRequest::Expired { ue: ue(1), timer: TimerName::T3495 });
    assert!((0..5).any(|_| expire().replies.contains(&gone)));
}

#[test]
fn what_is_granted_again_meanwhile_stays() {
    let mut desk = two_sessions();
    withdraw(&mut desk, &with(&[]));
    withdraw(&mut desk, &with(&["ims"]));
    let out = deactivated(&mut desk, 5);
    assert!(!out.replies.contains(&SessionReply::LastSessionGone { ue: ue(1) }));
    assert_eq!(desk.sessions.of(ue(1)).len(), 1);
}
