#![no_main]

use endturn::protocol::{Limits, Protocol};
use libfuzzer_sys::fuzz_target;

// The bytes as they are, and as frames whose checksums are right: chance finds none.
fuzz_target!(|data: &[u8]| {
    let small = Limits {
        line_bytes: 90,
        body_bytes: 700,
        events: 5,
    };
    for limits in [Limits::default(), small] {
        endturn_fuzz::check_stream(Protocol::Bedrock, limits, data);
        endturn_fuzz::check_stream(Protocol::Bedrock, limits, &endturn_fuzz::framed(data));
    }
});
