//! What every exported function goes through: no panic leaves, failures are remembered.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::last_error;
use super::status::WSOCK_OK;
use crate::error::{Code, Error, Result};

/// Runs the body of a function that answers with a status.
pub fn status(body: impl FnOnce() -> Result<()>) -> i32 {
    number(|| body().map(|()| WSOCK_OK))
}

/// Runs the body of a function that answers with a number that is not negative, or a status.
pub fn number(body: impl FnOnce() -> Result<i32>) -> i32 {
    match caught(body) {
        Ok(number) => number,
        Err(error) => {
            last_error::set(&error);
            error.code as i32
        }
    }
}

/// Runs the body of a function that answers with a value, and with `otherwise` when it fails.
pub fn value<T>(otherwise: T, body: impl FnOnce() -> Result<T>) -> T {
    caught(body).unwrap_or_else(|error| {
        last_error::set(&error);
        otherwise
    })
}

/// The driver poisons the loop a panic went through; here it only must not go further.
fn caught<T>(body: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(body)).unwrap_or_else(|_| {
        Err(Error::new(Code::Panic, "a panic inside the library was stopped; please report it"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_a_status() {
        assert_eq!(status(|| panic!("on purpose")), Code::Panic as i32);
        assert_eq!(value(7, || panic!("on purpose")), 7);
        assert_eq!(number(|| Ok(3)), 3);
    }
}
