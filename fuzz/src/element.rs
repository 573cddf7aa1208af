//! Changes to the elements of an S1AP message that leave everything around them well-formed, so that they are looked at.
//!
//! Every message of S1AP is a list of elements (TS 36.413 §9.3.3): a number, what to do when it is not understood, and an open
//! value with its length. Taking one out, doubling it or changing its inside keeps the list readable.

use crate::Changes;

/// The elements of a message, and what stands around them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Elements {
    /// Choice of message kind, procedure code, criticality: three octets.
    head: [u8; 3],
    list: Vec<Element>,
}

/// One element.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Element {
    /// Its number.
    pub id: u16,
    /// Its criticality, in the two upper bits.
    pub criticality: u8,
    /// Its value.
    pub value: Vec<u8>,
}

/// One change to a list of elements. Places wrap at its length.
#[derive(Clone, Debug, PartialEq, Eq, bolero::TypeGenerator)]
pub enum ElementChange {
    /// Takes an element out.
    Remove(u8),
    /// Has it twice, the second at the end.
    Repeat(u8),
    /// Changes places with the next.
    Swap(u8),
    /// Gives it another number.
    Renumber(u8, u16),
    /// Gives it another criticality.
    Criticality(u8, u8),
    /// Changes its inside.
    Inside(u8, Changes),
    /// Takes over the element at the second place of another message.
    Borrow(u8, u8),
    /// Makes it another procedure's message.
    Procedure(u8),
}

impl Elements {
    /// Reads the outermost structure of an S1AP-PDU; `None` for what has none.
    #[must_use]
    pub fn read(octets: &[u8]) -> Option<Self> {
        let (head, rest) = octets.split_first_chunk::<3>()?;
        let (message, _) = open_value(rest)?;
        let ([_, high, low], mut rest) = message.split_first_chunk::<3>()?;
        let mut list = Vec::new();
        for _ in 0..u16::from_be_bytes([*high, *low]) {
            let ([high, low, criticality], after) = rest.split_first_chunk::<3>()?;
            let (value, after) = open_value(after)?;
            list.push(Element {
                id: u16::from_be_bytes([*high, *low]),
                criticality: *criticality,
                value: value.to_vec(),
            });
            rest = after;
        }
        Some(Self { head: *head, list })
    }

    /// The elements.
    #[must_use]
    pub fn list(&self) -> &[Element] {
        &self.list
    }

    /// The code of the procedure.
    #[must_use]
    pub const fn procedure(&self) -> u8 {
        self.head[1]
    }

    /// Gives every element of this number another value.
    pub fn set(&mut self, id: u16, value: &[u8]) {
        for element in self.list.iter_mut().filter(|element| element.id == id) {
            element.value = value.to_vec();
        }
    }

    /// Carries a change out; elements to borrow come from `other`.
    pub fn change(&mut self, change: &ElementChange, other: &Self) {
        let count = self.list.len().max(1);
        let at = |place: u8| usize::from(place) % count;
        match change {
            ElementChange::Procedure(code) => self.head[1] = *code,
            _ if self.list.is_empty() => {}
            ElementChange::Remove(place) => drop(self.list.remove(at(*place))),
            ElementChange::Repeat(place) => self.list.push(self.list[at(*place)].clone()),
            ElementChange::Swap(place) => self.list.swap(at(*place), at(place.wrapping_add(1))),
            ElementChange::Renumber(place, id) => self.list[at(*place)].id = *id,
            ElementChange::Criticality(place, value) => self.list[at(*place)].criticality = value << 6,
            ElementChange::Inside(place, changes) => {
                let element = &mut self.list[at(*place)];
                element.value = changes.applied(&element.value);
            }
            ElementChange::Borrow(place, from) => {
                if let Some(borrowed) = other.list.get(usize::from(*from) % other.list.len().max(1)) {
                    self.list.insert(at(*place), borrowed.clone());
                }
            }
        }
    }

    /// The PDU again, with all lengths right.
    #[must_use]
    pub fn write(&self) -> Vec<u8> {
        let count = u16::try_from(self.list.len()).unwrap_or(u16::MAX);
        let mut message = vec![0];
        message.extend(count.to_be_bytes());
        for element in self.list.iter().take(usize::from(count)) {
            message.extend(element.id.to_be_bytes());
            message.push(element.criticality);
            put_open_value(&mut message, &element.value);
        }
        let mut octets = self.head.to_vec();
        put_open_value(&mut octets, &message);
        octets
    }
}

/// An open value and what follows it (ITU-T X.691 §11.2, §11.9). Values in fragments are not read.
fn open_value(octets: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = match octets {
        [length @ 0..=0x7f, rest @ ..] => (usize::from(*length), rest),
        [high @ 0x80..=0xbf, low, rest @ ..] => (usize::from(u16::from_be_bytes([high & 0x3f, *low])), rest),
        _ => return None,
    };
    rest.split_at_checked(length)
}

/// The same the other way. What would need fragments is cut.
fn put_open_value(octets: &mut Vec<u8>, value: &[u8]) {
    let value = &value[..value.len().min(0x3fff)];
    match u8::try_from(value.len()) {
        Ok(length @ ..=0x7f) => octets.push(length),
        _ => {
            let length = value.len() as u16 | 0x8000;
            octets.extend(length.to_be_bytes());
        }
    }
    octets.extend_from_slice(value);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_recorded_message_comes_back() {
        let mut elements = 0;
        for octets in crate::s1ap() {
            // Three of them were broken on purpose and are longer than they say.
            let Some(read) = Elements::read(octets) else { continue };
            elements += read.list().len();
            assert!(octets.starts_with(&read.write()), "{octets:02x?}");
        }
        assert!(elements > 3_000, "{elements}");
    }

    #[test]
    fn a_changed_list_is_a_list() {
        let message = crate::s1ap().iter().find_map(|octets| Elements::read(octets)).unwrap();
        for change in [
            ElementChange::Remove(1),
            ElementChange::Repeat(0),
            ElementChange::Swap(200),
            ElementChange::Renumber(0, 9),
            ElementChange::Criticality(0, 1),
            ElementChange::Borrow(0, 1),
            ElementChange::Procedure(77),
        ] {
            let mut changed = message.clone();
            changed.change(&change, &message);
            assert_ne!(changed, message, "{change:?}");
            assert_eq!(Elements::read(&changed.write()), Some(changed), "{change:?}");
        }
    }
}
