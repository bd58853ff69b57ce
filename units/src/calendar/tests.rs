//! What systemd.time(7) promises; the oracle tests compare many more with systemd's own tool.

use super::{Calendar, Civil};

#[test]
fn normalised_as_the_manual_has_it() {
    let table = include_str!("tests.txt");
    for line in table.lines() {
        let (text, expected) = line.split_once(" → ").unwrap();
        let calendar = Calendar::parse(text.trim()).unwrap_or_else(|bad| panic!("{bad}"));
        assert_eq!(calendar.to_string(), expected, "{text}");
        assert_eq!(Calendar::parse(expected).as_ref(), Ok(&calendar), "{expected}");
    }
}

#[test]
fn refused() {
    let bad = [
        "",
        " ",
        "UTC",
        "Foo",
        "Mon..",
        "Fri..Mon",
        "Mon,,",
        "Monx 10:00",
        "24:00",
        "*-13-01",
        "*-*-32",
        "*-*~29",
        "1969-01-01",
        "2200-01-01",
        "10:00:60",
        "*:0/60",
        "*:5..3",
        "*:00/0",
        "10 05:40",
        "2012-*-1,5 11:12:13:14",
        "@-1",
        "00:00:1.",
        "*-*-*T00:00",
        "1:1:1..",
        "99999999999:00",
    ];
    for text in bad {
        assert!(Calendar::parse(text).is_err(), "{text}");
    }
    let zone = Calendar::parse("daily Europe/Berlin").unwrap_err();
    assert!(zone.message.contains("Europe/Berlin"), "{zone}");
}

fn after(text: &str, from: (i32, i32, i32, i32, i32), offset_s: i32) -> Option<Civil> {
    let (year, month, day, hour, minute) = from;
    let from = Civil { year, month, day, hour, minute, microsecond: 0 };
    let offset_us = i64::from(offset_s) * 1_000_000;
    let calendar = Calendar::parse(text).unwrap();
    let next = calendar.next_after(from.to_us() - offset_us, offset_s)?;
    Some(Civil::from_us(next + offset_us))
}

#[test]
fn next_times() {
    let check = |text, from, (year, month, day, hour, minute)| {
        let expected = Civil { year, month, day, hour, minute, microsecond: 0 };
        assert_eq!(after(text, from, 0), Some(expected), "{text}");
        assert_eq!(after(text, from, 3600), Some(expected), "{text} in another zone");
    };
    let noon = (2024, 2, 28, 12, 0);
    check("daily", noon, (2024, 2, 29, 0, 0));
    check("hourly", noon, (2024, 2, 28, 13, 0));
    check("*-*~1", noon, (2024, 2, 29, 0, 0));
    check("Mon *-05~07/1", noon, (2024, 5, 27, 0, 0));
    check("*-02-29", (2024, 3, 1, 0, 0), (2028, 2, 29, 0, 0));
    check("Mon *-*-1..7 10:00", noon, (2024, 3, 4, 10, 0));
    check("*:0/15", noon, (2024, 2, 28, 12, 15));
    check("2030-01-01 00..05/2:30", noon, (2030, 1, 1, 0, 30));
    assert_eq!(after("*-02-30", noon, 0), None);
    assert_eq!(after("2020-*-*", noon, 0), None);
    assert_eq!(after("daily UTC", noon, 3600).unwrap().hour, 1);
}
