//! The laws of the wire, over generated input: what goes on the wire comes back, nothing else gets on it, and no reader
//! panics.

use generate::{NAMES, REPLIES, near_json, near_line, point, rules, value, wild_text};
use judge::{is_legal, is_portable, read_replies, show, to_serde};
use potsdb_wire::{
    Additions, Json, Names, Rules, SeriesText, Timestamp, Value, check_length,
    json::{self, Tolerance},
    line,
};
use proptest::{collection::vec, prelude::*, sample::select};

mod generate;
mod judge;

proptest! {
    // 256 cases of each, or as many as PROPTEST_CASES says.
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_rendered_line_parses_to_its_parts(point in point()) {
        let rendered = point.render(&point.rules()).unwrap();
        let line = line::parse(&rendered).unwrap();
        prop_assert_eq!(line.metric, &point.metric);
        prop_assert_eq!(line.timestamp, point.timestamp);
        prop_assert_eq!(line.value(), point.value);
        let tags: Vec<_> = line.tags.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        prop_assert_eq!(tags, point.tags);
    }

    #[test]
    fn a_rendered_line_is_canonical_with_and_without_put(point in point()) {
        let rules = point.rules();
        let rendered = point.render(&rules).unwrap();
        let text = &rendered[..rendered.len() - 1];
        for input in [text, &text[4..]] {
            let mut out = Vec::new();
            line::canonical(&rules, input, &mut out).unwrap();
            prop_assert_eq!(&out, &rendered);
            // A blank at the end takes the slow way, which has to say the same.
            out.clear();
            line::canonical(&rules, &[input, b" "].concat(), &mut out).unwrap();
            prop_assert_eq!(&out, &rendered);
        }
    }

    #[test]
    fn canonical_is_idempotent_and_yields_one_legal_line(rules in rules(), input in near_line()) {
        let mut out = Vec::new();
        if line::canonical(&rules, &input, &mut out).is_ok() {
            prop_assert!(is_legal(&rules, &out), "{:?} became {:?}", show(&input), show(&out));
            let mut again = Vec::new();
            line::canonical(&rules, &out[..out.len() - 1], &mut again).unwrap();
            prop_assert_eq!(again, out);
        } else {
            prop_assert!(out.is_empty());
            prop_assert!(!is_legal(&rules, &[&input[..], b"\n"].concat()));
        }
    }

    #[test]
    fn additions_make_one_legal_line_whichever_way_it_takes(rules in rules(), input in near_line()) {
        let additions = Additions::new("p.", [("dc", "eu"), ("host", "a"), ("dc", "us")]);
        let (mut scratch, mut out, mut slow) = (SeriesText::new(), Vec::new(), Vec::new());
        let made = line::extended_with(&mut scratch, &rules, &additions, &input, &mut out);
        let time = line::extended_series(&mut scratch, &rules, &additions, &input, &mut slow);
        prop_assert_eq!(made.err(), time.clone().err());
        prop_assert_eq!(&out, &slow);
        if let Ok(time) = time {
            prop_assert!(is_legal(&rules, &out), "{:?} became {:?}", show(&input), show(&out));
            let line = line::parse(&out).unwrap();
            prop_assert_eq!(line.timestamp, time);
            prop_assert!(line.metric.starts_with("p.") && line.tags.clone().any(|(name, _)| name == "dc"));
            let series = [scratch.head(), scratch.tail()].concat();
            prop_assert_eq!(series.len() + time.to_string().len() + 1 + line.value.len(), out.len());
        } else {
            prop_assert!(out.is_empty());
        }
    }

    #[test]
    fn parse_takes_exactly_the_legal_lines(input in near_line()) {
        let widest = Rules::new(Names::Utf8, 0);
        let line = [&input[..], b"\n"].concat();
        prop_assert_eq!(line::parse(&line).is_ok(), is_legal(&widest, &line), "{:?}", show(&line));
    }

    #[test]
    fn arbitrary_bytes_never_become_anything_but_a_legal_line(rules in rules(), input in vec(any::<u8>(), 0..200)) {
        let mut out = Vec::new();
        if line::canonical(&rules, &input, &mut out).is_ok() {
            prop_assert!(is_legal(&rules, &out));
        }
        let _ = line::parse(&input);
        let _ = Value::parse(&input);
        let _ = Timestamp::parse(&input);
        let _ = json::parse_with(&input, Tolerance { non_numbers: true, trailing: true, lone_surrogates: true });
    }

    #[test]
    fn arbitrary_names_never_become_anything_but_a_legal_line(
        rules in rules(),
        prefix in wild_text(),
        metric in wild_text(),
        tags in vec((wild_text(), wild_text()), 0..4),
    ) {
        let mut series = SeriesText::new();
        let made = (|| {
            series.metric(&rules, &prefix, &metric)?;
            for (name, value) in &tags {
                series.tag(&rules, name, value)?;
            }
            series.finish(&rules)
        })();
        if made.is_ok() {
            let mut out = Vec::new();
            line::render(series.head(), b"1700000000", b"1", series.tail(), &mut out);
            prop_assert!(is_legal(&rules, &out), "{}", show(&out));
            let unchanged = out == format!(
                "put {prefix}{metric} 1700000000 1{}\n",
                tags.iter().map(|(name, value)| format!(" {name}={value}")).collect::<String>(),
            ).as_bytes();
            prop_assert_eq!(series.replaced() == 0, unchanged);
        }
    }

    #[test]
    fn repair_makes_a_legal_line_of_any_names_that_stay_distinct(
        names in select(NAMES),
        metric in wild_text(),
        tag in (wild_text(), wild_text()),
    ) {
        let rules = Rules::new(names, 8).repairing(true);
        let mut series = SeriesText::new();
        series.metric(&rules, "", &metric).unwrap();
        series.tag(&rules, &tag.0, &tag.1).unwrap();
        series.finish(&rules).unwrap();
        let (mut out, longest) = (Vec::new(), "-2.2250738585072014e-308");
        check_length(series.head_len(), 13, longest.len(), series.tail().len()).unwrap();
        line::render(series.head(), b"1700000000123", longest.as_bytes(), series.tail(), &mut out);
        prop_assert!(is_legal(&rules, &out), "{}", show(&out));
    }

    #[test]
    fn a_refusal_names_the_byte_it_blames_and_stays_short(rules in rules(), value in wild_text()) {
        let mut series = SeriesText::new();
        series.metric(&rules, "", "m").unwrap();
        if let Err(error) = series.tag(&rules, "t", &value) {
            prop_assert_eq!(error.offset().map(|offset| value.as_bytes()[offset]), error.byte());
            prop_assert!(error.to_string().len() < 300, "{}", error);
            prop_assert!(!error.to_string().contains(|character: char| character.is_control()));
        }
    }

    #[test]
    fn the_text_of_a_value_reads_back_as_the_same_value(value in value()) {
        let mut buffer = [0; Value::MAX_LEN];
        let text = value.text(&mut buffer).to_owned();
        prop_assert!(is_portable(str::from_utf8(&text).unwrap()), "{}", show(&text));
        prop_assert_eq!(Value::parse(&text), Ok(value));
        let float: f64 = str::from_utf8(&text).unwrap().parse().unwrap();
        prop_assert_eq!(float.to_bits(), value.as_f64().to_bits());
    }

    #[test]
    fn every_finite_float_is_a_value_and_keeps_its_bits(bits in any::<u64>()) {
        let float = f64::from_bits(bits);
        match Value::try_from(float) {
            Ok(value) => prop_assert_eq!(value.as_f64(), float),
            Err(_) => prop_assert!(!float.is_finite()),
        }
    }

    #[test]
    fn a_rewritten_number_is_the_same_number(text in "[+-]?[0-9]{0,21}(\\.[0-9]{0,21})?([eE][+-]?[0-9]{0,4})?") {
        let mut out = Vec::new();
        let rules = Rules::default();
        match line::canonical(&rules, format!("m 1700000000 {text} a=b").as_bytes(), &mut out) {
            Ok(()) => {
                let line = line::parse(&out).unwrap();
                let expected: f64 = text.parse().unwrap();
                prop_assert_eq!(line.value.parse::<f64>().unwrap().to_bits(), expected.to_bits());
                prop_assert_eq!(line.value == text, is_portable(&text));
            }
            // Nothing Rust reads as a finite float is refused but integers beyond 64 bits.
            Err(_) => prop_assert!(
                text.parse::<f64>().is_ok_and(f64::is_finite) <= !text.contains(['.', 'e', 'E']),
                "{}", text
            ),
        }
    }

    #[test]
    fn replies_are_the_same_however_they_are_split(
        pieces in vec(select(REPLIES), 0..12),
        cuts in vec(any::<prop::sample::Index>(), 0..12),
    ) {
        let stream = pieces.concat();
        let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).collect();
        cuts.sort_unstable();
        let whole = read_replies(&stream, &[]);
        prop_assert_eq!(&read_replies(&stream, &cuts), &whole);
        let every: Vec<_> = (0..stream.len()).collect();
        prop_assert_eq!(&read_replies(&stream, &every), &whole);
    }

    #[test]
    fn arbitrary_replies_are_the_same_however_they_are_split(
        stream in vec(select(b"1\n\r KInfluxDB TSDB proxyput: ".to_vec()), 0..60),
        cut in any::<prop::sample::Index>(),
    ) {
        let cut = cut.index(stream.len() + 1);
        prop_assert_eq!(read_replies(&stream, &[cut]), read_replies(&stream, &[]));
    }

    #[test]
    fn a_body_reads_back_as_its_lines(points in vec(point(), 0..4)) {
        let lines: Vec<_> = points.iter().map(|point| point.render(&point.rules()).unwrap()).collect();
        let mut body = Vec::new();
        prop_assert_eq!(json::write_body(lines.iter().map(Vec::as_slice), &mut body).unwrap(), lines.len());
        let read = json::parse(&body).unwrap();
        let rebuilt: Vec<_> = read.as_array().unwrap().iter().map(line_of).collect();
        prop_assert_eq!(rebuilt, lines);
        let independent: serde_json::Value = serde_json::from_slice(&body).unwrap();
        prop_assert_eq!(to_serde(&read), independent);
    }

    #[test]
    fn json_is_read_as_serde_json_reads_it(text in near_json()) {
        let ours = json::parse(text.as_bytes());
        let theirs = serde_json::from_str::<serde_json::Value>(&text);
        prop_assert_eq!(ours.is_ok(), theirs.is_ok(), "{}: {:?} but {:?}", text, ours, theirs);
        if let (Ok(ours), Ok(theirs)) = (ours, theirs) {
            prop_assert_eq!(to_serde(&ours), theirs);
            let mut written = Vec::new();
            ours.write(&mut written);
            prop_assert_eq!(json::parse(&written), Ok(ours));
        }
    }

    #[test]
    fn any_string_survives_json(text in any::<String>()) {
        let mut written = Vec::new();
        json::write_string(&text, &mut written);
        let read = json::parse(&written).unwrap();
        prop_assert_eq!(read.as_str(), Some(&*text));
        prop_assert_eq!(serde_json::from_slice::<String>(&written).unwrap(), text);
    }
}

fn line_of(point: &Json<'_>) -> Vec<u8> {
    let text = |name| point.field(name).and_then(Json::as_str).unwrap();
    let number = |name| point.field(name).and_then(Json::as_number).unwrap();
    let mut line = format!("put {} {} {}", text("metric"), number("timestamp"), number("value"));
    for (name, value) in point.field("tags").and_then(Json::as_object).unwrap() {
        line += &format!(" {name}={}", value.as_str().unwrap());
    }
    (line + "\n").into_bytes()
}
