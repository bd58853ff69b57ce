//! A small fuzzer: mutates good inputs from a seed and looks what the parser makes of them.
//!
//! The same seed gives the same inputs on every machine, so a failure is replayed by its numbers
//! alone. The mutations know about text: they move whole lines and swap in words from other
//! inputs, so that most results get past the first check of a parser.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

/// Longest input that is tried, in bytes.
pub const INPUT_BYTES_MAX: usize = 64 * 1024;

/// Bytes at which parsers break: borders of words, of numbers, and of UTF-8.
const SHARP: &[&[u8]] = &[
    b"\0",
    b"\n",
    b"\r\n",
    b"\\",
    b"\"",
    b"'",
    b"%",
    b"$",
    b"=",
    b"[",
    b"]",
    b"@",
    b"~",
    b"/",
    b"..",
    b"-",
    b"{",
    b"}",
    b"\xff",
    b"\xc3",
    b"\xf0\x9f\x92\xa9",
    b"\xef\xbb\xbf",
    b"0",
    b"-1",
    b"255",
    b"256",
    b"65535",
    b"65536",
    b"4294967295",
    b"4294967296",
    b"9223372036854775807",
    b"9223372036854775808",
    b"18446744073709551615",
    b"18446744073709551616",
    b"1e308",
    b"\x80",
];

/// A generator of pseudo-random numbers (SplitMix64): one number of state, the same everywhere.
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// A generator that starts from `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Random {
        Random(seed)
    }

    /// The next number.
    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `end`; 0 when `end` is 0.
    pub fn below(&mut self, end: usize) -> usize {
        let end = end.max(1) as u64;
        usize::try_from(self.next_u64() % end).expect("smaller than a usize")
    }

    /// One of several.
    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }
}

/// Tries `parse` on every seed input and then on `iterations` mutations of them.
///
/// A panic of `parse` is passed on after the input, the seed and the iteration were printed.
pub fn run<S: AsRef<[u8]>>(
    seed_inputs: &[S],
    iterations: u64,
    seed: u64,
    mut parse: impl FnMut(&[u8]),
) {
    assert!(!seed_inputs.is_empty(), "a fuzzer needs at least one input to mutate");
    for input in seed_inputs {
        attempt(input.as_ref(), seed, 0, &mut parse);
    }
    for iteration in 1..=iterations {
        let mut random = Random::new(seed ^ iteration.wrapping_mul(0xd134_2543_de82_ef95));
        let input = mutated(seed_inputs, &mut random);
        attempt(&input, seed, iteration, &mut parse);
    }
}

fn attempt(input: &[u8], seed: u64, iteration: u64, parse: &mut impl FnMut(&[u8])) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| parse(input))) {
        eprintln!("fuzz: seed {seed} iteration {iteration}, {} bytes:", input.len());
        eprintln!("{}", input.escape_ascii());
        resume_unwind(panic);
    }
}

fn mutated<S: AsRef<[u8]>>(seed_inputs: &[S], random: &mut Random) -> Vec<u8> {
    let mut input = random.pick(seed_inputs).as_ref().to_vec();
    let other = random.pick(seed_inputs).as_ref();
    for _ in 0..=random.below(6) {
        mutate(&mut input, other, random);
        input.truncate(INPUT_BYTES_MAX);
    }
    input
}

/// Changes `input` a little; `other` is where foreign pieces come from.
pub fn mutate(input: &mut Vec<u8>, other: &[u8], random: &mut Random) {
    let at = random.below(input.len() + 1);
    match random.below(9) {
        0 => splice(input, at, 0, random.pick::<&[u8]>(SHARP)),
        1 => splice(input, at, 1, random.pick::<&[u8]>(SHARP)),
        2 => flip_bit(input, random),
        3 => drop_range(input, random),
        4 => input.truncate(at),
        5 => repeat_piece(input, at, random),
        6 => swap_lines(input, random),
        7 => splice(input, at, 0, piece(other, random)),
        _ => {
            let length = random.below(12);
            splice(input, at, length, piece(other, random));
        }
    }
}

fn splice(input: &mut Vec<u8>, at: usize, length: usize, piece: &[u8]) {
    let end = (at + length).min(input.len());
    input.splice(at..end, piece.iter().copied());
}

fn flip_bit(input: &mut [u8], random: &mut Random) {
    let at = random.below(input.len());
    let bit = random.below(8);
    if let Some(byte) = input.get_mut(at) {
        *byte ^= 1 << bit;
    }
}

fn drop_range(input: &mut Vec<u8>, random: &mut Random) {
    let start = random.below(input.len());
    let end = (start + 1 + random.below(16)).min(input.len());
    if start < end {
        input.drain(start..end);
    }
}

/// Repeats a piece up to a few thousand times: nesting and length are where limits are.
fn repeat_piece(input: &mut Vec<u8>, at: usize, random: &mut Random) {
    let end = (at + 1 + random.below(40)).min(input.len());
    let piece = input[at.min(end)..end].to_vec();
    let times = 1 << random.below(12);
    let room = INPUT_BYTES_MAX.saturating_sub(input.len()) / piece.len().max(1);
    let repeated = piece.repeat(times.min(room));
    splice(input, at, 0, &repeated);
}

fn swap_lines(input: &mut Vec<u8>, random: &mut Random) {
    let mut lines: Vec<&[u8]> = input.split(|byte| *byte == b'\n').collect();
    let (a, b) = (random.below(lines.len()), random.below(lines.len()));
    lines.swap(a, b);
    let swapped = lines.join(&b'\n');
    *input = swapped;
}

/// Some bytes of `from`: often a whole line, because lines have meaning.
fn piece<'a>(from: &'a [u8], random: &mut Random) -> &'a [u8] {
    let start = random.below(from.len() + 1);
    let rest = &from[start..];
    match random.below(3) {
        0 => {
            let lines: Vec<&[u8]> = from.split(|byte| *byte == b'\n').collect();
            random.pick::<&[u8]>(&lines)
        }
        _ => &rest[..random.below(24).min(rest.len())],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_inputs() {
        let collect = |seed| {
            let mut seen = Vec::new();
            run(&["[Unit]\nA=b\n", "c = 1\n"], 200, seed, |input| seen.push(input.to_vec()));
            seen
        };
        assert_eq!(collect(7), collect(7));
        assert_ne!(collect(7), collect(8));
    }

    #[test]
    fn a_planted_fault_is_found() {
        let found = catch_unwind(|| {
            run(&["Weekday=Mon"], 20_000, 1, |input| {
                assert!(!input.windows(3).any(|window| window == b"=-1"), "planted");
            });
        });
        assert!(found.is_err());
    }
}
