use proptest::prelude::{Just, Strategy, any, proptest};
use proptest::{collection, prop_assert, prop_assert_eq};

use super::scan::{Found, Scan, Source};
use super::{
    LONGEST_PAYLOAD, NotOurs, POSITIONS, RECORD_HEADER, RecordHeader, SEGMENT_HEADER, SegmentHeader, Tried,
    parse_segment_name, segment_name, store_id,
};

const LINE: &[u8] = b"put web.requests 1767225600 1 path=/login\n";

/// A segment of records, each with its payload, and where they begin.
fn segment(records: &[(RecordHeader, Vec<u8>)]) -> (Vec<u8>, Vec<u64>) {
    let header = SegmentHeader {
        store: store_id("tsdb-localhost-4242"),
        first: records.first().map_or(0, |(record, _)| record.first),
        created: 1_767_225_600_000,
        after_torn: false,
    };
    let mut bytes = header.encode().to_vec();
    let mut places = Vec::new();
    for (record, payload) in records {
        places.push(bytes.len() as u64);
        bytes.extend(record.encode(payload));
        bytes.extend(payload);
    }
    (bytes, places)
}

fn record(first: u64, lines: u32) -> (RecordHeader, Vec<u8>) {
    let payload = LINE.repeat(lines as usize);
    let header = RecordHeader {
        tried: Tried::Nothing,
        length: payload.len() as u32,
        points: lines,
        first,
        accepted: 1_767_225_600_123,
    };
    (header, payload)
}

fn scan(bytes: &[u8], payloads: bool) -> Vec<Found> {
    let mut scan = Scan::new(SEGMENT_HEADER as u64);
    let mut source = bytes;
    std::iter::from_fn(|| scan.next(&mut source, payloads).unwrap()).collect()
}

fn records(found: &[Found]) -> Vec<u64> {
    let record = |found: &Found| match found {
        Found::Record(_, record) => Some(record.first),
        _ => None,
    };
    found.iter().filter_map(record).collect()
}

fn damaged(found: &[Found]) -> u64 {
    let bytes = |found: &Found| match found {
        Found::Damage(bytes) => *bytes,
        Found::Spoilt(_, record) => record.size(),
        _ => 0,
    };
    found.iter().map(bytes).sum()
}

/// The example of docs/spool-format.md, which is the format for people: its bytes are what is written.
#[test]
fn the_documented_bytes_are_the_written_bytes() {
    let page = include_str!("../../../../docs/spool-format.md");
    let rows = page
        .lines()
        .filter(|line| line.starts_with("    0000") && line.contains("  "));
    let digits = rows.flat_map(|row| row.split_whitespace().skip(1).take_while(|word| word.len() == 2));
    let documented: Vec<u8> = digits.map(|word| u8::from_str_radix(word, 16).unwrap()).collect();
    let (written, _) = segment(&[record(1_000, 1)]);
    let rows = written.chunks(16).enumerate().map(|(row, bytes)| {
        let bytes: Vec<_> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("    {:08x}  {}\n", row * 16, bytes.join(" "))
    });
    assert_eq!(
        documented,
        written,
        "the page should say:\n{}",
        rows.collect::<String>()
    );
}

#[test]
fn names_of_segments_are_read_back_and_no_others() {
    for (first, again) in [(0, 0), (7, 1), (POSITIONS - 1, 12)] {
        assert_eq!(parse_segment_name(&segment_name(first, again)), Some((first, again)));
    }
    for name in [
        "7.spool",
        "00000000000000000007.spool~",
        "00000000000000000007.repair",
        "00000000000000000007-0.spool",
        "+0000000000000000007.spool",
        "99999999999999999999.spool",
        "lock",
        "",
    ] {
        assert_eq!(parse_segment_name(name), None, "{name}");
    }
}

#[test]
fn e6_03_a_tail_cut_at_any_byte_costs_its_record_and_is_counted_exactly() {
    let (bytes, places) = segment(&[record(0, 3), record(3, 2)]);
    for end in places[1]..bytes.len() as u64 {
        for payloads in [true, false] {
            let found = scan(&bytes[..end as usize], payloads);
            assert_eq!(records(&found), [0], "cut at {end}");
            // A header that is whole says how long its record was meant to be.
            let header_is_whole = end >= places[1] + RECORD_HEADER as u64;
            let lost = if header_is_whole { bytes.len() as u64 } else { end } - places[1];
            assert_eq!(damaged(&found), lost, "cut at {end}");
        }
    }
}

#[test]
fn e6_04_zeros_behind_the_end_are_no_damage_and_old_bytes_are_counted() {
    let (mut bytes, _) = segment(&[record(0, 3), record(3, 2)]);
    let end = bytes.len();
    bytes.resize(end + 100_000, 0);
    assert_eq!(records(&scan(&bytes, true)), [0, 3]);
    assert_eq!(damaged(&scan(&bytes, true)), 0);
    bytes.truncate(end);
    bytes.extend(LINE);
    assert_eq!(records(&scan(&bytes, true)), [0, 3]);
    assert_eq!(damaged(&scan(&bytes, true)), LINE.len() as u64);
}

#[test]
fn e6_05_any_flipped_bit_costs_its_record_alone() {
    let (bytes, places) = segment(&[record(0, 1), record(1, 2), record(3, 1)]);
    for at in places[1]..places[2] {
        for bit in 0..8 {
            let mut flipped = bytes.clone();
            flipped[at as usize] ^= 1 << bit;
            let found = scan(&flipped, true);
            assert_eq!(records(&found), [0, 3], "bit {bit} of byte {at}");
            assert_eq!(damaged(&found), places[2] - places[1]);
        }
    }
}

#[test]
fn e6_06_absurd_numbers_are_damage_and_allocate_nothing() {
    for length in [0, 1 << 31, u32::MAX, LONGEST_PAYLOAD as u32 + 1] {
        let (mut header, payload) = record(1, 1);
        header.length = length;
        assert_eq!(RecordHeader::decode(&header.encode(&payload)), Err(NotOurs::Damaged));
        let (mut bytes, _) = segment(&[record(0, 1)]);
        let damage = bytes.len();
        bytes.extend(header.encode(&payload));
        bytes.extend(&payload);
        let damage = (bytes.len() - damage) as u64;
        let (last, payload) = record(2, 1);
        bytes.extend(last.encode(&payload));
        bytes.extend(payload);
        let found = scan(&bytes, false);
        assert_eq!(records(&found), [0, 2]);
        assert_eq!(damaged(&found), damage);
    }
    for first in [POSITIONS, u64::MAX] {
        let (header, payload) = record(first, 1);
        assert_eq!(RecordHeader::decode(&header.encode(&payload)), Err(NotOurs::Damaged));
    }
    for points in [0, u32::MAX] {
        let (mut header, payload) = record(1, 1);
        header.points = points;
        assert_eq!(RecordHeader::decode(&header.encode(&payload)), Err(NotOurs::Damaged));
    }
}

#[test]
fn e6_28_a_newer_version_is_told_from_damage() {
    let (mut bytes, places) = segment(&[record(0, 1), record(1, 1)]);
    bytes[8] = 2;
    let crc = crc32fast::hash(&bytes[..60]);
    bytes[60..64].copy_from_slice(&crc.to_le_bytes());
    assert_eq!(SegmentHeader::decode(&bytes), Err(NotOurs::Newer(2)));
    let at = places[1] as usize;
    for (byte, value) in [(4, 2), (5, 3), (6, 1)] {
        let mut newer = bytes.clone();
        newer[at + byte] = value;
        let crc = crc32fast::hash(&newer[at..at + 32]);
        newer[at + 32..at + 36].copy_from_slice(&crc.to_le_bytes());
        assert!(matches!(
            scan(&newer, true)[..],
            [Found::Record(..), Found::Newer(_), ..]
        ));
    }
}

/// A source that counts what is read of it.
struct Counted<'a>(&'a [u8], usize);

impl Source for Counted<'_> {
    fn read_at(&mut self, at: u64, into: &mut [u8]) -> std::io::Result<usize> {
        let n = self.0.read_at(at, into)?;
        self.1 += n;
        Ok(n)
    }
}

#[test]
fn hopping_reads_headers_alone() {
    let (bytes, _) = segment(&[record(0, 1_000), record(1_000, 1_000)]);
    let mut source = Counted(&bytes, 0);
    let mut scan = Scan::new(SEGMENT_HEADER as u64);
    while scan.next(&mut source, false).unwrap().is_some() {}
    assert!(source.1 < 3 * RECORD_HEADER, "{} bytes", source.1);
}

fn headers() -> impl Strategy<Value = RecordHeader> {
    let tried = proptest::sample::select(vec![Tried::Nothing, Tried::Telnet, Tried::Http]);
    (tried, 1..=LONGEST_PAYLOAD as u32, 0..POSITIONS, any::<u64>())
        .prop_flat_map(|header| (Just(header), 1..=header.1))
        .prop_map(|((tried, length, first, accepted), points)| RecordHeader {
            tried,
            length,
            points,
            first,
            accepted,
        })
}

proptest! {
    #[test]
    fn headers_are_read_as_they_were_written(header in headers(), store: u64, created: u64, after_torn: bool) {
        prop_assert_eq!(RecordHeader::decode(&header.encode(b"")), Ok(header));
        let segment = SegmentHeader { store, first: header.first, created, after_torn };
        prop_assert_eq!(SegmentHeader::decode(&segment.encode()), Ok(segment));
    }

    #[test]
    fn any_bytes_are_scanned_to_their_end(bytes in collection::vec(any::<u8>(), 0..2_000)) {
        let mut scan = Scan::new(0);
        let mut source = &bytes[..];
        while scan.next(&mut source, true).unwrap().is_some() {}
        prop_assert!(scan.at() >= bytes.len() as u64);
    }

    /// Records among damage: all that are whole are found, and every byte is accounted for.
    #[test]
    fn records_are_found_between_any_damage(
        parts in collection::vec((collection::vec(any::<u8>(), 0..200), 1_u32..5), 1..8),
    ) {
        let mut bytes = vec![0; SEGMENT_HEADER];
        let mut first = 0;
        let mut whole = Vec::new();
        for (damage, lines) in parts {
            bytes.extend(&damage);
            let (header, payload) = record(first, lines);
            bytes.extend(header.encode(&payload));
            bytes.extend(payload);
            whole.push(first);
            first += u64::from(lines);
        }
        let found = scan(&bytes, true);
        prop_assert_eq!(records(&found), whole);
        let sizes = found.iter().map(|found| match found {
            Found::Record(_, record) | Found::Spoilt(_, record) => record.size(),
            Found::Damage(bytes) => *bytes,
            Found::Newer(_) => 0,
        });
        prop_assert_eq!(sizes.sum::<u64>(), (bytes.len() - SEGMENT_HEADER) as u64);
    }
}
