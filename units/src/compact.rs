//! Two containers for what most units do not have: a spec stays small because of them.
//!
//! PID 1 keeps a spec per unit. Most of the hundred things that a unit may say are not said, and
//! an empty `Vec` costs 24 bytes, a part with all its defaults some hundreds. A [`List`] costs
//! eight bytes while it is empty, a [`Rare`] eight while it is as usual; both read like what they
//! hold.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::ops::{Deref, DerefMut};

/// A list that is usually empty.
#[allow(clippy::box_collection, reason = "the point: one word while there is nothing in it")]
pub struct List<T>(Option<Box<Vec<T>>>);

impl<T> List<T> {
    /// A list with nothing in it.
    #[must_use]
    pub const fn new() -> List<T> {
        List(None)
    }

    /// Adds one at the end.
    pub fn push(&mut self, item: T) {
        self.0.get_or_insert_default().push(item);
    }

    /// Removes those for which `keep` says no.
    pub fn retain(&mut self, keep: impl FnMut(&T) -> bool) {
        if let Some(items) = &mut self.0 {
            items.retain(keep);
        }
    }

    /// Puts one at a place.
    pub fn insert(&mut self, index: usize, item: T) {
        self.0.get_or_insert_default().insert(index, item);
    }

    /// Removes all.
    pub fn clear(&mut self) {
        self.0 = None;
    }

    /// Removes neighbours that are equal.
    pub fn dedup(&mut self)
    where
        T: PartialEq,
    {
        if let Some(items) = &mut self.0 {
            items.dedup();
        }
    }

    /// Gives back memory that is not needed.
    pub fn shrink_to_fit(&mut self) {
        match &mut self.0 {
            Some(items) if items.is_empty() => self.0 = None,
            Some(items) => items.shrink_to_fit(),
            None => {}
        }
    }

    /// The same as a vector.
    #[must_use]
    pub fn into_vec(self) -> Vec<T> {
        self.0.map(|items| *items).unwrap_or_default()
    }
}

impl<T> Deref for List<T> {
    type Target = [T];
    fn deref(&self) -> &[T] {
        self.0.as_deref().map_or(&[], Vec::as_slice)
    }
}

impl<T> DerefMut for List<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        self.0.as_deref_mut().map_or(&mut [], Vec::as_mut_slice)
    }
}

impl<T> Default for List<T> {
    fn default() -> List<T> {
        List::new()
    }
}

impl<T: Clone> Clone for List<T> {
    fn clone(&self) -> List<T> {
        List::from(self.to_vec())
    }
}

impl<T: fmt::Debug> fmt::Debug for List<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T, U> PartialEq<List<U>> for List<T>
where
    T: PartialEq<U>,
{
    fn eq(&self, other: &List<U>) -> bool {
        **self == **other
    }
}

impl<T: Eq> Eq for List<T> {}

impl<T: PartialEq<U>, U, const N: usize> PartialEq<[U; N]> for List<T> {
    fn eq(&self, other: &[U; N]) -> bool {
        **self == *other.as_slice()
    }
}

impl<T> From<Vec<T>> for List<T> {
    fn from(items: Vec<T>) -> List<T> {
        List((!items.is_empty()).then(|| Box::new(items)))
    }
}

impl<T> FromIterator<T> for List<T> {
    fn from_iter<I: IntoIterator<Item = T>>(items: I) -> List<T> {
        List::from(items.into_iter().collect::<Vec<T>>())
    }
}

impl<T> Extend<T> for List<T> {
    fn extend<I: IntoIterator<Item = T>>(&mut self, items: I) {
        let mut items = items.into_iter().peekable();
        if items.peek().is_some() {
            self.0.get_or_insert_default().extend(items);
        }
    }
}

impl<T> IntoIterator for List<T> {
    type Item = T;
    type IntoIter = std::vec::IntoIter<T>;
    fn into_iter(self) -> Self::IntoIter {
        self.into_vec().into_iter()
    }
}

impl<'a, T> IntoIterator for &'a List<T> {
    type Item = &'a T;
    type IntoIter = std::slice::Iter<'a, T>;
    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<'a, T> IntoIterator for &'a mut List<T> {
    type Item = &'a mut T;
    type IntoIter = std::slice::IterMut<'a, T>;
    fn into_iter(self) -> Self::IntoIter {
        self.iter_mut()
    }
}

impl<T: Serialize> Serialize for List<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (**self).serialize(serializer)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for List<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<List<T>, D::Error> {
        Vec::deserialize(deserializer).map(List::from)
    }
}

/// A part of a spec that has a usual value.
pub trait Usual: PartialEq + Clone + 'static {
    /// The usual value.
    fn usual() -> &'static Self;
}

/// A part that is usually as usual.
pub struct Rare<T: Usual>(Option<Box<T>>);

impl<T: Usual> Rare<T> {
    /// The part; takes no room when it is as usual.
    #[must_use]
    pub fn new(part: T) -> Rare<T> {
        Rare((part != *T::usual()).then(|| Box::new(part)))
    }
}

impl<T: Usual> Deref for Rare<T> {
    type Target = T;
    fn deref(&self) -> &T {
        self.0.as_deref().unwrap_or(T::usual())
    }
}

impl<T: Usual> DerefMut for Rare<T> {
    fn deref_mut(&mut self) -> &mut T {
        self.0.get_or_insert_with(|| Box::new(T::usual().clone()))
    }
}

impl<T: Usual> Default for Rare<T> {
    fn default() -> Rare<T> {
        Rare(None)
    }
}

impl<T: Usual> From<T> for Rare<T> {
    fn from(part: T) -> Rare<T> {
        Rare::new(part)
    }
}

impl<T: Usual> Clone for Rare<T> {
    fn clone(&self) -> Rare<T> {
        Rare(self.0.clone())
    }
}

impl<T: Usual + fmt::Debug> fmt::Debug for Rare<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: Usual> PartialEq for Rare<T> {
    fn eq(&self, other: &Rare<T>) -> bool {
        **self == **other
    }
}

impl<T: Usual + Eq> Eq for Rare<T> {}

impl<T: Usual + Serialize> Serialize for Rare<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de, T: Usual + Deserialize<'de>> Deserialize<'de> for Rare<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Rare<T>, D::Error> {
        Option::deserialize(deserializer).map(Rare)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resources::Resources;

    #[test]
    fn one_word_while_there_is_nothing() {
        assert_eq!(size_of::<List<u64>>(), 8);
        assert_eq!(size_of::<Rare<Resources>>(), 8);
        let mut list = List::new();
        assert_eq!(list, [0u8; 0]);
        list.extend([1, 2]);
        list.push(3);
        list.retain(|item| *item != 2);
        assert_eq!(list, [1, 3]);
        assert_eq!(list.clone().into_vec(), [1, 3]);
    }

    #[test]
    fn as_usual_is_as_nothing() {
        let mut rare: Rare<Resources> = Rare::default();
        assert!(!rare.delegate);
        assert_eq!(rare, Rare::new(Resources::default()));
        rare.delegate = true;
        assert!(rare.delegate);
        assert_ne!(rare, Rare::default());
    }
}
