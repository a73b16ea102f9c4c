//! Two halves of one work at the same time: a large message is encrypted in one thread and encoded in another.

use std::{
    io::{self, Write},
    sync::mpsc::{SyncSender, sync_channel},
    thread,
};

use super::SealError;

/// From how many bytes on a second thread pays for itself.
const LARGE: usize = 1 << 20;

/// How much is handed over at a time, and how many of these wait at most.
const BLOCK: usize = 64 << 10;
const WAITING: usize = 4;

/// Gives a sink to what writes about so many bytes into it, and gives it back when all is written. For a large message
/// the sink works in a thread of its own.
///
/// # Errors
/// What `write` says, or that the sink refused.
pub(in crate::crypt) fn beside<W: Write + Send + Sync>(
    mut sink: W,
    bytes: usize,
    write: impl FnOnce(&mut (dyn Write + Send + Sync)) -> Result<(), SealError>,
) -> Result<W, SealError> {
    if bytes < LARGE {
        return write(&mut sink).map(|()| sink);
    }
    thread::scope(|scope| {
        let (sender, receiver) = sync_channel::<Vec<u8>>(WAITING);
        let encoder = scope.spawn(move || -> io::Result<W> {
            for block in receiver {
                sink.write_all(&block)?;
            }
            Ok(sink)
        });
        let mut handover = Handover { sender, block: Vec::with_capacity(BLOCK) };
        let written = write(&mut handover).and_then(|()| handover.hand_over().map_err(failed));
        // The encoder ends when nobody can hand anything over.
        drop(handover);
        let sink = encoder.join().map_err(|_| SealError::Library("the encoder ended".to_owned()))?;
        written.and(sink.map_err(failed))
    })
}

fn failed(error: io::Error) -> SealError {
    SealError::Library(error.to_string())
}

/// Gathers what is written to it, and hands it over block by block.
struct Handover {
    sender: SyncSender<Vec<u8>>,
    block: Vec<u8>,
}

impl Handover {
    fn hand_over(&mut self) -> io::Result<()> {
        let block = std::mem::replace(&mut self.block, Vec::with_capacity(BLOCK));
        self.sender.send(block).map_err(|_| io::Error::other("the encoder ended"))
    }
}

impl Write for Handover {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = bytes.len().min(BLOCK - self.block.len());
        self.block.extend_from_slice(&bytes[..count]);
        if self.block.len() == BLOCK {
            self.hand_over()?;
        }
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// Takes so many bytes.
    struct Full(Vec<u8>, usize);

    impl Write for Full {
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
    fn all_arrives_in_order_with_a_thread_and_without() {
        for length in [0, 1, BLOCK, LARGE - 1, LARGE, LARGE + BLOCK * 9 + 1] {
            let text: Vec<u8> = (0..length).map(|index| (index % 251) as u8).collect();
            let written = beside(Vec::new(), length, |sink| {
                text.chunks(1000).try_for_each(|chunk| sink.write_all(chunk)).map_err(failed)
            });
            assert!(written.unwrap() == text, "{length}");
        }
    }

    #[test]
    fn a_failure_on_either_side_ends_both() {
        let text = vec![7; LARGE * 3];
        let full = beside(Full(Vec::new(), LARGE), text.len(), |sink| sink.write_all(&text).map_err(failed));
        assert!(full.is_err());
        let refused = |_: &mut (dyn Write + Send + Sync)| Err(SealError::LastLook("refused"));
        assert!(matches!(beside(Vec::new(), LARGE, refused), Err(SealError::LastLook("refused"))));
    }
}
