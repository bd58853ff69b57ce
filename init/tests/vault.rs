//! The vault under arbitrary bytes: whatever a stray pointer wrote into it, reading it never panics, and
//! what is not damaged is still there.

#![allow(clippy::unwrap_used, clippy::cast_possible_truncation, reason = "a test")]

use init::limits::DEFINITIONS_BYTES_MAX;
use init::vault::definitions::Encoding;
use init::vault::layout::{BODY_BYTES, GEOMETRY};
use init::vault::{Descriptor, Front, HeldRecord, Role, Section, Vault, check};
use units::{Body, Spec, UnitId, UnitName};

const SEEDS: u64 = 300;
const UNITS: usize = 24;

/// A generator of pseudo-random numbers (SplitMix64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end as u64).unwrap()
    }
}

fn payload(unit: usize, random: &mut Random) -> Vec<u8> {
    let length = 1 + random.below(300);
    (0..length).map(|at| (at * 7 + unit) as u8).collect()
}

fn spec(unit: usize) -> Spec {
    Spec::new(UnitName::new(&format!("u{unit}.target")).unwrap(), Body::Target)
}

fn fill(vault: &mut Vault<'_>, random: &mut Random) -> Vec<Vec<u8>> {
    let mut batch = vault.definitions().append();
    for unit in 0..UNITS {
        let write = |room: &mut [u8]| postcard::to_slice(&spec(unit), room).ok().map(|b| b.len());
        batch.put_spec(unit as u16, Encoding::Postcard, write).unwrap();
    }
    batch.commit().unwrap();
    let payloads: Vec<_> = (0..UNITS).map(|unit| payload(unit, random)).collect();
    for (unit, payload) in payloads.iter().enumerate() {
        let descriptor = Descriptor {
            role: Role::Listen { unit: UnitId(unit as u16), index: 0 },
            device: 9,
            inode: unit as u64,
        };
        vault.put_descriptor(3 + unit, &descriptor).unwrap();
        vault.put_record(unit, b"before").unwrap();
        vault.commit();
        vault.put_record(unit, payload).unwrap();
        vault.commit();
    }
    payloads
}

/// Reads everything that a new image reads.
fn read_all(vault: &mut Vault<'_>) {
    vault.repair();
    let _ = check::check(vault);
    let _ = vault.unfinished().map(|inbox| inbox.bytes.len());
    let front = vault.front();
    let _ = front.faults().count() + front.quarantined().count();
    let _ = front.newborn();
    let _ = front.judge(std::time::Duration::from_secs(100));
}

/// The parts of the body that hold something: damage elsewhere would prove little.
fn written_ranges() -> Vec<std::ops::Range<usize>> {
    let range = |section: Section, entries: usize| {
        let extent = GEOMETRY[section as usize];
        extent.offset..extent.offset + extent.entry_bytes * entries
    };
    let definitions = GEOMETRY[Section::Definitions as usize].offset;
    vec![
        range(Section::Units, UNITS),
        range(Section::Tails, UNITS),
        range(Section::Descriptors, UNITS + 3),
        definitions..definitions + 2048,
        definitions + DEFINITIONS_BYTES_MAX..definitions + DEFINITIONS_BYTES_MAX + 64,
    ]
}

/// Nothing is written any more. The whole body is large.
fn clean(body: &mut [u8]) {
    for range in written_ranges() {
        body[range.start..range.start + range.len().max(8192)].fill(0);
    }
}

#[test]
fn damaged_bytes_cost_only_what_they_hit() {
    let mut body = vec![0; BODY_BYTES];
    for seed in 0..SEEDS {
        let mut random = Random(seed);
        clean(&mut body);
        let front = Front::default();
        let mut vault = Vault::create(&front, &mut body, [seed, 1]);
        let payloads = fill(&mut vault, &mut random);
        let mut hit = [false; UNITS];
        for _ in 0..1 + random.below(8) {
            let ranges = written_ranges();
            let range = ranges[random.below(ranges.len())].clone();
            let at = range.start + random.below(range.len());
            body[at] ^= 1 << random.below(8);
            for (of_unit, section) in ranges.iter().zip([Section::Units, Section::Tails]) {
                if range == *of_unit {
                    hit[(at - range.start) / GEOMETRY[section as usize].entry_bytes] = true;
                }
            }
        }
        let mut vault = Vault::open(&front, &mut body).unwrap();
        for (unit, payload) in payloads.iter().enumerate() {
            let held = vault.record(unit);
            let ours = match &held {
                HeldRecord::Whole(bytes) => bytes == payload || bytes == b"before",
                HeldRecord::Nothing | HeldRecord::Lost => true,
            };
            assert!(ours, "seed {seed}: unit {unit} holds what nobody wrote");
            let whole = held == HeldRecord::Whole(payload.clone());
            assert!(hit[unit] || whole, "seed {seed}: unit {unit} lost");
        }
        read_all(&mut vault);
    }
}

#[test]
fn arbitrary_bytes_never_panic() {
    let mut body = vec![0; BODY_BYTES];
    let mut opened = 0;
    for seed in 0..SEEDS {
        let mut random = Random(seed ^ 0xabcd);
        clean(&mut body);
        let front = Front::default();
        let mut vault = Vault::create(&front, &mut body, [seed, 1]);
        fill(&mut vault, &mut random);
        for _ in 0..random.below(12) {
            // Beyond the preamble in most cases: a wrong preamble ends the reading at once.
            let word = if random.below(8) == 0 { random.below(64) } else { 64 + random.below(448) };
            let value = match random.below(4) {
                0 => u64::MAX,
                1 => 1 << random.below(64),
                2 => random.next() >> random.below(64),
                _ => 0,
            };
            front.damage(word, value);
        }
        for range in written_ranges() {
            if random.below(2) == 0 {
                let start = range.start + random.below(range.len());
                let length = random.below(range.end - start + 1);
                body[start..start + length].iter_mut().for_each(|b| *b = random.next() as u8);
            }
        }
        if let Ok(mut vault) = Vault::open(&front, &mut body) {
            opened += 1;
            read_all(&mut vault);
            vault.put(Section::Units, 1, b"after").unwrap();
            vault.commit();
            let mut batch = vault.definitions().rewrite();
            let wrote = batch.put_spec(1, Encoding::Json, |room| {
                room.get_mut(..2)?.copy_from_slice(b"{}");
                Some(2)
            });
            assert!(wrote.and_then(|()| batch.commit()).is_ok());
        }
    }
    assert!(opened > SEEDS / 4, "most of the damage must get past the door: {opened}");
}
