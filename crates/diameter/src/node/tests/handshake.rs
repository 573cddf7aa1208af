use super::*;

#[test]
fn peers_connect_introduce_themselves_and_stay() {
    let mut world = home(2);
    assert_eq!(world.links(), 2);
    let ups = world.events.iter().filter(|(_, event)| matches!(event, Event::PeerUp(_))).count();
    assert_eq!(ups, 4, "each side is told once");
    // Hours of silence: watchdogs keep it.
    world.events.clear();
    world.pass(Duration::from_secs(7200));
    assert!(world.events.is_empty(), "{:?}", world.events);
    assert_eq!(world.links(), 2);
}

#[test]
fn of_two_connections_one_stays_whoever_was_first() {
    // Deliver in every interleaving that a handful of choices makes.
    for order in 0..64u32 {
        let one = node("a.example", vec![peer("b.example", true)], vec![]);
        let two = node("b.example", vec![peer("a.example", true)], vec![]);
        let mut world = World::new(vec![one, two]);
        for bit in 0..6 {
            if order >> bit & 1 == 1 && world.queue.len() > 1 {
                // Only what goes to different nodes may overtake.
                let other = world.queue.iter().position(|(node, _)| *node != world.queue[0].0);
                if let Some(other) = other {
                    let moved = world.queue.remove(other).unwrap();
                    world.queue.push_front(moved);
                }
            }
            world.deliver(Fate::Arrives);
        }
        world.settle();
        world.pass(Duration::from_secs(60));
        assert!(world.nodes.iter().all(|node| node.is_up(PeerId(0))), "order {order:b}");
        assert_eq!(world.links(), 1, "order {order:b}");
    }
}

#[test]
fn strangers_are_told_and_sent_away() {
    let feg = node("feg.visited.example", vec![peer("hss1.home.example", false)], vec![]);
    let stranger = node("evil.example", vec![peer("feg.visited.example", true)], vec![]);
    let mut world = World::new(vec![feg, stranger]);
    world.settle();
    let code = ResultCode::UNKNOWN_PEER;
    assert!(world.events.contains(&(0, Event::Stranger { host: "evil.example".to_owned(), code })));
    assert_eq!((world.links(), world.nodes[0].is_up(PeerId(0))), (0, false));
    assert!(!world.nodes[1].is_up(PeerId(0)));
}

#[test]
fn nothing_in_common_is_no_connection() {
    let feg = node("feg.visited.example", vec![peer("hss1.home.example", true)], vec![]);
    let mut hss = node("hss1.home.example", vec![peer("feg.visited.example", false)], vec![]);
    hss.local.applications = vec![Service { application: Application::CX, vendor: vendor::TGPP }];
    let mut world = World::new(vec![feg, hss]);
    world.settle();
    assert_eq!(world.links(), 0);
    // A relay speaks everything.
    world.nodes[1].local.applications = vec![Service { application: Application::RELAY, vendor: 0 }];
    world.pass(Duration::from_secs(5));
    assert!(world.nodes[0].is_up(PeerId(0)));
}

#[test]
fn who_must_show_a_certificate_shows_the_right_one() {
    let certified = |host| PeerConfig { certified: true, ..peer(host, false) };
    for (names, good) in [
        (None, false),
        (Some(vec!["other.home.example".to_owned()]), false),
        (Some(vec!["x".to_owned(), "HSS1.home.example".to_owned()]), true),
    ] {
        let mut feg = node("feg.visited.example", vec![certified("hss1.home.example")], vec![]);
        let mut out = Effects::default();
        let (now, link) = (Time::from_secs(1), LinkId(7));
        feg.step(now, Input::Accepted { link, names }, &mut out);
        let cer = base::capabilities_request(&local("hss1.home.example"), false, (1, 2));
        feg.step(now, Input::Received { link, octets: &cer }, &mut out);
        assert_eq!(feg.is_up(PeerId(0)), good);
        assert_eq!(out.take().contains(&Effect::Close { link }), !good);
    }
}

#[test]
fn tls_within_the_connection_begins_after_the_exchange() {
    let secret = |host, connect| PeerConfig { inband_tls: true, certified: true, ..peer(host, connect) };
    let (one, two) = ("a.example", "b.example");
    let mut client = node(one, vec![secret(two, true)], vec![]);
    let mut server = node(two, vec![secret(one, false)], vec![]);
    let (now, link, mut out) = (Time::from_secs(1), LinkId(7), Effects::default());
    client.step(now, Input::Wakeup, &mut out);
    let Some(Effect::Connect { link: ours, .. }) = out.take().pop() else { panic!() };
    client.step(now, Input::Connected { link: ours, names: None }, &mut out);
    let Some(Effect::Transmit { octets: cer, .. }) = out.take().pop() else { panic!() };
    server.step(now, Input::Accepted { link, names: None }, &mut out);
    server.step(now, Input::Received { link, octets: &cer }, &mut out);
    let effects = out.take();
    let [Effect::Transmit { octets: cea, .. }, Effect::StartTls { client: false, .. }] = &effects[..] else {
        panic!("{effects:?}")
    };
    client.step(now, Input::Received { link: ours, octets: cea }, &mut out);
    assert_eq!(out.take(), [Effect::StartTls { link: ours, client: true }]);
    client.step(now, Input::Secured { link: ours, names: vec![two.to_owned()] }, &mut out);
    assert!(client.is_up(PeerId(0)));
    server.step(now, Input::Secured { link, names: vec!["mallory.example".to_owned()] }, &mut out);
    assert!(!server.is_up(PeerId(0)));
}

#[test]
fn a_peer_that_restarts_is_taken_back_at_once() {
    let mut world = home(1);
    // The FeG does not hear that the connection is gone, and the HSS connects anew.
    world.nodes[1].peers[0].config.connect = true;
    let (feg_link, _) = *world.ends.keys().find(|(node, _)| *node == 0).map(|end| (end.1, end.0)).as_ref().unwrap();
    world.ends.clear();
    let mut hss = node("hss1.home.example", vec![peer("feg.visited.example", true)], vec![]);
    hss.local.state_id = 2;
    world.nodes[1] = hss;
    world.feed(1, Input::Wakeup);
    world.settle();
    assert!(world.nodes[1].is_up(PeerId(0)));
    assert!(world.nodes[0].peers[0].open().is_some_and(|link| link != feg_link));
}

#[test]
fn going_is_told_and_requests_go_elsewhere() {
    let mut world = home(2);
    world.feed(1, Input::Stop);
    world.settle();
    assert!(!world.nodes[0].is_up(PeerId(0)) && world.nodes[0].is_up(PeerId(1)));
    for token in 0..20 {
        world.send(0, token, request("feg.visited.example", "home.example", None));
    }
    world.settle();
    assert_eq!(world.serve(2, ResultCode::SUCCESS), 20);
    world.settle();
    assert!((0..20).all(|token| world.success(token)));
}
