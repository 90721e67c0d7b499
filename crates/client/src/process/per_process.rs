//! What each process has one of: a forked child gets its own when it first asks.
//!
//! ```text
//! owner --> value of the parent --next--> value of the child --next--> value of the grandchild
//! ```
//!
//! The child never touches its parent's value: a thread that it does not have may hold a lock in it. The chain is written
//! once per process and read without a lock. Whether a value is this process's own is one load, kept up to date by a handler
//! that the fork itself runs (crate `forkguard`).

mod next;

pub(crate) use next::Next;

/// A value per process, made when the process first asks for it.
pub struct PerProcess<T>(Next<Box<Link<T>>>);

struct Link<T> {
    guard: forkguard::Guard,
    value: T,
    next: Next<Box<Link<T>>>,
}

impl<T> Default for PerProcess<T> {
    fn default() -> PerProcess<T> {
        PerProcess::new()
    }
}

impl<T> PerProcess<T> {
    /// No value in any process yet.
    #[must_use]
    pub const fn new() -> PerProcess<T> {
        PerProcess(Next::new())
    }

    /// This process's value, if it has one.
    #[inline]
    pub fn get(&self) -> Option<&T> {
        let first = self.0.get()?;
        if first.is_current() {
            return Some(&first.value);
        }
        self.last().and_then(Link::current)
    }

    /// This process's value. Where it has none, that which `make` makes, unless another thread is quicker.
    #[inline]
    pub fn get_or_make(&self, make: impl FnOnce() -> T) -> &T {
        match self.get() {
            Some(value) => value,
            None => self.put(make()),
        }
    }

    /// The values of the processes that this one was forked from, oldest first. A thread that this process does not have
    /// may hold a lock in one of them.
    pub(crate) fn inherited(&self) -> impl Iterator<Item = &T> {
        let first = self.0.get().map(|link| &**link);
        std::iter::successors(first, |link| link.next.get().map(|link| &**link))
            .filter(|link| !link.is_current())
            .map(|link| &link.value)
    }

    #[cold]
    fn put(&self, value: T) -> &T {
        let mut link = Box::new(Link {
            guard: forkguard::new(),
            value,
            next: Next::default(),
        });
        let mut place = &self.0;
        loop {
            let (found, late) = place.put(link);
            if found.is_current() {
                return &found.value;
            }
            // It is of a process that this one was forked from: its child's place is behind it.
            link = late.expect("what is there is not what was given, which is of this process");
            place = &found.next;
        }
    }

    #[cold]
    fn last(&self) -> Option<&Link<T>> {
        let mut link = &**self.0.get()?;
        while let Some(next) = link.next.get() {
            link = next;
        }
        Some(link)
    }
}

impl<T> Link<T> {
    #[inline]
    fn is_current(&self) -> bool {
        !self.guard.clone().detected_fork()
    }

    fn current(&self) -> Option<&T> {
        self.is_current().then_some(&self.value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_has_one_value_whoever_asks_first() {
        let values = PerProcess::default();
        assert_eq!(values.get(), None);
        let chosen: Vec<_> = std::thread::scope(|scope| {
            let asked: Vec<_> = (0..8)
                .map(|n| {
                    scope.spawn({
                        let values = &values;
                        move || *values.get_or_make(|| n)
                    })
                })
                .collect();
            asked.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(chosen.iter().all(|value| Some(value) == values.get()), "{chosen:?}");
    }
}
