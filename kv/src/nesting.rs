//! Values that contain their like are read only so deep: foreign bytes must not use up the stack.

use std::cell::Cell;

thread_local! {
    static DEPTH: Cell<usize> = const { Cell::new(0) };
}

/// Reads one level further down, if that is not too deep.
pub(crate) fn deeper<T, E: serde::de::Error>(
    depth_max: usize,
    read: impl FnOnce() -> Result<T, E>,
) -> Result<T, E> {
    let depth = DEPTH.get();
    if depth >= depth_max {
        return Err(E::custom("nested too deeply"));
    }
    DEPTH.set(depth + 1);
    let result = read();
    DEPTH.set(depth);
    result
}
