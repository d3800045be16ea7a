//! The arguments of every client, and the line it prints.

use std::time::{Duration, Instant};

const USAGE: &str = "arguments: PORT firehose|pingpong SIZE SECONDS";
/// Messages between two looks at the clock, which would cost more than some libraries' messages.
const STRIDE: u64 = 32;
const WARM_UP: Duration = Duration::from_millis(500);

/// What the command line asks for.
pub struct Load {
    pub port: u16,
    pub pingpong: bool,
    pub size: usize,
    time: Duration,
}

impl Load {
    pub fn from_args() -> Self {
        Self::parse().unwrap_or_else(|| {
            eprintln!("{USAGE}");
            std::process::exit(2);
        })
    }

    fn parse() -> Option<Self> {
        let args: Vec<String> = std::env::args().skip(1).collect();
        let [port, mode, size, time] = args.as_slice() else { return None };
        let pingpong = match mode.as_str() {
            "firehose" => false,
            "pingpong" => true,
            _ => return None,
        };
        let time = Duration::try_from_secs_f64(time.parse().ok()?).ok()?;
        Some(Self { port: port.parse().ok()?, pingpong, size: size.parse().ok()?, time })
    }
}

/// Counts messages from the end of the warm-up on.
pub struct Meter {
    load: Load,
    client: &'static str,
    began: Instant,
    cpu: Duration,
    warm: bool,
    messages: u64,
}

impl Meter {
    pub fn new(client: &'static str, load: Load) -> Self {
        Self { load, client, began: Instant::now(), cpu: cpu_time(), warm: false, messages: 0 }
    }

    /// One more message; prints the result and ends the program when the time is over.
    pub fn count(&mut self) {
        self.messages += 1;
        if !self.messages.is_multiple_of(STRIDE) {
            return;
        }
        let elapsed = self.began.elapsed();
        if !self.warm && elapsed > WARM_UP {
            (self.warm, self.began, self.cpu, self.messages) =
                (true, Instant::now(), cpu_time(), 0);
        } else if self.warm && elapsed > self.load.time {
            self.report(elapsed);
            std::process::exit(0);
        }
    }

    fn report(&self, elapsed: Duration) {
        println!(
            r#"{{"client":"{}","mode":"{}","size":{},"msgs_per_s":{:.1},"cpu_ns_per_msg":{:.1}}}"#,
            self.client,
            if self.load.pingpong { "pingpong" } else { "firehose" },
            self.load.size,
            self.messages as f64 / elapsed.as_secs_f64(),
            (cpu_time() - self.cpu).as_nanos() as f64 / self.messages as f64,
        );
    }
}

/// What this process has had of the processor so far.
fn cpu_time() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the clock exists on every Linux, and `time` is a timespec to write to.
    unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut time) };
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}
