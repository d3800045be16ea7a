//! One step of rustls: what it asks for is done, and what it has is put to its place.

use rustls::unbuffered::{ConnectionState, EncodeError, EncryptError, UnbufferedStatus};

/// What a record holds at most (RFC 8446 section 5.1).
pub(super) const RECORD: usize = 16 * 1024;
/// What encrypting adds to a record, generously.
const OVERHEAD: usize = 64;

/// What to do once rustls lets us write.
#[derive(Clone, Copy)]
pub(super) enum Job<'a> {
    Nothing,
    Encrypt(&'a [u8]),
    Close,
}

/// What a step of rustls came to.
pub(super) enum Step {
    /// There may be more to do.
    Again,
    /// So many bytes were put to their place.
    Bytes(usize),
    /// The peer has ended TLS.
    PeerClosed,
    /// It waits for the peer.
    Blocked,
    /// It waits for nothing; the job has been done.
    Ready,
    Failed(rustls::Error),
}

/// Does what rustls asks for.
pub(super) fn take_step<Data>(
    status: UnbufferedStatus<'_, '_, Data>,
    place: &mut [u8],
    output: &mut Vec<u8>,
    job: Job<'_>,
) -> (usize, Step) {
    let UnbufferedStatus { mut discard, state } = status;
    let step = match state {
        Err(error) => Step::Failed(error),
        Ok(ConnectionState::ReadTraffic(mut traffic)) => {
            let mut count = 0;
            let mut failed = None;
            while let Some(record) = traffic.next_record() {
                match record {
                    Ok(record) => {
                        let end = count + record.payload.len();
                        place[count..end].copy_from_slice(record.payload);
                        count = end;
                        discard += record.discard;
                    }
                    Err(error) => failed = Some(error),
                }
            }
            failed.map_or(Step::Bytes(count), Step::Failed)
        }
        Ok(ConnectionState::EncodeTlsData(mut data)) => {
            put(output, 0, |room| match data.encode(room) {
                Ok(written) => Put::Done(written),
                Err(EncodeError::InsufficientSize(need)) => Put::Needs(need.required_size),
                Err(EncodeError::AlreadyEncoded) => Put::Done(0),
            });
            Step::Again
        }
        // It is in the output, and leaves with it.
        Ok(ConnectionState::TransmitTlsData(data)) => {
            data.done();
            Step::Again
        }
        Ok(ConnectionState::WriteTraffic(mut traffic)) => {
            let mut exhausted = false;
            let mut encrypted = |result| match result {
                Ok(written) => Put::Done(written),
                Err(EncryptError::InsufficientSize(need)) => Put::Needs(need.required_size),
                Err(EncryptError::EncryptExhausted) => {
                    exhausted = true;
                    Put::Done(0)
                }
            };
            match job {
                Job::Nothing => {}
                Job::Encrypt(plain) => {
                    let records = plain.len() / RECORD + 1;
                    let room = plain.len() + records * OVERHEAD;
                    put(output, room, |room| encrypted(traffic.encrypt(plain, room)));
                }
                Job::Close => {
                    put(output, OVERHEAD, |room| encrypted(traffic.queue_close_notify(room)));
                }
            }
            match exhausted {
                true => Step::Failed(rustls::Error::EncryptError),
                false => Step::Ready,
            }
        }
        Ok(ConnectionState::BlockedHandshake) => Step::Blocked,
        Ok(ConnectionState::PeerClosed) => Step::PeerClosed,
        Ok(ConnectionState::Closed) => Step::Ready,
        Ok(other) => Step::Failed(rustls::Error::General(format!("unexpected state {other:?}"))),
    };
    (discard, step)
}

/// What came of writing to the end of the output.
enum Put {
    Done(usize),
    Needs(usize),
}

/// Lets `write` write at the end of the output, with as much room as it needs.
fn put(output: &mut Vec<u8>, mut room: usize, mut write: impl FnMut(&mut [u8]) -> Put) {
    let end = output.len();
    loop {
        output.resize(end + room, 0);
        match write(&mut output[end..]) {
            Put::Done(written) => return output.truncate(end + written),
            // It says how much, but what else it has to send may come on top.
            Put::Needs(size) => room = size.max(room + OVERHEAD),
        }
    }
}
