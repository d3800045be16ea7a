//! Messages in parts that go on after `close`, because nobody but the loop can finish them: the close
//! frame waits for their end, and for as long as more of them comes.

use super::{Connection, Context};
use crate::error::{Error, Result};
use crate::proto::event::Kind;
use crate::util::time::Time;

impl Connection {
    /// As `begin_stream`, for a message whose parts come whenever `stream_wants` asks for them. It is
    /// part of what was sent before `close`, so it goes on after it; anything else that ends the
    /// connection ends it too.
    pub fn begin_source(&mut self, kind: Kind, compress: bool) -> Result<u32> {
        let id = self.begin_stream(kind, compress)?;
        self.line_or_new().outlive_close(id);
        Ok(id)
    }

    /// Closes because of a failure on our side, which `Closed::error` tells. What is not whole is lost.
    pub fn close_because(&mut self, cx: &mut Context, now: Time, reason: &str, error: Error) {
        let code = error.close_code;
        self.abandon_unfinished(now);
        self.begin_close(cx, now, Some(code), reason, Some(error.clone()));
        if let Some(closed) = self.closing() {
            closed.error.get_or_insert(error);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Code;
    use crate::proto::config::{Config, Role};
    use crate::util::rng::Entropy;
    use std::io::IoSlice;
    use std::sync::Arc;

    struct End {
        conn: Connection,
        cx: Context,
        now: Time,
    }

    impl End {
        fn new() -> End {
            let now = Time(1_000_000);
            let conn = Connection::new(Role::Server, Arc::new(Config::default()), None, now);
            End { conn, cx: Context::new(Entropy::from_seed(1)), now }
        }

        fn part(&mut self, id: u32, data: &[u8], last: bool) -> Result<()> {
            self.conn.stream_part(&mut self.cx, self.now, id, data, last).map(drop)
        }

        fn close(&mut self) {
            self.conn.close(&mut self.cx, self.now, Some(1000), "").unwrap();
        }

        /// The first bytes of the frames that can leave now; all are short.
        fn sent(&mut self) -> Vec<u8> {
            let mut firsts = Vec::new();
            loop {
                self.conn.fill(&mut self.cx, self.now).unwrap();
                let mut slices = [IoSlice::new(&[]); 4];
                let filled = self.conn.transmit(&mut slices);
                let bytes = slices[..filled].iter().flat_map(|it| it.to_vec()).collect::<Vec<_>>();
                if bytes.is_empty() {
                    return firsts;
                }
                let mut at = 0;
                while at < bytes.len() {
                    firsts.push(bytes[at]);
                    at += 2 + bytes[at + 1] as usize;
                }
                self.conn.sent(&mut self.cx, self.now, bytes.len(), 0);
            }
        }

        fn receive(&mut self, frame: &[u8]) {
            // With an empty key, which changes nothing.
            let mut frame = [&[frame[0], frame[1] | 0x80, 0, 0, 0, 0], &frame[2..]].concat();
            self.conn.recv(&mut self.cx, self.now, &mut frame);
        }
    }

    #[test]
    fn the_close_frame_waits_for_the_end() {
        let mut end = End::new();
        let id = end.conn.begin_source(Kind::Binary, false).unwrap();
        end.part(id, b"a", false).unwrap();
        end.conn.send(&mut end.cx, end.now, Kind::Text, b"behind", false).unwrap();
        end.close();
        assert_eq!(end.sent(), [0x02]);
        assert_eq!(end.conn.stream_wants(), Some(id));
        assert_eq!(end.conn.closed().unwrap().sent_code, None);
        end.receive(&[0x89, 0]);
        assert_eq!(end.sent(), [0x8A], "its peer's pings are answered until then");
        end.now = end.now.plus_ms(4_000);
        end.part(id, b"b", false).unwrap();
        assert_eq!(end.sent(), [0x00]);
        assert_eq!(end.conn.next_timeout(), Some(end.now.plus_ms(5_000)), "it goes on");
        end.part(id, b"c", true).unwrap();
        assert_eq!(end.sent(), [0x80, 0x81, 0x88]);
        assert_eq!(end.conn.closed().unwrap().sent_code, Some(1000));
    }

    #[test]
    fn a_stream_of_the_application_does_not_outlive_close() {
        let mut end = End::new();
        let source = end.conn.begin_source(Kind::Binary, false).unwrap();
        let stream = end.conn.begin_stream(Kind::Binary, false).unwrap();
        end.close();
        assert!(end.part(stream, b"x", true).is_err());
        end.part(source, b"y", true).unwrap();
        assert_eq!(end.sent(), [0x82, 0x88]);
    }

    #[test]
    fn the_end_of_the_peer_is_the_end_of_it() {
        for closed_before in [false, true] {
            let mut end = End::new();
            let id = end.conn.begin_source(Kind::Binary, false).unwrap();
            end.part(id, b"a", false).unwrap();
            if closed_before {
                end.close();
            }
            end.receive(&[0x88, 2, 0x0B, 0xB8]);
            assert_eq!(end.sent(), [0x02, 0x88]);
            assert!(end.part(id, b"b", true).is_err());
            assert_eq!(end.conn.stream_wants(), None);
            let closed = end.conn.closed().unwrap();
            assert!(closed.clean && closed.code == 3000);
        }
    }

    #[test]
    fn a_failure_closes_at_once_and_is_told() {
        for closed_before in [false, true] {
            let mut end = End::new();
            let id = end.conn.begin_source(Kind::Binary, false).unwrap();
            end.part(id, b"a", false).unwrap();
            if closed_before {
                end.close();
            }
            let error = Error::new(Code::System, "no disk").with(|it| it.close_code = 1011);
            end.conn.close_because(&mut end.cx, end.now, "sorry", error);
            assert_eq!(end.sent(), [0x02, 0x88]);
            let closed = end.conn.closed().unwrap();
            assert_eq!(closed.error.as_ref().unwrap().code, Code::System);
            assert_eq!(closed.sent_code, Some(if closed_before { 1000 } else { 1011 }));
        }
    }
}
