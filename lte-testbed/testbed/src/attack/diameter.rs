//! Rows D01 to D08 of the trust table: what Diameter peers and gateways may try at a federation gateway.

use anyhow::{Result, ensure};
use basalt_control_api::federation::v1 as api;
use basalt_diameter::{Application, AvpId, Command, Header, Message, Writer, dictionary as name};

use super::siege::{
    FOREIGN, FOREIGN_PHONE, FOREIGN_REALM, Mast, PHONE, Peer, RATE, REALM, Siege, VISITED_REALM, up, vectors,
};
use crate::home::{FEG_NAME, HSS_NAME};

const CANCELLATION_TYPE: AvpId = AvpId::tgpp(1420);
const DSR_FLAGS: AvpId = AvpId::tgpp(1421);
const SUBSCRIPTION_DATA: AvpId = AvpId::tgpp(1400);

fn is(told: Option<u32>, code: u32, what: &str) -> Result<()> {
    ensure!(told == Some(code), "{what} is answered {told:?}, not {code}");
    Ok(())
}

/// A request as this peer may send it, with what `change` adds.
fn request(command: Command, (host, realm): (&str, &str), change: impl FnOnce(&mut Writer)) -> Vec<u8> {
    let mut writer =
        Writer::new(&Header { hop_by_hop: 7, end_to_end: 8, ..Header::request(command, Application::S6A) });
    writer.text(name::SESSION_ID, "foreign;1;1").u32(name::AUTH_SESSION_STATE, 1);
    writer.text(name::ORIGIN_HOST, host).text(name::ORIGIN_REALM, realm);
    change(&mut writer);
    writer.finish()
}

const ITSELF: (&str, &str) = (FOREIGN, FOREIGN_REALM);

/// The four orders that an HSS can give.
fn orders_about(imsi: &str, from: (&str, &str)) -> [Vec<u8>; 3] {
    let to = |writer: &mut Writer| {
        writer.text(name::DESTINATION_HOST, FEG_NAME).text(name::DESTINATION_REALM, VISITED_REALM);
        writer.text(name::USER_NAME, imsi);
    };
    [
        request(Command::CANCEL_LOCATION, from, |writer| {
            to(writer);
            writer.u32(CANCELLATION_TYPE, 2);
        }),
        request(Command::INSERT_SUBSCRIBER_DATA, from, |writer| {
            to(writer);
            writer.group(SUBSCRIPTION_DATA, |_| {});
        }),
        request(Command::DELETE_SUBSCRIBER_DATA, from, |writer| {
            to(writer);
            writer.u32(DSR_FLAGS, 2);
        }),
    ]
}

/// D01.
pub(super) async fn strangers(siege: &mut Siege) -> Result<()> {
    let mut elsewhere = Peer::connect("127.0.0.2").await?;
    // The connection may be gone before it says anything.
    let told = elsewhere.introduce(FOREIGN, FOREIGN_REALM).await.ok().flatten();
    ensure!(told.is_none(), "who may not connect from there is answered {told:?}");
    for host in ["hss.nobody.example", "hss.foreign.example.nobody.example", FEG_NAME, ""] {
        let mut stranger = Peer::connect("127.0.0.1").await?;
        let code = stranger.introduce(host, FOREIGN_REALM).await?;
        ensure!(matches!(code, Some(3010 | 5004)), "{host:?} is answered {code:?}");
        stranger.ends().await?;
    }
    // The name of a peer that is connected does not take its connection away.
    let mut thief = Peer::connect("127.0.0.1").await?;
    let told = thief.introduce(HSS_NAME, REALM).await?;
    ensure!(told != Some(2001), "the name of a connected peer can be taken");
    thief.ends().await?;
    siege.until("the honest HSS is still connected", |text| text.contains(&up(HSS_NAME, true))).await?;
    // Who does not begin with a CER is no peer at all.
    for octets in orders_about(PHONE, (HSS_NAME, REALM)) {
        let mut rude = Peer::connect("127.0.0.1").await?;
        rude.send(&octets).await?;
        rude.ends().await?;
    }
    // And who says nothing is let alone, and does not keep others out.
    let mut silent = Vec::new();
    for _ in 0..100 {
        silent.push(Peer::connect("127.0.0.1").await?);
    }
    siege.foreign().await.map(drop)
}

/// D02.
pub(super) async fn lengths(siege: &mut Siege) -> Result<()> {
    let headers = [
        vec![1, 0, 0, 0],
        vec![1, 0, 0, 19],
        vec![1, 0, 0, 21, 0x80, 0, 1, 1],
        vec![2, 0, 0, 20],
        [&[1, 0xff, 0xff, 0xfc][..], &[0x80; 16]].concat(),
    ];
    for octets in &headers {
        let mut stranger = Peer::connect("127.0.0.1").await?;
        stranger.send(octets).await?;
        stranger.ends().await?;
        let mut peer = siege.foreign().await?;
        peer.send(octets).await?;
        peer.ends().await?;
    }
    let mut peer = siege.foreign().await?;
    for length in (0..8).chain([11, 4000, 0x00ff_ffff]) {
        let mut octets = orders_about(FOREIGN_PHONE, ITSELF)[0].clone();
        // The length of the first AVP. One too short for a vendor must say that it has one.
        octets[24] |= if length == 11 { 0x80 } else { 0 };
        octets[25..28].copy_from_slice(&u32::to_be_bytes(length)[1..]);
        is(peer.ask(&octets).await?, 5014, &format!("an AVP of {length} octets"))?;
    }
    // Names that are padded, and of nobody; a number that is too short is the worse mistake.
    let octets = request(Command::CANCEL_LOCATION, ITSELF, |writer| {
        writer.octets(name::USER_NAME, b"\0\0\0").u32(CANCELLATION_TYPE, 2);
    });
    is(peer.ask(&octets).await?, 5004, "a name of zeroes")?;
    let octets = request(Command::CANCEL_LOCATION, ITSELF, |writer| {
        writer.octets(name::USER_NAME, b"\0\0\0").octets(CANCELLATION_TYPE, &[2]);
    });
    is(peer.ask(&octets).await?, 5014, "a number of one octet")?;
    let octets = request(Command::CANCEL_LOCATION, ITSELF, |writer| {
        writer.octets(name::SESSION_ID, b"a\0b").text(name::USER_NAME, PHONE).u32(CANCELLATION_TYPE, 2);
    });
    is(peer.ask(&octets).await?, 5009, "two names of a session, one with a zero")?;
    // Broken answers are nobody's.
    let mut writer = Writer::new(&Header::request(Command::UPDATE_LOCATION, Application::S6A).answer());
    writer.u32(name::RESULT_CODE, 2001);
    let mut answer = writer.finish();
    answer[27] = 3;
    peer.send(&answer).await?;
    is(peer.ask(&orders_about(PHONE, ITSELF)[0]).await?, 5003, "the next order")
}

/// D03.
pub(super) async fn bulk(siege: &mut Siege) -> Result<()> {
    fn deep(writer: &mut Writer, depth: usize) {
        if depth > 0 {
            writer.group(name::FAILED_AVP, |group| deep(group, depth - 1));
        }
    }
    let mut peer = siege.foreign().await?;
    let octets = request(Command::CANCEL_LOCATION, ITSELF, |writer| deep(writer, 1000));
    is(peer.ask(&octets).await?, 5004, "a thousand groups in one another")?;
    let many = |count: u32| {
        request(Command::CANCEL_LOCATION, ITSELF, |writer| {
            (0..count).for_each(|number| {
                writer.u32(name::ORIGIN_STATE_ID, number);
            })
        })
    };
    is(peer.ask(&many(10_000)).await?, 5009, "ten thousand AVPs")?;
    let flood = many(100_000);
    // It is cut off while it still sends.
    let _ = peer.send(&flood).await;
    peer.ends().await?;
    let mut peer = siege.foreign().await?;
    is(peer.ask(&orders_about(PHONE, ITSELF)[0]).await?, 5003, "the next order")
}

/// D04.
pub(super) async fn orders(siege: &mut Siege) -> Result<()> {
    let locate = api::request::Kind::UpdateLocation(api::UpdateLocation { attach: true, ..Default::default() });
    let located = siege.mast.ask(PHONE, locate).await?;
    ensure!(matches!(located, api::answer::Kind::Located(_)), "the honest phone is answered {located:?}");
    let mut peer = siege.foreign().await?;
    for from in [ITSELF, (FOREIGN, REALM), (HSS_NAME, REALM), (FEG_NAME, VISITED_REALM)] {
        for octets in orders_about(PHONE, from) {
            let told = peer.ask(&octets).await?;
            ensure!(matches!(told, Some(5003 | 3005)), "an order in the name of {from:?} is answered {told:?}");
        }
    }
    let reset = |from| {
        request(Command::RESET, from, |writer| {
            writer.text(name::DESTINATION_HOST, FEG_NAME).text(name::DESTINATION_REALM, VISITED_REALM);
        })
    };
    is(peer.ask(&reset((HSS_NAME, REALM))).await?, 5003, "a reset in another's name")?;
    ensure!(siege.mast.orders.is_empty(), "an order reached the gateway");
    // Of its own subscribers it may speak; there is none here, and the gateway says so. One that is to go is gone.
    for (octets, code) in orders_about(FOREIGN_PHONE, ITSELF).iter().zip([2001, 5001, 5001]) {
        peer.send(octets).await?;
        let order = siege.mast.order().await?;
        siege.mast.reply(order.id, api::home_answer::Outcome::Unknown).await?;
        is(peer.code().await?, code, "an order about a phone that is not here")?;
    }
    Ok(())
}

/// D05.
pub(super) async fn answers(siege: &mut Siege) -> Result<()> {
    let mut peer = siege.foreign().await?;
    siege.until("the foreign peer is connected", |text| text.contains(&up(FOREIGN, true))).await?;
    let id = siege.mast.send(FOREIGN_PHONE, vectors()).await?;
    let asked = peer.request().await?;
    let asked = Message::decode(&asked, &basalt_diameter::Limits::default())?;
    let session = asked.need(name::SESSION_ID)?.text()?;
    let forge = |header: Header, session: &str, code| {
        let mut writer = Writer::new(&header);
        writer.text(name::SESSION_ID, session).u32(name::RESULT_CODE, code);
        writer.text(name::ORIGIN_HOST, FOREIGN).text(name::ORIGIN_REALM, FOREIGN_REALM);
        writer.finish()
    };
    let right = asked.header.answer();
    let wrong = [
        Header { hop_by_hop: right.hop_by_hop ^ 1, ..right },
        Header { end_to_end: right.end_to_end ^ 1, ..right },
        Header { command: Command::UPDATE_LOCATION, ..right },
    ];
    for header in wrong {
        peer.send(&forge(header, session, 2001)).await?;
    }
    let strays = |count: usize| format!("basalt_feg_peer_strays_total{{peer=\"{FOREIGN}\"}} {count}\n");
    siege.until("what fits nothing is counted", |text| text.contains(&strays(3))).await?;
    // The right numbers for another's session: the gateway is told that nothing can be had, and no vector.
    peer.send(&forge(right, "another;1;1", 2001)).await?;
    let (answered, answer) = siege.mast.answer().await?;
    ensure!(answered == id, "another request is answered");
    let api::answer::Kind::Refused(refused) = answer else { anyhow::bail!("it is answered {answer:?}") };
    ensure!(refused.emm_cause == 17, "the phone is told {}", refused.emm_cause);
    // Once more is too late, and so is an answer after the deadline.
    peer.send(&forge(right, session, 5001)).await?;
    siege.until("a second answer is counted", |text| text.contains(&strays(4))).await?;
    let late = siege.mast.send(FOREIGN_PHONE, vectors()).await?;
    let asked = peer.request().await?;
    let (answered, answer) = siege.mast.answer().await?;
    ensure!(answered == late && matches!(answer, api::answer::Kind::Unavailable(_)), "silence is answered {answer:?}");
    let header = Message::decode(&asked, &basalt_diameter::Limits::default())?.header.answer();
    peer.send(&forge(header, session, 2001)).await?;
    siege.until("a late answer is counted", |text| text.contains(&strays(5))).await
}

/// D07. Quotas are of one second, so what passes in the seconds that the flood takes is bounded by them.
pub(super) async fn floods(siege: &mut Siege) -> Result<()> {
    const FLOOD: usize = 3000;
    let begin = std::time::Instant::now();
    let mut wild = Mast::connect("wild gateway").await?;
    for number in 0..FLOOD {
        wild.send(&format!("99970{number:010}"), vectors()).await?;
    }
    // In the middle of it the honest gateway is served.
    siege.canary().await?;
    let mut served = 0;
    for _ in 0..FLOOD {
        let (_, answer) = wild.answer().await?;
        served += usize::from(!matches!(answer, api::answer::Kind::Unavailable(_)));
    }
    let quota = |begin: std::time::Instant| RATE * (2 + begin.elapsed().as_secs() as usize);
    ensure!(served >= 1 && served <= quota(begin), "{served} of a gateway's requests were let through");
    siege.canary().await?;
    // The same from the side of the home networks.
    let begin = std::time::Instant::now();
    let mut peer = siege.foreign().await?;
    let [cancel, ..] = orders_about(PHONE, ITSELF);
    peer.send(&cancel.repeat(FLOOD)).await?;
    let mut looked_at = 0;
    for _ in 0..FLOOD {
        let told = peer.code().await?;
        ensure!(matches!(told, Some(3004 | 5003)), "a flood is answered {told:?}");
        looked_at += usize::from(told == Some(5003));
    }
    ensure!(looked_at >= 1 && looked_at <= quota(begin), "{looked_at} of a peer's requests were looked at");
    siege.canary().await
}

/// D08.
pub(super) async fn ways(siege: &mut Siege) -> Result<()> {
    let mut peer = siege.foreign().await?;
    let with = |from, id, value: &str| {
        request(Command::CANCEL_LOCATION, from, |writer| {
            writer.text(id, value).text(name::USER_NAME, FOREIGN_PHONE).u32(CANCELLATION_TYPE, 2);
        })
    };
    is(peer.ask(&orders_about(PHONE, ITSELF)[0]).await?, 5003, "a subscriber of another operator")?;
    is(peer.ask(&with((FOREIGN, REALM), name::DESTINATION_HOST, FEG_NAME)).await?, 5003, "another's realm")?;
    is(peer.ask(&with(ITSELF, name::ROUTE_RECORD, &FEG_NAME.to_uppercase())).await?, 3005, "a loop")?;
    is(peer.ask(&with((FEG_NAME, VISITED_REALM), name::DESTINATION_HOST, FEG_NAME)).await?, 3005, "ourselves")?;
    is(peer.ask(&with(ITSELF, name::DESTINATION_HOST, "mme.elsewhere.example")).await?, 3002, "another host")?;
    is(peer.ask(&with(ITSELF, name::DESTINATION_REALM, "elsewhere.example")).await?, 3003, "another realm")?;
    // Applications and commands that are not served here.
    let gx = Writer::new(&Header::request(Command::RE_AUTH, Application::GX)).finish();
    is(peer.ask(&gx).await?, 3007, "another application")?;
    let unknown = request(Command(999), ITSELF, |writer| {
        writer.text(name::DESTINATION_REALM, VISITED_REALM);
    });
    is(peer.ask(&unknown).await?, 3001, "an unknown command")?;
    // A phone of a network that is nobody's is refused before anybody is asked.
    let nobody = siege.mast.ask("001010000000001", vectors()).await?;
    let api::answer::Kind::Refused(refused) = nobody else { anyhow::bail!("it is answered {nobody:?}") };
    ensure!(refused.emm_cause == 11, "the phone is told {}", refused.emm_cause);
    Ok(())
}
