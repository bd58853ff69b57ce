//! "Did you mean": the known word nearest to a mistyped one.

use crate::limits::SUGGEST_BYTES_MAX;

/// Advice for an unknown word: the nearest known one, or `otherwise`.
pub fn did_you_mean<'a>(
    word: &str,
    known: impl Iterator<Item = &'a str>,
    otherwise: &str,
) -> String {
    match nearest(word, known) {
        Some(known) => format!("did you mean `{known}`?"),
        None => otherwise.to_owned(),
    }
}

/// The known word that is reached with the fewest edits, if that is few for its length.
pub fn nearest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    if word.len() > SUGGEST_BYTES_MAX {
        return None;
    }
    let lower = word.to_ascii_lowercase();
    let measured = known.map(|k| (distance(&lower, &k.to_ascii_lowercase()), k));
    let (edits, best) = measured.min_by_key(|(edits, _)| *edits)?;
    (edits <= 1 + best.len() / 5).then_some(best)
}

/// Letters inserted, left out, replaced or swapped with their neighbour.
fn distance(a: &str, b: &str) -> usize {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let mut before: Vec<usize> = Vec::new();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut next = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            let replaced = row[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            next[j] = replaced.min(row[j] + 1).min(next[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                next[j] = next[j].min(before[j - 2] + 1);
            }
        }
        before = std::mem::replace(&mut row, next);
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearest_word() {
        let known = ["restart", "restart-sec", "description", "image"];
        let find = |word| nearest(word, known.iter().copied());
        assert_eq!(find("restrat"), Some("restart"));
        assert_eq!(find("imgae"), Some("image"));
        assert_eq!(find("Description"), Some("description"));
        assert_eq!(find("zzz"), None);
    }
}
