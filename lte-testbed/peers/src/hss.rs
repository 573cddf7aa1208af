//! Who knows subscribers, and answers.

use crate::answer::{self, Code, Who};
use crate::behaviour::{Action, Behaviour, Odd, word};
use crate::config::{Config, Subscriber};
use crate::name;
use anyhow::{Context as _, Result, bail};
use basalt_diameter::{Command, Limits, Message, Outcome, dictionary as base};
use basalt_ids::{Imsi, Plmn};
use basalt_security::{AMF_EPS, AkaAlgorithm, AuthVector, Secret, Sqn};
use std::collections::BTreeMap;
use std::time::Duration;

/// A request that came, and how it was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// AIR, ULR, PUR, NOR, ECR.
    pub command: &'static str,
    /// Whose.
    pub imsi: String,
    /// The code that it was answered, 0 without an answer.
    pub code: u32,
    /// Challenges of the vectors that were given.
    pub given: Vec<[u8; 16]>,
    /// The PDN gateway that an NOR told of, with the access point.
    pub gateway: Option<(String, String)>,
}

/// What is done about a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Response {
    /// This, after a while.
    Answer(Vec<u8>, Duration),
    /// Nothing.
    Nothing,
    /// The end.
    Die,
}

struct Known {
    subscriber: Subscriber,
    aka: AkaAlgorithm,
    sqn: Sqn,
    last: Vec<AuthVector>,
    /// Host and realm of who has the phone.
    at: Option<(String, String)>,
}

/// See the module.
pub struct Hss {
    host: String,
    realm: String,
    subscribers: BTreeMap<Imsi, Known>,
    prohibited: Vec<String>,
    tracked: Vec<String>,
    behaviours: Vec<Behaviour>,
    seen: Vec<Seen>,
}

impl Hss {
    /// With what a file says.
    ///
    /// # Errors
    /// A key or a behaviour cannot be read.
    pub fn new(config: &Config) -> Result<Self> {
        let known = |subscriber: &Subscriber| {
            let (k, opc) = (key(&subscriber.k).context("k")?, key(&subscriber.opc).context("opc")?);
            let aka = AkaAlgorithm::milenage(&k, &opc);
            let sqn = Sqn::new(subscriber.sqn).context("sqn has 48 bits")?;
            let known = Known { subscriber: subscriber.clone(), aka, sqn, last: Vec::new(), at: None };
            Ok::<_, anyhow::Error>((subscriber.imsi, known))
        };
        let behaviours = config.behaviour.iter().map(|text| text.parse::<Behaviour>().map_err(anyhow::Error::msg));
        Ok(Self {
            host: config.host.clone(),
            realm: config.realm.clone(),
            subscribers: config.subscribers.iter().map(known).collect::<Result<_>>()?,
            prohibited: config.prohibited.clone(),
            tracked: config.tracked.clone(),
            behaviours: behaviours.collect::<Result<_>>()?,
            seen: Vec::new(),
        })
    }

    /// What came so far.
    #[must_use]
    pub fn seen(&self) -> &[Seen] {
        &self.seen
    }

    /// Does something otherwise from now on.
    pub fn behave(&mut self, behaviour: Behaviour) {
        self.behaviours.push(behaviour);
    }

    /// Does everything as asked from now on.
    pub fn behave_well(&mut self) {
        self.behaviours.clear();
    }

    /// Who has a phone: host and realm.
    #[must_use]
    pub fn whereabouts(&self, imsi: Imsi) -> Option<(String, String)> {
        self.subscribers.get(&imsi)?.at.clone()
    }

    /// Everybody who has a phone of ours.
    #[must_use]
    pub fn visited(&self) -> Vec<(String, String)> {
        let mut all: Vec<_> = self.subscribers.values().filter_map(|known| known.at.clone()).collect();
        all.sort();
        all.dedup();
        all
    }

    /// A subscriber.
    #[must_use]
    pub fn subscriber(&self, imsi: Imsi) -> Option<&Subscriber> {
        self.subscribers.get(&imsi).map(|known| &known.subscriber)
    }

    /// Changes a rate; a phone's gateway hears of it by an order.
    pub fn set_ambr(&mut self, imsi: Imsi, ambr: (u32, u32)) {
        if let Some(known) = self.subscribers.get_mut(&imsi) {
            known.subscriber.ambr = ambr;
        }
    }

    pub(crate) fn who(&self) -> Who<'_> {
        Who { host: &self.host, realm: &self.realm }
    }

    /// Answers a request.
    pub fn respond(&mut self, octets: &[u8]) -> Response {
        let Ok(request) = Message::decode(octets, &Limits::default()) else { return Response::Nothing };
        let name = request.find(base::USER_NAME).and_then(|avp| avp.text().ok()).unwrap_or_default();
        let imsi = name.parse::<Imsi>().ok();
        let action = self.action(request.header.command, imsi);
        let mut delay = Duration::ZERO;
        let mut session = None;
        let forced = match action {
            None | Some(Action::Replay | Action::Odd(_)) => None,
            Some(Action::Delay(wait)) => {
                delay = wait;
                None
            }
            Some(Action::OtherSession) => {
                session = Some(&b"another;session;1"[..]);
                None
            }
            Some(Action::Die) => return Response::Die,
            Some(Action::Drop) => {
                self.saw(&request, name, 0, Vec::new());
                return Response::Nothing;
            }
            Some(Action::Result(code)) => Some((Code::Base(code), false)),
            Some(Action::Experimental(code, diagnostic)) => Some((Code::Experimental(code, diagnostic), false)),
            Some(Action::Empty) => Some((Code::Base(2001), false)),
            Some(Action::Nonsense) => Some((Code::Base(2001), true)),
        };
        let honest = forced.is_none();
        let answer = match forced {
            Some((code, nonsense)) => {
                let mut writer = answer::begin(self.who(), &request, None, code);
                if nonsense {
                    answer::nonsense(&mut writer, request.header.command == Command::AUTHENTICATION_INFORMATION);
                }
                writer.finish()
            }
            None => self.honest(&request, imsi, session, action.as_ref()),
        };
        let code = match Message::decode(&answer, &Limits::default()).and_then(|message| message.outcome()) {
            Ok(Outcome::Base(code)) => code.0,
            Ok(Outcome::Experimental { code, .. }) => code,
            Err(_) => 0,
        };
        let given =
            imsi.filter(|_| honest && request.header.command == Command::AUTHENTICATION_INFORMATION && code == 2001);
        let given = given.and_then(|imsi| self.subscribers.get(&imsi));
        let given = given.map(|known| known.last.iter().map(|vector| vector.rand).collect());
        self.saw(&request, name, code, given.unwrap_or_default());
        Response::Answer(answer, delay)
    }

    fn saw(&mut self, request: &Message<'_>, name: &str, code: u32, given: Vec<[u8; 16]>) {
        let gateway = (code == 2001).then(|| told_gateway(request)).flatten();
        self.seen.push(Seen { command: word(request.header.command), imsi: name.to_owned(), code, given, gateway });
    }

    fn action(&mut self, command: Command, imsi: Option<Imsi>) -> Option<Action> {
        let fits = |one: &Behaviour| {
            one.command.is_none_or(|only| only == command) && one.imsi.is_none_or(|only| Some(only) == imsi)
        };
        let place = self.behaviours.iter().position(fits)?;
        let behaviour = self.behaviours.get_mut(place)?;
        let action = behaviour.action.clone();
        if let Some(times) = &mut behaviour.times {
            *times = times.saturating_sub(1);
            if *times == 0 {
                self.behaviours.remove(place);
            }
        }
        Some(action)
    }

    fn honest(
        &mut self,
        request: &Message<'_>,
        imsi: Option<Imsi>,
        session: Option<&[u8]>,
        action: Option<&Action>,
    ) -> Vec<u8> {
        let odd = if let Some(Action::Odd(odd)) = action { Some(*odd) } else { None };
        let (host, realm) = (self.host.clone(), self.realm.clone());
        let who = Who { host: &host, realm: &realm };
        let refuse = |code| answer::begin(who, request, session, code).finish();
        if request.header.command == Command::ME_IDENTITY_CHECK {
            return self.equipment(request);
        }
        let Some(known) = imsi.and_then(|imsi| self.subscribers.get_mut(&imsi)) else {
            return refuse(Code::Experimental(5001, None));
        };
        let mut writer = answer::begin(who, request, session, Code::Base(2001));
        if odd == Some(Odd::Unknown) {
            answer::unknown(&mut writer);
        }
        match request.header.command {
            Command::AUTHENTICATION_INFORMATION => {
                let Ok((vectors, serving)) = known.vectors(request, action == Some(&Action::Replay)) else {
                    return refuse(Code::Experimental(4181, None));
                };
                answer::vectors(&mut writer, &vectors, serving);
            }
            Command::UPDATE_LOCATION => {
                let text = |id| request.find(id).and_then(|avp| avp.identity().ok()).unwrap_or_default().to_owned();
                known.at = Some((text(base::ORIGIN_HOST), text(base::ORIGIN_REALM)));
                writer.u32(name::ULA_FLAGS, 1);
                answer::subscription(&mut writer, &known.subscriber, odd);
            }
            Command::PURGE_UE => {
                known.at = None;
                writer.u32(name::PUA_FLAGS, 0);
            }
            Command::NOTIFY => {}
            _ => return refuse(Code::Base(3001)),
        }
        writer.finish()
    }

    fn equipment(&self, request: &Message<'_>) -> Vec<u8> {
        let terminal = request.find(name::TERMINAL_INFORMATION);
        let imei = terminal.and_then(|avp| avp.group().find(name::IMEI).ok().flatten());
        let imei = imei.and_then(|avp| avp.text().ok()).unwrap_or_default();
        let begins = |list: &[String]| list.iter().any(|one| one.get(..14) == imei.get(..14));
        let status = u32::from(begins(&self.prohibited)) | u32::from(begins(&self.tracked)) << 1;
        let mut writer = answer::begin(self.who(), request, None, Code::Base(2001));
        writer.u32(name::EQUIPMENT_STATUS, status.min(2));
        writer.finish()
    }
}

impl Known {
    fn vectors(&mut self, request: &Message<'_>, replay: bool) -> Result<(Vec<AuthVector>, Plmn)> {
        let octets = request.need(name::VISITED_PLMN_ID)?.data;
        let serving = Plmn::from_nas(octets.try_into()?)?;
        let wanted = request.need(name::REQUESTED_EUTRAN)?.group();
        let count = wanted.clone().find(name::NUMBER_OF_VECTORS)?.map_or(Ok(1), |avp| avp.u32())?;
        if let Some(token) = wanted.find(name::RESYNCHRONIZATION)? {
            let (rand, auts) = token.data.split_at_checked(16).context("30 octets")?;
            let highest = self.aka.open_auts(rand.try_into()?, auts.try_into()?).map_err(anyhow::Error::new)?;
            self.sqn = highest;
        }
        if replay && !self.last.is_empty() {
            return Ok((self.last.clone(), serving));
        }
        let mut list = Vec::new();
        for _ in 0..count.clamp(1, 5) {
            self.sqn = self.sqn.next().context("sequence numbers are used up")?;
            let mut rand = [0; 16];
            getrandom::fill(&mut rand).map_err(|error| anyhow::anyhow!("{error}"))?;
            list.push(self.aka.vector(&rand, self.sqn, AMF_EPS));
        }
        self.last.clone_from(&list);
        Ok((list, serving))
    }
}

/// The PDN gateway of an NOR, by address or name, and its access point (TS 29.272 §7.2.17).
fn told_gateway(request: &Message<'_>) -> Option<(String, String)> {
    let info = request.find(name::MIP6_AGENT_INFO)?;
    let apn = request.find(name::SERVICE_SELECTION)?.text().ok()?.to_owned();
    if let Some(address) = info.group().find(name::MIP_HOME_AGENT_ADDRESS).ok()? {
        return Some((address.address().ok()?.to_string(), apn));
    }
    let host = info.group().find(name::MIP_HOME_AGENT_HOST).ok()??;
    let host = host.group().find(base::DESTINATION_HOST).ok()??;
    Some((host.identity().ok()?.to_owned(), apn))
}

fn key(hex: &str) -> Result<Secret<[u8; 16]>> {
    if hex.len() != 32 || !hex.is_ascii() {
        bail!("a key has 32 hexadecimal digits");
    }
    let mut octets = [0; 16];
    for (place, octet) in octets.iter_mut().enumerate() {
        *octet = u8::from_str_radix(&hex[2 * place..2 * place + 2], 16).context("a key has hexadecimal digits")?;
    }
    Ok(Secret::new(octets))
}
