#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let (&first, rest) = data.split_first().unwrap_or((&0, &[]));
    let what = if first & 1 == 0 { b's' } else { b'c' };
    wsock_differential::judge(&wsock_differential::Case { what, bytes: rest.to_vec() });
});
