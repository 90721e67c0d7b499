//! `potsdb pipe`.

use std::io::Write;
use std::process::{Command, Stdio};

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::command::{LONG, Running, command, nobody, potsdb, potsdb_fed, receiver};

/// That many points of one series, a second apart.
fn lines(count: u64) -> String {
    (0..count)
        .map(|number| format!("m {} {number} a=b\n", 1_767_225_600 + number))
        .collect()
}

#[test]
fn points_with_and_without_put_are_all_delivered() {
    let receiver = receiver();
    let input = b"put m 1767225600 1 a=b\nm 1767225601 2 a=b\r\nm 1767225602123 3.5 a=b";
    let ended = potsdb_fed(input, &["pipe", "--url", &receiver.url()]).with_code(0);
    let arrived: Vec<_> = receiver
        .points()
        .into_iter()
        .map(|point| (point.timestamp, point.value))
        .collect();
    let expected = [(1_767_225_600, "1"), (1_767_225_601, "2"), (1_767_225_602_123, "3.5")];
    assert_eq!(arrived, expected.map(|(time, value)| (time, value.to_string())));
    assert_eq!((ended.out, ended.err), (String::new(), String::new()));
}

#[test]
fn many_points_are_counted_in_the_statistics() {
    let receiver = receiver();
    let ended = potsdb_fed(lines(50_000).as_bytes(), &["pipe", "--json", "--url", &receiver.url()]).with_code(0);
    let statistics = ended.json();
    for (name, count) in [
        ("lines", 50_000),
        ("bad_lines", 0),
        ("accepted", 50_000),
        ("acknowledged", 50_000),
    ] {
        assert_eq!(statistics[name], count, "{name} of {statistics}");
    }
    assert_eq!(receiver.counts().accepted, 50_000);
}

#[test]
fn more_points_than_the_queue_holds_wait_for_room() {
    let receiver = receiver();
    let arguments = ["pipe", "--json", "-o", "queue_points=1000", "--url", &receiver.url()];
    let statistics = potsdb_fed(lines(20_000).as_bytes(), &arguments).with_code(0).json();
    assert_eq!(
        (&statistics["acknowledged"], &statistics["dropped"]),
        (&20_000.into(), &0.into())
    );
    assert_eq!(receiver.counts().accepted, 20_000);
}

#[test]
fn a_bad_line_is_told_with_its_number_and_stops_no_other() {
    let receiver = receiver();
    let input = b"m 1767225600 1 a=b\nm 1767225601 x a=b\nm 1767225602 3 a=b c\nm 1767225603 4 a=b\n";
    let ended = potsdb_fed(input, &["pipe", "--json", "--url", &receiver.url()]).with_code(1);
    assert!(ended.err.contains("stdin:2: value"), "{}", ended.err);
    assert!(ended.err.contains("stdin:3: "), "{}", ended.err);
    assert!(ended.err.contains("2 of 4 lines bad"), "{}", ended.err);
    assert_eq!(
        (&ended.json()["bad_lines"], &ended.json()["acknowledged"]),
        (&2.into(), &2.into())
    );
    assert_eq!(receiver.counts().accepted, 2);
}

#[test]
fn twenty_bad_lines_are_told_and_the_rest_counted() {
    let receiver = receiver();
    let input = "garbage\n".repeat(1000) + &lines(5);
    let ended = potsdb_fed(input.as_bytes(), &["pipe", "--url", &receiver.url()]).with_code(1);
    assert_eq!(ended.err.matches("stdin:").count(), 20, "{}", ended.err);
    assert!(
        ended.err.contains("stdin:20: ") && ended.err.contains("and 980 more bad lines"),
        "{}",
        ended.err
    );
    assert_eq!(receiver.counts().accepted, 5);
}

#[test]
fn garbage_is_bad_lines_and_nothing_of_it_gets_out() {
    let receiver = receiver();
    let mut input = b"\0\0\nversion\n\xff\xfe m\nput m 1767225600 1 a=\0\n".to_vec();
    input.extend(vec![b'x'; 10 << 20]);
    input.extend(b"\nm 1767225600 1 a=b\n");
    let ended = potsdb_fed(&input, &["pipe", "--json", "--url", &receiver.url()]).with_code(1);
    assert_eq!(
        (&ended.json()["lines"], &ended.json()["bad_lines"]),
        (&6.into(), &5.into())
    );
    assert!(ended.err.contains("stdin:5: "), "{}", ended.err);
    assert_eq!(receiver.lines(), ["put m 1767225600 1 a=b"]);
    assert_eq!(receiver.counts().unknown, 0);
}

#[test]
fn ten_megabytes_without_a_newline_are_one_bad_line() {
    let receiver = receiver();
    let ended = potsdb_fed(&vec![0; 10 << 20], &["pipe", "--json", "--url", &receiver.url()]).with_code(1);
    assert_eq!(
        (&ended.json()["lines"], &ended.json()["bad_lines"]),
        (&1.into(), &1.into())
    );
    assert_eq!(receiver.counts().connections, 0);
}

#[test]
fn nothing_on_standard_input_is_nothing_to_deliver() {
    let ended = potsdb_fed(b"", &["pipe", "--json", "--url", &nobody()]).with_code(0);
    assert_eq!(
        (&ended.json()["lines"], &ended.json()["accepted"]),
        (&0.into(), &0.into())
    );
}

#[test]
fn files_are_read_in_order_and_gzip_is_recognised() {
    let receiver = receiver();
    let folder = tempfile::tempdir().unwrap();
    let (plain, zipped) = (folder.path().join("first.txt"), folder.path().join("second"));
    std::fs::write(&plain, "m 1767225600 1 a=b").unwrap();
    let mut encoder = GzEncoder::new(std::fs::File::create(&zipped).unwrap(), Compression::fast());
    encoder.write_all(b"m 1767225601 2 a=b\nwrong\n").unwrap();
    encoder.finish().unwrap();

    let (plain, zipped) = (plain.to_str().unwrap(), zipped.to_str().unwrap());
    let input = b"m 1767225602 3 a=b\n";
    let ended = potsdb_fed(input, &["pipe", "--url", &receiver.url(), plain, zipped, "-"]).with_code(1);
    assert!(ended.err.contains(&format!("{zipped}:2: ")), "{}", ended.err);
    let expected = [1, 2, 3].map(|number| format!("put m {} {number} a=b", 1_767_225_599 + number));
    assert_eq!(receiver.lines(), expected);
}

fn zipped(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn a_file_that_cannot_be_read_is_named_and_stops_no_other() {
    let receiver = receiver();
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let whole = zipped(lines(2000).as_bytes());
    std::fs::write(file("cut.gz"), &whole[..whole.len() / 2]).unwrap();
    std::fs::write(file("damaged.gz"), [&whole[..10], &[0xff; 100]].concat()).unwrap();
    std::fs::write(file("good.txt"), "other 1767225600 1 a=b\n").unwrap();
    std::fs::create_dir(file("folder")).unwrap();
    let files = ["missing", "cut.gz", "damaged.gz", "folder", "good.txt"].map(file);
    let arguments = ["pipe", "--json", "--url", &receiver.url()];
    let ended = potsdb(&[&arguments[..], &files.each_ref().map(String::as_str)].concat()).with_code(1);
    for words in [
        "missing: No such file",
        "cut.gz: the compressed data is cut off",
        "damaged.gz: the compressed data is damaged",
        "folder: Is a directory",
    ] {
        assert!(ended.err.contains(words), "{words:?} is missing in {}", ended.err);
    }
    assert_eq!(ended.json()["unread_files"], 4);
    let arrived = receiver.lines();
    assert_eq!(arrived.last().map(String::as_str), Some("put other 1767225600 1 a=b"));
    assert_eq!(ended.json()["acknowledged"], arrived.len());
    assert!(
        arrived.len() > 100,
        "what there is of cut.gz is sent: {}",
        arrived.len()
    );
}

#[test]
fn zeros_behind_a_gzip_member_are_no_part_of_it() {
    let receiver = receiver();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("padded.gz");
    let (one, two) = (zipped(b"m 1767225600 1 a=b\n"), zipped(b"m 1767225601 2 a=b\n"));
    std::fs::write(&file, [one, vec![0; 70_000], two, vec![0; 512]].concat()).unwrap();
    let ended = potsdb(&["pipe", "--url", &receiver.url(), file.to_str().unwrap()]).with_code(0);
    assert_eq!(ended.err, "");
    assert_eq!(receiver.counts().accepted, 2);
}

#[test]
fn something_else_behind_a_gzip_member_is_said_and_costs_no_line_of_it() {
    let receiver = receiver();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("more.gz");
    let member = zipped(b"m 1767225600 1 a=b\n");
    std::fs::write(&file, [member, b"garbage".to_vec()].concat()).unwrap();
    let ended = potsdb(&["pipe", "--url", &receiver.url(), file.to_str().unwrap()]).with_code(1);
    assert!(
        ended.err.contains("something else follows that is left out"),
        "{}",
        ended.err
    );
    assert_eq!(receiver.counts().accepted, 1);
}

#[test]
fn tags_that_are_given_twice_add_up_and_of_other_options_the_last_one_wins() {
    let receiver = receiver();
    let options = ["-o", "tags=c=1", "-o", "mps=1", "-o", "tags=d=2,e=3", "-o", "mps=0"];
    let url = receiver.url();
    let arguments = [&["pipe", "--url", &url], &options[..]].concat();
    potsdb_fed(b"m 1767225600 1 a=b\n", &arguments).with_code(0);
    let tags: Vec<_> = receiver
        .points()
        .into_iter()
        .flat_map(|point| point.series.tags.clone())
        .collect();
    assert_eq!(tags.len(), 4, "{tags:?}");
}

#[test]
fn options_that_mean_nothing_are_errors_and_none_repeats_a_secret() {
    for (option, words) in [
        ("auth:canary", "is auth=VALUE meant?"),
        ("canary", "NAME=VALUE is expected"),
        ("auth=", "option auth: "),
        ("tags=,,,", "option tags: "),
        ("tags=a=1,,b=2", "option tags: "),
    ] {
        for subcommand in [&["pipe"][..], &["send", "m", "1"]] {
            let arguments = [subcommand, &["-o", option]].concat();
            let ended = potsdb_fed(b"", &arguments).with_code(2);
            assert!(ended.err.contains(words), "{option}: {}", ended.err);
            assert!(!ended.err.contains("canary"), "{}", ended.err);
        }
    }
}

#[test]
fn a_secret_that_is_not_there_when_a_pipe_starts_is_an_error_at_once() {
    let receiver = receiver();
    let arguments = ["pipe", "--url", &receiver.url(), "-o", "auth=line:@/nowhere/secret"];
    let ended = potsdb_fed(b"m 1767225600 1 a=b\n", &arguments).with_code(2);
    assert!(ended.err.contains("/nowhere/secret"), "{}", ended.err);
    assert_eq!(ended.err.lines().count(), 1, "{}", ended.err);
}

#[test]
fn what_is_no_line_is_not_counted_and_what_can_mean_one_thing_only_is_rewritten() {
    let receiver = receiver();
    let input = "\u{feff}m 1356998400.123 1 h=a\n\n# comment\nm 1767225600 2 h=a h=a\n   \nbad\n";
    let ended = potsdb_fed(input.as_bytes(), &["pipe", "--json", "--url", &receiver.url()]).with_code(1);
    assert!(ended.err.contains("stdin:6: "), "{}", ended.err);
    assert!(ended.err.contains("1 of 3 lines bad"), "{}", ended.err);
    assert_eq!(ended.json()["lines"], 3);
    assert_eq!(
        receiver.lines(),
        ["put m 1356998400123 1 h=a", "put m 1767225600 2 h=a"]
    );
}

#[test]
fn prefix_tags_host_and_repeats_are_obeyed_and_nothing_is_added_by_default() {
    let receiver = receiver();
    let input = b"m 1767225600 1 h=a\nm 1767225600 2 h=a\nm 1767225601 1\n";
    let url = format!("{}?prefix=stage.", receiver.url());
    let options = ["-o", "tags=dc=eu", "-o", "host_tag=web09", "-o", "repeats=first"];
    let ended = potsdb_fed(input, &[&["pipe", "--url", &url], &options[..]].concat()).with_code(0);
    assert!(
        ended.err.contains("1 line not sent: the series has a point"),
        "{}",
        ended.err
    );
    let expected = [
        "put stage.m 1767225600 1 h=a dc=eu host=web09",
        "put stage.m 1767225601 1 dc=eu host=web09",
    ];
    assert_eq!(receiver.lines(), expected);
    let ended = potsdb_fed(input, &["pipe", "--url", &receiver.url()]).with_code(1);
    assert!(
        ended.err.contains("stdin:3: tags: Need at least one tag"),
        "{}",
        ended.err
    );
    let expected = ["put m 1767225600 1 h=a", "put m 1767225600 2 h=a"];
    assert_eq!(receiver.lines()[2..], expected);
}

#[test]
fn options_that_cannot_mean_anything_for_lines_are_errors_that_say_so() {
    let receiver = receiver();
    for (option, why) in [
        (
            "overflow=drop_oldest",
            "option overflow: \"drop_oldest\" has no effect on pipe: it waits for room",
        ),
        ("overflow=block:5s", "option overflow: \"block:5s\" has no effect"),
        (
            "precision=milliseconds",
            "option precision: \"milliseconds\" has no effect on pipe: lines have their own times",
        ),
    ] {
        let ended = potsdb(&["pipe", "-o", option, "--url", &receiver.url()]).with_code(2);
        assert!(ended.err.contains(why), "{option}: {}", ended.err);
        potsdb(&["pipe", "--url", &format!("{}?{option}", receiver.url())]).with_code(2);
    }
    potsdb(&["pipe", "-o", "overflow=block", "--url", &receiver.url()]).with_code(0);
}

#[test]
fn a_server_that_is_not_there_is_exit_code_1_after_the_timeout() {
    let arguments = ["pipe", "--timeout", "300ms", "--url", &nobody()];
    let ended = potsdb_fed(lines(100).as_bytes(), &arguments).with_code(1);
    assert!(
        ended
            .err
            .contains("100 points not delivered: gave up after 300ms: tsdb://127.77.77.77:"),
        "{}",
        ended.err
    );
}

#[test]
fn a_server_that_is_not_there_is_said_while_it_is_waited_for() {
    let mut running = Running::start(&["pipe", "-o", "close_grace=100ms", "--url", &nobody()]);
    running.feed(b"m 1767225600 1 a=b\n");
    running.notes("lost tsdb://127.77.77.77:");
    running.signal("TERM");
    let ended = running.wait().with_code(143);
    // The last line says all of it: the first may be long gone.
    let last = ended.err.lines().last().unwrap_or_default();
    assert!(
        last.contains("1 point not delivered: interrupted: tsdb://127.77.77.77:") && last.contains("refused"),
        "{}",
        ended.err
    );
}

#[test]
fn a_point_goes_on_before_the_input_ends() {
    let receiver = receiver();
    let mut running = Running::start(&["pipe", "--url", &receiver.url()]);
    running.feed(b"m 1767225600 1 a=b\nm 1767225601 2 a=b");
    assert!(
        receiver.wait_for(1, LONG),
        "the whole line arrives while the input is open"
    );
    running.end().with_code(0);
    assert_eq!(receiver.counts().accepted, 2);
}

/// A pipe that holds 1 000 points which a server that does not read keeps from being delivered; its input is open.
fn stuck(receiver: &potsdb_receiver::Receiver, options: &[&str]) -> Running {
    receiver.faults().stall_reading(true);
    let url = receiver.url();
    let mut running = Running::start(&[&["pipe", "--json", "--url", &url], options].concat());
    // The bad line at the end is told once those before it are the client's.
    running.feed(format!("{}bad\n", lines(1000)).as_bytes());
    running.notes("stdin:1001: ");
    running
}

#[test]
fn sigterm_lets_everything_that_was_read_be_delivered() {
    let receiver = receiver();
    let running = stuck(&receiver, &["-o", "close_grace=30s"]);
    running.signal("TERM");
    receiver.faults().resume();
    let ended = running.wait().with_code(1); // for the bad line
    assert!(!ended.err.contains("not delivered"), "{}", ended.err);
    assert_eq!(ended.json()["acknowledged"], 1000);
    assert_eq!(receiver.counts().accepted, 1000);
}

#[test]
fn a_terminal_that_is_closed_lets_everything_that_was_read_be_delivered() {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    if ignored.is_some_and(|mask| mask & 1 == 1) {
        // Tests under `nohup`: a pipe leaves it ignored, too.
        return;
    }
    let receiver = receiver();
    let running = stuck(&receiver, &["-o", "close_grace=30s"]);
    running.signal("HUP");
    receiver.faults().resume();
    let ended = running.wait().with_code(1); // for the bad line
    assert_eq!(ended.json()["acknowledged"], 1000);
}

#[test]
fn sigterm_ends_within_the_grace_and_says_what_was_not_delivered() {
    let receiver = receiver();
    let running = stuck(&receiver, &["-o", "close_grace=200ms"]);
    running.signal("TERM");
    let ended = running.wait().with_code(143);
    assert!(
        ended.err.contains("1000 points not delivered: interrupted: "),
        "{}",
        ended.err
    );
}

#[test]
fn a_second_ctrl_c_ends_at_once() {
    let receiver = receiver();
    let running = stuck(&receiver, &["-o", "close_grace=1h"]);
    running.signal("INT");
    running.notes("a second signal ends that");
    running.signal("INT");
    let ended = running.wait().with_code(130);
    assert!(ended.err.contains("1000 points not delivered"), "{}", ended.err);
}

#[test]
fn ctrl_c_ends_the_wait_for_room() {
    let receiver = receiver();
    receiver.faults().stall_reading(true);
    let options = ["-o", "queue_points=10", "-o", "close_grace=200ms"];
    let mut running = Running::start(&[&["pipe", "--json", "--url", &receiver.url()], &options[..]].concat());
    running.feed(format!("bad\n{}", lines(1000)).as_bytes());
    assert!(
        receiver.wait_until(LONG, |counts| counts.connections > 0),
        "it connects once it has points in hand"
    );
    running.signal("INT");
    let ended = running.wait().with_code(130);
    let (statistics, count) = (ended.json(), |name: &str| ended.json()[name].as_u64().unwrap());
    assert_eq!(
        count("accepted") + count("unsent_lines") + count("bad_lines"),
        count("lines"),
        "{statistics}"
    );
    assert_eq!(count("accepted"), count("dropped_closed"), "{statistics}");
}

#[test]
fn a_reader_of_standard_output_that_went_away_is_no_failure() {
    let receiver = receiver();
    let mut pipe = command();
    pipe.args(["pipe", "--json", "--url", &receiver.url()]);
    let mut reader = Command::new("true").stdin(Stdio::piped()).spawn().unwrap();
    let gone = reader.stdin.take().unwrap();
    reader.wait().unwrap();
    let mut running = Running::spawn(pipe.stdout(gone));
    running.feed(lines(10).as_bytes());
    running.end().with_code(0);
    assert_eq!(receiver.counts().accepted, 10);
}

#[test]
fn each_member_of_a_gzip_file_may_begin_with_the_mark_of_utf_8() {
    let receiver = receiver();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("both.gz");
    let member = |line: &str| {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(format!("\u{feff}{line}").as_bytes()).unwrap();
        encoder.finish().unwrap()
    };
    let both = [
        member("m 1767225600 1 a=b\n"),
        member(""),
        member("m 1767225601 2 a=b\n"),
    ];
    std::fs::write(&path, both.concat()).unwrap();
    potsdb(&["pipe", "--url", &receiver.url(), path.to_str().unwrap()]).with_code(0);
    assert_eq!(receiver.counts().accepted, 2);
}

#[test]
fn a_file_that_cannot_be_read_is_exit_code_2_if_it_is_the_only_one() {
    let receiver = receiver();
    let folder = tempfile::tempdir().unwrap();
    let (missing, random) = (folder.path().join("missing"), folder.path().join("random.gz"));
    std::fs::write(&random, [0x00, 0x9c, 0x13, 0x0a, 0xff, 0x07]).unwrap();
    let (missing, random) = (missing.to_str().unwrap(), random.to_str().unwrap());
    for (file, words) in [
        (missing, "No such file"),
        (random, "neither compressed with gzip nor text"),
    ] {
        for quiet in [&[][..], &["--quiet"]] {
            let ended = potsdb(&[&["pipe", "--url", &receiver.url(), file], quiet].concat()).with_code(2);
            assert!(
                ended.err.starts_with(&format!("potsdb: cannot read {file}: ")),
                "{}",
                ended.err
            );
            assert!(
                ended.err.contains(words) && ended.err.lines().count() == 1,
                "{}",
                ended.err
            );
        }
    }
    potsdb_fed(
        b"m 1767225600 1 a=b\n",
        &["pipe", "--url", &receiver.url(), missing, "-"],
    )
    .with_code(1);
    assert_eq!(receiver.counts().accepted, 1);
}
