//! A program that counts through OpenTelemetry, and ends cleanly.
//!
//! ```text
//! cargo run -p opentelemetry-opentsdb --example pages -- tsdb://localhost:4242
//! ```

use opentelemetry::KeyValue;
use opentelemetry::metrics::MeterProvider;
use opentelemetry_opentsdb::Exporter;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::SdkMeterProvider;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let url = std::env::args().nth(1).unwrap_or("tsdb://localhost:4242".into());
    let client = potsdb::Client::open(&url)?;
    let provider = SdkMeterProvider::builder()
        .with_resource(Resource::builder().with_service_name("shop").build())
        .with_periodic_exporter(Exporter::builder(&client).build()?)
        .build();
    let meter = provider.meter("pages");
    let requests = meter.u64_counter("web.requests").build();
    let open = meter.i64_up_down_counter("web.open").build();
    let latency = meter
        .f64_histogram("web.latency")
        .with_unit("s")
        .with_boundaries(vec![0.01, 0.05, 0.1])
        .build();

    for request in 0..100_u32 {
        let path = [KeyValue::new("path", if request % 4 == 0 { "/login" } else { "/" })];
        requests.add(1, &path);
        open.add(if request % 3 == 0 { -1 } else { 1 }, &[]);
        latency.record(0.001 * f64::from(request), &path);
    }

    provider.shutdown()?; // an error says what did not arrive
    Ok(())
}
