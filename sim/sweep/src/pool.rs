//! A pool of workers: jobs in, results in the jobs' order, whoever finished first.
//!
//! Each job runs on one thread from begin to end, and jobs share nothing that one of them writes: so a result depends on its
//! job alone, never on how many workers there are or in what order they came to it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::channel;

/// Set when the user wants to end. Clones are the same flag.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    pub fn stop(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// How many work at once, and what ends them early.
#[derive(Clone, Debug, Default)]
pub struct Pool {
    /// 0: one for each core.
    pub workers: usize,
    /// Once it is set no further job begins. A long job should ask it too, and answer None when it was cut short.
    pub stop: Stop,
}

/// A job that has just finished.
pub struct Done<'a, R> {
    /// Its place in the list of jobs.
    pub index: usize,
    /// How many have finished, this one included, and how many there are.
    pub finished: usize,
    pub of: usize,
    pub result: &'a R,
}

impl Pool {
    /// Works through the jobs. `progress` is called on the caller's thread, as they finish. None stands for a job that did
    /// not begin, or did not come to its end, before the stop.
    pub fn run<J: Sync, R: Send>(
        &self,
        jobs: &[J],
        work: impl Fn(&J) -> Option<R> + Sync,
        mut progress: impl FnMut(Done<'_, R>),
    ) -> Vec<Option<R>> {
        let next = AtomicUsize::new(0);
        let (outbox, inbox) = channel();
        let mut results: Vec<Option<R>> = jobs.iter().map(|_| None).collect();
        std::thread::scope(|scope| {
            for _ in 0..self.workers_for(jobs.len()) {
                let (outbox, next, work) = (outbox.clone(), &next, &work);
                scope.spawn(move || {
                    while !self.stop.is_set() {
                        let index = next.fetch_add(1, Ordering::Relaxed);
                        let Some(job) = jobs.get(index) else { break };
                        if let Some(result) = work(job) {
                            // The receiver lives until all workers are gone.
                            let _ = outbox.send((index, result));
                        }
                    }
                });
            }
            drop(outbox);
            for (finished, (index, result)) in inbox.iter().enumerate() {
                progress(Done { index, finished: finished + 1, of: jobs.len(), result: &result });
                results[index] = Some(result);
            }
        });
        results
    }

    /// How many threads work on so many jobs.
    pub fn workers_for(&self, jobs: usize) -> usize {
        let wanted = match self.workers {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            n => n,
        };
        wanted.min(jobs).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool(workers: usize) -> Pool {
        Pool { workers, stop: Stop::default() }
    }

    #[test]
    fn results_come_in_the_order_of_the_jobs_with_any_number_of_workers() {
        let jobs: Vec<u64> = (0..100).collect();
        // Later jobs are the shorter ones, so that they overtake.
        let work = |job: &u64| Some((0..(100 - job) * 500).fold(*job, |a, b| a ^ b.wrapping_mul(0x9e37_79b9)));
        let alone = pool(1).run(&jobs, work, |_| {});
        for workers in [2, 3, 16, 0] {
            assert_eq!(pool(workers).run(&jobs, work, |_| {}), alone);
        }
    }

    #[test]
    fn progress_counts_every_job_once() {
        let mut seen = Vec::new();
        let mut counts = Vec::new();
        pool(4).run(
            &[1, 2, 3, 4, 5, 6, 7],
            |j| Some(j * 2),
            |done| {
                seen.push((done.index, *done.result));
                counts.push((done.finished, done.of));
            },
        );
        seen.sort_unstable();
        assert_eq!(seen, (0..7).map(|i| (i, (i as i32 + 1) * 2)).collect::<Vec<_>>());
        assert_eq!(counts, (1..=7).map(|n| (n, 7)).collect::<Vec<_>>());
    }

    #[test]
    fn a_stop_keeps_what_is_done_and_begins_nothing_more() {
        let pool = pool(2);
        let jobs: Vec<usize> = (0..1000).collect();
        let stop = pool.stop.clone();
        let results = pool.run(
            &jobs,
            |job| {
                std::thread::sleep(std::time::Duration::from_millis(1));
                (!stop.is_set()).then_some(*job)
            },
            |done| {
                if done.finished == 10 {
                    stop.stop();
                }
            },
        );
        let done = results.iter().flatten().count();
        assert!((10..30).contains(&done), "{done}");
        assert!(results.iter().enumerate().all(|(i, r)| r.is_none_or(|r| r == i)));
    }

    #[test]
    fn no_jobs_are_no_results() {
        assert!(pool(0).run(&[] as &[u8], |_| Some(()), |_| {}).is_empty());
    }
}
