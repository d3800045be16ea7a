//! The loop as a guest in another: one descriptor that tells everything.

use super::core::Core;
use crate::error::{Code, Error, Result};
#[cfg(target_os = "linux")]
use crate::util::beacon::Beacon;
#[cfg(target_os = "linux")]
use std::os::fd::AsRawFd;

#[cfg(target_os = "linux")]
fn cannot(error: std::io::Error) -> Error {
    Error::os(Code::System, "cannot make the loop's descriptor", &error)
}

impl Core {
    /// The descriptor for foreign loops.
    #[cfg(target_os = "linux")]
    pub fn descriptor(&mut self) -> Result<i32> {
        if self.beacon.is_none() {
            let mut beacon = Beacon::new().map_err(cannot)?;
            let source = match self.poller {
                Some(_) => Some(self.registry.as_raw_fd()),
                None => self.place.helper.bell_fd(),
            };
            if let Some(source) = source {
                beacon.watch(source).map_err(cannot)?;
            }
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
            match self.poller {
                Some(_) => {
                    self.tick();
                    let deadline = self.next_deadline();
                    beacon.set(self.now, self.has_work(), deadline);
                }
                // Another thread sees to sockets and timers.
                None => beacon.set(self.now, self.wants_visit(), None),
            }
            self.beacon = Some(beacon);
        }
    }

    /// Lets the descriptor tell only of events that are queued, or of everything again.
    pub fn set_beacon_apart(&mut self, apart: bool) -> Result<()> {
        #[cfg(target_os = "linux")]
        if let Some(beacon) = &mut self.beacon {
            let all = self.registry.as_raw_fd();
            let bell = self.place.helper.bell_fd().unwrap_or(all);
            let (last, next) = if apart { (all, bell) } else { (bell, all) };
            beacon.unwatch(last);
            beacon.watch(next).map_err(cannot)?;
        }
        self.update_beacon();
        Ok(())
    }
}
