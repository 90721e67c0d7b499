//! Segments of the spool: any bytes are walked through, every byte once, and what comes out verifies.

#![no_main]

use libfuzzer_sys::fuzz_target;
use potsdb_spool::acked;
use potsdb_spool::format::scan::{Found, Scan};
use potsdb_spool::format::{LONGEST_PAYLOAD, RECORD_HEADER, RecordHeader, SegmentHeader, Tried};

fuzz_target!(|input: (Vec<(Vec<u8>, u16)>, u64)| {
    // Records of lines between bytes of any kind.
    let (parts, first) = input;
    let mut bytes = Vec::new();
    for (damage, points) in &parts {
        bytes.extend(damage);
        let payload = b"put m 1 1 a=b\n".repeat(usize::from(*points % 64));
        let header = RecordHeader {
            tried: Tried::Nothing,
            length: payload.len() as u32,
            points: u32::from(*points % 64),
            first,
            accepted: 0,
        };
        bytes.extend(header.encode(&payload));
        bytes.extend(payload);
    }
    let _ = (SegmentHeader::decode(&bytes), acked::last(&bytes));
    for payloads in [true, false] {
        let (mut scan, mut source, mut at) = (Scan::new(0), &bytes[..], 0);
        while let Some(found) = scan.next(&mut source, payloads).expect("a slice fails no read") {
            match found {
                Found::Record(place, record) => {
                    assert_eq!(place, at);
                    let header = bytes[at as usize..]
                        .first_chunk::<RECORD_HEADER>()
                        .expect("it was read");
                    assert!(!payloads || RecordHeader::verifies(header, scan.payload()));
                    assert!(record.points <= record.length && record.length as usize <= LONGEST_PAYLOAD);
                }
                Found::Spoilt(place, _) => assert_eq!(place, at),
                Found::Damage(bytes) => assert_eq!(scan.at(), at + bytes),
                Found::Newer(_) => break,
            }
            assert!(scan.at() > at, "it moves on");
            at = scan.at();
        }
    }
});
