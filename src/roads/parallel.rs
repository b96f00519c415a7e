//! Work on several cores, for as long as it takes.

use std::{
    sync::{Mutex, PoisonError},
    thread,
};

/// How many threads are worth their while.
pub(super) fn workers() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

/// Does two things, side by side if that is worth a thread.
pub(super) fn join<A, B: Send>(parallel: bool, one: impl FnOnce() -> A, other: impl FnOnce() -> B + Send) -> (A, B) {
    if !parallel {
        return (one(), other());
    }
    thread::scope(|scope| {
        let other = scope.spawn(other);
        let one = one();
        match other.join() {
            Ok(other) => (one, other),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}

/// Does something with each item, first come, first served: one thread for each worker's memory.
pub(super) fn share<T: Send, S: Send>(memory: &mut [S], items: Vec<T>, work: impl Fn(T, &mut S) + Sync) {
    let items = Mutex::new(items.into_iter());
    let next = || items.lock().unwrap_or_else(PoisonError::into_inner).next();
    let run = |memory: &mut S| {
        while let Some(item) = next() {
            work(item, memory);
        }
    };
    let Some((first, others)) = memory.split_first_mut() else { return };
    thread::scope(|scope| {
        for memory in others {
            scope.spawn(|| run(memory));
        }
        run(first);
    });
}
