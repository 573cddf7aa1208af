//! A name server for which every name is the server itself.

use std::net::Ipv4Addr;

const HEADER: usize = 12;

/// The answer to a query (RFC 1035 §4.1); `None` for what is no single-question query.
pub fn answer(query: &[u8], address: Ipv4Addr) -> Option<Vec<u8>> {
    let (id, flags) = (query.get(..2)?, query.get(2..4)?);
    let is_query = flags[0] & 0xf8 == 0;
    if !is_query || query.get(4..6)? != [0, 1] {
        return None;
    }
    let question = query.get(HEADER..HEADER + question_length(query.get(HEADER..)?)?)?;
    // An A question of class IN gets an address, any other an empty answer.
    let has_answer = question.ends_with(&[0, 1, 0, 1]);
    let mut reply = Vec::with_capacity(HEADER + question.len() + 16);
    reply.extend_from_slice(id);
    reply.extend_from_slice(&[0x84 | flags[0] & 1, 0x00]);
    reply.extend_from_slice(&[0, 1, 0, u8::from(has_answer), 0, 0, 0, 0]);
    reply.extend_from_slice(question);
    if has_answer {
        reply.extend_from_slice(&[0xc0, HEADER as u8, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4]);
        reply.extend_from_slice(&address.octets());
    }
    Some(reply)
}

/// Labels up to the empty one, type and class.
fn question_length(question: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        match *question.get(at)? {
            0 => return Some(at + 5),
            length if length < 64 => at += 1 + usize::from(length),
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUERY: &[u8] = &[0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, b'x', 2, b'n', b'a', 0, 0, 1, 0, 1];

    #[test]
    fn every_name_is_the_server() {
        let reply = answer(QUERY, Ipv4Addr::new(203, 0, 113, 1)).unwrap();
        assert_eq!(&reply[..8], &[0x12, 0x34, 0x85, 0, 0, 1, 0, 1]);
        assert!(reply.ends_with(&[0, 4, 203, 0, 113, 1]));
    }

    #[test]
    fn what_is_no_query_gets_no_answer() {
        for length in 0..QUERY.len() {
            assert_eq!(answer(&QUERY[..length], Ipv4Addr::LOCALHOST), None, "{length}");
        }
        let mut response = QUERY.to_vec();
        response[2] |= 0x80;
        assert_eq!(answer(&response, Ipv4Addr::LOCALHOST), None);
    }
}
