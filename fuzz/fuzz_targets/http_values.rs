#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| wsock_fuzz::http_values::run(data));
