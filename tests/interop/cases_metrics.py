"""What we tell Prometheus, read by its own Python library."""
import urllib.request

from prometheus_client.parser import text_string_to_metric_families
from websockets.sync.client import connect

from kit import Echo, case, must, same


@case("Prometheus: our figures, read by prometheus_client")
def metrics(lab):
    with Echo("--metrics") as echo:
        with connect(echo.url) as ws:
            ws.send("hello")
            same(ws.recv(), "hello")
            with urllib.request.urlopen("http://127.0.0.1:%d/metrics" % echo.port) as page:
                same(page.headers["Content-Type"], "text/plain; version=0.0.4")
                families = {family.name: family for family in text_string_to_metric_families(page.read().decode())}
    kinds = {family.type for family in families.values()}
    same(kinds, {"counter", "gauge", "histogram"})
    must("^wsock_loop_lag_seconds$", "\n".join(families))
    samples = {(sample.name, sample.labels.get("direction")): sample.value for family in families.values() for sample in family.samples}
    same(samples["wsock_messages_total", "received"], 1.0)
    same(samples["wsock_server_messages_total", "sent"], 1.0)
    same(samples["wsock_connections", None], 1.0)
