#![no_main]

use endturn::protocol::{Limits, Protocol};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| endturn_fuzz::check_stream(Protocol::Cohere, Limits::default(), data));
