//! Authentication-Information (TS 29.272 §5.2.3.1, §7.2.5, §7.2.6).

use crate::name;
use crate::request::{self, Refusal, To, Visit};
use basalt_diameter::{Application, Avp, AvpId, Command, Message};
use basalt_security::Secret;

/// What the USIM sent to re-synchronise (TS 33.102 §6.3.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resync {
    /// The challenge that was refused.
    pub rand: [u8; 16],
    /// The USIM's token.
    pub auts: [u8; 14],
}

/// An EPS authentication vector (TS 33.401 §6.1.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vector {
    /// Challenge.
    pub rand: [u8; 16],
    /// The network's token.
    pub autn: [u8; 16],
    /// Expected response: 4 to 16 octets.
    pub xres: Secret<Vec<u8>>,
    /// K_ASME.
    pub kasme: Secret<[u8; 32]>,
}

/// Most vectors that are asked for or taken at once (TS 29.272 §7.3.14: an HSS gives five at most by custom).
const MOST: u32 = 5;

/// AIR: `wanted` vectors (1 to 5). `waiting`: the phone waits for it.
#[must_use]
pub fn authentication(to: &To<'_>, visit: Visit, wanted: u32, waiting: bool, resync: Option<Resync>) -> Vec<u8> {
    let mut writer = request::begin(Command::AUTHENTICATION_INFORMATION, Application::S6A, to, Some(visit.imsi));
    writer.group(name::REQUESTED_EUTRAN, |group| {
        group.u32(name::NUMBER_OF_VECTORS, wanted.clamp(1, MOST));
        if waiting {
            group.u32(name::IMMEDIATE_RESPONSE, 1);
        }
        if let Some(Resync { rand, auts }) = resync {
            group.octets(name::RESYNCHRONIZATION, &[&rand[..], &auts].concat());
        }
    });
    writer.octets(name::VISITED_PLMN_ID, &visit.visited.to_nas());
    writer.finish()
}

/// AIA: the vectors in the order of use (Item-Number), one at least.
///
/// # Errors
/// [`Refusal`]; an answer of success without a usable vector is malformed.
pub fn authentication_answer(message: &Message<'_>, session: &str) -> Result<Vec<Vector>, Refusal> {
    request::granted(message, session)?;
    let mut vectors = Vec::new();
    for info in message.avps().all(name::AUTHENTICATION_INFO) {
        for vector in info.group().all(name::EUTRAN_VECTOR) {
            let item = vector.group().find(name::ITEM_NUMBER)?.map_or(Ok(u32::MAX), |item| item.u32())?;
            vectors.push((item, read(&vector)?));
        }
    }
    vectors.sort_by_key(|(item, _)| *item);
    vectors.truncate(MOST as usize);
    if vectors.is_empty() {
        return Err(Refusal::Malformed("there is no vector for EPS"));
    }
    Ok(vectors.into_iter().map(|(_, vector)| vector).collect())
}

fn read(vector: &Avp<'_>) -> Result<Vector, Refusal> {
    let wrong = Refusal::Malformed("a vector's part has an impossible length");
    let need = |id: AvpId| Ok::<_, Refusal>(vector.group().need(id)?.data);
    let xres = need(name::XRES)?;
    if !(4..=16).contains(&xres.len()) {
        return Err(wrong);
    }
    let rand = need(name::RAND)?.try_into().map_err(|_| wrong.clone())?;
    let autn = need(name::AUTN)?.try_into().map_err(|_| wrong.clone())?;
    let kasme = Secret::new(need(name::KASME)?.try_into().map_err(|_| wrong)?);
    Ok(Vector { rand, autn, xres: Secret::new(xres.to_vec()), kasme })
}

#[cfg(test)]
mod tests {
    use super::*;
    use basalt_diameter::{Header, Limits, Outcome, ResultCode, Writer, dictionary as base};

    const TO: To<'static> = To {
        host: "feg1.visited.example",
        realm: "visited.example",
        session: "feg1;1;2",
        destination_host: None,
        destination_realm: "home.example",
    };

    fn visit() -> Visit {
        Visit { imsi: "999700000000001".parse().unwrap(), visited: "310-410".parse().unwrap() }
    }

    #[test]
    fn a_request_has_what_the_specification_asks_for() {
        let resync = Resync { rand: [1; 16], auts: [2; 14] };
        let octets = authentication(&TO, visit(), 3, true, Some(resync));
        let message = Message::decode(&octets, &Limits::default()).unwrap();
        assert!(message.header.request && message.header.proxiable, "S6a commands are proxiable");
        assert_eq!(message.need(base::USER_NAME).unwrap().text(), Ok("999700000000001"));
        assert_eq!(message.need(name::VISITED_PLMN_ID).unwrap().data, [0x13, 0x00, 0x14]);
        let wanted = message.need(name::REQUESTED_EUTRAN).unwrap();
        assert_eq!(wanted.group().need(name::NUMBER_OF_VECTORS).unwrap().u32(), Ok(3));
        let token = wanted.group().need(name::RESYNCHRONIZATION).unwrap().data;
        assert_eq!((token.len(), token[0], token[29]), (30, 1, 2));
    }

    fn answer(code: u32, lengths: &[(u32, usize)]) -> Vec<u8> {
        let header = Header::request(Command::AUTHENTICATION_INFORMATION, Application::S6A).answer();
        let mut writer = Writer::new(&header);
        writer.text(base::SESSION_ID, TO.session).u32(base::RESULT_CODE, code);
        writer.group(name::AUTHENTICATION_INFO, |info| {
            for (item, xres) in lengths {
                info.group(name::EUTRAN_VECTOR, |vector| {
                    vector.u32(name::ITEM_NUMBER, *item).octets(name::RAND, &[*item as u8; 16]);
                    vector
                        .octets(name::XRES, &vec![3; *xres])
                        .octets(name::AUTN, &[4; 16])
                        .octets(name::KASME, &[5; 32]);
                });
            }
        });
        writer.finish()
    }

    fn read_answer(octets: &[u8], session: &str) -> Result<Vec<Vector>, Refusal> {
        authentication_answer(&Message::decode(octets, &Limits::default()).unwrap(), session)
    }

    #[test]
    fn vectors_come_in_the_order_of_their_numbers() {
        let vectors = read_answer(&answer(2001, &[(2, 8), (1, 4), (3, 16)]), TO.session).unwrap();
        assert_eq!(vectors.iter().map(|vector| vector.rand[0]).collect::<Vec<_>>(), [1, 2, 3]);
        assert!(!format!("{vectors:?}").contains("5, 5"), "keys are not shown");
    }

    #[test]
    fn what_is_no_vector_is_not_used() {
        for xres in [0, 3, 17] {
            assert!(matches!(read_answer(&answer(2001, &[(1, xres)]), TO.session), Err(Refusal::Malformed(_))));
        }
        assert!(matches!(read_answer(&answer(2001, &[]), TO.session), Err(Refusal::Malformed(_))));
        assert!(matches!(read_answer(&answer(2001, &[(1, 8)]), "other;1;2"), Err(Refusal::Malformed(_))));
        let refused = Refusal::Result { outcome: Outcome::Base(ResultCode(3004)), diagnostic: None };
        assert_eq!(read_answer(&answer(3004, &[(1, 8)]), TO.session), Err(refused));
    }
}
