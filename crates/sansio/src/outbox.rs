//! The effects of a step, in order.

/// What a step wants done, in the order in which it must be done.
///
/// The driver makes one, passes it to each `step`, and drains it before the next input (law 5), so its memory is
/// reused and a step allocates nothing for the buffer itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outbox<T> {
    effects: Vec<T>,
}

impl<T> Default for Outbox<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Outbox<T> {
    /// An empty buffer.
    #[must_use]
    pub const fn new() -> Self {
        Self { effects: Vec::new() }
    }

    /// Adds an effect after all others.
    pub fn push(&mut self, effect: T) {
        self.effects.push(effect);
    }

    /// Takes all effects out, oldest first, and keeps the memory.
    pub fn drain(&mut self) -> impl ExactSizeIterator<Item = T> + '_ {
        self.effects.drain(..)
    }

    /// Takes all effects out as a vector.
    #[must_use]
    pub fn take(&mut self) -> Vec<T> {
        core::mem::take(&mut self.effects)
    }

    /// The effects so far, oldest first.
    #[must_use]
    pub fn as_slice(&self) -> &[T] {
        &self.effects
    }

    /// How many effects wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.effects.len()
    }

    /// Whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.effects.is_empty()
    }
}

impl<T> Extend<T> for Outbox<T> {
    fn extend<I: IntoIterator<Item = T>>(&mut self, iter: I) {
        self.effects.extend(iter);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn effects_leave_in_order_and_only_once() {
        let mut out = Outbox::new();
        out.push(1);
        out.extend([2, 3]);
        assert_eq!((out.len(), out.as_slice()), (3, &[1, 2, 3][..]));
        assert_eq!(out.drain().collect::<Vec<_>>(), [1, 2, 3]);
        assert!(out.is_empty());
        out.push(4);
        assert_eq!(out.take(), [4]);
        assert!(out.is_empty());
    }
}
