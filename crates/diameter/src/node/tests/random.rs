//! Anything at any time: every request ends once, and the nodes find each other again.

use super::*;
use crate::Outcome;
use basalt_sansio::SimRng;

#[test]
fn every_request_ends_once_whatever_happens() {
    for seed in 0..60 {
        play(seed);
    }
}

fn play(seed: u64) {
    let mut rng = SimRng::new(seed);
    let mut world = home(3);
    for hss in 1..=3 {
        world.nodes[hss].peers[0].config.connect = rng.chance(1, 2);
    }
    let mut token = 0;
    for _ in 0..400 {
        match rng.below(14) {
            0..5 => {
                token += 1;
                world.send(0, token, request("feg.visited.example", "home.example", None));
            }
            5..9 => {
                for _ in 0..rng.below(6) {
                    world.deliver(Fate::Arrives);
                }
            }
            9 | 10 => {
                let code = [ResultCode::SUCCESS, ResultCode::SUCCESS, ResultCode::TOO_BUSY][rng.below(3) as usize];
                let hss = 1 + rng.below(3) as usize;
                world.serve(hss, code);
            }
            11 => world.crash_links(1 + rng.below(3) as usize),
            12 => world.deaf = if rng.chance(1, 2) { vec![1 + rng.below(3) as usize] } else { Vec::new() },
            _ => world.pass(Duration::from_millis(rng.below(40_000))),
        }
    }
    world.deaf.clear();
    world.pass(Duration::from_secs(10));
    for token in 1..=token {
        assert!(world.outcome(token).is_some(), "seed {seed}: request {token} hangs");
    }
    // Peace: all are there again, and serve.
    world.pass(Duration::from_secs(600));
    for number in 0..3 {
        assert!(world.nodes[0].is_up(PeerId(number)), "seed {seed}: {number} is lost");
    }
    assert_eq!((world.links(), world.nodes[0].outstanding()), (3, 0), "seed {seed}");
    world.send(0, 9999, request("feg.visited.example", "home.example", None));
    world.settle();
    let served: usize = (1..=3).map(|hss| world.serve(hss, ResultCode::SUCCESS)).sum();
    assert!(served >= 1, "seed {seed}");
    world.settle();
    assert_eq!(world.outcome(9999), Some(Ok(Outcome::Base(ResultCode::SUCCESS))), "seed {seed}");
    assert!(world.nodes[0].peers.iter().all(|peer| peer.outstanding == 0), "seed {seed}");
}

#[test]
fn random_octets_are_harmless() {
    let mut rng = SimRng::new(1);
    for _ in 0..300 {
        let mut world = home(1);
        let good = request("hss1.home.example", "visited.example", None);
        for _ in 0..20 {
            let mut octets = good.clone();
            for _ in 0..=rng.below(3) {
                let at = rng.below(octets.len() as u64) as usize;
                octets[at] = rng.next_u64() as u8;
            }
            let Some(link) = world.nodes[0].peers[0].open() else { break };
            world.feed(0, Input::Received { link, octets: &octets });
        }
        world.pass(Duration::from_secs(400));
        assert!(world.nodes[0].is_up(PeerId(0)), "the peer comes back");
    }
}
