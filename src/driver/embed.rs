//! The loop as a guest in another: one descriptor that tells everything.

use super::core::Core;
use crate::error::{Code, Error, Result};
#[cfg(target_os = "linux")]
use crate::util::beacon::Beacon;

impl Core {
    /// The descriptor for foreign loops.
    #[cfg(target_os = "linux")]
    pub fn descriptor(&mut self) -> Result<i32> {
        use std::os::fd::AsRawFd;
        if self.beacon.is_none() {
            let beacon = Beacon::new(self.poll.as_raw_fd())
                .map_err(|e| Error::os(Code::System, "cannot make the loop's descriptor", &e))?;
            self.beacon = Some(beacon);
        }
        self.update_beacon();
        Ok(self.beacon.as_ref().expect("made above").fd())
    }

    /// Without timer and flag descriptors there is none that tells everything.
    #[cfg(not(target_os = "linux"))]
    pub fn descriptor(&mut self) -> Result<i32> {
        Err(Error::new(Code::Unsupported, "this system has no descriptor that covers timers"))
    }

    /// Keeps the descriptor readable exactly while a poll has something to do.
    pub fn update_beacon(&mut self) {
        #[cfg(target_os = "linux")]
        if let Some(mut beacon) = self.beacon.take() {
            self.tick();
            let deadline = self.next_deadline();
            beacon.set(self.now, self.has_work(), deadline);
            self.beacon = Some(beacon);
        }
    }
}
