//! How the log looks on disk. All numbers are little-endian, everything begins at a multiple of 8 octets.
//!
//! ```text
//! segment  = header (32) frame* zeros        one file, filled with zeros ahead of the writer
//! header   = magic (8) id (4) oldest (4) 0 (4) first seq (8) crc32 (4)
//! frame    = magic (4) payload length (4) seq (8) behind (4) oldest (4) payload crc32 (4) header crc32 (4) payload
//! payload  = the entries of one batch, zeros to a multiple of 8
//! ```
//! The header checksums cover the segment's id as well, so octets of another segment are never taken for this one's.
//! `behind` tells how many batches, this one included, were not yet durable when it was written: at recovery it tells
//! damage to what was promised from the remains of what never was. `oldest` is the first segment that is needed once this
//! frame is durable: if that file is not there, it was lost and not cleared away.

pub(crate) const SEGMENT_HEADER: usize = 32;
pub(crate) const FRAME_HEADER: usize = 32;
const ALIGN: usize = 8;
const SEGMENT_MAGIC: [u8; 8] = *b"BASALT\x01L";
const FRAME_MAGIC: [u8; 4] = *b"BsF\x01";

/// A frame whose header is right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    /// Where its header begins in the segment.
    pub(crate) offset: usize,
    /// Octets with header and padding.
    pub(crate) len: usize,
    pub(crate) seq: u64,
    /// The last batch that was durable when this one was written.
    pub(crate) durable: u64,
    /// The first segment still needed.
    pub(crate) oldest: u32,
    /// Whether the payload is right as well.
    pub(crate) intact: bool,
}

impl Frame {
    pub(crate) const fn payload_offset(self) -> usize {
        self.offset + FRAME_HEADER
    }

    pub(crate) fn payload(self, segment: &[u8]) -> &[u8] {
        segment.get(self.payload_offset()..self.offset + self.len).unwrap_or_default()
    }
}

/// Octets that a batch of `payload` octets takes.
pub(crate) const fn frame_len(payload: usize) -> usize {
    FRAME_HEADER + payload.next_multiple_of(ALIGN)
}

/// What a frame says beside its payload.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FrameHeader {
    pub(crate) segment: u32,
    pub(crate) seq: u64,
    pub(crate) durable: u64,
    pub(crate) oldest: u32,
}

pub(crate) fn encode_frame(out: &mut Vec<u8>, header: FrameHeader, payload: &[u8]) {
    let FrameHeader { segment, seq, durable, oldest } = header;
    let behind = u32::try_from(seq.saturating_sub(durable)).unwrap_or(u32::MAX);
    let begin = out.len();
    let end = begin + frame_len(payload.len());
    let padded = (end - begin - FRAME_HEADER) as u32;
    out.extend_from_slice(&FRAME_MAGIC);
    out.extend_from_slice(&padded.to_le_bytes());
    out.extend_from_slice(&seq.to_le_bytes());
    out.extend_from_slice(&behind.to_le_bytes());
    out.extend_from_slice(&oldest.to_le_bytes());
    out.extend_from_slice(&[0; 8]);
    out.extend_from_slice(payload);
    out.resize(end, 0);
    let payload_crc = crc32fast::hash(&out[begin + FRAME_HEADER..]);
    out[begin + 24..begin + 28].copy_from_slice(&payload_crc.to_le_bytes());
    let header_crc = checksum(segment, &out[begin..begin + 28]);
    out[begin + 28..begin + 32].copy_from_slice(&header_crc.to_le_bytes());
}

/// The frame at `offset`, if its header is right and it fits into the segment.
pub(crate) fn frame_at(segment: &[u8], id: u32, offset: usize) -> Option<Frame> {
    let header: &[u8; FRAME_HEADER] = segment.get(offset..)?.first_chunk()?;
    if header[..4] != FRAME_MAGIC || checksum(id, &header[..28]) != u32_at(header, 28) {
        return None;
    }
    let len = FRAME_HEADER + u32_at(header, 4) as usize;
    let payload = segment.get(offset + FRAME_HEADER..offset.checked_add(len)?)?;
    let intact = crc32fast::hash(payload) == u32_at(header, 24);
    let seq = u64_at(header, 8);
    let durable = seq.saturating_sub(u32_at(header, 16).into());
    Some(Frame { offset, len, seq, durable, oldest: u32_at(header, 20), intact })
}

pub(crate) fn encode_segment_header(id: u32, oldest: u32, first_seq: u64) -> [u8; SEGMENT_HEADER] {
    let mut header = [0; SEGMENT_HEADER];
    header[..8].copy_from_slice(&SEGMENT_MAGIC);
    header[8..12].copy_from_slice(&id.to_le_bytes());
    header[12..16].copy_from_slice(&oldest.to_le_bytes());
    header[20..28].copy_from_slice(&first_seq.to_le_bytes());
    let crc = checksum(id, &header[..28]);
    header[28..].copy_from_slice(&crc.to_le_bytes());
    header
}

/// What a segment's header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SegmentHeader {
    /// The first segment still needed when this one was begun.
    pub(crate) oldest: u32,
    /// The number of its first batch.
    pub(crate) first_seq: u64,
}

/// The header of a segment, if it is right.
pub(crate) fn segment_header(segment: &[u8], id: u32) -> Option<SegmentHeader> {
    let header: &[u8; SEGMENT_HEADER] = segment.first_chunk()?;
    let right = header[..8] == SEGMENT_MAGIC && checksum(id, &header[..28]) == u32_at(header, 28);
    right.then(|| SegmentHeader { oldest: u32_at(header, 12), first_seq: u64_at(header, 20) })
}

/// What a look through a segment found.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Scan {
    pub(crate) pieces: Vec<Piece>,
    /// Where the zeros begin: after the last frame or garbage.
    pub(crate) end: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    /// A frame whose header is right; its payload may not be.
    Frame(Frame),
    /// Octets that are no frame, from the first to before the second offset.
    Garbage(usize, usize),
}

/// Looks through a segment, past whatever is no frame.
pub(crate) fn scan(segment: &[u8], id: u32) -> Scan {
    let used = segment.iter().rposition(|octet| *octet != 0).map_or(0, |last| last + 1);
    let mut pieces = Vec::new();
    let mut offset = SEGMENT_HEADER;
    let mut expected = segment_header(segment, id).map(|header| header.first_seq);
    while offset < used {
        if let Some(frame) = frame_at(segment, id, offset) {
            pieces.push(Piece::Frame(frame));
            offset += frame.len;
            expected = frame.seq.checked_add(1);
        } else {
            let next = next_frame(segment, id, offset, expected).unwrap_or(used.next_multiple_of(ALIGN));
            pieces.push(Piece::Garbage(offset, next));
            offset = next;
        }
    }
    Scan { pieces, end: offset.min(segment.len()) }
}

/// The first frame after the garbage at `offset`, where the batch `expected` should be.
fn next_frame(segment: &[u8], id: u32, offset: usize, expected: Option<u64>) -> Option<usize> {
    // Mostly only a few bits of a header are wrong: believe its length if it leads to the batch after. Looking at every
    // place inside the damaged frame's values comes second.
    let told = segment.get(offset..)?.first_chunk::<FRAME_HEADER>().map(|header| u32_at(header, 4) as usize);
    if let Some(after) = told.and_then(|len| offset.checked_add(FRAME_HEADER + len))
        && let Some(frame) = frame_at(segment, id, after)
        && expected.is_some_and(|expected| frame.seq.checked_sub(1) == Some(expected))
    {
        return Some(after);
    }
    let mut candidates = (offset + ALIGN..segment.len()).step_by(ALIGN);
    candidates.find(|candidate| frame_at(segment, id, *candidate).is_some())
}

fn checksum(segment: u32, bytes: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&segment.to_le_bytes());
    hasher.update(bytes);
    hasher.finalize()
}

fn u32_at(header: &[u8; 32], at: usize) -> u32 {
    header[at..].first_chunk().map_or(0, |octets| u32::from_le_bytes(*octets))
}

fn u64_at(header: &[u8; 32], at: usize) -> u64 {
    header[at..].first_chunk().map_or(0, |octets| u64::from_le_bytes(*octets))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn segment(payloads: &[Vec<u8>], zeros: usize) -> Vec<u8> {
        let mut bytes = encode_segment_header(7, 5, 1).to_vec();
        for (payload, seq) in payloads.iter().zip(1..) {
            encode_frame(&mut bytes, FrameHeader { segment: 7, seq, durable: seq - 1, oldest: 5 }, payload);
        }
        bytes.resize(bytes.len() + zeros, 0);
        bytes
    }

    fn frames(scan: &Scan) -> Vec<Frame> {
        let frames = scan.pieces.iter();
        frames.filter_map(|piece| if let Piece::Frame(frame) = piece { Some(*frame) } else { None }).collect()
    }

    #[test]
    fn another_segments_octets_are_garbage() {
        let bytes = segment(&[vec![1; 20]], 100);
        assert_eq!(segment_header(&bytes, 7), Some(SegmentHeader { oldest: 5, first_seq: 1 }));
        assert_eq!(segment_header(&bytes, 8), None);
        assert_eq!(scan(&bytes, 8).pieces, [Piece::Garbage(32, 32 + 32 + 24)]);
    }

    #[test]
    fn octets_after_the_end_are_seen() {
        let mut bytes = segment(&[vec![1; 8]], 100);
        assert_eq!(scan(&bytes, 7).end, 72);
        bytes[90] = 1;
        assert_eq!(scan(&bytes, 7).pieces[1], Piece::Garbage(72, 96));
    }

    proptest! {
        #[test]
        fn a_whole_segment_is_all_frames(payloads: Vec<Vec<u8>>, zeros in 0..64usize) {
            let bytes = segment(&payloads, zeros);
            let found = scan(&bytes, 7);
            let frames = frames(&found);
            prop_assert_eq!(frames.len(), found.pieces.len());
            prop_assert_eq!(frames.len(), payloads.len());
            for ((frame, payload), seq) in frames.iter().zip(&payloads).zip(1..) {
                prop_assert!(frame.intact && frame.seq == seq && frame.durable == seq - 1 && frame.oldest == 5);
                prop_assert!(frame.payload(&bytes).starts_with(payload));
            }
        }

        /// One damaged octet costs at most the frame that it is in.
        #[test]
        fn one_octet_costs_one_frame(payloads in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..100), 1..8), pick: usize, mask in 1..=255u8) {
            let mut bytes = segment(&payloads, 0);
            let at = SEGMENT_HEADER + pick % (bytes.len() - SEGMENT_HEADER);
            let hit = frames(&scan(&bytes, 7)).iter().filter(|frame| frame.offset <= at).count() as u64;
            bytes[at] ^= mask;
            let left: Vec<_> = frames(&scan(&bytes, 7)).iter().filter(|frame| frame.intact).map(|frame| frame.seq).collect();
            let expected: Vec<_> = (1..=payloads.len() as u64).filter(|seq| *seq != hit).collect();
            prop_assert_eq!(left, expected);
        }

        #[test]
        fn any_octets_can_be_looked_through(bytes: Vec<u8>) {
            let found = scan(&bytes, 7);
            prop_assert!(found.end <= bytes.len().max(SEGMENT_HEADER));
        }
    }
}
