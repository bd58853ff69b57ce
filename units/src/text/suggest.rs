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
    let edits_max = |known: &str| 1 + known.len() / 5;
    let similar = known.filter(|known| known.len().abs_diff(word.len()) <= edits_max(known));
    let measured = similar.map(|known| (distance(word, known), known));
    let (edits, best) = measured.min_by_key(|(edits, _)| *edits)?;
    (edits <= edits_max(best)).then_some(best)
}

/// Letters inserted, left out, replaced or swapped with their neighbour, in any case.
fn distance(a: &str, b: &str) -> usize {
    let (a, b) = (a.to_ascii_lowercase().into_bytes(), b.to_ascii_lowercase().into_bytes());
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
