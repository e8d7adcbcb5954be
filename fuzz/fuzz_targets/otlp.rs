#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| endturn_fuzz::check_otlp(data));
