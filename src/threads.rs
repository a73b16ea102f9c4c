//! Two halves of a long work side by side, in two threads.

use std::{
    io::{self, Write},
    panic::resume_unwind,
    sync::{
        Mutex, PoisonError,
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread,
};

use zeroize::Zeroizing;

/// From here on work over some bytes is worth a second thread.
pub const WORTHWHILE: usize = 1 << 20;

/// How much is handed over at a time, in bytes.
const BUFFER: usize = 256 << 10;

/// How many buffers are on their way, so that neither half waits for each one of the other.
const BUFFERS: usize = 4;

/// Does two things at once; one after the other where the system gives no thread.
pub fn both<A: Send, B>(mut one: impl FnMut() -> A + Send, other: impl FnOnce() -> B) -> (A, B) {
    let (done, other) = thread::scope(|scope| {
        let beside = thread::Builder::new().spawn_scoped(scope, &mut one);
        let other = other();
        (beside.ok().map(|beside| beside.join().unwrap_or_else(|panic| resume_unwind(panic))), other)
    });
    (done.unwrap_or_else(one), other)
}

/// Does some work that writes into a sink. Of a large amount the sink is written to in a thread of its own, where the
/// system gives one. What is on the way may be cleartext and is wiped.
///
/// # Errors
/// Those of the sink before those of the work, which may follow from them.
pub fn relay<W: Write + Send + Sync>(
    amount: usize,
    mut sink: W,
    work: impl FnOnce(&mut dyn Relay) -> io::Result<()>,
) -> io::Result<W> {
    let mut work = Some(work);
    if amount >= WORTHWHILE {
        let (full, filled) = sync_channel::<Buffer>(BUFFERS);
        let (empty, emptied) = sync_channel::<Buffer>(BUFFERS);
        for _ in 0..BUFFERS {
            let _ = empty.try_send(Zeroizing::new(Vec::with_capacity(BUFFER)));
        }
        let far = &mut sink;
        thread::scope(|scope| -> io::Result<()> {
            let far = thread::Builder::new().spawn_scoped(scope, move || -> io::Result<()> {
                for mut buffer in filled {
                    far.write_all(&buffer)?;
                    buffer.clear();
                    // The near half has ended where nobody takes it.
                    let _ = empty.send(buffer);
                }
                Ok(())
            });
            let Ok(far) = far else { return Ok(()) };
            let Some(work) = work.take() else { return Ok(()) };
            let mut feed = Feed { current: Zeroizing::default(), full, emptied: Mutex::new(emptied) };
            let done = work(&mut feed).and_then(|()| feed.flush());
            drop(feed);
            far.join().unwrap_or_else(|panic| resume_unwind(panic))?;
            done
        })?;
    }
    if let Some(work) = work {
        work(&mut sink)?;
    }
    Ok(sink)
}

/// Where the first half writes.
pub trait Relay: Write + Send + Sync {}

impl<W: Write + Send + Sync> Relay for W {}

type Buffer = Zeroizing<Vec<u8>>;

/// The near end.
struct Feed {
    current: Buffer,
    full: SyncSender<Buffer>,
    /// Nobody else has it; the mutex makes the whole `Sync`, which Sequoia wants of a sink.
    emptied: Mutex<Receiver<Buffer>>,
}

impl Write for Feed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.is_empty() {
            return Ok(0);
        }
        if self.current.len() == self.current.capacity() {
            self.flush()?;
            let emptied = self.emptied.get_mut().unwrap_or_else(PoisonError::into_inner);
            self.current = emptied.recv().map_err(|_| ended())?;
        }
        let count = bytes.len().min(self.current.capacity() - self.current.len());
        self.current.extend_from_slice(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        // An empty one is not given away: none would come back for it.
        if self.current.is_empty() {
            return Ok(());
        }
        self.full.send(std::mem::take(&mut self.current)).map_err(|_| ended())
    }
}

fn ended() -> io::Error {
    io::Error::other("the other half of the work has ended")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// Takes so many bytes and no more.
    struct Bounded(Vec<u8>, usize);

    impl Write for Bounded {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if self.0.len() + bytes.len() > self.1 {
                return Err(io::Error::other("full"));
            }
            self.0.extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn all_arrives_in_order_on_either_way() {
        let bytes: Vec<u8> = (0..3_000_001).map(|at| (at % 251) as u8).collect();
        for amount in [0, WORTHWHILE] {
            for step in [1000, BUFFER - 1, BUFFER, 2_000_000] {
                let sink =
                    relay(amount, Vec::new(), |sink| bytes.chunks(step).try_for_each(|chunk| sink.write_all(chunk)));
                assert!(sink.unwrap() == bytes, "{amount} {step}");
            }
            assert_eq!(relay(amount, Vec::new(), |_| Ok(())).unwrap(), b"");
            let nothing = |sink: &mut dyn Relay| (0..2 * BUFFERS).try_for_each(|_| sink.write(&[]).and(sink.flush()));
            let sink = relay(amount, Vec::new(), |sink| nothing(sink).and(sink.write_all(b"x")).and(nothing(sink)));
            assert_eq!(sink.unwrap(), b"x");
        }
    }

    #[test]
    fn both_are_done() {
        let mut sum = 0;
        assert_eq!(both(|| (0..1000).for_each(|number| sum += number), || "other"), ((), "other"));
        assert_eq!(sum, 499_500);
    }

    #[test]
    fn the_error_is_the_one_that_came_first() {
        let full = |amount, most| {
            relay(amount, Bounded(Vec::new(), most), |sink| (0..100).try_for_each(|_| sink.write_all(&[7; 50_000])))
        };
        for amount in [0, WORTHWHILE] {
            for most in [0, 1_000_000, 4_999_999] {
                assert_eq!(full(amount, most).err().unwrap().to_string(), "full");
            }
            assert_eq!(full(amount, 5_000_000).unwrap().0.len(), 5_000_000);
            let refused = relay(amount, Vec::new(), |sink| {
                sink.write_all(&[7; 1_000_000])?;
                Err(io::Error::other("no more"))
            });
            assert_eq!(refused.err().unwrap().to_string(), "no more");
        }
    }
}
