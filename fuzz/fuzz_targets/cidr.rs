#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| wsock_fuzz::cidr::run(data));
