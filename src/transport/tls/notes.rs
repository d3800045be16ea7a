//! What a step of rustls leaves for the layer that made it.
//!
//! Verifiers and certificate resolvers are shared by all connections of one set of options and are not
//! told which of them they are asked about; what they find out beyond their answer would be lost. They
//! run inside the step of one connection, on its thread, so they leave it here, and the layer takes it
//! when the step is done.

use std::cell::RefCell;

/// See the module.
#[derive(Debug, Default)]
pub struct Notes {
    /// Why the peer's certificate is not accepted.
    pub refusal: Option<String>,
    /// The host name in the client's hello.
    pub server_name: Option<String>,
}

thread_local! {
    static NOTES: RefCell<Notes> = RefCell::default();
}

/// Adds to the notes of this step.
pub fn note(write: impl FnOnce(&mut Notes)) {
    NOTES.with_borrow_mut(write);
}

/// Takes what the verifier has left.
pub fn take_refusal() -> Option<String> {
    NOTES.with_borrow_mut(|notes| notes.refusal.take())
}

/// Takes what the resolver has left.
pub fn take_server_name() -> Option<String> {
    NOTES.with_borrow_mut(|notes| notes.server_name.take())
}
