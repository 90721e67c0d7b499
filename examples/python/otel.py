"""What OpenTelemetry measures, in OpenTSDB: POTSDB_URL=tsdb://localhost python otel.py"""

from opentelemetry import metrics
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader

from potsdb.otel import MetricExporter

metrics.set_meter_provider(MeterProvider([PeriodicExportingMetricReader(MetricExporter(), 10_000)]))

meter = metrics.get_meter("web")
requests = meter.create_counter("web.requests")
latency = meter.create_histogram("web.latency", "s")

for n in range(100):
    requests.add(1, {"path": "/login"})
    latency.record(n / 1000, {"path": "/login"})
