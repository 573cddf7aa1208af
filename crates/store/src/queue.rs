//! A thread that commits, for a core that must not wait for the disk.

use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use crate::frame::frame_len;
use crate::{Batch, Error, Status, Store};

/// Batches go in with a token each; the tokens come out in the same order once their batches are durable.
///
/// An idle queue commits at once. While a commit runs, whatever is submitted gathers and becomes durable together by
/// the next: groups grow with the load and nobody waits for a timer.
#[derive(Debug)]
pub struct CommitQueue<T> {
    submissions: SyncSender<(Batch, T)>,
    thread: JoinHandle<Store>,
    status: Arc<Mutex<Status>>,
}

/// What the queue tells its sink.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Completion<T> {
    /// The batches of these tokens are durable, in the order of their submission.
    Durable(Vec<T>),
    /// The store has stopped, or refused a batch that can never be written. The batches of these tokens, and all submitted later, are not durable and never will be:
    /// whoever holds the state must stop promising. It is the last completion.
    Stopped {
        /// What the disk said.
        reason: String,
        /// In the order of their submission.
        lost: Vec<T>,
    },
}

/// The queue has stopped; here is what was to be submitted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejected<T>(pub Batch, pub T);

impl<T: Send + 'static> CommitQueue<T> {
    /// Starts the thread. At most `capacity` batches wait; `sink` is called on the thread for each group.
    ///
    /// The sink must not wait for whoever submits: with the queue full, each would wait for the other for ever. A channel
    /// of `capacity` completions, read between steps, is enough.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn spawn(
        store: Store,
        capacity: usize,
        sink: impl FnMut(Completion<T>) + Send + 'static,
    ) -> std::io::Result<Self> {
        let (submissions, receiver) = sync_channel(capacity.max(1));
        let status = Arc::new(Mutex::new(store.status()));
        let writer = Writer { store, receiver, sink, status: Arc::clone(&status), group: Vec::new(), octets: 0 };
        let thread = thread::Builder::new().name("store".to_owned()).spawn(|| writer.run())?;
        Ok(Self { submissions, thread, status })
    }

    /// Hands a batch over. When `capacity` batches wait already it blocks until the disk has caught up: a core that is
    /// ahead of its disk must not take more work.
    ///
    /// # Errors
    /// The queue has stopped.
    pub fn submit(&self, batch: Batch, token: T) -> Result<(), Rejected<T>> {
        self.submissions.send((batch, token)).map_err(|refused| Rejected(refused.0.0, refused.0.1))
    }

    /// The store's state after its last commit.
    #[must_use]
    pub fn status(&self) -> Status {
        *self.status.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Commits what waits, ends the thread and gives the store back; `None` if the sink panicked.
    #[must_use]
    pub fn close(self) -> Option<Store> {
        drop(self.submissions);
        self.thread.join().ok()
    }
}

struct Writer<T, S> {
    store: Store,
    receiver: Receiver<(Batch, T)>,
    sink: S,
    status: Arc<Mutex<Status>>,
    /// Tokens of the batches appended since the last commit.
    group: Vec<T>,
    /// What they take in the log.
    octets: usize,
}

impl<T, S: FnMut(Completion<T>)> Writer<T, S> {
    fn run(mut self) -> Store {
        if let Err(error) = self.serve() {
            let mut lost = std::mem::take(&mut self.group);
            lost.extend(self.receiver.try_iter().map(|(_, token)| token));
            (self.sink)(Completion::Stopped { reason: error.to_string(), lost });
        }
        self.store
    }

    fn serve(&mut self) -> Result<(), Error> {
        loop {
            // Old versions are cleared away while nobody waits.
            let busy = self.store.has_pending() || self.store.wants_compaction();
            let submission = match self.receiver.try_recv() {
                Ok(submission) => Some(submission),
                Err(TryRecvError::Empty) if busy => None,
                Err(TryRecvError::Disconnected) if self.store.has_pending() => None,
                Err(_) => match self.receiver.recv() {
                    Ok(submission) => Some(submission),
                    Err(_) => return Ok(()),
                },
            };
            if let Some(submission) = submission {
                self.append_group(submission)?;
            }
            self.commit()?;
        }
    }

    /// Appends `first` and what has gathered behind it, up to a quarter of a segment: one commit stays short, and clearing
    /// away, which takes at least two commits for each segment, keeps up.
    fn append_group(&mut self, first: (Batch, T)) -> Result<(), Error> {
        let limit = self.store.config.segment_bytes as usize / 4;
        let mut next = Some(first);
        while let Some((batch, token)) = next.take() {
            self.group.push(token);
            self.store.append(&batch)?;
            self.octets += frame_len(batch.encoded_len());
            if self.octets < limit {
                next = self.receiver.try_recv().ok();
            }
        }
        Ok(())
    }

    fn commit(&mut self) -> Result<(), Error> {
        self.store.commit()?;
        if !self.group.is_empty() {
            (self.sink)(Completion::Durable(std::mem::take(&mut self.group)));
        }
        // As much is cleared away as has come, so that the log stays bounded under any load.
        for _ in 0..=self.octets / self.store.config.compact_step_bytes {
            if !self.store.compact_step()? {
                break;
            }
        }
        self.octets = 0;
        *self.status.lock().unwrap_or_else(PoisonError::into_inner) = self.store.status();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;
    use crate::{Config, Fault, Keyspace, MemDisk};

    const ACCOUNTS: Keyspace = Keyspace(1);

    fn put(key: u32) -> Batch {
        Batch::new().put(ACCOUNTS, &key.to_be_bytes(), b"value")
    }

    fn queue(disk: &MemDisk, capacity: usize) -> (CommitQueue<u32>, mpsc::Receiver<Completion<u32>>) {
        let (store, _, _) = Store::open(disk.clone(), Config::default()).unwrap();
        let (sender, receiver) = mpsc::sync_channel(1_000);
        let queue = CommitQueue::spawn(store, capacity, move |completion| sender.send(completion).unwrap()).unwrap();
        (queue, receiver)
    }

    #[test]
    fn tokens_come_back_in_order_and_what_they_stand_for_is_durable() {
        let disk = MemDisk::new(1);
        let (queue, completions) = queue(&disk, 8);
        for key in 0..1000 {
            queue.submit(put(key), key).unwrap();
        }
        assert!(queue.close().is_some());
        let tokens: Vec<u32> = completions.iter().flat_map(durable).collect();
        assert_eq!(tokens, (0..1000).collect::<Vec<_>>());
        disk.power_cut();
        let (_, records, report) = Store::open(disk.rebooted(), Config::default()).unwrap();
        assert_eq!((records.len(), report.is_clean()), (1000, true));
    }

    fn durable(completion: Completion<u32>) -> Vec<u32> {
        match completion {
            Completion::Durable(tokens) => tokens,
            Completion::Stopped { reason, .. } => panic!("{reason}"),
        }
    }

    #[test]
    fn an_idle_queue_commits_at_once() {
        let (queue, completions) = queue(&MemDisk::new(1), 8);
        for key in 0..3 {
            queue.submit(put(key), key).unwrap();
            assert_eq!(completions.recv(), Ok(Completion::Durable(vec![key])));
        }
    }

    /// A queue whose thread waits in its sink after each group, as it would in a slow sync, until it is told to go on.
    fn slow_queue(store: Store) -> (CommitQueue<u32>, mpsc::Receiver<Completion<u32>>, mpsc::SyncSender<()>) {
        let (go, wait) = mpsc::sync_channel(1);
        let (sender, completions) = mpsc::sync_channel(1);
        let sink = move |completion| {
            sender.send(completion).unwrap();
            wait.recv().unwrap();
        };
        (CommitQueue::spawn(store, 100, sink).unwrap(), completions, go)
    }

    #[test]
    fn what_gathers_during_a_commit_becomes_durable_together() {
        let (store, _, _) = Store::open(MemDisk::new(1), Config::default()).unwrap();
        let (queue, completions, go) = slow_queue(store);
        queue.submit(put(0), 0).unwrap();
        assert_eq!(completions.recv(), Ok(Completion::Durable(vec![0])));
        for key in 1..=50 {
            queue.submit(put(key), key).unwrap();
        }
        go.send(()).unwrap();
        assert_eq!(completions.recv(), Ok(Completion::Durable((1..=50).collect())));
        go.send(()).unwrap();
        let store = queue.close().unwrap();
        assert_eq!((store.status().batches, store.status().syncs), (51, 2));
    }

    #[test]
    fn the_log_stays_bounded_under_sustained_load() {
        let config = Config { segment_bytes: 4 << 10, extend_bytes: 1 << 10, compact_step_bytes: 64 };
        let (store, _, _) = Store::open(MemDisk::new(1), config).unwrap();
        let (queue, completions, go) = slow_queue(store);
        for round in 0..100 {
            for n in 0..100 {
                // The first round's records stay; old segments are full of them.
                let key = if round == 0 { n } else { 1_000 + n % 50 };
                queue.submit(put(key), n).unwrap();
            }
            let mut durable = 0;
            while durable < 100 {
                let Ok(Completion::Durable(tokens)) = completions.recv() else { panic!("stopped") };
                durable += tokens.len();
                go.send(()).unwrap();
            }
        }
        let status = queue.status();
        assert_eq!(status.records, 150);
        assert!(status.log_bytes < 5 * status.live_bytes + 6 * config.segment_bytes, "{status:?}");
    }

    #[test]
    fn a_failing_disk_stops_it_loudly() {
        let disk = MemDisk::new(1);
        let (queue, completions) = queue(&disk, 8);
        queue.submit(put(0), 0).unwrap();
        assert_eq!(completions.recv(), Ok(Completion::Durable(vec![0])));
        disk.plan(disk.steps() + 1, Fault::SyncDrops);
        queue.submit(put(1), 1).unwrap();
        let Ok(Completion::Stopped { reason, lost }) = completions.recv() else { panic!("not stopped") };
        assert_eq!((reason.as_str(), lost.first()), ("writing the log: input/output error", Some(&1)));
        assert!(completions.recv().is_err(), "nothing comes after");
        assert_eq!(queue.submit(put(2), 2), Err(Rejected(put(2), 2)));
    }
}
