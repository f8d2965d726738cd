//! The host's clock and scheduler: a single-threaded executor over host time.
//!
//! Procedures that take time (G28, M109, PID_CALIBRATE, macros) are plain `async` functions. Nothing here reads
//! a clock: whoever owns the host calls [`Reactor::run`] with the time that it is now, and asks
//! [`Reactor::next_wake`] when to call again. The twin does so in simulated time, `drydock host` on a wall clock.
//!
//! Order is fixed: timers fire by (time, order of registration), ready tasks run by task number, and a task that
//! becomes ready while another one runs waits for its number to come round. Two runs with the same inputs poll
//! the same tasks in the same order.
//!
//! # Important terms
//! - *eventtime*: host time in seconds (f64) since the host started.
//! - *task*: a future that the reactor owns. *completion*: a value that one task sets and others await.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

/// Host time in seconds since the host started.
pub type EventTime = f64;

/// "Not before anything else happens".
pub const NEVER: EventTime = f64::INFINITY;

pub type LocalFuture<T> = Pin<Box<dyn Future<Output = T>>>;

type ReadySet = Arc<Mutex<BTreeSet<u64>>>;

/// `std::task::Waker` must be `Send`, hence the mutex; it is never contended.
struct TaskWaker {
    id: u64,
    ready: ReadySet,
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }
    fn wake_by_ref(self: &Arc<Self>) {
        self.ready.lock().expect("never poisoned").insert(self.id);
    }
}

struct Task {
    name: &'static str,
    future: LocalFuture<()>,
    waker: Waker,
}

/// Orders timers by time, then by registration. Event times are finite and not NaN, so their bits order them.
#[derive(PartialEq, Eq, PartialOrd, Ord, Clone, Copy)]
struct TimerKey(u64, u64);

impl TimerKey {
    fn new(at: EventTime, seq: u64) -> Self {
        TimerKey(at.max(0.0).to_bits(), seq)
    }
    fn at(self) -> EventTime {
        f64::from_bits(self.0)
    }
}

struct Inner {
    now: Cell<EventTime>,
    next_id: Cell<u64>,
    tasks: RefCell<BTreeMap<u64, Option<Task>>>,
    timers: RefCell<BTreeMap<TimerKey, Waker>>,
    ready: ReadySet,
}

/// A handle to the executor; clones share it.
#[derive(Clone)]
pub struct Reactor(Rc<Inner>);

impl Default for Reactor {
    fn default() -> Self {
        Self::new()
    }
}

impl Reactor {
    pub fn new() -> Self {
        Reactor(Rc::new(Inner {
            now: Cell::new(0.0),
            next_id: Cell::new(0),
            tasks: RefCell::default(),
            timers: RefCell::default(),
            ready: ReadySet::default(),
        }))
    }

    /// Time of the call to [`Reactor::run`] that is under way (or was last).
    pub fn now(&self) -> EventTime {
        self.0.now.get()
    }

    fn fresh_id(&self) -> u64 {
        let id = self.0.next_id.get();
        self.0.next_id.set(id + 1);
        id
    }

    /// Starts a task; it first runs when `run` comes round to it. `name` shows in [`Reactor::task_names`].
    pub fn spawn(&self, name: &'static str, future: impl Future<Output = ()> + 'static) {
        let id = self.fresh_id();
        let waker = Waker::from(Arc::new(TaskWaker { id, ready: self.0.ready.clone() }));
        self.0.tasks.borrow_mut().insert(id, Some(Task { name, future: Box::pin(future), waker }));
        self.0.ready.lock().expect("never poisoned").insert(id);
    }

    /// Resolves at the first `run` whose time is `at` or later; at once if that is past.
    pub fn sleep_until(&self, at: EventTime) -> Sleep {
        Sleep { reactor: self.clone(), at, key: None }
    }

    pub fn sleep(&self, seconds: f64) -> Sleep {
        self.sleep_until(self.now() + seconds)
    }

    pub fn completion<T: Clone + 'static>(&self) -> Completion<T> {
        Completion {
            reactor: self.clone(),
            inner: Rc::new(RefCell::new(CompletionInner { value: None, waiting: Vec::new() })),
        }
    }

    /// Sets the time, fires what is due and polls until nothing is ready.
    pub fn run(&self, now: EventTime) {
        debug_assert!(now >= self.now(), "host time went backwards: {now} < {}", self.now());
        self.0.now.set(now);
        loop {
            self.fire_due();
            let next = self.0.ready.lock().expect("never poisoned").pop_first();
            let Some(id) = next else { break };
            // The task leaves its slot while it runs, so that it may spawn others.
            let Some(Some(mut task)) = self.0.tasks.borrow_mut().get_mut(&id).map(Option::take) else { continue };
            let poll = task.future.as_mut().poll(&mut Context::from_waker(&task.waker.clone()));
            let mut tasks = self.0.tasks.borrow_mut();
            match poll {
                Poll::Ready(()) => drop(tasks.remove(&id)),
                Poll::Pending => drop(tasks.insert(id, Some(task))),
            }
        }
    }

    fn fire_due(&self) {
        let now = self.now();
        let mut timers = self.0.timers.borrow_mut();
        while let Some(entry) = timers.first_entry() {
            if entry.key().at() > now {
                break;
            }
            entry.remove().wake();
        }
    }

    /// When `run` has something to do next: now if a task is ready, else the earliest timer.
    pub fn next_wake(&self) -> Option<EventTime> {
        if !self.0.ready.lock().expect("never poisoned").is_empty() {
            return Some(self.now());
        }
        self.0.timers.borrow().keys().next().map(|k| k.at())
    }

    /// Names of the live tasks in their order, for diagnostics.
    pub fn task_names(&self) -> Vec<&'static str> {
        self.0.tasks.borrow().values().flatten().map(|t| t.name).collect()
    }
}

/// See [`Reactor::sleep_until`].
pub struct Sleep {
    reactor: Reactor,
    at: EventTime,
    key: Option<TimerKey>,
}

impl Future for Sleep {
    type Output = ();
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.reactor.now() >= self.at {
            return Poll::Ready(());
        }
        if self.at < NEVER {
            let key = match self.key {
                Some(key) => key,
                None => TimerKey::new(self.at, self.reactor.fresh_id()),
            };
            self.key = Some(key);
            self.reactor.0.timers.borrow_mut().insert(key, cx.waker().clone());
        }
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some(key) = self.key {
            self.reactor.0.timers.borrow_mut().remove(&key);
        }
    }
}

struct CompletionInner<T> {
    value: Option<T>,
    waiting: Vec<Waker>,
}

/// A value set once and awaited by any number of tasks.
pub struct Completion<T> {
    reactor: Reactor,
    inner: Rc<RefCell<CompletionInner<T>>>,
}

impl<T> Clone for Completion<T> {
    fn clone(&self) -> Self {
        Completion { reactor: self.reactor.clone(), inner: self.inner.clone() }
    }
}

impl<T: Clone + 'static> Completion<T> {
    /// The first value wins; later ones are dropped.
    pub fn complete(&self, value: T) {
        let mut inner = self.inner.borrow_mut();
        if inner.value.is_none() {
            inner.value = Some(value);
            inner.waiting.drain(..).for_each(Waker::wake);
        }
    }

    pub fn get(&self) -> Option<T> {
        self.inner.borrow().value.clone()
    }

    pub async fn wait(&self) -> T {
        std::future::poll_fn(|cx| self.poll_value(cx)).await
    }

    /// The value, or `None` if it is not there when host time reaches `deadline`.
    pub async fn wait_until(&self, deadline: EventTime) -> Option<T> {
        let mut sleep = self.reactor.sleep_until(deadline);
        std::future::poll_fn(|cx| match self.poll_value(cx) {
            Poll::Ready(value) => Poll::Ready(Some(value)),
            Poll::Pending => Pin::new(&mut sleep).poll(cx).map(|()| None),
        })
        .await
    }

    fn poll_value(&self, cx: &mut Context<'_>) -> Poll<T> {
        let mut inner = self.inner.borrow_mut();
        match &inner.value {
            Some(value) => Poll::Ready(value.clone()),
            None => {
                if !inner.waiting.iter().any(|w| w.will_wake(cx.waker())) {
                    inner.waiting.push(cx.waker().clone());
                }
                Poll::Pending
            }
        }
    }
}

/// First come, first served mutual exclusion between tasks (the G-code mutex).
#[derive(Clone, Default)]
pub struct Mutual {
    inner: Rc<RefCell<MutualInner>>,
}

#[derive(Default)]
struct MutualInner {
    held: bool,
    next_ticket: u64,
    queue: std::collections::VecDeque<(u64, Waker)>,
}

impl Mutual {
    pub fn is_locked(&self) -> bool {
        self.inner.borrow().held
    }

    pub async fn lock(&self) -> MutualGuard {
        let mut ticket = None;
        std::future::poll_fn(|cx| {
            let mut inner = self.inner.borrow_mut();
            let first = inner.queue.front().map(|(t, _)| *t);
            if !inner.held && (first.is_none() || first == ticket) {
                inner.held = true;
                if ticket.is_some() {
                    inner.queue.pop_front();
                }
                return Poll::Ready(());
            }
            match ticket {
                Some(t) => {
                    if let Some(entry) = inner.queue.iter_mut().find(|(q, _)| *q == t) {
                        entry.1 = cx.waker().clone();
                    }
                }
                None => {
                    let t = inner.next_ticket;
                    inner.next_ticket += 1;
                    ticket = Some(t);
                    inner.queue.push_back((t, cx.waker().clone()));
                }
            }
            Poll::Pending
        })
        .await;
        MutualGuard { inner: self.inner.clone() }
    }
}

/// Releases its [`Mutual`] when dropped.
pub struct MutualGuard {
    inner: Rc<RefCell<MutualInner>>,
}

impl Drop for MutualGuard {
    fn drop(&mut self) {
        let mut inner = self.inner.borrow_mut();
        inner.held = false;
        if let Some((_, waker)) = inner.queue.front() {
            waker.wake_by_ref();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timers_fire_by_time_then_by_registration() {
        let reactor = Reactor::new();
        let log: Rc<RefCell<Vec<(&str, f64)>>> = Rc::default();
        for (name, at) in [("b", 2.0), ("a", 1.0), ("c", 2.0)] {
            let (r, log) = (reactor.clone(), log.clone());
            reactor.spawn("t", async move {
                r.sleep_until(at).await;
                log.borrow_mut().push((name, r.now()));
            });
        }
        reactor.run(0.0);
        assert_eq!(reactor.next_wake(), Some(1.0));
        reactor.run(1.0);
        reactor.run(2.5);
        assert_eq!(*log.borrow(), [("a", 1.0), ("b", 2.5), ("c", 2.5)]);
        assert_eq!(reactor.next_wake(), None);
        assert!(reactor.task_names().is_empty());
    }

    #[test]
    fn a_completion_wakes_its_waiters_and_a_deadline_does_not_wait_for_it() {
        let reactor = Reactor::new();
        let done = reactor.completion::<u32>();
        let log: Rc<RefCell<Vec<Option<u32>>>> = Rc::default();
        for deadline in [1.0, NEVER] {
            let (done, log) = (done.clone(), log.clone());
            reactor.spawn("waiter", async move {
                let value = done.wait_until(deadline).await;
                log.borrow_mut().push(value);
            });
        }
        reactor.run(0.5);
        reactor.run(1.0);
        assert_eq!(*log.borrow(), [None]);
        done.complete(7);
        done.complete(8);
        reactor.run(1.0);
        assert_eq!(*log.borrow(), [None, Some(7)]);
    }

    #[test]
    fn the_mutex_is_handed_over_in_order_of_asking() {
        let reactor = Reactor::new();
        let mutex = Mutual::default();
        let log: Rc<RefCell<Vec<u32>>> = Rc::default();
        for i in 0..3 {
            let (r, m, log) = (reactor.clone(), mutex.clone(), log.clone());
            reactor.spawn("t", async move {
                let _guard = m.lock().await;
                r.sleep(1.0).await;
                log.borrow_mut().push(i);
            });
        }
        for t in 0..10 {
            reactor.run(f64::from(t));
        }
        assert_eq!(*log.borrow(), [0, 1, 2]);
        assert!(!mutex.is_locked());
    }
}
