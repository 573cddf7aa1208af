//! A home network that answers everything at once: as little work as can be, so that fegd is what is measured.

use basalt_diameter::{Application, HEADER};
use basalt_diameter::{AvpId, Command, Header, Limits, Message, Writer, dictionary as name, framed, vendor};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};

/// Who it is.
pub const HOST: &str = "hss1.home.example";
/// Its realm.
pub const REALM: &str = "epc.mnc070.mcc999.3gppnetwork.org";

/// Starts it on a thread of its own; where it listens.
pub fn start() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || serve(stream));
        }
    });
    address
}

fn serve(mut stream: TcpStream) {
    stream.set_nodelay(true).unwrap();
    let (vectors, limits) = (vectors(), Limits::default());
    let (mut inward, mut outward, mut chunk) = (Vec::new(), Vec::new(), vec![0; 256 * 1024]);
    loop {
        match stream.read(&mut chunk) {
            Ok(count @ 1..) => inward.extend_from_slice(&chunk[..count]),
            _ => return,
        }
        let mut at = 0;
        while let Some(length) = framed(&inward[at..], &limits).unwrap().filter(|length| at + length <= inward.len()) {
            answer(&inward[at..at + length], &vectors, &mut outward);
            at += length;
        }
        inward.drain(..at);
        if stream.write_all(&outward).is_err() {
            return;
        }
        outward.clear();
    }
}

fn answer(octets: &[u8], vectors: &[u8], outward: &mut Vec<u8>) {
    let header = Message::header_of(octets).unwrap();
    if !header.request {
        return;
    }
    if header.application == Application::BASE {
        let message = Message::decode(octets, &Limits::default()).unwrap();
        outward.extend(base(&message));
        return;
    }
    // The session comes first in what fegd writes; it is given back as it is, and all that follows is ready.
    let session = u32::from_be_bytes([0, octets[25], octets[26], octets[27]]).next_multiple_of(4) as usize;
    let begin = outward.len();
    outward.extend_from_slice(&octets[..HEADER + session]);
    outward.extend_from_slice(vectors);
    let length = (outward.len() - begin) as u32;
    outward[begin + 1..begin + 4].copy_from_slice(&length.to_be_bytes()[1..]);
    outward[begin + 4] &= 0x7f;
}

fn base(request: &Message<'_>) -> Vec<u8> {
    let mut writer = Writer::new(&request.header.answer());
    writer.u32(name::RESULT_CODE, 2001).text(name::ORIGIN_HOST, HOST).text(name::ORIGIN_REALM, REALM);
    if request.header.command == Command::CAPABILITIES_EXCHANGE {
        writer.address(name::HOST_IP_ADDRESS, [127, 0, 0, 1].into()).u32(name::VENDOR_ID, 0);
        writer.text(name::PRODUCT_NAME, "bench");
        writer.group(name::VENDOR_SPECIFIC_APPLICATION_ID, |group| {
            group.u32(name::VENDOR_ID, vendor::TGPP).u32(name::AUTH_APPLICATION_ID, Application::S6A.0);
        });
    }
    writer.finish()
}

/// The rest of an AIA with three vectors.
fn vectors() -> Vec<u8> {
    let header = Header::request(Command::AUTHENTICATION_INFORMATION, Application::S6A).answer();
    let mut writer = Writer::new(&header);
    writer.u32(name::RESULT_CODE, 2001).u32(name::AUTH_SESSION_STATE, 1);
    writer.text(name::ORIGIN_HOST, HOST).text(name::ORIGIN_REALM, REALM);
    writer.group(AvpId::tgpp(1413), |info| {
        for item in 1..=3 {
            info.group(AvpId::tgpp(1414), |vector| {
                vector.u32(AvpId::tgpp(1419), item).octets(AvpId::tgpp(1447), &[1; 16]);
                vector.octets(AvpId::tgpp(1448), &[2; 8]).octets(AvpId::tgpp(1449), &[3; 16]);
                vector.octets(AvpId::tgpp(1450), &[4; 32]);
            });
        }
    });
    writer.finish().split_off(HEADER)
}
