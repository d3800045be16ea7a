#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| wsock_fuzz::tls_pem::run(data));
