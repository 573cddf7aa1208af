use super::*;

const FEG: &str = "feg.visited.example";

fn ask(world: &mut World, token: u64) {
    world.send(0, token, request(FEG, "home.example", None));
    world.settle();
}

/// The headers of requests for vectors that the FeG sent.
fn sent(world: &World) -> Vec<Header> {
    let headers = world.wire.iter().filter(|(from, _)| *from == 0).filter_map(|(_, octets)| Message::header_of(octets));
    headers.filter(|header| header.command == Command::AUTHENTICATION_INFORMATION).collect()
}

#[test]
fn a_request_is_answered() {
    let mut world = home(1);
    ask(&mut world, 1);
    assert_eq!(world.nodes[0].outstanding(), 1);
    assert_eq!(world.serve(1, ResultCode::SUCCESS), 1);
    world.settle();
    assert!(world.success(1));
    assert_eq!(world.nodes[0].outstanding(), 0);
}

#[test]
fn what_is_alike_goes_alike_and_the_rest_is_spread() {
    let mut world = home(3);
    for token in 0..300 {
        world.send(0, token, request(FEG, "home.example", None));
        world.send(0, 1000 + token, request(FEG, "home.example", None));
    }
    world.settle();
    let counts: Vec<usize> = (1..=3).map(|hss| world.serve(hss, ResultCode::SUCCESS)).collect();
    assert!(counts.iter().all(|count| (120..280).contains(count)), "{counts:?}");
    let mut again = home(3);
    for key in [7, 7, 7, 7] {
        let deadline = again.now + Duration::from_secs(5);
        let octets = request(FEG, "home.example", None);
        again.feed(0, Input::Send(Outgoing { token: Token(key), octets, key: 42, deadline }));
    }
    again.settle();
    let mut counts: Vec<usize> = (1..=3).map(|hss| again.serve(hss, ResultCode::SUCCESS)).collect();
    counts.sort_unstable();
    assert_eq!(counts, [0, 0, 4]);
}

#[test]
fn a_silent_peer_loses_its_requests_to_another() {
    let mut world = home(2);
    world.deaf = vec![1];
    let late = world.now + Duration::from_secs(600);
    for token in 0..20 {
        let octets = request(FEG, "home.example", None);
        world.feed(0, Input::Send(outgoing(token, octets, late)));
    }
    world.settle();
    let direct = world.serve(2, ResultCode::SUCCESS);
    assert!((1..20).contains(&direct));
    // Two watchdog times later.
    world.pass(Duration::from_secs(70));
    assert!(world.events.contains(&(0, Event::PeerDown { peer: PeerId(0), why: Down::Silent })));
    assert_eq!(world.serve(2, ResultCode::SUCCESS), 20 - direct);
    world.settle();
    assert!((0..20).all(|token| world.success(token)));
    let again: Vec<Header> = sent(&world).into_iter().filter(|header| header.retransmitted).collect();
    assert_eq!(again.len(), 20 - direct, "marked as possibly sent before");
    for header in again {
        let first = sent(&world).into_iter().find(|first| first.end_to_end == header.end_to_end).unwrap();
        assert!(!first.retransmitted && first.hop_by_hop != header.hop_by_hop);
    }
    // It comes back, and has to show that it answers.
    world.deaf.clear();
    world.pass(Duration::from_secs(20));
    assert!(world.nodes[0].is_up(PeerId(0)));
    assert!(!world.nodes[0].peers[0].watchdog.is_okay());
    world.pass(Duration::from_secs(120));
    assert!(world.nodes[0].peers[0].watchdog.is_okay());
}

#[test]
fn a_lost_connection_costs_no_request_and_none_is_worked_on_twice() {
    let mut world = home(1);
    ask(&mut world, 1);
    // The answer is on its way when the connection breaks: nobody else can take it, and it fails at once.
    assert_eq!(world.serve(1, ResultCode::SUCCESS), 1);
    world.queue.clear();
    world.crash_links(0);
    world.settle();
    assert_eq!(world.outcome(1), Some(Err(Failure::NoPeer)));
    world.pass(Duration::from_secs(10));
    assert!(world.nodes[0].is_up(PeerId(0)));
    // Who asks again by himself, with the same number and the T bit, gets what is remembered.
    let octets = sent(&world)[0];
    let mut repeated = request(FEG, "home.example", None);
    repeated[4] |= 0x10;
    repeated[12..16].copy_from_slice(&77u32.to_be_bytes());
    repeated[16..20].copy_from_slice(&octets.end_to_end.to_be_bytes());
    let link = world.nodes[1].peers[0].open().unwrap();
    world.wire.clear();
    world.feed(1, Input::Received { link, octets: &repeated });
    assert_eq!(world.serve(1, ResultCode::SUCCESS), 0, "worked on once");
    let (_, octets) = &world.wire[0];
    let again = Message::decode(octets, &Limits::default()).unwrap();
    assert_eq!((again.header.hop_by_hop, again.outcome()), (77, Ok(crate::Outcome::Base(ResultCode::SUCCESS))));
}

#[test]
fn a_busy_peer_sends_requests_elsewhere() {
    let mut world = home(2);
    for token in 0..10 {
        ask(&mut world, token);
    }
    let busy = world.serve(1, ResultCode::TOO_BUSY);
    world.settle();
    assert_eq!(world.serve(2, ResultCode::SUCCESS), 10);
    world.settle();
    assert!(busy > 0 && (0..10).all(|token| world.success(token)));
    // All are busy: that is the answer.
    ask(&mut world, 11);
    for hss in [1, 2, 1] {
        world.serve(hss, ResultCode::TOO_BUSY);
        world.settle();
    }
    assert_eq!(world.outcome(11), Some(Ok(crate::Outcome::Base(ResultCode::TOO_BUSY))));
}

#[test]
fn deadlines_and_missing_ways_are_told() {
    let mut world = home(1);
    ask(&mut world, 1);
    world.pass(Duration::from_secs(6));
    assert_eq!(world.outcome(1), Some(Err(Failure::Timeout)));
    // The answer comes too late.
    assert_eq!(world.serve(1, ResultCode::SUCCESS), 1);
    world.settle();
    assert_eq!(world.outcome(1), Some(Err(Failure::Timeout)));
    world.send(0, 2, request(FEG, "elsewhere.example", None));
    assert_eq!(world.outcome(2), Some(Err(Failure::NoRoute)));
    world.send(0, 3, vec![1, 0, 0, 20]);
    assert_eq!(world.outcome(3), Some(Err(Failure::Invalid)));
    world.feed(0, Input::Stop);
    world.send(0, 4, request(FEG, "home.example", None));
    assert_eq!(world.outcome(4), Some(Err(Failure::Stopping)));
}

#[test]
fn a_request_for_a_host_goes_to_that_host() {
    let mut world = home(3);
    for token in 0..9 {
        world.send(0, token, request(FEG, "home.example", Some("hss2.home.example")));
    }
    world.settle();
    assert_eq!(world.serve(2, ResultCode::SUCCESS), 9);
}

#[test]
fn a_peer_has_no_more_requests_than_it_may() {
    let mut world = home(2);
    for peer in &mut world.nodes[0].peers {
        peer.config.outstanding = 5;
    }
    for token in 0..12 {
        world.send(0, token, request(FEG, "home.example", None));
    }
    let failed = (0..12).filter(|token| world.outcome(*token) == Some(Err(Failure::NoPeer))).count();
    assert_eq!(failed, 2);
    world.settle();
    assert_eq!((world.serve(1, ResultCode::SUCCESS), world.serve(2, ResultCode::SUCCESS)), (5, 5));
}

#[test]
fn what_nobody_answers_is_answered() {
    let mut world = home(1);
    let late = world.now + Duration::from_secs(60);
    world.feed(0, Input::Send(outgoing(1, request(FEG, "home.example", None), late)));
    world.pass(Duration::from_secs(25));
    assert_eq!(world.outcome(1), Some(Ok(crate::Outcome::Base(ResultCode::TOO_BUSY))));
    assert_eq!(world.nodes[1].served.of_peer(PeerId(0)), 0);
}
