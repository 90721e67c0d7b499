"""The exporter of OpenTelemetry's metrics: what it sends, and that its answers are true."""

from __future__ import annotations

import math
import threading
import time

import pytest
from server import PATIENCE

import potsdb

pytest.importorskip("opentelemetry.sdk.metrics", reason="opentelemetry-sdk is not installed: python/test-requirements.txt names it")

from opentelemetry.metrics import Observation  # noqa: E402
from opentelemetry.sdk.metrics import Counter, Histogram, MeterProvider, UpDownCounter  # noqa: E402
from opentelemetry.sdk.metrics import export as sdk  # noqa: E402
from opentelemetry.sdk.metrics.export import AggregationTemporality, MetricExportResult, PeriodicExportingMetricReader  # noqa: E402
from opentelemetry.sdk.metrics.view import ExplicitBucketHistogramAggregation, ExponentialBucketHistogramAggregation, View  # noqa: E402
from opentelemetry.sdk.resources import Resource  # noqa: E402

from potsdb._buckets import Exponential, percentiles  # noqa: E402
from potsdb.otel import MetricExporter  # noqa: E402

DELTA = dict.fromkeys((Counter, UpDownCounter, Histogram), AggregationTemporality.DELTA)


@pytest.fixture
def provide():
    """Makes a provider around an exporter."""
    made = []

    def provide(exporter: MetricExporter, *views: View, **resource: str) -> MeterProvider:
        resource = {name.replace("_", "."): value for name, value in resource.items()}
        reader = PeriodicExportingMetricReader(exporter, 3_600_000)
        made.append(MeterProvider([reader], Resource.create(resource), views=views))
        return made[-1]

    yield provide
    for provider in made:
        provider.shutdown()


def arrived(client, server) -> list[str]:
    """What arrived, in order and without times."""
    assert client.flush(PATIENCE)
    return [" ".join([metric, value, *tags]) for _, metric, _, value, *tags in map(str.split, server.text)]


def values(client, server, series: str) -> list[float]:
    metric, *tags = series.split()
    return [float(line.split()[1]) for line in arrived(client, server) if [line.split()[0], *line.split()[2:]] == [metric, *tags]]


def test_every_kind_of_instrument_has_its_series(client, server, provide):
    provider = provide(MetricExporter(client, prefix="web", tags={"dc": "eu"}))
    meter = provider.get_meter("test")
    meter.create_counter("hits").add(2, {"path": "/login"})
    meter.create_up_down_counter("open").add(-3, {"path": "/login"})
    meter.create_gauge("load").set(2.5, {"path": "/login"})
    meter.create_observable_gauge("heat", [lambda _: [Observation(20.0, {"room": 1})]])
    meter.create_observable_counter("ticks", [lambda _: [Observation(9, {"room": True})]])
    meter.create_histogram("took").record(1.5, {"path": "/login"})
    assert provider.force_flush()
    assert sorted(arrived(client, server)) == sorted([
        "web.hits 0 dc=eu path=/login",
        "web.hits 2 dc=eu path=/login",
        "web.open -3 dc=eu path=/login",
        "web.load 2.5 dc=eu path=/login",
        "web.heat 20 dc=eu room=1",
        "web.ticks 0 dc=eu room=true",
        "web.ticks 9 dc=eu room=true",
        "web.took.count 0 dc=eu path=/login",
        "web.took.sum 0 dc=eu path=/login",
        *(f"web.took.{name} {value} dc=eu path=/login" for name, value in {"count": 1, "sum": 1.5, "min": 1.5, "max": 1.5}.items()),
        *(f"web.took.{name} 1.5 dc=eu path=/login" for name in ("p50", "p90", "p99", "p999")),
    ])
    times = {line.split()[2] for line in server.text if line.split()[3] not in ("0",)}
    assert max(map(int, times)) - min(map(int, times)) <= 1


@pytest.mark.parametrize("aggregation", [ExplicitBucketHistogramAggregation([1, 2, 4, 8]), ExponentialBucketHistogramAggregation()])
@pytest.mark.parametrize("temporality", [None, DELTA], ids=["cumulative", "delta"])
def test_counts_are_totals_and_percentiles_are_of_the_time_since_the_last_export(client, server, provide, aggregation, temporality):
    exporter = MetricExporter(client, quantiles=[0.5], preferred_temporality=temporality)
    provider = provide(exporter, View(instrument_name="took", aggregation=aggregation))
    took = provider.get_meter("test").create_histogram("took")
    hits = provider.get_meter("test").create_counter("hits")
    for value, times in ((3.0, 10), (7.0, 4)):
        for _ in range(times):
            took.record(value, {"a": "b"})
            hits.add(1, {"a": "b"})
        assert provider.force_flush()
    assert values(client, server, "took.count a=b") == [0, 10, 14]
    assert values(client, server, "took.sum a=b") == [0, 30, 58]
    assert values(client, server, "hits a=b") == [0, 10, 14]
    first, second = values(client, server, "took.p50 a=b")
    assert first == pytest.approx(3.0, abs=1) and second == pytest.approx(7.0, abs=1.5)
    assert values(client, server, "took.min a=b") == ([3, 7] if temporality else [3, 3])
    assert client.stats().repeated == 0


def test_percentiles_of_exponential_histograms_are_as_exact_as_their_scale(client, server, provide):
    view = View(instrument_name="took", aggregation=ExponentialBucketHistogramAggregation())
    provider = provide(MetricExporter(client), view)
    took = provider.get_meter("test").create_histogram("took")
    for n in range(1, 1001):
        took.record(n, {"a": "b"})
    took.record(0, {"a": "zero"})
    provider.force_flush()
    for name, exact in [("p50", 500), ("p90", 900), ("p99", 990), ("p999", 999)]:
        # 160 buckets over three decades: 4.5 %.
        assert values(client, server, f"took.{name} a=b") == [pytest.approx(exact, rel=0.045)]
        assert values(client, server, f"took.{name} a=zero") == [0]


def test_buckets_become_series_when_asked_for(client, server, provide):
    view = View(instrument_name="took", aggregation=ExplicitBucketHistogramAggregation([0.5, 1]))
    provider = provide(MetricExporter(client, histograms="buckets"), view)
    for value in (0.1, 0.7, 0.8, 5):
        provider.get_meter("test").create_histogram("took").record(value, {"a": "b"})
    provider.force_flush()
    found = [line for line in arrived(client, server) if line.startswith("took.bucket")]
    assert found == ["took.bucket 1 a=b le=0.5", "took.bucket 3 a=b le=1", "took.bucket 4 a=b le=inf"]


def test_attributes_of_the_resource_become_tags_if_they_are_listed(client, server, provide):
    for prefix, chosen in (("one", ["service.name"]), ("two", ["host.name", "service.name", "none"])):
        provider = provide(MetricExporter(client, prefix=prefix, resource=chosen), service_name="shop", host_name="web1")
        provider.get_meter("test").create_gauge("load").set(1, {"a": "b"})
        provider.get_meter("test").create_gauge("own").set(1, {"service.name": "mine"})
        provider.force_flush()
    unnamed = provide(MetricExporter(client), host_name="web1")
    unnamed.get_meter("test").create_gauge("load").set(1, {"a": "b"})
    unnamed.force_flush()
    assert arrived(client, server) == [
        "one.load 1 service.name=shop a=b",
        "one.own 1 service.name=mine",
        "two.load 1 host.name=web1 service.name=shop a=b",
        "two.own 1 host.name=web1 service.name=mine",
        "load 1 host.name=web1 a=b",
    ]


def test_the_hosts_name_is_no_tag_beside_the_host_tag(server, provide):
    with potsdb.Client("127.0.0.1", server.port, host_tag="h", check_host=False) as client:
        provider = provide(MetricExporter(client), host_name="web1", service_name="shop", service_instance_id="17")
        provider.get_meter("test").create_gauge("load").set(1)
        provider.force_flush()
        assert arrived(client, server) == ["load 1 service.name=shop host=h"]


def test_of_too_many_attributes_the_last_are_left_out_and_told_and_totals_are_added_up(client, server, provide, caplog):
    many = {f"a{n}": n for n in range(10)}
    provider = provide(MetricExporter(client))
    hits = provider.get_meter("test").create_counter("hits")
    took = provider.get_meter("test").create_histogram("took", explicit_bucket_boundaries_advisory=[1, 2])
    for last in (9, 10, 11):
        hits.add(last, {**many, "a9": last})
        took.record(last, {**many, "a9": last})
    provider.force_flush()
    tags = " ".join(f"a{n}={n}" for n in range(8))
    assert values(client, server, f"hits {tags}") == [0, 30]
    assert values(client, server, f"took.count {tags}") == [0, 3] and values(client, server, f"took.max {tags}") == [11]
    assert "metric 'hits' has too many tags; left out: a8, a9" in caplog.text


def test_attributes_are_kept_and_skipped_as_told(client, server, provide):
    provider = provide(MetricExporter(client, keep=["b", "c", "a"], skip=["c"], max_tags=1))
    provider.get_meter("test").create_gauge("load").set(1, {"a": 1, "b": 2, "c": 3, "d": 4})
    provider.force_flush()
    assert arrived(client, server) == ["load 1 b=2"]


def test_values_of_all_types_become_legal_tags(client, server, provide):
    provider = provide(MetricExporter(client))
    provider.get_meter("test").create_gauge("load").set(1, {"t": True, "f": 1.5, "l": ["x", "y"], "p": "/users/{id}", "e": ""})
    provider.force_flush()
    assert arrived(client, server) == ["load 1 e=_ f=1.5 l=x_y p=/users/_id_ t=true"]
    exporter = MetricExporter(client, prefix="same")
    for at, one in enumerate((1, True, (1,), (True,))):
        exporter.export(data(at, attributes={"x": one}))
    assert {line.split()[2] for line in arrived(client, server) if line.startswith("same")} == {"x=1", "x=true"}
    provider = provide(MetricExporter(client, names="escape"))
    provider.get_meter("test").create_gauge("load").set(1, {"p": "1.2+g3", "otel.metric.overflow": True})
    provider.force_flush()
    assert arrived(client, server)[-1:] == ["load 1 otel.metric.overflow=true p=1.2_2Bg3"]


def data(value: float = 1, at: int | None = None, attributes: dict | None = None) -> sdk.MetricsData:
    """One gauge, as a reader hands it over."""
    at = time.time_ns() if at is None else at
    point = sdk.NumberDataPoint({"a": "b"} if attributes is None else attributes, 0, at, value)
    metric = sdk.Metric("load", "", "", sdk.Gauge([point]))
    return sdk.MetricsData([sdk.ResourceMetrics(Resource({}), [sdk.ScopeMetrics(None, [metric], "")], "")])


def test_success_means_that_every_point_was_accepted(client, caplog):
    exporter = MetricExporter(client)
    accepted = client.stats().accepted
    assert exporter.export(data()) is MetricExportResult.SUCCESS
    assert client.stats().accepted == accepted + 1
    assert exporter.export(sdk.MetricsData([])) is MetricExportResult.SUCCESS
    for bad in (data(math.nan), data(attributes={})):
        assert exporter.export(bad) is MetricExportResult.FAILURE
    assert "nan is no finite number" in caplog.text and "metric 'load' is not sent" in caplog.text
    client.close(PATIENCE)
    assert exporter.export(data()) is MetricExportResult.FAILURE
    assert "export failed" in caplog.text


def test_a_queue_without_room_is_a_failure(late_server):
    with potsdb.Client("127.0.0.1", late_server.port, check_host=False, overflow="block:0s", qsize=1, mps=0.001) as client:
        exporter = MetricExporter(client)
        results = [exporter.export(data(at=(1_600_000_000 + n) * 10**9)) for n in range(50)]
        assert MetricExportResult.FAILURE in results
        assert results.count(MetricExportResult.SUCCESS) == client.stats().accepted
        client.stop()


def test_a_flush_says_whether_every_point_has_its_answer(stuck_server, server, client):
    with potsdb.Client("127.0.0.1", stuck_server.port, check_host=False, close_grace=0) as unanswered:
        exporter = MetricExporter(unanswered)
        exporter.export(data())
        assert exporter.force_flush(50) is False
        unanswered.stop()
    exporter = MetricExporter(client)
    exporter.export(data())
    assert exporter.force_flush(PATIENCE * 1000) is True and server.lines


def test_after_the_shutdown_nothing_is_exported_and_the_client_goes_on(client, server):
    exporter = MetricExporter(client)
    exporter.export(data())
    exporter.shutdown(PATIENCE * 1000)
    assert len(server.lines) == 1, "it waited"
    assert exporter.export(data()) is MetricExportResult.FAILURE
    exporter.shutdown()
    assert client.send("m", 1, a="b") is not None


def test_without_a_client_it_makes_that_of_the_environment_and_closes_it(server, monkeypatch):
    monkeypatch.setenv("POTSDB_URL", f"tsdb://127.0.0.1:{server.port}?host_tag=false")
    exporter = MetricExporter()
    exporter.export(data())
    exporter.shutdown(timeout=PATIENCE * 1000)
    assert [line.split()[1] for line in server.text] == ["load"]
    assert exporter._client._is_closed


def test_exports_within_a_second_and_after_the_clock_was_set_back_have_times_that_increase(client, server):
    exporter = MetricExporter(client)
    for n, at in enumerate([1000, 1000, 1000, 999, 1010, 500, 501]):
        exporter.export(data(n, at=(1_600_000_000 + at) * 10**9))
    client.flush(PATIENCE)
    assert [int(line.split()[2]) - 1_600_000_000 for line in server.text] == [1000, 1001, 1002, 1003, 1010, 500, 501]


def test_exports_are_aligned_if_the_interval_is_known(client, server):
    exporter = MetricExporter(client, interval=10)
    for n, at in enumerate([1001, 1011, 1012, 1013, 1021]):
        exporter.export(data(n, at=(1_600_000_000 + at) * 10**9))
    client.flush(PATIENCE)
    assert [int(line.split()[2]) - 1_600_000_000 for line in server.text] == [1000, 1010, 1012, 1013, 1020]


def test_a_child_that_was_forked_amid_exports_exports(run, server):
    script = """
    import os, sys, threading, time
    sys.path.insert(0, sys.argv[2])
    import potsdb
    from potsdb.otel import MetricExporter
    from test_otel import data
    client = potsdb.Client("127.0.0.1", int(sys.argv[1]), host_tag=None, check_host=False)
    exporter = MetricExporter(client)
    going = True
    def work():
        while going: exporter.export(data())
    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads: thread.start()
    for n in range(20):
        child = os.fork()
        if child == 0:
            assert exporter.export(data()).name == "SUCCESS"
            assert exporter.force_flush(20_000)
            client.stop()
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0, n
    going = False
    for thread in threads: thread.join()
    client.stop()
    """
    run(script, server.port, str(__import__("pathlib").Path(__file__).parent), options=("-W", "ignore"))


def test_exports_of_several_threads_never_repeat_a_time_and_the_last_one_arrives(client, server):
    exporter = MetricExporter(client)
    at = time.time_ns()
    results = []
    threads = [threading.Thread(target=lambda: [results.append(exporter.export(data(at=at))) for _ in range(200)]) for _ in range(4)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    exporter.export(data(77, at=at))
    assert results == [MetricExportResult.SUCCESS] * 800
    assert client.flush(PATIENCE) and len(server.lines) < 100, "a flush does not run ahead of the clock"
    client.close(PATIENCE)
    assert arrived(client, server)[-1] == "load 77 a=b" and client.stats().repeated == 0


def test_increments_are_never_left_for_later(client, server, provide):
    provider = provide(MetricExporter(client, preferred_temporality=DELTA))
    hits = provider.get_meter("test").create_counter("hits")
    for _ in range(50):
        hits.add(1, {"a": "b"})
        provider.force_flush()
    assert values(client, server, "hits a=b") == list(range(51))


def test_percentiles_of_negative_values_lie_where_they_do():
    of = Exponential(0, 1, {0: 1, 3: 1}, {1: 1, 4: 1})
    assert of.spans() == [(-32, -16, 1), (-4, -2, 1), (0, 0, 1), (1, 2, 1), (8, 16, 1)]
    assert percentiles(of.spans(), [0, 0.2, 0.5, 1]) == [(0, -32), (0.2, -16), (0.5, 0), (1, 16)]
    assert percentiles(of.spans(), [0, 1], -20, 9) == [(0, -20), (1, 9)]


def test_exponential_buckets_of_other_scales_are_combined_on_the_coarser_one():
    fine, coarse = Exponential(1, 0, {-3: 1, 0: 2, 5: 3}, {}), Exponential(0, 2, {-2: 1, 0: 2, 2: 3}, {})
    both = fine.combined(coarse, 1)
    assert both is not None and (both.scale, both.zeros, both.positive) == (0, 2, {-2: 2, 0: 4, 2: 6})
    back = both.combined(fine, -1)
    assert back is not None and back.positive == coarse.positive
    assert fine.combined(coarse, -1) is None, "it has fewer zeros"


@pytest.mark.parametrize("settings", [{"histograms": "none"}, {"names": "ascii"}, {"interval": 0.5}])
def test_settings_that_make_no_sense_are_refused(offline, settings):
    with pytest.raises(potsdb.ConfigError, match="is unknown|less than a second"):
        MetricExporter(offline, **settings)
