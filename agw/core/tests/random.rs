//! Anything in any order: valid messages, mutated ones, lost radios, restarts. Nothing panics, nothing leaks, every procedure
//! ends, and the data plane says what the sessions say.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod site;
mod world;

use agw_types::{DataplaneChange, UeState};
use basalt_sansio::Duration;
use proptest::prelude::*;
use site::Site;
use std::collections::BTreeSet;
use world::{PHONES, World, act};

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), max_shrink_iters: 2000, ..ProptestConfig::default() })]

    #[test]
    fn nothing_panics_leaks_or_hangs(attached in 0..=PHONES, acts in proptest::collection::vec(act(), 1..60)) {
        let mut world = World::new(attached);
        for act in acts {
            world.act(act);
            world.check();
        }
        // Everybody falls silent: every procedure ends.
        world.site.advance(Duration::from_secs(200));
        let views: Vec<_> = world.site.core.ues().collect();
        for view in &views {
            let settled = matches!(view.state, UeState::Connected | UeState::Idle | UeState::Detached);
            prop_assert!(settled, "{:?}: {}", view.state, view.description);
        }
        prop_assert_eq!(world.site.core.counts().half_open, 0);
        let connected = views.iter().filter(|view| view.state == UeState::Connected).count();
        prop_assert_eq!(world.site.core.counts().connections as usize, connected);
        // And in the end the idle ones are gone too, with every timer.
        world.site.advance(Duration::from_secs(3 * 3600));
        let idle = world.site.core.ues().filter(|view| view.state == UeState::Idle).count();
        prop_assert_eq!((idle, world.site.core.next_wakeup()), (0, None));
        world.check();
        // What is stored brings the same picture back.
        let before: Vec<_> = world.site.core.sessions().map(|(imsi, session)| (imsi, session.clone())).collect();
        world.site.restart();
        let after: Vec<_> = world.site.core.sessions().map(|(imsi, session)| (imsi, session.clone())).collect();
        let key = |list: &[(basalt_ids::Imsi, agw_types::Session)]| -> BTreeSet<String> {
            list.iter().map(|(imsi, session)| format!("{imsi} {:?} {:?}", session.address, session.local)).collect()
        };
        prop_assert_eq!(key(&before), key(&after));
    }
}

/// `BASALT_CASES` runs more of them.
fn cases() -> u32 {
    std::env::var("BASALT_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(200)
}

#[test]
fn a_discard_never_installs_anything() {
    // The model that `check` compares with, checked itself.
    let mut site = Site::new();
    site.dataplane.push(DataplaneChange::Discard { address: std::net::Ipv4Addr::new(10, 45, 0, 2).into() });
    assert!(site.installed().is_empty());
}
