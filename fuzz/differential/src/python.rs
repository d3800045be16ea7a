//! The verdicts of Python's websockets, from a process beside.

use super::Case;
use super::verdict::Verdict;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// It ends when this does.
pub struct Python {
    child: Child,
    cases: Option<ChildStdin>,
    verdicts: BufReader<ChildStdout>,
}

impl Python {
    /// Starts it, with an interpreter that has the package.
    pub fn start(interpreter: &str) -> Python {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/websockets_peer.py");
        let mut command = Command::new(interpreter);
        command.arg(script).arg(super::LIMIT.to_string());
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("an interpreter of Python");
        let cases = child.stdin.take();
        let verdicts = BufReader::new(child.stdout.take().expect("as asked for"));
        Python { child, cases, verdicts }
    }

    pub fn verdict(&mut self, case: &Case) -> Verdict {
        let length = (case.bytes.len() as u32).to_le_bytes();
        let whole = [&[case.what], &length[..], &case.bytes].concat();
        let cases = self.cases.as_mut().expect("open until the end");
        cases.write_all(&whole).and_then(|()| cases.flush()).expect("it reads");
        let mut line = String::new();
        self.verdicts.read_line(&mut line).expect("it answers");
        Verdict::parse(&line).unwrap_or_else(|| panic!("no verdict: {line:?}"))
    }
}

impl Drop for Python {
    fn drop(&mut self) {
        drop(self.cases.take());
        // Nothing is left to be done about it.
        let _ = self.child.wait();
    }
}
