//! What the time is at least: a machine whose hardware clock is empty, or mad, must not start in the
//! past (certificates would not be valid yet) nor a century ahead (they would all be over).

/// Further ahead than this of everything that is known, a clock is not believed: twenty years.
const AHEAD_MAX_S: i64 = 20 * 31_557_600;

/// This program was not made before 1 January 2026, whatever date its file carries: images that are
/// made the same way twice have files from 1970.
const PROGRAM_S: i64 = 1_767_225_600;

/// What to do about the clock; times are seconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Correction {
    /// It is believable.
    None,
    /// It is behind a time that is known to have passed: set it to that.
    Past(i64),
    /// It is too far ahead: set it to the last known time.
    Future(i64),
}

/// Compares the clock with when the image was made and with when the machine was last known to run.
#[must_use]
pub fn correct(now: i64, image: i64, saved: Option<i64>) -> Correction {
    let image = image.max(PROGRAM_S);
    // A saved time can itself stem from a mad clock; the image's own cannot.
    let saved = saved.filter(|saved| *saved <= image + AHEAD_MAX_S).unwrap_or(image);
    let known = saved.max(image);
    if now < known {
        Correction::Past(known)
    } else if now > image + AHEAD_MAX_S {
        Correction::Future(known)
    } else {
        Correction::None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_is_moved_only_when_it_cannot_be_right() {
        let image = 1_800_000_000;
        assert_eq!(correct(image + 5, image, None), Correction::None);
        assert_eq!(correct(image + 5, image, Some(image + 3)), Correction::None);
        assert_eq!(correct(0, image, None), Correction::Past(image));
        assert_eq!(correct(image + 5, image, Some(image + 9)), Correction::Past(image + 9));
        assert_eq!(correct(image * 2, image, Some(image + 9)), Correction::Future(image + 9));
        assert_eq!(correct(image, image, Some(image * 2)), Correction::None, "a mad saved time");
        assert_eq!(correct(image, 0, None), Correction::None, "an image without a date");
        assert_eq!(correct(9, 0, Some(8)), Correction::Past(PROGRAM_S));
    }
}
